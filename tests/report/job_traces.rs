//! Job traces are those of the slowest and of the first failed jobs, complete up to a bound, in constant memory.

use super::launch_scenario;
use super::toy_model::{RunConditions, simulate};
use proptest::prelude::*;
use provider::{Instant, Nanos};
use quotalab::event::{EndReason, Event, EventKind, JobEnd, JobOutcome, WaitReason};
use quotalab::ids::JobId;
use quotalab::record::{Fold, JobTrace, SlowJobs, Summary, TraceEvent, TraceEventKind};
use std::collections::BTreeMap;

/// Records the latency or the outcome of every job, in unbounded memory.
#[derive(Default)]
struct AllJobs {
    succeeded: BTreeMap<u64, Nanos>,
    unserved: Vec<(u64, JobOutcome)>,
}

impl Fold for AllJobs {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Done(JobEnd { outcome: JobOutcome::Succeeded, scheduled, .. }) => {
                self.succeeded.insert(event.job.0, event.at.since(scheduled));
            }
            EventKind::Done(JobEnd { outcome, .. }) => self.unserved.push((event.job.0, outcome)),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The traces are those of the slowest jobs and, beginning with the first, of at most ten that did not succeed. Every
    /// trace runs from arrival to end in order of time.
    #[test]
    fn the_slowest_jobs_are_traced(seed in 0u64..1_000, per_min in 10.0f64..60.0) {
        let mut scenario = launch_scenario(per_min);
        scenario.seed = seed;
        scenario.duration = Nanos::from_secs(1_800);
        let mut folds = (SlowJobs::new(), AllJobs::default());
        simulate(&scenario, &RunConditions { per_min, swing: 0.5, incident: 600.0..700.0 }, &mut folds);
        let traces = folds.0.traces(&scenario);
        let (slowest, unserved): (Vec<&JobTrace>, Vec<&JobTrace>) = traces.iter().partition(|trace| trace.verdict == "succeeded");
        let mut longest: Vec<f64> = folds.1.succeeded.values().map(|length| length.as_secs_f64()).collect();
        longest.sort_by(|a, b| b.total_cmp(a));
        longest.truncate(10);
        prop_assert_eq!(slowest.len(), longest.len());
        for (trace, length) in slowest.iter().zip(longest) {
            prop_assert!((trace.latency_s - length).abs() < 1e-5);
        }
        let first = folds.1.unserved.first().map(|(job, _)| *job);
        prop_assert_eq!(unserved.first().map(|trace| trace.job), first);
        prop_assert!(unserved.len() <= 10);
        for trace in &traces {
            prop_assert_eq!(&trace.events[0].kind, &TraceEventKind::Arrived);
            prop_assert!(trace.events.windows(2).all(|pair| pair[0].at_s <= pair[1].at_s));
            prop_assert_eq!(trace.events.last().unwrap().at_s, trace.latency_s);
            let sent = trace.events.iter().filter(|event| matches!(event.kind, TraceEventKind::Sent { .. })).count();
            prop_assert_eq!(sent, usize::from(trace.attempts));
            let json = serde_json::to_string(trace).unwrap();
            prop_assert_eq!(&serde_json::from_str::<JobTrace>(&json).unwrap(), trace);
        }
    }
}

fn event(fold: &mut SlowJobs, second: u64, job: u64, kind: EventKind) {
    fold.event(&Event { at: Instant::ZERO + Nanos::from_secs(second), job: JobId(job), kind });
}

fn arrives(fold: &mut SlowJobs, second: u64, job: u64) {
    event(fold, second, job, super::arrived(Instant::ZERO + Nanos::from_secs(second)));
}

fn ends(fold: &mut SlowJobs, scheduled: u64, second: u64, job: u64, outcome: JobOutcome) {
    let ending = super::job_end(outcome, Instant::ZERO + Nanos::from_secs(scheduled));
    event(fold, second, job, EventKind::Done(ending));
}

/// Jobs whose numbers differ by a multiple of 4,096 share a slot.
#[test]
fn the_older_of_two_jobs_in_one_slot_is_traced() {
    let scenario = launch_scenario(1.0);
    let mut slow_jobs = SlowJobs::new();
    arrives(&mut slow_jobs, 0, 0);
    arrives(&mut slow_jobs, 1, 4_096);
    ends(&mut slow_jobs, 1, 90, 4_096, JobOutcome::Succeeded);
    ends(&mut slow_jobs, 0, 99, 0, JobOutcome::Succeeded);
    arrives(&mut slow_jobs, 100, 8_192);
    ends(&mut slow_jobs, 100, 101, 8_192, JobOutcome::Succeeded);
    let traces = slow_jobs.traces(&scenario);
    let traced: Vec<_> = traces.iter().map(|trace| (trace.job, trace.latency_s)).collect();
    assert_eq!(traced, [(0, 99.0), (8_192, 1.0)]);
}

#[test]
fn a_long_trace_leaves_out_its_middle() {
    let scenario = launch_scenario(1.0);
    let mut slow_jobs = SlowJobs::new();
    arrives(&mut slow_jobs, 0, 0);
    for second in 1..=40 {
        let until = Instant::ZERO + Nanos::from_secs(second + 1);
        event(
            &mut slow_jobs,
            second,
            0,
            EventKind::Waiting { until, obstacle: super::obstacle(WaitReason::BackOff), may_extend: false },
        );
    }
    ends(&mut slow_jobs, 0, 41, 0, JobOutcome::Failed(EndReason::Deadline));
    let trace = slow_jobs.traces(&scenario).remove(0);
    let kinds: Vec<_> = trace.events.iter().map(|event| event.kind.clone()).collect();
    let backs_off =
        |until_s| TraceEventKind::Waiting { until_s, why: WaitReason::BackOff, may_extend: false };
    let done = TraceEventKind::Done { verdict: "failed".to_owned(), reason: Some("deadline".to_owned()) };
    assert_eq!(kinds[..2], [TraceEventKind::Arrived, backs_off(2.0)]);
    assert_eq!(kinds[12], TraceEventKind::LeftOut { events: 17 });
    assert_eq!(kinds[kinds.len() - 2..], [backs_off(41.0), done]);
    assert_eq!(kinds.len(), 26, "24 events, the gap, and the end");
}

#[test]
fn one_reason_does_not_displace_the_others() {
    let scenario = launch_scenario(1.0);
    let mut slow_jobs = SlowJobs::new();
    for job in 0..50 {
        arrives(&mut slow_jobs, job, job);
        ends(&mut slow_jobs, job, job, job, JobOutcome::Failed(EndReason::Attempts));
    }
    arrives(&mut slow_jobs, 60, 60);
    ends(&mut slow_jobs, 60, 60, 60, JobOutcome::Shed(EndReason::QueueFull));
    let traced: Vec<_> = slow_jobs.traces(&scenario).iter().map(|trace| trace.job).collect();
    assert_eq!(traced, [0, 1, 2, 60]);
}

#[test]
fn a_promotion_in_a_trace_has_the_name_of_the_event_log() {
    let event = TraceEvent { at_s: 1.5, kind: TraceEventKind::Promoted { leader: 7 } };
    let json = r#"{"at_s":1.5,"kind":"took_over","leader":7}"#;
    assert_eq!(serde_json::to_string(&event).unwrap(), json);
}

/// A result of an earlier version has sentences instead of findings, and in its notes and traces.
#[test]
fn a_result_of_an_earlier_version_is_read() {
    let mut json = serde_json::to_value(super::launch_day()).unwrap();
    let findings = json.as_object_mut().unwrap().remove("findings").unwrap();
    json["verdict"] = serde_json::json!(["A sentence."]);
    json["notes"] = serde_json::json!(["Another sentence."]);
    json["worst"] = serde_json::json!([{
        "job": 1, "workload": "chat", "scheduled_s": 2.0, "latency_s": 3.0, "prompt_tokens": 4, "attempts": 1,
        "verdict": "succeeded", "moments": [{ "at_s": 0.0, "what": "arrives" }],
    }]);
    for quantiles in ["latency_s", "first_token_s", "queue_s", "service_s"] {
        json[quantiles].as_object_mut().unwrap().remove("hdr");
    }
    let summary = Summary::from_json(&json.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&summary.findings).unwrap(), findings, "they are derived again");
    let sentence = TraceEventKind::Sentence { what: "arrives".to_owned() };
    assert_eq!(summary.job_traces[0].events, [TraceEvent { at_s: 0.0, kind: sentence }]);
    assert_eq!(quotalab::report::notes::sentences(&summary.notes), ["Another sentence."]);
    assert!(summary.latency_s.histogram().is_err());
}

//! The recorder: nothing is lost or counted twice, and the same run gives the same text.

use super::scenario::{rule, scenario};
use super::toy_model::{RunConditions, simulate};
use super::{arrived, end, job_end};
use proptest::prelude::*;
use provider::{Axis, Instant, Nanos};
use quotalab::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, ProviderDecision, RefusalCause};
use quotalab::ids::{AttemptId, JobId, TargetId, WorkloadId};
use quotalab::record::{
    Audit, Finding, Fold, GeneratorLag, Late, Log, LogHash, Mode, Recorder, RunEnd, Summary,
};
use quotalab::scenario::{Metric, Op, Scenario};

pub(super) fn short(limits: &[(Axis, u64)]) -> Scenario {
    scenario("short", Nanos::from_secs(60), &[("groq/acme/small", limits)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Under any load the counts add up, the audit finds nothing, the series adds up to the totals, no limit is used beyond
    /// what it can admit, the stated quantiles are those of the distributions, a recorder without distributions counts the
    /// same, and the result reads back as it was written.
    #[test]
    fn the_counts_add_up_under_any_load(seed in 0u64..1_000, per_min in 0.0f64..400.0, rpm in 1u64..100, tpm in 1_000u64..100_000) {
        let mut scenario = short(&[(Axis::Rpm, rpm), (Axis::Tpm, tpm)]);
        scenario.seed = seed;
        let mut folds = (Recorder::new(&scenario), Audit::new(&scenario, Nanos::ZERO));
        let conditions = RunConditions { per_min, swing: 0.5, incident: 20.0..25.0 };
        let at = simulate(&scenario, &conditions, &mut folds);
        let (violations, count) = folds.1.finish();
        prop_assert!(count == 0, "{violations:?}");

        let summary = folds.0.finish(end(at));
        let (jobs, attempts, series) = (&summary.jobs, &summary.attempts, &summary.series);
        prop_assert_eq!(jobs.offered, jobs.succeeded + jobs.failed + jobs.shed + jobs.in_flight);
        prop_assert_eq!(attempts.total, attempts.ok + attempts.limited + attempts.failed + attempts.in_flight);
        prop_assert_eq!(attempts.limited, attempts.limited_by.values().sum::<u64>());
        prop_assert_eq!(attempts.failed, attempts.failed_by.values().sum::<u64>());
        prop_assert_eq!(jobs.failed, jobs.failed_by.values().sum::<u64>());
        prop_assert_eq!(series.offered.iter().sum::<u64>(), jobs.offered);
        prop_assert_eq!(series.succeeded.iter().sum::<u64>(), jobs.succeeded);
        prop_assert_eq!(series.fell_back.iter().sum::<u64>(), jobs.fell_back);
        let served_by_own_attempt = jobs.succeeded - jobs.cached - jobs.joined;
        prop_assert_eq!(series.served.iter().sum::<u64>(), if series.served.is_empty() { 0 } else { served_by_own_attempt });
        prop_assert_eq!(series.failed.iter().sum::<u64>(), jobs.failed);
        let cost: f64 = series.cost_usd.values().flatten().sum();
        prop_assert!((cost - summary.charged_usd()).abs() < 2e-6, "{} for {}", cost, summary.charged_usd());
        prop_assert_eq!(series.sent.iter().sum::<u64>(), attempts.total);
        prop_assert_eq!(series.limited.iter().sum::<u64>(), attempts.limited);
        prop_assert_eq!(series.limited_by.values().flatten().sum::<u64>(), attempts.limited);
        prop_assert_eq!(summary.latency_s.count, jobs.succeeded);
        let parts = summary.time_s;
        let sum = parts.queue + parts.wait + parts.lost + parts.first_token + parts.output;
        prop_assert!((sum - summary.latency_s.mean).abs() < 1e-5, "{} for {}", sum, summary.latency_s.mean);
        for (target, fill) in summary.targets.iter().zip(&series.fill) {
            let charged = &fill.charged;
            prop_assert_eq!(charged.prompt_tokens.iter().sum::<u64>(), target.tokens.prompt);
            prop_assert_eq!(charged.completion_tokens.iter().sum::<u64>(), target.tokens.completion);
            prop_assert_eq!(charged.calls.iter().sum::<u64>(), target.ok);
            let refused: std::collections::BTreeMap<_, u64> =
                fill.refused.iter().map(|(axis, counts)| (axis.clone(), counts.iter().sum())).collect();
            prop_assert_eq!(&refused, &target.limited_by);
            prop_assert!(target.utilisation.values().all(|share| (0.0..=1.0).contains(share)), "{:?}", target.utilisation);
        }
        for quantiles in [&summary.latency_s, &summary.first_token_s, &summary.queue_s, &summary.service_s] {
            let figures = quantiles.histogram().unwrap().quantiles();
            prop_assert_eq!(&quotalab::record::Quantiles { hdr: quantiles.hdr.clone(), ..figures }, quantiles);
        }
        prop_assert_eq!(series.latency_hdr.iter().flatten().count(), series.p50_s.iter().flatten().count());
        let mut without_distributions = (Recorder::without_distributions(&scenario), ());
        simulate(&scenario, &conditions, &mut without_distributions);
        prop_assert_eq!(without_distributions.0.finish(end(at)), summary.without_distributions());
        prop_assert_eq!(Summary::from_json(&summary.to_json()).unwrap(), summary);
    }
}

#[test]
fn the_same_run_gives_the_same_bytes_and_the_same_hash() {
    let run = |seed| {
        let mut scenario = short(&[(Axis::Rpm, 30)]);
        scenario.seed = seed;
        let mut folds = (Recorder::new(&scenario), Log::new(LogHash::default(), &scenario).unwrap());
        let at =
            simulate(&scenario, &RunConditions { per_min: 60.0, swing: 0.0, incident: 0.0..0.0 }, &mut folds);
        (folds.0.finish(end(at)).to_json(), folds.1.finish().unwrap())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).1, run(2).1);
}

/// Feeds the events of a job that is sent when it arrives and served a second later.
fn record_served_job(fold: &mut impl Fold, job: u64, at: Instant) {
    let (attempt, target) = (AttemptId(job), TargetId(0));
    let usage = provider::Usage { prompt_tokens: 100, completion_tokens: 50, cached_tokens: 0 };
    let later = at + Nanos::SECOND;
    let ending = JobEnd {
        attempts: 1,
        step: Some(0),
        service: Nanos::SECOND,
        first_token: Some(Nanos::from_millis(250)),
        ..job_end(JobOutcome::Succeeded, at)
    };
    for (at, kind) in [
        (at, arrived(at)),
        (at, EventKind::Sent { attempt, target, step: 0, number: 1 }),
        (at, EventKind::Decided { attempt, target, decision: ProviderDecision::Admitted { reserved: 150 } }),
        (later, EventKind::Settled { attempt, target, workload: WorkloadId(0), usage }),
        (later, EventKind::Replied { attempt, target, outcome: AttemptOutcome::Ok, usage }),
        (later, EventKind::Done(ending)),
    ] {
        fold.event(&Event { at, job: JobId(job), kind });
    }
}

#[test]
fn utilisation_is_the_used_share_of_what_could_have_been_admitted() {
    let scenario = short(&[(Axis::Rpm, 30), (Axis::Tpm, 6_000), (Axis::Concurrency, 2)]);
    let mut recorder = Recorder::new(&scenario);
    for job in 0..6 {
        record_served_job(&mut recorder, job, Instant::ZERO + Nanos::from_secs(job * 10));
    }
    let summary = recorder.finish(end(Instant::ZERO + Nanos::from_secs(60)));
    let used = &summary.targets[0].utilisation;
    assert_eq!(used["rpm"], 0.1, "6 of a burst of 30 and 30 more");
    assert_eq!(used["tpm"], 0.075, "6 x 150 of 12,000");
    assert_eq!(used["concurrency"], 0.05, "6 s of 2 x 60 s");
    let charged = &summary.series.fill[0].charged;
    assert_eq!(charged.busy_s.iter().sum::<f64>(), 6.0);
    assert_eq!(summary.charged_usd(), 0.000_591, "600 x 0.59 and 300 x 0.79 per million");
    assert_eq!(summary.time_s.first_token, 0.25);
    assert_eq!(summary.time_s.output, 0.75);
}

/// A provider that never settles charges what it reserves, whatever is used: here 500 tokens for 110.
#[test]
fn utilisation_of_a_limit_that_is_never_settled_counts_reservations() {
    let scenario = crate::story::parse(
        "duration: 10m
start: full
providers: { p: { dialect: azure, models: { m: { limits: { tpm: 10k }, latency: { total: 1s } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { retry: { attempts: 1 } }
workload: [{ name: w, arrivals: { constant: 60/min }, prompt: 100, completion: 10, max_tokens: 400 }]",
    );
    let summary = quotalab::drive::summarize(&scenario);
    let target = &summary.targets[0];
    assert!(target.limited > 0, "the limit refuses: {target:?}");
    // The actual usage is 22 % of what was reserved.
    assert!((0.95..=1.0).contains(&target.utilisation["tpm"]), "{target:?}");
}

#[test]
fn utilisation_is_over_the_run_even_if_the_last_job_ends_early() {
    let scenario = short(&[(Axis::Rpm, 30), (Axis::Concurrency, 2)]);
    let mut recorder = Recorder::new(&scenario);
    record_served_job(&mut recorder, 0, Instant::ZERO);
    let summary = recorder.finish(end(Instant::ZERO + Nanos::from_secs(5)));
    let used = &summary.targets[0].utilisation;
    assert_eq!(used["rpm"], 0.016_667, "1 of a burst of 30 and 30 more");
    assert_eq!(used["concurrency"], 0.008_333, "1 s of 2 x 60 s");
}

#[test]
fn a_refusal_in_the_first_minute_has_the_load_of_that_minute() {
    let scenario = short(&[(Axis::Rpm, 30)]);
    let mut recorder = Recorder::new(&scenario);
    let conditions = RunConditions { per_min: 120.0, swing: 0.0, incident: 0.0..0.0 };
    let at = simulate(&scenario, &conditions, &mut recorder);
    let summary = recorder.finish(end(at));
    let refusal = summary.first_refusal.as_ref().unwrap();
    assert_eq!((refusal.axis.as_str(), refusal.target.as_str()), ("rpm", "groq/acme/small"));
    // The run lasts a minute, so its first minute is all of it.
    assert_eq!(refusal.offered_per_min, summary.jobs.offered as f64);
    let first = &summary.findings[0];
    assert!(matches!(first, Finding::FirstRefusal { axis, .. } if axis == "rpm"), "{first:?}");
}

#[test]
fn a_rule_without_a_value_does_not_hold_except_headroom_without_limits() {
    let mut scenario = short(&[]);
    scenario.expect.push(rule("headroom >= 2", Metric::Headroom, Op::AtLeast, 2.0));
    let summary = Recorder::new(&scenario).finish(end(Instant::ZERO));
    let passes: Vec<_> = summary.expect.iter().map(|expected| (expected.actual, expected.pass)).collect();
    assert_eq!(passes, [(None, false), (None, false), (Some(0.0), true), (None, true)]);
    assert!(!summary.holds());
    assert_eq!(summary.findings[0], Finding::NoJobs);
}

#[test]
fn a_missed_schedule_is_the_first_finding() {
    let scenario = short(&[(Axis::Rpm, 30)]);
    let first = |lag: Nanos, scheduled_jobs: u64| {
        let mut recorder = Recorder::new(&scenario);
        let at = Instant::ZERO + lag;
        let end = job_end(JobOutcome::InFlight, Instant::ZERO);
        for kind in [arrived(Instant::ZERO), EventKind::Done(end)] {
            recorder.event(&Event { at, job: JobId(0), kind });
        }
        let summary = recorder.finish(RunEnd {
            at,
            mode: Mode::Live,
            scheduled: Some(scheduled_jobs),
            interrupted: false,
        });
        assert_eq!(summary.lag_s.as_ref().unwrap().max, lag.as_secs_f64());
        summary.findings[0].clone()
    };
    assert!(matches!(first(Nanos::from_millis(10), 1), Finding::NoRefusal { .. }));
    let lag = GeneratorLag { p99_s: 0.011, of: Late::Jobs, share: 0.5, late_s: Some(0.011) };
    assert_eq!(first(Nanos::from_millis(11), 1), Finding::GeneratorLagged(lag));
    assert_eq!(first(Nanos::ZERO, 2), Finding::GeneratorMissedJobs { offered: 1, scheduled: 2 });
}

#[test]
fn refusals_without_an_axis_are_counted_by_cause_and_unnamed_in_the_series() {
    let scenario = short(&[(Axis::Rpm, 30)]);
    let mut recorder = Recorder::new(&scenario);
    let at = Instant::ZERO + Nanos::from_secs(2);
    let outcome = |axis, cause| AttemptOutcome::Refused { axis, cause };
    let refusals = [
        outcome(None, RefusalCause::Billing),
        outcome(None, RefusalCause::Concurrency),
        outcome(Some(Axis::Concurrency), RefusalCause::Concurrency),
    ];
    for (id, outcome) in (1..).zip(refusals) {
        let (attempt, target) = (AttemptId(id), TargetId(0));
        recorder.event(&Event {
            at,
            job: JobId(0),
            kind: EventKind::Sent { attempt, target, step: 0, number: 1 },
        });
        let usage = provider::Usage::default();
        recorder.event(&Event {
            at,
            job: JobId(0),
            kind: EventKind::Replied { attempt, target, outcome, usage },
        });
    }
    let summary = recorder.finish(end(at));
    let by: Vec<_> =
        summary.attempts.limited_by.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(by, [("billing", 1), ("concurrency", 2)]);
    assert_eq!(summary.series.limited_by["unnamed"].iter().sum::<u64>(), 2);
}

#[test]
fn a_result_of_another_schema_with_steps_of_no_length_or_truncated_is_an_error() {
    let scenario = short(&[]);
    let json = Recorder::new(&scenario).finish(end(Instant::ZERO)).to_json();
    let error = |json: &str| Summary::from_json(json).unwrap_err().to_string();
    assert!(error(&json.replace("quotalab/result/1", "quotalab/result/9")).contains("quotalab/result/9"));
    assert!(error(&json.replace("\"step_s\": 0.5", "\"step_s\": 0.0")).contains("series.step_s is 0"));
    assert!(error("{").contains("EOF"));
}

#[test]
fn a_result_with_numbers_that_no_run_has_is_an_error() {
    let scenario = short(&[(Axis::Rpm, 30)]);
    let mut recorder = Recorder::new(&scenario);
    record_served_job(&mut recorder, 0, Instant::ZERO);
    let json = recorder.finish(end(Instant::ZERO + Nanos::from_secs(60))).to_json();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(Summary::from_json(&json.to_string()).is_ok());
    for (path, value, expected) in [
        ("/duration_s", -1.0, "duration_s is -1"),
        ("/ended_s", 1e308, "ended_s is "),
        ("/cost_usd", -0.5, "cost_usd is -0.5"),
        ("/latency_s/p50", -1.0, "latency_s.p50 is -1"),
        ("/latency_s/p50", 1e6, "latency_s.p50 is above latency_s.p90"),
        ("/service_s/mean", 1e6, "service_s.mean is above service_s.max"),
        ("/workloads/0/latency_s/max", 0.0, "workloads.latency_s.p99 is above workloads.latency_s.max"),
        ("/time_s/wait", 1e300, "time_s.wait is "),
        ("/jobs/offered", 9.0, "jobs.offered is 9, but its parts are"),
        ("/attempts/ok", 9.0, "attempts.total is 1, but its parts are"),
        ("/workloads/0/failed", 9.0, "workloads.offered is 1, but its parts are"),
        (
            "/series/fill/0/charged/calls/1",
            u64::MAX as f64,
            "18446744073709551615 is too large; expected at most 1e18",
        ),
        ("/targets/0/cost_usd", 1e307, "1e+307 is too large"),
    ] {
        let mut changed = json.clone();
        let member = changed.pointer_mut(path).expect(path);
        *member = if member.is_u64() { (value as u64).into() } else { value.into() };
        let error = Summary::from_json(&changed.to_string()).unwrap_err().to_string();
        assert!(error.contains(expected), "{path}: {error}");
    }
    let mut changed = json.clone();
    for count in changed.pointer_mut("/series/offered").unwrap().as_array_mut().unwrap() {
        *count = 1_000_000_000_000_000_000_u64.into();
    }
    let error = Summary::from_json(&changed.to_string()).unwrap_err().to_string();
    assert!(error.contains("add up to more than 18446744073709551615"), "{error}");
}

#[test]
fn charges_count_in_their_time_buckets() {
    let scenario = short(&[(Axis::Rpm, 30), (Axis::Concurrency, 2)]);
    let mut recorder = Recorder::new(&scenario);
    let bucket = Nanos::from_millis(500);
    // Admitted a quarter of a second before the fourth bucket ends, settled a second later, in the sixth.
    record_served_job(&mut recorder, 0, Instant::ZERO + Nanos(bucket.0 * 4 - bucket.0 / 2));
    let summary = recorder.finish(end(Instant::ZERO + Nanos::from_secs(60)));
    let (series, charged) = (&summary.series, &summary.series.fill[0].charged);
    assert_eq!(series.step_s, 0.5);
    assert_eq!(charged.calls[..7], [0, 0, 0, 1, 0, 0, 0], "when it was admitted");
    assert_eq!(charged.prompt_tokens[..7], [0, 0, 0, 0, 0, 100, 0], "when it was settled");
    assert_eq!(charged.busy_s[..7], [0.0, 0.0, 0.0, 0.25, 0.5, 0.25, 0.0], "while it was in flight");
}

/// Without any decision, as over HTTP to a real provider, the usage in the replies counts as what was charged.
#[test]
fn replies_are_charged_if_no_decision_is_reported() {
    /// Drops the provider's events.
    struct WithoutDecisions<'a>(&'a mut Recorder);
    impl Fold for WithoutDecisions<'_> {
        fn event(&mut self, event: &Event) {
            if !matches!(event.kind, EventKind::Decided { .. } | EventKind::Settled { .. }) {
                self.0.event(event);
            }
        }
    }
    let scenario = short(&[(Axis::Rpm, 30)]);
    let mut recorder = Recorder::new(&scenario);
    record_served_job(&mut WithoutDecisions(&mut recorder), 0, Instant::ZERO);
    let summary = recorder.finish(end(Instant::ZERO + Nanos::from_secs(60)));
    let charged = &summary.series.fill[0].charged;
    assert_eq!((charged.calls.iter().sum::<u64>(), charged.completion_tokens.iter().sum::<u64>()), (1, 50));
}

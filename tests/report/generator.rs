//! A load generator that could not keep up: what a result says, and what it does not.

use super::record::short;
use super::scenario::rule;
use super::{arrived, job_end};
use provider::{Axis, Instant, Nanos, Usage};
use quotalab::event::{AttemptOutcome, EndReason, Event, EventKind, JobOutcome, RefusalCause};
use quotalab::ids::{AttemptId, JobId, TargetId};
use quotalab::record::{Finding, Fold, Mode, Recorder, RunEnd, Summary};
use quotalab::report;
use quotalab::scenario::{Metric, Op};

/// Ten jobs at ten per second, of which the generator sheds the last four. The job that arrives at `refused_at`, if there is one, has
/// an attempt that is refused.
fn shed_by_generator(refused_at: Nanos) -> Summary {
    let mut scenario = short(&[(Axis::Rpm, 30)]);
    scenario.expect.push(rule("success >= 50%", Metric::Success, Op::AtLeast, 0.5));
    let mut recorder = Recorder::new(&scenario);
    let refused_at = Instant::ZERO + refused_at;
    for id in 0..10 {
        let at = Instant::ZERO + Nanos::from_millis(id * 100);
        let job = JobId(id);
        recorder.event(&Event { at, job, kind: arrived(at) });
        if at == refused_at {
            let (attempt, target) = (AttemptId(0), TargetId(0));
            let outcome = AttemptOutcome::Refused { axis: Some(Axis::Rpm), cause: RefusalCause::ShortLimit };
            recorder.event(&Event { at, job, kind: EventKind::Sent { attempt, target, step: 0, number: 1 } });
            let usage = Usage::default();
            recorder.event(&Event { at, job, kind: EventKind::Replied { attempt, target, outcome, usage } });
        }
        let outcome = if id < 6 { JobOutcome::Succeeded } else { JobOutcome::Shed(EndReason::GeneratorLag) };
        recorder.event(&Event { at, job, kind: EventKind::Done(job_end(outcome, at)) });
    }
    let at = Instant::ZERO + Nanos::SECOND;
    recorder.finish(RunEnd { at, mode: Mode::Live, scheduled: None, interrupted: false })
}

/// The jobs that the generator shed are the first finding. No rule is judged, and a refusal is a finding only if it was before the first
/// of them.
#[test]
fn if_the_generator_sheds_jobs_nothing_is_concluded_from_what_follows() {
    let is_limit =
        |finding: &Finding| matches!(finding, Finding::NoRefusal { .. } | Finding::FirstRefusal { .. });
    let without_refusal = shed_by_generator(Nanos::SECOND);
    let Finding::GeneratorShed(shed) = &without_refusal.findings[0] else {
        panic!("{:?}", without_refusal.findings)
    };
    assert_eq!((shed.jobs, shed.offered, shed.from_s), (4, 10, 0.6));
    assert_eq!(shed.offered_per_s, 10.0, "in the time bucket of the first of them");
    assert!(!without_refusal.findings.iter().any(is_limit), "{:?}", without_refusal.findings);
    let judged = &without_refusal.expect[0];
    assert_eq!((judged.actual, judged.pass, judged.is_broken()), (Some(0.6), false, false));
    assert!(judged.not_judged.is_some_and(|reason| reason.is_distorted));
    assert!(without_refusal.is_generator_behind() && !without_refusal.holds());
    // A refusal before the first job was shed happened at the offered load; a later one did not.
    let before = shed_by_generator(Nanos::from_millis(200));
    assert!(before.findings.iter().any(is_limit), "{:?}", before.findings);
    let after = shed_by_generator(Nanos::from_millis(800));
    assert!(!after.findings.iter().any(is_limit), "{:?}", after.findings);
    // The result is read back as it was written.
    assert_eq!(Summary::from_json(&without_refusal.to_json()).unwrap().findings, without_refusal.findings);
}

/// The sentence on a late generator states the percentile that was judged, and whether jobs or attempts were late. A finding of
/// an earlier version has the 99th percentile of the jobs only.
#[test]
fn a_late_generator_states_which_share_of_what_was_late() {
    let sentence = |lag: &str| {
        let mut summary = shed_by_generator(Nanos::SECOND);
        summary.findings =
            vec![serde_json::from_str(&format!(r#"{{"kind":"generator_lagged",{lag}}}"#)).unwrap()];
        report::verdict::sentences(&summary).concat()
    };
    let text = sentence(r#""p99_s":0.2,"of":"attempts","share":0.1,"late_s":0.05"#);
    assert!(text.contains("(10 % of the attempts were sent at least 50 ms late)"), "{text}");
    let text = sentence(r#""p99_s":0.2"#);
    assert!(text.contains("(1 % of the jobs were delivered at least 200 ms late)"), "{text}");
}

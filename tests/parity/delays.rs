//! What a live run measures of its own delays.

use super::scenario;
use provider::{Instant, Nanos, Usage};
use quotalab::drive::{WithMeasuredDelays, delay_effect};
use quotalab::event::{AttemptOutcome, Event, EventKind, Obstacle, RefusalCause, WaitReason};
use quotalab::ids::{AttemptId, JobId, TargetId};
use quotalab::record::{DelayMeter, Fold};

const SATURATED: &str = "
name: saturated
duration: 20s
providers: { p: { models: { m: { limits: { rpm: { limit: 900, burst: 15 } }, latency: { total: 200ms } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 3s, retry: { attempts: 3, backoff: { base: 200ms, cap: 1s, jitter: equal } } }
workload: [{ name: w, route: r, arrivals: { poisson: 20/s }, prompt: 50, completion: 40, max_tokens: 50, stream: false }]
";

/// The jobs that a run offers: 20 per second for 20 s.
const OFFERED_JOBS: u64 = 400;

/// Passes the events of jobs to `meter`: each is refused after `round_trip`, waits, is sent again `lag` after the end of its
/// wait, and succeeds.
fn record_refused_jobs(meter: &mut DelayMeter, jobs: u64, round_trip: Nanos, lag: Nanos) {
    let target = TargetId(0);
    for id in 0..jobs {
        let (job, start) = (JobId(id), Instant::ZERO + Nanos::from_secs(id));
        let mut event = |at, kind| meter.event(&Event { at, job, kind });
        let sent = |id, number| EventKind::Sent { attempt: AttemptId(id), target, step: 0, number };
        event(start, sent(2 * id, 1));
        let (at, until) = (start + round_trip, start + Nanos::from_millis(500));
        let outcome = AttemptOutcome::Refused { cause: RefusalCause::ShortLimit, axis: None };
        let attempt = AttemptId(2 * id);
        event(at, EventKind::Replied { attempt, target, outcome, usage: Usage::default() });
        let obstacle = Obstacle { target, why: WaitReason::CoolDown, axis: None, cause: None };
        event(at, EventKind::Waiting { until, obstacle, may_extend: false });
        event(until + lag, sent(2 * id + 1, 2));
        let attempt = AttemptId(2 * id + 1);
        let usage = Usage::default();
        event(
            until + Nanos::from_millis(300),
            EventKind::Replied { attempt, target, outcome: AttemptOutcome::Ok, usage },
        );
    }
}

#[test]
fn only_refusals_show_round_trips_and_only_ends_of_waits_show_lag() {
    let scenario = scenario(SATURATED);
    let mut meter = DelayMeter::new(&scenario);
    record_refused_jobs(&mut meter, 9, Nanos::from_millis(20), Nanos::from_millis(3));
    let delays = meter.delays(None);
    let shown = |of: &quotalab::record::Quantiles| (of.count, of.p50, of.max);
    assert_eq!(
        (shown(&delays.round_trip_s), shown(&delays.wake_lag_s)),
        ((9, 0.02, 0.02), (9, 0.003, 0.003))
    );
    assert!(WithMeasuredDelays::new(&scenario, &meter).is_none(), "nine refusals are too few");
    assert_eq!(delay_effect(&scenario, &meter, OFFERED_JOBS), None);
}

#[test]
fn attempts_sent_at_one_instant_show_the_round_trip_of_the_first_refused() {
    let mut meter = DelayMeter::new(&scenario(SATURATED));
    let (job, target, usage) = (JobId(0), TargetId(0), Usage::default());
    let mut event =
        |millis, kind| meter.event(&Event { at: Instant::ZERO + Nanos::from_millis(millis), job, kind });
    for attempt in 0..4 {
        event(0, EventKind::Sent { attempt: AttemptId(attempt), target, step: 0, number: 1 });
    }
    let refused = AttemptOutcome::Refused { cause: RefusalCause::ShortLimit, axis: None };
    for (millis, attempt, outcome) in
        [(1, 0, AttemptOutcome::Ok), (2, 3, refused), (5, 1, refused), (9, 2, refused)]
    {
        event(millis, EventKind::Replied { attempt: AttemptId(attempt), target, outcome, usage });
    }
    event(10, EventKind::Sent { attempt: AttemptId(4), target, step: 0, number: 1 });
    event(13, EventKind::Replied { attempt: AttemptId(4), target, outcome: refused, usage });
    let round_trips = meter.delays(None).round_trip_s;
    assert_eq!((round_trips.count, round_trips.p50, round_trips.max), (2, 0.002, 0.003));
}

#[test]
fn a_longer_round_trip_adds_refusals_and_the_assumed_one_does_not() {
    let scenario = scenario(SATURATED);
    let effect = |round_trip| {
        let mut meter = DelayMeter::new(&scenario);
        record_refused_jobs(&mut meter, 100, round_trip, Nanos::ZERO);
        delay_effect(&scenario, &meter, OFFERED_JOBS).expect("a hundred refusals")
    };
    let (assumed, slow) = (effect(Nanos(300_000)), effect(Nanos::from_millis(5)));
    assert_eq!(
        (assumed.seeds, assumed.refusals.mean, assumed.succeeded.mean, assumed.latency_p95.mean),
        (16, 0.0, 0.0, 0.0)
    );
    assert!(slow.refusals.mean > 0.10 && slow.refusals.mean > slow.refusals.two_errors, "{slow:?}");
    assert!(slow.succeeded.mean.abs() < 0.02, "{slow:?}");
}

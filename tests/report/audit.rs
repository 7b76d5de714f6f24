//! The audit: no violation in a valid stream, and one for each law that a stream breaks.

use super::scenario::scenario;
use provider::{Axis, Instant, Nanos, Usage};
use quotalab::event::{
    AttemptFailure, AttemptOutcome, EndReason, Event, EventKind, HedgeUse, JobEnd, JobOutcome,
    ProviderDecision, RefusalCause, WaitReason,
};
use quotalab::ids::{AttemptId, JobId, TargetId, WorkloadId};
use quotalab::record::{Audit, Fold};

const ATTEMPT: AttemptId = AttemptId(0);
const TARGET: TargetId = TargetId(0);
/// No law is violated.
const NONE: [u8; 0] = [];

/// The time in seconds, the job, and the event.
type Line = (u64, u64, EventKind);

fn arrived(scheduled: u64) -> EventKind {
    super::arrived(Instant::ZERO + Nanos::from_secs(scheduled))
}

fn sent(attempt: u64, number: u8) -> EventKind {
    EventKind::Sent { attempt: AttemptId(attempt), target: TARGET, step: 0, number }
}

fn replied(attempt: u64, outcome: AttemptOutcome) -> EventKind {
    EventKind::Replied { attempt: AttemptId(attempt), target: TARGET, outcome, usage: Usage::default() }
}

fn done(outcome: JobOutcome, attempts: u8, service: u64) -> EventKind {
    let service = Nanos::from_secs(service);
    EventKind::Done(JobEnd { attempts, service, ..super::job_end(outcome, Instant::ZERO) })
}

const ADMITTED: EventKind = EventKind::Decided {
    attempt: ATTEMPT,
    target: TARGET,
    decision: ProviderDecision::Admitted { reserved: 9 },
};
const SETTLED: EventKind = EventKind::Settled {
    attempt: ATTEMPT,
    target: TARGET,
    workload: WorkloadId(0),
    usage: Usage { prompt_tokens: 1, completion_tokens: 1, cached_tokens: 0 },
};

/// A job that arrives at zero and is served after two seconds.
fn valid() -> Vec<Line> {
    let ends = done(JobOutcome::Succeeded, 1, 2);
    let kinds = [
        (0, arrived(0)),
        (0, sent(0, 1)),
        (0, ADMITTED),
        (1, SETTLED),
        (2, replied(0, AttemptOutcome::Ok)),
        (2, ends),
    ];
    kinds.into_iter().map(|(at, kind)| (at, 0, kind)).collect()
}

/// Returns the numbers of the laws that a stream violates.
fn violated(lines: &[Line]) -> Vec<u8> {
    let scenario = scenario("audit", Nanos::from_secs(60), &[("groq/acme/small", &[(Axis::Rpm, 30)])]);
    let mut audit = Audit::new(&scenario, Nanos::ZERO);
    for &(at, job, kind) in lines {
        audit.event(&Event { at: Instant::ZERO + Nanos::from_secs(at), job: JobId(job), kind });
    }
    let (violations, count) = audit.finish();
    assert_eq!(violations.len() as u64, count);
    violations.iter().map(|violation| violation.law).collect()
}

/// Returns the valid stream with line `at` replaced by `lines`.
fn with(at: usize, lines: &[Line]) -> Vec<Line> {
    let mut all = valid();
    all.splice(at..=at, lines.iter().copied());
    all
}

#[test]
fn a_valid_stream_has_no_violation() {
    assert_eq!(violated(&valid()), NONE);
    assert_eq!(violated(&[]), NONE);
}

#[test]
fn law_1_a_job_that_never_ends_ends_twice_or_arrives_twice() {
    assert_eq!(violated(&with(5, &[])), [1]);
    let ends = valid()[5];
    assert_eq!(violated(&with(5, &[ends, ends])), [1]);
    assert_eq!(violated(&with(0, &[(0, 0, arrived(0)), (0, 0, arrived(0))])), [1]);
    assert_eq!(violated(&[(0, 0, EventKind::CacheHit)]), [1], "the job never arrived");
}

#[test]
fn law_1_an_outcome_that_does_not_follow_from_the_attempts() {
    let shed = (2, 0, done(JobOutcome::Shed(EndReason::Deadline), 1, 2));
    let failed = (2, 0, done(JobOutcome::Failed(EndReason::Deadline), 1, 2));
    assert_eq!(violated(&with(5, &[shed])), [1]);
    assert_eq!(violated(&with(5, &[failed])), [1]);
    let unserved = [(0, 0, arrived(0)), (0, 0, done(JobOutcome::Succeeded, 0, 0))];
    assert_eq!(violated(&unserved), [1]);
}

#[test]
fn law_2_an_attempt_that_never_ends_ends_twice_or_is_sent_twice() {
    let unanswered = [
        valid()[0],
        valid()[1],
        (0, 0, EventKind::Decided { attempt: ATTEMPT, target: TARGET, decision: ProviderDecision::Faulted }),
        (2, 0, done(JobOutcome::Failed(EndReason::Deadline), 1, 2)),
    ];
    assert_eq!(violated(&unanswered), [2]);
    let reply = valid()[4];
    assert_eq!(violated(&with(4, &[reply, reply])), [2]);
    assert_eq!(
        violated(&with(
            4,
            &[reply, (2, 0, EventKind::AttemptCancelled { attempt: ATTEMPT, target: TARGET })]
        )),
        [2]
    );
    assert_eq!(violated(&with(2, &[valid()[2], valid()[2]])), [2], "decided on twice");
    assert_eq!(
        violated(&with(5, &[(2, 0, done(JobOutcome::Succeeded, 2, 2))])),
        [2],
        "one attempt was sent, the end counts two"
    );
}

#[test]
fn law_3_effects_before_causes() {
    assert_eq!(violated(&with(0, &[(0, 0, arrived(1))]))[0], 3, "before its schedule");
    let unsent = [valid()[0], (1, 0, replied(0, AttemptOutcome::Ok))];
    assert_eq!(violated(&unsent)[0], 3, "a reply without an attempt");
    let mut early = valid();
    early.extend([(3, 1, arrived(3)), (3, 1, sent(1, 1)), (3, 1, replied(1, AttemptOutcome::Ok))]);
    assert_eq!(violated(&early)[0], 3, "a reply before the decision");
    assert_eq!(violated(&with(5, &[(2, 0, done(JobOutcome::Succeeded, 1, 1))])), [3], "a second is missing");
}

#[test]
fn law_4_time_runs_back() {
    assert_eq!(violated(&with(3, &[(9, 0, SETTLED)]))[0], 4);
}

#[test]
fn law_8_an_attempt_during_a_cool_down() {
    let cool_down = |until| {
        let until = Instant::ZERO + Nanos::from_secs(until);
        (0, 0, EventKind::CoolDownBegan { target: TARGET, until, cause: RefusalCause::ShortLimit })
    };
    assert_eq!(violated(&with(0, &[valid()[0], cool_down(1)])), [8]);
    assert_eq!(
        violated(&with(0, &[valid()[0], cool_down(0)])),
        NONE,
        "an attempt at the end of the cool-down is allowed"
    );
}

#[test]
fn law_9_reservations_that_are_not_settled_or_settled_twice() {
    assert_eq!(violated(&with(3, &[])), [9]);
    assert_eq!(violated(&with(3, &[valid()[3], valid()[3]])), [9]);
    assert_eq!(
        violated(&with(
            2,
            &[(
                0,
                0,
                EventKind::Decided { attempt: ATTEMPT, target: TARGET, decision: ProviderDecision::Faulted }
            )]
        )),
        [9]
    );
    let cut_off = [valid()[0], valid()[1], valid()[2], (2, 0, done(JobOutcome::InFlight, 1, 0))];
    assert_eq!(violated(&cut_off), NONE, "the run ended before the attempt");
}

#[test]
fn law_14_attempts_queue_and_waiting_exceed_their_bounds() {
    assert_eq!(violated(&with(0, &[valid()[0], (0, 0, EventKind::Queued { waiting: 101 })])), [14]);
    let too_long = EventKind::Waiting {
        until: Instant::ZERO + Nanos::from_secs(31),
        obstacle: super::obstacle(WaitReason::BackOff),
        may_extend: false,
    };
    assert_eq!(violated(&with(0, &[valid()[0], (0, 0, too_long)])), [14]);
    let mut late = with(5, &[(31, 0, done(JobOutcome::Succeeded, 1, 31))]);
    assert_eq!(violated(&late), [14]);
    late.truncate(1);
    for attempt in 0..6 {
        late.extend([
            (0, 0, sent(attempt, attempt as u8 + 1)),
            (0, 0, EventKind::AttemptCancelled { attempt: AttemptId(attempt), target: TARGET }),
        ]);
    }
    late.push((0, 0, done(JobOutcome::Failed(EndReason::Attempts), 6, 0)));
    assert_eq!(violated(&late), [14]);
}

/// Returns a stream in which job 1 follows job 0, which ends with this outcome after two seconds; `rest` comes after that.
fn coalesced(job_outcome: JobOutcome, rest: &[Line]) -> Vec<Line> {
    let EventKind::Done(ending) = done(job_outcome, 1, 2) else {
        unreachable!("invariant: `done` makes an end")
    };
    let (outcome, ending) = match job_outcome {
        JobOutcome::Succeeded => (AttemptOutcome::Ok, ending),
        _ => {
            let lost = JobEnd { service: Nanos::ZERO, failed_attempts: ending.service, ..ending };
            (AttemptOutcome::Failed(AttemptFailure::Garbage), lost)
        }
    };
    let mut all = valid();
    all.splice(2..2, [(0, 1, arrived(0)), (0, 1, EventKind::Coalesced { leader: JobId(0) })]);
    all.splice(6.., [(2, 0, replied(0, outcome)), (2, 0, EventKind::Done(ending))]);
    all.extend(rest);
    all
}

/// Returns the end of a follower that waited for `wait` seconds.
fn follower_end(outcome: JobOutcome, wait: u64) -> EventKind {
    let EventKind::Done(ending) = done(outcome, 0, 0) else { unreachable!("invariant: `done` makes an end") };
    EventKind::Done(JobEnd { wait: Nanos::from_secs(wait), ..ending })
}

#[test]
fn law_15_a_follower_ends_with_its_leader_or_is_promoted() {
    let failed = JobOutcome::Failed(EndReason::Attempts);
    let served = (2, 1, follower_end(JobOutcome::Succeeded, 2));
    assert_eq!(violated(&coalesced(JobOutcome::Succeeded, &[served])), NONE);
    let late = (3, 1, follower_end(JobOutcome::Succeeded, 3));
    assert_eq!(violated(&coalesced(JobOutcome::Succeeded, &[late])), [15], "a second after its leader");
    let promoted = (2, 1, EventKind::Promoted { leader: JobId(0), attempt: None });
    let shed = (2, 1, follower_end(JobOutcome::Shed(EndReason::Deadline), 2));
    assert_eq!(violated(&coalesced(failed, &[promoted, shed])), NONE);
    assert_eq!(violated(&coalesced(failed, &[shed]))[0], 15, "failed with its leader");
    assert_eq!(violated(&coalesced(failed, &[served]))[0], 15, "served although its leader failed");
    let own = [(0, 1, sent(1, 1))];
    let mut eager = coalesced(JobOutcome::Succeeded, &[served]);
    eager.splice(4..4, own);
    assert_eq!(violated(&eager)[0], 15, "a follower is sent");
    assert_eq!(violated(&[(0, 0, arrived(0)), (0, 0, promoted.2)])[0], 15, "no leader was given up");
    let alone = [(0, 0, arrived(0)), (0, 0, EventKind::Coalesced { leader: JobId(7) })];
    assert_eq!(violated(&alone)[0], 15, "the leader does not exist");
}

#[test]
fn violations_are_kept_up_to_a_bound_and_counted_beyond_it() {
    let scenario = scenario("audit", Nanos::from_secs(60), &[("groq/acme/small", &[])]);
    let mut audit = Audit::new(&scenario, Nanos::ZERO);
    for _ in 0..1_000 {
        audit.event(&Event { at: Instant::ZERO, job: JobId(0), kind: EventKind::CacheHit });
    }
    let (violations, count) = audit.finish();
    assert_eq!((violations.len(), count), (100, 1_000));
    assert!(
        violations[0].to_string().starts_with("law 1: the job is not in flight (at 0.000s: "),
        "{}",
        violations[0]
    );
}

#[test]
fn law_15_an_attempt_handed_over_by_a_cancelled_leader() {
    let followed = [(0, 1, arrived(0)), (0, 1, EventKind::Coalesced { leader: JobId(0) })];
    let promoted = (1, 1, EventKind::Promoted { leader: JobId(0), attempt: Some(ATTEMPT) });
    let EventKind::Done(end) = done(JobOutcome::Failed(EndReason::Cancelled), 1, 1) else { unreachable!() };
    let cancelled =
        (1, 0, EventKind::Done(JobEnd { service: Nanos::ZERO, failed_attempts: Nanos::from_secs(1), ..end }));
    let EventKind::Done(end) = done(JobOutcome::Succeeded, 1, 1) else { unreachable!() };
    let served = [
        (2, 1, SETTLED),
        (2, 1, replied(0, AttemptOutcome::Ok)),
        (2, 1, EventKind::Done(JobEnd { wait: Nanos::from_secs(1), ..end })),
    ];
    let stream = |handover: &[Line]| -> Vec<Line> {
        valid()[..3].iter().chain(&followed).chain(handover).chain(&served).copied().collect()
    };
    assert_eq!(violated(&stream(&[promoted, cancelled])), NONE);
    assert!(violated(&stream(&[cancelled, promoted])).contains(&15), "the leader ends first");
    assert!(violated(&stream(&[cancelled])).contains(&2), "the attempt stays the leader's");
}

#[test]
fn law_16_an_attempt_after_the_first_byte() {
    let first_byte = (1, 0, EventKind::FirstByte { attempt: ATTEMPT, target: TARGET });
    let failed = (2, 0, replied(0, AttemptOutcome::Failed(AttemptFailure::Connection)));
    let end = (2, 0, done(JobOutcome::Failed(EndReason::Interrupted), 1, 2));
    assert_eq!(violated(&with(3, &[first_byte, valid()[3]])), NONE);
    assert_eq!(violated(&with(3, &[first_byte, first_byte, valid()[3]])), [16]);
    let mut interrupted = with(3, &[first_byte, valid()[3]]);
    interrupted.splice(5.., [failed, end]);
    assert_eq!(violated(&interrupted), NONE);
    interrupted.insert(6, (2, 0, sent(1, 2)));
    assert!(violated(&interrupted).contains(&16));
}

#[test]
fn law_23_two_attempts_in_flight_without_a_hedge_beside_each_other() {
    let (hedged, cancelled) = (
        EventKind::Hedged { attempt: AttemptId(1), beside: ATTEMPT },
        EventKind::AttemptCancelled { attempt: AttemptId(1), target: TARGET },
    );
    let second = |hedges: &[EventKind], hedge| {
        let mut lines = valid();
        let end = EventKind::Done(JobEnd {
            attempts: 2,
            hedge,
            service: Nanos::from_secs(2),
            ..super::job_end(JobOutcome::Succeeded, Instant::ZERO)
        });
        lines.splice(5.., [(2, 0, cancelled), (2, 0, end)]);
        lines.splice(3..3, hedges.iter().copied().chain([sent(1, 2)]).map(|kind| (0, 0, kind)));
        violated(&lines)
    };
    assert_eq!(second(&[], HedgeUse::None), [23], "the second attempt is not a hedge");
    assert_eq!(second(&[hedged], HedgeUse::Sent), [23], "it goes to the same target");
    assert_eq!(second(&[hedged, hedged], HedgeUse::Sent), [23, 23], "the job has two hedges");
    assert_eq!(second(&[hedged], HedgeUse::None), [23, 23], "the end states that there was none");
    let won = EventKind::Done(JobEnd { hedge: HedgeUse::Won, ..end_of(valid()[5]) });
    assert_eq!(violated(&with(5, &[(2, 0, won)])), [23], "no hedge was sent");
    assert_eq!(
        violated(&with(1, &[(0, 0, hedged), (0, 0, sent(0, 1))])),
        [23, 23],
        "it is beside no attempt"
    );
}

/// Returns how the job of a line ends.
fn end_of((_, _, kind): Line) -> JobEnd {
    match kind {
        EventKind::Done(end) => end,
        _ => panic!("the line ends no job: {kind:?}"),
    }
}

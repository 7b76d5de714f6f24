//! Two attempts in flight of one job: whichever ends first, and however.

use super::{CONNECTION_CLOSED, Harness};
use provider::Nanos;
use quotalab::event::{AttemptFailure, AttemptOutcome, EndReason, HedgeUse, JobOutcome};
use quotalab::ids::{AttemptId, Tag};

/// A client that allows two further attempts.
const CLIENT: &str = "{ deadline: 10s, hedge: { after: 100ms, spare: 0% }, retry: { attempts: 4 } }";

/// A job has an attempt at `a` and, after 100 ms, one at `b`.
fn hedged(client: &str, jobs: usize) -> (Harness, Tag, [AttemptId; 2]) {
    let mut harness = Harness::new(client, false);
    let job = harness.submit(1, None);
    for _ in 1..jobs {
        harness.submit(1, None);
    }
    harness.advance(Nanos::from_millis(100));
    let attempts = harness.model.jobs[job.0].attempts.clone();
    let attempts = attempts.try_into().expect("two attempts in flight");
    (harness, job, attempts)
}

#[test]
fn one_of_two_attempts_serves_the_job_and_the_other_is_cancelled() {
    for (answering, hedge) in [(0, HedgeUse::Sent), (1, HedgeUse::Won)] {
        let (mut harness, job, attempts) = hedged(CLIENT, 1);
        harness.reply(attempts[answering], AttemptOutcome::Ok);
        assert!(harness.model.attempts.is_empty(), "the other is cancelled");
        let end = harness.model.jobs[job.0].end.expect("an end");
        assert_eq!((end.outcome, end.attempts, end.hedge), (JobOutcome::Succeeded, 2, hedge));
        harness.finish_without_violations();
    }
}

#[test]
fn the_first_byte_of_one_of_two_attempts_cancels_the_other() {
    for answering in [0, 1] {
        let (mut harness, job, attempts) = hedged(CLIENT, 1);
        harness.first_byte(attempts[answering]);
        assert_eq!(harness.model.jobs[job.0].attempts, [attempts[answering]]);
        harness.reply(attempts[answering], CONNECTION_CLOSED);
        assert_eq!(harness.end(job), Some(JobOutcome::Failed(EndReason::Interrupted)));
        harness.finish_without_violations();
    }
}

#[test]
fn a_job_whose_two_attempts_fail_is_tried_again_and_one_that_was_rejected_is_not() {
    for first in [0, 1] {
        let (mut harness, job, attempts) = hedged(CLIENT, 1);
        harness.reply(attempts[first], CONNECTION_CLOSED);
        assert_eq!(
            (harness.end(job), harness.attempt(job)),
            (None, attempts[1 - first]),
            "it waits for the other"
        );
        harness.reply(attempts[1 - first], CONNECTION_CLOSED);
        assert_eq!(harness.end(job), None, "four attempts are allowed");
        harness.finish_without_violations();
        // What one of them found holds for the job: a malformed request is malformed everywhere.
        let (mut harness, job, attempts) = hedged(CLIENT, 1);
        harness.reply(attempts[first], AttemptOutcome::Failed(AttemptFailure::Status(400)));
        assert_eq!(harness.end(job), None);
        harness.reply(attempts[1 - first], CONNECTION_CLOSED);
        assert_eq!(harness.end(job), Some(JobOutcome::Failed(EndReason::Rejected)));
        harness.finish_without_violations();
    }
}

#[test]
fn a_cancelled_leader_leaves_one_of_its_two_attempts_to_its_follower() {
    let client = "{ deadline: 10s, join: true, hedge: { after: 100ms } }";
    let (mut harness, leader, attempts) = hedged(client, 2);
    harness.cancel(leader);
    assert_eq!(
        harness.model.attempts.keys().copied().collect::<Vec<_>>(),
        [attempts[0]],
        "the hedge is cancelled"
    );
    let follower = Tag(1);
    assert_eq!(harness.attempt(follower), attempts[0]);
    harness.reply(attempts[0], AttemptOutcome::Ok);
    assert_eq!(harness.end(follower), Some(JobOutcome::Succeeded));
    harness.finish_without_violations();
}

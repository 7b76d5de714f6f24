//! Interactive jobs go before batch jobs (law 18), in small cases. For random inputs, the model checks this law.

use super::model::WaitsFor;
use super::{Harness, OUTCOMES};
use provider::Nanos;
use quotalab::event::{AttemptOutcome, EndReason, JobOutcome};
use quotalab::ids::Tag;
use quotalab::job::Priority;

/// Returns the numbers of the jobs that have an attempt in flight, in the order of their attempts.
fn sent(harness: &Harness) -> Vec<usize> {
    harness.model.attempts.values().map(|attempt| attempt.tag.0).collect()
}

#[test]
fn of_jobs_that_queue_for_a_permit_interactive_ones_go_first() {
    let mut harness = Harness::new("{ deadline: 60s, concurrency: 1, queue: 3 }", false);
    let running = harness.submit(0, None);
    let batch = [1, 2].map(|number| harness.submit_as(Priority::Batch, number, None));
    let first = harness.submit(3, None);
    // The queue is full: the batch job that came last makes room.
    let second = harness.submit(4, None);
    assert_eq!(harness.end(batch[1]), Some(JobOutcome::Shed(EndReason::QueueFull)));
    for next in [running, first, second, batch[0]] {
        assert_eq!(sent(&harness), [next.0]);
        harness.reply(harness.attempt(next), AttemptOutcome::Ok);
    }
    harness.finish_without_violations();
}

#[test]
fn a_batch_job_that_falls_back_leaves_its_permit_to_an_interactive_one() {
    let mut harness = Harness::new("{ deadline: 60s, concurrency: 1, queue: 3 }", false);
    let batch = harness.submit_as(Priority::Batch, 0, None);
    let interactive = harness.submit(1, None);
    harness.reply(harness.attempt(batch), OUTCOMES[1]);
    assert_eq!(sent(&harness), [interactive.0]);
    harness.reply(harness.attempt(interactive), AttemptOutcome::Ok);
    assert_eq!(sent(&harness), [batch.0]);
    harness.reply(harness.attempt(batch), AttemptOutcome::Ok);
    harness.finish_without_violations();
}

#[test]
fn an_interactive_job_takes_the_next_paced_send_before_all_batch_jobs() {
    let mut harness = Harness::new("{ deadline: 60s, pace: { gap: 1s } }", false);
    // Each of the two targets is free for one job.
    let begun: Vec<Tag> = (0..2).map(|number| harness.submit(number, None)).collect();
    let batch: Vec<Tag> = (2..12).map(|number| harness.submit_as(Priority::Batch, number, None)).collect();
    begun.iter().for_each(|tag| harness.reply(harness.attempt(*tag), AttemptOutcome::Ok));
    harness.advance(Nanos::from_millis(500));
    let interactive = harness.submit(20, None);
    assert!(sent(&harness).is_empty());
    harness.advance(Nanos::from_millis(500));
    assert_eq!(sent(&harness), [interactive.0, batch[1].0], "the other target is free for a batch job");
    harness.reply(harness.attempt(interactive), AttemptOutcome::Ok);
    // One gap later the first batch job of that target is sent, and after every further gap the next jobs, in their order.
    for (second, expected) in [(1, &[0, 3][..]), (1, &[2, 5]), (1, &[4, 7]), (1, &[6, 9]), (1, &[8])] {
        let before = sent(&harness);
        harness.advance(Nanos::from_secs(second));
        let mut new: Vec<usize> = sent(&harness).into_iter().filter(|tag| !before.contains(tag)).collect();
        new.sort_unstable();
        let expected: Vec<usize> = expected.iter().map(|number| batch[*number].0).collect();
        assert_eq!(new, expected);
    }
    for tag in batch {
        harness.reply(harness.attempt(tag), AttemptOutcome::Ok);
    }
    harness.finish_without_violations();
}

#[test]
fn a_batch_job_does_not_take_a_target_whose_cool_down_an_interactive_one_awaits() {
    let client = "{ deadline: 60s, retry: { attempts: 9, backoff: { base: 4s, cap: 4s, jitter: full } } }";
    let mut harness = Harness::new(client, false);
    let interactive = harness.submit(0, None);
    // Both targets refuse, with a wait of a second; then the job waits for its back-off as well.
    for _ in 0..2 {
        harness.reply(harness.attempt(interactive), OUTCOMES[2]);
    }
    assert!(sent(&harness).is_empty());
    harness.advance(Nanos::from_millis(1_001));
    let batch = harness.submit_as(Priority::Batch, 1, None);
    let awaited = harness.model.jobs[interactive.0].waits;
    let Some(WaitsFor::CoolDown(target)) = awaited else {
        panic!("the job does not wait for a cool-down, but for {awaited:?}")
    };
    assert!(harness.model.attempts.values().all(|attempt| attempt.target != target), "{awaited:?}");
    assert!(harness.end(batch).is_none());
    harness.finish_without_violations();
}

/// A cool-down of the interactive job alone leaves its target open to batch jobs.
#[test]
fn a_batch_job_takes_a_target_that_only_the_cool_down_of_an_interactive_one_closes() {
    let client =
        "{ deadline: 60s, cool_down: per_job, retry: { attempts: 9, backoff: { base: 100ms, cap: 100ms } } }";
    let mut harness = Harness::new(client, false);
    let interactive = harness.submit(0, None);
    for _ in 0..2 {
        harness.reply(harness.attempt(interactive), OUTCOMES[2]);
    }
    assert!(sent(&harness).is_empty(), "both targets have refused the job");
    let batch = harness.submit_as(Priority::Batch, 1, None);
    assert_eq!(sent(&harness), [batch.0]);
    harness.reply(harness.attempt(batch), AttemptOutcome::Ok);
    harness.advance(Nanos::from_secs(2));
    assert_eq!(sent(&harness), [interactive.0]);
    harness.reply(harness.attempt(interactive), AttemptOutcome::Ok);
    harness.finish_without_violations();
}

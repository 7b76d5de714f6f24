//! A call that is longer than a model takes: no wait helps, a longer context does.

use super::tell;
use crate::scenarios::simulate;
use quotalab::event::{EndReason, JobOutcome};
use quotalab::report::notes;

/// A short model before a long one.
fn models(short: &str, long: &str) -> String {
    format!(
        "
routes: {{r: [{{of: [short/default/m]}}, {{of: [long/default/m]}}]}}
duration: 10s
client: {{retry: {{attempts: 5}}}}
providers:
  short: {{models: {{m: {{{short}, latency: {{total: 100ms}}}}}}}}
  long: {{models: {{m: {{{long}, latency: {{total: 100ms}}}}}}}}
"
    )
}

const ONE_JOB: &str = "workload: [{name: w, route: r, arrivals: {burst: 1, every: 1h}, prompt: 900, completion: 10, max_tokens: 200}]";

#[test]
fn what_is_too_long_for_one_model_goes_to_one_with_a_longer_context_at_once() {
    let story = tell(&(models("context: 1000", "context: 2000") + ONE_JOB));
    assert_eq!(
        story.timeline(),
        "0.000s job 0: arrives
0.000s job 0: try 1 to short/default/m
0.000s job 0: short/default/m refuses (too_large)
0.000s job 0: falls back from step 0 to 1
0.000s job 0: try 2 to long/default/m
0.100s job 0: long/default/m answers
0.100s job 0: Succeeded
"
    );
}

#[test]
fn an_answer_longer_than_the_model_gives_is_not_asked_for_twice() {
    let story = tell(&(models("max_output: 100", "max_output: 150") + ONE_JOB));
    assert_eq!(story.verdicts(), [JobOutcome::Failed(EndReason::Rejected)]);
    assert_eq!(story.sends().len(), 2, "once to each: {}", story.timeline());
    assert_eq!(story.refused(), 0, "no limit has refused");
    let summary = simulate(&story.scenario);
    assert_eq!((summary.first_refusal, summary.attempts.limited_by["too_large"]), (None, 2));
    let note = "Every job of w can never be served: no model of the route r takes its prompt and its max_tokens of 200";
    assert_eq!(notes::sentences(&story.scenario.notes), [note]);
}

#[test]
fn what_just_fits_is_served() {
    let story = tell(&(models("context: 1100, max_output: 200", "context: 1") + ONE_JOB));
    assert_eq!(story.verdicts(), [JobOutcome::Succeeded]);
    assert_eq!((story.sends().len(), story.scenario.notes.len()), (1, 0));
}

#[test]
fn a_share_of_jobs_that_never_fits_is_told_in_advance_and_comes_true() {
    let mixed =
        ONE_JOB.replace("burst: 1, every: 1h", "constant: 100/s").replace("900", "{min: 0, max: 1000}");
    let story = tell(&(models("context: 500", "context: 950") + &mixed));
    let rejected = story
        .verdicts()
        .iter()
        .filter(|verdict| **verdict == JobOutcome::Failed(EndReason::Rejected))
        .count();
    // Of prompts up to 1000 those above 750: a quarter of a thousand, with a standard error of 14.
    assert!(rejected.abs_diff(250) < 42, "{rejected}");
    let notes = notes::sentences(&story.scenario.notes);
    assert!(notes[0].starts_with("24.9% of the jobs of w "), "{notes:?}");
}

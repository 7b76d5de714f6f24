//! Jobs that exceed the length of a model: no wait helps, a model with a longer context does.

use super::{assert_timeline, parse, run};
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
fn a_job_too_long_for_a_model_falls_back_to_a_longer_context_at_once() {
    let story = run(&(models("context: 1000", "context: 2000") + ONE_JOB));
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to short/default/m
         0.000s job 0: short/default/m refuses (too_large)
         0.000s job 0: falls back from step 0 to 1
         0.000s job 0: attempt 2 to long/default/m
         0.100s job 0: long/default/m serves it
         0.100s job 0: Succeeded",
    );
}

#[test]
fn a_job_whose_max_tokens_exceed_every_model_is_sent_once_to_each() {
    let story = run(&(models("max_output: 100", "max_output: 150") + ONE_JOB));
    assert_eq!(story.outcomes(), [JobOutcome::Failed(EndReason::Rejected)]);
    assert_eq!(story.sends().len(), 2, "once to each: {}", story.timeline());
    assert_eq!(story.refused_by_a_limit(), 0, "no limit refused it");
    let summary = simulate(&story.scenario);
    assert_eq!((summary.first_refusal, summary.attempts.limited), (None, 0));
    assert_eq!(summary.attempts.failed_by["too_long"], 2);
    assert_eq!(
        notes::sentences(&story.scenario.notes),
        [
            "Every job of w is too large for short/default/m: max_tokens of 200 exceeds the 100 that a call may ask for",
            "Every job of w is too large for long/default/m: max_tokens of 200 exceeds the 150 that a call may ask for",
            "Every job of w can never be served: no target of the route r admits its size",
        ]
    );
}

#[test]
fn a_job_that_just_fits_is_served() {
    let story = run(&(models("context: 1100, max_output: 200", "context: 1") + ONE_JOB));
    assert_eq!(story.outcomes(), [JobOutcome::Succeeded]);
    assert_eq!(story.sends().len(), 1);
    let note = "Every job of w is too large for long/default/m: \
                the prompt and max_tokens of 200 together exceed its context of 1";
    assert_eq!(notes::sentences(&story.scenario.notes), [note]);
}

/// Raising one bound of a target does not help a job that exceeds several, so all are named.
#[test]
fn every_bound_that_jobs_exceed_is_named() {
    let yaml = "duration: 1h
providers: { p: { dialect: openai, reserve: prompt+max_tokens, models: { m: { limits: { tpm: 4k, tpd: 4500 }, context: 4096, latency: { total: 1s } } } } }
routes: { chat: [{ of: [p/default/m] }] }
workload:
  - { name: w, arrivals: { poisson: 2/min }, prompt: { values: [500, 4150, 5000], weights: [8, 1, 1] }, completion: 200, max_tokens: 300 }";
    // With max_tokens of 300 the longest prompts are 3,700 (tpm), 3,796 (context) and 4,200 (tpd).
    assert_eq!(
        notes::sentences(&parse(yaml).notes)[0],
        "20% of the jobs of w are too large for p/default/m: the prompt and max_tokens of 300 together exceed its tpm of 4k; \
         its context of 4096 is too small for them as well; its tpd of 4.5k is too small for 10% of the jobs as well"
    );
    let only_limit = yaml.replace("tpm: 4k, tpd: 4500", "tpm: 4k").replace("context: 4096, ", "");
    assert_eq!(
        notes::sentences(&parse(&only_limit).notes)[0],
        "20% of the jobs of w are too large for p/default/m: the prompt and max_tokens of 300 together exceed its tpm of 4k"
    );
}

#[test]
fn the_share_of_jobs_that_never_fit_is_noted_before_the_run() {
    let mixed =
        ONE_JOB.replace("burst: 1, every: 1h", "constant: 100/s").replace("900", "{min: 0, max: 1000}");
    let story = run(&(models("context: 500", "context: 950") + &mixed));
    let rejected = story
        .outcomes()
        .iter()
        .filter(|outcome| **outcome == JobOutcome::Failed(EndReason::Rejected))
        .count();
    // Of prompts up to 1000 those above 750: a quarter of a thousand, with a standard error of 14.
    assert!(rejected.abs_diff(250) < 42, "{rejected}");
    let notes = notes::sentences(&story.scenario.notes);
    assert!(notes[0].starts_with("70% of the jobs of w are too large for short/default/m: "), "{notes:?}");
    // The same jobs, 24.95 %: the share is computed in two ways, and rounded to either side.
    assert!(notes[1].starts_with("24.9% of the jobs of w are too large for long/default/m: "), "{notes:?}");
    assert!(notes[2].starts_with("25% of the jobs of w can never be served: "), "{notes:?}");
}

//! The deadline: no wait goes beyond it, and no attempt continues after it.

use super::{assert_timeline, parse, run};
use quotalab::ceiling::Ceiling;
use quotalab::event::{EndReason, JobOutcome};
use quotalab::report::notes;
use quotalab::scenario::Note;

#[test]
fn a_job_is_given_up_at_once_if_its_wait_would_end_after_the_deadline() {
    let story = run(
        "
providers: {p: {models: {m: {limits: {rpm: 1}, latency: {total: 100ms}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 30s, retry: {attempts: 5, backoff: {base: 1s, cap: 8s, jitter: none}}}
workload: [{name: w, route: r, arrivals: {burst: 2, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}]",
    );
    let ended = story.ends().map(|(at, end)| (at.as_secs_f64(), end.outcome)).collect::<Vec<_>>();
    assert_eq!(ended, [(0.0, JobOutcome::Failed(EndReason::Deadline)), (0.1, JobOutcome::Succeeded)]);
}

#[test]
fn an_attempt_without_a_reply_is_cancelled_at_the_deadline() {
    let story = run(
        "
providers: {p: {models: {m: {latency: {total: 100ms}}}, incidents: [{at: 0s, for: 1m, fault: timeout}]}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 5s, retry: {attempts: 5}}
workload: [{name: w, route: r, arrivals: {burst: 1, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}]",
    );
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to p/default/m
         5.000s job 0: attempt to p/default/m cancelled
         5.000s job 0: Failed(Deadline)",
    );
}

#[test]
fn a_cancelled_attempt_is_settled_to_the_tokens_generated_so_far() {
    let story = run(
        "
providers: {p: {models: {m: {latency: {first_token: 1s, output: 10 tok/s}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 3s, retry: {attempts: 5}}
workload: [{name: w, route: r, arrivals: {burst: 1, every: 1h}, prompt: 50, completion: 100, max_tokens: 100}]",
    );
    let settled = story.events.iter().find_map(|event| match event.kind {
        quotalab::event::EventKind::Settled { usage, .. } => Some(usage),
        _ => None,
    });
    let settled = settled.expect("an admitted attempt is settled");
    assert_eq!(settled.prompt_tokens, 50);
    assert!((15..=25).contains(&settled.completion_tokens), "2 s at 10 tokens/s: {settled:?}");
}

/// Returns the notes of a scenario on answers that come too late.
fn late_answers(client: &str, latency: &str) -> Vec<String> {
    let scenario = parse(&format!(
        "
providers: {{p: {{models: {{m: {{latency: {{{latency}}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 10s
client: {{{client}}}
workload: [{{name: w, route: r, arrivals: {{constant: 1/s}}, prompt: 50, completion: 100, max_tokens: 100}}]"
    ));
    let is_late = |note: &&Note| matches!(note, Note::LateAnswers { .. });
    let late: Vec<Note> = scenario.notes.iter().filter(is_late).cloned().collect();
    let text = Ceiling::of(&scenario).describe(&scenario);
    assert_eq!(text.contains("0 jobs/min: no job can be answered in time"), !late.is_empty(), "{text}");
    notes::sentences(&late)
}

#[test]
fn a_bound_that_is_shorter_than_every_answer_is_noted() {
    let late = |waits: &str, takes: &str, longer: &str| {
        let sentence = format!(
            "no job of w can be answered: {waits}, and every answer takes at least {takes}; write a longer `{longer}`"
        );
        vec![sentence]
    };
    let by_deadline = late_answers("deadline: 2s", "total: 3s");
    assert_eq!(by_deadline, late("its deadline is 2 s", "3 s", "deadline"));
    let by_timeout = late_answers("deadline: 1m, attempt_timeout: 1s", "total: 3s");
    assert_eq!(by_timeout, late("attempts are cancelled after 1 s", "3 s", "attempt_timeout"));
    // A second to the first token, and 99 more at ten a second.
    let tokens = "first_token: 1s, output: 10 tok/s";
    assert_eq!(late_answers("deadline: 10s", tokens), late("its deadline is 10 s", "10.9 s", "deadline"));
    assert!(late_answers("deadline: 11s", tokens).is_empty());
    assert!(late_answers("deadline: 3s", "total: 3s").is_empty(), "only what is longer");
    assert!(late_answers("deadline: 2s", "total: {p50: 3s, p95: 9s}").is_empty(), "an answer may be shorter");
}

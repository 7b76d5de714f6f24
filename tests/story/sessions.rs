//! Sessions: dependent calls, their context, and what ends a task.

use super::{Story, run, summary};
use provider::Instant;
use quotalab::event::{EventKind, ProviderDecision, TaskEnd, TaskEvent, TaskOutcome};

/// A burst of one session of two turns at zero, each of two steps. A call takes 1 s, a tool 500 ms, the user thinks for 10 s.
fn scenario(sessions: &str, provider: &str, client: &str) -> String {
    format!(
        "
providers: {{p: {{models: {{m: {{{provider}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1m
client: {{deadline: 30s, {client}}}
workload:
  - name: agents
    route: r
    completion: 50
    max_tokens: 40
    sessions: {{arrivals: {{burst: 1, every: 1h}}, {sessions}}}"
    )
}

const TWO_TURNS: &str =
    "turns: 2, think: 10s, calls: 2, tool_time: 500ms, context: {first: 1000, growth: 200}, cached: 50%";
const ONE_SECOND: &str = "latency: {total: 1s}";

/// The instants in seconds and the estimated prompts of the calls.
fn calls(story: &Story) -> Vec<(f64, u32)> {
    let arrival = |at: Instant, kind| match kind {
        EventKind::Arrived { prompt_tokens, .. } => Some((at.as_secs_f64(), prompt_tokens)),
        _ => None,
    };
    story.events.iter().filter_map(|event| arrival(event.at, event.kind)).collect()
}

/// The instants in seconds and the ends of the tasks.
fn tasks(story: &Story) -> Vec<(f64, TaskEnd)> {
    let end = |at: Instant, kind| match kind {
        EventKind::Task(TaskEvent::Ended(end)) => Some((at.as_secs_f64(), end)),
        _ => None,
    };
    story.events.iter().filter_map(|event| end(event.at, event.kind)).collect()
}

fn outcomes(story: &Story) -> Vec<(f64, TaskOutcome, u32)> {
    tasks(story).into_iter().map(|(at, end)| (at, end.outcome, end.calls)).collect()
}

#[test]
fn a_step_follows_the_one_before_and_its_context_grows_by_what_was_answered_and_added() {
    let story = run(&scenario(TWO_TURNS, ONE_SECOND, ""));
    // Each call adds 40 tokens of completion, which max_tokens cuts, and 200 of growth.
    assert_eq!(calls(&story), [(0.0, 1000), (1.5, 1240), (12.5, 1480), (14.0, 1720)]);
    assert_eq!(outcomes(&story), [(2.5, TaskOutcome::Succeeded, 2), (15.0, TaskOutcome::Succeeded, 2)]);
    let settled = story.events.iter().filter_map(|event| match event.kind {
        EventKind::Settled { usage, .. } => Some(usage.cached_tokens),
        _ => None,
    });
    assert_eq!(settled.collect::<Vec<_>>(), [0, 500, 620, 740], "half of the prompt before");
}

#[test]
fn a_step_with_several_calls_ends_with_the_last_of_them() {
    let sessions = "calls: 2, fan_out: 3, tool_time: 500ms, context: {first: 1000, growth: 200}";
    let story = run(&scenario(sessions, "latency: {total: 1s, slots: 2}", ""));
    // Two calls are served from 0 to 1 s and the third to 2 s; then all three have added 240 tokens.
    let first = [(0.0, 1000); 3];
    assert_eq!(calls(&story), [first, [(2.5, 1720); 3]].concat());
    assert_eq!(outcomes(&story), [(4.5, TaskOutcome::Succeeded, 6)]);
}

#[test]
fn a_user_leaves_at_the_deadline_of_the_task_and_its_call_in_flight_is_cancelled() {
    let story = run(&scenario(&format!("{TWO_TURNS}, deadline: 2s"), ONE_SECOND, ""));
    assert_eq!(calls(&story).len(), 2, "the second turn never begins");
    assert_eq!(outcomes(&story), [(2.0, TaskOutcome::Abandoned, 2)]);
    let cancelled = |at: f64| {
        let is_cancelled = |kind| matches!(kind, EventKind::AttemptCancelled { .. });
        story.events.iter().any(|event| event.at.as_secs_f64() == at && is_cancelled(event.kind))
    };
    assert!(cancelled(2.0));
}

#[test]
fn a_user_leaves_at_the_deadline_of_the_task_while_a_tool_runs() {
    let story = run(&scenario(&format!("{TWO_TURNS}, deadline: 1200ms"), ONE_SECOND, ""));
    assert_eq!(calls(&story).len(), 1);
    assert_eq!(outcomes(&story), [(1.2, TaskOutcome::Abandoned, 1)]);
}

#[test]
fn a_user_who_stays_begins_the_next_turn_with_the_context_of_the_last_step_that_succeeded() {
    let story = run(&scenario(&format!("{TWO_TURNS}, deadline: 1200ms, leave: 0%"), ONE_SECOND, ""));
    assert_eq!(calls(&story), [(0.0, 1000), (11.2, 1240)]);
    assert_eq!(outcomes(&story), [(1.2, TaskOutcome::Abandoned, 1), (12.4, TaskOutcome::Abandoned, 1)]);
}

#[test]
fn the_deadline_of_the_client_is_for_each_call() {
    let story = run(&scenario(TWO_TURNS, ONE_SECOND, "").replace("deadline: 30s", "deadline: 900ms"));
    assert_eq!(outcomes(&story), [(0.9, TaskOutcome::Failed, 1)]);
}

#[test]
fn a_call_that_fails_ends_the_task_after_the_other_calls_of_its_step() {
    let sessions = "calls: 2, fan_out: 2, context: {first: 1000}";
    let provider = "limits: {rpm: {limit: 1, law: fixed}}, latency: {total: 1s}";
    let story = run(&scenario(sessions, provider, "retry: {attempts: 1}"));
    assert_eq!(outcomes(&story), [(1.0, TaskOutcome::Failed, 2)]);
}

#[test]
fn a_context_that_outgrows_the_model_fails_the_task() {
    let sessions = "calls: 5, context: {first: 1000, growth: 200}";
    let story = run(&scenario(sessions, "context: 1300, latency: {total: 1s}", ""));
    // 1000 and 1240 tokens fit with a completion; 1480 do not.
    assert_eq!(outcomes(&story), [(2.0, TaskOutcome::Failed, 3)]);
    let is_too_long = |kind| matches!(kind, EventKind::Decided { decision: ProviderDecision::TooLong, .. });
    assert!(story.events.iter().any(|event| is_too_long(event.kind)));
}

#[test]
fn tasks_that_have_begun_go_on_after_the_duration_and_no_turn_begins() {
    let story = run(&scenario(TWO_TURNS, ONE_SECOND, "").replace("duration: 1m", "duration: 1s"));
    assert_eq!(calls(&story).len(), 2);
    assert_eq!(outcomes(&story), [(2.5, TaskOutcome::Succeeded, 2)]);
}

#[test]
fn users_begin_the_next_session_when_the_last_has_ended() {
    let sessions = "arrivals: {users: 1, think: 5s}, calls: 2, context: {first: 100}";
    let yaml = scenario(sessions, ONE_SECOND, "").replace("arrivals: {burst: 1, every: 1h}, ", "");
    let begins: Vec<f64> = calls(&run(&yaml)).iter().step_by(2).map(|(at, _)| *at).collect();
    assert_eq!(begins[..4], [5.0, 12.0, 19.0, 26.0]);
}

#[test]
fn a_result_states_tasks_beside_calls_and_rules_judge_them() {
    let sessions = "calls: {values: [2, 20]}, context: {first: 100}, deadline: 15s, rate: 60/min";
    let yaml = scenario(sessions, "latency: {total: 1s, network: 0s}", "")
        .replace("arrivals: {burst: 1, every: 1h}, ", "")
        + "\nexpect: [task success >= 90%, \"agents: p95 task latency <= 3s\"]";
    let summary = summary(&yaml);
    let tasks = summary.workloads[0].tasks.as_ref().expect("a workload of sessions has tasks");
    assert_eq!(tasks.offered, tasks.succeeded + tasks.abandoned);
    assert_eq!((tasks.failed, tasks.in_flight, tasks.latency_s.count), (0, 0, tasks.succeeded));
    assert!((tasks.latency_s.p50 - 2.0).abs() < 0.01, "{:?}", tasks.latency_s);
    let bands: Vec<_> = tasks.by_steps.iter().map(|band| (band.from, band.to, band.succeeded)).collect();
    assert_eq!(bands, [(1, Some(10), tasks.succeeded), (11, Some(20), 0)]);
    let made = tasks.succeeded * 2 + tasks.abandoned * 15;
    assert_eq!(summary.jobs.offered, made);
    let judged: Vec<_> = summary.expect.iter().map(|rule| (rule.rule.as_str(), rule.pass)).collect();
    assert_eq!(judged, [("task success >= 90%", false), ("agents: p95 task latency <= 3s", true)]);
    let success = tasks.succeeded as f64 / tasks.offered as f64;
    assert!((summary.expect[0].actual.expect("it is measured") - success).abs() < 1e-6);
}

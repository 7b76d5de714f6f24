//! Recorded sessions of coding agents. `tests/fixtures/agents.jsonl` has four:
//!
//! * a, at 0 s: a turn of two calls with 3 s of tools between them; 60 s later a turn of three, the first two of which overlap; then 2 s.
//! * b, at 10 s: a failed call, in whose place the next is replayed; 30 s after a failed call that ends the turn, a turn of one call.
//! * c: only a cancelled call.
//! * d, at 40 s, first in the file: one call without completion tokens.

use super::{Story, simulate};
use provider::dist::Dist;
use quotalab::event::{EventKind, TaskEvent, TaskOutcome};
use quotalab::report::notes;
use quotalab::scenario::{self, Overrides, Scenario};
use std::path::Path;

const PROVIDER: &str = "latency: {total: 1s}";

fn yaml(workload: &str, provider: &str) -> String {
    format!(
        "
providers: {{p: {{models: {{m: {{{provider}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 10m
client: {{deadline: 60s, retry: {{attempts: 1}}}}
workload: [{{name: agents, route: r, {workload}}}]"
    )
}

/// Parses a scenario beside the fixtures.
fn parse(yaml: &str) -> Result<Scenario, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut scenario = scenario::parse("story", yaml, &Overrides::default(), Some(&folder))
        .map_err(|error| error.to_string())?;
    for model in scenario.providers.iter_mut().flat_map(|provider| &mut provider.models) {
        model.latency.round_trip.get_or_insert(Dist::Constant(0.0));
    }
    Ok(scenario)
}

fn run(workload: &str, provider: &str) -> Story {
    simulate(parse(&yaml(workload, provider)).unwrap_or_else(|error| panic!("{error}")))
}

/// The instants in seconds and the prompts of the calls.
fn calls(story: &Story) -> Vec<(f64, u32)> {
    let arrived = story.events.iter().filter_map(|event| match event.kind {
        EventKind::Arrived { prompt_tokens, .. } => Some((event.at.as_secs_f64(), prompt_tokens)),
        _ => None,
    });
    arrived.collect()
}

/// The instants in seconds, the outcomes and the calls of the tasks.
fn tasks(story: &Story) -> Vec<(f64, TaskOutcome, u32)> {
    let ended = story.events.iter().filter_map(|event| match event.kind {
        EventKind::Task(TaskEvent::Ended(end)) => Some((event.at.as_secs_f64(), end.outcome, end.calls)),
        _ => None,
    });
    ended.collect()
}

const TRACE: &str = "arrivals: {trace: agents.jsonl}";

#[test]
fn calls_follow_the_replies_before_them_with_the_recorded_gaps() {
    let story = run(TRACE, PROVIDER);
    let expected = [
        (0.0, 1000),
        (4.0, 2000), // replied at 1 s, and 3 s of tools
        (10.0, 500), // the failed call before it began the session
        (40.0, 4000),
        (41.0, 700),  // replied at 11 s, and 30 s to think
        (65.0, 2500), // replied at 5 s, and 60 s to think
        (66.0, 300),  // it overlaps with the call before
        (69.0, 2800), // 2 s after the later of the two had ended
    ];
    assert_eq!(calls(&story), expected);
    let succeeded = |at, calls| (at, TaskOutcome::Succeeded, calls);
    let tasks_expected =
        [succeeded(5.0, 2), succeeded(11.0, 1), succeeded(41.0, 1), succeeded(42.0, 1), succeeded(70.0, 3)];
    assert_eq!(tasks(&story), tasks_expected);
    let usage = story.events.iter().filter_map(|event| match event.kind {
        EventKind::Settled { usage, .. } => Some((usage.cached_tokens, usage.completion_tokens)),
        _ => None,
    });
    let expected = [(0, 100), (1000, 200), (0, 30), (0, 1), (500, 40), (2000, 50), (0, 20), (1400, 60)];
    assert_eq!(usage.collect::<Vec<_>>(), expected);
}

#[test]
fn slower_replies_delay_all_that_follows_in_their_session() {
    let story = run(TRACE, "latency: {total: 5s}");
    let instants: Vec<f64> = calls(&story).iter().map(|(at, _)| *at).collect();
    assert_eq!(instants, [0.0, 8.0, 10.0, 40.0, 45.0, 73.0, 78.0, 85.0]);
}

#[test]
fn a_faster_replay_divides_beginnings_gaps_and_thinking_but_not_replies() {
    let story = run("arrivals: {trace: agents.jsonl, speed: 2x}", PROVIDER);
    let instants: Vec<f64> = calls(&story).iter().map(|(at, _)| *at).collect();
    assert_eq!(instants, [0.0, 2.5, 5.0, 20.0, 21.0, 33.5, 34.5, 36.5]);
}

#[test]
fn a_task_that_fails_ends_the_session_unless_its_user_stays() {
    // The call with 2000 tokens does not fit.
    let provider = "context: 1500, latency: {total: 1s}";
    let prompts = |workload| calls(&run(workload, provider)).iter().map(|call| call.1).collect::<Vec<_>>();
    assert_eq!(prompts(TRACE), [1000, 2000, 500, 4000, 700]);
    let stay = "sessions: {arrivals: {trace: agents.jsonl}, leave: 0%}";
    assert_eq!(prompts(stay), [1000, 2000, 500, 4000, 700, 2500], "the next turn begins");
    let deadline = run("sessions: {arrivals: {trace: agents.jsonl}, deadline: 3s}", PROVIDER);
    assert_eq!(tasks(&deadline)[0], (3.0, TaskOutcome::Abandoned, 1), "the user leaves while a tool runs");
}

#[test]
fn a_part_of_the_file_is_stated() {
    let scenario = parse(&yaml(TRACE, PROVIDER)).unwrap();
    let sentences = notes::sentences(&scenario.notes);
    assert_eq!(
        sentences,
        [
            "agents replays 3 sessions with 8 calls of a trace of 4 with 11 recorded over 72.5 s; without a call that succeeded and states its \
             prompt tokens: 1 session; left out because they failed or state no prompt tokens: 3 calls; replayed without a gap because they \
             overlap with one before: 1 call"
        ]
    );
    let short = parse(&yaml(TRACE, PROVIDER).replace("duration: 10m", "duration: 30s")).unwrap();
    let trace = short.workloads[0].recorded_sessions().unwrap();
    assert_eq!((trace.sessions.len(), trace.counts.after_end), (2, 1));
    let described = scenario.describe();
    assert!(described.contains("agents on route r: sessions, 3 recorded\n"), "{described}");
    assert!(described.contains("  5 turns with 8 calls: "), "{described}");
}

#[test]
fn a_multiple_of_the_load_repeats_whole_sessions() {
    let scenario = parse(&yaml(TRACE, PROVIDER)).unwrap();
    let once = simulate(scenario.scaled(1.0));
    assert_eq!(calls(&once), calls(&run(TRACE, PROVIDER)));
    let thrice = simulate(scenario.scaled(3.0));
    assert_eq!(calls(&thrice).len(), 24);
    assert_eq!(tasks(&thrice).len(), 15);
    assert!(
        calls(&once).iter().all(|call| calls(&thrice).contains(call)),
        "the recorded ones are among them"
    );
}

#[test]
fn what_the_trace_contains_is_refused_beside_it() {
    for (workload, expected) in [
        ("arrivals: {trace: agents.jsonl}, prompt: 800", "`prompt` does not go with a trace"),
        (
            "arrivals: {trace: agents.jsonl}, cached_prompt: 50%",
            "`cached_prompt` does not go with this trace",
        ),
        (
            "arrivals: {trace: agents.jsonl}, sessions: {deadline: 3s}",
            "`arrivals` and `sessions` exclude each other",
        ),
        ("sessions: {arrivals: {trace: agents.jsonl}, turns: 3}", "`turns` does not go with a trace"),
        (
            "sessions: {arrivals: {trace: agents.jsonl}, context: {first: 4k}}",
            "`context` does not go with a trace",
        ),
        (
            "sessions: {arrivals: {trace: agents.jsonl}}, completion: 5",
            "`completion` does not go with a trace",
        ),
        ("sessions: {arrivals: {trace: three.csv}}", "this trace has no sessions"),
        ("sessions: {arrivals: {poisson: 3/min}}", "has no `context`"),
        ("sessions: {rate: 3/min}", "`rate` needs `context`"),
        ("arrivals: {trace: agents.jsonl, rate: 0.000001%}", "`rate` keeps no session"),
    ] {
        let error = parse(&yaml(workload, PROVIDER)).err().unwrap_or_default();
        assert!(error.contains(expected), "{workload}: {error}");
    }
}

#[test]
fn the_ceiling_counts_the_recorded_calls_evenly_and_says_so() {
    let limited = "limits: {rpm: {limit: 30, law: fixed}}, latency: {total: 1s}";
    let scenario = parse(&yaml(TRACE, limited)).unwrap();
    let ceiling = quotalab::ceiling::Ceiling::of(&scenario);
    // Eight calls in ten minutes; 300 are admitted.
    assert!((ceiling.offered_jobs_per_min - 0.8).abs() < 1e-9 && ceiling.peak.is_none(), "{ceiling:?}");
    assert!((ceiling.multiple - 37.5).abs() < 1e-6, "{}", ceiling.multiple);
    assert!(ceiling.describe(&scenario).contains("when their calls are sent depends on the replies"));
}

//! The budget of a client in USD: prices and sizes are such that every number can be worked out by hand. A prompt of 100,000 tokens at
//! 1 USD per million costs 0.10 USD, so half a dollar per hour pays for five jobs.

use super::{Story, parse, run};
use quotalab::event::{EndReason, JobOutcome, WaitReason};
use quotalab::scenario::{self, Note, Overrides};

const BY_BUDGET: JobOutcome = JobOutcome::Shed(EndReason::ClientBudget);

/// Runs jobs of 100,000 prompt tokens at a model with a price. `rest`: further words of the scenario, one a line.
fn story(client: &str, arrivals: &str, rest: &str) -> Story {
    run(&yaml(client, arrivals, "[{of: [p/default/m]}]", rest))
}

/// Runs them with a model without a price as the second step.
fn story_with_free_step(client: &str, arrivals: &str) -> Story {
    run(&yaml(client, arrivals, "[{of: [p/default/m]}, {of: [free/default/m]}]", ""))
}

fn yaml(client: &str, arrivals: &str, route: &str, rest: &str) -> String {
    format!(
        "
duration: 3h
providers:
  p: {{models: {{m: {{latency: {{total: 1s}}, price: {{input: 1, output: 0}}}}}}}}
  free: {{models: {{m: {{latency: {{total: 1s}}}}}}}}
routes: {{r: {route}}}
client: {{{client}}}
workload: [{{name: w, {arrivals}, prompt: 100k, completion: 1, max_tokens: 10}}]
{rest}"
    )
}

fn sends_at(story: &Story) -> Vec<f64> {
    story.sends().iter().map(|(at, _)| *at).collect()
}

#[test]
fn jobs_beyond_the_budget_of_an_hour_wait_for_the_next_hour_in_order() {
    let story = story("deadline: 2h, budget: {usd_per_hour: 0.5}", "batch: {jobs: 12, workers: 12}", "");
    assert_eq!(sends_at(&story), [[0.0; 5], [3_600.0; 5]].concat());
    let ends: Vec<_> = story.ends().collect();
    assert!(ends[..10].iter().all(|(_, end)| end.outcome == JobOutcome::Succeeded));
    // The deadline is the end of the second hour. At 3,601 s, the answers have used its budget.
    for (at, end) in &ends[10..] {
        assert_eq!((at.as_secs_f64(), end.outcome), (3_601.0, BY_BUDGET));
        assert_eq!(end.obstacle.map(|obstacle| obstacle.why), Some(WaitReason::ClientBudget));
    }
    assert_eq!(ends.len(), 12);
}

#[test]
fn jobs_beyond_the_budget_take_the_free_step() {
    let story = story_with_free_step("budget: {usd_per_hour: 0.5}", "arrivals: {burst: 8, every: 1h}");
    let paid: Vec<f64> =
        story.sends().iter().filter(|(_, at)| at.starts_with("p/")).map(|(at, _)| *at).collect();
    assert_eq!(paid, [[0.0; 5], [3_600.0; 5], [7_200.0; 5]].concat());
    assert_eq!(story.sends().len(), 24);
    assert_eq!(story.succeeded(), 24);
    let note = |note: &&Note| matches!(note, Note::ClientBudget { .. });
    let note = story.scenario.notes.iter().find(note).cloned();
    let free = vec!["free/default/m".to_owned()];
    let client = "default".to_owned();
    let expected = Note::ClientBudget {
        client,
        usd_per_hour: Some(0.5),
        usd_per_day: None,
        free,
        unbounded: Vec::new(),
    };
    assert_eq!(note, Some(expected));
}

/// From 20:30 on, bursts of five arrive each hour, for 0.50 USD. Two of them use the budget of the day.
#[test]
fn the_budget_of_a_day_stops_all_until_midnight() {
    let client = "deadline: 8h, budget: {usd_per_hour: 0.5, usd_per_day: 1}";
    let rest = "start: 2026-12-01T20:30 Europe/Berlin";
    let story = run(&yaml(client, "arrivals: {burst: 5, every: 1h}", "[{of: [p/default/m]}]", rest)
        .replace("duration: 3h", "duration: 4h"));
    // Those of 22:30 are sent at midnight, and those of 23:30 at 1 o'clock, when the next hour begins.
    let expected = [[0.0; 5], [3_600.0; 5], [12_600.0; 5], [16_200.0; 5]].concat();
    assert_eq!(sends_at(&story), expected);
    assert_eq!(story.succeeded(), 20);
}

/// 25 October 2026 has 25 hours in Berlin.
#[test]
fn a_day_ends_at_midnight_also_when_clocks_change() {
    let client = "deadline: 2d, budget: {usd_per_day: 0.5}";
    let rest = "start: 2026-10-25T00:00 Europe/Berlin";
    let story = run(&yaml(client, "batch: {jobs: 6, workers: 6}", "[{of: [p/default/m]}]", rest)
        .replace("duration: 3h", "duration: 2d"));
    assert_eq!(sends_at(&story)[5], 25.0 * 3_600.0);
}

/// Forty jobs in one instant. Each reserves 0.10 USD and uses 0.01: five fit at first, and what they give back pays for the rest, although
/// the hour ends long after their deadline.
#[test]
fn what_answers_give_back_serves_the_jobs_that_wait() {
    let story = run("
duration: 1m
providers: {p: {models: {m: {latency: {total: 1s}, price: {input: 0, output: 1}}}}}
routes: {r: [{of: [p/default/m]}]}
client: {deadline: 1m, budget: {usd_per_hour: 0.5}}
workload: [{name: w, arrivals: {burst: 40, every: 1d}, prompt: 10, completion: 10k, max_tokens: 100k}]");
    assert_eq!(story.succeeded(), 40);
    // After the first five answers 0.05 USD are used: four reservations fit, then (0.09 used) four, (0.13) three.
    let sends = sends_at(&story);
    assert_eq!(sends[..16], [vec![0.0; 5], vec![1.0; 4], vec![2.0; 4], vec![3.0; 3]].concat());
}

#[test]
fn a_job_that_no_window_can_pay_for_is_given_up_at_once_or_takes_the_free_step() {
    let story = story("budget: {usd_per_hour: 0.09}", "arrivals: {burst: 2, every: 1d}", "");
    assert_eq!(story.outcomes(), [BY_BUDGET; 2]);
    assert!(story.ends().all(|(at, end)| at.0 == 0 && end.obstacle.is_none()));
    let story = story_with_free_step("budget: {usd_per_hour: 0.09}", "arrivals: {burst: 2, every: 1d}");
    assert_eq!(story.succeeded(), 2);
}

/// 0.15 USD pay for one attempt and not for two. One that times out may have been charged; an error reply costs nothing.
#[test]
fn an_attempt_whose_cost_is_unknown_stays_counted() {
    let with_fault = |fault: &str| {
        run(&format!(
            "
duration: 1m
providers:
  p:
    models: {{m: {{latency: {{total: 1s}}, price: {{input: 1, output: 0}}}}}}
    incidents: [{{at: 0s, for: 1h, fault: {fault}}}]
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 30s, attempt_timeout: 2s, eject: off, budget: {{usd_per_hour: 0.15}}, retry: {{attempts: 3}}}}
workload: [{{name: w, arrivals: {{burst: 1, every: 1d}}, prompt: 100k, completion: 1, max_tokens: 10}}]"
        ))
    };
    for fault in ["timeout", "cut_stream", "reset", "garbage"] {
        let story = with_fault(fault);
        let ends = (story.sends().len(), story.outcomes());
        assert_eq!(ends, (1, vec![JobOutcome::Failed(EndReason::ClientBudget)]), "{fault}");
    }
    let story = with_fault("503");
    assert_eq!((story.sends().len(), story.outcomes()), (3, vec![JobOutcome::Failed(EndReason::Attempts)]));
}

/// Two processes have 0.25 USD per hour each, which pays for two jobs: four in all.
#[test]
fn processes_have_equal_shares() {
    let story = story(
        "processes: 2, deadline: 1m, budget: {usd_per_hour: 0.5}",
        "arrivals: {burst: 10, every: 1d}",
        "",
    );
    assert_eq!(story.sends().len(), 4);
}

#[test]
fn an_interactive_job_goes_before_batch_jobs_that_wait_for_the_budget() {
    let story = run("
duration: 3h
providers: {p: {models: {m: {latency: {total: 1s}, price: {input: 1, output: 0}}}}}
routes: {r: [{of: [p/default/m]}]}
client: {deadline: 3h, budget: {usd_per_hour: 0.1}}
workload:
  - {name: night, priority: batch, batch: {jobs: 2, workers: 2}, prompt: 100k, completion: 1, max_tokens: 10}
  - {name: chat, arrivals: {burst: 1, every: 1d}, prompt: 100k, completion: 1, max_tokens: 10}");
    let served: Vec<_> = story.ends().map(|(_, end)| end.workload.index()).collect();
    assert_eq!(served, [0, 1, 0]);
}

/// Returns the problems of a scenario as text.
fn problems(yaml: &str) -> String {
    match scenario::parse("story", yaml, &Overrides::default(), None) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_budget_that_can_never_bind_is_refused() {
    let only_free =
        yaml("budget: {usd_per_day: 5}", "arrivals: {constant: 1/min}", "[{of: [free/default/m]}]", "");
    let text = problems(&only_free);
    assert!(text.contains("this budget never binds") && text.contains("remove the budget"), "{text}");
    let nothing = yaml("budget: {}", "arrivals: {constant: 1/min}", "[{of: [p/default/m]}]", "");
    assert!(problems(&nothing).contains("this budget limits nothing"), "{}", problems(&nothing));
    let zero = yaml("budget: {usd_per_day: 0}", "arrivals: {constant: 1/min}", "[{of: [p/default/m]}]", "");
    assert!(problems(&zero).contains("usd_per_day"), "{}", problems(&zero));
    // An imitation keeps the budget that is written beside it.
    let like = parse(&yaml(
        "like: recommended, budget: {usd_per_day: 5}",
        "arrivals: {constant: 1/min}",
        "[{of: [p/default/m]}]",
        "",
    ));
    assert_eq!(like.default_client().budget.and_then(|budget| budget.usd_per_day), Some(5.0));
}

/// Of twelve jobs the first hour pays for five; the others are given up when it is used up.
#[test]
fn the_verdict_names_the_budget() {
    let client = "deadline: 1m, budget: {usd_per_hour: 0.5}";
    let summary =
        super::summary(&yaml(client, "arrivals: {burst: 12, every: 1d}", "[{of: [p/default/m]}]", ""));
    let text = quotalab::report::verdict::sentences(&summary).join(" ");
    let sentence = "The client's budget in USD bounds the load: 58.3 % of the jobs were given up for it.";
    assert!(text.contains(sentence), "{text}");
}

//! Picks: which target of a step a job is sent to. And how often a job is sent again.

use super::{Story, run};
use quotalab::event::{EndReason, JobOutcome};

fn two_accounts(pick: &str, arrivals: &str) -> Story {
    run(&format!(
        "
providers: {{p: {{accounts: {{a: [k1], b: [k2]}}, models: {{m: {{limits: {{rpm: 30, tpm: 10k}}, latency: {{total: 500ms}}}}}}}}}}
routes: {{r: [{{pick: {pick}, of: [p/a/m, p/b/m]}}]}}
duration: 1m
client: {{deadline: 10m, retry: {{attempts: 2, backoff: {{base: 1s, cap: 8s, jitter: none}}}}}}
workload: [{{name: w, route: r, arrivals: {arrivals}, prompt: 100, completion: 50, max_tokens: 100}}]"
    ))
}

/// Returns the account of each attempt.
fn accounts(story: &Story) -> Vec<&str> {
    story.sends().iter().map(|(_, target)| &target[2..3]).collect()
}

#[test]
fn in_order_uses_the_second_target_only_if_the_first_refuses() {
    let story = two_accounts("in_order", "{burst: 40, every: 1h}");
    let accounts = accounts(&story);
    assert_eq!(accounts[..30], ["a"; 30]);
    assert_eq!(accounts[30..32], ["a", "b"], "the 31st is refused by a and retried at b");
    assert_eq!(accounts[32..], ["b"; 9]);
}

#[test]
fn round_robin_takes_turns() {
    let story = two_accounts("round_robin", "{constant: 6/min}");
    assert_eq!(accounts(&story), ["a", "b", "a", "b", "a", "b"]);
}

#[test]
fn most_room_balances_until_both_are_used_up() {
    let story = two_accounts("most_room", "{burst: 60, every: 1h}");
    assert_eq!(story.refused_by_a_limit(), 0, "sixty fit into twice thirty");
    assert_eq!(accounts(&story).iter().filter(|account| **account == "a").count(), 30);
}

#[test]
fn the_retry_budget_bounds_retries() {
    let failing = |budget: &str| {
        run(&format!(
            "
providers: {{p: {{models: {{m: {{latency: {{total: 10ms}}}}}}, incidents: [{{at: 0s, for: 1h, fault: 500, share: 50%}}]}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 10m
client: {{deadline: 1m, retry: {{attempts: 5, {budget}backoff: {{base: 10ms, cap: 20ms, jitter: none}}}}}}
workload: [{{name: w, route: r, arrivals: {{constant: 10/s}}, prompt: 10, completion: 5, max_tokens: 10}}]"
        ))
    };
    let bounded = failing("budget: 10%, ");
    let retries = bounded.sends().len() - bounded.outcomes().len();
    // The initial balance of a hundred, and a tenth of 6,000 jobs.
    assert!(retries <= 700, "{retries} retries");
    assert!(bounded.outcomes().contains(&JobOutcome::Failed(EndReason::RetryBudget)));
    assert!(
        failing("").outcomes().iter().all(|outcome| *outcome != JobOutcome::Failed(EndReason::RetryBudget))
    );
}

//! The cheapest changes that hold a target load, compared with brute force, and the search for them under a time limit.

use super::*;
use provider::Nanos;
use quotalab::planner::PlanProgress;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Two providers with these numbers of accounts. The one in front fails for ten minutes, and jobs fall back to the other.
fn two_providers(front: usize, behind: usize) -> String {
    let accounts = |count: usize| (0..count).map(|n| format!("a{n}: [k{n}]")).collect::<Vec<_>>().join(", ");
    let targets = |name: &str, count: usize| {
        (0..count).map(|n| format!("{name}/a{n}/m")).collect::<Vec<_>>().join(", ")
    };
    format!(
        "name: two providers
duration: 1h
providers:
  front: {{ accounts: {{ {} }}, incidents: [{{ at: 20m, for: 10m, fault: 503 }}], models: {{ m: {{ limits: {{ rpm: 60 }}, latency: {{ total: 500ms }}, price: {{ input: 1, output: 1 }} }} }} }}
  behind: {{ accounts: {{ {} }}, models: {{ m: {{ limits: {{ rpm: 60 }}, latency: {{ total: 500ms }}, price: {{ input: 2, output: 2 }} }} }} }}
routes: {{ r: [{{ pick: most_room, of: [{}] }}, {{ pick: most_room, of: [{}] }}] }}
client: {{ deadline: 10s, retry: {{ attempts: 4 }} }}
workload: [{{ name: w, route: r, arrivals: {{ poisson: 40/min }}, prompt: 100, completion: 100, max_tokens: 100 }}]
expect: [success >= 99%]",
        accounts(front),
        accounts(behind),
        targets("front", front),
        targets("behind", behind)
    )
}

/// Returns `true` if the scenario holds a multiple of its load on the first seeds of a plan.
fn holds_on_first_seeds(yaml: &str, multiple: f64) -> bool {
    let scenario = parse(yaml);
    quotalab::stats::replica_seeds(scenario.seed, 3).all(|seed| {
        let mut run = scenario.scaled(multiple);
        run.seed = seed;
        simulate(&run).holds()
    })
}

/// While the provider in front fails, only accounts at the other one help. The analytic ceiling ignores incidents.
#[test]
fn at_most_one_account_more_is_bought_than_brute_force_finds_to_be_needed() {
    for multiple in [1.4, 4.0] {
        let options = PlanOptions { target: Some(Target::Multiple(multiple)), ..options(1) };
        let buy = plan_of(&two_providers(1, 1), &options).buy.unwrap();
        let by_brute_force: Vec<(usize, usize)> = (1..6)
            .flat_map(|front| (1..6).map(move |behind| (front, behind)))
            .filter(|(front, behind)| holds_on_first_seeds(&two_providers(*front, *behind), multiple))
            .collect();
        assert!(
            !by_brute_force.is_empty() && buy.holds && buy.broken.is_empty(),
            "{multiple}: {by_brute_force:?} {buy:#?}"
        );
        assert_eq!((buy.replicas, buy.complete), (buy.proof, true), "as many replicas as a proof needs");
        let bought = |name: &str| 1 + buy.changes.iter().filter(|change| change.ends_with(name)).count();
        let (front, behind) = (bought("account at front"), bought("account at behind"));
        // If only accounts are bought, they may be one more than the smallest number that brute force finds, because the
        // purchase holds on more seeds.
        if front + behind - 2 == buy.changes.len() {
            let least = by_brute_force.iter().map(|(front, behind)| front + behind).min().unwrap();
            assert!(front + behind <= least + 1, "{multiple}: {front} and {behind}, {by_brute_force:?}");
        }
    }
}

#[test]
fn free_accounts_are_bounded_and_a_note_says_so() {
    let yaml = two_providers(1, 1).replace("input: 1, output: 1", "input: 0, output: 0");
    let plan = plan_of(&yaml, &PlanOptions { target: Some(Target::Multiple(6.0)), ..options(1) });
    let buy = plan.buy.as_ref().unwrap();
    let free = buy.changes.iter().filter(|change| *change == "one more account at front").count();
    assert!(free <= 2, "{buy:#?}");
    let is_named =
        |note: &PlanNote| matches!(note, PlanNote::FreeAccounts { provider, max: 2 } if provider == "front");
    assert!(plan.notes.iter().any(is_named), "{:#?}", plan.notes);
}

/// A clock that advances by a second each time it is read during the search for changes, and does not advance before.
#[derive(Default)]
struct Ticks {
    is_searching: AtomicBool,
    seconds: AtomicU64,
}

impl PlanProgress for Ticks {
    fn stage(&self, name: &str) {
        self.is_searching.store(name.starts_with("the target load"), Ordering::Relaxed);
    }
    fn ran(&self) {}
    fn elapsed(&self) -> Nanos {
        let step = u64::from(self.is_searching.load(Ordering::Relaxed));
        Nanos::from_secs(self.seconds.fetch_add(step, Ordering::Relaxed))
    }
}

#[test]
fn a_search_whose_time_is_up_says_so_and_proves_nothing() {
    for seconds in [0, 1, 5, 40] {
        let limit = Some(Nanos::from_secs(seconds));
        let options = PlanOptions { target: Some(Target::Multiple(4.0)), time_limit: limit, ..options(1) };
        let plan = planner::plan(&parse(&two_providers(1, 1)), &options, &Ticks::default()).unwrap();
        let buy = plan.buy.as_ref().unwrap();
        assert!(!buy.complete && !buy.holds && buy.replicas < buy.proof, "{seconds}: {buy:#?}");
        let text = text_of(&plan);
        assert!(text.contains("time limit"), "{text}");
    }
}

//! Law 22: in every window, the attempts that a client sends cost at most its budget, as the provider charges them. A budget that is never
//! reached changes no decision.

use super::SeenVariants;
use crate::story::parse;
use proptest::prelude::*;
use provider::{Instant, Nanos};
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind};
use quotalab::ids::{AttemptId, EngineId, JobId, TargetId};
use quotalab::record::Fold;
use std::collections::BTreeMap;

/// What the attempts of each window cost, by the instant at which they were sent. Prices are whole picodollars per token.
#[derive(Default)]
struct Spending {
    /// The time of day at the start of the run.
    time_of_day: Nanos,
    engines: BTreeMap<JobId, EngineId>,
    sent: BTreeMap<AttemptId, (Instant, JobId, TargetId)>,
    /// By length of window, number of window, and engine, in picodollars.
    spent: BTreeMap<(Nanos, u64, EngineId), u64>,
    seen: SeenVariants,
    decisions: Vec<Event>,
}

/// Picodollars per token of prompts and completions, by target.
const PRICES: [(u64, u64); 2] = [(2_000_000, 6_000_000), (1_000_000, 1_000_000)];

impl Fold for Spending {
    fn event(&mut self, event: &Event) {
        self.seen.event(event);
        self.decisions.push(*event);
        match event.kind {
            EventKind::Arrived { engine, .. } => {
                self.engines.insert(event.job, engine);
            }
            EventKind::Sent { attempt, target, .. } => {
                self.sent.insert(attempt, (event.at, event.job, target));
            }
            EventKind::Settled { attempt, usage, .. } => {
                let (at, job, target) = self.sent[&attempt];
                let (input, output) = PRICES[target.index()];
                let cost =
                    u64::from(usage.prompt_tokens) * input + u64::from(usage.completion_tokens) * output;
                for length in [Nanos::HOUR, Nanos::DAY] {
                    let window = (at.0 + self.time_of_day.0) / length.0;
                    *self.spent.entry((length, window, self.engines[&job])).or_default() += cost;
                }
            }
            _ => {}
        }
    }
}

impl Spending {
    /// Returns the most that an engine spent in a window of this length, and the most that all spent together.
    fn most(&self, length: Nanos) -> (u64, u64) {
        let mut together: BTreeMap<u64, u64> = BTreeMap::new();
        let mut most = 0;
        for ((_, window, _), cost) in self.spent.iter().filter(|((other, ..), _)| *other == length) {
            *together.entry(*window).or_default() += cost;
            most = most.max(*cost);
        }
        (most, together.into_values().max().unwrap_or(0))
    }
}

/// A random world: what is sent, and how it fails.
#[derive(Clone, Debug)]
struct World {
    seed: u64,
    arrivals: &'static str,
    fault: &'static str,
    client: &'static str,
    processes: u64,
    bounds: &'static str,
    start_hour: u64,
}

const ARRIVALS: [&str; 4] = [
    "arrivals: {poisson: 4/min}",
    "arrivals: {burst: 40, every: 50m}",
    "arrivals: {users: 5, think: {mean: 20s}}",
    "batch: {jobs: 300, workers: 7}",
];
const FAULTS: [&str; 6] = ["timeout", "cut_stream", "503", "reset", "garbage", "{slow: 9x}"];
const CLIENTS: [&str; 5] = [
    "deadline: 30s",
    "deadline: 2h, attempt_timeout: 3s, retry: {attempts: 5}",
    "deadline: 90m, concurrency: 3, queue: 50",
    "deadline: 20s, join: true, pace: tokens",
    "deadline: 3h, pace: {gap: 2s}, cool_down: per_job",
];
/// Words of the models, and of the workload: what bounds completions.
const BOUNDS: [&str; 3] = ["max_output: 900", "context: 4000", ""];

fn world() -> impl Strategy<Value = World> {
    let choices = (
        prop::sample::select(&ARRIVALS[..]),
        prop::sample::select(&FAULTS[..]),
        prop::sample::select(&CLIENTS[..]),
        prop::sample::select(&BOUNDS[..]),
    );
    (0u64..1_000, choices, 1u64..4, 0u64..24).prop_map(|(seed, choices, processes, start_hour)| {
        let (arrivals, fault, client, bounds) = choices;
        World { seed, arrivals, fault, client, processes, bounds, start_hour }
    })
}

impl World {
    fn run(&self, budget: &str) -> Spending {
        let Self { seed, arrivals, fault, client, processes, bounds, start_hour } = self;
        let bound = if bounds.is_empty() { String::new() } else { format!(", {bounds}") };
        let max_tokens = if bounds.is_empty() { ", max_tokens: 700" } else { "" };
        let latency = "latency: {first_token: 200ms, output: 150 tok/s, network: 20ms}";
        let scenario = parse(&format!(
            "
seed: {seed}
duration: 5h
start: 2026-12-01T{start_hour:02}:20 Europe/Berlin
providers:
  p:
    models:
      a: {{limits: {{rpm: 90, tpm: 300k}}, {latency}, price: {{input: 2, output: 6}}{bound}}}
      b: {{{latency}, price: {{input: 1, output: 1}}{bound}}}
    incidents: [{{at: 10m, for: 3h, fault: {fault}, share: 30%}}]
routes: {{r: [{{of: [p/default/a]}}, {{of: [p/default/b]}}]}}
client: {{{client}, processes: {processes}{budget}}}
workload: [{{name: w, {arrivals}, prompt: {{p50: 300, p95: 1200}}, completion: {{p50: 200, p95: 900}}{max_tokens}}}]"
        ));
        let mut spending =
            Spending { time_of_day: Nanos::HOUR * *start_hour + Nanos::MINUTE * 20, ..Spending::default() };
        virtual_time::simulate(&scenario, &mut spending);
        spending
    }
}

const PICO: f64 = 1e12;

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::fuzz::cases(40), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_costs_more_than_the_budget(
        world in world(),
        usd_per_hour in prop::sample::select(&[0.004, 0.02, 0.1][..]),
        usd_per_day in prop::sample::select(&[0.01, 0.05, 1.0][..]),
    ) {
        let spending = world.run(&format!(", budget: {{usd_per_hour: {usd_per_hour}, usd_per_day: {usd_per_day}}}"));
        for (length, usd) in [(Nanos::HOUR, usd_per_hour), (Nanos::DAY, usd_per_day)] {
            let budget = (usd * PICO).round() as u64;
            let (most, together) = spending.most(length);
            prop_assert!(together <= budget, "{together} of {budget} in a window of {length}");
            prop_assert!(most <= budget / world.processes, "a process spends {most} of its share of {budget}");
        }
    }

    #[test]
    fn a_budget_that_is_never_reached_changes_nothing(world in world()) {
        let without = world.run("");
        let with = world.run(", budget: {usd_per_hour: 100000, usd_per_day: 1000000}");
        prop_assert!(without.decisions == with.decisions, "{world:?}");
    }
}

/// The law is not empty: without a budget the same worlds spend far more, and with it jobs wait, are served later and are given up.
#[test]
fn the_budget_binds_in_the_worlds_of_the_law() {
    for arrivals in ARRIVALS {
        let world = World {
            seed: 7,
            arrivals,
            fault: "timeout",
            client: CLIENTS[1],
            processes: 2,
            bounds: BOUNDS[0],
            start_hour: 20,
        };
        let (_, without) = world.run("").most(Nanos::HOUR);
        let bound = world.run(", budget: {usd_per_hour: 0.02}");
        let (_, with) = bound.most(Nanos::HOUR);
        let budget = (0.02 * PICO) as u64;
        assert!(without > budget && with <= budget, "{arrivals}: {without} without a budget, {with} with it");
        assert!(with > budget / 2, "{arrivals}: much of it is used, {with} of {budget}");
        assert!(bound.seen.0.contains("ClientBudget"), "{arrivals}: jobs wait for it");
    }
}

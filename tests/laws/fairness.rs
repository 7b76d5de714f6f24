//! Workloads that wait share the turns of a fair client, checked from the events alone.

use crate::story::{Recording, parse};
use proptest::prelude::*;
use provider::Instant;
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind};
use quotalab::ids::{JobId, WorkloadId};
use quotalab::scenario::Scenario;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A workload that sends bursts.
#[derive(Clone, Debug)]
struct Bursts {
    jobs: u32,
    every_s: u32,
    prompt: u32,
}

fn bursts() -> impl Strategy<Value = Vec<Bursts>> {
    let bursts = (1u32..40, 5u32..60, 1u32..400);
    prop::collection::vec(bursts.prop_map(|(jobs, every_s, prompt)| Bursts { jobs, every_s, prompt }), 2..5)
}

/// A target that answers after 100 ms. Client and limits say what jobs wait for.
fn scenario((client, limits): (&str, &str), workloads: &[Bursts], seed: u64) -> Scenario {
    let mut yaml = format!(
        "name: fair\nseed: {seed}\nduration: 2m\nproviders: {{ p: {{ models: {{ m: {{ limits: {{ {limits} }}, latency: {{ total: 100ms }} }} }} }} }}\n\
         routes: {{ r: [{{ of: [p/default/m] }}] }}\nclient: {{ deadline: 3h, queue: 100k, {client} }}\nworkload:\n"
    );
    for (number, Bursts { jobs, every_s, prompt }) in workloads.iter().enumerate() {
        let _ = writeln!(
            yaml,
            "  - {{ name: w{number}, route: r, arrivals: {{ burst: {jobs}, every: {every_s}s }}, prompt: {{ min: 1, max: {prompt} }}, completion: 20, \
             max_tokens: 40 }}"
        );
    }
    parse(&yaml)
}

/// What was seen of a workload.
#[derive(Clone, Debug, Default)]
struct SeenFlow {
    /// The jobs that wait.
    waiting: u32,
    /// The units of its jobs that were sent at their turns.
    served: u64,
    /// The largest of them.
    largest: u64,
}

/// Returns the pairs of workloads whose shares differ by more than a job of each while both wait.
fn unfair(events: &[Event], flows: usize, units: fn(u32) -> u64) -> Vec<String> {
    let mut seen = vec![SeenFlow::default(); flows];
    let mut jobs: BTreeMap<JobId, (WorkloadId, u64, bool)> = BTreeMap::new();
    // By pair: the smallest and the largest difference of what both were served, since both wait.
    let mut spans: BTreeMap<(usize, usize), (i128, i128)> = BTreeMap::new();
    let mut unfair = Vec::new();
    for event in events {
        match event.kind {
            EventKind::Arrived { workload, prompt_tokens, .. } => {
                let units = units(prompt_tokens);
                jobs.insert(event.job, (workload, units, false));
                let flow = &mut seen[workload.index()];
                flow.largest = flow.largest.max(units);
            }
            EventKind::Waiting { .. } | EventKind::Queued { .. } => {
                let (workload, _, waits) = jobs.get_mut(&event.job).expect("it has arrived");
                seen[workload.index()].waiting += u32::from(!std::mem::replace(waits, true));
            }
            EventKind::Sent { .. } => {
                let (workload, units, waits) = jobs.get_mut(&event.job).expect("it has arrived");
                if std::mem::take(waits) {
                    let flow = &mut seen[workload.index()];
                    flow.served += *units;
                    note(&seen, &mut spans, event.at, &mut unfair);
                    seen[workload.index()].waiting -= 1;
                }
            }
            _ => {}
        }
        note(&seen, &mut spans, event.at, &mut unfair);
    }
    unfair
}

/// Updates the spans of the differences, and reports those that are too wide.
fn note(
    seen: &[SeenFlow],
    spans: &mut BTreeMap<(usize, usize), (i128, i128)>,
    at: Instant,
    unfair: &mut Vec<String>,
) {
    for a in 0..seen.len() {
        for b in 0..a {
            let (first, second) = (&seen[a], &seen[b]);
            if first.waiting == 0 || second.waiting == 0 {
                spans.remove(&(a, b));
                continue;
            }
            let difference = i128::from(first.served) - i128::from(second.served);
            let (low, high) = spans.entry((a, b)).or_insert((difference, difference));
            (*low, *high) = ((*low).min(difference), (*high).max(difference));
            let bound = i128::from(first.largest + second.largest);
            if *high - *low > bound {
                unfair.push(format!("w{a} and w{b} differ by {} of {bound} at {at}", *high - *low));
            }
        }
    }
}

fn run(policy: (&str, &str), workloads: &[Bursts], seed: u64, units: fn(u32) -> u64) -> Vec<String> {
    let scenario = scenario(policy, workloads, seed);
    let mut recording = Recording(Vec::new());
    virtual_time::simulate(&scenario, &mut recording);
    unfair(&recording.0, workloads.len(), units)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Start-time fair queueing: while two workloads wait, what they are served differs by at most one largest job of each, whatever they
    /// wait for.
    #[test]
    fn workloads_that_wait_are_served_equally(workloads in bursts(), seed in any::<u64>()) {
        let requests = run(("fair: requests, pace: {gap: 400ms}", ""), &workloads, seed, |_| 1);
        prop_assert!(requests.is_empty(), "{:?}", requests.first());
        let permits = run(("fair: requests, concurrency: 1", ""), &workloads, seed, |_| 1);
        prop_assert!(permits.is_empty(), "{:?}", permits.first());
        let tokens = run(("fair: tokens, pace: tokens", "tpm: {limit: 20k, burst: 1k}"), &workloads, seed, |prompt| u64::from(prompt) + 40);
        prop_assert!(tokens.is_empty(), "{:?}", tokens.first());
    }
}

/// The check of the law sees the unfairness of first in, first out.
#[test]
fn first_in_first_out_is_unfair() {
    let workloads = [30, 20].map(|jobs| Bursts { jobs, every_s: 60, prompt: 100 });
    assert!(!run(("pace: {gap: 400ms}", ""), &workloads, 1, |_| 1).is_empty());
}

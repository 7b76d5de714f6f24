//! Hedges, from the events alone: they take nothing that a job needs.

use super::Run;
use crate::story::{Recording, parse};
use proptest::prelude::*;
use provider::Instant;
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind, ProviderDecision, WaitReason};
use quotalab::ids::{JobId, TargetId};
use quotalab::record::Fold;
use quotalab::scenario::Scenario;
use std::collections::BTreeMap;

/// Requests per minute of each target, which hold a minute's worth.
const RPM: [f64; 3] = [600.0, 120.0, 60.0];

/// Three targets of which the first is slow now and then, and a client that keeps all of its requests within the limits. Large batch jobs
/// wait for the tokens of the second.
fn scenario(client: &str, arrivals: &str, seed: u64) -> Scenario {
    let [a, b, c] = RPM;
    parse(&format!(
        "
seed: {seed}
duration: 2m
providers:
  a: {{ models: {{ m: {{ limits: {{ rpm: {a} }}, latency: {{ total: {{ p50: 300ms, p99: 4s }}, network: 0s }} }} }}, incidents: [{{ at: 20s, for: 1m, fault: {{ slow: 10x }}, share: 40% }}] }}
  b: {{ models: {{ m: {{ limits: {{ rpm: {b}, tpm: 20k }}, latency: {{ total: {{ p50: 400ms, p99: 2s }}, network: 0s }} }} }} }}
  c: {{ models: {{ m: {{ limits: {{ rpm: {c} }}, latency: {{ total: {{ p50: 500ms, p99: 2s }}, network: 0s }} }} }} }}
routes: {{ r: [{{ of: [a/default/m, b/default/m] }}, {{ of: [c/default/m] }}], own: [{{ of: [b/default/m] }}] }}
client: {{ deadline: 30s, pace: tokens, {client} }}
workload:
  - {{ name: w, route: r, arrivals: {{ {arrivals} }}, prompt: 100, completion: 50, max_tokens: 50, stream: false }}
  - {{ name: own, route: own, priority: batch, arrivals: {{ burst: 8, every: 40s }}, prompt: 3000, completion: 50, max_tokens: 50, stream: false }}"
    ))
}

/// Follows the limits and the jobs that wait.
struct Observer {
    /// The share of each limit that is left after a hedge.
    spare: f64,
    /// By target, what is left of its requests and since when.
    left: [(f64, Instant); 3],
    /// The jobs that wait, and the target that they wait for; `None` for a permit.
    waiting: BTreeMap<JobId, Option<TargetId>>,
    /// The job whose hedge is sent next.
    hedging: Option<JobId>,
    jobs: u64,
    attempts: u64,
    hedges: u64,
    violations: Vec<String>,
}

impl Observer {
    fn of(scenario: &Scenario, spare: f64) -> Self {
        let mut observer = Self {
            spare,
            left: RPM.map(|rpm| (rpm, Instant::ZERO)),
            waiting: BTreeMap::new(),
            hedging: None,
            jobs: 0,
            attempts: 0,
            hedges: 0,
            violations: Vec::new(),
        };
        virtual_time::simulate(scenario, &mut observer);
        observer
    }

    fn check(&mut self, holds: bool, event: &Event, what: &str) {
        if !holds {
            self.violations.push(format!("{what}: {event:?}"));
        }
    }

    fn sent(&mut self, event: &Event, target: TargetId) {
        let is_hedge = self.hedging.take() == Some(event.job);
        let (rpm, (left, since)) = (RPM[target.index()], &mut self.left[target.index()]);
        *left = rpm.min(*left + event.at.since(*since).as_secs_f64() * rpm / 60.0) - 1.0;
        *since = event.at;
        let left = *left;
        self.attempts += 1;
        if is_hedge {
            self.hedges += 1;
            let is_spare = left >= rpm * self.spare - 1e-6;
            self.check(is_spare, event, "less than the spare share of the limit is left");
            let awaited =
                self.waiting.values().any(|waits_for| waits_for.is_none_or(|other| other == target));
            self.check(!awaited, event, "a job waits for a permit or for the target of the hedge");
        }
    }
}

impl Fold for Observer {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Arrived { .. } => self.jobs += 1,
            EventKind::Hedged { .. } => self.hedging = Some(event.job),
            EventKind::Queued { .. } => {
                self.waiting.insert(event.job, None);
            }
            EventKind::Waiting { obstacle, .. }
                if matches!(obstacle.why, WaitReason::Pace | WaitReason::CoolDown) =>
            {
                self.waiting.insert(event.job, Some(obstacle.target));
            }
            EventKind::Sent { target, .. } => {
                self.waiting.remove(&event.job);
                self.sent(event, target);
            }
            EventKind::Done(_) => {
                self.waiting.remove(&event.job);
            }
            EventKind::Decided { decision, .. } => {
                let is_admitted = matches!(decision, ProviderDecision::Admitted { .. });
                self.check(is_admitted, event, "a limit that the client knows is exceeded");
            }
            _ => {}
        }
    }
}

/// Returns the events of a run.
fn events(scenario: &Scenario) -> Vec<Event> {
    let mut recording = Recording::default();
    virtual_time::simulate(scenario, &mut recording);
    recording.0
}

const ARRIVALS: [&str; 4] =
    ["poisson: 4/s", "constant: 9/s", "burst: 60, every: 20s", "users: 20, think: { mean: 1s }"];

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::fuzz::cases(48), failure_persistence: None, ..ProptestConfig::default() })]

    /// Law 23: a hedge leaves the spare share of every limit, no job waits for what it takes, and a lone client that paces itself is never
    /// refused, whatever it hedges. A job has at most as many attempts as without hedges.
    #[test]
    fn hedges_take_nothing_that_a_job_needs(
        arrivals in prop::sample::select(&ARRIVALS[..]),
        after in 1u32..3_000,
        spare in 0u32..=100,
        concurrency in prop::sample::select(&["none", "40", "8"][..]),
        attempts in 1u64..4,
        seed in 0u64..1_000,
    ) {
        let client = format!("concurrency: {concurrency}, retry: {{ attempts: {attempts} }}, hedge: {{ after: {after}ms, spare: {spare}% }}");
        let scenario = scenario(&client, arrivals, seed);
        let Observer { jobs, attempts: sent, hedges, violations, .. } = Observer::of(&scenario, f64::from(spare) / 100.0);
        prop_assert!(violations.is_empty(), "{:#?}", violations.first());
        prop_assert!(sent <= jobs * attempts && hedges <= jobs, "{jobs} jobs, {sent} attempts, {hedges} hedges");
        prop_assert!(attempts > 1 || hedges == 0);
        let run = Run::of(&scenario, &scenario);
        prop_assert!(run.violations.is_empty(), "{:#?}", run.violations);
        let counted = run.summary.attempts.hedges.expect("the client hedges");
        prop_assert_eq!(counted.sent, hedges);
        prop_assert!(counted.won <= hedges);
    }

    /// A client whose hedges are never due, or have nothing to spare, does what one without hedges does.
    #[test]
    fn hedges_that_are_not_sent_change_nothing(
        arrivals in prop::sample::select(&ARRIVALS[..]),
        hedge in prop::sample::select(&["{ after: 1h }", "{ after: 10ms, spare: 100% }"][..]),
        seed in 0u64..1_000,
    ) {
        let with = |hedge| events(&scenario(&format!("hedge: {hedge}"), arrivals, seed));
        prop_assert_eq!(with(hedge), with("off"));
    }
}

#[test]
fn many_hedges_are_sent_and_won_if_there_is_much_to_spare() {
    let hedged = |spare: &str| {
        let scenario = scenario(&format!("hedge: {{ after: 1s, spare: {spare} }}"), "poisson: 2/s", 7);
        let run = Run::of(&scenario, &scenario);
        assert!(run.violations.is_empty(), "{:?}", run.violations);
        run.summary.attempts.hedges.expect("the client hedges")
    };
    let (all, half) = (hedged("0%"), hedged("50%"));
    assert!(all.sent > 30 && all.won > all.sent / 2 && all.won < all.sent, "{all:?}");
    assert!(half.sent <= all.sent, "{half:?} of {all:?}");
}

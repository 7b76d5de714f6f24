//! The picks of a step, checked from the events alone: which of the targets that can take a job takes it.

use crate::story::parse;
use proptest::prelude::*;
use provider::{Instant, Nanos, Usage};
use quotalab::drive::virtual_time;
use quotalab::event::{AttemptOutcome, Event, EventKind};
use quotalab::ids::{AttemptId, JobId, TargetId};
use quotalab::record::Fold;
use quotalab::scenario::{Pick, Scenario};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A target of a random scenario.
#[derive(Clone, Debug)]
struct Server {
    /// The time of an answer, in milliseconds.
    total: u32,
    input: u32,
    output: u32,
    /// The share of the calls that fail in the middle of the run, in percent.
    failing: u32,
}

fn servers() -> impl Strategy<Value = Vec<Server>> {
    let failing = prop_oneof![3 => Just(0u32), 1 => Just(50), 1 => Just(100)];
    let server = (1u32..3_000, 0u32..5, 0u32..20, failing);
    let server = server.prop_map(|(total, input, output, failing)| Server { total, input, output, failing });
    prop::collection::vec(server, 2..5)
}

/// A route of one step with these targets. Targets are not ejected and have no limits, so that only waits that failures state, and the
/// attempts of the job itself, keep a job from a target.
fn scenario(pick: &str, servers: &[Server], rate: u32, seed: u64) -> Scenario {
    let mut yaml = format!("name: picks\nseed: {seed}\nduration: 1m\nproviders:\n");
    for (number, Server { total, input, output, failing }) in servers.iter().enumerate() {
        let _ = writeln!(
            yaml,
            "  p{number}: {{ models: {{ m: {{ latency: {{ total: {{ mean: {total}ms }} }}, price: {{ input: {input}, output: {output} }} }} }}, \
             incidents: [{{ at: 10s, for: 20s, fault: 503, share: {failing}% }}] }}"
        );
    }
    let of: Vec<String> = (0..servers.len()).map(|number| format!("p{number}/default/m")).collect();
    let weights: Vec<String> = (1..=servers.len()).map(|weight| weight.to_string()).collect();
    let weights = match pick {
        "weighted" => format!("weights: [{}], ", weights.join(", ")),
        _ => String::new(),
    };
    let _ = writeln!(
        yaml,
        "routes: {{ r: [{{ pick: {pick}, {weights}of: [{}] }}] }}\nclient: {{ deadline: 10m, eject: off, retry: {{ backoff: {{ base: 100ms, cap: 1s }} }} }}\n\
         workload: [{{ name: w, route: r, arrivals: {{ poisson: {rate}/s }}, prompt: {{ min: 10, max: 4000 }}, completion: {{ mean: 200 }}, \
         max_tokens: 800 }}]",
        of.join(", ")
    );
    parse(&yaml)
}

/// A job in flight: its sizes, and the targets that it was sent to since its last wait.
#[derive(Debug)]
struct SeenJob {
    prompt_tokens: u32,
    max_tokens: u32,
    tried: BTreeSet<TargetId>,
}

/// What was seen of a target.
#[derive(Clone, Debug, Default)]
struct SeenTarget {
    cool_down: Instant,
    in_flight: u32,
    /// The peak EWMA of its latencies in nanoseconds, and when it was set; `None` before the first.
    average: Option<(f64, Instant)>,
}

/// Checks each send, and counts the sends of jobs that every target could take.
struct Observer<'s> {
    scenario: &'s Scenario,
    targets: Vec<SeenTarget>,
    jobs: BTreeMap<JobId, SeenJob>,
    attempts: BTreeMap<AttemptId, Instant>,
    answers: (u64, u64),
    counts: Vec<u32>,
    sends: Vec<(JobId, TargetId)>,
    violations: Vec<String>,
}

impl<'s> Observer<'s> {
    fn of(scenario: &'s Scenario) -> Self {
        let count = scenario.targets.len();
        let mut observer = Self {
            scenario,
            targets: vec![SeenTarget::default(); count],
            jobs: BTreeMap::new(),
            attempts: BTreeMap::new(),
            answers: (0, 0),
            counts: vec![0; count],
            sends: Vec::new(),
            violations: Vec::new(),
        };
        virtual_time::simulate(scenario, &mut observer);
        observer
    }

    /// Returns the load of a target for `fastest`: the average, fading by a factor of e in ten seconds, times the attempts in flight
    /// and one.
    fn load(&self, target: TargetId, now: Instant) -> f64 {
        let SeenTarget { average, in_flight, .. } = &self.targets[target.index()];
        match average {
            Some((nanos, at)) => nanos * faded(*at, now) * (f64::from(*in_flight) + 1.0),
            None if *in_flight == 0 => 0.0,
            None => 1e30 + f64::from(*in_flight) * 1e20,
        }
    }

    fn price(&self, target: TargetId, job: &SeenJob) -> f64 {
        let (answers, tokens) = self.answers;
        let mean = tokens.checked_div(answers).unwrap_or(u64::MAX);
        let price = self.scenario.targets[target.index()].price;
        f64::from(job.prompt_tokens) * price.input + mean.min(job.max_tokens.into()) as f64 * price.output
    }

    fn check(&mut self, at: Instant, job: JobId, taken: TargetId) {
        let step = &self.scenario.routes[0].steps[0];
        let seen = &self.jobs[&job];
        let is_free = |id: &TargetId| self.targets[id.index()].cool_down <= at && !seen.tried.contains(id);
        let free: Vec<TargetId> = step.targets.iter().copied().filter(is_free).collect();
        // Equal measures: the first. Loads are compared with a tolerance for another order of the operations.
        let in_flight = |id: &TargetId| self.targets[id.index()].in_flight;
        let holds = match step.pick {
            Pick::LeastBusy => free.iter().copied().min_by_key(in_flight) == Some(taken),
            Pick::Cheapest => {
                let price = |id: &TargetId| self.price(*id, seen);
                free.iter().copied().min_by(|one, other| price(one).total_cmp(&price(other))) == Some(taken)
            }
            Pick::Fastest => {
                let others: Vec<f64> =
                    free.iter().filter(|id| **id != taken).map(|id| self.load(*id, at)).collect();
                let load = self.load(taken, at) * (1.0 - 1e-9);
                // The target with the highest load is never taken; of two it is always the other.
                others.is_empty() || others.iter().any(|other| load <= *other)
            }
            _ => true,
        };
        if free.len() == step.targets.len() {
            self.counts[taken.index()] += 1;
        }
        if !holds || !free.contains(&taken) {
            self.violations
                .push(format!("at {at} {job} is sent to {taken:?}, free are {free:?}: {:?}", self.targets));
        }
    }

    /// Counts the latency of an attempt: at once if it is a new peak; otherwise only an answer counts.
    fn measure(&mut self, at: Instant, target: TargetId, took: Nanos, outcome: AttemptOutcome) {
        let average = &mut self.targets[target.index()].average;
        let is_served = outcome == AttemptOutcome::Ok;
        let took = if is_served { took.0.max(1) as f64 } else { took.0.max(5_000_000_000) as f64 };
        *average = match *average {
            None => Some((took, at)),
            Some((nanos, _)) if is_served && took > nanos => Some((took, at)),
            Some((nanos, before)) if is_served => {
                let weight = faded(before, at);
                Some((nanos * weight + took * (1.0 - weight), at))
            }
            Some((nanos, before)) if took > nanos * faded(before, at) => Some((took, at)),
            kept => kept,
        };
    }
}

fn faded(from: Instant, to: Instant) -> f64 {
    (-(to.since(from).as_secs_f64()) / 10.0).exp()
}

impl Fold for Observer<'_> {
    fn event(&mut self, event: &Event) {
        let Event { at, job, kind } = *event;
        match kind {
            EventKind::Arrived { prompt_tokens, max_tokens, .. } => {
                let max_tokens = max_tokens.expect("the workload sets it");
                self.jobs.insert(job, SeenJob { prompt_tokens, max_tokens, tried: BTreeSet::new() });
            }
            EventKind::Waiting { .. } => self.jobs.get_mut(&job).expect("a job").tried.clear(),
            EventKind::Sent { attempt, target, .. } => {
                self.check(at, job, target);
                self.sends.push((job, target));
                self.jobs.get_mut(&job).expect("a job").tried.insert(target);
                self.targets[target.index()].in_flight += 1;
                self.attempts.insert(attempt, at);
            }
            EventKind::Replied { attempt, target, outcome, usage: Usage { completion_tokens, .. } } => {
                let took = at.since(self.attempts.remove(&attempt).expect("a send"));
                self.targets[target.index()].in_flight -= 1;
                self.measure(at, target, took, outcome);
                if outcome == AttemptOutcome::Ok {
                    self.answers = (self.answers.0 + 1, self.answers.1 + u64::from(completion_tokens));
                }
            }
            EventKind::AttemptCancelled { .. } => panic!("no attempt takes ten minutes"),
            EventKind::CoolDownBegan { target, until, .. } => self.targets[target.index()].cool_down = until,
            EventKind::Done(_) => drop(self.jobs.remove(&job)),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::fuzz::cases(24), failure_persistence: None, ..ProptestConfig::default() })]

    /// `least_busy` takes the target with the fewest attempts in flight, `cheapest` the one with the lowest expected price, `fastest`
    /// never the one with the highest load; none is sent to a target that the job cannot be sent to.
    #[test]
    fn a_pick_takes_the_target_with_the_least_of_its_measure(servers in servers(), rate in 1u32..20, seed: u64) {
        for pick in ["least_busy", "cheapest", "fastest", "random", "weighted"] {
            let scenario = scenario(pick, &servers, rate, seed);
            let observer = Observer::of(&scenario);
            prop_assert!(observer.sends.len() > 10, "{pick}");
            prop_assert!(observer.violations.is_empty(), "{pick}: {:?}", observer.violations.first());
        }
    }

    /// Jobs that every target can take are spread in proportion to the weights, or evenly.
    #[test]
    fn random_picks_spread_jobs_by_their_weights(servers in servers(), seed: u64) {
        for pick in ["random", "weighted"] {
            let scenario = scenario(pick, &servers, 20, seed);
            let Observer { counts, .. } = Observer::of(&scenario);
            let weights: Vec<f64> = match pick {
                "weighted" => (1..=counts.len()).map(|weight| weight as f64).collect(),
                _ => vec![1.0; counts.len()],
            };
            let all = f64::from(counts.iter().sum::<u32>());
            prop_assert!(all > 300.0, "{counts:?}");
            for (count, weight) in counts.iter().zip(&weights) {
                let share = weight / weights.iter().sum::<f64>();
                // Six standard deviations.
                let bound = 6.0 * (all * share * (1.0 - share)).sqrt();
                prop_assert!((f64::from(*count) - all * share).abs() <= bound, "{pick}: {counts:?}");
            }
        }
    }

    /// What a random pick draws for a job depends on the seed and the job alone: not on the time that answers take, nor on what other
    /// jobs draw.
    #[test]
    fn a_random_pick_depends_on_the_job_alone(servers in servers(), slower in 1u32..5_000, seed: u64) {
        let healthy: Vec<Server> = servers.into_iter().map(|server| Server { failing: 0, ..server }).collect();
        let slow: Vec<Server> =
            healthy.iter().map(|server| Server { total: server.total + slower, ..server.clone() }).collect();
        for pick in ["random", "weighted"] {
            let [one, other] = [&healthy, &slow].map(|servers| Observer::of(&scenario(pick, servers, 5, seed)).sends);
            prop_assert_eq!(one, other);
        }
    }
}

//! The bounds of a run through an endpoint, `--max-requests` and `--max-cost`, and what is used of them.

use super::address::EndpointError;
use crate::ids::{JobId, RouteId, TargetId};
use crate::job::Job;
use crate::record::EndpointBound;
use crate::scenario::{Scenario, Workload};
use provider::config::{Lengths, Price};
use provider::{Instant, Usage};
use std::collections::BTreeMap;

/// The most that a run may send and spend.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The maximum number of requests; `None`: as many as the schedule has.
    pub max_requests: Option<u64>,
    /// The maximum cost in USD, by the prices of the scenario; `None`: no bound.
    pub max_usd: Option<f64>,
}

/// The prompt tokens that a request may have beyond those of its job: a chat template, and the fingerprint at the
/// beginning, of which a tokenizer may make a token per character.
const MAX_EXTRA_TOKENS: u32 = 256;

/// Counts requests and their cost against the bounds. Every request reserves its largest possible cost before it is sent.
#[derive(Debug)]
pub(super) struct RunBounds {
    bounds: Bounds,
    /// By target of the scenario.
    prices: Vec<(String, Price, Lengths)>,
    /// By route: its targets.
    routes: Vec<Vec<TargetId>>,
    requests: u64,
    spent_usd: f64,
    /// The largest cost of each job in flight.
    reserved: BTreeMap<JobId, f64>,
    stopped: Option<(Instant, EndpointBound)>,
}

/// Checks that a maximum cost can be enforced.
///
/// # Errors
/// If a target of a route that a workload uses has no price, or if nothing bounds the length of its answers.
pub fn check_prices(scenario: &Scenario) -> Result<(), EndpointError> {
    let mut used: Vec<&Workload> = scenario.workloads.iter().collect();
    used.sort_by_key(|workload| workload.route.index());
    for workload in used {
        for id in targets_of(scenario, workload.route) {
            let (name, price, lengths) = price_and_lengths(scenario, id);
            if !is_priced(price) {
                return Err(EndpointError::new(
                    format!("`--max-cost` cannot be enforced: {name} has no price in the scenario"),
                    "write the price of each model that may answer: `price: {input: 0.15, output: 0.60}`, in USD per million tokens",
                ));
            }
            if largest_completion(workload.max_tokens, lengths).is_none() {
                return Err(EndpointError::new(
                    format!(
                        "`--max-cost` cannot be enforced: nothing bounds the answers of {name} to {}",
                        workload.name
                    ),
                    "write `max_tokens` in the workload, or `max_output` in the model",
                ));
            }
        }
    }
    Ok(())
}

fn targets_of(scenario: &Scenario, route: RouteId) -> impl Iterator<Item = TargetId> {
    scenario.routes[route.index()].steps.iter().flat_map(|step| step.targets.iter().copied())
}

/// Returns the name and the price of a target, and the lengths of its model.
fn price_and_lengths(scenario: &Scenario, id: TargetId) -> (String, Price, Lengths) {
    let target = &scenario.targets[id.index()];
    let model = &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
    (target.name.clone(), target.price, model.lengths)
}

fn is_priced(price: Price) -> bool {
    price.input > 0.0 || price.output > 0.0
}

/// Returns the most tokens of an answer; `None` if nothing bounds it.
fn largest_completion(max_tokens: Option<u32>, lengths: Lengths) -> Option<u32> {
    let of_model = lengths.max_output.or(lengths.context);
    max_tokens.into_iter().chain(of_model).min()
}

fn cost(price: Price, usage: Usage) -> f64 {
    let cached = usage.cached_tokens.min(usage.prompt_tokens);
    let uncached = usage.prompt_tokens - cached;
    price.usd_of(uncached.into(), cached.into(), usage.completion_tokens.into())
}

impl RunBounds {
    /// # Panics
    /// If `bounds` has a maximum cost, and [`check_prices`] fails.
    pub(super) fn new(scenario: &Scenario, bounds: Bounds) -> Self {
        if bounds.max_usd.is_some() {
            check_prices(scenario).expect("invariant: prices were checked");
        }
        let routes = (0..).map(RouteId).zip(&scenario.routes);
        Self {
            bounds,
            prices: scenario.target_ids().map(|id| price_and_lengths(scenario, id)).collect(),
            routes: routes.map(|(id, _)| targets_of(scenario, id).collect()).collect(),
            requests: 0,
            spent_usd: 0.0,
            reserved: BTreeMap::new(),
            stopped: None,
        }
    }

    /// Reserves a request and its largest cost for a job that arrives at `now`. Returns `false` if one of them exceeds what
    /// is left, and from then on always.
    pub(super) fn reserve(&mut self, now: Instant, job: &Job) -> bool {
        if self.stopped.is_some() {
            return false;
        }
        if let Some(max) = self.bounds.max_requests.filter(|max| self.requests >= *max) {
            self.stopped = Some((now, EndpointBound::Requests { max }));
            return false;
        }
        if let Some(max_usd) = self.bounds.max_usd {
            let (largest, reserved_usd) = (self.largest_cost(job), self.reserved_usd());
            if self.spent_usd + reserved_usd + largest > max_usd {
                let bound = EndpointBound::Cost { max_usd, spent_usd: self.spent_usd, reserved_usd };
                self.stopped = Some((now, bound));
                return false;
            }
            self.reserved.insert(job.id, largest);
        }
        self.requests += 1;
        true
    }

    /// Gives back the request and the cost that a job had reserved, because the request was not sent.
    pub(super) fn release(&mut self, job: JobId) {
        self.requests = self.requests.saturating_sub(1);
        self.reserved.remove(&job);
    }

    /// Replaces the cost reserved for a job by the cost of its answer: at the prices of the target that the reply states,
    /// or else at those of the most expensive target of the route. An answer without usage counts as the reserved cost.
    pub(super) fn settle(&mut self, job: JobId, route: RouteId, target: Option<TargetId>, usage: Usage) {
        let Some(reserved) = self.reserved.remove(&job) else { return };
        let is_stated = usage.prompt_tokens > 0 || usage.completion_tokens > 0;
        self.spent_usd += if is_stated { self.cost_of(route, target, usage) } else { reserved };
    }

    /// Counts a job as having cost nothing: it was refused.
    pub(super) fn refused(&mut self, job: JobId) {
        self.reserved.remove(&job);
    }

    /// Counts what was reserved for a job as spent: it failed, and may have been charged.
    pub(super) fn lost(&mut self, job: JobId) {
        self.spent_usd += self.reserved.remove(&job).unwrap_or(0.0);
    }

    /// Returns what an answer of a target cost in USD; `None` if the scenario has no price for it.
    pub(super) fn cost_at(&self, target: TargetId, usage: Usage) -> Option<f64> {
        let price = self.prices[target.index()].1;
        is_priced(price).then(|| cost(price, usage))
    }

    /// Returns the target with a name.
    pub(super) fn target(&self, name: &str) -> Option<TargetId> {
        let index = self.prices.iter().position(|(known, ..)| known == name)?;
        u16::try_from(index).ok().map(TargetId)
    }

    /// Returns when and by which bound the run was ended; `None` if it was not.
    pub(super) const fn stopped(&self) -> Option<(Instant, EndpointBound)> {
        self.stopped
    }

    /// Returns the bounds, and the cost in USD that counts against the maximum so far: what is spent and what is reserved.
    pub(super) fn counted(&self) -> (Bounds, f64) {
        (self.bounds, self.spent_usd + self.reserved_usd())
    }

    fn reserved_usd(&self) -> f64 {
        self.reserved.values().fold(0.0, |sum, usd| sum + usd)
    }

    fn cost_of(&self, route: RouteId, target: Option<TargetId>, usage: Usage) -> f64 {
        let all = || self.routes[route.index()].iter().map(|id| cost(self.prices[id.index()].1, usage));
        target.and_then(|target| self.cost_at(target, usage)).unwrap_or_else(|| all().fold(0.0, f64::max))
    }

    /// Returns the largest cost of a job: its prompt without a cache and its longest answer, at the most expensive target
    /// of its route.
    fn largest_cost(&self, job: &Job) -> f64 {
        let each = self.routes[job.route.index()].iter().map(|id| {
            let (_, price, lengths) = self.prices[id.index()];
            let completion = largest_completion(job.max_tokens, lengths);
            let max_input_price = price.input.max(price.cached_input);
            let prompt = job.prompt_tokens.saturating_add(MAX_EXTRA_TOKENS);
            let usage = Usage {
                prompt_tokens: prompt,
                completion_tokens: completion.expect("invariant: prices were checked"),
                cached_tokens: 0,
            };
            cost(Price { input: max_input_price, ..price }, usage)
        });
        each.fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{EngineId, FlowId, WorkloadId};
    use crate::job::Priority;
    use crate::scenario::{self, Overrides};
    use proptest::prelude::*;

    const SCENARIO: &str = "
name: bounds
duration: 1m
providers:
  cheap: {models: {m: {price: {input: 1, output: 2}, limits: {rpm: 10}}}}
  expensive: {models: {m: {price: {input: 10, output: 20}, limits: {rpm: 10}}}}
routes: {r: [{of: [cheap/default/m]}, {of: [expensive/default/m]}]}
workload: [{name: w, route: r, arrivals: {constant: 1/s}, prompt: 100, completion: 10, max_tokens: 50}]
";

    fn parsed(text: &str) -> Scenario {
        scenario::parse("a", text, &Overrides::default(), None).unwrap_or_else(|error| panic!("{error}"))
    }

    fn job(id: u64) -> Job {
        Job {
            id: JobId(id),
            workload: WorkloadId(0),
            engine: EngineId::default(),
            route: RouteId(0),
            scheduled: Instant::ZERO,
            priority: Priority::Interactive,
            flow: FlowId::default(),
            deadline: None,
            prompt_tokens: 100,
            max_tokens: Some(50),
            fingerprint: id,
        }
    }

    /// The largest cost of a job: that at the target `expensive`.
    const LARGEST: f64 = ((100.0 + 256.0) * 10.0 + 50.0 * 20.0) / 1e6;

    #[test]
    fn a_run_ends_at_its_last_allowed_request() {
        let bounds = Bounds { max_requests: Some(2), max_usd: None };
        let mut run_bounds = RunBounds::new(&parsed(SCENARIO), bounds);
        assert!(run_bounds.reserve(Instant(1), &job(0)) && run_bounds.reserve(Instant(2), &job(1)));
        run_bounds.release(JobId(1));
        assert!(run_bounds.reserve(Instant(3), &job(2)), "one was not sent");
        assert!(!run_bounds.reserve(Instant(4), &job(3)));
        run_bounds.release(JobId(2));
        assert!(!run_bounds.reserve(Instant(5), &job(4)), "a run that has ended does not go on");
        assert_eq!(run_bounds.stopped(), Some((Instant(4), EndpointBound::Requests { max: 2 })));
    }

    #[test]
    fn the_largest_cost_is_reserved_and_settled_to_the_stated_usage() {
        let bounds = Bounds { max_requests: None, max_usd: Some(LARGEST * 1.5) };
        let mut run_bounds = RunBounds::new(&parsed(SCENARIO), bounds);
        assert!(run_bounds.reserve(Instant(1), &job(0)));
        let usage = Usage { prompt_tokens: 100, completion_tokens: 10, cached_tokens: 0 };
        let cheap = run_bounds.target("cheap/default/m");
        run_bounds.settle(JobId(0), RouteId(0), cheap, usage);
        assert!((run_bounds.counted().1 - 120e-6).abs() < 1e-12, "{:?}", run_bounds.counted());
        assert!(run_bounds.reserve(Instant(2), &job(1)));
        run_bounds.settle(JobId(1), RouteId(0), None, usage);
        assert!((run_bounds.counted().1 - (120e-6 + 1200e-6)).abs() < 1e-12, "at the higher price");
        assert!(run_bounds.reserve(Instant(3), &job(2)));
        run_bounds.refused(JobId(2));
        assert!((run_bounds.counted().1 - 1320e-6).abs() < 1e-12, "a refusal costs nothing");
        assert!(run_bounds.reserve(Instant(4), &job(3)));
        run_bounds.lost(JobId(3));
        assert!(!run_bounds.reserve(Instant(5), &job(4)), "what failed may have been charged");
        let Some((at, EndpointBound::Cost { spent_usd, reserved_usd, .. })) = run_bounds.stopped() else {
            panic!("it has ended: {run_bounds:?}")
        };
        assert!(at == Instant(5) && (spent_usd - (1320e-6 + LARGEST)).abs() < 1e-12 && reserved_usd == 0.0);
    }

    #[test]
    fn a_cost_that_cannot_be_computed_cannot_be_bounded() {
        assert_eq!(check_prices(&parsed(SCENARIO)), Ok(()));
        let without = |part: &str, with: &str| {
            let scenario = parsed(&SCENARIO.replacen(part, with, 1));
            check_prices(&scenario).expect_err("a missing number").to_string()
        };
        let error = without("price: {input: 10, output: 20}, ", "");
        assert!(error.contains("expensive/default/m has no price"), "{error}");
        let error = without(", max_tokens: 50", "");
        assert!(error.contains("nothing bounds the answers") && error.contains("max_tokens"), "{error}");
    }

    proptest! {
        /// Law: whatever happens to the requests, neither bound is exceeded.
        #[test]
        fn no_bound_is_exceeded(
            max_requests in 0u64..40,
            max_parts in 0.0..30.0f64,
            outcomes in prop::collection::vec((0u8..5, 0u32..=356, 0u32..=50), 1..80),
        ) {
            let max_usd = LARGEST * max_parts;
            let bounds = Bounds { max_requests: Some(max_requests), max_usd: Some(max_usd) };
            let mut run_bounds = RunBounds::new(&parsed(SCENARIO), bounds);
            let (mut sent, mut in_flight) = (0, Vec::new());
            for (id, (outcome, prompt_tokens, completion_tokens)) in (0..).zip(outcomes) {
                if run_bounds.reserve(Instant(id), &job(id)) {
                    in_flight.push(JobId(id));
                    sent += 1;
                }
                let usage = Usage { prompt_tokens, completion_tokens, cached_tokens: 0 };
                let target = [None, Some(TargetId(0)), Some(TargetId(1))][usize::try_from(id % 3).unwrap()];
                match (outcome, in_flight.pop()) {
                    (0, Some(job)) => run_bounds.settle(job, RouteId(0), target, usage),
                    (1, Some(job)) => run_bounds.refused(job),
                    (2, Some(job)) => run_bounds.lost(job),
                    (3, Some(job)) => {
                        run_bounds.release(job);
                        sent -= 1;
                    }
                    (_, Some(job)) => in_flight.push(job),
                    (_, None) => {}
                }
                prop_assert!(sent <= max_requests, "{sent} of {max_requests}");
                prop_assert!(run_bounds.counted().1 <= max_usd + 1e-12, "{:?}", run_bounds.counted());
            }
        }
    }
}

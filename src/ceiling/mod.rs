//! The analytic ceiling: the maximum load that the limits of a scenario admit, without a simulation.
//!
//! Every job has a demand on every axis: one request, its prompt and completion tokens, one call in flight while it is served. A
//! limit admits a certain amount of that over the run. The ceiling is the largest multiple of the offered load, with its
//! shape over time, for which the workloads can be allocated to the targets of their routes without exceeding any limit,
//! on average over the run and in its busiest intervals (`peak.rs`): a linear programme for each, since each workload may
//! be split freely.
//!
//! ```text
//!  max m  such that  Σ_t x[c,t] = m·λ[c]  for each class c of jobs (a workload's jobs of similar size),
//!                    Σ_c Σ_(t under l) demand[c,t,l]·x[c,t] ≤ allowed[l]  for each limit l
//! ```
//!
//! where x[c,t] is the rate of the class that target t serves. With one workload whose jobs fit every target, and no limit that two
//! targets share, this is the sum over the targets of the most restrictive limit's allowed ÷ mean demand.
//!
//! No larger load can be served completely, under any policy (law 11). A run beyond the ceiling that refuses large jobs
//! more often than small ones may still serve more jobs than this, of smaller size; compare tokens in that case.
//!
//! The ceiling ignores what can only lower the result: incidents, chance, server slots and the client's concurrency.
//! Admission reserves prompt and `max_tokens` and refunds the rest at the end. The reservation bounds what is in flight and refuses bursts early, but the long-run rate follows the actual usage, so that is what counts here (or
//! what stays charged, under a policy that does not refund). Cache hits, which would raise it, count only in
//! [`Ceiling::cached`]; coalesced jobs and what is served after the last arrival do not count.
//!
//! Over a run of length D a bucket admits its burst and limit · D ÷ window. A limit whose window is longer than a minute
//! admits limit · D ÷ window, since earlier traffic has used the rest, unless the scenario says `start: full`.

mod allocation;
mod cached;
mod demand;
mod describe;
mod offered_load;
mod peak;
mod simplex;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub use cached::Cached;
pub use peak::Peak;

use crate::ids::TargetId;
use crate::scenario::{Scenario, SizeClass, Target, Workload};
use demand::{PromptRange, Sizes};
use provider::config::{Lengths, Limit, ModelConfig, RefillPolicy};
use provider::largest_call::SizeBound;
use provider::{Axis, Nanos};

/// The ceiling of a scenario, and what each of its limits admits.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    /// The maximum jobs per minute that are not too large for every target, in the mix that the scenario offers; infinite
    /// without a limit, zero if every job is too large.
    pub jobs_per_min: f64,
    /// The same as a multiple of the offered load of such jobs.
    pub multiple: f64,
    /// The offered load: the mean jobs per minute over the run, those included that are too large.
    pub offered_jobs_per_min: f64,
    /// The share of the offered jobs that some target can admit.
    pub servable_share: f64,
    /// The limit that raises the ceiling the most if it grows by a small share; of equal ones, the first in the order of
    /// the scenario. If no target can admit any job: the first limit that is too small for them. `None` without such a limit.
    pub binding: Option<(TargetId, Axis)>,
    /// The interval whose jobs bound the load; `None` if the mean over the run bounds it.
    pub peak: Option<Peak>,
    /// Every target of the scenario, in its order.
    pub targets: Vec<TargetCeiling>,
    /// What the limits admit in a run that begins with all of them, as the first day of a new account does. Higher than the
    /// ceiling if the run is short against the window of a limit.
    pub first_run: FirstRun,
}

/// The load that full limits admit over one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstRun {
    /// The maximum jobs per minute, as [`Ceiling::jobs_per_min`].
    pub jobs_per_min: f64,
    /// The same as a multiple of the offered load.
    pub multiple: f64,
}

/// What the limits of a target admit.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetCeiling {
    /// The target.
    pub target: TargetId,
    /// Its limits, except those on axes without demand.
    pub axes: Vec<AxisCeiling>,
}

/// What one limit admits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisCeiling {
    /// The axis.
    pub axis: Axis,
    /// The limit, in units per window.
    pub limit: u64,
    /// The jobs per minute that it alone admits, if all workloads that can use the target are sent there.
    pub jobs_per_min: f64,
}

/// The jobs of a workload that the same targets can admit.
#[derive(Clone)]
struct Class {
    /// The index of the workload.
    workload: usize,
    /// The mean offered jobs per second, above zero.
    rate: f64,
    /// The targets that can admit them, each once.
    targets: Vec<TargetId>,
    /// The mean sizes of its jobs at each of them, in that order: the completion depends on the bounds of the model.
    sizes: Vec<Sizes>,
}

/// A limit of a target, or of all targets of an account that share a meter.
#[derive(Clone)]
struct LimitConstraint<'scenario> {
    /// At least one, in the order of the scenario.
    targets: Vec<(TargetId, &'scenario ModelConfig)>,
    limit: Limit,
    /// Units per second, over the run.
    allowed: f64,
}

impl Ceiling {
    /// Returns the ceiling of `scenario`.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let classes = classes(scenario);
        let constraints = constraints(scenario);
        let offered = offered_jobs_per_second(scenario);
        let servable = classes.iter().fold(0.0, |sum, class| sum + class.rate);
        let highest = |constraints: &[LimitConstraint<'_>]| {
            if offered > 0.0 && classes.is_empty() {
                return (0.0, too_small(scenario));
            }
            let (multiple, binding) = allocation::maximum_multiple(&classes, constraints);
            (multiple, binding.map(|constraint| (constraint.targets[0].0, constraint.limit.axis)))
        };
        let jobs = |multiple: f64| {
            if multiple.is_finite() { multiple * servable * 60.0 } else { f64::INFINITY }
        };
        let (of_mean, binding) = highest(&constraints);
        let at_peak = peak::lowest(scenario, &classes, &constraints);
        let below = |multiple: f64| at_peak.as_ref().filter(|at_peak| at_peak.multiple < multiple);
        let multiple = below(of_mean).map_or(of_mean, |at_peak| at_peak.multiple);
        let binding = below(of_mean).map_or(binding, |at_peak| {
            let constraint = &constraints[at_peak.binding?];
            Some((constraint.targets[0].0, constraint.limit.axis))
        });
        let full: Vec<LimitConstraint<'_>> = constraints
            .iter()
            .map(|constraint| LimitConstraint {
                allowed: from_full(&constraint.limit, scenario.duration),
                ..constraint.clone()
            })
            .collect();
        let (first_multiple, _) = highest(&full);
        let first_multiple = below(first_multiple).map_or(first_multiple, |at_peak| at_peak.multiple);
        let target = |target| TargetCeiling::of(target, &classes, &constraints);
        Self {
            jobs_per_min: jobs(multiple),
            multiple,
            offered_jobs_per_min: offered * 60.0,
            servable_share: if offered > 0.0 { servable / offered } else { 1.0 },
            binding,
            peak: below(of_mean).map(|at_peak| at_peak.peak),
            targets: target_ids(scenario).map(target).collect(),
            first_run: FirstRun { jobs_per_min: jobs(first_multiple), multiple: first_multiple },
        }
    }

    /// Returns what a run from full limits admits, if it is more than 2 % above the ceiling; less is not reported.
    #[must_use]
    pub fn higher_first_run(&self) -> Option<FirstRun> {
        (self.first_run.multiple > self.multiple * MIN_REPORTED_FIRST_RUN_RATIO).then_some(self.first_run)
    }

    /// Returns the ceiling of `scenario` with the hits of the client's cache. `None` if there is no cache, no job
    /// repeats another, or there is no limit.
    #[must_use]
    pub fn cached(scenario: &Scenario) -> Option<Cached> {
        cached::of(scenario)
    }
}

/// Returns the mean offered jobs of all workloads per second; of closed workloads, what their users send at most.
#[must_use]
pub fn offered_jobs_per_second(scenario: &Scenario) -> f64 {
    scenario.workloads.iter().map(|workload| offered_load(scenario, workload)).sum()
}

/// Returns the mean number of jobs in service (Little's law) if each is sent to the first step of its route and nothing is refused.
#[must_use]
pub fn jobs_in_service(scenario: &Scenario) -> f64 {
    let in_service = |workload: &Workload| {
        let sizes = Sizes::of(workload, scenario.duration, Lengths::default(), PromptRange::ALL);
        let rate = offered_load::jobs_per_second(scenario, workload, sizes);
        rate * offered_load::first_step_seconds(scenario, workload, sizes)
    };
    scenario.workloads.iter().map(in_service).sum()
}

/// The ratio of the first run's ceiling to the ceiling from which it is reported.
const MIN_REPORTED_FIRST_RUN_RATIO: f64 = 1.02;

/// The smallest share of a limit per window, used by the offered load, at which a result states the level of the limit at the start.
/// Below it, the same traffic on earlier days leaves more than half of the limit.
pub const MIN_REPORTED_SHARE: f64 = 0.4;

/// Returns each limit that `is_asked` selects once, with the first target that it limits and the share of it that the offered
/// load uses per window if all jobs that can be sent to its targets are.
#[must_use]
pub fn offered_shares(scenario: &Scenario, is_asked: impl Fn(&Limit) -> bool) -> Vec<(TargetId, Limit, f64)> {
    let mut asked = constraints(scenario);
    asked.retain(|constraint| is_asked(&constraint.limit));
    // Most runs of a planner have no such limit, and the classes take longer than the limits.
    let classes = if asked.is_empty() { Vec::new() } else { classes(scenario) };
    let share = |constraint: &LimitConstraint<'_>| {
        let demand = |class: &Class| {
            let demands = class.targets.iter().map(|target| constraint.demand(class, *target));
            class.rate * demands.fold(0.0, f64::max)
        };
        classes.iter().map(demand).sum::<f64>() / sustained(&constraint.limit)
    };
    asked.iter().map(|constraint| (constraint.targets[0].0, constraint.limit, share(constraint))).collect()
}

/// Returns the mean prompt and the mean total of prompt and completion, in tokens as used, of a workload's jobs that a target can
/// admit; `None` if it can admit none. Completions are bounded by `max_tokens` alone, not by the lengths of the target's model.
#[must_use]
pub fn mean_tokens(scenario: &Scenario, workload: &Workload, target: TargetId) -> Option<(f64, f64)> {
    let admitted = scenario.size_classes(workload).into_iter();
    let admitted = admitted.filter(|class| class.share > 0.0 && class.targets.contains(&target));
    let (share, prompt, total) = admitted.fold((0.0, 0.0, 0.0), |(share, prompt, total), class| {
        let range = PromptRange { above: class.above, up_to: class.up_to };
        let sizes = Sizes::of(workload, scenario.duration, Lengths::default(), range);
        let (add, used) = (class.share, sizes.prompt + sizes.completion);
        (share + add, prompt + add * sizes.prompt, total + add * used)
    });
    (share > 0.0).then(|| (prompt / share, total / share))
}

impl TargetCeiling {
    fn of(target: TargetId, classes: &[Class], constraints: &[LimitConstraint<'_>]) -> Self {
        let classes = || classes.iter().filter(|class| class.targets.contains(&target));
        let rate: f64 = classes().map(|class| class.rate).sum();
        let of_target = constraints.iter().filter(|constraint| constraint.covers(target));
        let axes = of_target.filter_map(|constraint| {
            let Limit { axis, amount: limit, .. } = constraint.limit;
            let used: f64 = classes().map(|class| class.rate * constraint.demand(class, target)).sum();
            let jobs_per_min = 60.0 * constraint.allowed * rate / used;
            (used > 0.0).then_some(AxisCeiling { axis, limit, jobs_per_min })
        });
        Self { target, axes: axes.collect() }
    }
}

/// Returns the first limit that is too small for every job; `None` if only lengths are.
fn too_small(scenario: &Scenario) -> Option<(TargetId, Axis)> {
    let of_workload = |workload| {
        scenario.targets_of(workload).into_iter().find_map(|target| {
            match scenario.largest_prompt(workload, target).bound {
                Some(SizeBound::Limit(axis, _)) => Some((target, axis)),
                _ => None,
            }
        })
    };
    scenario.workloads.iter().find_map(of_workload)
}

/// Returns the mean offered jobs of a workload per second.
fn offered_load(scenario: &Scenario, workload: &Workload) -> f64 {
    let sizes = Sizes::of(workload, scenario.duration, Lengths::default(), PromptRange::ALL);
    offered_load::jobs_per_second(scenario, workload, sizes)
}

/// Returns the jobs of all workloads by the targets that can admit them, without those that none can.
fn classes(scenario: &Scenario) -> Vec<Class> {
    let of_workload = |(index, workload): (usize, &Workload)| {
        let rate = offered_load(scenario, workload);
        let class = move |SizeClass { above, up_to, share, targets }| {
            let sizes = |target: &TargetId| {
                let lengths = demand::model(scenario, *target).lengths;
                Sizes::of(workload, scenario.duration, lengths, PromptRange { above, up_to })
            };
            Class { workload: index, rate: rate * share, sizes: targets.iter().map(sizes).collect(), targets }
        };
        scenario
            .size_classes(workload)
            .into_iter()
            .map(class)
            .filter(|class| class.rate > 0.0)
            .collect::<Vec<_>>()
    };
    scenario.workloads.iter().enumerate().flat_map(of_workload).collect()
}

impl LimitConstraint<'_> {
    /// Returns `true` if requests to the target count against this limit.
    fn covers(&self, target: TargetId) -> bool {
        self.targets.iter().any(|(covered, _)| *covered == target)
    }

    /// Returns the mean demand of one job of a class on this limit if it is sent to `target`.
    fn demand(&self, class: &Class, target: TargetId) -> f64 {
        let covered = self.targets.iter().find(|(covered, _)| *covered == target);
        let sizes = class.targets.iter().zip(&class.sizes).find(|(known, _)| **known == target);
        covered.zip(sizes).map_or(0.0, |((_, model), (_, sizes))| sizes.demand(self.limit.axis, model))
    }

    /// Returns the share of this limit that the offered load of a class uses if all of it is sent to `target`.
    fn share(&self, class: &Class, target: TargetId) -> f64 {
        let used = class.rate * self.demand(class, target);
        if used > 0.0 { used / self.allowed } else { 0.0 }
    }
}

fn target_ids(scenario: &Scenario) -> impl Iterator<Item = TargetId> {
    (0..).map(TargetId).take(scenario.targets.len())
}

/// Returns the limits of every meter, in the order of the scenario.
fn constraints(scenario: &Scenario) -> Vec<LimitConstraint<'_>> {
    let meter = |target: TargetId| {
        let Target { provider, account, model, .. } = scenario.targets[target.index()];
        (provider, account, scenario.providers[usize::from(provider)].meter_of(usize::from(model)))
    };
    let mut meters: Vec<(_, Vec<(TargetId, &ModelConfig)>)> = Vec::new();
    for target in target_ids(scenario) {
        let metered = (target, demand::model(scenario, target));
        match meters.iter_mut().find(|(known, _)| *known == meter(target)) {
            Some((_, targets)) => targets.push(metered),
            None => meters.push((meter(target), vec![metered])),
        }
    }
    let mut constraints = Vec::new();
    for (_, targets) in meters {
        let model = targets[0].1;
        constraints.extend(model.limits.iter().map(|limit| LimitConstraint {
            targets: targets.clone(),
            limit: *limit,
            allowed: allowed(limit, scenario),
        }));
    }
    constraints
}

/// Returns the units per second that a limit admits over the run: with what it holds at the start, unless earlier traffic
/// has used that; for concurrency, the calls in flight at once.
fn allowed(limit: &Limit, scenario: &Scenario) -> f64 {
    if scenario.start.has_history(limit) { sustained(limit) } else { from_full(limit, scenario.duration) }
}

/// Returns the units per second that a limit admits over a run of length `duration` that begins with all of it.
fn from_full(limit: &Limit, duration: Nanos) -> f64 {
    let seconds = limit.axis.window_length().map_or(1.0, |_| duration.max(Nanos(1)).as_secs_f64());
    limit.max_units_in(duration) / seconds
}

/// Returns the units per second that a limit admits for ever; for concurrency, the calls in flight at once.
#[expect(clippy::cast_precision_loss, reason = "for reports and comparisons")]
fn sustained(limit: &Limit) -> f64 {
    let amount = match limit.refill {
        RefillPolicy::Adaptive(growth) => growth.max_limit(limit.amount),
        _ => limit.amount,
    };
    amount as f64 / limit.axis.window_length().map_or(1.0, Nanos::as_secs_f64)
}

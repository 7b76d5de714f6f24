//! The analytic ceiling: the maximum load that the limits of a scenario admit, without a simulation.
//!
//! Every job has a demand on every axis: one request, its prompt and completion tokens, one call in flight while it is served.
//! A limit admits a certain amount of that over the run. The ceiling is the largest multiple of the offered load, with its
//! shape over time, for which the workloads can be allocated to the targets of their routes without exceeding any limit,
//! on average over the run and in its busiest intervals (`peak.rs`): a linear programme for each, since each workload may
//! be split freely.
//!
//! ```text
//!  max m  such that  Σ_t x[c,t] = m·λ[c]  for each class c of jobs (a workload's jobs of similar size),
//!                    Σ_c Σ_(t under l) demand[c,t,l]·x[c,t] ≤ allowed[l]  for each limit l
//! ```
//!
//! where `x[c,t]` is the rate of the class that target t serves. With one workload whose jobs fit every target, and no limit
//! that two targets share, this is the sum over the targets of the most restrictive limit's allowed ÷ mean demand.
//!
//! No larger load can be served completely, under any policy (law 11). A run beyond the ceiling that refuses large jobs
//! more often than small ones may still serve more jobs than this, of smaller size; compare tokens in that case.
//!
//! The ceiling ignores what can only lower the result: incidents, chance, server slots and the client's concurrency.
//! Admission reserves prompt and `max_tokens` and refunds the rest at the end. What stays charged counts always; what calls
//! hold until they end counts as far as a bound on the rate follows from it, see `held.rs`. Cache hits, which would raise the
//! ceiling, count only in [`Ceiling::cached`]; coalesced jobs and what is served after the last arrival do not count.
//!
//! Over a run of length D a bucket admits its burst and limit · D ÷ window. A limit whose window is longer than a minute
//! admits limit · D ÷ window, since earlier traffic has used the rest, unless the scenario says `start: full`.

mod allocation;
mod at_once;
mod cached;
mod constraint;
mod coupled;
mod demand;
mod describe;
mod held;
mod last_call;
mod mean_tokens;
mod offered_load;
mod peak;
mod route_order;
mod simplex;
mod whole_calls;
mod window_end;

#[cfg(test)]
mod held_tests;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_calls_tests;

pub use cached::Cached;
pub use mean_tokens::{MeanTokens, mean_tokens};
pub use peak::Peak;
use peak::Peaks;
pub use window_end::{OpenWindow, open_window};

use crate::ids::TargetId;
use crate::scenario::{Scenario, SizeClass, Workload};
use constraint::{LimitConstraint, all_constraints, constraints, sustained};
use demand::{PromptRange, Sizes};
use provider::config::{Lengths, Limit, RefillPolicy};
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
    /// ceiling if the run is short compared with the window of a limit.
    pub first_run: FirstRun,
    /// The first bucket of which the calls in flight at the ceiling reserve so much that it may refuse calls below the ceiling,
    /// although no lower ceiling can be proved; `None` if there is none.
    pub uncounted: Option<(TargetId, Axis)>,
    /// What is left of the ceiling if the client sends each job to the first target of its route that has room; `None` if that is at
    /// least 97 % of it, or if no limit per hour or per day runs out.
    pub in_route_order: Option<InRouteOrder>,
}

/// The load that is served if each job goes to the first target of its route that has room, so that a limit of that target per hour or
/// per day is used up while other targets are idle. An estimate, unlike the ceiling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InRouteOrder {
    /// The maximum jobs per minute, as [`Ceiling::jobs_per_min`].
    pub jobs_per_min: f64,
    /// The same as a multiple of the offered load.
    pub multiple: f64,
    /// The limit that runs out first at a higher load.
    pub limit: (TargetId, Axis),
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
    /// Its limits, except those on axes without demand. A limit that several targets share states what it admits to all of them.
    pub axes: Vec<AxisCeiling>,
}

/// What one limit admits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisCeiling {
    /// The axis.
    pub axis: Axis,
    /// The length of its window; `None` for concurrency.
    pub window: Option<Nanos>,
    /// The limit, in units per window; of an adaptive one, that with which it begins.
    pub limit: u64,
    /// The most to which an adaptive limit grows with its use, for which its jobs are computed; `None` for the others.
    pub grows_to: Option<u64>,
    /// The jobs per minute that it alone admits, if all workloads that can use the target, or one that shares the limit, are sent
    /// there.
    pub jobs_per_min: f64,
    /// The same if calls reserved no more than they use.
    pub unreserved_jobs_per_min: f64,
}

/// The jobs of a workload that the same targets can admit.
#[derive(Clone)]
struct Class {
    /// The position among all classes.
    number: usize,
    /// The index of the workload.
    workload: usize,
    /// The mean offered jobs per second, above zero.
    rate: f64,
    /// The lengths of their prompts.
    range: PromptRange,
    /// The targets that can admit them, each once.
    targets: Vec<TargetId>,
    /// The mean sizes of its jobs at each of them, in that order: the completion depends on the bounds of the model.
    sizes: Vec<Sizes>,
}

impl Ceiling {
    /// Returns the ceiling of `scenario`.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let classes = classes(scenario);
        let constraints = all_constraints(scenario, &classes);
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
        let peaks = Peaks::of(scenario, &classes, &constraints);
        let at_peak = peaks.lowest(&constraints);
        let below = |multiple: f64| at_peak.as_ref().filter(|at_peak| at_peak.multiple < multiple);
        let multiple = below(of_mean).map_or(of_mean, |at_peak| at_peak.multiple);
        let binding = below(of_mean).map_or(binding, |at_peak| {
            let constraint = &constraints[at_peak.binding?];
            Some((constraint.targets[0].0, constraint.limit.axis))
        });
        let full: Vec<LimitConstraint<'_>> = constraints
            .iter()
            .map(|constraint| LimitConstraint {
                allowed: constraint.allowed_from_full(scenario.duration),
                ..constraint.clone()
            })
            .collect();
        let (first_multiple, _) = highest(&full);
        let uncounted = held::uncounted(scenario, &classes, &constraints, multiple);
        let begins_full = full.iter().zip(&constraints).all(|(full, it)| full.allowed <= it.allowed);
        let first_multiple = if begins_full {
            multiple
        } else {
            let first_at_peak = peaks.lowest(&full);
            first_at_peak.map_or(first_multiple, |it| it.multiple.min(first_multiple))
        };
        let target = |target| TargetCeiling::of(target, &classes, &constraints);
        let left = route_order::multiple_left(scenario, &classes, &constraints, multiple);
        let in_route_order = left.map(|(multiple, number)| InRouteOrder {
            jobs_per_min: jobs(multiple),
            multiple,
            limit: (constraints[number].targets[0].0, constraints[number].limit.axis),
        });
        Self {
            jobs_per_min: jobs(multiple),
            multiple,
            offered_jobs_per_min: offered * 60.0,
            servable_share: if offered > 0.0 { servable / offered } else { 1.0 },
            binding,
            peak: below(of_mean).map(|at_peak| at_peak.peak),
            targets: scenario.target_ids().map(target).collect(),
            first_run: FirstRun { jobs_per_min: jobs(first_multiple), multiple: first_multiple },
            uncounted,
            in_route_order,
        }
    }

    /// Returns what a run from full limits admits, if it is more than 2 % above the ceiling; less is not reported.
    #[must_use]
    pub fn higher_first_run(&self) -> Option<FirstRun> {
        (self.first_run.multiple > self.multiple * MIN_REPORTED_FIRST_RUN_RATIO).then_some(self.first_run)
    }

    /// Returns the ceiling of `scenario` with the hits of the client's cache. `None` if there is no cache, no job
    /// repeats another, there is no limit, or the misses of any load stay within the limits.
    #[must_use]
    pub fn cached(scenario: &Scenario) -> Option<Cached> {
        cached::of(scenario)
    }
}

/// Returns the mean offered jobs of all workloads per second; of closed workloads, what their users
/// send if nothing is refused.
#[must_use]
pub fn offered_jobs_per_second(scenario: &Scenario) -> f64 {
    scenario.workloads.iter().map(|workload| offered_jobs_per_second_of(scenario, workload)).sum()
}

/// Returns the mean number of jobs in service (Little's law) if each is sent to the first step of its route and nothing is
/// refused.
#[must_use]
pub fn jobs_in_service(scenario: &Scenario) -> f64 {
    let in_service = |workload: &Workload| {
        let sizes = Sizes::of(workload, scenario.duration, Lengths::default(), PromptRange::ALL);
        let rate = offered_load::jobs_per_second(scenario, workload, sizes);
        rate * offered_load::first_step_seconds(scenario, workload, sizes)
    };
    scenario.workloads.iter().map(in_service).sum()
}

/// The ratio of the first run's ceiling to the ceiling above which the first run is reported.
const MIN_REPORTED_FIRST_RUN_RATIO: f64 = 1.02;

/// The smallest share of a limit per window, used by the offered load, at which a result states the level of the limit at the
/// start. Below it, the same traffic on earlier days leaves more than half of the limit.
pub const MIN_REPORTED_SHARE: f64 = 0.4;

/// Returns each limit that `is_asked` selects, once, with the first target that it limits, and the share of it that the offered
/// load uses per window if all jobs that can be sent to its targets are sent there.
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

impl TargetCeiling {
    fn of(target: TargetId, classes: &[Class], constraints: &[LimitConstraint<'_>]) -> Self {
        let of_target = || constraints.iter().filter(|constraint| constraint.covers(target));
        // The targets that share its limits; all of them have the same constraints.
        let shares = |other: TargetId| {
            other == target || of_target().next().is_some_and(|constraint| constraint.covers(other))
        };
        let first = |class: &Class| class.targets.iter().copied().find(|other| shares(*other));
        let classes = || classes.iter().filter_map(|class| Some((class, first(class)?)));
        let rate: f64 = classes().map(|(class, _)| class.rate).sum();
        let mut axes: Vec<AxisCeiling> = Vec::new();
        for constraint in of_target() {
            let Limit { axis, amount: limit, window, refill, .. } = constraint.limit;
            let grows_to = match refill {
                RefillPolicy::Adaptive(growth) => Some(growth.max_limit(limit)),
                _ => None,
            };
            let used: f64 =
                classes().map(|(class, target)| class.rate * constraint.demand(class, target)).sum();
            if used <= 0.0 {
                continue;
            }
            let jobs_per_min = 60.0 * constraint.allowed * rate / used;
            match axes.iter_mut().find(|known| constraint.other_demand.is_some() && known.axis == axis) {
                Some(known) => {
                    known.jobs_per_min = known.jobs_per_min.min(jobs_per_min);
                    if constraint.other_demand.as_ref().is_some_and(|other| other.is_of_whole_calls) {
                        let unreserved = known.unreserved_jobs_per_min.min(jobs_per_min);
                        known.unreserved_jobs_per_min = unreserved;
                    }
                }
                None => {
                    let unreserved_jobs_per_min = jobs_per_min;
                    axes.push(AxisCeiling {
                        axis,
                        window,
                        limit,
                        grows_to,
                        jobs_per_min,
                        unreserved_jobs_per_min,
                    });
                }
            }
        }
        Self { target, axes }
    }
}

/// Returns the first limit that is too small for every job of a workload; `None` if only the lengths of the models are.
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

/// Returns the mean offered jobs of a workload per second; of a closed one, what its users send if
/// nothing is refused.
#[must_use]
pub fn offered_jobs_per_second_of(scenario: &Scenario, workload: &Workload) -> f64 {
    let sizes = Sizes::of(workload, scenario.duration, Lengths::default(), PromptRange::ALL);
    offered_load::jobs_per_second(scenario, workload, sizes)
}

/// Returns the jobs of all workloads by the targets that can admit them, without the jobs that no target can admit.
fn classes(scenario: &Scenario) -> Vec<Class> {
    let of_workload = |(index, workload): (usize, &Workload)| {
        let rate = offered_jobs_per_second_of(scenario, workload);
        let class = move |SizeClass { above, up_to, share, targets }| {
            let range = PromptRange { above, up_to };
            let sizes = |target: &TargetId| {
                let lengths = demand::model(scenario, *target).lengths;
                Sizes::of(workload, scenario.duration, lengths, range)
            };
            Class {
                number: 0,
                workload: index,
                range,
                rate: rate * share,
                sizes: targets.iter().map(sizes).collect(),
                targets,
            }
        };
        scenario
            .size_classes(workload)
            .into_iter()
            .map(class)
            .filter(|class| class.rate > 0.0)
            .collect::<Vec<_>>()
    };
    let mut all: Vec<Class> = scenario.workloads.iter().enumerate().flat_map(of_workload).collect();
    (0..).zip(&mut all).for_each(|(number, class)| class.number = number);
    all
}

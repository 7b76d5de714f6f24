//! The analytic ceiling: the most that the limits of a scenario can let through, without simulating anything.
//!
//! Every job needs something on every axis: one request, its prompt and completion tokens, a place for as
//! long as it is served. A limit allows so much of that over the run. The ceiling is the largest multiple
//! of the offered load for which the workloads can be spread over the targets of their routes with no
//! limit overdrawn on average: a linear programme, since each workload may be split freely.
//!
//! ```text
//!  one workload:   Σ over the distinct targets of its route of the tightest axis' (allowed ÷ mean need)
//!  several:        max m  where  Σ_t x[w,t] = m·λ[w]   and   Σ_w need[w,t,axis]·x[w,t] ≤ allowed[t,axis]
//! ```
//!
//! No larger load can be served whole, whatever the policy (law 11). A run beyond it that refuses its
//! large jobs more often than its small ones may still end more jobs than this, of a lighter mix: compare
//! in tokens there. It leaves out what can only lower the outcome: incidents, bunched arrivals, provider
//! slots, the client's deadline and its own concurrency. Admission reserves prompt and `max_tokens` and
//! refunds the rest at the end, so the reservation bounds what is in flight at once and refuses bursts
//! early, but the long-run rate follows what jobs really use, and that is what is counted here (or what stays
//! charged, under a policy that does not refund). Cache hits,
//! which would lift it, are counted only by [`Ceiling::cached`], jobs that join others and what is served after
//! the last arrival not at all: over a run of length D a bucket allows its burst and limit · D ÷ window.

mod cached;
mod need;
mod offer;
mod packing;
mod spread;
mod words;

#[cfg(test)]
mod tests;

pub use cached::Cached;

use crate::ids::TargetId;
use crate::scenario::{Scenario, Target, Workload};
use need::Sizes;
use provider::config::{Lengths, Limit, ModelConfig};
use provider::{Axis, Nanos};

/// The ceiling of a scenario, and what each of its limits allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    /// The most jobs per minute, in the mix that the scenario offers; infinite where nothing limits it.
    pub jobs_per_min: f64,
    /// The same as a multiple of the offered load.
    pub multiple: f64,
    /// What the scenario offers on average over its duration.
    pub offered_jobs_per_min: f64,
    /// The limit that, were it a little larger in proportion, would lift the ceiling the most: the first
    /// in the order of the scenario where several would alike. `None` where nothing limits.
    pub binding: Option<(TargetId, Axis)>,
    /// Every target of the scenario, in its order.
    pub targets: Vec<TargetCeiling>,
}

/// What the limits of a target allow.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetCeiling {
    /// Which target.
    pub target: TargetId,
    /// Its limits, save those on axes that no offered job uses.
    pub axes: Vec<AxisCeiling>,
}

/// What one limit allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisCeiling {
    /// What is counted.
    pub axis: Axis,
    /// How much per window.
    pub limit: u64,
    /// Jobs per minute that it alone would allow, were all workloads whose routes name the target sent there.
    pub jobs_per_min: f64,
}

/// A workload as the ceiling sees it.
struct Class {
    /// Offered jobs per second, on average; positive.
    rate: f64,
    /// The targets of its route, each once.
    targets: Vec<TargetId>,
    /// What its jobs are like at each of them, in that order: a model may cut what a job leaves open.
    sizes: Vec<Sizes>,
}

/// A limit of a target, or of all targets of an account that draw from one meter.
struct Cap<'scenario> {
    /// At least one, in the order of the scenario.
    targets: Vec<(TargetId, &'scenario ModelConfig)>,
    limit: Limit,
    /// Units per second, over the run.
    allowed: f64,
}

impl Ceiling {
    /// The ceiling of `scenario`.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let classes: Vec<Class> =
            scenario.workloads.iter().filter_map(|workload| Class::of(scenario, workload)).collect();
        let caps = caps(scenario);
        let offered = classes.iter().map(|class| class.rate).sum::<f64>() * 60.0;
        let (multiple, binding) = spread::tightest(&classes, &caps);
        Self {
            jobs_per_min: if multiple.is_finite() { multiple * offered } else { f64::INFINITY },
            multiple,
            offered_jobs_per_min: offered,
            binding: binding.map(|cap| (cap.targets[0].0, cap.limit.axis)),
            targets: target_ids(scenario).map(|target| TargetCeiling::of(target, &classes, &caps)).collect(),
        }
    }
}

impl Ceiling {
    /// The ceiling of `scenario` with the hits of its cache counted in; `None` where it has no cache, no job
    /// repeats another, or nothing limits.
    #[must_use]
    pub fn cached(scenario: &Scenario) -> Option<Cached> {
        cached::of(scenario)
    }
}

/// What a job of `workload` has on average: its prompt, and prompt and completion together as they are
/// really used, in tokens.
#[must_use]
pub fn mean_tokens(workload: &Workload, duration: Nanos) -> (f64, f64) {
    let sizes = Sizes::of(workload, duration, Lengths::default());
    (sizes.prompt, sizes.prompt + sizes.completion)
}

impl TargetCeiling {
    fn of(target: TargetId, classes: &[Class], caps: &[Cap<'_>]) -> Self {
        let here = || classes.iter().filter(|class| class.targets.contains(&target));
        let rate: f64 = here().map(|class| class.rate).sum();
        let axes = caps.iter().filter(|cap| cap.covers(target)).filter_map(|cap| {
            let used: f64 = here().map(|class| class.rate * cap.need(class, target)).sum();
            let jobs_per_min = 60.0 * cap.allowed * rate / used;
            (used > 0.0).then_some(AxisCeiling { axis: cap.limit.axis, limit: cap.limit.limit, jobs_per_min })
        });
        Self { target, axes: axes.collect() }
    }
}

impl Class {
    /// `None` where the workload offers nothing.
    fn of(scenario: &Scenario, workload: &Workload) -> Option<Self> {
        let sizes = |lengths| Sizes::of(workload, scenario.duration, lengths);
        let rate = offer::jobs_per_second(scenario, workload, sizes(Lengths::default()));
        let mut targets: Vec<TargetId> = Vec::new();
        for target in scenario.routes[workload.route.0 as usize].steps.iter().flat_map(|step| &step.targets) {
            if !targets.contains(target) {
                targets.push(*target);
            }
        }
        let sizes = targets.iter().map(|target| sizes(need::model(scenario, *target).lengths)).collect();
        (rate > 0.0).then_some(Self { rate, targets, sizes })
    }
}

impl Cap<'_> {
    /// Whether what a target carries draws on it.
    fn covers(&self, target: TargetId) -> bool {
        self.targets.iter().any(|(covered, _)| *covered == target)
    }

    /// What one job of a class needs of it on average, where a target carries it.
    fn need(&self, class: &Class, target: TargetId) -> f64 {
        let covered = self.targets.iter().find(|(covered, _)| *covered == target);
        let sizes = class.targets.iter().zip(&class.sizes).find(|(known, _)| **known == target);
        covered.zip(sizes).map_or(0.0, |((_, model), (_, sizes))| sizes.need(self.limit.axis, model))
    }

    /// The share of it that the offered load of a class would use, were a target to carry it.
    fn share(&self, class: &Class, target: TargetId) -> f64 {
        let used = class.rate * self.need(class, target);
        if used > 0.0 { used / self.allowed } else { 0.0 }
    }
}

fn target_ids(scenario: &Scenario) -> impl Iterator<Item = TargetId> {
    (0..).map(TargetId).take(scenario.targets.len())
}

/// The limits of every meter, in the order of the scenario.
fn caps(scenario: &Scenario) -> Vec<Cap<'_>> {
    let meter = |target: TargetId| {
        let Target { provider, account, model, .. } = scenario.targets[target.index()];
        (provider, account, scenario.providers[usize::from(provider)].meter_of(usize::from(model)))
    };
    let mut meters: Vec<(_, Vec<(TargetId, &ModelConfig)>)> = Vec::new();
    for target in target_ids(scenario) {
        let drawn = (target, need::model(scenario, target));
        match meters.iter_mut().find(|(known, _)| *known == meter(target)) {
            Some((_, targets)) => targets.push(drawn),
            None => meters.push((meter(target), vec![drawn])),
        }
    }
    let mut caps = Vec::new();
    for (_, targets) in meters {
        let model = targets[0].1;
        caps.extend(model.limits.iter().map(|limit| Cap {
            targets: targets.clone(),
            limit: *limit,
            allowed: allowed(limit, scenario.duration),
        }));
    }
    caps
}

/// Units per second that a limit allows over a run of length `duration`; for concurrency, places.
fn allowed(limit: &Limit, duration: Nanos) -> f64 {
    let seconds = limit.axis.window().map_or(1.0, |_| duration.max(Nanos(1)).as_secs_f64());
    limit.max_units_in(duration) / seconds
}

//! The ceiling at the peaks of the traffic: what the limits admit of the jobs that arrive in an interval, until the
//! deadline of the last of them.
//!
//! A limit admits at most its units in a span of the interval plus the client's deadline. The jobs of the interval at a
//! multiple of the load have to fit into that, or not all of them are served:
//!
//! ```text
//!  m · jobs in [a, a+L) · demand   ≤   units in (L + deadline)      for all a, L;   a bucket: burst + rate · (L + deadline)
//! ```
//!
//! If the rules let a share of the jobs of the run fail, all failures may fall into the interval: they are subtracted from its
//! jobs.
//!
//! This is the arrival curve under the service curve of network calculus (J.-Y. Le Boudec and P. Thiran, "Network Calculus",
//! 2001). The busiest intervals of many lengths are tried: those of each workload, of all jobs, and of all tokens.

use super::constraint::LimitConstraint;
use super::demand::{PromptRange, Sizes};
use super::{Class, allocation, offered_load};
use crate::scenario::{Arrivals, Metric, Op, Rule, Scenario, Workload, rate};
use provider::config::Lengths;
use provider::{Instant, Nanos};

/// The lengths of cells into which a run is divided, the shortest that gives at most [`MAX_CELLS`].
const CELLS: [Nanos; 8] = [
    Nanos::SECOND,
    Nanos(10 * Nanos::SECOND.0),
    Nanos::MINUTE,
    Nanos(10 * Nanos::MINUTE.0),
    Nanos::HOUR,
    Nanos(6 * Nanos::HOUR.0),
    Nanos::DAY,
    Nanos(30 * Nanos::DAY.0),
];
const MAX_CELLS: u64 = 1_500;
/// The lengths of the intervals that are tried, in cells.
const LENGTHS: [usize; 22] =
    [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1_080];

/// The interval whose jobs bound the ceiling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// The start of the interval.
    pub from: Instant,
    /// Its length; zero if its jobs arrive in one instant.
    pub length: Nanos,
    /// The jobs offered in it that some target can admit.
    pub jobs: f64,
    /// Of these, the ones that the rules on success let fail if all failures of the run fall into the interval.
    pub may_fail: f64,
}

/// The multiple of the load that the limits admit in the interval that bounds it most.
pub(super) struct PeakCeiling {
    pub(super) multiple: f64,
    /// The index of the limit that binds.
    pub(super) binding: Option<usize>,
    pub(super) peak: Peak,
}

/// Returns the lowest ceiling of all intervals; `None` if the rate of every workload is constant.
pub(super) fn lowest(
    scenario: &Scenario,
    classes: &[Class],
    constraints: &[LimitConstraint<'_>],
) -> Option<PeakCeiling> {
    if scenario.workloads.iter().all(is_flat) || classes.is_empty() {
        return None;
    }
    let parts: Vec<Part<'_>> = classes.iter().map(|class| Part::of(scenario, class)).collect();
    let of = |interval: &Interval| in_interval(scenario, &parts, constraints, interval);
    let ceilings = intervals(scenario).into_iter().filter_map(|interval| of(&interval));
    ceilings.reduce(|lowest, next| if next.multiple < lowest.multiple { next } else { lowest })
}

/// Returns `true` if the rate of a workload does not change during the run.
fn is_flat(workload: &Workload) -> bool {
    let is_constant =
        matches!(workload.arrivals, Arrivals::Constant(_) | Arrivals::Poisson(_) | Arrivals::Users { .. });
    is_constant && workload.shape.is_none()
}

/// The jobs that arrive in an interval, per workload.
#[derive(Clone, Debug, PartialEq)]
struct Interval {
    from: Instant,
    length: Nanos,
    jobs: Vec<f64>,
}

/// A class of jobs as a part of its workload, with what does not depend on the interval.
struct Part<'c> {
    class: &'c Class,
    /// The share of the workload's jobs that are of this class.
    share: f64,
    /// The jobs of the run that the rules on success let fail.
    may_fail: f64,
}

impl<'c> Part<'c> {
    fn of(scenario: &Scenario, class: &'c Class) -> Self {
        let workload = offered_load(scenario, &scenario.workloads[class.workload]);
        let of_run = class.rate * scenario.duration.as_secs_f64();
        let may_fail = of_run * allowed_failures(scenario, class.workload);
        Self { class, share: class.rate / workload, may_fail }
    }
}

/// Returns the ceiling of the jobs of an interval; `None` if no limit bounds it.
fn in_interval(
    scenario: &Scenario,
    parts: &[Part<'_>],
    constraints: &[LimitConstraint<'_>],
    interval: &Interval,
) -> Option<PeakCeiling> {
    let jobs = |part: &Part<'_>| interval.jobs[part.class.workload] * part.share;
    let may_fail = |part: &Part<'_>| part.may_fail.min(jobs(part));
    let offered_jobs: f64 = parts.iter().map(jobs).sum();
    let failing: f64 = parts.iter().map(may_fail).sum();
    let classes: Vec<Class> = (parts.iter())
        .map(|part| Class { rate: jobs(part) - may_fail(part), ..part.class.clone() })
        .filter(|class| class.rate > 0.0)
        .collect();
    let span = interval.length + scenario.client.deadline;
    let bounds: Vec<LimitConstraint<'_>> = (constraints.iter())
        .map(|constraint| LimitConstraint {
            allowed: constraint.units_in(interval.from, span),
            ..constraint.clone()
        })
        .collect();
    let (multiple, binding) = allocation::maximum_multiple(&classes, &bounds);
    let binding = binding.and_then(|binding| bounds.iter().position(|bound| std::ptr::eq(bound, binding)));
    let peak = Peak { from: interval.from, length: interval.length, jobs: offered_jobs, may_fail: failing };
    multiple.is_finite().then_some(PeakCeiling { multiple, binding, peak })
}

/// Returns the share of the jobs of a workload that every rule on its success allows to fail; 0 if no rule says so, or if one
/// is judged in windows.
fn allowed_failures(scenario: &Scenario, workload: usize) -> f64 {
    let judges = |rule: &&Rule| rule.metric == Metric::Success && rule.judges(workload);
    let rules = scenario.expect.iter().filter(judges);
    let allowed = rules.map(|rule| match rule.op {
        Op::AtLeast | Op::Above if rule.window.is_none() => (1.0 - rule.value).clamp(0.0, 1.0),
        Op::AtMost | Op::Below => 1.0,
        _ => 0.0,
    });
    let least = allowed.fold(f64::INFINITY, f64::min);
    if least < 1.0 { least } else { 0.0 }
}

/// Returns the busiest intervals of each length, without repetitions.
fn intervals(scenario: &Scenario) -> Vec<Interval> {
    let duration = scenario.duration.max(Nanos(1));
    let cell = CELLS.into_iter().find(|cell| duration.0.div_ceil(cell.0) <= MAX_CELLS);
    let cell = cell.unwrap_or(Nanos(duration.0.div_ceil(MAX_CELLS)));
    let count = duration.0.div_ceil(cell.0) as usize;
    let edges: Vec<Instant> =
        (0..=count as u64).map(|index| Instant((cell * index).0.min(duration.0))).collect();
    let before: Vec<Vec<f64>> =
        scenario.workloads.iter().map(|workload| jobs_before(scenario, workload, &edges)).collect();
    // The busiest intervals by each of these cumulative loads are tried.
    let mut loads = before.clone();
    loads.extend(weighted(&before, |_| 1.0));
    loads.extend(weighted(&before, |index| tokens(scenario, index)));
    let mut found: Vec<Interval> = at_once(scenario).into_iter().collect();
    for length in LENGTHS.into_iter().filter(|length| *length <= count) {
        for load in &loads {
            let load_from = |from: usize| load[from + length] - load[from];
            let busiest = (0..=count - length).reduce(|busiest, from| {
                // A peak of equal height counts from its start.
                if load_from(from) > load_from(busiest) * (1.0 + 1e-9) { from } else { busiest }
            });
            let Some(from) = busiest else { continue };
            let interval = Interval {
                from: edges[from],
                length: edges[from + length].since(edges[from]),
                jobs: before.iter().map(|before| before[from + length] - before[from]).collect(),
            };
            if !found.contains(&interval) {
                found.push(interval);
            }
        }
    }
    found
}

/// Returns the weighted sum of the jobs of all workloads; `None` if there is only one workload.
fn weighted(before: &[Vec<f64>], weight: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
    let edges = before.first().filter(|_| before.len() > 1)?.len();
    let weights: Vec<f64> = (0..before.len()).map(weight).collect();
    let sum = |edge: usize| before.iter().zip(&weights).map(|(jobs, weight)| jobs[edge] * weight).sum();
    Some((0..edges).map(sum).collect())
}

/// Returns the mean tokens of a workload's jobs: prompt and completion, as used.
fn tokens(scenario: &Scenario, workload: usize) -> f64 {
    let workload = &scenario.workloads[workload];
    let sizes = Sizes::of(workload, scenario.duration, Lengths::default(), PromptRange::ALL);
    sizes.prompt + sizes.completion
}

/// Returns the jobs that arrive in the first instant; `None` if there are no bursts.
fn at_once(scenario: &Scenario) -> Option<Interval> {
    let jobs = |workload: &Workload| match workload.arrivals {
        Arrivals::Burst { jobs, .. } => f64::from(jobs),
        _ => 0.0,
    };
    let jobs: Vec<f64> = scenario.workloads.iter().map(jobs).collect();
    let any = jobs.iter().any(|jobs| *jobs > 0.0) && scenario.duration > Nanos::ZERO;
    any.then_some(Interval { from: Instant::ZERO, length: Nanos::ZERO, jobs })
}

/// Returns the jobs that arrive before each of `edges`, as expected; of users, as many as they send at most.
fn jobs_before(scenario: &Scenario, workload: &Workload, edges: &[Instant]) -> Vec<f64> {
    rate::jobs_before(workload, scenario.duration, edges.iter().copied()).unwrap_or_else(|| {
        let rate = offered_load(scenario, workload);
        edges.iter().map(|edge| rate * edge.as_secs_f64()).collect()
    })
}

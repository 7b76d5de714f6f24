//! The ceiling at the peaks of the traffic: what the limits admit of the jobs that arrive in an interval, until the
//! deadline of the last of them.
//!
//! A limit admits at most its units in a span of the interval plus D, the client's deadline minus the shortest time of a
//! call. The jobs of the interval at a multiple of the load have to fit into that, or not all of them are served:
//!
//! ```text
//!  m · jobs in [a, a+L) · demand   ≤   units in (L + D)      for all a, L;   a bucket: burst + rate · (L + D)
//! ```
//!
//! If a rule lets a share of the jobs of the run fail, all failures may fall into the interval: they are subtracted from its
//! jobs. If several intervals are about as busy, they share the failures: the sum of the statement over intervals that do not
//! overlap holds as well. The number of busiest intervals in that sum is chosen so that the bound is lowest.
//!
//! Nor does a limit admit more in all of them than in the whole run. So the parts of a day in which the load exceeds what a fallback
//! admits per minute share the limit per day of the first target, and what the fallback could admit in the others does not count.
//!
//! This is the arrival curve under the service curve of network calculus (J.-Y. Le Boudec and P. Thiran, "Network Calculus",
//! 2001). The busiest intervals of many lengths are tried: those of each workload, of all jobs, and of all tokens.

use super::at_once;
use super::constraint::LimitConstraint;
use super::demand::{PromptRange, Sizes, model};
use super::route_order::is_long;
use super::window_end::long_windows;
use super::{Class, allocation, offered_jobs_per_second_of};
use crate::ids::TargetId;
use crate::scenario::{Arrivals, Metric, Op, Rule, Scenario, Workload, rate, shortest_service_s};
use provider::config::Lengths;
use provider::{Instant, Nanos};
use std::ops::RangeInclusive;

/// The possible lengths of cells. A run is divided into cells of the shortest one that gives at most [`MAX_CELLS`].
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
/// The numbers of equal parts of a run of which sets of the busiest parts are tried as well.
const PARTS: RangeInclusive<usize> = 8..=24;
/// The lengths of the intervals that are tried, in cells.
const LENGTHS: [usize; 22] =
    [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1_080];

/// The intervals whose jobs bound the ceiling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// The start of the busiest.
    pub from: Instant,
    /// The length of each; zero if its jobs arrive in one instant.
    pub length: Nanos,
    /// How many there are, at least 1. They do not overlap.
    pub count: u32,
    /// The jobs offered in one, on average, that some target can admit.
    pub jobs: f64,
    /// The number of these jobs that the rules on success allow to fail if all failures of the run fall into the intervals.
    pub may_fail: f64,
}

/// The multiple of the load that the limits admit in the intervals that bound it most.
pub(super) struct PeakCeiling {
    pub(super) multiple: f64,
    /// The index of the limit that binds.
    pub(super) binding: Option<usize>,
    pub(super) peak: Peak,
}

/// The intervals of a run that are tried, whatever the limits admit in them.
pub(super) struct Peaks<'c> {
    classes: Vec<PeakClass<'c>>,
    candidates: Vec<Intervals>,
    /// The duration of the run, and how long a job may wait for its admission.
    times: (Nanos, Nanos),
}

impl<'c> Peaks<'c> {
    /// Returns the intervals to try. If the rate of every workload is constant, these are only the windows of limits per day, of which
    /// the run may hold parts of different length.
    pub(super) fn of(scenario: &Scenario, classes: &'c [Class], constraints: &[LimitConstraint<'_>]) -> Self {
        let peak_classes: Vec<_> = classes.iter().map(|class| PeakClass::of(scenario, class)).collect();
        // A call that is admitted longer than this after its arrival cannot be answered before its deadline.
        let max_wait = scenario.longest_deadline().saturating_sub(shortest_call(scenario, classes));
        let mut candidates = in_long_windows(scenario, constraints, max_wait);
        if !scenario.workloads.iter().all(is_flat) {
            let several_peaks = peaks_share_limit(classes, constraints);
            candidates.extend(self::candidates(scenario, &peak_classes, several_peaks));
        }
        Self { classes: peak_classes, candidates, times: (scenario.duration.max(Nanos(1)), max_wait) }
    }

    /// Returns the lowest ceiling of all intervals; `None` if no limit bounds the jobs of any interval.
    pub(super) fn lowest(&self, constraints: &[LimitConstraint<'_>]) -> Option<PeakCeiling> {
        if self.classes.is_empty() {
            return None;
        }
        let in_intervals = |intervals| in_intervals(&self.classes, constraints, intervals, self.times);
        let ceilings = self.candidates.iter().filter_map(in_intervals);
        ceilings.reduce(|lowest, next| if next.multiple < lowest.multiple { next } else { lowest })
    }
}

/// Returns `true` if some jobs can be sent to a target with a limit per hour or per day and to another one: several peaks of a day then
/// share what that limit admits, and the other target admits nothing of them between the peaks.
fn peaks_share_limit(classes: &[Class], constraints: &[LimitConstraint<'_>]) -> bool {
    classes.iter().filter(|class| class.targets.len() > 1).any(|class| {
        let is_of_class =
            |limit: &LimitConstraint<'_>| class.targets.iter().any(|target| limit.covers(*target));
        constraints.iter().any(|constraint| is_long(&constraint.limit) && is_of_class(constraint))
    })
}

/// Returns the part of the run in each window of the limits that count from the start of long windows, if the run has several of them.
/// A part ends earlier than its window by the time in which a job may wait for the next window.
fn in_long_windows(
    scenario: &Scenario,
    constraints: &[LimitConstraint<'_>],
    max_wait: Nanos,
) -> Vec<Intervals> {
    let end = Instant::ZERO + scenario.duration;
    let mut parts: Vec<(Instant, Nanos)> = Vec::new();
    for constraint in constraints {
        let windows = long_windows(&constraint.limit, scenario.duration);
        for window in windows.iter().filter(|_| windows.len() > 1) {
            let wait = if window.end < end { max_wait } else { Nanos::ZERO };
            let part = (window.start, window.end.since(window.start).saturating_sub(wait));
            if part.1 > Nanos::ZERO && !parts.contains(&part) {
                parts.push(part);
            }
        }
    }
    let of_part = |(from, length): (Instant, Nanos)| {
        let jobs = |workload: &Workload| {
            let before = jobs_before(scenario, workload, &[from, from + length]);
            before[1] - before[0]
        };
        Intervals { starts: vec![from], length, jobs: scenario.workloads.iter().map(jobs).collect() }
    };
    parts.into_iter().map(of_part).collect()
}

/// Returns `true` if the rate of a workload does not change during the run, or if it is not known how it changes: replies that take
/// longer than recorded delay the calls of recorded sessions, and spread their peaks.
fn is_flat(workload: &Workload) -> bool {
    let is_constant = matches!(
        workload.arrivals,
        Arrivals::Constant(_) | Arrivals::Poisson(_) | Arrivals::Renewal { .. } | Arrivals::Users { .. }
    );
    (is_constant && workload.shape.is_none()) || workload.recorded_sessions().is_some()
}

/// Intervals of one length that do not overlap, and the jobs that arrive in them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Intervals {
    /// At least one, the busiest first.
    pub(super) starts: Vec<Instant>,
    pub(super) length: Nanos,
    /// The jobs in all of them, by workload.
    pub(super) jobs: Vec<f64>,
}

/// A class of jobs, with what does not depend on the interval.
struct PeakClass<'c> {
    class: &'c Class,
    /// The share of the workload's jobs that are of this class.
    share: f64,
    /// The number of jobs of the run that the rules on success allow to fail.
    may_fail: f64,
}

impl<'c> PeakClass<'c> {
    fn of(scenario: &Scenario, class: &'c Class) -> Self {
        let workload_rate = offered_jobs_per_second_of(scenario, &scenario.workloads[class.workload]);
        let jobs_of_run = class.rate * scenario.duration.as_secs_f64();
        let may_fail = jobs_of_run * allowed_failures(scenario, class.workload);
        Self { class, share: class.rate / workload_rate, may_fail }
    }
}

/// Returns the ceiling of the jobs of some intervals, each of which is admitted within `max_wait` or not served; `None` if no
/// limit bounds it.
#[expect(clippy::cast_possible_truncation, reason = "there are at most MAX_BURSTS intervals")]
fn in_intervals(
    peak_classes: &[PeakClass<'_>],
    constraints: &[LimitConstraint<'_>],
    intervals: &Intervals,
    (duration, max_wait): (Nanos, Nanos),
) -> Option<PeakCeiling> {
    let jobs = |one: &PeakClass<'_>| intervals.jobs[one.class.workload] * one.share;
    let may_fail = |one: &PeakClass<'_>| one.may_fail.min(jobs(one));
    // The linear programme needs ratios only: here `rate` is the jobs of the intervals that must be served, and `allowed` the
    // units of the intervals.
    let classes: Vec<Class> = (peak_classes.iter())
        .map(|one| Class { rate: jobs(one) - may_fail(one), ..one.class.clone() })
        .filter(|class| class.rate > 0.0)
        .collect();
    // Jobs that arrive at one instant may all be admitted at the last possible one; those of an interval arrive before its end.
    let end = if intervals.length > Nanos::ZERO { Nanos::ZERO } else { Nanos(1) };
    let span = intervals.length + max_wait + end;
    let run_end = Instant::ZERO + duration;
    let latest = intervals.starts.iter().map(|start| *start + span).fold(run_end, Instant::max);
    let units = |constraint: &LimitConstraint<'_>| {
        let each: f64 = intervals.starts.iter().map(|start| constraint.whole_units_in(*start, span)).sum();
        // What is admitted in the intervals is admitted in the run, or after it.
        let after_run =
            if latest > run_end { constraint.units_in(run_end, latest.since(run_end)) } else { 0.0 };
        each.min(constraint.allowed * duration.as_secs_f64() + after_run)
    };
    let in_intervals: Vec<LimitConstraint<'_>> = (constraints.iter())
        .map(|constraint| LimitConstraint { allowed: units(constraint), ..constraint.clone() })
        .collect();
    let (multiple, binding) = allocation::maximum_multiple(&classes, &in_intervals);
    let binding = binding.and_then(|binding| in_intervals.iter().position(|one| std::ptr::eq(one, binding)));
    let count = intervals.starts.len();
    let each = |total: f64| total / count as f64;
    let peak = Peak {
        from: *intervals.starts.first()?,
        length: intervals.length,
        count: count as u32,
        jobs: each(peak_classes.iter().map(jobs).sum()),
        may_fail: each(peak_classes.iter().map(may_fail).sum()),
    };
    multiple.is_finite().then_some(PeakCeiling { multiple, binding, peak })
}

/// Returns a lower bound of the time from the admission of a call to the end of its reply: without the network and without what
/// its tokens take.
fn shortest_call(scenario: &Scenario, classes: &[Class]) -> Nanos {
    let of_target = |target: &TargetId| shortest_service_s(&model(scenario, *target).latency.service, 1.0);
    let all = classes.iter().flat_map(|class| &class.targets).map(of_target);
    Nanos::from_secs_f64(all.reduce(f64::min).unwrap_or(0.0).max(0.0))
}

/// Returns the share of the jobs of a workload that every rule on its success allows to fail; 0 if no rule bounds it, or if one
/// is judged in windows.
pub(super) fn allowed_failures(scenario: &Scenario, workload: usize) -> f64 {
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

/// Returns the busiest intervals of each length, without repetitions; with `several_peaks` also sets of the busiest parts of the run.
fn candidates(scenario: &Scenario, peak_classes: &[PeakClass<'_>], several_peaks: bool) -> Vec<Intervals> {
    let duration = scenario.duration.max(Nanos(1));
    let cell = CELLS.into_iter().find(|cell| duration.0.div_ceil(cell.0) <= MAX_CELLS);
    let cell = cell.unwrap_or(Nanos(duration.0.div_ceil(MAX_CELLS)));
    let count = duration.0.div_ceil(cell.0) as usize;
    let edges: Vec<Instant> =
        (0..=count as u64).map(|index| Instant((cell * index).0.min(duration.0))).collect();
    let before: Vec<Vec<f64>> =
        scenario.workloads.iter().map(|workload| jobs_before(scenario, workload, &edges)).collect();
    let mut may_fail = vec![0.0; before.len()];
    peak_classes.iter().for_each(|one| may_fail[one.class.workload] += one.may_fail);
    let of_workload = |(before, may_fail): (&Vec<f64>, &f64)| CumulativeLoad {
        before: before.clone(),
        may_fail: *may_fail,
    };
    let mut loads: Vec<CumulativeLoad> = before.iter().zip(&may_fail).map(of_workload).collect();
    loads.extend(weighted(&before, &may_fail, |_| 1.0));
    loads.extend(weighted(&before, &may_fail, |index| tokens(scenario, index)));
    let mut found = at_once::intervals(scenario, &may_fail);
    for length in LENGTHS.into_iter().filter(|length| *length <= count) {
        let parts = count / length;
        let parts = if several_peaks && PARTS.contains(&parts) { parts } else { 0 };
        let chosen = loads.iter().flat_map(|load| {
            let sets = (2..parts).map(move |most| load.busiest_parts(length, most));
            std::iter::once(load.busiest(length)).chain(sets)
        });
        for busiest in chosen.collect::<Vec<_>>() {
            let Some(first) = busiest.first() else { continue };
            let jobs = |before: &Vec<f64>| {
                busiest.iter().map(|from| before[from + length] - before[*from]).sum::<f64>()
            };
            let intervals = Intervals {
                starts: busiest.iter().map(|from| edges[*from]).collect(),
                length: edges[first + length].since(edges[*first]),
                jobs: before.iter().map(jobs).collect(),
            };
            if !found.contains(&intervals) {
                found.push(intervals);
            }
        }
    }
    found
}

/// A quantity to compare intervals by: the jobs or tokens that arrive before each edge, and how many the rules let fail in the run.
struct CumulativeLoad {
    before: Vec<f64>,
    may_fail: f64,
}

impl CumulativeLoad {
    /// Returns the first cells of the `most` busiest of the parts of `length` cells into which the run is divided, the busiest first.
    fn busiest_parts(&self, length: usize, most: usize) -> Vec<usize> {
        let arriving = |from: usize| self.before[from + length] - self.before[from];
        let mut parts: Vec<usize> = (0..self.before.len() - length).step_by(length).collect();
        parts.sort_by(|one, other| arriving(*other).total_cmp(&arriving(*one)));
        parts.truncate(most);
        parts
    }

    /// Returns the first cells of the chosen intervals of `length` cells, from 1 to the number of cells: of the busiest, and of the
    /// next busiest as long as each raises the mean quantity per interval that must be served.
    fn busiest(&self, length: usize) -> Vec<usize> {
        let cells = self.before.len() - 1;
        let arriving = |from: usize| self.before[from + length] - self.before[from];
        // Of equally busy intervals, the first is chosen.
        let higher = |best: usize, from: usize| {
            if arriving(from) > arriving(best) * (1.0 + 1e-9) { from } else { best }
        };
        let highest = (0..=cells - length).reduce(higher);
        let mut chosen: Vec<usize> = highest.into_iter().collect();
        if self.may_fail <= 0.0 {
            return chosen;
        }
        let mut others: Vec<usize> = (0..=cells - length).collect();
        others.sort_by(|one, other| arriving(*other).total_cmp(&arriving(*one)));
        let mut is_taken = vec![false; cells];
        let mut must_be_served = -self.may_fail;
        let first = std::mem::take(&mut chosen);
        for from in first.into_iter().chain(others) {
            if !chosen.is_empty() && arriving(from) <= must_be_served / chosen.len() as f64 {
                break;
            }
            if is_taken[from] || is_taken[from + length - 1] {
                continue;
            }
            is_taken[from..from + length].fill(true);
            must_be_served += arriving(from);
            chosen.push(from);
        }
        chosen
    }
}

/// Returns the weighted sum of the jobs of all workloads; `None` if there is only one workload.
fn weighted(before: &[Vec<f64>], may_fail: &[f64], weight: impl Fn(usize) -> f64) -> Option<CumulativeLoad> {
    let edges = before.first().filter(|_| before.len() > 1)?.len();
    let weights: Vec<f64> = (0..before.len()).map(weight).collect();
    let sum = |edge: usize| before.iter().zip(&weights).map(|(jobs, weight)| jobs[edge] * weight).sum();
    let may_fail = may_fail.iter().zip(&weights).map(|(jobs, weight)| jobs * weight).sum();
    Some(CumulativeLoad { before: (0..edges).map(sum).collect(), may_fail })
}

/// Returns the mean tokens of a workload's jobs: prompt and completion, as used.
fn tokens(scenario: &Scenario, workload: usize) -> f64 {
    let workload = &scenario.workloads[workload];
    let sizes = Sizes::of(workload, scenario.duration, Lengths::default(), PromptRange::ALL);
    sizes.prompt + sizes.completion
}

/// Returns the expected number of jobs that arrive before each of `edges`; of users, what they send if nothing is refused, and of recorded
/// sessions, what they send if their calls are spread evenly over the run.
fn jobs_before(scenario: &Scenario, workload: &Workload, edges: &[Instant]) -> Vec<f64> {
    let is_known = workload.recorded_sessions().is_none();
    let before = || rate::jobs_before(workload, scenario.duration, edges.iter().copied());
    is_known.then(before).flatten().unwrap_or_else(|| {
        let rate = offered_jobs_per_second_of(scenario, workload);
        edges.iter().map(|edge| rate * edge.as_secs_f64()).collect()
    })
}

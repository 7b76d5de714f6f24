//! The first violation of a run: which rule breaks, at which time it is worst (if its metric has a time), and which limit
//! is the cause.

use super::finding::Refusals;
use super::plan::FirstViolation;
use super::rules::Rules;
use super::runner::Run;
use crate::formatting::{moment, rounded};
use crate::record::{Counts, Incident, RuleResult, Series, Summary};
use crate::scenario::{Metric, Rule, Scenario, Target};
use std::collections::BTreeSet;
use std::ops::Range;

/// A limit of which at least this share is used in a step may be what stops the load. The sentence about it states this share.
const NEARLY_FULL: f64 = 0.9;

/// Returns the most important rule that `run` breaks or does not prove ([`RuleResult::is_unproved`]), with what is known of the
/// cause; `None` if there is none. `run` is a run of `scenario` at any multiple of its load.
pub(super) fn first(run: &Run, rules: &Rules, scenario: &Scenario) -> Option<FirstViolation> {
    let summary = &run.summary;
    assert_eq!(rules.kept.len(), summary.expect.len(), "invariant: the run was judged by these rules");
    let broken = rules.kept.iter().zip(&summary.expect).filter(|(_, judged)| judged.is_unproved());
    let (rule, judged) = broken.min_by_key(|(rule, _)| rank(rule.metric))?;
    let reach = Reach::of(summary, scenario, rule);
    let steps = worst_steps(rule.metric, judged, &summary.series);
    let (step_s, first) = (summary.series.step_s, steps.as_ref().map(|steps| steps.start));
    let at_s = judged.at_s.or_else(|| first.map(|step| step as f64 * step_s));
    let incident = steps.as_ref().and_then(|steps| {
        let refuses = reach.refusing(steps.clone()).is_some();
        reach.incident(steps).filter(|_| !refuses).map(str::to_owned)
    });
    let limit = match (rule.metric, steps) {
        (Metric::Cost | Metric::CutShare, _) => None,
        (Metric::Headroom, _) => binding(summary),
        // Limits that are nearly full or waited for during the incident are so because of it.
        (_, Some(_)) if incident.is_some() => reach.refusing_in_run(),
        (Metric::Success | Metric::TaskSuccess | Metric::Goodput, steps) => reach.losing(steps),
        (_, Some(steps)) => reach.stopping(steps),
        // The metric has no worst time, so refusals at any time count, as those in the worst steps do otherwise.
        (_, None) => reach.refusing_in_run().or_else(|| reach.waited_for()),
    };
    let count = |of: fn(&StoppingLimit) -> u64| limit.as_ref().map_or(0, of);
    let refused = count(|limit| limit.refused);
    let refused_over_run = count(|limit| limit.refused_over_run);
    let given_up = count(|limit| limit.given_up);
    let is_lost = matches!(rule.metric, Metric::Success | Metric::TaskSuccess | Metric::Goodput);
    let over_budget = if limit.is_none() && is_lost { lost_by(summary, "client_budget") } else { 0 };
    let (target, axis) = limit.map(|limit| (limit.target, limit.axis)).unzip();
    Some(FirstViolation {
        rule: judged.rule.clone(),
        metric: rule.metric,
        actual: judged.in_route_order.or(judged.actual),
        multiple: rounded(run.multiple, 6),
        at: at_s.map(|at_s| moment(at_s, &summary.run_time())),
        at_s: at_s.map(|at_s| rounded(at_s, 6)),
        target,
        axis,
        incident,
        refused,
        refused_over_run,
        given_up,
        over_budget,
    })
}

/// Returns the number of jobs that failed or were shed for a reason.
pub(super) fn lost_by(summary: &Summary, reason: &str) -> u64 {
    let of = |counts: &Counts| counts.get(reason).copied().unwrap_or(0);
    of(&summary.jobs.failed_by) + of(&summary.jobs.shed_by)
}

/// Returns the steps of the series in which a rule is worst: those of its worst window, else the worst one. `None` if there is
/// none, see [`worst_step`].
fn worst_steps(metric: Metric, judged: &RuleResult, series: &Series) -> Option<Range<usize>> {
    let steps = series.offered.len();
    let Some(at_s) = judged.at_s else {
        return worst_step(metric, series).map(|step| step..step + 1);
    };
    let first = ((at_s / series.step_s) as usize).min(steps.saturating_sub(1));
    let until_s = at_s + judged.window_s.unwrap_or(0.0);
    let end = libm::ceil(until_s / series.step_s - 1e-9) as usize;
    Some(first..end.clamp(first + 1, steps.max(first + 1)))
}

/// A limit that stops the load. The count that shows this is above 0; all counts are 0 if it is full, or binds by
/// arithmetic.
struct StoppingLimit {
    target: String,
    axis: String,
    /// The attempts that it refused in the worst steps.
    refused: u64,
    /// The attempts that it refused over the run.
    refused_over_run: u64,
    /// The jobs given up over the run while they waited for it.
    given_up: u64,
}

impl StoppingLimit {
    fn new(target: &str, axis: &str) -> Self {
        let (target, axis) = (target.to_owned(), axis.to_owned());
        Self { target, axis, refused: 0, refused_over_run: 0, given_up: 0 }
    }
}

/// The targets that the jobs of a rule can be sent to. Only their limits and incidents can cause a violation of the rule.
struct Reach<'a> {
    summary: &'a Summary,
    targets: BTreeSet<&'a str>,
    providers: BTreeSet<&'a str>,
    /// The jobs of the rule that failed or were shed.
    lost: u64,
}

impl<'a> Reach<'a> {
    fn of(summary: &'a Summary, scenario: &'a Scenario, rule: &Rule) -> Self {
        let judged = scenario.workloads.iter().enumerate().filter(|(index, _)| rule.judges(*index));
        let ids = judged.flat_map(|(_, workload)| scenario.targets_of(workload));
        let targets: Vec<_> = ids.map(|id| &scenario.targets[id.index()]).collect();
        let provider = |target: &&'a Target| scenario.providers[usize::from(target.provider)].name.as_str();
        let workloads = summary.workloads.iter().enumerate().filter(|(index, _)| rule.judges(*index));
        Self {
            summary,
            providers: targets.iter().map(provider).collect(),
            targets: targets.iter().map(|target| target.name.as_str()).collect(),
            lost: workloads.map(|(_, workload)| workload.failed + workload.shed).sum(),
        }
    }

    /// Returns the limit because of which jobs fail or are shed: the one for which at least half of them were given up while they
    /// waited, else the one that stops the load in `steps`, or over the run without `steps`. If both are the same limit, it
    /// has the counts of the latter.
    fn losing(&self, steps: Option<Range<usize>>) -> Option<StoppingLimit> {
        let stopping = match steps {
            Some(steps) => self.stopping(steps),
            None => self.refusing_in_run(),
        };
        let Some(waited) = self.waited_for() else { return stopping };
        let is_same = stopping
            .as_ref()
            .is_some_and(|limit| (&limit.target, &limit.axis) == (&waited.target, &waited.axis));
        if !is_same && waited.given_up * 2 >= self.lost { Some(waited) } else { stopping.or(Some(waited)) }
    }

    /// Returns the limit that stops the load in some steps: the one that refuses most, else the fullest if it is nearly full, else the one
    /// for which the most jobs were given up while they waited, else the one that refuses most often over the run.
    fn stopping(&self, steps: Range<usize>) -> Option<StoppingLimit> {
        let in_steps = || {
            let (refused, target, axis) = self.refusing(steps.clone())?;
            Some(StoppingLimit { refused, ..StoppingLimit::new(target, axis) })
        };
        let full = || self.fullest(steps.clone()).map(|(target, axis)| StoppingLimit::new(target, axis));
        in_steps().or_else(full).or_else(|| self.waited_for()).or_else(|| self.refusing_in_run())
    }

    /// Returns the limit that refuses most often over the run; `None` if none refuses.
    fn refusing_in_run(&self) -> Option<StoppingLimit> {
        let (refused_over_run, target, axis) = self.refusing(0..self.summary.series.offered.len())?;
        Some(StoppingLimit { refused_over_run, ..StoppingLimit::new(target, axis) })
    }

    /// Returns the limit for which the most jobs were given up over the run while they waited for it: paced, or in a cool-down.
    fn waited_for(&self) -> Option<StoppingLimit> {
        let targets = self.summary.targets.iter().filter(|target| self.targets.contains(&*target.name));
        let limits = targets.flat_map(|target| {
            target.given_up_for.iter().map(move |(axis, jobs)| (&target.name, axis, jobs))
        });
        let limits = limits.map(|(target, axis, jobs)| StoppingLimit {
            given_up: *jobs,
            ..StoppingLimit::new(target, axis)
        });
        limits.max_by_key(|limit| limit.given_up)
    }

    /// Returns the limit that refused the most attempts in some steps, with their number, its target and its axis; `None` if no
    /// limit refused any.
    fn refusing(&self, steps: Range<usize>) -> Option<(u64, &'a str, &'a str)> {
        let is_axis = |name: &str| provider::Axis::from_name(name).is_some();
        let fills = self.summary.series.fill.iter().filter(|fill| self.targets.contains(&*fill.target));
        let limits =
            fills.flat_map(|fill| fill.refused.iter().map(|(axis, counts)| (&*fill.target, &**axis, counts)));
        let counted = limits.filter(|(_, axis, _)| is_axis(axis)).map(|(target, axis, counts)| {
            (
                counts[steps.start.min(counts.len())..steps.end.min(counts.len())].iter().sum::<u64>(),
                target,
                axis,
            )
        });
        counted.filter(|(refused, ..)| *refused > 0).max_by_key(|(refused, ..)| *refused)
    }

    /// Returns the target and the axis of the fullest limit in some steps, if it is nearly full; the first of equally full ones.
    fn fullest(&self, steps: Range<usize>) -> Option<(&'a str, &'a str)> {
        let fills = self.summary.series.fill.iter().filter(|fill| self.targets.contains(&*fill.target));
        let highest = |shares: &[f64]| {
            let shares = &shares[steps.start.min(shares.len())..steps.end.min(shares.len())];
            shares.iter().copied().fold(0.0, f64::max)
        };
        let limits = fills.flat_map(|fill| {
            fill.axes.iter().map(move |(axis, shares)| (shares.as_slice(), &*fill.target, &**axis))
        });
        let full = limits.map(|(shares, target, axis)| (highest(shares), target, axis));
        let full = full.filter(|(share, ..)| *share >= NEARLY_FULL);
        let fullest = full.reduce(|fullest, next| if next.0 > fullest.0 { next } else { fullest });
        fullest.map(|(_, target, axis)| (target, axis))
    }

    /// Returns the first provider of these targets that has an incident in some steps. An incident that lasts for the whole
    /// run does not count, since it does not explain why these steps are the worst.
    fn incident(&self, steps: &Range<usize>) -> Option<&'a str> {
        let series = &self.summary.series;
        let (from_s, to_s) = (steps.start as f64 * series.step_s, steps.end as f64 * series.step_s);
        let end_s = series.offered.len() as f64 * series.step_s;
        let hits = |incident: &&Incident| {
            let is_whole = incident.from_s <= 0.0 && incident.to_s >= end_s - series.step_s;
            let is_reached = self.providers.contains(&*incident.provider);
            is_reached && !is_whole && incident.from_s < to_s && incident.to_s > from_s
        };
        series.incidents.iter().find(hits).map(|incident| incident.provider.as_str())
    }
}

/// Returns the limit that binds by arithmetic; `None` if none does.
fn binding(summary: &Summary) -> Option<StoppingLimit> {
    let in_route_order = summary.ceiling.in_route_order.as_ref().map(|order| &order.limit);
    let binding = in_route_order.or(summary.ceiling.binding.as_ref());
    binding.map(|binding| StoppingLimit::new(&binding.target, &binding.axis))
}

/// Returns the attempts that the limit of a violation refused over the run; `None` if the violation names no limit, or if the
/// limit refused nothing.
pub(super) fn refusals(summary: &Summary, violation: &FirstViolation) -> Option<Refusals> {
    let (target, axis) = violation.target.as_ref().zip(violation.axis.as_ref())?;
    let fill = summary.series.fill.iter().find(|fill| fill.target == *target)?;
    let attempts = fill.refused.get(axis)?.iter().sum();
    (attempts > 0).then(|| Refusals { target: target.clone(), axis: axis.clone(), attempts })
}

/// Orders metrics by importance, the most important first: failed jobs before slow ones before costly ones.
fn rank(metric: Metric) -> u8 {
    match metric {
        Metric::Success | Metric::TaskSuccess | Metric::Goodput => 0,
        Metric::Percentile(..) => 1,
        Metric::FallbackShare
        | Metric::CutShare
        | Metric::LimitedShare
        | Metric::AttemptsPerJob
        | Metric::Headroom
        | Metric::FinishedBy => 2,
        Metric::Cost => 3,
    }
}

/// Returns the step of the series in which a metric is worst, the first of equal ones; `None` if the series does not contain
/// it, as it is of the whole run, or if nothing counts against it in any step.
fn worst_step(metric: Metric, series: &Series) -> Option<usize> {
    let milliseconds = |seconds: &Option<f64>| seconds.map_or(0, |seconds| (seconds * 1e3) as u64);
    let sum = |one: &[u64], other: &[u64]| one.iter().zip(other).map(|(a, b)| a + b).collect::<Vec<_>>();
    let badness: Vec<u64> = match metric {
        Metric::Success | Metric::TaskSuccess => sum(&series.failed, &series.shed),
        Metric::LimitedShare | Metric::AttemptsPerJob => series.limited.clone(),
        Metric::Percentile(..) => series.p95_s.iter().map(milliseconds).collect(),
        Metric::Goodput
        | Metric::FallbackShare
        | Metric::CutShare
        | Metric::Headroom
        | Metric::Cost
        | Metric::FinishedBy => {
            return None;
        }
    };
    let highest = badness.iter().copied().max().filter(|highest| *highest > 0)?;
    badness.iter().position(|count| *count == highest)
}

//! The first violation of a run: which rule breaks, when it is worst if it is of a time, and which limit is the cause.

use super::finding::Refusals;
use super::plan::FirstViolation;
use super::rules::Rules;
use super::runner::Run;
use crate::formatting::{moment, rounded};
use crate::record::{Incident, Series, Summary};
use crate::scenario::Metric;

/// A limit filled to at least this share counts as full.
const FULL: f64 = 0.9;

/// Returns the most important rule that `run` breaks, or `None` if every rule holds.
pub(super) fn first(run: &Run, rules: &Rules) -> Option<FirstViolation> {
    let summary = &run.summary;
    assert_eq!(rules.kept.len(), summary.expect.len(), "invariant: the run was judged by these rules");
    let broken = rules.kept.iter().zip(&summary.expect).filter(|(_, judged)| !judged.pass);
    let (rule, judged) = broken.min_by_key(|(rule, _)| rank(rule.metric))?;
    let (step_s, steps) = (summary.series.step_s, summary.series.offered.len());
    let in_window = judged.at_s.map(|at_s| ((at_s / step_s) as usize).min(steps.saturating_sub(1)));
    let step = in_window.or_else(|| worst_step(rule.metric, &summary.series));
    let at_s = judged.at_s.or_else(|| step.map(|step| step as f64 * step_s));
    let incident = step.and_then(|step| {
        let refuses = refusing(summary, |steps| steps[step]).is_some();
        incident(&summary.series, step).filter(|_| !refuses).map(str::to_owned)
    });
    let limit = match (rule.metric, step) {
        (Metric::Cost | Metric::CutShare, _) => None,
        (Metric::Headroom, _) => binding(summary),
        // What is full or waited for then is so because of the incident.
        (_, Some(_)) if incident.is_some() => refusing_in_run(summary),
        (_, Some(step)) => stopping(summary, step),
        (_, None) => refusing_in_run(summary).or_else(|| waited_for(summary)),
    };
    let count = |of: fn(&Stopping) -> u64| limit.as_ref().map_or(0, of);
    let refused = count(|limit| limit.refused);
    let refused_over_run = count(|limit| limit.refused_over_run);
    let given_up = count(|limit| limit.given_up);
    let (target, axis) = limit.map(|limit| (limit.target, limit.axis)).unzip();
    Some(FirstViolation {
        rule: judged.rule.clone(),
        metric: rule.metric,
        actual: judged.actual,
        multiple: rounded(run.multiple, 6),
        at: at_s.map(|at_s| moment(at_s, summary.duration_s)),
        at_s: at_s.map(|at_s| rounded(at_s, 6)),
        target,
        axis,
        incident,
        refused,
        refused_over_run,
        given_up,
    })
}

/// A limit that stops the load. The count that shows this is above 0; all are 0 if it is full.
struct Stopping {
    target: String,
    axis: String,
    /// The attempts that it refused in the step.
    refused: u64,
    /// The attempts that it refused over the run.
    refused_over_run: u64,
    /// The jobs given up over the run while they waited for it.
    given_up: u64,
}

impl Stopping {
    fn new(target: &str, axis: &str) -> Self {
        let (target, axis) = (target.to_owned(), axis.to_owned());
        Self { target, axis, refused: 0, refused_over_run: 0, given_up: 0 }
    }
}

/// Returns the limit that stops the load in a step: the one that refuses, else the fullest if it is full, else the one that
/// the most jobs were given up for while they waited, else the one that refuses most often over the run.
fn stopping(summary: &Summary, step: usize) -> Option<Stopping> {
    let in_step = || {
        let (refused, target, axis) = refusing(summary, |steps| steps[step])?;
        Some(Stopping { refused, ..Stopping::new(target, axis) })
    };
    let full = || fullest(summary, step).map(|(target, axis)| Stopping::new(target, axis));
    in_step().or_else(full).or_else(|| waited_for(summary)).or_else(|| refusing_in_run(summary))
}

/// Returns the limit that binds by arithmetic; `None` if none does.
fn binding(summary: &Summary) -> Option<Stopping> {
    summary.ceiling.binding.as_ref().map(|binding| Stopping::new(&binding.target, &binding.axis))
}

/// Returns the limit that refuses most often over the run; `None` if none refuses.
fn refusing_in_run(summary: &Summary) -> Option<Stopping> {
    let Refusals { target, axis, attempts } = most_refusing(summary)?;
    Some(Stopping { refused_over_run: attempts, ..Stopping::new(&target, &axis) })
}

/// Returns the limit that refuses most often over the run, with the attempts that it refused; `None` if none refuses.
pub(super) fn most_refusing(summary: &Summary) -> Option<Refusals> {
    let (attempts, target, axis) = refusing(summary, |steps| steps.iter().sum())?;
    Some(Refusals { target: target.to_owned(), axis: axis.to_owned(), attempts })
}

/// Returns the first provider that has an incident in a step of the series, unless the incident lasts for the whole run and so
/// says nothing of this step.
fn incident(series: &Series, step: usize) -> Option<&str> {
    let (from_s, to_s) = (step as f64 * series.step_s, (step + 1) as f64 * series.step_s);
    let end_s = series.offered.len() as f64 * series.step_s;
    let hits = |incident: &&Incident| {
        let is_whole = incident.from_s <= 0.0 && incident.to_s >= end_s - series.step_s;
        !is_whole && incident.from_s < to_s && incident.to_s > from_s
    };
    series.incidents.iter().find(hits).map(|incident| incident.provider.as_str())
}

/// Returns the limit for which the most jobs were given up over the run while they waited for it: paced, or in a cool-down.
fn waited_for(summary: &Summary) -> Option<Stopping> {
    let limits = summary.targets.iter().flat_map(|target| {
        target
            .given_up_for
            .iter()
            .map(|(axis, jobs)| Stopping { given_up: *jobs, ..Stopping::new(&target.name, axis) })
    });
    limits.max_by_key(|limit| limit.given_up)
}

/// Returns the limit that refused the most attempts by `count` of its refusals per step, with their number, its target and
/// its axis; `None` if no limit refused any.
fn refusing(summary: &Summary, count: impl Fn(&[u64]) -> u64) -> Option<(u64, &str, &str)> {
    let is_axis = |name: &str| provider::Axis::from_name(name).is_some();
    let fills = summary.series.fill.iter();
    let limits =
        fills.flat_map(|fill| fill.refused.iter().map(|(axis, steps)| (&*fill.target, &**axis, steps)));
    let counted =
        limits.filter(|(_, axis, _)| is_axis(axis)).map(|(target, axis, steps)| (count(steps), target, axis));
    counted.filter(|(refused, ..)| *refused > 0).max_by_key(|(refused, ..)| *refused)
}

/// Orders metrics by importance, the most important first: failed jobs before slow ones before costly ones.
fn rank(metric: Metric) -> u8 {
    match metric {
        Metric::Success | Metric::Goodput => 0,
        Metric::Percentile(..) => 1,
        Metric::FallbackShare
        | Metric::CutShare
        | Metric::LimitedShare
        | Metric::AttemptsPerJob
        | Metric::Headroom => 2,
        Metric::Cost => 3,
    }
}

/// Returns the step of the series in which a metric is worst; `None` if the series does not contain it, as it is of the whole
/// run, or if no step is worse than another.
fn worst_step(metric: Metric, series: &Series) -> Option<usize> {
    let milliseconds = |seconds: &Option<f64>| seconds.map_or(0, |seconds| (seconds * 1e3) as u64);
    let sum = |one: &[u64], other: &[u64]| one.iter().zip(other).map(|(a, b)| a + b).collect::<Vec<_>>();
    let badness: Vec<u64> = match metric {
        Metric::Success => sum(&series.failed, &series.shed),
        Metric::LimitedShare | Metric::AttemptsPerJob => series.limited.clone(),
        Metric::Percentile(..) => series.p95_s.iter().map(milliseconds).collect(),
        Metric::Goodput | Metric::FallbackShare | Metric::CutShare | Metric::Headroom | Metric::Cost => {
            return None;
        }
    };
    let highest = badness.iter().copied().max().filter(|highest| *highest > 0)?;
    badness.iter().position(|count| *count == highest)
}

/// Returns the target and the axis of the fullest limit in a step, if it is full; the first of equally full ones.
fn fullest(summary: &Summary, step: usize) -> Option<(&str, &str)> {
    let limits = summary
        .series
        .fill
        .iter()
        .flat_map(|fill| fill.axes.iter().map(move |(axis, shares)| (shares[step], &fill.target, axis)));
    let full = limits.filter(|(share, ..)| *share >= FULL);
    let fullest = full.reduce(|fullest, next| if next.0 > fullest.0 { next } else { fullest });
    fullest.map(|(_, target, axis)| (&**target, &**axis))
}

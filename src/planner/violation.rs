//! What breaks first: the rule, when it is worst, and whose limit is full at that moment.

use super::rules::Rules;
use super::runner::Run;
use super::summary::FirstViolation;
use crate::formatting::{moment, rounded};
use crate::record::{Series, Summary};
use crate::scenario::Metric;

/// A limit fuller than this is in the way.
const FULL: f64 = 0.9;

/// What breaks in a run judged by `rules`; `None` where every rule holds.
pub(super) fn first(trial: &Run, rules: &Rules) -> Option<FirstViolation> {
    let summary = &trial.summary;
    let judged = rules.kept.iter().zip(&summary.expect).filter(|(_, judged)| !judged.pass);
    let (rule, judged) = judged.min_by(|(one, _), (other, _)| rank(one.metric).cmp(&rank(other.metric)))?;
    let step = worst_step(rule.metric, &summary.series);
    let at_s = step as f64 * summary.series.step_s;
    let limit = if rule.metric == Metric::Cost { None } else { fullest(summary, step) };
    let (target, axis) = limit.unzip();
    Some(FirstViolation {
        rule: judged.rule.clone(),
        actual: judged.actual,
        multiple: rounded(trial.multiple, 6),
        at: moment(at_s, summary.duration_s),
        at_s: rounded(at_s, 6),
        target,
        axis,
    })
}

/// Jobs that fail say more than a time or a sum of money.
fn rank(metric: Metric) -> u8 {
    match metric {
        Metric::Success | Metric::Goodput => 0,
        Metric::Percentile(..) => 1,
        Metric::FallbackShare | Metric::LimitedShare | Metric::AttemptsPerJob | Metric::Headroom => 2,
        Metric::Cost => 3,
    }
}

/// The step of the series in which what a rule measures is worst; the busiest where the series cannot tell.
fn worst_step(metric: Metric, series: &Series) -> usize {
    let thousandths = |second: &Option<f64>| second.map_or(0, |second| (second * 1e3) as u64);
    let sum = |one: &[u64], other: &[u64]| one.iter().zip(other).map(|(a, b)| a + b).collect::<Vec<_>>();
    let badness: Vec<u64> = match metric {
        Metric::Success => sum(&series.failed, &series.shed),
        Metric::LimitedShare | Metric::AttemptsPerJob => series.limited.clone(),
        Metric::Percentile(..) => series.p95_s.iter().map(thousandths).collect(),
        Metric::Goodput | Metric::FallbackShare | Metric::Headroom | Metric::Cost => series.offered.clone(),
    };
    let worst = |counts: &[u64]| {
        let highest = counts.iter().copied().max().filter(|most| *most > 0)?;
        counts.iter().position(|count| *count == highest)
    };
    worst(&badness).or_else(|| worst(&series.offered)).unwrap_or(0)
}

/// The limit that is fullest in a step, if it is full; by target and axis.
fn fullest(summary: &Summary, step: usize) -> Option<(String, String)> {
    let limits = summary
        .series
        .fill
        .iter()
        .flat_map(|fill| fill.axes.iter().map(move |(axis, shares)| (shares[step], &fill.target, axis)));
    let full = limits.filter(|(share, ..)| *share >= FULL);
    // The first of equals: the order of the plan.
    let fullest = full.reduce(|most, next| if next.0 > most.0 { next } else { most });
    fullest.map(|(_, target, axis)| (target.clone(), axis.clone()))
}

//! Judges the rules of a scenario's `expect` by the measured values of a summary.

use super::batch_result::BatchResult;
use super::rule_result::{NotJudged, RuleResult};
use super::rule_windows::RuleWindows;
use super::summary::{Quantiles, Summary, Unit};
use crate::formatting::{rounded, seconds, share_of};
use crate::scenario::{Metric, Op, Rule, Scenario, Time};

/// Measures every rule and compares it with its value. The results are in the scenario's order.
pub(super) fn judge(
    scenario: &Scenario,
    windows: &[Option<RuleWindows>],
    summary: &Summary,
) -> Vec<RuleResult> {
    let each = scenario.expect.iter().zip(windows).map(|(rule, windows)| {
        let worst = windows.as_ref().and_then(|windows| windows.worst(rule, scenario.duration));
        let is_stated = summary.endpoint.as_ref().is_none_or(|endpoint| endpoint.knows(rule.metric));
        let actual = match windows {
            _ if !is_stated => None,
            Some(_) => worst.map(|worst| worst.value),
            None if rule.metric == Metric::FinishedBy => {
                batch(rule, summary).and_then(|batch| batch.finished_s)
            }
            None => measure(rule.metric, summary),
        };
        let actual = actual.map(|actual| rounded(actual, 6));
        let unbounded =
            is_stated && rule.metric == Metric::Headroom && summary.ceiling.jobs_per_min.is_none();
        let compared = if unbounded { Some(f64::INFINITY) } else { actual };
        let is_met = compared.is_some_and(|actual| holds(actual, rule.op, rule.value));
        let in_route_order = summary.ceiling.in_route_order.as_ref().map(|it| it.multiple);
        let in_route_order = in_route_order.filter(|_| is_stated && rule.metric == Metric::Headroom);
        let is_open = in_route_order.zip(actual).is_some_and(|range| is_open(range, rule.op, rule.value));
        // The analytic headroom depends on the scenario alone.
        let is_distorted = is_stated && summary.is_distorted() && rule.metric != Metric::Headroom;
        let pass = is_met && !is_distorted && !is_open;
        let not_judged = match windows {
            _ if !is_stated => Some(NotJudged::not_stated(summary.jobs.offered)),
            _ if is_distorted => Some(NotJudged::distorted(summary.jobs.offered)),
            _ if is_open => Some(NotJudged::bound(summary.jobs.offered)),
            _ if compared.is_some() => None,
            Some(windows) => windows.not_judged(rule),
            // A batch that is not finished when the run ends is late.
            None if rule.metric == Metric::FinishedBy => None,
            None => not_judged(summary),
        };
        let unfinished = batch(rule, summary).filter(|batch| batch.finished_s.is_none());
        let ended = unfinished.filter(|_| rule.metric == Metric::FinishedBy);
        let workload = rule.workload.map(|id| scenario.workloads[id.index()].name.clone());
        let in_windows = rule.window.filter(|window| *window < scenario.duration);
        RuleResult {
            rule: rule.text.clone(),
            metric: Some(rule.metric),
            workload,
            window_s: rule.window.map(seconds),
            at_s: worst
                .filter(|_| is_stated && in_windows.is_some())
                .map(|worst| rounded(worst.at.as_secs_f64(), 6)),
            is_default: rule.is_default,
            actual,
            bound: Some(rounded(rule.value, 6)),
            in_route_order,
            ended: ended.map(|batch| [batch.ended_by_end(), batch.jobs]),
            unit: unit(rule.metric),
            pass,
            not_judged,
        }
    });
    each.collect()
}

/// Returns the measured value of a metric; `None` if there was nothing to measure, and for headroom if no limit bounds the
/// load.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
pub fn measure(metric: Metric, summary: &Summary) -> Option<f64> {
    let (jobs, attempts) = (&summary.jobs, &summary.attempts);
    match metric {
        Metric::Success => share_of(jobs.succeeded, jobs.succeeded + jobs.failed + jobs.shed),
        // A rule on tasks is of one workload and has windows, one on the end of a batch is of one workload.
        Metric::TaskSuccess | Metric::FinishedBy => None,
        Metric::Goodput => (summary.duration_s > 0.0).then(|| jobs.succeeded as f64 / summary.duration_s),
        Metric::Percentile(percent, time) => percentile(percent, quantiles(time, summary)?),
        Metric::FallbackShare => {
            share_of(jobs.fell_back, jobs.succeeded.saturating_sub(jobs.cached + jobs.joined))
        }
        Metric::CutShare => share_of(jobs.cut, jobs.succeeded),
        Metric::LimitedShare => share_of(attempts.limited, attempts.total),
        Metric::AttemptsPerJob => match &summary.endpoint {
            Some(endpoint) => endpoint.attempts_per_job,
            None => share_of(attempts.total, jobs.offered),
        },
        Metric::Cost => summary.cost_usd,
        Metric::Headroom => summary.ceiling.multiple,
    }
}

/// Returns the batch that a rule is judged for.
fn batch<'s>(rule: &Rule, summary: &'s Summary) -> Option<&'s BatchResult> {
    summary.workloads.get(rule.workload?.index())?.batch.as_ref()
}

/// Returns why a rule on all jobs of the run for which nothing was measured cannot be judged: no job ended, or those that
/// succeeded were all served without an attempt. `None` if all jobs that ended failed or were shed, which breaks the rule.
fn not_judged(summary: &Summary) -> Option<NotJudged> {
    let jobs = &summary.jobs;
    let none_succeeded = jobs.succeeded == 0 && jobs.failed + jobs.shed > 0;
    (!none_succeeded).then_some(NotJudged::few(0, 1))
}

/// Returns `true` if some numbers between the two meet a rule and others do not.
fn is_open((low, high): (f64, f64), op: Op, value: f64) -> bool {
    let one_meets = holds(low, op, value) != holds(high, op, value);
    one_meets || (op == Op::Equal && low < value && value < high)
}

fn unit(metric: Metric) -> Unit {
    match metric {
        Metric::Success
        | Metric::TaskSuccess
        | Metric::FallbackShare
        | Metric::CutShare
        | Metric::LimitedShare => Unit::Share,
        Metric::Percentile(..) | Metric::FinishedBy => Unit::Seconds,
        Metric::Goodput => Unit::JobsPerSecond,
        Metric::AttemptsPerJob | Metric::Headroom => Unit::Times,
        Metric::Cost => Unit::Usd,
    }
}

/// Returns a distribution over all jobs of the run; `None` for tasks.
fn quantiles(time: Time, summary: &Summary) -> Option<&Quantiles> {
    match time {
        Time::Latency => Some(&summary.latency_s),
        Time::FirstToken => Some(&summary.first_token_s),
        Time::Queue => Some(&summary.queue_s),
        Time::Task => None,
    }
}

/// Returns a percentile in seconds; `None` if nothing was measured. Scenarios name only the 50th, 90th, 95th and 99th.
fn percentile(percent: u8, quantiles: &Quantiles) -> Option<f64> {
    let value = match percent {
        50 => quantiles.p50,
        90 => quantiles.p90,
        95 => quantiles.p95,
        99 => quantiles.p99,
        _ => return None,
    };
    (quantiles.count > 0).then_some(value)
}

/// Compares at the precision of results, so that the printed value and the outcome agree.
pub(crate) fn holds(actual: f64, op: Op, value: f64) -> bool {
    let value = rounded(value, 6);
    match op {
        Op::AtLeast => actual >= value,
        Op::AtMost => actual <= value,
        Op::Above => actual > value,
        Op::Below => actual < value,
        Op::Equal => (actual - value).abs() < 5e-7,
    }
}

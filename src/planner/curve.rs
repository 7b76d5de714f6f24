//! The curve of a plan: whole runs from far below the ceiling to far above it, on the scenario's own seed.

use super::plan::Point;
use super::runner::{Run, Runner};
use super::search::CeilingEstimate;
use crate::formatting::rounded;
use crate::scenario::Scenario;
use rayon::prelude::*;

/// The loads of the curve as shares of the ceiling, denser near it.
const LOADS: [f64; 8] = [0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0, 2.5];
/// A run that is known stands for a load of the curve if the two differ by at most this share.
const NEAR: f64 = 0.06;

/// Returns the points at about [`LOADS`] around the ceiling (around the present load if no load held; up to the highest load that was
/// tried if none broke a rule), at the lowest load that broke a rule and at the present load, by increasing multiple. A run that is
/// among those of the search (`known`) or the present one is not made again, nor one near it.
pub(super) fn curve(
    runner: &Runner<'_>,
    scenario: &Scenario,
    (estimate, known): (&CeilingEstimate, &[Run]),
    (present, present_cost_per_day): (&Run, f64),
) -> Vec<Point> {
    let around = if estimate.high.is_some() { 1.0 } else { 1.0 / LOADS[LOADS.len() - 1] };
    let ceiling = Some(estimate.at_least() * around).filter(|ceiling| *ceiling > 0.0).unwrap_or(1.0);
    let measured = |run: &Run| point(runner, run, runner.cost_per_day(scenario, run));
    let loads = LOADS.par_iter().filter_map(|share| {
        let load = share * ceiling;
        let distance = |run: &&Run| (run.multiple / load - 1.0).abs();
        if distance(&present) <= NEAR {
            return None;
        }
        let nearest = known.iter().min_by(|one, other| distance(one).total_cmp(&distance(other)));
        match nearest.filter(|run| distance(run) <= NEAR) {
            Some(run) => Some(measured(run)),
            None => runner.run(scenario, load, 0).map(|run| measured(&run)),
        }
    });
    let mut points: Vec<Point> = loads.collect();
    points.extend(estimate.high.as_deref().map(measured));
    points.push(point(runner, present, present_cost_per_day));
    points.sort_by(|one, other| one.multiple.total_cmp(&other.multiple));
    points.dedup_by(|one, other| one.multiple == other.multiple);
    debug_assert!(points.iter().all(|point| point.succeeded <= point.offered), "invariant: {points:?}");
    points
}

/// Returns the point of a run whose day costs this many USD.
fn point(runner: &Runner<'_>, run: &Run, cost_usd_per_day: f64) -> Point {
    let (summary, jobs, attempts) = (&run.summary, &run.summary.jobs, &run.summary.attempts);
    let per_minute = |count: u64| rounded(count as f64 * 60.0 / summary.duration_s, 6);
    Point {
        multiple: rounded(run.multiple, 6),
        offered_jobs_per_min: per_minute(jobs.offered),
        goodput_jobs_per_min: per_minute(jobs.succeeded),
        offered: jobs.offered,
        succeeded: jobs.succeeded,
        failed: jobs.failed,
        shed: jobs.shed,
        limited: attempts.limited,
        attempts: attempts.total,
        cached: jobs.cached,
        p50_s: (summary.latency_s.count > 0).then_some(summary.latency_s.p50),
        p95_s: run.p95_s(),
        cost_usd: summary.charged_usd(),
        cost_usd_per_day: Some(rounded(cost_usd_per_day, 4)),
        holds: run.holds(),
        too_few_jobs: runner.rules.undecidable(jobs.offered).is_some(),
        undecided: run.undecided().cloned(),
    }
}

//! The ceiling curve: whole runs from far below the ceiling to far above it, on one seed.

use super::runner::{Run, Runner};
use super::search::CeilingEstimate;
use super::summary::Point;
use crate::formatting::rounded;
use crate::scenario::Scenario;
use rayon::prelude::*;

/// The loads beside the ceiling, as shares of it: close together around the knee.
const LOADS: [f64; 8] = [0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0, 2.5];

/// The runs at [`LOADS`] around the ceiling (around the present load, where nothing held), the first that broke a
/// rule, and `present`, the one at the present load, by rising multiple.
pub(super) fn curve(
    lab: &Runner<'_>,
    scenario: &Scenario,
    found: &CeilingEstimate,
    present: &Run,
) -> Vec<Point> {
    let knee = Some(found.at_least()).filter(|knee| *knee > 0.0).unwrap_or(1.0);
    let loads = LOADS.par_iter().map(|share| point(&lab.run(scenario, share * knee, 0)));
    let known = found.high.as_deref().into_iter().chain([present]).map(point);
    let mut points: Vec<Point> = loads.collect();
    points.extend(known);
    points.sort_by(|one, other| one.multiple.total_cmp(&other.multiple));
    points.dedup_by(|one, other| one.multiple == other.multiple);
    points
}

/// What the curve keeps of a run.
fn point(trial: &Run) -> Point {
    let (summary, jobs, attempts) = (&trial.summary, &trial.summary.jobs, &trial.summary.attempts);
    let per_minute = |count: u64| rounded(count as f64 * 60.0 / summary.duration_s, 6);
    Point {
        multiple: rounded(trial.multiple, 6),
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
        p95_s: trial.p95_s(),
        cost_usd: summary.cost_usd,
        holds: trial.holds(),
    }
}

//! The measures that are compared with a baseline: what each is, which direction is better, and the smallest change
//! that matters.

use crate::formatting::{number, quantity, rounded, share_of};
use crate::record::{Summary, Unit, measure};
use crate::scenario::{Metric, Time};
use std::cmp::Ordering;

/// One number of a run that is compared with the baseline.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// The name in baselines and reports.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// Which direction is better.
    pub better: Better,
    of: fn(&Summary) -> Option<f64>,
}

/// Which direction of change is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Higher values are better.
    Higher,
    /// Lower values are better.
    Lower,
}

/// The number of measures.
pub(super) const COUNT: usize = 11;

/// The measures, in the order of reports.
pub const MEASURES: [Measure; COUNT] = [
    Measure {
        name: "success",
        unit: Unit::Share,
        better: Better::Higher,
        of: |run| measure(Metric::Success, run),
    },
    Measure {
        name: "goodput",
        unit: Unit::JobsPerSecond,
        better: Better::Higher,
        of: |run| measure(Metric::Goodput, run),
    },
    lower("p50 latency", Unit::Seconds, |run| measure(Metric::Percentile(50, Time::Latency), run)),
    lower("p95 latency", Unit::Seconds, |run| measure(Metric::Percentile(95, Time::Latency), run)),
    lower("p99 latency", Unit::Seconds, |run| measure(Metric::Percentile(99, Time::Latency), run)),
    lower("p95 first_token", Unit::Seconds, |run| measure(Metric::Percentile(95, Time::FirstToken), run)),
    lower("limited share", Unit::Share, |run| measure(Metric::LimitedShare, run)),
    lower("attempts per job", Unit::Times, |run| measure(Metric::AttemptsPerJob, run)),
    lower("fallback share", Unit::Share, |run| measure(Metric::FallbackShare, run)),
    lower("cost", Unit::Usd, |run| measure(Metric::Cost, run)),
    lower("shed share", Unit::Share, |run| share_of(run.jobs.shed, run.jobs.offered)),
];

const fn lower(name: &'static str, unit: Unit, of: fn(&Summary) -> Option<f64>) -> Measure {
    Measure { name, unit, better: Better::Lower, of }
}

/// The values of one run, in the order of [`MEASURES`]; `None` if there was nothing to measure.
pub(super) type Measured = [Option<f64>; COUNT];

/// Takes every measure of a run, rounded to 6 digits after the point, as results are.
pub(super) fn measured(run: &Summary) -> Measured {
    MEASURES.map(|measure| (measure.of)(run).map(|value| rounded(value, 6)))
}

impl Measure {
    /// Returns the change for the worse: positive if `new` is worse than `old`.
    pub(super) fn loss(&self, old: f64, new: f64) -> f64 {
        match self.better {
            Better::Higher => old - new,
            Better::Lower => new - old,
        }
    }
}

/// Returns the smallest change that matters: 0.1 percentage points for shares, 1 % of `old` for everything else, but at
/// least a fixed floor per unit.
pub(super) fn minimum_effect(unit: Unit, old: f64) -> f64 {
    const RELATIVE: f64 = 0.01;
    let floor = match unit {
        Unit::Share => return 0.001,
        Unit::Seconds | Unit::Times => 0.001,
        Unit::Usd => 0.0001,
        Unit::JobsPerSecond => 0.000_01,
    };
    (old.abs() * RELATIVE).max(floor)
}

/// Formats an amount by which a value differs from `old`: in percentage points for shares, as a percentage of `old`
/// for everything else, and as the amount itself if `old` is 0.
pub(super) fn amount(unit: Unit, old: f64, amount: f64) -> String {
    match unit {
        Unit::Share => format!("{} pt", number(amount * 100.0)),
        _ if old == 0.0 => quantity(unit, amount),
        _ => format!("{} %", number(amount / old.abs() * 100.0)),
    }
}

/// Formats a difference with its sign.
pub(super) fn difference(unit: Unit, old: f64, new: f64) -> String {
    let size = amount(unit, old, (new - old).abs());
    match new.total_cmp(&old) {
        Ordering::Less => format!("−{size}"),
        Ordering::Equal => "none".to_owned(),
        Ordering::Greater => format!("+{size}"),
    }
}

//! The measures that are compared with a baseline: what each is, which direction is better, and the smallest change
//! that matters.

use crate::formatting::{number, quantity, rounded, share_of};
use crate::record::{Summary, Unit, measure};
use crate::scenario::{Metric, Time};
use std::cmp::Ordering;

/// One number of a run that is compared with the baseline.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// The name in baselines and other JSON: that of the metric in `expect:`, if there is one.
    pub name: &'static str,
    /// The name in text.
    pub label: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// Which direction is better.
    pub better: BetterDirection,
    value: fn(&Summary) -> Option<f64>,
}

/// Which direction of change is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetterDirection {
    /// Higher values are better.
    Higher,
    /// Lower values are better.
    Lower,
}

/// The number of measures.
pub(super) const COUNT: usize = 12;

/// The measures, in the order of reports.
pub const MEASURES: [Measure; COUNT] = [
    Measure {
        name: "success",
        label: "success",
        unit: Unit::Share,
        better: BetterDirection::Higher,
        value: |run| measure(Metric::Success, run),
    },
    Measure {
        name: "goodput",
        label: "goodput",
        unit: Unit::JobsPerSecond,
        better: BetterDirection::Higher,
        value: |run| measure(Metric::Goodput, run),
    },
    lower_is_better("p50 latency", Unit::Seconds, |run| measure(Metric::Percentile(50, Time::Latency), run)),
    lower_is_better("p95 latency", Unit::Seconds, |run| measure(Metric::Percentile(95, Time::Latency), run)),
    lower_is_better("p99 latency", Unit::Seconds, |run| measure(Metric::Percentile(99, Time::Latency), run)),
    Measure {
        label: "p95 time to first token",
        ..lower_is_better("p95 first_token", Unit::Seconds, |run| {
            measure(Metric::Percentile(95, Time::FirstToken), run)
        })
    },
    Measure {
        label: "share of limited attempts",
        ..lower_is_better("limited share", Unit::Share, |run| measure(Metric::LimitedShare, run))
    },
    lower_is_better("attempts per job", Unit::Times, |run| measure(Metric::AttemptsPerJob, run)),
    lower_is_better("fallback share", Unit::Share, |run| measure(Metric::FallbackShare, run)),
    lower_is_better("cut share", Unit::Share, |run| measure(Metric::CutShare, run)),
    lower_is_better("cost", Unit::Usd, |run| measure(Metric::Cost, run)),
    lower_is_better("shed share", Unit::Share, |run| share_of(run.jobs.shed, run.jobs.offered)),
];

const fn lower_is_better(name: &'static str, unit: Unit, value: fn(&Summary) -> Option<f64>) -> Measure {
    Measure { name, label: name, unit, better: BetterDirection::Lower, value }
}

/// The value of every measure in one run, in the order of [`MEASURES`]; `None` if there was nothing to measure.
pub(super) type Values = [Option<f64>; COUNT];

/// Returns the value of every measure in a run, rounded to 6 decimal places like the numbers of a result.
pub(super) fn values_of(run: &Summary) -> Values {
    MEASURES.map(|measure| (measure.value)(run).map(|value| rounded(value, 6)))
}

impl Measure {
    /// Returns by how much `new` is worse than `old`; negative if it is better.
    pub(super) fn worsening(&self, old: f64, new: f64) -> f64 {
        match self.better {
            BetterDirection::Higher => old - new,
            BetterDirection::Lower => new - old,
        }
    }
}

/// Returns the minimum effect, the smallest change that matters: 0.1 percentage points for shares, 1 % of `old` for
/// everything else, but at least a fixed floor per unit.
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

/// Returns a bound that no value of a run exceeds.
pub(super) const fn max_value(unit: Unit) -> f64 {
    match unit {
        Unit::Share => 1.0,
        Unit::Times => 1e6,
        Unit::Seconds | Unit::JobsPerSecond => 1e12,
        Unit::Usd => 1e18,
    }
}

/// Formats the size of a change from `old`: in percentage points for shares, as a percentage of `old` for everything else,
/// and in `unit` if `old` is 0.
pub(super) fn format_change(unit: Unit, old: f64, size: f64) -> String {
    match unit {
        Unit::Share => format!("{} pt", number(size * 100.0)),
        _ if old == 0.0 => quantity(unit, size),
        _ => format!("{} %", number(size / old.abs() * 100.0)),
    }
}

/// Formats a change with its sign; `none` if the values are equal.
pub(super) fn format_signed_change(unit: Unit, old: f64, new: f64) -> String {
    let size = format_change(unit, old, (new - old).abs());
    match new.total_cmp(&old) {
        Ordering::Less => format!("−{size}"),
        Ordering::Equal => "none".to_owned(),
        Ordering::Greater => format!("+{size}"),
    }
}

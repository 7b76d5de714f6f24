//! What is compared with a baseline: the key measures of a run, which way is better, and how large a
//! change must be to matter to anyone.

use crate::formatting::{number, quantity, rounded, share_of};
use crate::record::{Summary, Unit, measure};
use crate::scenario::{Metric, Time};
use std::cmp::Ordering;

/// One number of a run that a change of policy may move.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// The name in baselines and reports.
    pub name: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    of: fn(&Summary) -> Option<f64>,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The more the better.
    Higher,
    /// The less the better.
    Lower,
}

/// How many measures there are.
pub(super) const COUNT: usize = 11;

/// The key measures, in the order of reports.
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

/// The numbers of one run, in the order of [`MEASURES`].
pub(super) type Measured = [Option<f64>; COUNT];

/// Takes every measure of a run, at the precision of results.
pub(super) fn measured(run: &Summary) -> Measured {
    MEASURES.map(|measure| (measure.of)(run).map(|value| rounded(value, 6)))
}

impl Measure {
    /// How far it went the wrong way: positive is worse.
    pub(super) fn loss(&self, old: f64, new: f64) -> f64 {
        match self.better {
            Better::Higher => old - new,
            Better::Lower => new - old,
        }
    }
}

/// The least change that matters: a tenth of a point for shares, one per cent for all else. Below the
/// floors of the units, a per cent is less than a result can say.
pub(super) fn practical(unit: Unit, old: f64) -> f64 {
    const RELATIVE: f64 = 0.01;
    let floor = match unit {
        Unit::Share => return 0.001,
        Unit::Seconds | Unit::Times => 0.001,
        Unit::Usd => 0.0001,
        Unit::JobsPerSecond => 0.000_01,
    };
    (old.abs() * RELATIVE).max(floor)
}

/// An amount by which a value differs from `old`, in words: points of shares, a share of `old` for all
/// else, or the amount itself where there was nothing.
pub(super) fn amount(unit: Unit, old: f64, amount: f64) -> String {
    match unit {
        Unit::Share => format!("{} pt", number(amount * 100.0)),
        _ if old == 0.0 => quantity(unit, amount),
        _ => format!("{} %", number(amount / old.abs() * 100.0)),
    }
}

/// A difference in words, with its sign.
pub(super) fn difference(unit: Unit, old: f64, new: f64) -> String {
    let size = amount(unit, old, (new - old).abs());
    match new.total_cmp(&old) {
        Ordering::Less => format!("−{size}"),
        Ordering::Equal => "none".to_owned(),
        Ordering::Greater => format!("+{size}"),
    }
}

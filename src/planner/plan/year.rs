//! The months of a growing load: what is bought when, and what it costs.

use super::{FirstViolation, TooFewJobs};
use serde::{Deserialize, Serialize};

/// What to buy in which month while the load grows, and what it costs.
///
/// The first month has the present load. A set of offers is owned in a month only if every rule holds at the load of that month
/// on the scenario's own seed and on all seeds of a proof, from which it follows that at least 95 % of runs hold it, with a
/// confidence of 90 % for every month. Of all orders of such sets this is the cheapest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Year {
    /// The growth, as given: `12%/month`.
    pub rate: String,
    /// Whether each month was simulated as a whole, as that month of the calendar, because a limit per month of the calendar can
    /// bind. If not, a month was represented by runs of the plan's duration at its load.
    #[serde(default, skip_serializing_if = "std::ops::Not::not", rename = "whole_months")]
    pub has_whole_months: bool,
    /// The months that were asked for.
    pub wanted: u32,
    /// The months that are held, from the first one; fewer than [`Self::wanted`] if [`Self::not_held`] or [`Self::undecided`] is
    /// set.
    pub months: Vec<YearMonth>,
    /// The sum of the costs of [`Self::months`].
    #[serde(flatten)]
    pub cost: YearCost,
    /// The fees of commitments that are due after the last of [`Self::months`], in USD; not in [`Self::cost`].
    pub due_later_usd: f64,
    /// The names of the offers; if [`Self::has_own_offers`] is `false`, of what the planner tries itself, without fees.
    pub offers: Vec<String>,
    /// Whether the offers are those of the scenario.
    pub has_own_offers: bool,
    /// The number of sets of offers that can be owned together, the empty one included.
    pub sets: usize,
    /// The first month that no order holds; `None` if all are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_held: Option<NotHeld>,
    /// Why the answer cannot be determined: runs, or the windows of a rule, have too few jobs. `None` if it can. There are no
    /// months then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<TooFewJobs>,
}

/// A month that is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct YearMonth {
    /// Which month and its load.
    #[serde(flatten)]
    pub load: MonthLoad,
    /// Its length in days, by which the cost of a day is multiplied: a twelfth of a year of 365.25 days, or that of the calendar.
    pub days: f64,
    /// What is bought in this month, by name; several copies are repeated.
    pub buy: Vec<String>,
    /// What is owned no more from this month on, whether it was replaced or is not needed.
    pub end: Vec<String>,
    /// What is owned in this month; empty if it is held by the scenario as it is.
    pub owned: Vec<String>,
    /// What is due in this month.
    #[serde(flatten)]
    pub cost: YearCost,
    /// The number of fresh seeds on which every rule holds at this load; all that were simulated.
    pub proof: u32,
    /// The rule that breaks in this month with what was owned in the month before; `None` if nothing changes, or if the change
    /// only saves money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaks_without: Option<FirstViolation>,
}

/// Which month, and its load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonthLoad {
    /// Counted from 1.
    pub month: u32,
    /// In the calendar: `2027-03`; `None` if no first month was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// As a multiple of the present load.
    pub multiple: f64,
    /// In jobs per minute; `None` if a workload has users, whose number grows instead.
    pub jobs_per_min: Option<f64>,
}

/// Costs in USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct YearCost {
    /// Fixed fees, those of commitments to what is not owned any more included.
    pub fees_usd: f64,
    /// What is paid once.
    pub setup_usd: f64,
    /// What is paid by use.
    pub usage_usd: f64,
    /// The sum.
    pub total_usd: f64,
}

/// The first month that no order holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotHeld {
    /// Which month and its load.
    #[serde(flatten)]
    pub load: MonthLoad,
    /// The set that holds the largest load of those that can be bought by then; empty for the scenario as it is.
    pub owned: Vec<String>,
    /// The largest load that it holds on the scenario's own seed, as a multiple; `None` if it holds none that was tried.
    pub holds_up_to: Option<f64>,
    /// The rule that breaks with it at the load of the month.
    pub violation: Option<FirstViolation>,
    /// On how many seeds a rule broke, and how many were simulated, if it holds on the scenario's own seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<FailedProof>,
    /// The offers that cannot be bought by then, but later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<String>,
}

/// A proof that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedProof {
    /// The seeds on which a rule broke.
    pub failing: u32,
    /// The seeds that were simulated.
    pub seeds: u32,
}

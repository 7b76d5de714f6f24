//! The part of a result that is about one target and its limits.

use super::summary::{Counts, Shares, Tokens};
use crate::scenario::Family;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One account × model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// `provider/account/model`.
    pub name: String,
    /// The family with which it shares its limits; `None` if it shares them with no other target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Attempts sent to it.
    pub attempts: u64,
    /// Attempts that succeeded.
    pub ok: u64,
    /// Attempts refused by its limits.
    pub limited: u64,
    /// Attempts that failed in any other way.
    pub failed: u64,
    /// The limited, by axis, or by cause if the reply named no axis.
    pub limited_by: Counts,
    /// Tokens that it charged.
    pub tokens: Tokens,
    /// What it charged, in USD.
    pub cost_usd: f64,
    /// How often the client put it in cool-down.
    pub cool_downs: u64,
    /// Jobs given up while they waited for one of its limits (a pace, or a cool-down after a refusal), or because they would
    /// have waited beyond their deadline, or too long for an answer in time, by axis.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given_up_for: Counts,
    /// Its limits, in the order of reports.
    pub limits: Vec<Limit>,
    /// By axis, what was used ÷ what the limit could have admitted over the run. An adaptive limit counts as if it had its
    /// mean throughout. For limits that a family shares, what all of its targets used counts.
    pub utilisation: Shares,
    /// By axis, the highest used share; above 1 if a settlement overdrew the limit. For an adaptive limit, the highest share at a
    /// sample, of its value at that time.
    pub peak: Shares,
}

/// One limit of a target, as the provider enforces it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// What it counts.
    pub axis: String,
    /// The quantity per window.
    pub limit: u64,
    /// The quantity that is admitted at once.
    pub burst: u64,
    /// The window in seconds; `None` for concurrency.
    pub window_s: Option<f64>,
    /// The mean of an adaptive limit over the run, in units per window; `None` for the others, and in a result of an earlier
    /// version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The highest value that an adaptive limit grows to, in units per window; `None` as [`Self::mean`] is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grows_to: Option<u64>,
    /// The policy by which it refills, as the scenario names it; `calendar_pacific` with the zone, `at_once` for concurrency.
    pub law: String,
}

impl Limit {
    /// Returns `true` if the window is a month of the calendar, which has 28 to 31 days.
    #[must_use]
    pub fn is_per_calendar_month(&self) -> bool {
        self.law.starts_with("calendar") && self.axis.ends_with("month")
    }
}

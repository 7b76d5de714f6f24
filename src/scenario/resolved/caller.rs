//! Who may use the gateway. No simulation, plan, mock or run reads it.

use super::KeySource;
use crate::job::Priority;

/// A caller of the gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// Its name in logs, metrics and on the gateway's page. Unique.
    pub name: String,
    /// Where its key is; never [`KeySource::Written`].
    pub key: KeySource,
    /// The name of the variable, or the path as the scenario writes it.
    pub key_name: String,
    /// The rank of its requests among those that wait.
    pub priority: Priority,
    /// What it may use per day; `None`: as much as the limits allow.
    pub budget: Option<DailyBudget>,
}

/// What a caller may use on one day of UTC. At least one of the two is given in a scenario; the default is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DailyBudget {
    /// US dollars, at most a million; `None`: any sum.
    pub usd: Option<f64>,
    /// Tokens of prompts and completions; `None`: any number.
    pub tokens: Option<u64>,
}

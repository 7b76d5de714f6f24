//! The changes to a scenario that the planner knows (`catalogue`) but did not try, and why.

use serde::{Deserialize, Serialize};

/// A change to the scenario that the planner knows but did not try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UntriedChange {
    /// Moving workloads to the hours from midnight to six.
    MoveToNight,
    /// A cache, and request coalescing.
    CacheAndCoalescing,
}

/// Why a change was not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotTriedReason {
    /// No workload says `deferrable: true`.
    NoDeferrableWorkload,
    /// The run is shorter than a day.
    RunShorterThanADay,
    /// Deferrable workloads arrive in bursts, from users or from a trace, and so have no rate that could be moved.
    NoRateToMove,
    /// No workload repeats a request; traces never do.
    NothingRepeats,
}

//! The part of a plan about closed workloads, whose load is a number of users.

use serde::{Deserialize, Serialize};

/// The load of closed workloads: their users. What users send adapts to the replies, so that the limits bound their throughput
/// and not their number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserLoad {
    /// The users of all closed workloads at the present load.
    pub users: u64,
    /// What the open workloads offer at the present load, in jobs per minute; 0 if every workload is closed.
    pub open_jobs_per_min: f64,
    /// The jobs of closed workloads that succeed at the present load, per minute.
    pub jobs_per_min: f64,
    /// The jobs of closed workloads that the limits admit beside the present load of the open ones, per minute, by arithmetic;
    /// `None` if nothing limits them.
    pub quota_jobs_per_min: Option<f64>,
    /// The number of users from which the limits set the throughput, beside the present load of the open workloads: the least
    /// number, to within 2 %, whose throughput is within 2 % of the quota. `None` if nothing limits it, if the quota is 0,
    /// or if it is not reached by [`Self::tried_users`].
    pub saturation: Option<Saturation>,
    /// The most users with which the throughput was measured.
    pub tried_users: u64,
    /// The ceiling; `None` if none was found.
    pub ceiling: Option<UserCeiling>,
}

/// The number of users from which the limits set the throughput: further users add waiting or failures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// The users.
    pub users: u64,
    /// The jobs of closed workloads that succeed with them, per minute.
    pub jobs_per_min: f64,
}

/// The highest load at which the rules hold, the closed and the open workloads scaled by the same multiple.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserCeiling {
    /// The users; 0 if the rules hold with no number that was tried.
    pub users: u64,
    /// What the open workloads offer at this load, in jobs per minute.
    pub open_jobs_per_min: f64,
    /// As a multiple of the present load.
    pub multiple: f64,
    /// The jobs of all workloads that succeed at this load, per minute.
    pub jobs_per_min: f64,
    /// The share of runs that hold it; `None` if it was found on one seed.
    pub share: Option<f64>,
}

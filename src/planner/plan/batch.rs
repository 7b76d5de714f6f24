//! The part of a plan that is about a batch: when it is done, and with how many workers.

use serde::{Deserialize, Serialize};

/// A batch at the present load of all workloads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchPlan {
    /// The name of the workload.
    pub workload: String,
    /// Its jobs.
    pub jobs: u64,
    /// When its workers begin, in seconds since the run begins.
    pub from_s: f64,
    /// By when it must be finished, in seconds: by its rule, or else by the end of the run.
    pub by_s: f64,
    /// Its present workers.
    pub workers: u32,
    /// The fewest workers that finish it in time, as far as they were tried; `None` if no number that was tried does.
    pub enough: Option<u32>,
    /// The most workers with which every rule but that on its end holds, as far as they were tried; `None` if one is broken with one worker.
    pub bearable: Option<u32>,
    /// `true` if `bearable` is only the highest number that was tried.
    pub bears_all_tried: bool,
    /// What was tried, by increasing number of workers.
    pub tries: Vec<BatchTry>,
}

/// A run with one number of workers, on the scenario's own seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchTry {
    /// The workers.
    pub workers: u32,
    /// Jobs of the batch that ended by the end of the run.
    pub ended: u64,
    /// When the last of its jobs ended, in seconds; `None` if not all of them have.
    pub finished_s: Option<f64>,
    /// The broken rules, without that on the end of the batch.
    pub broken: Vec<String>,
}

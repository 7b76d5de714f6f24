//! Why the simulated ceiling differs from the analytic one, and what bounds bursts.

use serde::{Deserialize, Serialize};

/// One reason why the simulated ceiling is not the analytic one, or one bound on bursts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// The simulated and the analytic ceiling agree.
    Agreement {
        /// The simulated ceiling divided by the analytic one.
        ratio: f64,
    },
    /// They differ; known causes follow.
    Gap {
        /// The simulated ceiling divided by the analytic one.
        ratio: f64,
    },
    /// The first rule to break is not on success, or no limit is known as the cause.
    RuleBreaksFirst {
        /// The rule, as written.
        rule: String,
    },
    /// Arrivals are uneven, and arithmetic uses their mean.
    UnevenArrivals {
        /// The length of the window, in seconds: that of the limit that stops the load, rounded to whole time buckets of the
        /// series, at least one.
        step_s: f64,
        /// The arrivals of the busiest window divided by the mean.
        peak_to_mean: f64,
    },
    /// Just above the ceiling at least half of the jobs that are lost are given up by one bound of the client.
    JobsGivenUp {
        /// The bound of the client.
        #[serde(flatten)]
        bound: GiveUpBound,
        /// The jobs that end by it in the run.
        jobs: u64,
        /// The jobs that fail or are shed in the run.
        lost: u64,
        /// The load of the run, as a multiple.
        multiple: f64,
        /// The attempts that the limit of the first violation refuses in the run; `None` if it refuses none, or none is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refusals: Option<Refusals>,
    },
    /// Jobs are answered from the cache.
    CacheHits {
        /// Their share of all jobs.
        share: f64,
    },
    /// Jobs are coalesced with an identical one.
    Coalesced {
        /// Their share of all jobs.
        share: f64,
    },
    /// Tasks that fail, or whose users leave, end before all their calls are made.
    CallsNotMade {
        /// The workload.
        workload: String,
        /// The share of the calls of its tasks that are not made in the run just above the ceiling.
        share: f64,
    },
    /// The rules allow jobs to fail.
    FailuresAllowed {
        /// The share that may fail.
        share: f64,
    },
    /// Jobs are served after the run, within their deadlines, and arithmetic counts what the limits admit in the run.
    ServedAfterRun {
        /// Their share of the jobs that succeed in the run just above the ceiling.
        share: f64,
    },
    /// Incidents take away capacity that arithmetic counts.
    Incidents {
        /// The number of incidents.
        count: usize,
    },
    /// An adaptive limit grows with its use, and arithmetic assumes it fully grown.
    LimitGrows {
        /// `provider/account/model`.
        target: String,
        /// The axis of the limit.
        axis: String,
        /// What it begins with, per window.
        amount: u64,
        /// The most to which it grows, per window.
        grows_to: u64,
    },
    /// Buckets are full at the start of the run.
    FullBucketsAtStart {
        /// The axis on which this matters most.
        axis: String,
        /// The initial fill divided by everything that the limit allows during the run.
        share: f64,
        /// The duration of the run, in seconds.
        duration_s: f64,
    },
    /// Reservation bounds how many jobs can be in flight at once.
    Reservation {
        /// The workload.
        workload: String,
        /// The target on its route that admits the fewest of its jobs at once.
        target: String,
        /// The axis of the limit that admits the fewest at once.
        #[serde(default = "tpm")]
        axis: String,
        /// Tokens reserved per job on average, of those that the limit counts.
        reserved_tokens: u64,
        /// Tokens used per job on average, of those that the limit counts.
        used_tokens: u64,
        /// The number of jobs whose reservations fit into the full limit.
        jobs_at_once: u64,
    },
}

/// Returns the axis of a reservation in a plan of an earlier version.
fn tpm() -> String {
    "tpm".to_owned()
}

/// A bound by which the client gives jobs up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "bound", rename_all = "snake_case")]
pub enum GiveUpBound {
    /// The attempts per job.
    Attempts {
        /// The most attempts.
        attempts: u8,
    },
    /// The deadline of a job.
    Deadline {
        /// In seconds.
        deadline_s: f64,
    },
    /// The budget of retries.
    RetryBudget,
    /// The length of the queue for the client's concurrency.
    QueueFull,
    /// The client's budget in USD.
    ClientBudget,
}

/// The attempts that a limit refused over a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// `provider/account/model`.
    pub target: String,
    /// The axis of the limit.
    pub axis: String,
    /// Refused attempts; at least one.
    pub attempts: u64,
}

//! Notes on a scenario for the readers of its results.

use super::trace::TraceUnit;
use serde::{Deserialize, Serialize};

/// An assumption of the scenario, or a consequence that its author may not intend. The sentences are in `report::notes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// A model that is used states no latency, so a default is assumed.
    AssumedLatency {
        /// The provider.
        provider: String,
        /// The model.
        model: String,
        /// The assumed time to the first token, in seconds.
        first_token_seconds: f64,
        /// The assumed speed after it.
        tokens_per_second: f64,
    },
    /// Jobs of a workload are too large for a target: it refuses them however long they wait.
    TooLarge {
        /// The workload.
        workload: String,
        /// The target.
        target: String,
        /// The share of the workload's jobs, above 0 and at most 1.
        share: f64,
        /// What bounds the size: `context`, `max_output`, or the axis of a limit.
        bound: String,
        /// The largest size that it admits, in tokens or units of the axis.
        capacity: u64,
        /// The other bounds that some of the jobs exceed as well.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<ExceededBound>,
        /// The `max_tokens` of the jobs.
        max_tokens: Option<u32>,
    },
    /// Jobs of a workload are too large for every target of their route.
    Unservable {
        /// The workload.
        workload: String,
        /// Its route.
        route: String,
        /// The share of its jobs, above 0 and at most 1; with `of_tasks`, of the calls that its tasks have if all run to their end.
        share: f64,
        /// The `max_tokens` of its jobs.
        max_tokens: Option<u32>,
        /// `true` if its jobs are the calls of tasks, which end with a call that fails.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        of_tasks: bool,
    },
    /// No job of a workload can be answered: every answer of every target of its route takes longer than its client waits.
    LateAnswers {
        /// The workload.
        workload: String,
        /// The bound of the client that ends first.
        bound: AnswerBound,
        /// Its length, in seconds.
        bound_s: f64,
        /// The time that every answer takes at least, in seconds.
        shortest_s: f64,
    },
    /// What a workload replays of a trace.
    Trace {
        /// The workload.
        workload: String,
        /// The requests that are replayed.
        replayed: u64,
        /// The requests in the file.
        recorded: u64,
        /// The time from the first request of the file to the last, in seconds, as recorded.
        length_s: f64,
        /// The unit of the times in the file; `None` if they are dates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<TraceUnit>,
        /// The requests that `rate` drops.
        #[serde(default)]
        dropped_by_rate: u64,
        /// The kept requests beyond the end of the run.
        #[serde(default)]
        after_end: u64,
        /// The replayed requests without completion tokens.
        #[serde(default)]
        without_completion: u64,
    },
    /// What a workload replays of a trace of sessions.
    SessionTrace {
        /// The workload.
        workload: String,
        /// The sessions that are replayed.
        replayed: u64,
        /// Their calls, if every task succeeds and none begins after the end of the run.
        replayed_calls: u64,
        /// The sessions in the file.
        recorded: u64,
        /// The calls in the file.
        recorded_calls: u64,
        /// The time from the first call of the file to the last, in seconds, as recorded.
        length_s: f64,
        /// The unit of the times in the file; `None` if they are dates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<TraceUnit>,
        /// The sessions that `rate` drops.
        dropped_by_rate: u64,
        /// The kept sessions that begin after the end of the run.
        after_end: u64,
        /// The calls of the file that failed or state no prompt tokens, and are not replayed.
        failed_calls: u64,
        /// The sessions of the file without any other call.
        empty: u64,
        /// The other calls of the file that were sent before a call before them had ended, and are replayed one after another.
        overlapping: u64,
    },
    /// The steps of a workload are within the first day of a run of several days, and do not repeat.
    LastStep {
        /// The workload.
        workload: String,
        /// When its last step begins, in seconds from the start of the run.
        at_s: f64,
        /// The duration of the run, in seconds.
        run_s: f64,
    },
    /// A provider with an address that is not this machine has keys that are written in the scenario, which are for mocks.
    WrittenKeys {
        /// The provider.
        provider: String,
        /// Its address.
        base_url: String,
        /// Its keys that are written, at least one.
        written: u64,
        /// All its keys.
        keys: u64,
        /// Whether the only key is named `default`, as the key of a scenario that describes no account is.
        assumed: bool,
    },
    /// A provider is reached without encryption on another machine.
    Unencrypted {
        /// The provider.
        provider: String,
        /// Its address.
        base_url: String,
    },
    /// Keys in the scenario look like those of a real provider.
    RealKeys {
        /// The provider.
        provider: String,
        /// The first of them, masked.
        first: String,
        /// The number of them, at least one.
        keys: u64,
    },
    /// A client has a budget in USD, which the analytic ceiling does not know.
    ClientBudget {
        /// The client.
        client: String,
        /// What it may spend in an hour, in USD.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usd_per_hour: Option<f64>,
        /// What it may spend in a day, in USD.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usd_per_day: Option<f64>,
        /// The targets of its jobs that state no price, which it counts as free.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        free: Vec<String>,
        /// The targets at which nothing bounds the completion of some of its jobs, which can exceed the budget.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unbounded: Vec<String>,
    },
    /// A note in a result of an earlier version, which stored sentences.
    #[serde(untagged)]
    Sentence(String),
}

/// A bound of a client on the time of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerBound {
    /// The deadline of a job.
    Deadline,
    /// The longest time of an attempt.
    AttemptTimeout,
    /// The longest time of an attempt, which is a share of the deadline.
    ShareOfDeadline,
}

/// A bound on the size of a call that some jobs exceed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExceededBound {
    /// What bounds the size: `context`, `max_output`, or the axis of a limit.
    pub bound: String,
    /// The largest size that it admits, in tokens or units of the axis.
    pub capacity: u64,
    /// The share of the workload's jobs that exceed it, above 0 and at most 1.
    pub share: f64,
}

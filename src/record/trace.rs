//! The trace of one job in a result: what happened to it, in order.

use crate::event::WaitReason;
use serde::{Deserialize, Serialize};

/// One job and what happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobTrace {
    /// Its number, in order of arrival from zero.
    pub job: u64,
    /// The name of its workload.
    pub workload: String,
    /// Its scheduled arrival, in seconds since the run began.
    pub scheduled_s: f64,
    /// From the scheduled arrival to its end, in seconds.
    pub latency_s: f64,
    /// Tokens of its prompt, as the client estimates them.
    pub prompt_tokens: u32,
    /// Attempts sent.
    pub attempts: u8,
    /// `succeeded`, `failed` or `shed`.
    pub verdict: String,
    /// Why it was given up; `None` if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened, in order of time; the last is how it ended.
    #[serde(rename = "moments")]
    pub events: Vec<TraceEvent>,
}

/// One event of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// When, in seconds since the job's scheduled arrival.
    pub at_s: f64,
    /// What happened.
    #[serde(flatten)]
    pub kind: TraceEventKind,
}

/// What can happen to a job, with the names of the event log, except that a reply is `served`, `limited` or `failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TraceEventKind {
    /// It arrived.
    Arrived,
    /// It waits in the queue of the client's concurrency limit.
    Queued {
        /// Queue length, this job included.
        waiting: u32,
    },
    /// It waits for an instant before it is sent.
    Waiting {
        /// Until when, in seconds since the job's scheduled arrival.
        until_s: f64,
        /// For what.
        why: WaitReason,
        /// `true` if it waits longer when its targets cool down again or are being probed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        may_extend: bool,
    },
    /// Its attempt has not answered for long: the attempt that is sent next is a hedge beside it.
    Hedged,
    /// An attempt was sent.
    Sent {
        /// `provider/account/model`.
        target: String,
        /// The number of the attempt, from one.
        attempt: u8,
    },
    /// The attempt succeeded.
    Served {
        /// `provider/account/model`.
        target: String,
    },
    /// A limit refused the attempt.
    Limited {
        /// `provider/account/model`.
        target: String,
        /// The axis of the limit; the cause if the reply named no axis.
        by: String,
    },
    /// The attempt failed in another way.
    Failed {
        /// `provider/account/model`.
        target: String,
        /// `status_503`, `connection`, `timeout`, `garbage`, `local_ports`.
        failure: String,
    },
    /// The client cancelled the attempt.
    Abandoned {
        /// `provider/account/model`.
        target: String,
    },
    /// The job moved on to a later step of its route.
    FellBack {
        /// The number of that step, from one.
        step: u16,
    },
    /// The client's cache had the answer.
    CacheHit,
    /// It waits for the answer to an identical job.
    #[serde(rename = "joined")]
    Coalesced {
        /// The number of that job.
        leader: u64,
    },
    /// Its leader ended without an answer, so the job continues on its own, and leads the other followers.
    #[serde(rename = "took_over")]
    Promoted {
        /// The number of the former leader.
        leader: u64,
    },
    /// Events that are left out, from the middle of a long trace.
    LeftOut {
        /// How many.
        events: u32,
    },
    /// It ended.
    Done {
        /// `succeeded`, `failed` or `shed`.
        verdict: String,
        /// Why it was given up; `None` if it succeeded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A sentence, in a result of an earlier version.
    #[serde(untagged)]
    Sentence {
        /// The sentence.
        what: String,
    },
}

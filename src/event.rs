//! The one stream that a run produces. The recorder, the series, the audit, the log and every report
//! are folds over it.

use crate::ids::{AttemptId, ClassId, JobId, TargetId};
use provider::{Axis, Instant, Nanos, Usage};
use serde::{Deserialize, Serialize};

/// One thing that happened to one job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// When; never earlier than the event before it.
    pub at: Instant,
    /// To which job.
    pub job: JobId,
    /// What.
    pub kind: EventKind,
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventKind {
    /// The schedule delivered it.
    Arrived {
        /// Its workload.
        class: ClassId,
        /// When the schedule wanted it (earlier than now only where a live driver lags).
        scheduled: Instant,
        /// Estimated prompt tokens.
        prompt_tokens: u32,
        /// The bound on the completion.
        max_tokens: Option<u32>,
    },
    /// Every place of the concurrency cap is taken; it waits in line.
    Queued {
        /// How many wait now, this one included.
        waiting: u32,
    },
    /// It sleeps until an instant.
    Waiting {
        /// Until when.
        until: Instant,
        /// For what.
        why: WaitReason,
    },
    /// An attempt left for a target.
    Sent {
        /// The attempt.
        attempt: AttemptId,
        /// Where to.
        target: TargetId,
        /// Which step of the route, from zero.
        step: u8,
        /// The how-many-eth attempt of the job, from one.
        number: u8,
    },
    /// The world's side: the provider decided on the attempt.
    Decided {
        /// The attempt.
        attempt: AttemptId,
        /// Where.
        target: TargetId,
        /// The decision.
        ruled: RecordedDecision,
    },
    /// The world's side: an admitted attempt ended at the provider and its reservation was settled.
    Settled {
        /// The attempt.
        attempt: AttemptId,
        /// Where.
        target: TargetId,
        /// What it really used.
        usage: Usage,
    },
    /// The reply of an attempt reached the engine.
    Replied {
        /// The attempt.
        attempt: AttemptId,
        /// From where.
        target: TargetId,
        /// How it went.
        outcome: AttemptOutcome,
        /// What it used; zero unless it succeeded.
        usage: Usage,
    },
    /// The engine gave an attempt up before its reply came.
    Abandoned {
        /// The attempt.
        attempt: AttemptId,
        /// To where it had been sent.
        target: TargetId,
    },
    /// A target rests: nothing is sent to it before the instant.
    CooledDown {
        /// Which.
        target: TargetId,
        /// Until when.
        until: Instant,
        /// WaitReason.
        cause: LimitCause,
    },
    /// The job left a step of its route for a later one.
    FellBack {
        /// The step left, from zero.
        from: u8,
        /// The step taken.
        to: u8,
    },
    /// The cache answered; nothing was sent.
    CacheHit,
    /// An identical job is under way: this one is not sent, but stands by for that one's answer.
    Coalesced {
        /// The job that goes on for both.
        leader: JobId,
    },
    /// The job that it followed was given up: it goes on by itself, and whoever followed that one follows it.
    Promoted {
        /// The job that was given up.
        leader: JobId,
    },
    /// It is over.
    Done(JobEnd),
}

/// How a job ended and where its time went. `queue + wait + service + lost` is its whole latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobEnd {
    /// How it ended.
    pub verdict: JobOutcome,
    /// Its workload.
    pub class: ClassId,
    /// When the schedule wanted it.
    pub scheduled: Instant,
    /// Attempts made.
    pub attempts: u8,
    /// The step of the route that served it, from zero; `None` unless an attempt succeeded.
    pub step: Option<u8>,
    /// Time in line for a place of the concurrency cap.
    pub queue: Nanos,
    /// Time asleep (back-off, cool-down, pacing), or standing by for the answer to an identical job.
    pub wait: Nanos,
    /// Time of the attempt that succeeded, from send to the end of its reply.
    pub service: Nanos,
    /// Time in attempts that did not succeed.
    pub lost: Nanos,
    /// From the schedule to the first token of the reply; `None` unless it succeeded.
    pub first_token: Option<Nanos>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// Answered.
    Succeeded,
    /// Given up after at least one send.
    Failed(EndReason),
    /// Given up before any send.
    Shed(EndReason),
    /// Still under way when the run was over.
    InFlight,
}

/// WaitReason a job was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The deadline passed, or no move could end before it.
    Deadline,
    /// Every allowed attempt was made.
    Attempts,
    /// The retry budget was empty.
    RetryBudget,
    /// The line for the concurrency cap was full.
    QueueFull,
    /// The provider says it can never work (too large, wrong key, wrong model, bad request), on every target.
    Rejected,
}

/// What a job sleeps for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The back-off after a failed attempt.
    BackOff,
    /// The end of a target's cool-down.
    CoolDown,
    /// Its turn on a paced target.
    Pace,
}

/// The provider's decision as the world records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedDecision {
    /// Admitted, with this many tokens reserved.
    Admitted {
        /// Tokens reserved at admission.
        reserved: u64,
    },
    /// Refused by an axis.
    Refused {
        /// Which.
        axis: Axis,
        /// How much was asked of it.
        requested: u64,
    },
    /// It does not fit the model.
    TooLong,
    /// A fault answered.
    Faulted,
}

/// How an attempt went, as the engine reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Served.
    Ok,
    /// Refused by a limit.
    Limited {
        /// The axis, where the reply names it.
        axis: Option<Axis>,
        /// What kind of limit.
        cause: LimitCause,
    },
    /// Anything else.
    Failed(AttemptFailure),
}

/// WaitReason a reply was not a success: the words of `explain --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitCause {
    /// A limit per minute or hour.
    MinuteLimit,
    /// A limit per day.
    DayLimit,
    /// Too many requests at once.
    Concurrency,
    /// The provider is out of capacity or broken.
    Overload,
    /// No money or no scenario.
    Billing,
    /// More than the limit itself in one call: waiting never helps.
    TooLarge,
    /// The model is not in this account's scenario.
    NotInTier,
    /// The key is wrong or may not.
    Auth,
    /// Anything else.
    Other,
}

impl LimitCause {
    /// The word of `explain --json` and of results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MinuteLimit => "minute_limit",
            Self::DayLimit => "day_limit",
            Self::Concurrency => "concurrency",
            Self::Overload => "overload",
            Self::Billing => "billing",
            Self::TooLarge => "too_large",
            Self::NotInTier => "not_in_tier",
            Self::Auth => "auth",
            Self::Other => "other",
        }
    }
}

/// A failed attempt that no limit explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttemptFailure {
    /// This status.
    Status(u16),
    /// The connection broke before the reply was whole.
    Connection,
    /// The engine's deadline came first.
    Timeout,
    /// A success that could not be read.
    Garbage,
}

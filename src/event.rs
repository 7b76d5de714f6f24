//! The event stream of a run: what happened to each job, in order. The recorder, the series, the audit and the event log
//! are folds over it ([`crate::record::Fold`]).
//!
//! The engine emits all events except [`EventKind::Decided`] and [`EventKind::Settled`], which the driver emits for the
//! provider, [`EventKind::Task`], and the two events of a job that a late load generator sheds. Instants never decrease from one event to the next (law 4).

mod hedge_use;
mod local_failure;
mod task;

use crate::ids::{AttemptId, EngineId, JobId, TargetId, WorkloadId};
pub use hedge_use::HedgeUse;
pub use local_failure::LocalFailure;
use provider::{Axis, Instant, Nanos, Usage};
use serde::{Deserialize, Serialize};
pub use task::{TaskEnd, TaskEvent, TaskOutcome, TaskStart};

/// One event of one job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Never earlier than that of the event before.
    pub at: Instant,
    /// The job that the event belongs to.
    pub job: JobId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventKind {
    /// It reached the engine.
    Arrived {
        /// Its workload.
        workload: WorkloadId,
        /// The engine that handles it.
        engine: EngineId,
        /// Its scheduled arrival; earlier than the event only if a live driver lags.
        scheduled: Instant,
        /// Its own deadline; `None`: the client's, counted from `scheduled`.
        deadline: Option<Instant>,
        /// Estimated prompt tokens.
        prompt_tokens: u32,
        /// The bound on the completion, in tokens; `None` if the client sets none.
        max_tokens: Option<u32>,
    },
    /// The concurrency limit is reached; the job queues.
    Queued {
        /// Queue length, this job included.
        waiting: u32,
    },
    /// It waits for an instant before it is sent.
    Waiting {
        /// The end of the wait; the expected one if `may_extend`.
        until: Instant,
        /// What it waits for.
        obstacle: Obstacle,
        /// `true` if the wait may last beyond `until`: because the targets cool down again or are being probed, or because
        /// interactive jobs reserve the sends of a paced target first. No further event is logged then.
        may_extend: bool,
    },
    /// An attempt was sent.
    Sent {
        /// Unique within the run.
        attempt: AttemptId,
        /// The target that it was sent to.
        target: TargetId,
        /// The step of the route, from zero.
        step: u8,
        /// The n-th attempt of the job, from one.
        number: u8,
    },
    /// An attempt of the job has not answered for long: a hedge is sent beside it, which is the next event.
    Hedged {
        /// The hedge.
        attempt: AttemptId,
        /// The attempt that has not answered, which is in flight.
        beside: AttemptId,
    },
    /// The provider decided on an attempt.
    Decided {
        /// The attempt.
        attempt: AttemptId,
        /// Its target.
        target: TargetId,
        /// What the provider decided.
        decision: ProviderDecision,
    },
    /// An admitted attempt ended at the provider, which settled its reservation.
    Settled {
        /// The attempt.
        attempt: AttemptId,
        /// Its target.
        target: TargetId,
        /// The workload of its job.
        workload: WorkloadId,
        /// The tokens that it used.
        usage: Usage,
    },
    /// The first byte of an answer reached the caller: no retry or fallback can follow. Emitted only for clients that
    /// pass answers on as they arrive; simulated and live runs collect whole answers.
    FirstByte {
        /// The attempt that is being answered.
        attempt: AttemptId,
        /// Its target.
        target: TargetId,
    },
    /// The reply to an attempt reached the engine, or the time allowed for the attempt passed without one.
    Replied {
        /// The attempt.
        attempt: AttemptId,
        /// Its target.
        target: TargetId,
        /// The result as the engine reads it.
        outcome: AttemptOutcome,
        /// The tokens that it used; zero unless it succeeded.
        usage: Usage,
    },
    /// The engine cancelled an attempt before its reply arrived, because its job was cancelled or reached its deadline, or
    /// another attempt of the job answered first.
    AttemptCancelled {
        /// The attempt.
        attempt: AttemptId,
        /// Its target.
        target: TargetId,
    },
    /// A cool-down of a target begins or is extended: nothing is sent to it before an instant.
    CoolDownBegan {
        /// The target.
        target: TargetId,
        /// The end of the cool-down.
        until: Instant,
        /// What caused it.
        cause: RefusalCause,
    },
    /// The job left a step of its route for a later one.
    FellBack {
        /// The step left, from zero.
        from: u8,
        /// The step taken.
        to: u8,
    },
    /// The response cache had the answer; nothing is sent.
    CacheHit,
    /// An identical job is in flight: this one follows it and waits for its answer.
    Coalesced {
        /// The job that it follows.
        leader: JobId,
    },
    /// The job that it followed ended without an answer. It leads the other followers from now on.
    Promoted {
        /// The job that led before.
        leader: JobId,
        /// The attempt of the cancelled leader that it takes over; `None`: it starts with no attempt.
        attempt: Option<AttemptId>,
    },
    /// It ended.
    Done(JobEnd),
    /// The task that it belongs to begins with it or has ended.
    Task(TaskEvent),
}

/// How a job ended and where its time went: `queue + wait + service + failed_attempts` is its latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobEnd {
    /// Answered or not, with the reason if not.
    pub outcome: JobOutcome,
    /// Its workload.
    pub workload: WorkloadId,
    /// Its scheduled arrival.
    pub scheduled: Instant,
    /// Attempts made, an attempt taken over from a cancelled leader included.
    pub attempts: u8,
    /// Of those, attempts whose reply was a refusal.
    pub refused: u8,
    /// Whether one of them was a hedge.
    pub hedge: HedgeUse,
    /// The step of the route that served it, from zero; `None` unless an attempt of its own succeeded.
    pub step: Option<u8>,
    /// Time in the queue of the concurrency limit, and the lag of a live driver before its arrival.
    pub queue: Nanos,
    /// Time in waits: for the end of a back-off, a cool-down or a probe, for a paced send, or for an identical job.
    pub wait: Nanos,
    /// Time of the attempt that succeeded, from the send, or from the handover by a cancelled leader, to the end of the reply.
    pub service: Nanos,
    /// Time in attempts that did not serve it: failed, cancelled, handed over, or in flight when the run ended.
    pub failed_attempts: Nanos,
    /// Time from the scheduled arrival to the first token of the answer; `None` unless it succeeded.
    pub first_token: Option<Nanos>,
    /// `true` if its answer was cut: by `max_tokens`, the longest completion of the model, or its context. `false` unless it succeeded.
    pub cut: bool,
    /// What the job waited for when it was given up or the run ended, or would have waited for beyond its deadline, or too long
    /// for an answer in time; `None` if it ended otherwise, in an attempt, or in the queue.
    pub obstacle: Option<Obstacle>,
}

impl JobEnd {
    /// Returns the end of a job for which no attempt was made, and no time passed.
    #[must_use]
    pub const fn without_attempt(outcome: JobOutcome, workload: WorkloadId, scheduled: Instant) -> Self {
        Self {
            outcome,
            workload,
            scheduled,
            attempts: 0,
            refused: 0,
            hedge: HedgeUse::None,
            step: None,
            queue: Nanos::ZERO,
            wait: Nanos::ZERO,
            service: Nanos::ZERO,
            failed_attempts: Nanos::ZERO,
            first_token: None,
            cut: false,
            obstacle: None,
        }
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// Answered.
    Succeeded,
    /// Given up after at least one attempt.
    Failed(EndReason),
    /// Given up before any attempt.
    Shed(EndReason),
    /// Still in flight when the run ended.
    InFlight,
}

/// The reason for which a job ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The deadline was reached, or the next possible send was not before it.
    Deadline,
    /// All allowed attempts were made.
    Attempts,
    /// The retry budget was empty.
    RetryBudget,
    /// The queue of the concurrency limit was full.
    QueueFull,
    /// No target of the route can ever serve it (too large, wrong key, unknown model, malformed request).
    Rejected,
    /// The caller cancelled it.
    Cancelled,
    /// The answer broke off after its first byte had reached the caller.
    Interrupted,
    /// The load generator of a live run was so far behind its schedule that it did not send the job.
    GeneratorLag,
    /// The budget of the client in USD did not allow it before its deadline, or never.
    ClientBudget,
}

/// What a job waits for before it can be sent. If several targets are blocked, it is the obstacle at the target that becomes free
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The target that it waits for.
    pub target: TargetId,
    /// What it waits for at that target.
    pub why: WaitReason,
    /// The axis of the limit that it waits for: for a pace the one that binds, for a cool-down the one that refused.
    /// `None` if no limit is known, or the wait is not for one.
    pub axis: Option<Axis>,
    /// The cause of the cool-down; `None` for other waits.
    pub cause: Option<RefusalCause>,
}

/// The kind of an [`Obstacle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The end of a back-off: after an attempt that did not serve the job, or, for a batch job, because an interactive job that
    /// waits for the target goes first.
    BackOff,
    /// The end of a target's cool-down.
    CoolDown,
    /// The instant at which the pace of the target allows the send.
    Pace,
    /// The reply to the probe of an ejected target.
    Probe,
    /// The window of the client's budget in USD in which the send fits, or what attempts in flight give back to it.
    ClientBudget,
}

/// The provider's decision, as events record it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderDecision {
    /// Admitted.
    Admitted {
        /// Tokens reserved at admission.
        reserved: u64,
    },
    /// Refused by a limit.
    Refused {
        /// The axis of the limit.
        axis: Axis,
        /// The amount requested of it.
        requested: u64,
    },
    /// Longer than the model's context or output.
    TooLong,
    /// An injected fault replaced the decision.
    Faulted,
}

/// The result of an attempt, as the engine reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Served.
    Ok,
    /// Refused by a limit, or for another [`RefusalCause`] that the reply shows.
    Refused {
        /// The axis of the limit, if the reply names it.
        axis: Option<Axis>,
        /// The cause.
        cause: RefusalCause,
    },
    /// Failed otherwise.
    Failed(AttemptFailure),
}

/// The cause of a refusal, named as in `explain --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCause {
    /// A limit over at most an hour: per second, minute or hour.
    #[serde(rename = "minute_limit")]
    ShortLimit,
    /// A limit per day.
    DayLimit,
    /// The allowance of a plan over some hours, a week or a month.
    Allowance,
    /// Too many requests at once.
    Concurrency,
    /// The provider is overloaded or failing.
    Overload,
    /// No credit, or no payment plan.
    Billing,
    /// One call exceeds the limit itself: no wait helps.
    TooLarge,
    /// The model is not available to this account.
    NotInTier,
    /// The key is wrong or lacks permission.
    Auth,
    /// The quota that replicas of the gateway share is used up; the provider was not asked.
    SharedQuota,
    /// Another replica of the gateway has put the target in cool-down; the provider was not asked.
    SharedCoolDown,
    /// Not recognised.
    Other,
}

impl RefusalCause {
    /// Returns `true` for the causes that imply a limit with a window.
    #[must_use]
    pub const fn is_window_limit(self) -> bool {
        matches!(self, Self::ShortLimit | Self::DayLimit | Self::Allowance)
    }

    /// Returns the name in `explain --json` and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShortLimit => "minute_limit",
            Self::DayLimit => "day_limit",
            Self::Allowance => "allowance",
            Self::Concurrency => "concurrency",
            Self::Overload => "overload",
            Self::Billing => "billing",
            Self::TooLarge => "too_large",
            Self::NotInTier => "not_in_tier",
            Self::Auth => "auth",
            Self::SharedQuota => "shared_quota",
            Self::SharedCoolDown => "shared_cool_down",
            Self::Other => "other",
        }
    }
}

/// A failure of an attempt that is not [`AttemptOutcome::Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttemptFailure {
    /// The HTTP status of an error, or the one that an error inside a success states or implies; 404 for a model that was
    /// withdrawn.
    Status(u16),
    /// There was no connection, or the reply broke off before its end.
    Connection,
    /// No reply within the time allowed for one attempt, or before the deadline of the job.
    Timeout,
    /// A success that could not be parsed, or that states no usage.
    Garbage,
    /// The request was not sent: this machine lacks what a connection needs.
    Local(LocalFailure),
}

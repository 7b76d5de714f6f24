//! The reply to an attempt, reduced to what routing needs: made by [`super::parse`] from an HTTP response, by a driver from
//! a simulated decision, or by [`Reply::failed`] for an attempt without one.

use crate::event::{AttemptFailure, AttemptOutcome, RefusalCause};
use crate::scenario::Retry;
use provider::decision::HeaderRemaining;
use provider::{Axis, Instant, Nanos, Usage};
use serde::{Deserialize, Serialize};

/// The reply to one attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reply {
    /// The result: served, refused by a limit, or failed.
    pub outcome: AttemptOutcome,
    /// The wait that the server named, in its message or its headers; `None` if it named none.
    pub wait: Option<Wait>,
    /// The wait in `retry-after-ms` or `retry-after` alone, which is all that SDKs read; `None` without these headers.
    pub header_wait: Option<Nanos>,
    /// The numbers of the limit that refused; `None` if the reply is not a refusal, or does not state both the limit and the
    /// amount requested.
    pub limit: Option<LimitNumbers>,
    /// What the headers state about the remaining quota.
    pub remaining: HeaderRemaining,
    /// The tokens that the attempt used; zero unless it succeeded.
    pub usage: Usage,
    /// `true` if the answer was cut: it ends at `max_tokens`, at the longest completion of the model, or at the end of its
    /// context. `false` unless the attempt succeeded.
    pub cut: bool,
    /// The size of the answer in a response cache, in bytes: zero if the driver has no bodies. `None` if it may not be stored.
    /// Not read unless the attempt succeeded.
    pub stored_bytes: Option<u32>,
    /// The arrival of the first token; the instant of the reply itself if it was not streamed.
    pub first_token_at: Instant,
}

/// A wait that a server named. Servers name waits of different kinds; the length alone is not enough to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Counted from the reply.
    pub length: Nanos,
    /// What is true when the wait ends.
    pub kind: WaitKind,
}

/// The kind of a wait: what is true when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// This request would be admitted.
    #[serde(rename = "until_enough")]
    UntilAdmitted,
    /// The limit is at its full quota.
    UntilFull,
    /// The fixed window ends.
    UntilWindowEnds,
    /// A suggestion of the server, not derived from a limit.
    Suggested,
    /// Nothing of use: no wait helps, or the limit takes longer to recover.
    Meaningless,
}

impl WaitKind {
    /// Returns the name in `explain --json`, which is that of a recording as well.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UntilAdmitted => "until_enough",
            Self::UntilFull => "until_full",
            Self::UntilWindowEnds => "until_window_ends",
            Self::Suggested => "suggested",
            Self::Meaningless => "meaningless",
        }
    }
}

/// The numbers of the limit that refused an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitNumbers {
    /// The axis of the limit; `None` if the reply does not name it.
    pub axis: Option<Axis>,
    /// The limit, in the unit of the axis.
    pub limit: u64,
    /// The amount used before; `None` if the reply does not state it, as for a request that exceeds the limit itself.
    pub used: Option<i64>,
    /// The amount requested.
    pub requested: u64,
}

/// What a reply means for its target and for the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyClass {
    /// The job is answered.
    Served,
    /// The target has no quota left for now; the job may be sent to it later, or to another.
    RateLimited,
    /// The target fails for now; the job may be sent to it later, or to another.
    Unhealthy,
    /// This target will never serve this job; another may.
    TargetPermanent,
    /// No target will ever serve this job.
    Permanent,
    /// The attempt was not sent, which says nothing about the target; the job may be sent later.
    NotSent,
}

/// How an attempt ended, for the average latency of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptEnd {
    /// Its reply served the job.
    Served,
    /// It was refused, or failed for now.
    Failed,
    /// It was cancelled, not sent, or answered with an error of the request: its time says only that an answer takes longer.
    Unknown,
}

impl ReplyClass {
    /// Classifies the result of an attempt for the next action.
    ///
    /// The classes follow what providers document. Two mistakes of other routers are avoided: a 413 treated as a 429
    /// waits in vain, and a 400 that is retried never succeeds.
    pub(super) const fn of(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Ok => Self::Served,
            AttemptOutcome::Refused { cause, .. } => match cause {
                RefusalCause::ShortLimit
                | RefusalCause::DayLimit
                | RefusalCause::Allowance
                | RefusalCause::Concurrency
                | RefusalCause::SharedQuota
                | RefusalCause::SharedCoolDown
                | RefusalCause::Other => Self::RateLimited,
                RefusalCause::Overload => Self::Unhealthy,
                RefusalCause::Billing
                | RefusalCause::TooLarge
                | RefusalCause::NotInTier
                | RefusalCause::Auth => Self::TargetPermanent,
            },
            AttemptOutcome::Failed(AttemptFailure::Status(401..=404 | 407 | 410 | 413 | 451)) => {
                Self::TargetPermanent
            }
            AttemptOutcome::Failed(AttemptFailure::Status(status)) if is_permanent_status(status) => {
                Self::Permanent
            }
            AttemptOutcome::Failed(AttemptFailure::Local(_)) => Self::NotSent,
            AttemptOutcome::Failed(_) => Self::Unhealthy,
        }
    }

    /// Returns what the end of the attempt says about the latency of its target.
    pub(super) const fn attempt_end(self) -> AttemptEnd {
        match self {
            Self::Served => AttemptEnd::Served,
            Self::RateLimited | Self::Unhealthy => AttemptEnd::Failed,
            Self::TargetPermanent | Self::Permanent | Self::NotSent => AttemptEnd::Unknown,
        }
    }
}

/// Returns `true` if the same request is answered with this status again, whenever it is sent: a client error, other than those
/// that concern the connection or the moment (RFC 9110: 408 Request Timeout, 421 Misdirected Request; RFC 4918: 423 Locked, 424
/// Failed Dependency; RFC 8470: 425 Too Early; RFC 6585: 429 Too Many Requests) and nginx's 499.
pub(crate) const fn is_permanent_status(status: u16) -> bool {
    matches!(status, 400..=407 | 409..=420 | 422 | 426..=428 | 431 | 451)
}

impl Reply {
    /// Returns the reply of an attempt that failed at `at`, without a wait, numbers or usage.
    #[must_use]
    pub fn failed(at: Instant, failure: AttemptFailure) -> Self {
        Self {
            outcome: AttemptOutcome::Failed(failure),
            wait: None,
            header_wait: None,
            limit: None,
            remaining: HeaderRemaining::default(),
            usage: Usage::default(),
            cut: false,
            stored_bytes: None,
            first_token_at: at,
        }
    }

    /// Returns `true` if the attempt was refused.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self.outcome, AttemptOutcome::Refused { .. })
    }

    /// Classifies the reply for the next action.
    pub(super) const fn class(&self) -> ReplyClass {
        ReplyClass::of(self.outcome)
    }

    /// Returns the wait that a client with this policy obeys; `None` if the client obeys none, or the server named no usable
    /// one, or a longer one than the client obeys.
    ///
    /// [`WaitKind::UntilFull`] is not usable: one request fits long before the limit is at its full quota. If `n` requests
    /// per minute are used up, OpenAI's reset names `n` times the wait that one request needs. The client's own back-off
    /// applies instead. An exhausted allowance is the exception: attempts before it is full would be refused for hours. For a
    /// client that reads only the headers, the kind does not matter.
    pub(super) fn obeyed_wait(&self, retry: &Retry) -> Option<Nanos> {
        let is_allowance =
            matches!(self.outcome, AttemptOutcome::Refused { cause: RefusalCause::Allowance, .. });
        let usable = || {
            let Wait { length, kind } = self.wait?;
            match kind {
                WaitKind::UntilFull if is_allowance => Some(length),
                WaitKind::UntilAdmitted | WaitKind::UntilWindowEnds | WaitKind::Suggested => Some(length),
                WaitKind::UntilFull | WaitKind::Meaningless => None,
            }
        };
        let stated = if retry.stated_wait.headers_only { self.header_wait } else { usable() };
        let is_obeyed = |wait: &Nanos| {
            retry.obey_retry_after && retry.stated_wait.longest.is_none_or(|longest| *wait <= longest)
        };
        stated.filter(is_obeyed)
    }
}

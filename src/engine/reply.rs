//! What came back from an attempt, as far as routing cares: one small typed value, made by
//! [`super::parse`] from a real response or handed over by a simulation.

use crate::event::{AttemptFailure, AttemptOutcome, LimitCause};
use provider::decision::Remaining;
use provider::{Axis, Instant, Nanos, Usage};

/// The reply to one attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reply {
    /// How it went.
    pub outcome: AttemptOutcome,
    /// What the server says about when to come back.
    pub wait: Option<Wait>,
    /// What the refusal told about the limit that refused.
    pub told: Option<LimitNumbers>,
    /// What the headers told about the limits.
    pub remaining: Remaining,
    /// What was used; zero unless it succeeded.
    pub usage: Usage,
    /// When the first token came; the instant of the reply itself where nothing was streamed.
    pub first_token_at: Instant,
}

/// A wait and what it means. The number is worth nothing without the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How long, from the reply.
    pub length: Nanos,
    /// Until what.
    pub meaning: WaitKind,
}

/// Until what a server asks to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKind {
    /// Until this very call would be admitted.
    UntilEnough,
    /// Until the limit is wholly free again.
    UntilFull,
    /// Until the window of the clock ends.
    UntilWindowEnds,
    /// A guess of the server's.
    Suggested,
    /// No wait helps, whatever the number says.
    Meaningless,
}

impl WaitKind {
    /// The word of `explain --json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UntilEnough => "until_enough",
            Self::UntilFull => "until_full",
            Self::UntilWindowEnds => "until_window_ends",
            Self::Suggested => "suggested",
            Self::Meaningless => "meaningless",
        }
    }
}

/// The numbers of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitNumbers {
    /// The axis that refused, where it was named.
    pub axis: Option<Axis>,
    /// Its limit.
    pub limit: u64,
    /// How much was used; `None` for a call that is too large for the limit itself.
    pub used: Option<i64>,
    /// How much was asked for.
    pub requested: u64,
}

/// What a reply means for the target it came from and for the job that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyClass {
    /// The job is answered.
    Served,
    /// The target has no room now; the job may come back or go elsewhere.
    RateLimited,
    /// The target is unwell; the job may come back or go elsewhere.
    Unhealthy,
    /// This target will never serve this job; another may.
    TargetPermanent,
    /// Nobody will ever serve this job.
    Permanent,
}

impl Reply {
    /// A reply that never came whole.
    #[must_use]
    pub fn broken(at: Instant, failure: AttemptFailure) -> Self {
        Self {
            outcome: AttemptOutcome::Failed(failure),
            wait: None,
            told: None,
            remaining: Remaining::default(),
            usage: Usage::default(),
            first_token_at: at,
        }
    }

    /// What it means for the next move.
    ///
    /// The classes follow what providers document and what routers get wrong: a 413 read as a 429 stalls a
    /// client for nothing, a 400 sent again costs seconds and never succeeds (evidence/groq.md §4).
    pub(super) const fn class(&self) -> ReplyClass {
        match self.outcome {
            AttemptOutcome::Ok => ReplyClass::Served,
            AttemptOutcome::Limited { cause, .. } => match cause {
                LimitCause::MinuteLimit
                | LimitCause::DayLimit
                | LimitCause::Concurrency
                | LimitCause::Other => ReplyClass::RateLimited,
                LimitCause::Overload => ReplyClass::Unhealthy,
                LimitCause::Billing | LimitCause::TooLarge | LimitCause::NotInTier | LimitCause::Auth => {
                    ReplyClass::TargetPermanent
                }
            },
            AttemptOutcome::Failed(AttemptFailure::Status(400 | 405 | 409 | 415 | 422)) => {
                ReplyClass::Permanent
            }
            AttemptOutcome::Failed(AttemptFailure::Status(401..=404 | 410 | 413)) => {
                ReplyClass::TargetPermanent
            }
            AttemptOutcome::Failed(_) => ReplyClass::Unhealthy,
        }
    }

    /// The instant the server asks to wait for, where its wait means anything. A limit that is wholly free has
    /// been free enough for long: for a limit of the minute, OpenAI's resets ask for up to sixty times the wait
    /// that one request needs, so our own back-off decides there.
    pub(super) fn ready_at(&self, now: Instant) -> Option<Instant> {
        let Wait { length, meaning } = self.wait?;
        match meaning {
            WaitKind::UntilEnough | WaitKind::UntilWindowEnds | WaitKind::Suggested => Some(now + length),
            WaitKind::UntilFull | WaitKind::Meaningless => None,
        }
    }
}

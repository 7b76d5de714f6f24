//! The lines of a recording as serde sees them: schema `quotalab/recording/1`. Targets and routes have their names.

use super::names::Names;
use crate::engine::{LimitNumbers, Reply, Wait, WaitKind};
use crate::event::{Event, EventKind, Obstacle, RefusalCause};
use crate::ids::AttemptId;
use crate::job::Priority;
use crate::record::log::line::{Outcome, Tokens};
use crate::record::log::obstacle::{AxisName, ObstacleFields};
use crate::record::log::{self, is_default};
use provider::decision::HeaderRemaining;
use provider::{Axis, Instant, Nanos};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The name and version of the schema: in the first line of every recording.
pub(super) const SCHEMA: &str = "quotalab/recording/1";

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header<'a> {
    pub(super) schema: Cow<'a, str>,
    /// The version of quotalab.
    pub(super) version: Cow<'a, str>,
    /// The time of day at which the instants begin, RFC 3339; absent if the machine did not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) started: Option<Cow<'a, str>>,
}

/// Every other line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    /// The number of the engine: one more with each reload. Absent for the first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) engine: u32,
    /// Nanoseconds since the gateway started.
    pub(super) at_ns: u64,
    /// Of an input: when the engine's next timer was due before it; absent if none was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due_ns: Option<u64>,
    /// Absent if the line concerns no single job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<u64>,
    #[serde(flatten)]
    pub(super) kind: Kind<'a>,
}

/// What a line states: an engine, an input, a decision, or an end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Kind<'a> {
    /// An engine begins.
    Engine(Box<EngineLine<'a>>),
    /// No further line concerns the engine.
    EngineEnded,
    /// The recording ends.
    End {
        reason: End,
    },

    // Inputs.
    Arrival {
        route: Cow<'a, str>,
        /// Absent for interactive jobs.
        #[serde(default, skip_serializing_if = "is_default")]
        priority: Priority,
        /// The number of its flow; absent for 0.
        #[serde(default, skip_serializing_if = "is_default")]
        flow: u16,
        /// The estimate, corrected by the ratio of the route's first target.
        prompt_tokens: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_tokens: Option<u32>,
        /// Its own deadline; absent if the scenario's holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline_ns: Option<u64>,
        /// The first of the jobs that are identical to it; absent if it is the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identical_to: Option<u64>,
    },
    /// An answer was found in Redis. The arrival of a job that it answers follows.
    SharedAnswer {
        /// The first of the jobs that are identical to that job, or the job itself.
        identical_to: u64,
        /// The time since it was stored.
        age_ns: u64,
        stored_bytes: u32,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cut: bool,
    },
    Reply(Box<ReplyLine>),
    FirstByte {
        attempt: u8,
    },
    /// The caller has left.
    Leave,
    /// The caller may not pay for this attempt, which is not sent.
    Withdraw {
        attempt: u8,
    },
    /// Timers that are due fire.
    Timers,
    /// What another engine believes of a target is taken over.
    Adopt {
        target: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cool_down: Option<CoolDownLine>,
        /// The units of each limit that count as used.
        used: Vec<(AxisName, u64)>,
    },

    // Decisions.
    Queued {
        waiting: u32,
    },
    Waiting {
        until_ns: u64,
        #[serde(flatten)]
        obstacle: ObstacleLine<'a>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        may_extend: bool,
    },
    Sent {
        attempt: u8,
        target: Cow<'a, str>,
        step: u8,
    },
    /// An attempt took longer than it may.
    TimedOut {
        target: Cow<'a, str>,
    },
    Cancelled {
        target: Cow<'a, str>,
    },
    CooledDown {
        target: Cow<'a, str>,
        until_ns: u64,
        cause: RefusalCause,
    },
    FellBack {
        from: u8,
        to: u8,
    },
    CacheHit,
    Coalesced {
        leader: u64,
    },
    Promoted {
        leader: u64,
    },
    Done(Box<DoneLine<'a>>),
}

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// The gateway ended.
    GatewayEnded,
    /// The file has reached its maximum size.
    Size,
    /// Lines came faster than they could be written.
    Overflow,
    /// The file could not be written.
    WriteError,
}

/// An engine: what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EngineLine<'a> {
    /// The name of the scenario.
    pub(super) scenario: Cow<'a, str>,
    pub(super) seed: u64,
    /// The id of its first job.
    pub(super) next_job: u64,
    /// Hashes of what the engine reads of the scenario.
    pub(super) client: Cow<'a, str>,
    pub(super) routes: Cow<'a, str>,
    pub(super) targets: Cow<'a, str>,
}

/// The reply to an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReplyLine {
    pub(super) attempt: u8,
    #[serde(flatten)]
    outcome: Outcome,
    #[serde(flatten)]
    usage: Tokens,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait_ns: Option<u64>,
    /// What is true when the wait ends; absent without a wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait_kind: Option<WaitKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header_wait_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<LimitLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_left: Option<(AxisName, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens_left: Option<(AxisName, u64)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    /// The size of the answer in the response cache; absent if it may not be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u32>,
    first_token_ns: u64,
}

/// The numbers of the limit that refused.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct LimitLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    axis: Option<AxisName>,
    limit: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<i64>,
    requested: u64,
}

/// The cool-down of a target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CoolDownLine {
    pub(super) until_ns: u64,
    pub(super) cause: RefusalCause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) axis: Option<AxisName>,
}

/// What a job waits for, with the name of the target.
type ObstacleLine<'a> = ObstacleFields<Cow<'a, str>>;

/// How a job ended.
pub(super) type DoneLine<'a> = log::end::End<ObstacleLine<'a>>;

fn left(remaining: Option<(Axis, u64)>) -> Option<(AxisName, u64)> {
    remaining.map(|(axis, units)| (AxisName(axis), units))
}

impl ReplyLine {
    /// Returns the line of a reply to the job's `attempt`-th attempt.
    pub(super) fn new(attempt: u8, reply: &Reply) -> Self {
        let Reply { outcome, wait, header_wait, limit, remaining, usage, cut, stored_bytes, first_token_at } =
            *reply;
        let limit = limit.map(|LimitNumbers { axis, limit, used, requested }| LimitLine {
            axis: axis.map(AxisName),
            limit,
            used,
            requested,
        });
        Self {
            attempt,
            outcome: outcome.into(),
            usage: usage.into(),
            wait_ns: wait.map(|wait| wait.length.0),
            wait_kind: wait.map(|wait| wait.kind),
            header_wait_ns: header_wait.map(|wait| wait.0),
            limit,
            requests_left: left(remaining.requests),
            tokens_left: left(remaining.tokens),
            cut,
            stored_bytes,
            first_token_ns: first_token_at.0,
        }
    }

    /// Returns the reply.
    ///
    /// # Errors
    /// If its failure has an unknown name, or a wait has no kind.
    pub(super) fn into_reply(self) -> Result<Reply, String> {
        let wait = match (self.wait_ns, self.wait_kind) {
            (Some(length), Some(kind)) => Some(Wait { length: Nanos(length), kind }),
            (None, None) => None,
            _ => return Err("`wait_ns` and `wait_kind` belong together".to_owned()),
        };
        let axis = |left: Option<(AxisName, u64)>| left.map(|(axis, units)| (axis.0, units));
        Ok(Reply {
            outcome: self.outcome.into_attempt_outcome()?,
            wait,
            header_wait: self.header_wait_ns.map(Nanos),
            limit: self.limit.map(|LimitLine { axis, limit, used, requested }| LimitNumbers {
                axis: axis.map(|axis| axis.0),
                limit,
                used,
                requested,
            }),
            remaining: HeaderRemaining { requests: axis(self.requests_left), tokens: axis(self.tokens_left) },
            usage: self.usage.into(),
            cut: self.cut,
            stored_bytes: self.stored_bytes,
            first_token_at: Instant(self.first_token_ns),
        })
    }
}

fn obstacle_line(obstacle: Obstacle, names: &Names) -> ObstacleLine<'_> {
    ObstacleFields::new(obstacle, |target| names.target(target))
}

/// Returns `true` if an event decides something; `false` if it only repeats the input: an arrival, a first byte, or the reply to
/// `replied`, the attempt that the input is about.
pub(super) fn is_decision(event: &Event, replied: Option<AttemptId>) -> bool {
    match event.kind {
        EventKind::Arrived { .. } | EventKind::FirstByte { .. } => false,
        EventKind::Replied { attempt, .. } => replied != Some(attempt),
        _ => true,
    }
}

impl<'a> Kind<'a> {
    /// Returns the line of an event that is a decision: [`is_decision`] has returned `true` for it.
    pub(super) fn of_event(event: &Event, names: &'a Names) -> Self {
        match event.kind {
            EventKind::Queued { waiting } => Self::Queued { waiting },
            EventKind::Waiting { until, obstacle, may_extend } => {
                Self::Waiting { until_ns: until.0, obstacle: obstacle_line(obstacle, names), may_extend }
            }
            EventKind::Sent { target, step, number, .. } => {
                Self::Sent { attempt: number, target: names.target(target), step }
            }
            EventKind::Replied { target, .. } => Self::TimedOut { target: names.target(target) },
            EventKind::AttemptCancelled { target, .. } => Self::Cancelled { target: names.target(target) },
            EventKind::CoolDownBegan { target, until, cause } => {
                Self::CooledDown { target: names.target(target), until_ns: until.0, cause }
            }
            EventKind::FellBack { from, to } => Self::FellBack { from, to },
            EventKind::CacheHit => Self::CacheHit,
            EventKind::Coalesced { leader } => Self::Coalesced { leader: leader.0 },
            EventKind::Promoted { leader, .. } => Self::Promoted { leader: leader.0 },
            EventKind::Done(end) => {
                Self::Done(Box::new(DoneLine::new(&end, |obstacle| obstacle_line(obstacle, names))))
            }
            EventKind::Arrived { .. }
            | EventKind::FirstByte { .. }
            | EventKind::Hedged { .. }
            | EventKind::Decided { .. }
            | EventKind::Settled { .. }
            | EventKind::Task(_) => {
                unreachable!("invariant: an engine that does not hedge decides, found {:?}", event.kind)
            }
        }
    }
}

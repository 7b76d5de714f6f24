//! The lines of the event log as serde sees them. The names are those of the schema; the code may have others.

use super::super::names::{failure_from_name, failure_name};
use super::decision::Decision;
use super::end::End;
use super::is_default;
use super::obstacle::{AxisName, ObstacleFields};
use super::task::{TaskBegan, TaskEnded};
use crate::event::{AttemptOutcome, Event, EventKind, RefusalCause, TaskEvent};
use crate::ids::{AttemptId, EngineId, JobId, TargetId, WorkloadId};
use provider::{Instant, Usage};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The first line of a log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header<'a> {
    pub(super) scenario: Cow<'a, str>,
    pub(super) schema: Cow<'a, str>,
    pub(super) seed: u64,
}

/// One event.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at_ns: u64,
    pub(super) job: u64,
    #[serde(flatten)]
    pub(super) kind: Kind,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Kind {
    Arrived {
        #[serde(rename = "class")]
        workload: u16,
        #[serde(default, skip_serializing_if = "is_default")]
        engine: u16,
        scheduled_ns: u64,
        prompt_tokens: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline_ns: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_tokens: Option<u32>,
    },
    Queued {
        waiting: u32,
    },
    Waiting {
        until_ns: u64,
        #[serde(flatten)]
        obstacle: ObstacleFields,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        may_extend: bool,
    },
    Sent {
        attempt: u64,
        target: u16,
        step: u8,
        number: u8,
    },
    Hedged {
        attempt: u64,
        beside: u64,
    },
    #[serde(rename = "ruled")]
    Decided {
        attempt: u64,
        target: u16,
        #[serde(flatten)]
        decision: Decision,
    },
    Settled {
        attempt: u64,
        target: u16,
        #[serde(rename = "class", default, skip_serializing_if = "is_default")]
        workload: u16,
        #[serde(flatten)]
        usage: Tokens,
    },
    Replied {
        attempt: u64,
        target: u16,
        #[serde(flatten)]
        outcome: Outcome,
        #[serde(flatten)]
        usage: Tokens,
    },
    FirstByte {
        attempt: u64,
        target: u16,
    },
    Abandoned {
        attempt: u64,
        target: u16,
    },
    CooledDown {
        target: u16,
        until_ns: u64,
        cause: RefusalCause,
    },
    FellBack {
        from: u8,
        to: u8,
    },
    CacheHit,
    #[serde(rename = "joined")]
    Coalesced {
        leader: u64,
    },
    #[serde(rename = "took_over")]
    Promoted {
        leader: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u64>,
    },
    Done(End),
    TaskBegan(TaskBegan),
    TaskEnded(TaskEnded),
}

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Ok,
    Limited {
        cause: RefusalCause,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        axis: Option<AxisName>,
    },
    Failed {
        failure: Cow<'static, str>,
    },
}

/// The tokens that an attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    prompt_tokens: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    cached_tokens: u32,
    completion_tokens: u32,
}

impl From<&Event> for Line {
    fn from(event: &Event) -> Self {
        Self { at_ns: event.at.0, job: event.job.0, kind: Kind::from(event.kind) }
    }
}

impl From<EventKind> for Kind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Arrived { workload, engine, scheduled, deadline, prompt_tokens, max_tokens } => {
                Self::Arrived {
                    workload: workload.0,
                    engine: engine.0,
                    scheduled_ns: scheduled.0,
                    prompt_tokens,
                    deadline_ns: deadline.map(|at| at.0),
                    max_tokens,
                }
            }
            EventKind::Queued { waiting } => Self::Queued { waiting },
            EventKind::Waiting { until, obstacle, may_extend } => {
                Self::Waiting { until_ns: until.0, obstacle: obstacle.into(), may_extend }
            }
            EventKind::Sent { attempt, target, step, number } => {
                Self::Sent { attempt: attempt.0, target: target.0, step, number }
            }
            EventKind::Hedged { attempt, beside } => Self::Hedged { attempt: attempt.0, beside: beside.0 },
            EventKind::Decided { attempt, target, decision } => {
                Self::Decided { attempt: attempt.0, target: target.0, decision: decision.into() }
            }
            EventKind::FirstByte { attempt, target } => {
                Self::FirstByte { attempt: attempt.0, target: target.0 }
            }
            EventKind::Settled { attempt, target, workload, usage } => Self::Settled {
                attempt: attempt.0,
                target: target.0,
                workload: workload.0,
                usage: usage.into(),
            },
            EventKind::Replied { attempt, target, outcome, usage } => Self::Replied {
                attempt: attempt.0,
                target: target.0,
                outcome: outcome.into(),
                usage: usage.into(),
            },
            EventKind::AttemptCancelled { attempt, target } => {
                Self::Abandoned { attempt: attempt.0, target: target.0 }
            }
            EventKind::CoolDownBegan { target, until, cause } => {
                Self::CooledDown { target: target.0, until_ns: until.0, cause }
            }
            EventKind::FellBack { from, to } => Self::FellBack { from, to },
            EventKind::CacheHit => Self::CacheHit,
            EventKind::Coalesced { leader } => Self::Coalesced { leader: leader.0 },
            EventKind::Promoted { leader, attempt } => {
                Self::Promoted { leader: leader.0, attempt: attempt.map(|attempt| attempt.0) }
            }
            EventKind::Done(end) => Self::Done(End::new(&end, ObstacleFields::from)),
            EventKind::Task(TaskEvent::Began(start)) => Self::TaskBegan(start.into()),
            EventKind::Task(TaskEvent::Ended(end)) => Self::TaskEnded(end.into()),
        }
    }
}

impl Kind {
    /// Returns the event.
    ///
    /// # Errors
    /// If a failure has an unknown name, or the line ends a job: see [`End::into_job_end`].
    pub(super) fn into_event_kind(self) -> Result<EventKind, String> {
        Ok(match self {
            Self::Arrived { workload, engine, scheduled_ns, prompt_tokens, deadline_ns, max_tokens } => {
                let (workload, scheduled) = (WorkloadId(workload), Instant(scheduled_ns));
                let (deadline, engine) = (deadline_ns.map(Instant), EngineId(engine));
                EventKind::Arrived { workload, engine, scheduled, deadline, prompt_tokens, max_tokens }
            }
            Self::Queued { waiting } => EventKind::Queued { waiting },
            Self::Waiting { until_ns, obstacle, may_extend } => {
                EventKind::Waiting { until: Instant(until_ns), obstacle: obstacle.into(), may_extend }
            }
            Self::Sent { attempt, target, step, number } => {
                EventKind::Sent { attempt: AttemptId(attempt), target: TargetId(target), step, number }
            }
            Self::Hedged { attempt, beside } => {
                EventKind::Hedged { attempt: AttemptId(attempt), beside: AttemptId(beside) }
            }
            Self::Decided { attempt, target, decision } => EventKind::Decided {
                attempt: AttemptId(attempt),
                target: TargetId(target),
                decision: decision.into(),
            },
            Self::Settled { attempt, target, workload, usage } => EventKind::Settled {
                attempt: AttemptId(attempt),
                target: TargetId(target),
                workload: WorkloadId(workload),
                usage: usage.into(),
            },
            Self::Replied { attempt, target, outcome, usage } => EventKind::Replied {
                attempt: AttemptId(attempt),
                target: TargetId(target),
                outcome: outcome.into_attempt_outcome()?,
                usage: usage.into(),
            },
            Self::FirstByte { attempt, target } => {
                EventKind::FirstByte { attempt: AttemptId(attempt), target: TargetId(target) }
            }
            Self::Abandoned { attempt, target } => {
                EventKind::AttemptCancelled { attempt: AttemptId(attempt), target: TargetId(target) }
            }
            Self::CooledDown { target, until_ns, cause } => {
                EventKind::CoolDownBegan { target: TargetId(target), until: Instant(until_ns), cause }
            }
            Self::FellBack { from, to } => EventKind::FellBack { from, to },
            Self::CacheHit => EventKind::CacheHit,
            Self::Coalesced { leader } => EventKind::Coalesced { leader: JobId(leader) },
            Self::Promoted { leader, attempt } => {
                EventKind::Promoted { leader: JobId(leader), attempt: attempt.map(AttemptId) }
            }
            Self::TaskBegan(began) => EventKind::Task(began.into_event()),
            Self::TaskEnded(ended) => EventKind::Task(ended.into_event()),
            Self::Done(_) => return Err("the end of a job needs its arrival".to_owned()),
        })
    }
}

impl From<AttemptOutcome> for Outcome {
    fn from(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Ok => Self::Ok,
            AttemptOutcome::Refused { axis, cause } => Self::Limited { cause, axis: axis.map(AxisName) },
            AttemptOutcome::Failed(failure) => Self::Failed { failure: failure_name(failure) },
        }
    }
}

impl Outcome {
    /// Returns the result.
    ///
    /// # Errors
    /// If the failure has an unknown name.
    pub(crate) fn into_attempt_outcome(self) -> Result<AttemptOutcome, String> {
        Ok(match self {
            Self::Ok => AttemptOutcome::Ok,
            Self::Limited { cause, axis } => AttemptOutcome::Refused { axis: axis.map(|axis| axis.0), cause },
            Self::Failed { failure } => AttemptOutcome::Failed(
                failure_from_name(&failure).ok_or_else(|| format!("unknown failure `{failure}`"))?,
            ),
        })
    }
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let Usage { prompt_tokens, cached_tokens, completion_tokens } = usage;
        Self { prompt_tokens, cached_tokens, completion_tokens }
    }
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        let Tokens { prompt_tokens, cached_tokens, completion_tokens } = tokens;
        Self { prompt_tokens, cached_tokens, completion_tokens }
    }
}

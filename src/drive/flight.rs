//! An attempt in flight of a simulation, and how it continues.

use super::direct;
use super::event_queue::NetworkEvent;
use crate::engine::Reply;
use crate::event::{Event, EventKind};
use crate::ids::{AttemptId, EngineId, JobId, Slot, Tag, TargetId, WorkloadId};
use provider::config::Fault;
use provider::decision::{Decision, HeaderRemaining, Service};
use provider::{Call, Instant, Nanos, Truth, Usage};

/// An attempt in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) attempt: AttemptId,
    pub(super) engine: EngineId,
    pub(super) slot: Slot,
    pub(super) tag: Tag,
    pub(super) job: JobId,
    pub(super) workload: WorkloadId,
    pub(super) target: TargetId,
    /// The number of the scheduled event that it waits for; zero if no reply will ever come, or while it waits for a
    /// server slot.
    pub(super) entry: u64,
    /// The index of the target's provider.
    pub(super) provider: u16,
    pub(super) call: Call,
    pub(super) truth: Truth,
    /// `true` if the reply is streamed: then the first token arrives before the last.
    pub(super) stream: bool,
    /// `true` if the client is to know when the first token arrives: the reply is streamed, and the client hedges.
    pub(super) announces: bool,
    /// The time from the provider to the client.
    pub(super) downlink: Nanos,
    /// `true` if the provider has admitted it and not settled it.
    pub(super) unsettled: bool,
    pub(super) result: FlightResult,
}

/// What the client will read when the reply has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) enum FlightResult {
    /// The provider has not decided.
    Undecided,
    /// Made directly from the decision and from what the headers state.
    Direct(Decision, HeaderRemaining),
    /// Rendered and parsed already, because the dialect matters.
    Parsed(Reply),
}

/// Returns the next event of an attempt that is decided on or started now; `None` if no reply ever comes, or while it
/// waits for a server slot. `announces`: see [`Flight::announces`].
pub(super) fn next_event(
    now: Instant,
    decision: &Decision,
    (downlink, announces): (Nanos, bool),
) -> Option<(Instant, NetworkEvent)> {
    match decision {
        Decision::Admitted(service) => {
            let (done_at, event) = end_of_service(service, downlink)?;
            let first_at = first_token_arrives(service, downlink).filter(|at| announces && *at <= done_at);
            Some(first_at.map_or((done_at, event), |at| (at, NetworkEvent::FirstToken)))
        }
        Decision::Faulted(Fault::Timeout) => None,
        Decision::Refused(_) | Decision::TooLong(_) | Decision::Faulted(_) => {
            Some((now + downlink, NetworkEvent::ReplyArrives))
        }
    }
}

/// Returns the event with which a service ends; `None` while it waits for a server slot.
#[inline]
fn end_of_service(service: &Service, downlink: Nanos) -> Option<(Instant, NetworkEvent)> {
    let event = if downlink > Nanos::ZERO { NetworkEvent::ReplySent } else { NetworkEvent::ReplyArrives };
    service.done_at().map(|done_at| (done_at, event))
}

/// Returns when the first token reaches the client; `None` if none does that the client can read, or while the call waits for a server
/// slot.
fn first_token_arrives(service: &Service, downlink: Nanos) -> Option<Instant> {
    let is_sent = service.usage.completion_tokens > 0 && !service.corrupt_body;
    service.first_token_at().filter(|_| is_sent).map(|at| at + downlink)
}

impl Flight {
    /// Returns the event that follows when the provider has sent the last byte, at `now`.
    #[inline]
    pub(super) fn after_sent(&self, now: Instant) -> (Instant, NetworkEvent) {
        let first_at = self.service().filter(|_| self.announces);
        let first_at = first_at.and_then(|service| first_token_arrives(service, self.downlink));
        match first_at.filter(|at| *at > now) {
            Some(at) => (at, NetworkEvent::FirstToken),
            None => (now + self.downlink, NetworkEvent::ReplyArrives),
        }
    }

    /// Returns the event that follows when the first token has reached the client.
    pub(super) fn after_first_token(&self) -> Option<(Instant, NetworkEvent)> {
        let service = self.service()?;
        if self.unsettled {
            return end_of_service(service, self.downlink);
        }
        service.done_at().map(|done_at| (done_at + self.downlink, NetworkEvent::ReplyArrives))
    }

    fn service(&self) -> Option<&Service> {
        match &self.result {
            FlightResult::Direct(Decision::Admitted(service), _) => Some(service),
            _ => None,
        }
    }

    /// Returns the service if the provider has yet to settle it, and counts it as settled from then on.
    pub(super) fn take_unsettled(&mut self) -> Option<&Service> {
        match &self.result {
            FlightResult::Direct(Decision::Admitted(service), _) if std::mem::take(&mut self.unsettled) => {
                Some(service)
            }
            _ => None,
        }
    }

    /// Returns the event that records its settlement.
    pub(super) fn settled_event(&self, now: Instant, usage: Usage) -> Event {
        let Self { attempt, target, workload, .. } = *self;
        let kind = EventKind::Settled { attempt, target, workload, usage };
        Event { at: now, job: self.job, kind }
    }

    /// Returns the reply as the client reads it when the last byte arrives, at `now`.
    #[inline(always)] // See `World::take_reply`.
    pub(super) fn reply(&self, now: Instant) -> Reply {
        match &self.result {
            FlightResult::Direct(Decision::Admitted(service), remaining) => {
                let first_token_at = if self.stream {
                    let at = service.first_token_at();
                    at.expect("invariant: a reply follows the start of its service") + self.downlink
                } else {
                    now
                };
                direct::served(now, service, *remaining, first_token_at)
            }
            FlightResult::Direct(decision, remaining) => direct::unserved(now, decision, *remaining)
                .expect("invariant: a reply is scheduled only for decisions that have one"),
            FlightResult::Parsed(reply) => *reply,
            FlightResult::Undecided => {
                unreachable!("invariant: attempt {} is decided on before its reply", self.attempt.0)
            }
        }
    }
}

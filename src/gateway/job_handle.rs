//! A task's handle of its job: it takes the engine's decisions on the job and reports to the engine what happens. If it is dropped before
//! the job has ended, the job is cancelled, because its caller has left.

use super::actions::{Action, ActionSignal};
use super::answer::Answer;
use super::carried::Carrier;
use super::request_key::Identity;
use super::shared_engine::{SharedEngine, Submitted};
use super::sharing::{FoundAnswer, Lease};
use crate::engine::Reply;
use crate::event::AttemptOutcome;
use crate::ids::{AttemptId, EngineId, FlowId, JobId, RouteId, Slot, Tag, WorkloadId};
use crate::job::{Job, Priority};
use provider::Instant;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A job that was submitted.
#[derive(Debug)]
pub(super) struct JobHandle {
    engine: Arc<SharedEngine>,
    tag: Tag,
    /// `None` if the job ended when it was submitted.
    slot: Option<Slot>,
    signal: Arc<ActionSignal>,
    /// An action that was taken together with an input.
    taken: Option<Action>,
    /// [`Actions`](super::actions::Actions) has forgotten the job: its last action was taken, or its caller has left.
    is_forgotten: bool,
    /// What the attempt in flight has reserved of a shared quota. A cancelled attempt stays charged, as in the engine.
    lease: Option<Lease>,
    /// `true` if its answer is shared: it was submitted with the identity of its request.
    pub(super) shares_answer: bool,
    /// The attempt that was sent last, if the answer is shared: only what was sent can be left to another job.
    sent: Option<AttemptId>,
    /// Its answer was found in Redis.
    pub(super) is_found: bool,
    pub(super) job: Job,
}

/// What a job is submitted with besides its route and its sizes.
#[derive(Debug, Default)]
pub(super) struct Submission<'a> {
    /// That of its request, if its answer is shared.
    pub(super) identity: Option<&'a Identity>,
    /// The answer to it that was found in Redis.
    pub(super) found: Option<FoundAnswer>,
    /// Its own deadline; `None` if the scenario's applies.
    pub(super) deadline: Option<Instant>,
    /// That of its caller.
    pub(super) flow: FlowId,
}

impl JobHandle {
    /// Submits a job that takes `route`.
    pub(super) fn submit(
        engine: &Arc<SharedEngine>,
        (route, priority): (RouteId, Priority),
        (prompt_tokens, max_tokens): (u32, Option<u32>),
        Submission { identity, found, deadline, flow }: Submission<'_>,
    ) -> Self {
        let job = |id, now| {
            Job {
                id: JobId(id),
                // The gateway's scenario has a workload for each route.
                workload: WorkloadId(route.0),
                engine: EngineId::default(),
                route,
                scheduled: now,
                priority,
                flow,
                deadline,
                prompt_tokens,
                max_tokens,
                // Unique to this job; replaced if its answer is shared.
                fingerprint: id,
            }
        };
        let submitted = engine.submit(job, identity, found);
        let Submitted { tag, slot, job, signal, first, is_found } = submitted;
        let mut handle = Self {
            engine: Arc::clone(engine),
            tag,
            slot,
            signal,
            taken: None,
            is_forgotten: false,
            lease: None,
            shares_answer: identity.is_some(),
            sent: None,
            is_found,
            job,
        };
        handle.keep(first);
        handle
    }

    /// Keeps an action that was taken for the next call of [`Self::poll_next`].
    fn keep(&mut self, action: Option<Action>) {
        self.is_forgotten |= action.as_ref().is_some_and(Action::is_last);
        self.taken = action;
    }

    /// Waits for the engine's next decision on the job. After [`Action::Done`] there is none.
    pub(super) async fn next(&mut self) -> Action {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Takes the engine's next decision on the job, if there is one.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Action> {
        if self.taken.is_none() && self.signal.is_waiting(cx.waker()) && !self.is_forgotten {
            let tag = self.tag;
            let action = self.engine.input(|_, actions, _| actions.take(tag));
            self.keep(action);
        }
        self.taken.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Returns `true` if the engine has decided something that was not taken: while an attempt is in flight, to cancel it.
    pub(super) fn has_action(&self) -> bool {
        self.taken.is_some() || self.signal.has_action()
    }

    /// Keeps what an attempt that is sent now has reserved, until its reply.
    pub(super) fn keep_lease(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }

    /// Passes the reply to an attempt on; a reply to one that was cancelled is dropped. `answer`: what identical requests get if the
    /// reply serves the job.
    pub(super) fn reply(&mut self, attempt: AttemptId, reply: &Reply, answer: Option<Arc<Answer>>) {
        if let Some(lease) = self.lease.take() {
            // As in the engine: an attempt that did not serve the job is not charged.
            lease.settle((reply.outcome == AttemptOutcome::Ok).then_some(reply.usage));
        }
        let (tag, slot) = (self.tag, self.slot);
        assert!(
            !self.is_forgotten && self.taken.is_none(),
            "invariant: the job has not ended, and its actions were taken"
        );
        let action = self.engine.input(|engine, actions, now| {
            if let Some(slot) = slot
                && actions.end_attempt(tag, attempt)
            {
                actions.with_answer(answer, reply, |actions, reply| {
                    engine.handle_reply(actions, now, slot, attempt, reply);
                });
            }
            actions.take(tag)
        });
        self.keep(action);
    }

    /// Ends the job: its attempt is not sent, because its caller may not pay for it.
    pub(super) fn withdraw(&mut self, attempt: AttemptId) {
        let (tag, slot) = (self.tag, self.slot);
        self.engine.input(|engine, actions, now| {
            if let Some(slot) = slot.filter(|_| actions.is_in_flight(tag, attempt)) {
                engine.withdraw(actions, now, slot, attempt);
            }
        });
    }

    /// Records that an attempt is sent.
    pub(super) fn set_sent(&mut self, attempt: AttemptId) {
        self.sent = Some(attempt);
    }

    /// Ends the job because its caller has left. Returns who carries its attempt on if an identical job has it now.
    pub(super) fn leave(&mut self) -> Option<Carrier> {
        if self.is_forgotten {
            return None;
        }
        self.is_forgotten = true;
        let (tag, slot, sent) = (self.tag, self.slot, self.sent);
        let cancelled = self.engine.input(|engine, actions, now| {
            if let Some(slot) = slot.filter(|_| !actions.is_done(tag)) {
                match actions.unsent(tag, sent) {
                    Some(attempt) => engine.withdraw(actions, now, slot, attempt),
                    None => engine.cancel(actions, now, slot),
                }
            }
            let is_done = actions.forget(tag);
            debug_assert!(is_done, "law 1: a job that its caller left has ended");
            actions.take_carrier()
        })?;
        Some(Carrier { engine: Arc::clone(&self.engine), cancelled, lease: self.lease.take() })
    }

    /// Records that the first byte of an answer is about to reach the caller. Returns `false` if the attempt was cancelled.
    pub(super) fn first_byte(&mut self, attempt: AttemptId) -> bool {
        let (tag, slot) = (self.tag, self.slot);
        self.engine.input(|engine, actions, now| {
            let slot = slot.filter(|_| actions.is_in_flight(tag, attempt));
            if let Some(slot) = slot {
                engine.handle_first_byte(actions, now, slot, attempt);
            }
            slot.is_some()
        })
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        let carrier = self.leave();
        debug_assert!(
            carrier.is_none(),
            "invariant: the task that has sent an attempt leaves it to others itself"
        );
    }
}

//! What the engine decides for the jobs of the gateway, until their tasks take it: the driver of the engine.

use super::answer::{Answer as AnswerBytes, Origin, Reused};
use super::carried::CarriedEnd;
use super::decisions::Decisions;
use super::metrics::CountedEvents;
use super::request_key::Identity;
use super::response_cache::ResponseCache;
use super::sharing::{FoundAnswer, SharedAnswers, SharedQuotas};
use crate::engine::{Answer, Attempt, Driver, Handover, Reply};
use crate::event::{Event, EventKind, JobEnd};
use crate::ids::{AttemptId, Slot, Tag};
use crate::job::Job;
use futures_util::task::AtomicWaker;
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use slab::Slab;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

/// What the engine decided, by job.
#[derive(Debug)]
pub(super) struct Actions {
    /// By tag.
    jobs: Slab<JobActions>,
    /// The id of the next job.
    pub(super) next_job: u64,
    pub(super) decisions: Decisions,
    counted: CountedEvents,
    /// Where cool-downs are published; `None` if nothing is shared.
    pub(super) shared_quotas: Option<SharedQuotas>,
    /// `None` if the scenario has neither a response cache nor coalescing.
    pub(super) cache: Option<ResponseCache>,
    /// Where answers are stored for other replicas; `None` if nothing is shared, or the scenario has no response cache.
    pub(super) shared_answers: Option<SharedAnswers>,
    /// The answer in the reply that the engine is handling, if other requests may get it.
    answer: Option<Arc<AnswerBytes>>,
    /// `true` if that answer was cut, as in [`Reply::cut`].
    is_cut: bool,
    /// The attempts that leaders have left to their followers, with the job that each is for now.
    handed_over: FxHashMap<AttemptId, (Tag, Slot)>,
    /// What cancels the attempt that the present input has handed over; `None` if it has handed over none.
    new_carrier: Option<Arc<ActionSignal>>,
    /// Jobs whose tasks are to be woken once the lock is free.
    pub(super) woken: Vec<Arc<ActionSignal>>,
}

/// Shows the task of a job whether actions wait for it. The task asks often, so this takes no lock.
#[derive(Debug, Default)]
pub(super) struct ActionSignal {
    is_waiting: AtomicBool,
    task: AtomicWaker,
}

impl ActionSignal {
    /// Returns `true` if an action waits; otherwise `task` is woken when there is one.
    pub(super) fn is_waiting(&self, task: &Waker) -> bool {
        self.task.register(task);
        self.has_action()
    }

    /// Wakes the task that waits for an action.
    pub(super) fn wake(&self) {
        self.task.wake();
    }

    /// Returns `true` if an action waits.
    pub(super) fn has_action(&self) -> bool {
        self.is_waiting.load(Ordering::Acquire)
    }
}

/// What the engine decided for a job and its task has not taken yet.
#[derive(Debug, Default)]
struct JobActions {
    waiting: VecDeque<Action>,
    /// The attempt in flight.
    attempt: Option<AttemptId>,
    is_done: bool,
    signal: Arc<ActionSignal>,
    /// The identity and the fingerprint, if its answer is shared; `None` once the job has ended.
    name: Option<(Identity, u64)>,
    /// What cancels the attempt in flight, if a leader has left it to this job.
    carrier: Option<Arc<ActionSignal>>,
}

/// What a job's task is to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Send this attempt.
    Send(Attempt),
    /// Drop the attempt in flight.
    Cancel,
    /// The job has ended.
    Done(JobEnd),
    /// The job has ended with an answer that was not given to it; `None` if the bytes of the answer are gone or were too many.
    Reused(JobEnd, Option<Reused>),
    /// An attempt that a leader has left to the job has ended.
    Carried(Box<CarriedEnd>),
}

impl Actions {
    /// Returns the actions of an engine without jobs, whose first job is `next_job`.
    pub(super) fn new(next_job: u64, counted: CountedEvents, cache: Option<ResponseCache>) -> Self {
        Self {
            jobs: Slab::new(),
            next_job,
            decisions: Decisions::default(),
            counted,
            shared_quotas: None,
            cache,
            shared_answers: None,
            answer: None,
            is_cut: false,
            handed_over: FxHashMap::default(),
            new_carrier: None,
            woken: Vec::new(),
        }
    }

    /// Adds a job that arrives at `now`. `job` makes it from its id. `identity`: that of its request, if its answer is shared.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        job: impl FnOnce(u64, Instant) -> Job,
        identity: Option<&Identity>,
    ) -> (Tag, Job, Arc<ActionSignal>) {
        let id = self.next_job;
        self.next_job += 1;
        let mut entry = JobActions::default();
        let mut job = job(id, now);
        if let (Some(identity), Some(cache)) = (identity, &mut self.cache) {
            (job.fingerprint, job.prompt_tokens) = cache.enter(now, *identity, (id, job.prompt_tokens));
            entry.name = Some((*identity, job.fingerprint));
        }
        let signal = Arc::clone(&entry.signal);
        (Tag(self.jobs.insert(entry)), job, signal)
    }

    /// Returns `true` if an answer that was found in Redis, and is `age` old, may serve a request that arrives at `now`.
    pub(super) fn lacks(&self, now: Instant, age: Nanos, identity: &Identity) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.lacks(now, age, identity))
    }

    /// Keeps the answer that was found in Redis, and that the engine has stored at `now` under the fingerprint of the job `tag`.
    pub(super) fn keep_found(&mut self, now: Instant, tag: Tag, found: FoundAnswer) {
        if let (Some(cache), Some((identity, fingerprint))) = (&mut self.cache, self.jobs[tag.0].name) {
            cache.store((now, found.age.at(now)), identity.key, fingerprint, found.answer);
        }
    }

    /// Takes the next action of a job; `None` if none waits. The job is forgotten with its last one.
    pub(super) fn take(&mut self, tag: Tag) -> Option<Action> {
        let job = &mut self.jobs[tag.0];
        let action = job.waiting.pop_front()?;
        job.signal.is_waiting.store(!job.waiting.is_empty(), Ordering::Release);
        if job.waiting.is_empty() {
            // The task that makes this call takes the action, so it need not be woken.
            self.woken.retain(|signal| !Arc::ptr_eq(signal, &job.signal));
        }
        if action.is_last() {
            self.jobs.remove(tag.0);
        }
        Some(action)
    }

    /// Records that the reply to an attempt has come. Returns `false` if the attempt was cancelled before.
    pub(super) fn end_attempt(&mut self, tag: Tag, attempt: AttemptId) -> bool {
        self.jobs[tag.0].attempt.take_if(|in_flight| *in_flight == attempt).is_some()
    }

    /// Returns `true` if an attempt is in flight.
    pub(super) fn is_in_flight(&self, tag: Tag, attempt: AttemptId) -> bool {
        self.jobs[tag.0].attempt == Some(attempt)
    }

    /// Forgets a job whose task ends before it has taken the last action. Returns `true` if the job itself had ended.
    pub(super) fn forget(&mut self, tag: Tag) -> bool {
        self.jobs.remove(tag.0).is_done
    }

    /// Returns `true` if a job has ended.
    pub(super) fn is_done(&self, tag: Tag) -> bool {
        self.jobs[tag.0].is_done
    }

    /// Returns the attempt of a job whose answer is shared, if its task has not sent it: the attempt is not `sent`, and was not taken
    /// over from a leader.
    pub(super) fn unsent(&self, tag: Tag, sent: Option<AttemptId>) -> Option<AttemptId> {
        let JobActions { attempt, name, carrier, .. } = &self.jobs[tag.0];
        attempt.filter(|_| *attempt != sent && name.is_some() && carrier.is_none())
    }

    /// Takes the signal of an attempt that the present input has handed over, through which it is cancelled.
    pub(super) fn take_carrier(&mut self) -> Option<Arc<ActionSignal>> {
        self.new_carrier.take()
    }

    /// Ends the flight of an attempt that was handed over. Returns the job that it is for; `None` if it was cancelled.
    pub(super) fn end_carried(&mut self, attempt: AttemptId, end: CarriedEnd) -> Option<Slot> {
        let (tag, slot) = self.handed_over.remove(&attempt)?;
        let job = &mut self.jobs[tag.0];
        (job.attempt, job.carrier) = (None, None);
        self.add(tag, Action::Carried(Box::new(end)));
        Some(slot)
    }

    /// Calls `handle` with a reply to an attempt. `answer` is the answer in the reply; `None` if identical requests do not get it. The
    /// followers that end during the call get it, and so does a job that has taken the attempt over.
    pub(super) fn with_answer(
        &mut self,
        answer: Option<Arc<AnswerBytes>>,
        reply: &Reply,
        handle: impl FnOnce(&mut Self, &Reply),
    ) {
        let stored_bytes = answer.as_ref().and_then(|answer| answer.stored_bytes);
        (self.answer, self.is_cut) = (answer, reply.cut);
        handle(self, &Reply { stored_bytes, ..*reply });
        self.answer = None;
    }

    fn add(&mut self, tag: Tag, action: Action) {
        let job = &mut self.jobs[tag.0];
        job.waiting.push_back(action);
        job.signal.is_waiting.store(true, Ordering::Release);
        self.woken.push(Arc::clone(&job.signal));
    }
}

impl Driver for Actions {
    fn log(&mut self, event: &Event) {
        self.decisions.add(event);
        self.counted.count(event);
        if let (Some(shared_quotas), EventKind::CoolDownBegan { target, until, cause }) =
            (&self.shared_quotas, event.kind)
        {
            shared_quotas.publish_cool_down(target, until, cause);
        }
    }

    fn send(&mut self, _: Instant, attempt: &Attempt) {
        let job = &mut self.jobs[attempt.tag.0];
        debug_assert!(job.attempt.is_none(), "invariant: a job has one attempt in flight at most");
        job.attempt = Some(attempt.id);
        self.add(attempt.tag, Action::Send(*attempt));
    }

    fn cancel(&mut self, _: Instant, tag: Tag, attempt: AttemptId) {
        let cancelled = self.jobs[tag.0].attempt.take();
        assert_eq!(cancelled, Some(attempt), "invariant: a cancelled attempt is in flight");
        if let Some(carrier) = self.jobs[tag.0].carrier.take() {
            self.handed_over.remove(&attempt);
            carrier.is_waiting.store(true, Ordering::Release);
            self.woken.push(carrier);
        } else {
            self.add(tag, Action::Cancel);
        }
    }

    fn reassign(&mut self, _: Instant, handover: &Handover) {
        let from = &mut self.jobs[handover.from.0];
        let attempt = from.attempt.take();
        assert_eq!(attempt, Some(handover.attempt), "invariant: an attempt that is handed over is in flight");
        let carrier = from.carrier.take().unwrap_or_else(|| {
            let carrier = Arc::<ActionSignal>::default();
            self.new_carrier = Some(Arc::clone(&carrier));
            carrier
        });
        let to = &mut self.jobs[handover.to.0];
        (to.attempt, to.carrier) = (attempt, Some(carrier));
        self.handed_over.insert(handover.attempt, (handover.to, handover.slot));
    }

    fn done(&mut self, now: Instant, tag: Tag, end: &JobEnd, answer: Option<Answer>) {
        let job = &mut self.jobs[tag.0];
        job.is_done = true;
        let Some((identity, fingerprint)) = job.name.take() else { return self.add(tag, Action::Done(*end)) };
        let is_carried = job.waiting.iter().any(|action| matches!(action, Action::Carried(_)));
        let cache = self.cache.as_mut().expect("invariant: only a cache names requests");
        cache.leave(&identity.key, fingerprint);
        let of_leader = || Some(Reused { answer: Arc::clone(self.answer.as_ref()?), origin: Origin::Leader });
        let action = match answer {
            Some(Answer::Cache) => Action::Reused(*end, cache.hit(now, fingerprint)),
            Some(Answer::Leader { .. }) => Action::Reused(*end, of_leader()),
            Some(Answer::Attempt(_)) if is_carried => Action::Reused(*end, of_leader()),
            Some(Answer::Attempt(_)) | None => Action::Done(*end),
        };
        self.add(tag, action);
    }

    fn store_answer(&mut self, now: Instant, tag: Tag) {
        let name = self.jobs[tag.0].name;
        if let (Some(cache), Some(answer), Some((identity, fingerprint))) =
            (&mut self.cache, &self.answer, name)
            && cache.store((now, Nanos::ZERO), identity.key, fingerprint, Arc::clone(answer))
            && let (Some(shared_answers), Some(key)) = (&self.shared_answers, identity.shared)
        {
            shared_answers.store(key, now, (answer, self.is_cut));
        }
    }

    fn evict_answer(&mut self, fingerprint: u64) {
        self.cache.iter_mut().for_each(|cache| cache.evict(fingerprint));
    }
}

impl Action {
    /// Returns `true` if no further action follows.
    pub(super) const fn is_last(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Reused(..))
    }
}

#[cfg(test)]
mod tests;

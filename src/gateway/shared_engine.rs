//! The engine behind a lock, and the task that fires its timers.
//!
//! Every input is a short call under the lock, at an instant that is read inside it, so instants never decrease. What the engine
//! decides for a job is kept until that job's task takes it ([`super::job_handle`]).

use super::decisions::Decisions;
use super::metrics::{CountedEvents, Metrics};
use super::recording::{RecordedEngine, Recording};
use super::sharing::TargetShares;
use crate::drive::clock::Clock;
use crate::engine::{Answer, Attempt, Driver, Engine, Handover, TargetView};
use crate::event::{Event, EventKind, JobEnd};
use crate::ids::{AttemptId, Slot, Tag, TargetId};
use crate::job::Job;
use crate::scenario::{KnownLimit, Scenario};
use futures_util::task::AtomicWaker;
use provider::{Axis, Instant};
use slab::Slab;
use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::Notify;

/// The engine that the tasks of all jobs share.
#[derive(Debug)]
pub(super) struct SharedEngine {
    clock: Clock,
    state: Mutex<State>,
    /// Wakes the timer task when a timer is due earlier than the one that it waits for.
    earlier_timer: Notify,
}

#[derive(Debug)]
struct State {
    engine: RecordedEngine,
    actions: Actions,
    /// The instant at which the timer task wakes, at the latest.
    armed: Instant,
}

/// What the engine decided, by job.
#[derive(Debug)]
pub(super) struct Actions {
    /// By tag.
    jobs: Slab<JobActions>,
    /// The id of the next job.
    next_job: u64,
    decisions: Decisions,
    counted: CountedEvents,
    /// Where cool-downs are published; `None` if nothing is shared.
    shares: Option<TargetShares>,
    /// Jobs whose tasks are to be woken once the lock is free.
    woken: Vec<Arc<ActionSignal>>,
}

/// Shows a job's task without the lock, because it asks often, whether actions wait for it.
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
}

/// A job that was submitted.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) tag: Tag,
    /// `None` if it has ended already.
    pub(super) slot: Option<Slot>,
    pub(super) job: Job,
    pub(super) signal: Arc<ActionSignal>,
    /// The first action, if it was decided at once.
    pub(super) first: Option<Action>,
}

/// What a job's task is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    /// Send this attempt.
    Send(Attempt),
    /// Drop the attempt in flight.
    Cancel,
    /// The job has ended.
    Done(JobEnd),
}

impl SharedEngine {
    /// Creates the engine of a scenario: see [`engine_of`]. Its first job is `next_job`.
    pub(super) fn new(
        (scenario, protected_routes): (&Scenario, usize),
        clock: Clock,
        metrics: Arc<Metrics>,
        next_job: u64,
    ) -> Arc<Self> {
        let actions = Actions {
            jobs: Slab::new(),
            next_job,
            decisions: Decisions::default(),
            counted: CountedEvents::new(metrics, scenario.targets.iter().map(|target| target.name.as_str())),
            shares: None,
            woken: Vec::new(),
        };
        let engine = RecordedEngine::new(engine_of(scenario, protected_routes));
        let state = State { engine, actions, armed: Instant::MAX };
        Arc::new(Self { clock, state: Mutex::new(state), earlier_timer: Notify::new() })
    }

    /// Publishes the cool-downs that the engine decides from now on.
    pub(super) fn publish_to(&self, shares: TargetShares) {
        self.state().actions.shares = Some(shares);
    }

    /// Records what the engine, which was made from `scenario`, gets as input and decides from now on: no job has been submitted.
    pub(super) fn record(&self, recording: Recording, scenario: &Scenario) {
        let mut state = self.state();
        let State { engine, actions, .. } = &mut *state;
        engine.record_to(recording, (scenario, self.clock.now(), actions.next_job));
    }

    /// Fires the engine's timers, for ever.
    pub(super) async fn run_timers(&self) {
        loop {
            let next = self.fire_timers();
            // If an earlier timer was set since, `notified` returns at once.
            tokio::select! {
                () = self.earlier_timer.notified() => {}
                () = tokio::time::sleep(self.clock.until(next).min(LONGEST_SLEEP)) => {}
            }
        }
    }

    /// Fires the timers that are due. Returns the instant of the next one.
    fn fire_timers(&self) -> Instant {
        let mut state = self.state();
        let now = self.clock.now();
        let State { engine, actions, armed } = &mut *state;
        if engine.poll_timeout() <= now {
            engine.handle_timeout(actions, now);
        }
        *armed = engine.poll_timeout();
        let (next, woken) = (*armed, mem::take(&mut actions.woken));
        drop(state);
        woken.iter().for_each(|signal| signal.task.wake());
        next
    }

    /// Submits a job that arrives now. `job` makes it from its id and its arrival.
    pub(super) fn submit(&self, job: impl FnOnce(u64, Instant) -> Job) -> Submitted {
        self.input(|engine, actions, now| {
            let id = actions.next_job;
            actions.next_job += 1;
            let entry = JobActions::default();
            let signal = Arc::clone(&entry.signal);
            let tag = Tag(actions.jobs.insert(entry));
            let job = job(id, now);
            let slot = engine.submit(actions, now, job, tag);
            Submitted { tag, slot, job, signal, first: actions.take(tag) }
        })
    }

    /// Passes one input to the engine, then wakes the tasks whose jobs can go on. Returns the input's result.
    pub(super) fn input<T>(&self, input: impl FnOnce(&mut RecordedEngine, &mut Actions, Instant) -> T) -> T {
        let mut state = self.state();
        let now = self.clock.now();
        let State { engine, actions, armed, .. } = &mut *state;
        let result = input(engine, actions, now);
        let next = engine.poll_timeout();
        let is_earlier = next < *armed;
        *armed = next.min(*armed);
        let woken = mem::take(&mut actions.woken);
        drop(state);
        woken.iter().for_each(|signal| signal.task.wake());
        if is_earlier {
            self.earlier_timer.notify_one();
        }
        result
    }

    /// Returns the current instant, and the earliest one at which a job may be sent; `None` if that is not known.
    pub(super) fn opens_at(&self, job: &Job) -> (Instant, Option<Instant>) {
        let state = self.state();
        let now = self.clock.now();
        (now, state.engine.opens_at(now, job))
    }

    /// Returns the current instant and what the engine believes of each target.
    pub(super) fn views(&self, targets: impl Iterator<Item = TargetId>) -> (Instant, Vec<TargetView>) {
        let state = self.state();
        let now = self.clock.now();
        (now, targets.map(|target| state.engine.target_view(now, target)).collect())
    }

    /// Continues with what the engine of an earlier gateway believes of a target. `limits` are those of the target in this gateway.
    pub(super) fn adopt(
        &self,
        target: TargetId,
        (past, past_target): (&Self, TargetId),
        limits: &[KnownLimit],
    ) {
        let (_, views) = past.views(std::iter::once(past_target));
        let used = |limit: &KnownLimit| Some((limit.axis, past.estimated_use(past_target, limit.axis)?));
        let used: Vec<(Axis, u64)> = limits.iter().filter_map(used).collect();
        self.input(|engine, _, now| engine.adopt(now, target, views[0].cool_down, &used));
    }

    /// Returns the id of the next job.
    pub(super) fn next_job(&self) -> u64 {
        self.state().actions.next_job
    }

    /// Returns how many units of a limit the engine assumes used; `None` if it has no estimate of it.
    pub(super) fn estimated_use(&self, target: TargetId, axis: Axis) -> Option<u64> {
        let state = self.state();
        state.engine.estimated_use(self.clock.now(), target, axis)
    }

    /// Returns the latest decisions, oldest first, and the number of jobs in flight.
    pub(super) fn decisions(&self) -> (Vec<Event>, usize) {
        let state = self.state();
        (state.actions.decisions.latest(), state.engine.jobs_in_flight())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no thread panics while it holds the engine")
    }
}

impl Actions {
    /// Takes the next action of a job; `None` if none waits. The job is forgotten with its last one.
    pub(super) fn take(&mut self, tag: Tag) -> Option<Action> {
        let job = &mut self.jobs[tag.0];
        let action = job.waiting.pop_front()?;
        job.signal.is_waiting.store(!job.waiting.is_empty(), Ordering::Release);
        if job.waiting.is_empty() {
            // The task that makes this call takes the action, so it need not be woken.
            self.woken.retain(|signal| !Arc::ptr_eq(signal, &job.signal));
        }
        if matches!(action, Action::Done(_)) {
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
        if let (Some(shares), EventKind::CooledDown { target, until, cause }) = (&self.shares, event.kind) {
            shares.publish_cool_down(target, until, cause);
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
        self.add(tag, Action::Cancel);
    }

    fn reassign(&mut self, _: Instant, _: &Handover) {
        unreachable!("invariant: only coalesced jobs hand attempts over, and the gateway does not coalesce")
    }

    fn done(&mut self, _: Instant, tag: Tag, end: &JobEnd, _: Option<Answer>) {
        self.jobs[tag.0].is_done = true;
        self.add(tag, Action::Done(*end));
    }
}

/// Creates the engine of a scenario, whose response cache and coalescing are switched off. Only the last targets of the first
/// `protected_routes` are never ejected.
pub(super) fn engine_of(scenario: &Scenario, protected_routes: usize) -> Engine {
    let mut scenario = scenario.clone();
    (scenario.client.cache, scenario.client.coalesce) = (None, false);
    Engine::new(&scenario).with_protected_routes(protected_routes)
}

/// The timer task looks at the clock at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

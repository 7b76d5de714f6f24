//! The engine behind a lock, and the task that fires its timers.
//!
//! Every input is a short call under the lock, at an instant that is read inside it, so instants never decrease. What the engine
//! decides for a job is kept until that job's task takes it ([`super::job_handle`]).

use super::actions::{Action, ActionSignal, Actions};
use super::metrics::{CountedEvents, Metrics};
use super::recording::{RecordedEngine, Recording};
use super::request_key::Identity;
use super::response_cache::{CacheUsage, ResponseCache};
use super::sharing::{FoundAnswer, SharedAnswers, SharedQuotas};
use crate::drive::clock::Clock;
use crate::engine::{Engine, NewAnswer, TargetView};
use crate::event::Event;
use crate::ids::{Slot, Tag, TargetId};
use crate::job::Job;
use crate::scenario::{Client, KnownLimit, Scenario};
use provider::{Axis, Instant};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
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
    /// Its answer was found in Redis.
    pub(super) is_found: bool,
}

impl SharedEngine {
    /// Creates the engine of a scenario: see [`engine_of`]. Its first job is `next_job`.
    pub(super) fn new(
        (scenario, protected_routes): (&Scenario, usize),
        clock: Clock,
        metrics: Arc<Metrics>,
        next_job: u64,
    ) -> Arc<Self> {
        let counted = CountedEvents::new(metrics, scenario.targets.iter().map(|target| target.name.as_str()));
        let client = scenario.default_client();
        let shares_answers = client.cache.is_some() || client.coalesce;
        let cache = shares_answers.then(|| ResponseCache::new(client.cache.map(|cache| cache.ttl)));
        let actions = Actions::new(next_job, counted, cache);
        let engine = RecordedEngine::new(engine_of(scenario, protected_routes));
        let state = State { engine, actions, armed: Instant::MAX };
        Arc::new(Self { clock, state: Mutex::new(state), earlier_timer: Notify::new() })
    }

    /// Publishes the cool-downs that the engine decides from now on to the other replicas.
    pub(super) fn share_cool_downs(&self, quotas: SharedQuotas) {
        self.state().actions.shared_quotas = Some(quotas);
    }

    /// Stores the answers that the engine stores from now on for the other replicas as well.
    pub(super) fn share_answers(&self, answers: SharedAnswers) {
        self.state().actions.shared_answers = Some(answers);
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
        woken.iter().for_each(|signal| signal.wake());
        next
    }

    /// Submits a job that arrives now. `job` makes it from its id and its arrival. `identity`: that of its request, if its answer is
    /// shared. `found`: the answer to it that was found in Redis, which becomes an input of the engine just before.
    pub(super) fn submit(
        &self,
        job: impl FnOnce(u64, Instant) -> Job,
        identity: Option<&Identity>,
        found: Option<FoundAnswer>,
    ) -> Submitted {
        self.input(|engine, actions, now| submit(engine, actions, (now, job), (identity, found)))
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
        woken.iter().for_each(|signal| signal.wake());
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

    /// Returns the latest events in which the engine decided something or an attempt was answered, oldest first, and the number of
    /// jobs in flight.
    pub(super) fn decisions(&self) -> (Vec<Event>, usize) {
        let state = self.state();
        (state.actions.decisions.latest(), state.engine.jobs_in_flight())
    }

    /// Returns `true` if the response cache has an answer to a request that arrives now.
    pub(super) fn has_answer(&self, identity: &Identity) -> bool {
        let state = self.state();
        let now = self.clock.now();
        state.actions.cache.as_ref().is_some_and(|cache| cache.has_answer(now, identity))
    }

    /// Returns what is in the response cache; `None` if requests share no answers.
    pub(super) fn cache_usage(&self) -> Option<CacheUsage> {
        self.state().actions.cache.as_ref().map(ResponseCache::usage)
    }

    /// Drops the bytes of all answers: the engine gets no further jobs, except those of requests whose bodies are being read.
    pub(super) fn drop_answers(&self) {
        self.state().actions.cache.iter_mut().for_each(ResponseCache::drop_all_bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no thread panics while it holds the engine")
    }
}

/// As [`SharedEngine::submit`], at `now`.
pub(super) fn submit(
    engine: &mut RecordedEngine,
    actions: &mut Actions,
    (now, job): (Instant, impl FnOnce(u64, Instant) -> Job),
    (identity, found): (Option<&Identity>, Option<FoundAnswer>),
) -> Submitted {
    let found =
        found.zip(identity).filter(|(found, identity)| actions.lacks(now, found.age.at(now), identity));
    let (tag, job, signal) = actions.insert(now, job, identity);
    let is_found = found.is_some_and(|(found, _)| {
        let answer = NewAnswer { age: found.age.at(now), cut: found.cut, bytes: found.bytes };
        let is_stored = engine.add_answer(actions, now, job.fingerprint, answer);
        if is_stored {
            actions.keep_found(now, tag, found);
        }
        is_stored
    });
    let slot = engine.submit(actions, now, job, tag);
    Submitted { tag, slot, job, signal, first: actions.take(tag), is_found }
}

/// Creates the engine of a scenario. On the first `protected_routes` routes the last target in use is not ejected; the others
/// are not protected. The task of a request has one attempt in flight, so the engine does not hedge.
pub(super) fn engine_of(scenario: &Scenario, protected_routes: usize) -> Engine {
    // The gateway is one process, whose budget is whole.
    let client = Client { processes: 1, ..scenario.default_client().clone() };
    let engine = Engine::of_client(scenario, &client).with_protected_routes(protected_routes);
    engine.without_hedges().with_budget_from_start()
}

/// The timer task looks at the clock at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

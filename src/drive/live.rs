//! The live driver: the virtual loop with a channel in place of the heap, and the wall clock in place of
//! the next event's instant.
//!
//! One thread owns the engine and never waits for anything but the channel, with the next deadline as its
//! time-out: that wakes within tens of microseconds, where a timer wheel is good to a millisecond. Attempts
//! run beside it on the async runtime and report through the channel; bodies never pass through here.
//!
//! Latency counts from the *scheduled* arrival, and every arrival in the log says when it was scheduled: a
//! generator that falls behind shows it, instead of quietly measuring less.

use super::attempt::{OutboundRequest, Sender};
use super::attempt_truth::attempt_truth;
use super::clock::Clock;
use crate::engine::parse::Dialect;
use crate::engine::{Attempt, Driver, Engine, Reply};
use crate::event::{Event, EventKind, RecordedDecision};
use crate::ids::{AttemptId, ClassId, JobId, Slot, TargetId};
use crate::job::Arrival;
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Scenario;
use provider::wire::{self, truth::TruthHeader};
use provider::{Axis, Instant, Nanos, Truth, Usage};
use rustc_hash::FxHashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as Post};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// NetworkEvent reaches the driver from beside it.
#[derive(Debug)]
pub enum Message {
    /// The reply to an attempt.
    Replied {
        /// The place of its job.
        slot: Slot,
        /// The attempt.
        attempt: AttemptId,
        /// NetworkEvent came back.
        reply: Reply,
    },
    /// A mock ruled on an attempt.
    Decided {
        /// The attempt.
        attempt: AttemptId,
        /// NetworkEvent it decided.
        ruled: RecordedDecision,
    },
    /// A mock settled an admitted attempt.
    Settled {
        /// The attempt.
        attempt: AttemptId,
        /// To what.
        usage: Usage,
    },
}

/// The world that a live run talks to.
pub trait World {
    /// Where a provider of the scenario listens.
    fn address(&self, provider: u16) -> SocketAddr;

    /// Calls `each` with the used share of every limit of a target at `now`; a world that cannot know its
    /// levels calls it never.
    fn levels(&self, now: Instant, target: TargetId, each: &mut dyn FnMut(Axis, f64));
}

/// Runs a scenario over HTTP against `world` and feeds every event to `fold`. Blocks its thread until all jobs
/// are over and returns when that was; attempts run on `runtime`. `inbox` receives what `post` (and the mocks, through clones of it) send.
pub fn run<F: Fold>(
    scenario: &Scenario,
    fold: &mut F,
    world: &impl World,
    clock: Clock,
    runtime: &Handle,
    (post, inbox): (Post<Message>, Receiver<Message>),
) -> Instant {
    let hands = LiveDriver {
        scenario,
        load: Load::new(scenario),
        names: scenario.targets.iter().map(|target| TargetEndpoint::of(scenario, target)).collect(),
        sender: Sender::new(clock),
        clock,
        runtime,
        post,
        flights: Vec::new(),
        unruled: FxHashMap::default(),
        fold,
        world,
    };
    Live { engine: Engine::new(scenario), hands }.run(&inbox)
}

struct Live<'a, F, W> {
    engine: Engine,
    hands: LiveDriver<'a, F, W>,
}

/// NetworkEvent the engine is driven with: all but the engine.
struct LiveDriver<'a, F, W> {
    scenario: &'a Scenario,
    load: Load,
    names: Vec<TargetEndpoint>,
    sender: Sender,
    clock: Clock,
    runtime: &'a Handle,
    post: Post<Message>,
    /// NetworkEvent is out for each place of the engine.
    flights: Vec<Flight>,
    /// Attempts whose ruling or settlement the world has yet to report.
    unruled: FxHashMap<AttemptId, (JobId, TargetId)>,
    fold: &'a mut F,
    world: &'a W,
}

/// NetworkEvent a target is called on the wire, and how it answers.
#[derive(Clone, Debug)]
struct TargetEndpoint {
    model: Arc<str>,
    keys: Vec<Arc<str>>,
    path: Arc<str>,
    dialect: Dialect,
}

impl TargetEndpoint {
    fn of(scenario: &Scenario, target: &crate::scenario::Target) -> Self {
        let provider = &scenario.providers[usize::from(target.provider)];
        let keys = &provider.accounts[usize::from(target.account)].keys;
        let model = provider.models[usize::from(target.model)].name.as_str();
        Self {
            model: model.into(),
            path: wire::format(provider.dialect).path(model).into(),
            keys: keys.iter().map(|key| key.as_str().into()).collect(),
            dialect: provider.dialect.into(),
        }
    }
}

#[derive(Debug)]
struct Flight {
    truth: Truth,
    attempt: Option<(AttemptId, AbortHandle)>,
}

impl<F: Fold, W: World> Live<'_, F, W> {
    fn run(mut self, inbox: &Receiver<Message>) -> Instant {
        let clock = self.hands.clock;
        loop {
            let now = clock.now();
            let timer = self.engine.poll_timeout();
            let arrival = self.hands.load.peek().unwrap_or(Instant::MAX);
            self.hands.sample_until(now);
            // At one instant: timers, then replies, then arrivals.
            if timer <= now {
                self.engine.handle_timeout(&mut self.hands, now);
            } else if let Ok(message) = inbox.try_recv() {
                // The clock is read again: the message may be younger than `now`.
                self.take(clock.now(), message);
            } else if arrival <= now {
                self.submit(now);
            } else {
                let next = timer.min(arrival);
                let over = next == Instant::MAX && self.engine.jobs_in_flight() == 0;
                if over && !self.await_world(inbox) {
                    return clock.now();
                }
                if !over {
                    let wait = clock.until(next.min(self.hands.fold.next_sample()));
                    match inbox.recv_timeout(wait) {
                        Ok(message) => self.take(clock.now(), message),
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                    }
                }
            }
        }
    }

    /// When all jobs are over: waits a little for what the mocks still have to report. Says whether it came.
    fn await_world(&mut self, inbox: &Receiver<Message>) -> bool {
        if self.hands.unruled.is_empty() {
            return false;
        }
        let clock = self.hands.clock;
        let grace = clock.until(clock.now() + GRACE);
        inbox.recv_timeout(grace).map(|message| self.take(clock.now(), message)).is_ok()
    }

    fn submit(&mut self, now: Instant) {
        let Some(Arrival { job, truth }) = self.hands.load.next() else { return };
        let slot = self.engine.vacant();
        let flight = Flight { truth, attempt: None };
        if slot.index() == self.hands.flights.len() {
            self.hands.flights.push(flight);
        } else {
            self.hands.flights[slot.index()] = flight;
        }
        self.engine.submit(&mut self.hands, now, job);
    }

    fn take(&mut self, now: Instant, message: Message) {
        match message {
            Message::Replied { slot, attempt, reply } => {
                let out = &mut self.hands.flights[slot.index()].attempt;
                if out.as_ref().is_some_and(|(sent, _)| *sent == attempt) {
                    *out = None;
                    self.engine.handle(&mut self.hands, now, slot, attempt, &reply);
                }
            }
            Message::Decided { attempt, ruled } => self.hands.ruled(now, attempt, ruled),
            Message::Settled { attempt, usage } => self.hands.settled(now, attempt, usage),
        }
    }
}

impl<F: Fold, W: World> Driver for LiveDriver<'_, F, W> {
    fn log(&mut self, event: &Event) {
        self.fold.event(event);
    }

    fn send(&mut self, _: Instant, &Attempt { id: attempt, slot, number, target, job }: &Attempt) {
        let (named, flight) = (&self.names[target.index()], &mut self.flights[slot.index()]);
        let truth = attempt_truth(flight.truth, number);
        let letter = OutboundRequest {
            to: self.world.address(self.scenario.targets[target.index()].provider),
            // The keys of an account share its quota; each in turn, so that none idles.
            key: Arc::clone(&named.keys[usize::try_from(attempt.0).unwrap_or(0) % named.keys.len()]),
            path: Arc::clone(&named.path),
            model: Arc::clone(&named.model),
            job,
            stream: self.scenario.workloads[job.class.index()].stream,
            dialect: named.dialect,
            note: TruthHeader { truth, tag: attempt.0 },
        };
        let (sender, post) = (self.sender.clone(), self.post.clone());
        let task = self.runtime.spawn(async move {
            let reply = sender.send(&letter).await;
            // Nobody listens any more once the run is over: that is no error of the attempt's.
            let _ = post.send(Message::Replied { slot, attempt, reply });
        });
        flight.attempt = Some((attempt, task.abort_handle()));
        self.unruled.insert(attempt, (job.id, target));
    }

    fn cancel(&mut self, _: Instant, slot: Slot, _: AttemptId) {
        if let Some((_, task)) = self.flights[slot.index()].attempt.take() {
            task.abort();
        }
    }

    fn done(&mut self, now: Instant, _: Slot, class: ClassId) {
        self.load.finished(now, class);
    }
}

impl<F: Fold, W: World> LiveDriver<'_, F, W> {
    /// A mock ruled on an attempt.
    fn ruled(&mut self, now: Instant, attempt: AttemptId, ruled: RecordedDecision) {
        let Some(&(job, target)) = self.unruled.get(&attempt) else { return };
        if !matches!(ruled, RecordedDecision::Admitted { .. }) {
            self.unruled.remove(&attempt);
        }
        self.fold.event(&Event { at: now, job, kind: EventKind::Decided { attempt, target, ruled } });
    }

    /// A mock settled an attempt.
    fn settled(&mut self, now: Instant, attempt: AttemptId, usage: Usage) {
        let Some((job, target)) = self.unruled.remove(&attempt) else { return };
        self.fold.event(&Event { at: now, job, kind: EventKind::Settled { attempt, target, usage } });
    }

    /// Takes every sample of the limits that is due by `now`.
    fn sample_until(&mut self, now: Instant) {
        while self.fold.next_sample() <= now {
            let at = self.fold.next_sample();
            for target in self.scenario.target_ids() {
                let fold = &mut *self.fold;
                self.world.levels(now, target, &mut |axis, share| fold.sample(at, target, axis, share));
            }
            self.fold.sampled(at);
        }
    }
}

/// How long the mocks get to report what they settled after the last job is over.
const GRACE: Nanos = Nanos::from_millis(200);

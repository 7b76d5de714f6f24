//! The live driver: the virtual loop with a channel in place of the event queue, and the wall clock in place of the
//! next event's instant.
//!
//! One thread owns the engine and blocks only on the channel, until the next deadline: it wakes within tens of
//! microseconds, whereas the timers of the async runtime are accurate to a millisecond. Attempts run on the async
//! runtime and report through the channel; bodies do not pass through here.
//!
//! Latency counts from the *scheduled* arrival, and every arrival event records its schedule: a load generator that
//! falls behind is visible as lag and does not shorten latencies (no coordinated omission). It does not submit jobs while
//! many requests wait to begin. If it is more than `driver::MAX_LAG` behind, or a mock is, it sheds the jobs that arrive instead of
//! sending them late, and counts them: a machine that is too slow for the schedule has a bounded number of requests and
//! connections open.

mod backlog;
mod driver;
mod held_replies;

use super::clock::Clock;
use crate::engine::{Engine, Reply};
use crate::event::RecordedDecision;
use crate::ids::{AttemptId, TargetId};
use crate::record::Fold;
use crate::scenario::Scenario;
pub(super) use backlog::Waiting;
use driver::LiveDriver;
use held_replies::HeldReplies;
use provider::meter::LimitLevel;
use provider::{Instant, Nanos, Usage};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use tokio::runtime::Handle;

/// What attempts and mocks report to the driver.
#[derive(Debug)]
pub enum Message {
    /// The reply to an attempt has arrived.
    Replied {
        /// The attempt.
        attempt: AttemptId,
        /// How long it waited in this process before its request began.
        waited: Nanos,
        /// Its reply.
        reply: Reply,
    },
    /// A mock decided on an attempt.
    Decided {
        /// The attempt.
        attempt: AttemptId,
        /// The decision.
        decision: RecordedDecision,
    },
    /// A mock settled an admitted attempt.
    Settled {
        /// The attempt.
        attempt: AttemptId,
        /// The tokens that it used.
        usage: Usage,
    },
}

/// The providers of a live run.
pub trait LiveProviders {
    /// Returns the address of a provider of the scenario.
    fn address(&self, provider: u16) -> SocketAddr;

    /// Returns the random number that marks the truth headers of this run.
    fn run_tag(&self) -> u64;

    /// Returns `true` if they run in this process: then their ends of the connections take file descriptors of it, and they report
    /// a decision before its reply arrives.
    fn are_in_process(&self) -> bool;

    /// Calls `each` with the used share, from 0 to 1, of every limit of a target at `now`. Does not call it if the
    /// levels are unknown.
    fn levels(&self, now: Instant, target: TargetId, each: &mut dyn FnMut(LimitLevel));
}

/// Runs a scenario over HTTP against `providers` and passes every event to `fold`. Attempts run on `runtime` and report
/// through the channel, as do the mocks through clones of its sender.
///
/// Blocks until all jobs have ended, the fold ends the run, or `MAX_JOBS_IN_FLIGHT` jobs are in flight. Returns the instant of
/// the end.
pub fn run<F: Fold>(
    scenario: &Scenario,
    fold: &mut F,
    providers: &impl LiveProviders,
    clock: Clock,
    runtime: &Handle,
    (sender, inbox): (Sender<Message>, Receiver<Message>),
) -> Instant {
    let driver = LiveDriver::new(scenario, fold, providers, clock, (runtime, sender));
    Live { engine: Engine::new(scenario), driver, clock, inbox, held: HeldReplies::default() }.run()
}

struct Live<'a, F, P> {
    engine: Engine,
    driver: LiveDriver<'a, F, P>,
    clock: Clock,
    inbox: Receiver<Message>,
    held: HeldReplies,
}

impl<F: Fold, P: LiveProviders> Live<'_, F, P> {
    fn run(mut self) -> Instant {
        loop {
            let now = self.clock.now();
            let timer = self.engine.poll_timeout();
            let arrival = self.driver.next_arrival(now);
            self.driver.sample_until(now);
            if self.driver.is_run_over() {
                self.engine.end_run(&mut self.driver, now);
                return now;
            }
            // At one instant: timers, then replies, then arrivals.
            if timer <= now {
                self.engine.handle_timeout(&mut self.driver, now);
            } else if let Some((attempt, reply)) = self.held.take_due(now) {
                self.reply(now, attempt, &reply);
            } else if let Ok(message) = self.inbox.try_recv() {
                // The clock is read again, because the message may have been sent after `now`.
                self.receive(self.clock.now(), message);
            } else if arrival <= now {
                self.submit(now);
            } else {
                let next = timer.min(arrival).min(self.held.next_end());
                let is_over = next == Instant::MAX && self.engine.jobs_in_flight() == 0;
                if is_over && !self.await_report() {
                    return self.clock.now();
                }
                if !is_over {
                    // The fold is asked at least this often whether the run is to end.
                    let latest = now + MAX_WAIT;
                    let wait = self.clock.until(next.min(self.driver.next_sample()).min(latest));
                    match self.inbox.recv_timeout(wait) {
                        Ok(message) => self.receive(self.clock.now(), message),
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                    }
                }
            }
        }
    }

    /// Waits up to [`REPORT_GRACE`] for a report of a mock after all jobs have ended. Returns `false` if none is
    /// pending or none arrived.
    fn await_report(&mut self) -> bool {
        if !self.driver.awaits_reports() {
            return false;
        }
        let grace = self.clock.until(self.clock.now() + REPORT_GRACE);
        self.inbox.recv_timeout(grace).map(|message| self.receive(self.clock.now(), message)).is_ok()
    }

    fn submit(&mut self, now: Instant) {
        if let Some((job, tag)) = self.driver.arrive(now) {
            self.engine.submit(&mut self.driver, now, job, tag);
        }
    }

    fn receive(&mut self, now: Instant, message: Message) {
        match message {
            Message::Replied { attempt, waited, reply } => {
                self.driver.record_begin(attempt, waited, &reply);
                if self.driver.awaits_decision(attempt) {
                    self.held.hold(now, attempt, reply);
                } else {
                    self.reply(now, attempt, &reply);
                }
            }
            Message::Decided { attempt, decision } => {
                self.driver.record_decision(now, attempt, decision);
                if let Some(reply) = self.held.take(attempt) {
                    self.reply(now, attempt, &reply);
                }
            }
            Message::Settled { attempt, usage } => self.driver.record_settlement(now, attempt, usage),
        }
    }

    /// Passes a reply to the engine; one to an attempt that was cancelled is dropped.
    fn reply(&mut self, now: Instant, attempt: AttemptId, reply: &Reply) {
        if let Some(slot) = self.driver.land(attempt) {
            self.engine.handle_reply(&mut self.driver, now, slot, attempt, reply);
        }
    }
}

/// The longest wait for a message.
const MAX_WAIT: Nanos = Nanos::from_millis(100);
/// The longest wait for a report of a mock after the last job has ended.
const REPORT_GRACE: Nanos = Nanos::from_millis(200);

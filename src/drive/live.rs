//! The live driver: the virtual loop with a channel in place of the event queue, and the wall clock in place of the
//! next event's instant.
//!
//! One thread runs the loop, which owns the engines, and the attempts: a request begins, and a reply is handled, without
//! waking another thread, which on a busy machine may have to wait for a core. The loop waits for the channel, through
//! which attempts and mocks report, and for a timer (`live/timer.rs`) that is more accurate than those of the async
//! runtime. It yields to the attempts after a bounded number of inputs. The bodies of requests and replies do not pass
//! through the loop.
//!
//! Latency counts from the *scheduled* arrival, and every arrival event records its schedule: a load generator that falls
//! behind is visible as lag and does not shorten latencies (no coordinated omission). It does not submit jobs while many
//! requests wait to begin. If it or a mock is too far behind (`MAX_LAG` and `MAX_LAG_OF_FEW` in `live/driver.rs`), it sheds
//! the jobs that arrive instead of sending them late, and counts them: a machine that is too slow for the schedule has a
//! bounded number of requests and connections open.

mod backlog;
mod driver;
mod first_token;
mod held_replies;
mod mock_transport;
mod timer;
pub(super) mod transport;

use super::clock::Clock;
use super::engines::Engines;
use crate::engine::Reply;
use crate::event::ProviderDecision;
use crate::ids::{AttemptId, TargetId};
use crate::record::Fold;
use crate::scenario::Scenario;
#[cfg(test)]
pub(super) use backlog::Unbegun;
pub(super) use backlog::Waiting;
use driver::LiveDriver;
pub(super) use first_token::FirstToken;
use held_replies::HeldReplies;
use mock_transport::MockTransport;
use provider::meter::LimitLevel;
use provider::{Instant, Nanos, Usage};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use timer::Timer;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use transport::Transport;

/// What attempts and mocks report to the driver.
#[derive(Debug)]
pub enum Message {
    /// The reply to an attempt has arrived.
    Replied {
        /// The attempt.
        attempt: AttemptId,
        /// How long it waited in this process before its request began.
        waited: Nanos,
        /// The decision, if the reply states it.
        decision: Option<ProviderDecision>,
        /// Its reply.
        reply: Reply,
    },
    /// The first token of a streamed answer has arrived. Reported only if a client hedges.
    FirstToken {
        /// The attempt that is being answered.
        attempt: AttemptId,
    },
    /// A mock decided on an attempt.
    Decided {
        /// The attempt.
        attempt: AttemptId,
        /// The decision.
        decision: ProviderDecision,
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

    /// Returns `true` if they run in this process: then their ends of the connections take file descriptors of this
    /// process, and they report a decision before its reply arrives.
    fn are_in_process(&self) -> bool;

    /// Calls `each` with the level of every limit of a target at `now`. Does not call it if the levels are unknown.
    fn levels(&self, now: Instant, target: TargetId, each: &mut dyn FnMut(LimitLevel));
}

/// Returns the runtime of a live run, which uses no thread besides that of its caller.
///
/// # Errors
/// If the system refuses what it needs.
pub fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// Runs a scenario over HTTP against `providers` and passes every event to `fold`. Loop and attempts run on `runtime`, which is one
/// of [`runtime()`]. Mocks report through clones of the channel's sender.
///
/// Blocks until all jobs have ended, the fold ends the run, or `MAX_JOBS_IN_FLIGHT` jobs are in flight. Returns the instant of
/// the end.
pub fn run<F: Fold>(
    scenario: &Scenario,
    fold: &mut F,
    providers: &impl LiveProviders,
    clock: Clock,
    runtime: &Runtime,
    (sender, inbox): (UnboundedSender<Message>, UnboundedReceiver<Message>),
) -> Instant {
    let transport = {
        let _context = runtime.enter();
        MockTransport::new(scenario, providers, clock)
    };
    run_over(scenario, fold, transport, clock, runtime, (sender, inbox))
}

/// Runs a scenario over a transport, as [`run`] does.
pub(super) fn run_over<F: Fold>(
    scenario: &Scenario,
    fold: &mut F,
    transport: impl Transport,
    clock: Clock,
    runtime: &Runtime,
    (sender, inbox): (UnboundedSender<Message>, UnboundedReceiver<Message>),
) -> Instant {
    runtime.block_on(async {
        let driver = LiveDriver::new(scenario, fold, transport, clock, sender);
        let (timer, held) = (Timer::new(clock), HeldReplies::default());
        let mut live = Live { engines: Engines::new(scenario), driver, clock, inbox, timer, held };
        let ended = live.run().await;
        live.driver.report_most_used(ended);
        ended
    })
}

struct Live<'a, F, T> {
    engines: Engines,
    driver: LiveDriver<'a, F, T>,
    clock: Clock,
    inbox: UnboundedReceiver<Message>,
    timer: Timer,
    held: HeldReplies,
}

impl<F: Fold, T: Transport> Live<'_, F, T> {
    async fn run(&mut self) -> Instant {
        let mut inputs = 0;
        loop {
            let now = self.clock.now();
            let timer = self.engines.poll_timeout();
            let arrival = self.driver.next_arrival(now);
            self.driver.sample_until(now);
            if self.driver.is_run_over() {
                self.engines.end_run(&mut self.driver, now);
                return now;
            }
            if inputs == MAX_INPUTS {
                inputs = 0;
                tokio::task::yield_now().await;
                continue;
            }
            inputs += 1;
            // At one instant: timers, then replies, then arrivals.
            if timer <= now {
                self.engines.handle_timeout(&mut self.driver, now);
            } else if let Some((attempt, reply)) = self.held.take_due(now) {
                self.reply(now, attempt, &reply);
            } else if let Ok(message) = self.inbox.try_recv() {
                // The clock is read again, because the message may have been sent after `now`.
                self.receive(self.clock.now(), message);
            } else if arrival <= now {
                self.submit(now);
            } else {
                inputs = 0;
                let next = timer.min(arrival).min(self.held.next_end());
                if next < Instant::MAX || self.driver.jobs_in_flight() > 0 {
                    // The fold is asked at least this often whether the run is to end.
                    let latest = now + MAX_WAIT;
                    self.wait(next.min(self.driver.next_sample()).min(latest)).await;
                } else if !self.await_report().await {
                    return self.clock.now();
                }
            }
        }
    }

    /// Waits for a message until `at`, and receives it. May return earlier.
    async fn wait(&mut self, at: Instant) {
        let message = tokio::select! {
            biased;
            // The channel stays open: the driver holds a sender.
            message = self.inbox.recv() => message,
            () = self.timer.wait(at) => None,
        };
        if let Some(message) = message {
            self.receive(self.clock.now(), message);
        }
    }

    /// Waits up to [`REPORT_GRACE`] for a report of a mock after all jobs have ended. Returns `false` if none is
    /// pending or none arrived.
    async fn await_report(&mut self) -> bool {
        if !self.driver.awaits_reports() {
            return false;
        }
        let message = tokio::time::timeout(REPORT_GRACE, self.inbox.recv()).await.ok().flatten();
        message.map(|message| self.receive(self.clock.now(), message)).is_some()
    }

    fn submit(&mut self, now: Instant) {
        if let Some((job, tag)) = self.driver.arrive(now) {
            self.engines.submit(&mut self.driver, now, job, tag);
        }
    }

    fn receive(&mut self, now: Instant, message: Message) {
        match message {
            Message::Replied { attempt, waited, decision, reply } => {
                self.driver.record_begin(attempt, waited, &reply);
                if let Some(decision) = decision {
                    self.driver.record_decision(now, attempt, decision);
                }
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
            Message::FirstToken { attempt } => {
                if let Some((engine, slot)) = self.driver.engine_of(attempt) {
                    self.engines.handle_first_token(&mut self.driver, now, (engine, slot, attempt));
                }
            }
            Message::Settled { attempt, usage } => self.driver.record_settlement(now, attempt, usage),
        }
    }

    /// Passes a reply to the engine; one to an attempt that was cancelled is dropped.
    fn reply(&mut self, now: Instant, attempt: AttemptId, reply: &Reply) {
        if let Some((engine, slot)) = self.driver.land(attempt) {
            self.engines.handle_reply(&mut self.driver, now, (engine, slot, attempt), reply);
        }
    }
}

/// The longest wait for a message.
const MAX_WAIT: Nanos = Nanos::from_millis(100);
/// The longest wait for a report of a mock after the last job has ended.
const REPORT_GRACE: Duration = Duration::from_millis(200);
/// The maximum number of inputs of the engine before the loop yields to the attempts: far fewer than the requests that may
/// wait to begin.
const MAX_INPUTS: u32 = 16;

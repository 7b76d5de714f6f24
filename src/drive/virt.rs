//! The virtual driver: a loop over the next event, never a tick. A day of traffic takes as long as its
//! events take to decide.

use super::truths::{attempt_truth, ruled};
use super::typed;
use crate::engine::{Engine, Output, Reply};
use crate::event::{Event, Kind};
use crate::ids::{AttemptId, JobId, Slot, TargetId};
use crate::job::{Arrival, Job};
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Plan;
use provider::machine::Provider;
use provider::ruling::{Service, Verdict};
use provider::{Call, Instant, Nanos, Truth, Usage};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Runs a plan in virtual time and feeds every event to `fold`. Returns the instant of the last event.
pub fn simulate(plan: &Plan, fold: &mut impl Fold) -> Instant {
    Simulation::new(plan, fold).run()
}

struct Simulation<'a, F> {
    plan: &'a Plan,
    engine: Engine,
    load: Load,
    providers: Vec<Provider>,
    agenda: BinaryHeap<Reverse<Entry>>,
    entries: u64,
    /// What is out for each place of the engine.
    flights: Vec<Flight>,
    fold: &'a mut F,
}

/// Something that happens in the world at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Instant,
    order: u64,
    attempt: AttemptId,
    slot: Slot,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The attempt reaches the provider.
    Reach,
    /// The provider has sent the last byte.
    Depart,
    /// The reply is whole at the client.
    Reply,
}

/// The attempt that is out for a place of the engine.
#[derive(Clone, Copy, Debug)]
struct Flight {
    attempt: AttemptId,
    job: JobId,
    target: TargetId,
    call: Call,
    /// The truth of the job, given at its arrival.
    truth: Truth,
    /// Whether its first token is seen before its last.
    stream: bool,
    number: u8,
    back: Nanos,
    /// Taken when the provider settles it.
    service: Option<Service>,
    reply: Option<Reply>,
}

impl<'a, F: Fold> Simulation<'a, F> {
    fn new(plan: &'a Plan, fold: &'a mut F) -> Self {
        Self {
            plan,
            engine: Engine::new(plan),
            load: Load::new(plan),
            providers: plan.providers.iter().map(Provider::new).collect(),
            agenda: BinaryHeap::new(),
            entries: 0,
            flights: Vec::new(),
            fold,
        }
    }

    fn run(mut self) -> Instant {
        let mut now = Instant::ZERO;
        loop {
            let timer = self.engine.deadline().unwrap_or(Instant::MAX);
            let world = self.agenda.peek().map_or(Instant::MAX, |Reverse(entry)| entry.at);
            let arrival = self.load.peek().unwrap_or(Instant::MAX);
            let next = timer.min(world).min(arrival);
            if next == Instant::MAX {
                self.sample_until(now);
                return now;
            }
            now = next;
            self.sample_until(now);
            // At one instant: timers, then replies, then arrivals.
            if timer == now {
                self.engine.advance(now);
            } else if world == now {
                self.turn(now);
            } else if let Some(Arrival { job, truth }) = self.load.next() {
                self.submit(now, job, truth);
            }
            self.drain(now);
        }
    }

    fn submit(&mut self, now: Instant, job: Job, truth: Truth) {
        let slot = self.engine.submit(now, job);
        let flight = Flight {
            attempt: NO_ATTEMPT,
            job: job.id,
            target: TargetId(0),
            call: Call { account: 0, model: 0, max_tokens: job.max_tokens },
            truth,
            stream: self.plan.workloads[job.class.index()].stream,
            number: 0,
            back: Nanos::ZERO,
            service: None,
            reply: None,
        };
        if slot.index() == self.flights.len() {
            self.flights.push(flight);
        } else {
            self.flights[slot.index()] = flight;
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Log(event) => self.fold.event(&event),
                Output::Send { slot, attempt, number, target, .. } => {
                    self.send(now, slot, attempt, number, target)
                }
                Output::Abandon { slot, attempt } => self.abandon(now, slot, attempt),
                Output::Done { class, .. } => self.load.finished(now, class),
            }
        }
    }

    /// An attempt leaves the client.
    fn send(&mut self, now: Instant, slot: Slot, attempt: AttemptId, number: u8, target: TargetId) {
        let named = &self.plan.targets[target.index()];
        let flight = &mut self.flights[slot.index()];
        flight.attempt = attempt;
        flight.target = target;
        flight.number = number;
        flight.call.account = named.account;
        flight.call.model = named.model;
        let truth = attempt_truth(flight.truth, number);
        let (there, back) = self.providers[usize::from(named.provider)].network(named.model, truth);
        flight.back = back;
        if there == Nanos::ZERO {
            self.reach(now, slot);
        } else {
            self.enter(now + there, slot, attempt, What::Reach);
        }
    }

    /// The attempt of `slot` reaches its provider, which rules on it.
    fn reach(&mut self, now: Instant, slot: Slot) {
        let flight = &mut self.flights[slot.index()];
        let Flight { attempt, job, target, call, stream, back, .. } = *flight;
        let truth = attempt_truth(flight.truth, flight.number);
        let provider = &mut self.providers[usize::from(self.plan.targets[target.index()].provider)];
        let ruling = provider.arrive(now, call, truth);
        let kind = Kind::Ruled { attempt, target, ruled: ruled(&ruling) };
        self.fold.event(&Event { at: now, job, kind });
        let (service, left_at) = match ruling.verdict {
            Verdict::Admitted(service) => (Some(service), service.done_at),
            Verdict::Refused(_) | Verdict::Faulted(_) => (None, now),
        };
        let first = service.filter(|_| stream).map_or(left_at, |service| service.first_token_at) + back;
        flight.service = service;
        flight.reply = typed::reply(left_at + back, &ruling, first);
        let replies = flight.reply.is_some();
        if service.is_some() && back > Nanos::ZERO {
            self.enter(left_at, slot, attempt, What::Depart);
        }
        if replies {
            self.enter(left_at + back, slot, attempt, What::Reply);
        }
    }

    /// Takes the next thing that happens in the world.
    fn turn(&mut self, now: Instant) {
        let Some(Reverse(Entry { slot, attempt, what, .. })) = self.agenda.pop() else { return };
        if self.flights[slot.index()].attempt != attempt {
            return; // It was abandoned; nobody waits for it.
        }
        match what {
            What::Reach => self.reach(now, slot),
            What::Depart => self.settle(now, slot, None),
            What::Reply => {
                self.settle(now, slot, None);
                let flight = &mut self.flights[slot.index()];
                flight.attempt = NO_ATTEMPT;
                let reply = flight.reply.take().expect("only an attempt with a reply is entered for one");
                self.engine.handle(now, slot, attempt, &reply);
            }
        }
    }

    /// The provider settles an admitted attempt, once: to what it used, or to `cancelled`.
    fn settle(&mut self, now: Instant, slot: Slot, cancelled: Option<Usage>) {
        let flight = &mut self.flights[slot.index()];
        let Some(service) = flight.service.take() else { return };
        let (job, attempt, target) = (flight.job, flight.attempt, flight.target);
        let usage = cancelled.unwrap_or(service.usage);
        if cancelled.is_none() {
            let provider = &mut self.providers[usize::from(self.plan.targets[target.index()].provider)];
            provider.depart(now, service.ticket, usage);
        }
        self.fold.event(&Event { at: now, job, kind: Kind::Settled { attempt, target, usage } });
    }

    /// The client goes away from an attempt; the provider keeps what it had done by then.
    fn abandon(&mut self, now: Instant, slot: Slot, attempt: AttemptId) {
        let flight = &self.flights[slot.index()];
        debug_assert_eq!(flight.attempt, attempt);
        if let Some(service) = flight.service {
            let provider =
                &mut self.providers[usize::from(self.plan.targets[flight.target.index()].provider)];
            let usage = provider.cancel(now, &service);
            self.settle(now, slot, Some(usage));
        }
        self.flights[slot.index()].attempt = NO_ATTEMPT;
    }

    fn enter(&mut self, at: Instant, slot: Slot, attempt: AttemptId, what: What) {
        self.entries += 1;
        self.agenda.push(Reverse(Entry { at, order: self.entries, attempt, slot, what }));
    }

    /// Takes every sample of the limits that is due by `now`.
    fn sample_until(&mut self, now: Instant) {
        while self.fold.next_sample() <= now {
            let at = self.fold.next_sample();
            for id in self.plan.target_ids() {
                let target = &self.plan.targets[id.index()];
                let provider = &mut self.providers[usize::from(target.provider)];
                for level in provider.levels(at, target.account, target.model) {
                    self.fold.sample(at, id, level.axis, level.used_share());
                }
            }
            self.fold.sampled(at);
        }
    }
}

/// No attempt is out.
const NO_ATTEMPT: AttemptId = AttemptId(u64::MAX);

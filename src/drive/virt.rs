//! The virtual driver: a loop over the next event, never a tick. A day of traffic takes as long as its
//! events take to decide.

use super::truths::{attempt_truth, ruled};
use super::typed;
use crate::engine::{Engine, Output, Reply};
use crate::event::{Event, Kind};
use crate::ids::{AttemptId, JobId, Slot, TargetId};
use crate::job::Arrival;
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Plan;
use provider::config::Fault;
use provider::machine::Provider;
use provider::ruling::{Ruling, Service, Verdict};
use provider::{Call, Instant, Nanos, Truth, Usage};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Runs a plan in virtual time and feeds every event to `fold`. Returns the instant of the last event.
pub fn simulate(plan: &Plan, fold: &mut impl Fold) -> Instant {
    Simulation::new(plan, fold).run()
}

/// The client's side, and the load that it is under.
struct Simulation<'a, F> {
    engine: Engine,
    load: Load,
    world: World<'a, F>,
}

/// All that is beyond the client: networks, providers, and who watches.
struct World<'a, F> {
    plan: &'a Plan,
    providers: Vec<Provider>,
    agenda: BinaryHeap<Reverse<Entry>>,
    entries: u64,
    /// What is out for each place of the engine.
    flights: Vec<Flight>,
    fold: &'a mut F,
}

/// Something that happens in the world at an instant.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Instant,
    /// Its number: at one instant, what was entered first comes first.
    number: u64,
    slot: Slot,
    what: What,
}

#[derive(Clone, Copy, Debug)]
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
    /// The entry of the agenda that it waits for; zero where it waits for none.
    entry: u64,
    job: JobId,
    target: TargetId,
    call: Call,
    /// The truth of the job, given at its arrival.
    truth: Truth,
    /// Whether its first token is seen before its last.
    stream: bool,
    number: u8,
    back: Nanos,
    /// Whether the provider admitted it and has not settled it.
    open: bool,
    /// None before it has reached the provider.
    ruling: Option<Ruling>,
}

impl<'a, F: Fold> Simulation<'a, F> {
    fn new(plan: &'a Plan, fold: &'a mut F) -> Self {
        let world = World {
            plan,
            providers: plan.providers.iter().map(Provider::new).collect(),
            agenda: BinaryHeap::new(),
            entries: 0,
            flights: Vec::new(),
            fold,
        };
        Self { engine: Engine::new(plan), load: Load::new(plan), world }
    }

    fn run(mut self) -> Instant {
        let mut now = Instant::ZERO;
        loop {
            let timer = self.engine.deadline().unwrap_or(Instant::MAX);
            let world = self.world.agenda.peek().map_or(Instant::MAX, |Reverse(entry)| entry.at);
            let arrival = self.load.peek().unwrap_or(Instant::MAX);
            let next = timer.min(world).min(arrival);
            if next == Instant::MAX {
                self.world.sample_until(now);
                return now;
            }
            now = next;
            self.world.sample_until(now);
            // At one instant: timers, then replies, then arrivals.
            if timer == now {
                self.engine.advance(now);
            } else if world == now {
                if let Some((slot, attempt, reply)) = self.world.turn(now) {
                    self.engine.handle(now, slot, attempt, &reply);
                }
            } else if let Some(arrival) = self.load.next() {
                let slot = self.engine.submit(now, arrival.job);
                self.world.expect(slot, &arrival);
            }
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.engine.poll() {
            match *output {
                Output::Log(ref event) => self.world.fold.event(event),
                Output::Send { slot, attempt, number, target, .. } => {
                    self.world.send(now, slot, attempt, number, target);
                }
                Output::Abandon { slot, attempt } => self.world.abandon(now, slot, attempt),
                Output::Done { class, .. } => self.load.finished(now, class),
            }
        }
    }
}

impl<F: Fold> World<'_, F> {
    /// Keeps what only the world may know of a job, for its attempts.
    fn expect(&mut self, slot: Slot, Arrival { job, truth }: &Arrival) {
        let flight = Flight {
            attempt: AttemptId(0),
            entry: 0,
            job: job.id,
            target: TargetId(0),
            call: Call { account: 0, model: 0, max_tokens: job.max_tokens },
            truth: *truth,
            stream: self.plan.workloads[job.class.index()].stream,
            number: 0,
            back: Nanos::ZERO,
            open: false,
            ruling: None,
        };
        if slot.index() == self.flights.len() {
            self.flights.push(flight);
        } else {
            self.flights[slot.index()] = flight;
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
        flight.ruling = None;
        let truth = attempt_truth(flight.truth, number);
        let (there, back) = self.providers[usize::from(named.provider)].network(named.model, truth);
        flight.back = back;
        if there == Nanos::ZERO {
            self.reach(now, slot);
        } else {
            self.enter(now + there, slot, What::Reach);
        }
    }

    /// The attempt of `slot` reaches its provider, which rules on it.
    fn reach(&mut self, now: Instant, slot: Slot) {
        let flight = &mut self.flights[slot.index()];
        let Flight { attempt, job, target, back, .. } = *flight;
        let truth = attempt_truth(flight.truth, flight.number);
        let provider = &mut self.providers[usize::from(self.plan.targets[target.index()].provider)];
        let ruling = flight.ruling.insert(provider.arrive(now, flight.call, truth));
        let kind = Kind::Ruled { attempt, target, ruled: ruled(ruling) };
        self.fold.event(&Event { at: now, job, kind });
        match ruling.verdict {
            Verdict::Admitted(Service { done_at, .. }) => {
                flight.open = true;
                let what = if back > Nanos::ZERO { What::Depart } else { What::Reply };
                self.enter(done_at, slot, what);
            }
            Verdict::Faulted(Fault::Timeout) => {} // No reply ever comes.
            Verdict::Refused(_) | Verdict::Faulted(_) => self.enter(now + back, slot, What::Reply),
        }
    }

    /// Takes the next thing that happens in the world; returns the reply that is whole by it.
    fn turn(&mut self, now: Instant) -> Option<(Slot, AttemptId, Reply)> {
        let Reverse(Entry { number, slot, what, .. }) = self.agenda.pop()?;
        let flight = &mut self.flights[slot.index()];
        if flight.entry != number {
            return None; // It was abandoned; nobody waits for it.
        }
        flight.entry = 0;
        match what {
            What::Reach => self.reach(now, slot),
            What::Depart => {
                let whole_at = now + flight.back;
                self.settle(now, slot);
                self.enter(whole_at, slot, What::Reply);
            }
            What::Reply => {
                self.settle(now, slot);
                let flight = &self.flights[slot.index()];
                return Some((slot, flight.attempt, flight.reply(now)));
            }
        }
        None
    }

    /// The provider settles an admitted attempt that has ended, once.
    fn settle(&mut self, now: Instant, slot: Slot) {
        let flight = &mut self.flights[slot.index()];
        if let Some(&Service { ticket, usage, .. }) = flight.close() {
            let provider =
                &mut self.providers[usize::from(self.plan.targets[flight.target.index()].provider)];
            provider.depart(now, ticket, usage);
            self.fold.event(&flight.settled(now, usage));
        }
    }

    /// The client goes away from an attempt; the provider keeps what it had done by then.
    fn abandon(&mut self, now: Instant, slot: Slot, attempt: AttemptId) {
        let flight = &mut self.flights[slot.index()];
        debug_assert_eq!(flight.attempt, attempt);
        flight.entry = 0;
        let provider = &mut self.providers[usize::from(self.plan.targets[flight.target.index()].provider)];
        if let Some(service) = flight.close() {
            let usage = provider.cancel(now, service);
            self.fold.event(&flight.settled(now, usage));
        }
    }

    /// Enters what the attempt of `slot` waits for.
    fn enter(&mut self, at: Instant, slot: Slot, what: What) {
        self.entries += 1;
        self.flights[slot.index()].entry = self.entries;
        self.agenda.push(Reverse(Entry { at, number: self.entries, slot, what }));
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

impl Flight {
    /// The service that the provider has yet to settle; no more after this.
    fn close(&mut self) -> Option<&Service> {
        match &self.ruling {
            Some(Ruling { verdict: Verdict::Admitted(service), .. }) if std::mem::take(&mut self.open) => {
                Some(service)
            }
            _ => None,
        }
    }

    /// That it was settled.
    fn settled(&self, now: Instant, usage: Usage) -> Event {
        let kind = Kind::Settled { attempt: self.attempt, target: self.target, usage };
        Event { at: now, job: self.job, kind }
    }

    /// What the client reads when the reply is whole, now.
    fn reply(&self, now: Instant) -> Reply {
        let ruling = self.ruling.as_ref().expect("who rules replies");
        let first_token_at = match ruling.verdict {
            Verdict::Admitted(service) if self.stream => service.first_token_at + self.back,
            _ => now,
        };
        typed::reply(now, ruling, first_token_at).expect("only an attempt with a reply is entered for one")
    }
}

impl Entry {
    /// What comes first: by instant, then by number. One word, because it is compared without a branch.
    fn order(&self) -> u128 {
        u128::from(self.at.0) << 64 | u128::from(self.number)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Entry {}

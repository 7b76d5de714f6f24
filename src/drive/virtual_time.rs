//! The virtual driver: a loop over the next event, never a tick. A day of traffic takes as long as its
//! events take to decide.

use super::attempt_truth::{attempt_truth, ruled};
use super::via_wire::goes_via_wire;
use super::{direct, via_wire};
use crate::engine::{Attempt, Driver, Engine, Reply};
use crate::event::{Event, EventKind};
use crate::ids::{AttemptId, ClassId, JobId, Slot, TargetId};
use crate::job::Arrival;
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Scenario;
use provider::config::{Dialect, Fault};
use provider::decision::{Decision, DecisionReport, Remaining, Service};
use provider::fault::ActiveFaults;
use provider::machine::Provider;
use provider::wire::LimitsSnapshot;
use provider::{Call, Instant, Nanos, Truth, Usage};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Runs a scenario in virtual time and feeds every event to `fold`. Returns the instant of the last event.
pub fn simulate(scenario: &Scenario, fold: &mut impl Fold) -> Instant {
    simulate_load(scenario, Load::new(scenario), fold)
}

/// The same with the scenario's schedule as it was prepared.
pub fn simulate_load(scenario: &Scenario, load: Load, fold: &mut impl Fold) -> Instant {
    Simulation::new(scenario, load, fold).run()
}

/// The client's side.
struct Simulation<'a, F> {
    engine: Engine,
    world: World<'a, F>,
}

/// All that is beyond the client: the load, networks, providers, and who watches.
struct World<'a, F> {
    scenario: &'a Scenario,
    load: Load,
    providers: Vec<Provider>,
    agenda: EventQueue,
    /// NetworkEvent is out for each place of the engine.
    flights: Vec<Flight>,
    /// Whether the client reads what replies tell of the limits.
    uses_limit_headers: bool,
    fold: &'a mut F,
}

/// NetworkEvent happens next in the world.
#[derive(Debug, Default)]
struct EventQueue {
    heap: BinaryHeap<Reverse<Entry>>,
    entries: u64,
}

/// Something that happens in the world at an instant.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Instant,
    /// Its number: at one instant, what was entered first comes first.
    number: u64,
    slot: Slot,
    what: NetworkEvent,
}

#[derive(Clone, Copy, Debug)]
enum NetworkEvent {
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
    /// Whose target that is.
    provider: u16,
    call: Call,
    /// The truth of the job, given at its arrival.
    truth: Truth,
    /// Whether its first token is seen before its last.
    stream: bool,
    number: u8,
    back: Nanos,
    /// Whether the provider admitted it and has not settled it.
    open: bool,
    answer: Answer,
}

/// NetworkEvent the provider makes of an attempt.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Nothing yet.
    Awaited,
    /// A ruling, and what its reply tells of the limits where the client reads that.
    Ruled(Decision, Remaining),
    /// A refusal in words that are no Groq's, as the client reads them.
    Worded(Reply),
}

impl<'a, F: Fold> Simulation<'a, F> {
    fn new(scenario: &'a Scenario, load: Load, fold: &'a mut F) -> Self {
        let engine = Engine::new(scenario);
        let world = World {
            scenario,
            load,
            providers: scenario.providers.iter().map(Provider::new).collect(),
            agenda: EventQueue::default(),
            flights: Vec::new(),
            uses_limit_headers: engine.uses_limit_headers(),
            fold,
        };
        Self { engine, world }
    }

    fn run(mut self) -> Instant {
        let Self { engine, world } = &mut self;
        let mut now = Instant::ZERO;
        loop {
            let timer = engine.poll_timeout();
            let event = world.agenda.next();
            let arrival = world.load.peek().unwrap_or(Instant::MAX);
            let next = timer.min(event).min(arrival);
            if next == Instant::MAX {
                world.sample_until(now);
                return now;
            }
            now = next;
            world.sample_until(now);
            // At one instant: timers, then replies, then arrivals.
            if timer == now {
                engine.handle_timeout(world, now);
            } else if event == now {
                if let Some(slot) = world.turn(now) {
                    let flight = &world.flights[slot.index()];
                    let (attempt, reply) = (flight.attempt, flight.reply(now));
                    engine.handle(world, now, slot, attempt, &reply);
                }
            } else if let Some(arrival) = world.load.next() {
                world.expect(engine.vacant(), &arrival);
                engine.submit(world, now, arrival.job);
            }
        }
    }
}

impl<F: Fold> Driver for World<'_, F> {
    #[inline(always)]
    fn log(&mut self, event: &Event) {
        self.fold.event(event);
    }

    fn send(&mut self, now: Instant, &Attempt { id, slot, number, target, .. }: &Attempt) {
        let named = &self.scenario.targets[target.index()];
        let flight = &mut self.flights[slot.index()];
        flight.attempt = id;
        flight.target = target;
        flight.provider = named.provider;
        flight.number = number;
        flight.call.account = named.account;
        flight.call.model = named.model;
        flight.answer = Answer::Awaited;
        let truth = attempt_truth(flight.truth, number);
        let (there, back) = self.providers[usize::from(named.provider)].network(named.model, truth);
        flight.back = back;
        if there == Nanos::ZERO {
            self.reach(now, slot, truth);
        } else {
            self.agenda.enter(flight, now + there, slot, NetworkEvent::Reach);
        }
    }

    fn cancel(&mut self, now: Instant, slot: Slot, attempt: AttemptId) {
        let flight = &mut self.flights[slot.index()];
        debug_assert_eq!(flight.attempt, attempt);
        flight.entry = 0;
        let provider = &mut self.providers[usize::from(flight.provider)];
        // The provider keeps what it had done by then.
        if let Some(service) = flight.close() {
            let usage = provider.cancel(now, service);
            self.fold.event(&flight.settled(now, usage));
        }
    }

    fn done(&mut self, now: Instant, _: Slot, class: ClassId) {
        self.load.finished(now, class);
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
            provider: 0,
            call: Call { account: 0, model: 0, max_tokens: job.max_tokens },
            truth: *truth,
            stream: self.scenario.workloads[job.class.index()].stream,
            number: 0,
            back: Nanos::ZERO,
            open: false,
            answer: Answer::Awaited,
        };
        if slot.index() == self.flights.len() {
            self.flights.push(flight);
        } else {
            self.flights[slot.index()] = flight;
        }
    }

    /// The attempt of `slot` reaches its provider, which rules on it.
    fn reach(&mut self, now: Instant, slot: Slot, truth: Truth) {
        let flight = &mut self.flights[slot.index()];
        let Flight { attempt, job, target, back, call, .. } = *flight;
        let index = usize::from(flight.provider);
        let (config, provider) = (&self.scenario.providers[index], &mut self.providers[index]);
        let trouble = provider.faults_at(now, truth);
        let trouble = trouble.as_ref().unwrap_or(&ActiveFaults::NONE);
        let verdict = provider.decide_with_faults(now, call, 0, truth, trouble);
        flight.open = matches!(verdict, Decision::Admitted(_));
        let (ruled, ends) = (ruled(&verdict), ends(now, &verdict, back));
        flight.answer = if goes_via_wire(config, &verdict) {
            let ruling =
                DecisionReport { decision: verdict, limits: provider.limits(now, call.account, call.model) };
            let told = LimitsSnapshot::new(now, ruling.limits).with_levels(provider.levels(
                now,
                call.account,
                call.model,
            ));
            let reply = via_wire::reply(config, call, &ruling, &told, &trouble.response, now + back);
            reply.map_or(Answer::Ruled(verdict, Remaining::default()), Answer::Worded)
        } else if self.uses_limit_headers
            && config.dialect == Dialect::Groq
            && !trouble.response.no_limit_headers
        {
            Answer::Ruled(verdict, provider.remaining(call.account, call.model))
        } else {
            Answer::Ruled(verdict, Remaining::default())
        };
        self.fold.event(&Event { at: now, job, kind: EventKind::Decided { attempt, target, ruled } });
        if let Some((at, what)) = ends {
            self.agenda.enter(flight, at, slot, what);
        }
    }

    /// Takes the next thing that happens in the world; returns the place whose reply is whole by it.
    fn turn(&mut self, now: Instant) -> Option<Slot> {
        let Entry { number, slot, what, .. } = self.agenda.take()?;
        let flight = &mut self.flights[slot.index()];
        if flight.entry != number {
            return None; // It was abandoned; nobody waits for it.
        }
        flight.entry = 0;
        match what {
            NetworkEvent::Reach => {
                let truth = attempt_truth(flight.truth, flight.number);
                self.reach(now, slot, truth);
            }
            NetworkEvent::Depart => {
                let whole_at = now + flight.back;
                settle(&mut self.providers, self.fold, now, flight);
                self.agenda.enter(flight, whole_at, slot, NetworkEvent::Reply);
            }
            NetworkEvent::Reply => {
                settle(&mut self.providers, self.fold, now, flight);
                return Some(slot);
            }
        }
        None
    }

    /// Takes every sample of the limits that is due by `now`.
    #[inline]
    fn sample_until(&mut self, now: Instant) {
        while self.fold.next_sample() <= now {
            self.sample();
        }
    }

    /// Takes the next sample of the limits.
    #[cold]
    fn sample(&mut self) {
        let at = self.fold.next_sample();
        for id in self.scenario.target_ids() {
            let target = &self.scenario.targets[id.index()];
            let provider = &mut self.providers[usize::from(target.provider)];
            for level in provider.levels(at, target.account, target.model) {
                self.fold.sample(at, id, level.axis, level.used_share());
            }
        }
        self.fold.sampled(at);
    }
}

/// The provider settles an admitted attempt that has ended, once.
fn settle(providers: &mut [Provider], fold: &mut impl Fold, now: Instant, flight: &mut Flight) {
    if let Some(&Service { ticket, usage, .. }) = flight.close() {
        providers[usize::from(flight.provider)].depart(now, ticket, usage);
        fold.event(&flight.settled(now, usage));
    }
}

/// NetworkEvent an attempt waits for that was ruled on now, and when that is; nothing where no reply ever comes.
fn ends(now: Instant, verdict: &Decision, back: Nanos) -> Option<(Instant, NetworkEvent)> {
    match verdict {
        Decision::Admitted(service) if back > Nanos::ZERO => Some((service.done_at, NetworkEvent::Depart)),
        Decision::Admitted(service) => Some((service.done_at, NetworkEvent::Reply)),
        Decision::Faulted(Fault::Timeout) => None,
        Decision::Refused(_) | Decision::TooLong(_) | Decision::Faulted(_) => {
            Some((now + back, NetworkEvent::Reply))
        }
    }
}

impl EventQueue {
    /// When the next thing happens; [`Instant::MAX`] where nothing does.
    fn next(&self) -> Instant {
        self.heap.peek().map_or(Instant::MAX, |Reverse(entry)| entry.at)
    }

    fn take(&mut self) -> Option<Entry> {
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Enters what the attempt of `slot` waits for.
    fn enter(&mut self, flight: &mut Flight, at: Instant, slot: Slot, what: NetworkEvent) {
        self.entries += 1;
        flight.entry = self.entries;
        self.heap.push(Reverse(Entry { at, number: self.entries, slot, what }));
    }
}

impl Flight {
    /// The service that the provider has yet to settle; no more after this.
    fn close(&mut self) -> Option<&Service> {
        match &self.answer {
            Answer::Ruled(Decision::Admitted(service), _) if std::mem::take(&mut self.open) => Some(service),
            _ => None,
        }
    }

    /// That it was settled.
    fn settled(&self, now: Instant, usage: Usage) -> Event {
        let kind = EventKind::Settled { attempt: self.attempt, target: self.target, usage };
        Event { at: now, job: self.job, kind }
    }

    /// NetworkEvent the client reads when the reply is whole, now.
    fn reply(&self, now: Instant) -> Reply {
        let (verdict, remaining) = match &self.answer {
            Answer::Worded(reply) => return *reply,
            Answer::Ruled(verdict, remaining) => (verdict, *remaining),
            Answer::Awaited => unreachable!("who has not ruled does not reply"),
        };
        let first_token_at = match verdict {
            Decision::Admitted(service) if self.stream => service.first_token_at + self.back,
            _ => now,
        };
        direct::reply(now, verdict, remaining, first_token_at)
            .expect("only an attempt with a reply is entered for one")
    }
}

impl Entry {
    /// NetworkEvent comes first: by instant, then by number. One word, because it is compared without a branch.
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

//! The laws, checked again from outside: a fold that believes nobody and reads only the events.
//!
//! It checks laws 1 (jobs end once), 2 (attempts end once), 3 (causes before effects), 4 (time never runs
//! back), 8 (no send before a cool-down ends), 9 (reservations are settled once), 14 (attempts, queue and
//! waiting stay inside their bounds) and 15 (who follows ends with its leader or takes its place). It remembers what is in flight and forgets it at its end; ids only
//! ever rise, so whatever is unknown was never begun, or is over.

use super::Fold;
use super::coalescing::CoalescingLedger;
use crate::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, RecordedDecision};
use crate::ids::{AttemptId, JobId, TargetId};
use crate::scenario::Scenario;
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::fmt;

/// The most violations kept word by word; the others are counted.
const KEPT: usize = 100;

/// A law that was broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The number of the law, as the list of laws has it.
    pub law: u8,
    /// The event that broke it; `None` where something is missing at the end.
    pub event: Option<Event>,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law {}: {}", self.law, self.what)?;
        self.event.map_or(Ok(()), |event| write!(f, " (at {}: {event:?})", event.at))
    }
}

/// Checks the laws on the events of a run.
#[derive(Clone, Debug)]
pub struct Audit {
    deadline: Nanos,
    slack: Nanos,
    attempts: u8,
    queue: u32,
    now: Instant,
    /// Whether the world tells its rulings.
    told: bool,
    next_job: u64,
    next_attempt: u64,
    jobs: FxHashMap<JobId, JobLedger>,
    joins: CoalescingLedger,
    open: FxHashMap<AttemptId, AttemptLedger>,
    /// By target, until when nothing may be sent.
    resting: Vec<Instant>,
    found: Vec<Violation>,
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct JobLedger {
    scheduled: Instant,
    /// The latest instant at which it may end.
    ends_by: Instant,
    sent: u8,
    /// Attempts neither replied to nor abandoned.
    flying: u8,
    served: bool,
    /// Answered without an attempt of its own: from the cache, or with the job that it follows.
    given: bool,
    /// The first byte of an answer has reached its caller.
    answering: bool,
}

#[derive(Clone, Copy, Debug)]
struct AttemptLedger {
    job: JobId,
    target: TargetId,
    client: Client,
    world: World,
}

/// How far the client is with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Waits,
    Replied,
    Abandoned,
}

/// How far the provider is with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum World {
    Unruled,
    Admitted,
    Over,
}

impl Audit {
    /// An audit of a run of `scenario`. `slack` is how much later than its deadline a job may end: zero in virtual
    /// time, what timers are late by on a real clock.
    #[must_use]
    pub fn new(scenario: &Scenario, slack: Nanos) -> Self {
        Self {
            deadline: scenario.client.deadline,
            slack,
            attempts: scenario.client.retry.attempts,
            queue: scenario.client.queue,
            now: Instant::ZERO,
            told: false,
            next_job: 0,
            next_attempt: 0,
            jobs: FxHashMap::default(),
            joins: CoalescingLedger::default(),
            open: FxHashMap::default(),
            resting: vec![Instant::ZERO; scenario.targets.len()],
            found: Vec::new(),
            count: 0,
        }
    }

    /// The first hundred violations in order, and how many there were in all. Call it once the run is over.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Violation>, u64) {
        let unended: BTreeMap<_, _> = std::mem::take(&mut self.jobs).into_iter().collect();
        for job in unended.keys() {
            self.broken(1, None, format!("{job} never ends"));
        }
        let open: BTreeMap<_, _> = std::mem::take(&mut self.open).into_iter().collect();
        for (attempt, book) in open {
            // What was still under way when the run was cut off may stay open, and so may its reservation.
            if book.world == World::Admitted && book.client != Client::Waits {
                self.broken(9, None, format!("the reservation of attempt {} is never settled", attempt.0));
            }
        }
        (self.found, self.count)
    }

    fn broken(&mut self, law: u8, event: Option<&Event>, what: impl Into<String>) {
        self.count += 1;
        if self.found.len() < KEPT {
            self.found.push(Violation { law, event: event.copied(), what: what.into() });
        }
    }

    /// Notes that a law is broken unless `holds`.
    fn check(&mut self, holds: bool, law: u8, event: &Event, what: &str) {
        if !holds {
            self.broken(law, Some(event), what);
        }
    }

    fn arrived(&mut self, event: &Event, scheduled: Instant, deadline: Option<Instant>) {
        self.check(event.job.0 >= self.next_job, 1, event, "the job has arrived before");
        self.next_job = self.next_job.max(event.job.0 + 1);
        self.check(scheduled <= event.at, 3, event, "the job arrives before its schedule");
        // A job that arrives after its deadline ends at once.
        let ends_by = deadline.unwrap_or(scheduled + self.deadline).max(event.at) + self.slack;
        let (served, given, answering) = (false, false, false);
        let book = JobLedger { scheduled, ends_by, sent: 0, flying: 0, served, given, answering };
        self.jobs.insert(event.job, book);
    }

    fn sent(&mut self, event: &Event, attempt: AttemptId, target: TargetId, number: u8) {
        self.check(attempt.0 >= self.next_attempt, 2, event, "the attempt was sent before");
        self.next_attempt = self.next_attempt.max(attempt.0 + 1);
        let rests = self.resting[target.index()];
        self.check(event.at >= rests, 8, event, "the target's cool-down has not ended");
        self.check(number <= self.attempts, 14, event, "more attempts than the plan allows");
        if let Some(job) = self.jobs.get_mut(&event.job) {
            job.sent = job.sent.saturating_add(1);
            job.flying = job.flying.saturating_add(1);
            let (counted, answering) = (job.sent == number, job.answering);
            self.check(counted, 2, event, "the attempt's number is not the count of the job's sends");
            self.check(!answering, 16, event, "an attempt is sent after the first byte of an answer");
        }
        let book = AttemptLedger { job: event.job, target, client: Client::Waits, world: World::Unruled };
        self.open.insert(attempt, book);
    }

    /// The first byte of an answer reached the caller.
    fn first_byte(&mut self, event: &Event, attempt: AttemptId, target: TargetId) {
        let Some(book) = self.book(event, attempt, target) else { return };
        self.check(book.client == Client::Waits, 16, event, "the attempt that answers has ended");
        if let Some(job) = self.jobs.get_mut(&event.job) {
            let answering = std::mem::replace(&mut job.answering, true);
            self.check(!answering, 16, event, "a job has two first bytes");
        }
    }

    /// The job leads, and takes an attempt over from the leader before it, if that was cancelled during one.
    fn promoted(&mut self, event: &Event, leader: JobId, attempt: Option<AttemptId>) {
        self.given(event.job, false);
        let Some(attempt) = attempt else { return };
        let Some(book) = self.open.get_mut(&attempt).filter(|book| book.job == leader) else {
            return self.broken(15, Some(event), "the attempt is not the leader's");
        };
        book.job = event.job;
        let in_flight = book.client == Client::Waits;
        self.check(in_flight, 15, event, "the attempt that is taken over has ended");
        if let Some(job) = self.jobs.get_mut(&leader) {
            job.flying = job.flying.saturating_sub(1);
        }
        if let Some(job) = self.jobs.get_mut(&event.job) {
            (job.sent, job.flying) = (1, 1);
        }
    }

    fn ruled(&mut self, event: &Event, attempt: AttemptId, target: TargetId, ruled: RecordedDecision) {
        self.told = true;
        let Some(mut book) = self.book(event, attempt, target) else { return };
        self.check(book.world == World::Unruled, 2, event, "the attempt was ruled on before");
        book.world =
            if matches!(ruled, RecordedDecision::Admitted { .. }) { World::Admitted } else { World::Over };
        self.keep(attempt, book);
    }

    fn settled(&mut self, event: &Event, attempt: AttemptId, target: TargetId) {
        let Some(mut book) = self.open.get(&attempt).copied() else {
            return self.broken(9, Some(event), "nothing is reserved for the attempt");
        };
        self.check(book.target == target && book.job == event.job, 2, event, "the attempt is another's");
        self.check(book.world == World::Admitted, 9, event, "nothing is reserved for the attempt");
        book.world = World::Over;
        self.keep(attempt, book);
    }

    /// The client is done with an attempt: because of this outcome, or (`None`) because it gave it up.
    fn ended(
        &mut self,
        event: &Event,
        attempt: AttemptId,
        target: TargetId,
        outcome: Option<AttemptOutcome>,
    ) {
        let Some(mut book) = self.book(event, attempt, target) else { return };
        self.check(book.client == Client::Waits, 2, event, "the attempt has ended before");
        let from_the_world = matches!(outcome, Some(AttemptOutcome::Ok | AttemptOutcome::Limited { .. }));
        let unruled = self.told && book.world == World::Unruled;
        self.check(!(from_the_world && unruled), 3, event, "the reply comes before the ruling");
        book.client = if outcome.is_some() { Client::Replied } else { Client::Abandoned };
        self.keep(attempt, book);
        if let Some(job) = self.jobs.get_mut(&event.job) {
            job.flying = job.flying.saturating_sub(1);
            job.served |= outcome == Some(AttemptOutcome::Ok);
        }
    }

    fn book(&mut self, event: &Event, attempt: AttemptId, target: TargetId) -> Option<AttemptLedger> {
        let Some(book) = self.open.get(&attempt).copied() else {
            let known = attempt.0 < self.next_attempt;
            let (law, what) =
                if known { (2, "the attempt is over") } else { (3, "the attempt was never sent") };
            self.broken(law, Some(event), what);
            return None;
        };
        self.check(book.target == target && book.job == event.job, 2, event, "the attempt is another's");
        Some(book)
    }

    /// Remembers an attempt until both sides are done with it. Where no ruling is ever told (a real upstream),
    /// the client's word is enough.
    fn keep(&mut self, attempt: AttemptId, book: AttemptLedger) {
        let over = match (book.client, book.world) {
            (Client::Waits, _) | (_, World::Admitted) => false,
            (_, World::Over) | (Client::Replied, World::Unruled) => true,
            (Client::Abandoned, World::Unruled) => !self.told,
        };
        if over {
            self.open.remove(&attempt);
        } else {
            self.open.insert(attempt, book);
        }
    }

    fn done(&mut self, event: &Event, ending: &JobEnd) {
        let Some(job) = self.jobs.remove(&event.job) else { return };
        self.check(ending.scheduled == job.scheduled, 3, event, "the schedule has changed");
        self.check(ending.attempts == job.sent, 2, event, "the attempts told are not the attempts sent");
        let fits = match ending.outcome {
            JobOutcome::InFlight => return,
            JobOutcome::Succeeded => job.served || job.given,
            JobOutcome::Failed(_) => job.sent > 0 && !job.served,
            JobOutcome::Shed(_) => job.sent == 0 && !job.given,
        };
        self.check(fits, 1, event, "the ending does not fit what happened to the job");
        self.check(job.flying == 0, 2, event, "an attempt of the job has not ended");
        let latency = event.at.since(job.scheduled);
        let parts = ending.queue + ending.wait + ending.service + ending.lost;
        self.check(parts == latency, 3, event, "the parts do not add up to the job's time");
        self.check(
            ending.first_token.is_none_or(|first| first <= latency),
            3,
            event,
            "the first token is last",
        );
        self.check(event.at <= job.ends_by, 14, event, "the job ends after its deadline");
    }

    /// Notes whether the job is answered without an attempt of its own.
    fn given(&mut self, job: JobId, given: bool) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.given = given;
        }
    }

    fn waiting(&mut self, event: &Event, until: Instant) {
        let latest = self.jobs.get(&event.job).map_or(Instant::MAX, |job| job.ends_by);
        self.check(until <= latest, 14, event, "the job sleeps beyond its deadline");
    }
}

impl Fold for Audit {
    fn event(&mut self, event: &Event) {
        self.check(event.at >= self.now, 4, event, "time runs back");
        self.now = self.now.max(event.at);
        let under_way = self.jobs.contains_key(&event.job);
        match event.kind {
            EventKind::Arrived { .. }
            | EventKind::Decided { .. }
            | EventKind::Settled { .. }
            | EventKind::CooledDown { .. } => {}
            _ => self.check(under_way, 1, event, "the job is not under way"),
        }
        // A follower that is given up before its leader is not answered.
        let ends_alone = matches!(event.kind, EventKind::Done(JobEnd { outcome: JobOutcome::Shed(_), .. }));
        if ends_alone && self.joins.follows(event.job) {
            self.given(event.job, false);
        }
        if let Some(what) = self.joins.event(event) {
            self.broken(15, Some(event), what);
        }
        match event.kind {
            EventKind::Arrived { scheduled, deadline, .. } => self.arrived(event, scheduled, deadline),
            EventKind::Queued { waiting } => {
                self.check(waiting <= self.queue, 14, event, "the line is longer than the plan allows");
            }
            EventKind::Waiting { until, .. } => self.waiting(event, until),
            EventKind::Sent { attempt, target, number, .. } => self.sent(event, attempt, target, number),
            EventKind::Decided { attempt, target, decision } => {
                self.ruled(event, attempt, target, decision);
            }
            EventKind::FirstByte { attempt, target } => self.first_byte(event, attempt, target),
            EventKind::Settled { attempt, target, .. } => self.settled(event, attempt, target),
            EventKind::Replied { attempt, target, outcome, .. } => {
                self.ended(event, attempt, target, Some(outcome));
            }
            EventKind::Abandoned { attempt, target } => {
                self.ended(event, attempt, target, None);
            }
            EventKind::CooledDown { target, until, .. } => {
                let rests = &mut self.resting[target.index()];
                *rests = until.max(*rests);
            }
            EventKind::CacheHit => self.given(event.job, true),
            EventKind::Coalesced { leader } => {
                self.check(
                    self.jobs.contains_key(&leader),
                    15,
                    event,
                    "it follows a job that is not under way",
                );
                self.given(event.job, true);
            }
            EventKind::Promoted { leader, attempt } => self.promoted(event, leader, attempt),
            EventKind::Done(ref ending) => self.done(event, ending),
            EventKind::FellBack { .. } => {}
        }
    }
}

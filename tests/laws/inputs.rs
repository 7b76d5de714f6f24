//! The engine's inputs in any order: random sequences of `submit`, `handle_reply`, `handle_first_byte`, `handle_first_token`,
//! `cancel`, `withdraw` and `handle_timeout` against a driver that keeps a simple model of every job and attempt (`model`).
//!
//! The model checks that a job ends once, that an attempt ends once (by a reply or by a cancellation), that nothing is
//! sent after the first byte (law 16), after a cancellation (17) or beside an identical job (15), and that every answer
//! has a source. The audit checks its laws on the events as well, with a provider that admits every attempt.

mod hedging;
mod model;
mod priority;

use super::{INPUT_TAPE_LENGTH, SeenVariants};
use crate::story::parse;
use model::{AttemptModel, JobModel, Model, USAGE};
use proptest::prelude::*;
use provider::decision::HeaderRemaining;
use provider::{Instant, Nanos, Usage};
use quotalab::engine::{Engine, Reply, Wait, WaitKind};
use quotalab::event::{AttemptFailure, AttemptOutcome, EndReason, JobOutcome, LocalFailure, RefusalCause};
use quotalab::ids::{AttemptId, EngineId, FlowId, JobId, RouteId, Tag, WorkloadId};
use quotalab::job::{Job, Priority};
use quotalab::record::Audit;
use quotalab::scenario::{CoolDown, Scenario};
use std::collections::{BTreeMap, BTreeSet};

/// The `client` map of each scenario that a tape may choose.
const CLIENTS: [&str; 15] = [
    "{ deadline: 10s, join: true, retry: { attempts: 3 } }",
    "{ deadline: 10s, join: true, concurrency: 1, queue: 2, retry: { attempts: 2 } }",
    "{ deadline: 5s, concurrency: 2, queue: 100, pace: { gap: 300ms } }",
    "{ deadline: 20s, join: true, cache: { entries: 2, ttl: 3s }, concurrency: 2, pace: requests }",
    "{ deadline: 3s, retry: { attempts: 10, budget: 20%, backoff: { base: 100ms, cap: 1s } } }",
    "{ deadline: 10s, join: true, retry: { attempts: 1 } }",
    "{ deadline: 20s, pace: { gap: 400ms }, retry: { attempts: 3 } }",
    "{ deadline: 20s, fair: requests, pace: { gap: 400ms }, concurrency: 2, queue: 3 }",
    "{ deadline: 20s, fair: tokens, concurrency: 1, queue: 2 }",
    "{ deadline: 30s, concurrency: 1, queue: 6, retry: { attempts: 9, backoff: { base: 100ms, cap: 200ms } } }",
    "{ deadline: 10s, hedge: { after: 100ms, spare: 0% }, retry: { attempts: 4 }, attempt_timeout: 2s }",
    "{ deadline: 10s, join: true, hedge: { after: 1ms }, concurrency: { initial: 4, max: 9 }, queue: 3, eject: { after: 1, for: 2s } }",
    "{ deadline: 10s, hedge: { after: 700ms, spare: 10% }, concurrency: 3, pace: requests, cool_down: per_job }",
    "{ deadline: 20s, join: true, budget: { usd_per_hour: 0.02 } }",
    "{ deadline: 20s, concurrency: 3, pace: { gap: 300ms }, budget: { usd_per_hour: 0.02, usd_per_day: 0.05 } }",
];

fn scenario(client: &str) -> Scenario {
    let yaml = format!(
        "
name: inputs
duration: 1m
providers: {{ p: {{ models: {{ a: {{ limits: {{ rpm: 120 }}, price: {{ input: 2, output: 2 }} }}, b: {{ limits: {{ rpm: 600 }}, price: {{ input: 1, output: 1 }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/a] }}, {{ of: [p/default/b] }}] }}
client: {client}
workload: [{{ name: w, route: r, arrivals: {{ constant: 1/s }}, prompt: 100, completion: 50 }}]
"
    );
    parse(&yaml)
}

/// The engine, and the model of its jobs that drives it.
struct Harness {
    engine: Engine,
    model: Model,
    /// If `true`, the clock may pass the instant of a timer before the timer fires, as with a driver that lags.
    late: bool,
}

impl Harness {
    fn new(client: &str, late: bool) -> Self {
        let scenario = scenario(client);
        let slack = if late { Nanos::HOUR } else { Nanos::ZERO };
        let model = Model {
            coalesces: scenario.default_client().coalesce,
            cools_down_per_job: scenario.default_client().cool_down == CoolDown::PerJob,
            is_late: late,
            now: Instant::ZERO,
            jobs: Vec::new(),
            attempts: BTreeMap::new(),
            served: None,
            folds: (Audit::new(&scenario, slack), SeenVariants::default()),
            hedge: None,
            violations: Vec::new(),
        };
        Self { engine: Engine::new(&scenario), model, late }
    }

    fn submit(&mut self, fingerprint: u64, deadline: Option<Nanos>) -> Tag {
        self.submit_as(Priority::Interactive, fingerprint, deadline)
    }

    fn submit_as(&mut self, priority: Priority, fingerprint: u64, deadline: Option<Nanos>) -> Tag {
        let number = self.model.jobs.len();
        let (id, now) = (JobId(number as u64), self.model.now);
        let (slot, attempts, end) = (None, Vec::new(), None);
        self.model.jobs.push(JobModel {
            id,
            priority,
            waits: None,
            fingerprint,
            slot,
            attempts,
            first_byte_received: false,
            cancelled: false,
            end,
        });
        let job = Job {
            id,
            workload: WorkloadId(0),
            engine: EngineId::default(),
            route: RouteId(0),
            scheduled: now,
            priority,
            flow: FlowId((number % 3) as u16),
            deadline: deadline.map(|after| now + after),
            prompt_tokens: 100,
            max_tokens: Some(50),
            fingerprint,
        };
        let slot = self.engine.submit(&mut self.model, now, job, Tag(number));
        let job = &mut self.model.jobs[number];
        job.slot = slot;
        let has_ended = job.end.is_some();
        self.model.check(slot.is_none() == has_ended, || {
            format!("submit returned {slot:?}, the job has ended: {has_ended}")
        });
        Tag(number)
    }

    fn reply(&mut self, attempt: AttemptId, outcome: AttemptOutcome) {
        let now = self.model.now;
        let Some(AttemptModel { tag, slot, .. }) = self.model.end_attempt(attempt) else { return };
        let served = outcome == AttemptOutcome::Ok;
        let wait = Wait { length: Nanos::from_secs(1), kind: WaitKind::UntilAdmitted };
        let reply = Reply {
            outcome,
            wait: matches!(outcome, AttemptOutcome::Refused { .. }).then_some(wait),
            header_wait: None,
            limit: None,
            remaining: HeaderRemaining::default(),
            usage: if served { USAGE } else { Usage::default() },
            cut: false,
            stored_bytes: Some(0),
            first_token_at: now,
        };
        self.model.served = served.then_some((attempt, tag));
        self.engine.handle_reply(&mut self.model, now, slot, attempt, &reply);
    }

    fn first_byte(&mut self, attempt: AttemptId) {
        let AttemptModel { tag, slot, .. } = self.model.attempts[&attempt];
        if !std::mem::replace(&mut self.model.jobs[tag.0].first_byte_received, true) {
            let now = self.model.now;
            self.engine.handle_first_byte(&mut self.model, now, slot, attempt);
        }
    }

    fn first_token(&mut self, attempt: AttemptId) {
        let (now, slot) = (self.model.now, self.model.attempts[&attempt].slot);
        self.engine.handle_first_token(&mut self.model, now, slot, attempt);
    }

    /// Returns `true` if the attempt is the only one in flight of its job.
    fn is_alone(&self, attempt: AttemptId) -> bool {
        self.model.jobs[self.model.attempts[&attempt].tag.0].attempts == [attempt]
    }

    fn cancel(&mut self, tag: Tag) {
        let job = &mut self.model.jobs[tag.0];
        job.cancelled = true;
        let slot = job.slot.expect("the job is in flight");
        let now = self.model.now;
        self.engine.cancel(&mut self.model, now, slot);
        let ended = self.model.jobs[tag.0].end.is_some();
        self.model.check(ended, || format!("law 17: {tag:?} goes on after it was cancelled"));
    }

    /// Ends the job of an attempt that the driver has not sent, as the gateway does if the budget does not cover it.
    fn withdraw(&mut self, attempt: AttemptId) {
        let AttemptModel { tag, slot, .. } = self.model.attempts[&attempt];
        self.model.jobs[tag.0].cancelled = true;
        let now = self.model.now;
        self.engine.withdraw(&mut self.model, now, slot, attempt);
        let is_over = self.model.jobs[tag.0].end.is_some() && !self.model.attempts.contains_key(&attempt);
        self.model
            .check(is_over, || format!("law 17: {tag:?} or {attempt:?} goes on after it was withdrawn"));
    }

    /// Lets time pass; timers fire at their instants unless the driver is late.
    fn advance(&mut self, by: Nanos) {
        let until = self.model.now + by;
        while !self.late && self.engine.poll_timeout() <= until {
            self.model.now = self.engine.poll_timeout();
            self.handle_timeout();
        }
        self.model.now = until;
    }

    fn handle_timeout(&mut self) {
        let now = self.model.now;
        self.engine.handle_timeout(&mut self.model, now);
    }

    fn in_flight(&self) -> Vec<Tag> {
        let jobs = self.model.jobs.iter().enumerate();
        jobs.filter(|(_, job)| job.end.is_none()).map(|(number, _)| Tag(number)).collect()
    }

    /// Fires all timers until none is left; then every job must have ended. Returns the names of the variants of events,
    /// reasons, decisions and failures that occurred, and the violations.
    fn finish(mut self) -> (BTreeSet<String>, Vec<String>) {
        while self.engine.poll_timeout() < Instant::MAX {
            self.model.now = self.model.now.max(self.engine.poll_timeout());
            self.handle_timeout();
        }
        let Model { jobs, attempts, folds: (audit, seen), mut violations, .. } = self.model;
        let unended = jobs.iter().filter(|job| job.end.is_none()).count();
        if unended > 0 || !attempts.is_empty() || self.engine.jobs_in_flight() > 0 {
            let in_flight = self.engine.jobs_in_flight();
            violations.push(format!(
                "laws 1 and 2: {unended} jobs never end, {in_flight} in flight in the engine, and these attempts: {attempts:?}"
            ));
        }
        violations.extend(audit.finish().0.iter().map(ToString::to_string));
        (seen.0, violations)
    }
}

const OUTCOMES: [AttemptOutcome; 7] = [
    AttemptOutcome::Ok,
    AttemptOutcome::Failed(AttemptFailure::Status(503)),
    AttemptOutcome::Refused { axis: None, cause: RefusalCause::ShortLimit },
    AttemptOutcome::Failed(AttemptFailure::Connection),
    AttemptOutcome::Refused { axis: None, cause: RefusalCause::TooLarge },
    AttemptOutcome::Failed(AttemptFailure::Status(400)),
    AttemptOutcome::Failed(AttemptFailure::Local(LocalFailure::Ports)),
];

/// Plays a tape: random numbers that make the choices of a test. The first two choose the client and whether timers are late; of
/// every four after them, the first chooses the input and the others its arguments. Returns the names of the variants of events,
/// reasons, decisions and failures that occurred, and the violations.
pub(super) fn play(tape: &[u32]) -> (BTreeSet<String>, Vec<String>) {
    let (head, steps) = tape.split_at(tape.len().min(2));
    let choice = |index: usize| head.get(index).copied().unwrap_or(0) as usize;
    let mut harness = Harness::new(CLIENTS[choice(0) % CLIENTS.len()], choice(1) % 4 == 1);
    for step in steps.chunks_exact(4) {
        let [input, which, kind, amount] = [step[0], step[1], step[2], step[3]].map(|number| number as usize);
        let attempts: Vec<_> = harness.model.attempts.keys().copied().collect();
        let attempt = (!attempts.is_empty()).then(|| attempts[which % attempts.len()]);
        match (input % 10, attempt) {
            (0..=3, _) => {
                let deadline = [None, None, Some(500), Some(2_000), Some(60_000), Some(0)][kind % 6];
                let priority = Priority::ALL[amount % 2];
                harness.submit_as(priority, (which % 4) as u64, deadline.map(Nanos::from_millis));
            }
            (4 | 5, Some(attempt)) => harness.reply(attempt, OUTCOMES[kind % OUTCOMES.len()]),
            (6, Some(attempt)) if kind % 3 == 0 => harness.first_token(attempt),
            (6, Some(attempt)) => harness.first_byte(attempt),
            (7, _) => {
                let jobs = harness.in_flight();
                if !jobs.is_empty() {
                    harness.cancel(jobs[which % jobs.len()]);
                }
            }
            (8, _) => harness.advance(Nanos::from_millis([1, 100, 700, 3_000][amount % 4])),
            // Only a client that does not hedge withdraws attempts.
            (9, Some(attempt)) if kind % 3 == 0 && harness.is_alone(attempt) => harness.withdraw(attempt),
            _ => harness.handle_timeout(),
        }
    }
    harness.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_ends_once_whatever_the_order_of_inputs(tape in prop::collection::vec(any::<u32>(), 0..INPUT_TAPE_LENGTH)) {
        let (_, violations) = play(&tape);
        prop_assert!(violations.is_empty(), "{:#?}", violations);
    }
}

impl Harness {
    fn end(&self, tag: Tag) -> Option<JobOutcome> {
        self.model.jobs[tag.0].end.map(|end| end.outcome)
    }

    fn attempt(&self, tag: Tag) -> AttemptId {
        *self.model.jobs[tag.0].attempts.first().expect("an attempt is in flight")
    }

    #[track_caller]
    fn finish_without_violations(self) {
        let (_, violations) = self.finish();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

const CONNECTION_CLOSED: AttemptOutcome = AttemptOutcome::Failed(AttemptFailure::Connection);

#[test]
fn a_failure_after_the_first_byte_ends_the_job_and_promotes_its_follower() {
    let mut harness = Harness::new(CLIENTS[0], false);
    let (leader, follower) = (harness.submit(1, None), harness.submit(1, None));
    harness.first_byte(harness.attempt(leader));
    harness.reply(harness.attempt(leader), CONNECTION_CLOSED);
    assert_eq!(harness.end(leader), Some(JobOutcome::Failed(EndReason::Interrupted)));
    harness.reply(harness.attempt(follower), AttemptOutcome::Ok);
    assert_eq!(harness.end(follower), Some(JobOutcome::Succeeded));
    harness.finish_without_violations();
}

#[test]
fn a_cancelled_leader_leaves_its_attempt_to_its_first_follower() {
    let mut harness = Harness::new(CLIENTS[0], false);
    let [leader, next, last] = [(); 3].map(|()| harness.submit(1, None));
    let attempt = harness.attempt(leader);
    harness.first_byte(attempt);
    harness.advance(Nanos::from_secs(1));
    harness.cancel(leader);
    assert_eq!(harness.end(leader), Some(JobOutcome::Failed(EndReason::Cancelled)));
    assert_eq!(harness.attempt(next), attempt, "the attempt continues");
    // The follower's caller has read nothing, so the job falls back.
    harness.reply(attempt, CONNECTION_CLOSED);
    assert_ne!(harness.attempt(next), attempt);
    harness.reply(harness.attempt(next), AttemptOutcome::Ok);
    assert_eq!([harness.end(next), harness.end(last)], [Some(JobOutcome::Succeeded); 2]);
    harness.finish_without_violations();
}

#[test]
fn an_attempt_that_is_withdrawn_is_not_taken_over_and_the_first_follower_is_sent() {
    let mut harness = Harness::new(CLIENTS[0], false);
    let [leader, next, last] = [(); 3].map(|()| harness.submit(1, None));
    let attempt = harness.attempt(leader);
    harness.withdraw(attempt);
    assert_eq!(harness.end(leader), Some(JobOutcome::Failed(EndReason::Cancelled)));
    assert_ne!(harness.attempt(next), attempt);
    harness.reply(harness.attempt(next), AttemptOutcome::Ok);
    assert_eq!([harness.end(next), harness.end(last)], [Some(JobOutcome::Succeeded); 2]);
    harness.finish_without_violations();
}

#[test]
fn a_cancelled_job_without_followers_cancels_its_attempt() {
    let mut harness = Harness::new(CLIENTS[0], false);
    let job = harness.submit(1, None);
    harness.cancel(job);
    assert!(harness.model.attempts.is_empty());
    assert_eq!(harness.end(job), Some(JobOutcome::Failed(EndReason::Cancelled)));
    harness.finish_without_violations();
}

#[test]
fn a_cancelled_job_frees_its_permit_for_the_queue() {
    let mut harness = Harness::new(CLIENTS[1], false);
    let [running, queued, next] = [1, 2, 3].map(|fingerprint| harness.submit(fingerprint, None));
    harness.cancel(queued);
    assert_eq!(harness.end(queued), Some(JobOutcome::Shed(EndReason::Cancelled)));
    harness.cancel(running);
    harness.reply(harness.attempt(next), AttemptOutcome::Ok);
    assert_eq!(harness.end(next), Some(JobOutcome::Succeeded));
    harness.finish_without_violations();
}

#[test]
fn a_follower_with_an_earlier_deadline_expires_alone() {
    let mut harness = Harness::new(CLIENTS[0], false);
    let leader = harness.submit(1, None);
    let early = harness.submit(1, Some(Nanos::from_secs(1)));
    let later = harness.submit(1, Some(Nanos::from_secs(8)));
    harness.advance(Nanos::from_secs(2));
    assert_eq!(harness.end(early), Some(JobOutcome::Shed(EndReason::Deadline)));
    harness.reply(harness.attempt(leader), AttemptOutcome::Ok);
    assert_eq!([harness.end(leader), harness.end(later)], [Some(JobOutcome::Succeeded); 2]);
    harness.finish_without_violations();
}

#[test]
fn each_job_ends_at_its_own_deadline() {
    let mut harness = Harness::new(CLIENTS[4], false);
    let deadlines = [None, Some(1), Some(7), Some(2), Some(5)];
    let jobs = [0, 1, 2, 3, 4]
        .map(|number| harness.submit(number, deadlines[number as usize].map(Nanos::from_secs)));
    let mut ended = Vec::new();
    for second in 1..9 {
        harness.advance(Nanos::SECOND);
        ended.extend(jobs.iter().filter(|job| harness.end(**job).is_some()).map(|job| (second, job.0)));
        ended.dedup_by_key(|(_, job)| *job);
    }
    let first = |job: usize| ended.iter().find(|(_, ended)| *ended == job).map(|(second, _)| *second);
    assert_eq!([0, 1, 2, 3, 4].map(first), [Some(3), Some(1), Some(7), Some(2), Some(5)]);
    harness.finish_without_violations();
}

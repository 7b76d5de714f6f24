//! Law 20 for several replicas, in virtual time and with a real server: under any schedule of requests, replies, failures, and calls that
//! write or drop answers and are late, overtake each other or are lost, values that are damaged, and losses of all data, a replica serves an answer to its own request only,
//! and none that is older than its own time to live or that it has dropped.

pub(super) mod replica;

use super::super::laws::Bench;
use super::call::{Action as ScriptAction, Call};
use super::clock::NANOS_PER_MS;
use super::value::PREFIX;
use super::*;
use crate::engine::Reply;
use crate::event::{AttemptFailure, AttemptOutcome};
use crate::gateway::actions::Action;
use crate::gateway::answer::{Origin, Reused};
use crate::gateway::request_key::Reuse;
use crate::gateway::shared_engine::submit;
use crate::ids::{EngineId, FlowId, JobId, RouteId, Tag, WorkloadId};
use crate::job::{Job, Priority};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use replica::{BEGINNING_MS, Replica, TTLS};
use std::cell::Cell;

/// Something that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    /// A request arrives, and looks into Redis.
    Arrive {
        replica: usize,
        key: usize,
        reuse: Reuse,
        /// If it drops the answer in Redis: that call is made later, or is lost.
        is_late: bool,
    },
    /// A request that has looked into Redis is submitted.
    Submit {
        which: usize,
    },
    /// The provider answers, or fails.
    Reply {
        replica: usize,
        which: usize,
        is_failed: bool,
    },
    /// A call that is on its way is made, or lost.
    Write {
        which: usize,
        is_lost: bool,
    },
    /// A value is replaced by that of another key, or by something else.
    Damage {
        key: usize,
        by: usize,
    },
    LoseAll,
}

const KEYS: usize = 2;
const REPLICAS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let reuse = prop_oneof![8 => Just(Reuse::Allowed), 3 => Just(Reuse::Refresh), 1 => Just(Reuse::Never)];
    prop_oneof![
        12 => (0..REPLICAS, 0..KEYS, reuse, any::<bool>())
            .prop_map(|(replica, key, reuse, is_late)| Step::Arrive { replica, key, reuse, is_late }),
        10 => any::<usize>().prop_map(|which| Step::Submit { which }),
        8 => (0..REPLICAS, any::<usize>(), prop::bool::weighted(0.3))
            .prop_map(|(replica, which, is_failed)| Step::Reply { replica, which, is_failed }),
        8 => (any::<usize>(), prop::bool::weighted(0.1)).prop_map(|(which, is_lost)| Step::Write { which, is_lost }),
        1 => (0..KEYS, 0..KEYS + 3).prop_map(|(key, by)| Step::Damage { key, by }),
        1 => Just(Step::LoseAll),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    prop::collection::vec((prop_oneof![3 => 0..100u64, 1 => 0..1_500u64], step()), 20..120)
}

/// A request that has looked into Redis.
struct Pending {
    replica: usize,
    key: usize,
    reuse: Reuse,
    found: Option<FoundAnswer>,
}

/// A call that writes an answer, or drops the one to this key for a request that arrived at an instant.
enum OnItsWay {
    Store(ScriptAction),
    Forget(usize, (AnswerKey, u64), Instant),
}

/// Replicas and their server.
struct Fleet<'a> {
    bench: &'a Bench,
    replicas: Vec<Replica>,
    now: Instant,
    pending: Vec<Pending>,
    /// Calls that are on their way.
    writes: Vec<OnItsWay>,
    /// When answers were given, by their number.
    answered: Vec<Instant>,
    /// By key: when a request last dropped the answers in Redis, unless they were damaged since.
    forgotten: [Option<Instant>; KEYS],
    /// How many requests were served from memory, and with the answer of another replica.
    hits: [usize; 2],
}

impl<'a> Fleet<'a> {
    fn new(bench: &'a Bench) -> Self {
        Self {
            bench,
            replicas: (0..REPLICAS).map(Replica::new).collect(),
            now: Instant(1),
            pending: Vec::new(),
            writes: Vec::new(),
            answered: Vec::new(),
            forgotten: [None; KEYS],
            hits: [0; 2],
        }
    }

    fn at_ms(&self) -> u64 {
        BEGINNING_MS + self.now.0 / NANOS_PER_MS
    }

    fn call(&self, action: ScriptAction) -> Answer {
        self.bench.make(&Call::new(action).at_ms(self.at_ms()))
    }

    fn key_name(&self, key: usize) -> String {
        let identity = self.replicas[0].identity(key, Reuse::Allowed).expect("an identity");
        identity.shared.expect("a key").name()
    }

    fn perform(&mut self, step: &Step) {
        match *step {
            Step::Arrive { replica, key, reuse, is_late } => self.arrive(replica, key, (reuse, is_late)),
            Step::Submit { which } if !self.pending.is_empty() => {
                let pending = self.pending.remove(which % self.pending.len());
                self.submit(pending);
            }
            Step::Reply { replica, which, is_failed } if !self.replicas[replica].attempts.is_empty() => {
                self.reply(replica, which, is_failed);
            }
            Step::Write { which, is_lost } if !self.writes.is_empty() => {
                let write = self.writes.remove(which % self.writes.len());
                match write {
                    _ if is_lost => {}
                    OnItsWay::Store(store) => drop(self.call(store)),
                    OnItsWay::Forget(key, forget, at) => self.forget(key, forget, at),
                }
            }
            Step::Damage { key, by } => self.damage(key, by),
            Step::LoseAll => {
                self.bench.run("redis.call('FLUSHALL') return {}");
                self.forgotten = [None; KEYS];
            }
            Step::Submit { .. } | Step::Reply { .. } | Step::Write { .. } => {}
        }
    }

    /// Does what the gateway does before it submits a job.
    fn arrive(&mut self, number: usize, key: usize, (reuse, is_late): (Reuse, bool)) {
        let Replica { answers, .. } = &self.replicas[number];
        let answers = answers.clone();
        let mut found = None;
        if let Some(shared) = self.replicas[number].identity(key, reuse).and_then(|identity| identity.shared)
        {
            if reuse == Reuse::Refresh {
                let ms = answers.link.agreed().expect("they agree").clock.ms_at(self.now);
                if is_late {
                    self.writes.push(OnItsWay::Forget(key, (shared, ms), self.now));
                } else {
                    self.forget(key, (shared, ms), self.now);
                }
            } else {
                let answer = self.call(ScriptAction::LookUp(shared, 10_000));
                found = answers.take(&shared, &answer, (self.now, self.now)).ok();
                if let (Some(found), Some(at)) = (&found, self.forgotten[key]) {
                    let stored_ago = found.age.at(self.now);
                    let slack = Nanos::from_millis(10);
                    assert!(
                        self.now.since(at) + slack >= stored_ago,
                        "an answer that was dropped is not found"
                    );
                }
            }
        }
        self.pending.push(Pending { replica: number, key, reuse, found });
        if self.now.0.is_multiple_of(2)
            && let Some(pending) = self.pending.pop()
        {
            self.submit(pending);
        }
    }

    /// Drops the answer in Redis for a request that arrived at `at`, unless one is there that was clearly stored later.
    fn forget(&mut self, key: usize, (shared, arrived_ms): (AnswerKey, u64), at: Instant) {
        let look_up = |fleet: &Self| {
            let answer = fleet.call(ScriptAction::LookUp(shared, 10_000));
            (answer.outcome, answer.text)
        };
        let before = look_up(self);
        let stored_ms = before
            .1
            .strip_prefix(b"quotalab-answer-1 ")
            .and_then(|rest| std::str::from_utf8(rest.get(..16)?).ok()?.parse::<u64>().ok());
        let is_kept = stored_ms.is_some_and(|ms| ms > arrived_ms + 50 && ms <= self.at_ms());
        let outcome = self.call(ScriptAction::Forget(shared, arrived_ms)).outcome;
        let after = look_up(self);
        if is_kept {
            assert_eq!((outcome, &after), (Outcome::Absent, &before), "a later answer stays");
        } else {
            assert_eq!(after.0, Outcome::Absent);
            assert_eq!(outcome == Outcome::Done, before.0 != Outcome::Absent, "whether one was there");
        }
        self.forgotten[key] = self.forgotten[key].max(Some(at));
    }

    fn submit(&mut self, Pending { replica, key, reuse, found }: Pending) {
        let now = self.now;
        let fleet_replica = &mut self.replicas[replica];
        let identity = fleet_replica.identity(key, reuse);
        let job = |id, now| Job {
            id: JobId(id),
            workload: WorkloadId(0),
            engine: EngineId::default(),
            route: RouteId(0),
            scheduled: now,
            priority: Priority::Interactive,
            flow: FlowId::default(),
            deadline: None,
            prompt_tokens: 1,
            max_tokens: None,
            fingerprint: id,
        };
        let Replica { engine, actions, refreshed, .. } = fleet_replica;
        if reuse == Reuse::Refresh {
            refreshed[key] = Some(now);
        }
        let submitted = submit(engine, actions, (now, job), (identity.as_ref(), found));
        let is_found = submitted.is_found;
        self.replicas[replica].jobs.insert(submitted.tag.0, (key, reuse, now));
        if let Some(action) = submitted.first {
            self.act(replica, submitted.tag, action, is_found);
        }
        self.run_tasks(replica);
    }

    fn reply(&mut self, replica: usize, which: usize, is_failed: bool) {
        let count = self.replicas[replica].attempts.len();
        let (slot, attempt) = self.replicas[replica].attempts.remove(which % count);
        let Replica { engine, actions, jobs, .. } = &mut self.replicas[replica];
        let (key, _, submitted) = jobs[&attempt.tag.0];
        let body = format!("{key} {}", self.answered.len());
        self.answered.push(self.now);
        let answer = AnswerBytes::found(TargetId(0), &HeaderMap::new(), body.as_bytes()).expect("an answer");
        let failed = Reply::failed(self.now, AttemptFailure::Garbage);
        let reply =
            if is_failed { failed } else { Reply { outcome: AttemptOutcome::Ok, cut: key == 1, ..failed } };
        assert!(actions.end_attempt(attempt.tag, attempt.id), "it was in flight");
        let now = self.now;
        actions.with_answer((!is_failed).then_some(answer), &reply, |actions, reply| {
            engine.handle_reply(actions, now, slot, attempt.id, reply);
        });
        self.run_tasks(replica);
        let Replica { answers, queue, refreshed, .. } = &mut self.replicas[replica];
        let agreed = answers.link.agreed().expect("they agree");
        while let Some(waiting) = queue.try_take() {
            let is_current = refreshed[key].is_none_or(|at| submitted >= at);
            assert!(is_current, "an answer to a request before one that dropped answers is not stored");
            self.writes.extend(waiting.into_action(&agreed).map(OnItsWay::Store));
        }
    }

    fn damage(&mut self, key: usize, by: usize) {
        let name = self.key_name(key);
        let command = match by.checked_sub(KEYS) {
            None => format!(
                "if redis.call('TYPE', '{from}').ok == 'string' then redis.call('SET', '{name}', redis.call('GET', '{from}')) end",
                from = self.key_name(by)
            ),
            Some(0) => format!("redis.call('DEL', '{name}') redis.call('LPUSH', '{name}', 'x')"),
            Some(1) => format!("redis.call('APPEND', '{name}', 'x')"),
            _ => format!("redis.call('SETRANGE', '{name}', 30, '0')"),
        };
        let of_type = format!("if redis.call('TYPE', '{name}').ok ~= 'list' then {command} end return {{}}");
        self.bench.run(&of_type);
        self.forgotten = [None; KEYS];
    }

    fn run_tasks(&mut self, replica: usize) {
        for tag in self.replicas[replica].jobs.keys().copied().collect::<Vec<_>>() {
            while let Some(action) = self.replicas[replica]
                .jobs
                .contains_key(&tag)
                .then(|| self.replicas[replica].actions.take(Tag(tag)))
                .flatten()
            {
                self.act(replica, Tag(tag), action, false);
            }
        }
    }

    fn act(&mut self, replica: usize, tag: Tag, action: Action, is_found: bool) {
        match action {
            Action::Send(attempt) => self.replicas[replica].attempts.push((attempt.slot, attempt)),
            Action::Done(_) => drop(self.replicas[replica].jobs.remove(&tag.0)),
            Action::Reused(_, reused) => {
                let job = self.replicas[replica].jobs.remove(&tag.0).expect("it is open");
                let reused = reused.expect("small answers are kept");
                self.check_answer(replica, job, &reused);
                self.hits[usize::from(is_found)] += usize::from(matches!(reused.origin, Origin::Cache(_)));
            }
            other => unreachable!("no job is cancelled: {other:?}"),
        }
    }

    fn check_answer(
        &self,
        replica: usize,
        (key, reuse, _): (usize, Reuse, Instant),
        Reused { answer, origin }: &Reused,
    ) {
        let text = std::str::from_utf8(&answer.body).expect("text");
        let (of_key, number) = text.split_once(' ').expect("two words");
        assert_eq!(of_key, key.to_string(), "an answer belongs to its request");
        let at = self.answered[number.parse::<usize>().expect("a number")];
        let age = self.now.since(at);
        let Origin::Cache(stated) = *origin else { return };
        assert_eq!(reuse, Reuse::Allowed, "a request gets no earlier answer unless it accepts one");
        assert!(age < Nanos::from_secs(TTLS[replica]), "{age} is older than the time to live");
        // The clocks of two replicas, the whole milliseconds of the server, and one more.
        let most = age + Nanos::from_millis(7 + 2 + 1);
        assert!(age <= stated && stated <= most, "{age}, stated {stated}");
        let dropped = self.replicas[replica].refreshed[key];
        assert!(dropped.is_none_or(|dropped| at >= dropped), "an answer that was dropped is not used");
    }
}

#[test]
fn replicas_serve_fresh_answers_to_their_own_requests_only() {
    let Some(bench) = Bench::start() else { return };
    let hits = Cell::new([0; 2]);
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let result = runner.run(&steps(), |steps| {
        bench.run("redis.call('FLUSHALL') return {}");
        let mut fleet = Fleet::new(&bench);
        for (pause, step) in &steps {
            fleet.now += Nanos(pause * NANOS_PER_MS + pause % 7);
            fleet.perform(step);
        }
        for key in bench.run("return redis.call('KEYS', '*')") {
            prop_assert!(key.starts_with(PREFIX), "{key}");
        }
        let [from_memory, found] = hits.get();
        hits.set([from_memory + fleet.hits[0], found + fleet.hits[1]]);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(hits.get().iter().all(|hits| *hits > 50), "answers are shared: {hits:?}");
}

/// The call that drops the answer in Redis is lost, and the request whose answer was to take its place fails.
#[test]
fn an_answer_that_a_replica_has_dropped_is_not_served_by_it_again() {
    let Some(bench) = Bench::start() else { return };
    let mut fleet = Fleet::new(&bench);
    let arrive = |replica, reuse| Step::Arrive { replica, key: 0, reuse, is_late: true };
    let reply = |replica, is_failed| Step::Reply { replica, which: 0, is_failed };
    let write = |is_lost| Step::Write { which: 0, is_lost };
    let first = [arrive(2, Reuse::Allowed), Step::Submit { which: 0 }, reply(2, false), write(false)];
    let refresh = [arrive(1, Reuse::Refresh), Step::Submit { which: 0 }, reply(1, true), write(true)];
    let others = [1, 0].map(|replica| [arrive(replica, Reuse::Allowed), Step::Submit { which: 0 }]);
    for step in [&first[..], &refresh, others.as_flattened()].concat() {
        fleet.now += Nanos(2 * NANOS_PER_MS + 2);
        fleet.perform(&step);
    }
    assert_eq!(
        (fleet.hits, fleet.replicas[1].attempts.len()),
        ([0, 1], 1),
        "only another replica is served it"
    );
}

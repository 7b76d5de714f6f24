//! The law of recordings: a replay of what was recorded takes the same decisions.

mod mutations;
mod writing;

use super::engine::RecordedEngine;
use super::replay::replay;
use super::writer::{Output, Recording};
use crate::drive::clock::Clock;
use crate::engine::{Answer, Attempt, Driver, Handover, NewAnswer, Reply, Wait, WaitKind};
use crate::event::{AttemptFailure, AttemptOutcome, Event, JobEnd, RefusalCause};
use crate::gateway::{routes, shared_engine};
use crate::ids::{AttemptId, EngineId, FlowId, JobId, RouteId, Slot, Tag, TargetId, WorkloadId};
use crate::job::{Job, Priority};
use crate::scenario::{self, Overrides, Scenario};
use proptest::prelude::*;
use provider::{Axis, Instant, Nanos, Usage};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A file in memory, with room for a number of bytes.
#[derive(Clone)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Memory {
    fn new(room: usize) -> Self {
        Self { bytes: Arc::default(), room }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().expect("no panic").clone()).expect("text")
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.bytes.lock().expect("no panic");
        let fit = bytes.len().min(self.room - held.len());
        if fit == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        held.extend_from_slice(&bytes[..fit]);
        Ok(fit)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Memory {
    fn cut_to(&mut self, length: u64) -> io::Result<()> {
        self.bytes.lock().expect("no panic").truncate(length as usize);
        Ok(())
    }
}

/// Returns a scenario of three targets and two routes whose `client` is this text.
fn scenario(client: &str) -> Scenario {
    let text = format!(
        "name: storm\nduration: 1m\nproviders:\n  p: {{dialect: openai, accounts: {{a: {{keys: [k]}}, b: {{keys: [l]}}}}, models: {{m: {{limits: {{rpm: 30, tpm: 9k}}}}}}}}\n\
         \u{20} q: {{dialect: openai, accounts: {{a: {{keys: [k]}}}}, models: {{n: {{limits: {{rpm: 200}}}}}}}}\n\
         routes:\n  one: [{{of: [p/a/m, p/b/m], pick: round_robin}}, {{of: [q/a/n]}}]\n  two: [{{of: [q/a/n]}}, {{of: [p/a/m]}}]\n\
         client: {{{client}}}\nworkload: [{{name: w, route: one, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n"
    );
    scenario::parse("storm.yaml", &text, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Clients whose engines have different states to keep.
const CLIENTS: [&str; 9] = [
    "deadline: 20s, retry: {attempts: 4}",
    "deadline: 5s, retry: {attempts: 6}, concurrency: 2, queue: 3, fair: requests",
    "deadline: 30s, pace: tokens, retry: {attempts: 3}",
    "deadline: 10s, attempt_timeout: 1s, eject: {after: 2, for: 3s}, retry: {attempts: 5}",
    "deadline: 60s, cool_down: per_job, retry: {attempts: 8}, concurrency: 3, fair: tokens",
    "deadline: 8s, pace: {gap: 200ms}, retry: {attempts: 2, budget: 20%}",
    "deadline: 10s, cache: {entries: 2, ttl: 3s}, retry: {attempts: 2}",
    "deadline: 6s, attempt_timeout: 2s, join: true, concurrency: 2, queue: 1, retry: {attempts: 2}",
    "deadline: 8s, cache: {entries: 3, ttl: 5s}, join: true, retry: {attempts: 3}",
];

/// Something that happens to a gateway. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    /// `same_as`: it is identical to the job of the engine that arrived so many jobs before the latest, if there is one.
    Arrive {
        route: u16,
        priority: Priority,
        sizes: (u32, Option<u32>),
        same_as: Option<usize>,
        /// An answer to it was found in Redis.
        shared: Option<NewAnswer>,
    },
    Reply {
        which: usize,
        reply: u8,
        wait_ms: u64,
    },
    FirstByte {
        which: usize,
    },
    Leave {
        which: usize,
    },
    Withdraw {
        which: usize,
    },
    Timers,
    Reload,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let shared = (0..6_000u64, any::<bool>(), 0..400u32).prop_map(|(millis, cut, mebibytes)| NewAnswer {
        age: Nanos::from_millis(millis),
        cut,
        bytes: mebibytes << 20,
    });
    let shared = prop_oneof![3 => Just(None), 1 => shared.prop_map(Some)];
    let step = prop_oneof![
        6 => (0..5u16, prop::sample::select(Priority::ALL.to_vec()), (1..4_000u32, prop::option::of(1..2_000u32)), prop::option::of(0..4usize), shared)
            .prop_map(|(route, priority, sizes, same_as, shared)| Step::Arrive { route, priority, sizes, same_as, shared }),
        8 => (any::<usize>(), 0..10u8, 0..20_000u64)
            .prop_map(|(which, reply, wait_ms)| Step::Reply { which, reply, wait_ms }),
        1 => any::<usize>().prop_map(|which| Step::FirstByte { which }),
        1 => any::<usize>().prop_map(|which| Step::Leave { which }),
        1 => any::<usize>().prop_map(|which| Step::Withdraw { which }),
        3 => Just(Step::Timers),
        1 => Just(Step::Reload),
    ];
    // Mostly short pauses, some as long as a cool-down.
    let pause = prop_oneof![8 => 0..300_000_000u64, 1 => 0..30_000_000_000u64];
    prop::collection::vec((pause, step), 1..120)
}

/// The jobs and attempts of an engine, as a gateway keeps them.
#[derive(Default)]
struct Jobs {
    slots: BTreeMap<u64, Slot>,
    /// By job: its attempt in flight, and whether the first byte of the answer has arrived.
    attempts: BTreeMap<u64, (Slot, AttemptId, bool)>,
    decisions: u64,
    arrived: Vec<Job>,
}

impl Driver for Jobs {
    fn log(&mut self, event: &Event) {
        self.decisions += u64::from(super::line::is_decision(event, None));
    }

    fn send(&mut self, _: Instant, attempt: &Attempt) {
        self.slots.insert(attempt.job.id.0, attempt.slot);
        self.attempts.insert(attempt.job.id.0, (attempt.slot, attempt.id, false));
    }

    fn cancel(&mut self, _: Instant, tag: Tag, _: AttemptId) {
        self.attempts.remove(&(tag.0 as u64));
    }

    fn reassign(&mut self, _: Instant, handover: &Handover) {
        self.attempts.remove(&(handover.from.0 as u64));
        self.attempts.insert(handover.job.0, (handover.slot, handover.attempt, false));
    }

    fn done(&mut self, _: Instant, tag: Tag, _: &JobEnd, _: Option<Answer>) {
        self.slots.remove(&(tag.0 as u64));
        self.attempts.remove(&(tag.0 as u64));
    }
}

/// Returns one of the replies that a provider may give.
fn reply(number: u8, wait_ms: u64, now: Instant) -> Reply {
    let failed = |failure| Reply::failed(now, failure);
    let limited = |cause, axis, kind| Reply {
        outcome: AttemptOutcome::Refused { axis, cause },
        wait: Some(Wait { length: Nanos::from_millis(wait_ms), kind }),
        header_wait: Some(Nanos::from_millis(wait_ms)),
        ..failed(AttemptFailure::Garbage)
    };
    match number {
        0..=3 => Reply {
            outcome: AttemptOutcome::Ok,
            usage: Usage { prompt_tokens: 700, completion_tokens: u32::from(number) * 100, cached_tokens: 5 },
            cut: number == 2,
            stored_bytes: (number > 0).then_some(u32::from(number) << 27),
            ..failed(AttemptFailure::Garbage)
        },
        4 => limited(RefusalCause::ShortLimit, Some(Axis::Tpm), WaitKind::UntilAdmitted),
        5 => limited(RefusalCause::Concurrency, None, WaitKind::Suggested),
        6 => failed(AttemptFailure::Status(503)),
        7 => failed(AttemptFailure::Status(400)),
        8 => limited(RefusalCause::Billing, None, WaitKind::Meaningless),
        _ => failed(AttemptFailure::Connection),
    }
}

/// A gateway under a storm: its engines, the latest last, each with its jobs.
struct Storm<'a> {
    scenarios: [&'a Scenario; 2],
    recording: Recording,
    engines: Vec<(RecordedEngine, Jobs)>,
    next_job: u64,
}

/// Runs a storm. Returns the recording, and the number of decisions that were taken.
fn storm(scenarios: [&Scenario; 2], steps: &[(u64, Step)]) -> (String, u64) {
    let file = Memory::new(usize::MAX);
    let recording = Recording::start(file.clone(), u64::MAX, Clock::start()).expect("a thread");
    let mut storm = Storm { scenarios, recording, engines: Vec::new(), next_job: 0 };
    let mut now = Instant(1_000);
    storm.begin(now);
    for (pause, step) in steps {
        now += Nanos(*pause);
        // The older engines have requests under way, whose timers fire too.
        let engine = *pause as usize % storm.engines.len();
        storm.step(now, engine, step);
    }
    let decisions = storm.engines.iter().map(|(_, jobs)| jobs.decisions).sum();
    assert!(storm.recording.finish(Duration::from_secs(60)), "the last line is written");
    (file.text(), decisions)
}

impl Storm<'_> {
    /// Begins an engine, of each scenario in turn.
    fn begin(&mut self, now: Instant) {
        let number = self.engines.len();
        let (scenario, routes) = routes::with_targets(self.scenarios[number % 2]);
        let scenario = Scenario { seed: number as u64, ..scenario };
        let engine = shared_engine::engine_of(&scenario, routes.of_scenario().count());
        let mut engine = RecordedEngine::new(engine);
        engine.record_to(self.recording.clone(), (&scenario, now, self.next_job));
        self.engines.push((engine, Jobs::default()));
    }

    fn step(&mut self, now: Instant, engine: usize, step: &Step) {
        let (engine, jobs) = &mut self.engines[engine];
        let nth = |which: usize, jobs: &Jobs| {
            let count = jobs.attempts.len().max(1);
            jobs.attempts.iter().nth(which % count).map(|(job, attempt)| (*job, *attempt))
        };
        match *step {
            Step::Arrive { route, priority, sizes, same_as, shared } => {
                self.arrive(now, (route, priority), sizes, (same_as, shared))
            }
            Step::Reply { which, reply: number, wait_ms } => {
                if let Some((job, (slot, attempt, _))) = nth(which, jobs) {
                    jobs.attempts.remove(&job);
                    // The reply itself is logged, and is no decision.
                    jobs.decisions -= 1;
                    engine.handle_reply(jobs, now, slot, attempt, &reply(number, wait_ms, now));
                }
            }
            Step::FirstByte { which } => {
                if let Some((job, (slot, attempt, false))) = nth(which, jobs) {
                    jobs.attempts.insert(job, (slot, attempt, true));
                    engine.handle_first_byte(jobs, now, slot, attempt);
                }
            }
            Step::Leave { which } => {
                let slot = jobs.slots.values().nth(which % jobs.slots.len().max(1)).copied();
                if let Some(slot) = slot {
                    engine.cancel(jobs, now, slot);
                }
            }
            Step::Withdraw { which } => {
                if let Some((_, (slot, attempt, false))) = nth(which, jobs) {
                    engine.withdraw(jobs, now, slot, attempt);
                }
            }
            Step::Timers => {
                if engine.poll_timeout() <= now {
                    engine.handle_timeout(jobs, now);
                }
            }
            Step::Reload => self.reload(now),
        }
    }

    /// Lets a job arrive at the latest engine.
    fn arrive(
        &mut self,
        now: Instant,
        (route, priority): (u16, Priority),
        (prompt_tokens, max_tokens): (u32, Option<u32>),
        (same_as, shared): (Option<usize>, Option<NewAnswer>),
    ) {
        let id = self.next_job;
        self.next_job += 1;
        let (engine, jobs) = self.engines.last_mut().expect("it has begun");
        let job = Job {
            id: JobId(id),
            workload: WorkloadId(route),
            engine: EngineId::default(),
            route: RouteId(route),
            scheduled: now,
            priority,
            flow: FlowId((id % 3) as u16),
            deadline: None,
            prompt_tokens,
            max_tokens,
            fingerprint: id,
        };
        // Identical jobs have equal sizes, also if they are answered from the cache.
        let job = match same_as.and_then(|nth| jobs.arrived.iter().rev().nth(nth)) {
            Some(past) => Job { id: JobId(id), scheduled: now, priority, ..*past },
            None => job,
        };
        jobs.arrived.push(job);
        if let Some(answer) = shared {
            engine.add_answer(jobs, now, job.fingerprint, answer);
        }
        if let Some(slot) = engine.submit(jobs, now, job, Tag(id as usize)) {
            jobs.slots.insert(id, slot);
        }
    }

    /// Begins an engine that continues the latest.
    fn reload(&mut self, now: Instant) {
        self.begin(now);
        let [.., (past, _), (next, _)] = &mut self.engines[..] else { unreachable!("there are two") };
        for target in (0..3).map(TargetId) {
            let used = past.estimated_use(now, target, Axis::Tpm).map(|used| (Axis::Tpm, used));
            let view = past.target_view(now, target);
            next.adopt(now, target, view.cool_down, used.as_slice());
        }
    }
}

/// Replays a recording that can be read.
fn replayed(scenario: &Scenario, text: &str) -> super::Replayed {
    replay(scenario, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_takes_every_decision_that_was_recorded(client in prop::sample::select(CLIENTS.to_vec()), steps in steps()) {
        let scenario = scenario(client);
        let (text, decisions) = storm([&scenario, &scenario], &steps);
        let found = replayed(&scenario, &text);
        prop_assert!(found.is_as_recorded(), "{}\n{text}", found.text());
        prop_assert_eq!(found.decisions, decisions);
        prop_assert!(found.changed.is_empty());
        prop_assert!(found.text().ends_with("the recording is complete\n"), "{}", found.text());
    }

    /// Cut off anywhere, as by `kill -9`, a recording is replayed up to there.
    #[test]
    fn a_recording_that_is_cut_off_is_replayed_up_to_there(client in prop::sample::select(CLIENTS.to_vec()), steps in steps(), at in any::<prop::sample::Index>()) {
        let scenario = scenario(client);
        let (text, _) = storm([&scenario, &scenario], &steps);
        let head = text.find('\n').expect("a first line") + 1;
        let cut = &text[..head + at.index(text.len() - head)];
        let found = replayed(&scenario, cut);
        prop_assert!(found.is_as_recorded(), "{}\n{cut}", found.text());
        prop_assert!(found.text().contains("cut off after"), "{}", found.text());
    }

    /// Any client replays the recording of any other: what it decides otherwise is counted once for each job.
    #[test]
    fn a_changed_scenario_is_replayed_too(
        (one, other) in (prop::sample::select(CLIENTS.to_vec()), prop::sample::select(CLIENTS.to_vec())), steps in steps(),
    ) {
        let (recorded, other_scenario) = (scenario(one), scenario(other));
        let (text, _) = storm([&recorded, &other_scenario], &steps);
        let found = replayed(&other_scenario, &text);
        prop_assert!(found.differing <= found.jobs);
        prop_assert_eq!(found.by_kind.values().sum::<u64>(), found.differing);
        prop_assert_eq!(found.first.is_some(), found.differing > 0);
        prop_assert_eq!(found.changed.is_empty(), one == other);
    }
}

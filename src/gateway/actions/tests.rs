//! Law 20, and laws 1 and 15 of the gateway, in virtual time: under any schedule of identical and different requests, replies,
//! callers that leave, and times, every job ends once, with an answer to its own request that is not older than its time to live.

use super::*;
use crate::engine::Engine;
use crate::event::{AttemptFailure, AttemptOutcome, JobOutcome};
use crate::gateway::body::Memory;
use crate::gateway::metrics::Metrics;
use crate::gateway::request_key::KeyHasher;
use crate::gateway::{endpoint::Endpoint, headers::PassedHeaders, request_key::Reuse};
use crate::ids::{EngineId, FlowId, JobId, RouteId, TargetId, WorkloadId};
use crate::job::Priority;
use crate::scenario::{self, Overrides, Scenario};
use bytes::Bytes;
use hyper::HeaderMap;
use proptest::prelude::*;
use provider::Nanos;
use std::collections::BTreeMap;

/// Something that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Operation {
    Arrive {
        key: u8,
        reuse: Reuse,
        tokens: u32,
    },
    /// `None`: the attempt fails; otherwise whether its answer may be kept.
    Reply {
        which: usize,
        answer: Option<bool>,
    },
    Leave {
        which: usize,
    },
    Timers,
}

fn operations() -> impl Strategy<Value = Vec<(u64, Operation)>> {
    let reuse = prop_oneof![6 => Just(Reuse::Allowed), 1 => Just(Reuse::Refresh), 1 => Just(Reuse::Never)];
    let operation = prop_oneof![
        6 => (0..4u8, reuse, 1..9u32).prop_map(|(key, reuse, tokens)| Operation::Arrive { key, reuse, tokens }),
        5 => (any::<usize>(), prop_oneof![1 => Just(None), 3 => Just(Some(true)), 1 => Just(Some(false))])
            .prop_map(|(which, answer)| Operation::Reply { which, answer }),
        2 => any::<usize>().prop_map(|which| Operation::Leave { which }),
        2 => Just(Operation::Timers),
    ];
    prop::collection::vec((prop_oneof![4 => 0..400u64, 1 => 0..4_000u64], operation), 1..150)
}

const CLIENTS: [&str; 4] = [
    "cache: {entries: 2, ttl: 2s}",
    "join: true, attempt_timeout: 3s",
    "cache: {entries: 3, ttl: 1s}, join: true",
    "cache: {entries: 50, ttl: 4s}, join: true, concurrency: 1, queue: 2",
];

fn scenario(client: &str) -> Scenario {
    let text = format!(
        "name: laws\nproviders: {{p: {{dialect: openai, accounts: {{a: {{keys: [k]}}}}, models: {{m: {{}}}}}}}}\nroutes: {{r: [{{of: [p/a/m]}}]}}\n\
         duration: 1m\nworkload: [{{name: w, route: r, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n\
         client: {{deadline: 8s, retry: {{attempts: 3, backoff: {{base: 100ms, cap: 1s}}}}, {client}}}\n"
    );
    scenario::parse("laws.yaml", &text, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// A job whose caller waits.
struct OpenJob {
    key: u8,
    reuse: Reuse,
    slot: Option<Slot>,
    sent: Option<AttemptId>,
}

/// An attempt at the provider.
struct OpenAttempt {
    key: u8,
    /// The job whose task awaits it; `None` once it is carried.
    tag: Option<usize>,
    slot: Slot,
    sent: Attempt,
    carrier: Option<Arc<ActionSignal>>,
}

/// A gateway without sockets.
struct Model {
    engine: Engine,
    actions: Actions,
    hasher: KeyHasher,
    memory: Memory,
    scenario: Scenario,
    now: Instant,
    jobs: BTreeMap<usize, OpenJob>,
    attempts: BTreeMap<u64, OpenAttempt>,
    /// The instants at which answers were given, by their number.
    answered: Vec<Instant>,
    /// Jobs by how they ended: an answer of their own, a reused one, one that is gone, none.
    ends: [u64; 4],
}

impl Model {
    fn new(scenario: Scenario) -> Self {
        let client = scenario.default_client();
        let cache = Some(ResponseCache::new(client.cache.map(|cache| cache.ttl)));
        let counted = CountedEvents::new(Arc::new(Metrics::new()), ["p/a/m"].into_iter());
        Self {
            engine: Engine::new(&scenario),
            actions: Actions::new(0, counted, cache),
            hasher: KeyHasher::new().expect("random numbers"),
            memory: Memory::new(),
            scenario,
            now: Instant(1),
            jobs: BTreeMap::new(),
            attempts: BTreeMap::new(),
            answered: Vec::new(),
            ends: [0; 4],
        }
    }

    fn perform(&mut self, operation: &Operation) {
        match *operation {
            Operation::Arrive { key, reuse, tokens } => self.arrive(key, reuse, tokens),
            Operation::Reply { which, answer } => {
                let nth = which % self.attempts.len().max(1);
                if let Some(attempt) = self.attempts.keys().nth(nth).copied() {
                    self.reply(AttemptId(attempt), answer);
                }
            }
            Operation::Leave { which } => {
                let nth = which % self.jobs.len().max(1);
                if let Some(tag) = self.jobs.keys().nth(nth).copied() {
                    self.leave(tag);
                }
            }
            Operation::Timers => {}
        }
        self.run_tasks();
        self.check();
    }

    fn arrive(&mut self, key: u8, reuse: Reuse, tokens: u32) {
        let body = format!("{{\"k\":{key}}}");
        let headers = PassedHeaders::of(&HeaderMap::new());
        let identity = self.hasher.identity((Endpoint::Chat, body.as_bytes()), &headers, (None, reuse));
        let job = |id, now| Job {
            id: JobId(id),
            workload: WorkloadId(0),
            engine: EngineId::default(),
            route: RouteId(0),
            scheduled: now,
            priority: Priority::Interactive,
            flow: FlowId::default(),
            deadline: None,
            prompt_tokens: tokens,
            max_tokens: None,
            fingerprint: id,
        };
        let (tag, job, _) = self.actions.insert(self.now, job, identity.as_ref());
        self.jobs.insert(tag.0, OpenJob { key, reuse, slot: None, sent: None });
        let slot = self.engine.submit(&mut self.actions, self.now, job, tag);
        if let Some(open) = self.jobs.get_mut(&tag.0) {
            open.slot = slot;
        }
    }

    fn reply(&mut self, attempt: AttemptId, answer: Option<bool>) {
        let OpenAttempt { key, tag, slot, sent, .. } =
            self.attempts.remove(&attempt.0).expect("it is in flight");
        let answer = answer.map(|is_kept| {
            self.answered.push(self.now);
            let body = Bytes::from(format!("{key} {}", self.answered.len() - 1));
            let held = &mut self.memory.hold(body.len());
            let is_stored = is_kept && self.scenario.default_client().cache.is_some();
            let answer = AnswerBytes::whole(TargetId(0), &HeaderMap::new(), &body, (held, is_stored));
            (answer, is_kept)
        });
        let failed = Reply::failed(self.now, AttemptFailure::Status(503));
        let reply = match &answer {
            Some((answer, _)) => {
                Reply { outcome: AttemptOutcome::Ok, stored_bytes: answer.stored_bytes, ..failed }
            }
            None => failed,
        };
        let lands = match tag {
            Some(tag) => self.actions.end_attempt(Tag(tag), attempt).then_some(slot),
            None => {
                let end = CarriedEnd { attempt: sent, outcome: reply.outcome, whole: None };
                self.actions.end_carried(attempt, end)
            }
        };
        let slot = lands.expect("an attempt that was cancelled has ended");
        // An answer that is too long is in the reply and not kept for others.
        self.actions.answer = answer.filter(|(_, is_kept)| *is_kept).map(|(answer, _)| answer);
        self.engine.handle_reply(&mut self.actions, self.now, slot, attempt, &reply);
        self.actions.answer = None;
    }

    fn leave(&mut self, tag: usize) {
        let OpenJob { slot, sent, .. } = self.jobs.remove(&tag).expect("it is open");
        let slot = slot.expect("an open job has a slot");
        match self.actions.unsent(Tag(tag), sent) {
            Some(attempt) => self.engine.withdraw(&mut self.actions, self.now, slot, attempt),
            None => self.engine.cancel(&mut self.actions, self.now, slot),
        }
        assert!(self.actions.forget(Tag(tag)), "law 1: a job that its caller left has ended");
        let carrier = self.actions.take_carrier();
        let own = self.attempts.iter_mut().find(|(_, open)| open.tag == Some(tag));
        if let Some((attempt, open)) = own {
            open.tag = None;
            open.carrier = carrier;
            if open.carrier.is_none() {
                let attempt = *attempt;
                self.attempts.remove(&attempt);
            }
        }
    }

    /// Lets every task take its actions.
    fn run_tasks(&mut self) {
        self.attempts.retain(|_, open| open.carrier.as_ref().is_none_or(|signal| !signal.has_action()));
        for tag in self.jobs.keys().copied().collect::<Vec<_>>() {
            while let Some(action) =
                self.jobs.contains_key(&tag).then(|| self.actions.take(Tag(tag))).flatten()
            {
                self.act(tag, action);
            }
        }
    }

    fn act(&mut self, tag: usize, action: Action) {
        let job = self.jobs.get_mut(&tag).expect("it is open");
        match action {
            Action::Send(attempt) => {
                (job.sent, job.slot) = (Some(attempt.id), Some(attempt.slot));
                let open = OpenAttempt {
                    key: job.key,
                    tag: Some(tag),
                    slot: attempt.slot,
                    sent: attempt,
                    carrier: None,
                };
                self.attempts.insert(attempt.id.0, open);
            }
            Action::Cancel => self.attempts.retain(|_, open| open.tag != Some(tag)),
            Action::Carried(end) => assert_eq!(self.jobs[&tag].reuse, Reuse::Allowed, "{end:?}"),
            Action::Done(end) => {
                self.ends[if end.outcome == JobOutcome::Succeeded { 0 } else { 3 }] += 1;
                self.jobs.remove(&tag);
            }
            Action::Reused(end, reused) => {
                assert_eq!(end.outcome, JobOutcome::Succeeded);
                self.ends[if reused.is_some() { 1 } else { 2 }] += 1;
                let job = self.jobs.remove(&tag).expect("it is open");
                reused.iter().for_each(|reused| self.check_answer(&job, reused));
            }
        }
    }

    fn check_answer(&self, job: &OpenJob, Reused { answer, origin }: &Reused) {
        let text = std::str::from_utf8(&answer.body).expect("text");
        let (key, number) = text.split_once(' ').expect("two words");
        assert_eq!(key, job.key.to_string(), "an answer belongs to its request");
        let age = self.now.since(self.answered[number.parse::<usize>().expect("a number")]);
        match origin {
            Origin::Cache(stated) => {
                let ttl = self.scenario.default_client().cache.expect("a cache").ttl;
                assert!(age < ttl && *stated == age, "{age} of {ttl}, stated {stated}");
                assert_eq!(
                    job.reuse,
                    Reuse::Allowed,
                    "a request gets no earlier answer unless it accepts one"
                );
            }
            Origin::Leader => {
                assert_eq!(age, Nanos::ZERO, "a follower is served with its leader");
                assert_ne!(job.reuse, Reuse::Never, "a request that shares nothing is sent");
            }
        }
    }

    /// Checks the bounds between two operations.
    fn check(&self) {
        let cache = self.actions.cache.as_ref().expect("a cache");
        let entries = self.scenario.default_client().cache.map_or(0, |cache| cache.entries);
        assert!(cache.usage().answers <= u64::from(entries));
        assert!(self.attempts.values().all(|open| open.tag.is_some() || open.carrier.is_some()));
        cache.check();
    }

    /// Ends all jobs.
    fn drain(&mut self) {
        while self.engine.poll_timeout() < Instant::MAX {
            self.advance(self.engine.poll_timeout());
        }
        assert!(self.jobs.is_empty(), "every job ends");
        assert!(self.attempts.is_empty(), "every attempt ends");
    }

    /// Fires the timers that are due until `to`.
    fn advance(&mut self, to: Instant) {
        while self.engine.poll_timeout() <= to {
            self.now = self.engine.poll_timeout().max(self.now);
            self.engine.handle_timeout(&mut self.actions, self.now);
            self.run_tasks();
        }
        self.now = to.max(self.now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_ends_once_with_a_fresh_answer_to_its_own_request(
        client in prop::sample::select(CLIENTS.to_vec()), operations in operations(),
    ) {
        let mut model = Model::new(scenario(client));
        for (pause_ms, operation) in &operations {
            model.advance(model.now + Nanos::from_millis(*pause_ms));
            model.perform(operation);
        }
        model.drain();
    }
}

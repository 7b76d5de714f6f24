//! Cached answers that several replicas of the gateway share through Redis.
//!
//! ```text
//!  dispatch ── look_up ──▶ Redis: answers.lua      before a job that the cache of this replica cannot answer; at most 50 ms
//!     │  found: an answer, with its age
//!     ▼
//!  SharedEngine::submit ── Engine::add_answer, then submit: a hit by the engine's own rule
//!     │
//!  Actions::store_answer ── queue ──▶ task ──▶ Redis, until its time to live is over
//! ```
//!
//! The engine decides as it does alone: an answer that is found is an input, which is recorded. It has its true age, and this replica's own
//! `ttl` applies to it. This replica may have stored it itself, and evicted it since: values do not name their replica.
//!
//! Invariants:
//! 1. An answer is found under the hash of its request only. The hash (HMAC-SHA-256) is keyed with a secret that the replicas have in
//!    Redis. It includes the caller, and what decides on answers in the scenario: its name, its routes, and the names and the addresses
//!    of its targets. So gateways with different scenarios share no answer.
//! 2. A value is authenticated together with its key and the time at which it was stored. Any other value is no answer.
//! 3. No answer seems younger than it is: ages are counted by the clock of the server, which replicas estimate, but never as too late
//!    (`clock`). If that clock is set back, answers that were stored before seem younger by as much.
//! 4. No request waits longer than for the answer to a reservation, and only one that this replica's cache cannot answer waits at all.
//! 5. The answers that wait to be written, those that are read at a time, and the bytes that are read are bounded.
//! 6. A request that accepts no earlier answer drops the one in Redis before it is submitted, unless Redis does not answer in time or 64
//!    others are being dropped. For a minute, no earlier one takes its place. An answer that was stored up to 50 ms after the request is
//!    dropped too, because the clocks of replicas differ; a later one never is. This replica serves no earlier one in any case
//!    (`refreshes`).
//!
//! Redis may lose any of this at any time: requests are then sent.

mod call;
mod clock;
mod counts;
mod link;
mod reader;
mod value;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod script_tests;

pub(in crate::gateway) use value::AnswerKey;

use super::Sharing;
use crate::gateway::answer::{Age, Answer as AnswerBytes, MAX_ANSWER_BYTES};
use crate::ids::TargetId;
use crate::scenario::Scenario;
use call::{Action, Answer, Outcome};
use counts::{Lookup, Write};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use link::{AnswerLink, Waiting};
use prometheus_client::registry::Registry;
use provider::{Instant, Nanos};
use reader::Unanswered;
use ring::digest;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::task::AbortHandle;
use value::{Head, MAX_OVERHEAD_BYTES};

/// The link of a gateway that shares answers, and the task that keeps it.
#[derive(Debug)]
pub(super) struct AnswerTask {
    link: Arc<AnswerLink>,
    task: AbortHandle,
}

impl AnswerTask {
    /// Adds the metrics to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.link.counts.register(registry, self.link.waiting());
    }
}

impl Drop for AnswerTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The answers that a gateway shares with others.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct SharedAnswers {
    /// Keeps the task; `None` in tests without one.
    _sharing: Option<Arc<Sharing>>,
    link: Arc<AnswerLink>,
    ttl: Nanos,
    scope: Arc<[u8; 32]>,
    /// The names of the targets.
    targets: Arc<[Arc<str>]>,
}

/// An answer that was found in Redis. Another replica has stored it, or this one, which has evicted it since.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct FoundAnswer {
    pub(in crate::gateway) answer: Arc<AnswerBytes>,
    /// As in [`crate::engine::Reply::cut`].
    pub(in crate::gateway) cut: bool,
    /// Its size, as in [`crate::engine::Reply::stored_bytes`].
    pub(in crate::gateway) bytes: u32,
    pub(in crate::gateway) age: Age,
}

/// The shared answers in the state of a gateway: numbers since it started.
#[derive(Debug, Serialize)]
pub(in crate::gateway) struct SharedAnswersState {
    /// `false` while Redis is unavailable.
    up: bool,
    hits: u64,
    misses: u64,
    invalid: u64,
    skipped: u64,
    stored: u64,
    dropped: u64,
    failed: u64,
    /// Answers that wait to be written.
    waiting: usize,
}

impl SharedAnswers {
    /// Returns the shared answers of a scenario whose answers live for `ttl`. `addresses`: the names and addresses of its providers.
    ///
    /// # Panics
    /// If called outside an async runtime.
    pub(in crate::gateway) fn new(
        sharing: &Arc<Sharing>,
        (scenario, ttl): (&Scenario, Nanos),
        addresses: &[(String, String)],
    ) -> Self {
        let AnswerTask { link, .. } = sharing.answers.get_or_init(|| {
            let (link, queue) = AnswerLink::new(sharing.url.clone(), sharing.answer_timeout, sharing.clock);
            let run = Arc::clone(&link);
            AnswerTask { link, task: tokio::spawn(async move { run.run(queue).await }).abort_handle() }
        });
        Self {
            _sharing: Some(Arc::clone(sharing)),
            link: Arc::clone(link),
            ttl,
            scope: Arc::new(scope_of(scenario, addresses)),
            targets: scenario.targets.iter().map(|target| target.name.as_str().into()).collect(),
        }
    }

    /// Returns the key of the answer to a request with this digest; `None` until this replica has reached Redis.
    pub(in crate::gateway) fn key_of(&self, digest: &[u8]) -> Option<AnswerKey> {
        Some(self.link.agreed()?.secret.key_of(&self.scope, digest))
    }

    /// Returns the answer under a key, which is `None` before the first connection; `None` if there is none, if Redis is unavailable or does
    /// not answer in time, or if too many answers are looked up.
    pub(in crate::gateway) async fn look_up(&self, key: Option<&AnswerKey>) -> Option<FoundAnswer> {
        let found = self.find(key).await;
        self.link.counts.looked_up(found.as_ref().map_or_else(|result| *result, |_| Lookup::Hit));
        found.ok()
    }

    async fn find(&self, key: Option<&AnswerKey>) -> Result<FoundAnswer, Lookup> {
        let key = key.ok_or(Lookup::Skipped)?;
        let asked = self.link.now();
        let look_up = Action::LookUp(*key, MAX_ANSWER_BYTES + MAX_OVERHEAD_BYTES);
        let answer = self.link.ask(&self.link.lookups, look_up).await.map_err(|_| Lookup::Skipped)?;
        self.take(key, &answer, (asked, self.link.now()))
    }

    /// Takes the answer of the script to a lookup. `times`: when it was asked, and now.
    fn take(
        &self,
        key: &AnswerKey,
        answer: &Answer,
        times: (Instant, Instant),
    ) -> Result<FoundAnswer, Lookup> {
        match answer.outcome {
            Outcome::Absent => Err(Lookup::Miss),
            Outcome::Done => {
                let (stored_ms, found) = self.read(key, answer, times).ok_or(Lookup::Invalid)?;
                // One from the future was stored before the clock of the server was set back.
                let is_past = stored_ms <= answer.now_ms;
                if is_past && found.age.then < self.ttl { Ok(found) } else { Err(Lookup::Miss) }
            }
            Outcome::Unreadable | Outcome::WriteFailed => Err(Lookup::Invalid),
        }
    }

    /// Reads a value, and when it was stored, in milliseconds since 1970; `None` if it is not one that a replica has written under this key.
    fn read(
        &self,
        key: &AnswerKey,
        Answer { now_ms, text, .. }: &Answer,
        (asked, now): (Instant, Instant),
    ) -> Option<(u64, FoundAnswer)> {
        let (stored_ms, Head { target, cut, headers }, body) =
            self.link.agreed()?.secret.decode(key, text)?;
        let target = self.targets.iter().position(|name| **name == *target)?;
        let header = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
        };
        let headers = headers.iter().map(header).collect::<Option<HeaderMap>>()?;
        let answer = AnswerBytes::found(TargetId(u16::try_from(target).ok()?), &headers, body)?;
        // One more millisecond, because the time of the server is a whole number of them.
        let age_ms = now_ms.saturating_sub(stored_ms).saturating_add(1);
        let age = Nanos::from_millis(age_ms) + now.since(asked);
        Some((
            stored_ms,
            FoundAnswer { bytes: answer.stored_bytes?, answer, cut, age: Age { at: now, then: age } },
        ))
    }

    /// Drops the answer that is stored under a key, because a request that arrives now does not accept it. Other replicas that have read
    /// it keep it. The call may be made later, or not at all.
    pub(in crate::gateway) async fn forget(&self, key: &AnswerKey) {
        let Some(agreed) = self.link.agreed() else { return };
        let forget = Action::Forget(*key, agreed.clock.ms_at(self.link.now()));
        let result = match self.link.ask(&self.link.forgets, forget).await {
            Ok(Answer { outcome: Outcome::Absent, .. }) => return,
            Ok(_) => Write::Forgotten,
            Err(Unanswered::TooMany) => Write::Skipped,
            Err(Unanswered::Unavailable) => Write::Failed,
        };
        self.link.counts.written(result);
    }

    /// Stores an answer that the response cache has stored at `stored`. Does not wait: it is written in the background.
    pub(in crate::gateway) fn store(
        &self,
        key: AnswerKey,
        stored: Instant,
        (answer, cut): (&Arc<AnswerBytes>, bool),
    ) {
        if let Some(target) = self.targets.get(answer.target.index()) {
            let (answer, target) = (Arc::clone(answer), Arc::clone(target));
            self.link.enqueue(Waiting { key, stored, ttl: self.ttl, answer, cut, target });
        }
    }

    /// Returns the state.
    pub(in crate::gateway) fn state(&self) -> SharedAnswersState {
        let counts = &self.link.counts;
        SharedAnswersState {
            up: counts.up.get() == 1,
            hits: counts.lookups(Lookup::Hit),
            misses: counts.lookups(Lookup::Miss),
            invalid: counts.lookups(Lookup::Invalid),
            skipped: counts.lookups(Lookup::Skipped),
            stored: counts.writes(Write::Stored),
            dropped: counts.writes(Write::Dropped),
            failed: counts.writes(Write::Failed),
            waiting: self.link.waiting(),
        }
    }
}

/// Returns the hash of what decides on answers in a scenario.
fn scope_of(scenario: &Scenario, addresses: &[(String, String)]) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut add = |part: &str| {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    let count = |number: usize| number.to_string();
    add(&scenario.name);
    add(&count(addresses.len()));
    for (provider, address) in addresses {
        add(provider);
        add(address);
    }
    for route in &scenario.routes {
        add(&route.name);
        add(&count(route.steps.len()));
        for step in &route.steps {
            add(&count(step.targets.len()));
            step.targets.iter().for_each(|target| add(&scenario.targets[target.index()].name));
        }
    }
    let mut scope = [0; 32];
    scope.copy_from_slice(hash.finish().as_ref());
    scope
}

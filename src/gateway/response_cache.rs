//! The bytes behind the engine's response cache, and the names by which the engine knows identical requests.
//!
//! The engine decides: which requests follow another one, which answers are stored, used and evicted. It compares fingerprints. The
//! fingerprint of a request is the id of the first job with its key, as long as such a job is in flight or the engine holds an answer
//! to it; so different requests never have the same one. Identical jobs in flight have the same estimate of their prompt, because a
//! follower may take over what its leader has reserved.
//!
//! The bytes of an answer are dropped when the engine evicts it, and when its time to live has passed, with the next request. Bounds:
//! `entries` of the scenario, [`crate::engine::MAX_CACHE_BYTES`] in all, [`super::answer::MAX_ANSWER_BYTES`] for one answer.

use super::answer::{Answer, Origin, Reused};
use super::request_key::{Identity, RequestKey};
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// The names of identical requests, and their answers.
#[derive(Debug)]
pub(super) struct ResponseCache {
    /// Zero if the scenario has no cache: then it only names requests.
    ttl: Nanos,
    names: FxHashMap<RequestKey, Name>,
    /// By fingerprint: the answers that the engine holds.
    entries: FxHashMap<u64, Entry>,
    /// The fingerprints of answers, in the order in which they were stored; some may be gone.
    by_age: VecDeque<(Instant, u64)>,
    usage: CacheUsage,
}

/// What is in a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CacheUsage {
    /// The number of answers.
    pub(super) answers: u64,
    /// Their size in bytes.
    pub(super) bytes: u64,
}

/// The name of identical requests.
#[derive(Debug)]
struct Name {
    fingerprint: u64,
    prompt_tokens: u32,
    /// Jobs in flight.
    jobs: u32,
}

/// An answer that the engine holds.
#[derive(Debug)]
struct Entry {
    key: RequestKey,
    /// When it was stored, and the answer; `None` if its bytes were dropped, or not kept because later jobs have the name.
    stored: Option<(Instant, Arc<Answer>)>,
}

impl ResponseCache {
    /// Returns an empty cache whose answers live for `ttl`.
    pub(super) fn new(ttl: Option<Nanos>) -> Self {
        Self {
            ttl: ttl.unwrap_or(Nanos::ZERO),
            names: FxHashMap::default(),
            entries: FxHashMap::default(),
            by_age: VecDeque::new(),
            usage: CacheUsage::default(),
        }
    }

    /// Counts the job `id`, which arrives at `now`, as in flight. Returns its fingerprint, and the estimate of its prompt: that of
    /// the identical jobs in flight, or else its own.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        Identity { key, is_refresh }: Identity,
        (id, prompt_tokens): (u64, u32),
    ) -> (u64, u32) {
        self.expire(now);
        if is_refresh && let Some(past) = self.names.remove(&key) {
            self.drop_bytes(past.fingerprint);
        }
        let name = self.names.entry(key).or_insert(Name { fingerprint: id, prompt_tokens, jobs: 0 });
        if name.jobs == 0 {
            name.prompt_tokens = prompt_tokens;
        }
        name.jobs += 1;
        (name.fingerprint, name.prompt_tokens)
    }

    /// Counts a job with this key and fingerprint as ended.
    pub(super) fn leave(&mut self, key: &RequestKey, fingerprint: u64) {
        // The name may be that of later jobs, which did not accept an earlier answer.
        if let Some(name) = self.names.get_mut(key).filter(|name| name.fingerprint == fingerprint) {
            name.jobs -= 1;
            if name.jobs == 0 && !self.entries.contains_key(&fingerprint) {
                self.names.remove(key);
            }
        }
    }

    /// Keeps the answer that the engine stores under a fingerprint at `now`.
    pub(super) fn store(&mut self, now: Instant, key: RequestKey, fingerprint: u64, answer: Arc<Answer>) {
        self.drop_bytes(fingerprint);
        let is_named = self.names.get(&key).is_some_and(|name| name.fingerprint == fingerprint);
        let stored = is_named.then(|| {
            self.usage.answers += 1;
            self.usage.bytes += answer.cached_bytes();
            self.by_age.push_back((now, fingerprint));
            (now, answer)
        });
        self.entries.insert(fingerprint, Entry { key, stored });
        if self.by_age.len() > 2 * self.entries.len() + MIN_KEPT_AGES {
            let Self { by_age, entries, .. } = self;
            by_age.retain(|age| is_current(entries, *age));
        }
    }

    /// Drops the answer that the engine has evicted.
    pub(super) fn evict(&mut self, fingerprint: u64) {
        self.drop_bytes(fingerprint);
        if let Some(Entry { key, .. }) = self.entries.remove(&fingerprint) {
            let is_unused = |name: &Name| name.fingerprint == fingerprint && name.jobs == 0;
            if self.names.get(&key).is_some_and(is_unused) {
                self.names.remove(&key);
            }
        }
    }

    /// Returns the answer under a fingerprint, which the engine uses at `now`; `None` if its bytes were dropped.
    pub(super) fn hit(&self, now: Instant, fingerprint: u64) -> Option<Reused> {
        let (at, answer) = self.entries.get(&fingerprint)?.stored.as_ref()?;
        Some(Reused { answer: Arc::clone(answer), origin: Origin::Cache(now.since(*at)) })
    }

    /// Returns `true` if there is an answer to a request that arrives at `now`.
    pub(super) fn has_answer(&self, now: Instant, identity: &Identity) -> bool {
        let name = self.names.get(&identity.key).filter(|_| !identity.is_refresh);
        let hit = name.and_then(|name| self.hit(now, name.fingerprint));
        hit.is_some_and(|hit| matches!(hit.origin, Origin::Cache(age) if age < self.ttl))
    }

    /// Drops the bytes of all answers: another cache takes the place of this one.
    pub(super) fn drop_all_bytes(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.stored = None);
        self.by_age.clear();
        self.usage = CacheUsage::default();
    }

    /// Returns what is in it.
    pub(super) fn usage(&self) -> CacheUsage {
        self.usage
    }

    /// Drops the bytes of the answers whose time to live has passed.
    fn expire(&mut self, now: Instant) {
        while let Some(&(at, fingerprint)) = self.by_age.front() {
            if now.since(at) < self.ttl {
                return;
            }
            self.by_age.pop_front();
            if is_current(&self.entries, (at, fingerprint)) {
                self.drop_bytes(fingerprint);
            }
        }
    }

    /// Checks that what is counted is there, and that no name outlives its jobs and answers.
    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "sums and checks of all do not depend on the order")]
    pub(super) fn check(&self) {
        let stored = || self.entries.values().filter_map(|entry| entry.stored.as_ref());
        let bytes: u64 = stored().map(|(_, answer)| answer.cached_bytes()).sum();
        assert_eq!(self.usage, CacheUsage { answers: stored().count() as u64, bytes });
        assert!(self.by_age.len() <= 2 * self.entries.len() + MIN_KEPT_AGES);
        let is_used = |name: &Name| name.jobs > 0 || self.entries.contains_key(&name.fingerprint);
        assert!(self.names.values().all(is_used), "a name has jobs or an answer");
    }

    fn drop_bytes(&mut self, fingerprint: u64) {
        let stored = self.entries.get_mut(&fingerprint).and_then(|entry| entry.stored.take());
        if let Some((_, answer)) = stored {
            self.usage.answers -= 1;
            self.usage.bytes -= answer.cached_bytes();
        }
    }
}

/// Returns `true` if the answer that was stored under this fingerprint at this instant is still there.
fn is_current(entries: &FxHashMap<u64, Entry>, (at, fingerprint): (Instant, u64)) -> bool {
    let stored = entries.get(&fingerprint).and_then(|entry| entry.stored.as_ref());
    stored.is_some_and(|(stored_at, _)| *stored_at == at)
}

/// `by_age` is not cleared of answers that are gone while it has at most this many more than twice the entries.
const MIN_KEPT_AGES: usize = 64;

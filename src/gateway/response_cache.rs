//! The bytes behind the engine's response cache, and the names by which the engine knows identical requests.
//!
//! The engine decides: which requests follow another one, which answers are stored, used and evicted. It compares fingerprints. The
//! fingerprint of a request is the id of the first job with its key, as long as such a job is in flight or the engine holds an answer
//! to it; so different requests never have the same one. Identical jobs in flight have the same estimate of their prompt, because a
//! follower may take over what its leader has reserved.
//!
//! An answer that was found in Redis is added just before the job that it answers arrives. A request that accepts no earlier answer drops
//! the one that is there; from then on an answer in Redis that was stored before is not used either, even if the request fails and the one
//! in Redis was not dropped ([`Refreshes`]).
//!
//! The bytes of an answer are dropped when the engine evicts it, and when its time to live has passed, with the next request. Bounds:
//! `entries` of the scenario, [`crate::engine::MAX_CACHE_BYTES`] in all, [`super::answer::MAX_ANSWER_BYTES`] for one answer.

use super::answer::{Age, Answer, Origin, Reused};
use super::refreshes::Refreshes;
use super::request_key::{Identity, RequestKey};
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The names of identical requests, and their answers.
#[derive(Debug)]
pub(super) struct ResponseCache {
    /// Zero if the scenario has no cache: then it only names requests.
    ttl: Nanos,
    names: FxHashMap<RequestKey, Name>,
    refreshes: Refreshes,
    /// By fingerprint: the answers that the engine holds.
    entries: FxHashMap<u64, Entry>,
    /// The fingerprints of the answers whose bytes are here, in the order in which their time to live ends.
    by_expiry: BTreeSet<(Instant, u64)>,
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
    /// `None` if its bytes were dropped, or not kept because later jobs have the name.
    stored: Option<Stored>,
}

/// The bytes of an answer, and how old it is.
#[derive(Debug)]
struct Stored {
    answer: Arc<Answer>,
    age: Age,
    /// When its time to live ends.
    expires_at: Instant,
}

impl ResponseCache {
    /// Returns an empty cache whose answers live for `ttl`.
    pub(super) fn new(ttl: Option<Nanos>) -> Self {
        let ttl = ttl.unwrap_or(Nanos::ZERO);
        Self {
            ttl,
            names: FxHashMap::default(),
            refreshes: Refreshes::new(ttl),
            entries: FxHashMap::default(),
            by_expiry: BTreeSet::new(),
            usage: CacheUsage::default(),
        }
    }

    /// Counts the job `id`, which arrives at `now`, as in flight. Returns its fingerprint, and the estimate of its prompt: that of
    /// the identical jobs in flight, or else its own.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        Identity { key, is_refresh, .. }: Identity,
        (id, prompt_tokens): (u64, u32),
    ) -> (u64, u32) {
        self.expire(now);
        if is_refresh {
            self.refreshes.record(now, key);
            if let Some(past) = self.names.remove(&key) {
                self.drop_bytes(past.fingerprint);
            }
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

    /// Keeps the answer that the engine stores under a fingerprint at `now`, and that is `age` old. Returns `false` if it is not used,
    /// because a later request has dropped the answers before its own.
    pub(super) fn store(
        &mut self,
        (now, age): (Instant, Nanos),
        key: RequestKey,
        fingerprint: u64,
        answer: Arc<Answer>,
    ) -> bool {
        self.drop_bytes(fingerprint);
        let is_named = self.names.get(&key).is_some_and(|name| name.fingerprint == fingerprint);
        let stored = is_named.then(|| {
            let expires_at = now + self.ttl.saturating_sub(age);
            self.usage.answers += 1;
            self.usage.bytes += answer.cached_bytes();
            self.by_expiry.insert((expires_at, fingerprint));
            Stored { answer, age: Age { at: now, then: age }, expires_at }
        });
        self.entries.insert(fingerprint, Entry { key, stored });
        is_named
    }

    /// Returns `true` if an answer that was found in Redis, and is `age` old, may serve a request that arrives at `now`: there is no answer
    /// here, and the last request that dropped one arrived before that answer was stored.
    pub(super) fn lacks(&self, now: Instant, age: Nanos, identity: &Identity) -> bool {
        let is_newer = !self.refreshes.may_have_dropped(now, age, &identity.key);
        is_newer && !identity.is_refresh && !self.has_answer(now, identity)
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
        let stored = self.entries.get(&fingerprint)?.stored.as_ref()?;
        Some(Reused { answer: Arc::clone(&stored.answer), origin: Origin::Cache(stored.age.at(now)) })
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
        self.by_expiry.clear();
        self.usage = CacheUsage::default();
    }

    /// Returns what is in it.
    pub(super) fn usage(&self) -> CacheUsage {
        self.usage
    }

    /// Drops the bytes of the answers whose time to live has passed, and what concerns only older ones.
    fn expire(&mut self, now: Instant) {
        self.refreshes.expire(now);
        while let Some(&(expires_at, fingerprint)) = self.by_expiry.first()
            && expires_at <= now
        {
            self.drop_bytes(fingerprint);
        }
    }

    /// Checks that what is counted is there, and that no name outlives its jobs and answers.
    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "sums and checks of all do not depend on the order")]
    pub(super) fn check(&self) {
        let stored = || self.entries.values().filter_map(|entry| entry.stored.as_ref());
        let bytes: u64 = stored().map(|stored| stored.answer.cached_bytes()).sum();
        assert_eq!(self.usage, CacheUsage { answers: stored().count() as u64, bytes });
        assert_eq!(self.by_expiry.len() as u64, self.usage.answers, "every answer expires");
        let is_used = |name: &Name| name.jobs > 0 || self.entries.contains_key(&name.fingerprint);
        assert!(self.names.values().all(is_used), "a name has jobs or an answer");
    }

    fn drop_bytes(&mut self, fingerprint: u64) {
        let stored = self.entries.get_mut(&fingerprint).and_then(|entry| entry.stored.take());
        if let Some(Stored { answer, expires_at, .. }) = stored {
            self.by_expiry.remove(&(expires_at, fingerprint));
            self.usage.answers -= 1;
            self.usage.bytes -= answer.cached_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Redis may still have the answer that a request has dropped, also after that request has failed.
    #[test]
    fn a_dropped_answer_is_not_taken_from_redis_after_its_replacement_failed() {
        let at = |seconds: u64| Instant::ZERO + Nanos::from_secs(seconds);
        let mut cache = ResponseCache::new(Some(Nanos::from_secs(100)));
        let plain = Identity { key: RequestKey::numbered(1), is_refresh: false, shared: None };
        assert!(cache.lacks(at(9), Nanos::from_secs(9), &plain));
        let (fingerprint, _) = cache.enter(at(10), Identity { is_refresh: true, ..plain }, (7, 1));
        cache.leave(&plain.key, fingerprint);
        cache.check();
        assert!(cache.names.is_empty());
        assert!(!cache.lacks(at(11), Nanos::from_secs(2), &plain), "it was stored before");
        assert!(cache.lacks(at(15), Nanos::from_secs(2), &plain), "it was stored since");
    }
}

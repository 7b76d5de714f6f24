//! The exact-match response cache: a job is answered at once if an identical one was answered within the time to live.
//!
//! The least recently used entry is evicted first, if there are too many entries or their answers are too large together.
//! Entries form a linked list inside one vector, so that a full cache allocates nothing. The driver keeps the bodies; the
//! cache keeps only the fingerprints that have one, and the sizes of the bodies.

use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;

/// The fingerprints that have an answer.
#[derive(Debug)]
pub(super) struct Cache {
    ttl: Nanos,
    max_entries: usize,
    by_fingerprint: FxHashMap<u64, u32>,
    entries: Vec<Entry>,
    /// The indices of entries that hold no answer.
    vacant: Vec<u32>,
    /// The bytes of all answers.
    bytes: u64,
    /// The most recently used entry, from which `older` leads to the least recently used one.
    newest: u32,
    oldest: u32,
}

/// An answer, in a list by use: `newer` and `older` are the indices of its neighbours, [`NONE`] at the ends.
#[derive(Clone, Copy, Debug)]
struct Entry {
    fingerprint: u64,
    /// The instant from which it is not used any more.
    expires_at: Instant,
    cut: bool,
    bytes: u32,
    newer: u32,
    older: u32,
}

/// What the cache knows of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CachedAnswer {
    /// `true` if it was cut, as in [`super::reply::Reply::cut`].
    pub(super) cut: bool,
}

/// An answer to be stored: that of the client's own attempt, or one that another client was given, an input of
/// [`super::Engine::add_answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAnswer {
    /// The time since it was stored.
    pub age: Nanos,
    /// `true` if it was cut, as in [`super::Reply::cut`].
    pub cut: bool,
    /// Its size, as in [`super::Reply::stored_bytes`].
    pub bytes: u32,
}

/// The maximum size of all answers of a response cache together, in bytes. Those of a simulation have no bytes.
pub const MAX_CACHE_BYTES: u64 = 256 << 20;

impl Cache {
    /// Creates an empty cache of at most `policy.entries` answers.
    pub(super) fn new(policy: crate::scenario::Cache) -> Self {
        assert!(policy.entries > 0, "invariant: a cache has at least one entry");
        Self {
            ttl: policy.ttl,
            max_entries: policy.entries as usize,
            by_fingerprint: FxHashMap::default(),
            entries: Vec::new(),
            vacant: Vec::new(),
            bytes: 0,
            newest: NONE,
            oldest: NONE,
        }
    }

    /// Returns the answer to `fingerprint` if there is one within its time to live, and marks it as used.
    pub(super) fn hit(&mut self, now: Instant, fingerprint: u64) -> Option<CachedAnswer> {
        let index = *self.by_fingerprint.get(&fingerprint)?;
        let Entry { expires_at, cut, .. } = self.entries[index as usize];
        if now >= expires_at {
            return None;
        }
        self.unlink(index);
        self.link(index);
        Some(CachedAnswer { cut })
    }

    /// Stores an answer to `fingerprint` that is `age` old at `now` and has `bytes`. Calls `on_evict` with the fingerprint of every
    /// other answer that makes room for it. Returns `false` if the answer is larger than all answers may be together; then an earlier
    /// answer to the fingerprint is evicted as well. Changes nothing and returns `false` if its time to live is over.
    pub(super) fn store(
        &mut self,
        now: Instant,
        fingerprint: u64,
        NewAnswer { age, cut, bytes }: NewAnswer,
        mut on_evict: impl FnMut(u64),
    ) -> bool {
        if age > Nanos::ZERO && age >= self.ttl {
            return false;
        }
        if let Some(&index) = self.by_fingerprint.get(&fingerprint) {
            self.remove(index);
        }
        if u64::from(bytes) > MAX_CACHE_BYTES {
            on_evict(fingerprint);
            return false;
        }
        while self.by_fingerprint.len() == self.max_entries || self.bytes + u64::from(bytes) > MAX_CACHE_BYTES
        {
            on_evict(self.entries[self.oldest as usize].fingerprint);
            self.remove(self.oldest);
        }
        let expires_at = now + self.ttl.saturating_sub(age);
        let entry = Entry { fingerprint, expires_at, cut, bytes, newer: NONE, older: NONE };
        let index = if let Some(index) = self.vacant.pop() {
            self.entries[index as usize] = entry;
            index
        } else {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        };
        self.bytes += u64::from(bytes);
        self.by_fingerprint.insert(fingerprint, index);
        self.link(index);
        debug_assert_eq!(
            self.by_fingerprint.len() + self.vacant.len(),
            self.entries.len(),
            "invariant: an entry per fingerprint"
        );
        true
    }

    /// Removes the answer of an entry.
    fn remove(&mut self, index: u32) {
        self.unlink(index);
        let Entry { fingerprint, bytes, .. } = self.entries[index as usize];
        self.bytes -= u64::from(bytes);
        self.by_fingerprint.remove(&fingerprint);
        self.vacant.push(index);
    }

    /// Inserts an unlinked entry at the newest end.
    fn link(&mut self, index: u32) {
        let newest = std::mem::replace(&mut self.newest, index);
        self.entries[index as usize].older = newest;
        self.entries[index as usize].newer = NONE;
        if newest == NONE {
            self.oldest = index;
        } else {
            self.entries[newest as usize].newer = index;
        }
    }

    /// Removes an entry from the list.
    fn unlink(&mut self, index: u32) {
        let Entry { newer, older, .. } = self.entries[index as usize];
        if newer == NONE {
            self.newest = older;
        } else {
            self.entries[newer as usize].older = older;
        }
        if older == NONE {
            self.oldest = newer;
        } else {
            self.entries[older as usize].newer = newer;
        }
    }
}

/// No entry: the length of a cache is a `u32`, so no entry has this index.
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cache(entries: u32, ttl_secs: u64) -> Cache {
        Cache::new(crate::scenario::Cache { entries, ttl: Nanos::from_secs(ttl_secs) })
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Nanos::from_secs(seconds)
    }

    fn answer(age_secs: u64, bytes: u32) -> NewAnswer {
        NewAnswer { age: Nanos::from_secs(age_secs), cut: false, bytes }
    }

    /// Stores an answer without bytes.
    fn store(cache: &mut Cache, seconds: u64, fingerprint: u64) {
        assert!(cache.store(at(seconds), fingerprint, answer(0, 0), |_| {}));
    }

    #[test]
    fn an_answer_expires_after_its_time_to_live() {
        let mut cache = cache(10, 60);
        assert!(cache.hit(at(0), 7).is_none());
        store(&mut cache, 0, 7);
        assert!(cache.hit(at(59), 7).is_some());
        assert!(cache.hit(at(60), 7).is_none());
        store(&mut cache, 61, 7);
        assert!(cache.hit(at(100), 7).is_some());
    }

    #[test]
    fn an_answer_that_was_given_before_expires_earlier() {
        let mut cache = cache(10, 60);
        assert!(cache.store(at(5), 7, answer(50, 0), |_| {}), "it may be older than the run");
        assert!(cache.hit(at(14), 7).is_some());
        assert!(cache.hit(at(15), 7).is_none());
        store(&mut cache, 20, 7);
        assert!(!cache.store(at(21), 7, answer(60, 0), |_| panic!("nothing makes room for it")));
        assert!(cache.hit(at(79), 7).is_some(), "the answer that was there stays");
    }

    #[test]
    fn the_least_recently_used_entry_is_evicted_first() {
        let mut cache = cache(2, 1_000);
        store(&mut cache, 0, 1);
        store(&mut cache, 1, 2);
        assert!(cache.hit(at(2), 1).is_some());
        store(&mut cache, 3, 3);
        let hits = [1, 3, 2].map(|fingerprint| cache.hit(at(4), fingerprint).is_some());
        assert_eq!(hits, [true, true, false]);
    }

    #[test]
    fn an_answer_larger_than_the_cache_is_not_stored_and_replaces_the_earlier_one() {
        let mut cache = cache(2, 1_000);
        store(&mut cache, 0, 1);
        store(&mut cache, 0, 2);
        let mut evicted = Vec::new();
        assert!(!cache.store(at(1), 1, answer(0, u32::MAX), |fingerprint| evicted.push(fingerprint)));
        assert_eq!(
            (evicted, cache.hit(at(1), 1).is_some(), cache.hit(at(1), 2).is_some()),
            (vec![1], false, true)
        );
    }

    proptest! {
        /// Against a simple model: a list ordered by use.
        #[test]
        fn behaves_as_a_list_ordered_by_use(
            entries in 1u32..6,
            moves in prop::collection::vec((0u64..8, prop::option::of(0u64..120), 0u64..30, 0u32..200), 1..200),
        ) {
            let mut cache = cache(entries, 100);
            let mut model: Vec<(u64, Instant, u32)> = Vec::new();
            let mut now = 0;
            let is_cut = |expires_at: Instant| expires_at.0.is_multiple_of(3);
            for (fingerprint, store, pause, mebibytes) in moves {
                now += pause;
                let bytes = mebibytes << 20;
                let found = model.iter().position(|(known, ..)| *known == fingerprint);
                if let Some(age) = store {
                    let mut evicted = Vec::new();
                    let expires_at = at(now + 100u64.saturating_sub(age));
                    let stored = NewAnswer { cut: is_cut(expires_at), ..answer(age, bytes) };
                    let is_stored = cache.store(at(now), fingerprint, stored, |gone| evicted.push(gone));
                    prop_assert_eq!(is_stored, age < 100);
                    if !is_stored {
                        prop_assert!(evicted.is_empty());
                        continue;
                    }
                    found.map(|index| model.remove(index));
                    let size = |model: &[(u64, Instant, u32)]| model.iter().map(|(.., bytes)| u64::from(*bytes)).sum::<u64>();
                    let mut expected = Vec::new();
                    while model.len() == entries as usize || size(&model) + u64::from(bytes) > MAX_CACHE_BYTES {
                        expected.push(model.remove(0).0);
                    }
                    prop_assert_eq!(evicted, expected);
                    model.push((fingerprint, expires_at, bytes));
                } else {
                    let fresh = found.filter(|&index| at(now) < model[index].1);
                    let expected = fresh.map(|index| CachedAnswer { cut: is_cut(model[index].1) });
                    prop_assert_eq!(cache.hit(at(now), fingerprint), expected);
                    if let Some(index) = fresh {
                        let entry = model.remove(index);
                        model.push(entry);
                    }
                }
                prop_assert_eq!(cache.by_fingerprint.len(), model.len());
                prop_assert!(cache.bytes <= MAX_CACHE_BYTES);
                prop_assert!(cache.entries.len() <= entries as usize);
            }
        }
    }
}

//! The exact-match response cache: a job is answered at once if an identical one was answered within the time to live.
//!
//! The least recently used entry is evicted first. Entries form a linked list inside one vector, so that a full cache
//! allocates nothing. The driver keeps the bodies; the cache keeps only the fingerprints that have one.

use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;

/// The fingerprints that have an answer.
#[derive(Debug)]
pub(super) struct Cache {
    ttl: Nanos,
    max_entries: usize,
    by_fingerprint: FxHashMap<u64, u32>,
    entries: Vec<Entry>,
    /// The most recently used entry, from which `older` leads to the least recently used one.
    newest: u32,
    oldest: u32,
}

/// An answer, in a list by use: `newer` and `older` are the indices of its neighbours, [`NONE`] at the ends.
#[derive(Clone, Copy, Debug)]
struct Entry {
    fingerprint: u64,
    stored_at: Instant,
    cut: bool,
    newer: u32,
    older: u32,
}

/// What the cache knows of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CachedAnswer {
    /// `true` if it was cut, as in [`super::reply::Reply::cut`].
    pub(super) cut: bool,
}

impl Cache {
    /// Creates an empty cache of at most `policy.entries` answers.
    pub(super) fn new(policy: crate::scenario::Cache) -> Self {
        assert!(policy.entries > 0, "invariant: a cache has at least one entry");
        Self {
            ttl: policy.ttl,
            max_entries: policy.entries as usize,
            by_fingerprint: FxHashMap::default(),
            entries: Vec::new(),
            newest: NONE,
            oldest: NONE,
        }
    }

    /// Returns the answer to `fingerprint` if there is one within its time to live, and marks it as used.
    pub(super) fn hit(&mut self, now: Instant, fingerprint: u64) -> Option<CachedAnswer> {
        let index = *self.by_fingerprint.get(&fingerprint)?;
        let Entry { stored_at, cut, .. } = self.entries[index as usize];
        if now.since(stored_at) >= self.ttl {
            return None;
        }
        self.unlink(index);
        self.link(index);
        Some(CachedAnswer { cut })
    }

    /// Stores an answer to `fingerprint` that was given at `now`. `cut` is `true` if it was cut.
    pub(super) fn store(&mut self, now: Instant, fingerprint: u64, cut: bool) {
        let entry = Entry { fingerprint, stored_at: now, cut, newer: NONE, older: NONE };
        let index = if let Some(&index) = self.by_fingerprint.get(&fingerprint) {
            self.unlink(index);
            index
        } else if self.entries.len() < self.max_entries {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        } else {
            let index = self.oldest;
            self.unlink(index);
            self.by_fingerprint.remove(&self.entries[index as usize].fingerprint);
            index
        };
        self.entries[index as usize] = entry;
        self.by_fingerprint.insert(fingerprint, index);
        self.link(index);
        debug_assert_eq!(
            self.by_fingerprint.len(),
            self.entries.len(),
            "invariant: an entry per fingerprint"
        );
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

    #[test]
    fn an_answer_expires_after_its_time_to_live() {
        let mut cache = cache(10, 60);
        assert!(cache.hit(at(0), 7).is_none());
        cache.store(at(0), 7, false);
        assert!(cache.hit(at(59), 7).is_some());
        assert!(cache.hit(at(60), 7).is_none());
        cache.store(at(61), 7, false);
        assert!(cache.hit(at(100), 7).is_some());
    }

    #[test]
    fn the_least_recently_used_entry_is_evicted_first() {
        let mut cache = cache(2, 1_000);
        cache.store(at(0), 1, false);
        cache.store(at(1), 2, false);
        assert!(cache.hit(at(2), 1).is_some());
        cache.store(at(3), 3, false);
        let hits = [1, 3, 2].map(|fingerprint| cache.hit(at(4), fingerprint).is_some());
        assert_eq!(hits, [true, true, false]);
    }

    proptest! {
        /// Against a simple model: a list ordered by use.
        #[test]
        fn behaves_as_a_list_ordered_by_use(
            entries in 1u32..6,
            moves in prop::collection::vec((0u64..8, any::<bool>(), 0u64..30), 1..200),
        ) {
            let mut cache = cache(entries, 100);
            let mut model: Vec<(u64, Instant)> = Vec::new();
            let mut now = 0;
            let is_cut = |stored_at: Instant| stored_at.0.is_multiple_of(3);
            for (fingerprint, store, pause) in moves {
                now += pause;
                let found = model.iter().position(|(known, _)| *known == fingerprint);
                if store {
                    cache.store(at(now), fingerprint, is_cut(at(now)));
                    found.map(|index| model.remove(index));
                    if model.len() == entries as usize {
                        model.remove(0);
                    }
                    model.push((fingerprint, at(now)));
                } else {
                    let fresh = found.filter(|&index| at(now).since(model[index].1) < Nanos::from_secs(100));
                    let expected = fresh.map(|index| CachedAnswer { cut: is_cut(model[index].1) });
                    prop_assert_eq!(cache.hit(at(now), fingerprint), expected);
                    if let Some(index) = fresh {
                        let entry = model.remove(index);
                        model.push(entry);
                    }
                }
                prop_assert_eq!(cache.by_fingerprint.len(), model.len());
            }
        }
    }
}

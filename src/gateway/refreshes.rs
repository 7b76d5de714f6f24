//! When requests dropped the earlier answers to identical ones, as `cache-control: no-cache` asks for.
//!
//! Redis may still have such an answer: the call that drops it there may be lost. So it is remembered here until the answer is older than
//! its time to live, also if no job and no answer has the key any more. Bounds: the time to live, and [`MAX_REFRESHES`]. If there are
//! more, the oldest is forgotten, and from then on no answer to any request is used that was stored before it: some are not found that
//! could be, but none that was dropped is served.

use super::request_key::RequestKey;
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// By key: when a request last dropped the answers before it.
#[derive(Debug)]
pub(super) struct Refreshes {
    ttl: Nanos,
    last: FxHashMap<RequestKey, Instant>,
    /// All of them in order, also those that a later one with the same key has replaced.
    in_order: VecDeque<(Instant, RequestKey)>,
    /// The last one that was forgotten because there were too many.
    forgotten: Option<Instant>,
}

impl Refreshes {
    /// Returns none. `ttl`: the time to live of answers.
    pub(super) fn new(ttl: Nanos) -> Self {
        Self { ttl, last: FxHashMap::default(), in_order: VecDeque::new(), forgotten: None }
    }

    /// Records that a request which arrives at `now` drops the answers before it.
    pub(super) fn record(&mut self, now: Instant, key: RequestKey) {
        self.expire(now);
        if self.ttl == Nanos::ZERO {
            return;
        }
        if self.in_order.len() == MAX_REFRESHES {
            self.forgotten = self.in_order.front().map(|(at, _)| *at);
            self.remove_first();
        }
        self.last.insert(key, now);
        self.in_order.push_back((now, key));
    }

    /// Returns `true` if an answer that is `age` old at `now` may have been dropped.
    pub(super) fn may_have_dropped(&self, now: Instant, age: Nanos, key: &RequestKey) -> bool {
        let last = self.last.get(key).copied().or(self.forgotten);
        last.is_some_and(|at| now.since(at) <= age)
    }

    /// Forgets those before which no answer is still used.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.in_order.front().is_some_and(|(at, _)| now.since(*at) > self.ttl) {
            self.remove_first();
        }
    }

    fn remove_first(&mut self) {
        if let Some((at, key)) = self.in_order.pop_front()
            && self.last.get(&key) == Some(&at)
        {
            self.last.remove(&key);
        }
    }
}

/// The most that are remembered.
const MAX_REFRESHES: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> RequestKey {
        RequestKey::numbered(number)
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Nanos::from_millis(millis)
    }

    #[test]
    fn the_last_one_of_a_key_counts_until_its_time_to_live_has_passed() {
        let mut refreshes = Refreshes::new(Nanos::from_millis(100));
        refreshes.record(at(10), key(1));
        refreshes.record(at(50), key(1));
        let dropped = |refreshes: &Refreshes, now: u64, stored: u64, number| {
            refreshes.may_have_dropped(at(now), Nanos::from_millis(now - stored), &key(number))
        };
        assert!(dropped(&refreshes, 60, 50, 1) && !dropped(&refreshes, 60, 51, 1));
        assert!(!dropped(&refreshes, 60, 5, 2), "another key");
        refreshes.expire(at(140));
        assert!(dropped(&refreshes, 140, 49, 1), "only the first one has expired");
        refreshes.expire(at(151));
        assert!(refreshes.last.is_empty() && refreshes.in_order.is_empty());
    }

    #[test]
    fn more_than_the_maximum_drop_all_answers_before_the_oldest() {
        let mut refreshes = Refreshes::new(Nanos::from_secs(3_600));
        for number in 0..=MAX_REFRESHES {
            refreshes.record(at(number as u64), key(number));
        }
        assert_eq!((refreshes.in_order.len(), refreshes.last.len()), (MAX_REFRESHES, MAX_REFRESHES));
        let now = MAX_REFRESHES as u64 + 10;
        let dropped = |stored: u64, number| {
            refreshes.may_have_dropped(at(now), Nanos::from_millis(now - stored), &key(number))
        };
        assert!(dropped(0, 0), "what was dropped first stays so");
        assert!(dropped(0, MAX_REFRESHES + 1) && !dropped(1, 0));
    }
}

//! The adaptive limit: grows where it is used and shrinks where it is not.
//!
//! ```text
//!  steps, each a window of the clock:  use of this one × growth, but at least half of its limit,
//!                                      between floor and most    =    the limit of the next
//! ```
//!
//! Within a step it counts like a fixed window. So steady traffic carries its limit up with it, a leap is refused
//! at first, and an idle hour costs what was earned. Evidence: Together and Fireworks say that traffic raises their
//! limits, that leaps are refused, and within what bounds; the steps, the growth and the half are assumed.

use super::usage_count::UsageCount;
use crate::config::Growth;
use crate::time::{Instant, Nanos};

/// A counter per window of the clock whose limit follows what is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adaptive {
    floor: u64,
    most: u64,
    growth: Growth,
    step: Nanos,
    /// The limit of the present step, and what it has seen.
    count: UsageCount,
    /// Where the present step began.
    began: Instant,
    at: Instant,
}

impl Adaptive {
    /// An unused counter, whose limit is `floor` per `step` and may grow.
    ///
    /// # Panics
    /// Where the step is empty.
    #[must_use]
    pub fn new(floor: u64, growth: Growth, step: Nanos) -> Self {
        assert!(step > Nanos::ZERO, "a step of no length");
        let (began, at) = (Instant::ZERO, Instant::ZERO);
        Self { floor, most: growth.most_of(floor), growth, step, count: UsageCount::of(floor), began, at }
    }

    /// Takes the steps to the one that `now` lies in.
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.at, "time never runs back: {now} after {}", self.at);
        let mut steps = now.since(self.began).0 / self.step.0;
        if steps > 0 {
            self.began = Instant(now.0 - now.0 % self.step.0);
        }
        while steps > 0 && self.count != UsageCount::of(self.floor) {
            self.count = UsageCount::of(self.next_limit());
            steps -= 1;
        }
        self.at = self.at.max(now);
    }

    /// The limit of the next step, were this one over.
    fn next_limit(&self) -> u64 {
        self.growth.of(self.count.used).max(self.count.limit / 2).clamp(self.floor, self.most)
    }

    /// The limit of the present step.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.count.limit
    }

    /// Whether the present step has room for `amount`.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.count.admits(amount)
    }

    /// Counts `amount`.
    pub fn charge(&mut self, amount: u64) {
        self.count.charge(amount);
    }

    /// Counts `actual` in place of `reserved`; changes nothing where the step of the charge is over.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        if charged_at >= self.began {
            self.count.settle(reserved, actual);
        }
    }

    /// What the present step has left; negative where a settlement overdrew it.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// The most that the limit ever grows to.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.most
    }

    /// Now or the next step. `None` where neither has room for `amount`: without use the limit only shrinks from
    /// there on.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        if self.admits(amount) {
            return Some(self.at);
        }
        (amount <= self.next_limit()).then(|| self.began + self.step)
    }

    /// Now where nothing is used, otherwise the next step.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        Some(if self.count.used == 0 { self.at } else { self.began + self.step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> Adaptive {
        Adaptive::new(60, Growth { factor: 2_000, most: 6_667 }, Nanos::MINUTE)
    }

    fn minute(minutes: u64) -> Instant {
        Instant::ZERO + Nanos::MINUTE * minutes
    }

    #[test]
    fn steady_traffic_doubles_its_limit_until_the_most_and_idleness_halves_it_until_the_floor() {
        let mut counter = counter();
        let mut limits = vec![];
        for number in 1..=4 {
            counter.charge(counter.limit());
            counter.roll(minute(number));
            limits.push(counter.limit());
        }
        for number in 5..=8 {
            counter.roll(minute(number));
            limits.push(counter.limit());
        }
        assert_eq!(limits, [120, 240, 400, 400, 200, 100, 60, 60]);
    }

    #[test]
    fn many_idle_steps_at_once_are_as_many_one_by_one() {
        let (mut at_once, mut by_steps) = (counter(), counter());
        for counter in [&mut at_once, &mut by_steps] {
            counter.charge(50);
            counter.roll(minute(1));
            counter.charge(100);
        }
        (2..=3).for_each(|number| by_steps.roll(minute(number)));
        at_once.roll(minute(3));
        assert_eq!((&at_once, at_once.limit()), (&by_steps, 100));
        at_once.roll(Instant::MAX);
        assert_eq!(at_once.limit(), 60);
    }

    #[test]
    fn what_only_more_traffic_would_make_room_for_has_no_next_yes() {
        let mut counter = counter();
        assert_eq!((counter.earliest_admission(61), counter.capacity()), (None, 400));
        counter.charge(40);
        assert_eq!(
            [20, 60, 80, 81].map(|amount| counter.earliest_admission(amount)),
            [Some(minute(0)), Some(minute(1)), Some(minute(1)), None]
        );
        counter.settle(minute(0), 40, 20);
        assert_eq!(counter.earliest_admission(80), None);
    }
}

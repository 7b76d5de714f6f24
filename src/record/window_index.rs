//! Which of a run's windows of equal length an instant belongs to.

use provider::calendar::LocalClock;
use provider::{Instant, Nanos};

/// Finds the window of each job. Most jobs are in the same window as the one before, and a division per job would take longer than the
/// rest, so the last window found is kept.
#[derive(Clone, Debug)]
pub(super) struct WindowIndex {
    length: Nanos,
    /// The local time of the run, if the windows are whole days of it: these have 23 or 25 hours when summer time begins or ends.
    clock: Option<LocalClock>,
    /// The index of the last of all windows.
    last: usize,
    /// The window found last: its index, its beginning, and its end.
    found: usize,
    begins: Instant,
    ends: Instant,
}

impl WindowIndex {
    /// Returns the index of `count` windows, at least one, of this length.
    pub(super) const fn new(length: Nanos, count: usize) -> Self {
        Self { length, clock: None, last: count - 1, found: 0, begins: Instant::ZERO, ends: Instant::ZERO }
    }

    /// Returns the index of as many windows of this length as begin in a run of `duration`, at least one. Whole days are days of local
    /// time, if the run has a date.
    pub(super) fn of_run(length: Nanos, duration: Nanos, clock: &LocalClock) -> Self {
        let is_daily = length.0.is_multiple_of(Nanos::DAY.0) && clock.has_date();
        // A window is at most an hour longer or shorter than its length.
        let count = duration.0.div_ceil(length.0).max(1) as usize;
        let clock = is_daily.then(|| clock.clone());
        let mut index = Self { clock, ..Self::new(length, count) };
        let end = Instant::ZERO + duration;
        if index.clock.is_some() {
            let begins_in_run = |number: &usize| *number == 0 || index.begin(*number) < end;
            index.last = (0..=count).rev().find(begins_in_run).unwrap_or(0);
        }
        index
    }

    /// Returns the number of windows.
    pub(super) const fn count(&self) -> usize {
        self.last + 1
    }

    /// Returns the beginning of the window with this number; the end of the one before it.
    pub(super) fn begin(&self, number: usize) -> Instant {
        let after = self.length * number as u64;
        self.clock.as_ref().map_or(Instant::ZERO + after, |clock| clock.days_after(Instant::ZERO, after))
    }

    /// Returns the index of the window of an instant; the last one for an instant after all windows.
    #[inline]
    pub(super) fn of(&mut self, at: Instant) -> usize {
        if at < self.begins || at >= self.ends {
            self.find(at);
        }
        self.found
    }

    fn find(&mut self, at: Instant) {
        let mut found = usize::try_from(at.0 / self.length.0).unwrap_or(usize::MAX).min(self.last);
        while found > 0 && self.begin(found) > at {
            found -= 1;
        }
        while found < self.last && self.begin(found + 1) <= at {
            found += 1;
        }
        self.found = found;
        self.begins = self.begin(found);
        self.ends = if found == self.last { Instant::MAX } else { self.begin(found + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: it is the quotient, at most the last index, whatever was asked before.
        #[test]
        fn the_index_is_the_quotient(
            length in 1u64..50, count in 1usize..6, instants in proptest::collection::vec(0u64..400, 1..30),
        ) {
            let mut index = WindowIndex::new(Nanos(length), count);
            for at in instants {
                prop_assert_eq!(index.of(Instant(at)), ((at / length) as usize).min(count - 1));
            }
        }
    }

    /// In Berlin, summer time ended on 2026-10-25 and began on 2026-03-29. A run of 48 hours that begins at midnight ends an hour before
    /// the second midnight, or has an hour of a third day.
    #[test]
    fn days_of_a_dated_run_follow_the_local_clock() {
        let hours = |hours: u64| Instant(Nanos::HOUR.0 * hours);
        let index = |start: &str, length: Nanos| {
            let clock = LocalClock::parse(start).expect("a valid start");
            WindowIndex::of_run(length, Nanos::DAY * 2, &clock)
        };
        let mut autumn = index("2026-10-25T00:00 Europe/Berlin", Nanos::DAY);
        assert_eq!((autumn.count(), autumn.begin(1)), (2, hours(25)));
        assert_eq!([24, 25, 24, 47, 99].map(|hour| autumn.of(hours(hour))), [0, 1, 0, 1, 1]);
        let mut spring = index("2026-03-29T00:00 Europe/Berlin", Nanos::DAY);
        assert_eq!((spring.count(), spring.begin(1), spring.begin(2)), (3, hours(23), hours(47)));
        assert_eq!([22, 23, 46, 47].map(|hour| spring.of(hours(hour))), [0, 1, 1, 2]);
        let elapsed = index("2026-10-25T00:00 Europe/Berlin", Nanos::HOUR);
        assert_eq!((elapsed.count(), elapsed.begin(25)), (48, hours(25)));
    }
}

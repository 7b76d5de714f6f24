//! Which of a run's windows of equal length an instant belongs to.

use provider::{Instant, Nanos};

/// Finds the window of each job. Most jobs are in the same window as the one before, and a division per job would take longer than the
/// rest, so the last window found is kept.
#[derive(Clone, Debug)]
pub(super) struct WindowIndex {
    length: Nanos,
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
        Self { length, last: count - 1, found: 0, begins: Instant::ZERO, ends: Instant::ZERO }
    }

    /// Returns the index of the window of an instant; the last one for an instant after all windows.
    #[inline]
    pub(super) fn of(&mut self, at: Instant) -> usize {
        if at < self.begins || at >= self.ends {
            self.found = usize::try_from(at.0 / self.length.0).unwrap_or(usize::MAX).min(self.last);
            self.begins = Instant::ZERO + self.length * self.found as u64;
            self.ends = if self.found == self.last { Instant::MAX } else { self.begins + self.length };
        }
        self.found
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
}

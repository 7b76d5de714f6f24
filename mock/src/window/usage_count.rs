//! Units counted against a limit: the part that the fixed, sliding-log, adaptive and concurrency windows share.

/// Usage against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsageCount {
    pub(super) limit: u64,
    pub(super) used: u64,
}

impl UsageCount {
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Returns `true` if `amount` more fits.
    pub(super) fn admits(&self, amount: u64) -> bool {
        self.used.checked_add(amount).is_some_and(|used| used <= self.limit)
    }

    /// Counts `amount`, whether or not it fits.
    pub(super) fn charge(&mut self, amount: u64) {
        self.used = self.used.saturating_add(amount);
    }

    /// Replaces `reserved` by `actual`.
    pub(super) fn settle(&mut self, reserved: u64, actual: u64) {
        debug_assert!(self.used >= reserved, "invariant: {reserved} was charged, found {self:?}");
        self.used = self.used.saturating_sub(reserved).saturating_add(actual);
    }

    /// Returns the remaining units; negative if more than the limit is used.
    pub(super) fn remaining(&self) -> i64 {
        0_i64.saturating_add_unsigned(self.limit).saturating_sub_unsigned(self.used)
    }
}

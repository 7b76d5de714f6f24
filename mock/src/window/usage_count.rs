//! Units counted against a limit: what every law but the bucket's and the fading counter's does alike.

/// How much is used of how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsageCount {
    pub(super) limit: u64,
    pub(super) used: u64,
}

impl UsageCount {
    /// Nothing used.
    pub(super) const fn of(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Whether `amount` more fits.
    pub(super) fn admits(&self, amount: u64) -> bool {
        self.used.checked_add(amount).is_some_and(|used| used <= self.limit)
    }

    /// Counts `amount`.
    pub(super) fn charge(&mut self, amount: u64) {
        self.used = self.used.saturating_add(amount);
    }

    /// Counts `actual` in place of `reserved`.
    pub(super) fn settle(&mut self, reserved: u64, actual: u64) {
        self.used = self.used.saturating_sub(reserved).saturating_add(actual);
    }

    /// What is left; negative where more is used than the limit.
    pub(super) fn remaining(&self) -> i64 {
        0_i64.saturating_add_unsigned(self.limit).saturating_sub_unsigned(self.used)
    }
}

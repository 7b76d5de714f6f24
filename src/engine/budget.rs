//! How much retrying is allowed in all.
//!
//! A bound on the tries of one job does not bound the load: when everything fails, `n` tries per job
//! are `n` times the traffic, at the worst moment. A budget does: every job pays a share of a try into
//! it and every retry takes a whole one out, so retries add at most that share to the traffic, however
//! much fails (Finagle's and Envoy's rule, 20 % by default there; see also Brooker 2022).
//!
//! A *retry* is an attempt at a target that the job was sent to before. Falling back to a target that
//! the job has not tried adds no load where the failure was, and costs nothing.

/// The balance, in thousandths of a try.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// `None`: no bound.
    deposit: Option<u32>,
    balance: u32,
}

impl Budget {
    /// A full budget that gains `permille` thousandths of a try per job; `None` never runs out.
    pub(super) const fn new(permille: Option<u32>) -> Self {
        Self { deposit: permille, balance: FULL }
    }

    /// A job came.
    pub(super) fn deposit(&mut self) {
        if let Some(permille) = self.deposit {
            self.balance = self.balance.saturating_add(permille).min(FULL);
        }
    }

    /// Whether a retry may be made.
    pub(super) const fn allows(&self) -> bool {
        self.deposit.is_none() || self.balance >= TRY
    }

    /// A retry is made.
    pub(super) fn withdraw(&mut self) {
        debug_assert!(self.allows(), "a retry is only made where the budget allows it");
        if self.deposit.is_some() {
            self.balance = self.balance.saturating_sub(TRY);
        }
    }
}

/// One try.
const TRY: u32 = 1_000;
/// What it can hold: a hundred tries, as in the AWS SDKs (a quota of 500 at 5 per retry).
const FULL: u32 = 100 * TRY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stay_below_their_share_of_the_jobs() {
        for permille in [0, 50, 200, 1_000] {
            let mut budget = Budget::new(Some(permille));
            let mut retries = 0;
            for _ in 0..100_000 {
                budget.deposit();
                // Everything fails, and every job would try three times again.
                for _ in 0..3 {
                    if budget.allows() {
                        budget.withdraw();
                        retries += 1;
                    }
                }
            }
            assert!(retries <= 100 + permille * 100, "{permille}: {retries}");
            assert!(retries >= permille * 100, "{permille}: {retries}");
        }
    }

    #[test]
    fn no_budget_is_no_bound() {
        let mut budget = Budget::new(None);
        for _ in 0..1_000 {
            assert!(budget.allows());
            budget.withdraw();
        }
    }
}

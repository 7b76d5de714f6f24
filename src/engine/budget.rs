//! The retry budget: a bound on retries as a share of the traffic.
//!
//! A bound on the attempts of one job does not bound the load: when everything fails, `n` attempts per job multiply the
//! traffic by `n`. With a budget every job deposits a share of a retry and every retry withdraws a whole one. Beyond
//! the initial balance of 100 retries, retries thus add at most that share to the traffic. Finagle and Envoy do the
//! same, with a share of 20 % by default; see also Brooker, "Fixing retries with token buckets and circuit breakers",
//! 2022.
//!
//! A *retry* is an attempt at a target that the job was sent to before. A fallback to a target that the job has not
//! tried adds no load where the failure was, and is free.

/// A retry budget. Amounts are in thousandths of a retry.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// Added per job; `None`: retries are not bounded.
    deposit: Option<u32>,
    /// What can still be withdrawn.
    balance: u32,
}

impl Budget {
    /// Creates a full budget that gains `permille` thousandths of a retry per job; with `None` it never runs out.
    pub(super) const fn new(permille: Option<u32>) -> Self {
        Self { deposit: permille, balance: MAX_BALANCE }
    }

    /// Adds what one arriving job deposits.
    pub(super) fn deposit(&mut self) {
        if let Some(permille) = self.deposit {
            self.balance = self.balance.saturating_add(permille).min(MAX_BALANCE);
        }
    }

    /// Returns `true` if a retry may be made.
    pub(super) const fn allows(&self) -> bool {
        self.deposit.is_none() || self.balance >= RETRY
    }

    /// Withdraws one retry, which is about to be made.
    pub(super) fn withdraw(&mut self) {
        assert!(
            self.allows(),
            "invariant: a retry is made only if the budget allows it, balance {}",
            self.balance
        );
        if self.deposit.is_some() {
            self.balance = self.balance.saturating_sub(RETRY);
        }
    }
}

/// One retry.
const RETRY: u32 = 1_000;
/// A hundred retries, as in the AWS SDKs (a quota of 500 at 5 per retry).
const MAX_BALANCE: u32 = 100 * RETRY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stay_within_their_share_of_the_jobs() {
        for permille in [0, 50, 200, 1_000] {
            let mut budget = Budget::new(Some(permille));
            let mut retries = 0;
            for _ in 0..100_000 {
                budget.deposit();
                // Everything fails, and every job would be retried three times.
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
    fn without_a_budget_every_retry_is_allowed() {
        let mut budget = Budget::new(None);
        for _ in 0..1_000 {
            assert!(budget.allows());
            budget.withdraw();
        }
    }
}

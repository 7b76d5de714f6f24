//! Attempts of a live run that failed on this machine: they were never sent, so they say nothing of the provider.

use super::findings::Finding;
use super::summary::{Attempts, Counts, Summary};
use crate::event::LocalFailure;
use crate::formatting::share_of;

/// The largest share of attempts that may fail on this machine in a result that represents its scenario.
const MAX_SHARE: f64 = 0.001;

impl Attempts {
    /// Returns the attempts that failed on this machine, by failure.
    #[must_use]
    pub fn failed_locally_by(&self) -> Counts {
        let count = |name: &str| Some((name.to_owned(), *self.failed_by.get(name)?));
        LocalFailure::ALL.into_iter().filter_map(|local| count(local.name())).collect()
    }

    /// Returns `true` if so many attempts failed on this machine that the result is not that of the scenario.
    #[must_use]
    pub fn is_distorted(&self) -> bool {
        let failed: u64 = self.failed_locally_by().values().sum();
        share_of(failed, self.total).is_some_and(|share| share > MAX_SHARE)
    }
}

/// Returns the finding on attempts that failed on this machine; `None` if there are none.
pub(super) fn finding(summary: &Summary) -> Option<Finding> {
    let by = summary.attempts.failed_locally_by();
    let attempts = by.values().sum();
    (attempts > 0).then_some(Finding::LocalFailures { attempts, of: summary.attempts.total, by })
}

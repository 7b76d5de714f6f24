//! The jobs that a client gave up while it kept to a limit that refused nothing, as a finding states them.

use super::summary::Summary;
use crate::formatting::share_of;
use serde::{Deserialize, Serialize};

/// The smallest share of the jobs of a run that is reported.
const MIN_SHARE: f64 = 0.005;

/// Jobs that were given up because of a limit: while they waited for it, or because they would have waited for it beyond their
/// deadline, or too long for an answer in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// `provider/account/model`.
    pub target: String,
    /// The axis of the limit.
    pub axis: String,
    /// The jobs.
    pub jobs: u64,
    /// `true` if calls reserve so much more of the limit than they use that jobs may have to wait for it below the analytic
    /// ceiling.
    pub is_reserved: bool,
}

impl GivenUp {
    /// Returns the limit for which the most jobs were given up; `None` if they are few.
    pub(super) fn of(summary: &Summary) -> Option<Self> {
        let limits = summary
            .targets
            .iter()
            .flat_map(|target| target.given_up_for.iter().map(|(axis, jobs)| (&target.name, axis, *jobs)));
        let (target, axis, jobs) = limits.max_by_key(|(.., jobs)| *jobs)?;
        let is_notable = share_of(jobs, summary.jobs.offered).is_some_and(|share| share >= MIN_SHARE);
        let uncounted = summary.ceiling.uncounted.as_ref();
        let is_reserved = uncounted.is_some_and(|limit| (&limit.target, &limit.axis) == (target, axis));
        is_notable.then(|| Self { target: target.clone(), axis: axis.clone(), jobs, is_reserved })
    }
}

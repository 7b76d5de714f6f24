//! A set of changes with its runs at the target load.

use crate::planner::rules::only_cost;
use crate::planner::runner::Run;
use std::cmp::Ordering;

/// A set of changes and its runs.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    /// Indices of candidates, with repetitions.
    pub(super) chosen: Vec<usize>,
    /// Runs at the target load, each with its replica; those that break a rule may have been ended early. Empty if the time
    /// was up before a run ended.
    pub(super) runs: Vec<(u32, Run)>,
}

impl Tried {
    /// Returns `true` if there are runs and none of them breaks a rule, except those on cost.
    pub(super) fn serves(&self) -> bool {
        !self.runs.is_empty() && self.failing().is_none()
    }

    /// Returns the first run that breaks a rule other than those on cost, with its replica.
    pub(super) fn failing(&self) -> Option<&(u32, Run)> {
        self.runs.iter().find(|(_, run)| !only_cost(&run.broken))
    }

    /// Returns `true` if this set does better than another one. Compares in this order: whether the set serves; on how many
    /// seeds it serves; how long its failing run lasts, in jobs, until a rule is broken for certain; by how much its rules
    /// are broken.
    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Greater
    }

    fn compare(&self, other: &Self) -> Ordering {
        let serving = |tried: &Self| tried.runs.iter().filter(|(_, run)| only_cost(&run.broken)).count();
        let failing = |tried: &Self| tried.failing().map(|(_, run)| (run.summary.jobs.offered, run.slack));
        let (one, two) = (failing(self), failing(other));
        let (offered, slack) = match (one, two) {
            (Some((jobs, slack)), Some((other_jobs, other_slack))) => {
                (jobs.cmp(&other_jobs), slack.total_cmp(&other_slack))
            }
            _ => (Ordering::Equal, Ordering::Equal),
        };
        let serves = self.serves().cmp(&other.serves());
        serves.then(serving(self).cmp(&serving(other))).then(offered).then(slack)
    }
}

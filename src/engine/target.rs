//! The engine's state of each target: its cool-down, its consecutive failures, and when the pace allows the next send.
//!
//! A target *cools down* for one of two reasons, which are counted separately:
//!
//! * It is rate limited: until the instant that its reply named, or for the default cool-down if it named none.
//! * It is unhealthy: after [`EJECT_AFTER`] consecutive failures, for [`EJECT_FOR`]. One success resets the count;
//!   another failure after the cool-down ejects the target again. Envoy's outlier detection and Finagle's failure
//!   accrual also count five; 30 s is Envoy's base ejection time.

use super::estimate::QuotaEstimate;
use super::reply::Reply;
use crate::scenario::{Pace, Pick, Scenario};
use provider::config::CachedTokens;
use provider::meter::Charge;
use provider::{Axis, Instant, Nanos, Usage};

/// One target as the engine sees it.
#[derive(Clone, Debug)]
pub(super) struct TargetState {
    /// Nothing is sent before this instant (law 8).
    cool_down_until: Instant,
    /// Consecutive refusals by a limit.
    refusals: u32,
    /// Consecutive failures.
    failures: u32,
    pace: Pace,
    /// With [`Pace::Gap`]: the earliest instant that no send has reserved.
    next_send: Instant,
    /// `None` if neither the pace nor any pick reads it.
    estimate: Option<QuotaEstimate>,
    /// How the target's documentation says that cached prompt tokens count.
    cached: CachedTokens,
}

impl TargetState {
    /// Returns the state of every target of the scenario: not in cool-down, with its full quota.
    pub(super) fn all(scenario: &Scenario) -> Vec<Self> {
        let mut steps = scenario.routes.iter().flat_map(|route| &route.steps);
        let has_estimate = steps.any(|step| step.pick == Pick::MostRoom)
            || matches!(scenario.client.pace, Pace::Requests | Pace::Tokens);
        let target = |target: &crate::scenario::Target| Self {
            cool_down_until: Instant::ZERO,
            refusals: 0,
            failures: 0,
            pace: scenario.client.pace,
            next_send: Instant::ZERO,
            estimate: has_estimate.then(|| QuotaEstimate::new(&target.limits)),
            cached: target.cached,
        };
        scenario.targets.iter().map(target).collect()
    }

    /// Returns `true` if the target has a quota estimate.
    pub(super) fn has_estimate(&self) -> bool {
        self.estimate.is_some()
    }

    /// Returns the end of the cool-down if it lies after `now`.
    #[inline]
    pub(super) fn cool_down_end(&self, now: Instant) -> Option<Instant> {
        (self.cool_down_until > now).then_some(self.cool_down_until)
    }

    /// Returns the earliest instant at which the pace allows the job to be sent; `None` if the known limits can never
    /// hold it.
    pub(super) fn next_send_at(&self, now: Instant, cost: &Charge) -> Option<Instant> {
        match (self.pace, &self.estimate) {
            (Pace::Gap(_), _) => Some(self.next_send.max(now)),
            (Pace::Requests, Some(estimate)) => {
                estimate.ready_at(now, cost, |axis| matches!(axis, Axis::Rpm | Axis::Rpd))
            }
            (Pace::Tokens, Some(estimate)) => estimate.ready_at(now, cost, |_| true),
            _ => Some(now),
        }
    }

    /// Reserves the send that [`Self::next_send_at`] allows, now or later.
    pub(super) fn reserve(&mut self, now: Instant, cost: &Charge) {
        if let Pace::Gap(gap) = self.pace {
            self.next_send = self.next_send.max(now) + gap;
        }
        if let Some(estimate) = &mut self.estimate {
            estimate.reserve(now, cost);
        }
    }

    /// Replaces what was reserved for a send by what it used; `None` if it was not charged.
    pub(super) fn settle(&mut self, now: Instant, cost: &Charge, used: Option<Usage>) {
        if let Some(estimate) = &mut self.estimate {
            estimate.settle(now, cost, used.map(|used| self.cached.counted(used)));
        }
    }

    /// Updates the quota estimate from a reply.
    pub(super) fn update_estimate(&mut self, now: Instant, reply: &Reply) {
        if let Some(estimate) = &mut self.estimate {
            estimate.update(now, reply);
        }
    }

    /// Returns the estimated share of the tightest limit that is left after the job, comparable between targets; zero
    /// without an estimate.
    pub(super) fn room(&self, now: Instant, cost: &Charge) -> f64 {
        self.estimate.as_ref().map_or(0.0, |estimate| estimate.room(now, cost))
    }

    /// Records a success, which resets the counts of refusals and failures.
    pub(super) fn count_success(&mut self) {
        self.failures = 0;
        self.refusals = 0;
    }

    /// Counts a refusal by a limit. Returns the number of consecutive refusals before it.
    pub(super) fn count_refusal(&mut self) -> u32 {
        let before = self.refusals;
        self.refusals = self.refusals.saturating_add(1);
        before
    }

    /// Counts a failure. Returns the end of the cool-down if this failure ejects the target.
    pub(super) fn count_failure(&mut self, now: Instant) -> Option<Instant> {
        self.failures = self.failures.saturating_add(1);
        (self.failures >= EJECT_AFTER).then(|| self.extend_cool_down(now + EJECT_FOR))
    }

    /// Extends the cool-down to `until`; a later end set before is kept. Returns the end.
    pub(super) fn extend_cool_down(&mut self, until: Instant) -> Instant {
        self.cool_down_until = self.cool_down_until.max(until);
        self.cool_down_until
    }
}

/// Consecutive failures that eject a target.
const EJECT_AFTER: u32 = 5;
/// The cool-down of an ejected target.
const EJECT_FOR: Nanos = Nanos::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> TargetState {
        TargetState {
            cool_down_until: Instant::ZERO,
            refusals: 0,
            failures: 0,
            pace: Pace::Off,
            next_send: Instant::ZERO,
            estimate: None,
            cached: CachedTokens::default(),
        }
    }

    #[test]
    fn five_consecutive_failures_eject_and_a_success_resets_the_count() {
        let mut target = healthy();
        let now = Instant(7);
        assert!((1..EJECT_AFTER).all(|_| target.count_failure(now).is_none()));
        target.count_success();
        assert!((1..EJECT_AFTER).all(|_| target.count_failure(now).is_none()));
        assert_eq!(target.count_failure(now), Some(now + EJECT_FOR));
        assert_eq!(target.cool_down_end(now), Some(now + EJECT_FOR));
        assert_eq!(target.cool_down_end(now + EJECT_FOR), None);
    }

    #[test]
    fn a_shorter_cool_down_does_not_end_a_longer_one() {
        let mut target = healthy();
        target.extend_cool_down(Instant(90));
        assert_eq!(target.extend_cool_down(Instant(50)), Instant(90));
    }
}

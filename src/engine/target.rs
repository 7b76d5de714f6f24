//! What the engine keeps of each target: whether it rests, how unwell it is, and when the next send is due.
//!
//! A target *cools down* for two reasons, kept apart. It has no room: then until the instant the server
//! named, exactly, whether that is two seconds of a minute limit or an hour of a day limit. Or it is
//! unwell: then after [`EJECT_AFTER`] failures in a row, for [`EJECT_FOR`]; one success clears it, one
//! more failure after the rest sends it to rest again (Envoy's outlier detection and Finagle's failure
//! accrual both take five; 30 s is Envoy's base ejection time).

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
    pub(super) cool_until: Instant,
    /// Refusals or failures in a row.
    refusals: u32,
    failures: u32,
    pace: Pace,
    /// For a paced gap: the next free turn.
    next_turn: Instant,
    /// Kept only where pacing or a pick reads it.
    belief: Option<QuotaEstimate>,
    /// What cached tokens of a prompt count here, as documented.
    cached: CachedTokens,
}

impl TargetState {
    /// Every target of the scenario, rested and with all its quota.
    pub(super) fn all(scenario: &Scenario) -> Vec<Self> {
        let asked =
            scenario.routes.iter().flat_map(|route| &route.steps).any(|step| step.pick == Pick::MostRoom);
        let has_estimate = asked || matches!(scenario.client.pace, Pace::Requests | Pace::Tokens);
        let target = |target: &crate::scenario::Target| Self {
            cool_until: Instant::ZERO,
            refusals: 0,
            failures: 0,
            pace: scenario.client.pace,
            next_turn: Instant::ZERO,
            belief: has_estimate.then(|| QuotaEstimate::new(&target.limits)),
            cached: target.cached,
        };
        scenario.targets.iter().map(target).collect()
    }

    /// Whether it is kept what the target has left.
    pub(super) fn has_estimate(&self) -> bool {
        self.belief.is_some()
    }

    /// When the pace has a turn for the job; `None` where its known limits can never hold it.
    pub(super) fn next_send_at(&self, now: Instant, need: &Charge) -> Option<Instant> {
        match (self.pace, &self.belief) {
            (Pace::Gap(_), _) => Some(self.next_turn.max(now)),
            (Pace::Requests, Some(belief)) => {
                belief.ready_at(now, need, |axis| matches!(axis, Axis::Rpm | Axis::Rpd))
            }
            (Pace::Tokens, Some(belief)) => belief.ready_at(now, need, |_| true),
            _ => Some(now),
        }
    }

    /// Takes the turn that [`Self::turn`] named, now or ahead.
    pub(super) fn reserve(&mut self, now: Instant, need: &Charge) {
        if let Pace::Gap(gap) = self.pace {
            self.next_turn = self.next_turn.max(now) + gap;
        }
        if let Some(belief) = &mut self.belief {
            belief.reserve(now, need);
        }
    }

    /// Gives a turn back, or replaces what was reserved for it by what was used.
    pub(super) fn settle(&mut self, now: Instant, need: &Charge, used: Option<Usage>) {
        if let Some(belief) = &mut self.belief {
            belief.settle(now, need, used.map(|used| self.cached.counted(used)));
        }
    }

    /// Takes in what a reply tells about the limits.
    pub(super) fn learn(&mut self, now: Instant, reply: &Reply) {
        if let Some(belief) = &mut self.belief {
            belief.learn(now, reply);
        }
    }

    /// How much room it is believed to have after the job: comparable between targets.
    pub(super) fn room(&self, now: Instant, need: &Charge) -> f64 {
        self.belief.as_ref().map_or(0.0, |belief| belief.room(now, need))
    }

    /// It served a job: it is well.
    pub(super) fn served(&mut self) {
        self.failures = 0;
        self.refusals = 0;
    }

    /// It had no room; returns how many refusals in a row came before.
    pub(super) fn refused(&mut self) -> u32 {
        let before = self.refusals;
        self.refusals = self.refusals.saturating_add(1);
        before
    }

    /// It failed; returns until when it rests, if this failure sends it to rest.
    pub(super) fn failed(&mut self, now: Instant) -> Option<Instant> {
        self.failures = self.failures.saturating_add(1);
        (self.failures >= EJECT_AFTER).then(|| self.cool_down_until(now + EJECT_FOR))
    }

    /// Rests until `until`, or longer where it already does (a later, shorter wait must not cut a longer one).
    pub(super) fn cool_down_until(&mut self, until: Instant) -> Instant {
        self.cool_until = self.cool_until.max(until);
        self.cool_until
    }
}

/// Failures in a row after which a target is unwell.
const EJECT_AFTER: u32 = 5;
/// How long an unwell target rests.
const EJECT_FOR: Nanos = Nanos::from_secs(30);

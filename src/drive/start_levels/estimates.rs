//! The client's quota estimates of the long limits when a run begins: those at the end of the days before it.
//!
//! The client learns what is left of a limit from replies and from what it sends. After days of the same traffic its estimate is
//! near the provider's level, or below what the provider has left: an attempt that is cancelled stays charged in full. A
//! client that began every run with full estimates would send, in that run only, what it leaves unused on all other days.

use super::{LongLimit, MIN_USED};
use crate::drive::engines::Engines;
use crate::ids::TargetId;
use crate::scenario::{KnownLimit, Scenario, Target};
use provider::{Instant, Nanos};

/// The estimates of all targets that a long limit limits; zero used if the client estimates nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StartEstimates(Vec<StartEstimate>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct StartEstimate {
    target: TargetId,
    known: KnownLimit,
    /// The index of the long limit.
    limit: usize,
    /// Units assumed used, at most the burst.
    used: f64,
}

impl StartEstimate {
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    fn capacity(&self) -> f64 {
        self.known.burst as f64
    }

    /// Returns the units that the client assumes refilled in a time.
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    fn refill(&self, length: Nanos) -> f64 {
        let window = self.known.window.unwrap_or(Nanos::MINUTE);
        self.known.limit as f64 * length.0 as f64 / window.0.max(1) as f64
    }
}

impl StartEstimates {
    /// Returns the estimates of a client that assumes every limit unused.
    pub(super) fn of(scenario: &Scenario, limits: &[LongLimit]) -> Self {
        let meter = |target: &Target| {
            let config = &scenario.providers[usize::from(target.provider)];
            (target.provider, target.account, config.meter_of(usize::from(target.model)))
        };
        let limit_of = |target: &Target, known: &KnownLimit| {
            limits.iter().position(|long| {
                long.limit.axis == known.axis
                    && meter(&scenario.targets[long.target.index()]) == meter(target)
            })
        };
        let of_target = |id: TargetId| {
            let target = &scenario.targets[id.index()];
            target.limits.iter().filter_map(move |known| {
                Some(StartEstimate { target: id, known: *known, limit: limit_of(target, known)?, used: 0.0 })
            })
        };
        if limits.is_empty() {
            return Self::default();
        }
        Self(scenario.target_ids().flat_map(of_target).collect())
    }

    /// Returns `true` if the client assumes every limit unused, up to [`MIN_USED`] of its burst.
    pub(super) fn are_full(&self) -> bool {
        self.0.iter().all(|estimate| estimate.used < MIN_USED * estimate.capacity())
    }

    /// Sets what the client of a scenario assumes used when its run begins.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the burst")]
    pub(super) fn apply_to(&self, scenario: &mut Scenario) {
        for target in &mut scenario.targets {
            target.limits.iter_mut().for_each(|known| known.used = 0);
        }
        for StartEstimate { target, known, used, .. } in &self.0 {
            let mut limits = scenario.targets[target.index()].limits.iter_mut();
            if let Some(limit) = limits.find(|limit| limit.axis == known.axis) {
                limit.used = libm::round(*used) as u64;
            }
        }
    }

    /// Takes over the estimates of the engines. Reservations for waiting jobs may exceed the burst; the excess is not
    /// counted.
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    pub(super) fn read(&mut self, engines: &Engines, at: Instant) {
        for estimate in &mut self.0 {
            let used = engines.estimated_use(at, estimate.target, estimate.known.axis).unwrap_or(0);
            estimate.used = (used as f64).min(estimate.capacity());
        }
    }

    /// Returns the units assumed used of each.
    pub(super) fn used(&self) -> Vec<f64> {
        self.0.iter().map(|estimate| estimate.used).collect()
    }

    /// Sets the units assumed used of each.
    pub(super) fn set(&mut self, used: &[f64]) {
        for (estimate, used) in self.0.iter_mut().zip(used) {
            estimate.used = used.clamp(0.0, estimate.capacity());
        }
    }

    /// Sets the units assumed used after a day of `length`: `ends` at its end, and then extrapolated over `days`, the
    /// number of days that are skipped for each long limit. Returns `true` if they equal those at the start of the day,
    /// within the fraction `tolerance` of the burst, or of what is refilled in the day if that is less.
    pub(super) fn advance(&mut self, ends: &[f64], days: &[f64], length: Nanos, tolerance: f64) -> bool {
        let mut same = true;
        for (estimate, end) in self.0.iter_mut().zip(ends) {
            let before = estimate.used;
            let gain = days.get(estimate.limit).unwrap_or(&0.0) * (end - before);
            estimate.used = (end + gain).clamp(0.0, estimate.capacity());
            let allowed = tolerance * estimate.capacity().min(estimate.refill(length));
            same &= (estimate.used - before).abs() <= allowed;
        }
        same
    }
}

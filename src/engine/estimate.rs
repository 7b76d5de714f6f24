//! The quota estimate: what the engine assumes a target has left. Only the provider knows; the estimate is derived from
//! the documented limits, from what was sent, and from what replies state.
//!
//! A send is charged at once with what it may use (prompt and `max_tokens`) and settled when the reply arrives: to what it
//! used, or to nothing if the reply did not serve the job. An attempt that is cancelled stays charged in full. If a reply
//! states a smaller remainder than estimated, the estimate is lowered to it, because other clients may share the quota. A
//! larger one is ignored, because the provider may have replied before it received attempts that are in flight.

use super::reply::{LimitNumbers, Reply};
use crate::job::Job;
use crate::scenario::KnownLimit;
use provider::config::DEFAULT_MAX_TOKENS;
use provider::meter::Charge;
use provider::window::Bucket;
use provider::{Axis, Instant, Usage};

/// The estimated remainder of each limit of a target.
#[derive(Clone, Debug)]
pub(super) struct QuotaEstimate {
    axes: Box<[AxisEstimate]>,
    /// The calls that the target admits at once; `None` if that is not known.
    slots: Option<u64>,
    /// By axis, the index in `axes`; past the end if the target has no such limit.
    indices: [u8; Axis::ALL.len()],
}

/// The estimate of one limit.
#[derive(Clone, Debug)]
struct AxisEstimate {
    axis: Axis,
    bucket: Bucket,
}

/// Returns what the engine assumes that a provider reserves for a job at admission: the estimated prompt and the bound on the
/// completion, [`DEFAULT_MAX_TOKENS`] if the client sets none.
pub(crate) fn cost_of(job: &Job) -> Charge {
    let completion_tokens = completion_bound(job);
    Charge::new(Usage { prompt_tokens: job.prompt_tokens, completion_tokens, cached_tokens: 0 })
}

/// Returns the bound on the completion of a job in tokens: `max_tokens`, [`DEFAULT_MAX_TOKENS`] if the client sets none.
pub(super) fn completion_bound(job: &Job) -> u32 {
    job.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)
}

/// Returns `true` if `left` units of a limit of `all` are at least this share of it, in thousandths, and not overdrawn.
pub(super) fn leaves_spare(left: i128, all: u64, permille: u32) -> bool {
    left >= 0 && left * 1_000 >= i128::from(all) * i128::from(permille)
}

impl QuotaEstimate {
    /// Creates an estimate in which every limit begins with [`KnownLimit::used`]. Of a limit without a window
    /// (concurrency) only the number is kept.
    pub(super) fn new(limits: &[KnownLimit]) -> Self {
        let estimate = |&KnownLimit { axis, limit, window, burst, used }: &KnownLimit| {
            let mut bucket = Bucket::new(limit, window?, burst);
            bucket.charge(Instant::ZERO, used);
            Some(AxisEstimate { axis, bucket })
        };
        let axes: Box<[AxisEstimate]> = limits.iter().filter_map(estimate).collect();
        let index = |axis: Axis| axes.iter().position(|estimate| estimate.axis == axis).unwrap_or(axes.len());
        let slots = limits.iter().find(|limit| limit.window.is_none()).map(|limit| limit.limit);
        Self { indices: Axis::ALL.map(|axis| index(axis) as u8), slots, axes }
    }

    /// Returns the earliest instant at which `cost` fits once `ahead` is charged, on every axis for which `applies` returns
    /// `true`; and the axis on which it fits last, if that is after `now`. Returns `None` if it never fits.
    pub(super) fn ready_at(
        &self,
        now: Instant,
        (cost, ahead): (&Charge, &Charge),
        applies: impl Fn(Axis) -> bool,
    ) -> Option<(Instant, Option<Axis>)> {
        let mut ready = (now, None);
        for AxisEstimate { axis, bucket } in self.axes.iter().filter(|estimate| applies(estimate.axis)) {
            let units = cost.units_on(*axis);
            let at = match ahead.units_on(*axis) {
                0 => bucket.earliest_admission(now, units)?,
                ahead => {
                    let mut later = bucket.clone();
                    later.charge(now, ahead);
                    later.earliest_admission(now, units)?
                }
            };
            if at > ready.0 {
                ready = (at, Some(*axis));
            }
        }
        debug_assert!(ready.0 >= now, "invariant: ready >= now, found {} at {now}", ready.0);
        Some(ready)
    }

    /// Charges what a send may use. The remainder may become negative, if the pace does not count this limit.
    pub(super) fn reserve(&mut self, now: Instant, cost: &Charge) {
        for AxisEstimate { axis, bucket } in &mut self.axes {
            bucket.charge(now, cost.units_on(*axis));
        }
    }

    /// Replaces what was reserved by what was used; `used` is `None` if the attempt was not charged.
    pub(super) fn settle(&mut self, now: Instant, cost: &Charge, used: Option<Usage>) {
        let used = used.map_or(Charge::ZERO, Charge::new);
        for AxisEstimate { axis, bucket } in &mut self.axes {
            let (reserved, used) = (cost.units_on(*axis), used.units_on(*axis));
            if reserved != used {
                bucket.settle(now, reserved, used);
            }
        }
    }

    /// Lowers the estimate to what a reply states, if that is less.
    pub(super) fn update(&mut self, now: Instant, reply: &Reply) {
        if let Some(LimitNumbers { axis: Some(axis), limit, used: Some(used), .. }) = reply.limit {
            self.lower_to(now, axis, i64::try_from(limit).unwrap_or(i64::MAX).saturating_sub(used));
        }
        for &(axis, left) in [reply.remaining.requests, reply.remaining.tokens].iter().flatten() {
            self.lower_to(now, axis, i64::try_from(left).unwrap_or(i64::MAX));
        }
    }

    /// Returns `true` if this share of every limit, in thousandths, is left after one more attempt with this cost beside those in
    /// flight; `false` if no limit with a window is known.
    pub(super) fn has_spare(&self, now: Instant, (cost, in_flight): (&Charge, u32), permille: u32) -> bool {
        let is_left = |AxisEstimate { axis, bucket }: &AxisEstimate| {
            let left = i128::from(bucket.remaining(now)) - i128::from(cost.units_on(*axis));
            leaves_spare(left, bucket.capacity(), permille)
        };
        let is_slot_left = self.slots.is_none_or(|slots| {
            let left = i128::from(slots) - i128::from(in_flight) - 1;
            leaves_spare(left, slots, permille)
        });
        is_slot_left && !self.axes.is_empty() && self.axes.iter().all(is_left)
    }

    /// Returns the remaining share of the limit that has the smallest one after `cost`; negative if `cost` does not fit
    /// now, infinite if no limit is known.
    pub(super) fn room(&self, now: Instant, cost: &Charge) -> f64 {
        self.axes.iter().fold(f64::INFINITY, |tightest, AxisEstimate { axis, bucket }| {
            let share = bucket.fraction_left_after(now, cost.units_on(*axis));
            if share < tightest { share } else { tightest }
        })
    }

    /// Returns the used units of a limit, including those reserved by attempts in flight; `None` if there is no estimate of the limit.
    pub(super) fn used(&self, now: Instant, axis: Axis) -> Option<u64> {
        let AxisEstimate { bucket, .. } = self.axes.get(usize::from(self.indices[axis as usize]))?;
        let capacity = i64::try_from(bucket.capacity()).unwrap_or(i64::MAX);
        u64::try_from(capacity.saturating_sub(bucket.remaining(now))).ok()
    }

    /// Raises the used units of a limit to `used`, the value of another estimate. A higher value is kept.
    pub(super) fn adopt(&mut self, now: Instant, axis: Axis, used: u64) {
        let Some(known) = self.used(now, axis) else { return };
        let index = usize::from(self.indices[axis as usize]);
        self.axes[index].bucket.charge(now, used.saturating_sub(known));
    }

    /// Lowers the remainder of an axis to `remaining`, if the estimate is higher. Does nothing if the axis has no
    /// estimate.
    #[inline]
    fn lower_to(&mut self, now: Instant, axis: Axis, remaining: i64) {
        let index = self.indices[axis as usize];
        let Some(AxisEstimate { bucket, .. }) = self.axes.get_mut(usize::from(index)) else { return };
        // The estimate is rarely above the stated remainder, and this comparison needs no division.
        let exceeds =
            u64::try_from(remaining).map_or(true, |stated| bucket.admits(now, stated.saturating_add(1)));
        if exceeds {
            let surplus = bucket.remaining(now).saturating_sub(remaining);
            bucket.charge(now, u64::try_from(surplus).unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use provider::Nanos;

    proptest! {
        /// Law: if a share of every limit is spare after a job, jobs that use this share together are admitted directly after it; and if it
        /// is not, they are not.
        #[test]
        fn what_is_spare_can_be_used_after_the_job(
            limits in prop::collection::vec((1u64..5_000, 0u64..5_000), 1..3),
            (prompt, max_tokens) in (0u32..3_000, 0u32..3_000),
            permille in 0u32..=1_000,
            at in 0u64..100,
        ) {
            let known = |(axis, (limit, used)): (Axis, (u64, u64))| {
                KnownLimit { axis, limit, window: Some(Nanos::from_secs(60)), burst: limit, used: used.min(limit) }
            };
            let limits: Vec<_> = [Axis::Tpm, Axis::Rpm].into_iter().zip(limits).map(known).collect();
            let now = Instant(at * 1_000_000_000);
            let cost = Charge::new(Usage { prompt_tokens: prompt, completion_tokens: max_tokens, cached_tokens: 0 });
            let mut estimate = QuotaEstimate::new(&limits);
            let has_spare = estimate.has_spare(now, (&cost, 0), permille);
            estimate.reserve(now, &cost);
            let admits_rest = estimate.axes.iter().all(|AxisEstimate { bucket, .. }| {
                let rest = (bucket.capacity() * u64::from(permille)).div_ceil(1_000);
                bucket.remaining(now) >= 0 && bucket.admits(now, rest)
            });
            prop_assert_eq!(has_spare, admits_rest);
            prop_assert!(!QuotaEstimate::new(&[]).has_spare(now, (&cost, 0), 0), "what is not known is not spare");
        }
    }
}

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

impl QuotaEstimate {
    /// Creates an estimate in which every limit begins with [`KnownLimit::used`]. Limits without a window (concurrency) are
    /// left out.
    pub(super) fn new(limits: &[KnownLimit]) -> Self {
        let estimate = |&KnownLimit { axis, limit, window, burst, used }: &KnownLimit| {
            let mut bucket = Bucket::new(limit, window?, burst);
            bucket.charge(Instant::ZERO, used);
            Some(AxisEstimate { axis, bucket })
        };
        let axes: Box<[AxisEstimate]> = limits.iter().filter_map(estimate).collect();
        let index = |axis: Axis| axes.iter().position(|estimate| estimate.axis == axis).unwrap_or(axes.len());
        Self { indices: Axis::ALL.map(|axis| index(axis) as u8), axes }
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

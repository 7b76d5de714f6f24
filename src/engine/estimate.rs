//! What the engine thinks a target has left. Only the provider knows; this is kept from the documented
//! limits, from what we sent, and from what replies told.
//!
//! A send is charged at once with what it may use (prompt and `max_tokens`) and settled when the reply
//! says what it did use. What a reply tells is evidence, not state: other clients may share the quota, so
//! a smaller remainder is believed, but a larger one is not, because sends may be on their way that the
//! provider had not seen when it answered.

use super::reply::{LimitNumbers, Reply};
use crate::job::Job;
use crate::scenario::KnownLimit;
use provider::config::DEFAULT_MAX_TOKENS;
use provider::meter::Charge;
use provider::window::Bucket;
use provider::{Axis, Instant, Usage};

/// What a target is believed to have left on each known axis.
#[derive(Clone, Debug)]
pub(super) struct QuotaEstimate {
    axes: Box<[AxisEstimate]>,
    /// Where each axis stands among them; past their end where nothing is known of it.
    places: [u8; Axis::ALL.len()],
}

/// One limit as the engine knows it.
#[derive(Clone, Debug)]
struct AxisEstimate {
    axis: Axis,
    bucket: Bucket,
}

/// What admission will reckon with for a job: the estimated prompt and the bound on the completion.
pub(super) fn cost(job: &Job) -> Charge {
    let completion_tokens = job.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    Charge::of(Usage { prompt_tokens: job.prompt_tokens, completion_tokens, cached_tokens: 0 })
}

impl QuotaEstimate {
    /// Full, as a quota that nobody used yet.
    pub(super) fn new(limits: &[KnownLimit]) -> Self {
        let known = |&KnownLimit { axis, limit, burst }: &KnownLimit| {
            let bucket = Bucket::new(limit, axis.window()?, burst);
            Some(AxisEstimate { axis, bucket })
        };
        let axes: Box<[AxisEstimate]> = limits.iter().filter_map(known).collect();
        let place = |axis: Axis| axes.iter().position(|known| known.axis == axis).unwrap_or(axes.len());
        Self { places: Axis::ALL.map(|axis| place(axis) as u8), axes }
    }

    /// The instant from which `need` fits on every axis that `bounds`; `None` where it never does.
    pub(super) fn ready_at(
        &self,
        now: Instant,
        need: &Charge,
        bounds: impl Fn(Axis) -> bool,
    ) -> Option<Instant> {
        let mut ready = now;
        for AxisEstimate { axis, bucket } in self.axes.iter().filter(|known| bounds(known.axis)) {
            ready = ready.max(bucket.earliest_admission(now, need.on(*axis))?);
        }
        Some(ready)
    }

    /// Charges what a send may use, even below zero: that is a turn booked ahead.
    pub(super) fn reserve(&mut self, now: Instant, need: &Charge) {
        for AxisEstimate { axis, bucket } in &mut self.axes {
            bucket.charge(now, need.on(*axis));
        }
    }

    /// Replaces what was reserved by what was used; `None` where the attempt was not charged.
    pub(super) fn settle(&mut self, now: Instant, need: &Charge, used: Option<Usage>) {
        let used = used.map_or(Charge::ZERO, Charge::of);
        for AxisEstimate { axis, bucket } in &mut self.axes {
            let (reserved, used) = (need.on(*axis), used.on(*axis));
            if reserved != used {
                bucket.settle(now, reserved, used);
            }
        }
    }

    /// Believes what a reply tells where it is less than was thought.
    pub(super) fn learn(&mut self, now: Instant, reply: &Reply) {
        if let Some(LimitNumbers { axis: Some(axis), limit, used: Some(used), .. }) = reply.told {
            self.at_most(now, axis, i64::try_from(limit).unwrap_or(i64::MAX).saturating_sub(used));
        }
        for &(axis, left) in [reply.remaining.requests, reply.remaining.tokens].iter().flatten() {
            self.at_most(now, axis, i64::try_from(left).unwrap_or(i64::MAX));
        }
    }

    /// The share of the tightest limit that would be left after `need`; negative where it does not fit now.
    pub(super) fn room(&self, now: Instant, need: &Charge) -> f64 {
        self.axes.iter().fold(f64::INFINITY, |tightest, AxisEstimate { axis, bucket }| {
            let share = bucket.fraction_after(now, need.on(*axis));
            if share < tightest { share } else { tightest }
        })
    }

    #[inline]
    fn at_most(&mut self, now: Instant, axis: Axis, remaining: i64) {
        let place = self.places[axis as usize];
        let Some(AxisEstimate { bucket, .. }) = self.axes.get_mut(usize::from(place)) else { return };
        // Nearly always no more is believed than is told, and asking that needs no division.
        let more = u64::try_from(remaining).map_or(true, |told| bucket.admits(now, told.saturating_add(1)));
        if more {
            let surplus = bucket.remaining(now).saturating_sub(remaining);
            bucket.charge(now, u64::try_from(surplus).unwrap_or(0));
        }
    }
}

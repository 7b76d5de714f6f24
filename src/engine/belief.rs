//! What the engine thinks a target has left. Only the provider knows; this is kept from the documented
//! limits, from what we sent, and from what replies told.
//!
//! A send is charged at once with what it may use (prompt and `max_tokens`) and settled when the reply
//! says what it did use. What a reply tells is evidence, not state: other clients may share the quota, so
//! a smaller remainder is believed, but a larger one is not, because sends may be on their way that the
//! provider had not seen when it answered.

use super::reply::{Reply, Told};
use crate::job::Job;
use crate::scenario::KnownLimit;
use provider::config::DEFAULT_MAX_TOKENS;
use provider::meter::amounts;
use provider::ruling::LimitView;
use provider::window::Bucket;
use provider::{Axis, Instant, Usage};

/// What a target is believed to have left on each known axis.
#[derive(Clone, Debug)]
pub(super) struct Belief {
    axes: Vec<(Axis, Bucket)>,
    /// The instant that every bucket was last rolled to.
    at: Instant,
}

/// What a job may use of a target, by axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need([u64; Axis::ALL.len()]);

impl Need {
    /// What admission will reckon with: the estimated prompt and the bound on the completion.
    pub(super) fn of(job: &Job) -> Self {
        let completion_tokens = job.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
        Self(amounts(Usage { prompt_tokens: job.prompt_tokens, completion_tokens }))
    }
}

impl Belief {
    /// Full, as a quota that nobody used yet.
    pub(super) fn new(limits: &[KnownLimit]) -> Self {
        let bucket = |known: &KnownLimit| {
            known.axis.window().map(|window| (known.axis, Bucket::new(known.limit, window, known.burst)))
        };
        Self { axes: limits.iter().filter_map(bucket).collect(), at: Instant::ZERO }
    }

    /// Moves every bucket to `now`.
    fn roll(&mut self, now: Instant) {
        if now > self.at {
            self.axes.iter_mut().for_each(|(_, bucket)| bucket.roll(now));
            self.at = now;
        }
    }

    /// The instant from which `need` fits on every axis that `bounds`; `None` where it never does.
    pub(super) fn ready_at(
        &mut self,
        now: Instant,
        need: &Need,
        bounds: fn(Axis) -> bool,
    ) -> Option<Instant> {
        self.roll(now);
        let mut ready = now;
        for (axis, bucket) in self.axes.iter().filter(|(axis, _)| bounds(*axis)) {
            ready = ready.max(bucket.next_yes(need.0[*axis as usize])?);
        }
        Some(ready)
    }

    /// Charges what a send may use, even below zero: that is a turn booked ahead.
    pub(super) fn reserve(&mut self, now: Instant, need: &Need) {
        self.roll(now);
        for (axis, bucket) in &mut self.axes {
            bucket.charge(need.0[*axis as usize]);
        }
    }

    /// Replaces what was reserved by what was used; `None` where the attempt was not charged.
    pub(super) fn settle(&mut self, now: Instant, need: &Need, used: Option<Usage>) {
        self.roll(now);
        let used = used.map_or([0; Axis::ALL.len()], amounts);
        for (axis, bucket) in &mut self.axes {
            let (reserved, used) = (need.0[*axis as usize], used[*axis as usize]);
            if reserved != used {
                bucket.settle(now, reserved, used);
            }
        }
    }

    /// Believes what a reply tells where it is less than was thought.
    pub(super) fn learn(&mut self, now: Instant, reply: &Reply) {
        if let Some(Told { axis: Some(axis), limit, used: Some(used), .. }) = reply.told {
            self.at_most(now, axis, i64::try_from(limit).unwrap_or(i64::MAX).saturating_sub(used));
        }
        for LimitView { axis, remaining, .. } in reply.limits.requests.into_iter().chain(reply.limits.tokens)
        {
            self.at_most(now, axis, i64::try_from(remaining).unwrap_or(i64::MAX));
        }
    }

    /// The share of the tightest limit that would be left after `need`; negative where it does not fit now.
    pub(super) fn room(&mut self, now: Instant, need: &Need) -> f64 {
        self.roll(now);
        self.axes.iter().fold(f64::INFINITY, |tightest, (axis, bucket)| {
            let share = bucket.share_after(need.0[*axis as usize]);
            if share < tightest { share } else { tightest }
        })
    }

    fn at_most(&mut self, now: Instant, axis: Axis, remaining: i64) {
        self.roll(now);
        if let Some((_, bucket)) = self.axes.iter_mut().find(|(known, _)| *known == axis) {
            let surplus = bucket.remaining().saturating_sub(remaining);
            if surplus > 0 {
                bucket.charge(surplus.unsigned_abs());
            }
        }
    }
}

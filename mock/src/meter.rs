//! All limits of one account × model: a call is checked on every axis, then charged on all or on none.
//!
//! A refusal is charged nowhere (Groq: verified on captures for token axes, assumed for requests), unless the model
//! counts refused calls. If several axes refuse, the most restrictive is reported ([`Meter::admit`] states the order), so
//! that a client that obeys it meets no second refusal. An admitted call holds a reservation until [`Meter::settle`] replaces it by the actual
//! usage, which may overdraw a limit.
//!
//! Invariants: admission never overdraws a limit; every reservation is settled exactly once.

use crate::axis::Axis;
use crate::call::Usage;
use crate::config::{Limit, Settle};
use crate::decision::{Denial, LimitView, LimitsView, Remaining, announced_wait};
use crate::reserve::RecentCompletions;
use crate::time::{Instant, Nanos};
use crate::window::Window;

/// The limits of one account × model.
#[derive(Clone, Debug)]
pub struct Meter {
    limits: Box<[LimitState]>,
    /// The indices of the request limit and the token limit that headers state.
    in_headers: [Option<usize>; 2],
    /// Reservations not yet settled.
    open_reservations: u64,
    /// The instant of the last [`Meter::advance_to`].
    now: Instant,
    /// `true` if any window must be moved with time; a bucket need not.
    has_counting_windows: bool,
    recent: RecentCompletions,
}

/// One limit and its window.
#[derive(Clone, Debug)]
struct LimitState {
    axis: Axis,
    limit: u64,
    window: Window,
    /// The time of a complete refill if the limit refills continuously.
    refill_time: Option<Nanos>,
}

/// The fill level of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The axis that is limited.
    pub axis: Axis,
    /// Units per window; the current value if the law adapts it.
    pub limit: u64,
    /// The capacity: the burst of a bucket, the limit under every other law.
    pub burst: u64,
    /// Remaining whole units, truncated toward zero; negative after a settlement overdrew the limit.
    pub remaining: i64,
}

impl Level {
    /// Returns the used fraction of the capacity: 0 if unused, above 1 if overdrawn. For reports.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a fraction for a chart; limits are far below 2^53")]
    pub fn used_share(&self) -> f64 {
        1.0 - self.remaining as f64 / self.burst.max(1) as f64
    }
}

impl Meter {
    /// Creates a meter with unused limits.
    #[must_use]
    pub fn new(limits: &[Limit]) -> Self {
        // Groq's headers state requests per day and tokens per minute, or seconds of audio per hour if there is no token
        // limit (verified on captures).
        let index_of = |axis: &Axis| limits.iter().position(|limit| limit.axis == *axis);
        let in_headers =
            [&[Axis::Rpd][..], &[Axis::Tpm, Axis::Ash]].map(|axes| axes.iter().find_map(index_of));
        let limits: Box<[LimitState]> = limits.iter().map(LimitState::new).collect();
        Self {
            has_counting_windows: limits.iter().any(|limit| !limit.window.is_bucket()),
            limits,
            in_headers,
            open_reservations: 0,
            now: Instant::ZERO,
            recent: RecentCompletions::default(),
        }
    }

    /// Moves every window to `now`, the instant of all queries and charges until the next call.
    pub fn advance_to(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "invariant: time does not decrease: {now} after {}", self.now);
        if self.has_counting_windows && now > self.now {
            self.limits.iter_mut().for_each(|limit| limit.window.advance_to(now));
        }
        self.now = now;
    }

    /// Reserves `tokens` and `audio_seconds` on every axis, or on none. Audio is not settled later: its duration is known
    /// on arrival.
    ///
    /// # Errors
    /// Returns the most restrictive denial: an oversize request before any wait, the longest wait otherwise, and a
    /// concurrency limit, whose wait is unknown, only if no other axis refuses.
    pub fn admit(&mut self, tokens: Usage, audio_seconds: u64) -> Result<(), Denial> {
        let charge = Charge::with_audio(tokens, audio_seconds);
        if !self.limits.iter().all(|limit| limit.window.admits(self.now, charge.on(limit.axis))) {
            return Err(self.most_restrictive(&charge));
        }
        for limit in &mut self.limits {
            limit.window.charge(self.now, charge.on(limit.axis));
            debug_assert!(
                limit.window.admits(self.now, 0),
                "invariant: admission does not overdraw, found {limit:?}"
            );
        }
        self.open_reservations += 1;
        Ok(())
    }

    /// Returns the denial to report for a charge that some axis refuses; see [`Meter::admit`].
    #[cold]
    fn most_restrictive(&self, charge: &Charge) -> Denial {
        let denials = self.limits.iter().filter_map(|limit| limit.denial(self.now, charge.on(limit.axis)));
        // An oversize request before any wait, then the longest wait; `None`, an unknown wait, is less than any. The first
        // of equals is kept.
        let severity = |denial: &Denial| (denial.oversize, denial.wait);
        let worst =
            denials.reduce(|worst, next| if severity(&next) > severity(&worst) { next } else { worst });
        let worst = worst.expect("invariant: a refused call is denied by some axis");
        debug_assert!(
            worst.wait != Some(Nanos::ZERO) || worst.oversize,
            "invariant: waiting is needed, found {worst:?}"
        );
        worst
    }

    /// Charges a call that was just refused on the request axes, and returns the denial after that charge.
    pub fn charge_refused(&mut self, tokens: Usage, audio_seconds: u64) -> Denial {
        let charge = Charge::with_audio(tokens, audio_seconds);
        for limit in self.limits.iter_mut().filter(|limit| limit.axis.counts_requests()) {
            limit.window.charge(self.now, charge.on(limit.axis));
        }
        self.most_restrictive(&charge)
    }

    /// Settles the reservation of `reserved` made at `reserved_at` for a call that used `used`, and releases its
    /// concurrency. Must be called once per admitted call.
    pub fn settle(&mut self, reserved_at: Instant, reserved: Usage, used: Usage, settle: Settle) {
        debug_assert!(
            self.open_reservations > 0,
            "invariant: every reservation is settled once, found none open"
        );
        debug_assert!(
            reserved_at <= self.now,
            "invariant: reserved at {reserved_at}, settled at {}",
            self.now
        );
        self.open_reservations = self.open_reservations.saturating_sub(1);
        let (reserved, used) = (Charge::of(reserved), Charge::of(used));
        let settled = if settle == Settle::Refund { used } else { reserved };
        for limit in &mut self.limits {
            let before = reserved.on(limit.axis);
            let after = if limit.axis == Axis::Concurrency { 0 } else { settled.on(limit.axis) };
            if before != after {
                limit.window.settle(self.now, reserved_at, before, after);
                debug_assert!(
                    limit.window.remaining(self.now)
                        <= i64::try_from(limit.window.capacity()).unwrap_or(i64::MAX),
                    "invariant: a refund does not exceed the capacity, found {limit:?}"
                );
            }
        }
        if settle == Settle::After {
            self.charge_excess(&reserved, &used);
        }
    }

    /// Charges the usage beyond the reservation at the current instant.
    fn charge_excess(&mut self, reserved: &Charge, used: &Charge) {
        for limit in self.limits.iter_mut().filter(|limit| limit.axis.counts_tokens()) {
            let excess = used.on(limit.axis).saturating_sub(reserved.on(limit.axis));
            limit.window.charge(self.now, excess);
        }
    }

    /// Returns the most recent completion lengths of this account and model.
    #[must_use]
    #[inline]
    pub fn recent(&self) -> &RecentCompletions {
        &self.recent
    }

    /// Records the completion of a call that ended.
    pub fn record_completion(&mut self, used: Usage) {
        self.recent.record(used.completion_tokens);
    }

    /// Returns the number of reservations not yet settled.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open_reservations
    }

    /// Returns the limits that response headers state now.
    #[must_use]
    pub fn view(&self) -> LimitsView {
        let view = |index: Option<usize>| index.map(|index| self.limits[index].view(self.now));
        let [requests, tokens] = self.in_headers;
        LimitsView { requests: view(requests), tokens: view(tokens) }
    }

    /// Returns the remaining units of [`Meter::view`]; cheaper, as it computes no reset times.
    #[must_use]
    pub fn remaining(&self) -> Remaining {
        let remaining = |index: Option<usize>| {
            let limit = &self.limits[index?];
            Some((limit.axis, u64::try_from(limit.window.remaining(self.now)).unwrap_or(0)))
        };
        let [requests, tokens] = self.in_headers;
        Remaining { requests: remaining(requests), tokens: remaining(tokens) }
    }

    /// Returns the level of each limit now, in the order of the configuration.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        self.limits.iter().map(|limit| Level {
            axis: limit.axis,
            limit: limit.current(),
            burst: limit.window.current_limit().unwrap_or_else(|| limit.window.capacity()),
            remaining: limit.window.remaining(self.now),
        })
    }
}

impl LimitState {
    fn new(limit: &Limit) -> Self {
        let window = Window::new(limit);
        let refill_time = limit.axis.window().filter(|_| limit.limit > 0 && window.is_bucket());
        Self { axis: limit.axis, limit: limit.limit, window, refill_time }
    }

    /// Returns the denial of `requested`; `None` if it fits.
    fn denial(&self, now: Instant, requested: u64) -> Option<Denial> {
        if self.window.admits(now, requested) {
            return None;
        }
        let used = self.used(self.window.remaining(now));
        let exact = self.window.earliest_admission(now, requested).map(|admission| admission.since(now));
        Some(Denial {
            axis: self.axis,
            limit: self.current(),
            used,
            requested,
            wait: self.announced_wait(used, requested).max(exact),
            oversize: requested > self.window.capacity(),
        })
    }

    /// Returns the usage at this remainder, in the whole numbers that are printed.
    fn used(&self, remaining: i64) -> i64 {
        0_i64.saturating_add_unsigned(self.current()).saturating_sub(remaining)
    }

    /// Returns the limit, or its current value if the law adapts it.
    fn current(&self) -> u64 {
        self.window.current_limit().unwrap_or(self.limit)
    }

    /// Returns the wait in the provider's own arithmetic; `None` if the limit does not refill continuously.
    ///
    /// It is computed from the truncated level. A level above zero is rounded down, and the wait is up to one unit too
    /// long. A level below zero is rounded up, and the wait is up to one unit too short; at a whole number, the double
    /// may lose the last nanosecond. A client that obeyed a short wait would be refused again, so
    /// [`LimitState::denial`] announces the exact wait then.
    fn announced_wait(&self, used: i64, requested: u64) -> Option<Nanos> {
        Some(announced_wait(self.limit, used, requested, self.refill_time?))
    }

    /// Returns the limit as headers state it. An overdrawn limit has zero remaining, but its true reset time.
    fn view(&self, now: Instant) -> LimitView {
        let remaining = self.window.remaining(now);
        let reset = self.announced_wait(self.used(remaining), self.window.capacity());
        let exact = || self.window.full_at(now).map_or(Nanos::MAX, |full| full.since(now));
        LimitView {
            axis: self.axis,
            limit: self.current(),
            remaining: u64::try_from(remaining).unwrap_or(0),
            reset: reset.unwrap_or_else(exact),
        }
    }
}

/// The units that a call is charged on each axis.
///
/// ```
/// use provider::meter::Charge;
/// use provider::{Axis, Usage};
///
/// let charge = Charge::of(Usage { prompt_tokens: 100, cached_tokens: 0, completion_tokens: 20 });
/// assert_eq!([Axis::Rpm, Axis::Tpm, Axis::Otpm].map(|axis| charge.on(axis)), [1, 120, 20]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge([u64; Axis::ALL.len()]);

impl Charge {
    /// Zero on every axis.
    pub const ZERO: Self = Self([0; Axis::ALL.len()]);

    /// Returns the charge of one call with these tokens and without audio.
    #[must_use]
    #[inline]
    pub const fn of(tokens: Usage) -> Self {
        Self::with_audio(tokens, 0)
    }

    /// Returns the charge of one call with these tokens and seconds of audio.
    #[must_use]
    #[inline]
    pub const fn with_audio(tokens: Usage, seconds: u64) -> Self {
        let Usage { prompt_tokens: prompt, completion_tokens: completion, .. } = tokens;
        // In the order of `Axis::ALL`.
        Self([1, 1, tokens.total(), tokens.total(), prompt as u64, completion as u64, seconds, seconds, 1])
    }

    /// Returns the units on one axis.
    #[must_use]
    #[inline]
    pub const fn on(&self, axis: Axis) -> u64 {
        self.0[axis as usize]
    }
}

//! All limits of one account × model: a call is checked on every axis, then charged on all or on none.
//!
//! A refusal is charged nowhere (Groq: verified on captures for token axes, assumed for requests), unless the model
//! counts refused calls. If several axes refuse, the most restrictive is reported: [`Meter::admit`] states the order. An
//! admitted call holds a reservation until [`Meter::settle`] replaces it by the actual usage, which may overdraw a limit.
//!
//! Invariants: admission never overdraws a limit; every reservation is ended exactly once: settled, or released if the levels
//! were set since.

mod charge;
mod limit_level;
mod set_level;

pub use charge::Charge;
pub use limit_level::LimitLevel;

use crate::axis::Axis;
use crate::call::Usage;
use crate::config::{Limit, Settlement};
use crate::decision::{Denial, HeaderLimit, HeaderLimits, HeaderRemaining, announced_wait};
use crate::reserve::RecentCompletions;
use crate::time::{Instant, Nanos};
use crate::window::Window;

/// The request axes that headers can state, in order of preference. [`HeaderLimits`] holds the two limits of Groq's headers;
/// the headers of other dialects are built from [`Meter::levels`]. Evidence: captures.
const HEADER_REQUEST_AXES: [Axis; 1] = [Axis::Rpd];
/// The token axes that headers can state, in order of preference; the second is that of a transcription model, which has no
/// token limit. Evidence: captures.
const HEADER_TOKEN_AXES: [Axis; 2] = [Axis::Tpm, Axis::Ash];

/// The limits of one account × model.
#[derive(Clone, Debug)]
pub struct Meter {
    limits: Box<[LimitState]>,
    header_indices: HeaderIndices,
    /// Reservations not yet settled.
    open_reservations: u64,
    /// The number of the first of the provider's calls that was admitted since the levels were last set; zero if they never
    /// were.
    first_reservation: u64,
    /// The instant of the last [`Meter::advance_to`].
    now: Instant,
    /// `true` if any window must be advanced before it is queried; a bucket need not be.
    has_counting_windows: bool,
    recent_completions: RecentCompletions,
}

/// The indices into [`Meter::limits`] of the limits that headers state; `None` if the axis is not limited.
#[derive(Clone, Copy, Debug)]
struct HeaderIndices {
    requests: Option<usize>,
    tokens: Option<usize>,
}

/// One limit and its window.
#[derive(Clone, Debug)]
struct LimitState {
    axis: Axis,
    /// The length of its window; `None` for concurrency.
    window_length: Option<Nanos>,
    /// The amount of the configuration. [`LimitState::current_limit`] may differ.
    configured_limit: u64,
    window: Window,
    /// The least that has remained so far, unless the window is a bucket, which keeps its own.
    least_remaining: i64,
    /// The time in which the configured amount refills; `None` if the limit is zero or does not refill continuously.
    refill_time: Option<Nanos>,
}

impl Meter {
    /// Creates a meter with unused limits.
    #[must_use]
    pub fn new(limits: &[Limit]) -> Self {
        let first_of =
            |axes: &[Axis]| axes.iter().find_map(|axis| limits.iter().position(|limit| limit.axis == *axis));
        let header_indices =
            HeaderIndices { requests: first_of(&HEADER_REQUEST_AXES), tokens: first_of(&HEADER_TOKEN_AXES) };
        let limits: Box<[LimitState]> = limits.iter().map(LimitState::new).collect();
        Self {
            has_counting_windows: limits.iter().any(|limit| !limit.window.is_bucket()),
            limits,
            header_indices,
            open_reservations: 0,
            first_reservation: 0,
            now: Instant::ZERO,
            recent_completions: RecentCompletions::default(),
        }
    }

    /// Sets the used units of the limit on `axis` when the run begins.
    pub(crate) fn set_start_level(&mut self, axis: Axis, used: u64) {
        debug_assert!(
            self.now == Instant::ZERO && self.open_reservations == 0,
            "invariant: nothing was sent yet"
        );
        for limit in self.limits.iter_mut().filter(|limit| limit.axis == axis) {
            limit.window.set_start_level(used);
            limit.update_least_remaining(Instant::ZERO);
        }
    }

    /// Advances every window to `now`, the instant of all queries and charges until the next call.
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
    /// Returns the most restrictive denial, so that a client that obeys it meets no second refusal: an oversize request
    /// first, since no wait helps; then the longest wait; last a denial whose wait is unknown, as of a concurrency limit.
    /// Of equal denials the first in the order of the configuration.
    pub fn admit(&mut self, tokens: Usage, audio_seconds: u64) -> Result<(), Denial> {
        let charge = Charge::with_audio(tokens, audio_seconds);
        if !self.limits.iter().all(|limit| limit.window.admits(self.now, charge.units_on(limit.axis))) {
            return Err(self.most_restrictive(&charge));
        }
        for limit in &mut self.limits {
            limit.charge(self.now, charge.units_on(limit.axis));
            debug_assert!(
                !limit.window.is_overdrawn(self.now),
                "invariant: admission does not overdraw, found {limit:?}"
            );
        }
        self.open_reservations += 1;
        Ok(())
    }

    /// Returns the denial to report for a charge that some axis refuses; see [`Meter::admit`].
    #[cold]
    fn most_restrictive(&self, charge: &Charge) -> Denial {
        let denials =
            self.limits.iter().filter_map(|limit| limit.denial(self.now, charge.units_on(limit.axis)));
        // `None`, an unknown wait, is less than any wait.
        let severity = |denial: &Denial| (denial.oversize, denial.wait);
        // Reversed, because `max_by_key` returns the last of equal denials.
        let most_restrictive =
            denials.rev().max_by_key(severity).expect("invariant: a refused call is denied by some axis");
        debug_assert!(
            most_restrictive.wait != Some(Nanos::ZERO) || most_restrictive.oversize,
            "invariant: waiting is needed, found {most_restrictive:?}"
        );
        most_restrictive
    }

    /// Charges a call that [`Meter::admit`] has just refused: one request on each request axis, nothing on the others.
    /// Returns the denial after that charge.
    pub fn charge_refused(&mut self, tokens: Usage, audio_seconds: u64) -> Denial {
        let charge = Charge::with_audio(tokens, audio_seconds);
        for limit in self.limits.iter_mut().filter(|limit| limit.axis.counts_requests()) {
            limit.charge(self.now, charge.units_on(limit.axis));
        }
        self.most_restrictive(&charge)
    }

    /// Settles the reservation of `reserved` made at `reserved_at` for a call that used `used`, and releases its
    /// concurrency. Must be called once per admitted call, unless its reservation is ended because the levels were set.
    pub fn settle(&mut self, reserved_at: Instant, reserved: Usage, used: Usage, policy: Settlement) {
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
        let (reserved, used) = (Charge::new(reserved), Charge::new(used));
        let settled = match policy {
            Settlement::ToUsage => used,
            Settlement::KeepReservation | Settlement::ChargeExcess => reserved,
        };
        for limit in &mut self.limits {
            let old_charge = reserved.units_on(limit.axis);
            // The call is no longer in flight.
            let new_charge = if limit.axis == Axis::Concurrency { 0 } else { settled.units_on(limit.axis) };
            if old_charge != new_charge {
                limit.window.settle(self.now, reserved_at, old_charge, new_charge);
                if new_charge > old_charge {
                    limit.update_least_remaining(self.now);
                }
                debug_assert!(
                    limit.window.remaining(self.now)
                        <= i64::try_from(limit.window.capacity()).unwrap_or(i64::MAX),
                    "invariant: a refund does not exceed the capacity, found {limit:?}"
                );
            }
        }
        if policy == Settlement::ChargeExcess {
            self.charge_excess(&reserved, &used);
        }
    }

    /// Charges the usage beyond the reservation at the current instant.
    fn charge_excess(&mut self, reserved: &Charge, used: &Charge) {
        for limit in self.limits.iter_mut().filter(|limit| limit.axis.counts_tokens()) {
            let excess = used.units_on(limit.axis).saturating_sub(reserved.units_on(limit.axis));
            limit.charge(self.now, excess);
        }
    }

    /// Returns the most recent completions of the calls on this meter.
    #[must_use]
    #[inline]
    pub fn recent_completions(&self) -> &RecentCompletions {
        &self.recent_completions
    }

    /// Records the completion of a call that ended.
    pub fn record_completion(&mut self, used: Usage) {
        self.recent_completions.record(used.completion_tokens);
    }

    /// Returns the number of reservations not yet settled.
    #[must_use]
    pub fn open_reservations(&self) -> u64 {
        self.open_reservations
    }

    /// Returns the limits that response headers state now.
    #[must_use]
    pub fn header_limits(&self) -> HeaderLimits {
        let header_limit =
            |index: Option<usize>| index.map(|index| self.limits[index].header_limit(self.now));
        let HeaderIndices { requests, tokens } = self.header_indices;
        HeaderLimits { requests: header_limit(requests), tokens: header_limit(tokens) }
    }

    /// Returns the remaining units of [`Meter::header_limits`]; cheaper, as it computes no reset times.
    #[must_use]
    pub fn header_remaining(&self) -> HeaderRemaining {
        let remaining = |index: Option<usize>| {
            let limit = &self.limits[index?];
            Some((limit.axis, u64::try_from(limit.window.remaining(self.now)).unwrap_or(0)))
        };
        let HeaderIndices { requests, tokens } = self.header_indices;
        HeaderRemaining { requests: remaining(requests), tokens: remaining(tokens) }
    }

    /// Returns the level of each limit now, in the order of the configuration.
    pub fn levels(&self) -> impl Iterator<Item = LimitLevel> {
        self.limits.iter().map(|limit| LimitLevel {
            axis: limit.axis,
            window: limit.window_length,
            limit: limit.current_limit(),
            capacity: limit.window.current_limit().unwrap_or_else(|| limit.window.capacity()),
            remaining: limit.window.remaining(self.now),
            least_remaining: match limit.window.current_limit() {
                Some(_) => None,
                None => Some(limit.window.least_remaining().unwrap_or(limit.least_remaining)),
            },
        })
    }
}

impl LimitState {
    fn new(limit: &Limit) -> Self {
        let window = Window::new(limit);
        let refill_time = limit.window.filter(|_| limit.amount > 0 && window.is_bucket());
        let least_remaining = i64::try_from(window.capacity()).unwrap_or(i64::MAX);
        Self {
            axis: limit.axis,
            window_length: limit.window,
            configured_limit: limit.amount,
            window,
            least_remaining,
            refill_time,
        }
    }

    /// Charges units, whether or not they fit.
    #[inline]
    fn charge(&mut self, now: Instant, units: u64) {
        self.window.charge(now, units);
        self.update_least_remaining(now);
    }

    /// Records what remains after a charge. A bucket does so itself.
    #[inline]
    fn update_least_remaining(&mut self, now: Instant) {
        if !self.window.is_bucket() {
            self.least_remaining = self.least_remaining.min(self.window.remaining(now));
        }
    }

    /// Returns the denial of `requested`; `None` if it fits.
    fn denial(&self, now: Instant, requested: u64) -> Option<Denial> {
        if self.window.admits(now, requested) {
            return None;
        }
        let used = self.used(self.window.remaining(now));
        let exact_wait = self.window.earliest_admission(now, requested).map(|admission| admission.since(now));
        Some(Denial {
            axis: self.axis,
            window: self.window_length,
            limit: self.current_limit(),
            used,
            requested,
            // A client that obeyed a wait shorter than the exact one would be refused again.
            wait: self.computed_wait(used, requested).max(exact_wait),
            wait_replaced: false,
            oversize: requested > self.window.capacity(),
        })
    }

    /// Returns the usage at this remainder, in the whole numbers that are printed.
    fn used(&self, remaining: i64) -> i64 {
        0_i64.saturating_add_unsigned(self.current_limit()).saturating_sub(remaining)
    }

    /// Returns the limit, or its current value if the refill policy adapts it.
    fn current_limit(&self) -> u64 {
        self.window.current_limit().unwrap_or(self.configured_limit)
    }

    /// Computes the wait as the provider does: in floating point, from truncated remaining units. `None` if the limit is zero
    /// or does not refill continuously.
    ///
    /// If the remainder is positive, the wait is up to one unit too long; if negative, up to one unit too short; if whole,
    /// rounding may drop 1 ns. [`LimitState::denial`] therefore takes the larger of this and the exact wait.
    fn computed_wait(&self, used: i64, requested: u64) -> Option<Nanos> {
        Some(announced_wait(self.configured_limit, used, requested, self.refill_time?))
    }

    /// Returns the limit as headers state it. An overdrawn limit has zero remaining; its reset includes what it lacks.
    fn header_limit(&self, now: Instant) -> HeaderLimit {
        let remaining = self.window.remaining(now);
        // The limit is full when a request for its whole capacity fits.
        let computed_reset = self.computed_wait(self.used(remaining), self.window.capacity());
        let exact_reset = || self.window.earliest_unused(now).map_or(Nanos::MAX, |full| full.since(now));
        HeaderLimit {
            axis: self.axis,
            limit: self.current_limit(),
            remaining: u64::try_from(remaining).unwrap_or(0),
            reset: computed_reset.unwrap_or_else(exact_reset),
        }
    }
}

//! All limits of one account × model: every axis is asked, then all are charged or none.
//!
//! A refusal is charged nowhere (Groq: verified on captures for token axes, assumed for requests). Where several axes refuse, the
//! one with the longest wait speaks, so that a client that obeys it meets no second refusal. An admitted call
//! holds a reservation until [`Meter::settle`] makes it what the call really used, which may overdraw.

use crate::axis::Axis;
use crate::call::Usage;
use crate::config::{Limit, Settle};
use crate::decision::{Denial, LimitView, LimitsView, Remaining, announced_wait};
use crate::reserve::Recent;
use crate::time::{Instant, Nanos};
use crate::window::Window;

/// The windows of one account × model.
#[derive(Clone, Debug)]
pub struct Meter {
    gauges: Box<[LimitState]>,
    /// Where the gauges of the requests and the tokens stand that headers tell of.
    told: [Option<usize>; 2],
    /// Reservations not yet settled.
    open: u64,
    /// The instant last rolled to.
    now: Instant,
    /// Whether any window must be told the time: a bucket need not.
    rolls: bool,
    recent: Recent,
}

/// One limit and the state of its window.
#[derive(Clone, Debug)]
struct LimitState {
    axis: Axis,
    limit: u64,
    window: Window,
    /// Over how long it refills, where it refills continuously.
    refills: Option<Nanos>,
}

/// How full one limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// What is counted.
    pub axis: Axis,
    /// How much per window, at present.
    pub limit: u64,
    /// The most that fits at present: the burst of a bucket, the limit under every other law.
    pub burst: u64,
    /// Whole units left, cut off toward zero; negative where a settlement overdrew the limit.
    pub remaining: i64,
}

impl Level {
    /// The used share of the limit: 0 when untouched, above 1 when overdrawn; for reports.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share for a chart; limits are far below 2^53")]
    pub fn used_share(&self) -> f64 {
        1.0 - self.remaining as f64 / self.burst.max(1) as f64
    }
}

impl Meter {
    /// An unused meter.
    #[must_use]
    pub fn new(limits: &[Limit]) -> Self {
        // Groq tells of the day's requests and of the minute's tokens; where there are none, of the hour's seconds of
        // audio (verified on captures).
        let place = |axis: &Axis| limits.iter().position(|limit| limit.axis == *axis);
        let told = [&[Axis::Rpd][..], &[Axis::Tpm, Axis::Ash]].map(|axes| axes.iter().find_map(place));
        let gauges: Box<[LimitState]> = limits.iter().map(LimitState::new).collect();
        Self {
            rolls: gauges.iter().any(|gauge| !gauge.window.is_bucket()),
            gauges,
            told,
            open: 0,
            now: Instant::ZERO,
            recent: Recent::default(),
        }
    }

    /// Moves every window to `now`; whatever is asked or charged afterwards is meant at that instant.
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "time never runs back: {now} after {}", self.now);
        if self.rolls && now > self.now {
            self.gauges.iter_mut().for_each(|gauge| gauge.window.roll(now));
        }
        self.now = now;
    }

    /// Reserves `asked` on every axis, or on none, for a call that brings so many seconds of audio. Those are charged
    /// here and stay charged: how long the audio is was known beforehand.
    ///
    /// # Errors
    /// The refusal with the longest announced wait. One that no wait can end outlasts all others; one that
    /// ends nobody knows when (concurrency) speaks only where it stands alone.
    pub fn admit(&mut self, asked: Usage, seconds: u64) -> Result<(), Denial> {
        let bill = Charge::with_audio(asked, seconds);
        if !self.gauges.iter().all(|gauge| gauge.window.admits(self.now, bill.on(gauge.axis))) {
            return Err(self.loudest(&bill));
        }
        for gauge in &mut self.gauges {
            gauge.window.charge(self.now, bill.on(gauge.axis));
            debug_assert!(gauge.window.admits(self.now, 0), "{} admitted more than it had", gauge.axis);
        }
        self.open += 1;
        Ok(())
    }

    /// The refusal that speaks for all; only asked where there is one.
    #[cold]
    fn loudest(&self, bill: &Charge) -> Denial {
        let refusals = self.gauges.iter().filter_map(|gauge| gauge.refusal(self.now, bill.on(gauge.axis)));
        let loudest = refusals.reduce(|loudest, next| {
            if (next.oversize, next.wait) > (loudest.oversize, loudest.wait) { next } else { loudest }
        });
        loudest.expect("some axis has no room")
    }

    /// Counts the call that was just refused on the request axes, and refuses it again as things stand then.
    pub fn charge_refused(&mut self, asked: Usage, seconds: u64) -> Denial {
        let bill = Charge::with_audio(asked, seconds);
        for gauge in self.gauges.iter_mut().filter(|gauge| gauge.axis.counts_requests()) {
            gauge.window.charge(self.now, bill.on(gauge.axis));
        }
        self.loudest(&bill)
    }

    /// Settles the reservation of `asked` taken `at` for a call that really `used` so much; a place in flight
    /// becomes free.
    pub fn settle(&mut self, at: Instant, asked: Usage, used: Usage, settle: Settle) {
        debug_assert!(self.open > 0, "a reservation is settled once");
        self.open = self.open.saturating_sub(1);
        let (asked, used) = (Charge::of(asked), Charge::of(used));
        let settled = if settle == Settle::Refund { used } else { asked };
        for gauge in &mut self.gauges {
            let reserved = asked.on(gauge.axis);
            let actual = if gauge.axis == Axis::Concurrency { 0 } else { settled.on(gauge.axis) };
            if reserved != actual {
                gauge.window.settle(self.now, at, reserved, actual);
            }
        }
        if settle == Settle::After {
            self.charge_beyond(&asked, &used);
        }
    }

    /// Charges now what was used beyond what was asked.
    fn charge_beyond(&mut self, asked: &Charge, used: &Charge) {
        for gauge in self.gauges.iter_mut().filter(|gauge| gauge.axis.counts_tokens()) {
            gauge.window.charge(self.now, used.on(gauge.axis).saturating_sub(asked.on(gauge.axis)));
        }
    }

    /// The last answers of the account.
    #[must_use]
    #[inline]
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Remembers the answer of a call that ended.
    pub fn note(&mut self, used: Usage) {
        self.recent.note(used.completion_tokens);
    }

    /// Reservations not yet settled.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open
    }

    /// What response headers tell now.
    #[must_use]
    pub fn view(&self) -> LimitsView {
        let view = |told: Option<usize>| told.map(|index| self.gauges[index].view(self.now));
        let [requests, tokens] = self.told;
        LimitsView { requests: view(requests), tokens: view(tokens) }
    }

    /// What [`Meter::view`] tells, without the lengths of time.
    #[must_use]
    pub fn remaining(&self) -> Remaining {
        let left = |told: Option<usize>| {
            let gauge = &self.gauges[told?];
            Some((gauge.axis, u64::try_from(gauge.window.remaining(self.now)).unwrap_or(0)))
        };
        let [requests, tokens] = self.told;
        Remaining { requests: left(requests), tokens: left(tokens) }
    }

    /// How full each limit is now, in the order of the configuration.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        self.gauges.iter().map(|gauge| Level {
            axis: gauge.axis,
            limit: gauge.limit(),
            burst: gauge.window.adapted().unwrap_or_else(|| gauge.window.capacity()),
            remaining: gauge.window.remaining(self.now),
        })
    }
}

impl LimitState {
    fn new(limit: &Limit) -> Self {
        let window = Window::new(limit);
        let refills = limit.axis.window().filter(|_| limit.limit > 0 && window.is_bucket());
        Self { axis: limit.axis, limit: limit.limit, window, refills }
    }

    /// The refusal of `requested`, where there is no room for it.
    fn refusal(&self, now: Instant, requested: u64) -> Option<Denial> {
        if self.window.admits(now, requested) {
            return None;
        }
        let used = self.used(self.window.remaining(now));
        let exact = self.window.earliest_admission(now, requested).map(|yes| yes.since(now));
        Some(Denial {
            axis: self.axis,
            limit: self.limit(),
            used,
            requested,
            wait: self.refilled(used, requested).max(exact),
            oversize: requested > self.window.capacity(),
        })
    }

    /// What the limit counts as used where so much remains, in the whole numbers that are printed.
    fn used(&self, remaining: i64) -> i64 {
        0_i64.saturating_add_unsigned(self.limit()).saturating_sub(remaining)
    }

    /// The limit as it stands at present.
    fn limit(&self) -> u64 {
        self.window.adapted().unwrap_or(self.limit)
    }

    /// The wait in the provider's own arithmetic, for the law that refills continuously.
    ///
    /// It counts from the level cut off toward zero. A level above zero is cut down, and the wait comes out up
    /// to one unit too long. Below zero it is cut up, and the wait up to one unit too short; and where the
    /// level is a whole number the double may lose the last nanosecond. In both cases obeying would be
    /// answered by another refusal, so [`LimitState::refusal`] announces the exact wait instead.
    fn refilled(&self, used: i64, requested: u64) -> Option<Nanos> {
        Some(announced_wait(self.limit, used, requested, self.refills?))
    }

    /// The limit as headers tell it. An overdrawn one shows nothing left, but the time until it is full again.
    fn view(&self, now: Instant) -> LimitView {
        let remaining = self.window.remaining(now);
        let reset = self.refilled(self.used(remaining), self.window.capacity());
        let exact = || self.window.full_at(now).map_or(Nanos::MAX, |full| full.since(now));
        LimitView {
            axis: self.axis,
            limit: self.limit(),
            remaining: u64::try_from(remaining).unwrap_or(0),
            reset: reset.unwrap_or_else(exact),
        }
    }
}

/// What a call is charged on each axis: written out once, and then read by every limit.
///
/// ```
/// use provider::meter::Charge;
/// use provider::{Axis, Usage};
///
/// let bill = Charge::of(Usage { prompt_tokens: 100, cached_tokens: 0, completion_tokens: 20 });
/// assert_eq!([Axis::Rpm, Axis::Tpm, Axis::Otpm].map(|axis| bill.on(axis)), [1, 120, 20]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge([u64; Axis::ALL.len()]);

impl Charge {
    /// That of no call.
    pub const NOTHING: Self = Self([0; Axis::ALL.len()]);

    /// That of a call that uses, or asks for, these tokens. A chat has no seconds of audio.
    #[must_use]
    #[inline]
    pub const fn of(tokens: Usage) -> Self {
        Self::with_audio(tokens, 0)
    }

    /// The same for a call that brings so many seconds of audio.
    #[must_use]
    #[inline]
    pub const fn with_audio(tokens: Usage, seconds: u64) -> Self {
        let Usage { prompt_tokens: prompt, completion_tokens: completion, .. } = tokens;
        // In the order of `Axis::ALL`.
        Self([1, 1, tokens.total(), tokens.total(), prompt as u64, completion as u64, seconds, seconds, 1])
    }

    /// What an axis counts of it.
    #[must_use]
    #[inline]
    pub const fn on(&self, axis: Axis) -> u64 {
        self.0[axis as usize]
    }
}

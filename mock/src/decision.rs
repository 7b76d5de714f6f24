//! What a provider decides on a call: the vocabulary between the machine, the wire and a simulation.

use crate::axis::Axis;
use crate::call::Usage;
use crate::config::Fault;
use crate::length::TooLong;
use crate::time::{Instant, Nanos};

/// The provider's decision on one call, made at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecisionReport {
    /// What was decided.
    pub verdict: Decision,
    /// What the response headers tell about the limits afterwards.
    pub limits: LimitsView,
}

impl DecisionReport {
    /// The wait that the answer announces, where it is one that announces any.
    #[must_use]
    pub const fn wait(&self) -> Option<Nanos> {
        match self.verdict {
            Decision::Refused(Denial { wait, .. }) => wait,
            Decision::Faulted(Fault::Throttle(wait)) => Some(wait),
            Decision::Admitted(_) | Decision::TooLong(_) | Decision::Faulted(_) => None,
        }
    }
}

/// What was decided on a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// The call is served on this schedule.
    Admitted(Service),
    /// A limit refused it; nothing was charged.
    Refused(Denial),
    /// It does not fit the model; nothing was charged, and nothing but a shorter call helps.
    TooLong(TooLong),
    /// A fault answered in the provider's stead; nothing was charged.
    Faulted(Fault),
}

/// How an admitted call is served. All instants are the provider's: the network comes on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// What the provider needs to settle the call when it ends.
    pub ticket: Ticket,
    /// When a slot took it (equals the arrival where slots are unbounded).
    pub started_at: Instant,
    /// When the first token leaves.
    pub first_token_at: Instant,
    /// When the last token leaves, or the connection is cut.
    pub done_at: Instant,
    /// What it will have used.
    pub usage: Usage,
    /// Whether the reply breaks off before its end.
    pub cut: bool,
    /// Whether the reply is not JSON.
    pub garbage: bool,
}

impl Service {
    /// What the call has used by `now`: its prompt, and the tokens that have left by then.
    #[must_use]
    pub fn used_by(&self, now: Instant) -> Usage {
        let whole = self.usage.completion_tokens;
        let completion_tokens = if now >= self.done_at {
            whole
        } else if now < self.first_token_at || whole == 0 {
            0
        } else {
            let (passed, rest) = (now.since(self.first_token_at), self.done_at.since(self.first_token_at));
            let later = u128::from(whole - 1) * u128::from(passed.0) / u128::from(rest.0);
            1 + u32::try_from(later).expect("less than the whole, since the end has not come")
        };
        Usage { completion_tokens, ..self.usage }
    }
}

/// The open reservation of an admitted call; hand it back to [`crate::machine::Provider::depart`] exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The account charged.
    pub account: u16,
    /// The model called.
    pub model: u16,
    /// Prompt tokens reserved.
    pub prompt_tokens: u32,
    /// Completion tokens reserved (zero where only the prompt is).
    pub completion_tokens: u32,
    /// When the reservation was taken.
    pub at: Instant,
}

impl Ticket {
    /// The tokens reserved.
    #[must_use]
    pub const fn reserved(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: 0,
            completion_tokens: self.completion_tokens,
        }
    }
}

/// Which limit said no, in the provider's own whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The axis that refused. Where several would have, the one with the longest wait.
    pub axis: Axis,
    /// Its limit.
    pub limit: u64,
    /// How much of it was used, as printed: the limit less the truncated remainder; above the limit after a settlement that overdrew it.
    pub used: i64,
    /// How much the call asked for.
    pub requested: u64,
    /// The wait the provider announces; `None` where it says nothing. Never shorter than the true wait unless a fault lies.
    pub wait: Option<Nanos>,
    /// The call asks for more than the limit itself: no wait helps.
    pub oversize: bool,
}

/// What the `x-ratelimit-*` headers tell, after the ruling: requests and tokens, `None` where the provider sends none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsView {
    /// The request axis the headers speak of (Groq: the day's).
    pub requests: Option<LimitView>,
    /// The token axis the headers speak of (Groq: the minute's); of a model that hears, seconds of audio.
    pub tokens: Option<LimitView>,
}

/// What is left of the limits that headers tell of, in whole units: all that a client can reckon with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    /// The request axis, and what is left of it.
    pub requests: Option<(Axis, u64)>,
    /// The token axis, and what is left of it.
    pub tokens: Option<(Axis, u64)>,
}

impl LimitsView {
    /// Without the lengths of time.
    #[must_use]
    pub fn remaining(&self) -> Remaining {
        let left = |view: Option<LimitView>| view.map(|view| (view.axis, view.remaining));
        Remaining { requests: left(self.requests), tokens: left(self.tokens) }
    }
}

/// One limit as headers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitView {
    /// The axis meant.
    pub axis: Axis,
    /// The limit.
    pub limit: u64,
    /// What is left, in whole units; never negative on the wire.
    pub remaining: u64,
    /// The time until the limit is full again: not until a call fits.
    pub reset: Nanos,
}

/// The wait a refilling limit announces: `(used + requested − limit) ÷ limit × window`, zero where nothing is over.
///
/// The operations and their order are Groq's, in double precision: over ÷ limit, then × the window in
/// seconds, then × 1e9, truncated. That is why it prints `459.999999ms` where 460 ms would be exact. Below
/// 2^52 ns it differs from the exact wait, cut to whole nanoseconds, by one nanosecond at most.
/// With `requested` equal to `limit` it is the time until the limit is full again: what `x-ratelimit-reset-*` tells.
///
/// Evidence: public captures of 2025–2026; `mock/tests/captures.rs` lists each of them and what it proves.
///
/// # Panics
/// Where `limit` is zero.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the provider's own arithmetic; a float-to-int cast saturates, and the operand is never negative"
)]
pub fn announced_wait(limit: u64, used: i64, requested: u64, window: Nanos) -> Nanos {
    assert!(limit > 0, "a limit of nothing never refills");
    let over = used.saturating_add_unsigned(requested).saturating_sub_unsigned(limit);
    Nanos((over.max(0) as f64 / limit as f64 * window.as_secs_f64() * 1e9) as u64)
}

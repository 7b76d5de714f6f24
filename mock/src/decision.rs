//! The provider's decision on a call: the types that the provider returns and that the wire format and the simulation read.

use crate::axis::Axis;
use crate::call::Usage;
use crate::config::{Fault, Limit};
use crate::latency::ServiceTime;
use crate::length::TooLong;
use crate::time::{Instant, Nanos};

/// The provider's decision on one call, with the limits after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecisionReport {
    /// The decision.
    pub decision: Decision,
    /// The limits that the response headers state.
    pub limits: HeaderLimits,
}

impl DecisionReport {
    /// Returns the wait that the reply announces if its dialect announces waits; `None` if there is none to announce.
    #[must_use]
    pub const fn wait(&self) -> Option<Nanos> {
        match self.decision {
            Decision::Refused(Denial { wait, .. }) => wait,
            Decision::Faulted(Fault::Throttle(wait)) => Some(wait),
            Decision::Admitted(_) | Decision::TooLong(_) | Decision::Faulted(_) => None,
        }
    }
}

/// The decision on a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// The call is served, at once or when a server slot is free.
    Admitted(Service),
    /// A limit refused the call. Nothing is charged, unless refused calls count ([`Reserve::charge_refused`]).
    ///
    /// [`Reserve::charge_refused`]: crate::reserve::Reserve::charge_refused
    Refused(Denial),
    /// The call is too long for the model. Nothing is charged, and no wait helps.
    TooLong(TooLong),
    /// A fault replaced the decision. Nothing is charged.
    Faulted(Fault),
}

/// The service of an admitted call. All instants are at the provider, without network delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The reservation to settle when the call ends.
    pub ticket: Ticket,
    /// The start of its service: the arrival if a server slot is free; `None` while it waits for one.
    pub started_at: Option<Instant>,
    /// Its service time, from [`Service::started_at`] on.
    pub time: ServiceTime,
    /// The usage at [`Service::done_at`].
    pub usage: Usage,
    /// `true` if `max_tokens`, or without it a length limit of the model, ends the completion before the model would.
    pub at_max_tokens: bool,
    /// `true` if the reply ends early.
    pub aborted: bool,
    /// `true` if the client cannot use the body: it is not JSON, is truncated, or is declared as HTML.
    pub corrupt_body: bool,
}

impl Service {
    /// Returns when the first token is sent; `None` while the call waits for a server slot.
    #[must_use]
    #[inline]
    pub fn first_token_at(&self) -> Option<Instant> {
        Some(self.started_at? + self.time.first_token)
    }

    /// Returns `true` if the client can read the whole reply: no fault aborts it or corrupts its body.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        !self.aborted && !self.corrupt_body
    }

    /// Returns when the last token is sent, or the reply is aborted; `None` while the call waits for a server slot.
    #[must_use]
    #[inline]
    pub fn done_at(&self) -> Option<Instant> {
        Some(self.first_token_at()? + self.time.decode)
    }

    /// Returns the time that it waited for a server slot; zero while it still waits.
    #[must_use]
    pub fn queue_time(&self) -> Nanos {
        self.started_at.map_or(Nanos::ZERO, |started_at| started_at.since(self.ticket.at))
    }

    /// Returns the usage until `now`: the prompt, and the completion tokens sent until then. A call that waits for a server
    /// slot has used nothing, because its prompt has not been processed (assumed: no provider documents it).
    #[must_use]
    pub fn usage_until(&self, now: Instant) -> Usage {
        let Some(first_token_at) = self.first_token_at() else { return Usage::default() };
        let done_at = first_token_at + self.time.decode;
        let all_tokens = self.usage.completion_tokens;
        let completion_tokens = if now >= done_at {
            all_tokens
        } else if now < first_token_at || all_tokens == 0 {
            0
        } else {
            let (elapsed, decode) = (now.since(first_token_at), self.time.decode);
            let after_first = u128::from(all_tokens - 1) * u128::from(elapsed.0) / u128::from(decode.0);
            1 + u32::try_from(after_first).expect("invariant: fewer tokens than all before done_at")
        };
        Usage { completion_tokens, ..self.usage }
    }
}

/// The open reservation of an admitted call. Its service must be passed to [`crate::Provider::complete`] or
/// [`crate::Provider::cancel`] exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The number of the call among those that the provider has admitted, from zero.
    pub number: u64,
    /// The account that is charged, as an index.
    pub account: u16,
    /// The model that was called, as an index.
    pub model: u16,
    /// Prompt tokens reserved.
    pub prompt_tokens: u32,
    /// Completion tokens reserved; zero if only the prompt is.
    pub completion_tokens: u32,
    /// The instant of the reservation.
    pub at: Instant,
}

impl Ticket {
    /// Returns the reserved tokens.
    #[must_use]
    pub const fn reserved(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: 0,
            completion_tokens: self.completion_tokens,
        }
    }
}

/// The refusing limit, in the whole numbers that the provider prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The axis that refused. If several do, the most restrictive: [`crate::meter::Meter::admit`] states the order.
    pub axis: Axis,
    /// The length of its window; `None` for concurrency.
    pub window: Option<Nanos>,
    /// Its limit.
    pub limit: u64,
    /// The usage as printed: the limit minus the remaining units, truncated; above the limit if it is overdrawn.
    pub used: i64,
    /// The amount that the call requested.
    pub requested: u64,
    /// The announced wait; `None` if there is none. Never shorter than the true wait, unless a fault replaced it.
    pub wait: Option<Nanos>,
    /// `true` if a fault replaced the wait. Dialects that announce another time, such as that until the limit is full, then
    /// announce this wait.
    pub wait_replaced: bool,
    /// `true` if the call requested more than the limit ever admits: then no wait helps.
    pub oversize: bool,
}

impl Denial {
    /// Returns the denial by a limit over the window of its axis, or over that of a limit which states none, without a wait.
    #[must_use]
    pub const fn new(axis: Axis, limit: u64, used: i64, requested: u64) -> Self {
        let window = Limit::new(axis, limit).window;
        let (wait, wait_replaced, oversize) = (None, false, requested > limit);
        Self { axis, window, limit, used, requested, wait, wait_replaced, oversize }
    }
}

/// The request limit and the token limit that response headers state after the decision; `None` for headers that are not
/// sent. The provider sets the two that Groq states; the headers of other dialects are built from
/// [`crate::meter::LimitLevel`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderLimits {
    /// The request limit (Groq: per day).
    pub requests: Option<HeaderLimit>,
    /// The token limit (Groq: per minute); seconds of audio per hour for a transcription model.
    pub tokens: Option<HeaderLimit>,
}

/// The remaining units of the limits that headers state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderRemaining {
    /// The request axis and its remaining units.
    pub requests: Option<(Axis, u64)>,
    /// The token axis and its remaining units.
    pub tokens: Option<(Axis, u64)>,
}

impl HeaderLimits {
    /// Returns the remaining units without limits and reset times.
    #[must_use]
    pub fn remaining(&self) -> HeaderRemaining {
        let remaining = |limit: Option<HeaderLimit>| limit.map(|limit| (limit.axis, limit.remaining));
        HeaderRemaining { requests: remaining(self.requests), tokens: remaining(self.tokens) }
    }
}

/// One limit as headers state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderLimit {
    /// The axis that is limited.
    pub axis: Axis,
    /// Units per window.
    pub limit: u64,
    /// Remaining whole units; zero if the limit is overdrawn.
    pub remaining: u64,
    /// Time until the limit is full again, not until a call fits; zero if it is full.
    pub reset: Nanos,
}

/// Returns the wait that a refilling limit announces: `(used + requested − limit) ÷ limit × window`, or zero if the
/// request fits.
///
/// The operations and their order are Groq's, in double precision: excess ÷ limit, then × window in seconds, then
/// × 1e9, truncated. Therefore it prints `459.999999ms` when 460 ms would be exact. Below 2^52 ns it differs from the
/// exact wait, truncated to whole nanoseconds, by at most one nanosecond. If `requested` equals the capacity (the limit,
/// unless a bucket has another burst), the result is the time until the limit is full again, which `x-ratelimit-reset-*`
/// states.
///
/// Evidence: public captures of 2025–2026; `mock/tests/captures.rs` lists each of them and what it proves.
///
/// # Panics
/// If `limit` is zero.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the provider's own arithmetic; a float-to-int cast saturates, and the operand is never negative"
)]
pub fn announced_wait(limit: u64, used: i64, requested: u64, window: Nanos) -> Nanos {
    assert!(limit > 0, "invariant: a refilling limit is above zero");
    let excess = used.saturating_add_unsigned(requested).saturating_sub_unsigned(limit);
    Nanos((excess.max(0) as f64 / limit as f64 * window.as_secs_f64() * 1e9) as u64)
}

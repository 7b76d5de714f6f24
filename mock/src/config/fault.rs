//! Incidents and the faults that they cause.

use crate::time::{Instant, Nanos};

/// A period in which a share of the calls is affected by a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incident {
    /// Start.
    pub at: Instant,
    /// End, exclusive.
    pub until: Instant,
    /// The effect on a call.
    pub fault: Fault,
    /// The share of calls affected, in `0..=1`.
    pub share: f64,
}

impl Incident {
    /// Returns `true` from the start until just before the end.
    #[must_use]
    pub fn is_active(&self, now: Instant) -> bool {
        self.at <= now && now < self.until
    }
}

/// A fault of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The call is answered with this status and not served.
    Status(u16),
    /// The call is refused because the provider is out of capacity, in the status and text of its dialect.
    Overload,
    /// The call is refused because of insufficient credit, in the status and text of its dialect.
    Billing,
    /// The call is refused because the pricing plan excludes the model, in the status and text of its dialect.
    NotInTier,
    /// The call is never answered.
    Timeout,
    /// The call is served, slower by this factor.
    Slow(f64),
    /// The connection is closed before the response begins.
    Reset,
    /// The call is served, but the reply ends half-way.
    CutStream,
    /// The call is served, but the body of the reply is not JSON.
    Garbage,
    /// A refusal announces no wait.
    NoRetryAfter,
    /// A refusal announces this wait instead of the true one.
    RetryAfter(Nanos),
    /// The `retry-after` of an error is written in this form.
    RetryAfterAs(WaitForm),
    /// The call is answered with a 429 that names no limit and announces this wait.
    Throttle(Nanos),
    /// The call is answered with status 200 and an error in the body; it is not served.
    ErrorInside,
    /// The call is served, but the first token is delayed by this.
    LateFirstToken(Nanos),
    /// The call is served, but the tokens after the first are slower by this factor.
    SlowTokens(f64),
    /// The call is served, but the connection is closed after the response headers.
    ResetAfterHead,
    /// The call is served, but the reply ends before its first token.
    AbortBeforeToken,
    /// The call is served, but the JSON of the reply ends half-way; the transfer is complete.
    Truncated,
    /// The call is served, but the `content-type` of the reply declares it as HTML.
    WrongType,
    /// All `ratelimit`, `tokenlimit` and `retry-after` headers are missing.
    NoLimitHeaders,
    /// The dates in `date` and `retry-after` are ahead by this. Other dates of a reply are correct.
    ClockAhead(Nanos),
    /// The dates in `date` and `retry-after` are behind by this.
    ClockBehind(Nanos),
}

/// A form of `retry-after` other than whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitForm {
    /// Seconds with a fraction: `2.5`.
    Fraction,
    /// A date (RFC 9110, section 10.2.3) on the same clock as the `date` header.
    Date,
    /// Negative: `-1`. No other header or text states the wait.
    Negative,
    /// More seconds than 64 bits hold. No other header or text states the wait.
    Absurd,
}

//! The names of faults: one table for scenarios and for the server's control plane.

use crate::config::{Fault, WaitForm};
use crate::time::Nanos;

/// The notation of a named fault: alone, or with one argument.
#[derive(Clone, Copy, Debug)]
pub enum FaultSyntax {
    /// No argument: `reset`.
    Plain(Fault),
    /// A factor by which something is slower: `{slow: 4x}`.
    Factor(fn(f64) -> Fault),
    /// A duration: `{retry_after: 3600s}`.
    Duration(fn(Nanos) -> Fault),
}

impl FaultSyntax {
    /// Looks up the syntax of the fault called `name`; `None` if there is no such fault.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, syntax)| *syntax)
    }
}

/// Every fault that can be requested, by name. The statuses come first: 498 is Groq's "flex capacity exceeded",
/// 529 is Anthropic's "overloaded".
pub const NAMES: [(&str, FaultSyntax); 36] = [
    ("500", FaultSyntax::Plain(Fault::Status(500))),
    ("502", FaultSyntax::Plain(Fault::Status(502))),
    ("503", FaultSyntax::Plain(Fault::Status(503))),
    ("504", FaultSyntax::Plain(Fault::Status(504))),
    ("498", FaultSyntax::Plain(Fault::Status(498))),
    ("529", FaultSyntax::Plain(Fault::Status(529))),
    ("429", FaultSyntax::Plain(Fault::Status(429))),
    ("400", FaultSyntax::Plain(Fault::Status(400))),
    ("401", FaultSyntax::Plain(Fault::Status(401))),
    ("403", FaultSyntax::Plain(Fault::Status(403))),
    ("404", FaultSyntax::Plain(Fault::Status(404))),
    // Three errors whose status and text depend on the dialect.
    ("overload", FaultSyntax::Plain(Fault::Overload)),
    ("billing", FaultSyntax::Plain(Fault::Billing)),
    ("not_in_tier", FaultSyntax::Plain(Fault::NotInTier)),
    // Faults of the connection, the headers, the body and the timing, and a 429 that names no limit (`throttle`).
    ("timeout", FaultSyntax::Plain(Fault::Timeout)),
    ("reset", FaultSyntax::Plain(Fault::Reset)),
    ("cut_stream", FaultSyntax::Plain(Fault::CutStream)),
    ("garbage", FaultSyntax::Plain(Fault::Garbage)),
    ("no_retry_after", FaultSyntax::Plain(Fault::NoRetryAfter)),
    ("fractional_wait", FaultSyntax::Plain(Fault::RetryAfterAs(WaitForm::Fraction))),
    ("dated_wait", FaultSyntax::Plain(Fault::RetryAfterAs(WaitForm::Date))),
    ("negative_wait", FaultSyntax::Plain(Fault::RetryAfterAs(WaitForm::Negative))),
    ("absurd_wait", FaultSyntax::Plain(Fault::RetryAfterAs(WaitForm::Absurd))),
    ("error_inside", FaultSyntax::Plain(Fault::ErrorInside)),
    ("reset_after_head", FaultSyntax::Plain(Fault::ResetAfterHead)),
    ("cut_before_token", FaultSyntax::Plain(Fault::AbortBeforeToken)),
    ("truncated", FaultSyntax::Plain(Fault::Truncated)),
    ("wrong_type", FaultSyntax::Plain(Fault::WrongType)),
    ("no_headers", FaultSyntax::Plain(Fault::NoLimitHeaders)),
    ("slow", FaultSyntax::Factor(Fault::Slow)),
    ("drip", FaultSyntax::Factor(Fault::SlowTokens)),
    ("retry_after", FaultSyntax::Duration(Fault::RetryAfter)),
    ("throttle", FaultSyntax::Duration(Fault::Throttle)),
    ("late_first_token", FaultSyntax::Duration(Fault::LateFirstToken)),
    ("clock_ahead", FaultSyntax::Duration(Fault::ClockAhead)),
    ("clock_behind", FaultSyntax::Duration(Fault::ClockBehind)),
];

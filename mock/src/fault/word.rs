//! What faults are called: one table for scenarios and for the server's control plane.

use crate::config::{Fault, WaitForm};
use crate::time::Nanos;

/// What a fault's name needs to become a fault.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// Nothing more.
    Alone(Fault),
    /// How many times slower: `{slow: 4x}`.
    Times(fn(f64) -> Fault),
    /// How long: `{retry_after: 3600s}`.
    Length(fn(Nanos) -> Fault),
}

impl Word {
    /// The word of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        WORDS.iter().find(|(known, _)| *known == name).map(|(_, word)| *word)
    }
}

/// Every fault that can be asked for, by name: the statuses with which a provider fails or will not serve (498 is
/// Groq's "flex capacity exceeded", 529 Anthropic's "overloaded"), then what has a word of its own.
pub const WORDS: [(&str, Word); 36] = [
    ("500", Word::Alone(Fault::Status(500))),
    ("502", Word::Alone(Fault::Status(502))),
    ("503", Word::Alone(Fault::Status(503))),
    ("504", Word::Alone(Fault::Status(504))),
    ("498", Word::Alone(Fault::Status(498))),
    ("529", Word::Alone(Fault::Status(529))),
    ("429", Word::Alone(Fault::Status(429))),
    ("400", Word::Alone(Fault::Status(400))),
    ("401", Word::Alone(Fault::Status(401))),
    ("403", Word::Alone(Fault::Status(403))),
    ("404", Word::Alone(Fault::Status(404))),
    // Answered in the provider's own words, with the status that it has for them.
    ("overload", Word::Alone(Fault::Overload)),
    ("billing", Word::Alone(Fault::Billing)),
    ("not_in_tier", Word::Alone(Fault::NotInTier)),
    ("timeout", Word::Alone(Fault::Timeout)),
    ("reset", Word::Alone(Fault::Reset)),
    ("cut_stream", Word::Alone(Fault::CutStream)),
    ("garbage", Word::Alone(Fault::Garbage)),
    ("no_retry_after", Word::Alone(Fault::NoRetryAfter)),
    ("fractional_wait", Word::Alone(Fault::RetryAfterAs(WaitForm::Fraction))),
    ("dated_wait", Word::Alone(Fault::RetryAfterAs(WaitForm::Date))),
    ("negative_wait", Word::Alone(Fault::RetryAfterAs(WaitForm::Negative))),
    ("absurd_wait", Word::Alone(Fault::RetryAfterAs(WaitForm::Absurd))),
    ("error_inside", Word::Alone(Fault::ErrorInside)),
    ("reset_after_head", Word::Alone(Fault::ResetAfterHead)),
    ("cut_before_token", Word::Alone(Fault::CutBeforeToken)),
    ("truncated", Word::Alone(Fault::Truncated)),
    ("wrong_type", Word::Alone(Fault::WrongType)),
    ("no_headers", Word::Alone(Fault::NoHeaders)),
    ("slow", Word::Times(Fault::Slow)),
    ("drip", Word::Times(Fault::Drip)),
    ("retry_after", Word::Length(Fault::RetryAfter)),
    ("throttle", Word::Length(Fault::Throttle)),
    ("late_first_token", Word::Length(Fault::LateFirstToken)),
    ("clock_ahead", Word::Length(Fault::ClockAhead)),
    ("clock_behind", Word::Length(Fault::ClockBehind)),
];

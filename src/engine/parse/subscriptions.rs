//! Plans with an allowance over hours, a week or a month: Z.ai's coding plans, and Codex with a `ChatGPT` subscription.
//!
//! Evidence: published bodies and dumps of 2025 and 2026. Z.ai's errors have numbers as codes, as its documentation lists them,
//! and moments without a zone, which are Beijing time. Code 1302 reports a limit on requests in flight, which admits requests
//! again in under 5 s (measured). Codex states the wait in the body and the windows in headers.

use super::refusal::Refusal;
use super::rules::{DialectRules, Marker};
use crate::event::LimitCause;
use provider::Axis;

pub(super) const ZAI: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("1113"), LimitCause::Billing),
        (Marker::Code("1302"), LimitCause::Concurrency),
        (Marker::Code("1304"), LimitCause::DayLimit),
        (Marker::Code("1305"), LimitCause::Overload),
        (Marker::Code("1308"), LimitCause::Allowance),
        (Marker::Code("1309"), LimitCause::Billing),
        (Marker::Code("1310"), LimitCause::Allowance),
    ],
    refusal: |response| Refusal {
        axis: response.body.has_code("1302").then_some(Axis::Concurrency),
        ..Refusal::default()
    },
    ..DialectRules::NONE
};

pub(super) const CODEX: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("usage_limit_reached"), LimitCause::Allowance),
        (Marker::MessageContains("hit your usage limit"), LimitCause::Allowance),
    ],
    ..DialectRules::NONE
};

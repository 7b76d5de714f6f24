//! Plans with an allowance over hours, a week or a month: Z.ai's coding plans, and Codex with a `ChatGPT` subscription.
//!
//! Evidence: published bodies and dumps of 2025 and 2026. Z.ai's errors have numbers as codes, as its documentation lists them,
//! and moments without a zone, which are Beijing time. Code 1302 reports a limit on requests in flight, which admits requests
//! again in under 5 s (measured). Codex states the wait in the body and the windows in headers.

use super::refusal::Refusal;
use super::rules::{DialectRules, Marker};
use crate::event::RefusalCause;
use provider::Axis;

pub(super) const ZAI: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("1113"), RefusalCause::Billing),
        (Marker::Code("1302"), RefusalCause::Concurrency),
        (Marker::Code("1304"), RefusalCause::DayLimit),
        (Marker::Code("1305"), RefusalCause::Overload),
        (Marker::Code("1308"), RefusalCause::Allowance),
        (Marker::Code("1309"), RefusalCause::Billing),
        (Marker::Code("1310"), RefusalCause::Allowance),
    ],
    refusal: |response| Refusal {
        axis: response.body.has_code("1302").then_some(Axis::Concurrency),
        ..Refusal::default()
    },
    ..DialectRules::NONE
};

pub(super) const CODEX: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("usage_limit_reached"), RefusalCause::Allowance),
        (Marker::MessageContains("hit your usage limit"), RefusalCause::Allowance),
    ],
    ..DialectRules::NONE
};

//! `DeepInfra`: a limit on concurrency, no limit per minute and no limit headers.
//!
//! Evidence: documentation and published bodies. The status is 429 if the account has 200 requests in flight on the
//! model, or if the model is busy. A prompt that is too long gets a 500; `length.rs` recognises it by its text.

use super::rules::{DialectRules, Marker};
use crate::event::RefusalCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("engine_overloaded"), RefusalCause::Overload),
        (Marker::MessageContains("engine_overloaded"), RefusalCause::Overload),
        (Marker::MessageContains("model busy"), RefusalCause::Overload),
    ],
    // `DeepInfra` says `rate limited`, but limits only concurrency.
    axes: &[("rate limited", Axis::Concurrency)],
    ..DialectRules::NONE
};

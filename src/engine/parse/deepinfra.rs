//! `DeepInfra`: a limit on concurrency, no limit per minute and no limit headers.
//!
//! Evidence: documentation and published bodies. A 429 means 200 requests of the account in flight per model, or a busy
//! model. A prompt that is too long for the model was answered with 500, which clients retry in vain.

use super::rules::{DialectRules, Marker};
use crate::event::LimitCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("engine_overloaded"), LimitCause::Overload),
        (Marker::MessageContains("engine_overloaded"), LimitCause::Overload),
        (Marker::MessageContains("model busy"), LimitCause::Overload),
    ],
    axes: &[("rate limited", Axis::Concurrency)],
    ..DialectRules::NONE
};

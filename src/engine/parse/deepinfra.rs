//! `DeepInfra`: a bound on what is in flight, no limit per minute and no header of any.
//!
//! Evidence: documentation and published bodies. A 429 is the account's 200 in flight per model, or a busy model;
//! a prompt that is too long for the model was answered with 500, which a blind retry sends for ever.

use super::rules::{DialectRules, Marker};
use crate::event::LimitCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("engine_overloaded"), LimitCause::Overload),
        (Marker::Says("engine_overloaded"), LimitCause::Overload),
        (Marker::Says("model busy"), LimitCause::Overload),
    ],
    axes: &[("rate limited", Axis::Concurrency)],
    ..DialectRules::BARE
};

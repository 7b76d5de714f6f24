//! Fireworks: a 429 is the adaptive limit of the account, or a service that missed its deadline.
//!
//! Evidence: published bodies. Headers state limits in tokens per second without the remaining units, so they are
//! ignored. Successes may have `x-ratelimit-over-limit: yes`, which has no effect. 412 is a suspended account
//! (documentation).

use super::rules::{DialectRules, Marker};
use crate::event::RefusalCause;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::MessageContains("before the given deadline"), RefusalCause::Overload),
        (Marker::MessageContains("service is overloaded"), RefusalCause::Overload),
        (Marker::MessageContains("service overloaded"), RefusalCause::Overload),
        (Marker::Status(412), RefusalCause::Billing),
    ],
    ..DialectRules::NONE
};

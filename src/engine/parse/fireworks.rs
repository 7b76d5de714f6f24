//! Fireworks: a 429 is the account's growing limit or a service that did not make its deadline.
//!
//! Evidence: published bodies. Headers state limits in tokens per second and never what is left, so that there
//! is nothing to keep; `x-ratelimit-over-limit: yes` comes with successes and refuses nothing. 412 is a suspended
//! account (documentation).

use super::rules::{DialectRules, Marker};
use crate::event::LimitCause;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Says("before the given deadline"), LimitCause::Overload),
        (Marker::Says("service is overloaded"), LimitCause::Overload),
        (Marker::Says("service overloaded"), LimitCause::Overload),
        (Marker::Status(412), LimitCause::Billing),
    ],
    ..DialectRules::BARE
};

//! Fireworks: a 429 is the account's growing limit or a service that did not make its deadline.
//!
//! Evidence: published bodies. Headers state limits in tokens per second and never what is left, so that there
//! is nothing to keep; `x-ratelimit-over-limit: yes` comes with successes and refuses nothing. 412 is a suspended
//! account (documentation).

use super::page::{Page, Sign};
use crate::event::Cause;

pub(super) const PAGE: Page = Page {
    causes: &[
        (Sign::Says("before the given deadline"), Cause::Overload),
        (Sign::Says("service is overloaded"), Cause::Overload),
        (Sign::Says("service overloaded"), Cause::Overload),
        (Sign::Status(412), Cause::Billing),
    ],
    ..Page::BARE
};

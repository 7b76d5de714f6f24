//! `DeepInfra`: a bound on what is in flight, no limit per minute and no header of any.
//!
//! Evidence: documentation and published bodies. A 429 is the account's 200 in flight per model, or a busy model;
//! a prompt that is too long for the model was answered with 500, which a blind retry sends for ever.

use super::page::{Page, Sign};
use crate::event::Cause;
use provider::Axis;

pub(super) const PAGE: Page = Page {
    causes: &[
        (Sign::Word("engine_overloaded"), Cause::Overload),
        (Sign::Says("engine_overloaded"), Cause::Overload),
        (Sign::Says("model busy"), Cause::Overload),
    ],
    axes: &[("rate limited", Axis::Concurrency)],
    ..Page::BARE
};

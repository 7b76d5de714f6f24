//! `DeepInfra`: a bound on what is in flight, no limit per minute and no header of any.
//!
//! Evidence: documentation and published bodies. A 429 is the account's 200 in flight per model, or a busy model;
//! a prompt that is too long for the model was answered with 500, which a blind retry sends for ever.

use super::page::{Page, Sign};
use super::refusal::{Refusal, after, whole};
use super::said::Said;
use crate::event::Cause;
use provider::Axis;

pub(super) const PAGE: Page = Page {
    causes: &[
        (Sign::Word("engine_overloaded"), Cause::Overload),
        (Sign::Says("engine_overloaded"), Cause::Overload),
        (Sign::Says("model busy"), Cause::Overload),
        (Sign::Says("exceeds maximum input length"), Cause::TooLarge),
    ],
    axes: &[("rate limited", Axis::Concurrency)],
    refusal,
    ..Page::BARE
};

fn refusal(said: &Said) -> Refusal {
    // The limit ends the message: a full stop is lent to it, for a body that is whole JSON was not cut.
    let message =
        said.message.as_deref().filter(|_| !said.error.is_null()).map(|message| format!("{message}."));
    let number = |label| message.as_deref().and_then(|message| whole(after(message, label)?));
    Refusal {
        requested: number("Requested input length "),
        limit: number("exceeds maximum input length "),
        ..Refusal::default()
    }
}

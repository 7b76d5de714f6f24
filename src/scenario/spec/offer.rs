//! What can be bought, with names that are not looked up yet.

use super::what_if::TreeChange;
use crate::scenario::diagnostics::{Location, Name};
use crate::scenario::language::Value;
use crate::scenario::resolved::OfferStart;

/// An offer as written.
#[derive(Debug)]
pub(in crate::scenario) struct OfferSpec {
    /// Its name.
    pub(in crate::scenario) name: Name,
    /// What it changes; empty if it is an account only.
    pub(in crate::scenario) change: TreeChange,
    /// The provider of which it is an account.
    pub(in crate::scenario) account: Option<Name>,
    /// In USD a month.
    pub(in crate::scenario) fee: f64,
    /// In USD.
    pub(in crate::scenario) setup: f64,
    /// In months, at least 1.
    pub(in crate::scenario) commitment: u32,
    /// When it can be bought.
    pub(in crate::scenario) from: OfferStart,
    /// Names of other offers.
    pub(in crate::scenario) requires: Vec<Name>,
    /// Names of other offers.
    pub(in crate::scenario) replaces: Vec<Name>,
    /// The most that can be owned at a time, at least 1, and where it is written.
    pub(in crate::scenario) max: (u32, Location),
}

/// Builds an offer; `None` if it is invalid, which has been reported.
pub(super) fn offer(value: &Value) -> Option<OfferSpec> {
    let fields = value.fields()?;
    let names = |word: &str| fields.items(word).iter().filter_map(Value::name).collect();
    Some(OfferSpec {
        name: fields.name("name")?,
        change: TreeChange::of(fields),
        account: fields.name("account"),
        fee: fields.number("fee")?,
        setup: fields.number("setup")?,
        commitment: fields.count("commitment")?,
        from: start(fields.text("from")?)?,
        requires: names("requires"),
        replaces: names("replaces"),
        max: (fields.count("max")?, fields.get("max")?.at.clone()),
    })
}

/// Returns the name of an offer, even if the rest of it is invalid.
pub(super) fn name(value: &Value) -> Option<String> {
    Some(value.fields()?.name("name")?.text)
}

/// Reads a month that the language has checked.
fn start(text: &str) -> Option<OfferStart> {
    if let Some(number) = text.strip_prefix("month ") {
        return number.trim().parse().ok().map(OfferStart::Month);
    }
    let (year, month) = text.split_once('-')?;
    Some(OfferStart::Calendar { year: year.parse().ok()?, month: month.parse().ok()? })
}

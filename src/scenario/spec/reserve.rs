//! `reserve`: what a call is charged when it is admitted, and how that is settled.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Fields, Value};
use provider::config::{CachedTokens, Estimate, Reserve, Settlement};

const ESTIMATES: [(&str, Estimate); 4] = [
    ("prompt+max_tokens", Estimate::PromptAndMaxTokens),
    ("prompt+recent", Estimate::PromptAndRecent),
    ("prompt", Estimate::Prompt),
    ("nothing", Estimate::Nothing),
];

const SETTLES: [(&str, Settlement); 3] = [
    ("refund", Settlement::ToUsage),
    ("nothing", Settlement::KeepReservation),
    ("after", Settlement::ChargeExcess),
];

const CACHED: [(&str, CachedTokens); 3] =
    [("counted", CachedTokens::Counted), ("refund", CachedTokens::Refunded), ("free", CachedTokens::Free)];

/// Builds a reservation from an estimate alone or from a map. Cached tokens count as `dialect_default`
/// unless the map states otherwise.
pub(super) fn reserve(
    value: &Value,
    dialect_default: CachedTokens,
    diagnostics: &Diagnostics,
) -> Option<Reserve> {
    match value.fields() {
        Some(fields) => Some(from_map(fields, dialect_default, diagnostics)),
        None => value
            .choice(&ESTIMATES)
            .map(|estimate| Reserve { cached: dialect_default, ..Reserve::default_for(estimate) }),
    }
}

fn from_map(fields: &Fields, dialect_default: CachedTokens, diagnostics: &Diagnostics) -> Reserve {
    let estimate = fields.choice("estimate", &ESTIMATES).unwrap_or_default();
    let settle = fields.choice("settle", &SETTLES);
    let cached = fields.choice("cached", &CACHED);
    // Nothing is refunded if the reservation is never settled, so cached tokens count in full.
    let dialect_default = match (settle, dialect_default) {
        (Some(Settlement::KeepReservation), CachedTokens::Refunded) => CachedTokens::Counted,
        _ => dialect_default,
    };
    if let (Some(Settlement::KeepReservation), Some(CachedTokens::Refunded), Some(value)) =
        (settle, cached, fields.get("cached"))
    {
        let what = "`cached: refund` needs a reservation that is settled";
        diagnostics.report_at(&value.at, what, "use `cached: free`, or another `settle`");
    }
    if let (Estimate::Prompt | Estimate::Nothing, Some(word)) =
        (estimate, fields.first_given(&["default", "cap"]))
    {
        let what = format!("`{word}` has no meaning if no completion tokens are reserved");
        diagnostics.report_at(&fields.at, what, "leave it out, or use `estimate: prompt+max_tokens`");
    }
    if (estimate, settle) == (Estimate::Nothing, Some(Settlement::KeepReservation)) {
        let help = "use `settle: after`, or leave the token limits out";
        diagnostics.report_at(&fields.at, "no token would ever be charged", help);
    }
    let default = Reserve::default_for(estimate);
    Reserve {
        estimate,
        default_max_tokens: fields.count("default").unwrap_or(default.default_max_tokens),
        max_completion_tokens: fields.count("cap").unwrap_or(default.max_completion_tokens),
        settlement: settle.unwrap_or(default.settlement),
        cached: cached.unwrap_or(dialect_default),
        output_weight: fields.count("output_weight").unwrap_or(default.output_weight),
        charge_refused: fields.bool("charge_refused").unwrap_or(default.charge_refused),
    }
}

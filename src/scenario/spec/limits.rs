//! Limits and the policies by which they refill (`law`). A limit takes its policy from the model's limits, those from the provider.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Data, Fields, Value};
use provider::config::{Growth, Limit, RefillPolicy};
use provider::{Axis, Zone};

/// Builds `limits`, in the order of [`Axis::ALL`].
pub(super) fn limits(
    fields: &Fields,
    law_of_provider: RefillPolicy,
    diagnostics: &Diagnostics,
) -> Vec<Limit> {
    let law = law(fields, law_of_provider, diagnostics);
    let limit = |axis: Axis| limit(fields.get(axis.name())?, axis, law, diagnostics);
    Axis::ALL.into_iter().filter_map(limit).collect()
}

/// Builds one limit; `None` if it is `none` or does not fit.
fn limit(value: &Value, axis: Axis, inherited: RefillPolicy, diagnostics: &Diagnostics) -> Option<Limit> {
    let inherited = if axis == Axis::Concurrency { RefillPolicy::default() } else { inherited };
    let Some(fields) = value.fields() else {
        return match value.data {
            Data::Count(limit) => Some(Limit { refill: inherited, ..Limit::new(axis, limit) }),
            _ => None,
        };
    };
    let limit = fields.count("limit")?;
    if axis == Axis::Concurrency {
        return Some(Limit::new(axis, limit));
    }
    let law = law(fields, inherited, diagnostics);
    let burst = of_law(fields, "burst", "bucket", law == RefillPolicy::Bucket, diagnostics);
    let burst = if burst.is_some() { fields.count("burst") } else { None };
    Some(Limit { axis, amount: limit, refill: law, burst: burst.unwrap_or(limit) })
}

/// Builds `law` with the words that go with it; what is absent is as `inherited`.
pub(super) fn law(fields: &Fields, inherited: RefillPolicy, diagnostics: &Diagnostics) -> RefillPolicy {
    let known = [
        ("bucket", RefillPolicy::Bucket),
        ("fixed", RefillPolicy::Fixed),
        ("sliding_log", RefillPolicy::SlidingLog),
        ("sliding_counter", RefillPolicy::SlidingCounter),
        ("calendar", RefillPolicy::Calendar(Zone::default())),
        ("adaptive", RefillPolicy::Adaptive(Growth::default())),
    ];
    let law = match (fields.choice("law", &known), inherited) {
        // The same law named again keeps the zone or the growth that it inherits.
        (Some(RefillPolicy::Calendar(_)), RefillPolicy::Calendar(_))
        | (Some(RefillPolicy::Adaptive(_)), RefillPolicy::Adaptive(_)) => inherited,
        (named, inherited) => named.unwrap_or(inherited),
    };
    let [is_calendar, is_adaptive] =
        [matches!(law, RefillPolicy::Calendar(_)), matches!(law, RefillPolicy::Adaptive(_))];
    let zone = of_law(fields, "zone", "calendar", is_calendar, diagnostics);
    let factor = of_law(fields, "growth", "adaptive", is_adaptive, diagnostics);
    let most = of_law(fields, "most", "adaptive", is_adaptive, diagnostics);
    match law {
        RefillPolicy::Calendar(inherited) => {
            let zones = Zone::ALL.map(|zone| (zone.name(), zone));
            RefillPolicy::Calendar(zone.and_then(|value| value.choice(&zones)).unwrap_or(inherited))
        }
        RefillPolicy::Adaptive(inherited) => RefillPolicy::Adaptive(Growth {
            factor_permille: factor.and_then(thousandths).unwrap_or(inherited.factor_permille),
            max_permille: most.and_then(thousandths).unwrap_or(inherited.max_permille),
        }),
        law => law,
    }
}

/// The value of a word that only one law has. Reports the word if another law holds.
fn of_law<'a>(
    fields: &'a Fields,
    word: &str,
    law: &str,
    holds: bool,
    diagnostics: &Diagnostics,
) -> Option<&'a Value> {
    let value = fields.get(word)?;
    if !holds {
        let what = format!("`{word}` goes with `law: {law}` only");
        diagnostics.report_at(&value.at, what, format!("leave it out, or use `law: {law}`"));
    }
    holds.then_some(value)
}

/// A multiple of at most 1000 in thousandths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the table admits 1 to 1000")]
fn thousandths(value: &Value) -> Option<u32> {
    value.quantity().map(|times| libm::round(times * 1000.0) as u32)
}

//! Limits and the policies by which they refill (`law`). A limit without a policy has that of the model's limits; if that
//! is absent too, that of the provider, and else that of the dialect for its axis.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Data, Fields, Value};
use provider::config::{Dialect, Growth, Limit, RefillPolicy};
use provider::units::print_duration;
use provider::{Axis, Nanos, Zone};

/// Builds `limits`, in the order of [`Axis::ALL`].
pub(super) fn limits(
    fields: &Fields,
    policy_of_provider: Option<RefillPolicy>,
    dialect: Dialect,
    diagnostics: &Diagnostics,
) -> Vec<Limit> {
    let policy = stated_policy(fields, policy_of_provider, diagnostics);
    let limit = |axis: Axis| {
        let limit = limit(fields.get(axis.name())?, axis, policy, dialect, diagnostics)?;
        Some(fixed_without_period(limit))
    };
    Axis::ALL.into_iter().filter_map(limit).collect()
}

/// Builds one limit; `None` if it is `none` or invalid.
fn limit(
    value: &Value,
    axis: Axis,
    inherited: Option<RefillPolicy>,
    dialect: Dialect,
    diagnostics: &Diagnostics,
) -> Option<Limit> {
    let Some(fields) = value.fields() else {
        return match value.data {
            Data::Count(limit) => Some(inherited_limit(axis, limit, inherited, dialect)),
            _ => None,
        };
    };
    let mut limit = inherited_limit(axis, fields.count("limit")?, inherited, dialect);
    if axis == Axis::Concurrency {
        return Some(limit);
    }
    if axis.has_own_window() {
        limit = limit.per(own_window(fields, axis, diagnostics)?);
    }
    let policy = refill_policy(fields, limit.refill, diagnostics);
    let burst = word_of_policy(fields, "burst", "bucket", policy == RefillPolicy::Bucket, diagnostics);
    let burst = if burst.is_some() { fields.count("burst") } else { None };
    // A limit that names its policy does not inherit a burst: the bucket holds the whole limit.
    let inherited_burst = if fields.is_given("law") { limit.amount } else { limit.burst };
    Some(Limit { refill: policy, burst: burst.unwrap_or(inherited_burst), ..limit })
}

/// Returns the limit with fixed windows if its policy is `calendar` and its window is no period of the calendar, such as a minute or
/// five hours.
fn fixed_without_period(limit: Limit) -> Limit {
    match limit.refill {
        RefillPolicy::Calendar(_) if limit.axis.period().is_none() => limit.with_refill(RefillPolicy::Fixed),
        _ => limit,
    }
}

/// Returns the window of a limit that states one; reports one that another axis is named after.
fn own_window(fields: &Fields, axis: Axis, diagnostics: &Diagnostics) -> Option<Nanos> {
    let window = fields.duration("per")?;
    if let Some(named) = axis.quantity().axes().find(|other| other.window_length() == Some(window))
        && let Some(value) = fields.get("per")
    {
        let what = format!("a limit on {} per {} is `{named}`", axis.name(), print_duration(window));
        diagnostics.report_at(&value.at, what, format!("write it as `{named}`"));
    }
    Some(window)
}

/// Returns a limit with the policy that it inherits, or else that of its dialect.
fn inherited_limit(axis: Axis, amount: u64, inherited: Option<RefillPolicy>, dialect: Dialect) -> Limit {
    match inherited.filter(|_| axis != Axis::Concurrency) {
        Some(refill) => Limit { refill, ..Limit::new(axis, amount) },
        None => Limit::default_of(dialect, axis, amount),
    }
}

/// Builds the refill policy that `law` and the words that belong to it state; `None` if neither this map nor `inherited`
/// states one.
pub(super) fn stated_policy(
    fields: &Fields,
    inherited: Option<RefillPolicy>,
    diagnostics: &Diagnostics,
) -> Option<RefillPolicy> {
    let policy = refill_policy(fields, inherited.unwrap_or_default(), diagnostics);
    inherited.is_some().then_some(policy).or_else(|| fields.is_given("law").then_some(policy))
}

/// Builds the refill policy from `law` and the words that belong to it; an absent word is taken from `inherited`.
fn refill_policy(fields: &Fields, inherited: RefillPolicy, diagnostics: &Diagnostics) -> RefillPolicy {
    let known = [
        ("bucket", RefillPolicy::Bucket),
        ("fixed", RefillPolicy::Fixed),
        ("first_request", RefillPolicy::FirstRequest),
        ("sliding_log", RefillPolicy::SlidingLog),
        ("sliding_counter", RefillPolicy::SlidingCounter),
        ("calendar", RefillPolicy::Calendar(Zone::default())),
        ("adaptive", RefillPolicy::Adaptive(Growth::default())),
    ];
    let policy = match (fields.choice("law", &known), inherited) {
        // The same policy named again keeps the zone or the growth that it inherits.
        (Some(RefillPolicy::Calendar(_)), RefillPolicy::Calendar(_))
        | (Some(RefillPolicy::Adaptive(_)), RefillPolicy::Adaptive(_)) => inherited,
        (named, inherited) => named.unwrap_or(inherited),
    };
    let [is_calendar, is_adaptive] =
        [matches!(policy, RefillPolicy::Calendar(_)), matches!(policy, RefillPolicy::Adaptive(_))];
    let zone = word_of_policy(fields, "zone", "calendar", is_calendar, diagnostics);
    let factor = word_of_policy(fields, "growth", "adaptive", is_adaptive, diagnostics);
    let most = word_of_policy(fields, "most", "adaptive", is_adaptive, diagnostics);
    match policy {
        RefillPolicy::Calendar(inherited) => {
            let zones = Zone::ALL.map(|zone| (zone.name(), zone));
            RefillPolicy::Calendar(zone.and_then(|value| value.choice(&zones)).unwrap_or(inherited))
        }
        RefillPolicy::Adaptive(inherited) => RefillPolicy::Adaptive(Growth {
            factor_permille: factor.and_then(thousandths).unwrap_or(inherited.factor_permille),
            max_permille: most.and_then(thousandths).unwrap_or(inherited.max_permille),
        }),
        policy => policy,
    }
}

/// Returns the value of a word that belongs to the refill policy `law` only. If `has_law` is `false`, the limit has another
/// policy: reports the word and returns `None`.
fn word_of_policy<'a>(
    fields: &'a Fields,
    word: &str,
    law: &str,
    has_law: bool,
    diagnostics: &Diagnostics,
) -> Option<&'a Value> {
    let value = fields.get(word)?;
    if !has_law {
        let what = format!("`{word}` goes with `law: {law}` only");
        diagnostics.report_at(&value.at, what, format!("leave it out, or use `law: {law}`"));
    }
    has_law.then_some(value)
}

/// Returns a multiple, from 1 to 1000, in thousandths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the table admits 1 to 1000")]
fn thousandths(value: &Value) -> Option<u32> {
    value.quantity().map(|times| libm::round(times * 1000.0) as u32)
}

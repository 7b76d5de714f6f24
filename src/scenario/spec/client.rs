//! The client: deadline, retries, concurrency, pacing, cache, coalescing.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Fields, Value};
use crate::scenario::resolved::{Backoff, Cache, Client, Eject, Jitter, Pace, Retry};
use provider::units;

/// Builds `client`. Values that are invalid have been reported and are zero or absent.
pub(super) fn client(fields: &Fields, diagnostics: &Diagnostics) -> Client {
    Client {
        deadline: fields.duration("deadline").unwrap_or_default(),
        attempt_timeout: fields.duration("attempt_timeout"),
        retry: fields.fields("retry").map(|retry| self::retry(retry, diagnostics)).unwrap_or_default(),
        eject: fields.fields("eject").and_then(eject),
        concurrency: fields.count("concurrency"),
        queue: fields.count("queue").unwrap_or_default(),
        pace: fields.get("pace").and_then(pace).unwrap_or_default(),
        cache: fields.fields("cache").and_then(cache),
        coalesce: fields.bool("join").unwrap_or_default(),
    }
}

fn retry(fields: &Fields, diagnostics: &Diagnostics) -> Retry {
    Retry {
        attempts: fields.count("attempts").unwrap_or_default(),
        backoff: fields
            .fields("backoff")
            .map(|backoff| self::backoff(backoff, diagnostics))
            .unwrap_or_default(),
        obey_retry_after: fields.bool("obey_retry_after").unwrap_or_default(),
        budget_permille: fields.count("budget"),
    }
}

fn backoff(fields: &Fields, diagnostics: &Diagnostics) -> Backoff {
    let [base, mut cap] = ["base", "cap"].map(|word| fields.duration(word).unwrap_or_default());
    if cap < base && !fields.is_given("cap") {
        cap = base;
    }
    if cap < base && fields.duration("cap").is_some() {
        let what = format!("`cap` is shorter than `base`, which is {}", units::print_duration(base));
        diagnostics.report_at(&fields.at, what, "raise `cap` or lower `base`");
    }
    let jitters = [
        ("none", Jitter::None),
        ("full", Jitter::Full),
        ("equal", Jitter::Equal),
        ("decorrelated", Jitter::Decorrelated),
    ];
    Backoff { base, cap, jitter: fields.choice("jitter", &jitters).unwrap_or_default() }
}

fn pace(value: &Value) -> Option<Pace> {
    match value.fields() {
        Some(fields) => fields.duration("gap").map(Pace::Gap),
        None => value.choice(&[("off", Pace::Off), ("requests", Pace::Requests), ("tokens", Pace::Tokens)]),
    }
}

fn eject(fields: &Fields) -> Option<Eject> {
    Some(Eject { after: fields.count("after")?, duration: fields.duration("for")? })
}

fn cache(fields: &Fields) -> Option<Cache> {
    Some(Cache { entries: fields.count("entries")?, ttl: fields.duration("ttl")? })
}

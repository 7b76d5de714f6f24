//! When a provider misbehaves: `{at, for, fault, share}`.

use super::LONGEST;
use crate::scenario::defaults;
use crate::scenario::value::{Value, length, meant};
use crate::units::{self, Wrong};
use provider::config::{Fault, Incident};
use provider::{Instant, Nanos};

/// Reads a list of incidents.
pub(super) fn incidents(value: &Value) -> Vec<Incident> {
    let items = value.items("[{at: 13h, for: 20m, fault: 503}]").unwrap_or_default();
    items.iter().filter_map(incident).collect()
}

fn incident(value: &Value) -> Option<Incident> {
    let mut fields = value.fields("{at: 13h, for: 20m, fault: 503}")?;
    let at = fields.require("at", "at: 13h").and_then(|value| value.parse(length(Nanos::ZERO, LONGEST)));
    let lasts = fields
        .require("for", "for: 20m")
        .and_then(|value| value.parse(length(Nanos::from_millis(1), LONGEST)));
    let fault = fields.require("fault", "fault: 503").and_then(|value| fault(&value));
    let share = fields.parse("share", units::share);
    fields.done();
    let at = Instant(at?.0);
    Some(Incident { at, until: at + lasts?, fault: fault?, share: share.unwrap_or(defaults::WHOLE) })
}

/// The statuses a provider answers with when it fails or will not serve; 498 is Groq's "flex capacity exceeded",
/// 529 Anthropic's "overloaded".
const STATUSES: [&str; 11] = ["500", "502", "503", "504", "498", "529", "429", "400", "401", "403", "404"];

/// The faults that are named. The first three are answered in the provider's own words, with the status that it has for them.
const WORDS: [&str; 10] = [
    "overload",
    "billing",
    "not_in_tier",
    "timeout",
    "reset",
    "cut_stream",
    "garbage",
    "no_retry_after",
    "slow",
    "retry_after",
];

fn fault(value: &Value) -> Option<Fault> {
    if value.is_map() {
        return fault_with_a_number(value);
    }
    value.parse(|text| {
        if STATUSES.contains(&text)
            && let Ok(status) = text.parse()
        {
            return Ok(Fault::Status(status));
        }
        match text {
            "overload" => Ok(Fault::Overload),
            "billing" => Ok(Fault::Billing),
            "not_in_tier" => Ok(Fault::NotInTier),
            "timeout" => Ok(Fault::Timeout),
            "reset" => Ok(Fault::Reset),
            "cut_stream" => Ok(Fault::CutStream),
            "garbage" => Ok(Fault::Garbage),
            "no_retry_after" => Ok(Fault::NoRetryAfter),
            "slow" => Err(Wrong::new("`slow` needs to know how much", "write `fault: {slow: 4x}`")),
            "retry_after" => {
                Err(Wrong::new("`retry_after` needs a wait", "write `fault: {retry_after: 3600s}`"))
            }
            _ => Err(Wrong::new(
                format!("unknown fault `{text}`"),
                meant(text, STATUSES.into_iter().chain(WORDS)),
            )),
        }
    })
}

fn fault_with_a_number(value: &Value) -> Option<Fault> {
    let mut fields = value.fields("{slow: 4x}")?;
    let slow = fields.parse("slow", |text| match units::multiple(text)? {
        times if (1e-3..=1e6).contains(&times) => Ok(Fault::Slow(times)),
        _ => Err(Wrong::new(format!("`{text}` is out of range"), "write a multiple up to `1000000x`")),
    });
    let wait = fields.parse("retry_after", length(Nanos::ZERO, LONGEST)).map(Fault::RetryAfter);
    let given = fields.given(&["slow", "retry_after"]);
    let value = fields.value.clone();
    if fields.done() && given.len() != 1 {
        value.wrong(
            "a fault is one thing",
            "write `fault: 503`, `fault: {slow: 4x}` or `fault: {retry_after: 3600s}`",
        );
        return None;
    }
    slow.or(wait)
}

//! How the client behaves: deadline, retries, concurrency, pacing, cache, joining.

use super::LONGEST;
use crate::scenario::defaults;
use crate::scenario::resolved::{Backoff, Cache, Client, Jitter, Pace, Retry};
use crate::scenario::value::{Value, length, whole};
use provider::Nanos;
use provider::units::{self, ParseError};

/// The shortest time that means anything to a client.
const TICK: Nanos = Nanos::from_millis(1);

/// Reads `client`; what is wrong is reported and left at its default.
pub(super) fn client(value: &Value) -> Client {
    let mut client = defaults::client();
    let Some(mut fields) = value.fields("{deadline: 30s}") else { return client };
    if let Some(deadline) = fields.parse("deadline", length(TICK, LONGEST)) {
        client.deadline = deadline;
    }
    if let Some(value) = fields.get("retry") {
        retry(&value, &mut client.retry);
    }
    client.concurrency = fields.parse("concurrency", or("none", whole(1, 10_000_000))).flatten();
    if let Some(queue) = fields.parse("queue", whole(0, 100_000_000)) {
        client.queue = queue;
    }
    if let Some(pace) = fields.get("pace").and_then(|value| pace(&value)) {
        client.pace = pace;
    }
    client.cache = fields.get("cache").and_then(|value| cache(&value));
    if let Some(join) = fields.get("join").and_then(|value| value.yes_or_no()) {
        client.join = join;
    }
    fields.done();
    client
}

/// Reads with `read`, or `None` for the word that means so.
fn or<T>(
    word: &'static str,
    read: impl Fn(&str) -> Result<T, ParseError>,
) -> impl Fn(&str) -> Result<Option<T>, ParseError> {
    move |text| if text == word { Ok(None) } else { read(text).map(Some) }
}

fn retry(value: &Value, retry: &mut Retry) {
    let Some(mut fields) = value.fields("{attempts: 3, backoff: {base: 500ms, cap: 8s}}") else { return };
    if let Some(attempts) = fields.parse("attempts", whole(1, 100)) {
        retry.attempts = attempts;
    }
    if let Some(value) = fields.get("backoff") {
        backoff(&value, &mut retry.backoff);
    }
    if let Some(obey) = fields.get("obey_retry_after").and_then(|value| value.yes_or_no()) {
        retry.obey_retry_after = obey;
    }
    retry.budget_permille = fields.parse("budget", or("none", units::permille)).flatten();
    fields.done();
}

fn backoff(value: &Value, backoff: &mut Backoff) {
    let Some(mut fields) = value.fields("{base: 1s, cap: 30s, jitter: full}") else { return };
    if let Some(base) = fields.parse("base", length(TICK, LONGEST)) {
        backoff.base = base;
        backoff.cap = backoff.cap.max(base);
    }
    if let Some(cap) = fields.parse("cap", length(TICK, LONGEST)) {
        if cap < backoff.base {
            let base = units::print_duration(backoff.base);
            value.wrong(format!("the cap is shorter than the base of {base}"), "raise `cap` or lower `base`");
        }
        backoff.cap = cap;
    }
    let jitters = [
        ("none", Jitter::None),
        ("full", Jitter::Full),
        ("equal", Jitter::Equal),
        ("decorrelated", Jitter::Decorrelated),
    ];
    if let Some(jitter) = fields.get("jitter").and_then(|value| value.one_of(&jitters)) {
        backoff.jitter = jitter;
    }
    fields.done();
}

fn pace(value: &Value) -> Option<Pace> {
    if value.is_map() {
        let mut fields = value.fields("{gap: 100ms}")?;
        let gap = fields.require("gap", "gap: 100ms").and_then(|value| value.parse(length(TICK, LONGEST)));
        fields.done();
        return gap.map(Pace::Gap);
    }
    if value.as_text() == Some("gap") {
        value.wrong("`gap` needs a length of time", "write `pace: {gap: 100ms}`");
        return None;
    }
    value.one_of(&[("off", Pace::Off), ("requests", Pace::Requests), ("tokens", Pace::Tokens)])
}

fn cache(value: &Value) -> Option<Cache> {
    if !value.is_map() && value.as_text() == Some("off") {
        return None;
    }
    let mut fields = value.fields("{entries: 10k, ttl: 1h}")?;
    let entries =
        fields.require("entries", "entries: 10k").and_then(|value| value.parse(whole(1, 100_000_000)));
    let ttl = fields.parse("ttl", length(TICK, LONGEST));
    fields.done();
    Some(Cache { entries: entries?, ttl: ttl.unwrap_or(defaults::CACHE_TTL) })
}

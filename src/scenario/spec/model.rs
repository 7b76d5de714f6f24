//! One model of a provider: `limits`, `latency`, `price`, `reserve`, `completion`.

use super::dist::{SECONDS, TOKENS, dist};
use super::reserve::reserve;
use crate::scenario::defaults;
use crate::scenario::value::{Fields, Value, Word, whole};
use provider::config::{
    CachedTokens, Growth, Latency, Law, Lengths, Limit, ModelConfig, Price, Reserve, Service,
};
use provider::units::{self, ParseError};
use provider::{Axis, Zone};

/// What a provider says for all of its models.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inherited {
    /// The law of limits that name none.
    pub(super) law: Law,
    /// How admission estimates.
    pub(super) reserve: Reserve,
    /// What cached tokens count where a model's own reservation does not say.
    pub(super) cached: CachedTokens,
}

/// Reads a model; what is wrong is reported and left at its default. The flag tells whether its latency is assumed.
pub(super) fn model(name: &Word, value: &Value, inherited: Inherited) -> (ModelConfig, bool) {
    let mut config = ModelConfig {
        name: name.text.clone(),
        family: None,
        limits: Vec::new(),
        lengths: Lengths::default(),
        reserve: inherited.reserve,
        latency: defaults::latency(),
        price: Price::default(),
        completion: defaults::completion(),
    };
    let Some(mut fields) = value.fields("{limits: {rpm: 30, tpm: 6k}}") else { return (config, false) };
    config.family = fields.get("family").and_then(|value| value.word()).map(|word| word.text);
    if let Some(limits) = fields.get("limits") {
        config.limits = self::limits(&limits, inherited.law);
    }
    if let Some(reserve) = fields.get("reserve").and_then(|value| reserve(&value, inherited.cached)) {
        config.reserve = reserve;
    }
    config.lengths = lengths(&mut fields);
    let assumed = !fields.has("latency");
    if let Some(latency) = fields.get("latency").and_then(|value| latency(&value)) {
        config.latency = latency;
    }
    if let Some(price) = fields.get("price") {
        config.price = self::price(&price);
    }
    if let Some(completion) = fields.get("completion").and_then(|value| dist(&value, &TOKENS)) {
        config.completion = completion;
    }
    fields.done();
    (config, assumed)
}

/// `context` and `max_output`; `none` takes away what a preset says.
fn lengths(fields: &mut Fields) -> Lengths {
    let tokens = |value: &Value| value.parse(whole(1, LONGEST));
    let mut written = |word| fields.get(word).filter(|value| value.as_text() != Some("none"));
    let context = written("context").and_then(|value| tokens(&value));
    let written = written("max_output");
    let max_output = written.as_ref().and_then(tokens);
    if let (Some(context), Some(output), Some(value)) = (context, max_output, written)
        && output > context
    {
        let what = format!("`max_output` is {output} tokens, but the whole `context` has only {context}");
        value.wrong(what, "write the longest answer that may be asked for: it is a part of the context");
    }
    Lengths { context, max_output }
}

/// Longer than any context on offer.
const LONGEST: u32 = 100_000_000;

/// `law: …`, with the words that go with it; what is not said is as `inherited`.
pub(super) fn law(fields: &mut Fields, inherited: Law) -> Law {
    let known = [
        ("bucket", Law::Bucket),
        ("fixed", Law::Fixed),
        ("sliding_log", Law::SlidingLog),
        ("sliding_counter", Law::SlidingCounter),
        ("calendar", Law::Calendar(Zone::default())),
        ("adaptive", Law::Adaptive(Growth::default())),
    ];
    let law = match (fields.get("law").and_then(|value| value.one_of(&known)), inherited) {
        // What the inherited law says more of goes for the same law named again.
        (Some(Law::Calendar(_)), Law::Calendar(_)) | (Some(Law::Adaptive(_)), Law::Adaptive(_)) => inherited,
        (named, inherited) => named.unwrap_or(inherited),
    };
    let [is_calendar, is_adaptive] = [matches!(law, Law::Calendar(_)), matches!(law, Law::Adaptive(_))];
    let zone = belongs(fields, "zone", "calendar", is_calendar);
    let factor = belongs(fields, "growth", "adaptive", is_adaptive);
    let most = belongs(fields, "most", "adaptive", is_adaptive);
    match law {
        Law::Calendar(inherited) => {
            let zone = zone.and_then(|value| value.one_of(&Zone::ALL.map(|zone| (zone.name(), zone))));
            Law::Calendar(zone.unwrap_or(inherited))
        }
        Law::Adaptive(inherited) => Law::Adaptive(Growth {
            factor_permille: factor
                .and_then(|value| value.parse(growth))
                .unwrap_or(inherited.factor_permille),
            max_permille: most.and_then(|value| value.parse(growth)).unwrap_or(inherited.max_permille),
        }),
        law => law,
    }
}

/// The value of a word that only one law has; a problem where the law `is` another.
fn belongs<'a>(fields: &mut Fields<'a>, word: &'static str, law: &str, is: bool) -> Option<Value<'a>> {
    let value = fields.get(word)?;
    if !is {
        let what = format!("only the law `{law}` has a `{word}`");
        value.wrong(what, format!("leave it out, or use `law: {law}`"));
    }
    Some(value).filter(|_| is)
}

/// A multiple from 1 to 1000, in thousandths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 1 and 1000")]
fn growth(text: &str) -> Result<u32, ParseError> {
    match units::multiple(text)? {
        times if (1.0..=1000.0).contains(&times) => Ok(libm::round(times * 1000.0) as u32),
        _ => {
            Err(ParseError::new(format!("`{text}` is out of range"), "write a multiple from `1x` to `1000x`"))
        }
    }
}

fn limits(value: &Value, law_of_provider: Law) -> Vec<Limit> {
    let Some(mut fields) = value.fields("{rpm: 30, tpm: 6k}") else { return Vec::new() };
    let law = law(&mut fields, law_of_provider);
    let read = Axis::ALL.map(|axis| {
        let value = fields.get(axis.name()).filter(|value| value.as_text() != Some("none"))?;
        limit(&value, axis, law)
    });
    fields.done();
    read.into_iter().flatten().collect()
}

/// A limit beyond this would leave the exact integers of the window laws.
const MOST: u64 = 1_000_000_000_000;

fn limit(value: &Value, axis: Axis, inherited: Law) -> Option<Limit> {
    let per_window = |text: &str| match units::count(text)? {
        0 => Err(ParseError::new(
            format!("a limit of `{text}` lets nothing through"),
            format!("for no limit leave `{axis}` out; for a model that may not be used leave the model out"),
        )),
        _ => whole(1, MOST)(text),
    };
    if !value.is_map() {
        let limit = value.parse(per_window)?;
        let law = if axis == Axis::Concurrency { Law::default() } else { inherited };
        return Some(Limit { law, ..Limit::new(axis, limit) });
    }
    let mut fields = value.fields("{limit: 30, law: fixed}")?;
    let limit = fields.require("limit", "limit: 30").and_then(|value| value.parse(per_window));
    let law = if axis == Axis::Concurrency {
        for value in ["law", "zone", "growth", "most", "burst"].iter().filter_map(|word| fields.get(word)) {
            value.wrong("`concurrency` counts what is in flight: it has no window", "write `concurrency: 8`");
        }
        Law::default()
    } else {
        law(&mut fields, inherited)
    };
    let burst = match axis {
        Axis::Concurrency => None,
        _ => belongs(&mut fields, "burst", "bucket", law == Law::Bucket),
    };
    let burst = burst.and_then(|value| value.parse(per_window));
    fields.done();
    let limit = limit?;
    Some(Limit { axis, limit, law, burst: burst.unwrap_or(limit) })
}

fn latency(value: &Value) -> Option<Latency> {
    let mut fields = value.fields("{first_token: 200ms, output: 300 tok/s}")?;
    let first_token = fields.get("first_token").and_then(|value| dist(&value, &SECONDS));
    let output = fields.parse("output", speed);
    let prefill = fields.parse("prefill", speed);
    let total = fields.get("total").and_then(|value| dist(&value, &SECONDS));
    let network = fields.get("network").and_then(|value| dist(&value, &SECONDS));
    let slots = fields.parse("slots", whole(1, 1_000_000));
    let split = fields.given(&["first_token", "output", "prefill"]);
    if let ([word, ..], true) = (&split[..], fields.has("total")) {
        let help = format!("keep `total`, or `{word}` and its like");
        fields.value.wrong(format!("`total` and `{word}` contradict each other"), help);
    }
    fields.done();
    let service = total.map_or_else(
        || Service::Split {
            first_token: first_token.unwrap_or(defaults::FIRST_TOKEN),
            prefill,
            output: output.unwrap_or(defaults::OUTPUT),
        },
        Service::Total,
    );
    Some(Latency { service, network: network.unwrap_or_else(defaults::network), slots })
}

fn speed(text: &str) -> Result<f64, ParseError> {
    let speed = units::speed(text)?;
    if (1e-3..=1e9).contains(&speed) {
        return Ok(speed);
    }
    Err(ParseError::new(
        format!("`{text}` is out of range"),
        "write a speed up to a billion tokens per second",
    ))
}

fn price(value: &Value) -> Price {
    let dollars = |text: &str| match units::number(text)? {
        price if price <= 1e6 => Ok(price),
        _ => Err(ParseError::new(
            format!("`{text}` is out of range"),
            "write USD per million tokens, up to `1000000`",
        )),
    };
    let Some(mut fields) = value.fields("{input: 0.35, output: 0.75}") else { return Price::default() };
    let input = fields.parse("input", dollars).unwrap_or_default();
    let cached_input = fields.parse("cached_input", dollars).unwrap_or(input);
    let output = fields.parse("output", dollars).unwrap_or_default();
    fields.done();
    Price { input, cached_input, output }
}

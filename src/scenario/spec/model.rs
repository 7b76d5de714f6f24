//! One model of a provider.

use super::dist::dist;
use super::limits::limits;
use super::reserve::reserve;
use crate::scenario::diagnostics::{Diagnostics, Name};
use crate::scenario::language::{Fields, Value};
use provider::config::{
    CachedTokens, Dialect, Latency, Lengths, ModelConfig, Price, RefillPolicy, Reserve, ServiceTimeDist,
};
use provider::dist::Dist;

/// What a provider states for all of its models.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inherited {
    /// The dialect, whose defaults apply where neither the model nor the provider states a value.
    pub(super) dialect: Dialect,
    /// The refill policy of limits that name none; `None` if the provider states none.
    pub(super) refill: Option<RefillPolicy>,
    /// What a call reserves.
    pub(super) reserve: Reserve,
    /// How cached prompt tokens count if a model's own reservation does not state it.
    pub(super) cached: CachedTokens,
}

/// Builds a model; `None` if it is not a map. Invalid words have been reported.
pub(super) fn model(
    name: &Name,
    value: &Value,
    inherited: Inherited,
    diagnostics: &Diagnostics,
) -> Option<ModelConfig> {
    let fields = value.fields()?;
    let reserve = fields.get("reserve").and_then(|value| reserve(value, inherited.cached, diagnostics));
    Some(ModelConfig {
        name: name.text.clone(),
        family: fields.text("family").map(str::to_owned),
        limits: fields
            .fields("limits")
            .map(|given| limits(given, inherited.refill, inherited.dialect, diagnostics))
            .unwrap_or_default(),
        lengths: lengths(fields, diagnostics),
        reserve: reserve.unwrap_or(inherited.reserve),
        latency: latency(fields.fields("latency"), diagnostics),
        price: fields.fields("price").map(price).unwrap_or_default(),
        completion: fields
            .get("completion")
            .and_then(|value| dist(value, diagnostics))
            .unwrap_or(Dist::Constant(0.0)),
    })
}

/// Builds the lengths from `context` and `max_output`.
fn lengths(fields: &Fields, diagnostics: &Diagnostics) -> Lengths {
    let lengths = Lengths { context: fields.count("context"), max_output: fields.count("max_output") };
    if let (Some(context), Some(output), Some(value)) =
        (lengths.context, lengths.max_output, fields.get("max_output"))
        && output > context
    {
        let what = format!("`max_output` ({output} tokens) exceeds `context` ({context} tokens)");
        let help = "lower `max_output`: a completion is part of the context";
        diagnostics.report_at(&value.at, what, help);
    }
    lengths
}

fn latency(fields: Option<&Fields>, diagnostics: &Diagnostics) -> Latency {
    let time =
        |word: &str| fields.and_then(|fields| fields.get(word)).and_then(|value| dist(value, diagnostics));
    let speed = |word: &str| fields.and_then(|fields| fields.number(word));
    if let Some(value) =
        fields.filter(|fields| !fields.is_given("prefill")).and_then(|fields| fields.get("cached_prefill"))
    {
        let what = "`cached_prefill` has no effect without `prefill`";
        diagnostics.report_at(
            &value.at,
            what,
            "add `prefill: 23k tok/s`, the speed of tokens that are not cached",
        );
    }
    let [first_token, round_trip, total] = ["first_token", "network", "total"].map(time);
    let service = total.map_or_else(
        || ServiceTimeDist::Split {
            before_prefill: first_token.unwrap_or(Dist::Constant(0.0)),
            prefill_speed: speed("prefill"),
            cached_prefill_speed: speed("cached_prefill"),
            decode_speed: speed("output").unwrap_or_default(),
        },
        ServiceTimeDist::Total,
    );
    Latency { service, round_trip, slots: fields.and_then(|fields| fields.count("slots")) }
}

fn price(fields: &Fields) -> Price {
    let [input, output] = ["input", "output"].map(|word| fields.number(word).unwrap_or_default());
    Price { input, cached_input: fields.number("cached_input").unwrap_or(input), output }
}

//! The scenario as written, read into shapes: quantities are numbers, words of the language are variants,
//! defaults are filled in, and only names that must be looked up are still names. What is wrong is reported
//! and left out, so that everything else can still be checked.

mod arrivals;
mod client;
mod dist;
mod expect;
mod incident;
mod model;
mod provider;
mod reserve;
mod route;
mod what_if;
mod workload;

use super::defaults;
use super::resolved::{Client, Expectation};
use super::value::{Value, Word, length};
use ::provider::Nanos;
use ::provider::units;
pub(super) use arrivals::{ArrivalsSpec, TraceSpec};
pub(super) use provider::ProviderSpec;
use provider::provider;
pub(super) use route::{RouteSpec, StepSpec};
pub(super) use what_if::WhatIfSpec;
pub(super) use workload::WorkloadSpec;

/// The longest time a scenario may name: a leap year.
const LONGEST: Nanos = Nanos(366 * Nanos::DAY.0);

/// A scenario with names not yet looked up.
#[derive(Debug)]
pub(super) struct Spec {
    /// `name`; `None` where absent.
    pub(super) name: Option<String>,
    /// `about`.
    pub(super) about: String,
    /// `seed`.
    pub(super) seed: u64,
    /// `duration`.
    pub(super) duration: Nanos,
    /// `providers`, in the order written.
    pub(super) providers: Vec<ProviderSpec>,
    /// `routes`, in the order written.
    pub(super) routes: Vec<RouteSpec>,
    /// `client`.
    pub(super) client: Client,
    /// `workload`, in the order written.
    pub(super) workloads: Vec<WorkloadSpec>,
    /// `expect`.
    pub(super) expect: Vec<Expectation>,
    /// `what_if`.
    pub(super) what_if: Vec<WhatIfSpec>,
}

/// Reads a scenario. `None` where it is no map at all; problems are with the findings of `root`.
pub(super) fn read(root: &Value) -> Option<Spec> {
    let mut fields = root.fields("name: my first")?;
    let text = |text: &str| Ok(text.trim().to_owned());
    let spec = Spec {
        name: fields.get("name").and_then(|value| value.word()).map(|word| word.text),
        about: fields.parse("about", text).unwrap_or_default(),
        seed: fields.parse("seed", units::count).unwrap_or(defaults::SEED),
        duration: fields.parse("duration", length(Nanos::SECOND, LONGEST)).unwrap_or(defaults::DURATION),
        providers: fields
            .require("providers", "providers: {groq: {preset: groq-free}}")
            .map(|value| providers(&value))
            .unwrap_or_default(),
        routes: fields
            .require("routes", "routes: {chat: [{of: [groq/default/openai/gpt-oss-120b]}]}")
            .map(|value| route::routes(&value))
            .unwrap_or_default(),
        client: fields.get("client").map_or_else(defaults::client, |value| client::client(&value)),
        workloads: fields
            .require("workload", "workload: [{name: chat, arrivals: {poisson: 250/min}, prompt: 800}]")
            .map(|value| workload::workloads(&value))
            .unwrap_or_default(),
        expect: fields.get("expect").map(|value| expect::expectations(&value)).unwrap_or_default(),
        what_if: fields.get("what_if").map(|value| what_if::wishes(&value)).unwrap_or_default(),
    };
    fields.done();
    Some(spec)
}

/// Reads a preset as a provider of its own.
pub(super) fn preset(name: &str, root: &Value) -> ProviderSpec {
    provider(&Word { text: name.to_owned(), ..root.nameless() }, root)
}

fn providers(value: &Value) -> Vec<ProviderSpec> {
    let entries = value.entries("groq: {preset: groq-free}").unwrap_or_default();
    if entries.is_empty() && value.is_map() {
        value.wrong("there is no provider", "write `groq: {preset: groq-free}`");
    }
    let mut specs = Vec::new();
    for (name, value) in entries {
        if name.text.contains('/') {
            value.blame(
                &name,
                format!("the provider name `{}` contains `/`", name.text),
                "choose a name without: targets are written `provider/account/model`",
            );
        }
        specs.push(provider(&name, &value));
    }
    specs
}

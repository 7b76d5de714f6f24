//! The scenario as written, in typed form: quantities are numbers, words of the language are enum variants, defaults are
//! filled in. Only names that refer to other parts of the scenario are not resolved yet.
//!
//! `language` has checked every word on its own. This module checks what involves several of them ("`cap` is at least
//! `base`"). An invalid value has been reported and is left out, so that everything else is still checked.

mod answers;
mod arrivals;
mod batch;
mod caller;
mod client;
mod dist;
mod evidence;
mod incident;
mod limits;
mod model;
mod offer;
mod provider;
mod reserve;
mod route;
mod sessions;
mod shape;
mod start;
mod what_if;
mod workload;

use super::answer_cache::AnswerCache;
use super::diagnostics::{Diagnostics, Location, Name};
use super::language::{self, Data, RuleSpec, Value};
use super::resolved::{Caller, Client, Start};
use super::yaml::Node;
use ::provider::Nanos;
use ::provider::calendar::LocalClock;
pub(super) use answers::Answer;
pub(super) use arrivals::{ArrivalsSpec, TraceSpec};
pub(super) use client::client;
pub(super) use offer::OfferSpec;
pub(super) use provider::ProviderSpec;
pub(super) use route::{RouteSpec, StepSpec};
pub(super) use sessions::SessionsSpec;
use std::path::Path;
pub(super) use what_if::{TreeChange, WhatIfSpec};
pub(super) use workload::WorkloadSpec;

/// A scenario whose names are not looked up yet.
#[derive(Debug)]
pub(super) struct Spec {
    /// `name`; `None` if absent.
    pub(super) name: Option<String>,
    /// `about`.
    pub(super) about: String,
    /// `seed`.
    pub(super) seed: u64,
    /// `duration`.
    pub(super) duration: Nanos,
    /// The level of `start`.
    pub(super) start: Start,
    /// The date of `start`.
    pub(super) clock: LocalClock,
    /// `providers`, in the order written.
    pub(super) providers: Vec<ProviderSpec>,
    /// `routes`, in the order written.
    pub(super) routes: Vec<RouteSpec>,
    /// `client`, then `clients` in the order written.
    pub(super) clients: Vec<Client>,
    /// Where the budget of each client that has one is written, with the name of the client.
    pub(super) budget_places: Vec<(String, Location)>,
    /// `callers`, in the order written.
    pub(super) callers: Vec<Caller>,
    /// `workload`, in the order written.
    pub(super) workloads: Vec<WorkloadSpec>,
    /// The number of workloads written. It includes those with problems, which may be missing from [`Self::workloads`].
    pub(super) workloads_written: usize,
    /// `expect`.
    pub(super) expect: Vec<(Location, RuleSpec)>,
    /// `what_if`.
    pub(super) what_if: Vec<WhatIfSpec>,
    /// `offers`.
    pub(super) offers: Vec<OfferSpec>,
    /// The names of all offers, those of invalid ones included.
    pub(super) offer_names: Vec<String>,
}

/// Reads a scenario from its tree, in which the words in `optional` may be absent. Paths of recorded exchanges are relative
/// to the folder in `inputs`, and are read once with its cache. Returns `None` if it is not a map; problems are reported to
/// `diagnostics`.
pub(super) fn read(
    root: &Node,
    optional: &[&str],
    inputs: (Option<&Path>, &AnswerCache),
    diagnostics: &Diagnostics,
) -> Option<Spec> {
    let fields = language::check_with_optional(optional, &language::SCENARIO, root, diagnostics)?;
    Some(from_fields(&fields, inputs, diagnostics))
}

fn from_fields(
    fields: &language::Fields,
    inputs: (Option<&Path>, &AnswerCache),
    diagnostics: &Diagnostics,
) -> Spec {
    let rule = |value: &Value| match &value.data {
        Data::Rule(rule) => Some((value.at.clone(), rule.clone())),
        _ => None,
    };
    let (clock, start) = start::start(fields);
    let provider = |(name, value): &(Name, Value)| {
        provider::provider(&name.text, value.fields(), (inputs.0, inputs.1, &clock), diagnostics)
    };
    Spec {
        name: fields.text("name").map(str::to_owned),
        about: fields.text("about").unwrap_or_default().to_owned(),
        seed: fields.count("seed").unwrap_or_default(),
        duration: fields.duration("duration").unwrap_or_default(),
        start,
        clock: clock.clone(),
        providers: fields.named_entries("providers").iter().map(provider).collect(),
        routes: route::routes(fields, diagnostics),
        clients: client::clients(fields, diagnostics),
        budget_places: client::budget_places(fields),
        callers: caller::callers(fields, inputs.0, diagnostics),
        workloads: fields
            .items("workload")
            .iter()
            .filter_map(|value| workload::workload(value, &clock, diagnostics))
            .collect(),
        workloads_written: fields.items("workload").len(),
        expect: fields.items("expect").iter().filter_map(rule).collect(),
        what_if: fields.items("what_if").iter().filter_map(what_if::what_if).collect(),
        offers: fields.items("offers").iter().filter_map(offer::offer).collect(),
        offer_names: fields.items("offers").iter().filter_map(offer::name).collect(),
    }
}

/// Reads a preset as a provider of its own.
pub(super) fn preset(name: &str, root: &Node, diagnostics: &Diagnostics) -> ProviderSpec {
    let fields = language::check(&language::PROVIDER, root, diagnostics);
    let inputs = (None, &AnswerCache::default(), &LocalClock::default());
    provider::provider(name, fields.as_ref(), inputs, diagnostics)
}

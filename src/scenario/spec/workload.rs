//! A class of jobs: where they go, when they come, how large they are.

use super::arrivals::{ArrivalsSpec, arrivals};
use super::dist::{TOKENS, dist};
use crate::scenario::defaults;
use crate::scenario::resolved::{CachedPrompt, Repeats};
use crate::scenario::value::{Value, Word, whole};
use provider::dist::Dist;
use provider::units::{self, ParseError};

/// A workload whose route is still a name.
#[derive(Debug)]
pub(in crate::scenario) struct WorkloadSpec {
    /// Its name.
    pub(in crate::scenario) name: Word,
    /// Its route; `None` where it names none.
    pub(in crate::scenario) route: Option<Word>,
    /// When its jobs come; `None` where that was wrong.
    pub(in crate::scenario) arrivals: Option<ArrivalsSpec>,
    /// The factors by hour.
    pub(in crate::scenario) shape: Option<[f64; 24]>,
    /// Prompt tokens.
    pub(in crate::scenario) prompt: Dist,
    /// What of it is found in the prefix cache.
    pub(in crate::scenario) cached_prompt: CachedPrompt,
    /// Completion tokens.
    pub(in crate::scenario) completion: Dist,
    /// The bound sent with every job.
    pub(in crate::scenario) max_tokens: Option<u32>,
    /// Jobs that ask again.
    pub(in crate::scenario) repeats: Option<Repeats>,
    /// Whether replies are streamed.
    pub(in crate::scenario) stream: bool,
    /// Whether its jobs may be moved in time.
    pub(in crate::scenario) deferrable: bool,
}

const EXAMPLE: &str =
    "- {name: chat, route: chat, arrivals: {poisson: 250/min}, prompt: {p50: 800, p95: 3000}}";

/// Reads `workload`.
pub(super) fn workloads(value: &Value) -> Vec<WorkloadSpec> {
    let Some(items) = value.items(EXAMPLE) else { return Vec::new() };
    if items.is_empty() {
        value.wrong("there is no workload", format!("add `{EXAMPLE}`"));
    }
    items.iter().filter_map(workload).collect()
}

fn workload(value: &Value) -> Option<WorkloadSpec> {
    let mut fields = value.fields(EXAMPLE)?;
    let name = fields.require("name", "name: chat").and_then(|value| value.word());
    let route = fields.get("route").and_then(|value| value.word());
    let come = fields.require("arrivals", "arrivals: {poisson: 250/min}");
    let traced = come.as_ref().is_some_and(|value| value.has("trace"));
    let (arrivals, shape) = come.and_then(|value| arrivals(&value)).unzip();
    let prompt =
        if traced { fields.get("prompt") } else { fields.require("prompt", "prompt: {p50: 800, p95: 3000}") };
    let prompt = prompt.and_then(|value| dist(&value, &TOKENS));
    let cached_prompt = fields.get("cached_prompt").and_then(|value| cached_prompt(&value));
    let completion = fields.get("completion").and_then(|value| dist(&value, &TOKENS));
    let max_tokens = fields.parse("max_tokens", whole(1, 10_000_000));
    let repeats = fields.get("repeats").and_then(|value| repeats(&value));
    let stream = fields.get("stream").and_then(|value| value.yes_or_no());
    let deferrable = fields.get("deferrable").and_then(|value| value.yes_or_no());
    if traced {
        for word in fields.given(&["prompt", "completion", "repeats"]) {
            let help = "leave it out: a trace brings the tokens of its own requests";
            fields.value.wrong(format!("`{word}` means nothing beside a trace"), help);
        }
    }
    fields.done();
    Some(WorkloadSpec {
        name: name.unwrap_or_else(|| value.nameless()),
        route,
        arrivals,
        shape: shape.flatten(),
        prompt: prompt.unwrap_or(Dist::Constant(0.0)),
        cached_prompt: cached_prompt.unwrap_or(CachedPrompt::NOTHING),
        completion: completion.unwrap_or_else(defaults::completion),
        max_tokens,
        repeats,
        stream: stream.unwrap_or(true),
        deferrable: deferrable.unwrap_or(false),
    })
}

/// A share of the prompt (`60%`), or tokens as any distribution.
fn cached_prompt(value: &Value) -> Option<CachedPrompt> {
    match value.as_text() {
        Some(text) if text.contains('%') => value.parse(units::share).map(CachedPrompt::Share),
        _ => dist(value, &TOKENS).map(CachedPrompt::Tokens),
    }
}

fn repeats(value: &Value) -> Option<Repeats> {
    let mut fields = value.fields("{share: 20%, zipf: 1.1, of: 5000}")?;
    let share = fields.require("share", "share: 20%").and_then(|value| value.parse(units::share));
    let zipf = fields.parse("zipf", |text| match units::number(text)? {
        exponent if exponent <= 10.0 => Ok(exponent),
        _ => Err(ParseError::new(format!("`{text}` is out of range"), "write an exponent from 0 to 10")),
    });
    let of = fields.require("of", "of: 5000").and_then(|value| value.parse(whole(1, 1_000_000)));
    fields.done();
    Some(Repeats { share: share?, zipf: zipf.unwrap_or(defaults::ZIPF), of: of? })
}

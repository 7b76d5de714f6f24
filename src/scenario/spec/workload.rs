//! A workload, whose route is still a name.

use super::arrivals::{ArrivalsSpec, arrivals};
use super::caller::priority;
use super::dist::dist;
use super::sessions::{self, SessionsSpec, sessions};
use super::shape::shape;
use crate::job::Priority;
use crate::scenario::diagnostics::{Diagnostics, Location, Name};
use crate::scenario::language::{Data, Fields, Value};
use crate::scenario::resolved::{CachedPrompt, Repeats, Shape};
use provider::calendar::LocalClock;
use provider::dist::Dist;

/// A workload.
#[derive(Debug)]
pub(in crate::scenario) struct WorkloadSpec {
    /// Its name; empty if it was absent or invalid.
    pub(in crate::scenario) name: Name,
    /// Its route; `None` if it names none, or if the name was invalid.
    pub(in crate::scenario) route: Option<Name>,
    /// Its client; `None` if it names none, or if the name was invalid.
    pub(in crate::scenario) client: Option<Name>,
    /// When its jobs arrive; `None` if that was absent or invalid.
    pub(in crate::scenario) arrivals: Option<ArrivalsSpec>,
    /// The sessions whose calls are its jobs, in place of `arrivals`.
    pub(in crate::scenario) sessions: Option<SessionsSpec>,
    /// The factors of the rate over a day or a week; `None` if it has no shape.
    pub(in crate::scenario) shape: Option<Shape>,
    /// Prompt tokens; unused with a trace, which contains its own.
    pub(in crate::scenario) prompt: Dist,
    /// How much of a prompt is found in the provider's prefix cache.
    pub(in crate::scenario) cached_prompt: CachedPrompt,
    /// Completion tokens; unused with a trace, which contains its own.
    pub(in crate::scenario) completion: Dist,
    /// Spearman's rank correlation of prompt and completion lengths.
    pub(in crate::scenario) correlation: f64,
    /// The `max_tokens` of every request; `None` if none is sent.
    pub(in crate::scenario) max_tokens: Option<u32>,
    /// Jobs with popular prompts.
    pub(in crate::scenario) repeats: Option<Repeats>,
    /// Whether replies are streamed.
    pub(in crate::scenario) stream: bool,
    /// Whether the planner may propose to move the jobs to other hours.
    pub(in crate::scenario) deferrable: bool,
    /// The rank of its jobs.
    pub(in crate::scenario) priority: Priority,
}

/// Builds a workload; `None` if it is not a map.
pub(super) fn workload(value: &Value, clock: &LocalClock, diagnostics: &Diagnostics) -> Option<WorkloadSpec> {
    let fields = value.fields()?;
    let in_arrivals = fields.fields("arrivals");
    let is_trace = in_arrivals.is_some_and(|fields| fields.is_given("trace"))
        || fields.fields("sessions").is_some_and(sessions::is_trace);
    if is_trace || !fields.is_given("sessions") {
        check_token_sources(fields, is_trace, diagnostics);
    }
    let tokens = |word: &str| fields.get(word).and_then(|value| dist(value, diagnostics));
    Some(WorkloadSpec {
        name: fields.name("name").unwrap_or_else(|| empty_name(&fields.at)),
        route: fields.name("route"),
        client: fields.name("client"),
        arrivals: match fields.fields("batch") {
            Some(batch) => super::batch::batch(batch).map(ArrivalsSpec::Known),
            None => in_arrivals.and_then(|fields| arrivals(fields, clock, diagnostics)),
        },
        sessions: fields.fields("sessions").map(|fields| sessions(fields, clock, diagnostics)),
        shape: in_arrivals.and_then(|fields| shape(fields, diagnostics)),
        prompt: tokens("prompt").unwrap_or(Dist::Constant(0.0)),
        cached_prompt: fields
            .get("cached_prompt")
            .and_then(|value| cached_prompt(value, diagnostics))
            .unwrap_or(CachedPrompt::NOTHING),
        completion: tokens("completion").unwrap_or(Dist::Constant(0.0)),
        correlation: fields.number("correlation").unwrap_or_default(),
        max_tokens: fields.count("max_tokens"),
        repeats: fields.fields("repeats").and_then(repeats),
        stream: fields.bool("stream").unwrap_or_default(),
        deferrable: fields.bool("deferrable").unwrap_or_default(),
        priority: priority(fields),
    })
}

/// Reports `prompt`, `completion`, `correlation` and `repeats` if they are given together with a trace, which contains the tokens of its
/// requests, and a missing `prompt` if there is no trace.
fn check_token_sources(fields: &Fields, is_trace: bool, diagnostics: &Diagnostics) {
    if !is_trace && !fields.is_given("prompt") {
        let what = format!("`{}` has no `prompt`", fields.at.path);
        diagnostics.report_at(&fields.at, what, "add `prompt: {p50: 800, p95: 3000}`");
    }
    for word in ["prompt", "completion", "correlation", "repeats"]
        .into_iter()
        .filter(|word| is_trace && fields.is_given(word))
    {
        let what = format!("`{word}` does not go with a trace");
        let help = "leave it out: a trace contains the tokens of its requests";
        diagnostics.report_at(&fields.at, what, help);
    }
}

/// Returns an empty name as a placeholder for a missing one.
fn empty_name(at: &Location) -> Name {
    Name { text: String::new(), at: at.clone() }
}

fn cached_prompt(value: &Value, diagnostics: &Diagnostics) -> Option<CachedPrompt> {
    match value.data {
        Data::Number(share) => Some(CachedPrompt::Share(share)),
        _ => dist(value, diagnostics).map(CachedPrompt::Tokens),
    }
}

fn repeats(fields: &Fields) -> Option<Repeats> {
    Some(Repeats {
        share: fields.number("share")?,
        zipf: fields.number("zipf")?,
        prompts: fields.count("of")?,
    })
}

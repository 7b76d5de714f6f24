//! Sessions, and when they begin.

use super::arrivals::{ArrivalsSpec, arrivals};
use super::dist::dist;
use super::shape::shape;
use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::Fields;
use crate::scenario::resolved::{Arrivals, DrawnSessions, Shape};
use provider::Nanos;
use provider::calendar::LocalClock;
use provider::dist::Dist;

/// Sessions, when they begin, and the shape of their rate.
#[derive(Debug)]
pub(in crate::scenario) struct SessionsSpec {
    /// What a session does; `None` if a part of it is invalid, or if a trace contains it.
    pub(in crate::scenario) drawn: Option<DrawnSessions>,
    /// The time after which the user of a task leaves; `None`: never.
    pub(in crate::scenario) deadline: Option<Nanos>,
    /// The share of users who end the session when a task did not succeed, in `0..=1`.
    pub(in crate::scenario) leave: f64,
    /// When sessions begin; `None` if that was absent or invalid.
    pub(in crate::scenario) arrivals: Option<ArrivalsSpec>,
    /// The factors of the rate over a day or a week; `None` if it has no shape.
    pub(in crate::scenario) shape: Option<Shape>,
}

/// The words for what a trace of sessions contains.
const RECORDED: [&str; 7] = ["turns", "think", "calls", "fan_out", "tool_time", "context", "cached"];

/// Returns `true` if a trace contains the sessions.
pub(super) fn is_trace(fields: &Fields) -> bool {
    fields.fields("arrivals").is_some_and(|arrivals| arrivals.is_given("trace"))
}

/// Builds `sessions`.
pub(super) fn sessions(fields: &Fields, clock: &LocalClock, diagnostics: &Diagnostics) -> SessionsSpec {
    let stated = fields.fields("arrivals");
    let is_trace = is_trace(fields);
    for word in RECORDED.into_iter().filter(|word| is_trace && fields.is_given(word)) {
        let what = format!("`{word}` does not go with a trace");
        let help = "leave it out: the trace contains the sessions; only `deadline` and `leave` go with it";
        diagnostics.report_at(&fields.at, what, help);
    }
    if !is_trace && stated.is_some() && !fields.is_given("context") {
        let what = format!("`{}` has no `context`", fields.at.path);
        diagnostics.report_at(&fields.at, what, "add `context: {first: 4k, growth: 1500}`");
    }
    let rate = fields.number("rate").map(|rate| ArrivalsSpec::Known(Arrivals::Poisson(rate)));
    SessionsSpec {
        drawn: if is_trace { None } else { read(fields, diagnostics) },
        deadline: fields.duration("deadline"),
        leave: fields.number("leave").unwrap_or(1.0),
        arrivals: rate.or_else(|| stated.and_then(|stated| arrivals(stated, clock, diagnostics))),
        shape: stated.and_then(|stated| shape(stated, diagnostics)),
    }
}

fn read(fields: &Fields, diagnostics: &Diagnostics) -> Option<DrawnSessions> {
    let of = |fields: &Fields, word: &str| fields.get(word).and_then(|value| dist(value, diagnostics));
    let context = fields.fields("context");
    let [first, growth]: [Option<Dist>; 2] =
        ["first", "growth"].map(|word| context.and_then(|context| of(context, word)));
    let [turns, think, calls, fan_out, tool_time] =
        ["turns", "think", "calls", "fan_out", "tool_time"].map(|word| of(fields, word));
    Some(DrawnSessions {
        turns: turns?,
        think: think?,
        calls: calls?,
        fan_out: fan_out?,
        tool_time: tool_time?,
        first: first?,
        growth: growth?,
        cached: fields.number("cached")?,
    })
}

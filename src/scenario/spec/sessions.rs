//! Sessions, and when they begin.

use super::arrivals::{ArrivalsSpec, arrivals};
use super::dist::dist;
use super::shape::shape;
use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::Fields;
use crate::scenario::resolved::{Arrivals, Sessions, Shape};
use provider::calendar::LocalClock;
use provider::dist::Dist;

/// Sessions, when they begin, and the shape of their rate.
#[derive(Debug)]
pub(in crate::scenario) struct SessionsSpec {
    /// What a session does; `None` if a part of it is invalid.
    pub(in crate::scenario) sessions: Option<Sessions>,
    /// When sessions begin; `None` if that was absent or invalid.
    pub(in crate::scenario) arrivals: Option<ArrivalsSpec>,
    /// The factors of the rate over a day or a week; `None` if it has no shape.
    pub(in crate::scenario) shape: Option<Shape>,
}

/// Builds `sessions`.
pub(super) fn sessions(fields: &Fields, clock: &LocalClock, diagnostics: &Diagnostics) -> SessionsSpec {
    let stated = fields.fields("arrivals");
    if let Some(stated) = stated.filter(|stated| stated.is_given("trace")) {
        let what = "a trace has no sessions: its requests do not depend on each other";
        diagnostics.report_at(&stated.at, what, "write `rate: 300/h`, or another form of `arrivals`");
    }
    let rate = fields.number("rate").map(|rate| ArrivalsSpec::Known(Arrivals::Poisson(rate)));
    SessionsSpec {
        sessions: read(fields, diagnostics),
        arrivals: rate.or_else(|| stated.and_then(|stated| arrivals(stated, clock, diagnostics))),
        shape: stated.and_then(|stated| shape(stated, diagnostics)),
    }
}

fn read(fields: &Fields, diagnostics: &Diagnostics) -> Option<Sessions> {
    let of = |fields: &Fields, word: &str| fields.get(word).and_then(|value| dist(value, diagnostics));
    let context = fields.fields("context");
    let [first, growth]: [Option<Dist>; 2] =
        ["first", "growth"].map(|word| context.and_then(|context| of(context, word)));
    let [turns, think, calls, fan_out, tool_time] =
        ["turns", "think", "calls", "fan_out", "tool_time"].map(|word| of(fields, word));
    Some(Sessions {
        turns: turns?,
        think: think?,
        calls: calls?,
        fan_out: fan_out?,
        tool_time: tool_time?,
        first: first?,
        growth: growth?,
        cached: fields.number("cached")?,
        deadline: fields.duration("deadline"),
        leave: fields.number("leave")?,
    })
}

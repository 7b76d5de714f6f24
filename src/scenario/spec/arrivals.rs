//! When jobs arrive.

use super::dist::dist;
use super::start::instant;
use crate::scenario::diagnostics::{Diagnostics, Name};
use crate::scenario::language::{Fields, Value};
use crate::scenario::resolved::{Arrivals, GapDist};
use crate::scenario::trace::{TraceColumns, TraceUnit};
use provider::calendar::LocalClock;
use provider::units::print_duration;
use provider::{Instant, Nanos};

/// Arrivals whose trace, if they have one, is not read yet.
#[derive(Debug)]
pub(in crate::scenario) enum ArrivalsSpec {
    /// Arrivals without a trace.
    Known(Arrivals),
    /// Arrivals that a trace contains, whose file is to be read.
    Trace(TraceSpec),
}

/// A trace to be read.
#[derive(Debug)]
pub(in crate::scenario) struct TraceSpec {
    /// The file, relative to the scenario.
    pub(in crate::scenario) file: Name,
    /// The share of its requests that is kept, in `0..=1`.
    pub(in crate::scenario) rate: f64,
    /// How many times faster it is replayed.
    pub(in crate::scenario) speed: f64,
    /// Its columns, if they are not those of a known format.
    pub(in crate::scenario) columns: Option<TraceColumns>,
    /// The unit of its times, if it is stated.
    pub(in crate::scenario) unit: Option<TraceUnit>,
}

/// Builds `arrivals`; `None` if they are invalid, which has been reported.
pub(super) fn arrivals(
    fields: &Fields,
    clock: &LocalClock,
    diagnostics: &Diagnostics,
) -> Option<ArrivalsSpec> {
    let ramp = fields.get("ramp").map(|value| ramp(value, diagnostics));
    let steps = fields.get("steps").map(|value| steps(value, fields, diagnostics));
    let think = fields.get("think").map(|value| dist(value, diagnostics));
    if !fields.is_sound() {
        return None;
    }
    let known = match fields
        .first_given(&["constant", "poisson", "gamma", "weibull", "ramp", "steps", "burst", "users"])
    {
        Some("constant") => Arrivals::Constant(fields.number("constant")?),
        Some("poisson") => Arrivals::Poisson(fields.number("poisson")?),
        Some("gamma") => renewal(fields, "gamma", GapDist::Gamma)?,
        Some("weibull") => renewal(fields, "weibull", GapDist::Weibull)?,
        Some("ramp") => ramp??,
        Some("steps") => steps??,
        Some("burst") => burst(fields, clock, diagnostics)?,
        Some("users") => Arrivals::Users { users: fields.count("users")?, think: think?? },
        _ => {
            // An invalid `rate` or `speed` has been reported; the file is still read.
            let [rate, speed] = ["rate", "speed"].map(|word| fields.number(word).unwrap_or(1.0));
            let columns = fields.fields("columns").and_then(columns);
            let unit = fields.choice("unit", &[("s", TraceUnit::Seconds), ("ms", TraceUnit::Milliseconds)]);
            return Some(ArrivalsSpec::Trace(TraceSpec {
                file: fields.name("trace")?,
                rate,
                speed,
                columns,
                unit,
            }));
        }
    };
    Some(ArrivalsSpec::Known(known))
}

fn renewal(fields: &Fields, word: &str, gaps: GapDist) -> Option<Arrivals> {
    Some(Arrivals::Renewal { rate: fields.number(word)?, gaps, cv: fields.number("cv")? })
}

fn columns(fields: &Fields) -> Option<TraceColumns> {
    let name = |word| fields.text(word).map(str::to_owned);
    Some(TraceColumns { time: name("time")?, prompt: name("prompt")?, completion: name("completion")? })
}

fn ramp(value: &Value, diagnostics: &Diagnostics) -> Option<Arrivals> {
    let [from, to] = value.items() else { return None };
    let (from, to) = (from.quantity()?, to.quantity()?);
    if from + to == 0.0 {
        diagnostics.report_at(&value.at, "both rates of the ramp are zero", "raise one of them");
        return None;
    }
    Some(Arrivals::Ramp(from, to))
}

/// Bursts: after each `every`, which is a day if only `at` is given.
fn burst(fields: &Fields, clock: &LocalClock, diagnostics: &Diagnostics) -> Option<Arrivals> {
    if !fields.is_given("every") && !fields.is_given("at") {
        let help = "write `{burst: 100, every: 10m}`, or `{burst: 100, at: 9h}` for a burst each day";
        diagnostics.report_at(&fields.at, "`burst` needs `every` or `at`", help);
        return None;
    }
    Some(Arrivals::Burst {
        jobs: fields.count("burst")?,
        at: match fields.get("at") {
            Some(value) => instant(value, clock, diagnostics)?,
            None => Instant::ZERO,
        },
        every: if fields.is_given("every") { fields.duration("every")? } else { Nanos::DAY },
    })
}

fn steps(value: &Value, fields: &Fields, diagnostics: &Diagnostics) -> Option<Arrivals> {
    let step = |value: &Value| {
        let step = value.fields()?;
        Some((Instant(step.duration("at")?.0), step.number("rate")?))
    };
    let items = value.items();
    let mut steps = items.iter().map(step).collect::<Option<Vec<(Instant, f64)>>>()?;
    let unordered = steps.windows(2).zip(&items[1..]).find(|(pair, _)| pair[1].0 <= pair[0].0);
    if let Some((_, item)) = unordered {
        let what = "this step is not later than the one before it";
        diagnostics.report_at(&item.at, what, "list the steps in the order of `at`");
        return None;
    }
    if steps.iter().all(|(_, rate)| *rate == 0.0) {
        let help = "give at least one of them a rate above zero";
        diagnostics.report_at(&value.at, "the rates of all steps are zero", help);
        return None;
    }
    let last = *steps.last()?;
    let every = fields.duration("every");
    if let Some(every) = every.filter(|every| last.0 >= Instant::ZERO + *every) {
        let what = format!("the last step is not earlier than `every: {}`", print_duration(every));
        let at = &fields.get("every")?.at;
        diagnostics.report_at(at, what, "write a longer time: the steps repeat after it");
        return None;
    }
    if steps[0].0 > Instant::ZERO {
        // Without a repetition, nothing arrives before the first step; with one, the last step of the period before still lasts.
        steps.insert(0, (Instant::ZERO, if every.is_some() { last.1 } else { 0.0 }));
    }
    Some(Arrivals::Steps { steps, every })
}

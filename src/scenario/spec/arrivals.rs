//! When jobs arrive, and the shape: a factor of the rate for each hour of the day.

use super::dist::dist;
use crate::scenario::diagnostics::{Diagnostics, Name};
use crate::scenario::language::{Fields, Value};
use crate::scenario::resolved::Arrivals;
use crate::scenario::trace::{TraceColumns, TraceUnit};
use provider::Instant;
use provider::units::print_number;

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

/// `shape: daily`: the factor of each hour, from midnight. Derived from ServeGen (Alibaba, Apache-2.0, commit f891d11,
/// `data/language/m-large`): the request rate of all clients, averaged by hour of the day over its 14 days and divided by
/// the mean. Office hours and an evening peak: lowest in the hour from 8, highest in that from 19. A single day varies much
/// more than the average of the fourteen; a scenario with a sharper peak states its own 24 factors.
const SHAPE_DAILY: [f64; 24] = [
    0.994, 1.002, 0.986, 0.936, 0.908, 0.883, 0.854, 0.817, 0.788, 0.868, 1.046, 1.106, //
    0.971, 0.981, 1.047, 1.047, 1.109, 1.078, 1.040, 1.143, 1.133, 1.074, 1.103, 1.086,
];

/// Builds `arrivals`; `None` if they are invalid, which has been reported.
pub(super) fn arrivals(fields: &Fields, diagnostics: &Diagnostics) -> Option<ArrivalsSpec> {
    let ramp = fields.get("ramp").map(|value| ramp(value, diagnostics));
    let steps = fields.get("steps").map(|value| steps(value, diagnostics));
    let think = fields.get("think").map(|value| dist(value, diagnostics));
    if !fields.is_sound() {
        return None;
    }
    let known = match fields.first_given(&["constant", "poisson", "ramp", "steps", "burst", "users"]) {
        Some("constant") => Arrivals::Constant(fields.number("constant")?),
        Some("poisson") => Arrivals::Poisson(fields.number("poisson")?),
        Some("ramp") => ramp??,
        Some("steps") => steps??,
        Some("burst") => Arrivals::Burst { jobs: fields.count("burst")?, every: fields.duration("every")? },
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

fn steps(value: &Value, diagnostics: &Diagnostics) -> Option<Arrivals> {
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
    // Nothing arrives before the first step.
    if steps[0].0 > Instant::ZERO {
        steps.insert(0, (Instant::ZERO, 0.0));
    }
    Some(Arrivals::Steps(steps))
}

/// `shape: evening`: the factor of each hour of a single day with an evening peak: the sixth of the 14 days behind
/// [`SHAPE_DAILY`].
const SHAPE_EVENING: [f64; 24] = [
    0.846, 0.832, 0.869, 0.838, 0.802, 0.823, 0.851, 0.820, 0.807, 0.905, 0.960, 0.998, //
    0.969, 0.962, 0.984, 1.014, 0.936, 0.916, 1.056, 1.693, 1.559, 1.523, 1.197, 0.842,
];

/// The largest difference between the mean of 24 factors and one, which allows for rounded factors.
const MEAN_TOLERANCE: f64 = 0.01;

/// Builds `arrivals.shape`: factors whose mean is one, or weights that are divided by their mean.
pub(super) fn shape(fields: &Fields, diagnostics: &Diagnostics) -> Option<[f64; 24]> {
    let value = fields.get("shape")?;
    if let Some(named) = value.choice(&[("daily", SHAPE_DAILY), ("evening", SHAPE_EVENING)]) {
        return Some(named);
    }
    let (list, is_relative) = match value.fields() {
        Some(fields) => (fields.get("weights")?, true),
        None => (value, false),
    };
    let numbers = list.items().iter().map(Value::quantity).collect::<Option<Vec<f64>>>()?;
    let hours = <[f64; 24]>::try_from(numbers).expect("invariant: the table admits 24 factors");
    let mean = hours.iter().sum::<f64>() / 24.0;
    if mean == 0.0 {
        let help = "give at least one hour a factor above zero";
        diagnostics.report_at(&list.at, "all factors of the shape are zero", help);
        return None;
    }
    if !is_relative && (mean - 1.0).abs() > MEAN_TOLERANCE {
        let mean = print_number((mean * 1000.0).round() / 1000.0);
        let what = format!(
            "the mean of these factors is {mean}, so the mean rate of a day would be {mean} times the stated rate"
        );
        let help = "divide them by their mean, or write `shape: {weights: [...]}`, which does it: percentages and counts are weights";
        diagnostics.report_at(&list.at, what, help);
        return None;
    }
    Some(if is_relative { hours.map(|weight| weight / mean) } else { hours })
}

//! When jobs come: one way of arriving, and a shape that multiplies its rate by the hour.

use super::LONGEST;
use super::dist::{SECONDS, dist};
use crate::scenario::defaults;
use crate::scenario::resolved::Arrivals;
use crate::scenario::value::{Value, Word, length, whole};
use provider::units::{self, ParseError};
use provider::{Instant, Nanos};

/// Arrivals; a trace is not yet read.
#[derive(Debug)]
pub(in crate::scenario) enum ArrivalsSpec {
    /// Everything is known.
    Known(Arrivals),
    /// A file is to be read.
    Trace(TraceSpec),
}

/// A trace to be read.
#[derive(Debug)]
pub(in crate::scenario) struct TraceSpec {
    /// The file, beside the scenario.
    pub(in crate::scenario) file: Word,
    /// The share of its requests that is kept.
    pub(in crate::scenario) rate: f64,
    /// How many times faster it is played.
    pub(in crate::scenario) speed: f64,
}

/// The ways of arriving, of which one is given.
const WAYS: [&str; 7] = ["constant", "poisson", "ramp", "steps", "burst", "users", "trace"];
const EXAMPLE: &str = "{poisson: 250/min}";

/// Reads `arrivals`: how jobs come, and the factors by hour.
pub(super) fn arrivals(value: &Value) -> Option<(ArrivalsSpec, Option<[f64; 24]>)> {
    let mut fields = value.fields(EXAMPLE)?;
    let constant = fields.parse("constant", above_zero);
    let poisson = fields.parse("poisson", above_zero);
    let [ramp, steps, trace] = ["ramp", "steps", "trace"].map(|word| fields.get(word));
    let burst = fields.parse("burst", whole(1, 10_000_000));
    let every = fields.parse("every", length(Nanos::from_millis(1), LONGEST));
    let users = fields.parse("users", whole(1, 1_000_000));
    let think = fields.get("think").and_then(|value| dist(&value, &SECONDS));
    let [rate, speed] = [fields.parse("rate", kept), fields.parse("speed", faster)];
    fields.refuse(&["gamma", "cv", "weibull"], "use `constant`, `poisson`, `ramp`, `steps` or `burst`");
    fields.refuse(&["columns"], "name the columns as one of the known traces does, such as Azure's CSV");
    let shape = fields.get("shape");
    let refused = fields.has("gamma") || fields.has("weibull");
    let given = fields.given(&WAYS);
    belongs(&fields.value, &fields.given(&["every", "think", "rate", "speed", "shape"]), &given);
    if fields.has("burst") && !fields.has("every") {
        value.wrong("`burst` needs to know how often", "write `{burst: 100, every: 1m}`");
    }
    if fields.has("users") && !fields.has("think") {
        value.wrong("`users` needs the time they think", "write `{users: 20, think: 10s}`");
    }
    let clean = fields.done();
    let shape = shape.and_then(|value| self::shape(&value));
    let known = match given[..] {
        ["constant"] => Arrivals::Constant(constant?),
        ["poisson"] => Arrivals::Poisson(poisson?),
        ["ramp"] => self::ramp(&ramp?)?,
        ["steps"] => self::steps(&steps?)?,
        ["burst"] => Arrivals::Burst { jobs: burst?, every: every? },
        ["users"] => Arrivals::Users { users: users?, think: think? },
        [] if refused || !clean => return None,
        [] => {
            value.wrong(
                "this does not say how jobs come",
                format!("write one of {}, such as `{EXAMPLE}`", ways()),
            );
            return None;
        }
        [first, second, ..] => {
            let what = format!("`{first}` and `{second}` are two ways of arriving");
            value.wrong(what, "keep one; for both, write two workloads");
            return None;
        }
        // A trace: the one way that is left.
        [_] => {
            let (rate, speed) = (rate.unwrap_or(defaults::WHOLE), speed.unwrap_or(1.0));
            return Some((ArrivalsSpec::Trace(TraceSpec { file: trace?.word()?, rate, speed }), None));
        }
    };
    Some((ArrivalsSpec::Known(known), shape))
}

fn ways() -> String {
    WAYS.map(|way| format!("`{way}`")).join(", ")
}

/// Words that mean nothing beside the way of arriving that is given.
fn belongs(value: &Value, words: &[&str], given: &[&str]) {
    let [way] = given else { return };
    for word in words {
        let of: &[&str] = match *word {
            "every" => &["burst"],
            "think" => &["users"],
            "shape" => &["constant", "poisson", "ramp", "steps"],
            _ => &["trace"],
        };
        if !of.contains(way) {
            let of: Vec<String> = of.iter().map(|way| format!("`{way}`")).collect();
            let help = format!("leave it out: it belongs to {}", of.join(", "));
            value.wrong(format!("`{word}` means nothing beside `{way}`"), help);
        }
    }
}

/// A rate beyond a million a second is a typing accident, and would be a day of memory.
const MOST: f64 = 1e6;

fn rate(text: &str) -> Result<f64, ParseError> {
    let rate = units::rate(text)?;
    if rate <= MOST {
        return Ok(rate);
    }
    Err(ParseError::new(format!("`{text}` is out of range"), "write a rate of at most `1M/s`"))
}

fn above_zero(text: &str) -> Result<f64, ParseError> {
    let rate = rate(text)?;
    if rate > 0.0 {
        return Ok(rate);
    }
    Err(ParseError::new(
        format!("a rate of `{text}` brings no jobs"),
        "write a rate above zero, or remove the workload",
    ))
}

fn kept(text: &str) -> Result<f64, ParseError> {
    let share = units::share(text)?;
    if share > 0.0 {
        return Ok(share);
    }
    Err(ParseError::new(
        format!("a share of `{text}` keeps nothing of the trace"),
        "write the share to keep, such as `10%`",
    ))
}

fn faster(text: &str) -> Result<f64, ParseError> {
    let speed = units::number(text.strip_suffix('x').unwrap_or(text))?;
    if (1e-3..=1e6).contains(&speed) {
        return Ok(speed);
    }
    Err(ParseError::new(
        format!("`{text}` is out of range"),
        "write how many times faster, such as `1` or `2.5`",
    ))
}

fn ramp(value: &Value) -> Option<Arrivals> {
    let items = value.items("[10/min, 100/min]")?;
    let rates: Vec<Option<f64>> = items.iter().map(|item| item.parse(rate)).collect();
    match rates[..] {
        [Some(from), Some(to)] if from + to > 0.0 => Some(Arrivals::Ramp(from, to)),
        [Some(_), Some(_)] => {
            value.wrong("a ramp from nothing to nothing brings no jobs", "raise one of the rates");
            None
        }
        [_, _] => None,
        _ => {
            value.wrong(
                format!("a ramp has two rates, not {}", rates.len()),
                "write `ramp: [10/min, 100/min]`",
            );
            None
        }
    }
}

fn steps(value: &Value) -> Option<Arrivals> {
    let items = value.items("[{at: 0s, rate: 10/min}, {at: 10m, rate: 50/min}]")?;
    let read: Vec<Option<(Instant, f64)>> = items.iter().map(step).collect();
    let mut steps = read.into_iter().collect::<Option<Vec<_>>>()?;
    for (pair, item) in steps.windows(2).zip(items.iter().skip(1)) {
        if pair[1].0 <= pair[0].0 {
            item.wrong(
                "this step is not later than the one before it",
                "list the steps in the order of `at`",
            );
            return None;
        }
    }
    if !steps.iter().any(|(_, rate)| *rate > 0.0) {
        value.wrong("these steps bring no jobs", "give at least one of them a rate above zero");
        return None;
    }
    // Before the first step nothing comes.
    if steps[0].0 > Instant::ZERO {
        steps.insert(0, (Instant::ZERO, 0.0));
    }
    Some(Arrivals::Steps(steps))
}

fn step(value: &Value) -> Option<(Instant, f64)> {
    let mut fields = value.fields("{at: 10m, rate: 50/min}")?;
    let at = fields.require("at", "at: 10m").and_then(|value| value.parse(length(Nanos::ZERO, LONGEST)));
    let rate = fields.require("rate", "rate: 50/min").and_then(|value| value.parse(rate));
    fields.done();
    Some((Instant(at?.0), rate?))
}

fn shape(value: &Value) -> Option<[f64; 24]> {
    if value.as_text().is_some() {
        return value.one_of(&[("daily", defaults::DAILY)]);
    }
    let items = value.items("daily` or `[0.2, 0.1, …]")?;
    let factor = |text: &str| match units::number(text)? {
        factor if factor <= 1e3 => Ok(factor),
        _ => Err(ParseError::new(format!("`{text}` is out of range"), "write a factor from 0 to 1000")),
    };
    let factors: Vec<Option<f64>> = items.iter().map(|item| item.parse(factor)).collect();
    let count = factors.len();
    let factors = factors.into_iter().collect::<Option<Vec<f64>>>()?;
    let Ok(hours) = <[f64; 24]>::try_from(factors) else {
        value.wrong(format!("a shape has 24 factors, not {count}"), "give one for each hour from midnight");
        return None;
    };
    if hours.iter().all(|factor| *factor == 0.0) {
        value.wrong("this shape brings no jobs", "give at least one hour a factor above zero");
        return None;
    }
    Some(hours)
}

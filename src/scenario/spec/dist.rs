//! Distributions: a bare value, `{p50, p95}`, `{mean}`, `{min, max}` or `{values, weights}`.

use crate::scenario::value::{Value, length, whole};
use provider::Nanos;
use provider::dist::Dist;
use provider::units::{self, ParseError};

/// What a distribution is over: how one value is read, and an example.
pub(super) struct Unit {
    read: fn(&str) -> Result<f64, ParseError>,
    example: &'static str,
}

/// Tokens, up to ten million a call.
pub(super) const TOKENS: Unit =
    Unit { read: |text| whole(0u32, 10_000_000)(text).map(f64::from), example: "{p50: 800, p95: 3000}" };

/// Seconds, up to a day.
pub(super) const SECONDS: Unit = Unit {
    read: |text| length(Nanos::ZERO, Nanos::DAY)(text).map(Nanos::as_secs_f64),
    example: "{p50: 180ms, p99: 900ms}",
};

/// The quantiles a lognormal can be given by, beside its median.
const TAILS: [(&str, f64); 3] = [("p90", 0.90), ("p95", 0.95), ("p99", 0.99)];

/// Reads a distribution.
pub(super) fn dist(value: &Value, unit: &Unit) -> Option<Dist> {
    if value.as_text().is_some() {
        return value.parse(unit.read).map(Dist::Constant);
    }
    let mut fields = value.fields(unit.example)?;
    let words = ["p50", "p90", "p95", "p99", "mean", "min", "max"];
    let read = words.map(|word| fields.parse(word, unit.read));
    let at = |word: &str| words.iter().position(|known| *known == word).and_then(|index| read[index]);
    let [values, weights] = ["values", "weights"].map(|word| fields.get(word));
    let given = fields.given(&["p50", "p90", "p95", "p99", "mean", "min", "max", "values", "weights"]);
    if !fields.done() {
        return None;
    }
    match given[..] {
        ["p50", tail] if TAILS.iter().any(|(word, _)| *word == tail) => {
            log_normal(value, at("p50")?, tail, at(tail)?)
        }
        ["mean"] => positive(value, "mean", at("mean")?).map(Dist::Exponential),
        ["min", "max"] => uniform(value, at("min")?, at("max")?),
        ["values"] => discrete(&values?, None, unit),
        ["values", "weights"] => discrete(&values?, Some(&weights?), unit),
        _ => {
            let help = format!(
                "write a bare value, `{}`, `{{mean: …}}`, `{{min: …, max: …}}` or `{{values: […], weights: […]}}`",
                unit.example
            );
            value.wrong("this is not one distribution", help);
            None
        }
    }
}

fn log_normal(value: &Value, p50: f64, tail: &str, quantile: f64) -> Option<Dist> {
    let p50 = positive(value, "p50", p50)?;
    if quantile < p50 {
        value.wrong(format!("`{tail}` is smaller than `p50`"), "quantiles rise: swap the two");
        return None;
    }
    let (_, share) = TAILS.iter().find(|(word, _)| *word == tail)?;
    Some(Dist::log_normal(p50, *share, quantile))
}

fn uniform(value: &Value, min: f64, max: f64) -> Option<Dist> {
    if max < min {
        value.wrong("`max` is smaller than `min`", "swap the two");
        return None;
    }
    Some(Dist::Uniform { min, max })
}

fn positive(value: &Value, word: &str, number: f64) -> Option<f64> {
    if number <= 0.0 {
        value.wrong(
            format!("`{word}` must be more than zero"),
            "for a value that is always zero, write it bare",
        );
        return None;
    }
    Some(number)
}

fn discrete(values: &Value, weights: Option<&Value>, unit: &Unit) -> Option<Dist> {
    let list = |list: &Value, read: &dyn Fn(&str) -> Result<f64, ParseError>| {
        let items = list.items("[1, 2, 3]")?;
        // Every item is read, so that every wrong one is told.
        let read: Vec<Option<f64>> = items.iter().map(|item| item.parse(read)).collect();
        read.into_iter().collect::<Option<Vec<f64>>>()
    };
    let read = list(values, &unit.read);
    let weighed = weights.map(|weights| list(weights, &units::number));
    let (read, weighed) = (read?, weighed.map_or(Some(Vec::new()), |weights| weights)?);
    if read.is_empty() {
        values.wrong("the list is empty", "give at least one value");
        return None;
    }
    if let Some(place) = weights {
        if weighed.len() != read.len() {
            place.wrong(
                format!("{} weights for {} values", weighed.len(), read.len()),
                "give one weight for each value",
            );
            return None;
        }
        if !(weighed.iter().sum::<f64>() > 0.0 && weighed.iter().sum::<f64>() <= MOST_WEIGHT) {
            place.wrong(
                "the weights add up to nothing, or to more than a billion",
                "give shares such as `[3, 1]`",
            );
            return None;
        }
    }
    Some(Dist::discrete(&read, &weighed))
}

/// Weights are shares of each other; beyond this they are a typing accident.
const MOST_WEIGHT: f64 = 1e9;

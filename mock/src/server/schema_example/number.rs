//! Numbers within the bounds of a schema.

use serde_json::{Number, Value};

/// Returns a number within the bounds of a schema if it finds one; the number for a large `variant` may exceed them.
pub(super) fn number(schema: &Value, variant: usize, is_whole: bool) -> Value {
    let step = schema["multipleOf"].as_f64().filter(|step| *step > 0.0);
    let step = match step {
        Some(step) if is_whole => {
            let multiples = (1..=1000).map(|times| step * f64::from(times));
            multiples.into_iter().find(|multiple| multiple.fract() == 0.0).or(Some(1.0))
        }
        None if is_whole => Some(1.0),
        step => step,
    };
    let bound = |word: &str| schema[word].as_f64();
    // Draft 4 has booleans that make the bound exclusive.
    let excludes =
        |word: &str, of: &str| (schema[word] == true).then(|| bound(of)).flatten().or_else(|| bound(word));
    let above = excludes("exclusiveMinimum", "minimum");
    let below = excludes("exclusiveMaximum", "maximum");
    let least = [bound("minimum"), above].into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
    let most = [bound("maximum"), below].into_iter().flatten().fold(f64::INFINITY, f64::min);
    let fits = |value: f64| {
        value >= least
            && value <= most
            && above.is_none_or(|above| value > above)
            && below.is_none_or(|below| value < below)
    };
    let start = if least > 0.0 {
        least
    } else if most < 0.0 {
        most
    } else {
        0.0
    };
    let value = match step {
        Some(step) => {
            let first = if most < 0.0 { (start / step).floor() } else { (start / step).ceil() };
            let direction = if most < 0.0 { -1.0 } else { 1.0 };
            (0..3)
                .map(|more| (first + direction * f64::from(more)) * step)
                .find(|value| fits(*value))
                .unwrap_or(start)
                + direction * step * variant as f64
        }
        None => {
            let candidates = [start, start + 1.0, start - 1.0, f64::midpoint(least, most)];
            let value = candidates.into_iter().find(|value| fits(*value)).unwrap_or(start);
            let next = value + variant as f64;
            if fits(next) {
                next
            } else {
                value + (most.min(value + 1.0) - value) * (variant as f64 / (variant as f64 + 1.0))
            }
        }
    };
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return (value as i64).into();
    }
    Number::from_f64(value).map_or(0.into(), Value::Number)
}

//! Distributions, of tokens or of seconds.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Fields, Value};
use provider::dist::Dist;

/// The quantiles of which one, together with the median, determines a log-normal distribution.
const TAILS: [(&str, f64); 3] = [("p90", 0.90), ("p95", 0.95), ("p99", 0.99)];

/// Builds a distribution: tokens from counts, seconds from durations. Returns `None` if it is invalid, which has been
/// reported.
pub(super) fn dist(value: &Value, diagnostics: &Diagnostics) -> Option<Dist> {
    let Some(fields) = value.fields() else { return value.quantity().map(Dist::Constant) };
    if !fields.is_sound() {
        return None;
    }
    let quantity = |word| fields.get(word).and_then(Value::quantity);
    match fields.first_given(&["p50", "mean", "min", "values"])? {
        "p50" => {
            let (tail, share) = *TAILS.iter().find(|(tail, _)| fields.is_given(tail))?;
            let (median, quantile) = (quantity("p50")?, quantity(tail)?);
            let what = || format!("`{tail}` is smaller than `p50`");
            require_ordered(fields, median, quantile, diagnostics, what)?;
            Some(Dist::log_normal(median, share, quantile))
        }
        "mean" => quantity("mean").map(Dist::Exponential),
        "min" => {
            let (min, max) = (quantity("min")?, quantity("max")?);
            require_ordered(fields, min, max, diagnostics, || "`max` is smaller than `min`".into())?;
            Some(Dist::Uniform { min, max })
        }
        _ => discrete(fields, diagnostics),
    }
}

/// Reports `what` and returns `None` if `high` is below `low`.
fn require_ordered(
    fields: &Fields,
    low: f64,
    high: f64,
    diagnostics: &Diagnostics,
    what: impl Fn() -> String,
) -> Option<()> {
    if high < low {
        diagnostics.report_at(&fields.at, what(), "swap the two");
    }
    (low <= high).then_some(())
}

fn discrete(fields: &Fields, diagnostics: &Diagnostics) -> Option<Dist> {
    let list = |word| fields.items(word).iter().map(Value::quantity).collect::<Option<Vec<f64>>>();
    let (values, weights) = (list("values")?, list("weights")?);
    if values.is_empty() || (fields.is_given("weights") && weights.is_empty()) {
        return None;
    }
    if let Some(given) = fields.get("weights") {
        if weights.len() != values.len() {
            let what = format!("{} weights for {} values", weights.len(), values.len());
            diagnostics.report_at(&given.at, what, "give one weight for each value");
            return None;
        }
        let sum = weights.iter().sum::<f64>();
        if !(sum > 0.0 && sum <= MAX_WEIGHT_SUM) {
            let what = "the sum of the weights is zero or more than a billion";
            diagnostics.report_at(&given.at, what, "give shares such as `[3, 1]`");
            return None;
        }
    }
    Some(Dist::discrete(&values, &weights))
}

/// The largest sum of weights. They are relative to each other, so a larger sum is likely a typing error.
const MAX_WEIGHT_SUM: f64 = 1e9;

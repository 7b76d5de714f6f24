//! Rules that the result must keep: `p95 latency <= 8s`.

use crate::scenario::resolved::{Expectation, Metric, Op};
use crate::scenario::value::{Value, meant, shortened};
use provider::Nanos;
use provider::units::{self, ParseError};

/// Reads `expect`.
pub(super) fn expectations(value: &Value) -> Vec<Expectation> {
    let items = value.items("[\"success >= 99%\", \"p95 latency <= 8s\"]").unwrap_or_default();
    items.iter().filter_map(|item| item.parse(rule)).collect()
}

const OPS: [(&str, Op); 5] =
    [(">=", Op::AtLeast), ("<=", Op::AtMost), (">", Op::Above), ("<", Op::Below), ("==", Op::Equal)];

/// Reads one rule: what is measured, how it is compared, and with what.
pub(super) fn rule(text: &str) -> Result<Expectation, ParseError> {
    let sign = |c: char| matches!(c, '<' | '>' | '=' | '!' | '≤' | '≥');
    let Some(start) = text.find(sign) else {
        let help = "write a rule such as `success >= 99%` or `p95 latency <= 8s`";
        return Err(ParseError::new(format!("`{}` compares nothing", shortened(text)), help));
    };
    let (left, rest) = text.split_at(start);
    let (op, value) = rest.split_at(rest.find(|c| !sign(c)).unwrap_or(rest.len()));
    let metric = metric(left)?;
    let op = self::op(op)?;
    let value = self::value(metric, value.trim())?;
    Ok(Expectation { rule: text.trim().to_owned(), metric, op, value })
}

fn metric(text: &str) -> Result<Metric, ParseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let phrase = words.join(" ");
    if let Some(metric) = Metric::from_name(&phrase) {
        return Ok(metric);
    }
    let known: Vec<String> = Metric::all().map(|metric| metric.to_string()).collect();
    let what = match &*phrase {
        "" => "the rule does not say what is measured".into(),
        phrase => format!("nothing is measured under the name `{}`", shortened(phrase)),
    };
    Err(ParseError::new(what, meant(&phrase, known.iter().map(String::as_str))))
}

fn op(text: &str) -> Result<Op, ParseError> {
    if let Some((_, op)) = OPS.iter().find(|(sign, _)| *sign == text) {
        return Ok(*op);
    }
    let help = match text {
        "=" => "write `==`",
        "=>" | "≥" => "write `>=`",
        "=<" | "≤" => "write `<=`",
        _ => "use `>=`, `<=`, `>`, `<` or `==`",
    };
    Err(ParseError::new(format!("`{}` is no comparison", shortened(text)), help))
}

/// The number that a metric is compared with, in the unit of results.
fn value(metric: Metric, text: &str) -> Result<f64, ParseError> {
    match metric {
        Metric::Success | Metric::FallbackShare | Metric::LimitedShare => units::share(text),
        Metric::Goodput => units::rate(text),
        Metric::Percentile(..) => units::duration(text).map(Nanos::as_secs_f64),
        Metric::Cost => units::dollars(text),
        Metric::AttemptsPerJob => units::number(text),
        Metric::Headroom => units::number(text.strip_suffix('x').unwrap_or(text)),
    }
}

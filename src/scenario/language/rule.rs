//! Rules of `expect`, such as `p95 latency <= 8s`: a metric, a comparison and a value in the unit of the metric.

use super::kind::quoted;
use crate::problem::did_you_mean;
use crate::scenario::resolved::{Metric, Op, Time};
use provider::Nanos;
use provider::units::{self, ParseError};

/// Metrics other than percentiles, with their meaning and an example of a rule.
pub(super) const METRICS: [(Metric, &str, &str); 10] = [
    (Metric::Success, "jobs that succeeded, as a share of those that ended", "success >= 99.5%"),
    (
        Metric::TaskSuccess,
        "tasks of `sessions` that succeeded, as a share of those that ended; judged for each such workload",
        "task success >= 95%",
    ),
    (Metric::Goodput, "jobs that succeeded, as a rate", "goodput >= 10/min"),
    (
        Metric::FallbackShare,
        "jobs that a later step than the first served, as a share of those that an attempt of their own served",
        "fallback share <= 25%",
    ),
    (
        Metric::CutShare,
        "succeeded jobs whose answer ends at `max_tokens`, at `max_output` or at the end of the `context`, as a share",
        "cut share <= 1%",
    ),
    (Metric::LimitedShare, "attempts that a limit refused, as a share", "limited share <= 5%"),
    (Metric::AttemptsPerJob, "attempts divided by jobs", "attempts per job <= 1.5"),
    (Metric::Cost, "USD in all", "cost <= 150 USD"),
    (
        Metric::Headroom,
        "the factor by which the load may grow, in its shape over time, until the limits admit no more, by arithmetic; at the peak if that bounds it; not judged between that bound and what a chain of targets leaves of it by its order",
        "headroom >= 1.2",
    ),
    (
        Metric::FinishedBy,
        "when the last job of a `batch` has ended; written without a comparison. The time counts from the start of the run; if it is not after the batch begins, on the next day on which it is",
        "nightly: finished by 6h",
    ),
];

/// Times whose percentiles are metrics, with their meaning and an example of a rule.
pub(super) const TIMES: [(Time, &str, &str); 4] = [
    (Time::Latency, "from the arrival to the end of the reply", "p95 latency <= 8s"),
    (Time::FirstToken, "from the arrival to the first token", "p90 first_token <= 500ms"),
    (Time::Queue, "waiting until fewer than `client.concurrency` attempts are in flight", "p99 queue <= 1s"),
    (
        Time::Task,
        "of tasks of `sessions`: from the first call to the end of the last reply",
        "p95 task latency <= 60s",
    ),
];

/// The comparison operators as written, each with its meaning.
pub(super) const COMPARISONS: [(&str, Op); 5] =
    [(">=", Op::AtLeast), ("<=", Op::AtMost), (">", Op::Above), ("<", Op::Below), ("==", Op::Equal)];

/// A rule as written; the workload that it names is looked up later.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::scenario) struct RuleSpec {
    /// The whole text of the rule.
    pub(in crate::scenario) text: String,
    /// The name of the workload before the colon.
    pub(in crate::scenario) workload: Option<String>,
    /// What is measured.
    pub(in crate::scenario) metric: Metric,
    /// How it is compared with `value`.
    pub(in crate::scenario) op: Op,
    /// In the unit of [`crate::scenario::Rule::value`].
    pub(in crate::scenario) value: f64,
    /// The length of its windows, after `in every`; `None` for the run as a whole.
    pub(in crate::scenario) window: Option<Nanos>,
}

/// The words between a value and the length of a window.
const EVERY: [&str; 2] = [" in every ", " every "];

/// The shortest window of a rule.
const MIN_WINDOW: Nanos = Nanos::SECOND;

/// Reads a rule.
pub(super) fn read(text: &str) -> Result<RuleSpec, ParseError> {
    if let Some(rule) = finished_by(text) {
        return rule;
    }
    let sign = |c: char| matches!(c, '<' | '>' | '=' | '!' | '≤' | '≥');
    let Some(start) = text.find(sign) else {
        let help = "write a rule such as `success >= 99%` or `p95 latency <= 8s`";
        return Err(ParseError::new(format!("`{}` has no comparison", quoted(text)), help));
    };
    let (left, rest) = text.split_at(start);
    let (workload, left) = match left.rsplit_once(':') {
        Some((name, left)) => (Some(name.trim().to_owned()), left),
        None => (None, left),
    };
    let (rest, every) = match EVERY.iter().find_map(|every| rest.split_once(every)) {
        Some((rest, length)) => (rest, Some(length)),
        None => (rest, None),
    };
    let (op, value) = rest.split_at(rest.find(|c| !sign(c)).unwrap_or(rest.len()));
    let metric = metric(left)?;
    let op = self::op(op)?;
    let value = self::value(metric, value.trim())?;
    let window = every.map(|length| self::window(metric, length)).transpose()?;
    if workload.is_some() && !metric.is_measured_per_job() {
        let what = format!("`{metric}` is measured for the run as a whole, not for a workload");
        return Err(ParseError::new(what, "leave out the name before the colon"));
    }
    Ok(RuleSpec { text: text.trim().to_owned(), workload, metric, op, value, window })
}

/// Reads a rule on the end of a batch; `None` for any other rule.
fn finished_by(text: &str) -> Option<Result<RuleSpec, ParseError>> {
    let (workload, rest) = match text.rsplit_once(':') {
        Some((name, rest)) => (Some(name.trim().to_owned()), rest),
        None => (None, text),
    };
    let mut words = rest.split_whitespace();
    if (words.next(), words.next()) != (Some("finished"), Some("by")) {
        return None;
    }
    let value: Vec<&str> = words.collect();
    Some(units::parse_duration(&value.join(" ")).map(|by| RuleSpec {
        text: text.trim().to_owned(),
        workload,
        metric: Metric::FinishedBy,
        op: Op::AtMost,
        value: by.as_secs_f64(),
        window: None,
    }))
}

/// Reads the length of a window: a duration, or `minute`, `hour` or `day`.
fn window(metric: Metric, text: &str) -> Result<Nanos, ParseError> {
    if !metric.is_measured_per_job() {
        let what = format!("`{metric}` is measured for the run as a whole, not in windows");
        return Err(ParseError::new(what, "leave out `every` and what follows it"));
    }
    let length = match text.trim() {
        "minute" => Nanos::MINUTE,
        "hour" => Nanos::HOUR,
        "day" => Nanos::DAY,
        length => units::parse_duration(length)?,
    };
    if length < MIN_WINDOW {
        return Err(ParseError::new(
            "a window shorter than a second",
            "write `in every 5m` or `in every hour`",
        ));
    }
    Ok(length)
}

fn metric(text: &str) -> Result<Metric, ParseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let phrase = words.join(" ");
    if let Some(metric) = Metric::from_name(&phrase) {
        return Ok(metric);
    }
    let known: Vec<String> = Metric::all().map(|metric| metric.to_string()).collect();
    let what = match &*phrase {
        "" => "the rule has no metric".into(),
        phrase => format!("unknown metric `{}`", quoted(phrase)),
    };
    Err(ParseError::new(what, did_you_mean(&phrase, known.iter().map(String::as_str))))
}

fn op(text: &str) -> Result<Op, ParseError> {
    if let Some((_, op)) = COMPARISONS.iter().find(|(sign, _)| *sign == text) {
        return Ok(*op);
    }
    let help = match text {
        "=" => "write `==`",
        "=>" | "≥" => "write `>=`",
        "=<" | "≤" => "write `<=`",
        _ => "use `>=`, `<=`, `>`, `<` or `==`",
    };
    Err(ParseError::new(format!("unknown comparison `{}`", quoted(text)), help))
}

/// Reads the number that a metric is compared with, in the unit of results.
fn value(metric: Metric, text: &str) -> Result<f64, ParseError> {
    match metric {
        Metric::Success
        | Metric::TaskSuccess
        | Metric::FallbackShare
        | Metric::CutShare
        | Metric::LimitedShare => units::parse_share(text),
        Metric::Goodput => units::parse_rate(text),
        Metric::Percentile(..) => units::parse_duration(text).map(Nanos::as_secs_f64),
        Metric::Cost => units::parse_dollars(text),
        Metric::AttemptsPerJob => units::parse_number(text),
        Metric::Headroom => units::parse_number(text.strip_suffix('x').unwrap_or(text)),
        Metric::FinishedBy => {
            Err(ParseError::new("`finished by` has no comparison", "write `finished by 6h`"))
        }
    }
}

//! Checks that the numbers of a result can be those of a run, so that an edited or damaged file is rejected before a report
//! is made of it.

use serde_json::{Number, Value};

use super::summary::{HedgeCounts, Jobs, Quantiles, SCHEMA, Summary, Workload};

/// The shortest time bucket that a result may have, in seconds.
const MIN_BUCKET_S: f64 = 1e-3;
/// The longest time that a result may state, in seconds: about a century.
const MAX_TIME_S: f64 = 3.2e9;
/// The highest cost that a result may state, in USD.
const MAX_COST_USD: f64 = MAX_NUMBER;
/// The largest number in a result, except seeds; sums and products of two of them are finite.
const MAX_NUMBER: f64 = 1e18;
/// The factor by which a percentile may exceed a higher one or the maximum: percentiles come from a histogram with three
/// digits, and the maximum is exact.
const ROUNDING: f64 = 1.01;

impl Summary {
    /// Returns why the numbers cannot be those of a run, as a sentence that begins with the name of a member; `None` if they
    /// can.
    pub(super) fn inconsistency(&self) -> Option<String> {
        if self.schema != SCHEMA {
            return Some(format!("schema is `{}`; this version reads `{SCHEMA}`", self.schema));
        }
        let step_s = self.series.step_s;
        if !(MIN_BUCKET_S..=MAX_TIME_S).contains(&step_s) {
            return Some(format!("series.step_s is {step_s:?}; expected {MIN_BUCKET_S:?} to {MAX_TIME_S:?}"));
        }
        let quantiles = [
            ("latency_s", &self.latency_s),
            ("first_token_s", &self.first_token_s),
            ("queue_s", &self.queue_s),
            ("service_s", &self.service_s),
        ];
        let workloads = self.workloads.iter().map(|workload| ("workloads.latency_s", &workload.latency_s));
        let time = &self.time_s;
        let amounts = [
            ("duration_s", self.duration_s, MAX_TIME_S),
            ("planned_s", self.planned_s.unwrap_or(0.0), MAX_TIME_S),
            ("ended_s", self.ended_s, MAX_TIME_S),
            ("cost_usd", self.cost_usd.unwrap_or(0.0), MAX_COST_USD),
            ("time_s.queue", time.queue, MAX_TIME_S),
            ("time_s.wait", time.wait, MAX_TIME_S),
            ("time_s.lost", time.lost, MAX_TIME_S),
            ("time_s.first_token", time.first_token, MAX_TIME_S),
            ("time_s.output", time.output, MAX_TIME_S),
        ];
        (amounts.into_iter())
            .find_map(|(name, value, max)| outside(name, value, max))
            .or_else(|| self.wrong_total())
            .or_else(|| self.wrong_hedges())
            .or_else(|| quantiles.into_iter().chain(workloads).find_map(|(name, it)| it.inconsistency(name)))
    }

    /// Returns a sentence on hedges that cannot be; `None` if they can.
    fn wrong_hedges(&self) -> Option<String> {
        let HedgeCounts { sent, won } = self.attempts.hedges?;
        let total = self.attempts.total;
        (won > sent || sent > total)
            .then(|| format!("attempts.hedges has {won} of {sent} hedges that won, among {total} attempts"))
    }

    /// Returns a sentence on the first total that is not the sum of its parts; `None` if there is none.
    fn wrong_total(&self) -> Option<String> {
        let Jobs { offered, succeeded, failed, shed, in_flight, .. } = self.jobs;
        let of_jobs = ("jobs.offered", offered, [succeeded, failed, shed, in_flight]);
        let attempts = &self.attempts;
        let of_attempts = (
            "attempts.total",
            attempts.total,
            [attempts.ok, attempts.limited, attempts.failed, attempts.in_flight],
        );
        let of_workload = |workload: &Workload| {
            let Workload { offered, succeeded, failed, shed, in_flight, .. } = *workload;
            ("workloads.offered", offered, [succeeded, failed, shed, in_flight])
        };
        let all = [of_jobs, of_attempts].into_iter().chain(self.workloads.iter().map(of_workload));
        all.into_iter().find_map(|(name, total, parts)| {
            let sum = parts.into_iter().try_fold(0u64, u64::checked_add);
            (sum != Some(total)).then(|| format!("{name} is {total}, but its parts are {parts:?}"))
        })
    }
}

impl Quantiles {
    /// Returns why these cannot be the quantiles of durations; `None` if they can.
    fn inconsistency(&self, name: &str) -> Option<String> {
        let Self { mean, p50, p90, p95, p99, max, .. } = *self;
        let rising = [("p50", p50), ("p90", p90), ("p95", p95), ("p99", p99), ("max", max)];
        let unordered = rising.windows(2).find(|pair| pair[0].1 > pair[1].1 * ROUNDING);
        outside(&format!("{name}.mean"), mean, MAX_TIME_S)
            .or_else(|| {
                rising.iter().find_map(|(of, value)| outside(&format!("{name}.{of}"), *value, MAX_TIME_S))
            })
            .or_else(|| unordered.map(|pair| format!("{name}.{} is above {name}.{}", pair[0].0, pair[1].0)))
            .or_else(|| (mean > max * ROUNDING).then(|| format!("{name}.mean is above {name}.max")))
    }
}

/// Returns why the numbers of a result are too large to be those of a run; `None` if they are not. They are if one of them
/// exceeds [`MAX_NUMBER`], or if the whole numbers add up to more than `u64::MAX`, since a sum in a report could then
/// overflow. A seed may be any number.
pub(super) fn too_large(result: &Value) -> Option<String> {
    let mut sum = Some(0);
    let found = number_above_max(result, &mut sum);
    let of_sum =
        || format!("the counts of this result add up to more than {}, which no run reaches", u64::MAX);
    found
        .map(|number| format!("{number} is too large; expected at most {MAX_NUMBER:?}"))
        .or_else(|| sum.is_none().then(of_sum))
}

/// Returns the first number within `value` that is too large, and adds the whole numbers up to it to `sum`, which is `None`
/// after an overflow. Seeds are left out.
fn number_above_max<'a>(value: &'a Value, sum: &mut Option<u64>) -> Option<&'a Number> {
    match value {
        Value::Number(number) => {
            *sum = sum.and_then(|sum| sum.checked_add(number.as_u64().unwrap_or(0)));
            number.as_f64().is_none_or(|value| value.abs() > MAX_NUMBER).then_some(number)
        }
        Value::Array(parts) => parts.iter().find_map(|part| number_above_max(part, sum)),
        Value::Object(members) => {
            let mut parts = members.iter().filter(|(name, _)| *name != "seed").map(|(_, part)| part);
            parts.find_map(|part| number_above_max(part, sum))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

fn outside(name: &str, value: f64, max: f64) -> Option<String> {
    (!(0.0..=max).contains(&value)).then(|| format!("{name} is {value:?}; expected 0 to {max:?}"))
}

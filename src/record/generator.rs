//! Whether the load generator of a live run kept its schedule, and which findings the result does not support if it did not.

use super::findings::Finding;
use super::names::GENERATOR_LAG;
use super::summary::{Jobs, Quantiles, Summary};
use crate::formatting::{at_seconds, rounded, share_of};
use provider::Instant;
use serde::{Deserialize, Serialize};

/// The largest lag at which a live run counts as on schedule, in seconds; [`late_share`] says at which percentile.
const MAX_LAG_S: f64 = 0.010;
/// The largest share of jobs that a live run may shed, or by which their number may differ from the schedule, if it counts as
/// on schedule.
const MAX_MISSING: f64 = 0.001;

/// How late the jobs or attempts of a live run were.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorLag {
    /// The 99th percentile of the lag, in seconds: the larger one of jobs and attempts.
    pub p99_s: f64,
    /// What was late.
    #[serde(default)]
    pub of: Late,
    /// The share of them that was late by at least `late_s`: 1 %, or more if they are few.
    #[serde(default = "one_percent")]
    pub share: f64,
    /// The least lag of this share, in seconds; `None` in a result of an earlier version, where it is `p99_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_s: Option<f64>,
}

/// What a live run was late with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    /// Jobs, at their delivery to the engine.
    #[default]
    Jobs,
    /// Attempts, at the beginning of their requests.
    Attempts,
}

/// The jobs that a load generator did not send because it was too far behind its schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorShed {
    /// Jobs that were shed; at least one.
    pub jobs: u64,
    /// Jobs that arrived.
    pub offered: u64,
    /// When the first of them was shed, in seconds since the run began.
    pub from_s: f64,
    /// Jobs offered per second in the time bucket of that instant.
    pub offered_per_s: f64,
    /// Jobs per second that were not shed, from the start of that time bucket to the end of the arrivals.
    pub kept_per_s: f64,
}

impl GeneratorShed {
    /// Returns the jobs that were shed from the instant `first` on; `None` if there are none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "buckets are few, their counts far below 2^53"
    )]
    pub(super) fn of(summary: &Summary, first: Instant) -> Option<Self> {
        let (jobs, series) = (summary.jobs.shed_by_generator(), &summary.series);
        let (from_s, step_s) = (at_seconds(first), series.step_s);
        let bucket = ((from_s / step_s) as usize).min(series.offered.len().checked_sub(1)?);
        let begin_s = bucket as f64 * step_s;
        // The last bucket of the arrivals may be shorter than the others.
        let length_s = step_s.min(summary.duration_s - begin_s).max(f64::EPSILON);
        let since: u64 = series.offered[bucket..].iter().sum();
        let rest_s = (summary.duration_s - begin_s).max(length_s);
        (jobs > 0).then(|| Self {
            jobs,
            offered: summary.jobs.offered,
            from_s,
            offered_per_s: rounded(series.offered[bucket] as f64 / length_s, 6),
            kept_per_s: rounded(since.saturating_sub(jobs) as f64 / rest_s, 6),
        })
    }
}

impl Jobs {
    /// Returns the jobs that the load generator of a live run did not send because it was too far behind its schedule.
    #[must_use]
    pub fn shed_by_generator(&self) -> u64 {
        self.shed_by.get(GENERATOR_LAG).copied().unwrap_or(0)
    }
}

impl Summary {
    /// Returns `true` if the load generator of a live run shed so many jobs that the result is not that of the scenario.
    #[must_use]
    pub fn is_generator_behind(&self) -> bool {
        let jobs = &self.jobs;
        share_of(jobs.shed_by_generator(), jobs.offered).is_some_and(|share| share > MAX_MISSING)
    }

    /// Returns `true` if this machine changed the load of a live run so much that its rules cannot be judged: the load generator
    /// shed jobs, or attempts failed before they were sent.
    #[must_use]
    pub fn is_distorted(&self) -> bool {
        self.is_generator_behind() || self.attempts.is_distorted()
    }
}

/// Returns the finding on jobs that the generator delivered late, on attempts that were sent late, or on a number of delivered jobs
/// that differs from the schedule; `None` if the generator kept its schedule.
pub(super) fn lag_finding(summary: &Summary, scheduled: Option<u64>) -> Option<Finding> {
    let lag = summary.lag_s.as_ref()?;
    let offered = summary.jobs.offered;
    let missing = |scheduled: u64| share_of(scheduled.abs_diff(offered), scheduled).unwrap_or(0.0);
    if let Some(scheduled) = scheduled.filter(|scheduled| missing(*scheduled) > MAX_MISSING) {
        return Some(Finding::GeneratorMissedJobs { offered, scheduled });
    }
    let attempts = summary.send_lag_s.as_ref().map(|lag| (lag, Late::Attempts));
    let lags = || attempts.into_iter().chain([(lag, Late::Jobs)]);
    let p99_s = lags().map(|(lag, _)| lag.p99).fold(0.0, f64::max);
    let late = lags().filter_map(|(lag, of)| late_share(lag).map(|(share, late_s)| (share, late_s, of)));
    let (share, late_s, of) = late.max_by(|one, other| one.1.total_cmp(&other.1))?;
    Some(Finding::GeneratorLagged(GeneratorLag { p99_s, of, share, late_s: Some(late_s) }))
}

/// Returns a share of the lags and the seconds that each lag of this share reaches, if that is more than [`MAX_LAG_S`]; `None` if
/// not: the live run then kept its schedule. The share is 1 %, above the 99th percentile. With fewer than 1,000 lags it is 10 % or
/// 50 %, because one pause of the machine may delay the few above the 99th percentile.
fn late_share(lag: &Quantiles) -> Option<(f64, f64)> {
    let (share, judged_s) = match lag.count {
        1_000.. => (one_percent(), lag.p99),
        100.. => (0.1, lag.p90),
        _ => (0.5, lag.p50),
    };
    (judged_s > MAX_LAG_S).then_some((share, judged_s))
}

/// Returns the share of the lags above the 99th percentile.
const fn one_percent() -> f64 {
    0.01
}

/// Returns `true` if a run whose generator behaved as `shed` and `lagged` state supports `finding` on the limits. If less was
/// sent than the scenario schedules, the absence of refusals says nothing about the limits under its load. A refusal after
/// jobs were shed occurs at another load than was offered.
pub(super) fn supports(
    finding: &Finding,
    summary: &Summary,
    shed: Option<&GeneratorShed>,
    lagged: Option<&Finding>,
) -> bool {
    match finding {
        Finding::NoRefusal { .. } => shed.is_none() && lagged.is_none() && !summary.is_distorted(),
        Finding::FirstRefusal { at_s, .. } => shed.is_none_or(|shed| *at_s <= shed.from_s),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_percentile_is_judged_if_lags_are_few() {
        let lag = |count, p50, p90, p99| Quantiles { count, p50, p90, p99, ..Quantiles::default() };
        assert_eq!(late_share(&lag(50, 0.001, 0.004, 0.014)), None, "one of fifty");
        assert_eq!(late_share(&lag(500, 0.001, 0.009, 0.014)), None);
        assert_eq!(late_share(&lag(500, 0.001, 0.011, 0.014)), Some((0.1, 0.011)));
        assert_eq!(late_share(&lag(50, 0.011, 0.012, 0.014)), Some((0.5, 0.011)));
        assert_eq!(late_share(&lag(5_000, 0.001, 0.002, 0.011)), Some((0.01, 0.011)));
    }
}

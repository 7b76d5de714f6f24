//! The rules of a scenario in a result: each with its measured value, and whether it holds, is broken, or cannot be judged.

use super::findings::Finding;
use super::summary::Unit;
use crate::formatting::{RunTime, count, duration, moment};
use crate::scenario::Metric;
use provider::Nanos;
use serde::{Deserialize, Serialize};

/// A rule of `expect` and its measured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    /// The rule as written.
    pub rule: String,
    /// The metric of the rule; `None` in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// The workload that it is judged for; `None` for all jobs of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The length of the windows that it is judged in, in seconds; `None` for the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// The start of the worst window, in which `actual` was measured, in seconds; `None` without windows, or if one window
    /// covers the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_s: Option<f64>,
    /// `true` if the scenario does not state it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_default: bool,
    /// The measured value; `None` if there was nothing to measure.
    pub actual: Option<f64>,
    /// The value that the rule compares with; `None` in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// Of a rule on headroom, the estimated headroom if jobs go to the first target of their route that has room (see
    /// [`super::CeilingSummary::in_route_order`]); `actual` is then an upper bound. `None` without an estimate, and for other rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_route_order: Option<f64>,
    /// Of a rule on the end of a batch of which not all jobs have ended: the jobs that ended by the end of the run, and all its jobs.
    /// `None` for other rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<[u64; 2]>,
    /// The unit of `actual`.
    pub unit: Unit,
    /// `true` if the rule holds. Without a measured value it does not, except for headroom if no limit bounds the load.
    pub pass: bool,
    /// Why the rule cannot be judged; `None` if it can, and in results of earlier versions. Such a rule neither holds nor is
    /// broken, so that [`Self::pass`] is `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<NotJudged>,
}

impl RuleResult {
    /// Returns `true` if the rule is broken: it can be judged, and it does not hold.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.pass && self.not_judged.is_none()
    }

    /// Returns `true` if the rule is broken, or if it is on a headroom of which only a bound is known, and the bound does not prove
    /// that it holds.
    #[must_use]
    pub fn is_unproved(&self) -> bool {
        !self.pass && self.not_judged.is_none_or(|reason| reason.is_bound)
    }

    /// Formats when the batch of a rule on its end was finished, as an instant of the run; by how much it was too late, if that
    /// instant and the bound have the same text; how many of its jobs have ended, if it was not finished. `None` for other rules, and
    /// if it is not known.
    #[must_use]
    pub fn end_of_batch(&self, run: &RunTime) -> Option<String> {
        if self.metric != Some(Metric::FinishedBy) {
            return None;
        }
        let Some(actual) = self.actual else {
            let [ended, jobs] = self.ended.filter(|_| self.not_judged.is_none())?;
            return Some(format!("{} of {} ended", count(ended), count(jobs)));
        };
        let at = moment(actual, run);
        let late = self.bound.filter(|bound| actual > *bound && moment(*bound, run) == at);
        Some(late.map_or(at, |bound| format!("{} too late", duration(actual - bound))))
    }

    /// Formats the instant by which the batch of a rule on its end must be finished, if the rule may not show on which day that is:
    /// in a run with a date, and from the second day on. `None` for other rules.
    #[must_use]
    pub fn due_text(&self, run: &RunTime) -> Option<String> {
        let bound = self.bound.filter(|_| self.metric == Some(Metric::FinishedBy))?;
        (run.starts_at().is_some() || bound >= Nanos::DAY.as_secs_f64()).then(|| moment(bound, run))
    }
}

/// Why a rule cannot be judged: one of the three flags, or too few jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotJudged {
    /// `true` if this machine changed the load of a live run, so that no number of jobs would be enough.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_distorted: bool,
    /// `true` if the run went through an endpoint whose replies do not state what the rule measures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_not_stated: bool,
    /// `true` if the rule is on headroom, which is only known to be between two numbers, one of which meets it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_bound: bool,
    /// The jobs of the window with the most, or of the run if the rule has no windows. All jobs count if `is_distorted`, `is_not_stated`
    /// or `is_bound`, else those that the metric can be measured on. For a fallback share, if all jobs of a window were
    /// served without an attempt of their own, only jobs that were served by an attempt count.
    pub jobs: u64,
    /// The smallest number of jobs of a window, or of the run, from which the rule is judged; equal to `jobs` if `is_distorted`,
    /// `is_not_stated` or `is_bound`.
    pub needed: u64,
}

impl NotJudged {
    /// Returns the reason for a rule that has `jobs` jobs and needs `needed`.
    pub(super) const fn few(jobs: u64, needed: u64) -> Self {
        Self { is_distorted: false, is_not_stated: false, is_bound: false, jobs, needed }
    }

    /// Returns the reason for a rule on a run of `jobs` jobs whose load this machine changed.
    pub(super) const fn distorted(jobs: u64) -> Self {
        Self { is_distorted: true, ..Self::few(jobs, jobs) }
    }

    /// Returns the reason for a rule on a run of `jobs` jobs through an endpoint that does not state what the rule measures.
    pub(super) const fn not_stated(jobs: u64) -> Self {
        Self { is_not_stated: true, ..Self::few(jobs, jobs) }
    }

    /// Returns the reason for a rule on the headroom of a run of `jobs` jobs, which is only known to be between two numbers.
    pub(super) const fn bound(jobs: u64) -> Self {
        Self { is_bound: true, ..Self::few(jobs, jobs) }
    }
}

/// A rule that cannot be judged, as a finding states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnjudgedRule {
    /// The rule as written.
    pub rule: String,
    /// The length of its windows, in seconds; `None` for the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// The estimated headroom in the order of the routes, and its upper bound, if the rule is not judged because the headroom is
    /// only known to be between these two; `None` if it is not judged for another reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<[f64; 2]>,
    /// Why it cannot be judged.
    #[serde(flatten)]
    pub jobs: NotJudged,
}

/// Returns the findings on the rules: which are broken, and which cannot be judged; if there are neither, that all hold. Empty
/// if there are no rules.
pub(super) fn findings(expect: &[RuleResult]) -> Vec<Finding> {
    let names = |rules: &mut dyn Iterator<Item = &RuleResult>| -> Vec<String> {
        rules.map(|expected| expected.rule.clone()).collect()
    };
    let missed = names(&mut expect.iter().filter(|expected| expected.is_broken()));
    let unjudged = expect.iter().filter_map(|expected| {
        let jobs = expected.not_judged?;
        let headroom = expected.in_route_order.zip(expected.actual).filter(|_| jobs.is_bound);
        let headroom = headroom.map(|(low, high)| [low, high]);
        Some(UnjudgedRule { rule: expected.rule.clone(), window_s: expected.window_s, headroom, jobs })
    });
    let (total, unjudged): (_, Vec<_>) = (expect.len() as u64, unjudged.collect());
    if total > 0 && missed.is_empty() && unjudged.is_empty() {
        return vec![Finding::ExpectationsMet { rules: names(&mut expect.iter()) }];
    }
    let missed = (!missed.is_empty()).then_some(Finding::ExpectationsMissed { total, rules: missed });
    let unjudged =
        (!unjudged.is_empty()).then_some(Finding::ExpectationsNotJudged { total, rules: unjudged });
    missed.into_iter().chain(unjudged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_end(actual: Option<f64>, bound: f64, ended: Option<[u64; 2]>) -> RuleResult {
        RuleResult {
            rule: "docs: finished by 6h".to_owned(),
            metric: Some(Metric::FinishedBy),
            workload: Some("docs".to_owned()),
            window_s: None,
            at_s: None,
            is_default: false,
            actual,
            bound: Some(bound),
            in_route_order: None,
            ended,
            unit: Unit::Seconds,
            pass: actual.is_some_and(|actual| actual <= bound),
            not_judged: None,
        }
    }

    #[test]
    fn the_end_of_a_batch_is_an_instant_of_the_run_as_its_bound_is() {
        let run = RunTime::of_start(108_000.0, "");
        let in_time = on_end(Some(73_920.0), 108_000.0, None);
        assert_eq!(in_time.due_text(&run).as_deref(), Some("day 2 06:00 h"));
        assert_eq!(in_time.end_of_batch(&run).as_deref(), Some("day 1 20:32 h"));
        let late = on_end(Some(108_020.0), 108_000.0, None);
        assert_eq!(late.end_of_batch(&run).as_deref(), Some("20 s too late"));
        let later = on_end(Some(108_120.0), 108_000.0, None);
        assert_eq!(later.end_of_batch(&run).as_deref(), Some("day 2 06:02 h"));
        let unfinished = on_end(None, 108_000.0, Some([2_832, 3_000]));
        assert_eq!(unfinished.end_of_batch(&run).as_deref(), Some("2,832 of 3,000 ended"));
        let other = RuleResult { metric: Some(Metric::Success), ..in_time };
        assert_eq!((other.end_of_batch(&run), other.due_text(&run)), (None, None));
    }

    #[test]
    fn the_day_of_a_bound_is_stated_if_the_rule_does_not_show_it() {
        let first_day = on_end(None, 72_000.0, None);
        assert_eq!(first_day.due_text(&RunTime::of_start(108_000.0, "")), None);
        let with_date = RunTime::of_start(108_000.0, "2026-12-01T08:00 Europe/Berlin");
        assert_eq!(first_day.due_text(&with_date).as_deref(), Some("2026-12-02 04:00"));
    }
}

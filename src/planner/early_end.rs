//! Ends a run of which only the verdict matters: once so many jobs were lost that a rule on the success of all its jobs can no
//! longer hold, or when the time of the search is up. Rules on the success of one workload or of windows do not end it.
//!
//! The judgement is exact: the jobs of an open workload are counted before the run, and a lost job stays lost. With closed
//! workloads the number of jobs is not known before, so that such runs are not ended because of their rules.

use crate::event::{Event, EventKind, JobOutcome};
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::{Arrivals, Metric, Rule, Scenario, Workload};

/// The number of events, or of jobs that are counted, between two checks of the time.
const TIME_CHECK_INTERVAL: u64 = 1 << 10;

/// A fold that ends the run early.
pub(super) struct EarlyEnd<'a> {
    /// The most lost jobs with which the rules on the success of all jobs may still hold; `None` if there are none, or if it is
    /// not known.
    max_lost: Option<u64>,
    lost: u64,
    events: u64,
    is_time_up: &'a dyn Fn() -> bool,
    /// Whether the time was up; then the run has no verdict.
    pub(super) timed_out: bool,
}

impl<'a> EarlyEnd<'a> {
    /// Returns the fold for a run of `scenario` that is judged by `rules`; without rules only the time
    /// ends it. `load` is a copy of the run's arrivals.
    pub(super) fn new(
        scenario: &Scenario,
        rules: &[Rule],
        load: Load,
        is_time_up: &'a dyn Fn() -> bool,
    ) -> Self {
        // How many jobs arrive depends on the replies.
        let depends_on_replies = |workload: &Workload| {
            workload.sessions.is_some()
                || matches!(workload.arrivals, Arrivals::Users { .. } | Arrivals::Batch { .. })
        };
        let is_closed = scenario.workloads.iter().any(depends_on_replies);
        let of_run = |rule: &&Rule| rule.workload.is_none() && rule.window.is_none();
        let success = rules.iter().filter(|rule| rule.metric == Metric::Success).filter(of_run);
        let success = success.map(|rule| rule.value);
        let strictest = success.reduce(f64::max).filter(|_| !is_closed);
        let mut end = Self { max_lost: None, lost: 0, events: 0, is_time_up, timed_out: false };
        end.max_lost = strictest.and_then(|success| Some(max_lost(success, count(load, is_time_up)?)));
        end
    }
}

/// Returns the number of jobs that arrive; `None` if the time is up before they are counted.
fn count(mut load: Load, is_time_up: &dyn Fn() -> bool) -> Option<u64> {
    let mut jobs = 0u64;
    while load.next().is_some() {
        jobs += 1;
        if jobs.is_multiple_of(TIME_CHECK_INTERVAL) && is_time_up() {
            return None;
        }
    }
    Some(jobs)
}

/// Returns the most lost jobs of `jobs` with which a share of `success` may still be reached, at the precision of results.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of jobs, at least 0")]
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn max_lost(success: f64, jobs: u64) -> u64 {
    debug_assert!((0.0..=1.0).contains(&success), "invariant: success is a share, found {success}");
    libm::ceil((1.0 - success + 1e-6) * jobs as f64) as u64
}

impl Fold for EarlyEnd<'_> {
    fn event(&mut self, event: &Event) {
        self.events += 1;
        if let EventKind::Done(end) = &event.kind {
            self.lost += u64::from(matches!(end.outcome, JobOutcome::Failed(_) | JobOutcome::Shed(_)));
        }
        if self.events.is_multiple_of(TIME_CHECK_INTERVAL) {
            self.timed_out |= (self.is_time_up)();
        }
    }

    fn is_done(&self) -> bool {
        self.timed_out || self.max_lost.is_some_and(|max| self.lost > max)
    }
}

#[cfg(test)]
mod tests {
    use crate::planner::rules::Rules;
    use crate::planner::run_count::RunCount;
    use crate::planner::runner::Runner;
    use crate::scenario::{self, Overrides};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A run that may be ended early has the same verdict as the whole run, and a run that holds is not ended early.
        #[test]
        fn an_early_end_does_not_change_the_verdict(
            rpm in 1u32..60, rate in 1u32..200, success in 50u32..=100, attempts in 1u32..4, multiple in 0.1..4.0f64
        ) {
            let yaml = format!(
                "name: early\nduration: 20m\nproviders: {{ p: {{ models: {{ m: {{ limits: {{ rpm: {rpm} }}, latency: {{ total: 500ms }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}\nclient: {{ deadline: 20s, retry: {{ attempts: {attempts} }} }}
workload: [{{ name: w, route: r, arrivals: {{ poisson: {rate}/min }}, prompt: 100, completion: 100, max_tokens: 100 }}]
expect: [success >= {success}%, p95 latency <= 10s]"
            );
            let scenario = scenario::parse("early", &yaml, &Overrides::default(), None).expect("a valid scenario");
            let (rules, count) = (Rules::of(&scenario), RunCount::new(&()));
            let runner = Runner::new(&rules, &count);
            let whole = runner.run(&scenario, multiple, 0).expect("the time is not up");
            let early = runner.run_for_verdict(&scenario, multiple, 0, &|| false).expect("the time is not up");
            prop_assert_eq!(whole.holds(), early.holds());
            if whole.holds() {
                prop_assert_eq!(&whole.summary, &early.summary);
            }
            prop_assert!(early.summary.jobs.offered <= whole.summary.jobs.offered);
        }
    }
}

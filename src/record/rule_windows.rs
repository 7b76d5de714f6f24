//! Counts of jobs, or of tasks, per window of time, for rules that are judged for a workload or in windows.
//!
//! A job belongs to the window in which it was scheduled to arrive, a task to that in which it began. Memory is constant over a run: a rule has a bounded
//! number of windows.

use super::histogram::Histogram;
use super::rule_result::NotJudged;
use super::window_index::WindowIndex;
use crate::event::{JobEnd, JobOutcome, TaskEnd, TaskOutcome};
use crate::ids::WorkloadId;
use crate::scenario::{Metric, Op, Rule, Scenario, Time};
use provider::{Instant, Nanos};

/// The windows of one rule.
#[derive(Clone, Debug)]
pub(super) struct RuleWindows {
    workload: Option<WorkloadId>,
    metric: Metric,
    index: WindowIndex,
    windows: Vec<Window>,
}

/// The jobs or the tasks of one window.
#[derive(Clone, Debug, Default)]
struct Window {
    ended: u64,
    succeeded: u64,
    attempts: u64,
    /// Of the succeeded, those served by an attempt of their own.
    served: u64,
    /// Of the served, those served by a later step of their route than the first.
    fell_back: u64,
    /// Of the succeeded, those whose answer was cut.
    cut: u64,
    /// Of the succeeded, the times that the rule is about; `None` if it is not about a percentile.
    times: Option<Histogram>,
}

/// The measured value of a rule in its worst window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WorstValue {
    pub(super) value: f64,
    /// When the window begins.
    pub(super) at: Instant,
}

impl RuleWindows {
    /// Returns the windows of a rule over a run; `None` if it is about the run as a whole.
    pub(super) fn of(rule: &Rule, scenario: &Scenario) -> Option<Self> {
        if !rule.metric.is_measured_per_job() || (rule.workload.is_none() && rule.window.is_none()) {
            return None;
        }
        let duration = scenario.duration.max(Nanos(1));
        let index = match rule.window.filter(|window| *window < duration) {
            Some(window) => WindowIndex::of_run(window.max(Nanos(1)), duration, &scenario.clock),
            None => WindowIndex::new(duration, 1),
        };
        let count = index.count();
        let is_time = matches!(rule.metric, Metric::Percentile(..));
        let histogram = || if count == 1 { Histogram::of_run() } else { Histogram::of_bucket() };
        let window = || Window { times: is_time.then(histogram), ..Window::default() };
        let windows: Vec<_> = (0..count).map(|_| window()).collect();
        Some(Self { workload: rule.workload, metric: rule.metric, index, windows })
    }

    /// Counts a task that ended at `at`.
    pub(super) fn task_done(&mut self, at: Instant, end: &TaskEnd) {
        if self.workload.is_some_and(|workload| workload != end.workload) || !self.metric.is_of_tasks() {
            return;
        }
        let window = &mut self.windows[self.index.of(end.scheduled)];
        window.ended += 1;
        if end.outcome == TaskOutcome::Succeeded {
            window.succeeded += 1;
            window.times.iter_mut().for_each(|times| times.record(at.since(end.scheduled)));
        }
    }

    /// Counts a job that ended at `at`.
    pub(super) fn done(&mut self, at: Instant, end: &JobEnd) {
        if self.metric.is_of_tasks()
            || self.workload.is_some_and(|workload| workload != end.workload)
            || end.outcome == JobOutcome::InFlight
        {
            return;
        }
        let window = &mut self.windows[self.index.of(end.scheduled)];
        window.ended += 1;
        window.attempts += u64::from(end.attempts);
        if end.outcome != JobOutcome::Succeeded {
            return;
        }
        window.succeeded += 1;
        window.cut += u64::from(end.cut);
        window.served += u64::from(end.step.is_some());
        window.fell_back += u64::from(end.step.is_some_and(|step| step > 0));
        if let (Some(times), Metric::Percentile(_, time)) = (&mut window.times, self.metric) {
            let latency = at.since(end.scheduled);
            times.record(match time {
                Time::Latency => latency,
                Time::FirstToken => end.first_token.unwrap_or(latency).min(latency),
                Time::Queue => end.queue,
                Time::Task => unreachable!("invariant: jobs are not counted for a rule on tasks"),
            });
        }
    }

    /// Returns the value of the window that is worst by `rule`, in a run in which jobs arrived over `duration`. A window is
    /// left out if it has so few jobs that one job alone breaks the rule, unless the rule has only one window. `None` if no
    /// window is left.
    pub(super) fn worst(&self, rule: &Rule, duration: Nanos) -> Option<WorstValue> {
        let min_jobs = if self.windows.len() == 1 { 1.0 } else { min_jobs(rule) };
        let values = self.windows.iter().enumerate().filter_map(|(index, window)| {
            let begin = self.index.begin(index);
            // The last window may be shorter than the others, and an interrupted run has not begun all of them.
            let end = self.index.begin(index + 1).min(Instant::ZERO + duration);
            let value = self.value(window, end.since(begin), min_jobs)?;
            Some(WorstValue { value, at: begin })
        });
        let badness = |value: f64| match rule.op {
            Op::AtLeast | Op::Above => -value,
            Op::AtMost | Op::Below => value,
            Op::Equal => (value - rule.value).abs(),
        };
        values.reduce(|worst, next| if badness(next.value) > badness(worst.value) { next } else { worst })
    }

    /// Returns why a rule without a value in any window cannot be judged: no window has enough jobs. `None` if some have, but
    /// so few of the jobs succeeded that nothing was measured, which breaks the rule.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of jobs, at least 1"
    )]
    pub(super) fn not_judged(&self, rule: &Rule) -> Option<NotJudged> {
        let needed = if self.windows.len() == 1 { 1.0 } else { libm::ceil(min_jobs(rule)) } as u64;
        let most = |of: fn(&Window) -> u64| self.windows.iter().map(of).max().unwrap_or(0);
        let ended = most(|window| window.ended);
        let has_no_share = |window: &Window| window.succeeded > 0 && window.served == 0;
        // Jobs that all come from the cache have no fallback share: it is measured on those that an attempt of their own
        // served.
        let is_unserved = self.metric == Metric::FallbackShare && self.windows.iter().any(has_no_share);
        let jobs = if is_unserved { most(|window| window.served) } else { ended };
        (ended < needed || is_unserved).then_some(NotJudged::few(jobs, needed))
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
    fn value(&self, window: &Window, length: Nanos, min_jobs: f64) -> Option<f64> {
        let ratio = |part: u64, whole: u64| {
            (whole > 0 && whole as f64 >= min_jobs).then(|| part as f64 / whole as f64)
        };
        match self.metric {
            Metric::Success | Metric::TaskSuccess => ratio(window.succeeded, window.ended),
            Metric::FallbackShare => ratio(window.fell_back, window.served),
            Metric::CutShare => ratio(window.cut, window.succeeded),
            Metric::AttemptsPerJob => ratio(window.attempts, window.ended),
            Metric::Goodput => (length > Nanos::ZERO).then(|| window.succeeded as f64 / length.as_secs_f64()),
            Metric::Percentile(percent, _) => {
                let enough = window.succeeded as f64 >= min_jobs;
                window.times.as_ref().filter(|_| enough)?.quantile_s(f64::from(percent) / 100.0)
            }
            Metric::LimitedShare | Metric::Cost | Metric::Headroom | Metric::FinishedBy => None,
        }
    }
}

/// Returns the smallest number of jobs in a window at which one job alone does not break the rule; 1 if the rule allows no
/// exception or sets no condition for single jobs.
pub(crate) fn min_jobs(rule: &Rule) -> f64 {
    // A rule that allows no exception can be broken by any job, however many there are.
    let allowed = rule.allowed_share().filter(|allowed| *allowed > 0.0);
    allowed.map_or(1.0, |allowed| (1.0 / allowed - 1e-9).max(1.0))
}

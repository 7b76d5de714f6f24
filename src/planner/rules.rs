//! The rules of a ceiling: the expectations that more load can break, and how far a run is from breaking them.

use super::finding::PlanNote;
use super::plan::{BrokenRule, TooFewJobs, TooFewTasks};
use crate::ceiling::offered_jobs_per_second_of;
use crate::formatting::rounded;
use crate::record::{NotJudged, Summary, holds, min_window_jobs};
use crate::scenario::{Metric, Op, Rule, Scenario, Sessions};

/// The rules by which runs are judged.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// In the scenario's order; never empty.
    pub(super) kept: Vec<Rule>,
    /// How the rules differ from the scenario's expectations; empty if they do not.
    pub(super) notes: Vec<PlanNote>,
    /// The mean number of jobs of a task; of several workloads with tasks, the largest. One without tasks.
    jobs_per_task: f64,
}

impl Rules {
    /// Returns the rules of a scenario.
    pub(super) fn of(scenario: &Scenario) -> Self {
        let (mut kept, left_out): (Vec<_>, Vec<_>) =
            scenario.expect.iter().cloned().partition(breaks_with_load);
        let mut notes = Vec::new();
        if !left_out.is_empty() {
            notes
                .push(PlanNote::RulesLeftOut { rules: left_out.into_iter().map(|rule| rule.text).collect() });
        }
        if kept.iter().all(|rule| !matches!(rule.metric, Metric::Success | Metric::TaskSuccess)) {
            // Without a rule on success, a load at which every job is refused could hold.
            kept.push(Rule::default_success());
        }
        let assumed = kept.iter().filter(|rule| rule.is_default);
        notes.extend(
            assumed.map(|rule| PlanNote::RuleAssumed { rule: rule.text.clone(), metric: rule.metric }),
        );
        assert!(!kept.is_empty(), "invariant: a ceiling has at least one rule");
        Self { kept, notes, jobs_per_task: jobs_per_task(scenario) }
    }

    /// Returns these rules without those on cost.
    pub(super) fn without_cost_rules(&self) -> Self {
        let kept: Vec<_> = self.kept.iter().filter(|rule| rule.metric != Metric::Cost).cloned().collect();
        assert!(!kept.is_empty(), "invariant: a rule on success is always kept");
        Self { kept, notes: Vec::new(), jobs_per_task: self.jobs_per_task }
    }

    /// Returns the rules on cost.
    pub(super) fn of_cost(&self) -> impl Iterator<Item = &Rule> {
        self.kept.iter().filter(|rule| rule.metric == Metric::Cost)
    }

    /// Returns `true` if a run with this cost keeps every rule on cost.
    pub(super) fn allows_cost(&self, cost_usd: f64) -> bool {
        self.of_cost().all(|rule| holds(rounded(cost_usd, 6), rule.op, rule.value))
    }

    /// Returns the fewest jobs from which every rule can be judged.
    pub(super) fn min_jobs(&self) -> f64 {
        self.kept.iter().map(|rule| self.min_jobs_for(rule)).fold(1.0, f64::max)
    }

    /// Returns the fewest jobs from which a rule can be judged, a whole number. A rule on tasks needs as many tasks as one on jobs needs
    /// jobs.
    pub(super) fn min_jobs_for(&self, rule: &Rule) -> f64 {
        let per_unit = if rule.metric.is_of_tasks() { self.jobs_per_task } else { 1.0 };
        libm::ceil(min_jobs(rule) * per_unit)
    }

    /// Returns the rule that needs the most jobs, and how many, if a run of `jobs` jobs has fewer.
    pub(super) fn undecidable(&self, jobs: u64) -> Option<TooFewJobs> {
        let needed = |rule: &Rule| self.min_jobs_for(rule) as u64;
        let most = self.kept.iter().max_by_key(|rule| needed(rule)).filter(|rule| jobs < needed(rule))?;
        let tasks = most.metric.is_of_tasks().then(|| TooFewTasks {
            tasks: libm::floor(jobs as f64 / self.jobs_per_task) as u64,
            needed: min_jobs(most) as u64,
        });
        Some(TooFewJobs { rule: most.text.clone(), jobs, needed: needed(most), window_s: None, tasks })
    }

    /// Returns the multiple of the load at which a rule on cost or headroom is reached, extrapolated from a run at the load
    /// itself: cost grows and headroom shrinks in proportion to the load. Infinite if there is no such rule.
    pub(super) fn proportional_bound(&self, present: &Summary) -> f64 {
        assert_eq!(self.kept.len(), present.expect.len(), "invariant: the run was judged by these rules");
        let each = self.kept.iter().zip(&present.expect).filter_map(|(rule, judged)| match rule.metric {
            Metric::Cost => Some(rule.value / judged.actual.filter(|cost| *cost > 0.0)?),
            Metric::Headroom => Some(judged.in_route_order.or(judged.actual)? / rule.value),
            _ => None,
        });
        each.filter(|multiple| *multiple > 0.0).fold(f64::INFINITY, f64::min)
    }

    /// Returns the distance of a run from breaking the nearest rule that can be judged, in `-1..=1`: 1 at the largest distance,
    /// 0 at the border, negative if a rule is broken, -1 if it is exceeded by as much as it allows or more.
    pub(super) fn slack(&self, summary: &Summary) -> f64 {
        assert_eq!(self.kept.len(), summary.expect.len(), "invariant: the run was judged by these rules");
        let each = self.kept.iter().zip(&summary.expect).map(|(rule, judged)| {
            let actual = judged.in_route_order.or(judged.actual);
            let slack = actual.map_or(1.0, |actual| rule_slack(rule, actual)).clamp(-1.0, 1.0);
            // The judgement decides the sign, since it compares at the precision of results.
            if judged.is_unproved() { slack.min(-f64::MIN_POSITIVE) } else { slack.max(0.0) }
        });
        each.fold(1.0, f64::min)
    }

    /// Returns the rules that a run breaks, in the scenario's order: also those on a headroom that is not proved to meet them.
    pub(super) fn broken(&self, summary: &Summary) -> Vec<BrokenRule> {
        assert_eq!(self.kept.len(), summary.expect.len(), "invariant: the run was judged by these rules");
        let broken = self.kept.iter().zip(&summary.expect).filter(|(_, judged)| judged.is_unproved());
        broken.map(|(rule, _)| BrokenRule { rule: rule.text.clone(), metric: rule.metric }).collect()
    }

    /// Returns the first rule that cannot be judged from a run, with its jobs; `None` if all can.
    pub(super) fn unjudged(&self, summary: &Summary) -> Option<TooFewJobs> {
        self.kept.iter().zip(&summary.expect).find_map(|(rule, judged)| {
            let NotJudged { jobs, needed, .. } = judged.not_judged.filter(|reason| !reason.is_bound)?;
            let has_windows = judged.window_s.is_some();
            // A rule on tasks counts tasks.
            let tasks = rule.metric.is_of_tasks().then(|| TooFewTasks {
                tasks: jobs,
                needed: if has_windows { needed } else { min_jobs(rule) as u64 },
            });
            let needed = if has_windows { needed } else { self.min_jobs_for(rule) as u64 };
            Some(TooFewJobs { rule: judged.rule.clone(), jobs, needed, window_s: judged.window_s, tasks })
        })
    }

    /// Returns the multiple of the load from which the mean window of every rule has the jobs that its verdict needs; 0 without
    /// windows.
    pub(super) fn multiple_of_full_windows(&self, scenario: &Scenario) -> f64 {
        let each = self.kept.iter().filter_map(|rule| {
            let window = rule.window.filter(|window| *window < scenario.duration)?;
            let workloads = scenario.workloads.iter().enumerate();
            let judged = workloads.filter(|(index, _)| rule.judges(*index));
            let rate: f64 = judged.map(|(_, it)| offered_jobs_per_second_of(scenario, it)).sum();
            (rate > 0.0).then(|| min_window_jobs(rule) / (rate * window.as_secs_f64()))
        });
        each.fold(0.0, f64::max)
    }
}

/// Returns the mean number of jobs of a task: for several workloads with tasks the largest, without any 1.
fn jobs_per_task(scenario: &Scenario) -> f64 {
    let sessions = scenario.workloads.iter().filter_map(|workload| workload.sessions.as_deref());
    sessions.map(Sessions::calls_per_task).fold(1.0, f64::max)
}

/// A rule is judged if the run has at least this number of jobs ÷ the share that the rule allows to fail, so that it allows
/// at least three jobs to fail.
const JOBS_PER_SHARE: f64 = 3.0;
/// The smallest allowed share for which [`JOBS_PER_SHARE`] is required; smaller ones are judged like it.
const MIN_SHARE: f64 = 1e-3;

/// Returns the fewest jobs from which a rule can be judged, a whole number: 3 ÷ the share that it allows to fail or to be
/// slower; 1 for a rule that is not on single jobs.
pub(super) fn min_jobs(rule: &Rule) -> f64 {
    // A share such as 1 - 0.9 is a little less than 0.1.
    let jobs = |allowed: f64| libm::ceil(rounded(JOBS_PER_SHARE / allowed.max(MIN_SHARE), 6));
    rule.allowed_share().map_or(1.0, jobs)
}

/// Returns `true` if every broken rule is on cost, which no quota can mend. Also `true` if no rule is broken.
pub(crate) fn only_cost<'a>(broken: impl IntoIterator<Item = &'a BrokenRule>) -> bool {
    broken.into_iter().all(|rule| rule.metric == Metric::Cost)
}

/// Returns `true` if more load can break the rule and less load can mend it.
fn breaks_with_load(rule: &Rule) -> bool {
    match rule.metric {
        Metric::Success | Metric::TaskSuccess | Metric::Headroom => {
            matches!(rule.op, Op::AtLeast | Op::Above)
        }
        Metric::Percentile(..)
        | Metric::FallbackShare
        | Metric::CutShare
        | Metric::LimitedShare
        | Metric::AttemptsPerJob
        | Metric::FinishedBy
        | Metric::Cost => matches!(rule.op, Op::AtMost | Op::Below),
        Metric::Goodput => false,
    }
}

/// Returns what is left of what a rule allows, as a share of it; negative if the rule is broken.
fn rule_slack(rule: &Rule, actual: f64) -> f64 {
    let (left, allowed) = match rule.metric {
        Metric::Success | Metric::TaskSuccess => (actual - rule.value, 1.0 - rule.value),
        Metric::Headroom => (actual - rule.value, rule.value),
        _ => (rule.value - actual, rule.value),
    };
    left / allowed.max(1e-9)
}

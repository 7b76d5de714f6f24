//! The conclusion from the searches for the ceiling: a ceiling, that there is none, or nothing, because the runs have too
//! few jobs.

use super::plan::{BrokenRule, TooFewJobs};
use super::replicas::Replicas;
use super::runner::{Run, Runner};
use crate::ceiling::Ceiling;
use crate::formatting::rounded;
use crate::scenario::{Metric, Pace, Rule, Scenario};
use rayon::prelude::*;

/// What follows from the searches.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Conclusion {
    /// A ceiling was found.
    Ceiling,
    /// These rules break at any load: they break at the lowest one on every seed, although no job is refused or delayed there
    /// because of the load; or more jobs are too large for every target than the rules allow to fail.
    NoLoadHolds {
        /// At least one.
        rules: Vec<BrokenRule>,
        /// The share of jobs that are too large, if that is the cause.
        too_large: Option<f64>,
    },
    /// No load that was tried holds; a lower one might.
    NoneHeld,
    /// Every load that was tried holds.
    Unbounded,
    /// The runs have too few jobs for a verdict.
    TooFewJobs(TooFewJobs),
}

/// The rounding of shares.
const ROUNDING: f64 = 1e-9;
/// The number of seeds on which a rule must break at the lowest load to be taken to break at any load. If at least half of
/// all seeds held it, it would break on all of these with a probability below 0.4 %.
const SEEDS: u32 = 8;

impl Conclusion {
    /// Draws the conclusion for a scenario that offers `offered` jobs on average.
    pub(super) fn of(runner: &Runner<'_>, scenario: &Scenario, replicas: &Replicas, offered: f64) -> Self {
        if let Some((rules, share)) = too_large(runner, scenario) {
            return Self::NoLoadHolds { rules, too_large: Some(share) };
        }
        if let Some(few) = replicas.undecided() {
            return Self::TooFewJobs(few.clone());
        }
        let first = replicas.first();
        let too_few = |jobs: f64| Self::too_few(runner, jobs);
        let Some(high) = first.high.as_deref() else {
            return too_few(offered * first.low).unwrap_or(Self::Unbounded);
        };
        if first.low > 0.0 {
            let ceiling = replicas.planning_ceiling().filter(|ceiling| *ceiling > 0.0).unwrap_or(first.low);
            let jobs = high.summary.jobs.offered as f64 * ceiling / high.multiple;
            return too_few(jobs).unwrap_or(Self::Ceiling);
        }
        let jobs = high.summary.jobs.offered as f64;
        let is_decided = |broken: &&BrokenRule| {
            runner
                .rules
                .kept
                .iter()
                .any(|rule| rule.text == broken.rule && runner.rules.min_jobs_for(rule) <= jobs)
        };
        let decided: Vec<&BrokenRule> = high.broken.iter().filter(is_decided).collect();
        if decided.is_empty() {
            return too_few(jobs).unwrap_or(Self::NoneHeld);
        }
        let rules = unconditional(runner, scenario, high, &decided);
        match () {
            () if !rules.is_empty() => Self::NoLoadHolds { rules, too_large: None },
            // The lowest load with enough jobs lies above the present one, which therefore has too few.
            () if high.multiple > 1.0 => too_few(offered).unwrap_or(Self::NoneHeld),
            () => Self::NoneHeld,
        }
    }

    /// Returns [`Self::TooFewJobs`] if a rule cannot be judged from a run of `jobs` jobs.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of jobs, at least 0"
    )]
    fn too_few(runner: &Runner<'_>, jobs: f64) -> Option<Self> {
        runner.rules.undecidable(libm::floor(jobs) as u64).map(Self::TooFewJobs)
    }
}

/// Returns the rules on success that allow fewer jobs to fail than are too large for every target, with the largest share of
/// such jobs; `None` if there are none.
fn too_large(runner: &Runner<'_>, scenario: &Scenario) -> Option<(Vec<BrokenRule>, f64)> {
    let unservable = |rule: &Rule| {
        let workloads = scenario.workloads.iter().enumerate();
        let judged = workloads.filter(|(index, _)| rule.judges(*index)).map(|(_, workload)| workload.clone());
        1.0 - Ceiling::of(&Scenario { workloads: judged.collect(), ..scenario.clone() }).servable_share
    };
    let success = runner.rules.kept.iter().filter(|rule| rule.metric == Metric::Success);
    let shares = success.map(|rule| (rule, unservable(rule)));
    let breaking: Vec<(BrokenRule, f64)> = shares
        .filter(|(rule, share)| *share > rule.allowed_share().unwrap_or(1.0) + ROUNDING)
        .map(|(rule, share)| (BrokenRule { rule: rule.text.clone(), metric: rule.metric }, share))
        .collect();
    let share = breaking.iter().map(|(_, share)| *share).reduce(f64::max)?;
    Some((breaking.into_iter().map(|(rule, _)| rule).collect(), rounded(share, 6)))
}

/// Returns those of `broken` that hold at no lower load either, because they break at the multiple of `lowest` on every
/// seed, without any refusal or wait that depends on the load. Rules on cost and headroom are left out, because less load
/// mends them. If a model has slots, no rule is returned, because calls may wait for them at the provider.
fn unconditional(
    runner: &Runner<'_>,
    scenario: &Scenario,
    lowest: &Run,
    broken: &[&BrokenRule],
) -> Vec<BrokenRule> {
    let has_slots = scenario.targets.iter().any(|target| {
        let model = &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
        model.latency.slots.is_some()
    });
    if has_slots || !is_unhindered(scenario, lowest) {
        return Vec::new();
    }
    let others = (1..SEEDS).into_par_iter().map(|replica| runner.run(scenario, lowest.multiple, replica));
    let others: Vec<Option<Run>> = others.collect();
    let Some(others) = others.into_iter().collect::<Option<Vec<Run>>>() else { return Vec::new() };
    let is_unconditional = |rule: &&&BrokenRule| {
        !matches!(rule.metric, Metric::Cost | Metric::Headroom)
            && others.iter().all(|run| is_unhindered(scenario, run) && run.broken.contains(rule))
    };
    broken.iter().filter(is_unconditional).map(|rule| (*rule).clone()).collect()
}

/// Returns `true` if no job of a run was refused, shed, queued, paced, or given up while it waited for a limit.
fn is_unhindered(scenario: &Scenario, run: &Run) -> bool {
    let summary = &run.summary;
    let waited_for_limit = summary.targets.iter().flat_map(|target| target.given_up_for.values());
    let is_paced =
        scenario.clients_in_use().any(|(_, client)| client.pace != Pace::Off) && summary.time_s.wait > 0.0;
    // `first_refusal` ignores requests that a limit can never admit, which are refused at any load.
    summary.first_refusal.is_none()
        && summary.jobs.shed == 0
        && summary.time_s.queue == 0.0
        && waited_for_limit.sum::<u64>() == 0
        && !is_paced
}

//! The runs of a regression test: every replica of every scenario, on all cores. The result does not depend on the
//! number of cores.

use super::measures::{Values, values_of};
use crate::drive;
use crate::event::Event;
use crate::formatting::{RunTime, seconds};
use crate::load::Load;
use crate::record::{Fold, RuleResult};
use crate::scenario::Scenario;
use rayon::prelude::*;

/// One scenario under test.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario's file, as the user named it.
    pub file: String,
    /// The text of the file, used to find the lines of rules; may be empty.
    pub text: String,
    /// The command that runs the scenario, without its `--seed`.
    pub command: String,
    /// The scenario resolved for the seed of each replica: at least one. The first is judged by `expect:`.
    pub replicas: Vec<Scenario>,
}

impl Case {
    /// Returns the scenario of the first replica.
    ///
    /// # Panics
    /// If the case has no replica.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        self.replicas.first().expect("invariant: a case has at least one replica")
    }

    /// Returns what the text of an instant of its runs depends on.
    pub(super) fn run_time(&self) -> RunTime {
        let scenario = self.scenario();
        RunTime::new(scenario.duration.as_secs_f64(), scenario.clock.clone())
    }

    /// Returns the command that reproduces the replica with this seed.
    pub(super) fn reproduce(&self, seed: u64) -> String {
        format!("{} --seed {seed}", self.command)
    }
}

/// The results of the replicas of one scenario.
#[derive(Clone, Debug)]
pub struct ScenarioRuns {
    /// How long jobs arrived, in seconds.
    pub(super) duration_s: f64,
    /// In the order of [`Case::replicas`]; empty if not all of them were run to their end.
    pub(super) replicas: Vec<Replica>,
}

/// The result of one run.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) seed: u64,
    /// The measures.
    pub(super) values: Values,
    /// The results of the scenario's rules.
    pub(super) expect: Vec<RuleResult>,
}

/// Watches the runs of a test, from any thread.
pub trait TestProgress: Sync {
    /// Called once per run, whether it has a result or not: after the run, or instead of it if it is not begun.
    fn ran(&self) {}
    /// Called for a run that was ended because too many of its jobs were in flight; it has no result.
    fn too_many_jobs(&self) {}
    /// Returns `true` if no further run is to begin.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// Ignores progress.
impl TestProgress for () {}

/// Runs every replica of every case. If a run of a case is not begun or is ended early, the case has no replicas.
#[must_use]
pub fn run(cases: &[Case], progress: &dyn TestProgress) -> Vec<ScenarioRuns> {
    let scenarios: Vec<&Scenario> = cases.iter().flat_map(|case| &case.replicas).collect();
    let replica = |scenario: &&Scenario| {
        let replica = run_replica(scenario, progress);
        progress.ran();
        replica
    };
    // One run per task: run times differ widely, so larger tasks would leave cores idle.
    let replicas: Vec<Option<Replica>> = scenarios.par_iter().with_max_len(1).map(replica).collect();
    let mut replicas = replicas.into_iter();
    let runs = |case: &Case| {
        let of_case: Vec<Option<Replica>> = replicas.by_ref().take(case.replicas.len()).collect();
        ScenarioRuns {
            duration_s: seconds(case.scenario().duration),
            replicas: of_case.into_iter().collect::<Option<_>>().unwrap_or_default(),
        }
    };
    cases.iter().map(runs).collect()
}

/// Makes one run; `None` if it was ended early: the test was interrupted, or too many jobs were in flight.
fn run_replica(scenario: &Scenario, progress: &dyn TestProgress) -> Option<Replica> {
    if progress.is_interrupted() {
        return None;
    }
    let summary = drive::summarize_without_distributions(scenario, Load::new(scenario), &mut Stop(progress));
    if summary.jobs.are_too_many() {
        progress.too_many_jobs();
        return None;
    }
    let replica = Replica { seed: scenario.seed, values: values_of(&summary), expect: summary.expect };
    (!progress.is_interrupted()).then_some(replica)
}

/// Ends a run if the test is interrupted.
struct Stop<'a>(&'a dyn TestProgress);

impl Fold for Stop<'_> {
    fn event(&mut self, _: &Event) {}
    fn is_done(&self) -> bool {
        self.0.is_interrupted()
    }
}

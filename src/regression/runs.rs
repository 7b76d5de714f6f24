//! The runs of a regression test: every replica of every scenario, on all cores. The result does not depend on the
//! number of cores.

use super::measures::{Values, values_of};
use crate::drive;
use crate::formatting::seconds;
use crate::load::Load;
use crate::record::RuleResult;
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
    pub(super) fn scenario(&self) -> &Scenario {
        self.replicas.first().expect("invariant: a case has at least one replica")
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
    /// In the order of [`Case::replicas`].
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

/// Runs every replica of every case. `done` is called after each run, from any thread.
#[must_use]
pub fn run(cases: &[Case], done: &(dyn Fn() + Sync)) -> Vec<ScenarioRuns> {
    let scenarios: Vec<&Scenario> = cases.iter().flat_map(|case| &case.replicas).collect();
    let replica = |scenario: &&Scenario| {
        let replica = run_replica(scenario);
        done();
        replica
    };
    // One run per task: run times differ widely, so larger tasks would leave cores idle.
    let replicas: Vec<Replica> = scenarios.par_iter().with_max_len(1).map(replica).collect();
    let mut replicas = replicas.into_iter();
    let runs = |case: &Case| ScenarioRuns {
        duration_s: seconds(case.scenario().duration),
        replicas: replicas.by_ref().take(case.replicas.len()).collect(),
    };
    cases.iter().map(runs).collect()
}

fn run_replica(scenario: &Scenario) -> Replica {
    let summary = drive::summarize_without_distributions(scenario, Load::new(scenario));
    Replica { seed: scenario.seed, values: values_of(&summary), expect: summary.expect }
}

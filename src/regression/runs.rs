//! Runs the scenarios under test: every replica of every scenario, on all cores. What comes out does not
//! depend on how many there are.

use super::measure::{Measured, measured};
use crate::ceiling::Ceiling;
use crate::drive::virtual_time;
use crate::formatting::seconds;
use crate::record::{Expected, Mode, Recorder, RunEnd};
use crate::scenario::Scenario;
use provider::Stream;
use rayon::prelude::*;

/// One scenario under test.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario's file, as the user named it.
    pub file: String,
    /// Its text, in which the lines of rules are looked for; may be empty.
    pub text: String,
    /// The command that runs it, but for the seed.
    pub command: String,
    /// The scenario, resolved for the seed of each replica. The first is the one that is judged by
    /// `expect:`; at least one.
    pub plans: Vec<Scenario>,
}

impl Case {
    /// The first replica.
    pub(super) fn scenario(&self) -> &Scenario {
        self.plans.first().expect("a case has at least one plan")
    }

    /// The command that runs the replica of a seed again.
    pub(super) fn reproduce(&self, seed: u64) -> String {
        format!("{} --seed {seed}", self.command)
    }
}

/// The seeds of so many replicas: the scenario's own, then others drawn from it. Two scenario seeds have,
/// but for chance, no replica in common.
pub fn seeds(own: u64, replicas: usize) -> impl Iterator<Item = u64> {
    // Half the bits: still 4 thousand million seeds, in numbers that a person can type.
    let drawn = (1..).map(move |replica| Stream::new(own, "replica", replica).next_u64() >> 32);
    std::iter::once(own).chain(drawn).take(replicas)
}

/// What the replicas of one scenario came to.
#[derive(Clone, Debug)]
pub struct ScenarioRuns {
    /// How long jobs arrived, in seconds.
    pub(super) duration_s: f64,
    /// In the order of the case's plans.
    pub(super) replicas: Vec<Replica>,
}

/// What one run came to.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) seed: u64,
    pub(super) measured: Measured,
    pub(super) expect: Vec<Expected>,
}

/// Runs every replica of every case. `done` is called after each, from any thread.
#[must_use]
pub fn run(cases: &[Case], done: &(dyn Fn() + Sync)) -> Vec<ScenarioRuns> {
    let plans: Vec<&Scenario> = cases.iter().flat_map(|case| &case.plans).collect();
    let replica = |scenario: &&Scenario| {
        let replica = replica(scenario);
        done();
        replica
    };
    // One scenario at a time: a day beside a minute must not wait for the other's core.
    let replicas: Vec<Replica> = plans.par_iter().with_max_len(1).map(replica).collect();
    let mut replicas = replicas.into_iter();
    let trial = |case: &Case| ScenarioRuns {
        duration_s: seconds(case.scenario().duration),
        replicas: replicas.by_ref().take(case.plans.len()).collect(),
    };
    cases.iter().map(trial).collect()
}

fn replica(scenario: &Scenario) -> Replica {
    let mut recorder = Recorder::new(scenario);
    let at = virtual_time::simulate(scenario, &mut recorder);
    let summary = recorder.finish(RunEnd {
        at,
        mode: Mode::Virtual,
        scheduled: None,
        ceiling: Ceiling::of(scenario),
        reproduce: String::new(),
        notes: Vec::new(),
    });
    Replica { seed: scenario.seed, measured: measured(&summary), expect: summary.expect }
}

//! Where the planner's runs are made: a plan, a multiple of its load and a replica in, a summary and how
//! far it is from breaking a rule out. Every run is a pure function of the three, so runs may be made in
//! any order and on any number of threads.

use super::rules::Rules;
use super::summary::Simulations;
use crate::ceiling::Ceiling;
use crate::drive::virtual_time;
use crate::load::{Load, SampleCache};
use crate::record::{Mode, Recorder, RunEnd, Summary};
use crate::scenario::Scenario;
use provider::Stream;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who is told how the work goes on; from several threads at once.
pub trait PlanProgress: Sync {
    /// A new stretch of work begins.
    fn stage(&self, name: &str);
    /// One more run is done.
    fn ran(&self);
}

/// Nobody.
impl PlanProgress for () {
    fn stage(&self, _: &str) {}
    fn ran(&self) {}
}

/// Makes runs, judges them by the same rules, and counts them.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    /// What every run is judged by.
    pub(super) rules: &'a Rules,
    pub(super) tally: &'a RunCount<'a>,
}

/// What was simulated so far, and who is told.
pub(super) struct RunCount<'a> {
    watch: &'a dyn PlanProgress,
    runs: AtomicU64,
    jobs: AtomicU64,
    /// What their jobs ask, drawn once for all.
    drawn: SampleCache,
}

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Of the load.
    pub(super) multiple: f64,
    /// What came of it; its expectations are the rules.
    pub(super) summary: Summary,
    /// How far it is from breaking a rule, in `-1..=1`; negative where one is broken.
    pub(super) slack: f64,
}

impl Run {
    pub(super) fn holds(&self) -> bool {
        self.slack >= 0.0
    }

    /// 95 % of the jobs that succeeded took no longer; `None` where none did.
    pub(super) fn p95_s(&self) -> Option<f64> {
        let latency = &self.summary.latency_s;
        (latency.count > 0).then_some(latency.p95)
    }

    /// What a day of this costs.
    pub(super) fn cost_per_day(&self) -> f64 {
        self.summary.cost_usd * 86_400.0 / self.summary.duration_s
    }

    /// The rules that are broken.
    pub(super) fn broken(&self) -> impl Iterator<Item = &str> {
        self.summary.expect.iter().filter(|rule| !rule.pass).map(|rule| rule.rule.as_str())
    }
}

impl<'a> RunCount<'a> {
    pub(super) fn new(watch: &'a dyn PlanProgress) -> Self {
        Self { watch, runs: AtomicU64::new(0), jobs: AtomicU64::new(0), drawn: SampleCache::default() }
    }

    pub(super) fn stage(&self, name: &str) {
        self.watch.stage(name);
    }

    pub(super) fn simulations(&self) -> Simulations {
        Simulations { runs: self.runs.load(Ordering::Relaxed), jobs: self.jobs.load(Ordering::Relaxed) }
    }

    fn ran(&self, jobs: u64) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(jobs, Ordering::Relaxed);
        self.watch.ran();
    }
}

impl Runner<'_> {
    /// Runs `plan` at `multiple` times its load. Replica 0 has the plan's own seed.
    pub(super) fn run(&self, scenario: &Scenario, multiple: f64, replica: u32) -> Run {
        let mut scenario = scenario.scaled(multiple);
        scenario.seed = seed(scenario.seed, replica);
        scenario.expect.clone_from(&self.rules.kept);
        let mut recorder = Recorder::new(&scenario);
        let load = Load::reading(&scenario, &self.tally.drawn);
        let at = virtual_time::simulate_load(&scenario, load, &mut recorder);
        let summary = recorder.finish(RunEnd {
            at,
            mode: Mode::Virtual,
            scheduled: None,
            ceiling: Ceiling::of(&scenario),
            reproduce: String::new(),
            notes: Vec::new(),
        });
        self.tally.ran(summary.jobs.offered);
        Run { multiple, slack: self.rules.slack(&summary), summary }
    }
}

/// The seed of a replica, short enough to be typed.
fn seed(seed: u64, replica: u32) -> u64 {
    if replica == 0 { seed } else { Stream::new(seed, "replica", u64::from(replica)).next_u64() >> 32 }
}

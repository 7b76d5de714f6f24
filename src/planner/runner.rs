//! Makes the runs of the planner. The input of a run is a scenario, a multiple of its load and a replica; the output is a
//! summary and its distance from breaking a rule. A run is a pure function of its input, so runs may be made in any order
//! and on any number of threads.

use super::early_end::EarlyEnd;
use super::outage::{OutageRecord, OutageRecorder};
use super::plan::{BrokenRule, TooFewJobs};
use super::request::{RunKind, RunOutput, RunRequest};
use super::rules::Rules;
use super::run_count::RunCount;
use crate::drive;
use crate::load::Load;
use crate::record::{Fold, Mode, Recorder, Summary};
use crate::scenario::{Rule, Scenario};
use crate::stats::replica_seed;
use provider::Instant;
use std::ops::Range;

/// Makes runs, judges all of them by the same rules, and counts them.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    /// The rules by which every run is judged.
    pub(super) rules: &'a Rules,
    pub(super) count: &'a RunCount<'a>,
    /// The changes with which the scenario is run, for lists of runs.
    pub(super) changes: &'a [String],
}

/// A judged run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The multiple of the load; positive and finite.
    pub(super) multiple: f64,
    /// Its results; `expect` holds the rules of the ceiling.
    pub(super) summary: Summary,
    /// Its distance from breaking a rule, in `-1..=1`; negative if a rule is broken.
    pub(super) slack: f64,
    /// The rules that it breaks.
    pub(super) broken: Vec<BrokenRule>,
    /// The first rule that cannot be judged from it; `None` if all can.
    pub(super) unjudged: Option<TooFewJobs>,
}

impl Run {
    fn new(multiple: f64, rules: &Rules, summary: Summary) -> Self {
        let (slack, broken) = (rules.slack(&summary), rules.broken(&summary));
        let run = Self { multiple, slack, broken, unjudged: rules.unjudged(&summary), summary };
        assert!((-1.0..=1.0).contains(&run.slack), "invariant: slack in -1..=1, found {}", run.slack);
        assert_eq!(run.breaks(), run.slack < 0.0, "invariant: slack is negative if a rule is broken");
        run
    }

    /// Returns `true` if every rule can be judged and holds. A run may neither hold nor break a rule.
    pub(super) fn holds(&self) -> bool {
        !self.breaks() && self.unjudged.is_none()
    }

    /// Returns `true` if a rule is broken.
    pub(super) fn breaks(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Returns why the run neither holds nor breaks a rule; `None` if it does one of them.
    pub(super) fn undecided(&self) -> Option<&TooFewJobs> {
        self.unjudged.as_ref().filter(|_| !self.breaks())
    }

    /// Returns the 95th percentile of the latency of succeeded jobs, or `None` if none succeeded.
    pub(super) fn p95_s(&self) -> Option<f64> {
        let latency = &self.summary.latency_s;
        (latency.count > 0).then_some(latency.p95)
    }

    /// Returns the cost of the run scaled to a day, in USD.
    pub(super) fn cost_per_day(&self) -> f64 {
        debug_assert!(self.summary.duration_s > 0.0, "invariant: a run lasts longer than 0 s");
        self.summary.charged_usd() * 86_400.0 / self.summary.duration_s
    }
}

/// Returns each rule once, in the order of their first occurrence.
pub(super) fn distinct<'a>(rules: impl Iterator<Item = &'a BrokenRule>) -> Vec<BrokenRule> {
    let mut distinct: Vec<BrokenRule> = Vec::new();
    for rule in rules {
        if !distinct.contains(rule) {
            distinct.push(rule.clone());
        }
    }
    distinct
}

impl<'a> Runner<'a> {
    /// Returns the runner of the scenario without changes.
    pub(super) fn new(rules: &'a Rules, count: &'a RunCount<'a>) -> Self {
        Self { rules, count, changes: &[] }
    }

    /// Returns the runner of the scenario with these changes.
    pub(super) fn with_changes<'b>(&self, changes: &'b [String]) -> Runner<'b>
    where
        'a: 'b,
    {
        Runner { changes, ..*self }
    }

    /// Runs `scenario` at `multiple` times its load. Replica 0 has the scenario's own seed. Returns `None` if the measurements
    /// were stopped before the run ended, or if it had too many jobs in flight.
    pub(super) fn run(&self, scenario: &Scenario, multiple: f64, replica: u32) -> Option<Run> {
        let request = self.request(scenario, (multiple, replica), RunKind::Whole);
        self.or_cut(self.judged(&request, &|| self.count.is_stopped())).map(|(run, _)| run)
    }

    /// Makes the same run, but ends it once a rule on the success of all its jobs is broken for certain; the summary then
    /// covers the run until that time. Returns `None` if the time was up before the run ended, or if it had too many jobs
    /// in flight.
    pub(super) fn run_for_verdict(
        &self,
        scenario: &Scenario,
        multiple: f64,
        replica: u32,
        is_time_up: &dyn Fn() -> bool,
    ) -> Option<Run> {
        let request = self.request(scenario, (multiple, replica), RunKind::Verdict);
        self.judged(&request, is_time_up).map(|(run, _)| run)
    }

    /// Makes a whole run. Returns `None` in the same cases as [`Self::run_for_verdict`].
    pub(super) fn timed_run(
        &self,
        scenario: &Scenario,
        multiple: f64,
        replica: u32,
        is_time_up: &dyn Fn() -> bool,
    ) -> Option<Run> {
        let request = self.request(scenario, (multiple, replica), RunKind::Whole);
        self.judged(&request, is_time_up).map(|(run, _)| run)
    }

    /// Makes a whole run at the present load with a record of the jobs that arrive from one instant until another. Returns `None`
    /// in the same cases as [`Self::run`].
    pub(super) fn run_with_outage(
        &self,
        scenario: &Scenario,
        (from, until): (Instant, Instant),
        replica: u32,
    ) -> Option<(Run, OutageRecord)> {
        let request = self.request(scenario, (1.0, replica), RunKind::Outage { from, until });
        let (run, record) = self.or_cut(self.judged(&request, &|| self.count.is_stopped()))?;
        Some((run, record.expect("invariant: a run of this kind has a record of the outage")))
    }

    /// Makes runs part of the next round of a plan that several processes share, because the plan will probably need them whatever
    /// the other runs of the round show.
    pub(super) fn announce(
        &self,
        scenario: &Scenario,
        (multiple, replicas): (f64, Range<u32>),
        kind: RunKind,
    ) {
        let Some(known) = self.count.known else { return };
        for replica in replicas {
            let _output = known.find(&self.request(scenario, (multiple, replica), kind));
        }
    }

    /// Notes that a run is missing if there is none.
    fn or_cut<T>(&self, run: Option<T>) -> Option<T> {
        if run.is_none() {
            self.count.note_cut();
        }
        run
    }

    fn request<'r>(
        &'r self,
        scenario: &'r Scenario,
        (multiple, replica): (f64, u32),
        kind: RunKind,
    ) -> RunRequest<'r> {
        assert!(multiple > 0.0 && multiple.is_finite(), "invariant: a positive multiple, found {multiple}");
        RunRequest { scenario, multiple, replica, kind, rules: self.rules, changes: self.changes }
    }

    /// Returns the judged run of a request, with its record of an outage.
    fn judged(
        &self,
        request: &RunRequest<'_>,
        is_time_up: &dyn Fn() -> bool,
    ) -> Option<(Run, Option<OutageRecord>)> {
        let output = match self.count.known {
            Some(known) => known.find(request)?,
            None => self.simulate(request, is_time_up)?,
        };
        self.count.add(&output.summary);
        if output.summary.jobs.are_too_many() {
            return None;
        }
        Some((Run::new(request.multiple, self.rules, output.summary), output.outage))
    }

    /// Simulates a run. Returns `None` if the time is up before it ends.
    pub(super) fn simulate(
        &self,
        request: &RunRequest<'_>,
        is_time_up: &dyn Fn() -> bool,
    ) -> Option<RunOutput> {
        if is_time_up() {
            return None;
        }
        let scenario = self.prepare(request.scenario, (request.multiple, request.replica), is_time_up);
        let load = Load::with_cache(&scenario, &self.count.samples);
        let rules: &[Rule] = if request.kind == RunKind::Verdict { &self.rules.kept } else { &[] };
        let mut end = EarlyEnd::new(&scenario, rules, load.clone(), is_time_up);
        // Start levels are not valid if the time was up while they were computed.
        if is_time_up() {
            return None;
        }
        let mut outage = match request.kind {
            RunKind::Outage { from, until } => Some(OutageRecorder::new(request.scenario, from, until)),
            RunKind::Whole | RunKind::Verdict => None,
        };
        let recorder = Recorder::without_distributions(&scenario);
        let summary = match &mut outage {
            Some(outage) => simulate(&scenario, load, recorder, &mut (&mut end, outage)),
            None => simulate(&scenario, load, recorder, &mut end),
        };
        (!end.timed_out).then(|| RunOutput { summary, outage: outage.map(OutageRecorder::finish) })
    }

    /// Returns the scenario of a run: scaled, with its start levels and the seed of its replica, judged by the rules of this
    /// runner. The start levels are not valid if the time is up afterwards.
    pub(super) fn prepare(
        &self,
        scenario: &Scenario,
        (multiple, replica): (f64, u32),
        is_time_up: &dyn Fn() -> bool,
    ) -> Scenario {
        assert!(multiple > 0.0 && multiple.is_finite(), "invariant: a positive multiple, found {multiple}");
        let (variant, scenario) = (scenario, scenario.scaled(multiple));
        let levels = self.count.start_levels(variant, &scenario, multiple, is_time_up);
        let mut scenario = levels.applied_to(scenario);
        scenario.seed = replica_seed(scenario.seed, u64::from(replica));
        scenario.expect.clone_from(&self.rules.kept);
        scenario
    }
}

/// Simulates a prepared scenario.
fn simulate(scenario: &Scenario, load: Load, recorder: Recorder, fold: &mut impl Fold) -> Summary {
    drive::record(recorder, Mode::Virtual, fold, |folds| {
        drive::virtual_time::simulate_load(scenario, load, folds)
    })
}

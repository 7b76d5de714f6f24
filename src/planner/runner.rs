//! Makes the runs of the planner. The input of a run is a scenario, a multiple of its load and a replica; the output is a
//! summary and its distance from breaking a rule. A run is a pure function of its input, so runs may be made in any order
//! and on any number of threads.

use super::PlanError;
use super::early_end::EarlyEnd;
use super::finding::CutReason;
use super::plan::{BrokenRule, Simulations, TooFewJobs};
use super::rules::Rules;
use crate::drive::{self, StartLevels};
use crate::load::{Load, SampleCache};
use crate::record::{Fold, Mode, Recorder, Summary};
use crate::scenario::{Rule, Scenario};
use crate::stats::replica_seed;
use provider::Nanos;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Receives the progress of a plan, from several threads at once.
pub trait PlanProgress: Sync {
    /// Called when a stage of the work begins, with its name.
    fn stage(&self, name: &str);
    /// Called after every run.
    fn ran(&self);
    /// Returns `true` if the plan is to end with what it has.
    fn is_interrupted(&self) -> bool {
        false
    }
    /// Returns the time since the plan was begun, for [`super::PlanOptions::time_limit`]. Without a clock, no limit is
    /// ever reached.
    fn elapsed(&self) -> Nanos {
        Nanos::ZERO
    }
}

/// Ignores progress.
impl PlanProgress for () {
    fn stage(&self, _: &str) {}
    fn ran(&self) {}
}

/// Makes runs, judges all of them by the same rules, and counts them.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    /// The rules by which every run is judged.
    pub(super) rules: &'a Rules,
    pub(super) count: &'a RunCount<'a>,
}

/// The runs made so far: their number, what they share, and what ends them.
pub(super) struct RunCount<'a> {
    progress: &'a dyn PlanProgress,
    runs: AtomicU64,
    jobs: AtomicU64,
    /// When the measurements end, by the clock of the plan; `None` for no limit.
    until: Option<Nanos>,
    /// Whether a run was left out or ended because the measurements were stopped, or because of too many jobs in flight.
    was_cut: AtomicBool,
    /// Whether a run was ended because too many of its jobs were in flight.
    has_too_many_jobs: AtomicBool,
    /// The highest multiple of the load, by the hash of the scenario, at which all limits are known to begin unused.
    unused_up_to: Mutex<FxHashMap<u64, f64>>,
    /// The start levels by the hash of the scenario and the bits of the multiple: all replicas begin with the same.
    levels: Mutex<FxHashMap<(u64, u64), StartLevels>>,
    /// Sampled requests, which the runs share.
    samples: SampleCache,
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

impl<'a> RunCount<'a> {
    pub(super) fn new(progress: &'a dyn PlanProgress) -> Self {
        Self {
            progress,
            runs: AtomicU64::new(0),
            jobs: AtomicU64::new(0),
            until: None,
            was_cut: AtomicBool::new(false),
            has_too_many_jobs: AtomicBool::new(false),
            unused_up_to: Mutex::default(),
            levels: Mutex::default(),
            samples: SampleCache::default(),
        }
    }

    /// Ends the measurements after this time.
    pub(super) fn until(self, time_limit: Option<Nanos>) -> Self {
        Self { until: time_limit, ..self }
    }

    /// Returns `true` if the plan was interrupted, or a run had too many jobs in flight.
    pub(super) fn is_ended(&self) -> bool {
        self.has_too_many_jobs.load(Ordering::Relaxed) || self.progress.is_interrupted()
    }

    /// Returns `true` if the measurements are stopped: the plan is ended, or its time is up.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_ended() || self.until.is_some_and(|until| self.elapsed() > until)
    }

    /// Returns why measurements may be missing; `None` if none is.
    pub(super) fn cut_by(&self) -> Option<CutReason> {
        if self.progress.is_interrupted() {
            Some(CutReason::Interrupted)
        } else {
            self.was_cut.load(Ordering::Relaxed).then_some(CutReason::TimeLimit)
        }
    }

    /// Returns the error of a plan that was ended before it had an answer.
    pub(super) fn error(&self) -> PlanError {
        match self.cut_by() {
            _ if self.has_too_many_jobs.load(Ordering::Relaxed) => PlanError::TooManyJobs,
            Some(CutReason::Interrupted) => PlanError::Interrupted,
            Some(CutReason::TimeLimit) | None => PlanError::TimeLimit,
        }
    }

    /// Returns an error if a run had so many jobs in flight that its load cannot be judged.
    pub(super) fn check_jobs(&self) -> Result<(), PlanError> {
        if self.has_too_many_jobs.load(Ordering::Relaxed) { Err(PlanError::TooManyJobs) } else { Ok(()) }
    }

    /// Returns the start levels of `scenario`, which is `variant` at this multiple of its load. Limits that begin unused at
    /// a load begin unused at every lower one, so the levels are not simulated again there, nor for another replica.
    fn start_levels(
        &self,
        variant: &Scenario,
        scenario: &Scenario,
        multiple: f64,
        is_time_up: &dyn Fn() -> bool,
    ) -> StartLevels {
        let full = StartLevels::full(scenario);
        if full.is_empty() {
            return full;
        }
        let mut hasher = FxHasher::default();
        // The debug form of a scenario contains everything on which its runs depend.
        format!("{variant:?}").hash(&mut hasher);
        let key = hasher.finish();
        let lock = || self.unused_up_to.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().get(&key).is_some_and(|unused| multiple <= *unused) {
            return full;
        }
        let known_levels = || self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let exact = (key, multiple.to_bits());
        if let Some(levels) = known_levels().get(&exact) {
            return levels.clone();
        }
        let levels = full.after_days_until(scenario, is_time_up);
        if is_time_up() {
            return levels;
        }
        known_levels().insert(exact, levels.clone());
        if levels.is_full() {
            let mut known = lock();
            let unused = known.entry(key).or_insert(multiple);
            *unused = unused.max(multiple);
        }
        levels
    }

    /// Notes that something was left out because the measurements were stopped.
    pub(super) fn note_cut(&self) {
        self.was_cut.store(true, Ordering::Relaxed);
    }

    /// Announces the next stage of the work.
    pub(super) fn stage(&self, name: &str) {
        self.progress.stage(name);
    }

    /// Returns what was simulated so far.
    pub(super) fn simulations(&self) -> Simulations {
        Simulations { runs: self.runs.load(Ordering::Relaxed), jobs: self.jobs.load(Ordering::Relaxed) }
    }

    /// Returns the time since the plan was begun.
    pub(super) fn elapsed(&self) -> Nanos {
        self.progress.elapsed()
    }

    fn add(&self, jobs: u64) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(jobs, Ordering::Relaxed);
        self.progress.ran();
    }
}

impl Runner<'_> {
    /// Runs `scenario` at `multiple` times its load. Replica 0 has the scenario's own seed. Returns `None` if the measurements
    /// were stopped before the run ended, or if it had too many jobs in flight.
    pub(super) fn run(&self, scenario: &Scenario, multiple: f64, replica: u32) -> Option<Run> {
        self.run_with(scenario, (multiple, replica), &mut ())
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
        self.run_until(scenario, (multiple, replica), &self.rules.kept, is_time_up, &mut ())
    }

    /// Makes a whole run. Returns `None` in the same cases as [`Self::run_for_verdict`].
    pub(super) fn timed_run(
        &self,
        scenario: &Scenario,
        multiple: f64,
        replica: u32,
        is_time_up: &dyn Fn() -> bool,
    ) -> Option<Run> {
        self.run_until(scenario, (multiple, replica), &[], is_time_up, &mut ())
    }

    /// Makes a run that ends early if one of `rules` on the success of all jobs is broken for certain. Returns `None` if the
    /// time was up before it ended, or if it had too many jobs in flight.
    fn run_until(
        &self,
        scenario: &Scenario,
        (multiple, replica): (f64, u32),
        rules: &[Rule],
        is_time_up: &dyn Fn() -> bool,
        fold: &mut impl Fold,
    ) -> Option<Run> {
        if is_time_up() {
            return None;
        }
        let scenario = self.prepare(scenario, (multiple, replica), is_time_up);
        let load = Load::with_cache(&scenario, &self.count.samples);
        let mut end = EarlyEnd::new(&scenario, rules, load.clone(), is_time_up);
        // Start levels are not valid if the time was up while they were computed.
        if is_time_up() {
            return None;
        }
        let run = self.simulate(&scenario, multiple, load, &mut (&mut end, fold));
        (!end.timed_out && !run.summary.jobs.are_too_many()).then_some(run)
    }

    /// Makes a run whose events go to `fold` as well. Returns `None` in the same cases as [`Self::run`].
    pub(super) fn run_with(
        &self,
        scenario: &Scenario,
        (multiple, replica): (f64, u32),
        fold: &mut impl Fold,
    ) -> Option<Run> {
        let run = self.run_until(scenario, (multiple, replica), &[], &|| self.count.is_stopped(), fold);
        if run.is_none() {
            self.count.was_cut.store(true, Ordering::Relaxed);
        }
        run
    }

    /// Simulates a prepared scenario.
    fn simulate(&self, scenario: &Scenario, multiple: f64, load: Load, fold: &mut impl Fold) -> Run {
        let recorder = Recorder::without_distributions(scenario);
        let summary = drive::record(recorder, Mode::Virtual, fold, |folds| {
            drive::virtual_time::simulate_load(scenario, load, folds)
        });
        self.count.add(summary.jobs.offered);
        if summary.jobs.are_too_many() {
            self.count.has_too_many_jobs.store(true, Ordering::Relaxed);
        }
        Run::new(multiple, self.rules, summary)
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

//! The runs that a plan has made so far: their number, what they share, and what ends them.

use super::PlanError;
use super::finding::CutReason;
use super::known_runs::KnownRuns;
use super::plan::Simulations;
use crate::drive::StartLevels;
use crate::load::SampleCache;
use crate::record::Summary;
use crate::scenario::Scenario;
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

/// The runs made so far: their number, what they share, and what ends them.
pub(super) struct RunCount<'a> {
    progress: &'a dyn PlanProgress,
    /// The runs that other processes made, which are then the only ones; `None` if this process makes all.
    pub(super) known: Option<&'a KnownRuns>,
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
    pub(super) samples: SampleCache,
}

impl<'a> RunCount<'a> {
    pub(super) fn new(progress: &'a dyn PlanProgress) -> Self {
        Self {
            progress,
            known: None,
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

    /// Takes all runs from those that are known.
    pub(super) fn from(self, known: &'a KnownRuns) -> Self {
        Self { known: Some(known), ..self }
    }

    /// Returns `true` if a run is missing that another process has to make. What follows from the runs until then may be wrong.
    pub(super) fn lacks_runs(&self) -> bool {
        self.known.is_some_and(KnownRuns::lacks_runs)
    }

    /// Returns `true` if a run is missing without which the plan cannot be made.
    pub(super) fn is_waiting(&self) -> bool {
        self.lacks_runs() && self.known.is_some_and(|known| known.missing_shards.is_empty())
    }

    /// Returns `true` if a search must not go on: the measurements are stopped, or a run is missing.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_stopped() || self.lacks_runs()
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
        } else if self.lacks_runs() {
            Some(CutReason::MissingShards)
        } else {
            self.was_cut.load(Ordering::Relaxed).then_some(CutReason::TimeLimit)
        }
    }

    /// Returns the error of a plan that was ended before it had an answer.
    pub(super) fn error(&self) -> PlanError {
        match self.cut_by() {
            _ if self.has_too_many_jobs.load(Ordering::Relaxed) => PlanError::TooManyJobs,
            Some(CutReason::Interrupted) => PlanError::Interrupted,
            Some(CutReason::MissingShards) => PlanError::MissingShards,
            Some(CutReason::TimeLimit) | None => PlanError::TimeLimit,
        }
    }

    /// Returns an error if a run had so many jobs in flight that its load cannot be judged.
    pub(super) fn check_jobs(&self) -> Result<(), PlanError> {
        if self.has_too_many_jobs.load(Ordering::Relaxed) { Err(PlanError::TooManyJobs) } else { Ok(()) }
    }

    /// Returns the start levels of `scenario`, which is `variant` at this multiple of its load. Limits that begin unused at
    /// a load begin unused at every lower one, so the levels are not simulated again there, nor for another replica.
    pub(super) fn start_levels(
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

    /// Counts a run.
    pub(super) fn add(&self, summary: &Summary) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(summary.jobs.offered, Ordering::Relaxed);
        if summary.jobs.are_too_many() {
            self.has_too_many_jobs.store(true, Ordering::Relaxed);
        }
        self.progress.ran();
    }
}

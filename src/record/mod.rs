//! Consumers of the event stream of a run, in memory that does not grow with the length of the run.
//!
//! A driver hands every [`Event`] to a [`Fold`] and, at the instants that the fold asks for, the used share of every
//! limit. [`Recorder`] folds the stream into a [`Summary`] (the content of `result.json`, and all that a report
//! reads), [`SlowJobs`] keeps the traces of the slowest jobs that succeeded and of the first that did not, [`Audit`] checks
//! the laws independently of the engine, [`DelayMeter`] measures the delays of a live run, [`Log`] writes the events as JSON
//! lines. A pair of folds is a fold, so a driver takes exactly one.
//!
//! ```text
//!  driver ──Event*, samples──▶ (Recorder, (Audit, Log)) ──▶ Summary, violations, JSON lines
//! ```

mod audit;
mod batch_result;
mod buckets;
mod ceiling;
mod charge;
mod client_comparison;
mod client_result;
mod coalescing;
mod consistency;
mod counts;
mod cut_answers;
mod delays;
mod ended_early;
mod endpoint;
mod engine_audit;
mod expect;
mod findings;
mod finish;
mod first_refusal;
mod generator;
mod given_up;
mod hedge_audit;
mod hedge_result;
mod histogram;
mod incident;
mod law_violation;
mod local_failures;
pub mod log;
mod names;
mod recorder;
mod rule_result;
mod rule_windows;
mod series;
mod slow_jobs;
mod summary;
mod target_result;
mod task_audit;
mod tasks;
mod trace;
mod unsent;
mod window_index;
mod workload_result;
mod worst_window;

pub use audit::Audit;
pub use batch_result::BatchResult;
pub(crate) use charge::{ChargeSum, within};
pub use client_comparison::{ClientComparison, ComparedClient};
pub use cut_answers::{CutAnswers, CutBound, CutWorkload};
pub use delays::{DelayEffect, DelayMeter, Delays, Difference, MIN_DELAYS};
pub use endpoint::{
    EndpointBound, EndpointCost, EndpointRefusals, EndpointResult, EndpointStop, MAX_STATED_TARGETS,
    StatedTarget,
};
pub(crate) use expect::holds;
pub use expect::measure;
pub use findings::{Finding, LimitCeiling};
pub use finish::RunEnd;
pub use generator::{GeneratorLag, GeneratorShed, Late};
pub use given_up::GivenUp;
pub use hedge_result::HedgeCounts;
pub use histogram::{Histogram, HistogramError};
pub use law_violation::Violation;
pub use log::{Log, LogHash};
pub use recorder::Recorder;
pub use rule_result::{NotJudged, RuleResult, UnjudgedRule};
pub(crate) use rule_windows::min_jobs as min_window_jobs;
pub use series::{Charged, Fill, Incident, Series};
pub use slow_jobs::SlowJobs;
pub use summary::*;
pub use tasks::{TaskBand, TaskOutcomes, Tasks};
pub use trace::{JobTrace, TraceEvent, TraceEventKind};
pub use unsent::UnsentJobs;
pub use worst_window::{RefusedBy, WorstWindow};

use crate::event::Event;
use crate::ids::TargetId;
use provider::{Axis, Instant, Nanos};

/// A consumer of the events of a run, in order.
pub trait Fold {
    /// Takes the next event. `event.at` is never earlier than that of the event before.
    fn event(&mut self, event: &Event);

    /// Returns the instant of the next sample of the limits; [`Instant::MAX`] if no sample is wanted.
    fn next_sample(&self) -> Instant {
        Instant::MAX
    }

    /// Takes the used share of one limit (0 if untouched, above 1 if overdrawn) and its units per window at that time, which
    /// vary if it adapts.
    ///
    /// At [`Fold::next_sample`], and before any event at that instant, a driver calls this for every limit of every
    /// target, then [`Fold::sampled`] once.
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64, limit: u64) {
        let _ = (at, target, axis, used_share, limit);
    }

    /// Ends the samples of one instant; [`Fold::next_sample`] is later from then on.
    fn sampled(&mut self, at: Instant) {
        let _ = at;
    }

    /// Takes the largest used share that one limit had in the run. A driver calls this when the run ends, for every limit of which it is
    /// known.
    fn most_used(&mut self, target: TargetId, axis: Axis, used_share: f64) {
        let _ = (target, axis, used_share);
    }

    /// Takes the time that an attempt of a live run waited in this process, from its send to the beginning of its request.
    fn request_began(&mut self, lag: Nanos) {
        let _ = lag;
    }

    /// Returns `true` to end the run before the next timer, reply or arrival. Further events of the current one still follow.
    /// Jobs in flight then end as [`crate::event::JobOutcome::InFlight`].
    fn is_done(&self) -> bool {
        false
    }
}

/// Discards every event.
impl Fold for () {
    fn event(&mut self, _: &Event) {}
}

impl<F: Fold + ?Sized> Fold for &mut F {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        (**self).event(event);
    }
    fn next_sample(&self) -> Instant {
        (**self).next_sample()
    }
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64, limit: u64) {
        (**self).sample(at, target, axis, used_share, limit);
    }
    fn sampled(&mut self, at: Instant) {
        (**self).sampled(at);
    }
    fn most_used(&mut self, target: TargetId, axis: Axis, used_share: f64) {
        (**self).most_used(target, axis, used_share);
    }
    fn request_began(&mut self, lag: Nanos) {
        (**self).request_began(lag);
    }
    fn is_done(&self) -> bool {
        (**self).is_done()
    }
}

/// A fold that an option of the command line enables.
impl<F: Fold> Fold for Option<F> {
    fn event(&mut self, event: &Event) {
        if let Some(fold) = self {
            fold.event(event);
        }
    }
    fn next_sample(&self) -> Instant {
        self.as_ref().map_or(Instant::MAX, Fold::next_sample)
    }
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64, limit: u64) {
        if let Some(fold) = self {
            fold.sample(at, target, axis, used_share, limit);
        }
    }
    fn sampled(&mut self, at: Instant) {
        if let Some(fold) = self {
            fold.sampled(at);
        }
    }
    fn most_used(&mut self, target: TargetId, axis: Axis, used_share: f64) {
        if let Some(fold) = self {
            fold.most_used(target, axis, used_share);
        }
    }
    fn request_began(&mut self, lag: Nanos) {
        if let Some(fold) = self {
            fold.request_began(lag);
        }
    }
    fn is_done(&self) -> bool {
        self.as_ref().is_some_and(Fold::is_done)
    }
}

/// Both folds take every event; each takes only the samples that it asked for.
impl<A: Fold, B: Fold> Fold for (A, B) {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        self.0.event(event);
        self.1.event(event);
    }
    fn next_sample(&self) -> Instant {
        self.0.next_sample().min(self.1.next_sample())
    }
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64, limit: u64) {
        if self.0.next_sample() <= at {
            self.0.sample(at, target, axis, used_share, limit);
        }
        if self.1.next_sample() <= at {
            self.1.sample(at, target, axis, used_share, limit);
        }
    }
    fn sampled(&mut self, at: Instant) {
        if self.0.next_sample() <= at {
            self.0.sampled(at);
        }
        if self.1.next_sample() <= at {
            self.1.sampled(at);
        }
    }
    fn most_used(&mut self, target: TargetId, axis: Axis, used_share: f64) {
        self.0.most_used(target, axis, used_share);
        self.1.most_used(target, axis, used_share);
    }
    fn request_began(&mut self, lag: Nanos) {
        self.0.request_began(lag);
        self.1.request_began(lag);
    }
    /// Either fold ends the run.
    fn is_done(&self) -> bool {
        self.0.is_done() || self.1.is_done()
    }
}

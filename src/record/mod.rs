//! What is kept of a run: folds over its one stream of events, in constant memory.
//!
//! Whoever drives a run hands every [`Event`] to a [`Fold`], and at the instants the fold asks for tells it
//! how full each limit is. [`Recorder`] folds the stream into a [`Summary`] (the content of `result.json`,
//! and all that any report reads), [`SlowJobs`] keeps the stories of the worst jobs, [`Audit`] checks the laws from
//! outside, [`Log`] writes the events down.
//! A pair of folds is a fold, so a driver needs to know only one.
//!
//! ```text
//!  driver ──Event*, samples──▶ (Recorder, (Audit, Log)) ──▶ Summary, violations, JSON lines
//! ```

mod audit;
mod coalescing;
mod expect;
mod finish;
mod histogram;
mod log;
mod names;
mod recorder;
mod series;
mod slow_jobs;
mod summary;
mod verdict;

pub use audit::{Audit, Violation};
pub use expect::measure;
pub use log::{Chain, Log};
pub use recorder::{Recorder, RunEnd};
pub use slow_jobs::SlowJobs;
pub use summary::*;

use crate::event::Event;
use crate::ids::TargetId;
use provider::{Axis, Instant};

/// Something that a run's events, in order, add up to.
pub trait Fold {
    /// Takes the next event; its `at` is never earlier than that of the one before.
    fn event(&mut self, event: &Event);

    /// When it next wants to know how full the limits are; [`Instant::MAX`] for never again.
    fn next_sample(&self) -> Instant {
        Instant::MAX
    }

    /// How full a limit is: the used share of it as the provider knows it, 0 when untouched, above 1 when overdrawn.
    ///
    /// At the instant named by [`Fold::next_sample`] (before any event at that instant), a driver calls this
    /// for every limit of every target, then [`Fold::sampled`] once.
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64) {
        let _ = (at, target, axis, used_share);
    }

    /// Every limit has been sampled at this instant; [`Fold::next_sample`] is later from now on.
    fn sampled(&mut self, at: Instant) {
        let _ = at;
    }

    /// Returns `true` to end the run after the event at hand. Jobs in flight are then done as
    /// [`crate::event::JobOutcome::InFlight`].
    fn is_done(&self) -> bool {
        false
    }
}

/// The fold that keeps nothing.
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
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64) {
        (**self).sample(at, target, axis, used_share);
    }
    fn sampled(&mut self, at: Instant) {
        (**self).sampled(at);
    }
    fn is_done(&self) -> bool {
        (**self).is_done()
    }
}

/// Nothing, or a fold: what an option on the command line turns on.
impl<F: Fold> Fold for Option<F> {
    fn event(&mut self, event: &Event) {
        if let Some(fold) = self {
            fold.event(event);
        }
    }
    fn next_sample(&self) -> Instant {
        self.as_ref().map_or(Instant::MAX, Fold::next_sample)
    }
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64) {
        if let Some(fold) = self {
            fold.sample(at, target, axis, used_share);
        }
    }
    fn sampled(&mut self, at: Instant) {
        if let Some(fold) = self {
            fold.sampled(at);
        }
    }
    fn is_done(&self) -> bool {
        self.as_ref().is_some_and(Fold::is_done)
    }
}

/// Both folds see every event; each sees only the samples it asked for.
impl<A: Fold, B: Fold> Fold for (A, B) {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        self.0.event(event);
        self.1.event(event);
    }
    fn next_sample(&self) -> Instant {
        self.0.next_sample().min(self.1.next_sample())
    }
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64) {
        if self.0.next_sample() <= at {
            self.0.sample(at, target, axis, used_share);
        }
        if self.1.next_sample() <= at {
            self.1.sample(at, target, axis, used_share);
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
    /// Either fold ends the run.
    fn is_done(&self) -> bool {
        self.0.is_done() || self.1.is_done()
    }
}

//! When the jobs of a workload arrive.

use crate::scenario::trace::Recorded;
use provider::dist::Dist;
use provider::{Instant, Nanos};

/// When the jobs of a workload arrive. Rates are in jobs per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Evenly spaced.
    Constant(f64),
    /// A Poisson process.
    Poisson(f64),
    /// A renewal process: the gaps between jobs are independent and equally distributed.
    Renewal {
        /// The mean rate.
        rate: f64,
        /// The distribution of the gaps.
        gaps: GapDist,
        /// Their coefficient of variation: the standard deviation divided by the mean. Above zero; 1 for a Poisson process.
        cv: f64,
    },
    /// A Poisson process whose rate goes from the first to the second over the duration.
    Ramp(f64, f64),
    /// A Poisson process whose rate changes.
    Steps {
        /// The rate from each instant on; the first is at zero.
        steps: Vec<(Instant, f64)>,
        /// The time after which the steps repeat, later than the last; `None` if the last one lasts until the end. Whole days are days of
        /// local time.
        every: Option<Nanos>,
    },
    /// A number of jobs at once at regular intervals.
    Burst {
        /// Jobs per burst.
        jobs: u32,
        /// The first burst.
        at: Instant,
        /// The interval. Whole days are days of local time.
        every: Nanos,
    },
    /// A closed workload: each user thinks, sends a job, waits for its reply, and thinks again, beginning at zero.
    Users {
        /// The number of users.
        users: u32,
        /// Seconds before the first job, and between a reply and the next job; at least [`crate::job::MIN_THINK_TIME`].
        think: Dist,
    },
    /// A fixed number of jobs that are there from an instant on. Each worker takes the next one when its last has ended, so that as many
    /// are in flight as there are workers.
    Batch {
        /// The jobs, at least 1.
        jobs: u32,
        /// When the workers begin.
        from: Instant,
        /// The workers, at least 1.
        workers: u32,
    },
    /// A recorded trace.
    Trace {
        /// The recorded arrivals, in order.
        rows: std::sync::Arc<Vec<TraceRow>>,
        /// What the file contains, and what of it is left out.
        recorded: Recorded,
    },
}

impl Arrivals {
    /// Returns the time after which bursts or steps repeat; `None` for other arrivals, and for steps that do not repeat.
    #[must_use]
    pub const fn period(&self) -> Option<Nanos> {
        match self {
            Self::Burst { every, .. } => Some(*every),
            Self::Steps { every, .. } => *every,
            _ => None,
        }
    }
}

/// The distribution of the gaps of a renewal process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapDist {
    /// The gamma distribution.
    Gamma,
    /// The Weibull distribution.
    Weibull,
}

/// One recorded request, after `rate` and `speed` of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// When it arrives, from the start of the trace.
    pub at: Instant,
    /// Its prompt tokens as recorded; its job has at least one.
    pub prompt_tokens: u32,
    /// Its completion tokens as recorded; its job has at least one.
    pub completion_tokens: u32,
}

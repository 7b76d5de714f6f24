//! The arrival process of one workload: the instants of its jobs.
//!
//! A workload with a rate runs in *operational time*, in which one job arrives per unit: evenly spaced jobs at 0, 1, 2,
//! …, memoryless ones after exponential gaps with mean 1, bursty ones after gamma or Weibull gaps with mean 1 ([`Gaps`]). The [`ArrivalClock`] maps that time to instants by inverting the
//! integral of the rate, so ramps, steps and the shape of a day are exact and cost nothing extra (the time change of
//! the non-homogeneous Poisson process; Çinlar, "Introduction to Stochastic Processes", 1975). Bursts follow from the
//! number of jobs before them, traces replay rows, users of a closed workload wait for a reply before they think and
//! send again, and so do the workers of a batch, without thinking.

use super::gaps::Gaps;
use crate::ids::WorkloadId;
use crate::job::MIN_THINK_TIME;
use crate::scenario::bursts::Bursts;
use crate::scenario::rate::{ArrivalClock, Rate};
use crate::scenario::{Arrivals, RecordedSession, TraceRow, Workload};
use provider::dist::Dist;
use provider::{Instant, Nanos, RandomStream};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

/// The arrivals of one workload. `peek` returns the next, `advance` moves past it.
#[derive(Clone, Debug)]
pub(super) enum Process {
    /// At a rate. `operational` is the operational time of the next job.
    Rated { clock: Box<ArrivalClock>, spacing: Spacing, operational: f64, next: Option<Instant> },
    /// Several jobs at once. `passed` counts the jobs that have arrived.
    Burst { bursts: Bursts, passed: u64 },
    /// A fixed number of users. `due` holds the next arrival of each user that is not waiting for a reply.
    Users { users: u32, think: Dist, think_stream: RandomStream, due: BinaryHeap<Reverse<Instant>> },
    /// `left` jobs that no worker has taken. `due` holds when each worker without a job takes the next, in order.
    Batch { left: u64, due: VecDeque<Instant> },
    /// At the instants of a trace. `passed` counts the rows that have arrived.
    Trace { rows: Arc<Vec<TraceRow>>, passed: usize },
    /// At the instants at which recorded sessions begin. `passed` counts those that have begun.
    SessionTrace { sessions: Arc<Vec<RecordedSession>>, passed: usize },
}

/// The gaps between jobs in operational time.
#[derive(Clone, Debug)]
pub(super) enum Spacing {
    /// Constant: 1.
    Even,
    /// Exponential with mean 1.
    Memoryless(RandomStream),
    /// Of a renewal process.
    Renewal(Gaps),
}

impl Process {
    pub(super) fn new(seed: u64, id: WorkloadId, workload: &Workload, duration: Nanos) -> Self {
        let stream = RandomStream::new(seed, "arrivals", u64::from(id.0));
        match &workload.arrivals {
            Arrivals::Burst { .. } => {
                let bursts = Bursts::of(workload).expect("invariant: bursts arrive in bursts");
                Self::Burst { bursts, passed: 0 }
            }
            Arrivals::Users { users, think } => Self::users(*users, think.clone(), stream),
            Arrivals::Batch { jobs, from, workers } => {
                let due = std::iter::repeat_n(*from, *workers as usize).collect();
                Self::Batch { left: u64::from(*jobs), due }
            }
            Arrivals::Trace { rows, .. } => match workload.recorded_sessions() {
                Some(trace) => Self::SessionTrace { sessions: Arc::clone(&trace.sessions), passed: 0 },
                None => Self::Trace { rows: Arc::clone(rows), passed: 0 },
            },
            Arrivals::Constant(_) => Self::rated(workload, duration, Spacing::Even),
            Arrivals::Poisson(_) | Arrivals::Ramp(..) | Arrivals::Steps { .. } => {
                Self::rated(workload, duration, Spacing::Memoryless(stream))
            }
            Arrivals::Renewal { gaps, cv, .. } => {
                Self::rated(workload, duration, Spacing::Renewal(Gaps::new(*gaps, *cv, stream)))
            }
        }
    }

    fn rated(workload: &Workload, duration: Nanos, mut spacing: Spacing) -> Self {
        let rate = Rate::of(workload, duration).expect("invariant: these arrivals have a rate");
        let mut clock = ArrivalClock::new(rate);
        let operational = match &mut spacing {
            Spacing::Even => 0.0,
            Spacing::Memoryless(_) => spacing.gap(),
            Spacing::Renewal(gaps) => gaps.first(),
        };
        let next = clock.arrival_of(operational);
        Self::Rated { clock: Box::new(clock), spacing, operational, next }
    }

    fn users(users: u32, think: Dist, think_stream: RandomStream) -> Self {
        let due = BinaryHeap::with_capacity(users as usize);
        let mut process = Self::Users { users, think, think_stream, due };
        for _ in 0..users {
            process.finished(Instant::ZERO);
        }
        process
    }

    /// Returns the next arrival, or `None` if none is scheduled.
    pub(super) fn peek(&self) -> Option<Instant> {
        match self {
            Self::Rated { next, .. } => *next,
            Self::Burst { bursts, passed } => {
                passed.checked_div(u64::from(bursts.jobs)).map(|number| bursts.instant(number))
            }
            Self::Users { due, .. } => due.peek().map(|Reverse(at)| *at),
            Self::Batch { left, due } => due.front().filter(|_| *left > 0).copied(),
            Self::Trace { rows, passed } => rows.get(*passed).map(|row| row.at),
            Self::SessionTrace { sessions, passed } => sessions.get(*passed).map(|session| session.at),
        }
    }

    /// Moves past the next arrival.
    pub(super) fn advance(&mut self) {
        match self {
            Self::Rated { clock, spacing, operational, next } => {
                *operational += spacing.gap();
                *next = clock.arrival_of(*operational);
            }
            Self::Burst { passed, .. } => *passed += 1,
            Self::Users { due, .. } => {
                due.pop();
            }
            Self::Batch { left, due } => {
                due.pop_front();
                *left -= 1;
            }
            Self::Trace { passed, .. } | Self::SessionTrace { passed, .. } => *passed += 1,
        }
    }

    /// Records that a job ended at `now`. Returns `true` if that scheduled another one.
    pub(super) fn finished(&mut self, now: Instant) -> bool {
        let (users, think, think_stream, due) = match self {
            Self::Users { users, think, think_stream, due } => (users, think, think_stream, due),
            Self::Batch { due, .. } => {
                due.push_back(now + MIN_THINK_TIME);
                return true;
            }
            _ => return false,
        };
        debug_assert!(
            due.len() < *users as usize,
            "invariant: a user waits for the reply, {} of {users} think",
            due.len()
        );
        let pause = Nanos::from_secs_f64(think.sample(think_stream)).max(MIN_THINK_TIME);
        due.push(Reverse(now + pause));
        true
    }
}

impl Spacing {
    fn gap(&mut self) -> f64 {
        match self {
            Self::Even => 1.0,
            Self::Memoryless(stream) => -libm::log(stream.open_unit()),
            Self::Renewal(gaps) => gaps.next(),
        }
    }
}

//! When the jobs of one workload come.
//!
//! A workload with a rate lives in *operational time*, in which one job is due per unit: evenly spaced
//! jobs stand at 0, 1, 2, …, memoryless ones an exponential gap apart. The [`Clock`] turns that time into
//! instants by inverting the integral of the rate, so that ramps, steps and the shape of a day cost
//! nothing extra and lose nothing (the time change of the non-homogeneous Poisson process; Çinlar,
//! "Introduction to Stochastic Processes", 1975). Bursts count, traces read, and users of a closed
//! workload wait for an answer before they think and ask again.

use crate::ids::ClassId;
use crate::job::MIN_THINK;
use crate::scenario::rate::{Clock, Rate};
use crate::scenario::{Arrivals, TraceRow, Workload};
use provider::dist::Dist;
use provider::{Instant, Nanos, Stream};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The arrivals of one workload: the next is looked at, then passed.
#[derive(Clone, Debug)]
pub(super) enum Process {
    /// At a rate.
    Rated { clock: Box<Clock>, spacing: Spacing, operational: f64, next: Option<Instant> },
    /// So many at once, every so often.
    Burst { jobs: u64, every: Nanos, passed: u64 },
    /// A fixed number of users; an instant for each that is not waiting for an answer.
    Users { users: u32, think: Dist, thoughts: Stream, due: BinaryHeap<Reverse<Instant>> },
    /// As recorded.
    Trace { rows: Arc<Vec<TraceRow>>, passed: usize },
}

/// How far apart the jobs are in operational time.
#[derive(Clone, Debug)]
pub(super) enum Spacing {
    /// One.
    Even,
    /// Exponential with mean one.
    Memoryless(Stream),
}

impl Process {
    pub(super) fn new(seed: u64, class: ClassId, workload: &Workload, duration: Nanos) -> Self {
        let gaps = Stream::new(seed, "arrivals", u64::from(class.0));
        match &workload.arrivals {
            Arrivals::Burst { jobs, every } => {
                debug_assert!(*every > Nanos::ZERO, "a plan's bursts are apart");
                Self::Burst { jobs: u64::from(*jobs), every: *every, passed: 0 }
            }
            Arrivals::Users { users, think } => Self::users(*users, think.clone(), gaps),
            Arrivals::Trace { rows } => Self::Trace { rows: Arc::clone(rows), passed: 0 },
            Arrivals::Constant(_) => Self::rated(workload, duration, Spacing::Even),
            Arrivals::Poisson(_) | Arrivals::Ramp(..) | Arrivals::Steps(_) => {
                Self::rated(workload, duration, Spacing::Memoryless(gaps))
            }
        }
    }

    fn rated(workload: &Workload, duration: Nanos, mut spacing: Spacing) -> Self {
        let mut clock =
            Clock::new(Rate::of(workload, duration).expect("only arrivals with a rate come here"));
        let operational = match &spacing {
            Spacing::Even => 0.0,
            Spacing::Memoryless(_) => spacing.gap(),
        };
        let next = clock.when(operational);
        Self::Rated { clock: Box::new(clock), spacing, operational, next }
    }

    fn users(users: u32, think: Dist, thoughts: Stream) -> Self {
        let due = BinaryHeap::with_capacity(users as usize);
        let mut process = Self::Users { users, think, thoughts, due };
        for _ in 0..users {
            process.finished(Instant::ZERO);
        }
        process
    }

    /// The next arrival.
    pub(super) fn peek(&self) -> Option<Instant> {
        match self {
            Self::Rated { next, .. } => *next,
            Self::Burst { jobs, every, passed } => {
                passed.checked_div(*jobs).map(|turn| Instant::ZERO + *every * turn)
            }
            Self::Users { due, .. } => due.peek().map(|Reverse(at)| *at),
            Self::Trace { rows, passed } => rows.get(*passed).map(|row| row.at),
        }
    }

    /// Passes the next arrival.
    pub(super) fn advance(&mut self) {
        match self {
            Self::Rated { clock, spacing, operational, next } => {
                *operational += spacing.gap();
                *next = clock.when(*operational);
            }
            Self::Burst { passed, .. } => *passed += 1,
            Self::Users { due, .. } => {
                due.pop();
            }
            Self::Trace { passed, .. } => *passed += 1,
        }
    }

    /// A job ended: whether that schedules another.
    pub(super) fn finished(&mut self, now: Instant) -> bool {
        let Self::Users { users, think, thoughts, due } = self else { return false };
        debug_assert!(due.len() < *users as usize, "only a user who asked can be answered");
        let pause = Nanos::from_secs_f64(think.sample(thoughts)).max(MIN_THINK);
        due.push(Reverse(now + pause));
        true
    }
}

impl Spacing {
    fn gap(&mut self) -> f64 {
        match self {
            Self::Even => 1.0,
            Self::Memoryless(stream) => -libm::log(stream.open_unit()),
        }
    }
}

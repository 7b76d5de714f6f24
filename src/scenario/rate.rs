//! The rate of a workload as a function of time, and its integral: the number of jobs that have arrived by an instant.
//!
//! A rate is a straight line (constant or ramp) or a step function, times the factor of the hour or minute.
//! Cut at every step and at the end of every factor, each piece is a straight line whose integral is a parabola, so
//! the instant at which the integral reaches x has an exact solution without time steps. `load` computes it job by
//! job; `ceiling` uses the total and, like `planner`, the jobs before given instants.
//!
//! ```text
//!  rate │    ╱▏▁▁▁▏        ArrivalClock: x jobs ──▶ the instant at
//!       │  ╱  ▏   ▏╲▁      which the area under the rate is x
//!       └──────────────▶ time
//! ```

use super::bursts::Bursts;
use super::{Arrivals, Shape, Workload};
use provider::calendar::LocalClock;
use provider::{Instant, Nanos};

/// The rate of a workload, in jobs per second, from zero to the end of the run.
#[derive(Clone, Debug)]
pub struct Rate {
    base: BaseRate,
    /// The factors over a day or a week.
    shape: Option<Shape>,
    /// The local time of the run.
    clock: LocalClock,
    /// The end of the run.
    end: Instant,
}

/// A rate without the factors of its shape, in jobs per second.
#[derive(Clone, Debug)]
enum BaseRate {
    /// A straight line from the beginning to the end of the run.
    Line { first: f64, last: f64 },
    /// The rate from each instant on; zero before the first. Repeats after `every`.
    Steps { steps: Vec<(Instant, f64)>, every: Option<Nanos> },
}

/// Returns the jobs of a workload expected before each of `instants`, which must not decrease; `None` for users, whose arrivals
/// depend on the replies. A rate is zero after `duration`; bursts and traces are not bounded by it.
///
/// All calls of a session count when it begins.
#[must_use]
pub fn jobs_before(
    workload: &Workload,
    duration: Nanos,
    instants: impl IntoIterator<Item = Instant>,
) -> Option<Vec<f64>> {
    let instants = instants.into_iter();
    let per_arrival = workload.jobs_per_arrival();
    let arrivals = arrivals_before(workload, duration, instants)?;
    Some(arrivals.into_iter().map(|arrivals| arrivals * per_arrival).collect())
}

/// Returns the arrivals expected before each of `instants`, as [`jobs_before`] does.
#[expect(clippy::cast_precision_loss, reason = "numbers of jobs are far below 2^53")]
fn arrivals_before(
    workload: &Workload,
    duration: Nanos,
    instants: impl Iterator<Item = Instant>,
) -> Option<Vec<f64>> {
    match &workload.arrivals {
        Arrivals::Burst { .. } => {
            let bursts = Bursts::of(workload)?;
            Some(instants.map(|at| bursts.before(at) as f64 * f64::from(bursts.jobs)).collect())
        }
        Arrivals::Trace { rows, .. } => {
            Some(instants.map(|at| rows.partition_point(|row| row.at < at) as f64).collect())
        }
        _ => Rate::of(workload, duration).map(|rate| rate.jobs_before(instants)),
    }
}

impl Rate {
    /// Returns the rate of the arrivals of a workload, jobs or sessions, over a run of `duration`; `None` for arrivals without a rate:
    /// bursts, users and traces. A batch has the rate at which its jobs would be sent evenly from its beginning to the end of the run.
    #[must_use]
    pub fn of(workload: &Workload, duration: Nanos) -> Option<Self> {
        let base = match &workload.arrivals {
            Arrivals::Constant(rate) | Arrivals::Poisson(rate) | Arrivals::Renewal { rate, .. } => {
                BaseRate::Line { first: *rate, last: *rate }
            }
            Arrivals::Ramp(first, last) => BaseRate::Line { first: *first, last: *last },
            Arrivals::Steps { steps, every } => BaseRate::Steps { steps: steps.clone(), every: *every },
            // The workers decide when its jobs are sent. Evenly until the end of the run is what a quota serves best.
            Arrivals::Batch { jobs, from, .. } => {
                let length = (Instant::ZERO + duration).since(*from);
                let rate = f64::from(*jobs) / length.as_secs_f64().max(f64::MIN_POSITIVE);
                let steps = vec![(*from, if length > Nanos::ZERO { rate } else { 0.0 })];
                BaseRate::Steps { steps, every: None }
            }
            Arrivals::Burst { .. } | Arrivals::Users { .. } | Arrivals::Trace { .. } => return None,
        };
        Some(Self {
            base,
            shape: workload.shape.clone(),
            clock: workload.clock.clone(),
            end: Instant::ZERO + duration,
        })
    }

    /// Returns the jobs expected over the whole run: the integral of the rate.
    #[must_use]
    pub fn jobs(&self) -> f64 {
        self.pieces().map(|piece| piece.jobs).sum()
    }

    /// Returns the jobs expected before each of `instants`, which must not decrease: the integral of the rate up to then.
    #[must_use]
    pub fn jobs_before(&self, instants: impl IntoIterator<Item = Instant>) -> Vec<f64> {
        let (mut piece, mut before) = (self.piece(Instant::ZERO), 0.0);
        let integral = instants.into_iter().map(|at| {
            while let Some(done) = piece.filter(|piece| piece.until <= at) {
                before += done.jobs;
                piece = self.piece(done.until);
            }
            before + piece.map_or(0.0, |piece| piece.jobs_before(at))
        });
        integral.collect()
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        std::iter::successors(self.piece(Instant::ZERO), |piece| self.piece(piece.until))
    }

    /// Returns the piece that begins at `from`; `None` at the end of the run.
    fn piece(&self, from: Instant) -> Option<Piece> {
        if from >= self.end {
            return None;
        }
        // From one change of the clocks to the next, local time passes evenly.
        let (local, change) = self.clock.since_monday(from);
        let instant = |local_end: Nanos| change.min(from + Nanos(local_end.0 - local.0));
        let (factor, factor_ends) = self.shape.as_ref().map_or((1.0, Instant::MAX), |shape| {
            let (factor, ends) = shape.at(local);
            (factor, instant(ends))
        });
        let until = self.end.min(factor_ends);
        let (until, first, last) = match &self.base {
            BaseRate::Line { first, last } => {
                let whole = self.end.as_secs_f64();
                let at = |when: Instant| first + (last - first) * (when.as_secs_f64() / whole);
                (until, at(from), at(until))
            }
            BaseRate::Steps { steps, every } => {
                // The time since the period began: of whole days in local time.
                let (start, _) = self.clock.since_monday(Instant::ZERO);
                let (passed, change) = match every {
                    Some(every) if every.0.is_multiple_of(Nanos::DAY.0) => {
                        (Nanos((local.0 + every.0 - start.0 % every.0) % every.0), change)
                    }
                    Some(every) => (Nanos(from.0 % every.0), Instant::MAX),
                    None => (Nanos(from.0), Instant::MAX),
                };
                let in_period = Instant(passed.0);
                let next = steps.partition_point(|(at, _)| *at <= in_period);
                let rate = next.checked_sub(1).map_or(0.0, |current| steps[current].1);
                let next_at = steps.get(next).map(|(at, _)| *at).or(every.map(|every| Instant::ZERO + every));
                let step_ends = next_at.map_or(Instant::MAX, |at| change.min(from + at.since(in_period)));
                (until.min(step_ends), rate, rate)
            }
        };
        Some(Piece::new(from, until, first * factor, last * factor))
    }
}

/// An interval on which the rate is a straight line.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: Instant,
    until: Instant,
    /// The rate at its beginning.
    first: f64,
    /// The growth of the rate per second.
    slope: f64,
    /// The integral of the rate over it.
    jobs: f64,
}

impl Piece {
    fn new(from: Instant, until: Instant, first: f64, last: f64) -> Self {
        let seconds = until.since(from).as_secs_f64();
        Self {
            from,
            until,
            first,
            slope: (last - first) / seconds,
            jobs: f64::midpoint(first, last) * seconds,
        }
    }

    /// Returns the jobs that arrive from the beginning of the piece to an instant within it.
    fn jobs_before(&self, at: Instant) -> f64 {
        let seconds = at.since(self.from).as_secs_f64();
        (self.first + self.slope * seconds / 2.0) * seconds
    }

    /// Returns the instant at which `jobs` have arrived since the piece began, for `jobs` from zero to `self.jobs`.
    fn arrival_of(&self, jobs: f64) -> Instant {
        let seconds = if self.slope == 0.0 || jobs == 0.0 {
            jobs / self.first.max(f64::MIN_POSITIVE)
        } else {
            // The root of first·t + slope·t²/2 = jobs, in the form without cancellation for small slopes.
            let discriminant = (self.first * self.first + 2.0 * self.slope * jobs).max(0.0);
            2.0 * jobs / (self.first + libm::sqrt(discriminant))
        };
        self.until.min(self.from + Nanos::from_secs_f64(seconds))
    }
}

/// Converts numbers of jobs to instants, forward only and in constant memory.
#[derive(Clone, Debug)]
pub struct ArrivalClock {
    rate: Rate,
    piece: Option<Piece>,
    /// The jobs expected before the piece.
    before: f64,
    /// The previous result.
    previous: Instant,
}

impl ArrivalClock {
    /// Creates a clock at the start of the run.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { piece: rate.piece(Instant::ZERO), rate, before: 0.0, previous: Instant::ZERO }
    }

    /// Returns the first instant after which the integral of the rate exceeds `jobs`, to the nanosecond; `None` if the run
    /// ends first. Never earlier than the previous result; `jobs` must not decrease from one call to the next.
    pub fn arrival_of(&mut self, jobs: f64) -> Option<Instant> {
        loop {
            let piece = self.piece?;
            let after = self.before + piece.jobs;
            if jobs < after {
                self.previous = self.previous.max(piece.arrival_of(jobs - self.before));
                return Some(self.previous).filter(|at| *at < self.rate.end);
            }
            self.before = after;
            self.piece = self.rate.piece(piece.until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(base: BaseRate, shape: Option<[f64; 24]>, duration: Nanos) -> ArrivalClock {
        let shape = shape.map(|hours| Shape::new(&hours, Nanos::HOUR));
        ArrivalClock::new(Rate { base, shape, clock: LocalClock::default(), end: Instant::ZERO + duration })
    }

    fn flat(rate: f64) -> BaseRate {
        BaseRate::Line { first: rate, last: rate }
    }

    #[test]
    fn a_ramp_reaches_a_quarter_of_its_jobs_at_half_its_time() {
        // From 0 to 2 per second over 100 s: t²/100 jobs by t.
        let mut clock = clock(BaseRate::Line { first: 0.0, last: 2.0 }, None, Nanos::from_secs(100));
        assert_eq!(clock.arrival_of(0.0), Some(Instant::ZERO));
        assert_eq!(clock.arrival_of(25.0), Some(Instant(50_000_000_000)));
        assert_eq!(clock.arrival_of(81.0), Some(Instant(90_000_000_000)));
        assert_eq!(clock.arrival_of(100.0), None);
    }

    #[test]
    fn hours_and_steps_with_rate_zero_are_skipped() {
        let mut shape = [0.0; 24];
        shape[5] = 1.0;
        let hour = |hour: u64| Some(Instant::ZERO + Nanos::HOUR * hour);
        let mut once_a_day = clock(flat(1.0), Some(shape), Nanos::DAY * 2);
        assert_eq!(once_a_day.arrival_of(0.0), hour(5));
        assert_eq!(once_a_day.arrival_of(3600.0), hour(24 + 5));
        assert_eq!(once_a_day.arrival_of(7200.0), None);
        assert_eq!(clock(flat(1.0), Some([0.0; 24]), Nanos::MAX).arrival_of(0.0), None);
        let steps = BaseRate::Steps {
            steps: vec![(Instant::ZERO, 0.0), (hour(1).unwrap(), 0.5), (hour(2).unwrap(), 0.0)],
            every: None,
        };
        let mut middle = clock(steps, None, Nanos::DAY);
        assert_eq!(middle.arrival_of(0.0), hour(1));
        assert_eq!(middle.arrival_of(1800.0), None);
        assert_eq!(clock(flat(1.0), None, Nanos::ZERO).arrival_of(0.0), None);
    }

    #[test]
    fn steps_repeat_after_their_period() {
        // One job per second in the first half hour of every two hours.
        let half = Instant::ZERO + Nanos::MINUTE * 30;
        let steps =
            BaseRate::Steps { steps: vec![(Instant::ZERO, 1.0), (half, 0.0)], every: Some(Nanos::HOUR * 2) };
        let mut clock = clock(steps, None, Nanos::HOUR * 6);
        assert_eq!(clock.arrival_of(1_799.0), Some(Instant(1_799_000_000_000)));
        assert_eq!(clock.arrival_of(1_800.0), Some(Instant::ZERO + Nanos::HOUR * 2));
        assert_eq!(clock.arrival_of(4_500.0), Some(Instant::ZERO + Nanos::HOUR * 4 + Nanos::MINUTE * 15));
        assert_eq!(clock.arrival_of(5_400.0), None);
    }

    proptest! {
        /// A rate of p jobs per q seconds has its k-th job at k·q/p: checked with integers, over a day.
        #[test]
        fn a_constant_rate_never_drifts(p in 1u64..10_000, q in 1u64..10_000, k in 0u64..1 << 40) {
            let mut clock = clock(flat(p as f64 / q as f64), None, Nanos::DAY);
            let exact = u128::from(k) * u128::from(q) * 1_000_000_000 / u128::from(p);
            match clock.arrival_of(k as f64) {
                Some(at) => prop_assert!(u128::from(at.0).abs_diff(exact) <= 1, "{at:?} {exact}"),
                None => prop_assert!(exact + 1 >= u128::from(Nanos::DAY.0)),
            }
        }

        /// `arrival_of` is the inverse of the integral.
        #[test]
        fn the_integral_up_to_an_arrival_is_the_number_of_jobs(
            first in 0.0..5.0f64, last in 0.0..5.0f64,
            shape in prop::option::of(prop::array::uniform24(prop_oneof![Just(0.0), 0.0..3.0f64])),
            hours in 1u64..60, share in 0.0..1.0f64,
        ) {
            let base = BaseRate::Line { first, last };
            let shape = shape.map(|hours| Shape::new(&hours, Nanos::HOUR));
            let whole = Rate { base: base.clone(), shape, clock: LocalClock::default(), end: Instant::ZERO + Nanos::HOUR * hours };
            let jobs = whole.jobs() * share;
            if let Some(at) = ArrivalClock::new(whole.clone()).arrival_of(jobs) {
                // Integrate piece by piece up to `at`.
                let area: f64 = whole.pieces().take_while(|piece| piece.from < at).map(|piece| {
                    let until = piece.until.min(at);
                    let part = until.since(piece.from).as_secs_f64();
                    (piece.first + piece.slope * part / 2.0) * part
                }).sum();
                prop_assert!((area - jobs).abs() < 1e-6 * (1.0 + jobs), "{area} {jobs}");
                let before = whole.jobs_before([Instant::ZERO, at, Instant::ZERO + Nanos::HOUR * (2 * hours)]);
                prop_assert!(before[0] == 0.0 && (before[1] - area).abs() < 1e-6 * (1.0 + jobs), "{before:?}");
                prop_assert!((before[2] - whole.jobs()).abs() < 1e-6 * (1.0 + jobs), "{before:?}");
            }
        }
    }
}

//! The same scenario at a multiple of its load, with common random numbers.
//!
//! Two loads are comparable because they share their random draws: except for traces, the n-th job of a workload has the
//! same sizes at every multiple, and gaps are drawn in operational time and divided by the multiple: their coefficient of variation stays. A trace is
//! thinned or repeated row by row, and one of sessions session by session; a larger multiple keeps every row and every session that a
//! smaller one keeps.

use super::{Arrivals, RecordedSession, Scenario, SessionContent, TraceRow, Workload};
use provider::random::{label_key, mix};
use provider::{Instant, RandomStream};
use std::sync::Arc;

impl Scenario {
    /// Returns this scenario at `multiple` times its load. Rates, jobs per burst or batch and users are multiplied, all but rates to
    /// the nearest whole number, at least one unless they are zero. Each row of a trace occurs on average `multiple` times:
    /// first at its own time, further copies uniformly at random until the next row (copies of the last row at its time). Recorded
    /// sessions are repeated in this way as a whole.
    /// Everything else stays as it is.
    ///
    /// # Panics
    /// If `multiple` is not a positive number.
    #[must_use]
    pub fn scaled(&self, multiple: f64) -> Self {
        assert!(
            multiple > 0.0 && multiple.is_finite(),
            "invariant: the multiple is positive, found {multiple}"
        );
        let mut scenario = self.clone();
        for (index, workload) in (0..).zip(&mut scenario.workloads) {
            let seed = label_key(self.seed, "copies").wrapping_add(index);
            if !workload.scale_sessions(multiple, seed, Instant::ZERO + self.duration) {
                workload.arrivals.scale(multiple, seed);
            }
        }
        scenario
    }
}

impl Workload {
    /// Repeats the recorded sessions `multiple` times on average, and updates the rows of their calls, of which those at or after `end`
    /// are left out. Returns `false` if the sessions are not recorded.
    fn scale_sessions(&mut self, multiple: f64, seed: u64, end: Instant) -> bool {
        let Some(SessionContent::Recorded(trace)) = self.sessions.as_mut().map(|it| &mut it.content) else {
            return false;
        };
        // The first copy is the session itself; the numbers of two others are equal with a probability of 2^-64.
        let copy = |session: &RecordedSession, at, copy: u64| RecordedSession {
            at,
            id: if copy == 0 { session.id } else { mix(session.id ^ mix(copy)) },
            ..*session
        };
        trace.sessions = Arc::new(repeated(&trace.sessions, (multiple, seed), |session| session.at, copy));
        if let Arrivals::Trace { rows, .. } = &mut self.arrivals {
            *rows = Arc::new(trace.rows(end));
        }
        true
    }
}

impl Arrivals {
    fn scale(&mut self, multiple: f64, seed: u64) {
        match self {
            Self::Constant(rate) | Self::Poisson(rate) | Self::Renewal { rate, .. } => *rate *= multiple,
            Self::Ramp(first, last) => {
                *first *= multiple;
                *last *= multiple;
            }
            Self::Steps { steps, .. } => steps.iter_mut().for_each(|(_, rate)| *rate *= multiple),
            Self::Burst { jobs, .. } => *jobs = scaled_count(*jobs, multiple),
            Self::Users { users, .. } => *users = scaled_count(*users, multiple),
            Self::Batch { jobs, .. } => *jobs = scaled_count(*jobs, multiple),
            Self::Trace { rows, .. } => *rows = Arc::new(repeated_rows(rows, multiple, seed)),
        }
    }
}

/// Returns `count` times `multiple`, rounded; at least one unless `count` is zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn scaled_count(count: u32, multiple: f64) -> u32 {
    (libm::round(f64::from(count) * multiple) as u32).max(count.min(1))
}

fn repeated_rows(rows: &[TraceRow], multiple: f64, seed: u64) -> Vec<TraceRow> {
    repeated(rows, (multiple, seed), |row| row.at, |row, at, _| TraceRow { at, ..*row })
}

/// Repeats each item `multiple` times on average: the k-th copy exists if `k + u < multiple`, with `u` uniform per item. `copy`
/// returns the k-th copy at another instant.
fn repeated<T>(
    items: &[T],
    (multiple, seed): (f64, u64),
    at: impl Fn(&T) -> Instant,
    copy: impl Fn(&T, Instant, u64) -> T,
) -> Vec<T> {
    let next_times = items.iter().skip(1).map(&at).chain(items.last().map(&at));
    let mut all = Vec::new();
    for (number, (item, next)) in (0u64..).zip(items.iter().zip(next_times)) {
        let mut stream = RandomStream::keyed(seed, number);
        let mut threshold = stream.unit();
        let (mut instant, mut copies) = (at(item), 0);
        while threshold < multiple {
            all.push(copy(item, instant, copies));
            instant = interpolated(at(item), next, stream.unit());
            threshold += 1.0;
            copies += 1;
        }
    }
    all.sort_by_key(at);
    all
}

/// Returns the instant at `share` of the way from `from` to `until`.
fn interpolated(from: Instant, until: Instant, share: f64) -> Instant {
    from + provider::Nanos::from_secs_f64(until.since(from).as_secs_f64() * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::Nanos;

    fn rows(count: u64) -> Vec<TraceRow> {
        let row = |second| TraceRow {
            at: Instant(second * Nanos::SECOND.0),
            prompt_tokens: u32::try_from(second).unwrap(),
            completion_tokens: 1,
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn scaling_a_trace_keeps_its_order_and_repeats_rows_by_the_multiple() {
        let rows = rows(10_000);
        for multiple in [0.1, 0.5, 1.0, 1.5, 3.7] {
            let scaled = repeated_rows(&rows, multiple, 5);
            // A whole number of copies is exact; the standard deviation of the rest is at most 50 rows.
            assert!((scaled.len() as f64 - multiple * 1e4).abs() < 200.0, "{multiple}: {}", scaled.len());
            assert!(scaled.is_sorted_by_key(|row| row.at));
        }
        assert_eq!(repeated_rows(&rows, 1.0, 5), rows, "a multiple of 1 changes nothing");
    }

    #[test]
    fn a_larger_multiple_keeps_all_rows_of_a_smaller_one() {
        let rows = rows(2_000);
        let (few, many) = (repeated_rows(&rows, 0.4, 5), repeated_rows(&rows, 2.3, 5));
        let mut many = many.iter();
        assert!(few.iter().all(|row| many.any(|other| other == row)));
    }

    #[test]
    fn counts_are_rounded_and_a_positive_count_stays_positive() {
        assert_eq!(
            [(10, 0.25), (10, 0.01), (0, 5.0), (1, 1.4), (u32::MAX, 9.0)].map(|(n, m)| scaled_count(n, m)),
            [3, 1, 0, 1, u32::MAX]
        );
    }
}

//! How long answers of a target take: the estimate that decides whether a job that waits for the pace can be answered in time. It is
//! given up at once if its turn comes too late for that, and at its turn if another job waits behind it.
//!
//! The mean and the mean deviation are those of TCP's retransmission timer (Jacobson, "Congestion Avoidance and Control", 1988;
//! RFC 6298, section 2): each answer counts an eighth in the mean and a quarter in the deviation, and few answers take longer than the
//! mean and four deviations.
//!
//! Without it a paced client under a lasting overload answers few jobs: each waits until its deadline is near, its answer comes too
//! late, and what it was charged is lost. In twenty minutes with 1.2 times the load that a limit allows (`tests/worlds`, keys of one
//! account) a sixth of the attempts was lost in this way.

use provider::Nanos;

/// The mean and the mean deviation of the times of a target's answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AnswerTime {
    mean: Nanos,
    deviation: Nanos,
}

impl AnswerTime {
    /// Counts an answer that took `took`.
    pub(super) fn count(&mut self, took: Nanos) {
        if *self == Self::default() {
            *self = Self { mean: took, deviation: Nanos(took.0 / 2) };
            return;
        }
        let error = took.0.abs_diff(self.mean.0);
        // Each moves by its share of the difference, so that no sum overflows.
        self.deviation = approach(self.deviation, Nanos(error), 4);
        self.mean = approach(self.mean, took, 8);
    }

    /// Counts an attempt that was ended after `took` without an answer, which would have taken at least that long. It measures nothing
    /// if answers are expected to take longer. Without it a target whose first attempts all come too late would never be measured.
    pub(super) fn count_unanswered(&mut self, took: Nanos) {
        if took > self.long() {
            self.count(took);
        }
    }

    /// Returns a time that few answers exceed; zero before the first attempt has ended.
    pub(super) fn long(self) -> Nanos {
        Nanos(self.mean.0.saturating_add(self.deviation.0.saturating_mul(4)))
    }
}

/// Returns `value`, moved towards `measured` by one part in `parts`.
fn approach(value: Nanos, measured: Nanos, parts: u64) -> Nanos {
    let step = value.0.abs_diff(measured.0) / parts;
    Nanos(if measured > value { value.0 + step } else { value.0 - step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_answers_count_as_in_rfc_6298() {
        let mut time = AnswerTime::default();
        assert_eq!(time.long(), Nanos::ZERO);
        time.count(Nanos(800));
        assert_eq!((time.mean, time.deviation, time.long()), (Nanos(800), Nanos(400), Nanos(2_400)));
        // 400 + (800 − 400) / 4 and 800 + (1,600 − 800) / 8.
        time.count(Nanos(1_600));
        assert_eq!((time.mean, time.deviation, time.long()), (Nanos(900), Nanos(500), Nanos(2_900)));
    }

    #[test]
    fn an_attempt_without_an_answer_counts_if_it_took_longer_than_answers_do() {
        let mut time = AnswerTime::default();
        time.count_unanswered(Nanos(100));
        assert_eq!(time.long(), Nanos(300), "the first one is all that is known");
        time.count_unanswered(Nanos(300));
        assert_eq!(time.long(), Nanos(300), "answers are expected to take as long");
        time.count_unanswered(Nanos(500));
        assert!(time.long() > Nanos(500), "{time:?}");
    }

    proptest! {
        /// Law: the mean stays among the times counted, and answers that all take the same time are expected in that time.
        #[test]
        fn the_mean_is_one_of_the_times(times in prop::collection::vec(1..=u64::MAX, 1..100), same: u32) {
            let mut time = AnswerTime::default();
            times.iter().for_each(|took| time.count(Nanos(*took)));
            let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) else { unreachable!() };
            prop_assert!((*min..=*max).contains(&time.mean.0) && time.long() >= time.mean);
            let same = Nanos(u64::from(same) + 1);
            let mut time = AnswerTime::default();
            (0..200).for_each(|_| time.count(same));
            prop_assert!(time.mean == same && time.deviation.0 <= 3);
        }
    }
}

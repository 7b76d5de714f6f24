//! Lengths of time in constant memory: an HDR histogram of microseconds beside the exact sum and maximum.
//!
//! Percentiles are within the histogram's precision of the true ones; the mean and the maximum are exact
//! to the microsecond. What is longer than a day counts as a day in the percentiles.

use super::summary::Spread;
use hdrhistogram::Histogram;
use provider::Nanos;

/// Significant digits of percentiles over a whole run: an error of at most 0.1 %.
const RUN_DIGITS: u8 = 3;
/// Significant digits of percentiles over a step: at most 1 %, in an eighth of the memory.
const STEP_DIGITS: u8 = 2;
/// The longest time told apart from longer ones.
const LONGEST_US: u64 = Nanos::DAY.0 / NANOS_PER_MICRO;
const NANOS_PER_MICRO: u64 = 1_000;

/// A histogram of lengths of time.
#[derive(Clone, Debug)]
pub(super) struct Hist {
    micros: Histogram<u64>,
    sum_us: u64,
    max_us: u64,
}

impl Hist {
    /// An empty histogram as precise as the summary of a run asks for.
    pub(super) fn of_run() -> Self {
        Self::new(RUN_DIGITS)
    }

    /// An empty histogram for one step, cleared at its end.
    pub(super) fn of_step() -> Self {
        Self::new(STEP_DIGITS)
    }

    fn new(digits: u8) -> Self {
        let micros = Histogram::new_with_bounds(1, LONGEST_US, digits).expect("the bounds are constants");
        Self { micros, sum_us: 0, max_us: 0 }
    }

    /// Counts one length, rounded to the nearest microsecond.
    #[inline]
    pub(super) fn record(&mut self, length: Nanos) {
        let micros = length.0.saturating_add(NANOS_PER_MICRO / 2) / NANOS_PER_MICRO;
        self.micros.saturating_record(micros.min(LONGEST_US));
        self.sum_us = self.sum_us.saturating_add(micros);
        self.max_us = self.max_us.max(micros);
    }

    /// Counts `times` lengths of nothing at all.
    pub(super) fn record_zeros(&mut self, times: u64) {
        self.micros.saturating_record_n(0, times);
    }

    /// Counts everything that `other`, of the same precision, has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.micros.add(&other.micros).expect("the bounds are the same");
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many lengths were counted.
    pub(super) fn len(&self) -> u64 {
        self.micros.len()
    }

    /// The length in seconds that a share `quantile` of the lengths do not exceed; `None` where there are none.
    pub(super) fn quantile_s(&self, quantile: f64) -> Option<f64> {
        (self.len() > 0).then(|| seconds(self.micros.value_at_quantile(quantile).min(self.max_us)))
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.micros.reset();
        self.sum_us = 0;
        self.max_us = 0;
    }

    /// What the summary says of it.
    pub(super) fn spread(&self) -> Spread {
        let quantile = |share| self.quantile_s(share).unwrap_or(0.0);
        Spread {
            count: self.len(),
            mean: seconds(self.sum_us.checked_div(self.len()).unwrap_or(0)),
            p50: quantile(0.50),
            p90: quantile(0.90),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: seconds(self.max_us),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: every percentile is the sorted data's, within the stated precision; mean and maximum are exact.
        #[test]
        fn percentiles_agree_with_sorted_data(mut micros in prop::collection::vec(0u64..100_000_000, 1..400)) {
            for (mut hist, precision) in [(Hist::of_run(), 0.001), (Hist::of_step(), 0.01)] {
                for &value in &micros {
                    hist.record(Nanos(value * NANOS_PER_MICRO));
                }
                micros.sort_unstable();
                for quantile in [0.5, 0.9, 0.95, 0.99] {
                    let rank = (quantile * micros.len() as f64).ceil() as usize;
                    let exact = seconds(micros[rank.max(1) - 1]);
                    let told = hist.quantile_s(quantile).unwrap();
                    prop_assert!((told - exact).abs() <= exact * precision + 1e-6, "{quantile}: {told} for {exact}");
                }
                let spread = hist.spread();
                prop_assert_eq!(spread.count, micros.len() as u64);
                prop_assert_eq!(spread.max, seconds(*micros.last().unwrap()));
                prop_assert_eq!(spread.mean, seconds(micros.iter().sum::<u64>() / micros.len() as u64));
            }
        }
    }

    #[test]
    fn absurd_lengths_saturate_and_nothing_is_nothing() {
        let mut hist = Hist::of_run();
        assert_eq!(hist.quantile_s(0.5), None);
        assert_eq!(hist.spread(), Spread::default());
        hist.record(Nanos::MAX);
        hist.record(Nanos::MAX);
        assert!((hist.quantile_s(0.5).unwrap() / 86_400.0 - 1.0).abs() < 0.001);
        hist.clear();
        assert_eq!(hist.spread(), Spread::default());
    }
}

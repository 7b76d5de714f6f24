//! Lengths of time in constant memory: a histogram of microseconds beside the exact sum and maximum.
//!
//! ```text
//!  bins of one width up to 2^(BITS+1), then of twice the width up to the next power of two, and so on:
//!  |.|.|.|.|.|.|.|.| . | . | . | . |   .   |   .   |   .   |   .   |       2^BITS bins per doubling
//! ```
//!
//! So a bin is nowhere wider than a fixed share of what it counts, and finding it takes a shift or two: the
//! layout of HdrHistogram (G. Tene). Percentiles are within that share of the true ones; the mean and the maximum
//! are exact to the microsecond. What is longer than a day counts as a day in the percentiles.

use super::summary::Quantiles;
use provider::Nanos;

/// Over a whole run, 1,024 bins per doubling: percentiles are off by at most 0.1 %.
const RUN_BITS: u32 = 10;
/// Over a step or a workload, 128: at most 0.8 %, in an eighth of the memory.
const STEP_BITS: u32 = 7;
/// The longest time told apart from longer ones.
const LONGEST_US: u64 = Nanos::DAY.0 / NANOS_PER_MICRO;
const NANOS_PER_MICRO: u64 = 1_000;

/// A histogram of lengths of time.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    /// There are two to this power of bins per doubling.
    bits: u32,
    /// Half a word each, because a run touches thousands of them at random. A full one stays full: so many jobs of
    /// one length take a machine hours.
    bins: Box<[u32]>,
    count: u64,
    sum_us: u64,
    max_us: u64,
}

impl Histogram {
    /// An empty histogram as precise as the summary of a run asks for.
    pub(super) fn of_run() -> Self {
        Self::new(RUN_BITS)
    }

    /// An empty histogram for something of which there are many.
    pub(super) fn of_step() -> Self {
        Self::new(STEP_BITS)
    }

    fn new(bits: u32) -> Self {
        Self { bits, bins: vec![0; bin(bits, LONGEST_US) + 1].into(), count: 0, sum_us: 0, max_us: 0 }
    }

    /// Counts one length, rounded to the nearest microsecond.
    #[inline]
    pub(super) fn record(&mut self, length: Nanos) {
        self.record_n(length, 1);
    }

    /// Counts the same length `times` times.
    #[inline]
    pub(super) fn record_n(&mut self, length: Nanos, times: u64) {
        let micros = length.0.saturating_add(NANOS_PER_MICRO / 2) / NANOS_PER_MICRO;
        let bin = &mut self.bins[bin(self.bits, micros.min(LONGEST_US))];
        *bin = bin.saturating_add(u32::try_from(times).unwrap_or(u32::MAX));
        self.count += times;
        self.sum_us = self.sum_us.saturating_add(micros.saturating_mul(times));
        if times > 0 {
            self.max_us = self.max_us.max(micros);
        }
    }

    /// Counts everything that `other`, of the same precision, has counted.
    pub(super) fn add(&mut self, other: &Self) {
        assert_eq!(self.bits, other.bits, "only histograms of one precision add up");
        // Memory that neither has touched stays untouched.
        let used = bin(self.bits, other.max_us.min(LONGEST_US)) + 1;
        let bins = self.bins.iter_mut().zip(&other.bins[..used]);
        bins.for_each(|(count, more)| *count = count.saturating_add(*more));
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many lengths were counted.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// The length in seconds that a share `quantile` of the lengths do not exceed; `None` where there are none.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank of a percentile: no run counts 2^53 jobs"
    )]
    pub(super) fn quantile_s(&self, quantile: f64) -> Option<f64> {
        let rank = (libm::ceil(quantile * self.count as f64) as u64).max(1);
        let mut below = 0;
        let found = self.bins.iter().position(|count| {
            below += u64::from(*count);
            below >= rank
        });
        let upper = found.map_or(self.max_us, |bin| longest(self.bits, bin).min(self.max_us));
        (self.count > 0).then(|| seconds(upper))
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bins.fill(0);
        self.count = 0;
        self.sum_us = 0;
        self.max_us = 0;
    }

    /// What the summary says of it.
    pub(super) fn spread(&self) -> Quantiles {
        let quantile = |share| self.quantile_s(share).unwrap_or(0.0);
        Quantiles {
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

/// The bin of a value: the number of its doubling, and behind it the value's first bits.
const fn bin(bits: u32, micros: u64) -> usize {
    let doubling = (micros | 1 << bits).ilog2() - bits;
    ((doubling as u64) << bits) as usize + (micros >> doubling) as usize
}

/// The longest value in a bin.
fn longest(bits: u32, bin: usize) -> u64 {
    let doubling = (bin >> bits).saturating_sub(1);
    ((bin as u64 - ((doubling as u64) << bits) + 1) << doubling) - 1
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
            for (mut hist, precision) in [(Histogram::of_run(), 0.001), (Histogram::of_step(), 0.01)] {
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
    fn every_value_lies_in_its_bin_and_the_bins_leave_no_gap() {
        for bits in [RUN_BITS, STEP_BITS] {
            let last = bin(bits, LONGEST_US);
            let mut begins = 0;
            for number in 0..=last {
                let ends = longest(bits, number);
                assert_eq!((bin(bits, begins), bin(bits, ends)), (number, number));
                begins = ends + 1;
            }
            assert!(begins > LONGEST_US);
        }
    }

    #[test]
    fn absurd_lengths_saturate_and_nothing_is_nothing() {
        let mut hist = Histogram::of_run();
        assert_eq!(hist.quantile_s(0.5), None);
        assert_eq!(hist.spread(), Quantiles::default());
        hist.record(Nanos::MAX);
        hist.record(Nanos::MAX);
        assert!((hist.quantile_s(0.5).unwrap() / 86_400.0 - 1.0).abs() < 0.001);
        hist.clear();
        assert_eq!(hist.spread(), Quantiles::default());
    }
}

//! Longer time buckets for a run whose last jobs end long after the arrivals: neighbours are merged, so that the number of
//! buckets stays the same and every count keeps its place in time.

use super::{Bucket, Charge, ROUND_LENGTHS, TimeBuckets};
use crate::record::histogram::Histogram;
use provider::{Instant, Nanos};
use std::ops::Range;

/// Returns how many buckets of `length` become one: as many as make the next round length that is a multiple of `length`; two
/// if there is none.
fn factor(length: Nanos) -> usize {
    let round = ROUND_LENGTHS.into_iter().map(|tenths| Nanos::from_millis(tenths * 100).0);
    let longer = round.into_iter().find(|round| *round > length.0 && round.is_multiple_of(length.0));
    longer.map_or(2, |round| (round / length.0) as usize)
}

impl TimeBuckets {
    /// Merges the buckets, all of which are complete, into longer ones. If the last of the longer ones is only partly filled,
    /// it becomes the current bucket.
    #[cold]
    pub(super) fn coarsen(&mut self) {
        let (count, factor) = (self.buckets.len(), factor(self.length));
        let (whole, left) = (count / factor, count % factor);
        let groups: Vec<Range<usize>> = (0..count.div_ceil(factor))
            .map(|group| group * factor..((group + 1) * factor).min(count))
            .collect();
        let per_minute = (Nanos::MINUTE.0 / self.length.0).max(1) as usize;
        let distributions = self.merge_distributions(&groups, left > 0);
        for (group, steps) in groups.iter().enumerate() {
            let mut bucket = Bucket::merged(&self.buckets[steps.clone()], per_minute);
            if let Some(quantiles) = &distributions {
                (bucket.p50_s, bucket.p95_s) = quantiles[group];
            }
            self.buckets[group] = bucket;
        }
        for row in self.rows.iter().flatten().flatten() {
            merge(&mut self.fill[*row..row + count], &groups, |shares| {
                shares.iter().copied().fold(0.0, f32::max)
            });
            merge(&mut self.refused[*row..row + count], &groups, |counts| counts.iter().sum());
        }
        for (charges, target) in self.charges.chunks_mut(count).zip(&mut self.current_by_target) {
            merge(charges, &groups, |charges| charges.iter().fold(Charge::default(), Charge::plus));
            let begun = if left > 0 { charges[whole] } else { Charge::default() };
            let rest = self.length * ((factor - left) as u64 * target.in_flight);
            target.charge = Charge { busy: begun.busy + rest, ..begun };
        }
        self.current = if left > 0 { self.buckets[whole] } else { Bucket::default() };
        self.buckets[whole..].fill(Bucket::default());
        self.length = self.length * factor as u64;
        self.planned = self.planned.div_ceil(factor);
        self.index = whole;
        self.ends = Instant::ZERO + self.length * (whole as u64 + 1);
    }

    /// Merges the encoded latencies, and returns the median and the 95th percentile of each group. If the last group
    /// `is_partial`, its latencies become those of the current bucket. Returns `None` if distributions are not kept.
    fn merge_distributions(&mut self, groups: &[Range<usize>], is_partial: bool) -> Option<Vec<Quantiles>> {
        let (encoder, encoded) = self.encoded.as_mut()?;
        let (mut quantiles, last) = (Vec::new(), groups.len() - 1);
        for (group, steps) in groups.iter().enumerate() {
            let mut sum = Histogram::of_bucket();
            for text in encoded[steps.clone()].iter().filter(|text| !text.is_empty()) {
                sum.add(&Histogram::of_encoded_bucket(text));
            }
            if is_partial && group == last {
                encoded[group] = String::new();
                quantiles.push((None, None));
                self.latency = sum;
            } else {
                encoded[group] = encoder.encode(&sum);
                quantiles.push((sum.quantile_s(0.50), sum.quantile_s(0.95)));
            }
        }
        encoded[groups.len()..].fill(String::new());
        Some(quantiles)
    }
}

/// The median and the 95th percentile of the latencies of a bucket.
type Quantiles = (Option<f64>, Option<f64>);

/// Replaces each group by one value, at the index of the group, and resets the remaining values to their default.
fn merge<T: Copy + Default>(values: &mut [T], groups: &[Range<usize>], merged: impl Fn(&[T]) -> T) {
    for (group, steps) in groups.iter().enumerate() {
        values[group] = merged(&values[steps.clone()]);
    }
    values[groups.len()..].fill(T::default());
}

impl Bucket {
    /// Returns the sum of `buckets`, of which `per_minute` cover a minute. Its percentiles are the highest of the merged ones:
    /// an upper bound for runs that keep no distributions.
    fn merged(buckets: &[Self], per_minute: usize) -> Self {
        let mut sum = Self::default();
        for bucket in buckets {
            sum.offered += bucket.offered;
            sum.sent += bucket.sent;
            sum.succeeded += bucket.succeeded;
            sum.served += bucket.served;
            sum.fell_back += bucket.fell_back;
            sum.failed += bucket.failed;
            sum.shed += bucket.shed;
            for (sum, count) in sum.limited_by.iter_mut().zip(bucket.limited_by) {
                *sum += count;
            }
            sum.p50_s = highest(sum.p50_s, bucket.p50_s);
            sum.p95_s = highest(sum.p95_s, bucket.p95_s);
        }
        // Buckets shorter than a minute count only a part of one, so those of each minute are added.
        let busiest = if per_minute > 1 {
            buckets.chunks(per_minute).map(|minute| minute.iter().map(|bucket| bucket.offered).sum()).max()
        } else {
            buckets.iter().map(|bucket| bucket.busiest_minute).max()
        };
        Self { busiest_minute: busiest.unwrap_or(0), ..sum }
    }
}

impl Charge {
    fn plus(self, other: &Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            prompt: self.prompt + other.prompt,
            completion: self.completion + other.completion,
            uncached: self.uncached + other.uncached,
            cached: self.cached + other.cached,
            reserved: self.reserved + other.reserved,
            busy: self.busy + other.busy,
        }
    }
}

/// Returns the higher of two percentiles, of which either may be missing.
pub(super) fn highest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_length_is_round_and_a_multiple() {
        let mut length = Nanos::from_millis(100);
        for seconds in [0.2, 1.0, 2.0, 10.0, 30.0, 60.0, 120.0, 600.0] {
            length = length * factor(length) as u64;
            assert_eq!(length.as_secs_f64(), seconds);
        }
        assert_eq!(factor(Nanos(7)), 2);
        assert_eq!(factor(Nanos::MAX), 2);
    }
}

//! The comparison of two means: how much of their difference is noise.
//!
//! If both samples were drawn with the same seeds, the traffic is identical and the *differences* seed by seed are
//! tested (paired t): variation between seeds cancels, and an unchanged policy differs by exactly 0. With other
//! seeds the means are compared as those of independent samples (Welch's t). In both cases the margin is the critical
//! t value times the standard error. Replicas of an unchanged policy are exchangeable, so their difference is
//! symmetric about zero however skewed the measure is; the t margin therefore stays valid for shares and tail
//! percentiles of a few replicas.

use super::{Moments, critical_t};

/// The values of one measure, each with the seed of its replica.
pub type Observations = Vec<(u64, f64)>;

/// Two means and the difference that chance alone explains.
#[derive(Clone, Copy, Debug)]
pub struct MeanComparison {
    /// The mean of the compared values of the first sample.
    pub old: f64,
    /// The mean of the compared values of the second sample.
    pub new: f64,
    /// The largest difference attributed to chance; at least 0.
    pub margin: f64,
}

/// Compares two samples. If both have one distribution, chance exceeds the margin on a given side with a probability of about
/// `tail`, in `(0, 0.5)`. If the samples share at least two seeds, only the values of these seeds are compared, in pairs.
///
/// Returns `None` if either side has fewer than two values, since the noise is then unknown.
#[must_use]
pub fn compare_means(old: &Observations, new: &Observations, tail: f64) -> Option<MeanComparison> {
    let pairs = pairs(old, new);
    if pairs.len() > 1 {
        let (old, new): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let differences: Vec<f64> = pairs.iter().map(|(old, new)| new - old).collect();
        let differences = Moments::of(&differences)?;
        let margin = critical_t(differences.count - 1.0, tail) * libm::sqrt(differences.variance_of_mean());
        return Some(MeanComparison { old: Moments::of(&old)?.mean, new: Moments::of(&new)?.mean, margin });
    }
    if old.len() < 2 || new.len() < 2 {
        return None;
    }
    let moments =
        |sample: &Observations| Moments::of(&sample.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    let (old, new) = (moments(old)?, moments(new)?);
    let variance = old.variance_of_mean() + new.variance_of_mean();
    let margin = if variance > 0.0 {
        critical_t(degrees_of_freedom(&old, &new), tail) * libm::sqrt(variance)
    } else {
        0.0
    };
    Some(MeanComparison { old: old.mean, new: new.mean, margin })
}

/// Returns the old and the new value of every seed that both samples have.
fn pairs(old: &Observations, new: &Observations) -> Vec<(f64, f64)> {
    let old_of = |seed| old.iter().find(|(other, _)| *other == seed).map(|(_, value)| *value);
    new.iter().filter_map(|(seed, new)| Some((old_of(*seed)?, *new))).collect()
}

/// Returns the degrees of freedom of a difference of independent means (Welch–Satterthwaite equation).
fn degrees_of_freedom(old: &Moments, new: &Moments) -> f64 {
    let (a, b) = (old.variance_of_mean(), new.variance_of_mean());
    (a + b) * (a + b) / (a * a / (old.count - 1.0) + b * b / (new.count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use provider::RandomStream;

    /// Returns how many of `trials` comparisons of two samples of eight values from one distribution find the second mean above
    /// the first by more than the margin, at a tail of 1 %.
    fn false_alarms(trials: u64, paired: bool, draw: fn(&mut RandomStream) -> f64) -> u32 {
        let mut stream = RandomStream::new(7, "alarms", u64::from(paired));
        let alarm = |_| {
            let mut sample = |first: u64| -> Observations {
                (first..first + 8).map(|seed| (seed, draw(&mut stream))).collect()
            };
            let (old, new) = (sample(0), sample(if paired { 0 } else { 100 }));
            let comparison = compare_means(&old, &new, 0.01).unwrap();
            u32::from(comparison.new - comparison.old > comparison.margin)
        };
        (0..trials).map(alarm).sum()
    }

    /// The sum of twelve uniform variables is close to normal (Irwin–Hall distribution).
    fn normal(stream: &mut RandomStream) -> f64 {
        (0..12).map(|_| stream.unit()).sum()
    }

    fn skewed(stream: &mut RandomStream) -> f64 {
        libm::exp(1.5 * (normal(stream) - 6.0))
    }

    /// Zero four times out of five: a share of failures in rare outages.
    fn rare(stream: &mut RandomStream) -> f64 {
        if stream.unit() < 0.2 { stream.unit() } else { 0.0 }
    }

    #[test]
    fn chance_exceeds_the_margin_as_rarely_as_the_tail_says() {
        // Of 4,000 trials 40 are expected, with a standard error of 6.3.
        for paired in [false, true] {
            let count = false_alarms(4_000, paired, normal);
            assert!((21..=59).contains(&count), "normal, paired {paired}: {count}");
            for (name, draw) in [("skewed", skewed as fn(&mut RandomStream) -> f64), ("rare", rare)] {
                let count = false_alarms(4_000, paired, draw);
                assert!(count <= 59, "{name}, paired {paired}: {count}");
            }
        }
    }

    #[test]
    fn paired_seeds_detect_a_difference_that_unpaired_seeds_miss() {
        // Seeds differ by 10, the policies by 1: only the paired comparison sees it.
        let old: Observations = (0..8).map(|seed| (seed, f64::from(seed as u32) * 10.0)).collect();
        let shifted = |first: u64| -> Observations {
            old.iter().map(|(seed, value)| (seed + first, value + 1.0 + 0.01 * (seed % 2) as f64)).collect()
        };
        let is_detected = |new: &Observations| {
            let comparison = compare_means(&old, new, 1e-4).unwrap();
            comparison.new - comparison.old > comparison.margin
        };
        assert!(is_detected(&shifted(0)));
        assert!(!is_detected(&shifted(100)));
    }

    #[test]
    fn a_single_value_is_not_compared() {
        assert!(compare_means(&vec![(1, 2.0)], &vec![(1, 9.0)], 0.01).is_none());
        assert!(compare_means(&vec![], &vec![(1, 9.0), (2, 9.0)], 0.01).is_none());
    }

    proptest! {
        /// Law: a sample compared with itself differs by 0 with a margin of 0.
        #[test]
        fn a_sample_does_not_differ_from_itself(values in prop::collection::vec(-1e9f64..1e9, 2..20)) {
            let sample: Observations = (0..).zip(values).collect();
            let comparison = compare_means(&sample, &sample, 1e-5).unwrap();
            prop_assert_eq!((comparison.new, comparison.margin), (comparison.old, 0.0));
        }
    }
}

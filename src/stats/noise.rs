//! How much of a difference between two samples is noise.
//!
//! With the same seeds on both sides the traffic is the same to the last job, and the *differences* seed by
//! seed are looked at: what varies between days cancels, and an unchanged policy differs by exactly nothing.
//! With other seeds, the two means are compared as those of independent samples (Welch's test). In both
//! cases the margin is Student's t times the standard error. The replicas of an unchanged policy may be
//! swapped for one another, so that their difference is symmetric about zero however skewed the measure is;
//! that is what keeps the t margin honest for shares and tail percentiles of a few replicas.

use crate::stats::critical;

/// The values of one measure, each with the seed of its replica.
pub(super) type Values = Vec<(u64, f64)>;

/// Mean and variance of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    count: f64,
    pub(super) mean: f64,
    /// Unbiased; zero where there is only one value.
    pub(super) variance: f64,
}

impl Moments {
    /// `None` where there are no values.
    #[expect(clippy::cast_precision_loss, reason = "there are few replicas")]
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        (!values.is_empty()).then_some(Self { count, mean, variance: squares / (count - 1.0).max(1.0) })
    }

    /// The variance of the mean.
    fn of_mean(&self) -> f64 {
        self.variance / self.count
    }
}

/// Two means, and how far chance alone may part them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) old: f64,
    pub(super) new: f64,
    pub(super) margin: f64,
}

/// Compares two samples; chance exceeds the margin on a given side with probability `tail`.
///
/// `None` where either side has fewer than two values: then nothing is known of the noise.
pub(super) fn estimate(old: &Values, new: &Values, tail: f64) -> Option<Estimate> {
    let pairs = pairs(old, new);
    if pairs.len() > 1 {
        let (old, new): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let differences: Vec<f64> = pairs.iter().map(|(old, new)| new - old).collect();
        let differences = Moments::of(&differences)?;
        let margin = critical(differences.count - 1.0, tail) * libm::sqrt(differences.of_mean());
        return Some(Estimate { old: Moments::of(&old)?.mean, new: Moments::of(&new)?.mean, margin });
    }
    if old.len() < 2 || new.len() < 2 {
        return None;
    }
    let moments = |sample: &Values| Moments::of(&sample.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    let (old, new) = (moments(old)?, moments(new)?);
    let variance = old.of_mean() + new.of_mean();
    let margin =
        if variance > 0.0 { critical(degrees(&old, &new), tail) * libm::sqrt(variance) } else { 0.0 };
    Some(Estimate { old: old.mean, new: new.mean, margin })
}

/// The values, old and new, of every seed that both sides have.
fn pairs(old: &Values, new: &Values) -> Vec<(f64, f64)> {
    let old_of = |seed| old.iter().find(|(other, _)| *other == seed).map(|(_, value)| *value);
    new.iter().filter_map(|(seed, new)| Some((old_of(*seed)?, *new))).collect()
}

/// The degrees of freedom of a difference of means (Welch and Satterthwaite).
fn degrees(old: &Moments, new: &Moments) -> f64 {
    let (a, b) = (old.of_mean(), new.of_mean());
    (a + b) * (a + b) / (a * a / (old.count - 1.0) + b * b / (new.count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use provider::Stream;

    /// How often samples of eight from one law are told apart, of so many tries at a tail of 1 %.
    fn alarms(tries: u64, paired: bool, draw: fn(&mut Stream) -> f64) -> u32 {
        let mut stream = Stream::new(7, "alarms", u64::from(paired));
        let alarm = |_| {
            let mut sample =
                |first: u64| -> Values { (first..first + 8).map(|seed| (seed, draw(&mut stream))).collect() };
            let (old, new) = (sample(0), sample(if paired { 0 } else { 100 }));
            let estimate = estimate(&old, &new, 0.01).unwrap();
            u32::from(estimate.new - estimate.old > estimate.margin)
        };
        (0..tries).map(alarm).sum()
    }

    /// The sum of twelve units is normal enough (Irwin and Hall).
    fn normal(stream: &mut Stream) -> f64 {
        (0..12).map(|_| stream.unit()).sum()
    }

    fn skewed(stream: &mut Stream) -> f64 {
        libm::exp(1.5 * (normal(stream) - 6.0))
    }

    /// Mostly nothing, now and then a lot: a share of failures in rare outages.
    fn rare(stream: &mut Stream) -> f64 {
        if stream.unit() < 0.2 { stream.unit() } else { 0.0 }
    }

    #[test]
    fn chance_exceeds_the_margin_as_seldom_as_promised() {
        // Of 4,000 tries 40 are expected, with a standard error of 6.3.
        for paired in [false, true] {
            let count = alarms(4_000, paired, normal);
            assert!((21..=59).contains(&count), "normal, paired {paired}: {count}");
            for (name, law) in [("skewed", skewed as fn(&mut Stream) -> f64), ("rare", rare)] {
                let count = alarms(4_000, paired, law);
                assert!(count <= 59, "{name}, paired {paired}: {count}");
            }
        }
    }

    #[test]
    fn the_same_seeds_see_what_other_seeds_cannot() {
        // Days differ by 10, the policies by 1: only day by day is it seen.
        let old: Values = (0..8).map(|seed| (seed, f64::from(seed as u32) * 10.0)).collect();
        let shifted = |first: u64| -> Values {
            old.iter().map(|(seed, value)| (seed + first, value + 1.0 + 0.01 * (seed % 2) as f64)).collect()
        };
        let told = |new: &Values| {
            let estimate = estimate(&old, new, 1e-4).unwrap();
            estimate.new - estimate.old > estimate.margin
        };
        assert!(told(&shifted(0)));
        assert!(!told(&shifted(100)));
    }

    #[test]
    fn one_value_tells_nothing_of_noise() {
        assert!(estimate(&vec![(1, 2.0)], &vec![(1, 9.0)], 0.01).is_none());
        assert!(estimate(&vec![], &vec![(1, 9.0), (2, 9.0)], 0.01).is_none());
    }

    proptest! {
        /// Law: what is compared with itself differs by nothing, and the margin is a length.
        #[test]
        fn nothing_differs_from_itself(values in prop::collection::vec(-1e9f64..1e9, 2..20)) {
            let sample: Values = (0..).zip(values).collect();
            let estimate = estimate(&sample, &sample, 1e-5).unwrap();
            prop_assert_eq!((estimate.new, estimate.margin), (estimate.old, 0.0));
        }
    }
}

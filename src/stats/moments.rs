//! Mean and variance of a small sample.

/// The sample moments of at least one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The number of values, at least 1.
    pub count: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The unbiased sample variance (divisor `count - 1`); 0 for a single value.
    pub variance: f64,
}

impl Moments {
    /// Returns the moments of `values`, or `None` if there are none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "samples have far fewer than 2^53 values")]
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        (!values.is_empty()).then_some(Self { count, mean, variance: squares / (count - 1.0).max(1.0) })
    }

    /// Returns the variance of the mean: the squared standard error.
    #[must_use]
    pub fn variance_of_mean(&self) -> f64 {
        self.variance / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_is_unbiased_and_zero_for_one_value() {
        let moments = Moments::of(&[1.0, 2.0, 3.0, 6.0]).expect("a sample");
        assert!((moments.mean - 3.0).abs() < 1e-12 && (moments.variance - 14.0 / 3.0).abs() < 1e-12);
        assert!((moments.variance_of_mean() - 14.0 / 12.0).abs() < 1e-12);
        assert_eq!(Moments::of(&[5.0]), Some(Moments { count: 1.0, mean: 5.0, variance: 0.0 }));
        assert_eq!(Moments::of(&[]), None);
    }
}

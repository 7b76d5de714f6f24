//! One-sided tolerance factors of the normal distribution: from a few values to a bound that most of all values exceed.

/// Returns the factor `k` such that, with probability `confidence`, at least the share `coverage` of a normal distribution
/// lies above `mean - k · deviation` of a sample of `count` values.
///
/// `count` must be at least 2, the others in `(0.5, 1)`. The factor is a quantile of the noncentral t distribution
/// divided by `√count`; it is found by bisection to 1e-6.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "samples have far fewer than 2^53 values")]
pub fn tolerance_factor(count: usize, coverage: f64, confidence: f64) -> f64 {
    assert!(count >= 2, "a sample of {count} values has no deviation");
    let is_share = |share: f64| share > 0.5 && share < 1.0;
    assert!(is_share(coverage) && is_share(confidence), "coverage {coverage}, confidence {confidence}");
    let z = bisect(0.0, 40.0, |z| normal(z) < coverage);
    bisect(0.0, 1e4, |k| probability(count as f64, k, z) < confidence)
}

/// Returns the value between `low` and `high` at which `is_below` turns from true to false.
fn bisect(mut low: f64, mut high: f64, is_below: impl Fn(f64) -> bool) -> f64 {
    while high - low > 1e-6 {
        let middle = f64::midpoint(low, high);
        if is_below(middle) { low = middle } else { high = middle }
    }
    high
}

/// Returns the distribution function of the standard normal distribution at `z`.
fn normal(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Returns the probability that the bound with factor `k` lies below the quantile `-z`, for samples of `n` values: the
/// expectation of `Φ(√n · (k·u - z))` over the relative sample deviation `u`, by Simpson's rule.
fn probability(n: f64, k: f64, z: f64) -> f64 {
    const INTERVALS: u32 = 400;
    let degrees = n - 1.0;
    let half = degrees / 2.0;
    let log_scale = std::f64::consts::LN_2 + half * libm::log(half) - libm::lgamma(half);
    let density = |u: f64| {
        // At 0 the density is 0, except with one degree of freedom.
        let power = if degrees > 1.0 { (degrees - 1.0) * libm::log(u) } else { 0.0 };
        libm::exp(log_scale + power - half * u * u)
    };
    let value = |u: f64| density(u) * normal(libm::sqrt(n) * (k * u - z));
    // Beyond eight standard deviations the density is below 1e-9.
    let width = (1.0 + 8.0 / libm::sqrt(2.0 * degrees)) / f64::from(INTERVALS);
    let weight = |index: u32| match index {
        0 | INTERVALS => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=INTERVALS).map(|index| weight(index) * value(f64::from(index) * width)).sum();
    sum * width / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::RandomStream;
    use provider::dist::Dist;

    #[test]
    fn factors_are_those_of_the_published_tables() {
        // Coverage 95 %, confidence 90 %: NIST/SEMATECH e-Handbook, section 7.2.6.3; Owen (1963).
        for (count, factor) in [(2, 13.090), (4, 3.957), (8, 2.754), (10, 2.568), (16, 2.299), (30, 2.080)] {
            let found = tolerance_factor(count, 0.95, 0.9);
            assert!((found - factor).abs() < 0.006, "{count}: {found} is not {factor}");
        }
    }

    #[test]
    fn the_bound_lies_below_the_quantile_with_its_confidence() {
        // The logarithms of log-normal values are normal, and their fifth percentile is `-z * sigma`.
        let (sigma, z) = (0.05, 1.644_853_6);
        let factor = tolerance_factor(8, 0.95, 0.9);
        let below = (0..4_000).filter(|trial| {
            let mut stream = RandomStream::new(5, "tolerance", *trial);
            let values: Vec<f64> =
                (0..8).map(|_| libm::log(Dist::LogNormal { mu: 0.0, sigma }.sample(&mut stream))).collect();
            let moments = crate::stats::Moments::of(&values).expect("a sample");
            moments.mean - factor * libm::sqrt(moments.variance) <= -z * sigma
        });
        let share = below.count() as f64 / 4e3;
        assert!((share - 0.9).abs() < 0.02, "{share}");
    }
}

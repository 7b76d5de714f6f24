//! Means of distributions whose samples are clamped, in closed form.

use provider::dist::Dist;

/// Returns the mean of a distribution after clamping its samples to `low..=high`.
#[must_use]
pub fn mean_within(dist: &Dist, low: f64, high: f64) -> f64 {
    if high <= low {
        return high;
    }
    low + mean_at_most(dist, high) - mean_at_most(dist, low)
}

/// Returns the mean of the smaller of a sample and `max`, which is not negative.
#[must_use]
pub fn mean_at_most(dist: &Dist, max: f64) -> f64 {
    match dist {
        Dist::Constant(value) => value.min(max),
        Dist::LogNormal { mu, sigma } if *sigma > 0.0 => {
            let score = (libm::log(max) - mu) / sigma;
            // The part of the mean from samples below `max`. If its share underflows to 0, so does the part, even if the mean
            // overflows.
            let share = normal_below(score - sigma);
            let below = if share > 0.0 { share * dist.mean() } else { 0.0 };
            below + max * normal_below(-score)
        }
        Dist::LogNormal { mu, .. } => libm::exp(*mu).min(max),
        Dist::Exponential(mean) if *mean > 0.0 => -mean * libm::expm1(-max / mean),
        Dist::Exponential(_) => 0.0,
        Dist::Uniform { min: low, max: high } => {
            // The integral of the tail probability, which is 1 below `low` and 0 above `high`.
            let (end, width) = (max.clamp(*low, *high), high - low);
            let tail =
                if width > 0.0 { (end - low) * (high - f64::midpoint(*low, end)) / width } else { 0.0 };
            max.min(*low) + tail
        }
        Dist::Discrete(steps) => {
            let mut before = 0.0;
            steps
                .iter()
                .map(|(value, share)| value.min(max) * (share - std::mem::replace(&mut before, *share)))
                .sum()
        }
    }
}

/// Returns the standard normal distribution function.
fn normal_below(score: f64) -> f64 {
    0.5 * libm::erfc(-score * std::f64::consts::FRAC_1_SQRT_2)
}

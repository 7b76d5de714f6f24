//! The bounds of the samples of distributions.

use provider::dist::Dist;

/// Returns the lower bound of the samples of a distribution.
#[must_use]
pub fn smallest_sample(dist: &Dist) -> f64 {
    match dist {
        Dist::Constant(value) => *value,
        Dist::Uniform { min, .. } => *min,
        Dist::Discrete(steps) => steps.iter().map(|(value, _)| *value).fold(f64::INFINITY, f64::min),
        Dist::LogNormal { .. } | Dist::Exponential(_) => 0.0,
    }
}

/// Returns the largest sample of a distribution; `None` if samples have no bound.
#[must_use]
pub fn largest_sample(dist: &Dist) -> Option<f64> {
    match dist {
        Dist::Constant(value) => Some(*value),
        Dist::Uniform { max, .. } => Some(*max),
        Dist::Discrete(steps) => steps.iter().map(|(value, _)| *value).reduce(f64::max),
        Dist::LogNormal { .. } | Dist::Exponential(_) => None,
    }
}

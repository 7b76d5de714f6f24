//! Why a distribution of a result cannot be read.

use super::MAX_US;
use thiserror::Error;

/// The reason why a result has no distribution to read.
#[derive(Debug, Error)]
pub enum HistogramError {
    /// The result was written without distributions, by an earlier version for example.
    #[error("the result carries no distribution: run the scenario again to get one")]
    Missing,
    /// The field is not an encoded histogram.
    #[error("`hdr` is not an HDR histogram in V2 compressed base64: {0}")]
    Encoding(String),
    /// The histogram was not recorded by quotalab.
    #[error("`hdr` covers {low} to {high} µs with {digits} digits; expected 1 to {MAX_US} µs with 2 or 3")]
    Range {
        /// The lowest value that differs from zero, in microseconds.
        low: u64,
        /// The highest value, in microseconds.
        high: u64,
        /// Significant decimal digits.
        digits: u8,
    },
    /// The histogram and the quantiles beside it disagree.
    #[error("`hdr` counts {found} values, `count` says {expected}")]
    Count {
        /// Values in the histogram.
        found: u64,
        /// Values in the quantiles.
        expected: u64,
    },
}

//! Distributions: of tokens and of times.

use super::{Form, Kind, MAX_STATED_TOKENS, Map, word};
use ::provider::Nanos;

/// Tokens: a number, or a distribution.
pub(super) const TOKENS_OR_DIST: Kind = Kind::OneOf(&[TOKEN_COUNT, Kind::Map(&TOKEN_DIST)]);

/// A time of up to a day: a duration, or a distribution.
pub(super) const TIME_OR_DIST: Kind = Kind::OneOf(&[TIME, Kind::Map(&TIME_DIST)]);

/// Tokens of one call.
pub(super) const TOKEN_COUNT: Kind = Kind::Count { min: 0, max: MAX_STATED_TOKENS };
/// At least one token.
const POSITIVE_TOKENS: Kind = Kind::Count { min: 1, max: MAX_STATED_TOKENS };
const TIME: Kind = Kind::Duration { min: Nanos::ZERO, max: Nanos::DAY };
/// A time above zero.
const POSITIVE_TIME: Kind = Kind::Duration { min: Nanos(1), max: Nanos::DAY };
const ALWAYS_ZERO: &str = "for a value that is always zero, write it alone";

pub(super) const WEIGHTS: Kind =
    Kind::List { of: &Kind::Number { min: 0.0, max: MAX_WEIGHT }, min: 1, max: usize::MAX };

/// The largest weight. Weights are relative to each other, so a larger one is likely a typing error.
const MAX_WEIGHT: f64 = 1e9;

pub(super) const MEDIAN: &str =
    "The median of a log-normal distribution; one of `p90`, `p95`, `p99` goes with it.";
pub(super) const QUANTILE: &str = "A percentile of the same distribution.";
const MEAN: &str = "The mean of an exponential distribution.";
pub(super) const MIN: &str = "The smallest value of a uniform distribution.";
pub(super) const MAX: &str = "The largest value of a uniform distribution.";
pub(super) const VALUES: &str = "The values of a discrete distribution.";
pub(super) const WEIGHT: &str =
    "How often each value occurs, relative to the others. If absent, equally often.";

pub(in crate::scenario::language) static TOKEN_DIST: Map = Map {
    name: "tokens",
    doc: "A random number of tokens. A number alone is a constant.",
    example: "{p50: 800, p95: 3000}",
    words: &[
        word("p50", POSITIVE_TOKENS, "800", MEDIAN).hint(ALWAYS_ZERO),
        word("p90", POSITIVE_TOKENS, "2000", QUANTILE).hint(ALWAYS_ZERO),
        word("p95", POSITIVE_TOKENS, "3000", QUANTILE).hint(ALWAYS_ZERO),
        word("p99", POSITIVE_TOKENS, "6000", QUANTILE).hint(ALWAYS_ZERO),
        word("mean", POSITIVE_TOKENS, "500", MEAN).hint(ALWAYS_ZERO),
        word("min", TOKEN_COUNT, "100", MIN),
        word("max", TOKEN_COUNT, "900", MAX),
        word("values", Kind::List { of: &TOKEN_COUNT, min: 1, max: usize::MAX }, "[10, 100]", VALUES),
        word("weights", WEIGHTS, "[3, 1]", WEIGHT),
    ],
    forms: &[
        Form { requires: &[&["p50"], &["p90", "p95", "p99"]], allows: &[], example: "{p50: 800, p95: 3000}" },
        Form { requires: &[&["mean"]], allows: &[], example: "{mean: 500}" },
        Form { requires: &[&["min"], &["max"]], allows: &[], example: "{min: 100, max: 900}" },
        Form {
            requires: &[&["values"]],
            allows: &["weights"],
            example: "{values: [10, 100], weights: [3, 1]}",
        },
    ],
    refused: &[],
};

pub(in crate::scenario::language) static TIME_DIST: Map = Map {
    name: "time",
    doc: "A random length of time. A duration alone is a constant.",
    example: "{p50: 180ms, p99: 900ms}",
    words: &[
        word("p50", POSITIVE_TIME, "180ms", MEDIAN).hint(ALWAYS_ZERO),
        word("p90", POSITIVE_TIME, "400ms", QUANTILE).hint(ALWAYS_ZERO),
        word("p95", POSITIVE_TIME, "600ms", QUANTILE).hint(ALWAYS_ZERO),
        word("p99", POSITIVE_TIME, "900ms", QUANTILE).hint(ALWAYS_ZERO),
        word("mean", POSITIVE_TIME, "1s", MEAN).hint(ALWAYS_ZERO),
        word("min", TIME, "50ms", MIN),
        word("max", TIME, "200ms", MAX),
        word("values", Kind::List { of: &TIME, min: 1, max: usize::MAX }, "[1s, 5s]", VALUES),
        word("weights", WEIGHTS, "[3, 1]", WEIGHT),
    ],
    forms: &[
        Form {
            requires: &[&["p50"], &["p90", "p95", "p99"]],
            allows: &[],
            example: "{p50: 180ms, p99: 900ms}",
        },
        Form { requires: &[&["mean"]], allows: &[], example: "{mean: 1s}" },
        Form { requires: &[&["min"], &["max"]], allows: &[], example: "{min: 50ms, max: 200ms}" },
        Form {
            requires: &[&["values"]],
            allows: &["weights"],
            example: "{values: [1s, 5s], weights: [3, 1]}",
        },
    ],
    refused: &[],
};

//! Amounts in JSON, as text with a unit or as a number: read by [`crate::units`] and bounded.

use crate::time::Nanos;
use crate::units;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A duration of at most 366 days: `"1h30m"`, `"250ms"`, or a number of seconds. The bound keeps the sum of
/// an instant and a duration from overflowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Duration(pub(super) Nanos);

/// A share in `0..=1`: `"20%"` or `0.2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share(pub(super) f64);

/// A multiple in `0.001..=1_000_000`: `"4x"` or `4`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Multiple(pub(super) f64);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let duration = match Value::deserialize(deserializer)? {
            Value::String(text) => units::parse_duration(&text).map_err(D::Error::custom)?,
            value => Nanos::from_secs_f64(number(&value, 0.0..=MAX_SECONDS)?),
        };
        if duration > Nanos::from_secs(MAX_SECONDS as u64) {
            return Err(D::Error::custom("duration longer than 366d"));
        }
        Ok(Self(duration))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => units::parse_share(&text).map(Self).map_err(D::Error::custom),
            value => number(&value, 0.0..=1.0).map(Self),
        }
    }
}

impl<'de> Deserialize<'de> for Multiple {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let multiple = match Value::deserialize(deserializer)? {
            Value::String(text) => units::parse_multiple(&text).map_err(D::Error::custom)?,
            value => return number(&value, MULTIPLES).map(Self),
        };
        if !MULTIPLES.contains(&multiple) {
            return Err(D::Error::custom("multiple not between 0.001x and 1000000x"));
        }
        Ok(Self(multiple))
    }
}

/// Converts a JSON value to a number within `range`, inclusive.
fn number<E: serde::de::Error>(value: &Value, range: std::ops::RangeInclusive<f64>) -> Result<f64, E> {
    value.as_f64().filter(|number| range.contains(number)).ok_or_else(|| {
        E::custom(format_args!("{value} is not a number from {} to {}", range.start(), range.end()))
    })
}

/// 366 days, a leap year.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;

const MULTIPLES: std::ops::RangeInclusive<f64> = 1e-3..=1e6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    fn parse<T: DeserializeOwned>(value: &Value) -> Option<T> {
        serde_json::from_value(value.clone()).ok()
    }

    #[test]
    fn amounts_are_texts_with_units_or_numbers_within_bounds() {
        for (value, expected) in [
            (json!("1h"), Some(Nanos::HOUR)),
            (json!("1h30m"), Some(Nanos(5_400 * Nanos::SECOND.0))),
            (json!("1.5s"), Some(Nanos::from_millis(1_500))),
            (json!("250ms"), Some(Nanos::from_millis(250))),
            (json!("366d"), Some(Nanos(366 * Nanos::DAY.0))),
            (json!(0), Some(Nanos::ZERO)),
            (json!(2.5), Some(Nanos::from_millis(2_500))),
            (json!(-1), None),
            (json!("5"), None),
            (json!("h"), None),
            (json!("1.2.3s"), None),
            (json!("367d"), None),
            (json!("9999999d"), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(parse(&value), expected.map(Duration), "{value}");
        }
        for (value, expected) in
            [(json!("20%"), Some(0.2)), (json!(0.2), Some(0.2)), (json!("0%"), Some(0.0))]
        {
            assert_eq!(parse(&value), expected.map(Share), "{value}");
        }
        for value in [json!("120%"), json!("nan%"), json!(-0.1), json!(1.1)] {
            assert_eq!(parse::<Share>(&value), None, "{value}");
        }
        assert_eq!((parse(&json!("4x")), parse(&json!(4))), (Some(Multiple(4.0)), Some(Multiple(4.0))));
        for value in [json!("infx"), json!("0x"), json!("2000000x"), json!(-4)] {
            assert_eq!(parse::<Multiple>(&value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_texts_are_rejected_or_within_bounds(text in any::<String>()) {
            let value = json!(text);
            prop_assert!(parse::<Duration>(&value).is_none_or(|length| length.0.as_secs_f64() <= MAX_SECONDS));
            prop_assert!(parse::<Share>(&value).is_none_or(|share| (0.0..=1.0).contains(&share.0)));
            prop_assert!(parse::<Multiple>(&value).is_none_or(|multiple| MULTIPLES.contains(&multiple.0)));
        }
    }
}

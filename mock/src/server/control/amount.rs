//! Amounts as the control plane reads them: a length of time, a share, a multiple, a count.

use crate::time::Nanos;
use serde_json::Value;

/// A length of time: `"1h30m"`, `"250ms"`, or a number of seconds.
pub(super) fn length(value: &Value) -> Option<Nanos> {
    let seconds = |seconds: f64| (0.0..=LONGEST_S).contains(&seconds).then(|| Nanos::from_secs_f64(seconds));
    match value {
        Value::Number(number) => seconds(number.as_f64()?),
        Value::String(text) => seconds(parts(text)?),
        _ => None,
    }
}

/// The seconds of numbers with units behind each, largest unit anywhere.
fn parts(mut text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    loop {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = text[..digits].parse().ok()?;
        text = &text[digits..];
        let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        let unit = UNITS.iter().find(|(unit, _)| *unit == &text[..end])?;
        seconds += number * unit.1;
        text = &text[end..];
        if text.is_empty() {
            return Some(seconds);
        }
    }
}

/// A share in `0..=1`: `0.2` or `"20%"`.
pub(super) fn share(value: &Value) -> Option<f64> {
    let share = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.strip_suffix('%')?.trim().parse::<f64>().ok()? / 100.0,
        _ => return None,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

/// A multiple up to a million: `4` or `"4x"`.
pub(super) fn times(value: &Value) -> Option<f64> {
    let times = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.strip_suffix('x')?.trim().parse().ok()?,
        _ => return None,
    };
    (1e-3..=1e6).contains(&times).then_some(times)
}

const UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

/// A year: no run is longer, and no clock overflows however often it is advanced by as much.
const LONGEST_S: f64 = 366.0 * 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn amounts_in_every_form() {
        for (value, expected) in [
            (json!("1h"), Some(Nanos::HOUR)),
            (json!("1h30m"), Some(Nanos(5_400 * Nanos::SECOND.0))),
            (json!("1.5s"), Some(Nanos::from_millis(1_500))),
            (json!("250ms"), Some(Nanos::from_millis(250))),
            (json!(0), Some(Nanos::ZERO)),
            (json!(2.5), Some(Nanos::from_millis(2_500))),
            (json!(-1), None),
            (json!("5"), None),
            (json!("h"), None),
            (json!("1h "), None),
            (json!("1.2.3s"), None),
            (json!("9999999d"), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(length(&value), expected, "{value}");
        }
        assert_eq!((share(&json!("20%")), share(&json!(0.2))), (Some(0.2), Some(0.2)));
        assert_eq!((share(&json!("120%")), share(&json!("nan%")), share(&json!(-0.1))), (None, None, None));
        assert_eq!(
            (times(&json!("4x")), times(&json!(4)), times(&json!("infx"))),
            (Some(4.0), Some(4.0), None)
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in any::<String>()) {
            let value = json!(text);
            prop_assert!(length(&value).is_none_or(|length| length.as_secs_f64() <= LONGEST_S));
            prop_assert!(share(&value).is_none_or(|share| (0.0..=1.0).contains(&share)));
            prop_assert!(times(&value).is_none_or(f64::is_normal));
        }
    }
}

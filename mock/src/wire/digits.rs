//! Numbers in decimal: what JSON, headers and lengths of time share. Every reply has a score of them, so they go without
//! the machinery of `format!`.

/// Appends a whole number.
pub(super) fn number(out: &mut String, value: u64) {
    match value {
        0..10 => out.push(char::from(b'0' + value as u8)),
        10..100 => out.push_str(pair(value)),
        _ => {
            number(out, value / 100);
            out.push_str(pair(value % 100));
        }
    }
}

/// Appends `value` ÷ 10^`places`: its whole part, then, unless that is all, a point and the fraction without the zeros at
/// its end.
pub(super) fn decimal(out: &mut String, value: u64, places: u32) {
    let unit = 10_u64.pow(places);
    number(out, value / unit);
    let fraction = value % unit;
    if fraction == 0 {
        return;
    }
    out.push('.');
    padded(out, fraction, places);
    out.truncate(out.trim_end_matches('0').len());
}

/// Appends a number with zeros in front.
fn padded(out: &mut String, value: u64, places: u32) {
    match places {
        0 => {}
        1 => number(out, value),
        _ => {
            padded(out, value / 100, places - 2);
            out.push_str(pair(value % 100));
        }
    }
}

/// A number below a hundred in two digits.
fn pair(value: u64) -> &'static str {
    let place = 2 * value as usize;
    &PAIRS[place..place + 2]
}

const PAIRS: &str = "0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_everywhere(value: u64, shift in 0u32..64) {
            let mut out = String::from("×");
            number(&mut out, value >> shift);
            prop_assert_eq!(out, format!("×{}", value >> shift));
        }

        #[test]
        fn fractions_are_exact(value: u64, shift in 0u32..64, places in 0u32..10) {
            let mut out = String::new();
            decimal(&mut out, value >> shift, places);
            let (whole, fraction) = out.split_once('.').unwrap_or((&out, ""));
            prop_assert!(!fraction.ends_with('0') && fraction.len() <= places as usize);
            let width = places as usize;
            prop_assert_eq!(format!("{whole}{fraction:0<width$}").parse::<u64>().unwrap(), value >> shift);
        }
    }
}

//! Numbers in decimal: what JSON, headers and lengths of time share. Every reply has a score of them, so they go without
//! the machinery of `format!`.

/// Appends a whole number.
pub(super) fn number(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Appends `value` ÷ 10^`places`: its whole part, then, unless that is all, a point and the fraction without the zeros at
/// its end.
pub(super) fn decimal(out: &mut String, value: u64, places: u32) {
    let unit = 10_u64.pow(places);
    number(out, value / unit);
    let fraction = value % unit;
    if fraction > 0 {
        // A one in front keeps the zeros there, and gives its place to the point.
        let point = out.len();
        number(out, unit + fraction);
        out.replace_range(point..=point, ".");
        out.truncate(out.trim_end_matches('0').len());
    }
}

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

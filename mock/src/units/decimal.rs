//! Decimal numbers as written, kept exact until their unit is known.

/// The decimal number `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) mantissa: u128,
    /// Number of decimals, without trailing zeros; at most [`MAX_DECIMALS`] as parsed.
    pub(super) scale: u32,
}

/// The largest number of decimals that is accepted. More are rejected as a typing error: a whole number of nanoseconds
/// needs 9 decimals of a second. The arithmetic itself allows 36, as `100 × 10^scale` must fit into 128 bits.
const MAX_DECIMALS: usize = 12;

impl Decimal {
    /// Parses the number at the start of `text`, such as `1_000.25`; returns it with the rest of the text. Returns `None`
    /// if there is no number, if a group of digits around `_` or `.` is empty, or if it has too many digits or decimals.
    pub(super) fn parse_prefix(text: &str) -> Option<(Self, &str)> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let has_valid_groups = |part: &str| part.split('_').all(|group| !group.is_empty());
        if !has_valid_groups(whole) || !has_valid_groups(fraction) || fraction.contains('.') {
            return None;
        }
        let fraction = fraction.replace('_', "");
        let fraction = fraction.trim_end_matches('0');
        let mantissa = format!("{}{fraction}", whole.replace('_', "")).parse().ok()?;
        let scale = u32::try_from(fraction.len()).ok()?;
        (fraction.len() <= MAX_DECIMALS).then_some((Self { mantissa, scale }, rest))
    }

    /// Parses as [`Decimal::parse_prefix`], and multiplies by 1,000 if a `k` follows the number, by 1,000,000 if an `M`
    /// does: `1.5k tok/s` is 1500 and leaves ` tok/s`. Returns `None` also if a letter or digit follows the `k` or `M`: `6kB`.
    pub(super) fn parse_prefix_with_magnitude(text: &str) -> Option<(Self, &str)> {
        let (number, rest) = Self::parse_prefix(text)?;
        let (magnitude, after) = match rest.as_bytes().first() {
            Some(b'k') => (1_000, &rest[1..]),
            Some(b'M') => (1_000_000, &rest[1..]),
            _ => return Some((number, rest)),
        };
        if after.starts_with(|c: char| c.is_alphanumeric()) {
            return None;
        }
        Some((Self { mantissa: number.mantissa.checked_mul(magnitude)?, ..number }, after))
    }

    /// Returns the number times `factor`, exactly; `None` if the product is not an integer or exceeds 64 bits.
    pub(super) fn checked_mul_to_integer(self, factor: u64) -> Option<u64> {
        let product = self.mantissa.checked_mul(u128::from(factor))?;
        let divisor = 10u128.pow(self.scale);
        (product % divisor == 0).then(|| u64::try_from(product / divisor).ok()).flatten()
    }

    /// Returns the nearest double.
    pub(super) fn to_f64(self) -> f64 {
        let text = format!("{}e-{}", self.mantissa, self.scale);
        text.parse().expect("invariant: an integer with an exponent parses as a float")
    }
}

//! Decimal numbers as written, kept exact until their unit is known.

/// The decimal number `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) digits: u128,
    pub(super) scale: u32,
}

/// The largest number of decimals, without trailing zeros. A nanosecond as a fraction of a second needs 9; more than 12 is
/// taken for a typing error.
const MAX_DECIMALS: usize = 12;

impl Decimal {
    /// Reads the number at the start of `text`; returns it with the rest of the text. Digits may be grouped by `_`.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let grouped = |part: &str| part.split('_').all(|group| !group.is_empty());
        if !grouped(whole) || !grouped(fraction) || fraction.contains('.') {
            return None;
        }
        let fraction = fraction.replace('_', "");
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{}{fraction}", whole.replace('_', "")).parse().ok()?;
        let scale = u32::try_from(fraction.len()).ok()?;
        (fraction.len() <= MAX_DECIMALS).then_some((Self { digits, scale }, rest))
    }

    /// Reads a number that may have the magnitude `k` or `M`; see [`Decimal::read`].
    pub(super) fn read_with_magnitude(text: &str) -> Option<(Self, &str)> {
        let (number, rest) = Self::read(text)?;
        let (magnitude, after) = match rest.as_bytes().first() {
            Some(b'k') => (1_000, &rest[1..]),
            Some(b'M') => (1_000_000, &rest[1..]),
            _ => return Some((number, rest)),
        };
        if after.starts_with(|c: char| c.is_alphanumeric()) {
            return None;
        }
        Some((Self { digits: number.digits.checked_mul(magnitude)?, ..number }, after))
    }

    /// Returns the number times `factor`; `None` if the product is not whole or exceeds 64 bits.
    pub(super) fn times(self, factor: u64) -> Option<u64> {
        let product = self.digits.checked_mul(u128::from(factor))?;
        let divisor = 10u128.pow(self.scale);
        (product % divisor == 0).then(|| u64::try_from(product / divisor).ok()).flatten()
    }

    /// Returns the nearest double.
    pub(super) fn to_f64(self) -> f64 {
        let text = format!("{}e-{}", self.digits, self.scale);
        text.parse().expect("invariant: digits and an exponent are a float")
    }
}

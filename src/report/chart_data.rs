//! What the page's script needs to draw a chart again, so that one can zoom and read values: numbers, names
//! and colours, nothing that it would have to understand.

use super::palette::Role;
use serde::Serialize;

/// A chart as numbers: panels above each other over one run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChartData {
    /// How long the run was: where the horizontal axis ends, in seconds.
    pub(super) length: f64,
    /// The moments of all values, rising.
    pub(super) x: Vec<f64>,
    pub(super) panels: Vec<Panel>,
}

/// What a vertical axis counts in.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum YUnit {
    PerMinute,
    Share,
    Seconds,
}

/// One pair of axes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Panel {
    /// What is said above it; may be empty.
    pub(super) name: String,
    pub(super) up: YUnit,
    /// Its height in CSS pixels.
    pub(super) height: u32,
    pub(super) logarithmic: bool,
    /// The least that the vertical axis shows at its top; it grows with the data.
    pub(super) top: f64,
    pub(super) lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) name: String,
    /// On light paper and on dark.
    pub(super) colours: [String; 2],
    pub(super) shape: Shape,
    /// One value per place; `None` where there is none.
    pub(super) values: Vec<Option<f64>>,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shape {
    Line,
    Wide,
    Area,
    Dashes,
}

impl Line {
    pub(super) fn new(
        name: &str,
        role: Role,
        shape: Shape,
        values: impl IntoIterator<Item = Option<f64>>,
    ) -> Self {
        let values = values.into_iter().map(|value| value.filter(|value| value.is_finite()).map(significant));
        Self {
            name: name.to_owned(),
            colours: [role.hex(), role.dark_hex()],
            shape,
            values: values.collect(),
        }
    }

    /// A line across at one height.
    pub(super) fn level(name: &str, height: f64, places: usize) -> Self {
        Self::new(name, Role::Ceiling, Shape::Dashes, std::iter::repeat_n(Some(height), places))
    }
}

/// A value to four significant digits: no eye sees more, and the page stays small.
pub(super) fn significant(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let unit = libm::pow(10.0, libm::floor(libm::log10(value.abs())) - 3.0);
    let rounded = libm::round(value / unit) * unit;
    // The shortest text of a double is as long as its error: write it through a decimal.
    format!("{rounded:.6e}").parse().unwrap_or(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: what is drawn differs from what was measured by less than a thousandth, and is short.
        #[test]
        fn values_keep_four_digits(mantissa in -1.0f64..1.0, power in -9i32..12) {
            let value = mantissa * libm::pow(10.0, f64::from(power));
            let kept = significant(value);
            prop_assert!((kept - value).abs() <= value.abs() * 5.1e-4);
            let digits = format!("{kept:e}").chars().take_while(|c| *c != 'e').filter(char::is_ascii_digit).count();
            prop_assert!(digits <= 4, "{kept}");
        }
    }
}

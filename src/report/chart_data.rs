//! The data of a chart for `interactive.js`, which draws it interactively: values, names and colours.

use super::palette::Role;
use crate::formatting::RunTime;
use serde::Serialize;
use std::ops::Range;

/// A chart: panels stacked over one horizontal axis.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChartData {
    /// The end of the horizontal axis.
    pub(super) length: f64,
    /// Of a run with a date: the times from which the clocks of its zone differ from UTC in another way, each with the local time of the start
    /// by these clocks, in seconds since 1970 as if it were UTC.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) starts: Vec<(f64, f64)>,
    /// The positions of all values on the horizontal axis, ascending.
    pub(super) x: Vec<f64>,
    pub(super) panels: Vec<Panel>,
    /// Shaded in every panel, and named in the first.
    pub(super) bands: Vec<Band>,
    /// What the horizontal axis shows.
    pub(super) across: XUnit,
}

impl ChartData {
    /// Creates a chart over time, without bands.
    pub(super) fn over_time(length: f64, x: Vec<f64>, panels: Vec<Panel>, run: &RunTime) -> Self {
        Self { length, starts: run.local_starts(), x, panels, bands: Vec::new(), across: XUnit::Time }
    }
}

/// The unit of a horizontal axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum XUnit {
    /// Seconds since the run began.
    Time,
    /// Jobs per minute. Drawn interactively only on narrow screens, where the static drawing is too small to read.
    PerMinute,
}

/// A named range of the horizontal axis.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Band {
    pub(super) name: String,
    /// For light and for dark backgrounds.
    pub(super) colours: [String; 2],
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Band {
    pub(super) fn new(name: &str, role: Role, across: Range<f64>) -> Self {
        let colours = [role.hex(), role.dark_hex()];
        Self { name: name.to_owned(), colours, from: across.start, to: across.end }
    }
}

/// The unit of a vertical axis.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum YUnit {
    PerMinute,
    Share,
    Seconds,
    UsdPerHour,
}

/// One pair of axes with its lines.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Panel {
    /// Its heading; may be empty.
    pub(super) name: String,
    pub(super) up: YUnit,
    /// Its height in CSS pixels.
    pub(super) height: u32,
    pub(super) logarithmic: bool,
    /// The smallest end of the vertical axis. It ends higher if the data does, but an axis of shares not above 1.5. A
    /// logarithmic axis only covers the data.
    pub(super) top: f64,
    pub(super) lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) name: String,
    /// For light and for dark backgrounds.
    pub(super) colours: [String; 2],
    pub(super) shape: Shape,
    /// One value per position of [`ChartData::x`]; `None` leaves a gap.
    pub(super) values: Vec<Option<f64>>,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shape {
    Line,
    Wide,
    Thin,
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
        let values =
            values.into_iter().map(|value| value.filter(|value| value.is_finite()).map(to_four_digits));
        Self {
            name: name.to_owned(),
            colours: [role.hex(), role.dark_hex()],
            shape,
            values: values.collect(),
        }
    }

    /// Creates a horizontal dashed line of `count` equal values.
    pub(super) fn level(name: &str, height: f64, count: usize) -> Self {
        Self::new(name, Role::Ceiling, Shape::Dashes, std::iter::repeat_n(Some(height), count))
    }
}

/// Rounds to four significant digits: more cannot be seen, and the page stays small.
fn to_four_digits(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let unit = libm::pow(10.0, libm::floor(libm::log10(value.abs())) - 3.0);
    let rounded = libm::round(value / unit) * unit;
    // Formatted and parsed again, since the product may print with a long tail of digits.
    format!("{rounded:.6e}").parse().unwrap_or(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: rounding changes a value by less than a thousandth and leaves at most four digits.
        #[test]
        fn rounding_keeps_four_digits(mantissa in -1.0f64..1.0, power in -9i32..12) {
            let value = mantissa * libm::pow(10.0, f64::from(power));
            let kept = to_four_digits(value);
            prop_assert!((kept - value).abs() <= value.abs() * 5.1e-4);
            let digits = format!("{kept:e}").chars().take_while(|c| *c != 'e').filter(char::is_ascii_digit).count();
            prop_assert!(digits <= 4, "{kept}");
        }
    }
}

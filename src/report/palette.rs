//! The colours of charts by role, each for light and for dark backgrounds.
//!
//! The hues are those of Okabe and Ito (2008), which stay apart under every common colour blindness. A chart
//! is drawn in the light colours; a style sheet selects elements by those values and replaces them by the dark ones,
//! so a drawing needs no second copy. Therefore no two roles may share a light value.

use plotters::style::RGBColor;
use std::fmt::Write;

/// What is drawn in a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Text.
    Ink,
    /// Text and lines of less importance.
    Muted,
    Grid,
    /// The background.
    Paper,
    Ceiling,
    Offered,
    Served,
    Refused,
    Failed,
    Shed,
    /// What was charged to a limit; the part of the ceiling that a change keeps.
    Charged,
    /// A limit that was in use to at least 98 %; a run in which a rule fails or cannot be judged.
    Full,
    Median,
    /// The 95th percentile.
    Tail,
    Queue,
    Wait,
    /// The time in failed attempts.
    Lost,
    FirstToken,
    Output,
    /// The share of a limit in use.
    Level,
    /// Charges above what a limit allows in that time.
    Over,
    /// Lines and bars of several runs or providers, from `First` to `Sixth`; `Third` is also the share of fallbacks.
    First,
    Second,
    Third,
    Fourth,
    Fifth,
    Sixth,
    /// The busiest minute.
    Peak,
    Incident,
}

type Rgb = (u8, u8, u8);

/// Every role with its light and its dark colour.
const COLOURS: [(Role, Rgb, Rgb); 29] = [
    (Role::Ink, (0x1F, 0x29, 0x33), (0xE6, 0xEA, 0xF0)),
    (Role::Muted, (0x5F, 0x6B, 0x7A), (0x9A, 0xA6, 0xB5)),
    (Role::Grid, (0xE3, 0xE7, 0xEC), (0x2C, 0x35, 0x41)),
    (Role::Paper, (0xFF, 0xFF, 0xFF), (0x12, 0x17, 0x1E)),
    (Role::Ceiling, (0x2B, 0x33, 0x3C), (0xD5, 0xDB, 0xE3)),
    (Role::Offered, (0x7C, 0x87, 0x95), (0x8D, 0x99, 0xA8)),
    (Role::Served, (0x00, 0x72, 0xB2), (0x4F, 0xAE, 0xE8)),
    (Role::Refused, (0xD5, 0x5E, 0x00), (0xFF, 0x8A, 0x42)),
    (Role::Failed, (0xAA, 0x33, 0x77), (0xE8, 0x8A, 0xBD)),
    (Role::Shed, (0xE6, 0x9F, 0x01), (0xF3, 0xBB, 0x45)),
    (Role::Charged, (0x01, 0x72, 0xB2), (0x3F, 0x93, 0xC9)),
    (Role::Full, (0xD5, 0x5E, 0x01), (0xFF, 0x8A, 0x43)),
    (Role::Median, (0x00, 0x72, 0xB3), (0x4F, 0xAE, 0xE9)),
    (Role::Tail, (0xD5, 0x5E, 0x02), (0xFF, 0x8A, 0x44)),
    (Role::Queue, (0xCC, 0x79, 0xA7), (0xD9, 0x8F, 0xB9)),
    (Role::Wait, (0xE6, 0x9F, 0x00), (0xF0, 0xB2, 0x2E)),
    (Role::Lost, (0xD5, 0x5E, 0x03), (0xF0, 0x7C, 0x33)),
    (Role::FirstToken, (0x56, 0xB4, 0xE9), (0x7C, 0xC8, 0xF2)),
    (Role::Output, (0x00, 0x72, 0xB4), (0x3A, 0x94, 0xCE)),
    (Role::Level, (0x00, 0x4D, 0x80), (0xA8, 0xD8, 0xF8)),
    (Role::Over, (0x7A, 0x2E, 0x8E), (0xC9, 0x8B, 0xDB)),
    (Role::First, (0x00, 0x72, 0xB5), (0x4F, 0xAE, 0xEA)),
    (Role::Second, (0xD5, 0x5E, 0x04), (0xFF, 0x8A, 0x45)),
    (Role::Third, (0x00, 0x9E, 0x73), (0x3E, 0xCF, 0xA4)),
    (Role::Fourth, (0xAA, 0x33, 0x78), (0xE8, 0x8A, 0xBE)),
    (Role::Fifth, (0xC6, 0x88, 0x00), (0xF3, 0xBB, 0x46)),
    (Role::Sixth, (0x5B, 0x6B, 0x7B), (0xA9, 0xB4, 0xC2)),
    (Role::Peak, (0x00, 0x9E, 0x74), (0x3E, 0xCF, 0xA5)),
    (Role::Incident, (0xF0, 0xC8, 0x42), (0xC9, 0xA2, 0x3A)),
];

impl Role {
    /// Returns its colour on light backgrounds.
    pub(super) fn colour(self) -> RGBColor {
        let (_, (red, green, blue), _) = COLOURS[self as usize];
        RGBColor(red, green, blue)
    }

    /// Returns its colour on light backgrounds, as `#RRGGBB`.
    pub(super) fn hex(self) -> String {
        hex(COLOURS[self as usize].1)
    }

    /// Returns its colour on dark backgrounds, as `#RRGGBB`.
    pub(super) fn dark_hex(self) -> String {
        hex(COLOURS[self as usize].2)
    }

    /// Returns the colour of the series with this index; repeats from the seventh on.
    pub(super) fn of_series(index: usize) -> Self {
        const SERIES: [Role; 6] =
            [Role::First, Role::Second, Role::Third, Role::Fourth, Role::Fifth, Role::Sixth];
        SERIES[index % SERIES.len()]
    }
}

/// Returns the CSS rules that replace light colours by dark ones, to be wrapped in a media query.
pub(super) fn dark_rules() -> String {
    let mut css = String::new();
    for (_, light, dark) in COLOURS {
        let (light, dark) = (hex(light), hex(dark));
        for attribute in ["fill", "stroke"] {
            write!(css, "[{attribute}=\"{light}\"]{{{attribute}:{dark}}}")
                .expect("writing to a string does not fail");
        }
    }
    css
}

fn hex((red, green, blue): Rgb) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_light_colour_of_its_own() {
        for (place, (role, light, _)) in COLOURS.iter().enumerate() {
            assert_eq!(*role as usize, place);
            assert!(COLOURS[..place].iter().all(|(_, other, _)| other != light), "{role:?}");
        }
    }

    #[test]
    fn ink_muted_and_ceiling_have_the_contrast_of_text_on_both_backgrounds() {
        // WCAG 2.1 asks for a contrast of 4.5 for text. Names beside lines, in the colour of the line, are not checked.
        let luminance = |(red, green, blue): Rgb| {
            let linear = |value: u8| {
                let share = f64::from(value) / 255.0;
                if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        };
        let contrast = |a: Rgb, b: Rgb| {
            let (a, b) = (luminance(a), luminance(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        let (_, white, black) = COLOURS[Role::Paper as usize];
        for role in [Role::Ink, Role::Muted, Role::Ceiling] {
            let (_, light, dark) = COLOURS[role as usize];
            assert!(contrast(light, white) >= 4.5 && contrast(dark, black) >= 4.5, "{role:?}");
        }
    }
}

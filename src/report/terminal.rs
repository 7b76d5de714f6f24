//! Text for a terminal of 80 columns: lines, headings, wrapped sentences and bars, with colours if asked for.

use super::Style;
use super::text_layout::{fitted, wrap};
use crate::formatting::printable;

/// The number of columns of every report for the terminal.
pub(super) const WIDTH: usize = 80;

/// A report under construction.
pub(super) struct TerminalText {
    text: String,
    pub(super) style: Style,
}

impl TerminalText {
    /// Creates an empty report.
    pub(super) const fn new(style: Style) -> Self {
        Self { text: String::new(), style }
    }

    /// Returns the report, ending in a line feed.
    pub(super) fn into_string(self) -> String {
        self.text
    }

    /// Adds a line, without trailing blanks and with blanks in place of control characters, except those of colours if the style
    /// has colours. A name may contain control characters if the result was edited.
    pub(super) fn line(&mut self, line: &str) {
        let mut parts = line.trim_end().split(ESCAPE);
        self.text += &printable(parts.next().unwrap_or_default());
        for part in parts {
            let is_colour = self.style == Style::Colour && is_colour(part);
            self.text.push(if is_colour { ESCAPE } else { ' ' });
            self.text += &printable(part);
        }
        self.text.push('\n');
    }

    /// Adds an empty line and a heading.
    pub(super) fn heading(&mut self, text: &str) {
        self.line("");
        let strong = self.style.strong(text);
        self.line(&strong);
    }

    /// Adds a wrapped text in faint letters. An empty text adds nothing.
    pub(super) fn faint(&mut self, text: &str) {
        for line in wrap(text, WIDTH).iter().filter(|line| !line.is_empty()) {
            let faint = self.style.faint(&fitted(line, WIDTH));
            self.line(&faint);
        }
    }

    /// Adds the findings, the first in strong letters.
    pub(super) fn findings(&mut self, sentences: &[String]) {
        for (index, sentence) in sentences.iter().enumerate() {
            for line in wrap(sentence, WIDTH) {
                let line = fitted(&line, WIDTH);
                let line = if index == 0 { self.style.strong(&line) } else { line };
                self.line(&line);
            }
        }
    }

    /// Adds a sentence, wrapped, with all lines but the first indented by `indent` blanks.
    pub(super) fn sentence(&mut self, text: &str, indent: usize) {
        for (index, line) in wrap(text, WIDTH - indent).into_iter().enumerate() {
            let indent = if index == 0 { 0 } else { indent };
            self.line(&format!("{:indent$}{}", "", fitted(&line, WIDTH - indent)));
        }
    }

    /// Adds a label and its value, wrapped behind a label column of `indent` characters.
    pub(super) fn value(&mut self, label: &str, value: &str, indent: usize) {
        for (index, line) in wrap(value, WIDTH - indent).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.line(&format!("{label:<indent$}{}", fitted(&line, WIDTH - indent)));
        }
    }
}

/// The character that begins a control sequence of a terminal.
const ESCAPE: char = '\u{1b}';

/// Returns `true` if a text that follows [`ESCAPE`] sets a colour: `[1;31m…` (ECMA-48, SGR).
fn is_colour(text: &str) -> bool {
    let is_parameter = |c: char| c.is_ascii_digit() || c == ';';
    text.strip_prefix('[').is_some_and(|rest| rest.trim_start_matches(is_parameter).starts_with('m'))
}

/// Renders a share as a bar of `width` characters, in eighths of a character: at least one eighth for any share above 0.
/// Shares above 1 fill it, and so do infinite ones and NaN.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a few characters")]
pub(super) fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    let full = width * 8;
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 };
    let mut eighths = libm::round(share * full as f64) as usize;
    if share > 0.0 {
        eighths = eighths.max(1);
    }
    (0..width).map(|letter| EIGHTHS[eighths.saturating_sub(letter * 8).min(8)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: a bar has the width asked for, and a larger share never gets a smaller bar.
        #[test]
        fn bars_grow_with_their_share(small in -1.0f64..2.0, more in 0.0f64..2.0, width in 1usize..40) {
            let ink = |bar: &str| -> u32 { bar.chars().map(|letter| match letter { ' ' => 0, full => 0x2590 - u32::from(full) }).sum() };
            let (low, high) = (bar(small, width), bar(small + more, width));
            prop_assert_eq!(low.chars().count(), width);
            prop_assert!(ink(&low) <= ink(&high), "{} {}", low, high);
        }

    }

    #[test]
    fn a_line_has_no_control_characters_except_colours() {
        let line = |style: Style, text: &str| {
            let mut report = TerminalText::new(style);
            report.line(text);
            report.into_string()
        };
        let text = "a\n::error::\u{1b}[31mb\u{1b}[2Jc\u{1b}";
        assert_eq!(line(Style::Plain, text), "a ::error:: [31mb [2Jc \n");
        assert_eq!(line(Style::Colour, text), "a ::error::\u{1b}[31mb [2Jc \n");
    }

    #[test]
    fn a_tiny_share_shows_and_a_full_one_fills() {
        assert_eq!(bar(0.0, 4), "    ");
        assert_eq!(bar(1e-9, 4), "▏   ");
        assert_eq!(bar(0.5, 4), "██  ");
        assert_eq!(bar(7.0, 4), "████");
    }
}

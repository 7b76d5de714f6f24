//! The charts: each a function from a summary to a picture whose title says what to see in it.
//!
//! A chart is drawn once. Inside a page it takes its colours and its heading from the page; as a file of its
//! own it brings both along.

mod axis;
mod canvas;
mod fill;
mod latency;
mod spent;
mod traffic;

use super::lettering::{escaped, short, wrap};
use super::palette::{self, Role};
use crate::record::{Summary, words};
use canvas::{SCALE, WIDTH};
pub(super) use spent::parts as time_parts;
use std::fmt::Write;

/// The height of a heading above a chart that is a file of its own, per line of text, and around the text.
const LINE: i32 = 20;
const PADDING: i32 = 14;
/// Letters that fit beside each other in a heading.
const LETTERS: usize = 92;

/// A chart with what is said about it.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The name of its file, without the ending.
    pub name: &'static str,
    /// What to see in it.
    pub title: String,
    /// What is drawn, and in which units.
    pub note: String,
    height: i32,
    body: String,
}

/// Every chart of a run, in the order in which they are read.
#[must_use]
pub fn charts(summary: &Summary) -> Vec<Chart> {
    let all = [traffic::chart(summary), fill::chart(summary), latency::chart(summary), spent::chart(summary)];
    all.into_iter().flatten().collect()
}

impl Chart {
    fn new(
        name: &'static str,
        title: String,
        note: String,
        height: i32,
        draw: impl FnOnce(&canvas::Canvas<'_>),
    ) -> Self {
        Self { name, title, note, height, body: canvas::drawn(height, draw) }
    }

    /// An `<svg>` element for a page that has the style of charts.
    #[must_use]
    pub fn inline(&self) -> String {
        let (width, height) = (WIDTH * SCALE, self.height * SCALE);
        let label = escaped(&self.title);
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n{}\n</svg>\n",
            self.body
        )
    }

    /// A whole `.svg` file: with its heading, and with colours for light and dark surroundings.
    #[must_use]
    pub fn standalone(&self) -> String {
        let (title, note) = (wrapped(&self.title), wrapped(&self.note));
        let above = PADDING * 2 + LINE * i32::try_from(title.len() + note.len()).unwrap_or(1);
        let (width, height) = (WIDTH + PADDING * 2, self.height + above + PADDING);
        let (left, top) = (-PADDING * SCALE, -above * SCALE);
        let (wide, high) = (width * SCALE, height * SCALE);
        let (ink, muted, paper) = (Role::Ink.hex(), Role::Muted.hex(), Role::Paper.hex());
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"{left} {top} {wide} {high}\" role=\"img\">\n<title>{}</title>\n<style>{}</style>\n\
             <rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\" fill=\"{paper}\"/>\n",
            escaped(&self.title),
            style("svg"),
        );
        let lines = title.iter().map(|line| (line, 15, "bold", &ink));
        let lines = lines.chain(note.iter().map(|line| (line, 12, "normal", &muted)));
        for (place, (line, size, weight, colour)) in (0..).zip(lines) {
            let (x, y) = (0, (-above + PADDING + LINE * place + LINE * 3 / 4) * SCALE);
            let size = size * SCALE;
            let line = escaped(line);
            writeln!(text, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" font-weight=\"{weight}\" fill=\"{colour}\">{line}</text>")
                .expect("a string takes every text");
        }
        text + &self.body + "\n</svg>\n"
    }
}

/// The style of charts inside whatever `within` selects: the system's typeface, and dark colours in dark surroundings.
pub(super) fn style(within: &str) -> String {
    format!(
        "{within} text{{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}}\
         {within} polyline{{stroke-linejoin:round}}\
         @media(prefers-color-scheme:dark){{{}}}",
        palette::dark_rules()
    )
}

/// Lines of at most [`LETTERS`] letters, two at most; what does not fit is cut.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = wrap(text, LETTERS);
    if lines.len() > 2 {
        lines.truncate(2);
        lines[1].push('…');
    }
    lines.into_iter().map(|line| short(&line, LETTERS + 1)).collect()
}

/// The points of a series of counts, as rates per minute in the middle of each step.
#[expect(clippy::cast_precision_loss, reason = "there are few steps")]
fn rates(counts: &[u64], step_s: f64, length_s: f64) -> Vec<(f64, f64)> {
    let point = |(step, count): (usize, &u64)| {
        // The last step of the arrivals may be a short one.
        let begins = step as f64 * step_s;
        let covered = if begins < length_s { (length_s - begins).min(step_s) } else { step_s };
        (begins + covered / 2.0, words::per_minute(*count, covered))
    };
    counts.iter().enumerate().map(point).collect()
}

/// How far the horizontal axis of a series goes: to the end of its last step that holds anything.
#[expect(clippy::cast_precision_loss, reason = "there are few steps")]
fn length_of(summary: &Summary) -> f64 {
    let steps = summary.series.offered.len() as f64 * summary.series.step_s;
    if steps > summary.duration_s + summary.series.step_s { steps } else { summary.duration_s }.max(1e-3)
}

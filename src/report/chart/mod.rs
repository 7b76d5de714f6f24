//! The charts: each a function from a summary to a picture whose title says what to see in it.
//!
//! A chart is drawn once. Inside a page it takes its colours and its heading from the page; as a file of its
//! own it brings both along.

mod axis;
mod breakdown_chart;
mod canvas;
pub(super) mod compare_chart;
pub(super) mod curve;
mod fill;
mod heat;
mod latency;
mod traffic;
pub(super) mod what_if;

use super::chart_data::ChartData;
use super::palette::{self, Role};
use super::text_layout::{short, wrap};
use crate::formatting;
use crate::record::Summary;
use crate::xml::escape;
pub(super) use breakdown_chart::parts as time_parts;
use canvas::{SCALE, WIDTH};
use std::fmt::Write;
use std::ops::Range;

/// Where the axes of every chart over time begin and end, so that charts below each other line up.
const LEFT: i32 = 84;
const RIGHT: i32 = WIDTH - 128;
/// Chance makes fewer jobs than this in a step jump up and down by more than a sixth.
const CALM: u64 = 40;
/// A curve with fewer points than this tells nothing.
const FEWEST: usize = 16;
/// A drain longer than this share of the run is drawn to its end.
const LONG_DRAIN: f64 = 0.1;

/// The height of a heading above a chart that is a file of its own, per line of text, and around the text.
const LINE: i32 = 20;
const PADDING: i32 = 14;
/// Letters that fit beside each other in a heading, and in the lines under it.
const TITLE: usize = 76;
const NOTE: usize = 102;

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
    live: Option<ChartData>,
}

/// Every chart of a run, in the order in which they are read.
#[must_use]
pub fn charts(summary: &Summary) -> Vec<Chart> {
    let all = [
        traffic::chart(summary),
        fill::chart(summary),
        heat::chart(summary),
        latency::chart(summary),
        breakdown_chart::chart(summary),
    ];
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
        Self { name, title, note, height, body: canvas::drawn(height, draw), live: None }
    }

    /// The same, with the numbers that a script needs to draw it again.
    fn with(self, live: ChartData) -> Self {
        Self { live: Some(live), ..self }
    }

    /// What a script needs to draw it again; `None` where the drawing is all there is.
    pub(super) fn live(&self) -> Option<&ChartData> {
        self.live.as_ref()
    }

    /// An `<svg>` element for a page that has the style of charts.
    #[must_use]
    pub fn inline(&self) -> String {
        let (width, height) = (WIDTH * SCALE, self.height * SCALE);
        let label = escape(&self.title);
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n{}\n</svg>\n",
            self.body
        )
    }

    /// A whole `.svg` file: with its heading, and with colours for light and dark surroundings.
    #[must_use]
    pub fn standalone(&self) -> String {
        let (title, note) = (wrapped(&self.title, TITLE), wrapped(&self.note, NOTE));
        let above = PADDING * 2 + LINE * i32::try_from(title.len() + note.len()).unwrap_or(1);
        let (width, height) = (WIDTH + PADDING * 2, self.height + above + PADDING);
        let (left, top) = (-PADDING * SCALE, -above * SCALE);
        let (wide, high) = (width * SCALE, height * SCALE);
        let (ink, muted, paper) = (Role::Ink.hex(), Role::Muted.hex(), Role::Paper.hex());
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"{left} {top} {wide} {high}\" role=\"img\">\n<title>{}</title>\n<style>{}</style>\n\
             <rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\" fill=\"{paper}\"/>\n",
            escape(&self.title),
            style("svg"),
        );
        let lines = title.iter().map(|line| (line, 15, "bold", &ink));
        let lines = lines.chain(note.iter().map(|line| (line, 12, "normal", &muted)));
        for (place, (line, size, weight, colour)) in (0..).zip(lines) {
            let (x, y) = (0, (-above + PADDING + LINE * place + LINE * 3 / 4) * SCALE);
            let size = size * SCALE;
            let line = escape(line);
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

/// Lines of at most so many letters, three at most; what does not fit is cut.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = wrap(text, letters);
    if lines.len() > 3 {
        lines.truncate(3);
        lines[2].push('…');
    }
    lines.into_iter().map(|line| short(&line, letters + 1)).collect()
}

/// How far the horizontal axis of a series goes: to the end of the arrivals, or to the end of everything where
/// that came much later.
fn length_of(summary: &Summary) -> f64 {
    let (planned, ended) = (summary.duration_s, summary.ended_s);
    if ended - planned > planned * LONG_DRAIN { ended } else { planned }.max(1e-3)
}

/// The steps of a run put together until chance no longer rules them: about [`CALM`] jobs in each on average,
/// but few enough for [`FEWEST`] points.
fn grouped_steps(summary: &Summary) -> Vec<Range<usize>> {
    let offered = &summary.series.offered;
    let (steps, jobs) = (offered.len(), offered.iter().sum::<u64>());
    let calm = (CALM * steps as u64).div_ceil(jobs.max(1));
    let group = usize::try_from(calm).unwrap_or(steps).clamp(1, (steps / FEWEST).max(1));
    let mut all: Vec<_> = (0..steps).step_by(group).map(|from| from..(from + group).min(steps)).collect();
    // A remainder joins the group before it.
    if all.len() > 1 && all.pop_if(|last| last.len() * 2 < group).is_some() {
        all.last_mut().expect("one is left").end = steps;
    }
    all
}

/// The points of a series of counts: rates per minute in the middle of each group of steps, up to `length`.
#[expect(clippy::cast_precision_loss, reason = "there are few steps")]
fn rates(summary: &Summary, counts: &[u64], length: f64) -> Vec<(f64, f64)> {
    let step_s = summary.series.step_s;
    let point = |steps: Range<usize>| {
        let begins = steps.start as f64 * step_s;
        // The last step of the arrivals may be a short one.
        let ends = (steps.end as f64 * step_s).min(length);
        let count = counts.get(steps).unwrap_or_default().iter().sum();
        (begins < ends).then(|| (f64::midpoint(begins, ends), formatting::per_minute(count, ends - begins)))
    };
    grouped_steps(summary).into_iter().filter_map(point).collect()
}

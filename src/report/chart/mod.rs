//! The charts: each a function from a run, several runs or a plan to a drawing whose title states what it shows.
//!
//! A chart is drawn once. Inside a page it uses the page's style and heading; as a file of its own it includes both.

mod axis;
mod breakdown_chart;
mod canvas;
pub(super) mod compare_chart;
mod cost;
pub(super) mod curve;
mod fallback;
mod fill;
mod heat;
mod incident;
mod latency;
mod tasks;
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

/// The left and right ends of the axes of every chart over time but the heat map, so that charts below each other line up.
const LEFT: i32 = 84;
const RIGHT: i32 = WIDTH - 128;
/// Steps are grouped until they hold this many jobs on average: the relative noise of a Poisson count of 40 is a sixth.
const MIN_JOBS_PER_POINT: u64 = 40;
/// Grouping never leaves fewer points than this, if there are as many steps.
const MIN_POINTS: usize = 16;
/// If the last event is later than the end of the arrivals by more than this share of the time of the arrivals, the time axis
/// goes on to it.
const LONG_DRAIN: f64 = 0.1;

/// The height of a heading above a chart that is a file of its own, per line of text, and around the text.
const LINE: i32 = 20;
const PADDING: i32 = 14;
/// Characters per line of the title of a chart that is a file of its own, and of the note under it.
const TITLE: usize = 76;
const NOTE: usize = 102;

/// A chart with its title and note.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The name of its file, without `.svg`.
    pub name: &'static str,
    /// What it shows, as a sentence.
    pub title: String,
    /// What is drawn, with units.
    pub note: String,
    height: i32,
    body: String,
    data: Option<ChartData>,
}

/// The names of all charts that a run may have.
pub const RUN_CHARTS: [&str; 8] =
    ["traffic", "limits", "heat", "fallback", "latency", "tasks", "cost", "time"];

/// Returns every chart of a run, in reading order. Charts without data are left out.
#[must_use]
pub fn charts(summary: &Summary) -> Vec<Chart> {
    let all = [
        traffic::chart(summary),
        fill::chart(summary),
        heat::chart(summary),
        fallback::chart(summary),
        latency::chart(summary),
        tasks::chart(summary),
        cost::chart(summary),
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
        Self { name, title, note, height, body: canvas::drawn(height, draw), data: None }
    }

    /// Adds the data for the interactive chart.
    fn with_data(self, data: ChartData) -> Self {
        Self { data: Some(data), ..self }
    }

    /// Names the incidents of a run in the note, and adds them to the data for the interactive chart.
    fn with_incidents(mut self, summary: &Summary) -> Self {
        if let Some(note) = incident::note(summary) {
            self.note = format!("{} {note}", self.note);
        }
        if let Some(data) = &mut self.data {
            data.bands.extend(incident::bands(summary));
        }
        self
    }

    /// Returns the data for the interactive chart; `None` if it exists as a drawing only.
    pub(super) fn data(&self) -> Option<&ChartData> {
        self.data.as_ref()
    }

    /// Renders an `<svg>` element, without title and note, for a page that includes the CSS of charts.
    #[must_use]
    pub fn inline(&self) -> String {
        let (width, height) = (WIDTH * SCALE, self.height * SCALE);
        let label = escape(&self.title);
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n{}\n</svg>\n",
            self.body
        )
    }

    /// Renders a whole `.svg` file with title, note, and colours for light and dark backgrounds.
    #[must_use]
    pub fn standalone(&self) -> String {
        let (title, note) = (wrapped(&self.title, TITLE, 3), wrapped(&self.note, NOTE, 6));
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
                .expect("writing to a string does not fail");
        }
        text + &self.body + "\n</svg>\n"
    }
}

/// Returns the CSS of charts inside the elements that the selector `within` matches.
pub(super) fn style(within: &str) -> String {
    format!(
        "{within} text{{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}}\
         {within} polyline{{stroke-linejoin:round}}\
         @media(prefers-color-scheme:dark){{{}}}",
        palette::dark_rules()
    )
}

/// Wraps text to at most `most` lines of `letters` characters; the rest is cut, with `…` at the end of the last line.
fn wrapped(text: &str, letters: usize, most: usize) -> Vec<String> {
    let mut lines = wrap(text, letters);
    if lines.len() > most {
        lines.truncate(most);
        lines.last_mut().expect("invariant: at least one line is kept").push('…');
    }
    lines.into_iter().map(|line| short(&line, letters + 1)).collect()
}

/// Returns the end of the time axis in seconds: the end of the arrivals, or of the last event if that came much later.
fn length_of(summary: &Summary) -> f64 {
    let (planned, ended) = (summary.duration_s, summary.ended_s);
    if ended - planned > planned * LONG_DRAIN { ended } else { planned }.max(1e-3)
}

/// Groups the steps of a run until each group has about [`MIN_JOBS_PER_POINT`] jobs, but leaves at least [`MIN_POINTS`]
/// groups if there are as many steps.
fn grouped_steps(summary: &Summary) -> Vec<Range<usize>> {
    let offered = &summary.series.offered;
    let (steps, jobs) = (offered.len(), offered.iter().sum::<u64>());
    let steps_per_point = (MIN_JOBS_PER_POINT * steps as u64).div_ceil(jobs.max(1));
    let group = usize::try_from(steps_per_point).unwrap_or(steps).clamp(1, (steps / MIN_POINTS).max(1));
    let mut all: Vec<_> = (0..steps).step_by(group).map(|from| from..(from + group).min(steps)).collect();
    // A small remainder is added to the group before it.
    if all.len() > 1 && all.pop_if(|last| last.len() * 2 < group).is_some() {
        all.last_mut().expect("invariant: the first group was not popped").end = steps;
    }
    all
}

/// Applies `value` to each group of steps and its length in seconds: points at the middle of each group, up to `length`.
#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn points<T>(summary: &Summary, length: f64, value: impl Fn(Range<usize>, f64) -> T) -> Vec<(f64, T)> {
    let step_s = summary.series.step_s;
    let point = |steps: Range<usize>| {
        let begins = steps.start as f64 * step_s;
        // The last step of the arrivals may be short.
        let ends = (steps.end as f64 * step_s).min(length);
        (begins < ends).then(|| (f64::midpoint(begins, ends), value(steps, ends - begins)))
    };
    grouped_steps(summary).into_iter().filter_map(point).collect()
}

/// Converts a series of counts into points: rates per minute at the middle of each group of steps, up to `length`.
fn rates(summary: &Summary, counts: &[u64], length: f64) -> Vec<(f64, f64)> {
    points(summary, length, |steps, seconds| {
        let count = counts.get(steps).unwrap_or_default().iter().sum();
        formatting::per_minute(count, seconds)
    })
}

/// Returns the jobs per minute that arrived in the busiest minute of each group of steps; empty if a group is shorter than a
/// minute.
#[expect(clippy::cast_precision_loss, reason = "a minute has at most 60,000 steps")]
fn busiest_minutes(summary: &Summary, length: f64) -> Vec<(f64, f64)> {
    let series = &summary.series;
    if !series.busiest_minute.is_empty() {
        return points(summary, length, |steps, _| {
            let counts = series.busiest_minute.get(steps).unwrap_or_default();
            formatting::per_minute(counts.iter().copied().max().unwrap_or(0), 60.0)
        });
    }
    let steps_per_minute = steps_per_minute(series.step_s);
    let all = points(summary, length, |steps, _| {
        let offered = series.offered.get(steps).unwrap_or_default();
        let minutes = offered.windows(steps_per_minute).map(|minute| minute.iter().sum::<u64>());
        minutes.max().map(|count| formatting::per_minute(count, steps_per_minute as f64 * series.step_s))
    });
    all.into_iter().map(|(at, rate)| Some((at, rate?))).collect::<Option<_>>().unwrap_or_default()
}

/// Returns the number of steps that cover a minute.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a step is no shorter than a millisecond"
)]
fn steps_per_minute(step_s: f64) -> usize {
    (libm::ceil(60.0 / step_s) as usize).max(1)
}

//! Charts that compare several runs: jobs succeeded and latency over time; attempts, refusals and cost as bars.

use super::axis;
use super::canvas::{Anchor, Canvas, Frame, LABEL, Mark, WIDTH, width_of};
use super::{Chart, LEFT, RIGHT, incident, length_of, rates};
use crate::formatting::{RunTime, duration, number, percent, plural, share_of, usd};
use crate::record::Summary;
use crate::report::chart_data::{ChartData, Line, Panel, Shape, YUnit};
use crate::report::compare::Named;
use crate::report::palette::Role;
use crate::report::text_layout::short;

const HEIGHT: i32 = 300;
const FRAME: Frame = Frame { left: LEFT, top: 50, right: RIGHT, bottom: HEIGHT - 44 };
/// Runs beyond this are not drawn, since their colours could not be distinguished.
const MAX_RUNS: usize = 6;
/// Characters of the label of a run.
const LETTERS: usize = 24;
/// If the highest value is more than this times the lowest, the axis is logarithmic.
const WIDE: f64 = 20.0;

/// Returns the charts of a comparison. Their titles are about all runs, even those that are not drawn.
pub(in crate::report) fn charts(runs: &[Named<'_>]) -> Vec<Chart> {
    [answered(runs), latency(runs), bars(runs)].into_iter().flatten().collect()
}

/// Returns the runs that are drawn.
fn drawn<'r, 'run>(runs: &'r [Named<'run>]) -> &'r [Named<'run>] {
    &runs[..runs.len().min(MAX_RUNS)]
}

/// Returns a note, with the number of runs that are not drawn if there are any.
fn with_hidden(note: &str, runs: &[Named<'_>]) -> String {
    match runs.len().saturating_sub(MAX_RUNS) {
        0 => note.to_owned(),
        hidden => format!("{note} Not shown: {}.", plural(hidden as u64, "run")),
    }
}

/// The curve of one run; `None` leaves a gap.
type Points = Vec<(f64, Option<f64>)>;

/// Curves over time, one per run, and the unit of the vertical axis.
struct Curves {
    length: f64,
    names: Vec<String>,
    points: Vec<Points>,
    up: YUnit,
}

fn answered(runs: &[Named<'_>]) -> Option<Chart> {
    let curves = Curves::of(drawn(runs), YUnit::PerMinute, |run, length| {
        let points = rates(run, &run.series.succeeded, length).into_iter();
        points.map(|(at, rate)| (at, Some(rate))).collect()
    });
    let share = |run: &Summary| share_of(run.jobs.succeeded, run.jobs.offered);
    let title = range("Success: ", runs, share, percent)?;
    let note = with_hidden("Jobs that succeeded per minute.", runs);
    Some(curves.chart(drawn(runs), "answered", title, note))
}

#[expect(clippy::cast_precision_loss, reason = "there are few steps")]
fn latency(runs: &[Named<'_>]) -> Option<Chart> {
    let curves = Curves::of(drawn(runs), YUnit::Seconds, |run, length| {
        let steps = run.series.p95_s.iter().enumerate();
        let points = steps.map(|(step, p95)| ((step as f64 + 0.5) * run.series.step_s, *p95));
        points.filter(|(at, _)| *at <= length).collect()
    });
    let p95 = |run: &Summary| (run.latency_s.count > 0).then_some(run.latency_s.p95);
    let title = range("p95 latency: ", runs, p95, duration)?;
    let note = "The 95th percentile of latency, of jobs that succeeded, by the time they ended.";
    Some(curves.chart(drawn(runs), "latency-p95", title, with_hidden(note, runs)))
}

/// Returns the runs to shade incidents of: the first run with each list of incidents. Runs without incidents are left out.
fn with_distinct_incidents<'run>(runs: &[Named<'run>]) -> Vec<&'run Summary> {
    let mut distinct: Vec<&Summary> = Vec::new();
    for (_, run) in runs {
        let incidents = &run.series.incidents;
        if !incidents.is_empty() && distinct.iter().all(|known| known.series.incidents != *incidents) {
            distinct.push(run);
        }
    }
    distinct
}

/// Returns `label` with the lowest and the highest value of a measure; `None` if no run has it.
fn range(
    label: &str,
    runs: &[Named<'_>],
    measure: impl Fn(&Summary) -> Option<f64>,
    format: fn(f64) -> String,
) -> Option<String> {
    let values = || runs.iter().filter_map(|(_, run)| measure(run));
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let (low, high) = (format(low), format(high));
    Some(if low == high { format!("{label}{low} in every run") } else { format!("{label}{low} to {high}") })
}

impl Curves {
    fn of(runs: &[Named<'_>], up: YUnit, points: impl Fn(&Summary, f64) -> Points) -> Self {
        let length = runs.iter().map(|(_, run)| length_of(run)).fold(1e-3, f64::max);
        Self {
            length,
            names: runs.iter().map(|(name, _)| short(name, LETTERS)).collect(),
            points: runs.iter().map(|(_, run)| points(run, length_of(run))).collect(),
            up,
        }
    }

    fn chart(self, runs: &[Named<'_>], name: &'static str, title: String, note: String) -> Chart {
        let shaded = with_distinct_incidents(runs);
        let chart = Chart::new(name, title, note, HEIGHT, |canvas| self.draw(canvas, &shaded));
        let chart = match self.chart_data() {
            Some(data) => chart.with_data(data),
            None => chart,
        };
        shaded.into_iter().fold(chart, Chart::with_incidents)
    }

    /// Returns the lowest value above zero, and the highest, but at least a millionth.
    fn extent(&self) -> (f64, f64) {
        let values = || self.points.iter().flatten().filter_map(|(_, value)| *value);
        let high = values().fold(1e-6, f64::max);
        (values().filter(|value| *value > 0.0).fold(high, f64::min), high)
    }

    fn logarithmic(&self) -> bool {
        let (low, high) = self.extent();
        matches!(self.up, YUnit::Seconds) && high / low > WIDE
    }

    fn draw(&self, canvas: &Canvas<'_>, shaded: &[&Summary]) {
        let (low, high) = self.extent();
        let format = match self.up {
            YUnit::Seconds => axis::seconds,
            YUnit::PerMinute | YUnit::Share | YUnit::UsdPerHour => number,
        };
        let (rows, scale): (_, fn(f64) -> f64) = if self.logarithmic() {
            (axis::decades(low, high, format), |value| libm::log10(value.max(1e-6)))
        } else {
            (axis::linear(high, format), |value| value)
        };
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        let plot = canvas.plot(FRAME, 0.0..self.length, first.0..last.0.max(first.0 + 1e-9));
        shaded.iter().for_each(|run| incident::draw(&plot, run));
        plot.rows(&rows);
        let (columns, unit) = axis::times(self.length, &RunTime::default());
        plot.columns(&columns);
        for (place, points) in self.points.iter().enumerate() {
            for segment in points.split(|(_, value)| value.is_none()) {
                let segment: Vec<_> =
                    segment.iter().filter_map(|(at, value)| Some((*at, scale((*value)?)))).collect();
                match segment[..] {
                    [] => {}
                    [lone] => plot.dot(lone, Role::of_series(place)),
                    _ => plot.stroke(&segment, Role::of_series(place), 2),
                }
            }
        }
        legend(canvas, &self.names);
        canvas.text((FRAME.right, HEIGHT - 10), LABEL, Role::Muted, Anchor::Right, &unit);
    }

    /// Returns the data for the interactive chart; `None` unless all runs have the same time buckets.
    fn chart_data(&self) -> Option<ChartData> {
        let positions = |points: &Points| points.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        let x = positions(self.points.first()?);
        if self.points.iter().any(|points| positions(points) != x) {
            return None;
        }
        let lines = self.names.iter().zip(&self.points).enumerate().map(|(place, (name, points))| {
            Line::new(name, Role::of_series(place), Shape::Line, points.iter().map(|(_, value)| *value))
        });
        let panel = Panel {
            name: String::new(),
            up: self.up,
            height: 260,
            logarithmic: self.logarithmic(),
            top: 0.0,
            lines: lines.collect(),
        };
        Some(ChartData::over_time(self.length, x, vec![panel], &RunTime::default()))
    }
}

/// Draws the names of the lines of a chart, in one or two lines of text.
pub(super) fn legend(canvas: &Canvas<'_>, names: &[String]) {
    let (mut x, mut y) = (LEFT, 10);
    for (place, name) in names.iter().enumerate() {
        if x + 20 + width_of(name, LABEL) > WIDTH && x > LEFT {
            (x, y) = (LEFT, y + 18);
        }
        x = canvas.legend((x, y), &[(Mark::Line, Role::of_series(place), name)]);
    }
}

/// A measure compared in bars: its name, value, and format.
type Measured = (&'static str, fn(&Summary) -> Option<f64>, fn(f64) -> String);

const MEASURED: [Measured; 3] = [
    ("attempts per job", |run| share_of(run.attempts.total, run.jobs.offered), number),
    ("attempts rate-limited", |run| share_of(run.attempts.limited, run.attempts.total), percent),
    ("cost", |run| run.cost_usd, usd),
];
/// The heights of a bar with its gap, of the heading of a group, and of the space below it.
const ROW: i32 = 24;
const HEAD: i32 = 26;
const GAP: i32 = 10;
/// The width of the column with the names of the runs.
const NAMES: i32 = 170;

/// Returns the chart with a group of bars per measure, and a bar per run.
fn bars(runs: &[Named<'_>]) -> Option<Chart> {
    if runs.is_empty() {
        return None;
    }
    let attempts = |run: &Summary| share_of(run.attempts.total, run.jobs.offered);
    let title = range("Attempts per job: ", runs, attempts, number)?;
    let note = with_hidden("Bars of one group share a scale.", runs);
    let runs = drawn(runs);
    let rows = i32::try_from(runs.len()).unwrap_or(0);
    let height = (HEAD + ROW * rows + GAP) * 3;
    Some(Chart::new("bars", title, note, height, |canvas| {
        let mut y = 0;
        for measured in MEASURED {
            group(canvas, runs, measured, y);
            y += HEAD + ROW * rows + GAP;
        }
    }))
}

#[expect(clippy::cast_possible_truncation, reason = "a place on the canvas")]
fn group(canvas: &Canvas<'_>, runs: &[Named<'_>], (name, measure, format): Measured, y: i32) {
    canvas.text((0, y + HEAD / 2), LABEL, Role::Ink, Anchor::Left, name);
    let most = runs.iter().filter_map(|(_, run)| measure(run)).fold(1e-12, f64::max);
    for (place, (label, run)) in (0..).zip(runs) {
        let top = y + HEAD + ROW * place;
        let middle = top + ROW / 2;
        canvas.text((NAMES - 10, middle), LABEL, Role::Ink, Anchor::Right, &short(label, LETTERS));
        let Some(value) = measure(run) else { continue };
        let right = NAMES + (f64::from(RIGHT - NAMES) * value / most) as i32;
        let role = Role::of_series(usize::try_from(place).unwrap_or(0));
        canvas.bar(
            Frame { left: NAMES, top: top + 3, right: right.max(NAMES + 1), bottom: top + ROW - 3 },
            role,
        );
        canvas.text((right + 8, middle), LABEL, Role::Ink, Anchor::Left, &format(value));
    }
}

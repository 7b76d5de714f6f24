//! The traffic chart: jobs offered, succeeded, failed and shed, and rate-limited attempts, per minute, with the limits
//! as dashed lines.

use super::axis;
use super::canvas::{Anchor, Canvas, Frame, LABEL, Mark, Plot, spread_up};
use super::{Chart, LEFT, RIGHT, busiest_minutes, incident, length_of, rates};
use crate::formatting;
use crate::record::{CeilingTarget, Summary};
use crate::report::chart_data::{ChartData, Line, Panel, Shape, YUnit};
use crate::report::palette::Role;
use crate::report::text_layout::short;
use std::collections::BTreeMap;

const HEIGHT: i32 = 328;
const FRAME: Frame = Frame { left: LEFT, top: 52, right: RIGHT, bottom: HEIGHT - 44 };
/// The middle of the line with the names of incidents.
const INCIDENTS: i32 = 42;
/// The busiest minutes are drawn if any of them has this many jobs and is this many times the mean at its point of the chart:
/// smaller peaks are random variation.
const MIN_PEAK_JOBS: f64 = 10.0;
const MIN_PEAK_RATIO: f64 = 1.1;
/// The title names the busiest minute if it has more than this many times the highest mean.
const STEEP: f64 = 1.5;
/// Limits above this multiple of the highest rate are not drawn, since they would flatten the curves.
const WITHIN: f64 = 1.8;
/// Lines for single limits beyond this are not drawn.
const MAX_LINES: usize = 3;
/// The vertical distance between labels beside the chart.
const APART: i32 = 14;
const PEAK: &str = "offered, busiest minute";

/// Draws the chart; `None` if no job arrived.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    if summary.jobs.offered == 0 {
        return None;
    }
    let mut note =
        "Jobs offered and succeeded, rate-limited attempts, and jobs failed and shed, per minute.".to_owned();
    let picture = Picture::of(summary);
    if !picture.peaks.is_empty() {
        note.push_str(" Thin: the jobs offered in the busiest minute around each time.");
    }
    if !picture.limits.is_empty() {
        note.push_str(" Dashed: what the limits allow on average.");
    }
    let chart_data = picture.chart_data();
    let title = format!("{}{}", title(summary), picture.busiest().unwrap_or_default());
    let chart = Chart::new("traffic", title, note, HEIGHT, |canvas| picture.draw(canvas));
    Some(chart.with_data(chart_data).with_incidents(summary))
}

fn title(summary: &Summary) -> String {
    let jobs = &summary.jobs;
    let share = formatting::percent(formatting::share_of(jobs.succeeded, jobs.offered).unwrap_or(0.0));
    if let Some(endpoint) = &summary.endpoint {
        let (refused, requests) = (endpoint.refusals.requests, endpoint.requests);
        return format!(
            "The endpoint refused {} of {}; {share} of all jobs succeeded",
            formatting::count(refused),
            formatting::plural(requests, "request")
        );
    }
    match &summary.first_refusal {
        Some(refusal) => {
            let when = formatting::moment(refusal.at_s, &summary.run_time());
            format!("{} first refuses at {when}; {share} of all jobs succeeded", refusal.axis)
        }
        None if summary.attempts.limited > 0 => {
            format!("The limits refused only attempts that are too large; {share} of all jobs succeeded")
        }
        None => format!("No limit refused anything; {share} of all jobs succeeded"),
    }
}

/// A curve of the chart.
struct Curve {
    name: &'static str,
    role: Role,
    points: Vec<(f64, f64)>,
}

/// All that is drawn.
struct Picture<'s> {
    summary: &'s Summary,
    length: f64,
    /// When arrivals end; `None` if that is the end of the chart.
    arrivals_end: Option<f64>,
    /// Offered, succeeded, then those of rate-limited attempts, failed and shed jobs that are not zero throughout.
    curves: Vec<Curve>,
    /// The busiest minutes of the jobs offered, at the positions of the curves; empty if they are not drawn.
    peaks: Vec<(f64, f64)>,
    /// Jobs per minute and a short label, ascending.
    limits: Vec<(f64, String)>,
    /// The highest value that is drawn, per minute.
    top: f64,
}

impl<'s> Picture<'s> {
    fn of(summary: &'s Summary) -> Self {
        let series = &summary.series;
        let length = length_of(summary);
        let all = [
            ("offered", Role::Offered, &series.offered),
            ("succeeded", Role::Served, &series.succeeded),
            ("rate-limited attempts", Role::Refused, &series.limited),
            ("failed", Role::Failed, &series.failed),
            ("shed", Role::Shed, &series.shed),
        ];
        let shown = all.into_iter().enumerate().filter(|(index, (.., counts))| {
            // Curves that are zero throughout are left out, except for offered and succeeded.
            *index < 2 || counts.iter().any(|count| *count > 0)
        });
        let curves: Vec<_> = shown
            .map(|(_, (name, role, counts))| Curve { name, role, points: rates(summary, counts, length) })
            .collect();
        let peaks = peaks(summary, &curves[0].points, length);
        let highest = curves.iter().flat_map(|curve| &curve.points).chain(&peaks);
        let highest = highest.fold(0.0, |top: f64, (_, rate)| top.max(*rate));
        let ceiling = &summary.ceiling;
        let limits = limits(&LimitSelection {
            targets: &ceiling.targets,
            all: match ceiling.peak {
                // The curves show the rate at each time, so if a peak bounds the ceiling, the line shows the rate admitted in it.
                Some(peak) => (peak.length_s > 0.0).then(|| peak.admitted * 60.0 / peak.length_s),
                None => ceiling.jobs_per_min,
            },
            highest: highest * WITHIN,
            lines: MAX_LINES,
        });
        let top = limits.iter().fold(highest, |top, (rate, _)| top.max(*rate));
        let arrivals_end = (length > summary.duration_s).then_some(summary.duration_s);
        Self { summary, length, arrivals_end, curves, peaks, limits, top }
    }

    /// Returns what the title says about the busiest minute; `None` if it is not far above the curve of the jobs offered.
    fn busiest(&self) -> Option<String> {
        let highest = self.curves[0].points.iter().fold(0.0, |top: f64, (_, rate)| top.max(*rate));
        let (_, peak) = self
            .peaks
            .iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .filter(|(_, peak)| *peak > highest * STEEP)?;
        Some(format!("; {} jobs arrived in the busiest minute", formatting::number(*peak)))
    }

    fn draw(&self, canvas: &Canvas<'_>) {
        let rows = axis::linear(self.top * 1.02, formatting::number);
        let plot = canvas.plot(FRAME, 0.0..self.length, 0.0..rows.last().map_or(1.0, |row| row.0));
        incident::draw(&plot, self.summary);
        incident::draw_names(canvas, &plot, self.summary, INCIDENTS);
        plot.rows(&rows);
        let (columns, unit) = axis::times(self.length, &self.summary.run_time());
        plot.area(&self.curves[1].points, Role::Served, 0.14);
        if !self.peaks.is_empty() {
            plot.between(&self.curves[0].points, &self.peaks, Role::Peak, 0.12);
            plot.stroke(&self.peaks, Role::Peak, 1);
        }
        for curve in &self.curves {
            plot.stroke(&curve.points, curve.role, if curve.role == Role::Offered { 4 } else { 2 });
        }
        plot.columns(&columns);
        if let Some(end) = self.arrivals_end {
            plot.vertical_dashes(end, Role::Muted);
            let at = (plot.x(end) - 6, FRAME.top + 8);
            canvas.text(at, LABEL, Role::Muted, Anchor::Right, "arrivals end");
        }
        name_limits(canvas, &plot, &self.limits);
        let mut legend: Vec<_> =
            self.curves.iter().map(|curve| (Mark::Line, curve.role, curve.name)).collect();
        if !self.peaks.is_empty() {
            legend.insert(1, (Mark::Line, Role::Peak, PEAK));
        }
        if !self.limits.is_empty() {
            legend.push((Mark::Dashes, Role::Ceiling, "limits"));
        }
        canvas.legend((FRAME.left, 12), &legend);
        canvas.text((FRAME.left - 8, 12), LABEL, Role::Muted, Anchor::Right, "per min");
        canvas.text((FRAME.right, HEIGHT - 10), LABEL, Role::Muted, Anchor::Right, &unit);
    }

    fn chart_data(&self) -> ChartData {
        let x: Vec<f64> = self.curves[0].points.iter().map(|(at, _)| *at).collect();
        let curves = self.curves.iter().map(|curve| {
            let shape = match curve.role {
                Role::Offered => Shape::Wide,
                Role::Served => Shape::Area,
                _ => Shape::Line,
            };
            Line::new(curve.name, curve.role, shape, curve.points.iter().map(|(_, rate)| Some(*rate)))
        });
        let peaks = (!self.peaks.is_empty()).then(|| {
            Line::new(PEAK, Role::Peak, Shape::Thin, self.peaks.iter().map(|(_, rate)| Some(*rate)))
        });
        let limits = self.limits.iter().map(|(rate, name)| {
            Line::level(&format!("{name} {}", formatting::number(*rate)), *rate, x.len())
        });
        let panel = Panel {
            name: String::new(),
            up: YUnit::PerMinute,
            height: 300,
            logarithmic: false,
            top: 0.0,
            lines: curves.chain(peaks).chain(limits).collect(),
        };
        ChartData::over_time(self.length, x, vec![panel], &self.summary.run_time())
    }
}

/// Returns the busiest minutes of the jobs offered, whose means are `offered`; empty if none exceeds its mean notably.
fn peaks(summary: &Summary, offered: &[(f64, f64)], length: f64) -> Vec<(f64, f64)> {
    let peaks = busiest_minutes(summary, length);
    let stands_out = |((_, mean), (_, peak)): (&(f64, f64), &(f64, f64))| {
        *peak >= MIN_PEAK_JOBS && *peak >= mean * MIN_PEAK_RATIO
    };
    let drawn = peaks.len() == offered.len() && offered.iter().zip(&peaks).any(stands_out);
    if drawn { peaks } else { Vec::new() }
}

/// The limits among which lines are chosen, and how many.
pub(super) struct LimitSelection<'a> {
    pub(super) targets: &'a [CeilingTarget],
    /// What all of them allow together, in jobs per minute; `None` if no limit bounds the load, or if the bound is a peak whose
    /// jobs arrive in one instant, which has no rate.
    pub(super) all: Option<f64>,
    /// Limits above this are left out, in jobs per minute.
    pub(super) highest: f64,
    /// The number of lines for single limits.
    pub(super) lines: usize,
}

/// Returns the tightest limits, and what all targets allow together: jobs per minute and a short label, ascending.
pub(super) fn limits(selection: &LimitSelection<'_>) -> Vec<(f64, String)> {
    let several = selection.targets.len() > 1;
    let mut lines: Vec<(f64, String)> = Vec::new();
    let mut alike: BTreeMap<(&str, u64), Vec<&str>> = BTreeMap::new();
    for target in selection.targets.iter().filter(|target| target.is_stated()) {
        let provider = target.name.split('/').next().unwrap_or_default();
        for axis in &target.axes {
            alike.entry((&axis.axis, axis.jobs_per_min.to_bits())).or_default().push(provider);
        }
    }
    for ((axis, rate), providers) in alike {
        let name = match providers.as_slice() {
            _ if !several => axis.to_owned(),
            [provider] => format!("{} {axis}", short(provider, 9)),
            several => format!("each of {}: {axis}", several.len()),
        };
        lines.push((f64::from_bits(rate), name));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.truncate(selection.lines);
    if let Some(all) = selection.all.filter(|_| several) {
        lines.push((all, "all targets".to_owned()));
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines.retain(|(rate, _)| *rate <= selection.highest);
    lines
}

/// Draws the lines with their labels on the right, without overlap.
fn name_limits(canvas: &Canvas<'_>, plot: &Plot<'_, '_>, limits: &[(f64, String)]) {
    let mut places: Vec<i32> = limits.iter().map(|(rate, _)| plot.y(*rate)).collect();
    spread_up(&mut places, FRAME.bottom - APART / 2, APART);
    for ((rate, name), place) in limits.iter().zip(places) {
        plot.horizontal_dashes(*rate, Role::Ceiling);
        let text = format!("{name} {}", formatting::number(*rate));
        canvas.text((FRAME.right + 8, place), LABEL, Role::Ceiling, Anchor::Left, &text);
    }
}

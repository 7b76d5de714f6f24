//! The ceiling curve: the outcomes of jobs as the load rises to the ceiling and beyond.
//!
//! The three outcomes are stacked, so their sum is the load and its line is the diagonal. As long as all jobs succeed, the
//! area of succeeded jobs reaches up to it. The limits are horizontal lines, the simulated ceiling is a vertical one with its
//! interval, and a second panel below shows the latency on the same axis.

use super::axis::{self, Tick};
use super::canvas::{Anchor, Canvas, Frame, LABEL, Mark, Plot, spread_up, width_of};
use super::traffic::{LimitSelection, limits};
use super::{Chart, LEFT, RIGHT};
use crate::formatting::number;
use crate::planner::{Plan, Point};
use crate::report::chart_data::{Band, ChartData, Line, Panel, Shape, XUnit, YUnit};
use crate::report::palette::Role;

const HEIGHT: i32 = 500;
const JOBS: Frame = Frame { left: LEFT, top: 32, right: RIGHT, bottom: 324 };
const LATENCY: Frame = Frame { left: LEFT, top: 352, right: RIGHT, bottom: HEIGHT - 44 };
/// The vertical distance between labels beside the chart.
const APART: i32 = 14;
/// If the highest value is more than this times the lowest, the axis is logarithmic.
const WIDE: f64 = 20.0;
/// Lines for limits beyond this are not drawn.
const MAX_LINES: usize = 5;

/// Draws the chart; `None` if the plan has no curve.
pub(in crate::report) fn chart(plan: &Plan) -> Option<Chart> {
    let last = plan.curve.last().filter(|last| last.offered_jobs_per_min > 0.0)?;
    let picture = Picture {
        plan,
        minutes: (plan.duration_s / 60.0).max(1e-6),
        most: last.offered_jobs_per_min,
        limits: lines(plan, last.offered_jobs_per_min),
    };
    let note = "Each point is a whole run. Jobs succeeded, failed and shed per minute, stacked unless \
                the screen is narrow; their sum is the load. Dashed, horizontal: what the limits allow on average. \
                Vertical: the present load, and the simulated ceiling with its interval.";
    let data = picture.chart_data();
    let chart = Chart::new("curve", title(plan), note.to_owned(), HEIGHT, |canvas| picture.draw(canvas));
    Some(chart.with_data(data))
}

fn title(plan: &Plan) -> String {
    let simulated = &plan.ceiling.simulated;
    let Some((jobs, multiple)) = simulated.jobs_per_min.zip(simulated.multiple) else {
        return match simulated.lowest_tried {
            _ if simulated.undecided.is_some() => "Too few jobs to tell the ceiling".to_owned(),
            Some(_) => "The rules hold at no load that was tried".to_owned(),
            None => format!(
                "No ceiling was found up to {} times the present load",
                number(simulated.search_bound)
            ),
        };
    };
    let breaks = simulated
        .first_violation
        .as_ref()
        .map_or_else(String::new, |breaks| format!(", then `{}` fails", breaks.rule));
    if let Some(planning) = &simulated.planning {
        return format!(
            "The ceiling to plan with is {} jobs/min, {} times the present load; the mean of all seeds is {}{breaks}",
            number(planning.jobs_per_min),
            number(planning.multiple),
            number(jobs)
        );
    }
    format!(
        "The rules hold up to {} jobs/min, {} times the present load{breaks}",
        number(jobs),
        number(multiple)
    )
}

/// Returns what the limits allow: the tightest single limits, all targets together, and all with the cache.
fn lines(plan: &Plan, most: f64) -> Vec<(f64, String)> {
    let analytic = &plan.ceiling.analytic;
    let selection = LimitSelection {
        targets: &plan.targets,
        all: analytic.jobs_per_min,
        highest: most,
        lines: MAX_LINES,
    };
    let mut lines = limits(&selection);
    lines.extend(analytic.cached.map(|cached| (cached.jobs_per_min, "with the cache".to_owned())));
    lines.retain(|(rate, _)| *rate <= most);
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines
}

struct Picture<'r> {
    plan: &'r Plan,
    minutes: f64,
    /// The highest load of the curve, where the horizontal axis ends, in jobs per minute.
    most: f64,
    limits: Vec<(f64, String)>,
}

/// A measure of a point of the curve, per minute or in seconds. Its second argument is the length of a run in minutes.
type Measure = fn(&Point, f64) -> Option<f64>;

/// The outcomes of a job from the bottom up.
const OUTCOMES: [(&str, Role, Measure); 3] = [
    ("succeeded", Role::Served, |point, minutes| Some(as_f64(point.succeeded) / minutes)),
    ("failed", Role::Failed, |point, minutes| Some(as_f64(point.failed) / minutes)),
    ("shed", Role::Shed, |point, minutes| Some(as_f64(point.shed) / minutes)),
];
const REFUSALS: (&str, Role, Measure) =
    ("rate-limited attempts", Role::Refused, |point, minutes| Some(as_f64(point.limited) / minutes));
const TIMES: [(&str, Role, Measure); 2] = [
    ("95th percentile", Role::Tail, |point, _| point.p95_s),
    ("median", Role::Median, |point, _| point.p50_s),
];

impl Picture<'_> {
    /// Returns the values of a measure along the curve.
    fn along(&self, measure: Measure) -> Vec<(f64, f64)> {
        let points = self.plan.curve.iter();
        points.filter_map(|point| Some((point.offered_jobs_per_min, measure(point, self.minutes)?))).collect()
    }

    fn is_shown(&self, measure: Measure) -> bool {
        self.along(measure).iter().any(|(_, value)| *value > 0.0)
    }

    fn draw(&self, canvas: &Canvas<'_>) {
        let rows = axis::linear(self.most, number);
        let jobs = canvas.plot(JOBS, 0.0..self.most, 0.0..rows.last().map_or(1.0, |row| row.0));
        jobs.rows(&rows);
        let latency = self.latency(canvas);
        self.draw_ceiling(&jobs);
        latency.iter().for_each(|panel| self.draw_ceiling(panel));
        self.draw_outcomes(&jobs);
        jobs.columns(&[]);
        self.draw_limits(canvas, &jobs);
        self.draw_names(canvas, &jobs);
        let columns: Vec<Tick> =
            axis::linear(self.most, number).into_iter().filter(|(at, _)| *at <= self.most).collect();
        latency.as_ref().unwrap_or(&jobs).columns(&columns);
        let mut legend: Vec<_> = OUTCOMES
            .iter()
            .filter(|(.., of)| self.is_shown(*of))
            .map(|(name, role, _)| (Mark::Box, *role, *name))
            .collect();
        if self.is_shown(REFUSALS.2) {
            legend.push((Mark::Line, REFUSALS.1, REFUSALS.0));
        }
        legend.push((Mark::Line, Role::Offered, "offered"));
        canvas.legend((JOBS.left, 12), &legend);
        canvas.text((JOBS.left - 8, 12), LABEL, Role::Muted, Anchor::Right, "jobs/min");
        canvas.text((JOBS.right, HEIGHT - 10), LABEL, Role::Muted, Anchor::Right, "offered jobs per minute");
    }

    /// Returns the data for the interactive chart, which narrow screens show instead of the drawing: the same values, not
    /// stacked, without those far above the highest load.
    fn chart_data(&self) -> ChartData {
        let curve = &self.plan.curve;
        let values = |measure: Measure| curve.iter().map(move |point| measure(point, self.minutes));
        let line = |(name, role, measure): (&str, Role, Measure), shape| {
            let values = values(measure).map(|value| value.filter(|value| *value <= self.most * 1.5));
            Line::new(name, role, shape, values)
        };
        let loads = || curve.iter().map(|point| Some(point.offered_jobs_per_min));
        let outcomes = OUTCOMES.into_iter().chain([REFUSALS]).filter(|(.., measure)| self.is_shown(*measure));
        let outcomes =
            outcomes.map(|of| line(of, if of.1 == Role::Served { Shape::Area } else { Shape::Line }));
        let limits = self
            .limits
            .iter()
            .map(|(rate, name)| Line::level(&format!("{name} {}", number(*rate)), *rate, curve.len()));
        let panel = |up, height, lines| Panel {
            name: String::new(),
            up,
            height,
            logarithmic: false,
            top: 0.0,
            lines,
        };
        let jobs = std::iter::once(Line::new("offered", Role::Offered, Shape::Line, loads()));
        let jobs = panel(YUnit::PerMinute, 240, jobs.chain(outcomes).chain(limits).collect());
        // A logarithmic axis has no zero.
        let positive = |value: Option<f64>| value.filter(|value| *value > 0.0);
        let mut latency = panel(
            YUnit::Seconds,
            150,
            TIMES
                .into_iter()
                .map(|of| Line::new(of.0, of.1, Shape::Line, values(of.2).map(positive)))
                .collect(),
        );
        latency.logarithmic = self.extent().is_some_and(|(low, high)| high / low > WIDE);
        let x = curve.iter().map(|point| point.offered_jobs_per_min).collect();
        let panels = if self.extent().is_some() { vec![jobs, latency] } else { vec![jobs] };
        ChartData {
            length: self.most,
            starts: Vec::new(),
            x,
            panels,
            bands: self.bands(),
            across: XUnit::PerMinute,
        }
    }

    /// Returns the bands of the present load, and of the ceiling with its interval.
    fn bands(&self) -> Vec<Band> {
        let load = self.plan.load.jobs_per_min;
        let simulated = &self.plan.ceiling.simulated;
        let mut bands = vec![Band::new(&format!("load {}", number(load)), Role::Offered, load..load)];
        if let Some(ceiling) = simulated.jobs_per_min.filter(|rate| *rate <= self.most && *rate > 0.0) {
            let (low, high) = simulated
                .low
                .zip(simulated.high)
                .map_or((ceiling, ceiling), |(low, high)| (low * load, high * load));
            bands.push(Band::new(&format!("ceiling {}", number(ceiling)), Role::Ceiling, low..high));
        }
        bands
    }

    /// Draws the stacked outcomes, the load along their upper edge, and a dot for every run.
    fn draw_outcomes(&self, plot: &Plot<'_, '_>) {
        let mut lower: Vec<(f64, f64)> =
            std::iter::once((0.0, 0.0)).chain(self.along(|_, _| Some(0.0))).collect();
        for (_, role, measure) in OUTCOMES {
            let values = std::iter::once((0.0, 0.0)).chain(self.along(measure));
            let upper: Vec<_> =
                lower.iter().zip(values).map(|(below, (at, value))| (at, below.1 + value)).collect();
            if self.is_shown(measure) {
                plot.between(&lower, &upper, role, if role == Role::Served { 0.3 } else { 0.6 });
            }
            lower = upper;
        }
        plot.stroke(&[(0.0, 0.0), (self.most, self.most)], Role::Offered, 2);
        if self.is_shown(REFUSALS.2) {
            let top = plot.top();
            for segment in below(&self.along(REFUSALS.2), top) {
                plot.stroke(&segment, REFUSALS.1, 2);
            }
        }
        let succeeded: Vec<_> = std::iter::once((0.0, 0.0)).chain(self.along(OUTCOMES[0].2)).collect();
        plot.stroke(&succeeded, Role::Served, 3);
        for (point, at) in self.plan.curve.iter().zip(&succeeded[1..]) {
            plot.dot(*at, if point.holds { Role::Served } else { Role::Full });
        }
    }

    /// Draws the present load and the ceiling with its interval through a panel.
    fn draw_ceiling(&self, plot: &Plot<'_, '_>) {
        let load = self.plan.load.jobs_per_min;
        let simulated = &self.plan.ceiling.simulated;
        plot.vertical_dashes(load, Role::Muted);
        if let (Some(low), Some(high)) = (simulated.low, simulated.high) {
            plot.band(low * load, high * load, Role::Ceiling, 0.22);
        }
        if let Some(ceiling) = simulated.jobs_per_min.filter(|rate| *rate <= self.most) {
            plot.vertical_dashes(ceiling, Role::Ceiling);
        }
    }

    /// Labels the vertical lines in the empty area above the diagonal, and draws a ring around the ceiling.
    fn draw_names(&self, canvas: &Canvas<'_>, plot: &Plot<'_, '_>) {
        let load = self.plan.load.jobs_per_min;
        // A label is on the left of its line if that side is free or the right side has no room.
        let name = |x: f64, y: i32, role: Role, text: &str| {
            let (at, width) = (plot.x(x), width_of(text, LABEL) + 8);
            let free_from = if load < x { plot.x(load) } else { JOBS.left };
            let left = at - width > free_from || at + width > JOBS.right;
            let (x, anchor) = if left { (at - 7, Anchor::Right) } else { (at + 7, Anchor::Left) };
            canvas.text((x, y), LABEL, role, anchor, text);
        };
        let simulated = &self.plan.ceiling.simulated;
        if let Some(ceiling) = simulated.jobs_per_min.filter(|rate| *rate <= self.most && *rate > 0.0) {
            plot.ring((ceiling, self.succeeded_at(ceiling)), Role::Ceiling);
            name(ceiling, JOBS.top + 10, Role::Ceiling, &format!("ceiling {}", number(ceiling)));
            let multiple = simulated
                .multiple
                .map_or_else(String::new, |multiple| format!("{} × the load", number(multiple)));
            name(ceiling, JOBS.top + 26, Role::Muted, &multiple);
        }
        name(load, JOBS.top + 50, Role::Muted, &format!("load {}", number(load)));
    }

    /// Returns the jobs succeeded per minute at a load between two runs, interpolated; beyond the last run, the load itself.
    fn succeeded_at(&self, load: f64) -> f64 {
        let succeeded: Vec<_> = std::iter::once((0.0, 0.0)).chain(self.along(OUTCOMES[0].2)).collect();
        let around = succeeded.windows(2).find(|pair| pair[0].0 <= load && load <= pair[1].0);
        around.map_or(load, |pair| interpolate(pair[0], pair[1], load))
    }

    fn draw_limits(&self, canvas: &Canvas<'_>, plot: &Plot<'_, '_>) {
        let mut places: Vec<i32> = self.limits.iter().map(|(rate, _)| plot.y(*rate)).collect();
        spread_up(&mut places, JOBS.bottom - APART / 2, APART);
        for ((rate, name), place) in self.limits.iter().zip(places) {
            plot.horizontal_dashes(*rate, Role::Ceiling);
            let text = format!("{name} {}", number(*rate));
            canvas.text((JOBS.right + 8, place), LABEL, Role::Ceiling, Anchor::Left, &text);
        }
    }

    /// Draws and returns the panel of latency; `None` if no job succeeded in any run.
    fn latency<'c, 'a>(&self, canvas: &'c Canvas<'a>) -> Option<Plot<'c, 'a>> {
        let (low, high) = self.extent()?;
        let (rows, scale): (_, fn(f64) -> f64) = if high / low > WIDE {
            (axis::decades(low, high, axis::seconds), |value| libm::log10(value.max(1e-6)))
        } else {
            (axis::linear(high, axis::seconds), |value| value)
        };
        let (first, last) = (rows.first()?.0, rows.last()?.0);
        let plot = canvas.plot(LATENCY, 0.0..self.most, first..last.max(first + 1e-9));
        plot.rows(&axis::thinned(rows, 6));
        let mut names = Vec::new();
        for (name, role, measure) in TIMES.into_iter().rev() {
            let points: Vec<_> =
                self.along(measure).into_iter().map(|(at, value)| (at, scale(value))).collect();
            names.extend(points.last().map(|last| (plot.y(last.1), role, name)));
            match points[..] {
                [lone] => plot.dot(lone, role),
                _ => plot.stroke(&points, role, 2),
            }
        }
        let mut places: Vec<i32> = names.iter().map(|name| name.0).collect();
        spread_up(&mut places, LATENCY.bottom - 4, APART);
        for ((_, role, name), place) in names.iter().zip(places) {
            canvas.text((LATENCY.right + 8, place), LABEL, *role, Anchor::Left, name);
        }
        canvas.text((LATENCY.left, LATENCY.top - 11), LABEL, Role::Muted, Anchor::Left, "latency");
        Some(plot)
    }

    /// Returns the lowest latency above zero and the highest, in seconds; `None` if there are none.
    fn extent(&self) -> Option<(f64, f64)> {
        let values: Vec<f64> = TIMES
            .iter()
            .flat_map(|(.., of)| self.along(*of))
            .map(|(_, value)| value)
            .filter(|value| *value > 0.0)
            .collect();
        let high = values.iter().copied().reduce(f64::max)?;
        Some((values.iter().copied().fold(high, f64::min), high))
    }
}

/// Returns the segments of a line below `top`, cut at the crossings.
fn below(points: &[(f64, f64)], top: f64) -> Vec<Vec<(f64, f64)>> {
    let mut segments: Vec<Vec<(f64, f64)>> = Vec::new();
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let cut = || (interpolate((from.1, from.0), (to.1, to.0), top), top);
        match (from.1 <= top, to.1 <= top) {
            (true, true) => match segments.last_mut() {
                Some(segment) if segment.last() == Some(&from) => segment.push(to),
                _ => segments.push(vec![from, to]),
            },
            (true, false) => match segments.last_mut() {
                Some(segment) if segment.last() == Some(&from) => segment.push(cut()),
                _ => segments.push(vec![from, cut()]),
            },
            (false, true) => segments.push(vec![cut(), to]),
            (false, false) => {}
        }
    }
    segments
}

/// Returns the value at `x` of the line through two points.
fn interpolate(from: (f64, f64), to: (f64, f64), x: f64) -> f64 {
    let width = to.0 - from.0;
    if width == 0.0 { from.1 } else { from.1 + (to.1 - from.1) * (x - from.0) / width }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: the drawn parts lie on the line and not above the top, and no segment below it is lost.
        #[test]
        fn lines_are_cut_at_the_top(heights in prop::collection::vec(0.0f64..10.0, 2..12), top in 0.5f64..9.5) {
            let points: Vec<_> = heights.iter().enumerate().map(|(at, height)| (at as f64, *height)).collect();
            let drawn: Vec<_> = below(&points, top).concat();
            for &(x, y) in &drawn {
                prop_assert!(y <= top + 1e-9);
                let left = (x.floor() as usize).min(points.len() - 2);
                prop_assert!((interpolate(points[left], points[left + 1], x) - y).abs() < 1e-6, "{x} {y}");
            }
            let segments = points.windows(2).filter(|pair| pair[0].1 <= top && pair[1].1 <= top);
            for pair in segments {
                prop_assert!(drawn.contains(&pair[0]) && drawn.contains(&pair[1]));
            }
        }
    }
}

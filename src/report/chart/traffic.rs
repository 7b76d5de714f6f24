//! What was asked, what was answered and what was refused, per minute, below the lines that the limits draw.

use super::axis;
use super::canvas::{Canvas, Frame, Hang, LABEL, Mark, Plot, WIDTH};
use super::{Chart, length_of, rates};
use crate::record::{Summary, words};
use crate::report::lettering::short;
use crate::report::palette::Role;
use std::collections::BTreeMap;

const HEIGHT: i32 = 310;
const FRAME: Frame = Frame { left: 58, top: 34, right: WIDTH - 128, bottom: HEIGHT - 44 };
/// Limits are drawn where they are no further than this from what was offered; others would flatten the data.
const WITHIN: f64 = 1.8;
/// The most lines for single limits.
const LINES: usize = 3;
/// Chance makes fewer jobs than this in a step jump up and down by more than a sixth.
const CALM: u64 = 40;
/// A curve with fewer points than this tells nothing.
const FEWEST: usize = 16;
/// Names beside the chart keep this distance.
const APART: i32 = 14;

/// The chart; `None` where no job arrived.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    if summary.jobs.offered == 0 {
        return None;
    }
    let note = "Jobs offered and answered, attempts refused by a limit, and jobs given up, per minute. \
                Dashed: what the limits allow on average."
        .to_owned();
    Some(Chart::new("traffic", title(summary), note, HEIGHT, |canvas| draw(canvas, summary)))
}

fn title(summary: &Summary) -> String {
    let jobs = &summary.jobs;
    let share = words::percent(words::share_of(jobs.succeeded, jobs.offered).unwrap_or(0.0));
    match &summary.first_refusal {
        Some(refusal) => {
            let when = words::moment(refusal.at_s, summary.duration_s);
            format!("{} first refuses at {when}; {share} of all jobs are answered in the end", refusal.axis)
        }
        None => format!("No limit refused anything; {share} of all jobs were answered"),
    }
}

/// A line of the chart.
struct Line<'s> {
    name: &'static str,
    role: Role,
    counts: &'s [u64],
}

fn draw(canvas: &Canvas<'_>, summary: &Summary) {
    let series = &summary.series;
    let (step_s, length) = (series.step_s, length_of(summary));
    let group = group(&series.offered);
    let points = |counts: &[u64]| rates(&grouped(counts, group), step_s * group as f64, length);
    let given_up = [
        Line { name: "refused attempts", role: Role::Refused, counts: &series.limited },
        Line { name: "failed", role: Role::Failed, counts: &series.failed },
        Line { name: "shed", role: Role::Shed, counts: &series.shed },
    ];
    let given_up: Vec<_> =
        given_up.into_iter().filter(|line| line.counts.iter().any(|count| *count > 0)).collect();
    let drawn = [&series.offered, &series.succeeded].into_iter().map(Vec::as_slice);
    let highest = drawn.chain(given_up.iter().map(|line| line.counts)).flat_map(&points);
    let highest = highest.fold(0.0, |top: f64, (_, rate)| top.max(rate));
    let limits = limits(summary, highest * WITHIN);
    let top = limits.iter().fold(highest, |top, (rate, _)| top.max(*rate));

    let rows = axis::linear(top * 1.02, words::number);
    let plot = canvas.plot(FRAME, 0.0..length, 0.0..rows.last().map_or(1.0, |row| row.0));
    plot.rows(&rows);
    let (columns, unit) = axis::times(length);
    plot.area(&points(&series.succeeded), Role::Served, 0.14);
    plot.stroke(&points(&series.offered), Role::Offered, 4);
    plot.stroke(&points(&series.succeeded), Role::Served, 2);
    for line in &given_up {
        plot.stroke(&points(line.counts), line.role, 2);
    }
    plot.columns(&columns);
    name_limits(canvas, &plot, &limits);

    let mut legend = vec![(Mark::Line, Role::Offered, "offered"), (Mark::Line, Role::Served, "answered")];
    legend.extend(given_up.iter().map(|line| (Mark::Line, line.role, line.name)));
    if !limits.is_empty() {
        legend.push((Mark::Dashes, Role::Ceiling, "limits"));
    }
    canvas.legend((FRAME.left + 6, 12), &legend);
    canvas.text((FRAME.left - 8, 12), LABEL, Role::Muted, Hang::Right, "per min");
    canvas.text((FRAME.right, HEIGHT - 10), LABEL, Role::Muted, Hang::Right, unit);
}

/// How many steps are drawn as one: enough for [`CALM`] jobs in each on average, but few enough for [`FEWEST`] points.
fn group(offered: &[u64]) -> usize {
    let (steps, jobs) = (offered.len(), offered.iter().sum::<u64>());
    let calm = (CALM * steps as u64).div_ceil(jobs.max(1));
    usize::try_from(calm).unwrap_or(steps).clamp(1, (steps / FEWEST).max(1))
}

fn grouped(counts: &[u64], group: usize) -> Vec<u64> {
    counts.chunks(group).map(|steps| steps.iter().sum()).collect()
}

/// The ceiling, and the tightest limits below `highest`: jobs per minute and a short name, lowest first.
fn limits(summary: &Summary, highest: f64) -> Vec<(f64, String)> {
    let ceiling = &summary.ceiling;
    let several = ceiling.targets.len() > 1;
    let mut lines: Vec<(f64, String)> = Vec::new();
    let mut alike: BTreeMap<(&str, u64), Vec<&str>> = BTreeMap::new();
    for target in &ceiling.targets {
        let place = target.name.split('/').next().unwrap_or_default();
        for axis in &target.axes {
            alike.entry((&axis.axis, axis.jobs_per_min.to_bits())).or_default().push(place);
        }
    }
    for ((axis, rate), places) in alike {
        let name = match places.as_slice() {
            _ if !several => axis.to_owned(),
            [place] => format!("{} {axis}", short(place, 9)),
            _ => format!("each {axis}"),
        };
        lines.push((f64::from_bits(rate), name));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.truncate(LINES);
    if let Some(all) = ceiling.jobs_per_min.filter(|_| several) {
        lines.push((all, "all targets".to_owned()));
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines.retain(|(rate, _)| *rate <= highest);
    lines
}

/// Draws the lines and writes their names on the right, none upon another and none below the axis.
fn name_limits(canvas: &Canvas<'_>, plot: &Plot<'_, '_>, limits: &[(f64, String)]) {
    let mut places: Vec<i32> = limits.iter().map(|(rate, _)| plot.y(*rate)).collect();
    let mut below = FRAME.bottom + APART / 2;
    for place in &mut places {
        *place = (*place).min(below - APART);
        below = *place;
    }
    for ((rate, name), place) in limits.iter().zip(places) {
        plot.dashes(*rate, Role::Ceiling);
        let text = format!("{name} {}", words::number(*rate));
        canvas.text((FRAME.right + 8, place), LABEL, Role::Ceiling, Hang::Left, &text);
    }
}

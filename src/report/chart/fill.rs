//! The limits chart: one strip per limit with its use over time.
//!
//! Each strip shows two quantities, since neither follows from the other: what was charged as a share of what the limit
//! allows in that time, and the share of the limit that was in use (a bucket can be charged at its full rate and still
//! hold most of its burst).

use super::axis;
use super::canvas::{Anchor, Canvas, Frame, LABEL, Mark, Plot};
use super::{Chart, LEFT, RIGHT, grouped_steps, incident, length_of};
use crate::formatting;
use crate::record::Summary;
use crate::report::chart_data::{ChartData, Line, Panel, Shape, YUnit};
use crate::report::palette::Role;
use crate::report::text_layout::short;
use crate::report::usage::{self, Row};
use std::ops::Range;

const STRIP: i32 = 40;
const GAP: i32 = 8;
/// The height of the line with the name of a target.
const NAME: i32 = 24;
/// The height of the legend.
const ABOVE: i32 = 22;
/// The height of the time axis.
const BELOW: i32 = 34;
/// Strips beyond this are left out, the least used first.
const MAX_STRIPS: usize = 14;
/// A limit counts as full if at least this share of it was in use at a sample.
const FULL: f64 = 0.98;
/// The top of a strip: 100 %, and room above for charges beyond it.
const TOP: f64 = 1.14;
/// The right edges of the two columns of numbers.
const NUMBERS: [i32; 2] = [RIGHT + 58, RIGHT + 116];

/// The use of one limit over time.
struct Strip<'s> {
    row: Row<'s>,
    /// The share charged over the whole run; `None` if it was not counted.
    mean: Option<f64>,
    /// The largest share in use at a sample.
    peak: f64,
}

impl Strip<'_> {
    fn name(&self) -> String {
        format!("{} on {}", self.row.axis, self.row.target_text())
    }

    /// Returns the share by which the strips to draw are chosen.
    fn weight(&self) -> f64 {
        self.peak.max(self.mean.unwrap_or(0.0))
    }

    fn full(&self) -> bool {
        self.peak >= FULL
    }
}

/// Draws the chart; `None` if no limit was sampled.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let steps = summary.series.offered.len();
    let each = usage::rows(summary).into_iter();
    let all: Vec<_> = each.map(|row| Strip { mean: row.share(0..steps), peak: row.peak(), row }).collect();
    let title = title(&all)?;
    let (shown, hidden) = shown(all);
    let mut note =
        "Area: charges in each step as a share of what the limit allows in that time; a bar above the dashes: \
                    more than 100 %. Line: the largest share of the limit in use at a sample; it may be higher between them."
            .to_owned();
    if hidden > 0 {
        note.push_str(&format!(
            " Not shown: {}, used no more than these.",
            formatting::plural(hidden, "limit")
        ));
    }
    let (height, _) = layout(&shown);
    let chart_data = chart_data(summary, &shown);
    Some(
        Chart::new("limits", title, note, height, |canvas| draw(canvas, summary, &shown))
            .with_data(chart_data)
            .with_incidents(summary),
    )
}

fn title(strips: &[Strip<'_>]) -> Option<String> {
    let most = |of: fn(&Strip<'_>) -> f64| {
        strips.iter().max_by(|a, b| of(a).total_cmp(&of(b)).then(b.row.target.cmp(a.row.target)))
    };
    let fullest = most(|strip| strip.peak)?;
    if fullest.full() {
        return Some(format!(
            "{} was full (fullest sample {})",
            fullest.name(),
            formatting::percent(fullest.peak)
        ));
    }
    let busiest = most(|strip| strip.mean.unwrap_or(0.0))?;
    Some(match busiest.mean {
        Some(mean) if mean > 0.0 => format!(
            "No limit was full at a sample; {} was used most, {} of what it allows",
            busiest.name(),
            formatting::percent(mean)
        ),
        _ => format!("{} had the highest sample, {}", fullest.name(), formatting::percent(fullest.peak)),
    })
}

/// Returns the height of the chart, and the top of each strip, below the name of its target.
fn layout(strips: &[Strip<'_>]) -> (i32, Vec<i32>) {
    let (mut y, mut above) = (ABOVE, None);
    let tops = strips.iter().map(|strip| {
        if above.replace(strip.row.target) != Some(strip.row.target) {
            y += NAME;
        }
        let top = y;
        y += STRIP + GAP;
        top
    });
    let tops = tops.collect();
    (y + BELOW, tops)
}

/// Returns the most used strips in their own order, and how many are left out.
fn shown(all: Vec<Strip<'_>>) -> (Vec<Strip<'_>>, u64) {
    let before = all.len();
    let shown = usage::largest(all, MAX_STRIPS, Strip::weight);
    let hidden = before - shown.len();
    (shown, hidden as u64)
}

fn draw(canvas: &Canvas<'_>, summary: &Summary, strips: &[Strip<'_>]) {
    let length = length_of(summary);
    let (columns, unit) = axis::times(length, &summary.run_time());
    let (height, tops) = layout(strips);
    let last = strips.len().saturating_sub(1);
    let mut above = None;
    let legend = [
        (Mark::Box, Role::Charged, "charged"),
        (Mark::Line, Role::Level, "fullest sample"),
        (Mark::Line, Role::Full, "full"),
    ];
    canvas.legend((LEFT, 10), &legend);
    for (end, name) in NUMBERS.into_iter().zip(["charged", "fullest"]) {
        canvas.text((end, 10), LABEL, Role::Muted, Anchor::Right, name);
    }
    for (place, (strip, top)) in strips.iter().zip(tops).enumerate() {
        if above.replace(strip.row.target) != Some(strip.row.target) {
            canvas.text(
                (0, top - NAME / 2),
                LABEL,
                Role::Ink,
                Anchor::Left,
                &short(&strip.row.target_text(), 90),
            );
        }
        let frame = Frame { left: LEFT, top, right: RIGHT, bottom: top + STRIP };
        let plot = canvas.plot(frame, 0.0..length, 0.0..TOP);
        incident::draw(&plot, summary);
        draw_strip(&plot, summary, strip, length);
        plot.columns(if place == last { &columns } else { &[] });
        let middle = top + STRIP / 2;
        canvas.text((LEFT - 8, middle), LABEL, Role::Ink, Anchor::Right, &short(strip.row.axis, 11));
        let mean = strip.mean.map_or_else(|| "–".to_owned(), formatting::percent);
        canvas.text((NUMBERS[0], middle), LABEL, Role::Ink, Anchor::Right, &mean);
        let role = if strip.full() { Role::Full } else { Role::Muted };
        canvas.text((NUMBERS[1], middle), LABEL, role, Anchor::Right, &formatting::percent(strip.peak));
    }
    canvas.text((RIGHT, height - 8), LABEL, Role::Muted, Anchor::Right, &unit);
}

/// Draws one strip: charges as an area, capped at 100 %, with a bar above where they are more; the share in use as a line.
#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn draw_strip(plot: &Plot<'_, '_>, summary: &Summary, strip: &Strip<'_>, length: f64) {
    let step_s = summary.series.step_s;
    let span = |steps: &Range<usize>| {
        ((steps.start as f64 * step_s).min(length), (steps.end as f64 * step_s).min(length))
    };
    let steps = grouped_steps(summary);
    let shares: Vec<_> =
        steps.iter().filter_map(|steps| Some((span(steps), strip.row.share(steps.clone())?))).collect();
    plot.area(&outline(shares.iter().map(|(at, share)| (*at, share.min(1.0)))), Role::Charged, 0.45);
    for ((from, to), _) in shares.iter().filter(|(_, share)| *share > 1.005) {
        plot.block((*from, 1.04), (*to, TOP), Role::Charged);
    }
    plot.horizontal_dashes(1.0, Role::Muted);
    // Limits are not sampled after the last event.
    let sampled = |step: &usize| (*step as f64 * step_s) < summary.ended_s.max(step_s);
    let levels = strip.row.levels.iter().enumerate().filter(|(step, _)| sampled(step));
    let levels: Vec<_> = levels.map(|(step, level)| (span(&(step..step + 1)), level.min(1.0))).collect();
    plot.stroke(&outline(levels.iter().copied()), Role::Level, 1);
    for full in levels.chunk_by(|a, b| (a.1 >= FULL) == (b.1 >= FULL)).filter(|equal| equal[0].1 >= FULL) {
        plot.stroke(&outline(full.iter().copied()), Role::Full, 2);
    }
}

/// Returns a step line: each value held for its step; equal neighbours are merged.
fn outline(values: impl Iterator<Item = ((f64, f64), f64)>) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for ((begins, ends), value) in values.filter(|((begins, ends), _)| ends > begins) {
        match points.last_mut() {
            Some(last) if last.1 == value => last.0 = ends,
            _ => points.extend([(begins, value), (ends, value)]),
        }
    }
    points
}

#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn chart_data(summary: &Summary, strips: &[Strip<'_>]) -> ChartData {
    let (length, step_s) = (length_of(summary), summary.series.step_s);
    let mut steps = grouped_steps(summary);
    steps.retain(|steps| (steps.start as f64 * step_s) < length);
    let middle = |steps: &Range<usize>| {
        let (from, to) = (steps.start as f64 * step_s, (steps.end as f64 * step_s).min(length));
        f64::midpoint(from, to)
    };
    let panel = |strip: &Strip<'_>| {
        let charged = steps.iter().map(|steps| strip.row.share(steps.clone()));
        let sampled = |steps: &Range<usize>| (steps.start as f64 * step_s) < summary.ended_s.max(step_s);
        let level = steps.iter().map(|steps| sampled(steps).then(|| strip.row.level(steps.clone())));
        Panel {
            name: format!("{} {}", strip.row.target_text(), strip.row.axis),
            up: YUnit::Share,
            height: 92,
            logarithmic: false,
            top: 1.0,
            lines: vec![
                Line::new("charged", Role::Charged, Shape::Area, charged),
                Line::new("fullest sample", Role::Level, Shape::Line, level),
            ],
        }
    };
    ChartData::over_time(
        length,
        steps.iter().map(middle).collect(),
        strips.iter().map(panel).collect(),
        &summary.run_time(),
    )
}

//! How full each limit was over time: one strip per limit, so that the one which filled up first stands out.

use super::axis;
use super::canvas::{Canvas, Frame, Hang, LABEL, WIDTH};
use super::{Chart, length_of};
use crate::record::{Summary, words};
use crate::report::lettering::short;
use crate::report::palette::Role;
use provider::Axis;

const LEFT: i32 = 84;
const RIGHT: i32 = WIDTH - 74;
const STRIP: i32 = 36;
const GAP: i32 = 8;
/// The line with the name of a target.
const NAME: i32 = 24;
/// The line with the times.
const BELOW: i32 = 34;
/// The most strips; the fullest limits are shown.
const STRIPS: usize = 14;
/// From here on a limit counts as full.
const FULL: f64 = 0.98;

/// The use of one limit over time.
struct Strip<'s> {
    target: &'s str,
    axis: &'s str,
    shares: &'s [f64],
    peak: f64,
}

/// The chart; `None` where nothing was sampled.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let all = strips(summary);
    let fullest = all.iter().max_by(|a, b| a.peak.total_cmp(&b.peak).then(b.target.cmp(a.target)))?;
    let peak = words::percent(fullest.peak);
    let what = format!("{} on {}", fullest.axis, fullest.target);
    let title = if fullest.peak >= FULL {
        format!("{what} was full ({peak} at its peak)")
    } else {
        format!("{what} came closest to full, at {peak}")
    };
    let (shown, hidden) = shown(all);
    let mut note =
        "The used share of each limit: the fullest moment of each step. Full at the dashed line.".to_owned();
    if hidden > 0 {
        note.push_str(&format!(" {} less full are not shown.", words::plural(hidden, "limit")));
    }
    let (height, _) = layout(&shown);
    Some(Chart::new("limits", title, note, height, |canvas| draw(canvas, summary, &shown)))
}

/// The height of the chart, and where each strip begins: below the name of its target.
fn layout(strips: &[Strip<'_>]) -> (i32, Vec<i32>) {
    let (mut y, mut above) = (0, None);
    let tops = strips.iter().map(|strip| {
        if above.replace(strip.target) != Some(strip.target) {
            y += NAME;
        }
        let top = y;
        y += STRIP + GAP;
        top
    });
    let tops = tops.collect();
    (y + BELOW, tops)
}

fn strips(summary: &Summary) -> Vec<Strip<'_>> {
    let each = summary.series.fill.iter().flat_map(|fill| {
        fill.axes.iter().map(|(axis, shares)| Strip {
            target: &fill.target,
            axis,
            shares,
            peak: shares.iter().copied().fold(0.0, f64::max),
        })
    });
    let mut all: Vec<_> = each.filter(|strip| !strip.shares.is_empty()).collect();
    // By target as they come, and within a target in the order of reports.
    let order = |axis: &str| Axis::ALL.into_iter().position(|known| known.name() == axis);
    all.chunk_by_mut(|a, b| a.target == b.target)
        .for_each(|strips| strips.sort_by_key(|strip| order(strip.axis)));
    all
}

/// The fullest strips in their own order, and how many are left out.
fn shown(mut all: Vec<Strip<'_>>) -> (Vec<Strip<'_>>, u64) {
    let mut peaks: Vec<f64> = all.iter().map(|strip| strip.peak).collect();
    peaks.sort_by(|a, b| b.total_cmp(a));
    let least = peaks.get(STRIPS - 1).copied().unwrap_or(0.0);
    let before = all.len();
    all.retain(|strip| strip.peak >= least);
    all.truncate(STRIPS);
    let hidden = before - all.len();
    (all, hidden as u64)
}

fn draw(canvas: &Canvas<'_>, summary: &Summary, strips: &[Strip<'_>]) {
    let length = length_of(summary);
    let (columns, unit) = axis::times(length);
    let (height, tops) = layout(strips);
    let last = strips.len().saturating_sub(1);
    let mut above = None;
    for (place, (strip, top)) in strips.iter().zip(tops).enumerate() {
        if above.replace(strip.target) != Some(strip.target) {
            canvas.text((0, top - NAME / 2), LABEL, Role::Ink, Hang::Left, &short(strip.target, 90));
        }
        let frame = Frame { left: LEFT, top, right: RIGHT, bottom: top + STRIP };
        let plot = canvas.plot(frame, 0.0..length, 0.0..strip.peak.max(1.05));
        let full = strip.peak >= FULL;
        let (area, label) = if full { (Role::Full, Role::Full) } else { (Role::Fill, Role::Muted) };
        plot.area(&steps(strip.shares, summary.series.step_s, length), area, 0.55);
        plot.dashes(1.0, Role::Muted);
        plot.columns(if place == last { &columns } else { &[] });
        let middle = top + STRIP / 2;
        canvas.text((LEFT - 8, middle), LABEL, Role::Ink, Hang::Right, &short(strip.axis, 11));
        canvas.text((RIGHT + 8, middle), LABEL, label, Hang::Left, &words::percent(strip.peak));
    }
    canvas.text((RIGHT + 8, NAME / 2), LABEL, Role::Muted, Hang::Left, "peak");
    canvas.text((RIGHT, height - 8), LABEL, Role::Muted, Hang::Right, unit);
}

/// Each share held for the length of its step; steps of the same height are one.
#[expect(clippy::cast_precision_loss, reason = "there are few steps")]
fn steps(shares: &[f64], step_s: f64, length: f64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (step, share) in shares.iter().enumerate() {
        let (begins, ends) = (step as f64 * step_s, ((step + 1) as f64 * step_s).min(length));
        match points.last_mut() {
            Some(last) if last.1 == *share => last.0 = ends,
            _ => points.extend([(begins.min(length), *share), (ends, *share)]),
        }
    }
    points
}

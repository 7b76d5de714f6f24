//! The latency chart: the median and the 95th percentile of each step.

use super::axis;
use super::canvas::{Anchor, Canvas, Frame, LABEL, Mark, spread_up};
use super::{Chart, LEFT, RIGHT, incident, length_of};
use crate::formatting;
use crate::record::Summary;
use crate::report::chart_data::{ChartData, Line, Panel, Shape, YUnit};
use crate::report::palette::Role;

const HEIGHT: i32 = 270;
const FRAME: Frame = Frame { left: LEFT, top: 34, right: RIGHT, bottom: HEIGHT - 44 };
/// If the highest value is more than this times the lowest, the axis is logarithmic.
const WIDE: f64 = 20.0;

/// Draws the chart; `None` if no job succeeded.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let latency = &summary.latency_s;
    if latency.count == 0 {
        return None;
    }
    let mut title = format!("p95 latency was {}", formatting::duration(latency.p95));
    if let Some((at, worst)) = worst(summary).filter(|(_, worst)| *worst > latency.p95 * 1.2) {
        let when = formatting::moment(at, &summary.run_time());
        title.push_str(&format!("; it peaked around {when} at {}", formatting::duration(worst)));
    }
    let note =
        "From the scheduled arrival to the end of the reply, of jobs that succeeded, by the time they ended.";
    Some(
        Chart::new("latency", title, note.to_owned(), HEIGHT, |canvas| draw(canvas, summary))
            .with_data(chart_data(summary))
            .with_incidents(summary),
    )
}

/// Returns the start and the value of the step with the highest 95th percentile; `None` if no step has one.
#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn worst(summary: &Summary) -> Option<(f64, f64)> {
    let steps = summary.series.p95_s.iter().enumerate();
    let measured = steps.filter_map(|(step, p95)| Some((step as f64 * summary.series.step_s, (*p95)?)));
    measured.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn draw(canvas: &Canvas<'_>, summary: &Summary) {
    let length = length_of(summary);
    let (low, high) = extent(summary);
    let logarithmic = high / low > WIDE;
    let (rows, scale): (_, fn(f64) -> f64) = if logarithmic {
        (axis::decades(low, high, axis::seconds), |value| libm::log10(value.max(1e-6)))
    } else {
        (axis::linear(high, axis::seconds), |value| value)
    };
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
    let plot = canvas.plot(FRAME, 0.0..length, first.0..last.0.max(first.0 + 1e-9));
    incident::draw(&plot, summary);
    plot.rows(&rows);
    plot.columns(&axis::times(length, &summary.run_time()).0);
    let mut ends = Vec::new();
    for (values, role, name, whole) in curves(summary).into_iter().rev() {
        let segments = segments(values, summary.series.step_s, length);
        ends.extend(
            segments
                .last()
                .and_then(|segment| segment.last())
                .map(|last| (plot.y(scale(last.1)), role, name, whole)),
        );
        for segment in segments {
            let segment: Vec<_> = segment.into_iter().map(|(at, value)| (at, scale(value))).collect();
            match segment[..] {
                [lone] => plot.dot(lone, role),
                _ => plot.stroke(&segment, role, 2),
            }
        }
    }
    let legend = curves(summary).map(|(_, role, name, _)| (Mark::Line, role, name));
    canvas.legend((FRAME.left, 12), &legend);
    let mut places: Vec<i32> = ends.iter().map(|end| end.0).collect();
    spread_up(&mut places, FRAME.bottom, 16);
    for ((_, role, _, whole), place) in ends.iter().zip(places) {
        let text = format!("{} overall", formatting::duration(*whole));
        canvas.text((FRAME.right + 8, place), LABEL, *role, Anchor::Left, &text);
    }
    canvas.text(
        (FRAME.right, HEIGHT - 10),
        LABEL,
        Role::Muted,
        Anchor::Right,
        &axis::times(length, &summary.run_time()).1,
    );
    if logarithmic {
        canvas.text((FRAME.right, 12), LABEL, Role::Muted, Anchor::Right, "logarithmic");
    }
}

/// Returns the curves from the upper to the lower: values, colour, name, and the value of the whole run.
fn curves(summary: &Summary) -> [(&[Option<f64>], Role, &'static str, f64); 2] {
    let (series, whole) = (&summary.series, &summary.latency_s);
    [
        (&series.p95_s, Role::Tail, "95th percentile", whole.p95),
        (&series.p50_s, Role::Median, "median", whole.p50),
    ]
}

/// Returns the lowest value above zero, and the highest, but at least a microsecond.
fn extent(summary: &Summary) -> (f64, f64) {
    let values = || curves(summary).into_iter().flat_map(|(values, ..)| values.iter().flatten().copied());
    let high = values().fold(1e-6, f64::max);
    (values().filter(|value| *value > 0.0).fold(high, f64::min), high)
}

#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn chart_data(summary: &Summary) -> ChartData {
    let (length, step_s) = (length_of(summary), summary.series.step_s);
    let x = (0..summary.series.p95_s.len()).map(|step| (step as f64 * step_s, (step as f64 + 1.0) * step_s));
    let x: Vec<f64> =
        x.filter(|(from, _)| *from < length).map(|(from, to)| f64::midpoint(from, to.min(length))).collect();
    let lines = curves(summary).map(|(values, role, name, _)| {
        let values = values.iter().take(x.len()).map(|value| value.filter(|value| *value > 0.0));
        Line::new(name, role, Shape::Line, values)
    });
    let (low, high) = extent(summary);
    let panel = Panel {
        name: String::new(),
        up: YUnit::Seconds,
        height: 260,
        logarithmic: high / low > WIDE,
        top: 0.0,
        lines: lines.into(),
    };
    ChartData::over_time(length, x, vec![panel], &summary.run_time())
}

/// Returns the points of the steps that have a value, split at those that have none.
#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn segments(values: &[Option<f64>], step_s: f64, length: f64) -> Vec<Vec<(f64, f64)>> {
    let mut segments: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (step, value) in values.iter().enumerate() {
        let begins = step as f64 * step_s;
        match (value, segments.last_mut()) {
            _ if begins >= length => break,
            (Some(value), Some(segment)) => {
                segment.push((f64::midpoint(begins, (begins + step_s).min(length)), *value))
            }
            _ => segments.push(Vec::new()),
        }
    }
    segments.retain(|segment| !segment.is_empty());
    segments
}

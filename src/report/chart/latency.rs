//! How long answers took over time: the median and the 95th percentile of each step.

use super::axis;
use super::canvas::{Canvas, Frame, Hang, LABEL, Mark, WIDTH};
use super::{Chart, length_of};
use crate::record::{Summary, words};
use crate::report::palette::Role;

const HEIGHT: i32 = 270;
const FRAME: Frame = Frame { left: 66, top: 34, right: WIDTH - 24, bottom: HEIGHT - 44 };
/// Where the slowest is so many times the fastest, a logarithmic axis shows both.
const WIDE: f64 = 20.0;

/// The chart; `None` where no job succeeded.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let spread = &summary.latency_s;
    if spread.count == 0 {
        return None;
    }
    let mut title = format!("95 % of answers came within {}", words::duration(spread.p95));
    if let Some((at, worst)) = worst(summary).filter(|(_, worst)| *worst > spread.p95 * 1.2) {
        let when = words::moment(at, summary.duration_s);
        title.push_str(&format!("; around {when} it took {}", words::duration(worst)));
    }
    let note =
        "From the scheduled arrival to the end of the answer, of jobs that succeeded, by when they ended.";
    Some(Chart::new("latency", title, note.to_owned(), HEIGHT, |canvas| draw(canvas, summary)))
}

/// The step with the highest 95th percentile: when it begins, and how high.
#[expect(clippy::cast_precision_loss, reason = "there are few steps")]
fn worst(summary: &Summary) -> Option<(f64, f64)> {
    let steps = summary.series.p95_s.iter().enumerate();
    let told = steps.filter_map(|(step, p95)| Some((step as f64 * summary.series.step_s, (*p95)?)));
    told.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn draw(canvas: &Canvas<'_>, summary: &Summary) {
    let series = &summary.series;
    let length = length_of(summary);
    let told = || series.p50_s.iter().chain(&series.p95_s).flatten().copied();
    let high = told().fold(1e-6, f64::max);
    let low = told().filter(|value| *value > 0.0).fold(high, f64::min);
    let logarithmic = high / low > WIDE;
    let (rows, scale): (_, fn(f64) -> f64) = if logarithmic {
        (axis::decades(low, high, axis::seconds), |value| libm::log10(value.max(1e-6)))
    } else {
        (axis::linear(high, axis::seconds), |value| value)
    };
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
    let plot = canvas.plot(FRAME, 0.0..length, first.0..last.0.max(first.0 + 1e-9));
    plot.rows(&rows);
    plot.columns(&axis::times(length).0);
    for (values, role) in [(&series.p95_s, Role::Tail), (&series.p50_s, Role::Median)] {
        for run in runs(values, series.step_s, length) {
            let run: Vec<_> = run.into_iter().map(|(at, value)| (at, scale(value))).collect();
            match run[..] {
                [lone] => plot.dot(lone, role),
                _ => plot.stroke(&run, role, 2),
            }
        }
    }
    let legend = [(Mark::Line, Role::Tail, "95th percentile"), (Mark::Line, Role::Median, "median")];
    canvas.legend((FRAME.left, 12), &legend);
    canvas.text((FRAME.right, HEIGHT - 10), LABEL, Role::Muted, Hang::Right, axis::times(length).1);
    if logarithmic {
        canvas.text((FRAME.right, 12), LABEL, Role::Muted, Hang::Right, "logarithmic");
    }
}

/// The points of the steps that have a value, broken where one has none.
#[expect(clippy::cast_precision_loss, reason = "there are few steps")]
fn runs(values: &[Option<f64>], step_s: f64, length: f64) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (step, value) in values.iter().enumerate() {
        let begins = step as f64 * step_s;
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push(((begins + step_s / 2.0).min(length), *value)),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

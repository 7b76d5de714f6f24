//! The breakdown chart: the mean latency of jobs that succeeded, by phase, as one bar.

use super::Chart;
use super::canvas::{Canvas, Frame, LABEL, Mark, WIDTH, width_of};
use crate::formatting;
use crate::record::{LatencyBreakdown, Summary};
use crate::report::palette::Role;

const HEIGHT: i32 = 96;
const BAR: Frame = Frame { left: 0, top: 4, right: WIDTH, bottom: 42 };

/// The colours of the phases, in order.
const ROLES: [Role; 5] = [Role::Queue, Role::Wait, Role::Lost, Role::FirstToken, Role::Output];

/// Returns the phases of the latency of a job in order, each with its mean duration in seconds.
pub(crate) fn parts(time: &LatencyBreakdown) -> [(&'static str, f64); ROLES.len()] {
    [
        ("queue", time.queue),
        ("wait", time.wait),
        ("failed attempts", time.lost),
        ("TTFT", time.first_token),
        ("output", time.output),
    ]
}

/// Draws the chart; `None` if no job succeeded or all took no time.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let phases = parts(&summary.time_s);
    let total: f64 = phases.iter().map(|(_, length)| length).sum();
    if summary.latency_s.count == 0 || total <= 0.0 {
        return None;
    }
    let before_success: f64 = phases[..3].iter().map(|(_, length)| length).sum();
    let mean = formatting::duration(total);
    let title = if before_success / total < 0.005 {
        format!("The mean latency is {mean}, nearly all of it in the attempt that succeeded")
    } else {
        let share = formatting::percent(before_success / total);
        format!("The mean latency is {mean}; {share} of it passes before the attempt that succeeds")
    };
    let note = "The mean latency of jobs that succeeded, from the scheduled arrival to the end of the reply, by phase.";
    Some(Chart::new("time", title, note.to_owned(), HEIGHT, |canvas| draw(canvas, &phases, total)))
}

#[expect(clippy::cast_possible_truncation, reason = "a place on the canvas")]
fn draw(canvas: &Canvas<'_>, parts: &[(&'static str, f64)], total: f64) {
    let width = f64::from(BAR.right - BAR.left);
    let (mut before, mut legend) = (0.0, Vec::new());
    for (role, (name, length)) in ROLES.iter().zip(parts).filter(|(_, (_, length))| *length > 0.0) {
        let left = BAR.left + (before / total * width) as i32;
        before += length;
        let right = BAR.left + (before / total * width) as i32;
        canvas.bar(Frame { left, right, ..BAR }, *role);
        legend.push((*role, format!("{name} {}", formatting::duration(*length))));
    }
    // The legend takes at most two lines.
    let (mut x, mut y) = (BAR.left, BAR.bottom + 20);
    for (role, text) in &legend {
        if x + 20 + width_of(text, LABEL) > BAR.right {
            (x, y) = (BAR.left, y + 20);
        }
        x = canvas.legend((x, y), &[(Mark::Box, *role, text)]);
    }
}

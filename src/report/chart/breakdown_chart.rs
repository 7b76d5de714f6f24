//! Where the time of an answer went, as one bar.

use super::Chart;
use super::canvas::{Canvas, Frame, LABEL, Mark, WIDTH, width_of};
use crate::formatting;
use crate::record::{LatencyBreakdown, Summary};
use crate::report::palette::Role;

const HEIGHT: i32 = 96;
const BAR: Frame = Frame { left: 0, top: 4, right: WIDTH, bottom: 42 };

/// The colours of the parts.
const ROLES: [Role; 5] = [Role::Queue, Role::Wait, Role::Lost, Role::FirstToken, Role::Output];

/// The parts of an answer's time in order, each with its mean length in seconds.
pub(crate) fn parts(spent: &LatencyBreakdown) -> [(&'static str, f64); ROLES.len()] {
    [
        ("in line", spent.queue),
        ("waiting", spent.wait),
        ("lost attempts", spent.lost),
        ("to first token", spent.first_token),
        ("writing", spent.output),
    ]
}

/// The chart; `None` where no time was spent.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let spent = parts(&summary.time_s);
    let total: f64 = spent.iter().map(|(_, length)| length).sum();
    if summary.latency_s.count == 0 || total <= 0.0 {
        return None;
    }
    let idle: f64 = spent[..3].iter().map(|(_, length)| length).sum();
    let mean = formatting::duration(total);
    let title = if idle / total < 0.005 {
        format!("An average answer takes {mean}, next to none of it waiting")
    } else {
        let share = formatting::percent(idle / total);
        format!("An average answer takes {mean}; {share} of it passes before the attempt that serves it")
    };
    let note = "The mean time of jobs that succeeded, from the scheduled arrival to the end of the answer.";
    Some(Chart::new("time", title, note.to_owned(), HEIGHT, |canvas| draw(canvas, &spent, total)))
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
    // Two lines of names are enough for five.
    let (mut x, mut y) = (BAR.left, BAR.bottom + 20);
    for (role, text) in &legend {
        if x + 20 + width_of(text, LABEL) > BAR.right {
            (x, y) = (BAR.left, y + 20);
        }
        x = canvas.legend((x, y), &[(Mark::Box, *role, text)]);
    }
}

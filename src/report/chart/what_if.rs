//! The what-if chart: a bar for the ceiling with each change, against the present ceiling.

use super::Chart;
use super::canvas::{Anchor, Canvas, Frame, LABEL, WIDTH, width_of};
use crate::formatting::usd;
use crate::formatting::{number, plural};
use crate::planner::{ChangeEffect, Comparison, Plan};
use crate::report::palette::Role;
use crate::report::plan::change;
use crate::report::text_layout::short;

/// The heights of the column headings, of a row, of a bar, and of the space below.
const ABOVE: i32 = 44;
const ROW: i32 = 30;
const BAR: i32 = 18;
const BELOW: i32 = 10;
/// The space between a bar or a line and the number beside it.
const GAP: i32 = 6;
/// Where the bars begin and end, and the right edge of the lift column.
const LEFT: i32 = 246;
const RIGHT: i32 = 520;
const LIFT: i32 = 630;
/// Characters of the name of a change.
const LETTERS: usize = 36;
/// Bars beyond this are not drawn.
const MAX_BARS: usize = 20;

/// Draws the chart; `None` if no change was tried.
pub(in crate::report) fn chart(plan: &Plan) -> Option<Chart> {
    plan.what_if.first()?;
    let best =
        plan.what_if.iter().find(|change| change.may_be_proposed() && change.compared == Comparison::Higher);
    let scope = change::scope(plan);
    let title = match best {
        Some(best) if plan.ceiling.simulated.lowest_tried.is_some() => {
            format!("The best change is {}: the rules hold with it{scope}", best.change)
        }
        Some(best) => {
            format!("The best change is {}: {} times the ceiling{scope}", best.change, number(best.lift))
        }
        None if change::unknown_lift(plan).is_some() => {
            "No ceiling was found without a change, so none is known to raise it".to_owned()
        }
        None => "No change that was tried raises the ceiling".to_owned(),
    };
    let mut note = format!(
        "The ceiling{scope} in jobs/min with each change, on the same traffic, against that of the scenario as it is. USD: the \
         extra cost of a day at the present load."
    );
    if plan.what_if.len() > MAX_BARS {
        let more = plural((plan.what_if.len() - MAX_BARS) as u64, "change");
        note.push_str(&format!(" Not shown: {more} of lower rank."));
    }
    let rows = plan.what_if.len().min(MAX_BARS);
    let height = ABOVE + ROW * i32::try_from(rows).unwrap_or(0) + BELOW;
    Some(Chart::new("what-if", title, note, height, |canvas| draw(canvas, plan, height)))
}

/// Returns the ceiling that changes are measured against, in jobs per minute (0 if no load holds), and its label.
fn measured_against(plan: &Plan) -> (f64, String) {
    match &plan.compared {
        Some(compared) => (compared.jobs_per_min, format!("ceiling{}", change::scope(plan))),
        // No load holds, or the plan is of an earlier version.
        None => (plan.ceiling.simulated.jobs_per_min.unwrap_or(0.0), "ceiling now".to_owned()),
    }
}

fn draw(canvas: &Canvas<'_>, plan: &Plan, height: i32) {
    let (now, name) = measured_against(plan);
    let shown = &plan.what_if[..plan.what_if.len().min(MAX_BARS)];
    let most = shown.iter().filter_map(|change| change.ceiling_jobs_per_min).fold(now, f64::max);
    let scale = Scale { most: most.max(plan.load.jobs_per_min) * 1.02 };
    for (head, x) in [("lift", LIFT), ("USD per day", WIDTH)] {
        canvas.text((x, ABOVE - 14), LABEL, Role::Muted, Anchor::Right, head);
    }
    for (place, change) in (0..).zip(shown) {
        bar(canvas, &scale, (plan, change), now, ABOVE + ROW * place);
    }
    for (rate, name, y) in [(plan.load.jobs_per_min, "load", 8), (now, &*name, ABOVE - 18)] {
        if rate > 0.0 {
            let x = scale.x(rate);
            let text = format!("{name}: {}", number(rate));
            canvas.vertical_dashes(
                x,
                (y + 8, height - BELOW),
                if name == "load" { Role::Muted } else { Role::Ceiling },
            );
            let half = width_of(&text, LABEL) / 2;
            canvas.text((x.min(RIGHT - half).max(LEFT + half), y), LABEL, Role::Muted, Anchor::Middle, &text);
        }
    }
}

/// Converts jobs per minute to canvas coordinates.
struct Scale {
    most: f64,
}

impl Scale {
    #[expect(clippy::cast_possible_truncation, reason = "a place on the canvas")]
    fn x(&self, rate: f64) -> i32 {
        LEFT + (f64::from(RIGHT - LEFT) * (rate / self.most).clamp(0.0, 1.0)) as i32
    }
}

/// Draws one change: the part of the ceiling that it keeps, what it gains or loses, and its numbers. If the ceiling with
/// the change is undecided, draws only the numbers.
fn bar(canvas: &Canvas<'_>, scale: &Scale, (plan, effect): (&Plan, &ChangeEffect), now: f64, y: i32) {
    let middle = y + ROW / 2;
    let (top, bottom) = (middle - BAR / 2, middle + BAR / 2);
    canvas.text((LEFT - 10, middle), LABEL, Role::Ink, Anchor::Right, &short(&effect.change, LETTERS));
    let ceiling = match effect.ceiling_jobs_per_min {
        Some(ceiling) => ceiling,
        None if effect.undecided.is_some() => now,
        None if effect.below_jobs_per_min.is_some() => 0.0,
        None => f64::MAX,
    };
    let (low, high) = (scale.x(ceiling.min(now)), scale.x(ceiling.max(now)));
    if effect.undecided.is_none() {
        canvas.cell(Frame { left: LEFT, top, right: low, bottom }, Role::Charged, 0.45);
    }
    if high > low {
        let lost = ceiling < now;
        let frame = Frame { left: low, top, right: high, bottom };
        canvas.cell(frame, if lost { Role::Failed } else { Role::Served }, if lost { 0.35 } else { 1.0 });
    }
    let text = change::new_ceiling(effect);
    // The text is to the right of both ceilings, and also of the line of the load if that would cross the text.
    let load = scale.x(plan.load.jobs_per_min);
    let is_crossed = (high + GAP..high + GAP + width_of(&text, LABEL)).contains(&load);
    let left = if is_crossed { load + GAP } else { high + GAP };
    canvas.text((left, middle), LABEL, Role::Ink, Anchor::Left, &text);
    let lift = change::lift(plan, effect);
    let role = if effect.compared == Comparison::Higher { Role::Ink } else { Role::Muted };
    canvas.text((LIFT, middle), LABEL, role, Anchor::Right, &lift);
    canvas.text((WIDTH, middle), LABEL, Role::Ink, Anchor::Right, &extra(effect.extra_usd_per_day));
}

/// Formats the extra cost of a change: `+4.20 USD`, `−12.00 USD`, `±0`.
pub(in crate::report) fn extra(amount: f64) -> String {
    if amount.abs() < 0.005 {
        return "±0".to_owned();
    }
    format!("{}{}", if amount < 0.0 { "−" } else { "+" }, usd(amount.abs()))
}

//! The heat map: how much each limit was charged in each column of time, with a mark if it refused attempts.

use super::axis;
use super::canvas::{Anchor, Canvas, Frame, LABEL, WIDTH};
use super::{Chart, LEFT, incident};
use crate::formatting::{self, RunTime};
use crate::record::Summary;
use crate::report::palette::Role;
use crate::report::text_layout::short;
use crate::report::usage::{self, Columns, Row};

const CELL: i32 = 20;
const GAP: i32 = 2;
/// The heights of the line with the name of a target, of the legend, and of the time axis.
const NAME: i32 = 22;
const ABOVE: i32 = 24;
const BELOW: i32 = 34;
/// The font size of numbers in cells, and the smallest width of a cell with a number.
const SMALL: i32 = 9;
const LEGIBLE: i32 = 17;
/// Rows beyond this are left out, the least charged first.
const MAX_ROWS: usize = 24;

/// Draws the map; `None` if no limit that has shares was charged or refused attempts.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let columns = Columns::of(summary);
    let mut rows = usage::rows(summary);
    let most = |row: &Row<'_>| {
        let shares = columns.steps.iter().filter_map(|steps| row.share(steps.clone()));
        shares.fold(0.0, f64::max)
    };
    let refusals = |row: &Row<'_>| columns.steps.iter().map(|steps| row.refused(steps.clone())).sum::<u64>();
    // Limits on audio and limits of zero have no share in any step.
    rows.retain(|row| row.share(0..1).is_some());
    if rows.iter().all(|row| most(row) <= 0.0 && refusals(row) == 0) {
        return None;
    }
    let before = rows.len();
    let rows = usage::largest(rows, MAX_ROWS, most);
    let each = formatting::duration(columns.length_s);
    let mut note = format!(
        "Per {each}: charges in percent of what the limit allows in that time. \
         A marked corner: it refused attempts."
    );
    if before > rows.len() {
        let hidden = formatting::plural((before - rows.len()) as u64, "limit");
        note.push_str(&format!(" Not shown: {hidden}, charged no more than these."));
    }
    let height = layout(&rows).0;
    let title = title(summary, &rows, &columns);
    let chart = Chart::new("heat", title, note, height, |canvas| {
        draw(canvas, &rows, &columns, &summary.run_time());
        mark_incidents(canvas, summary, &columns, height - BELOW);
    });
    Some(chart.with_incidents(summary))
}

#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn title(summary: &Summary, rows: &[Row<'_>], columns: &Columns) -> String {
    let cells = rows.iter().flat_map(|row| {
        columns.steps.iter().filter_map(move |steps| Some((row, steps.start, row.share(steps.clone())?)))
    });
    let strongest = cells.max_by(|a, b| a.2.total_cmp(&b.2).then(b.1.cmp(&a.1)));
    strongest.map_or_else(String::new, |(row, step, share)| {
        let when = formatting::moment(step as f64 * summary.series.step_s, &summary.run_time());
        format!(
            "{} on {} is charged most from {when}: {}",
            row.axis,
            row.target_text(),
            formatting::percent(share)
        )
    })
}

/// Returns the height of the map, and the top of each row.
fn layout(rows: &[Row<'_>]) -> (i32, Vec<i32>) {
    let (mut y, mut above) = (ABOVE, None);
    let tops = rows.iter().map(|row| {
        if above.replace(row.target) != Some(row.target) {
            y += NAME;
        }
        let top = y;
        y += CELL + GAP;
        top
    });
    let tops = tops.collect();
    (y + BELOW, tops)
}

fn draw(canvas: &Canvas<'_>, rows: &[Row<'_>], columns: &Columns, run: &RunTime) {
    legend(canvas);
    let (height, tops) = layout(rows);
    let mut above = None;
    for (row, top) in rows.iter().zip(tops) {
        if above.replace(row.target) != Some(row.target) {
            canvas.text((0, top - NAME / 2), LABEL, Role::Ink, Anchor::Left, &short(&row.target_text(), 90));
        }
        canvas.text((LEFT - 8, top + CELL / 2), LABEL, Role::Ink, Anchor::Right, &short(row.axis, 11));
        canvas.cell(Frame { left: LEFT, top, right: WIDTH, bottom: top + CELL }, Role::Grid, 0.45);
        for (place, steps) in columns.steps.iter().enumerate() {
            let frame = Frame {
                left: edge(place, columns),
                top,
                right: edge(place + 1, columns) - 1,
                bottom: top + CELL,
            };
            cell(canvas, frame, row.share(steps.clone()).unwrap_or(0.0), row.refused(steps.clone()));
        }
    }
    times(canvas, columns, height - BELOW, run);
}

/// Marks the incidents by bars between the rows and the time axis.
#[expect(clippy::cast_possible_truncation, reason = "a place on the canvas")]
fn mark_incidents(canvas: &Canvas<'_>, summary: &Summary, columns: &Columns, y: i32) {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 25 columns")]
    let ends = columns.steps.len() as f64 * columns.length_s;
    let x = |at: f64| LEFT + (f64::from(WIDTH - LEFT) * (at / ends).clamp(0.0, 1.0)) as i32;
    for band in incident::bands(summary) {
        let right = x(band.to).max(x(band.from) + 2);
        canvas.bar(Frame { left: x(band.from), top: y - 2, right, bottom: y + 4 }, Role::Incident);
    }
}

/// Returns the left edge of a column.
fn edge(place: usize, columns: &Columns) -> i32 {
    let width = WIDTH - LEFT;
    let (place, all) = (i32::try_from(place).unwrap_or(0), i32::try_from(columns.steps.len()).unwrap_or(1));
    LEFT + width * place / all.max(1)
}

fn cell(canvas: &Canvas<'_>, frame: Frame, share: f64, refused: u64) {
    let (role, alpha) = shade(share);
    if share > 0.0 {
        canvas.cell(frame, role, alpha);
    }
    if refused > 0 {
        canvas.corner(frame, 7, Role::Refused);
    }
    let wide = frame.right - frame.left >= LEGIBLE;
    if wide && share >= 0.005 {
        let text = if share < 9.995 { format!("{:.0}", share * 100.0) } else { format!("{share:.0}×") };
        let ink = if alpha > 0.6 { Role::Paper } else { Role::Ink };
        let middle = (i32::midpoint(frame.left, frame.right), i32::midpoint(frame.top, frame.bottom));
        canvas.text(middle, SMALL, ink, Anchor::Middle, &text);
    }
}

/// Returns the colour and opacity of a share: twelve tones up to 100 %, another colour above.
fn shade(share: f64) -> (Role, f64) {
    if share > 1.005 {
        return (Role::Over, 1.0);
    }
    (Role::Charged, (libm::ceil(share * 12.0) / 12.0 * 0.94).clamp(0.06, 0.94))
}

fn legend(canvas: &Canvas<'_>) {
    canvas.text((LEFT, 10), LABEL, Role::Muted, Anchor::Left, "charged, %");
    let mut left = LEFT + 76;
    for (share, name) in [(0.1, "10"), (0.25, ""), (0.5, "50"), (0.75, ""), (1.0, "100"), (1.5, "more")] {
        let frame = Frame { left, top: 1, right: left + 31, bottom: 19 };
        let (role, alpha) = shade(share);
        canvas.cell(frame, role, alpha);
        let ink = if alpha > 0.6 { Role::Paper } else { Role::Ink };
        canvas.text((left + 15, 10), SMALL, ink, Anchor::Middle, name);
        left += 32;
    }
    let frame = Frame { left: left + 14, top: 1, right: left + 32, bottom: 19 };
    canvas.cell(frame, Role::Grid, 0.45);
    cell(canvas, frame, 0.0, 1);
    canvas.text((left + 38, 10), LABEL, Role::Ink, Anchor::Left, "refused");
}

/// Draws the time axis: labels at columns that begin at a tick.
#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn times(canvas: &Canvas<'_>, columns: &Columns, y: i32, run: &RunTime) {
    let ends = columns.steps.len() as f64 * columns.length_s;
    let (ticks, unit) = axis::times(ends, run);
    for (at, text) in ticks {
        let place = at / columns.length_s;
        if (place - libm::round(place)).abs() > 1e-6 {
            continue;
        }
        let x = edge(libm::round(place) as usize, columns);
        canvas.bar(Frame { left: x, top: y, right: x + 1, bottom: y + 4 }, Role::Muted);
        let anchor = if x > WIDTH - 24 { Anchor::Right } else { Anchor::Middle };
        canvas.text((x, y + 14), LABEL, Role::Muted, anchor, &text);
    }
    canvas.text((WIDTH, y + 27), LABEL, Role::Muted, Anchor::Right, &unit);
}

//! The chart of tasks: how many of them succeeded, by the number of their steps. One bar per band of steps, as long as the number of
//! its tasks that ended.

use super::Chart;
use super::canvas::{Anchor, Canvas, Frame, LABEL, Mark, WIDTH};
use crate::formatting::{count, percent, plural, share_of};
use crate::record::{Summary, TaskBand};
use crate::report::palette::Role;
use crate::report::tasks::{self, band};
use crate::report::text_layout::fitted;

/// The left and right ends of the bars; the names of bands are left of them and the numbers right of them.
const LEFT: i32 = 150;
const RIGHT: i32 = WIDTH - 150;
const ABOVE: i32 = 32;
const ROW: i32 = 26;
const BAR: i32 = 16;
/// The most rows; the page's table has all bands of all workloads.
const MAX_ROWS: usize = 24;
/// A band is named in the title only if at least this number of its tasks ended.
const MIN_TASKS: u64 = 20;

/// A row of the chart.
enum Row<'a> {
    /// The workload of the rows below.
    Workload(&'a str),
    Band(&'a TaskBand),
}

/// Draws the chart; `None` if no workload has tasks of several bands.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let shown: Vec<_> = tasks::of(summary).filter(|(_, tasks)| tasks.by_steps.len() > 1).collect();
    let mut rows = Vec::new();
    for (name, tasks) in &shown {
        if shown.len() > 1 {
            rows.push(Row::Workload(name));
        }
        rows.extend(tasks.by_steps.iter().map(Row::Band));
    }
    rows.truncate(MAX_ROWS);
    if rows.is_empty() {
        return None;
    }
    let height = ABOVE + ROW * i32::try_from(rows.len()).ok()?;
    let note = "The tasks that ended, by the number of steps that they have if they succeed.".to_owned();
    Some(Chart::new("tasks", title(&rows), note, height, |canvas| draw(canvas, &rows)))
}

/// Returns the share of a band's tasks that succeeded, which have ended.
fn success(band: &TaskBand) -> f64 {
    share_of(band.succeeded, band.ended).unwrap_or(0.0)
}

/// States the success of all tasks, and of the band in which it is lowest if that is lower.
fn title(rows: &[Row<'_>]) -> String {
    let bands = || rows.iter().filter_map(|row| if let Row::Band(band) = row { Some(*band) } else { None });
    let sum = |of: fn(&TaskBand) -> u64| bands().map(of).sum::<u64>();
    let (ended, succeeded) = (sum(|band| band.ended), sum(|band| band.succeeded));
    let all = share_of(succeeded, ended).unwrap_or(0.0);
    let whole = format!("{} of {} succeeded", percent(all), plural(ended, "task"));
    let measured = bands().filter(|band| band.ended >= MIN_TASKS);
    match measured.min_by(|one, other| success(one).total_cmp(&success(other))) {
        Some(worst) if success(worst) < all => {
            format!("{whole}; of those with {}, {}", band(worst), percent(success(worst)))
        }
        _ => whole,
    }
}

fn draw(canvas: &Canvas<'_>, rows: &[Row<'_>]) {
    canvas
        .legend((LEFT, 10), &[(Mark::Box, Role::Served, "succeeded"), (Mark::Box, Role::Failed, "did not")]);
    let most = rows.iter().map(|row| if let Row::Band(band) = row { band.ended } else { 0 }).max();
    let most = most.unwrap_or(0).max(1);
    for (place, row) in (0..).zip(rows) {
        let middle = ABOVE + ROW * place + ROW / 2;
        match row {
            Row::Workload(name) => {
                canvas.text((0, middle), LABEL, Role::Ink, Anchor::Left, &fitted(name, 60))
            }
            Row::Band(band) => bar(canvas, band, most, middle),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a place on the canvas")]
fn bar(canvas: &Canvas<'_>, tasks: &TaskBand, most: u64, middle: i32) {
    let x = |number: u64| LEFT + (f64::from(RIGHT - LEFT) * (number as f64 / most as f64)) as i32;
    let (succeeded, ended) = (x(tasks.succeeded), x(tasks.ended));
    let frame = |left, right| Frame { left, right, top: middle - BAR / 2, bottom: middle + BAR / 2 };
    canvas.bar(frame(LEFT, succeeded), Role::Served);
    canvas.bar(frame(succeeded, ended), Role::Failed);
    canvas.text((LEFT - 10, middle), LABEL, Role::Muted, Anchor::Right, &band(tasks));
    let numbers = format!("{} of {}", percent(success(tasks)), count(tasks.ended));
    canvas.text((ended + 8, middle), LABEL, Role::Ink, Anchor::Left, &numbers);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band_of(from: u32, ended: u64, succeeded: u64) -> TaskBand {
        TaskBand { from, to: Some(from + 9), ended, succeeded }
    }

    #[test]
    fn the_title_names_the_band_with_the_lowest_success_if_enough_tasks_ended() {
        let bands = [band_of(1, 100, 95), band_of(11, 100, 75), band_of(21, 19, 0)];
        let rows: Vec<_> = bands.iter().map(Row::Band).collect();
        // 170 of 219; the last band has too few tasks.
        assert_eq!(title(&rows), "77.6 % of 219 tasks succeeded; of those with 11 to 20 steps, 75 %");
        let same = [band_of(1, 100, 90), band_of(11, 100, 90)];
        assert_eq!(title(&same.iter().map(Row::Band).collect::<Vec<_>>()), "90 % of 200 tasks succeeded");
    }
}

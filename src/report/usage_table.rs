//! The heat map as a table of numbers, one row per column of the map, for readers who cannot see the map or want
//! exact values.

use super::page::{axis, text};
use super::usage::{self, Columns, Row};
use crate::formatting::{RunTime, count, moment, percent, plural};
use crate::record::Summary;
use maud::{Markup, html};

/// Limits beyond this are counted instead of shown, since they are columns of the table.
const MAX_LIMITS: usize = 16;

/// Renders the table, collapsed; empty if no limit was charged or refused anything.
pub(super) fn table(summary: &Summary) -> Markup {
    let columns = Columns::of(summary);
    let all = columns.steps.iter().map(|steps| steps.end).max().unwrap_or(0);
    let mut rows = usage::rows(summary);
    rows.retain(|row| row.share(0..all).is_some_and(|share| share > 0.0) || row.refused(0..all) > 0);
    let hidden = rows.len().saturating_sub(MAX_LIMITS);
    rows.truncate(MAX_LIMITS);
    if rows.is_empty() {
        return Markup::default();
    }
    html! {
        details {
            summary { "The same in numbers" }
            div.scroll {
                table.use-over-time {
                    tr {
                        th {}
                        @for targets in rows.chunk_by(|one, next| one.target == next.target) {
                            th.n colspan=(targets.len()) { (text(&targets[0].target_text())) }
                        }
                    }
                    tr { th { "from" } @for row in &rows { th.n { (axis(row.axis)) } } }
                    @let run = summary.run_time();
                    @for steps in &columns.steps { (line(summary, &run, &rows, steps.clone())) }
                }
            }
            @if hidden > 0 { p.note { "and " (plural(hidden as u64, "more limit")) } }
        }
    }
}

/// Renders one row of the table: the use and the refusals of every limit in some steps.
#[expect(clippy::cast_precision_loss, reason = "a series has a few hundred steps")]
fn line(summary: &Summary, run: &RunTime, rows: &[Row<'_>], steps: std::ops::Range<usize>) -> Markup {
    html! {
        tr {
            td { (moment(steps.start as f64 * summary.series.step_s, run)) }
            @for row in rows {
                @let refused = row.refused(steps.clone());
                td.n {
                    (row.share(steps.clone()).map_or_else(|| "–".to_owned(), percent))
                    @if refused > 0 { br; small.bad { (count(refused)) " refused" } }
                }
            }
        }
    }
}

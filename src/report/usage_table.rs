//! The heat map in numbers, for whoever cannot see it or wants to compare: a line per column of the map.

use super::page::{axis, push, text};
use super::usage::{self, Columns};
use crate::formatting::{count, moment, percent, plural};
use crate::record::Summary;

/// The most limits that are told of: they lie beside each other.
const LIMITS: usize = 16;

/// The table, folded; empty where no limit was charged or refused.
#[expect(clippy::cast_precision_loss, reason = "there are few steps")]
pub(super) fn table(summary: &Summary) -> String {
    let columns = Columns::of(summary);
    let all = columns.steps.iter().map(|steps| steps.end).max().unwrap_or(0);
    let mut rows = usage::rows(summary);
    rows.retain(|row| row.share(0..all).is_some_and(|share| share > 0.0) || row.refused(0..all) > 0);
    let hidden = rows.len().saturating_sub(LIMITS);
    rows.truncate(LIMITS);
    if rows.is_empty() {
        return String::new();
    }
    let mut html = "<details>\n<summary>The same in numbers</summary>\n<div class=\"scroll\"><table class=\"hours\">\n<tr><th></th>".to_owned();
    for targets in rows.chunk_by(|a, b| a.target == b.target) {
        let name = text(targets[0].target);
        push(&mut html, format_args!("<th class=\"n\" colspan=\"{}\">{name}</th>", targets.len()));
    }
    html.push_str("</tr>\n<tr><th>from</th>");
    for row in &rows {
        push(&mut html, format_args!("<th class=\"n\">{}</th>", axis(row.axis)));
    }
    html.push_str("</tr>\n");
    for steps in &columns.steps {
        let begins = moment(steps.start as f64 * summary.series.step_s, summary.duration_s);
        push(&mut html, format_args!("<tr><td>{begins}</td>"));
        for row in &rows {
            let share = row.share(steps.clone()).map_or_else(|| "–".to_owned(), percent);
            let refused = match row.refused(steps.clone()) {
                0 => String::new(),
                refused => format!("<br><small class=\"miss\">{} refused</small>", count(refused)),
            };
            push(&mut html, format_args!("<td class=\"n\">{share}{refused}</td>"));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    if hidden > 0 {
        push(&mut html, format_args!("<p class=\"note\">and {}</p>\n", plural(hidden as u64, "more limit")));
    }
    html + "</details>\n"
}

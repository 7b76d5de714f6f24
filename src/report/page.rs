//! What every page is made of: the frame around its content, tables, figures. A page loads nothing, and says so
//! to the browser in a policy that forbids it, so it opens offline, in a mail, on a phone, and prints.
//!
//! Figures are drawings first. Where a script may run it draws those over time again, to zoom and to read
//! values; the drawings stay for paper and for browsers that run none.

use super::chart::{self, Chart};
use super::facts;
use super::text_layout::short;
use crate::formatting::plural;
use crate::xml::escape;
use serde::Serialize;
use std::fmt::Write;

const CSS: &str = include_str!("assets/page.css");
const LIVE: &str = include_str!("assets/live.js");
const UPLOT: &str = include_str!("assets/uplot/uPlot.iife.min.js");
const UPLOT_CSS: &str = include_str!("assets/uplot/uPlot.min.css");
const UPLOT_LICENCE: &str = include_str!("assets/uplot/LICENSE");
/// Nothing is loaded, whatever stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
/// The most rows of a table.
pub(super) const ROWS: usize = 60;
/// The most letters of a name or a sentence that came from outside.
const LETTERS: usize = 400;

/// A whole page around its content.
pub(super) fn page(title: &str, content: &str) -> String {
    let title = text(title);
    let charts = chart::style(".scroll svg");
    let (style, script) = if content.contains(NUMBERS) { (UPLOT_CSS, script()) } else { ("", String::new()) };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title} · quotalab</title>\n<style>\n{style}\n{CSS}{charts}\n</style>\n</head>\n\
         <body>\n<main>\n{content}</main>\n{script}</body>\n</html>\n"
    )
}

/// The script behind the figures, with the licence of what others wrote.
fn script() -> String {
    format!("<script>\n/*\n{UPLOT_LICENCE}*/\n{UPLOT}\n</script>\n<script>\n{LIVE}</script>\n")
}

/// Where the numbers of a figure begin.
const NUMBERS: &str = "<script type=\"application/json\" class=\"numbers\">";

/// A chart with what is said about it.
pub(super) fn figure(chart: &Chart) -> String {
    let (title, note) = (text(&chart.title), text(&chart.note));
    let live =
        chart.live().map_or_else(String::new, |live| format!("{NUMBERS}{}</script>\n", embedded_json(live)));
    let class = if live.is_empty() { "scroll" } else { "scroll still" };
    format!(
        "<figure>\n<figcaption><h2>{title}</h2><p>{note}</p></figcaption>\n\
         <div class=\"{class}\">{}</div>\n{live}</figure>\n",
        chart.inline()
    )
}

/// JSON that cannot end the element it stands in.
pub(super) fn embedded_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("string keys and plain data").replace('<', "\\u003c")
}

/// Text from outside: escaped, and not longer than anyone would read.
pub(super) fn text(outside: &str) -> String {
    escape(&short(outside, LETTERS)).into_owned()
}

/// A table; cells are HTML already, the columns from `numbers` on are numbers.
pub(super) fn table(head: &[&str], numbers: usize, rows: &[Vec<String>]) -> String {
    let class = |column: usize| if column >= numbers { " class=\"n\"" } else { "" };
    let mut html = "<div class=\"scroll\"><table>\n<tr>".to_owned();
    for (column, name) in head.iter().enumerate() {
        push(&mut html, format_args!("<th{}>{name}</th>", class(column)));
    }
    html.push_str("</tr>\n");
    for row in rows.iter().take(ROWS) {
        html.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            push(&mut html, format_args!("<td{}>{cell}</td>", class(column)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    if rows.len() > ROWS {
        push(
            &mut html,
            format_args!("<p class=\"note\">and {}</p>\n", plural((rows.len() - ROWS) as u64, "more row")),
        );
    }
    html
}

pub(super) fn push(html: &mut String, part: std::fmt::Arguments<'_>) {
    html.write_fmt(part).expect("a string takes every text");
}

/// A part of a page with its heading; the content is HTML already.
pub(super) fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{content}</section>\n")
}

/// The verdict, the first sentence the largest; `what` is HTML already.
pub(super) fn header(what: &str, verdict: &[String], about: &str) -> String {
    let mut html = format!("<header>\n<p class=\"run\">{what}</p>\n");
    for (place, sentence) in verdict.iter().enumerate() {
        let (open, close) = if place == 0 { ("<h1>", "</h1>") } else { ("<p class=\"lead\">", "</p>") };
        push(&mut html, format_args!("{open}{}{close}\n", text(sentence)));
    }
    if !about.is_empty() {
        push(&mut html, format_args!("<p class=\"about\">{}</p>\n", text(about)));
    }
    html + "</header>\n"
}

/// Numbers in boxes: what stands in each, and what it is.
pub(super) fn tiles(tiles: &[(String, String)]) -> String {
    let each = tiles
        .iter()
        .map(|(value, name)| format!("<div class=\"tile\"><b>{value}</b><span>{name}</span></div>\n"));
    format!("<div class=\"tiles\">\n{}</div>\n", each.collect::<String>())
}

/// An axis with its meaning behind it.
pub(super) fn axis(name: &str) -> String {
    match facts::meaning(name) {
        Some(meaning) => format!("<abbr title=\"{meaning}\">{name}</abbr>"),
        None => text(name),
    }
}

//! The frame of every HTML page and the parts that pages share: tables, tiles, figures.
//!
//! Markup is built with `maud`, which escapes every value that is spliced in, so a name from a scenario cannot become
//! markup. The only unescaped values are marked [`PreEscaped`]: our own style sheets and scripts, drawings, and JSON
//! that [`json_data`] has made safe. A page loads nothing, and its Content-Security-Policy forbids it to, so it works
//! offline. Charts are static SVG drawings first; if scripts may run, `interactive.js` replaces those that carry their data by
//! interactive ones (those that are not over time only on narrow screens). On paper and without scripts the drawings remain.

use super::chart::{self, Chart};
use super::facts;
use super::text_layout::short;
use crate::formatting::plural;
use crate::formatting::printable;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

const CSS: &str = include_str!("assets/page.css");
const INTERACTIVE_CHARTS: &str = include_str!("assets/interactive.js");
const UPLOT: &str = include_str!("assets/uplot/uPlot.iife.min.js");
const UPLOT_CSS: &str = include_str!("assets/uplot/uPlot.min.css");
const UPLOT_LICENCE: &str = include_str!("assets/uplot/LICENSE");
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
/// Rows of a table beyond this are counted instead of shown. Sentences and events beyond this are left out.
pub(super) const MAX_ROWS: usize = 60;
/// A longer name or sentence from outside is shortened to this number of characters.
const MAX_TEXT_CHARS: usize = 400;

/// Renders a whole page. The scripts are included if any of `charts` carries its data.
pub(super) fn page(title: &str, charts: &[Chart], content: &Markup) -> String {
    let interactive = charts.iter().any(|chart| chart.data().is_some());
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                title { (text(title)) " · quotalab" }
                style {
                    @if interactive { (PreEscaped(UPLOT_CSS)) }
                    (PreEscaped(CSS)) (PreEscaped(chart::style(".scroll svg")))
                }
            }
            body {
                main { (content) }
                @if interactive {
                    script { (PreEscaped(format!("\n/*\n{UPLOT_LICENCE}*/\n{UPLOT}\n"))) }
                    script { (PreEscaped(INTERACTIVE_CHARTS)) }
                }
            }
        }
    };
    markup.into_string()
}

/// Renders a chart with its title and note, and its data if it can be drawn interactively.
pub(super) fn figure(chart: &Chart) -> Markup {
    html! {
        figure class=(chart.name) {
            figcaption {
                h2 { (text(&chart.title)) }
                p { (text(&chart.note)) }
            }
            div.scroll.still[chart.data().is_some()] { (PreEscaped(chart.inline())) }
            @if let Some(data) = chart.data() {
                script type="application/json" class="numbers" { (json_data(data)) }
            }
        }
    }
}

/// Returns a value as JSON for a `<script>` element: without `<`, so that no text in it can end the element.
pub(super) fn json_data(value: &impl Serialize) -> PreEscaped<String> {
    let json = serde_json::to_string(value).expect("invariant: reports have string keys and plain data");
    PreEscaped(json.replace('<', "\\u003c"))
}

/// Returns text from outside (a scenario, a file name), with unprintable characters as blanks and shortened to
/// [`MAX_TEXT_CHARS`].
pub(super) fn text(outside: &str) -> String {
    printable(&short(outside, MAX_TEXT_CHARS))
}

/// Renders a table. Columns from `numeric_from` on are aligned as numbers. On a narrow screen the rows of a table with more
/// than three columns become cards, in which every cell but the first carries the name of its column, if that has one.
pub(super) fn table(head: &[&str], numeric_from: usize, rows: &[Vec<Markup>]) -> Markup {
    let is_wide = head.len() > 3;
    html! {
        div.scroll {
            table.cards[is_wide] {
                tr { @for (column, name) in head.iter().enumerate() {
                    th.n[column >= numeric_from] { (text(name)) }
                } }
                @for row in rows.iter().take(MAX_ROWS) {
                    tr { @for (column, cell) in row.iter().enumerate() {
                        @let label = head.get(column).filter(|name| is_wide && column > 0 && !name.is_empty());
                        td.n[column >= numeric_from] data-label=[label.map(|name| text(name))] { (cell) }
                    } }
                }
            }
        }
        (more_rows(rows.len(), "row"))
    }
}

/// Says how many rows of `all` are beyond [`MAX_ROWS`]; nothing if all are shown.
pub(super) fn more_rows(all: usize, noun: &str) -> Markup {
    html! {
        @if all > MAX_ROWS {
            p.note { "and " (plural((all - MAX_ROWS) as u64, &format!("more {noun}"))) }
        }
    }
}

/// Renders a cell of plain text.
pub(super) fn cell(value: impl AsRef<str>) -> Markup {
    html! { (text(value.as_ref())) }
}

/// Renders a part of a page under a heading.
pub(super) fn section(title: &str, content: &Markup) -> Markup {
    html! { section { h2 { (text(title)) } (content) } }
}

/// Renders the head of a page: what was run, the findings with the first as the heading, and the author's description.
pub(super) fn header(subject: &str, sentences: &[String], about: &str) -> Markup {
    html! {
        header {
            p.run { (text(subject)) }
            @for (index, sentence) in sentences.iter().enumerate() {
                @if index == 0 { h1 { (text(sentence)) } } @else { p.lead { (text(sentence)) } }
            }
            @if !about.is_empty() { p.about { (text(about)) } }
        }
    }
}

/// Renders a row of boxes, each with a value and its label.
pub(super) fn tiles(tiles: &[(String, String)]) -> Markup {
    html! {
        div.tiles {
            @for (value, label) in tiles {
                div.tile { b { (text(value)) } span { (text(label)) } }
            }
        }
    }
}

/// Renders the name of an axis with its meaning as a tooltip, if it has one.
pub(super) fn axis(name: &str) -> Markup {
    match facts::meaning(name) {
        Some(meaning) => html! { abbr title=(meaning) { (name) } },
        None => cell(name),
    }
}

/// Renders `✓` or `✗` with a word, coloured.
pub(super) fn mark(holds: bool, yes: &str, no: &str) -> Markup {
    html! {
        @if holds { span.pass { "✓ " (yes) } } @else { span.bad { "✗ " (no) } }
    }
}

/// Renders sentences in small print, at most [`MAX_ROWS`].
pub(super) fn notes<S: AsRef<str>>(sentences: &[S]) -> Markup {
    html! {
        @for sentence in sentences.iter().take(MAX_ROWS) { p.note { (text(sentence.as_ref())) } }
    }
}

/// Renders a command to copy; nothing if it is empty.
pub(super) fn command(command: &str) -> Markup {
    html! { @if !command.is_empty() { pre { code { (printable(command)) } } } }
}

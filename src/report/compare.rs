//! Several runs side by side: the first is what the others are measured against.

use super::chart::{Chart, compare_chart};
use super::page::{figure, page, table, text as escaped};
use super::text_layout::{fitted, wrap};
use super::{Style, facts, verdict};
use crate::formatting::{count, duration, number, percent, share_of, usd};
use crate::record::Summary;

/// Runs compare_chart each other in a line of text; more begin a new block.
const BESIDE: usize = 3;
const NAME: usize = 17;
const COLUMN: usize = 21;

/// A run and what to call it: the name of its file, or of its policy.
pub type Named<'s> = (&'s str, &'s Summary);

/// One thing that is compared.
struct Row {
    name: &'static str,
    measure: fn(&Summary) -> Option<f64>,
    unit: Unit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    Share,
    Seconds,
    Rate,
    Usd,
}

const ROWS: [Row; 16] = [
    Row { name: "jobs offered", measure: |run| Some(to_f64(run.jobs.offered)), unit: Unit::Count },
    Row {
        name: "succeeded",
        measure: |run| share_of(run.jobs.succeeded, run.jobs.offered),
        unit: Unit::Share,
    },
    Row { name: "failed", measure: |run| share_of(run.jobs.failed, run.jobs.offered), unit: Unit::Share },
    Row { name: "shed", measure: |run| share_of(run.jobs.shed, run.jobs.offered), unit: Unit::Share },
    Row {
        name: "fell back",
        measure: |run| share_of(run.jobs.fell_back, run.jobs.succeeded),
        unit: Unit::Share,
    },
    Row {
        name: "from cache",
        measure: |run| share_of(run.jobs.cached, run.jobs.succeeded),
        unit: Unit::Share,
    },
    Row { name: "joined", measure: |run| share_of(run.jobs.joined, run.jobs.succeeded), unit: Unit::Share },
    Row {
        name: "attempts per job",
        measure: |run| share_of(run.attempts.total, run.jobs.offered),
        unit: Unit::Rate,
    },
    Row {
        name: "attempts limited",
        measure: |run| share_of(run.attempts.limited, run.attempts.total),
        unit: Unit::Share,
    },
    Row { name: "latency p50", measure: |run| answered(run, run.latency_s.p50), unit: Unit::Seconds },
    Row { name: "latency p95", measure: |run| answered(run, run.latency_s.p95), unit: Unit::Seconds },
    Row { name: "latency p99", measure: |run| answered(run, run.latency_s.p99), unit: Unit::Seconds },
    Row { name: "first token p95", measure: |run| answered(run, run.first_token_s.p95), unit: Unit::Seconds },
    Row { name: "cost", measure: |run| Some(run.cost_usd), unit: Unit::Usd },
    Row { name: "ceiling per min", measure: |run| run.ceiling.jobs_per_min, unit: Unit::Rate },
    Row { name: "headroom", measure: |run| run.ceiling.multiple, unit: Unit::Rate },
];

/// The comparison for the terminal, in 80 columns, ending in a line feed; empty where there are no runs.
#[must_use]
pub fn text(runs: &[Named<'_>], style: Style) -> String {
    let Some((base, others)) = runs.split_first() else { return String::new() };
    let mut report = String::new();
    for (label, run) in runs {
        let first = verdict::first(run);
        for line in wrap(&format!("{label}: {first}"), 80) {
            report.push_str(&fitted(&line, 80));
            report.push('\n');
        }
    }
    let blocks: Vec<&[Named<'_>]> =
        if others.is_empty() { vec![&[]] } else { others.chunks(BESIDE - 1).collect() };
    for block in blocks {
        let columns = || [base].into_iter().chain(block);
        let head: String =
            columns().map(|(label, _)| format!("{:>COLUMN$}", fitted(label, COLUMN - 2))).collect();
        report.push_str(&format!("\n{}\n", style.strong(format!("{:<NAME$}{head}", "").trim_end())));
        for row in told(runs) {
            let cells: String =
                columns().map(|run| format!("{:>COLUMN$}", cell(row, base.1, run.1).join(" "))).collect();
            report.push_str(format!("{:<NAME$}{cells}", row.name).trim_end());
            report.push('\n');
        }
        let expectations: String =
            columns().map(|(_, run)| format!("{:>COLUMN$}", expectations(run))).collect();
        report.push_str(format!("{:<NAME$}{expectations}", "expectations").trim_end());
        report.push('\n');
    }
    report
}

/// The pictures of a comparison: what was answered and how long it took over time, and what it took.
#[must_use]
pub fn charts(runs: &[Named<'_>]) -> Vec<Chart> {
    compare_chart::charts(runs)
}

/// The comparison as a page.
#[must_use]
pub fn html(runs: &[Named<'_>]) -> String {
    let Some((_, base)) = runs.first().copied() else {
        return page("comparison", "<p>There is nothing to compare.</p>\n");
    };
    let mut content = "<header>\n<p class=\"run\">comparison</p>\n".to_owned();
    content.push_str(&format!("<h1>{}</h1>\n</header>\n", escaped(&headline(runs))));
    let verdicts: Vec<_> = runs
        .iter()
        .map(|(label, run)| vec![escaped(label), escaped(&facts::run(run)), escaped(&verdict::first(run))])
        .collect();
    content.push_str(&format!("<section>\n{}</section>\n", table(&["run", "what", "verdict"], 3, &verdicts)));
    content.extend(charts(runs).iter().map(figure));
    let labels: Vec<String> = runs.iter().map(|(label, _)| escaped(label)).collect();
    let mut head = vec![""];
    head.extend(labels.iter().map(String::as_str));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for row in told(runs) {
        let cells = runs.iter().map(|(_, run)| match cell(row, base, run).as_slice() {
            [value, change] => format!("{value}<br><small class=\"note\">{change}</small>"),
            cells => cells.concat(),
        });
        rows.push([row.name.to_owned()].into_iter().chain(cells).collect());
    }
    let expectations = runs.iter().map(|(_, run)| expectations(run));
    rows.push(["expectations".to_owned()].into_iter().chain(expectations).collect());
    content.push_str(&format!("<section>\n{}</section>\n", table(&head, 1, &rows)));
    page("comparison", &content)
}

/// Which run serves most: what a comparison is read for.
fn headline(runs: &[Named<'_>]) -> String {
    let share = |run: &Summary| share_of(run.jobs.succeeded, run.jobs.offered).unwrap_or(0.0);
    let best = runs.iter().map(|(_, run)| share(run)).fold(0.0, f64::max);
    let first: Vec<_> = runs.iter().filter(|(_, run)| share(run) >= best).collect();
    match first.as_slice() {
        all if all.len() == runs.len() => {
            format!("All runs answer the same share of their jobs, {}", percent(best))
        }
        [(label, _)] => format!("{label} answers the most: {} of its jobs", percent(best)),
        several => format!(
            "{} of {} runs answer the most: {} of their jobs",
            several.len(),
            runs.len(),
            percent(best)
        ),
    }
}

/// The rows in which any run has something to tell.
fn told<'r>(runs: &'r [Named<'r>]) -> impl Iterator<Item = &'static Row> + 'r {
    let told = |row: &&Row| runs.iter().any(|(_, run)| (row.measure)(run).is_some_and(|value| value != 0.0));
    ROWS.iter().filter(told)
}

/// A value, and how it differs from the first run's where it does.
fn cell(row: &Row, base: &Summary, run: &Summary) -> Vec<String> {
    let Some(value) = (row.measure)(run) else { return vec!["–".to_owned()] };
    let written = match row.unit {
        Unit::Count | Unit::Rate => number(value),
        Unit::Share => percent(value),
        Unit::Seconds => duration(value),
        Unit::Usd => usd(value),
    };
    match (row.measure)(base) {
        Some(base) if base != value => vec![written, change(row.unit, base, value)],
        _ => vec![written],
    }
}

/// Shares differ by points, everything else by a share of the base.
fn change(unit: Unit, base: f64, value: f64) -> String {
    let difference = value - base;
    let sign = if difference < 0.0 { '−' } else { '+' };
    if unit == Unit::Share {
        return format!("({sign}{} pt)", number(difference.abs() * 100.0));
    }
    if base == 0.0 {
        return "(new)".to_owned();
    }
    format!("({sign}{} %)", number(difference.abs() / base * 100.0))
}

fn expectations(run: &Summary) -> String {
    let held = run.expect.iter().filter(|expected| expected.pass).count();
    match run.expect.len() {
        0 => "none".to_owned(),
        all if all == held => "all hold".to_owned(),
        all => format!("{} of {} hold", count(held as u64), count(all as u64)),
    }
}

fn answered(run: &Summary, value: f64) -> Option<f64> {
    (run.latency_s.count > 0).then_some(value)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

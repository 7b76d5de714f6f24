//! Several runs compared, as text, charts and a page. The first run is the baseline.

use super::chart::{Chart, compare_chart};
use super::page::{cell as text_cell, figure, header, page, table};
use super::text_layout::{fitted, wrap};
use super::{Style, facts, verdict};
use crate::formatting::{count, duration, number, percent, share_of, usd};
use crate::record::{Summary, measure};
use crate::scenario::Metric;
use maud::{Markup, html};

/// Runs per block of the text table, with the baseline, which is in every block.
const RUNS_PER_BLOCK: usize = 3;
/// Characters of the column with the names of the measures, and of the column of a run.
const NAME: usize = 17;
const COLUMN: usize = 21;

/// A run with its label, such as the path of its file.
pub type Named<'s> = (&'s str, &'s Summary);

/// A measure that is compared.
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
    /// A rate per minute or per job, or a factor.
    Rate,
    Usd,
}

const ROWS: [Row; 19] = [
    Row { name: "jobs offered", measure: |run| Some(to_f64(run.jobs.offered)), unit: Unit::Count },
    Row {
        name: "succeeded",
        measure: |run| share_of(run.jobs.succeeded, run.jobs.offered),
        unit: Unit::Share,
    },
    Row { name: "failed", measure: |run| share_of(run.jobs.failed, run.jobs.offered), unit: Unit::Share },
    Row { name: "shed", measure: |run| share_of(run.jobs.shed, run.jobs.offered), unit: Unit::Share },
    Row {
        name: "by a fallback",
        measure: |run| match &run.endpoint {
            Some(endpoint) => endpoint.fallback_share,
            None => measure(Metric::FallbackShare, run),
        },
        unit: Unit::Share,
    },
    Row {
        name: "from cache",
        measure: |run| share_of(run.jobs.cached, run.jobs.succeeded),
        unit: Unit::Share,
    },
    Row {
        name: "coalesced",
        measure: |run| share_of(run.jobs.joined, run.jobs.succeeded),
        unit: Unit::Share,
    },
    Row { name: "cut answers", measure: |run| share_of(run.jobs.cut, run.jobs.succeeded), unit: Unit::Share },
    Row { name: "attempts per job", measure: |run| measure(Metric::AttemptsPerJob, run), unit: Unit::Rate },
    Row {
        name: "attempts/success",
        measure: |run| share_of(run.attempts.total, run.jobs.succeeded),
        unit: Unit::Rate,
    },
    Row {
        name: "rate-limited",
        measure: |run| share_of(run.attempts.limited, run.attempts.total),
        unit: Unit::Share,
    },
    Row { name: "latency p50", measure: |run| if_any_succeeded(run, run.latency_s.p50), unit: Unit::Seconds },
    Row { name: "latency p95", measure: |run| if_any_succeeded(run, run.latency_s.p95), unit: Unit::Seconds },
    Row { name: "latency p99", measure: |run| if_any_succeeded(run, run.latency_s.p99), unit: Unit::Seconds },
    Row {
        name: "mean wait",
        measure: |run| if_any_succeeded(run, run.time_s.queue + run.time_s.wait),
        unit: Unit::Seconds,
    },
    Row {
        name: "TTFT p95",
        measure: |run| if_any_succeeded(run, run.first_token_s.p95),
        unit: Unit::Seconds,
    },
    Row { name: "cost", measure: |run| run.cost_usd, unit: Unit::Usd },
    Row { name: "ceiling per min", measure: |run| run.ceiling.jobs_per_min, unit: Unit::Rate },
    Row { name: "headroom", measure: |run| run.ceiling.multiple, unit: Unit::Rate },
];

/// Renders the comparison for the terminal in 80 columns, ending in a line feed; empty if there are no runs.
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
        if others.is_empty() { vec![&[]] } else { others.chunks(RUNS_PER_BLOCK - 1).collect() };
    for block in blocks {
        let columns = || [base].into_iter().chain(block);
        let head: String =
            columns().map(|(label, _)| format!("{:>COLUMN$}", fitted(label, COLUMN - 2))).collect();
        report.push_str(&format!("\n{}\n", style.strong(format!("{:<NAME$}{head}", "").trim_end())));
        for row in shown_rows(runs) {
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

/// The names of all charts that a comparison may have.
pub const CHARTS: [&str; 3] = ["answered", "latency-p95", "bars"];

/// Returns the charts of a comparison.
#[must_use]
pub fn charts(runs: &[Named<'_>]) -> Vec<Chart> {
    compare_chart::charts(runs)
}

/// Renders the comparison as a page.
#[must_use]
pub fn html(runs: &[Named<'_>]) -> String {
    let Some((_, base)) = runs.first().copied() else {
        return page("comparison", &[], &html! { p { "There is nothing to compare." } });
    };
    let findings: Vec<_> = runs
        .iter()
        .map(|(label, run)| {
            vec![text_cell(label), text_cell(facts::run(run)), text_cell(verdict::first(run))]
        })
        .collect();
    let labels = runs.iter().map(|(label, _)| *label);
    let head: Vec<_> = std::iter::once("").chain(labels).collect();
    let charts = charts(runs);
    let content = html! {
        (header("comparison", &[headline(runs)], ""))
        section { (table(&["run", "traffic", "finding"], 3, &findings)) }
        @for chart in &charts { (figure(chart)) }
        section { (table(&head, 1, &measures(runs, base))) }
    };
    page("comparison", &charts, &content)
}

/// Returns the rows of the table of measures: a value per run, and its difference from the first run's.
fn measures(runs: &[Named<'_>], base: &Summary) -> Vec<Vec<Markup>> {
    let value = |row: &Row, run: &Summary| match cell(row, base, run).as_slice() {
        [value, change] => html! { (value) br; small.note { (change) } },
        cells => text_cell(cells.concat()),
    };
    let mut rows: Vec<Vec<Markup>> = shown_rows(runs)
        .map(|row| {
            std::iter::once(text_cell(row.name)).chain(runs.iter().map(|(_, run)| value(row, run))).collect()
        })
        .collect();
    let results = runs.iter().map(|(_, run)| text_cell(expectations(run)));
    rows.push(std::iter::once(text_cell("expectations")).chain(results).collect());
    rows
}

/// Two success shares differ clearly if they differ by more than this number of standard errors of the difference.
const CLEAR_STANDARD_ERRORS: f64 = 2.0;

/// Returns the heading: which run has the highest success share, or how many have it, as far as the shares differ clearly.
fn headline(runs: &[Named<'_>]) -> String {
    let share = |run: &Summary| share_of(run.jobs.succeeded, run.jobs.offered).unwrap_or(0.0);
    let Some((_, best)) = runs.iter().max_by(|(_, one), (_, other)| share(one).total_cmp(&share(other)))
    else {
        return String::new();
    };
    let leaders: Vec<_> = runs.iter().filter(|(_, run)| !differs_clearly(best, run)).collect();
    let least = leaders.iter().map(|(_, run)| share(run)).fold(1.0, f64::min);
    let is_same = least >= share(best);
    let (least, most) = (percent(least), percent(share(best)));
    let shares = if least == most { most.clone() } else { format!("{least} to {most}") };
    match leaders.as_slice() {
        all if all.len() == runs.len() && is_same => {
            format!("The success share is the same in all runs, {most}")
        }
        all if all.len() == runs.len() => format!("No clear difference in success: {shares}"),
        [(label, _)] => format!("{label} has the highest success share: {most}"),
        several if is_same => {
            format!("{} of {} runs have the highest success share: {most}", several.len(), runs.len())
        }
        several => {
            let (some, all) = (several.len(), runs.len());
            format!(
                "{some} of {all} runs have the highest success shares, without a clear difference: {shares}"
            )
        }
    }
}

/// Returns `true` if the success shares of two runs differ by more than [`CLEAR_STANDARD_ERRORS`]. One run has one seed, so the
/// standard errors are those of binomial shares, as if jobs succeeded independently. A run without jobs does not differ clearly.
fn differs_clearly(one: &Summary, other: &Summary) -> bool {
    let share_and_variance = |run: &Summary| {
        let share = share_of(run.jobs.succeeded, run.jobs.offered)?;
        Some((share, share * (1.0 - share) / to_f64(run.jobs.offered)))
    };
    let (Some(one), Some(other)) = (share_and_variance(one), share_and_variance(other)) else { return false };
    (one.0 - other.0).abs() > CLEAR_STANDARD_ERRORS * libm::sqrt(one.1 + other.1)
}

/// Returns the rows in which some run has a value other than zero.
fn shown_rows<'r>(runs: &'r [Named<'r>]) -> impl Iterator<Item = &'static Row> + 'r {
    let measured =
        |row: &&Row| runs.iter().any(|(_, run)| (row.measure)(run).is_some_and(|value| value != 0.0));
    ROWS.iter().filter(measured)
}

/// Formats a value, and its difference from the baseline's if the baseline has a value and it differs.
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

/// Formats the difference from the baseline: percentage points for shares, percent for everything else, `(new)` if the baseline
/// is zero.
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
        all if all == held => "all pass".to_owned(),
        all => format!("{} of {} pass", count(held as u64), count(all as u64)),
    }
}

/// Returns `value`, a quantile of latency, if any job succeeded.
fn if_any_succeeded(run: &Summary, value: f64) -> Option<f64> {
    (run.latency_s.count > 0).then_some(value)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, Overrides, Scenario};

    fn scenario(yaml: &str) -> Scenario {
        scenario::parse("x", yaml, &Overrides::default(), None).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// The share of jobs that a fallback served counts the same jobs as the rule `fallback share`: not those that the cache or an
    /// identical job answered.
    #[test]
    fn the_fallback_share_counts_the_same_jobs_as_the_rule_on_it() {
        let yaml = "name: x
duration: 10m
providers:
  p: { models: { m: { limits: { rpm: 10 }, latency: { total: 1s } } } }
  q: { models: { m: { latency: { total: 1s } } } }
routes: { r: [{ of: [p/default/m] }, { of: [q/default/m] }] }
client: { join: true, cache: { entries: 100, ttl: 1h } }
workload: [{ name: w, route: r, arrivals: { poisson: 60/min }, prompt: 10, completion: 10, repeats: { share: 50%, of: 100 } }]
";
        let run = crate::drive::summarize(&scenario(yaml));
        assert!(run.jobs.fell_back > 0 && run.jobs.cached > 0, "{:?}", run.jobs);
        let row = ROWS.iter().find(|row| row.name == "by a fallback").expect("a row");
        assert_eq!((row.measure)(&run), measure(Metric::FallbackShare, &run));
    }

    /// With 10,000 jobs each, shares of about 90 % have a standard error of 0.3 points, and their difference one of 0.42 points.
    #[test]
    fn a_run_is_named_the_best_only_if_its_share_differs_by_more_than_two_standard_errors() {
        let run = crate::drive::summarize(&scenario(
            "name: x
duration: 1m
providers: { p: { models: { m: { latency: { total: 1s } } } } }
routes: { r: [{ of: [p/default/m] }] }
workload: [{ name: w, route: r, arrivals: { constant: 10/min }, prompt: 10, completion: 10 }]
",
        ));
        let heading = |offered: u64, succeeded: &[u64]| {
            let runs: Vec<Summary> = succeeded
                .iter()
                .map(|succeeded| {
                    let mut run = run.clone();
                    (run.jobs.offered, run.jobs.succeeded) = (offered, *succeeded);
                    run
                })
                .collect();
            headline(&["a", "b", "c"].into_iter().zip(&runs).collect::<Vec<_>>())
        };
        for (succeeded, expected) in [
            (&[9_000, 9_005][..], "No clear difference in success: 90 %"),
            (&[9_000, 9_080], "No clear difference in success: 90 % to 90.8 %"),
            (&[9_000, 9_090], "b has the highest success share: 90.9 %"),
            (&[9_000, 9_000], "The success share is the same in all runs, 90 %"),
            (&[10_000, 0], "a has the highest success share: 100 %"),
            (&[9_000, 5_000, 9_000], "2 of 3 runs have the highest success share: 90 %"),
            (
                &[9_000, 5_000, 9_010],
                "2 of 3 runs have the highest success shares, without a clear difference: 90 % to 90.1 %",
            ),
        ] {
            assert_eq!(heading(10_000, succeeded), expected, "{succeeded:?}");
        }
        assert_eq!(heading(20, &[18, 19]), "No clear difference in success: 90 % to 95 %");
        assert_eq!(heading(0, &[0, 0]), "The success share is the same in all runs, 0 %");
    }
}

//! The page of one run: the findings, the charts, the tables, and the result without its distributions as embedded JSON, if it
//! is small enough.

use super::ceiling_bounds;
use super::chart;
use super::clients;
use super::endpoint::{self, NOT_KNOWN};
use super::facts::{self, STATISTICS};
use super::job_traces;
use super::notes;
use super::page::{self, MAX_ROWS, axis, cell, json_data, mark, page, section, table, text};
use super::tasks;
use super::usage_table;
use super::verdict;
use crate::formatting::{count, duration, moment, number, percent, plural, share_of, usd};
use crate::record::{BatchResult, Summary, Target, Workload};
use maud::{Markup, html};

/// The largest size of an embedded result, in bytes. Results are embedded without their distributions; a larger one is
/// embedded without the use of its limits over time as well, or not at all.
const MAX_EMBEDDED_BYTES: usize = 150_000;

/// Renders the page of a run.
#[must_use]
pub fn render(summary: &Summary) -> String {
    let charts = chart::charts(summary);
    let content = html! {
        (header(summary))
        (tiles(summary))
        (workloads(summary))
        (tasks::part(summary))
        (clients(summary))
        (expectations(summary))
        @for chart in &charts {
            (page::figure(chart))
            @if chart.name == "heat" { (usage_table::table(summary)) }
        }
        (times(summary))
        (jobs(summary))
        @match &summary.endpoint {
            Some(endpoint) => { (endpoint::part(endpoint)) }
            None => { (targets(summary)) }
        }
        (ceiling(summary))
        (job_traces::sections(summary))
        (reproduce(summary))
        (embedded(summary))
    };
    page(&summary.scenario, &charts, &content)
}

fn header(summary: &Summary) -> Markup {
    let subject = format!("{}: {}", summary.scenario, facts::run(summary));
    page::header(&subject, &verdict::sentences(summary), &summary.about)
}

fn tiles(summary: &Summary) -> Markup {
    let (jobs, latency) = (&summary.jobs, &summary.latency_s);
    let share = |part, whole| share_of(part, whole).map_or_else(|| "–".to_owned(), percent);
    let latency_text = |value: f64| if latency.count > 0 { duration(value) } else { "–".to_owned() };
    let headroom = match summary.ceiling.multiple {
        _ if summary.endpoint.is_some() => NOT_KNOWN.to_owned(),
        Some(multiple) => match &summary.ceiling.in_route_order {
            Some(order) => format!("{} to {} ×", number(order.multiple), number(multiple)),
            None => format!("{} ×", number(multiple)),
        },
        None => "no limit".to_owned(),
    };
    page::tiles(&[
        (share(jobs.succeeded, jobs.offered), format!("of {} succeeded", plural(jobs.offered, "job"))),
        (latency_text(latency.p50), "median latency".to_owned()),
        (latency_text(latency.p95), "p95 latency".to_owned()),
        (
            share(summary.attempts.limited, summary.attempts.total),
            format!("of {} rate-limited", facts::sent(summary)),
        ),
        (headroom, "analytic ceiling ÷ load".to_owned()),
        (summary.cost_usd.map_or_else(|| NOT_KNOWN.to_owned(), usd), "cost of the run".to_owned()),
    ])
}

fn expectations(summary: &Summary) -> Markup {
    if summary.expect.is_empty() {
        return Markup::default();
    }
    let run = summary.run_time();
    let rows: Vec<_> = summary
        .expect
        .iter()
        .map(|expected| {
            let mark = match expected.not_judged {
                None => mark(expected.pass, "pass", "fail"),
                Some(_) => cell("cannot be judged"),
            };
            vec![cell(facts::rule(expected, &run)), mark, cell(facts::actual(expected, &run))]
        })
        .collect();
    section("Expectations", &table(&["rule", "", "actual"], 2, &rows))
}

fn times(summary: &Summary) -> Markup {
    let rows: Vec<Vec<Markup>> = facts::times(summary)
        .into_iter()
        .map(|(name, cells)| std::iter::once(cell(name)).chain(cells.iter().map(cell)).collect())
        .collect();
    if rows.is_empty() {
        return Markup::default();
    }
    let head: Vec<_> = std::iter::once("").chain(STATISTICS).collect();
    let content = html! {
        (table(&head, 1, &rows))
        p.note { "Latency, TTFT, queue and service: of jobs that succeeded; the first two count from the scheduled arrival." }
        @if summary.delays.is_some() {
            p.note {
                "Generator lag: of every job, from its scheduled arrival to its real one. Send lag: of every attempt, until its \
                 request began on this machine. Wake-up lag: from the end of a wait to \
                 the client's next action. Round trip: of attempts whose reply is a refusal."
            }
        }
        @if let Some(effect) = facts::delay_effect(summary) { p.note { (text(&effect)) } }
    };
    section("Latency", &content)
}

fn jobs(summary: &Summary) -> Markup {
    let row = |name: &str, number: u64, share: &str| vec![cell(name), cell(count(number)), cell(share)];
    let mut rows = vec![row("jobs offered", summary.jobs.offered, "")];
    rows.extend(facts::jobs(summary).into_iter().map(|(name, number, share)| row(name, number, &share)));
    let sent = summary.attempts.total;
    rows.push(row(&format!("{} sent", facts::sent(summary)), sent, ""));
    for (name, number) in
        [("attempts rate-limited", summary.attempts.limited), ("attempts failed", summary.attempts.failed)]
    {
        rows.push(row(name, number, &percent(share_of(number, sent).unwrap_or(0.0))));
    }
    let content = html! {
        (table(&["", "count", "share"], 1, &rows))
        @if let Some(hedges) = facts::hedges(summary) { p.note { "Hedges: " (hedges) "." } }
        @for (name, list) in facts::failures(summary) { p.note { (name) ": " (text(&list)) } }
    };
    section("Outcomes", &content)
}

fn targets(summary: &Summary) -> Markup {
    let content = html! {
        div.scroll {
            table {
                tr { th { "limit" } th {} th { "charged" } th.n {} th.n { "fullest" } }
                @for target in summary.targets.iter().take(MAX_ROWS) { (target_rows(target)) }
            }
        }
        (page::more_rows(summary.targets.len(), "target"))
        (page::notes(&facts::use_legend(summary)))
    };
    section("Targets and their limits", &content)
}

fn target_rows(target: &Target) -> Markup {
    html! {
        tr.target { td colspan="5" { (text(&target.name)) small { (text(&facts::traffic(target))) } } }
        @if let Some(shared) = facts::shared_limits(target) { tr { td colspan="5" { (text(&shared)) } } }
        @for limit in facts::uses(target).into_iter().take(MAX_ROWS) {
            @let width = (limit.used.unwrap_or(0.0) * 100.0).clamp(0.0, 100.0);
            tr {
                td { (axis(&limit.axis)) }
                td { (text(&limit.limit)) }
                td { span.meter { i style=(format!("width:{width:.1}%")) {} } }
                td.n { (limit.used.map_or_else(|| "–".to_owned(), percent)) }
                td.n.bad[limit.peak >= 0.98] { (percent(limit.peak)) }
            }
        }
    }
}

fn ceiling(summary: &Summary) -> Markup {
    let ceiling = &summary.ceiling;
    let mut rows = Vec::new();
    for target in ceiling.targets.iter().filter(|target| target.is_stated()) {
        for limit in &target.axes {
            let binds = ceiling
                .binding
                .as_ref()
                .is_some_and(|binding| binding.target == target.name && binding.axis == limit.axis);
            rows.push(vec![
                cell(facts::with_family(&target.name, target.family.as_ref())),
                axis(&limit.axis),
                html! { @if binds { span.bad { "binds" } } },
                cell(facts::amount(limit)),
                cell(number(limit.jobs_per_min)),
            ]);
        }
    }
    if rows.is_empty() {
        return Markup::default();
    }
    let offered = number(ceiling.offered_jobs_per_min);
    let all = ceiling
        .jobs_per_min
        .map_or_else(|| "any load".to_owned(), |rate| format!("{} jobs/min", number(rate)));
    let content = html! {
        p { "By arithmetic, the limits together allow " (all) "; " (offered) " jobs/min are expected on average." }
        @if let Some(order) = &ceiling.in_route_order {
            p { "That takes every job to go where it leaves the most room: " (text(&ceiling_bounds::in_route_order(order))) "." }
        }
        @if let Some(peak) = &ceiling.peak {
            p { (ceiling_bounds::peak(peak, &summary.run_time())) }
        }
        (table(&["target", "limit", "", "per window", "jobs/min"], 3, &rows))
    };
    section("What each limit allows", &content)
}

fn workloads(summary: &Summary) -> Markup {
    let has_more = |workload: &Workload| workload.worst_window.is_some() || workload.batch.is_some();
    if summary.workloads.len() < 2 && !summary.workloads.iter().any(has_more) {
        return Markup::default();
    }
    let rows: Vec<_> = summary
        .workloads
        .iter()
        .map(|workload| {
            let share =
                share_of(workload.succeeded, workload.offered).map_or_else(|| "–".to_owned(), percent);
            let latency = &workload.latency_s;
            let time = |value| if latency.count > 0 { duration(value) } else { "–".to_owned() };
            vec![
                cell(&workload.name),
                cell(count(workload.offered)),
                cell(share),
                cell(count(workload.failed)),
                cell(count(workload.shed)),
                cell(count(workload.cut)),
                cell(time(latency.p50)),
                cell(time(latency.p95)),
            ]
        })
        .collect();
    let head = ["workload", "offered", "succeeded", "failed", "shed", "cut", "p50", "p95"];
    let content = html! {
        (table(&head, 1, &rows))
        @for batch in facts::batches(summary) { p { (text(&batch)) "." } }
        (batch_progress(summary))
        @for workload in summary.workloads.iter().take(MAX_ROWS) {
            @if let Some(worst) = &workload.worst_window {
                p.note { (text(&workload.name)) ": worst " (text(&verdict::worst_window(worst, &summary.run_time()))) "." }
            }
        }
    };
    section("Workloads", &content)
}

/// The parts of a batch whose ends the page states, in percent.
const BATCH_PARTS: [usize; 6] = [10, 25, 50, 75, 90, 100];

/// Returns a table of when parts of each batch had ended; empty without a batch.
fn batch_progress(summary: &Summary) -> Markup {
    let time = summary.run_time();
    let at = |batch: &BatchResult, percent: usize| {
        batch.progress_s.get(percent - 1).map_or_else(|| "–".to_owned(), |at| moment(*at, &time))
    };
    let batches = summary.workloads.iter().filter_map(|workload| Some((workload, workload.batch.as_ref()?)));
    let row = |(workload, batch): (&Workload, &BatchResult)| {
        std::iter::once(cell(&workload.name)).chain(BATCH_PARTS.map(|part| cell(at(batch, part)))).collect()
    };
    let rows: Vec<Vec<Markup>> = batches.map(row).collect();
    if rows.is_empty() {
        return Markup::default();
    }
    let parts = BATCH_PARTS.map(|part| format!("{part} %"));
    let head: Vec<&str> = std::iter::once("ended by").chain(parts.iter().map(String::as_str)).collect();
    html! { (table(&head, 1, &rows)) }
}

fn clients(summary: &Summary) -> Markup {
    let rows: Vec<_> = clients::rows(summary).into_iter().map(|row| row.map(cell).to_vec()).collect();
    if rows.is_empty() {
        return Markup::default();
    }
    let content = html! {
        (table(&clients::HEAD, 1, &rows))
        p.note { (clients::LEGEND) ". Clients share nothing: none knows of the refusals of another, nor of what it uses of a limit." }
    };
    section("Clients", &content)
}

fn reproduce(summary: &Summary) -> Markup {
    let content = html! {
        (page::command(&summary.reproduce))
        p.note {
            "Seed " (summary.seed) ", quotalab " (text(&summary.version)) "; ended at "
            (moment(summary.ended_s, &summary.run_time())) ". " (facts::charged(summary)) "."
        }
        (page::notes(&notes::sentences(&summary.notes)))
    };
    section("Reproduce", &content)
}

/// Renders the result without its distributions as JSON; if that exceeds [`MAX_EMBEDDED_BYTES`], without the use of its limits
/// over time, or not at all.
fn embedded(summary: &Summary) -> Markup {
    let mut smaller = summary.without_distributions();
    let with_fill = json_data(&smaller);
    smaller.series.fill.clear();
    let json = [with_fill, json_data(&smaller)].into_iter().find(|json| json.0.len() <= MAX_EMBEDDED_BYTES);
    html! {
        @match json {
            Some(json) => { script type="application/json" id="result" { (json) } }
            None => { p.note { "The result is too large to embed in this page: see result.json." } }
        }
    }
}

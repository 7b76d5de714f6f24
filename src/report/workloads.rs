//! Each workload by itself, with its worst window: the lines after the findings, and a table near the head of a page.

use super::page::{cell, section, table};
use crate::formatting::{count, duration, moment, percent, plural, share_of};
use crate::record::{Summary, Workload, WorstWindow};
use maud::{Markup, html};

/// Workloads beyond this are counted in one line.
const MAX_LINES: usize = 8;

/// Returns one sentence per workload if there are several; of a single one only if a window of it is notably worse than the
/// run.
pub(super) fn sentences(summary: &Summary) -> Vec<String> {
    let told: Vec<&Workload> = told(summary).collect();
    let mut lines: Vec<String> =
        told.iter().take(MAX_LINES).map(|workload| sentence(workload, summary.duration_s)).collect();
    if told.len() > MAX_LINES {
        lines.push(format!("And {}.", plural((told.len() - MAX_LINES) as u64, "more workload")));
    }
    lines
}

/// Returns the workloads of which something is to be told that the other findings do not tell.
fn told(summary: &Summary) -> impl Iterator<Item = &Workload> {
    let several = summary.workloads.len() > 1;
    summary.workloads.iter().filter(move |workload| several || workload.worst_window.is_some())
}

fn sentence(workload: &Workload, run_s: f64) -> String {
    let name = &workload.name;
    if workload.offered == 0 {
        return format!("{name}: no job arrived.");
    }
    let share = percent(share_of(workload.succeeded, workload.offered).unwrap_or(0.0));
    let p95 = workload.latency_s.p95;
    let p95 = if workload.succeeded > 0 { format!(", p95 {}", duration(p95)) } else { String::new() };
    let jobs = plural(workload.offered, "job");
    let worst = workload.worst_window.as_ref();
    let worst = worst.map_or_else(String::new, |worst| format!("; {}", window_text(worst, run_s)));
    format!("{name}: {share} of {jobs} succeeded{p95}{worst}.")
}

/// Describes a worst window: `worst 5 min, from 10:00 h: 83 % of 3,205 jobs, p95 22 s, most refused by tpm of p/a/m`.
fn window_text(worst: &WorstWindow, run_s: f64) -> String {
    let WorstWindow { from_s, to_s, jobs, p95_s, refused_by, .. } = worst;
    let (length, from) = (duration(to_s - from_s), moment(*from_s, run_s));
    let p95 = p95_s.map_or_else(String::new, |p95_s| format!(", p95 {}", duration(p95_s)));
    let limit = refused_by.as_ref().map_or_else(String::new, |limit| {
        format!(", most attempts refused by {} of {}", limit.axis, limit.target)
    });
    format!("worst {length}, from {from}: {} of {}{p95}{limit}", share(worst), plural(*jobs, "job"))
}

fn share(worst: &WorstWindow) -> String {
    share_of(worst.succeeded, worst.jobs).map_or_else(|| "–".to_owned(), percent)
}

fn limit_text(worst: &WorstWindow) -> String {
    let limit = worst.refused_by.as_ref();
    limit.map_or_else(|| "no limit".to_owned(), |limit| format!("{} of {}", limit.axis, limit.target))
}

/// Renders the workloads of [`sentences`] as a table; nothing if there are none.
pub(super) fn table_of(summary: &Summary) -> Markup {
    let row = |workload: &Workload| {
        let run = share_of(workload.succeeded, workload.offered).map_or_else(|| "–".to_owned(), percent);
        let p95 = (workload.succeeded > 0).then(|| duration(workload.latency_s.p95));
        let worst = workload.worst_window.as_ref();
        let of_worst =
            |text: &dyn Fn(&WorstWindow) -> String| cell(worst.map_or_else(|| "–".to_owned(), text));
        vec![
            cell(&workload.name),
            cell(count(workload.offered)),
            cell(run),
            cell(p95.as_deref().unwrap_or("–")),
            of_worst(&|worst| {
                let length = duration(worst.to_s - worst.from_s);
                format!("{}, {length}", moment(worst.from_s, summary.duration_s))
            }),
            of_worst(&share),
            of_worst(&|worst| worst.p95_s.map_or_else(|| "–".to_owned(), duration)),
            html! { span.wrap { (worst.map_or_else(|| cell("–"), |worst| cell(limit_text(worst)))) } },
        ]
    };
    let rows: Vec<_> = told(summary).map(row).collect();
    if rows.is_empty() {
        return Markup::default();
    }
    let head = [
        "workload",
        "jobs",
        "succeeded",
        "p95",
        "worst window",
        "succeeded then",
        "p95 then",
        "refused most by",
    ];
    section("Workloads and their worst window", &table(&head, 1, &rows))
}

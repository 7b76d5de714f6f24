//! The tasks of workloads of sessions, in the text report and on the page.

use super::page::{self, cell, section, table};
use crate::formatting::{count, duration, number, percent, plural, share_of};
use crate::record::{Summary, TaskBand, TaskOutcomes, Tasks};
use maud::{Markup, html};

/// Returns the workloads with sessions and their tasks.
pub(super) fn of(summary: &Summary) -> impl Iterator<Item = (&str, &Tasks)> {
    summary.workloads.iter().filter_map(|workload| Some((workload.name.as_str(), workload.tasks.as_ref()?)))
}

/// Returns the outcomes of tasks: label, count, and share of the tasks offered. Counts of zero are left out, except for
/// succeeded.
fn outcomes(tasks: &Tasks) -> Vec<(&'static str, u64, String)> {
    let all = [
        ("succeeded", tasks.succeeded),
        ("failed", tasks.failed),
        ("abandoned by their users", tasks.abandoned),
        ("in flight", tasks.in_flight),
    ];
    let shown = all.into_iter().filter(|(name, count)| *count > 0 || *name == "succeeded");
    shown.map(|(name, count)| (name, count, percent(share_of(count, tasks.offered).unwrap_or(0.0)))).collect()
}

/// Returns the times of the tasks that succeeded, as text; `None` if none did.
fn times(tasks: &Tasks) -> Option<String> {
    let latency = &tasks.latency_s;
    (latency.count > 0).then(|| {
        let [p50, p90, p95, p99, max] =
            [latency.p50, latency.p90, latency.p95, latency.p99, latency.max].map(duration);
        format!("p50 {p50} · p90 {p90} · p95 {p95} · p99 {p99} · max {max}")
    })
}

/// Formats a band: `1 to 10 steps`.
pub(super) fn band(band: &TaskBand) -> String {
    match band.to {
        Some(to) => format!("{} to {to} steps", band.from),
        None => format!("{} steps or more", band.from),
    }
}

/// Returns the bands with the share of their tasks that succeeded, if there are several.
fn by_steps(tasks: &Tasks) -> Option<String> {
    let share = |band: &TaskBand| percent(share_of(band.succeeded, band.ended).unwrap_or(0.0));
    let bands = tasks.by_steps.iter().map(|steps| format!("{} {}", band(steps), share(steps)));
    (tasks.by_steps.len() > 1).then(|| bands.collect::<Vec<_>>().join(" · "))
}

/// Returns the lines of the text report about the tasks of one workload: label and value.
pub(super) fn lines(tasks: &Tasks) -> Vec<(&'static str, String)> {
    let mut offered = format!("{} offered", count(tasks.offered));
    for (name, number, share) in outcomes(tasks) {
        offered.push_str(&format!(" · {} {name} ({share})", count(number)));
    }
    let calls = format!("{} on average", number(tasks.calls_per_task));
    let rows = [
        ("tasks", Some(offered)),
        ("latency", times(tasks)),
        ("calls", Some(calls)),
        ("succeeded", by_steps(tasks)),
    ];
    rows.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}

/// Returns the sentence on the tasks of a workload.
pub(super) fn sentence(outcomes: &TaskOutcomes) -> String {
    let share = |part: u64| percent(share_of(part, outcomes.ended).unwrap_or(0.0));
    let mut text = format!(
        "{} of {} of {} succeeded",
        share(outcomes.succeeded),
        plural(outcomes.ended, "task"),
        outcomes.workload
    );
    if let Some(p95) = outcomes.p95_s {
        text.push_str(&format!(", 95 % of those within {}", duration(p95)));
    }
    let others = [(outcomes.abandoned, "were abandoned by their users"), (outcomes.failed, "failed")];
    for (number, what) in others.into_iter().filter(|(number, _)| *number > 0) {
        text.push_str(&format!("; {} {what}", share(number)));
    }
    text + "."
}

/// What the figures count.
pub(super) const LEGEND: &str =
    "a task is a turn of a session; latency: of the tasks that succeeded, from the first call";

/// Renders the section of the page; empty without sessions.
pub(super) fn part(summary: &Summary) -> Markup {
    let parts: Vec<_> = of(summary).take(page::MAX_ROWS).map(|(name, tasks)| workload(name, tasks)).collect();
    if parts.is_empty() {
        return Markup::default();
    }
    let content = html! {
        @for part in &parts { (part) }
        p.note {
            "A task is a turn of a session: what its user waits for. Latency: of the tasks that succeeded, from the first call to the end of \
             the last reply."
        }
    };
    section("Tasks", &content)
}

fn workload(name: &str, tasks: &Tasks) -> Markup {
    let row = |name: &str, number: u64, share: &str| vec![cell(name), cell(count(number)), cell(share)];
    let mut rows = vec![row("tasks offered", tasks.offered, "")];
    rows.extend(outcomes(tasks).into_iter().map(|(name, number, share)| row(name, number, &share)));
    let bands: Vec<_> = tasks
        .by_steps
        .iter()
        .map(|steps| {
            let share = percent(share_of(steps.succeeded, steps.ended).unwrap_or(0.0));
            vec![cell(band(steps)), cell(count(steps.ended)), cell(share)]
        })
        .collect();
    html! {
        (table(&[name, "count", "share"], 1, &rows))
        @if let Some(times) = times(tasks) { p.note { "Latency: " (times) "." } }
        p.note { (number(tasks.calls_per_task)) " calls per task that ended, on average." }
        @if bands.len() > 1 { (table(&["tasks with", "ended", "succeeded"], 1, &bands)) }
    }
}

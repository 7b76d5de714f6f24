//! The report of a run for the terminal, in 80 columns: the findings first, then the numbers behind them.

use super::Style;
use super::chart::time_parts;
use super::clients;
use super::endpoint;
use super::facts::{self, STATISTICS, Use};
use super::notes;
use super::tasks;
use super::terminal::{TerminalText, WIDTH, bar};
use super::text_layout::{fitted, wrap};
use super::verdict;
use crate::formatting::{count, duration, percent, plural};
use crate::record::{EndpointResult, RuleResult, Summary};

/// The column in which values begin.
const INDENT: usize = 13;
/// Characters of a column of the table of latencies.
const COLUMN: usize = 11;
/// The characters of the bar of a phase of the latency.
const PHASE_BAR: usize = 20;
/// The characters of the bar of a limit.
const LIMIT_BAR: usize = 9;
/// Targets beyond this are added up in one line.
const MAX_TARGETS: usize = 12;

/// Renders the report of a run, ending in a line feed.
#[must_use]
pub fn render(summary: &Summary, style: Style) -> String {
    let mut report = RunReport(TerminalText::new(style));
    report.0.findings(&verdict::sentences(summary));
    report.run(summary);
    report.jobs(summary);
    report.clients(summary);
    report.times(summary);
    report.tasks(summary);
    report.breakdown(summary);
    match &summary.endpoint {
        Some(endpoint) => report.endpoint(endpoint),
        None => report.targets(summary),
    }
    report.expectations(summary);
    report.cost_and_notes(summary);
    report.0.into_string()
}

/// The report of a run.
struct RunReport(TerminalText);

impl RunReport {
    fn value(&mut self, label: &str, value: &str) {
        self.0.value(label, value, INDENT);
    }

    fn run(&mut self, summary: &Summary) {
        self.0.line("");
        self.0.faint(&format!("{}: {}", fitted(&summary.scenario, 40), facts::run(summary)));
        self.0.faint(&summary.about);
    }

    fn jobs(&mut self, summary: &Summary) {
        self.0.line("");
        let mut jobs = format!("{} offered", count(summary.jobs.offered));
        for (name, number, share) in facts::jobs(summary) {
            jobs.push_str(&format!(" · {} {name} ({share})", count(number)));
        }
        self.value("jobs", &jobs);
        for batch in facts::batches(summary) {
            self.value("batch", &batch);
        }
        let attempts = &summary.attempts;
        let numbers =
            [(attempts.ok, "succeeded"), (attempts.limited, "rate-limited"), (attempts.failed, "failed")];
        let mut text = format!("{} sent", count(attempts.total));
        for (number, what) in numbers {
            text.push_str(&format!(" · {} {what}", count(number)));
        }
        self.value(facts::sent(summary), &text);
        if let Some(hedges) = facts::hedges(summary) {
            self.value("hedges", &hedges);
        }
        for (name, list) in facts::failures(summary) {
            self.value("", &format!("{name}: {list}"));
        }
    }

    fn clients(&mut self, summary: &Summary) {
        let rows = clients::rows(summary);
        if rows.is_empty() {
            return;
        }
        self.0.line("");
        let columns = |[name, cells @ ..]: &[String; 8]| {
            let [cells @ .., cost] = cells;
            let cells: String = cells.iter().map(|cell| format!("{cell:>9}")).collect();
            format!("{:<13}{cells}{cost:>12}", fitted(name, 13))
        };
        let head = columns(&clients::HEAD.map(str::to_owned));
        let head = self.0.style.faint(&head);
        self.0.line(&head);
        for row in rows {
            self.0.line(&columns(&row));
        }
        self.0.faint(clients::LEGEND);
    }

    fn times(&mut self, summary: &Summary) {
        let rows = facts::times(summary);
        if rows.is_empty() {
            return;
        }
        self.0.line("");
        // Two long durations beside each other need a blank between them.
        let is_long = rows.iter().flat_map(|(_, cells)| cells).any(|cell| cell.chars().count() >= COLUMN);
        let column = if is_long { COLUMN + 1 } else { COLUMN };
        let indent = if is_long { WIDTH - STATISTICS.len() * column } else { INDENT };
        let columns =
            |cells: &[String]| cells.iter().map(|cell| format!("{cell:>column$}")).collect::<String>();
        let head = format!("{:<indent$}{}", "", columns(&STATISTICS.map(str::to_owned)));
        let head = self.0.style.faint(&head);
        self.0.line(&head);
        for (name, cells) in rows {
            self.0.line(&format!("{name:<indent$}{}", columns(&cells)));
        }
        if summary.latency_s.count < summary.jobs.offered {
            self.0.faint("latency, TTFT, queue and service: of the jobs that succeeded");
        }
        if let Some(effect) = facts::delay_effect(summary) {
            self.value("delays", &effect);
        }
    }

    fn tasks(&mut self, summary: &Summary) {
        for (name, tasks) in tasks::of(summary) {
            self.0.heading(&format!("tasks of {}", fitted(name, 40)));
            for (label, value) in tasks::lines(tasks) {
                self.value(label, &value);
            }
        }
        if tasks::of(summary).next().is_some() {
            self.0.faint(tasks::LEGEND);
        }
    }

    fn breakdown(&mut self, summary: &Summary) {
        let parts = time_parts(&summary.time_s);
        let total: f64 = parts.iter().map(|(_, length)| length).sum();
        if total <= 0.0 {
            return;
        }
        self.0.heading("mean latency of jobs that succeeded, by phase");
        for (name, length) in parts.into_iter().filter(|(_, length)| *length > 0.0) {
            let (bar, mean) = (bar(length / total, PHASE_BAR), duration(length));
            self.0.line(&format!("  {name:<18}{bar} {mean:>11}  {:>7}", percent(length / total)));
        }
    }

    fn targets(&mut self, summary: &Summary) {
        self.0.heading("targets");
        for target in summary.targets.iter().take(MAX_TARGETS) {
            self.0.line(&format!("  {}", fitted(&target.name, WIDTH - 2)));
            for line in wrap(&facts::traffic(target), WIDTH - 4) {
                self.0.line(&format!("    {line}"));
            }
            for line in facts::shared_limits(target).iter().flat_map(|text| wrap(text, WIDTH - 4)) {
                self.0.line(&format!("    {line}"));
            }
            for limit in facts::uses(target) {
                self.limit(&limit);
            }
        }
        if let Some(others) = summary.targets.get(MAX_TARGETS..).filter(|others| !others.is_empty()) {
            let sent = others.iter().map(|target| target.attempts).sum();
            let more = plural(others.len() as u64, "more target");
            self.0.line(&format!("  and {more} with {} sent", count(sent)));
        }
        for line in facts::use_legend(summary) {
            self.0.faint(line);
        }
    }

    fn endpoint(&mut self, endpoint: &EndpointResult) {
        self.0.heading("behind the endpoint");
        for (name, answers, share) in endpoint::target_rows(endpoint).into_iter().take(MAX_TARGETS) {
            self.0.line(&format!("  {:<50}{:>12} {share:>8}", fitted(name, 49), count(answers)));
        }
        for (name, value) in endpoint::rows(endpoint) {
            self.0.line(&format!("  {name:<38}{}", fitted(&value, WIDTH - 40)));
        }
        self.0.faint(endpoint::SEEN_FROM_OUTSIDE);
    }

    fn limit(&mut self, limit: &Use) {
        let used =
            limit.used.map_or_else(|| "not measured".to_owned(), |used| format!("{} charged", percent(used)));
        let bar = bar(limit.used.unwrap_or(0.0), LIMIT_BAR);
        let fullest = format!("fullest {}", percent(limit.peak));
        let fullest = if limit.peak >= 0.98 { self.0.style.bad(&fullest) } else { fullest };
        let text =
            format!("    {:<12}{:<19}▕{bar}▏{used:>15}  {fullest}", limit.axis, fitted(&limit.limit, 18));
        self.0.line(&text);
    }

    fn expectations(&mut self, summary: &Summary) {
        if summary.expect.is_empty() {
            return;
        }
        self.0.heading("expectations");
        let run = summary.run_time();
        for expected in &summary.expect {
            let mark = match expected.pass {
                true => self.0.style.good("pass"),
                false if expected.is_broken() => self.0.style.bad("FAIL"),
                false => self.0.style.bad("n/a "),
            };
            let rule = fitted(&facts::rule(expected, &run), 48);
            self.0.line(&format!("  {mark}  {rule:<50}{}", fitted(&facts::actual(expected, &run), 26)));
        }
        let is_few = |expected: &RuleResult| {
            let few = expected
                .not_judged
                .filter(|reason| !reason.is_distorted && !reason.is_not_stated && !reason.is_bound);
            few.is_some() && expected.window_s.is_some()
        };
        if summary.expect.iter().any(is_few) {
            self.0.faint(
                "n/a: too few jobs to judge; shown: the jobs of the fullest window, and how many a verdict needs",
            );
        }
        if summary.expect.iter().any(|expected| expected.in_route_order.is_some()) {
            self.0.faint("headroom: about the first number in the order of the routes, at most the second");
        }
        if summary
            .expect
            .iter()
            .any(|expected| expected.not_judged.is_some_and(|reason| reason.is_not_stated))
        {
            self.0.faint("not known: cannot be judged, because the endpoint's replies do not state it");
        }
        if summary.expect.iter().any(|expected| expected.not_judged.is_some_and(|reason| reason.is_distorted))
        {
            self.0.faint("n/a: cannot be judged, because another load was sent than the scenario's");
        }
    }

    fn cost_and_notes(&mut self, summary: &Summary) {
        self.0.line("");
        self.value("cost", &facts::charged(summary));
        for note in notes::sentences(&summary.notes) {
            self.value("note", &note);
        }
        if !summary.reproduce.is_empty() {
            // Not wrapped, so that it can be copied.
            self.0.line(&format!("{:<INDENT$}{}", "reproduce", summary.reproduce));
        }
    }
}

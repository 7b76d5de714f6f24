//! The report of a run for the terminal, in 80 columns: the findings first, then the numbers behind them.

use super::Style;
use super::chart::time_parts;
use super::facts::{self, TIMES, Use};
use super::notes;
use super::text_layout::{fitted, wrap};
use super::verdict;
use crate::formatting::{count, duration, percent, plural};
use crate::record::Summary;

/// The width of a report.
const WIDTH: usize = 80;
/// The column in which values begin.
const INDENT: usize = 13;
/// Characters of a bar.
const BAR: usize = 20;
/// Targets beyond this are added up in one line.
const MAX_TARGETS: usize = 12;

/// Renders the report of a run, ending in a line feed.
#[must_use]
pub fn render(summary: &Summary, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.findings(summary);
    page.run(summary);
    page.jobs(summary);
    page.times(summary);
    page.breakdown(summary);
    page.targets(summary);
    page.expectations(summary);
    page.last(summary);
    page.text
}

/// Renders a share as a bar of `width` characters, in eighths of a character. Shares above 1 fill it.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a few characters")]
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    let full = width * 8;
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 };
    let mut eighths = libm::round(share * full as f64) as usize;
    if share > 0.0 {
        eighths = eighths.max(1);
    }
    (0..width).map(|letter| EIGHTHS[eighths.saturating_sub(letter * 8).min(8)]).collect()
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        let strong = self.style.strong(text);
        self.line(&strong);
    }

    /// Writes a label and its value, wrapped behind the label column.
    fn value(&mut self, name: &str, value: &str) {
        for (place, line) in wrap(value, WIDTH - INDENT).into_iter().enumerate() {
            let name = if place == 0 { name } else { "" };
            self.line(&format!("{name:<INDENT$}{}", fitted(&line, WIDTH - INDENT)));
        }
    }

    fn findings(&mut self, summary: &Summary) {
        for (place, sentence) in verdict::sentences(summary).iter().enumerate() {
            for line in wrap(sentence, WIDTH) {
                let line = fitted(&line, WIDTH);
                let line = if place == 0 { self.style.strong(&line) } else { line };
                self.line(&line);
            }
        }
    }

    fn run(&mut self, summary: &Summary) {
        self.line("");
        let run = format!("{}: {}", fitted(&summary.scenario, 40), facts::run(summary));
        for line in
            wrap(&run, WIDTH).iter().chain(&wrap(&summary.about, WIDTH)).filter(|line| !line.is_empty())
        {
            let faint = self.style.faint(&fitted(line, WIDTH));
            self.line(&faint);
        }
    }

    fn jobs(&mut self, summary: &Summary) {
        self.line("");
        let mut jobs = format!("{} offered", count(summary.jobs.offered));
        for (name, number, share) in facts::jobs(summary) {
            jobs.push_str(&format!(" · {} {name} ({share})", count(number)));
        }
        self.value("jobs", &jobs);
        let attempts = &summary.attempts;
        let numbers =
            [(attempts.ok, "succeeded"), (attempts.limited, "rate-limited"), (attempts.failed, "failed")];
        let mut text = format!("{} sent", count(attempts.total));
        for (number, what) in numbers {
            text.push_str(&format!(" · {} {what}", count(number)));
        }
        self.value("attempts", &text);
        for (name, list) in facts::failures(summary) {
            self.value("", &format!("{name}: {list}"));
        }
    }

    fn times(&mut self, summary: &Summary) {
        let rows = facts::times(summary);
        if rows.is_empty() {
            return;
        }
        self.line("");
        let columns = |cells: &[String]| cells.iter().map(|cell| format!("{cell:>11}")).collect::<String>();
        let head = format!("{:<INDENT$}{}", "", columns(&TIMES.map(str::to_owned)));
        let head = self.style.faint(&head);
        self.line(&head);
        for (name, cells) in rows {
            self.line(&format!("{name:<INDENT$}{}", columns(&cells)));
        }
    }

    fn breakdown(&mut self, summary: &Summary) {
        let parts = time_parts(&summary.time_s);
        let total: f64 = parts.iter().map(|(_, length)| length).sum();
        if total <= 0.0 {
            return;
        }
        self.heading("mean latency of jobs that succeeded, by phase");
        for (name, length) in parts.into_iter().filter(|(_, length)| *length > 0.0) {
            let (bar, mean) = (bar(length / total, BAR), duration(length));
            self.line(&format!("  {name:<18}{bar} {mean:>11}  {:>7}", percent(length / total)));
        }
    }

    fn targets(&mut self, summary: &Summary) {
        self.heading("targets");
        for target in summary.targets.iter().take(MAX_TARGETS) {
            self.line(&format!("  {}", fitted(&target.name, WIDTH - 2)));
            for line in wrap(&facts::traffic(target), WIDTH - 4) {
                self.line(&format!("    {line}"));
            }
            for limit in facts::uses(target) {
                self.limit(&limit);
            }
        }
        if let Some(others) = summary.targets.get(MAX_TARGETS..).filter(|others| !others.is_empty()) {
            let sent = others.iter().map(|target| target.attempts).sum();
            let more = plural(others.len() as u64, "more target");
            self.line(&format!("  and {more} with {} sent", count(sent)));
        }
    }

    fn limit(&mut self, limit: &Use) {
        let used =
            limit.used.map_or_else(|| "not measured".to_owned(), |used| format!("{} used", percent(used)));
        let bar = bar(limit.used.unwrap_or(0.0), BAR - 6);
        let peak = format!("peak {}", percent(limit.peak));
        let peak = if limit.peak >= 0.98 { self.style.bad(&peak) } else { peak };
        let text = format!("    {:<12}{:<19}▕{bar}▏{used:>13}  {peak}", limit.axis, fitted(&limit.limit, 18));
        self.line(&text);
    }

    fn expectations(&mut self, summary: &Summary) {
        if summary.expect.is_empty() {
            return;
        }
        self.heading("expectations");
        for expected in &summary.expect {
            let mark = if expected.pass { self.style.good("pass") } else { self.style.bad("FAIL") };
            let rule = fitted(&expected.rule, 48);
            self.line(&format!("  {mark}  {rule:<50}{}", fitted(&facts::actual(expected), 22)));
        }
    }

    fn last(&mut self, summary: &Summary) {
        self.line("");
        self.value("cost", &facts::charged(summary));
        for note in notes::sentences(&summary.notes) {
            self.value("note", &note);
        }
        if !summary.reproduce.is_empty() {
            // Not wrapped, so that it can be copied.
            self.line(&format!("{:<INDENT$}{}", "reproduce", summary.reproduce));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: a bar has the width asked for, and a larger share never gets a smaller bar.
        #[test]
        fn bars_grow_with_their_share(small in -1.0f64..2.0, more in 0.0f64..2.0, width in 1usize..40) {
            let ink = |bar: &str| -> u32 { bar.chars().map(|letter| match letter { ' ' => 0, full => 0x2590 - u32::from(full) }).sum() };
            let (low, high) = (bar(small, width), bar(small + more, width));
            prop_assert_eq!(low.chars().count(), width);
            prop_assert!(ink(&low) <= ink(&high), "{} {}", low, high);
        }

    }

    #[test]
    fn a_tiny_share_shows_and_a_full_one_fills() {
        assert_eq!(bar(0.0, 4), "    ");
        assert_eq!(bar(1e-9, 4), "▏   ");
        assert_eq!(bar(0.5, 4), "██  ");
        assert_eq!(bar(7.0, 4), "████");
    }
}

//! The worst jobs, each a line behind which lies what happened to it.

use super::page::{ROWS, push, section, text};
use crate::formatting::{count, duration, moment, number, plural};
use crate::record::{JobTrace, Summary, TraceEvent};

/// The sections of the slowest and of the first that failed; empty where nobody kept them.
pub(super) fn sections(summary: &Summary) -> String {
    let part = |title: &str, succeeded: bool| {
        let each = summary.worst.iter().filter(|one| (one.verdict == "succeeded") == succeeded);
        // The first lies open: it shows what is behind the others.
        let opened = std::iter::once(" open").chain(std::iter::repeat(""));
        let stories = each.take(ROWS).zip(opened);
        let stories: String = stories.map(|(one, open)| story(one, open, summary.duration_s)).collect();
        if stories.is_empty() { stories } else { section(title, &stories) }
    };
    part("The slowest answers", true) + &part("The first jobs that were given up", false)
}

/// One job: a line, and what happened behind it.
fn story(story: &JobTrace, open: &str, run_s: f64) -> String {
    let ended = match &story.reason {
        Some(reason) => format!("{} ({})", text(&story.verdict), text(reason)),
        None => "answered".to_owned(),
    };
    let mut html = format!(
        "<details class=\"story\"{open}>\n<summary>{ended} after {}, {}: job {} of {}, due at {}, {} prompt tokens</summary>\n<ol>\n",
        duration(story.latency_s),
        plural(story.attempts.into(), "attempt"),
        count(story.job),
        text(&story.workload),
        moment(story.scheduled_s, run_s),
        count(story.prompt_tokens.into())
    );
    for TraceEvent { at_s, what } in story.moments.iter().take(ROWS) {
        push(&mut html, format_args!("<li><b>{} s</b> {}</li>\n", number(*at_s), text(what)));
    }
    html + "</ol>\n</details>\n"
}

//! The slowest jobs and the first that were not served, each folded with its trace of events.

use super::page::{MAX_ROWS, section, text};
use crate::formatting::{count, duration, moment, number, plural};
use crate::record::{JobTrace, Summary, TraceEvent};
use maud::{Markup, html};

/// Renders both sections; a section without traces is left out.
pub(super) fn sections(summary: &Summary) -> Markup {
    let part = |title: &str, succeeded: bool| {
        let traces: Vec<_> = summary
            .worst
            .iter()
            .filter(|trace| (trace.verdict == "succeeded") == succeeded)
            .take(MAX_ROWS)
            .collect();
        if traces.is_empty() {
            return Markup::default();
        }
        let content = html! {
            // The first is open, so that a reader sees what the others hold.
            @for (index, trace) in traces.into_iter().enumerate() {
                details.story open[index == 0] { (entry(trace, summary.duration_s)) }
            }
        };
        section(title, &content)
    };
    html! {
        (part("The slowest jobs that succeeded", true))
        (part("The first jobs that failed or were shed", false))
    }
}

/// The summary line of one job and its events.
fn entry(trace: &JobTrace, run_s: f64) -> Markup {
    let ended = match &trace.reason {
        Some(reason) => format!("{} ({reason})", trace.verdict),
        None => "succeeded".to_owned(),
    };
    html! {
        summary {
            (text(&ended)) " after " (duration(trace.latency_s)) ", "
            (plural(trace.attempts.into(), "attempt")) ": job " (count(trace.job)) " of " (text(&trace.workload))
            ", scheduled at " (moment(trace.scheduled_s, run_s)) ", "
            (count(trace.prompt_tokens.into())) " prompt tokens"
        }
        ol {
            @for TraceEvent { at_s, what } in trace.moments.iter().take(MAX_ROWS) {
                li { b { (number(*at_s)) " s" } " " (text(what)) }
            }
        }
    }
}

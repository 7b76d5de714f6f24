//! The traces of the slowest jobs, each a line that opens to show its events.

use super::page::{ROWS, push, section, text};
use crate::event::WaitReason;
use crate::formatting::{count, duration, moment, number, plural};
use crate::record::{JobTrace, Summary, TraceEvent, TraceEventKind};

/// Returns the sections of the slowest jobs and of the first that were given up; empty if no traces were kept.
pub(super) fn sections(summary: &Summary) -> String {
    let part = |title: &str, succeeded: bool| {
        let each = summary.worst.iter().filter(|trace| (trace.verdict == "succeeded") == succeeded);
        // The first is open, to show that the others can be opened.
        let opened = std::iter::once(" open").chain(std::iter::repeat(""));
        let traces = each.take(ROWS).zip(opened);
        let traces: String = traces.map(|(trace, open)| details(trace, open, summary.duration_s)).collect();
        if traces.is_empty() { traces } else { section(title, &traces) }
    };
    part("The slowest answers", true) + &part("The first jobs that were given up", false)
}

/// Returns one job as a line with its events behind it.
fn details(trace: &JobTrace, open: &str, run_s: f64) -> String {
    let ended = match &trace.reason {
        Some(reason) => format!("{} ({})", text(&trace.verdict), text(reason)),
        None => "answered".to_owned(),
    };
    let mut html = format!(
        "<details class=\"story\"{open}>\n<summary>{ended} after {}, {}: job {} of {}, due at {}, {} prompt tokens</summary>\n<ol>\n",
        duration(trace.latency_s),
        plural(trace.attempts.into(), "attempt"),
        count(trace.job),
        text(&trace.workload),
        moment(trace.scheduled_s, run_s),
        count(trace.prompt_tokens.into())
    );
    for TraceEvent { at_s, kind } in trace.events.iter().take(ROWS) {
        push(&mut html, format_args!("<li><b>{} s</b> {}</li>\n", number(*at_s), text(&sentence(kind))));
    }
    html + "</ol>\n</details>\n"
}

/// Returns an event in words. Times count from the job's scheduled arrival.
fn sentence(kind: &TraceEventKind) -> String {
    match kind {
        TraceEventKind::Arrived => "arrives".to_owned(),
        TraceEventKind::Queued { waiting } => format!("is queued, {} waiting", count((*waiting).into())),
        TraceEventKind::Waiting { until_s, why } => {
            let why = match why {
                WaitReason::BackOff => "backs off",
                WaitReason::CoolDown => "waits for a cool-down",
                WaitReason::Pace => "is paced",
            };
            format!("{why} until {} s", number(*until_s))
        }
        TraceEventKind::Sent { target, attempt } => format!("attempt {attempt} is sent to {target}"),
        TraceEventKind::Served { target } => format!("answered by {target}"),
        TraceEventKind::Limited { target, by } => format!("refused by {target} ({by})"),
        TraceEventKind::Failed { target, failure } => format!("failed at {target} ({failure})"),
        TraceEventKind::Abandoned { target } => format!("cancels the attempt at {target}"),
        TraceEventKind::FellBack { step } => format!("falls back to step {step}"),
        TraceEventKind::CacheHit => "answered from the cache".to_owned(),
        TraceEventKind::Coalesced { leader } => format!("waits for job {leader}, which is identical"),
        TraceEventKind::Promoted { leader } => {
            format!("continues on its own: job {leader}, which it followed, was given up")
        }
        TraceEventKind::LeftOut { events } => format!("({} left out)", plural((*events).into(), "event")),
        TraceEventKind::Done { verdict, reason: Some(reason) } => format!("{verdict}: {reason}"),
        TraceEventKind::Done { verdict, reason: None } => verdict.clone(),
        TraceEventKind::Sentence { what } => what.clone(),
    }
}

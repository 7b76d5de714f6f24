//! The slowest jobs that succeeded and the first that did not, each with its trace of events, collapsed except for the first of
//! each section.

use super::page::{MAX_ROWS, section, text};
use crate::event::WaitReason;
use crate::formatting::{RunTime, count, duration, moment, number, plural};
use crate::record::{JobTrace, Summary, TraceEvent, TraceEventKind};
use maud::{Markup, html};

/// Renders both sections; a section without traces is left out.
pub(super) fn sections(summary: &Summary) -> Markup {
    let part = |title: &str, succeeded: bool| {
        let traces: Vec<_> = summary
            .job_traces
            .iter()
            .filter(|trace| (trace.verdict == "succeeded") == succeeded)
            .take(MAX_ROWS)
            .collect();
        if traces.is_empty() {
            return Markup::default();
        }
        let run = summary.run_time();
        let content = html! {
            // The first is open, so that a reader sees what the others hold.
            @for (index, trace) in traces.into_iter().enumerate() {
                details.trace open[index == 0] { (entry(trace, &run)) }
            }
        };
        section(title, &content)
    };
    html! {
        (part("The slowest jobs that succeeded", true))
        (part("The first jobs that failed or were shed", false))
    }
}

/// Renders the summary line of one job and its events.
fn entry(trace: &JobTrace, run: &RunTime) -> Markup {
    let ended = match &trace.reason {
        Some(reason) => format!("{} ({reason})", trace.verdict),
        None => "succeeded".to_owned(),
    };
    html! {
        summary {
            (text(&ended)) " after " (duration(trace.latency_s)) ", "
            (plural(trace.attempts.into(), "attempt")) ": job " (count(trace.job)) " of " (text(&trace.workload))
            ", scheduled at " (moment(trace.scheduled_s, run)) ", "
            (count(trace.prompt_tokens.into())) " prompt tokens"
        }
        ol {
            @for TraceEvent { at_s, kind } in trace.events.iter().take(MAX_ROWS) {
                li { b { (number(*at_s)) " s" } " " (text(&sentence(kind))) }
            }
        }
    }
}

/// Returns an event in words. Times count from the job's scheduled arrival.
fn sentence(kind: &TraceEventKind) -> String {
    match kind {
        TraceEventKind::Arrived => "arrives".to_owned(),
        TraceEventKind::Queued { waiting } => format!("is queued, {} waiting", count((*waiting).into())),
        TraceEventKind::Waiting { until_s, why, may_extend } => {
            let why = match why {
                WaitReason::BackOff => "backs off",
                WaitReason::CoolDown => "waits for a cool-down",
                WaitReason::Pace => "is paced",
                WaitReason::Probe => "waits for a probe",
                WaitReason::ClientBudget => "waits for the budget",
            };
            let least = if *may_extend { "at least " } else { "" };
            format!("{why} until {least}{} s", number(*until_s))
        }
        TraceEventKind::Hedged => "has no answer yet and is hedged".to_owned(),
        TraceEventKind::Sent { target, attempt } => format!("attempt {attempt} is sent to {target}"),
        TraceEventKind::Served { target } => format!("served by {target}"),
        TraceEventKind::Limited { target, by } => format!("refused by {target} ({by})"),
        TraceEventKind::Failed { target, failure } => format!("failed at {target} ({failure})"),
        TraceEventKind::Abandoned { target } => format!("cancels the attempt at {target}"),
        TraceEventKind::FellBack { step } => format!("falls back to step {step}"),
        TraceEventKind::CacheHit => "served from the cache".to_owned(),
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

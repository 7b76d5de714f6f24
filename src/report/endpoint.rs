//! A run through an endpoint in words: what its replies state, and what is not known.

use super::page::{self, cell, section, table, text};
use crate::formatting::{RunTime, count, duration, moment, number, percent, plural, share_of, usd};
use crate::record::{EndpointBound, EndpointResult, StatedTarget};
use maud::{Markup, html};

/// What is shown in place of a number that no reply states.
pub(super) const NOT_KNOWN: &str = "not known";

/// The most targets that a sentence names.
const MAX_NAMED: usize = 4;

/// Says that a bound has ended the run.
pub(super) fn stopped(at_s: f64, planned_s: f64, bound: EndpointBound) -> String {
    let why = match bound {
        EndpointBound::Requests { max } => format!("the bound of {} is reached", plural(max, "request")),
        EndpointBound::Cost { max_usd, spent_usd, reserved_usd } => format!(
            "the next request could exceed the bound of {} ({} spent, {} reserved for requests in flight)",
            usd(max_usd),
            usd(spent_usd),
            usd(reserved_usd)
        ),
    };
    format!(
        "The run was ended after {} of {}, because {why}: the result is partial and covers that time only.",
        duration(at_s),
        duration(planned_s)
    )
}

/// Says what the endpoint itself refused.
pub(super) fn refusals(
    (refused, requests, answers): (u64, u64, u64),
    first_at_s: Option<f64>,
    (with_wait, wait_p50_s): (u64, Option<f64>),
    run: &RunTime,
) -> String {
    let Some(first_at_s) = first_at_s.filter(|_| refused > 0) else {
        return format!(
            "The endpoint refused none of {}, and answered {}. What was refused behind it, and what the limits there allow, is not known.",
            plural(requests, "request"),
            count(answers)
        );
    };
    let waits = match wait_p50_s {
        None => "none of the refusals states a wait".to_owned(),
        Some(p50_s) if with_wait == refused => {
            format!("they state waits, the median is {}", duration(p50_s))
        }
        Some(p50_s) => format!("{} state waits, the median is {}", count(with_wait), duration(p50_s)),
    };
    format!(
        "The endpoint refused {} of {} ({}), the first at {}; {waits}. The limits behind it are not known.",
        count(refused),
        plural(requests, "request"),
        percent(share_of(refused, requests).unwrap_or(0.0)),
        moment(first_at_s, run)
    )
}

/// Says which targets answered, and after how many attempts.
pub(super) fn targets(
    answers: u64,
    targets: &[StatedTarget],
    fallback_share: Option<f64>,
    attempts_per_answer: Option<f64>,
) -> String {
    let attempts = match attempts_per_answer {
        Some(1.0) => "one attempt per answer behind the endpoint".to_owned(),
        Some(attempts) => format!("{} attempts per answer behind the endpoint", number(attempts)),
        None => "the attempts behind the endpoint are not known".to_owned(),
    };
    if targets.is_empty() {
        return format!("The replies do not all state which target answered; {attempts}.");
    }
    let share = |target: &StatedTarget| percent(share_of(target.answers, answers).unwrap_or(0.0));
    let named = targets.iter().take(MAX_NAMED);
    let mut each: Vec<String> = named.map(|target| format!("{} {}", target.name, share(target))).collect();
    let others = targets.len().saturating_sub(MAX_NAMED);
    if others > 0 {
        each.push(plural(others as u64, "other target"));
    }
    let fallback = match fallback_share {
        Some(share) => format!("{} by a fallback", percent(share)),
        None => "the share of fallbacks is not known".to_owned(),
    };
    format!("Answered by {}: {fallback}, {attempts}.", each.join(", "))
}

/// Returns the rows on an endpoint: label and value.
pub(super) fn rows(endpoint: &EndpointResult) -> Vec<(&'static str, String)> {
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| NOT_KNOWN.to_owned());
    let refusals = &endpoint.refusals;
    let waits = refusals.wait_s.as_ref().map(|waits| {
        format!(
            "stated by {} of {}: p50 {}, p95 {}, longest {}",
            count(refusals.with_wait),
            count(refusals.requests),
            duration(waits.p50),
            duration(waits.p95),
            duration(waits.max)
        )
    });
    let waited = endpoint.waited_s.as_ref();
    let waited = waited.map(|waited| format!("p50 {}, p95 {}", duration(waited.p50), duration(waited.p95)));
    let cost = endpoint.cost.answers_usd.map(|cost| format!("{} by the scenario's prices", usd(cost)));
    let mut rows = vec![
        ("fallback share", or_unknown(endpoint.fallback_share.map(percent))),
        ("attempts per answer", or_unknown(endpoint.attempts_per_answer.map(number))),
        ("waited behind it", or_unknown(waited)),
        ("refused by it", count(refusals.requests)),
    ];
    if refusals.requests > 0 {
        rows.push(("waits it stated", or_unknown(waits)));
    }
    rows.push(("cost of answers", or_unknown(cost)));
    if let (Some(max), Some(counted)) = (endpoint.cost.max_usd, endpoint.cost.counted_usd) {
        rows.push(("of --max-cost", format!("{} of {}", usd(counted), usd(max))));
    }
    for unknown in ["limits behind it", "refused behind it", "cost of attempts that did not answer"] {
        rows.push((unknown, NOT_KNOWN.to_owned()));
    }
    rows
}

/// Returns the targets that answered: name, answers, and share.
pub(super) fn target_rows(endpoint: &EndpointResult) -> Vec<(&str, u64, String)> {
    let share = |answers| percent(share_of(answers, endpoint.answers).unwrap_or(0.0));
    let stated = endpoint.targets.iter().map(|target| (target.name.as_str(), target.answers));
    let unstated = endpoint.answers.saturating_sub(endpoint.with_target);
    let unstated = (unstated > 0).then_some(("(no target stated)", unstated));
    stated.chain(unstated).map(|(name, answers)| (name, answers, share(answers))).collect()
}

/// Renders the section on an endpoint.
pub(super) fn part(endpoint: &EndpointResult) -> Markup {
    let targets: Vec<Vec<Markup>> = target_rows(endpoint)
        .into_iter()
        .map(|(name, answers, share)| vec![cell(name), cell(count(answers)), cell(share)])
        .collect();
    let facts: Vec<Vec<Markup>> =
        rows(endpoint).into_iter().map(|(name, value)| vec![cell(name), cell(value)]).collect();
    let models = endpoint.models.iter().map(|(route, model)| format!("{route} as {model}"));
    let content = html! {
        p.note { (text(&endpoint.url)) ": " (text(&models.collect::<Vec<_>>().join(", "))) }
        @if !targets.is_empty() { (table(&["target", "answers", "share"], 1, &targets)) }
        (table(&["", ""], 2, &facts))
        (page::notes(&[SEEN_FROM_OUTSIDE]))
    };
    section("The endpoint", &content)
}

/// Explains what the requests and tokens of a run through an endpoint are.
pub(super) const SEEN_FROM_OUTSIDE: &str =
    "Seen from outside: requests are those to the endpoint, tokens those that its answers state.";

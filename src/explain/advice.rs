//! Advice on a refusal, the most useful first.

use super::facts::{Admission, Facts};
use super::text::wait_text;
use crate::engine::parse::{ParsedFailure, Refusal};
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::{Axis, Nanos};

/// Returns the advice on a failure, in complete sentences.
pub(super) fn advice(failure: &ParsedFailure, facts: &Facts) -> Vec<String> {
    let ParsedFailure { cause, ref refusal, .. } = *failure;
    let one = |sentence: &str| vec![sentence.to_owned()];
    match cause {
        LimitCause::MinuteLimit | LimitCause::DayLimit => rate_limit(failure, facts),
        LimitCause::TooLarge => too_large(refusal),
        LimitCause::Overload => overload(failure.wait),
        LimitCause::Auth => {
            one("Check the key: it is wrong, revoked or lacks permission. Do not retry with this key.")
        }
        LimitCause::Billing => {
            one("Check the account's balance and plan. Do not retry until that is settled.")
        }
        LimitCause::Concurrency => concurrency(refusal, facts),
        LimitCause::NotInTier => one(
            "Choose a model that the plan includes, or change the plan. Its quota for this model is zero, so waiting does not \
             help.",
        ),
        LimitCause::Other => match failure.wait {
            Some(wait) => vec![format!("Wait {} and retry.", wait_text(wait.length))],
            None => one(
                "The reply does not state the reason. If its status is 400 or 404, change the request; otherwise back off with \
                 jitter.",
            ),
        },
    }
}

fn rate_limit(failure: &ParsedFailure, facts: &Facts) -> Vec<String> {
    let ParsedFailure { cause, ref refusal, wait, .. } = *failure;
    let mut advice = vec![retry_sentence(wait)];
    advice.extend(facts.day_reset_sentence.filter(|_| cause == LimitCause::DayLimit).map(str::to_owned));
    match refusal.axis {
        Some(axis) if axis.counts_tokens() => advice.extend(save_tokens(axis, refusal, facts)),
        Some(axis) => advice.extend(pace_sentence(axis, refusal.limit)),
        None => {}
    }
    let owner = facts.owner;
    advice.push(format!(
        "Use another {}, model or provider. Another key of the same {owner} shares this quota and does not help.",
        if owner == "organisation" { "account" } else { owner }
    ));
    advice
}

fn retry_sentence(wait: Option<Wait>) -> String {
    let Some(Wait { length, kind }) = wait else {
        return "Back off exponentially with jitter: the reply does not state a wait.".into();
    };
    let length = wait_text(length);
    match kind {
        WaitKind::UntilAdmitted => format!("Wait {length} and retry. An earlier retry is refused again."),
        WaitKind::UntilFull => format!(
            "Back off with jitter, for at most {length}: the limit is full then, and one request fits much earlier."
        ),
        WaitKind::UntilWindowEnds => format!(
            "Wait {length} for the end of the window, which restores the whole limit. Spread the retries, or all waiting \
             requests arrive at once."
        ),
        WaitKind::Suggested => format!("Wait {length}, as the provider suggests, plus jitter."),
        WaitKind::Meaningless => {
            format!("Ignore the stated wait of {length}: this limit takes longer to recover.")
        }
    }
}

/// Returns how to use fewer tokens of a limit, by what the provider counts at admission.
fn save_tokens(axis: Axis, refusal: &Refusal, facts: &Facts) -> Vec<String> {
    let pace =
        |reserve: &str| format!("Pace by tokens on the client: reserve {reserve}, settle at the reply.");
    match facts.admission {
        _ if axis == Axis::Itpm => {
            vec!["Shorten or cache prompts: this limit counts input tokens only.".into(), pace("the prompt")]
        }
        Admission::PromptAndMaxTokens | Admission::PromptAndModelMaximum => {
            let smaller = refusal.limit.zip(refusal.requested).filter(|pair| pair.0 > 0 && pair.1 > 0).map(
                |(limit, requested)| {
                    format!(
                        "Make requests smaller: this one reserves {requested} of {limit} tokens, prompt and max_tokens \
                         together. max_tokens counts in full at admission, even if the completion is short."
                    )
                },
            );
            let bounded = (facts.admission == Admission::PromptAndModelMaximum).then(|| {
                "Always send max_tokens: without it, a request reserves the longest completion of the model.".to_owned()
            });
            smaller.into_iter().chain(bounded).chain([pace("prompt + max_tokens")]).collect()
        }
        Admission::Prompt => vec![
            "Shorten prompts: the prompt counts at admission, max_tokens does not.".into(),
            pace("the prompt"),
        ],
        Admission::AfterReply => vec![
            "Keep headroom: prompt and completion are charged after the reply, so requests in flight can exceed the limit."
                .into(),
            pace("prompt + the typical completion"),
        ],
        Admission::Unknown => vec![pace("prompt + max_tokens")],
    }
}

fn pace_sentence(axis: Axis, limit: Option<u64>) -> Option<String> {
    let (limit, window) = (limit.filter(|limit| *limit > 0)?, axis.window_length()?);
    let period = match window {
        Nanos::MINUTE => "minute",
        Nanos::HOUR => "hour",
        _ => "day",
    };
    let (plural, singular) = match axis {
        Axis::Ash | Axis::Asd => ("seconds of audio", "second"),
        _ => ("requests", "request"),
    };
    let interval = wait_text(Nanos(window.0 / limit));
    Some(format!("Pace {plural}: {limit} per {period} is one {singular} every {interval}."))
}

fn too_large(refusal: &Refusal) -> Vec<String> {
    if refusal.axis.is_none() {
        return too_long(refusal);
    }
    let smaller = match refusal.limit.filter(|limit| *limit > 0) {
        Some(limit) => {
            format!(
                "Request at most {limit} tokens (prompt + max_tokens), or use a model with a larger limit."
            )
        }
        None => "Shorten the prompt or max_tokens, or use a model with a larger limit.".into(),
    };
    vec![
        "Do not retry this request unchanged: it is larger than the limit, so waiting does not help.".into(),
        smaller,
    ]
}

/// Returns the advice on a request that exceeds the context or the longest completion of the model.
fn too_long(refusal: &Refusal) -> Vec<String> {
    let maximum = refusal.limit.map(|limit| format!(" The maximum is {limit} tokens.")).unwrap_or_default();
    vec![
        "Do not retry this request unchanged: it does not fit the model, so waiting does not help.".into(),
        format!(
            "Shorten the messages, lower max_tokens, or use a model with a larger context or longer completions.{maximum}"
        ),
        "Another key, account or plan does not help: the model imposes this maximum, not a quota.".into(),
    ]
}

fn overload(wait: Option<Wait>) -> Vec<String> {
    let fall_back = "Back off with jitter and fall back to another provider: this one lacks capacity, and no quota of yours is \
                     exhausted. Another key or account of the same provider is affected too.";
    let suggested =
        wait.map(|wait| format!("Wait at least {}, as the provider suggests.", wait_text(wait.length)));
    [fall_back.to_owned()].into_iter().chain(suggested).collect()
}

fn concurrency(refusal: &Refusal, facts: &Facts) -> Vec<String> {
    let cap = match refusal.limit {
        Some(limit) => format!("Limit the client to {limit} requests in flight."),
        None => "Limit the number of requests in flight.".into(),
    };
    let shared = format!(
        "All keys of one {} share this limit. A slot is free as soon as a request ends.",
        facts.owner
    );
    vec![cap, shared]
}

//! What to do about a refusal, the most useful first.

use super::facts::{Counts, Facts};
use super::text::wait_words;
use crate::engine::parse::{ParsedFailure, Refusal};
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::{Axis, Nanos};

/// The advice for a failure, in whole sentences.
pub(super) fn advice(failure: &ParsedFailure, facts: &Facts) -> Vec<String> {
    let ParsedFailure { cause, ref refusal, .. } = *failure;
    let one = |sentence: &str| vec![sentence.to_owned()];
    match cause {
        LimitCause::MinuteLimit | LimitCause::DayLimit => limit(failure, facts),
        LimitCause::TooLarge => too_large(refusal),
        LimitCause::Overload => overload(failure.wait),
        LimitCause::Auth => {
            one("Check the key: it is wrong, revoked or not allowed here. Retrying cannot succeed.")
        }
        LimitCause::Billing => one("Check the account's balance or plan. Retrying cannot succeed."),
        LimitCause::Concurrency => concurrency(refusal, facts),
        LimitCause::NotInTier => one(
            "Choose a model of your plan, or another plan: this one has no quota for the model, and no wait gives it any.",
        ),
        LimitCause::Other => match failure.wait {
            Some(wait) => vec![format!("Wait {} and try again.", wait_words(wait.length))],
            None => one(
                "The reply does not say why. If its status is 400 or 404, change the request; else back off with jitter.",
            ),
        },
    }
}

fn limit(failure: &ParsedFailure, facts: &Facts) -> Vec<String> {
    let ParsedFailure { cause, ref refusal, wait, .. } = *failure;
    let mut advice = vec![come_back(wait)];
    advice.extend(facts.day_ends.filter(|_| cause == LimitCause::DayLimit).map(str::to_owned));
    match refusal.axis {
        Some(axis) if axis.counts_tokens() => advice.extend(spend_less(axis, refusal, facts)),
        Some(axis) => advice.extend(spacing(axis, refusal.limit)),
        None => {}
    }
    let owner = facts.owner;
    advice.push(format!(
        "Another key of the same {owner} shares this quota and does not help; another {}, model or provider does.",
        if owner == "organisation" { "account" } else { owner }
    ));
    advice
}

fn come_back(wait: Option<Wait>) -> String {
    let Some(Wait { length, meaning }) = wait else {
        return "Back off with jitter, longer each time: the reply does not say when there is room.".into();
    };
    let length = wait_words(length);
    match meaning {
        WaitKind::UntilEnough => {
            format!("Wait {length} and send the same request again; earlier is refused again.")
        }
        WaitKind::UntilFull => format!(
            "Back off with jitter, for {length} at most: by then the limit is wholly free, and there is room for one \
             request well before."
        ),
        WaitKind::UntilWindowEnds => format!(
            "Wait {length}: the window ends then and the whole limit is back. Quantiles what comes after, or everybody who \
             waited returns at once."
        ),
        WaitKind::Suggested => {
            format!("Wait {length}, which is what the provider suggests, and some jitter.")
        }
        WaitKind::Meaningless => format!("Do not wait {length}: the number is no measure of this limit."),
    }
}

/// What makes a token limit go further, by what the provider counts.
fn spend_less(axis: Axis, refusal: &Refusal, facts: &Facts) -> Vec<String> {
    let pace = |what: &str| format!("Pace by tokens on the client: {what}.");
    match facts.counts {
        _ if axis == Axis::Itpm => vec![
            "Shorten or cache prompts: only what goes in counts here.".into(),
            pace("reserve the prompt, settle at the reply"),
        ],
        Counts::PromptAndMax | Counts::PromptAndAll => {
            let share = refusal.limit.zip(refusal.requested).filter(|(limit, requested)| *limit > 0 && *requested > 0);
            let smaller = share.map(|(limit, requested)| format!(
                "Make requests smaller: this one reserves {requested} of {limit} tokens, prompt and max_tokens together. \
                 max_tokens counts in full at admission, even if the answer is short."
            ));
            let bounded = (facts.counts == Counts::PromptAndAll).then(|| {
                "Always send max_tokens: without it a request counts as the longest answer that the model may give."
                    .to_owned()
            });
            let reserve = pace("reserve prompt + max_tokens, settle at the reply");
            smaller.into_iter().chain(bounded).chain([reserve]).collect()
        }
        Counts::Prompt => vec![
            "Shorten prompts: the prompt counts at admission, max_tokens does not.".into(),
            pace("reserve the prompt, settle at the reply"),
        ],
        Counts::Afterwards => vec![
            "Leave room: prompt and answer are charged after the reply, so requests in flight overshoot the limit.".into(),
            pace("reserve prompt + the usual answer, settle at the reply"),
        ],
        Counts::Unsaid => vec![pace("reserve prompt + max_tokens, settle at the reply")],
    }
}

fn spacing(axis: Axis, limit: Option<u64>) -> Option<String> {
    let (limit, window) = (limit.filter(|limit| *limit > 0)?, axis.window()?);
    let period = match window {
        Nanos::MINUTE => "minute",
        Nanos::HOUR => "hour",
        _ => "day",
    };
    let what = if matches!(axis, Axis::Ash | Axis::Asd) { "seconds of audio" } else { "requests" };
    Some(format!(
        "Space {what} evenly: {limit} a {period} is one every {}.",
        wait_words(Nanos(window.0 / limit))
    ))
}

fn too_large(refusal: &Refusal) -> Vec<String> {
    if refusal.axis.is_none() {
        return too_long(refusal);
    }
    let most = match refusal.limit.filter(|limit| *limit > 0) {
        Some(limit) => {
            format!(
                "Ask for at most {limit} tokens (prompt + max_tokens), or send it to a model with a larger limit."
            )
        }
        None => "Shorten the prompt or max_tokens, or send it to a model with a larger limit.".into(),
    };
    vec!["Never retry this as it is: it asks for more than the limit itself, so no wait helps.".into(), most]
}

/// The model's own bounds, not those of a quota.
fn too_long(refusal: &Refusal) -> Vec<String> {
    let most = refusal.limit.map(|limit| format!(" It takes {limit} tokens at most."));
    vec![
        "Never retry this as it is: it does not fit the model, so no wait helps.".into(),
        format!(
            "Shorten the messages, ask for a shorter answer (max_tokens counts in full), or send it to a model with a longer \
             context or answer.{}",
            most.unwrap_or_default()
        ),
        "Another key, account or plan does not help: the bound is the model's, and no quota is concerned."
            .into(),
    ]
}

fn overload(wait: Option<Wait>) -> Vec<String> {
    let fall_back = "Back off with jitter and fall back to another provider: the provider is out of capacity, your quota is \
                     not the reason. Another key or account of the same provider meets the same load.";
    let suggested =
        wait.map(|wait| format!("It suggests {}: take that as the least.", wait_words(wait.length)));
    [fall_back.to_owned()].into_iter().chain(suggested).collect()
}

fn concurrency(refusal: &Refusal, facts: &Facts) -> Vec<String> {
    let cap = match refusal.limit {
        Some(limit) => format!("Send fewer requests at once: cap the number in flight at {limit}."),
        None => "Send fewer requests at once: cap the number in flight.".into(),
    };
    vec![
        cap,
        format!(
            "The keys of one {} share the cap; a request that ends frees its place at once.",
            facts.owner
        ),
    ]
}

//! Advice on a refusal, the most useful first.

use super::Explanation;
use super::facts::{Admission, Facts};
use super::text::{period, wait_text};
use crate::engine::parse::{ParsedFailure, Reason, Refusal, Unit};
use crate::engine::{Wait, WaitKind, is_permanent_status};
use crate::event::RefusalCause;
use provider::{Axis, Nanos};

/// Returns the advice on a refusal, in complete sentences.
pub(super) fn advice(explanation: &Explanation) -> Vec<String> {
    let Explanation { failure, facts, .. } = explanation;
    let one = |sentence: &str| vec![sentence.to_owned()];
    if !explanation.refusals.is_empty() {
        return of_list(explanation);
    }
    if let Some(sentence) = failure.reason.map(by_reason) {
        return one(sentence);
    }
    match failure.cause {
        RefusalCause::ShortLimit | RefusalCause::DayLimit => rate_limit(explanation),
        RefusalCause::Allowance => allowance(explanation),
        RefusalCause::TooLarge => too_large(failure),
        RefusalCause::Overload => overload(failure.wait),
        RefusalCause::Auth => {
            one("Check the key: it is wrong, revoked or lacks permission. Do not retry with this key.")
        }
        RefusalCause::Billing => one(
            "Check the account's balance, plan and spend limit. Do not retry until that is corrected; another account or provider \
             can serve meanwhile.",
        ),
        RefusalCause::Concurrency => concurrency(failure, facts),
        RefusalCause::NotInTier => one(
            "Choose a model that the plan includes, or change the plan. Its quota for this model is zero, so waiting does not \
             help.",
        ),
        RefusalCause::Other | RefusalCause::SharedQuota | RefusalCause::SharedCoolDown => other(explanation),
    }
}

/// Returns the advice on an error whose code or sentence states a reason.
const fn by_reason(reason: Reason) -> &'static str {
    match reason {
        Reason::ModelWithdrawn => {
            "Change the model: the provider has withdrawn this one. No retry can succeed."
        }
        Reason::ModelUnknown => {
            "Check the name of the model, and whether the account has access to it. No retry can succeed."
        }
        Reason::AccountRestricted => {
            "Contact the provider's support: it has restricted the account. No key of it is served, and no retry can succeed."
        }
        Reason::UnknownPath => {
            "Correct the base URL: no endpoint has this path. A path given twice is the usual mistake."
        }
        Reason::OutputRejected => {
            "Retry once, or change the prompt or the schema: the model did not produce what the request demands. No limit refused."
        }
        Reason::CallerBudgetSpent => {
            "Wait until the budget is renewed, or ask the gateway's operator for a larger one (`callers` in its scenario). No provider \
             refused, so another model or provider does not help."
        }
        Reason::CallerBudgetInUse => {
            "Retry after a second, with jitter, or send fewer requests at one time, or a lower `max_tokens`: that much is reserved for each. \
             No provider refused."
        }
        Reason::CallerBudgetElsewhere => {
            "Retry after the stated wait, with jitter, and tell the gateway's operator: its replicas do not reach Redis, and divide the \
             budget until they do. No provider refused."
        }
        Reason::RouteIsLimited => {
            "Retry after the stated wait, with jitter. If it happens often, the gateway's operator can add targets or accounts to the route; \
             another key of yours at the gateway does not help."
        }
        Reason::RouteIsBusy => {
            "Retry after the stated wait, with jitter. If it happens often, the gateway's operator can raise `concurrency`, `queue` or \
             `deadline` of its client, or add targets to the route."
        }
        Reason::RouteIsTooSmall => {
            "Send a shorter prompt or a lower `max_tokens`, or ask the gateway's operator for a target with larger limits. No retry can \
             succeed."
        }
        Reason::ClientBlocked => {
            "Change where the request comes from: the client was refused, not the key. No retry can succeed."
        }
        Reason::WorkerFull => {
            "Retry after a short back-off, or route to another provider: one worker of the provider is full, no quota of yours."
        }
    }
}

/// Returns the advice on a reply whose reason is not known: by its status, and by who answered.
fn other(explanation: &Explanation) -> Vec<String> {
    let Explanation { failure, status, .. } = explanation;
    let is_proxy = explanation.answered_by == Some("proxy");
    if *status == Some(407) {
        return vec![
            "Authenticate at the proxy of your own network: it refused the request, not the provider.".into(),
        ];
    }
    if is_proxy && *status == Some(401) {
        return vec![
            "Check the credentials of the request: a proxy refused them, which is that of the provider or one before it. No retry can \
             succeed."
                .into(),
        ];
    }
    if is_proxy && *status == Some(403) {
        return vec![
            "Change what the proxy refuses, not the key: the user agent, the address or the country of the client. It blocks the \
             request before the provider sees it."
                .into(),
        ];
    }
    if let Some(wait) = failure.wait {
        let advice = format!("Wait {} and retry, with jitter.", wait_text(wait.length));
        let proxy = "Ask the operator of the proxy for its limit: it counts requests, whatever they cost at the provider.";
        return [advice].into_iter().chain(is_proxy.then(|| proxy.to_owned())).collect();
    }
    let advice = match status {
        Some(404) => {
            "Check the URL and the name of the model: status 404 says that one of them does not exist. No retry can succeed."
        }
        Some(status) if is_permanent_status(*status) => {
            "Change the request: by its status it can never succeed as it is."
        }
        Some(429) => "Back off exponentially with jitter: the reply states neither the limit nor a wait.",
        Some(_) => "Back off with jitter and retry: the reply does not state the reason.",
        None => {
            "The reply does not state the reason. If its status is 400 or 404, change the request; otherwise back off with jitter."
        }
    };
    vec![advice.to_owned()]
}

/// Returns the advice on an allowance of a plan.
fn allowance(explanation: &Explanation) -> Vec<String> {
    let failure = &explanation.failure;
    let until = match (failure.wait, &failure.reset_at) {
        (Some(wait), _) => format!("Stop sending with this account for {}: ", wait_text(wait.length)),
        (None, Some(reset)) => {
            let at = explanation.resets_at.as_deref().unwrap_or(&reset.stated);
            format!("Stop sending with this account until {at}: ")
        }
        (None, None) => "Stop sending with this account until the allowance resets: ".to_owned(),
    };
    if explanation.answered_by == Some("proxy") {
        let proxy = "Ask the operator of the proxy for a larger quota: it is one that the proxy counts, not the provider.";
        return vec![
            until + "its quota at the proxy is used up, and an earlier retry cannot help.",
            proxy.to_owned(),
        ];
    }
    let mut advice = vec![
        until + "the allowance of its plan is used up, and a retry within seconds or minutes cannot help.",
        "Use another account or provider meanwhile. Another key or model of the same account does not help."
            .to_owned(),
    ];
    // OpenAI gives accounts without a payment method limits per minute that refill over days (published refusals); the same is
    // assumed of other providers.
    if failure.contradicted_window.is_some() {
        advice.push(
            "Add a payment method or a paid plan: a limit that refills over so long a time is that of an account without one."
                .to_owned(),
        );
    }
    advice
}

/// Returns the advice on a gateway's list: the first remedy of each refusal in it.
fn of_list(explanation: &Explanation) -> Vec<String> {
    let lead = "Do not retry within seconds: the gateway failed because each provider behind it refused. One of these remedies is \
                enough:";
    let remedies = explanation.refusals.iter().filter_map(|refusal| {
        let name = refusal.provider.unwrap_or("a provider that is not named");
        Some(format!("{name} ({}): {}", refusal.cause, refusal.advice.first()?))
    });
    [lead.to_owned()].into_iter().chain(remedies).collect()
}

fn rate_limit(explanation: &Explanation) -> Vec<String> {
    let Explanation { failure, facts, .. } = explanation;
    let ParsedFailure { cause, ref refusal, wait, .. } = *failure;
    let is_short = refusal.window.is_some_and(|window| window <= Nanos::SECOND);
    let mut advice = vec![if is_short {
        "Spread the requests evenly: this limit counts over one second, so a wait of a second is enough."
            .to_owned()
    } else {
        retry_sentence(wait, explanation.resets_at.as_deref())
    }];
    advice.extend(facts.day_reset_sentence.filter(|_| cause == RefusalCause::DayLimit).map(str::to_owned));
    match refusal.unit {
        Some(Unit::Tokens | Unit::InputTokens | Unit::UncachedTokens | Unit::OutputTokens) => {
            let axis = refusal.axis.unwrap_or(Axis::Tpm);
            advice.extend(save_tokens(axis, refusal, facts));
        }
        _ => advice.extend(pace_sentence(refusal)),
    }
    let owner = refusal.scope.unwrap_or(facts.owner);
    advice.push(format!(
        "Use another {}, model or provider. Another key of the same {owner} shares this quota and does not help.",
        if owner == "organisation" { "account" } else { owner }
    ));
    advice
}

/// Returns when to retry: after the wait or, without one, at the moment at which the limit resets.
fn retry_sentence(wait: Option<Wait>, resets_at: Option<&str>) -> String {
    let Some(Wait { length, kind }) = wait else {
        return match resets_at {
            Some(at) => format!("Wait until {at} and retry, with jitter: the limit resets then."),
            None => "Back off exponentially with jitter: the reply does not state a wait.".into(),
        };
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
        _ if axis == Axis::Otpm => vec![
            "Ask for shorter completions: this limit counts output tokens only.".into(),
            pace("the expected completion"),
        ],
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

fn pace_sentence(refusal: &Refusal) -> Option<String> {
    let (limit, window) = (refusal.limit.filter(|limit| *limit > 0)?, refusal.window?);
    let period = period(window);
    let (plural, singular) = match refusal.unit? {
        Unit::AudioSeconds => ("seconds of audio", "second"),
        Unit::Requests => ("requests", "request"),
        _ => return None,
    };
    let interval = wait_text(Nanos(window.0 / limit));
    Some(format!("Pace {plural}: {limit} per {period} is one {singular} every {interval}."))
}

fn too_large(failure: &ParsedFailure) -> Vec<String> {
    let refusal = &failure.refusal;
    if failure.exceeds_model {
        return too_long(refusal);
    }
    let smaller = match refusal.limit.filter(|limit| *limit > 0) {
        Some(limit) => {
            format!(
                "Request at most {limit} tokens (prompt + max_tokens), or use a model or plan with a larger limit."
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

fn concurrency(failure: &ParsedFailure, facts: &Facts) -> Vec<String> {
    let refusal = &failure.refusal;
    let cap = match refusal.limit {
        Some(limit) => format!(
            "Limit the client to {limit} requests in flight: fewer parallel workers help, the same number that send less often does not."
        ),
        None => {
            "Limit the number of requests in flight: fewer parallel workers help, the same number that send less often does not."
                .into()
        }
    };
    let wait = failure.wait.map(|wait| format!("Wait {} before the next attempt.", wait_text(wait.length)));
    let shared = format!(
        "All keys of one {} share this limit. A slot is free as soon as a request ends, so wait for your own calls.",
        refusal.scope.unwrap_or(facts.owner)
    );
    [cap].into_iter().chain(wait).chain([shared]).collect()
}

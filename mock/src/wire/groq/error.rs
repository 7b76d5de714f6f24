//! What Groq says when it does not serve: refusals of a limit, and everything else that can be wrong.

use crate::axis::Axis;
use crate::config::Tier;
use crate::decision::Denial;
use crate::length::{Bound, TooLong};
use crate::wire::envelope::{Member, Members, reason};
use crate::wire::go_duration::GoDuration;
use crate::wire::pieces::put;
use crate::wire::{Answer, Context, Error, json};

/// What is said to a call that a limit refused.
pub(super) fn refusal(denial: &Denial, context: &Context<'_>) -> Answer {
    let status = if denial.oversize && !oversize_output(denial) { 413 } else { 429 };
    let mut body = String::with_capacity(448);
    body.push_str(r#"{"error":{"message":""#);
    message(&mut body, denial, context);
    put(&mut body, &[&r#"","type":""#, &kind(denial.axis), &r#"","code":"rate_limit_exceeded"}}"#, &"\n"]);
    // A refused output estimate comes without the header (evidence: reported 2026-09), although a wait is known.
    Answer::new(status, body).after(denial.wait.filter(|_| !oversize_output(denial)))
}

/// More output asked for than a minute allows: a 429 without a wait, where any other oversize is a 413 with a useless one.
fn oversize_output(denial: &Denial) -> bool {
    denial.oversize && denial.axis == Axis::Otpm
}

/// Appends the message of a refusal as it stands in JSON. Evidence: 109 captures; every complete one of 2026 is reproduced
/// by `mock/tests/captures.rs`.
fn message(out: &mut String, denial: &Denial, context: &Context<'_>) {
    let Denial { axis, limit, used, requested, wait, oversize } = *denial;
    let what = if oversize { "Request too large" } else { "Rate limit reached" };
    put(out, &[&what, &" for model `"]);
    json::escaped(out, context.model);
    out.push_str("` in organization `org_");
    json::escaped(out, context.account);
    put(out, &[&"` service tier `on_demand` on ", &axis_name(axis), &": Limit ", &limit]);
    if oversize_output(denial) {
        put(out, &[&", Requested ", &requested, &". ", &EXPECTED_OUTPUT]);
    } else if oversize {
        let reduce = ", please reduce your message size and try again.";
        put(out, &[&", Requested ", &requested, &reduce]);
    } else {
        put(out, &[&", Used ", &used, &", Requested ", &requested, &"."]);
        if let Some(wait) = wait {
            put(out, &[&" Please try again in ", &GoDuration(wait), &"."]);
        }
    }
    out.push_str(advice(context.tier));
}

/// The end of every refusal. Evidence: captures of both plans, 2026.
const fn advice(tier: Tier) -> &'static str {
    match tier {
        Tier::Free => {
            " Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
        }
        Tier::Developer => {
            " Need more tokens? Visit https://groq.com/self-serve-support/ to request higher limits."
        }
    }
}

/// The axis in words. Audio is ASPH and ASPD here although the documentation writes ASH and ASD (evidence: captures).
/// Groq states no limit on concurrency: those words are ours.
const fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Rpm => "requests per minute (RPM)",
        Axis::Rpd => "requests per day (RPD)",
        Axis::Tpm => "tokens per minute (TPM)",
        Axis::Tpd => "tokens per day (TPD)",
        Axis::Itpm => "input tokens per minute (ITPM)",
        Axis::Otpm => "output tokens per minute (OTPM)",
        Axis::Ash => "seconds of audio per hour (ASPH)",
        Axis::Asd => "seconds of audio per day (ASPD)",
        Axis::Concurrency => "concurrent requests (CONCURRENCY)",
    }
}

/// The error's `type`. Two captures of 2026 say `requests` of a token axis, and `groq/compound` says `compound`: not modelled.
const fn kind(axis: Axis) -> &'static str {
    match axis {
        Axis::Rpm | Axis::Rpd | Axis::Concurrency => "requests",
        Axis::Tpm | Axis::Tpd | Axis::Itpm | Axis::Otpm => "tokens",
        Axis::Ash | Axis::Asd => "seconds",
    }
}

/// What is said to anything else. Captured: 401, 404 of a model, the 400 of a context (2025-11; until early 2025 it had the
/// code `context_length_exceeded`) and that of `max_tokens` (2026-08 and -09), 503. The 400 of a spend limit and
/// the codes of 498 and of the 413 are documented, their words assumed; so is the end of the 404 of a path. The
/// envelope of the other 400s is captured, most of their messages are assumed; so is every other status. That a model
/// outside the plan is the captured 404 is what its words say.
pub(super) fn answer(error: &Error<'_>) -> Answer {
    let (status, message, kind, code): (u16, &str, _, _) = match error {
        Error::InvalidKey | Error::Status(401, _) => {
            (401, "Invalid API Key", INVALID, Some("invalid_api_key"))
        }
        Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => (
            404,
            &format!("The model `{model}` does not exist or you do not have access to it."),
            INVALID,
            Some("model_not_found"),
        ),
        Error::UnknownPath(method, path) => (
            404,
            &format!("Unknown request URL: {method} {path}. Please check the URL for typos."),
            INVALID,
            Some("unknown_url"),
        ),
        Error::Invalid(message) => (400, message.as_ref(), INVALID, None),
        Error::BodyTooLarge | Error::Status(413, _) => (413, reason(413), INVALID, Some("request_too_large")),
        Error::Overload(model) | Error::Status(503, model) => {
            (503, &format!("{model} is currently over capacity. {BACK_OFF}"), INTERNAL, None)
        }
        Error::Billing => (400, SPEND_LIMIT, INVALID, Some("blocked_api_access")),
        Error::TooLong(TooLong { bound: Bound::Output, limit, .. }, _) => {
            let message =
                format!("`max_tokens` must be less than or equal to `{limit}`, {LESS_THAN_CONTEXT}");
            return Answer::new(400, body(&message, INVALID, Some("max_tokens"), None));
        }
        Error::TooLong(..) => return Answer::new(400, body(CONTEXT, INVALID, Some("messages"), None)),
        Error::Status(429, _) => (429, reason(429), "requests", Some("rate_limit_exceeded")),
        Error::Status(498, _) => (498, "Flex tier capacity exceeded.", INTERNAL, Some("capacity_exceeded")),
        Error::Status(status @ (500 | 502), _) => (*status, reason(*status), INTERNAL, None),
        Error::Status(status, _) => (
            *status,
            &format!("The service answered with status {status}."),
            if *status < 500 { INVALID } else { INTERNAL },
            None,
        ),
    };
    Answer::new(status, body(message, kind, None, code))
}

/// `{"error":{"message":…,"type":…,"param":…,"code":…}}`, absent members left out.
fn body(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
    let (param, code) = (Member::or_absent(param), Member::or_absent(code));
    Members { message, kind: Member::Text(kind), param, code }.wrapped() + "\n"
}

const INVALID: &str = "invalid_request_error";
const INTERNAL: &str = "internal_server_error";
const EXPECTED_OUTPUT: &str = "The request's expected output tokens exceed the enforced limit; reduce max_tokens (or the request's expected output) and try again.";
const BACK_OFF: &str = "Please try again and back off exponentially. Visit https://groqstatus.com to see if there is an active incident.";
const CONTEXT: &str = "Please reduce the length of the messages or completion.";
const LESS_THAN_CONTEXT: &str =
    "the maximum value for `max_tokens` is less than the `context_window` for this model";
const SPEND_LIMIT: &str = "API access is blocked: the organization has reached its spend limit. Visit https://console.groq.com/settings/billing/limits to review it.";

//! Groq's errors: refusals by a limit, and all other errors.

use crate::axis::{Axis, Quantity};
use crate::config::{Limit, Tier};
use crate::decision::Denial;
use crate::length::{LengthLimit, TooLong};
use crate::time::Nanos;
use crate::wire::envelope::{ErrorBody, INVALID_REQUEST, Member, reason_phrase};
use crate::wire::go_duration::GoDuration;
use crate::wire::window_name::window_name;
use crate::wire::{Context, Error, ErrorReply};
use std::borrow::Cow;

/// Renders the refusal of a call by a limit.
pub(super) fn refusal(denial: &Denial, context: &Context<'_>) -> ErrorReply {
    let status = if denial.oversize && !is_oversize_output(denial) { 413 } else { 429 };
    let body = body(&message(denial, context), kind(denial.axis), None, Some("rate_limit_exceeded"));
    // A call that requests more output than the limit gets no `retry-after` (evidence: reported 2026-09), although
    // `denial.wait` may be set.
    ErrorReply::new(status, body).with_wait(denial.wait.filter(|_| !is_oversize_output(denial)))
}

/// Returns `true` if a call requests more output tokens than the limit per minute. Groq refuses it with a 429 without a wait,
/// and any other oversize call with a 413 and a meaningless wait.
fn is_oversize_output(denial: &Denial) -> bool {
    denial.oversize && denial.axis == Axis::Otpm
}

/// Returns the message of a refusal. Evidence: 109 captures. `mock/tests/captures.rs` reproduces every complete one of 2026.
fn message(denial: &Denial, context: &Context<'_>) -> String {
    let Denial { axis, window, limit, used, requested, wait, oversize, .. } = *denial;
    let what = if oversize { "Request too large" } else { "Rate limit reached" };
    let mut buffers = [itoa::Buffer::new(); 3];
    let [limit_buffer, used_buffer, requested_buffer] = &mut buffers;
    let limit = limit_buffer.format(limit);
    let (used, requested) = (used_buffer.format(used), requested_buffer.format(requested));
    // Appended to one string: the formatting machinery took a tenth of the instructions of a refusal (callgrind of
    // `mock/benches`, 2026-11-29).
    let mut text = String::with_capacity(MESSAGE_BYTES);
    text.extend([what, " for model `", context.model, "` in organization `org_", context.account]);
    text.extend(["` service tier `on_demand` on ", &axis_name(axis, window), ": Limit ", limit, ", "]);
    match wait {
        _ if is_oversize_output(denial) => text.extend(["Requested ", requested, ". ", EXPECTED_OUTPUT]),
        _ if oversize => {
            text.extend(["Requested ", requested, ", please reduce your message size and try again."]);
        }
        Some(wait) => {
            text.extend(["Used ", used, ", Requested ", requested, ". Please try again in "]);
            GoDuration(wait).append_to(&mut text).expect("invariant: a string takes any text");
            text.push('.');
        }
        None => text.extend(["Used ", used, ", Requested ", requested, "."]),
    }
    text.push_str(advice(context.tier));
    text
}

/// The length of most messages of a refusal, rounded up, in bytes.
const MESSAGE_BYTES: usize = 384;

/// Returns the advice at the end of every refusal. Evidence: captures of both tiers, 2026.
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

/// Returns the name of an axis in messages. Audio is ASPH and ASPD although the documentation writes ASH and ASD (evidence:
/// captures). Groq has no limit on concurrency, and none per second, hour, week, month or other windows: their names are
/// assumed.
fn axis_name(axis: Axis, window: Option<Nanos>) -> Cow<'static, str> {
    Cow::Borrowed(match axis {
        Axis::Rps => "requests per second (RPS)",
        Axis::Rpm => "requests per minute (RPM)",
        Axis::Rph => "requests per hour (RPH)",
        Axis::Rpd => "requests per day (RPD)",
        Axis::Rpw => "requests per week (RPW)",
        Axis::RpMonth => "requests per month (RPMONTH)",
        Axis::Tps => "tokens per second (TPS)",
        Axis::Tpm => "tokens per minute (TPM)",
        Axis::Tph => "tokens per hour (TPH)",
        Axis::Tpd => "tokens per day (TPD)",
        Axis::Tpw => "tokens per week (TPW)",
        Axis::TpMonth => "tokens per month (TPMONTH)",
        Axis::Itpm => "input tokens per minute (ITPM)",
        Axis::Uitpm => "uncached input tokens per minute (UITPM)",
        Axis::Otpm => "output tokens per minute (OTPM)",
        Axis::Ash => "seconds of audio per hour (ASPH)",
        Axis::Asd => "seconds of audio per day (ASPD)",
        Axis::Concurrency => "concurrent requests (CONCURRENCY)",
        Axis::Requests | Axis::Tokens => {
            let window = window_name(window.unwrap_or(Limit::DEFAULT_WINDOW));
            return format!("{axis} per {window}").into();
        }
    })
}

/// Returns the `type` of a refusal. Two captures of 2026 have `requests` for a token axis, and `groq/compound` has `compound`;
/// neither is modelled.
const fn kind(axis: Axis) -> &'static str {
    match axis.quantity() {
        Quantity::Requests | Quantity::InFlight => "requests",
        Quantity::Tokens | Quantity::InputTokens | Quantity::UncachedTokens | Quantity::OutputTokens => {
            "tokens"
        }
        Quantity::AudioSeconds => "seconds",
    }
}

/// Renders any other error.
///
/// From captures: 401, 404 for a model, the 400 for a context (2025-11; until early 2025 it had the code
/// `context_length_exceeded`), the 400 for `max_tokens` (2026-08 and -09), and 503. The 400 for a spend limit and the codes of
/// 498 and 413 are documented; their messages and the end of the 404 for a path are assumed. The envelope of the other 400s
/// is from captures; most of their messages and every other status are assumed. A model outside the tier gets the 404 for a
/// model, because its message mentions missing access.
pub(super) fn render(error: &Error<'_>) -> ErrorReply {
    let (status, message, kind, code): (u16, &str, _, _) = match error {
        Error::InvalidKey | Error::Status(401, _) => {
            (401, "Invalid API Key", INVALID_REQUEST, Some("invalid_api_key"))
        }
        Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => (
            404,
            &format!("The model `{model}` does not exist or you do not have access to it."),
            INVALID_REQUEST,
            Some("model_not_found"),
        ),
        Error::UnknownPath(method, path) => (
            404,
            &format!("Unknown request URL: {method} {path}. Please check the URL for typos."),
            INVALID_REQUEST,
            Some("unknown_url"),
        ),
        Error::Invalid { message, .. } => (400, message.as_ref(), INVALID_REQUEST, None),
        Error::BodyTooLarge | Error::Status(413, _) => {
            (413, reason_phrase(413), INVALID_REQUEST, Some("request_too_large"))
        }
        Error::Overload(model) | Error::Status(503, model) => {
            (503, &format!("{model} is currently over capacity. {BACK_OFF}"), INTERNAL, None)
        }
        Error::Billing => (400, SPEND_LIMIT, INVALID_REQUEST, Some("blocked_api_access")),
        Error::TooLong(TooLong { violated: LengthLimit::Output, limit_tokens: limit, .. }, _) => {
            let message =
                format!("`max_tokens` must be less than or equal to `{limit}`, {LESS_THAN_CONTEXT}");
            return ErrorReply::new(400, body(&message, INVALID_REQUEST, Some("max_tokens"), None));
        }
        Error::TooLong(..) => {
            return ErrorReply::new(400, body(CONTEXT, INVALID_REQUEST, Some("messages"), None));
        }
        Error::Status(429, _) => (429, reason_phrase(429), "requests", Some("rate_limit_exceeded")),
        Error::Status(498, _) => (498, "Flex tier capacity exceeded.", INTERNAL, Some("capacity_exceeded")),
        Error::Status(status @ (500 | 502), _) => (*status, reason_phrase(*status), INTERNAL, None),
        Error::Status(status, _) => (
            *status,
            &format!("The service answered with status {status}."),
            if *status < 500 { INVALID_REQUEST } else { INTERNAL },
            None,
        ),
    };
    ErrorReply::new(status, body(message, kind, None, code))
}

/// Returns the body `{"error":{"message":…,"type":…,"param":…,"code":…}}` without members that are `None`.
fn body(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
    let (param, code) = (Member::or_absent(param), Member::or_absent(code));
    ErrorBody { message, kind: Member::Text(kind), param, code }.in_envelope() + "\n"
}

const INTERNAL: &str = "internal_server_error";
const EXPECTED_OUTPUT: &str = "The request's expected output tokens exceed the enforced limit; reduce max_tokens (or the request's expected output) and try again.";
const BACK_OFF: &str = "Please try again and back off exponentially. Visit https://groqstatus.com to see if there is an active incident.";
const CONTEXT: &str = "Please reduce the length of the messages or completion.";
const LESS_THAN_CONTEXT: &str =
    "the maximum value for `max_tokens` is less than the `context_window` for this model";
const SPEND_LIMIT: &str = "API access is blocked: the organization has reached its spend limit. Visit https://console.groq.com/settings/billing/limits to review it.";

//! What Groq says when it does not serve: refusals of a limit, and everything else that can be wrong.

use super::{Context, JSON, headers};
use crate::axis::Axis;
use crate::config::Tier;
use crate::ruling::{Denial, LimitsView};
use crate::wire::go_duration::GoDuration;
use crate::wire::{Reply, json};
use std::borrow::Cow;

/// The reply to a call that a limit refused.
pub(super) fn refusal(denial: &Denial, limits: &LimitsView, context: &Context<'_>) -> Reply {
    let error = Body {
        message: message(denial, context).into(),
        kind: kind(denial.axis),
        code: Some("rate_limit_exceeded"),
        param: None,
    };
    // A refused output estimate comes without the header (evidence: reported 2026-09), although a wait is known.
    let wait = denial.wait.filter(|_| !oversize_output(denial));
    Reply {
        status: if denial.oversize && !oversize_output(denial) { 413 } else { 429 },
        headers: headers::render(JSON, Some(limits), wait, context.number),
        body: error.render(),
    }
}

/// More output asked for than a minute allows: a 429 without a wait, where any other oversize is a 413 with a useless one.
fn oversize_output(denial: &Denial) -> bool {
    denial.oversize && denial.axis == Axis::Otpm
}

/// The message of a refusal. Evidence: 109 captures; every complete one of 2026 is reproduced by `mock/tests/captures.rs`.
fn message(denial: &Denial, context: &Context<'_>) -> String {
    let Denial { axis, limit, used, requested, wait, oversize } = *denial;
    let mut text = String::with_capacity(320);
    let what = if oversize { "Request too large" } else { "Rate limit reached" };
    let (model, account, axis) = (context.model, context.account, axis_name(axis));
    json::put(
        &mut text,
        format_args!(
            "{what} for model `{model}` in organization `org_{account}` service tier `on_demand` on {axis}: "
        ),
    );
    if oversize_output(denial) {
        json::put(&mut text, format_args!("Limit {limit}, Requested {requested}. {EXPECTED_OUTPUT}"));
    } else if oversize {
        json::put(
            &mut text,
            format_args!(
                "Limit {limit}, Requested {requested}, please reduce your message size and try again."
            ),
        );
    } else {
        json::put(&mut text, format_args!("Limit {limit}, Used {used}, Requested {requested}."));
        if let Some(wait) = wait {
            json::put(&mut text, format_args!(" Please try again in {}.", GoDuration(wait)));
        }
    }
    text.push_str(advice(context.tier));
    text
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

/// An error that is no refusal of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// 401: no account has this key. Captured.
    InvalidKey,
    /// 404: no such model. Captured.
    UnknownModel(&'a str),
    /// 404: no such method and path. The opening words are quoted in public issues, the rest is assumed.
    UnknownPath(&'a str, &'a str),
    /// 400 with this message. The envelope is captured; most of the messages are assumed.
    Invalid(Cow<'a, str>),
    /// 400: prompt and completion do not fit the model's context. Captured.
    ContextLength,
    /// 413: the body is larger than is read. The code is documented, the words are assumed.
    BodyTooLarge,
    /// 503: the model has no capacity left. Captured.
    OverCapacity(&'a str),
    /// Any other status. The words are assumed; the code of 498 is documented.
    Status(u16),
}

impl<'a> Error<'a> {
    /// What Groq says with a status that came from nowhere but a fault.
    #[must_use]
    pub const fn from_status(status: u16, model: &'a str) -> Self {
        match status {
            400 => Self::ContextLength,
            401 => Self::InvalidKey,
            404 => Self::UnknownModel(model),
            413 => Self::BodyTooLarge,
            503 => Self::OverCapacity(model),
            other => Self::Status(other),
        }
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::InvalidKey => 401,
            Self::UnknownModel(_) | Self::UnknownPath(..) => 404,
            Self::Invalid(_) | Self::ContextLength => 400,
            Self::BodyTooLarge => 413,
            Self::OverCapacity(_) => 503,
            Self::Status(status) => *status,
        }
    }

    /// The whole reply; `limits` where the call got as far as a limit.
    #[must_use]
    pub fn reply(&self, limits: Option<&LimitsView>, number: u64) -> Reply {
        let headers = headers::render(JSON, limits, None, number);
        Reply { status: self.status(), headers, body: self.body().render() }
    }

    fn body(&self) -> Body<'_> {
        const INVALID: &str = "invalid_request_error";
        let body = |message, kind, code| Body { message, kind, code, param: None };
        match self {
            Self::InvalidKey => body("Invalid API Key".into(), INVALID, Some("invalid_api_key")),
            Self::UnknownModel(model) => body(
                format!("The model `{model}` does not exist or you do not have access to it.").into(),
                INVALID,
                Some("model_not_found"),
            ),
            Self::UnknownPath(method, path) => body(
                format!("Unknown request URL: {method} {path}. Please check the URL for typos.").into(),
                INVALID,
                Some("unknown_url"),
            ),
            Self::Invalid(message) => body(Cow::Borrowed(message), INVALID, None),
            Self::ContextLength => Body {
                param: Some("messages"),
                ..body("Please reduce the length of the messages or completion.".into(), INVALID, None)
            },
            Self::BodyTooLarge => body("Request Entity Too Large".into(), INVALID, Some("request_too_large")),
            Self::OverCapacity(model) => {
                body(format!("{model} is currently over capacity. {BACK_OFF}").into(), INTERNAL, None)
            }
            Self::Status(498) => {
                body("Flex tier capacity exceeded.".into(), INTERNAL, Some("capacity_exceeded"))
            }
            Self::Status(429) => body("Too Many Requests".into(), "requests", Some("rate_limit_exceeded")),
            Self::Status(500) => body("Internal Server Error".into(), INTERNAL, None),
            Self::Status(502) => body("Bad Gateway".into(), INTERNAL, None),
            Self::Status(status) => {
                let kind = if *status < 500 { INVALID } else { INTERNAL };
                body(format!("The service answered with status {status}.").into(), kind, None)
            }
        }
    }
}

/// `{"error":{"message":…,"type":…,"param":…,"code":…}}`, absent members left out.
struct Body<'a> {
    message: Cow<'a, str>,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
}

impl Body<'_> {
    fn render(&self) -> String {
        let mut out = String::with_capacity(self.message.len() + 80);
        out.push_str(r#"{"error":{"message":"#);
        json::string(&mut out, &self.message);
        let members = [("type", Some(self.kind)), ("param", self.param), ("code", self.code)];
        for (name, value) in members {
            if let Some(value) = value {
                json::put(&mut out, format_args!(r#","{name}":"{value}""#));
            }
        }
        out.push_str("}}\n");
        out
    }
}

const INTERNAL: &str = "internal_server_error";
const EXPECTED_OUTPUT: &str = "The request's expected output tokens exceed the enforced limit; reduce max_tokens (or the request's expected output) and try again.";
const BACK_OFF: &str = "Please try again and back off exponentially. Visit https://groqstatus.com to see if there is an active incident.";

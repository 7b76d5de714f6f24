//! Error bodies in OpenAI's shape: `{"error":{"message":…,"type":…,"param":…,"code":…}}`.

use super::json;
use serde::Serialize;

/// An error object, with its members in the order in which they are sent.
#[derive(Serialize)]
pub(super) struct ErrorBody<'a> {
    pub(super) message: &'a str,
    #[serde(rename = "type", skip_serializing_if = "Member::is_absent")]
    pub(super) kind: Member<'a>,
    #[serde(skip_serializing_if = "Member::is_absent")]
    pub(super) param: Member<'a>,
    #[serde(skip_serializing_if = "Member::is_absent")]
    pub(super) code: Member<'a>,
}

/// A member of an error object besides the message.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub(super) enum Member<'a> {
    /// The member is left out.
    Absent,
    /// `null`.
    Null,
    /// A string.
    Text(&'a str),
}

impl<'a> Member<'a> {
    /// Returns the text, or `null` for `None`.
    pub(super) const fn or_null(text: Option<&'a str>) -> Self {
        match text {
            Some(text) => Self::Text(text),
            None => Self::Null,
        }
    }

    /// Returns the text, or no member for `None`.
    pub(super) const fn or_absent(text: Option<&'a str>) -> Self {
        match text {
            Some(text) => Self::Text(text),
            None => Self::Absent,
        }
    }

    const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// An object with the only member `error`.
#[derive(Serialize)]
pub(super) struct Envelope<T> {
    pub(super) error: T,
}

/// Returns the body `{"error":…}`.
pub(super) fn wrap(error: impl Serialize) -> String {
    json::text(&Envelope { error })
}

/// Returns the body of an error as OpenAI sends it: with all four members, `null` if they are `None`.
pub(super) fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
    let (param, code) = (Member::or_null(param), Member::or_null(code));
    wrap(ErrorBody { message, kind: Member::Text(kind), param, code })
}

/// Returns the reason phrase of a status (RFC 9110, section 15), and of 498 and 529, which providers have added.
pub(super) const fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        498 => "Capacity Exceeded",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Overloaded",
        _ => "The request was not served",
    }
}

/// Returns the `type` of an error in OpenAI's shape if the provider has no more specific one.
pub(super) const fn error_type(status: u16) -> &'static str {
    if status < 500 { INVALID_REQUEST } else { SERVER }
}

pub(super) const INVALID_REQUEST: &str = "invalid_request_error";
pub(super) const SERVER: &str = "server_error";

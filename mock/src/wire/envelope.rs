//! Error bodies in OpenAI's shape: `{"error":{"message":…,"type":…,"param":…,"code":…}}`.

use super::json::{self, Object};
use serde::Serialize;

/// An error object, with its members in the order in which they are sent.
pub(super) struct ErrorBody<'a> {
    pub(super) message: &'a str,
    pub(super) kind: Member<'a>,
    pub(super) param: Member<'a>,
    pub(super) code: Member<'a>,
}

impl ErrorBody<'_> {
    /// Returns the body `{"error":…}`.
    pub(super) fn in_envelope(&self) -> String {
        Object::with_capacity(512).object("error", |error| self.add_to(error)).into_text()
    }

    /// Returns the object alone.
    pub(super) fn without_envelope(&self) -> String {
        self.add_to(Object::with_capacity(512)).into_text()
    }

    fn add_to(&self, object: Object) -> Object {
        let object = object.text("message", self.message);
        let members = [("type", self.kind), ("param", self.param), ("code", self.code)];
        members.into_iter().fold(object, |object, (name, member)| match member {
            Member::Absent => object,
            Member::Null => object.member(name, &()),
            Member::Text(text) => object.text(name, text),
        })
    }
}

/// A member of an error object besides the message.
#[derive(Clone, Copy)]
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
    ErrorBody { message, kind: Member::Text(kind), param, code }.in_envelope()
}

/// Returns the reason phrase of a status that the mock sends: that of RFC 9110, section 15, or for 413 the older one of RFC
/// 2616; for 498 and 529 that of the providers that have added them; for any other status a general text.
#[must_use]
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
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

//! The envelope of an error in OpenAI's shape: `{"error":{"message":…,"type":…,"param":…,"code":…}}`.

use super::json;

/// The members of an error, in the order in which they are written.
pub(super) struct Members<'a> {
    pub(super) message: &'a str,
    pub(super) kind: Member<'a>,
    pub(super) param: Member<'a>,
    pub(super) code: Member<'a>,
}

/// A member besides the message.
#[derive(Clone, Copy)]
pub(super) enum Member<'a> {
    /// It is not there.
    Absent,
    /// `null`.
    Null,
    /// A text.
    Text(&'a str),
}

impl Members<'_> {
    /// `{"message":…,"type":…,"param":…,"code":…}`.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str(r#"{"message":"#);
        json::string(out, self.message);
        for (name, member) in [("type", self.kind), ("param", self.param), ("code", self.code)] {
            match member {
                Member::Absent => {}
                Member::Null => {
                    json::name(out, name);
                    out.push_str("null");
                }
                Member::Text(text) => {
                    json::name(out, name);
                    json::string(out, text);
                }
            }
        }
        out.push('}');
    }

    /// The same, wrapped in `error`.
    pub(super) fn wrapped(&self) -> String {
        let mut out = String::with_capacity(self.message.len() + 96);
        out.push_str(r#"{"error":"#);
        self.write(&mut out);
        out.push('}');
        out
    }
}

impl<'a> Member<'a> {
    /// A text, or `null`.
    pub(super) const fn or_null(text: Option<&'a str>) -> Self {
        match text {
            Some(text) => Self::Text(text),
            None => Self::Null,
        }
    }

    /// A text, or nothing at all.
    pub(super) const fn or_absent(text: Option<&'a str>) -> Self {
        match text {
            Some(text) => Self::Text(text),
            None => Self::Absent,
        }
    }
}

/// OpenAI's envelope: all four members, `null` where there is nothing to say.
pub(super) fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
    let (param, code) = (Member::or_null(param), Member::or_null(code));
    Members { message, kind: Member::Text(kind), param, code }.wrapped()
}

/// What a status means, in words (RFC 9110, section 15, and the two that providers have added).
pub(super) const fn reason(status: u16) -> &'static str {
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

/// The `type` of an error in OpenAI's shape that has no better one.
pub(super) const fn kind(status: u16) -> &'static str {
    if status < 500 { INVALID } else { SERVER }
}

pub(super) const INVALID: &str = "invalid_request_error";
pub(super) const SERVER: &str = "server_error";

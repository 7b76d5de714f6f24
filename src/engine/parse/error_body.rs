//! Parses the body of an error, whatever it is wrapped in.
//!
//! ```text
//!  {"error": {"message", "type", "code"}}   OpenAI and most others       {"error": "…", "message": "…"}   Fireworks (audio)
//!  {"message", "type", "code"}              Cerebras, Mistral, Bedrock   {"title", "detail", "status"}    RFC 7807
//!  [{"error": {…}}]                         Google                       "{\"error\": …}"                 JSON in a string
//!  Request didn't generate …                plain text                   <html>…                          not parsed
//! ```
//!
//! A body that starts like JSON and is not valid was truncated. It is not parsed as text, since its numbers may be
//! incomplete.

use serde_json::{Map, Value};

/// The content of an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ErrorBody {
    /// The message.
    pub(super) message: Option<String>,
    /// The message in ASCII lower case, for phrase matching; empty without a message.
    pub(super) lowercase: String,
    /// Every short string that may identify the error: `type`, `code`, `status`, `object`, `title`, reasons, domains
    /// and quota ids of its details, an `error` that is a string, the request id.
    pub(super) codes: Vec<String>,
    /// The HTTP status that it states.
    pub(super) http_status: Option<u16>,
    /// The error object, for members that only one dialect has; the object around it if `error` is a string; null for a
    /// plain-text body.
    pub(super) error: Value,
}

impl ErrorBody {
    /// Parses the body of a response that is not a success. Returns `None` if it has neither message, code nor status.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body) {
            Ok(value) => Self::from_value(value, 0),
            Err(_) => Self::from_text(std::str::from_utf8(body).ok()?),
        }
    }

    /// Parses the error inside a response with a success status, or inside an event of its stream. Returns `None` if
    /// there is none.
    pub(super) fn error_in_success(value: &Value) -> Option<Self> {
        let is_error_value = |error: &&Value| match error {
            Value::Object(fields) => !fields.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => false,
        };
        if let Some([element]) = value.as_array().map(Vec::as_slice) {
            return Self::error_in_success(element);
        }
        let has_error_type = ["type", "object"].iter().any(|key| value[key] == "error");
        if has_error_type || is_error_value(&&value["error"]) {
            return Some(Self::from_value(value.clone(), 0).unwrap_or_default());
        }
        let nested = [&value["x_groq"]["error"], &value["choices"][0]["error"]];
        let error = nested.into_iter().find(is_error_value)?;
        Some(Self::from_value(error.clone(), 0).unwrap_or_default())
    }

    /// Returns `true` if `code` is one of its codes.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known == code)
    }

    fn from_value(value: Value, depth: u8) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        match value {
            Value::String(text) => match nested_json(&text) {
                Some(value) => Self::from_value(value, depth + 1),
                None => Self::from_text(&text),
            },
            Value::Array(items) => {
                let [only] = <[Value; 1]>::try_from(items).ok()?;
                Self::from_value(only, depth + 1)
            }
            Value::Object(fields) => Self::from_object(fields, depth),
            _ => None,
        }
    }

    fn from_object(mut fields: Map<String, Value>, depth: u8) -> Option<Self> {
        let inner = match fields.remove("error") {
            Some(error @ Value::Object(_)) => Self::from_value(error, depth + 1),
            Some(Value::String(text)) => match nested_json(&text) {
                Some(value) => Self::from_value(value, depth + 1),
                None => Self::from_text(&text).map(|body| Self { codes: vec![text], ..body }),
            },
            _ => None,
        };
        match inner {
            Some(inner) => Some(inner.with_envelope(&fields)),
            None => Self::from_fields(fields, depth),
        }
    }

    /// Adds the message, request id and status of the object around the error. The error's own message and status take
    /// precedence, with one exception: in `{"error": "X", "message": "Y"}`, X is a code and Y the message.
    fn with_envelope(mut self, envelope: &Map<String, Value>) -> Self {
        let is_string = self.error.is_null();
        let message = non_empty_str(envelope, "message");
        if let Some(message) = message.filter(|_| is_string || self.message.is_none()) {
            self.set_message(message);
        }
        if is_string {
            self.error = Value::Object(envelope.clone());
        }
        // Request ids are codes, since their prefix identifies the dialect: `req_011` is Anthropic's (see `detect`).
        if let Some(id) = non_empty_str(envelope, "request_id") {
            self.codes.push(id.to_owned());
        }
        self.http_status = self.http_status.or_else(|| stated_status(envelope));
        self
    }

    fn from_fields(fields: Map<String, Value>, depth: u8) -> Option<Self> {
        let message = ["message", "detail", "title"].into_iter().find_map(|key| non_empty_str(&fields, key));
        if let Some(value) = message.and_then(nested_json) {
            let inner = Self::from_value(value, depth + 1);
            if inner.is_some() {
                return inner;
            }
        }
        let codes = CODE_FIELDS.iter().filter_map(|key| non_empty_str(&fields, key)).map(str::to_owned);
        let mut body =
            Self { codes: codes.collect(), http_status: stated_status(&fields), ..Self::default() };
        body.set_message(message.unwrap_or_default());
        body.error = Value::Object(fields);
        body.codes.extend(detail_codes(&body.error));
        body.add_upstream(depth);
        let has_content = body.message.is_some() || body.http_status.is_some() || !body.codes.is_empty();
        has_content.then_some(body)
    }

    /// Appends the message of a forwarded error to the message. `OpenRouter` puts the error of the provider behind it
    /// into `metadata.raw`, as an object or as JSON in a string.
    fn add_upstream(&mut self, depth: u8) {
        let raw = self.error["metadata"]["raw"].clone();
        if let Some(upstream) = Self::from_value(raw, depth + 1).and_then(|body| body.message) {
            let message = self.message.take().unwrap_or_default();
            self.set_message(&format!("{message}: {upstream}"));
        }
    }

    /// Parses plain text. Rejects HTML (a proxy's error page), truncated JSON, empty text, text over
    /// [`MAX_TEXT_BYTES`], and text with control characters.
    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_message = !text.is_empty()
            && text.len() <= MAX_TEXT_BYTES
            && !text.starts_with(['<', '{', '[', '"'])
            && !text.contains(|c: char| c.is_control() && !c.is_whitespace());
        is_message.then(|| {
            // `429 Too Many Requests` states a status. A number alone may be anything.
            let http_status = text.split_once(' ').and_then(|(first, _)| error_status(first));
            let mut body = Self { http_status, ..Self::default() };
            body.set_message(text);
            body
        })
    }

    fn set_message(&mut self, message: &str) {
        self.lowercase = message.to_ascii_lowercase();
        self.message = Some(message).filter(|message| !message.is_empty()).map(str::to_owned);
    }
}

/// Returns the text of a member, or `None` if it is absent, empty or not a string.
fn non_empty_str<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// Parses the JSON inside a string. Returns `None` if it is not valid or does not start like an object, an array or a
/// string.
fn nested_json(text: &str) -> Option<Value> {
    let json = text.trim_start().starts_with(['{', '[', '"']);
    json.then(|| serde_json::from_str(text).ok())?
}

/// Returns the first status from 400 to 599 among the members that may hold one, as a number or as text.
fn stated_status(fields: &Map<String, Value>) -> Option<u16> {
    ["code", "status", "raw_status_code", "status_code"].iter().find_map(|key| match fields.get(*key)? {
        Value::Number(number) => {
            number.as_u64().and_then(|code| u16::try_from(code).ok()).filter(is_error_status)
        }
        Value::String(text) => error_status(text),
        _ => None,
    })
}

fn error_status(text: &str) -> Option<u16> {
    text.parse().ok().filter(is_error_status)
}

fn is_error_status(status: &u16) -> bool {
    (400..600).contains(status)
}

/// Returns the reasons, quotas and services in the details of Google's errors and in `OpenRouter`'s metadata.
fn detail_codes(error: &Value) -> impl Iterator<Item = String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let details = list(&error["details"]);
    let violations = details.iter().flat_map(|detail| list(&detail["violations"]));
    let quotas = violations.map(|violation| violation["quotaId"].clone());
    let limits = details.iter().map(|detail| detail["metadata"]["quota_limit"].clone());
    let metrics = details.iter().map(|detail| detail["metadata"]["quota_metric"].clone());
    let services = details.iter().map(|detail| detail["domain"].clone());
    let errors = list(&error["errors"]);
    let reasons = details.iter().chain(&errors).map(|detail| detail["reason"].clone());
    let source = error["metadata"]["limit_source"].clone();
    let found: Vec<Value> =
        quotas.chain(limits).chain(metrics).chain(services).chain(reasons).chain([source]).collect();
    found.into_iter().filter_map(|value| value.as_str().map(str::to_owned))
}

/// The members that hold codes.
const CODE_FIELDS: [&str; 6] = ["code", "type", "status", "error_type", "object", "title"];
/// The maximum nesting of an error: an array, an object, a string and what a gateway adds.
const MAX_DEPTH: u8 = 6;
/// The maximum length of a plain-text message, in bytes.
const MAX_TEXT_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(body: &str) -> Option<String> {
        ErrorBody::parse(body.as_bytes()).and_then(|body| body.message)
    }

    #[test]
    fn every_envelope_gives_the_same_message() {
        let error = json!({ "message": "M", "type": "t", "code": 429 });
        let enveloped = json!({ "error": error.clone() });
        for body in [
            error.to_string(),
            enveloped.to_string(),
            json!([enveloped.clone()]).to_string(),
            json!(enveloped.to_string()).to_string(),
            json!({ "error": { "message": enveloped.to_string(), "code": 429 } }).to_string(),
            json!({ "error": enveloped.to_string() }).to_string(),
            json!({ "error": "Too Many Requests", "message": "M", "status": 429 }).to_string(),
            json!({ "title": "T", "detail": "M", "status": 429 }).to_string(),
        ] {
            let parsed = ErrorBody::parse(body.as_bytes()).unwrap_or_else(|| panic!("not parsed: {body}"));
            assert_eq!((parsed.message.as_deref(), parsed.http_status), (Some("M"), Some(429)), "{body}");
        }
        assert_eq!(message("Model busy"), Some("Model busy".into()));
    }

    #[test]
    fn a_body_without_message_code_or_status_is_not_an_error() {
        for body in [
            "",
            " ",
            "null",
            "3",
            "{}",
            "[]",
            "[1, 2]",
            r#"{"error": 3}"#,
            r#"{"error": {}}"#,
            "<html>429</html>",
            r#"{"error": {"message": "cut of"#,
            r#""cut"#,
            "\0\u{1}",
        ] {
            assert_eq!(ErrorBody::parse(body.as_bytes()), None, "{body}");
        }
        let mut deep = json!({ "message": "M" });
        (0..20).for_each(|_| deep = json!([deep]));
        assert_eq!(message(&deep.to_string()), None);
    }

    #[test]
    fn an_error_in_a_success_is_found_by_its_member_or_type() {
        let inside = |value: Value| ErrorBody::error_in_success(&value).and_then(|body| body.message);
        assert_eq!(inside(json!({ "error": { "message": "M" }, "choices": [] })), Some("M".into()));
        assert_eq!(inside(json!([{ "error": { "message": "M" } }])), Some("M".into()));
        assert_eq!(inside(json!({ "type": "error", "error": { "message": "M" } })), Some("M".into()));
        assert_eq!(inside(json!({ "x_groq": { "error": "M" } })), Some("M".into()));
        let raw = json!({ "error": { "message": "deep" } }).to_string();
        let routed = json!({ "error": { "message": "M", "metadata": { "raw": raw } } });
        assert_eq!(inside(routed), Some("M: deep".into()));
        assert!(
            ErrorBody::error_in_success(&json!({ "error": { "odd": 1 } })).is_some(),
            "an error without a message"
        );
        assert_eq!(inside(json!({ "choices": [{ "error": { "message": "M" } }] })), Some("M".into()));
        for success in [
            json!({ "message": "hello" }),
            json!({ "error": null }),
            json!({ "error": {} }),
            json!({ "error": "" }),
        ] {
            assert_eq!(inside(success.clone()), None, "{success}");
        }
    }
}

//! Parses the body of an error, whatever it is wrapped in.
//!
//! ```text
//!  {"error": {"message", "type", "code"}}   OpenAI and most others       {"error": "…", "message": "…"}   Fireworks (audio)
//!  {"message", "type", "code"}              Cerebras, Mistral, Bedrock   {"title", "detail", "status"}    RFC 7807
//!  [{"error": {…}}]                         Google                       "{\"error\": …}"                 JSON in a string
//!  {"errors": [{"code", "message"}]}        Cloudflare, watsonx          {"detail": {"error": …}}         frameworks
//!  502 … failed: {"error": …}, {"error": …} gateways: errors in a text   {"base_resp": {"status_msg"}}     MiniMax
//!  Request didn't generate …                plain text                   <title>429 …</title>              proxies
//! ```
//!
//! A body that starts like JSON and is not valid was truncated. It is not parsed as text, since its numbers may be
//! incomplete. `envelope` has the members under which gateways and providers nest an error.

use super::cloudflare;
use super::envelope::{self, detail_codes, error_status, non_empty_str, stated_status};
use super::google_details;
use super::literal;
use serde_json::{Map, Value};

/// The content of an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ErrorBody {
    /// The message.
    pub(super) message: Option<String>,
    /// The message in ASCII lower case, for phrase matching; empty without a message.
    pub(super) lowercase: String,
    /// Every string that may identify the error: `type`, `code`, `status`, `object`, `title` and the like, reasons, domains,
    /// quota ids and quota metrics of its details, an `error` that is a string, the request id.
    pub(super) codes: Vec<String>,
    /// The HTTP status that it states.
    pub(super) http_status: Option<u16>,
    /// The error object, for members that only one dialect has; the object around it if `error` is a string; null for a
    /// plain-text body.
    pub(super) error: Value,
    /// The numbers and strings of the error object and of the objects around it, for waits and the like, by their names in
    /// lower case without `-` and `_`. Of two with one name, the inner one.
    pub(super) members: Map<String, Value>,
    /// The errors that a gateway lists in its message, if they are two or more.
    pub(super) listed: Vec<ErrorBody>,
    /// `true` for a page in HTML, as proxies send.
    pub(super) is_html: bool,
    /// The status of the provider's reply, if a gateway printed one into its message.
    pub(super) inner_status: Option<u16>,
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

    /// Returns the message for parsing numbers, with a line feed after it if it comes from complete JSON. Plain text may have
    /// been truncated, so a number at its very end is not read.
    pub(super) fn text(&self) -> String {
        let end = if self.error.is_null() { "" } else { "\n" };
        [self.message.as_deref().unwrap_or_default(), end].concat()
    }

    /// Returns [`Self::text`] in ASCII lower case, without URLs, whose words do not describe the error.
    pub(super) fn sentence(&self) -> String {
        let text = self.text().to_ascii_lowercase();
        if !text.contains("://") {
            return text;
        }
        let is_address = |word: &&str| word.contains("://");
        let words = text.split_inclusive(|c: char| c.is_whitespace());
        let kept = words.map(|word| {
            let end = word.trim_end_matches(|c: char| c.is_whitespace());
            if is_address(&end) { &word[end.len()..] } else { word }
        });
        kept.collect()
    }

    /// Returns `true` if `code` is one of its codes.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known == code)
    }

    /// Parses an error from a JSON value that is nested `depth` levels deep.
    pub(super) fn from_value(value: Value, depth: u8) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        match value {
            Value::String(text) => match nested_json(&text) {
                Some(value) => Self::from_value(value, depth + 1),
                None => Self::from_text_at(&text, depth),
            },
            // Cloudflare and watsonx list errors; the first one that can be parsed is used.
            Value::Array(items) => {
                items.into_iter().take(MAX_LISTED).find_map(|item| Self::from_value(item, depth + 1))
            }
            Value::Object(fields) => Self::from_object(fields, depth),
            _ => None,
        }
    }

    /// Parses an object: the error that one of its members holds, else the object itself.
    fn from_object(mut fields: Map<String, Value>, depth: u8) -> Option<Self> {
        let mut inner = None;
        let has_message = envelope::MESSAGES.iter().any(|key| non_empty_str(&fields, key).is_some());
        let members = if has_message { envelope::CERTAIN_MEMBERS } else { envelope::MEMBERS.len() };
        for key in &envelope::MEMBERS[..members] {
            let key = *key;
            inner = match fields.get(key) {
                Some(nested @ (Value::Object(_) | Value::Array(_))) => {
                    Self::from_value(nested.clone(), depth + 1)
                        .filter(|body| body.message.is_some() || key == "error")
                }
                Some(Value::String(text)) if key == "error" => match nested_json(text) {
                    Some(value) => Self::from_value(value, depth + 1),
                    None => {
                        Self::from_text_at(text, depth).map(|body| Self { codes: vec![text.clone()], ..body })
                    }
                },
                _ => None,
            };
            if inner.is_some() {
                fields.remove(key);
                break;
            }
        }
        match inner {
            Some(inner) => Some(inner.with_envelope(&fields)),
            None => Self::from_fields(fields, depth),
        }
    }

    /// Adds the message, request id, status and members of the object around the error. The error's own message and status
    /// take precedence, with one exception: in `{"error": "X", "message": "Y"}`, X is a code and Y the message.
    fn with_envelope(mut self, envelope: &Map<String, Value>) -> Self {
        let is_string = self.error.is_null() && self.listed.is_empty();
        let message = ["message", "detail", "error_description"]
            .into_iter()
            .find_map(|key| non_empty_str(envelope, key));
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
        envelope::add_members(&mut self.members, envelope);
        self
    }

    /// Parses an error object that holds no error in its members. `None` if it has neither message, code nor status.
    fn from_fields(fields: Map<String, Value>, depth: u8) -> Option<Self> {
        let message = envelope::MESSAGES.into_iter().find_map(|key| non_empty_str(&fields, key));
        if let Some(value) = message.and_then(nested_json) {
            let inner = Self::from_value(value, depth + 1);
            if inner.is_some() {
                return inner;
            }
        }
        let mut body =
            Self { codes: envelope::codes(&fields), http_status: stated_status(&fields), ..Self::default() };
        body.set_message(message.unwrap_or_default());
        envelope::add_members(&mut body.members, &fields);
        body.error = Value::Object(fields);
        body.codes.extend(detail_codes(&body.error));
        body.add_upstream(depth);
        body.add_embedded(depth);
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

    /// Reads the errors that a gateway printed into its message, as JSON or as a program prints objects (`literal`). One such
    /// error adds its codes, members and status, and its message replaces the printed object. Two or more are a list.
    fn add_embedded(&mut self, depth: u8) {
        self.add_google_details();
        let Some(message) = self.message.clone().filter(|message| message.contains('{')) else { return };
        if depth >= MAX_DEPTH {
            return;
        }
        let mut errors: Vec<Self> = Vec::new();
        let mut from = 0;
        for object in literal::embedded(&message, false).into_iter().take(MAX_LISTED) {
            let before = &message[from..object.start];
            from = object.end;
            let Some(mut error) = Self::from_value(object.value, depth + 1) else { continue };
            if error.message.is_none() {
                continue;
            }
            error.http_status = envelope::status_in(before).or(error.http_status);
            errors.push(error);
        }
        match errors.len() {
            0 => {}
            1 => {
                let Some(error) = errors.pop() else { return };
                self.inner_status = error.http_status.or(error.inner_status);
                self.http_status = self.http_status.or(self.inner_status);
                self.codes.extend(error.codes);
                error.members.into_iter().for_each(|(name, value)| {
                    self.members.insert(name, value);
                });
                let prefix = message.split('{').next().unwrap_or_default().trim_end();
                let inner = error.message.unwrap_or_default();
                self.error = if error.error.is_null() { Value::Object(Map::new()) } else { error.error };
                self.set_message(&format!("{prefix} {inner}"));
            }
            _ => self.listed = errors,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::from_text_at(text, 0)
    }

    /// Parses plain text. Rejects truncated JSON, empty text, text over [`MAX_TEXT_BYTES`], text with control
    /// characters, and HTML (a proxy's error page) without a title.
    fn from_text_at(text: &str, depth: u8) -> Option<Self> {
        let text = text.trim();
        if text.starts_with('<') {
            return Self::from_html(text);
        }
        let is_message = !text.is_empty()
            && text.len() <= MAX_TEXT_BYTES
            && !text.starts_with(['<', '{', '[', '"'])
            && !text.contains(|c: char| c.is_control() && !c.is_whitespace());
        is_message.then(|| {
            // `429 Too Many Requests` states a status. A number alone may be anything.
            let http_status = text.split_once([' ', '\n']).and_then(|(first, _)| error_status(first));
            let mut body = Self { http_status, ..Self::default() };
            body.set_message(text);
            body.add_embedded(depth);
            if body.listed.is_empty() {
                let by_label = || envelope::status_in(text);
                let stated = body.http_status.or_else(by_label);
                body.http_status = stated.or_else(|| cloudflare::status(&body.lowercase));
            }
            body
        })
    }

    /// Reads the details of Google's errors that are printed after the message.
    fn add_google_details(&mut self) {
        let Some(text) = self.message.clone().filter(|text| text.contains(['{', '['])) else { return };
        let Some((message, details)) = google_details::in_text(&text) else { return };
        self.set_message(message);
        let is_quota = details.iter().any(|detail| detail["violations"].is_array());
        if !self.error.is_object() {
            self.error = Value::Object(Map::new());
        }
        self.error["details"] = Value::Array(details);
        self.codes.extend(detail_codes(&self.error));
        self.codes.extend(is_quota.then(|| "RESOURCE_EXHAUSTED".to_owned()));
    }

    /// Parses a page in HTML: its title is the message, and may have the status.
    fn from_html(text: &str) -> Option<Self> {
        let lower = text.get(..MAX_TEXT_BYTES).unwrap_or(text).to_ascii_lowercase();
        let start = lower.find("<title")?;
        let start = start + lower[start..].find('>')? + 1;
        let title = text.get(start..start + lower[start..].find("</title")?)?.trim();
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_title = !title.is_empty() && !title.contains(char::is_control);
        is_title.then(|| {
            let http_status = title.split(|c: char| !c.is_ascii_digit()).find_map(error_status);
            let http_status = http_status.or_else(|| cloudflare::page_status(&lower));
            let mut body = Self { http_status, is_html: true, ..Self::default() };
            body.set_message(&title);
            body
        })
    }

    /// Replaces the message and its lower-case form.
    fn set_message(&mut self, message: &str) {
        self.lowercase = message.to_ascii_lowercase();
        self.message = Some(message).filter(|message| !message.is_empty()).map(str::to_owned);
    }
}

/// Parses the JSON inside a string. Returns `None` if it is not valid or does not start like an object, an array or a
/// string.
fn nested_json(text: &str) -> Option<Value> {
    let json = text.trim_start().starts_with(['{', '[', '"']);
    json.then(|| serde_json::from_str(text).ok())?
}

/// The maximum nesting of an error: an array, an object, a string and what a gateway adds.
const MAX_DEPTH: u8 = 6;
/// The maximum length of a plain-text message, in bytes.
const MAX_TEXT_BYTES: usize = 16 << 10;
/// The maximum number of errors that are read from one list.
const MAX_LISTED: usize = 16;

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

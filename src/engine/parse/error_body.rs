//! What the body of an error says, whatever it is wrapped in.
//!
//! ```text
//!  {"error": {"message", "type", "code"}}   OpenAI and most others       {"error": "…", "message": "…"}   Fireworks (audio)
//!  {"message", "type", "code"}              Cerebras, Mistral, Bedrock   {"title", "detail", "status"}    RFC 7807
//!  [{"error": {…}}]                         Google                       "{\"error\": …}"                 JSON in a string
//!  Request didn't generate …                bare text                    <html>…                          says nothing
//! ```
//!
//! A body that begins like JSON and is none was cut: it is not read as text, for its numbers may be half numbers.

use serde_json::{Map, Value};

/// What an error says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ErrorBody {
    /// Its message in words.
    pub(super) message: Option<String>,
    /// The message in lower case, to look for words in.
    pub(super) lower: String,
    /// What it is called by machines: `type`, `code`, `status`, the reasons in its details.
    pub(super) words: Vec<String>,
    /// The status that it states.
    pub(super) status: Option<u16>,
    /// The error itself, for what only one dialect has.
    pub(super) error: Value,
}

impl ErrorBody {
    /// Reads the body of a reply that is no success; `None` where it says nothing.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body) {
            Ok(value) => Self::of(value, 0),
            Err(_) => Self::text(std::str::from_utf8(body).ok()?),
        }
    }

    /// Reads the error inside a reply, or an event of a stream, that began as a success; `None` where there is none.
    pub(super) fn inside(value: &Value) -> Option<Self> {
        let is_error = |error: &&Value| match error {
            Value::Object(fields) => !fields.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => false,
        };
        if let [alone] = value.as_array().map_or(&[][..], Vec::as_slice) {
            return Self::inside(alone);
        }
        let named = ["type", "object"].iter().any(|key| value[key] == "error");
        if named || is_error(&&value["error"]) {
            return Some(Self::of(value.clone(), 0).unwrap_or_default());
        }
        let nested = [&value["x_groq"]["error"], &value["choices"][0]["error"]];
        let error = nested.into_iter().find(is_error)?;
        Some(Self::of(error.clone(), 0).unwrap_or_default())
    }

    /// Whether `word` is one of those that it is called by.
    pub(super) fn is_called(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    fn of(value: Value, depth: u8) -> Option<Self> {
        if depth > DEPTH_MAX {
            return None;
        }
        match value {
            Value::String(text) => match nested(&text) {
                Some(value) => Self::of(value, depth + 1),
                None => Self::text(&text),
            },
            Value::Array(items) => {
                let [only] = <[Value; 1]>::try_from(items).ok()?;
                Self::of(only, depth + 1)
            }
            Value::Object(fields) => Self::object(fields, depth),
            _ => None,
        }
    }

    fn object(mut fields: Map<String, Value>, depth: u8) -> Option<Self> {
        let inner = match fields.remove("error") {
            Some(error @ Value::Object(_)) => Self::of(error, depth + 1),
            Some(Value::String(text)) => match nested(&text) {
                Some(value) => Self::of(value, depth + 1),
                None => Self::text(&text).map(|said| Self { words: vec![text], ..said }),
            },
            _ => None,
        };
        match inner {
            Some(inner) => Some(inner.within(&fields)),
            None => Self::flat(fields, depth),
        }
    }

    /// An error with what stands around it. Its own message goes first, unless all of it is a text: then that is
    /// its name, and the message stands beside it.
    fn within(mut self, around: &Map<String, Value>) -> Self {
        let named_only = self.error.is_null();
        if let Some(message) = text(around, "message").filter(|_| named_only || self.message.is_none()) {
            self.set_message(message);
        }
        if named_only {
            self.error = Value::Object(around.clone());
        }
        if let Some(id) = text(around, "request_id") {
            self.words.push(id.to_owned());
        }
        self.status = self.status.or_else(|| stated_status(around));
        self
    }

    fn flat(fields: Map<String, Value>, depth: u8) -> Option<Self> {
        let message = ["message", "detail", "title"].into_iter().find_map(|key| text(&fields, key));
        if let Some(value) = message.and_then(nested) {
            let deeper = Self::of(value, depth + 1);
            if deeper.is_some() {
                return deeper;
            }
        }
        let named = CALLED.iter().filter_map(|key| text(&fields, key)).map(str::to_owned);
        let mut said = Self { words: named.collect(), status: stated_status(&fields), ..Self::default() };
        said.set_message(message.unwrap_or_default());
        said.error = Value::Object(fields);
        said.words.extend(reasons(&said.error));
        said.add_upstream(depth);
        let says = said.message.is_some() || said.status.is_some() || !said.words.is_empty();
        says.then_some(said)
    }

    /// What another provider said to a router (`OpenRouter`), itself in any wrapping.
    fn add_upstream(&mut self, depth: u8) {
        let raw = self.error["metadata"]["raw"].clone();
        if let Some(reason) = Self::of(raw, depth + 1).and_then(|said| said.message) {
            let message = self.message.take().unwrap_or_default();
            self.set_message(&format!("{message}: {reason}"));
        }
    }

    /// Bare text. HTML is a page of somebody's proxy, and what begins like JSON is a body that was cut.
    fn text(text: &str) -> Option<Self> {
        let text = text.trim();
        let readable = !text.is_empty()
            && text.len() <= TEXT_MAX
            && !text.starts_with(['<', '{', '[', '"'])
            && !text.contains(|c: char| c.is_control() && !c.is_whitespace());
        readable.then(|| {
            let status = text.split(' ').next().filter(|_| text.contains(' ')).and_then(error_status);
            let mut said = Self { status, ..Self::default() };
            said.set_message(text);
            said
        })
    }

    fn set_message(&mut self, message: &str) {
        self.lower = message.to_ascii_lowercase();
        self.message = Some(message).filter(|message| !message.is_empty()).map(str::to_owned);
    }
}

/// The text of a field.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// The JSON inside a string, where it is an object or a list.
fn nested(text: &str) -> Option<Value> {
    let json = text.trim_start().starts_with(['{', '[', '"']);
    json.then(|| serde_json::from_str(text).ok())?
}

fn stated_status(fields: &Map<String, Value>) -> Option<u16> {
    ["code", "status", "raw_status_code", "status_code"].iter().find_map(|key| match fields.get(*key)? {
        Value::Number(number) => number.as_u64().and_then(|code| u16::try_from(code).ok()).filter(is_error),
        Value::String(text) => error_status(text),
        _ => None,
    })
}

fn error_status(text: &str) -> Option<u16> {
    text.parse().ok().filter(is_error)
}

fn is_error(status: &u16) -> bool {
    (400..600).contains(status)
}

/// The reasons and the quotas in the details of Google's errors and `OpenRouter`'s metadata.
fn reasons(error: &Value) -> impl Iterator<Item = String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let details = list(&error["details"]);
    let violations = details.iter().flat_map(|detail| list(&detail["violations"]));
    let quotas = violations.map(|violation| violation["quotaId"].clone());
    let limits = details.iter().map(|detail| detail["metadata"]["quota_limit"].clone());
    let domains = details.iter().map(|detail| detail["metadata"]["quota_metric"].clone());
    let why = details
        .iter()
        .chain(&list(&error["errors"]))
        .map(|detail| detail["reason"].clone())
        .collect::<Vec<_>>();
    let services = details.iter().map(|detail| detail["domain"].clone());
    let source = error["metadata"]["limit_source"].clone();
    let found: Vec<Value> =
        quotas.chain(limits).chain(domains).chain(services).chain(why).chain([source]).collect();
    found.into_iter().filter_map(|value| value.as_str().map(str::to_owned))
}

/// The fields by which errors are called.
const CALLED: [&str; 6] = ["code", "type", "status", "error_type", "object", "title"];
/// How deep errors are wrapped at most: an array, an object, a string and what a gateway puts around them.
const DEPTH_MAX: u8 = 6;
/// A longer text is no message.
const TEXT_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(body: &str) -> Option<String> {
        ErrorBody::read(body.as_bytes()).and_then(|said| said.message)
    }

    #[test]
    fn every_wrapping_gives_the_same_message() {
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
            let said = ErrorBody::read(body.as_bytes()).unwrap_or_else(|| panic!("{body} says something"));
            assert_eq!((said.message.as_deref(), said.status), (Some("M"), Some(429)), "{body}");
        }
        assert_eq!(message("Model busy"), Some("Model busy".into()));
    }

    #[test]
    fn what_says_nothing_says_nothing() {
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
            assert_eq!(ErrorBody::read(body.as_bytes()), None, "{body}");
        }
        let mut deep = json!({ "message": "M" });
        (0..20).for_each(|_| deep = json!([deep]));
        assert_eq!(message(&deep.to_string()), None);
    }

    #[test]
    fn an_error_inside_a_success_is_one_that_is_called_so() {
        let inside = |value: Value| ErrorBody::inside(&value).and_then(|said| said.message);
        assert_eq!(inside(json!({ "error": { "message": "M" }, "choices": [] })), Some("M".into()));
        assert_eq!(inside(json!([{ "error": { "message": "M" } }])), Some("M".into()));
        assert_eq!(inside(json!({ "type": "error", "error": { "message": "M" } })), Some("M".into()));
        assert_eq!(inside(json!({ "x_groq": { "error": "M" } })), Some("M".into()));
        let raw = json!({ "error": { "message": "deep" } }).to_string();
        let routed = json!({ "error": { "message": "M", "metadata": { "raw": raw } } });
        assert_eq!(inside(routed), Some("M: deep".into()));
        assert!(
            ErrorBody::inside(&json!({ "error": { "odd": 1 } })).is_some(),
            "an error that says nothing is one"
        );
        assert_eq!(inside(json!({ "choices": [{ "error": { "message": "M" } }] })), Some("M".into()));
        for fine in [
            json!({ "message": "hello" }),
            json!({ "error": null }),
            json!({ "error": {} }),
            json!({ "error": "" }),
        ] {
            assert_eq!(inside(fine.clone()), None, "{fine}");
        }
    }
}

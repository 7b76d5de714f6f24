//! Splits the text below a head, or a text without one, into the bodies of replies.

use super::PastedReply;
use super::printed;
use serde_json::Value;

/// Returns the bodies of a text; none if it is blank.
pub(super) fn of(text: &str) -> Vec<PastedReply> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => of_json(text, value),
        Err(_) if is_stream(text) => of_stream(text),
        Err(_) if is_page(text) => vec![body(text)],
        Err(_) => printed::of(text),
    }
}

/// Returns a reply of which only the body is known.
pub(super) fn body(text: &str) -> PastedReply {
    PastedReply { body: text.to_owned(), ..PastedReply::default() }
}

/// Returns the bodies in a JSON text: the elements of a list of several errors, or the text itself.
fn of_json(text: &str, value: Value) -> Vec<PastedReply> {
    match value {
        Value::Array(items) if items.len() > 1 && items.iter().all(Value::is_object) => {
            items.iter().take(super::MAX_REPLIES).map(|item| of_object(&item.to_string(), item)).collect()
        }
        value => of_record(&value).unwrap_or_else(|| vec![of_object(text, &value)]),
    }
}

/// Returns the replies that a record of a log has as the text of an exception in one of its members, such as `exc` or `stack`; `None`
/// if it has none, or holds a reply itself.
fn of_record(record: &Value) -> Option<Vec<PastedReply>> {
    let fields = record.as_object()?;
    let is_record = ["level", "severity", "levelname"].iter().any(|key| fields.contains_key(*key));
    if !is_record
        || ["error", "err", "response"]
            .iter()
            .any(|key| fields.get(*key).is_some_and(|value| !value.is_null()))
    {
        return None;
    }
    let of_text = |text: &str| {
        let replies = if text.contains('{') { printed::of(text) } else { Vec::new() };
        let has_error =
            replies.iter().any(|reply| reply.status.is_some() || printed::has_error_text(&reply.body));
        has_error.then_some(replies)
    };
    fields.values().filter_map(Value::as_str).find_map(of_text)
}

/// Returns the reply in an object, with the status and the headers that the object holds. The body is what the object holds as
/// one, or else the object itself. Programs log replies in this form, and some gateways send it. `text` is the text of the
/// object; empty for one inside another.
pub(super) fn of_object(text: &str, value: &Value) -> PastedReply {
    let status = STATUS.iter().find_map(|key| printed::status(&value[*key]));
    let headers =
        HEADERS.iter().map(|key| printed::headers(&value[*key])).find(|headers| !headers.is_empty());
    // A reply inside the exception of an HTTP client: axios, httpx. An exception inside a record of pino.
    let inner = ["response", "err"].iter().find_map(|key| {
        let inner = &value[*key];
        (inner.is_object() && value["error"].is_null()).then(|| of_object("", inner))
    });
    if let Some(inner) = inner.filter(|inner| !inner.body.is_empty() || inner.status.is_some()) {
        let headers = if inner.headers.is_empty() { headers.unwrap_or_default() } else { inner.headers };
        return PastedReply { status: inner.status.or(status), headers, ..inner };
    }
    let nested = if value["error"].is_object() || value["errors"].is_array() {
        None
    } else {
        BODIES.iter().find_map(|key| match &value[*key] {
            Value::String(text) if text.trim_start().starts_with(['{', '[']) => Some(text.clone()),
            object @ Value::Object(_) => Some(object.to_string()),
            _ => None,
        })
    };
    let is_dump = headers.is_some() || value["statusCode"].is_number();
    let has_message = ["message", "detail", "title"].iter().any(|key| value[*key].is_string());
    let is_reply = status.is_some() || headers.is_some();
    let body = match nested {
        Some(nested) if is_dump || (status.is_some() && !has_message) || is_error(&nested) => nested,
        _ if text.is_empty() && is_reply => value.to_string(),
        _ => text.to_owned(),
    };
    PastedReply { status, headers: headers.unwrap_or_default(), body, ..PastedReply::default() }
}

/// Returns `true` for a body in OpenAI's format, which says more than the message of the log around it.
fn is_error(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|body| body["error"]["message"].is_string())
}

/// The members of a logged reply that hold its status.
const STATUS: [&str; 5] = ["statusCode", "status_code", "status", "http_status", "httpStatus"];
/// The members of a logged reply that hold its headers.
const HEADERS: [&str; 4] = ["headers", "responseHeaders", "response_headers", "Headers"];
/// The members of a logged reply that hold its body, as an object or as JSON in a string.
const BODIES: [&str; 8] =
    ["responseBody", "response_body", "responseText", "response", "body", "data", "error", "text"];

/// Returns `true` for a page in HTML or a document in XML, but not for a line of a log such as `<worker> call failed`.
fn is_page(text: &str) -> bool {
    let begins = ["<!", "<?", "<html", "<HTML", "<head"].iter().any(|mark| text.starts_with(mark));
    begins || (text.starts_with('<') && text.contains("</"))
}

/// Returns `true` for a stream of server-sent events.
fn is_stream(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let begins =
        first.starts_with("data:") || first.starts_with("event:") || first.starts_with(": ") || first == ":";
    begins && text.lines().any(|line| line.trim_start().starts_with("data:"))
}

/// Returns the errors in a stream. A stream without one is a success.
fn of_stream(text: &str) -> Vec<PastedReply> {
    let mut replies = Vec::new();
    let (mut is_error_event, mut data) = (false, String::new());
    for line in text.lines().chain([""]) {
        let line = line.trim();
        let starts_event = line.starts_with("event:");
        if line.is_empty() || starts_event {
            replies.extend(of_event(&data, is_error_event));
            (is_error_event, data) = (false, String::new());
        }
        if let Some(name) = line.strip_prefix("event:") {
            is_error_event = name.trim() == "error";
        } else if let Some(part) = line.strip_prefix("data:") {
            // If the blank line between events is missing, each line of data that is complete JSON is an event.
            if serde_json::from_str::<Value>(&data).is_ok() {
                replies.extend(of_event(&data, is_error_event));
                data.clear();
            }
            data.push_str(part.trim_start());
        }
    }
    replies
}

/// Returns the error of one event; `None` if it has none.
fn of_event(data: &str, is_error_event: bool) -> Option<PastedReply> {
    let value: Value = match serde_json::from_str(data) {
        Ok(value) => value,
        Err(_) => {
            return (is_error_event && !data.is_empty())
                .then(|| PastedReply { in_stream: true, ..body(data) });
        }
    };
    let error = &value["error"];
    let has_error = (error.is_object() && error.as_object().is_some_and(|error| !error.is_empty()))
        || error.is_string()
        || value["type"] == "error"
        || value["type"] == "response.failed"
        || value["x_groq"]["error"].is_object()
        || value["x_groq"]["error"].is_string();
    let text = match &value["x_groq"]["error"] {
        Value::Null => data.to_owned(),
        error => serde_json::json!({ "error": error }).to_string(),
    };
    (has_error || is_error_event).then(|| PastedReply { in_stream: true, ..body(&text) })
}

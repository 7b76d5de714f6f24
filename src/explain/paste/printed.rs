//! Exceptions as Python and Node print them, and logs: prose with objects in it.
//!
//! ```text
//!  openai.RateLimitError: Error code: 429 - {'error': {'message': …}}
//!  RateLimitError: 429 Rate limit reached … { status: 429, headers: { 'retry-after': '7' }, error: { … } }
//!  502 All variants failed with errors: zai: 429: {"error": …}, ollama1: 403: {"error": …}
//! ```

use super::PastedReply;
use super::bodies::{body, of_object};
use super::botocore;
use super::grpc;
use crate::engine::parse::literal::{self, Embedded};
use serde_json::Value;

/// Returns the replies in a text that is neither JSON nor a stream nor a page.
pub(super) fn of(text: &str) -> Vec<PastedReply> {
    let objects: Vec<Embedded> =
        literal::embedded(text, true).into_iter().filter(|object| is_of_reply(&object.value)).collect();
    // The members of a `Status` of Rust's tonic are no reply.
    if objects.is_empty() || text.contains(" metadata: MetadataMap {") {
        return plain(text);
    }
    let mut replies: Vec<PastedReply> = Vec::new();
    let mut pending: Vec<(String, String)> = Vec::new();
    for record in records(text, &objects) {
        // Headers that were printed on their own belong to the error before them, or to the next one.
        if let [only] = record.objects {
            let headers = headers(&only.value);
            if !headers.is_empty() && is_headers(&only.value) {
                match replies.last_mut().filter(|last| last.headers.is_empty()) {
                    Some(last) => last.headers = headers,
                    None => pending = headers,
                }
                continue;
            }
        }
        // Node prints the members of an exception below its stack: `{ status: 503 }`.
        if let ([only], Some(last)) = (record.objects, replies.last_mut())
            && !has_error_text(&only.value.to_string())
            && without_stack(record.before).is_empty()
        {
            let members = of_object("", &only.value);
            last.status = last.status.or(members.status);
            if last.headers.is_empty() {
                last.headers = members.headers;
            }
            continue;
        }
        let mut reply = record.reply();
        if reply.headers.is_empty() {
            reply.headers = std::mem::take(&mut pending);
        }
        replies.push(reply);
    }
    if replies.is_empty() && !pending.is_empty() {
        replies.push(PastedReply { headers: pending, ..PastedReply::default() });
    }
    replies
}

/// Returns `true` for an object that a reply, an exception or its headers may be.
fn is_of_reply(value: &Value) -> bool {
    const KEYS: [&str; 16] = [
        "error",
        "errors",
        "message",
        "Message",
        "status",
        "statusCode",
        "status_code",
        "headers",
        "responseHeaders",
        "responseBody",
        "body",
        "detail",
        "code",
        "response",
        "lastError",
        "cause",
    ];
    KEYS.iter().any(|key| !value[*key].is_null()) || is_headers(value)
}

/// Returns `true` for an object of response headers.
fn is_headers(value: &Value) -> bool {
    let names = ["retry-after", "retry-after-ms", "x-request-id", "cf-ray", "date"];
    let is_header = |name: &str| {
        let name = name.to_ascii_lowercase();
        names.contains(&name.as_str()) || name.contains("ratelimit-") || name.starts_with("x-codex-")
    };
    let has_error = ["error", "message", "errors", "body"].iter().any(|key| !value[*key].is_null());
    !has_error && value.as_object().is_some_and(|fields| fields.keys().any(|name| is_header(name)))
}

/// A part of a text with the objects of one error: those that begin on the line on which the one before ends.
struct Record<'a> {
    text: &'a str,
    /// The text before the first object.
    before: &'a str,
    objects: &'a [Embedded],
}

fn records<'a>(text: &'a str, objects: &'a [Embedded]) -> Vec<Record<'a>> {
    let mut records = Vec::new();
    let (mut first, mut start) = (0, 0);
    for index in 0..objects.len() {
        let end = objects[index].end;
        let next = objects.get(index + 1);
        if next.is_some_and(|next| !text[end..next.start].contains('\n')) {
            continue;
        }
        let line_end = text[end..].find('\n').map_or(text.len(), |at| end + at);
        let before = &text[start..objects[first].start];
        records.push(Record { text: &text[start..line_end], before, objects: &objects[first..=index] });
        (first, start) = (index + 1, line_end);
    }
    records
}

impl Record<'_> {
    fn reply(&self) -> PastedReply {
        let before = without_stack(self.before);
        let [only] = self.objects else {
            // A gateway lists the errors of several providers.
            return PastedReply { status: None, ..body(&without_stack(self.text)) };
        };
        let inner = of_object(&only.value.to_string(), &only.value);
        // `402 {…}` and `Error code: 402 - {…}`: the status is before the object.
        // A tag of a log may contain it: `[429 Too Many Requests] {…}`.
        let status =
            inner.status.or_else(|| status_before(&before)).or_else(|| status_of_first_line(self.before));
        let has_text = has_error_text(&inner.body);
        let body = if !has_text && !before.is_empty() {
            before.clone()
        } else if is_plain_prefix(&before) {
            inner.body
        } else {
            // The words before the object name a gateway or an SDK.
            format!("{before} {}", inner.body)
        };
        PastedReply { status, headers: inner.headers, body, in_stream: false, cut: only.cut }
    }
}

/// Returns `true` if a body contains a message or details of an error.
pub(super) fn has_error_text(body: &str) -> bool {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let first = value.as_array().and_then(|items| items.first()).unwrap_or(&value);
    let holds = |value: &Value| {
        ["message", "Message", "error", "errors", "detail", "msg", "title"].iter().any(|key| {
            match &value[*key] {
                Value::Null => false,
                Value::Object(fields) => !fields.is_empty(),
                Value::String(text) => !text.is_empty(),
                _ => true,
            }
        })
    };
    holds(first)
}

/// Returns a status from 400 to 599 in a text before an object: the last one after a word such as `code`, `status`, `HTTP` or
/// `RateLimitError`, or a number at the start.
fn status_before(text: &str) -> Option<u16> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let number =
        |word: &str| word.parse::<u16>().ok().filter(|status| word.len() == 3 && (400..600).contains(status));
    let labelled = words.windows(2).rev().find_map(|pair| {
        let label = pair[0].to_ascii_lowercase();
        let is_label = ["code", "status", "http", "response", "error", "statuscode", "returned"]
            .contains(&label.as_str());
        number(pair[1]).filter(|_| is_label || label.ends_with("error"))
    });
    labelled.or_else(|| number(words.first()?))
}

/// Returns the status on the first line of a text, its tags included.
fn status_of_first_line(text: &str) -> Option<u16> {
    status_before(text.trim().lines().next()?)
}

/// Returns `true` if at most eight words stand before an object and none of them names a gateway, so that they add nothing but
/// an exception and a status.
fn is_plain_prefix(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let names_gateway =
        ["litellm", "failed", "portkey", "provider", "upstream"].iter().any(|word| lower.contains(word));
    text.split_whitespace().count() <= 8 && !names_gateway
}

/// Removes the lines of a stack, blank lines, and the names of exceptions before a message.
fn without_stack(text: &str) -> String {
    let is_stack = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("at ")
            || line.starts_with("File \"")
            || line.starts_with("Traceback (")
            || line.starts_with("^")
            || line.starts_with("raise ")
            || line.starts_with("During handling")
            || line.starts_with("The above exception")
    };
    let kept: Vec<&str> = text.lines().filter(|line| !is_stack(line) && !line.trim().is_empty()).collect();
    without_exception(&kept.join("\n")).to_owned()
}

/// Removes `openai.RateLimitError: `, `Error: `, `Uncaught (in promise) APIError: ` from the start of a text, also after the tags
/// of a log, and what `LangChain` writes before the exception that it retries.
fn without_exception(text: &str) -> &str {
    let mut rest = without_tags(text);
    // The wait that LangChain states is that of the client, not of the reply.
    if let Some((before, raised)) = rest.split_once(" as it raised ")
        && before.contains("Retrying ")
    {
        rest = raised.trim_start();
    }
    while let Some((name, after)) = rest.split_once(": ") {
        let last = name.rsplit([' ', '.']).next().unwrap_or_default().trim_matches(['[', ']', '(', ')']);
        let is_exception = last.ends_with("Error")
            || last.ends_with("Exception")
            || name == "error"
            || GOOGLE_EXCEPTIONS.contains(&last);
        // `litellm.RateLimitError` names the gateway.
        if !is_exception || name.len() > 80 || name.contains("litellm") || name.contains('{') {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

/// Removes the tags that loggers write before a message: `[worker-3] `, `{worker=3} `, `<main> `, `(llm) `. Brackets that
/// contain a quote or another bracket are data, not a tag.
fn without_tags(text: &str) -> &str {
    let mut rest = text.trim();
    while let Some(inner) = rest.strip_prefix(['[', '{', '<', '(']) {
        let Some((tag, after)) = inner.split_once([']', '}', '>', ')']) else { break };
        let after = after.trim_start_matches([' ', ':', '-', '|']);
        let is_tag = tag.len() <= MAX_TAG
            && !tag.contains(['"', '\'', '[', '{', '<', '(', '\n', ','])
            && !tag.is_empty();
        if !is_tag || after.is_empty() {
            break;
        }
        rest = after;
    }
    rest
}

/// The maximum length of a tag of a log, in bytes.
const MAX_TAG: usize = 80;

/// The exceptions of `google.api_core` whose names do not end with `Error`.
const GOOGLE_EXCEPTIONS: [&str; 12] = [
    "ResourceExhausted",
    "TooManyRequests",
    "ServiceUnavailable",
    "DeadlineExceeded",
    "GatewayTimeout",
    "PermissionDenied",
    "Forbidden",
    "Unauthenticated",
    "Unauthorized",
    "InvalidArgument",
    "FailedPrecondition",
    "NotFound",
];

/// Returns the reply in a text without objects: its body is the text without the lines of a stack; none if nothing is left.
fn plain(text: &str) -> Vec<PastedReply> {
    let rest = without_stack(text);
    if rest.is_empty() {
        return Vec::new();
    }
    if let Some(reply) = botocore::of(&rest).or_else(|| grpc::of(text)) {
        return vec![reply];
    }
    let status = status_before(&rest).or_else(|| status_of_first_line(text));
    let status = status.filter(|_| !rest.contains('\n') || rest.len() < 4_096);
    vec![PastedReply { status, ..body(&rest) }]
}

/// Returns a status from 100 to 599 that a member states.
pub(super) fn status(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|status| (100..600).contains(status))
}

/// Returns the headers that an object holds, with their names in lower case; the first value of a list.
pub(super) fn headers(value: &Value) -> Vec<(String, String)> {
    let Some(fields) = value.as_object() else { return Vec::new() };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => items.first()?.as_str().map(str::to_owned),
        _ => None,
    };
    fields.iter().filter_map(|(name, value)| Some((name.to_ascii_lowercase(), text(value)?))).collect()
}

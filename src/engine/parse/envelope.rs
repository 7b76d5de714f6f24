//! The members under which errors are nested, and what else is read of an error and of the objects around it: codes,
//! statuses, waits.

use serde_json::{Map, Value};

/// The members that may hold an error as an object or a list, the most specific first. Those after the second do so only in
/// an object without a message: Google's errors have both.
pub(super) const MEMBERS: [&str; 9] =
    ["error", "Error", "errors", "base_resp", "fault", "response", "detail", "body", "data"];
/// The number of [`MEMBERS`] that hold the error whatever other members the object has.
pub(super) const CERTAIN_MEMBERS: usize = 2;

/// The members that may hold the message of an error, the most specific first.
pub(super) const MESSAGES: [&str; 12] = [
    "message",
    "Message",
    "detail",
    "error_message",
    "error_msg",
    "status_msg",
    "faultstring",
    "errorMessage",
    "msg",
    "reason",
    "error_description",
    "title",
];

/// The members that hold codes.
const CODES: [&str; 11] = [
    "code",
    "type",
    "status",
    "error_type",
    "object",
    "title",
    "Code",
    "__type",
    "error_code",
    "errorCode",
    "limit_source",
];

/// Returns the codes of an error object: non-empty strings, and numbers as text; a `status_code` only if it is not an HTTP
/// status.
pub(super) fn codes(fields: &Map<String, Value>) -> Vec<String> {
    let code = |key: &&str| match fields.get(*key)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let status_code = fields.get("status_code").filter(|code| !is_status(code));
    let status_code = status_code.and_then(Value::as_u64).map(|code| code.to_string());
    CODES.iter().filter_map(code).chain(status_code).collect()
}

/// Returns the text of a member, or `None` if it is absent, empty or not a string.
pub(super) fn non_empty_str<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// Returns the first status from 400 to 599 among the members that may hold one, as a number or as text.
pub(super) fn stated_status(fields: &Map<String, Value>) -> Option<u16> {
    ["code", "status", "raw_status_code", "status_code", "statusCode", "httpStatus", "http_status"]
        .iter()
        .find_map(|key| match fields.get(*key)? {
            Value::Number(number) => {
                number.as_u64().and_then(|code| u16::try_from(code).ok()).filter(is_error_status)
            }
            Value::String(text) => error_status(text),
            _ => None,
        })
}

/// Returns `true` for a number that is an HTTP status, from 100 to 599.
fn is_status(value: &Value) -> bool {
    value.as_u64().is_some_and(|code| (100..600).contains(&code))
}

/// Parses a status from 400 to 599.
pub(super) fn error_status(text: &str) -> Option<u16> {
    text.parse().ok().filter(is_error_status)
}

/// Returns `true` for a status from 400 to 599.
fn is_error_status(status: &u16) -> bool {
    (400..600).contains(status)
}

/// Returns the last status that the words before an error state: `Error code: 429 - `, `Invalid status code: 403 Forbidden: `.
pub(super) fn status_in(text: &str) -> Option<u16> {
    const LABELS: [&str; 10] = [
        "error code: ",
        "status code: ",
        "status_code=",
        "status code ",
        "status: ",
        "status=",
        "statuscode: ",
        "http error ",
        "http ",
        "returned error: ",
    ];
    let lower = text.to_ascii_lowercase();
    let found = LABELS.iter().flat_map(|label| {
        lower.match_indices(label).filter_map(|(at, label)| {
            let digits = lower.get(at + label.len()..at + label.len() + 3)?;
            let next = lower[at + label.len() + 3..].chars().next();
            let is_whole = !next.is_some_and(|c| c.is_ascii_alphanumeric());
            Some((at, error_status(digits).filter(|_| is_whole)?))
        })
    });
    found.max_by_key(|(at, _)| *at).map(|(_, status)| status)
}

/// Adds the numbers and strings of an object, and of objects in it such as `metadata` and `headers`, to `members`. Names that
/// `members` has already keep their value.
pub(super) fn add_members(members: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (name, value) in fields {
        match value {
            Value::Number(_) | Value::String(_) => {
                members.entry(plain_name(name)).or_insert_with(|| value.clone());
            }
            Value::Object(inner)
                if ["metadata", "headers", "details", "extra", "detail", "data"].contains(&name.as_str()) =>
            {
                add_members(members, inner);
            }
            _ => {}
        }
    }
}

/// Returns a name in lower case without `-` and `_`.
fn plain_name(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns the reasons, quotas and services in the details of Google's errors and in `OpenRouter`'s metadata.
pub(super) fn detail_codes(error: &Value) -> impl Iterator<Item = String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let details = list(&error["details"]);
    let violations = details.iter().flat_map(|detail| list(&detail["violations"]));
    let quotas =
        violations.flat_map(|violation| [violation["quotaId"].clone(), violation["quotaMetric"].clone()]);
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

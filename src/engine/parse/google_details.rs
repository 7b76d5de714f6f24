//! The details of Google's errors inside a text: the client for Python prints them in the text format of protocol buffers, the
//! client for Node prints them in JSON, and that for Go as maps.
//!
//! ```text
//!  429 You exceeded … [violations { quota_id: "…" quota_value: 200 … }, retry_delay { seconds: 38 }]      google.api_core
//!  [429 Too Many Requests] You exceeded … [{"@type":"…QuotaFailure","violations":[…]},{"retryDelay":"26s"}]   Node
//!  Error 429, Message: You exceeded …, Details: [map[@type:…QuotaFailure violations:[map[quotaId:…]]] map[…]]  Go
//! ```

use super::literal;
use super::refusal::{after, between};
use serde_json::{Value, json};

/// Returns the message before the details in a text, and the details in the form of Google's JSON; `None` if there are none.
pub(super) fn in_text(text: &str) -> Option<(&str, Vec<Value>)> {
    let (start, details) = in_json(text).or_else(|| in_text_format(text)).or_else(|| in_go_maps(text))?;
    let message = text[..start].trim_end_matches(['[', ' ', '\n', ',']);
    (!details.is_empty()).then_some((message, details))
}

/// Reads the objects from the first `{"@type"` on.
fn in_json(text: &str) -> Option<(usize, Vec<Value>)> {
    let start = text.find("{\"@type\"")?;
    let objects = literal::embedded(&text[start..], false).into_iter().take(MAX_DETAILS);
    Some((start, objects.map(|object| object.value).filter(|value| value["@type"].is_string()).collect()))
}

/// Reads `violations { … }` and `retry_delay { … }`, each as an element of the list of details.
fn in_text_format(text: &str) -> Option<(usize, Vec<Value>)> {
    let start = ["violations {", "retry_delay {"].iter().filter_map(|mark| text.find(mark)).min()?;
    let list = &text[start..];
    // A violation ends where the next element of the list begins.
    let violations = list.split("violations {").skip(1).take(MAX_DETAILS).map(|rest| {
        let end = ["links {", "retry_delay {"].iter().filter_map(|next| rest.find(next)).min();
        violation(&rest[..end.unwrap_or(rest.len())])
    });
    let violations: Vec<Value> = violations.collect();
    let delay = between(list, "retry_delay {", "}").and_then(|delay| {
        let seconds: u64 = scalar(delay, "seconds:").unwrap_or("0").parse().ok()?;
        let nanos: u32 = scalar(delay, "nanos:").unwrap_or("0").parse().ok()?;
        Some(json!({ "retryDelay": format!("{seconds}.{nanos:09}s") }))
    });
    let quota = (!violations.is_empty()).then(|| json!({ "violations": violations }));
    Some((start, quota.into_iter().chain(delay).collect()))
}

/// Reads the maps that Go prints: `map[@type:… violations:[map[quotaDimensions:map[model:m] quotaId:… quotaValue:15]]]`, with sorted
/// keys.
fn in_go_maps(text: &str) -> Option<(usize, Vec<Value>)> {
    let start = text.find("[map[@type:")?;
    let list = &text[start..];
    let word = |text: &str, name: &str| {
        let value = after(text, name)?.split([' ', ']']).next().filter(|value| !value.is_empty())?;
        Some(value.to_owned())
    };
    let model = word(list, "model:");
    let violations = list.split(" quotaId:").skip(1).take(MAX_DETAILS).map(|rest| {
        json!({
            "quotaMetric": word(rest, " quotaMetric:"),
            "quotaId": rest.split([' ', ']']).next(),
            "quotaValue": word(rest, " quotaValue:"),
            "quotaDimensions": { "model": model },
        })
    });
    let violations: Vec<Value> = violations.collect();
    let delay = word(list, "retryDelay:").map(|delay| json!({ "retryDelay": delay }));
    let quota = (!violations.is_empty()).then(|| json!({ "violations": violations }));
    Some((start, quota.into_iter().chain(delay).collect()))
}

/// Returns a violation as Google's JSON names its fields. A field of zero is left out in both forms.
fn violation(block: &str) -> Value {
    let model = block
        .split("quota_dimensions {")
        .skip(1)
        .find(|dimension| scalar(dimension, "key:") == Some("model"))
        .and_then(|dimension| scalar(dimension, "value:"));
    json!({
        "quotaMetric": scalar(block, "quota_metric:"),
        "quotaId": scalar(block, "quota_id:"),
        "quotaValue": scalar(block, "quota_value:"),
        "quotaDimensions": { "model": model },
    })
}

/// Returns the string or number after the first `name` in a block.
fn scalar<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    let rest = after(block, name)?.trim_start();
    match rest.strip_prefix('"') {
        Some(text) => text.split_once('"').map(|(text, _)| text),
        None => rest.split(|c: char| c.is_whitespace() || c == '}').next().filter(|text| !text.is_empty()),
    }
}

/// The maximum number of details that are read.
const MAX_DETAILS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_give_the_same_details() {
        let printed = "429 Quota. [violations {\n  quota_metric: \"m\"\n  quota_id: \"PerDay\"\n  quota_dimensions {\n    key: \"location\"\n    value: \"global\"\n  }\n  quota_dimensions {\n    key: \"model\"\n    value: \"g\"\n  }\n  quota_value: 200\n}\n, links {\n  url: \"u\"\n}\n, retry_delay {\n  seconds: 38\n  nanos: 500000000\n}\n]";
        let (message, details) = in_text(printed).unwrap();
        let violation = json!({ "quotaMetric": "m", "quotaId": "PerDay", "quotaValue": "200", "quotaDimensions": { "model": "g" } });
        assert_eq!(message, "429 Quota.");
        assert_eq!(
            details,
            [json!({ "violations": [violation.clone()] }), json!({ "retryDelay": "38.500000000s" })]
        );
        let node = format!(
            "[429 X] Quota. {}",
            json!([{ "@type": "F", "violations": [violation.clone()] }, { "@type": "I", "retryDelay": "26s" }])
        );
        let (message, details) = in_text(&node).unwrap();
        assert_eq!((message, &details[0]["violations"][0]), ("[429 X] Quota.", &violation));
        assert_eq!(details[1]["retryDelay"], "26s");
    }

    #[test]
    fn a_text_without_details_has_none() {
        for text in
            ["", "429 Quota exceeded", "[{\"@type\"", "retry_delay {", "x {\"@type\": 3}", "violations"]
        {
            assert_eq!(in_text(text), None, "{text}");
        }
    }
}

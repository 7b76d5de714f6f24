//! The text of the last message of the user in a request, in the formats of all endpoints. It is looked up only if an answer that
//! was set depends on it.

use serde_json::Value;

/// Returns the text of the last message of the user; `None` if the body is not JSON or has none.
///
/// The message is the last of `messages` (chat, Anthropic), `input` (Responses) or `contents` (Gemini) whose role is `user`, or
/// which has no role and no other type than `message`; or the text of `prompt` or `input`.
pub(super) fn last_user_text(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let is_user = |message: &&Value| match message["role"].as_str() {
        Some(role) => role == "user",
        // The calls of tools and their results have a type and no role in `input`.
        None => matches!(message["type"].as_str(), None | Some("message")),
    };
    let lists = ["messages", "input", "contents"].iter().filter_map(|name| body.get(name)?.as_array());
    let mut messages = lists.filter_map(|messages| messages.iter().rev().find(is_user));
    let text = ["prompt", "input"].iter().find_map(|name| body.get(name)?.as_str());
    messages.next().map(text_of).or_else(|| text.map(str::to_owned))
}

/// Returns the text of a message: of its `content`, or of its parts.
fn text_of(message: &Value) -> String {
    let content = message.get("content").or_else(|| message.get("parts")).unwrap_or(message);
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_message_of_the_user_is_found_in_every_format() {
        for (body, expected) in [
            (r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#, Some("a")),
            (
                r#"{"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},{"type":"image_url"},{"text":"c"}]}]}"#,
                Some("b\nc"),
            ),
            (r#"{"input":"a"}"#, Some("a")),
            (r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}]}"#, Some("a")),
            (
                r#"{"input":[{"role":"user","content":"a"},{"type":"function_call","name":"f"},{"type":"function_call_output","output":"b"}]}"#,
                Some("a"),
            ),
            (r#"{"prompt":"a"}"#, Some("a")),
            (
                r#"{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]}]}"#,
                Some("a"),
            ),
            (r#"{"contents":[{"parts":[{"text":"a"}]}]}"#, Some("a")),
            (r#"{"messages":[{"role":"system","content":"a"}]}"#, None),
            (r#"{"messages":[]}"#, None),
            ("[]", None),
            ("{", None),
        ] {
            assert_eq!(last_user_text(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}

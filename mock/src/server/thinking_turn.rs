//! The thinking block that Anthropic requires in a request that enables thinking and ends with tool results: the turn of the
//! assistant that the results continue must begin with one.

use super::request::invalid;
use crate::wire::Error;
use serde_json::Value;

/// Checks that the turn of the assistant begins with a thinking block, if the messages end with tool results that continue it.
/// The turn has several messages if tools were called several times; only the first of them must begin with a thinking block.
///
/// # Errors
/// [`Error::Invalid`] if it begins with another block (captured, 2025–2026; that the first message of a longer turn counts is
/// documented).
pub(super) fn check_last_turn(messages: Option<&Value>) -> Result<(), Error<'static>> {
    let messages = messages.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of_turn = |message: &&Value| message["role"] == "assistant" || has_tool_result(message);
    let length = messages.iter().rev().take_while(of_turn).count();
    let begin = messages.len() - length;
    let ends_with_result = messages.last().is_some_and(has_tool_result);
    let is_from_assistant = |(_, message): &(usize, &Value)| message["role"] == "assistant";
    let Some((index, first)) =
        (begin..).zip(&messages[begin..]).find(is_from_assistant).filter(|_| ends_with_result)
    else {
        return Ok(());
    };
    let found = first["content"][0]["type"].as_str().unwrap_or("text");
    if matches!(found, "thinking" | "redacted_thinking") {
        return Ok(());
    }
    Err(invalid(format!(
        "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` is \
         enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and \
         `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this requirement, \
         disable `thinking`. Please consult our documentation at \
         https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
    )))
}

fn has_tool_result(message: &Value) -> bool {
    let mut parts = message["content"].as_array().into_iter().flatten();
    message["role"] == "user" && parts.any(|part| part["type"] == "tool_result")
}

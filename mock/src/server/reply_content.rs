//! The content of a completion: plain text, JSON, a tool call, a recorded reply or a transcript.
//!
//! The content is filler with the structure that the request asks for, unless an answer is set ([`super::answers`]).

use super::records::Recording;
use super::request::invalid;
use super::schema_example::{PropertyOrder, example_text};
use super::tools::{Function, ToolChoice};
use crate::wire::{Error, Transcript};
use serde_json::{Value, json};

/// The content of a completion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ReplyContent {
    /// Filler words.
    #[default]
    Filler,
    /// This JSON text.
    Json(String),
    /// This text, which `max_tokens` may cut.
    Text(String),
    /// A call of a tool's function.
    ToolCall {
        /// The function's name.
        name: String,
        /// Its arguments, a JSON object.
        arguments: String,
    },
    /// A recorded reply, whose text `max_tokens` may cut.
    Recorded(Box<Recording>),
    /// The transcript of an audio file.
    Transcript(Transcript),
}

/// The format of a text reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ResponseFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON that matches this schema.
    JsonSchema(Value),
}

impl ReplyContent {
    /// Returns the content for a request with these functions, this choice among them, and this format.
    ///
    /// If there are functions, the content is a call of the one that the choice names, or else of the first. None is
    /// called if the choice is `none`, nor after a tool result if it is `auto`: an agent that answers each call with a result would
    /// never end. `body` is that of the request, for the order of the properties in its schemas.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the choice names a function that is not among them.
    pub(super) fn new(
        functions: Vec<Function>,
        choice: &ToolChoice,
        response_format: Option<ResponseFormat>,
        ends_with_tool_result: bool,
        body: &[u8],
    ) -> Result<Self, Error<'static>> {
        let mut functions = functions.into_iter();
        let function = match choice {
            ToolChoice::Named(name) => {
                let missing = || invalid(format!("'tool_choice': no tool has the name '{name}'"));
                Some(functions.find(|function| function.name == *name).ok_or_else(missing)?)
            }
            ToolChoice::None => None,
            ToolChoice::Required => functions.next(),
            ToolChoice::Auto => functions.next().filter(|_| !ends_with_tool_result),
        };
        if let Some(Function { name, parameters }) = function {
            let arguments = example_text(&parameters, &PropertyOrder::of_body(body));
            // Arguments are an object, even if the schema describes something else.
            let arguments = if arguments.starts_with('{') { arguments } else { "{}".to_owned() };
            return Ok(Self::ToolCall { name, arguments });
        }
        Ok(match response_format {
            None => Self::Filler,
            Some(ResponseFormat::JsonObject) => Self::Json(json!({ "answer": FILLER_STRING }).to_string()),
            Some(ResponseFormat::JsonSchema(schema)) => {
                Self::Json(example_text(&schema, &PropertyOrder::of_body(body)))
            }
        })
    }
}

/// The value of the only member of a JSON object without a schema.
const FILLER_STRING: &str = "example";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tools;

    fn content(mut request: Value, ends_with_tool_result: bool) -> Result<ReplyContent, Error<'static>> {
        let functions = tools::openai(request["tools"].take())?;
        let choice = ToolChoice::openai(Some(&request["tool_choice"]));
        ReplyContent::new(functions, &choice, None, ends_with_tool_result, b"")
    }

    fn tool(name: &str, parameters: Value) -> Value {
        json!({ "type": "function", "function": { "name": name, "parameters": parameters } })
    }

    #[test]
    fn a_tool_is_called_unless_the_choice_or_a_tool_result_prevents_it() {
        let tools = json!([tool("first", json!({})), tool("second", json!({}))]);
        let called_tool = |choice: &Value, ends_with_tool_result| {
            let request = json!({ "tools": tools, "tool_choice": choice });
            match content(request, ends_with_tool_result).unwrap() {
                ReplyContent::ToolCall { name, .. } => Some(name),
                _ => None,
            }
        };
        let second = json!({ "type": "function", "function": { "name": "second" } });
        for (choice, ends_with_tool_result, name) in [
            (Value::Null, false, Some("first")),
            (Value::Null, true, None),
            (json!("auto"), false, Some("first")),
            (json!("auto"), true, None),
            (json!("none"), false, None),
            (json!("required"), true, Some("first")),
            (second.clone(), true, Some("second")),
        ] {
            let called = called_tool(&choice, ends_with_tool_result);
            assert_eq!(called.as_deref(), name, "{choice}, {ends_with_tool_result}");
        }
        assert!(content(json!({ "tools": [], "tool_choice": second }), false).is_err());
        assert_eq!(content(json!({ "tools": [] }), false), Ok(ReplyContent::Filler));
        let called = content(json!({ "tools": [tool("f", json!({ "type": "string" }))] }), false);
        assert_eq!(called, Ok(ReplyContent::ToolCall { name: "f".into(), arguments: "{}".into() }));
    }
}

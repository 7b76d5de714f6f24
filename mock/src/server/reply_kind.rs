//! What a completion consists of: plain text, JSON, a tool call or a transcript.
//!
//! The content is filler, but it has the structure that the request asks for: an instance of the schema, built from its
//! types, enumerations and constants. Other keywords (`pattern`, `minLength`, `$ref`, …) are ignored.

use super::chat::invalid;
use crate::wire::{Error, Transcript};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a completion consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ReplyKind {
    /// Filler words.
    #[default]
    Text,
    /// This JSON text.
    Json(String),
    /// The call of a function.
    Call {
        /// The function's name.
        name: String,
        /// Its arguments, a JSON object.
        arguments: String,
    },
    /// The transcript of an audio file.
    Transcript(Transcript),
}

/// A tool of a request (`tools`). One that is not a function is never called.
#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    function: Option<Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    parameters: Value,
}

/// The format of a text reply (`response_format`).
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchema },
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonSchema {
    #[serde(default)]
    schema: Value,
}

impl ReplyKind {
    /// What a request with these `tools`, `tool_choice` and `response_format` is answered with. A tool is called if there
    /// is one, except if the choice is `none`, or if it is open and the conversation ends with a tool's result: so the
    /// loop of an agent ends.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the choice names a tool that is not among the tools.
    pub(super) fn new(
        tools: Vec<Tool>,
        choice: Option<&Value>,
        format: Option<ResponseFormat>,
        ends_with_tool_result: bool,
    ) -> Result<Self, Error<'static>> {
        let mut functions = tools.into_iter().filter_map(|tool| tool.function);
        let named = choice.and_then(|choice| choice["function"]["name"].as_str());
        let function = match (named, choice.and_then(Value::as_str)) {
            (Some(name), _) => {
                let missing = || invalid(format!("'tool_choice' : no tool is called '{name}'"));
                Some(functions.find(|function| function.name == name).ok_or_else(missing)?)
            }
            (None, Some("none")) => None,
            (None, Some("required")) => functions.next(),
            (None, _) => functions.next().filter(|_| !ends_with_tool_result),
        };
        if let Some(Function { name, parameters }) = function {
            let arguments = match instance(&parameters) {
                Value::Object(arguments) => arguments,
                _ => Map::new(), // Arguments are an object, even if the schema describes something else.
            };
            return Ok(Self::Call { name, arguments: Value::Object(arguments).to_string() });
        }
        Ok(match format {
            None | Some(ResponseFormat::Text) => Self::Text,
            Some(ResponseFormat::JsonObject) => Self::Json(json!({ "answer": TEXT }).to_string()),
            Some(ResponseFormat::JsonSchema { json_schema }) => {
                Self::Json(instance(&json_schema.schema).to_string())
            }
        })
    }
}

/// Returns a value that a schema describes. Recursion is bounded by the depth of JSON that serde_json accepts: 128.
fn instance(schema: &Value) -> Value {
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    if let Some(schema) = ["anyOf", "oneOf"].iter().find_map(|of| schema[of].get(0)) {
        return instance(schema);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("string") => TEXT.into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 0.into()),
        Some("boolean") => false.into(),
        Some("null") => Value::Null,
        Some("array") => match schema["minItems"].as_u64() {
            None | Some(0) => Value::Array(Vec::new()),
            Some(_) => Value::Array(vec![instance(&schema["items"])]),
        },
        _ => Value::Object(
            schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), instance(schema)))
                .collect(),
        ),
    }
}

/// The value of every string.
const TEXT: &str = "the first of all";

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(mut request: Value, ends_with_tool_result: bool) -> Result<ReplyKind, Error<'static>> {
        let tools = serde_json::from_value(request["tools"].take()).unwrap();
        let choice = Some(&request["tool_choice"]).filter(|choice| !choice.is_null());
        ReplyKind::new(tools, choice, None, ends_with_tool_result)
    }

    fn tool(name: &str, parameters: Value) -> Value {
        json!({ "type": "function", "function": { "name": name, "parameters": parameters } })
    }

    #[test]
    fn a_tool_is_called_unless_the_choice_or_a_tool_result_prevents_it() {
        let tools = json!([tool("first", json!({})), tool("second", json!({}))]);
        let called =
            |choice: Value, answers| match reply(json!({ "tools": tools, "tool_choice": choice }), answers)
                .unwrap()
            {
                ReplyKind::Call { name, .. } => Some(name),
                _ => None,
            };
        let second = json!({ "type": "function", "function": { "name": "second" } });
        for (choice, answers, name) in [
            (Value::Null, false, Some("first")),
            (Value::Null, true, None),
            (json!("auto"), false, Some("first")),
            (json!("auto"), true, None),
            (json!("none"), false, None),
            (json!("required"), true, Some("first")),
            (second.clone(), true, Some("second")),
        ] {
            assert_eq!(called(choice.clone(), answers).as_deref(), name, "{choice}, {answers}");
        }
        assert!(reply(json!({ "tools": [], "tool_choice": second }), false).is_err());
        assert_eq!(reply(json!({ "tools": [] }), false), Ok(ReplyKind::Text));
        let arguments = reply(json!({ "tools": [tool("f", json!({ "type": "string" }))] }), false);
        assert_eq!(arguments, Ok(ReplyKind::Call { name: "f".into(), arguments: "{}".into() }));
    }

    #[test]
    fn an_instance_has_the_types_of_its_schema() {
        for (schema, value) in [
            (json!({ "type": "string" }), json!(TEXT)),
            (json!({ "type": ["null", "string"] }), json!(null)),
            (json!({ "type": "integer", "minimum": 3 }), json!(3)),
            (json!({ "type": "string", "enum": ["celsius", "kelvin"] }), json!("celsius")),
            (json!({ "const": 7 }), json!(7)),
            (json!({ "anyOf": [{ "type": "boolean" }, { "type": "null" }] }), json!(false)),
            (json!({ "type": "array", "items": { "type": "number" } }), json!([])),
            (json!({ "type": "array", "minItems": 1, "items": { "type": "number" } }), json!([0])),
            (
                json!({ "type": "object", "properties": { "a": { "type": "object", "properties": { "b": { "type": "string" } } } } }),
                json!({ "a": { "b": TEXT } }),
            ),
            (json!(true), json!({})),
            (json!(null), json!({})),
        ] {
            assert_eq!(instance(&schema), value, "{schema}");
        }
    }
}

//! What a reply is asked to be: words, a JSON text, or the call of a tool.
//!
//! The mock thinks of nothing, but what it answers has the shape that was asked for: an instance of the schema, made of
//! its types, enumerations and constants. Other keywords (`pattern`, `minLength`, `$ref`, …) are not honoured.

use super::request::invalid;
use crate::wire::{Error, Transcript};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a reply is asked to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ReplyKind {
    /// Whatever words.
    #[default]
    Words,
    /// This JSON text.
    Json(String),
    /// The call of a function with these arguments, which are JSON.
    Call { name: String, arguments: String },
    /// What was heard.
    Transcript(Transcript),
}

/// The members of a request that say so.
#[derive(Debug)]
pub(super) struct ReplyOptions {
    /// `tools`.
    pub(super) tools: Option<Vec<Tool>>,
    /// `tool_choice`: a word, or the function's name somewhat inside.
    pub(super) choice: Option<Value>,
    /// `response_format`.
    pub(super) format: Option<ResponseFormat>,
}

/// A tool; one that is no function is never called.
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

/// What the text of a reply is to be.
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

impl ReplyOptions {
    /// The form of the reply. A tool is called where one is given, unless the choice is `none`, or it is left open and
    /// the conversation ends with what a tool has answered: an agent's loop comes to its end.
    ///
    /// # Errors
    /// An invalid request where the choice names a tool that is not given.
    pub(super) fn form(self, answers_a_tool: bool) -> Result<ReplyKind, Error<'static>> {
        let mut functions = self.tools.into_iter().flatten().filter_map(|tool| tool.function);
        let named = self.choice.as_ref().and_then(|choice| choice["function"]["name"].as_str());
        let function = match (named, self.choice.as_ref().and_then(Value::as_str)) {
            (Some(name), _) => {
                let missing = || invalid(format!("'tool_choice' : no tool is called '{name}'"));
                Some(functions.find(|function| function.name == name).ok_or_else(missing)?)
            }
            (None, Some("none")) => None,
            (None, Some("required")) => functions.next(),
            (None, _) => functions.next().filter(|_| !answers_a_tool),
        };
        if let Some(Function { name, parameters }) = function {
            let arguments = match instance(&parameters) {
                Value::Object(arguments) => arguments,
                _ => Map::new(), // Whatever the schema says, arguments are an object.
            };
            return Ok(ReplyKind::Call { name, arguments: Value::Object(arguments).to_string() });
        }
        Ok(match self.format {
            None | Some(ResponseFormat::Text) => ReplyKind::Words,
            Some(ResponseFormat::JsonObject) => ReplyKind::Json(json!({ "answer": TEXT }).to_string()),
            Some(ResponseFormat::JsonSchema { json_schema }) => {
                ReplyKind::Json(instance(&json_schema.schema).to_string())
            }
        })
    }
}

/// A value that the schema describes. Schemas are as deep as the reader of JSON lets them be: 128.
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

/// Whatever is asked for as a text.
const TEXT: &str = "the first of all";

#[cfg(test)]
mod tests {
    use super::*;

    fn form(mut request: Value, answers_a_tool: bool) -> Result<ReplyKind, Error<'static>> {
        let tools = serde_json::from_value(request["tools"].take()).unwrap();
        let choice = Some(request["tool_choice"].take()).filter(|choice| !choice.is_null());
        ReplyOptions { tools, choice, format: None }.form(answers_a_tool)
    }

    fn tool(name: &str, parameters: Value) -> Value {
        json!({ "type": "function", "function": { "name": name, "parameters": parameters } })
    }

    #[test]
    fn a_tool_is_called_where_one_is_given_and_nothing_speaks_against_it() {
        let tools = json!([tool("first", json!({})), tool("second", json!({}))]);
        let called =
            |choice: Value, answers| match form(json!({ "tools": tools, "tool_choice": choice }), answers)
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
        assert!(form(json!({ "tools": [], "tool_choice": second }), false).is_err());
        assert_eq!(form(json!({ "tools": [] }), false), Ok(ReplyKind::Words));
        let arguments = form(json!({ "tools": [tool("f", json!({ "type": "string" }))] }), false);
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

//! The tools of a request and the choice among them, in the forms of the APIs:
//!
//! | API | tool | choice |
//! |---|---|---|
//! | chat completions | `{"type":"function","function":{"name":…,"parameters":…}}` | `"auto"`, `"none"`, `"required"`, `{"function":{"name":…}}` |
//! | responses | `{"type":"function","name":…,"parameters":…}` | the same, `{"type":"function","name":…}` |
//! | Anthropic | `{"name":…,"input_schema":…}` | `{"type":"auto"}`, `none`, `any`, `{"type":"tool","name":…}` |
//! | Gemini | `{"functionDeclarations":[{"name":…,"parameters":…}]}` | the modes `AUTO`, `NONE`, `ANY`, with allowed names |
//!
//! A tool that is not a function (a search, a computer) is never called.

use super::reply_content::ResponseFormat;
use super::request::from_value;
use super::request::invalid;
use crate::wire::Error;
use serde::Deserialize;
use serde_json::Value;

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    /// The JSON schema of its arguments.
    #[serde(
        default,
        alias = "input_schema",
        alias = "parametersJsonSchema",
        alias = "parameters_json_schema"
    )]
    pub(super) parameters: Value,
}

/// The choice among the tools of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool is called.
    None,
    /// Some tool is called.
    Required,
    /// This tool is called.
    Named(String),
}

impl ToolChoice {
    /// Reads the choice of a chat completion or a response.
    pub(super) fn openai(choice: Option<&Value>) -> Self {
        let Some(choice) = choice else { return Self::Auto };
        let name = choice["function"]["name"].as_str().or_else(|| choice["name"].as_str());
        match (name, choice.as_str()) {
            (Some(name), _) => Self::Named(name.to_owned()),
            (None, Some("none")) => Self::None,
            // Mistral also says `any`.
            (None, Some("required" | "any")) => Self::Required,
            (None, _) => Self::Auto,
        }
    }

    /// Reads the choice of one of Anthropic's messages.
    pub(super) fn anthropic(choice: Option<&Value>) -> Self {
        let Some(choice) = choice else { return Self::Auto };
        match (choice["type"].as_str(), choice["name"].as_str()) {
            (Some("tool"), Some(name)) => Self::Named(name.to_owned()),
            (Some("any"), _) => Self::Required,
            (Some("none"), _) => Self::None,
            _ => Self::Auto,
        }
    }

    /// Reads Gemini's configuration of function calls.
    pub(super) fn gemini(config: Option<&Value>) -> Self {
        let Some(config) = config else { return Self::Auto };
        let member = |one: &str, other: &str| config.get(one).or_else(|| config.get(other));
        let allowed = member("allowedFunctionNames", "allowed_function_names");
        match member("mode", "mode").and_then(Value::as_str) {
            Some("ANY") => match allowed.and_then(|names| names[0].as_str()) {
                Some(name) => Self::Named(name.to_owned()),
                None => Self::Required,
            },
            Some("NONE") => Self::None,
            _ => Self::Auto,
        }
    }

    /// Returns `true` if a tool must be called.
    pub(super) const fn needs_tool(&self) -> bool {
        matches!(self, Self::Required | Self::Named(_))
    }
}

/// Returns `true` if there is a tool.
pub(super) fn has_any(tools: &Value) -> bool {
    tools.as_array().is_some_and(|tools| !tools.is_empty())
}

/// Reads the functions among the tools of a chat completion.
///
/// # Errors
/// [`Error::Invalid`] if they are no array of tools.
pub(super) fn openai(tools: Value) -> Result<Vec<Function>, Error<'static>> {
    #[derive(Deserialize)]
    struct Tool {
        function: Option<Function>,
    }
    let tools: Option<Vec<Tool>> = from_value("tools", tools)?;
    Ok(tools.unwrap_or_default().into_iter().filter_map(|tool| tool.function).collect())
}

/// Reads the functions among the tools of a response or of one of Anthropic's messages: those with an `input_schema`, or of the
/// type `function` or `custom`. A tool of Anthropic's own has another type.
///
/// # Errors
/// [`Error::Invalid`] if they are no array, or if a function has no name.
pub(super) fn flat(tools: Value) -> Result<Vec<Function>, Error<'static>> {
    let tools: Option<Vec<Value>> = from_value("tools", tools)?;
    let is_function = |tool: &Value| {
        tool.get("input_schema").is_some() || matches!(tool["type"].as_str(), Some("function" | "custom"))
    };
    let tools = tools.unwrap_or_default().into_iter().filter(is_function);
    tools.map(|tool| from_value("tools", tool)).collect()
}

/// Reads the functions among Gemini's tools.
///
/// # Errors
/// [`Error::Invalid`] if they are no array of tools.
pub(super) fn gemini(tools: Value) -> Result<Vec<Function>, Error<'static>> {
    #[derive(Deserialize)]
    struct Tool {
        #[serde(default, alias = "functionDeclarations")]
        function_declarations: Vec<Function>,
    }
    let tools: Option<Vec<Tool>> = from_value("tools", tools)?;
    Ok(tools.unwrap_or_default().into_iter().flat_map(|tool| tool.function_declarations).collect())
}

/// Reads the format of a chat completion (`response_format`) or of a response (`text.format`); `None` for plain text.
///
/// # Errors
/// [`Error::Invalid`] if its type is missing or unknown, or if neither `json_schema` nor `schema` is an object where the type
/// needs one.
pub(super) fn response_format(mut format: Value) -> Result<Option<ResponseFormat>, Error<'static>> {
    match format["type"].as_str() {
        None if format.is_null() => Ok(None),
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(ResponseFormat::JsonObject)),
        Some("json_schema") if format["json_schema"].is_object() => {
            Ok(Some(ResponseFormat::JsonSchema(format["json_schema"]["schema"].take())))
        }
        Some("json_schema") if format["schema"].is_object() => {
            Ok(Some(ResponseFormat::JsonSchema(format["schema"].take())))
        }
        Some("json_schema") => Err(invalid("'response_format' : property 'json_schema' is missing")),
        _ => Err(invalid("'response_format' : `type` must be one of `text`, `json_object`, `json_schema`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn functions_are_read_in_every_form() {
        let schema = json!({ "type": "object" });
        let expected = vec![Function { name: "f".to_owned(), parameters: schema.clone() }];
        let chat = json!([{ "type": "function", "function": { "name": "f", "parameters": schema } }, { "type": "x" }]);
        assert_eq!(openai(chat).unwrap(), expected);
        let responses =
            json!([{ "type": "web_search" }, { "type": "function", "name": "f", "parameters": schema }]);
        assert_eq!(flat(responses).unwrap(), expected);
        let anthropic =
            json!([{ "type": "bash_20250124", "name": "bash" }, { "name": "f", "input_schema": schema }]);
        assert_eq!(flat(anthropic).unwrap(), expected);
        for name in ["parameters", "parametersJsonSchema"] {
            let declarations = json!([{ "name": "f", name: schema }]);
            let tools = json!([{ "googleSearch": {} }, { "functionDeclarations": declarations }]);
            assert_eq!(gemini(tools).unwrap(), expected);
        }
        for read in [openai, flat, gemini] {
            assert_eq!(read(Value::Null).unwrap(), vec![]);
            assert!(read(json!("tools")).is_err());
        }
    }

    #[test]
    fn choices_are_read_in_every_form() {
        let named = ToolChoice::Named("f".to_owned());
        for (choice, expected) in [
            (json!("auto"), ToolChoice::Auto),
            (json!("none"), ToolChoice::None),
            (json!("required"), ToolChoice::Required),
            (json!("any"), ToolChoice::Required),
            (json!({ "type": "function", "function": { "name": "f" } }), named.clone()),
            (json!({ "type": "function", "name": "f" }), named.clone()),
        ] {
            assert_eq!(ToolChoice::openai(Some(&choice)), expected, "{choice}");
        }
        for (choice, expected) in [
            (json!({ "type": "auto" }), ToolChoice::Auto),
            (json!({ "type": "any" }), ToolChoice::Required),
            (json!({ "type": "none" }), ToolChoice::None),
            (json!({ "type": "tool", "name": "f" }), named.clone()),
        ] {
            assert_eq!(ToolChoice::anthropic(Some(&choice)), expected, "{choice}");
        }
        for (config, expected) in [
            (json!({ "mode": "AUTO" }), ToolChoice::Auto),
            (json!({ "mode": "NONE" }), ToolChoice::None),
            (json!({ "mode": "ANY" }), ToolChoice::Required),
            (json!({ "mode": "ANY", "allowedFunctionNames": ["f"] }), named),
        ] {
            assert_eq!(ToolChoice::gemini(Some(&config)), expected, "{config}");
        }
    }
}

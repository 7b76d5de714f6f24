//! Gemini's own API (`generateContent`, `streamGenerateContent`, `countTokens`): parses the body of a request. Members have the names of
//! JSON or of protocol buffers (`systemInstruction`, `system_instruction`), as Google accepts both.

use super::admission::ParsedRequest;
use super::content::{ContentSize, Items};
use super::parameters::{Parameters, RuleSet, StopTexts};
use super::reply_content::{ReplyContent, ResponseFormat};
use super::request::{Members, Request, RequestScope, from_value, invalid};
use super::shape::{RequestApi, Shape, UsageChunk};
use super::text_size::TextSize;
use super::thinking_config;
use super::tools::{self, ToolChoice};
use crate::wire::Error;
use serde_json::Value;

/// Parses a request for content; `stream` is `true` if it is streamed.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn parse(
    body: &[u8],
    scope: &RequestScope<'_>,
    stream: bool,
) -> Result<ParsedRequest, Error<'static>> {
    let mut members = Members::parse(body)?;
    let input = Input::take(&mut members, scope)?;
    let config = members.take_either_value("generationConfig", "generation_config").unwrap_or_default();
    let mut config: Members = from_value("generation_config", or_empty_object(config))?;
    let tool_config = members.take_either_value("toolConfig", "tool_config").unwrap_or_default();
    let calling =
        ["functionCallingConfig", "function_calling_config"].iter().find_map(|name| tool_config.get(*name));
    let choice = ToolChoice::gemini(calling);
    let stop: Option<StopTexts> = config.take_either("stopSequences", "stop_sequences")?;
    let parameters = Parameters {
        temperature: config.take("temperature")?,
        top_p: config.take_either("topP", "top_p")?,
        stop: stop.unwrap_or_default(),
        has_tools: tools::has_any(&input.tools),
        needs_tool: choice.needs_tool(),
        others: members.rest(),
        ..Parameters::default()
    };
    RuleSet::Gemini.check(&parameters)?;
    let thinking = config.take_either_value("thinkingConfig", "thinking_config").unwrap_or_default();
    let format = response_format(&mut config)?;
    let mut size = input.items.size;
    if let Some(ResponseFormat::JsonSchema(schema)) = &format {
        size.text += TextSize::of_json(schema);
    }
    let functions = tools::gemini(input.tools)?;
    let content = ReplyContent::new(functions, &choice, format, input.items.ends_with_tool_result, body)?;
    let wants_event_stream = scope.query.split('&').any(|parameter| parameter == "alt=sse");
    Ok(ParsedRequest {
        prompt_tokens: size.tokens(scope.dialect, &input.model),
        max_tokens: config.take_either("maxOutputTokens", "max_output_tokens")?,
        content,
        stream: stream.then_some(UsageChunk::Omitted),
        shape: Shape {
            api: if stream && !wants_event_stream {
                RequestApi::CompletionArray
            } else {
                RequestApi::Completion
            },
            choices: scope.choices(config.take_either("candidateCount", "candidate_count")?)?,
            reasoning: thinking_config::of_content(&thinking)?,
            stop_texts: parameters.stop.into_texts(),
            ..Shape::default()
        },
        ..ParsedRequest::new(input.model)
    })
}

/// Parses a request to count the tokens of a content: that of the body, or that of the request in it.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn count(body: &[u8], scope: &RequestScope<'_>) -> Result<Request, Error<'static>> {
    let mut members = Members::parse(body)?;
    if let Some(request) = members.take_either_value("generateContentRequest", "generate_content_request") {
        members = from_value("generate_content_request", request)?;
    }
    let Input { model, items, .. } = Input::take(&mut members, scope)?;
    let tokens = items.size.tokens(scope.dialect, &model);
    Ok(Request::TokenCount { model, tokens })
}

/// The members on which the number of input tokens depends.
struct Input {
    model: String,
    items: Items,
    tools: Value,
}

impl Input {
    fn take(members: &mut Members, scope: &RequestScope<'_>) -> Result<Self, Error<'static>> {
        let model = scope.model(None)?;
        let contents = members.take_value("contents").unwrap_or_else(|| Value::Array(vec![]));
        let mut items = Items::read(contents)
            .map_err(|error| invalid(format!("Invalid JSON payload received. 'contents': {error}")))?;
        if items.count == 0 {
            return Err(invalid("* GenerateContentRequest.contents: contents is not specified"));
        }
        if let Some(system) = members.take_either_value("systemInstruction", "system_instruction") {
            items.size += from_value::<ContentSize>("system_instruction", system)?;
        }
        let tools = members.take_value("tools").unwrap_or_default();
        items.size.text += TextSize::of_json(&tools);
        Ok(Self { model, items, tools })
    }
}

/// Returns the format of the reply; `None` for plain text.
fn response_format(config: &mut Members) -> Result<Option<ResponseFormat>, Error<'static>> {
    let media_type: Option<String> = config.take_either("responseMimeType", "response_mime_type")?;
    let schema = config
        .take_either_value("responseSchema", "response_schema")
        .or_else(|| config.take_either_value("responseJsonSchema", "response_json_schema"));
    Ok(match (media_type.as_deref(), schema) {
        (Some("application/json"), Some(schema)) => Some(ResponseFormat::JsonSchema(schema)),
        (Some("application/json"), None) => Some(ResponseFormat::JsonObject),
        _ => None,
    })
}

/// Returns the value; an empty object instead of null.
fn or_empty_object(value: Value) -> Value {
    if value.is_null() { Value::Object(serde_json::Map::new()) } else { value }
}

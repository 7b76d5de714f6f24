//! OpenAI's responses: parses the body of a request.
//!
//! Responses are not stored: a request with `previous_response_id` is served, without the tokens of the earlier ones.

use super::admission::ParsedRequest;
use super::content::{ContentSize, Items};
use super::parameters::{Parameters, RuleSet, member_error};
use super::reasoning;
use super::reply_content::ReplyContent;
use super::request::{Members, Request, RequestScope, from_value, invalid};
use super::shape::{RequestApi, Shape, UsageChunk};
use super::text_size::TextSize;
use super::tools::{self, ToolChoice};
use crate::config::Dialect;
use crate::wire::{Error, ResponsesRequest};

/// Parses a request for a response.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn parse(body: &[u8], scope: &RequestScope<'_>) -> Result<ParsedRequest, Error<'static>> {
    let mut members = Members::parse(body)?;
    let Input { model, items } = Input::take(&mut members, scope)?;
    let tools = members.get("tools").cloned().unwrap_or_default();
    let choice = ToolChoice::openai(members.get("tool_choice"));
    let parameters = Parameters {
        temperature: members.value("temperature")?,
        top_p: members.value("top_p")?,
        has_tools: tools::has_any(&tools),
        needs_tool: choice.needs_tool(),
        ..Parameters::default()
    };
    let max_tokens: Option<u32> = members.value("max_output_tokens")?;
    if let Some(tokens) =
        max_tokens.filter(|tokens| *tokens < MIN_OUTPUT_TOKENS && scope.dialect != Dialect::Groq)
    {
        return Err(too_few_tokens(tokens));
    }
    if max_tokens == Some(0) {
        return Err(invalid("'max_output_tokens' : number must be at least 1"));
    }
    let stream = members.take("stream")?.unwrap_or(false);
    let format = members.get("text").map(|text| text["format"].clone()).unwrap_or_default();
    let (functions, format) = (tools::flat(tools)?, tools::response_format(format)?);
    let content = ReplyContent::new(functions, &choice, format, items.ends_with_tool_result, body)?;
    let reasoning = reasoning::of_response(members.get("reasoning"))?;
    let request = ResponsesRequest::new(|name| members.take_value(name));
    check_rest(&members, &parameters, scope)?;
    Ok(ParsedRequest {
        prompt_tokens: items.size.tokens(scope.dialect, &model),
        max_tokens,
        content,
        stream: stream.then_some(UsageChunk::Omitted),
        shape: Shape { api: RequestApi::Responses(Box::new(request)), reasoning, ..Shape::default() },
        ..ParsedRequest::new(model)
    })
}

/// Parses a request to count the input tokens of a response.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn count(body: &[u8], scope: &RequestScope<'_>) -> Result<Request, Error<'static>> {
    let Input { model, items } = Input::take(&mut Members::parse(body)?, scope)?;
    let tokens = items.size.tokens(scope.dialect, &model);
    Ok(Request::TokenCount { model, tokens })
}

/// The members on which the number of input tokens depends.
struct Input {
    model: String,
    items: Items,
}

impl Input {
    /// Takes the model and the input. The other members are counted, but not taken.
    fn take(members: &mut Members, scope: &RequestScope<'_>) -> Result<Self, Error<'static>> {
        let model = scope.model(members.take_text("model")?)?;
        let input = match members.take_value("input") {
            Some(input) => input,
            // A stored prompt or an earlier response has an input of its own.
            None if members.has("prompt") || members.has("previous_response_id") => "".into(),
            None => return Err(missing_input()),
        };
        let mut items = Items::read(input).map_err(|error| invalid(format!("'input' : {error}")))?;
        if let Some(instructions) = members.get("instructions").cloned() {
            items.size += from_value::<ContentSize>("instructions", instructions)?;
        }
        let schema = members.get("text").map(|text| &text["format"]["schema"]);
        for counted in members.get("tools").into_iter().chain(schema) {
            items.size.text += TextSize::of_json(counted);
        }
        Ok(Self { model, items })
    }
}

/// Checks the parameters, and refuses members that the API does not document, if its provider does.
fn check_rest(
    members: &Members,
    parameters: &Parameters,
    scope: &RequestScope<'_>,
) -> Result<(), Error<'static>> {
    let is_unknown = |name: &&String| !KNOWN_MEMBERS.contains(&name.as_str());
    let rest = members.rest();
    if let Some(name) = rest.iter().find(is_unknown) {
        match scope.dialect {
            // Captured, 2025-08.
            Dialect::Groq => return Err(invalid(format!("unknown field `{name}` in request body"))),
            Dialect::OpenAi | Dialect::Azure => {
                return Err(member_error(
                    format!("Unknown parameter: '{name}'."),
                    Some(name.clone()),
                    Some("unknown_parameter"),
                ));
            }
            _ => {}
        }
    }
    RuleSet::compatible(scope.dialect).check(parameters)
}

fn missing_input() -> Error<'static> {
    member_error(
        "Missing required parameter: 'input'.",
        Some("input".to_owned()),
        Some("missing_required_parameter"),
    )
}

fn too_few_tokens(tokens: u32) -> Error<'static> {
    member_error(
        format!(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {MIN_OUTPUT_TOKENS}, but got {tokens} instead."
        ),
        Some("max_output_tokens".to_owned()),
        Some("integer_below_min_value"),
    )
}

/// The minimum `max_output_tokens` (documented by OpenAI).
const MIN_OUTPUT_TOKENS: u32 = 16;

/// The members of OpenAI's SDK 3.54.0 (2026-11) that the mock neither reads nor repeats in its reply.
const KNOWN_MEMBERS: &[&str] = &[
    "access_programs",
    "background_options",
    "completion_window",
    "context_compression",
    "context_management",
    "conversation",
    "cyber",
    "include",
    "moderation",
    "prewarm",
    "prompt",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "stream_options",
];

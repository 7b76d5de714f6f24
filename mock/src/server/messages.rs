//! Anthropic's messages: parses the body of a request.

use super::admission::ParsedRequest;
use super::content::ContentSize;
use super::parameters::{Parameters, RuleSet, StopTexts};
use super::prompt::Prompt;
use super::reasoning::{self, MessageParameters};
use super::reply_content::{ReplyContent, ResponseFormat};
use super::request::{Members, Request, RequestScope, invalid};
use super::shape::{Shape, UsageChunk};
use super::text_size::TextSize;
use super::thinking_turn::check_last_turn;
use super::tools::{self, ToolChoice};
use crate::wire::Error;
use serde_json::Value;

/// Parses a request for a message.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn parse(body: &[u8], scope: &RequestScope<'_>) -> Result<ParsedRequest, Error<'static>> {
    let mut members = Members::parse(body)?;
    let last_turn = check_last_turn(members.get("messages"));
    let input = Input::take(&mut members, scope)?;
    let max_tokens = members.take("max_tokens")?.ok_or_else(|| invalid("max_tokens: Field required"))?;
    if max_tokens == 0 {
        return Err(invalid("max_tokens: Input should be greater than or equal to 1"));
    }
    let stop: Option<StopTexts> = members.take("stop_sequences")?;
    let choice = ToolChoice::anthropic(members.take_value("tool_choice").as_ref());
    let stream = members.take("stream")?.unwrap_or(false);
    let thinking = members.take_value("thinking").unwrap_or_default();
    let parameters = Parameters {
        temperature: members.take("temperature")?,
        top_p: members.take("top_p")?,
        stop: stop.unwrap_or_default(),
        has_tools: tools::has_any(&input.tools),
        needs_tool: choice.needs_tool(),
        others: members.rest(),
        ..Parameters::default()
    };
    RuleSet::Anthropic.check(&parameters)?;
    let reasoning = reasoning::of_message(
        &thinking,
        MessageParameters {
            max_tokens,
            temperature: parameters.temperature,
            top_p: parameters.top_p,
            has_top_k: members.has("top_k"),
            forces_tool: parameters.needs_tool,
        },
    )?;
    // With adaptive thinking the model may not have thought at all, so the last turn may begin without a thinking block.
    if thinking["type"] == "enabled" {
        last_turn?;
    }
    let content = ReplyContent::new(
        tools::flat(input.tools)?,
        &choice,
        input.schema.map(ResponseFormat::JsonSchema),
        input.prompt.ends_with_tool_result,
        body,
    )?;
    Ok(ParsedRequest {
        prompt_tokens: input.prompt.size.tokens(scope.dialect, &input.model),
        max_tokens: Some(max_tokens),
        content,
        stream: stream.then_some(UsageChunk::Omitted),
        shape: Shape { reasoning, stop_texts: parameters.stop.into_texts(), ..Shape::default() },
        ..ParsedRequest::new(input.model)
    })
}

/// Parses a request to count the input tokens of a message.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn count(body: &[u8], scope: &RequestScope<'_>) -> Result<Request, Error<'static>> {
    let Input { model, prompt, .. } = Input::take(&mut Members::parse(body)?, scope)?;
    let tokens = prompt.size.tokens(scope.dialect, &model);
    Ok(Request::TokenCount { model, tokens })
}

/// The members on which the number of input tokens depends.
struct Input {
    model: String,
    prompt: Prompt,
    tools: Value,
    /// The schema of the reply (`output_config.format`, formerly `output_format`).
    schema: Option<Value>,
}

impl Input {
    fn take(members: &mut Members, scope: &RequestScope<'_>) -> Result<Self, Error<'static>> {
        let Some(model) = members.take::<String>("model")? else {
            return Err(invalid("model: Field required"));
        };
        let prompt: Option<Prompt> = members.take("messages")?;
        let mut prompt = prompt.ok_or_else(|| invalid("messages: Field required"))?;
        if prompt.message_count == 0 {
            return Err(invalid("messages: at least one message is required"));
        }
        RuleSet::Anthropic.check_messages(&prompt)?;
        let system: Option<ContentSize> = members.take("system")?;
        let tools = members.take_value("tools").unwrap_or_default();
        let config = members.take_value("output_config").unwrap_or_default();
        let format = members.take_value("output_format").unwrap_or_else(|| config["format"].clone());
        let schema = Some(format["schema"].clone()).filter(Value::is_object);
        prompt.size += system.unwrap_or_default();
        prompt.size.text += TextSize::of_json(&tools);
        prompt.size.text += TextSize::of_json(schema.as_ref().unwrap_or(&Value::Null));
        let model = scope.model_in_path.map_or(model, str::to_owned);
        Ok(Self { model, prompt, tools, schema })
    }
}

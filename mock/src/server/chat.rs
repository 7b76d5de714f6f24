//! Chat completions in OpenAI's format: parses the body of a request.
//!
//! Only the members that limits or the reply depend on are parsed. For the others, only the names are checked
//! ([`RuleSet`]).

use super::admission::{ParsedRequest, ServiceTier};
use super::parameters::{Parameters, RuleSet, StopTexts};
use super::prompt::Prompt;
use super::reply_content::ReplyContent;
use super::request::{RequestScope, invalid, parse_json_into};
use super::shape::{Shape, UsageChunk};
use super::text_size::TextSize;
use super::tools::{self, ToolChoice};
use crate::wire::Error;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Parses a request for a chat completion.
///
/// # Errors
/// [`Error::Invalid`] if it is not JSON, a member has the wrong type or value or is unknown to the API, or a required one is
/// missing.
pub(super) fn parse(body: &[u8], scope: &RequestScope<'_>) -> Result<ParsedRequest, Error<'static>> {
    let mut chat = ChatBody::default();
    parse_json_into(body, &mut chat)?;
    let model = scope.model(chat.model.take())?;
    let mut prompt =
        chat.messages.take().ok_or_else(|| invalid("'messages' : property 'messages' is missing"))?;
    if prompt.message_count == 0 {
        return Err(invalid("'messages' : minimum number of items is 1"));
    }
    let max_tokens = chat.max_completion_tokens.or(chat.max_tokens);
    if max_tokens == Some(0) {
        return Err(invalid("'max_tokens' : number must be at least 1"));
    }
    let choices = scope.choices(chat.parameters.n)?;
    let tools = chat.tools.take().unwrap_or(Value::Null);
    chat.parameters.has_tools = tools::has_any(&tools);
    let tool_choice = ToolChoice::openai(chat.tool_choice.as_ref());
    chat.parameters.needs_tool = tool_choice.needs_tool();
    let rules = RuleSet::compatible(scope.dialect);
    rules.check(&chat.parameters)?;
    rules.check_messages(&prompt)?;
    prompt.size.text += TextSize::of_json(&tools);
    let response_format = chat.response_format.take().unwrap_or(Value::Null);
    prompt.size.text += TextSize::of_json(&response_format["json_schema"]);
    let (functions, format) = (tools::openai(tools)?, tools::response_format(response_format)?);
    let content = ReplyContent::new(functions, &tool_choice, format, prompt.ends_with_tool_result, body)?;
    let usage_chunk = StreamOptions::usage_chunk(chat.stream_options);
    let reasoning = chat.parameters.reasoning.reasoning(scope.dialect, content != ReplyContent::Filler)?;
    Ok(ParsedRequest {
        prompt_tokens: prompt.size.tokens(scope.dialect, &model),
        max_tokens,
        content,
        stream: chat.stream.unwrap_or_default().then_some(usage_chunk),
        tier: match chat.service_tier {
            Some(Text(tier)) if tier == "flex" => ServiceTier::Flex,
            _ => ServiceTier::OnDemand,
        },
        shape: Shape {
            choices,
            logprobs: chat.parameters.logprobs,
            reasoning,
            stop_texts: chat.parameters.stop.into_texts(),
            ..Shape::default()
        },
        ..ParsedRequest::new(model)
    })
}

/// The body of a request in OpenAI's format.
#[derive(Default)]
struct ChatBody<'a> {
    model: Option<Text<'a>>,
    messages: Option<Prompt>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    service_tier: Option<Text<'a>>,
    tools: Option<Value>,
    tool_choice: Option<Value>,
    response_format: Option<Value>,
    parameters: Parameters,
}

impl<'de> DeserializeSeed<'de> for &mut ChatBody<'de> {
    type Value = ();

    /// Unlike a derived implementation, keeps the names of the members that it does not read.
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        struct Members<'b, 'de>(&'b mut ChatBody<'de>);
        impl<'de> Visitor<'de> for Members<'_, 'de> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the members of a chat completion")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
                while let Some(Text(name)) = members.next_key::<Text<'_>>()? {
                    self.0.read_member(&name, &mut members)?;
                }
                Ok(())
            }
        }
        deserializer.deserialize_map(Members(self))
    }
}

impl<'de> ChatBody<'de> {
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<(), A::Error> {
        let parameters = &mut self.parameters;
        match name {
            "model" => self.model = members.next_value()?,
            "messages" => self.messages = members.next_value()?,
            "max_tokens" => self.max_tokens = members.next_value()?,
            "max_completion_tokens" => self.max_completion_tokens = members.next_value()?,
            "stream" => self.stream = members.next_value()?,
            "stream_options" => self.stream_options = members.next_value()?,
            "service_tier" => self.service_tier = members.next_value()?,
            "tools" => self.tools = members.next_value()?,
            "tool_choice" => self.tool_choice = members.next_value()?,
            "response_format" => self.response_format = members.next_value()?,
            "temperature" => parameters.temperature = members.next_value()?,
            "top_p" => parameters.top_p = members.next_value()?,
            "frequency_penalty" => parameters.frequency_penalty = members.next_value()?,
            "presence_penalty" => parameters.presence_penalty = members.next_value()?,
            "n" => parameters.n = members.next_value()?,
            "stop" => parameters.stop = members.next_value::<Option<StopTexts>>()?.unwrap_or_default(),
            "logprobs" => {
                parameters.logprobs = members.next_value::<Option<bool>>()?.unwrap_or_default();
            }
            "top_logprobs" => parameters.top_logprobs = members.next_value()?,
            // Not every provider knows these.
            other => {
                let reasoning = &mut parameters.reasoning;
                match other {
                    "reasoning_effort" => reasoning.effort = members.next_value()?,
                    "reasoning_format" => reasoning.format = members.next_value()?,
                    "include_reasoning" => reasoning.include = members.next_value()?,
                    "reasoning" => reasoning.options = members.next_value()?,
                    _ => _ = members.next_value::<IgnoredAny>()?,
                }
                parameters.others.push(other.to_owned());
            }
        }
        Ok(())
    }
}

/// A string, borrowed from the body unless it has an escape. It is a wrapper because serde borrows a [`Cow`] only as a field with
/// the attribute `borrow`, not as the name of a member or inside an option.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[derive(Deserialize)]
pub(super) struct StreamOptions {
    include_usage: Option<bool>,
}

impl StreamOptions {
    pub(super) fn usage_chunk(options: Option<Self>) -> UsageChunk {
        match options.and_then(|options| options.include_usage) {
            Some(true) => UsageChunk::Included,
            Some(false) | None => UsageChunk::Omitted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;

    fn parse_for_groq(body: &[u8]) -> Result<ParsedRequest, Error<'static>> {
        parse(body, &RequestScope { dialect: Dialect::Groq, max_n: 1, model_in_path: None, query: "" })
    }

    /// ` the` is one token for the estimate and for the tokenizer.
    #[test]
    fn prompt_tokens_are_those_of_all_texts() {
        let accented = if cfg!(feature = "tokenizer") { 9 } else { 3 };
        for (messages, tokens) in [
            (r#"[{"role":"user","content":"hi"}]"#, 1),
            (r#"[{"role":"user","content":"éééé\néééé"}]"#, accented),
            (r#"[{"role":"system","content":" the the"},{"role":"user","content":" the"}]"#, 3),
            (
                r#"[{"role":"user","content":[{"type":"text","text":" the the"},{"type":"image_url","image_url":{"url":"x"}}]}]"#,
                2_050,
            ),
            (
                r#"[{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"1","content":"12345"}]"#,
                2,
            ),
            (r#"[{"role":"user","content":""}]"#, 1),
        ] {
            let body = format!(r#"{{"messages":{messages},"model":"m","temperature":0.2}}"#);
            assert_eq!(parse_for_groq(body.as_bytes()).unwrap().prompt_tokens, tokens, "{messages}");
        }
    }

    #[test]
    fn token_bounds_and_stream_options_are_parsed() {
        let parse = |rest: &str| {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{rest}}}"#);
            parse_for_groq(body.as_bytes()).map(|request| (request.max_tokens, request.stream))
        };
        assert_eq!(parse(""), Ok((None, None)));
        assert_eq!(parse(r#","max_tokens":5,"stream":true"#), Ok((Some(5), Some(UsageChunk::Omitted))));
        assert_eq!(parse(r#","max_tokens":5,"max_completion_tokens":7"#), Ok((Some(7), None)));
        let options = r#","stream":true,"stream_options":{"include_usage":true}"#;
        assert_eq!(parse(options), Ok((None, Some(UsageChunk::Included))));
        assert!(parse(r#","max_tokens":0"#).is_err());
        assert!(parse(r#","max_tokens":-1"#).is_err());
        assert!(parse(r#","max_tokens":"5""#).is_err());
    }

    #[test]
    fn an_invalid_body_is_an_error_that_names_the_problem() {
        for (body, expected) in [
            ("", "EOF while parsing"),
            ("{", "EOF while parsing"),
            ("[]", "an object with the members"),
            (r#"{"messages":[{"role":"user","content":"x"}]}"#, "property 'model' is missing"),
            (r#"{"model":"m"}"#, "property 'messages' is missing"),
            (r#"{"model":"m","messages":[]}"#, "minimum number of items is 1"),
            (r#"{"model":"m","messages":{}}"#, "an array of messages"),
            (r#"{"model":"m","messages":[{"content":"x"}]}"#, "role"),
            (r#"{"model":"m","messages":[{"role":"user","content":5}]}"#, "a string or an array of parts"),
            (r#"{"model":5,"messages":[]}"#, "string"),
        ] {
            let Err(Error::Invalid { message, .. }) = parse_for_groq(body.as_bytes()) else {
                panic!("{body} was accepted")
            };
            assert!(message.contains(expected), "{body}: {message}");
        }
        let deep = format!(r#"{{"model":"m","x":{}"#, "[".repeat(100_000));
        assert!(parse_for_groq(deep.as_bytes()).is_err());
    }
}

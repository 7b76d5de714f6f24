//! Chat endpoints: reads the JSON body of a request for a completion.
//!
//! Only the members that limits or the reply depend on are parsed. Others that a provider would reject
//! (`logprobs`, the `name` of a message, …) are ignored.

use super::admission::{ParsedRequest, ServiceTier};
use super::body;
use super::context::{Rejection, RequestContext};
use super::prompt::{ContentChars, Prompt};
use super::reply_content::{ReplyContent, ResponseFormat, Tool};
use super::stream::UsageChunk;
use crate::wire::truth::{self, TruthHeader};
use crate::wire::{Endpoint, Error};
use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// Reads and parses a request for a completion.
///
/// # Errors
/// As [`body::read`], and [`Error::Invalid`].
pub(super) async fn parse(
    context: &mut RequestContext,
    endpoint: Endpoint<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Result<ParsedRequest, Rejection<'static>> {
    let announced_length = body.size_hint().lower();
    let read = body::read(body, &context.mock.bodies).await;
    // If the body cannot be read, its announced length identifies the attempts of one request.
    let body = read.inspect_err(|_| context.set_fingerprint(&announced_length.to_be_bytes()))?;
    context.set_body(&body);
    let request = parse_body(&body, endpoint, context.format.max_n())?;
    let truth = headers.get(&TRUTH_HEADER).and_then(|value| TruthHeader::parse(value.to_str().ok()?));
    let truth = truth.filter(|header| context.mock.accepts_truth(header.tag));
    Ok(ParsedRequest { truth, ..request })
}

/// Parses a request. `max_n` is the maximum `n`, the number of completions of one prompt.
///
/// # Errors
/// [`Error::Invalid`] if it is not JSON, a member has the wrong type or value, or a required one is missing.
fn parse_body(body: &[u8], endpoint: Endpoint<'_>, max_n: u32) -> Result<ParsedRequest, Error<'static>> {
    let chat: ChatBody<'_> = parse_json(body)?;
    let model = match endpoint {
        Endpoint::Deployment(name) => Some(Cow::Borrowed(name)),
        _ => chat.model.map(|Text(model)| model),
    };
    let model = model.ok_or_else(|| invalid("'model' : property 'model' is missing"))?;
    let mut prompt = chat.messages.ok_or_else(|| invalid("'messages' : property 'messages' is missing"))?;
    if prompt.message_count == 0 {
        return Err(invalid("'messages' : minimum number of items is 1"));
    }
    let mut max_tokens = chat.max_completion_tokens.or(chat.max_tokens);
    let content = if endpoint == Endpoint::Messages {
        max_tokens = Some(chat.max_tokens.ok_or_else(|| invalid("max_tokens: Field required"))?);
        let MessagesBody { system } = parse_json(body)?;
        prompt.chars += system.map_or(0, |ContentChars(chars)| chars);
        // Anthropic's tools have a format of their own: only the members that OpenAI's types require are parsed, and ignored.
        ReplyContent::Text
    } else {
        let tools = chat.tools.unwrap_or_default();
        ReplyContent::new(
            tools,
            chat.tool_choice.as_ref(),
            chat.response_format,
            prompt.ends_with_tool_result,
        )?
    };
    if max_tokens == Some(0) {
        return Err(invalid("'max_tokens' : number must be at least 1"));
    }
    match chat.n.unwrap_or(1) {
        0 => return Err(invalid("'n' : number must be at least 1")),
        n if n > max_n => return Err(invalid(format!("'n' : number must be at most {max_n}"))),
        _ => {}
    }
    let is_usage_included = chat.stream_options.and_then(|options| options.include_usage).unwrap_or_default();
    let usage_chunk = if is_usage_included { UsageChunk::Included } else { UsageChunk::Omitted };
    Ok(ParsedRequest {
        model: model.into_owned(),
        prompt_tokens: prompt.tokens(),
        max_tokens,
        audio_seconds: 0,
        content,
        stream: chat.stream.unwrap_or_default().then_some(usage_chunk),
        tier: match chat.service_tier {
            Some(Text(tier)) if tier == "flex" => ServiceTier::Flex,
            _ => ServiceTier::OnDemand,
        },
        truth: None,
    })
}

/// Parses JSON. UTF-8 is checked once for the whole body rather than for each string. A body that is not UTF-8 is still
/// parsed: only the strings that are used must be valid.
fn parse_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error<'static>> {
    let parsed = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    parsed.map_err(|error| invalid(error.to_string()))
}

/// Returns the error of a malformed request.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Error<'static> {
    Error::Invalid(message.into())
}

/// The name of the header that has the truth. Made once: a name in a `str` is checked at every lookup.
static TRUTH_HEADER: HeaderName = HeaderName::from_static(truth::HEADER);

/// The body of a request in OpenAI's format, and the members that Anthropic's shares with it.
#[derive(Deserialize)]
struct ChatBody<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    messages: Option<Prompt>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    #[serde(borrow)]
    service_tier: Option<Text<'a>>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<Value>,
    response_format: Option<ResponseFormat>,
}

/// A string, borrowed from the body unless it has an escape. A wrapper because serde does not borrow a [`Cow`] inside an
/// option.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The system prompt of Anthropic's Messages API, which is not one of the messages. Parsed separately because OpenAI's
/// format does not define the member, so there it may have any type.
#[derive(Deserialize)]
struct MessagesBody {
    system: Option<ContentChars>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completions(body: &[u8]) -> Result<ParsedRequest, Error<'static>> {
        parse_body(body, Endpoint::Completions, 1)
    }

    fn messages(body: &str) -> Result<ParsedRequest, Error<'static>> {
        parse_body(body.as_bytes(), Endpoint::Messages, 1)
    }

    #[test]
    fn prompt_tokens_are_estimated_from_the_characters_of_all_texts() {
        for (messages, tokens) in [
            (r#"[{"role":"user","content":"hi"}]"#, 1),
            (r#"[{"role":"user","content":"éééé\néééé"}]"#, 3),
            (r#"[{"role":"system","content":"12345678"},{"role":"user","content":"1234"}]"#, 3),
            (
                r#"[{"role":"user","content":[{"type":"text","text":"12345678"},{"type":"image_url","image_url":{"url":"x"}}]}]"#,
                2,
            ),
            (
                r#"[{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"1","content":"12345"}]"#,
                2,
            ),
            (r#"[{"role":"user","content":""}]"#, 1),
        ] {
            let body = format!(r#"{{"messages":{messages},"model":"m","temperature":0.2}}"#);
            assert_eq!(completions(body.as_bytes()).unwrap().prompt_tokens, tokens, "{messages}");
        }
    }

    #[test]
    fn token_bounds_and_stream_options_are_parsed() {
        let parse = |rest: &str| {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{rest}}}"#);
            completions(body.as_bytes()).map(|request| (request.max_tokens, request.stream))
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
    fn a_deployment_names_the_model_and_the_messages_api_has_a_system_prompt() {
        let body = r#"{"messages":[{"role":"user","content":"1234"}],"system":"12345678","max_tokens":5}"#;
        let deployment = parse_body(body.as_bytes(), Endpoint::Deployment("d"), 1).unwrap();
        assert_eq!((deployment.model.as_str(), deployment.prompt_tokens), ("d", 1));
        assert!(matches!(messages(body), Err(Error::Invalid(message)) if message.contains("model")));
        let body = body.replacen('{', r#"{"model":"m","#, 1);
        assert_eq!(messages(&body).unwrap().prompt_tokens, 3);
        let unbounded = body.replace(r#","max_tokens":5"#, "");
        assert!(
            matches!(messages(&unbounded), Err(Error::Invalid(message)) if message.contains("max_tokens"))
        );
        let parts = body.replace(r#""12345678""#, r#"[{"type":"text","text":"12345"}]"#);
        assert_eq!(messages(&parts).unwrap().prompt_tokens, 3);
    }

    #[test]
    fn an_invalid_body_is_an_error_that_names_the_problem() {
        for (body, expected) in [
            ("", "EOF while parsing"),
            ("{", "EOF while parsing"),
            ("[]", "invalid length 0"),
            (r#"{"messages":[{"role":"user","content":"x"}]}"#, "property 'model' is missing"),
            (r#"{"model":"m"}"#, "property 'messages' is missing"),
            (r#"{"model":"m","messages":[]}"#, "minimum number of items is 1"),
            (r#"{"model":"m","messages":{}}"#, "an array of messages"),
            (r#"{"model":"m","messages":[{"content":"x"}]}"#, "role"),
            (r#"{"model":"m","messages":[{"role":"user","content":5}]}"#, "a string or an array of parts"),
            (r#"{"model":5,"messages":[]}"#, "string"),
        ] {
            let Err(Error::Invalid(message)) = completions(body.as_bytes()) else {
                panic!("{body} was accepted")
            };
            assert!(message.contains(expected), "{body}: {message}");
        }
        let deep = format!(r#"{{"model":"m","x":{}"#, "[".repeat(100_000));
        assert!(completions(deep.as_bytes()).is_err());
    }
}

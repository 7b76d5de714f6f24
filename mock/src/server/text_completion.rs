//! Completions of a text in OpenAI's older format: parses the body of a request.

use super::admission::ParsedRequest;
use super::chat::StreamOptions;
use super::content::ContentSize;
use super::parameters::{Parameters, RuleSet};
use super::request::{Members, RequestScope, invalid};
use super::shape::{RequestApi, Shape};
use super::text_size::TextSize;
use crate::random;
use crate::wire::Error;
use serde_json::Value;

/// Parses a request for a completion of a text.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn parse(body: &[u8], scope: &RequestScope<'_>) -> Result<ParsedRequest, Error<'static>> {
    let mut members = Members::parse(body)?;
    let model = scope.model(members.take_text("model")?)?;
    // Without a prompt the model begins a new document (documented).
    let prompt = members.take_value("prompt").unwrap_or_else(|| "".into());
    let texts = texts(prompt)?;
    let prompts = u32::try_from(texts.len()).unwrap_or(u32::MAX);
    let size: TextSize = texts.iter().map(|text| text.size).sum();
    let parameters = Parameters {
        temperature: members.take("temperature")?,
        top_p: members.take("top_p")?,
        frequency_penalty: members.take("frequency_penalty")?,
        presence_penalty: members.take("presence_penalty")?,
        stop: members.take("stop")?.unwrap_or_default(),
        ..Parameters::default()
    };
    RuleSet::compatible(scope.dialect).check(&parameters)?;
    if members.take::<u32>("logprobs")?.is_some() {
        return Err(invalid("'logprobs' : the mock does not serve log probabilities for this API"));
    }
    let choices = scope.choices(members.take("n")?)?.checked_mul(prompts);
    let choices = choices.filter(|choices| *choices <= MAX_CHOICES).ok_or_else(|| {
        invalid(format!(
            "'prompt' : the mock serves at most {MAX_CHOICES} completions of a request (prompts times `n`)"
        ))
    })?;
    let stream_options: Option<StreamOptions> = members.take("stream_options")?;
    let usage_chunk = StreamOptions::usage_chunk(stream_options);
    let max_tokens: Option<u32> = members.take("max_tokens")?;
    Ok(ParsedRequest {
        prompt_tokens: ContentSize::from(size).tokens(scope.dialect, &model),
        max_tokens: Some(max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)),
        stream: members.take("stream")?.unwrap_or(false).then_some(usage_chunk),
        shape: Shape {
            api: RequestApi::TextCompletion,
            choices,
            stop_texts: parameters.stop.into_texts(),
            ..Shape::default()
        },
        ..ParsedRequest::new(model)
    })
}

/// One text of a request, as text or as tokens.
#[derive(Debug)]
pub(super) struct InputText {
    content: Value,
    pub(super) size: TextSize,
}

impl InputText {
    /// Returns the text; `None` if the value is neither a string nor an array of tokens, or is an empty array.
    fn new(content: Value) -> Option<Self> {
        let size = match &content {
            Value::String(text) => TextSize::of(text),
            Value::Array(tokens) if !tokens.is_empty() && tokens.iter().all(Value::is_u64) => {
                TextSize::of_tokens(tokens.len() as u64)
            }
            _ => return None,
        };
        Some(Self { content, size })
    }

    /// Returns a number that is equal for equal texts.
    pub(super) fn fingerprint(&self) -> u64 {
        match &self.content {
            Value::String(text) => random::label_key(0, text),
            tokens => random::label_key(0, &tokens.to_string()),
        }
    }
}

/// Reads the texts of a prompt or of an input: a string, an array of strings, an array of tokens, or an array of those.
///
/// # Errors
/// [`Error::Invalid`] if it is something else, or an empty array.
pub(super) fn texts(value: Value) -> Result<Vec<InputText>, Error<'static>> {
    let texts = match value {
        Value::Array(values) if values.iter().any(|value| !value.is_u64()) => {
            values.into_iter().map(InputText::new).collect()
        }
        value => InputText::new(value).map(|text| vec![text]),
    };
    texts.ok_or_else(|| invalid("expected a string, an array of strings, or an array of tokens"))
}

/// Maximum number of completions of one request, for all its prompts together. No provider documents it: it bounds the size of a
/// reply.
const MAX_CHOICES: u32 = 2_048;

/// The `max_tokens` of a request that has none: documented by OpenAI, assumed for others.
const DEFAULT_MAX_TOKENS: u32 = 16;

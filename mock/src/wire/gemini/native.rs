//! Gemini's own endpoint: `POST /v1beta/models/MODEL:generateContent` and `:streamGenerateContent`, with its own bodies and
//! events (documented).

use crate::decision::{Denial, Service};
use crate::time::Instant;
use crate::wire::api::{Api, seed_of_choice};
use crate::wire::chat::{Content, Finish, MAX_FILLER_TOKENS};
use crate::wire::reasoning::ReasoningPlace;
use crate::wire::stream::{Chunks, ReasoningTokens, TokenEvent, TokenText, split_after};
use crate::wire::{
    Context, Endpoint, Error, ErrorReply, Head, Headers, KeyLocation, LimitsSnapshot, Model, ModelEntry,
    Operation, WireFormat,
};
use crate::wire::{ids, json, models};
use serde_json::{Map, Value, json};

/// The native endpoint.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Native;

impl WireFormat for Native {
    fn base(&self) -> &'static str {
        BASES[0]
    }

    fn path(&self, model: &str) -> String {
        format!("{}/models/{model}:generateContent", self.base())
    }

    fn key_locations(&self) -> &'static [KeyLocation] {
        &[KeyLocation::Header("x-goog-api-key"), KeyLocation::Query("key"), KeyLocation::Bearer]
    }

    fn marker_headers(&self) -> &'static [&'static str] {
        &["x-goog-api-key"]
    }

    fn endpoint<'p>(&self, path: &'p str) -> Option<Endpoint<'p>> {
        let rest = BASES.iter().find_map(|base| path.strip_prefix(base))?;
        if rest == "/models" {
            return Some(Endpoint::Models);
        }
        // A model in a path may be a tuned one.
        let name = rest.strip_prefix("/models/").or_else(|| rest.strip_prefix("/tunedModels/"))?;
        let Some((model, verb)) = name.rsplit_once(':') else {
            return Some(Endpoint::Model(name)).filter(|_| !name.is_empty());
        };
        let operation = match verb {
            "generateContent" => Operation::GenerateContent { stream: false },
            "streamGenerateContent" => Operation::GenerateContent { stream: true },
            "countTokens" => Operation::CountContent,
            _ => return None,
        };
        Some(Endpoint::Operation(operation, Some(model)))
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        Headers::with_media_type(head.media_type)
    }

    fn refusal(&self, denial: &Denial, snapshot: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
        super::refusal(denial, snapshot, context)
    }

    fn error(&self, error: &Error<'_>, _: u64, at: Instant) -> ErrorReply {
        super::error(error, "v1beta", at)
    }

    fn completion(&self, service: &Service, context: &Context<'_>) -> String {
        let total = service.usage.completion_tokens.min(MAX_FILLER_TOKENS);
        let thoughts = context.shape.reasoning_tokens(total);
        let candidate = |index| {
            let seed = seed_of_choice(context.number, index);
            let part = match context.content {
                Content::ToolCall { name, arguments } => function_call(name, arguments),
                content => {
                    let tokens = context.shape.tokens_of_choice(total, index) - thoughts;
                    json!({ "text": content.text(seed, tokens) })
                }
            };
            let thought = || thought(&context.content.reasoning_text(seed, thoughts));
            let thought = (thoughts > 0 && shows_thoughts(context)).then(thought);
            let parts: Vec<Value> = thought.into_iter().chain([part]).collect();
            candidate(&parts, index, Some(context.finish))
        };
        let candidates: Vec<Value> = (0..context.shape.choices).map(candidate).collect();
        reply(&candidates, &usage(service, context), context) + "\n"
    }

    fn chunks(&self, service: &Service, context: &Context<'_>) -> Chunks {
        let form = match context.shape.api {
            Api::CompletionArray => &ARRAY,
            _ => &EVENTS,
        };
        let prompt = json!(service.usage.prompt_tokens);
        let early = json!({ "promptTokenCount": prompt, "totalTokenCount": prompt });
        let token = |index, part: Value| {
            let chunk = reply(&[candidate(&[part], index, None)], &early, context);
            let (before, after) = split_after(&chunk, r#"{"text":""#);
            TokenEvent::new([form.before, before].concat(), [after, form.after].concat())
        };
        let last = match context.content {
            Content::ToolCall { name, arguments } => function_call(name, arguments),
            _ => json!({ "text": "" }),
        };
        let choices = context.shape.choices;
        let ends: Vec<Value> = (0..choices)
            .map(|index| candidate(std::slice::from_ref(&last), index, Some(context.finish)))
            .collect();
        let last = reply(&ends, &usage(service, context), context);
        let empty = || json!({ "text": "" });
        let of_thoughts =
            (0..choices).filter(|_| shows_thoughts(context)).map(|index| token(index, thought("")));
        let reasoning = ReasoningTokens::in_events(service, context, of_thoughts.collect(), String::new());
        let thoughts = context.shape.reasoning_tokens(service.usage.completion_tokens);
        Chunks {
            role: form.start.to_owned(),
            token: token(0, empty()),
            other_choices: (1..choices).map(|index| token(index, empty())).collect(),
            reasoning,
            end: [form.before, &last, form.end].concat(),
            usage: String::new(),
            done: "",
            text: TokenText::of(context.content, service.usage.completion_tokens / choices - thoughts),
            number: context.number,
        }
    }

    fn model(&self, model: &Model<'_>) -> ModelEntry {
        let entry = json!({
            "name": format!("models/{}", model.id),
            "version": "001",
            "displayName": model.id,
            "description": "",
            "inputTokenLimit": model.context(),
            "outputTokenLimit": model.max_output(),
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "temperature": 1,
            "topP": 0.95,
            "topK": 64,
            "maxTemperature": 2,
        });
        ModelEntry::new(model, json::text(&entry))
    }

    /// All models are on one page.
    fn model_list(&self, entries: &[ModelEntry]) -> String {
        format!(r#"{{"models":{}}}"#, models::array(entries))
    }

    fn token_count(&self, tokens: u32) -> String {
        let details = json!([{ "modality": "TEXT", "tokenCount": tokens }]);
        json!({ "totalTokens": tokens, "promptTokensDetails": details }).to_string()
    }
}

/// The form in which the parts of a stream are sent.
struct StreamForm {
    /// Before the first part.
    start: &'static str,
    /// Before each part.
    before: &'static str,
    /// After each part but the last.
    after: &'static str,
    /// After the last part.
    end: &'static str,
}

/// Server-sent events: `?alt=sse`.
const EVENTS: StreamForm = StreamForm { start: "", before: "data: ", after: "\r\n\r\n", end: "\r\n\r\n" };

/// The elements of a JSON array: without `alt`.
const ARRAY: StreamForm = StreamForm { start: "[", before: "", after: "\n,\r\n", end: "\n]\n" };

/// The bases of the two versions of the API.
const BASES: [&str; 2] = ["/v1beta", "/v1"];

fn function_call(name: &str, arguments: &str) -> Value {
    let args: Value = serde_json::from_str(arguments).unwrap_or_default();
    json!({ "functionCall": { "name": name, "args": args } })
}

/// Returns the part with the text of a reasoning (documented).
fn thought(text: &str) -> Value {
    json!({ "text": text, "thought": true })
}

/// Returns `true` if the request asks for the text of the reasoning as well.
fn shows_thoughts(context: &Context<'_>) -> bool {
    context.shape.reasoning.is_some_and(|reasoning| reasoning.place != ReasoningPlace::Hidden)
}

/// Returns a candidate with these parts. It has a finish reason unless `finish` is `None`, as before the end of a stream.
fn candidate(parts: &[Value], index: u32, finish: Option<Finish>) -> Value {
    let mut candidate = json!({ "content": { "parts": parts, "role": "model" }, "index": index });
    if let Some(finish) = finish {
        let reason = match finish {
            Finish::Length => "MAX_TOKENS",
            Finish::Stop | Finish::ToolCalls => "STOP",
        };
        candidate["finishReason"] = reason.into();
    }
    candidate
}

/// Returns the usage. The tokens of the candidates are without those of the reasoning (documented).
fn usage(service: &Service, context: &Context<'_>) -> Value {
    let usage = service.usage;
    let thoughts = context.shape.reasoning_tokens(usage.completion_tokens) * context.shape.choices;
    let mut members = Map::new();
    members.insert("promptTokenCount".into(), usage.prompt_tokens.into());
    members.insert("candidatesTokenCount".into(), (usage.completion_tokens - thoughts).into());
    if thoughts > 0 {
        members.insert("thoughtsTokenCount".into(), thoughts.into());
    }
    members.insert("totalTokenCount".into(), usage.total().into());
    if usage.cached_tokens > 0 {
        members.insert("cachedContentTokenCount".into(), usage.cached_tokens.into());
    }
    let details = json!([{ "modality": "TEXT", "tokenCount": usage.prompt_tokens }]);
    members.insert("promptTokensDetails".into(), details);
    Value::Object(members)
}

/// Returns a reply, or a part of a stream.
fn reply(candidates: &[Value], usage: &Value, context: &Context<'_>) -> String {
    let reply = json!({
        "candidates": candidates,
        "usageMetadata": usage,
        "modelVersion": context.model,
        "responseId": ids::base_62(context.number, 21),
    });
    json::text(&reply)
}

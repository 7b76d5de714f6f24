//! OpenAI's responses (`/responses`, documented): the object, and its server-sent events.

use super::chat::{Content, Finish, MAX_FILLER_TOKENS, call_id};
use super::format::Context;
use super::json::Object;
use super::reasoning::ReasoningPlace;
use super::stream::{Chunks, ReasoningTokens, TokenEvent, TokenText};
use super::{ids, json};
use crate::decision::Service;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The members of a request that its reply repeats, with the provider's defaults for those that are absent.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponsesRequest {
    /// The members by name, in the order in which they are sent.
    pub members: Vec<(&'static str, Value)>,
}

/// Returns the default of a member.
type MakeDefault = fn() -> Value;

/// The names of the repeated members with their defaults (documented).
const MEMBERS: [(&str, MakeDefault); 18] = [
    ("background", || false.into()),
    ("instructions", || Value::Null),
    ("max_output_tokens", || Value::Null),
    ("max_tool_calls", || Value::Null),
    ("metadata", || json!({})),
    ("parallel_tool_calls", || true.into()),
    ("previous_response_id", || Value::Null),
    ("prompt_cache_key", || Value::Null),
    ("reasoning", || json!({ "effort": null, "summary": null })),
    ("safety_identifier", || Value::Null),
    ("store", || true.into()),
    ("temperature", || 1.0.into()),
    ("tool_choice", || "auto".into()),
    ("tools", || json!([])),
    ("top_logprobs", || 0.into()),
    ("top_p", || 1.0.into()),
    ("truncation", || "disabled".into()),
    ("user", || Value::Null),
];

/// The format of the text if the request states none.
fn default_text() -> Value {
    json!({ "format": { "type": "text" } })
}

impl ResponsesRequest {
    /// Collects the repeated members. `take` removes a member from the request and returns it.
    #[must_use]
    pub fn new(mut take: impl FnMut(&str) -> Option<Value>) -> Self {
        let mut members: Vec<_> =
            MEMBERS.iter().map(|(name, default)| (*name, take(name).unwrap_or_else(default))).collect();
        let mut text = take("text").filter(Value::is_object).unwrap_or_else(default_text);
        if text["format"].is_null() {
            text["format"] = default_text()["format"].take();
        }
        members.push(("text", text));
        Self { members }
    }
}

/// Returns the body of a whole response.
pub(super) fn body(request: &ResponsesRequest, service: &Service, context: &Context<'_>) -> String {
    let item = Item::of(service, context);
    let reasoning = ReasoningItem::of(service, context).map(|reasoning| reasoning.value());
    let output: Vec<Value> = reasoning.into_iter().chain([item.value(context, Phase::Done)]).collect();
    response(request, context, Status::of(context.finish), &output, Some(service)) + "\n"
}

/// Returns the events of a streamed response. They are numbered from zero.
pub(super) fn chunks(request: &ResponsesRequest, service: &Service, context: &Context<'_>) -> Chunks {
    let item = Item::of(service, context);
    let item_id = item.id(context);
    let reasoning_item = ReasoningItem::of(service, context);
    let mut events = Events::default();
    let in_progress = response(request, context, Status::InProgress, &[], None);
    events.push("response.created", &format!(r#""response":{in_progress}"#));
    events.push("response.in_progress", &format!(r#""response":{in_progress}"#));
    let reasoning_events =
        reasoning_item.as_ref().map(|item| item.push_start(&mut events)).unwrap_or_default();
    // The events before the reasoning. Without reasoning, those before the answer follow them directly.
    let before_reasoning = std::mem::take(&mut events.text);
    if let Some(item) = &reasoning_item {
        item.push_end(&mut events);
    }
    let index = usize::from(reasoning_item.is_some());
    events.push_item("response.output_item.added", index, &item.value(context, Phase::Added));
    let place = format!(r#""item_id":"{item_id}","output_index":{index}"#);
    let reasoning_tokens = context.shape.reasoning_tokens(service.usage.completion_tokens);
    let text = item.token_text(service.usage.completion_tokens - reasoning_tokens);
    let (kind, place_in_item, after) = match item {
        Item::Text(_) => {
            let part = part("");
            events
                .push("response.content_part.added", &format!(r#"{place},"content_index":0,"part":{part}"#));
            (TEXT_DELTA, r#","content_index":0"#, r#"","logprobs":[],"sequence_number":"#)
        }
        Item::Call { .. } => (ARGUMENTS_DELTA, "", r#"","sequence_number":"#),
    };
    let before = format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{place}{place_in_item},\"delta\":\"");
    let first_number = events.count.wrapping_sub(u64::from(reasoning_tokens));
    let token = TokenEvent { first_number: Some(first_number), ..TokenEvent::new(before, after) };
    let start = std::mem::take(&mut events.text);
    let (role, reasoning) = match reasoning_item.is_some() {
        true => (before_reasoning, ReasoningTokens::in_events(service, context, reasoning_events, start)),
        false => (before_reasoning + &start, None),
    };
    events.count += u64::from(text.event_count(service.usage.completion_tokens - reasoning_tokens));
    item.push_end(&mut events, &place);
    let done = item.value(context, Phase::Done);
    events.push_item("response.output_item.done", index, &done);
    let output: Vec<Value> = reasoning_item.map(|item| item.value()).into_iter().chain([done]).collect();
    let status = Status::of(context.finish);
    let done = response(request, context, status, &output, Some(service));
    events.push(status.event(), &format!(r#""response":{done}"#));
    Chunks {
        role,
        token,
        other_choices: Vec::new(),
        reasoning,
        end: events.text,
        usage: String::new(),
        done: "",
        text,
        number: context.number,
    }
}

/// The reasoning before the other item of the output. Its text is the summary that a request asks for; otherwise it has none.
struct ReasoningItem {
    id: String,
    tokens: u32,
    /// `None` if the request asks for no summary.
    summary: Option<String>,
}

impl ReasoningItem {
    /// Returns the item; `None` if there is no reasoning.
    fn of(service: &Service, context: &Context<'_>) -> Option<Self> {
        let place = context.shape.reasoning?.place;
        let tokens = context.shape.reasoning_tokens(service.usage.completion_tokens);
        let tokens_of_text = tokens.min(MAX_FILLER_TOKENS);
        let text = || context.content.reasoning_text(context.number, tokens_of_text).into_owned();
        let id = format!("rs_{}", ids::hex(context.number ^ REASONING_ITEM, 32));
        let summary = (place != ReasoningPlace::Hidden).then(text);
        (tokens > 0).then_some(Self { id, tokens, summary })
    }

    /// Returns the item as an object.
    fn value(&self) -> Value {
        let summary: Vec<Value> = self.summary.iter().map(|text| summary_part(text)).collect();
        json!({ "id": self.id, "type": "reasoning", "summary": summary })
    }

    fn place(&self) -> String {
        format!(r#""item_id":"{}","output_index":0,"summary_index":0"#, self.id)
    }

    /// Appends the events before its tokens. Returns the event of its tokens, if they have one, and counts one event per
    /// token.
    fn push_start(&self, events: &mut Events) -> Vec<TokenEvent> {
        events.push_item(
            "response.output_item.added",
            0,
            &json!({ "id": self.id, "type": "reasoning", "summary": [] }),
        );
        if self.summary.is_none() {
            return Vec::new();
        }
        let place = self.place();
        let part = summary_part("");
        events.push("response.reasoning_summary_part.added", &format!(r#"{place},"part":{part}"#));
        let before =
            format!("event: {SUMMARY_DELTA}\ndata: {{\"type\":\"{SUMMARY_DELTA}\",{place},\"delta\":\"");
        let first_number = Some(events.count);
        events.count += u64::from(self.tokens);
        vec![TokenEvent { first_number, ..TokenEvent::new(before, r#"","sequence_number":"#) }]
    }

    /// Appends the events after its tokens.
    fn push_end(&self, events: &mut Events) {
        if let Some(text) = &self.summary {
            let place = self.place();
            let (quoted, part) = (json::text(text), summary_part(text));
            events.push("response.reasoning_summary_text.done", &format!(r#"{place},"text":{quoted}"#));
            events.push("response.reasoning_summary_part.done", &format!(r#"{place},"part":{part}"#));
        }
        events.push_item("response.output_item.done", 0, &self.value());
    }
}

/// Returns the part of a summary that has its text.
fn summary_part(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

/// The item of the output that has the answer.
enum Item<'a> {
    Text(Cow<'a, str>),
    Call { name: &'a str, arguments: &'a str },
}

/// The phase of an item in a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Added,
    Done,
}

impl<'a> Item<'a> {
    fn of(service: &Service, context: &Context<'a>) -> Self {
        match context.content {
            Content::ToolCall { name, arguments } => Self::Call { name, arguments },
            content => {
                let all = service.usage.completion_tokens;
                let tokens = (all - context.shape.reasoning_tokens(all)).min(MAX_FILLER_TOKENS);
                Self::Text(content.text(context.number, tokens))
            }
        }
    }

    fn id(&self, context: &Context<'_>) -> String {
        let prefix = if matches!(self, Self::Text(_)) { "msg" } else { "fc" };
        format!("{prefix}_{}", ids::hex(context.number ^ ITEM, 32))
    }

    /// Returns the item as an object. Its content or arguments are empty in [`Phase::Added`].
    fn value(&self, context: &Context<'_>, phase: Phase) -> Value {
        let done = phase == Phase::Done;
        let status = match phase {
            Phase::Added => Status::InProgress,
            Phase::Done => Status::of(context.finish),
        };
        match self {
            Self::Text(text) => json!({
                "id": self.id(context),
                "type": "message",
                "status": status.name(),
                "content": if done { vec![part(text)] } else { vec![] },
                "role": "assistant",
            }),
            Self::Call { name, arguments } => json!({
                "id": self.id(context),
                "type": "function_call",
                "status": status.name(),
                "arguments": if done { arguments } else { "" },
                "call_id": call_id(context.number, 0),
                "name": name,
            }),
        }
    }

    /// Returns the texts of its tokens. Every part of a text is at least one character, so that no sequence number is
    /// skipped.
    fn token_text(&self, tokens: u32) -> TokenText {
        match self {
            Self::Text(Cow::Owned(_)) => TokenText::Filler,
            Self::Text(Cow::Borrowed(text)) => TokenText::split(text, tokens),
            Self::Call { arguments, .. } => TokenText::split(arguments, tokens),
        }
    }

    /// Appends the events between the last token and the end of the item.
    fn push_end(&self, events: &mut Events, place: &str) {
        match self {
            Self::Text(text) => {
                let (quoted, part) = (json::text(text), part(text));
                let content = format!(r#"{place},"content_index":0"#);
                let done = format!(r#"{content},"text":{quoted},"logprobs":[]"#);
                events.push("response.output_text.done", &done);
                events.push("response.content_part.done", &format!(r#"{content},"part":{part}"#));
            }
            Self::Call { name, arguments } => {
                let quoted = json::text(arguments);
                let done = format!(r#"{place},"name":{},"arguments":{quoted}"#, json::text(name));
                events.push("response.function_call_arguments.done", &done);
            }
        }
    }
}

/// Returns the part of a message that has its text.
fn part(text: &str) -> Value {
    json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
}

/// The events of a stream, each with the next number.
#[derive(Default)]
struct Events {
    text: String,
    count: u64,
}

impl Events {
    /// Appends an event with these members.
    fn push(&mut self, name: &str, members: &str) {
        let number = self.count;
        self.text.push_str(&format!(
            "event: {name}\ndata: {{\"type\":\"{name}\",{members},\"sequence_number\":{number}}}\n\n"
        ));
        self.count += 1;
    }

    fn push_item(&mut self, name: &str, index: usize, item: &Value) {
        self.push(name, &format!(r#""output_index":{index},"item":{item}"#));
    }
}

/// The status of a response, or of its item.
#[derive(Clone, Copy)]
enum Status {
    InProgress,
    Completed,
    Incomplete,
}

impl Status {
    const fn of(finish: Finish) -> Self {
        match finish {
            Finish::Length => Self::Incomplete,
            Finish::Stop | Finish::ToolCalls => Self::Completed,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }

    /// Returns the name of the last event of a stream.
    const fn event(self) -> &'static str {
        match self {
            Self::Incomplete => "response.incomplete",
            Self::InProgress | Self::Completed => "response.completed",
        }
    }
}

/// Returns the response. It has a usage once it is served.
fn response(
    request: &ResponsesRequest,
    context: &Context<'_>,
    status: Status,
    output: &[Value],
    service: Option<&Service>,
) -> String {
    let created = context.epoch.time_at(context.at).secs();
    let reason = matches!(status, Status::Incomplete).then(|| json!({ "reason": "max_output_tokens" }));
    let object = Object::with_capacity(1_024)
        .plain_text("id", &format!("resp_{}", ids::hex(context.number, 32)))
        .plain_text("object", "response")
        .member("created_at", &created)
        .plain_text("status", status.name())
        .member("completed_at", &service.map(|_| created))
        .member("error", &())
        .member("incomplete_details", &reason)
        .text("model", context.model)
        .member("output", output)
        .plain_text("service_tier", "default");
    let object = request.members.iter().fold(object, |object, (name, value)| object.member(name, value));
    object.member("usage", &service.map(|service| usage(service, context))).into_text()
}

fn usage(service: &Service, context: &Context<'_>) -> Value {
    let usage = service.usage;
    let reasoning = context.shape.reasoning_tokens(usage.completion_tokens);
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": { "cached_tokens": usage.cached_tokens },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": reasoning },
        "total_tokens": usage.total(),
    })
}

const TEXT_DELTA: &str = "response.output_text.delta";
const ARGUMENTS_DELTA: &str = "response.function_call_arguments.delta";
const SUMMARY_DELTA: &str = "response.reasoning_summary_text.delta";
/// Keeps the id of the item with the reasoning from being that of another item.
const REASONING_ITEM: u64 = 0x7265_6173;
/// Keeps the id of an item from being that of its response.
const ITEM: u64 = 0x6974_656d;

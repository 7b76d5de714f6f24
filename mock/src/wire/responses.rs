//! OpenAI's responses (`/responses`, documented): the object, and its server-sent events.

use super::chat::{Content, Finish, MAX_FILLER_TOKENS, call_id};
use super::format::Context;
use super::json::Object;
use super::stream::{Chunks, TokenEvent, TokenText};
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
    /// Takes the repeated members out of the members of a request.
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
    let output = [item.value(context, Phase::Done)];
    response(request, context, Status::of(context.finish), &output, Some(service)) + "\n"
}

/// Returns the events of a streamed response. They are numbered from zero.
pub(super) fn chunks(request: &ResponsesRequest, service: &Service, context: &Context<'_>) -> Chunks {
    let item = Item::of(service, context);
    let item_id = item.id(context);
    let mut events = Events::default();
    let in_progress = response(request, context, Status::InProgress, &[], None);
    events.push("response.created", &format!(r#""response":{in_progress}"#));
    events.push("response.in_progress", &format!(r#""response":{in_progress}"#));
    events.push_item("response.output_item.added", &item.value(context, Phase::Added));
    let place = format!(r#""item_id":"{item_id}","output_index":0"#);
    let text = item.token_text(service);
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
    let token = TokenEvent { first_number: Some(events.count), ..TokenEvent::new(before, after) };
    let role = std::mem::take(&mut events.text);
    events.count += u64::from(text.sent(service.usage.completion_tokens));
    item.push_end(&mut events, &place);
    let output = [item.value(context, Phase::Done)];
    events.push_item("response.output_item.done", &output[0]);
    let status = Status::of(context.finish);
    let done = response(request, context, status, &output, Some(service));
    events.push(status.event(), &format!(r#""response":{done}"#));
    Chunks {
        role,
        token,
        other_choices: Vec::new(),
        reasoning: None,
        end: events.text,
        usage: String::new(),
        done: "",
        text,
        number: context.number,
    }
}

/// The only item of the output.
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
                let tokens = service.usage.completion_tokens.min(MAX_FILLER_TOKENS);
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

    /// Returns the texts of the tokens. Every part of a text is at least one character, so that no number is left out.
    fn token_text(&self, service: &Service) -> TokenText {
        match self {
            Self::Text(Cow::Owned(_)) => TokenText::Filler,
            Self::Text(Cow::Borrowed(text)) => TokenText::split(text, service.usage.completion_tokens),
            Self::Call { arguments, .. } => TokenText::split(arguments, service.usage.completion_tokens),
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

    fn push_item(&mut self, name: &str, item: &Value) {
        self.push(name, &format!(r#""output_index":0,"item":{item}"#));
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
    object.member("usage", &service.map(usage)).into_text()
}

fn usage(service: &Service) -> Value {
    let usage = service.usage;
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": { "cached_tokens": usage.cached_tokens },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": usage.total(),
    })
}

const TEXT_DELTA: &str = "response.output_text.delta";
const ARGUMENTS_DELTA: &str = "response.function_call_arguments.delta";
/// Keeps the id of an item from being that of its response.
const ITEM: u64 = 0x6974_656d;

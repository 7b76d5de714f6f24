//! Completions as server-sent events in OpenAI's shape.
//!
//! A stream is a chunk with the role, one chunk per token, a chunk with the finish reason, one with the usage if the client asked for
//! it, then `[DONE]`. A tool call is one chunk (as in the published fixtures of Vercel's package `ai`) or, at OpenAI, one without the
//! arguments and then one per token of them (documented).

use super::api::seed_of_choice;
use super::chat::{CompletionFormat, Content, OptionalNull, ToolCall, finish_reason};
use super::filler;
use super::format::Context;
use super::json::{self, Object};
use super::reasoning::{Reasoning, ReasoningPlace, THINK};
use crate::decision::Service;
use serde::Serialize;
use std::borrow::Cow;

/// The server-sent events of one completion. The server appends each to its buffer when it is due.
#[derive(Clone, Debug)]
pub struct Chunks {
    /// The events before the first token: one with the role of the message for each choice.
    pub(super) role: String,
    /// The event of a token. All tokens of a choice share it: an event is serialised once per stream instead of once per token.
    pub(super) token: TokenEvent,
    /// The events of the tokens of the second and further choices, which take turns with the first; usually empty.
    pub(super) other_choices: Vec<TokenEvent>,
    /// The tokens of the reasoning before the answer of each choice; `None` if there are none.
    pub(super) reasoning: Option<ReasoningTokens>,
    /// The events after the last token: a tool call if the content is one, then the finish reason.
    pub(super) end: String,
    /// The event that `stream_options.include_usage` adds; empty if the client did not ask for it or the provider adds none.
    pub(super) usage: String,
    /// The event that ends every complete stream; empty if the provider sends none.
    pub(super) done: &'static str,
    pub(super) text: TokenText,
    /// The number of the request, from which filler words are derived.
    pub(super) number: u64,
}

/// The event of a token without its text.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenEvent {
    pub(super) before: String,
    /// If it is not `None`, follows the text, and the text is then repeated.
    pub(super) between: Option<String>,
    pub(super) after: String,
    /// For events that are numbered: the sequence number of the event of token 0 of the stream. The number of each token's
    /// event follows `after`. If the first tokens of the stream have no event, the number of token 0 may wrap below zero.
    pub(super) first_number: Option<u64>,
}

impl TokenEvent {
    /// Returns an event with the text between two parts.
    pub(super) fn new(before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { before: before.into(), after: after.into(), ..Self::default() }
    }

    /// Returns the event whose empty [`CONTENT_DELTA`] is replaced by `delta`, with the text in the only empty string of `delta`.
    fn of_delta(empty_token: &str, delta: &str) -> Self {
        let (before, after) = split_after(empty_token, CONTENT_DELTA);
        let (delta_start, delta_end) = split_after(delta, r#":""#);
        let before = before.strip_suffix(CONTENT_DELTA).unwrap_or(before);
        Self::new(format!("{before}{delta_start}"), format!("{delta_end}{after}"))
    }

    pub(super) fn append(&self, out: &mut String, text: &str, index: u32) {
        out.push_str(&self.before);
        out.push_str(text);
        if let Some(between) = &self.between {
            out.push_str(between);
            out.push_str(text);
        }
        out.push_str(&self.after);
        if let Some(first) = self.first_number {
            out.push_str(itoa::Buffer::new().format(first.wrapping_add(u64::from(index))));
            out.push_str("}\n\n");
        }
    }
}

/// The tokens of the reasoning of a stream.
#[derive(Clone, Debug)]
pub(super) struct ReasoningTokens {
    /// Those of each choice, at least one. They come before the tokens of its answer.
    per_choice: u32,
    /// The events in which their text is, by choice.
    events: ReasoningEvents,
    text: TokenText,
    /// What follows the last of them: events that end the reasoning and begin the answer.
    end: String,
}

#[derive(Clone, Debug)]
enum ReasoningEvents {
    /// None: the text is not sent.
    Hidden,
    /// Events of their own.
    Own(Vec<TokenEvent>),
    /// Those of the answer.
    OfAnswer,
}

impl ReasoningTokens {
    fn of(
        format: &CompletionFormat,
        service: &Service,
        context: &Context<'_>,
        events: impl FnOnce(&str) -> Vec<TokenEvent>,
    ) -> Option<Self> {
        let place = context.shape.reasoning?.place;
        let per_choice = context.shape.reasoning_tokens(service.usage.completion_tokens);
        let events = match (place, format.reasoning) {
            (ReasoningPlace::Content, _) => ReasoningEvents::OfAnswer,
            (ReasoningPlace::Member, Some(name)) => ReasoningEvents::Own(events(name)),
            (ReasoningPlace::Member, None) | (ReasoningPlace::Hidden, _) => ReasoningEvents::Hidden,
        };
        let text = match context.content {
            Content::Recorded(reply) => TokenText::Split(reply.reasoning.clone(), per_choice),
            _ => TokenText::Filler,
        };
        (per_choice > 0).then_some(Self { per_choice, events, text, end: String::new() })
    }

    /// Returns the tokens of a reasoning of filler words in events of their own, one for each choice, or hidden if there are none.
    /// `end` is what follows the last of them.
    pub(super) fn in_events(
        service: &Service,
        context: &Context<'_>,
        events: Vec<TokenEvent>,
        end: String,
    ) -> Option<Self> {
        let per_choice = context.shape.reasoning_tokens(service.usage.completion_tokens);
        let events = if events.is_empty() { ReasoningEvents::Hidden } else { ReasoningEvents::Own(events) };
        (per_choice > 0).then_some(Self { per_choice, events, text: TokenText::Filler, end })
    }

    /// Appends the event of a token of the reasoning, which is token `index` of the stream.
    fn append(&self, out: &mut String, chunks: &Chunks, (choice, index_in_choice): (u32, u32), index: u32) {
        let seed = Reasoning::seed(seed_of_choice(chunks.number, choice));
        let text = self.text.escaped(seed, index_in_choice);
        match &self.events {
            ReasoningEvents::Hidden => {}
            ReasoningEvents::Own(_) if text.is_empty() => {}
            ReasoningEvents::Own(events) => events[choice as usize].append(out, &text, index),
            ReasoningEvents::OfAnswer => {
                let [before, after] = THINK;
                let before = if index_in_choice == 0 { before } else { "" };
                let after = if index_in_choice + 1 == self.per_choice { after } else { "" };
                let [before, after] = [before, after].map(json::escaped);
                chunks.event_of(choice).append(out, &format!("{before}{text}{after}"), index);
            }
        }
        if index_in_choice + 1 == self.per_choice {
            out.push_str(&self.end);
        }
    }
}

/// The texts of the tokens of a stream.
#[derive(Clone, Debug)]
pub(super) enum TokenText {
    /// One filler word each.
    Filler,
    /// A text that is split into this number of about equal parts.
    Split(String, u32),
    /// No text: the content is empty, or a tool call, which is sent at the end.
    None,
}

impl TokenText {
    /// Returns the texts of a content of this many tokens per choice.
    pub(super) fn of(content: Content<'_>, tokens: u32) -> Self {
        match content {
            Content::Filler | Content::Transcript(_) => Self::Filler,
            Content::Text(text) => Self::Split(text.to_owned(), tokens),
            Content::Recorded(reply) if reply.text.is_empty() => Self::None,
            Content::Recorded(reply) => Self::Split(reply.text.clone(), tokens),
            Content::ToolCall { .. } => Self::None,
        }
    }

    /// Returns a text in one part per token, or in fewer, so that no part is empty.
    pub(super) fn split(text: &str, tokens: u32) -> Self {
        let most = u32::try_from(text.len() / MAX_CHARACTER_BYTES).unwrap_or(u32::MAX).max(1);
        Self::Split(text.to_owned(), tokens.min(most))
    }

    /// Returns the text of token `index`, escaped for JSON; empty if it has none. `seed` is that of filler words.
    fn escaped(&self, seed: u64, index: u32) -> Cow<'_, str> {
        match self {
            // Needs no escapes.
            Self::Filler => filler::token(seed, index).into(),
            Self::Split(text, parts) => json::escaped(part(text, *parts, index)),
            Self::None => "".into(),
        }
    }

    /// Returns the number of events of a completion of `tokens`: one per token that has a text, if no part of a split text is empty.
    pub(super) fn event_count(&self, tokens: u32) -> u32 {
        match self {
            Self::Filler => tokens,
            Self::Split(text, _) if text.is_empty() => 0,
            Self::Split(_, parts) => tokens.min(*parts),
            Self::None => 0,
        }
    }
}

impl Chunks {
    /// Appends the events before the first token: the role of the message.
    pub fn append_role(&self, out: &mut String) {
        out.push_str(&self.role);
    }

    /// Appends the event of token `index`; appends nothing if the token has no text.
    pub fn append_token(&self, out: &mut String, index: u32) {
        // The choices take turns.
        let choices = self.other_choices.len() as u32 + 1;
        let (choice, mut index_in_choice) = (index % choices, index / choices);
        if let Some(reasoning) = &self.reasoning {
            let Some(of_answer) = index_in_choice.checked_sub(reasoning.per_choice) else {
                return reasoning.append(out, self, (choice, index_in_choice), index);
            };
            index_in_choice = of_answer;
        }
        let text = self.text.escaped(seed_of_choice(self.number, choice), index_in_choice);
        if !text.is_empty() {
            self.event_of(choice).append(out, &text, index);
        }
    }

    /// Returns the event of the tokens of a choice.
    fn event_of(&self, choice: u32) -> &TokenEvent {
        match choice {
            0 => &self.token,
            other => &self.other_choices[other as usize - 1],
        }
    }

    /// Appends the events after the last token: a tool call if the content is one, then the finish reason, with which some
    /// providers send the usage.
    pub fn append_end(&self, out: &mut String) {
        out.push_str(&self.end);
    }

    /// Appends the event that `stream_options.include_usage` adds, if there is one: the usage without choices.
    pub fn append_usage(&self, out: &mut String) {
        out.push_str(&self.usage);
    }

    /// Appends the event that ends every complete stream.
    pub fn append_done(&self, out: &mut String) {
        out.push_str(self.done);
    }
}

/// Returns part `index` of a text that is split into `parts` at character boundaries; empty for later parts.
fn part(text: &str, parts: u32, index: u32) -> &str {
    let boundary = |index: u32| {
        let offset = text.len() as u64 * u64::from(index) / u64::from(parts.max(1));
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
        (0..=offset).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
    };
    &text[boundary(index)..boundary(index + 1)]
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: OptionalNull,
    finish_reason: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
}

/// Returns the events of a service.
pub(super) fn chunks(format: &CompletionFormat, service: &Service, context: &Context<'_>) -> Chunks {
    let start = Object::with_capacity(384)
        .plain_text("id", &(format.id)(context.number))
        .plain_text("object", "chat.completion.chunk")
        .member("created", &context.epoch.time_at(context.at).secs())
        .text("model", context.model);
    let start = (format.chunk)(start, context);
    let event = |choices: &[ChunkChoice<'_>], add_members: &dyn Fn(Object) -> Object| {
        let chunk = add_members(start.clone().member("choices", choices));
        format!("data: {}\n\n", chunk.into_text())
    };
    let logprobs = format.logprobs;
    let choice = |index, delta, finish_reason| [ChunkChoice { index, delta, logprobs, finish_reason }];
    let no_members = |chunk| chunk;
    let usage = |chunk: Object| chunk.object("usage", |usage| (format.usage)(usage, service, context));
    let choices = context.shape.choices;

    let empty_token =
        |index| event(&choice(index, Delta { content: Some(""), ..Delta::default() }, None), &no_members);
    let split_arguments = match context.content {
        Content::ToolCall { arguments, .. } if format.splits_arguments => Some(arguments),
        _ => None,
    };
    let token_of = |index| match split_arguments {
        Some(_) => TokenEvent::of_delta(&empty_token(index), ARGUMENTS_DELTA),
        None => split_at_text(&empty_token(index), context.shape.logprobs),
    };
    let reasoning = ReasoningTokens::of(format, service, context, |name| {
        let delta = format!(r#"{{"{name}":""}}"#);
        (0..choices).map(|index| TokenEvent::of_delta(&empty_token(index), &delta)).collect()
    });
    let answer_tokens = service.usage.completion_tokens / choices
        - reasoning.as_ref().map_or(0, |reasoning| reasoning.per_choice);
    let (mut role, mut end) = (String::new(), String::new());
    for index in 0..choices {
        let delta = Delta { role: Some("assistant"), content: Some(""), tool_calls: None };
        role.push_str(&event(&choice(index, delta, None), &|chunk| (format.first_chunk)(chunk, context)));
        for call in ToolCall::all_of(context, index) {
            let (events, call) = match split_arguments {
                Some(_) => (&mut role, call.without_arguments()),
                None => (&mut end, call),
            };
            let delta = Delta { tool_calls: Some([call]), ..Delta::default() };
            events.push_str(&event(&choice(index, delta, None), &no_members));
        }
        let last = choice(index, Delta::default(), Some(finish_reason(context)));
        let add_usage = |chunk| (format.last_chunk)(chunk, service, context);
        end.push_str(&event(&last, if index + 1 == choices { &add_usage } else { &no_members }));
    }

    Chunks {
        role,
        token: token_of(0),
        other_choices: (1..choices).map(token_of).collect(),
        reasoning,
        end,
        usage: if format.usage_chunk && context.shape.usage_chunk {
            event(&[], &usage)
        } else {
            String::new()
        },
        done: "data: [DONE]\n\n",
        text: match split_arguments {
            Some(arguments) => TokenText::split(arguments, answer_tokens),
            None => TokenText::of(context.content, answer_tokens),
        },
        number: context.number,
    }
}

/// Splits an event with an empty text after the mark before that text. The name of a model cannot contain a mark, because its
/// quotes are escaped.
///
/// # Panics
/// If the event does not contain the mark.
pub(super) fn split_after<'e>(event: &'e str, mark: &str) -> (&'e str, &'e str) {
    let start = event.find(mark).expect("invariant: the event of a token has a text") + mark.len();
    event.split_at(start)
}

/// Splits an event at its empty content. If `logprobs` is set and the event has that member, adds the log probability of the
/// token, which repeats its text.
fn split_at_text(event: &str, logprobs: bool) -> TokenEvent {
    let (before, after) = split_after(event, CONTENT_MARK);
    let null = after.split_once(LOGPROBS_NULL).filter(|_| logprobs);
    let Some((between, after)) = null else { return TokenEvent::new(before, after) };
    let between = format!("{between}{LOGPROBS_START}");
    TokenEvent { between: Some(between), ..TokenEvent::new(before, format!("{LOGPROBS_END}{after}")) }
}

/// The most bytes of a character in UTF-8.
const MAX_CHARACTER_BYTES: usize = 4;
/// The `delta` with a part of the arguments of the only tool call.
const ARGUMENTS_DELTA: &str = r#"{"tool_calls":[{"index":0,"function":{"arguments":""}}]}"#;
/// The `delta` with the text of a token.
const CONTENT_DELTA: &str = r#"{"content":""}"#;
/// What precedes the text of a token.
const CONTENT_MARK: &str = r#""content":""#;
/// The member of a choice without log probabilities.
const LOGPROBS_NULL: &str = r#""logprobs":null"#;
/// The member of a choice with the log probability of one token, before and after its text. The provider also lists the bytes
/// of the token, which may be null (documented).
const LOGPROBS_START: &str = r#""logprobs":{"content":[{"token":""#;
const LOGPROBS_END: &str = r#"","logprob":-0.1,"bytes":null,"top_logprobs":[]}],"refusal":null}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_text_are_its_characters_in_order() {
        let text = "a é 漢字 z";
        for parts in 1..20 {
            let joined: String = (0..parts + 3).map(|index| part(text, parts, index)).collect();
            assert_eq!(joined, text, "{parts}");
        }
    }
}

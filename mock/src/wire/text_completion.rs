//! Completions of a text in OpenAI's older shape (`/completions`, documented).

use super::api::seed_of_choice;
use super::chat::{CompletionFormat, Content, MAX_FILLER_TOKENS};
use super::format::Context;
use super::ids;
use super::json::Object;
use super::stream::{Chunks, TokenEvent, TokenText, split_after};
use crate::decision::Service;

/// Returns the body of a whole completion: one choice per prompt and per requested completion.
pub(super) fn body(format: &CompletionFormat, service: &Service, context: &Context<'_>) -> String {
    let total = service.usage.completion_tokens.min(MAX_FILLER_TOKENS);
    let choice = |choice: Object, index: u32| {
        let tokens = context.shape.tokens_of_choice(total, index);
        let choice = match context.content {
            Content::Text(text) => choice.text("text", text),
            _ => choice.filler("text", seed_of_choice(context.number, index), tokens),
        };
        end_of_choice(choice, index, Some(context.finish.name()))
    };
    let body = start(context)
        .array("choices", context.shape.choices, choice)
        .object("usage", |usage| (format.usage)(usage, service, context));
    body.into_text() + "\n"
}

/// Returns the events of a streamed completion.
pub(super) fn chunks(format: &CompletionFormat, service: &Service, context: &Context<'_>) -> Chunks {
    let start = start(context);
    let event = |choice: u32, finish: Option<&str>| {
        let write = |object: Object, _| end_of_choice(object.plain_text("text", ""), choice, finish);
        format!("data: {}\n\n", start.clone().array("choices", 1, write).into_text())
    };
    let token = |choice| {
        let event = event(choice, None);
        let (before, after) = split_after(&event, r#""text":""#);
        TokenEvent::new(before, after)
    };
    let choices = context.shape.choices;
    let usage = || {
        let event = start.clone().member("choices", &[(); 0]);
        let event = event.object("usage", |usage| (format.usage)(usage, service, context));
        format!("data: {}\n\n", event.into_text())
    };
    Chunks {
        role: String::new(),
        token: token(0),
        other_choices: (1..choices).map(token).collect(),
        reasoning: None,
        end: (0..choices).map(|choice| event(choice, Some(context.finish.name()))).collect(),
        usage: if context.shape.usage_chunk { usage() } else { String::new() },
        done: "data: [DONE]\n\n",
        text: TokenText::of(context.content, service.usage.completion_tokens / choices),
        number: context.number,
    }
}

fn start(context: &Context<'_>) -> Object {
    Object::with_capacity(512)
        .plain_text("id", &format!("cmpl-{}", ids::base_62(context.number, 20)))
        .plain_text("object", "text_completion")
        .member("created", &context.epoch.time_at(context.at).secs())
        .text("model", context.model)
}

fn end_of_choice(choice: Object, index: u32, finish: Option<&str>) -> Object {
    choice.member("index", &index).member("logprobs", &()).member("finish_reason", &finish)
}

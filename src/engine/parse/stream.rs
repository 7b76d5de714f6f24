//! Parses a streamed reply: the first token, the usage, the end, whether the answer was cut, and an error after status 200.

use super::answer::AnswerReader;
use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::Headers;
use super::{failure, limit_header, limits_of, success};
use crate::engine::Reply;
use provider::Instant;
use serde_json::Value;

/// The parser of one streamed reply. It takes the payload of every `data:` line, in order.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    first_token_at: Option<Instant>,
    answer: AnswerReader,
    error: Option<ErrorBody>,
    /// The stream has ended, with its end marker or an error.
    done: bool,
    /// The stream has stated that the answer is complete.
    finished: bool,
}

impl Stream {
    /// Takes the payload of one event that arrived at `now`. `named_error` is `true` if the name of the event is
    /// `error`. Ignores events after the end.
    ///
    /// Most payloads hold one token. After the first token they are not parsed unless they may contain usage, an error,
    /// the end or a finish reason.
    pub fn take(&mut self, now: Instant, payload: &[u8], named_error: bool) {
        if self.done {
            return;
        }
        if payload == b"[DONE]" {
            (self.done, self.finished) = (true, true);
            return;
        }
        let contains = |text: &&[u8]| payload.windows(text.len()).any(|window| window == *text);
        if !named_error && self.first_token_at.is_some() && !PARSED_AFTER_FIRST_TOKEN.iter().any(contains) {
            return;
        }
        let event: Value = serde_json::from_slice(payload).unwrap_or_default();
        self.answer.add(&event);
        self.finished |= finishes(&event);
        self.error = match named_error {
            true => Some(ErrorBody::parse(payload).unwrap_or_default()),
            false => ErrorBody::error_in_success(&event).or_else(|| error_finish(&event)),
        };
        if self.error.is_none() && self.first_token_at.is_none() && has_token(&event) {
            self.first_token_at = Some(now);
        }
        self.done = self.error.is_some() || event["type"] == "message_stop";
    }

    /// Returns `true` if a part of the completion has arrived.
    #[must_use]
    pub const fn has_token(&self) -> bool {
        self.first_token_at.is_some()
    }

    /// Returns the arrival of the first part of the completion.
    #[must_use]
    pub const fn first_token_at(&self) -> Option<Instant> {
        self.first_token_at
    }

    /// Returns `true` if the stream has stated that its answer is complete: by its end marker, by the reason for which the answer
    /// ends, or by an event that says so.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns `true` if an event was an error.
    #[must_use]
    pub const fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// Returns `true` if the stream has ended, with its end marker or an error.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// Returns the reply of a stream that ended at `now`. Without usage it is not a completion, and the attempt failed.
    #[must_use]
    pub fn reply(&self, dialect: Option<Dialect>, now: Instant, headers: &dyn Headers) -> Reply {
        let limits = limits_of(dialect, headers);
        let remaining = limit_header::remaining(&limits);
        if let Some(error) = &self.error {
            return failure::classify_error_in_success(dialect, headers, &limits, error)
                .reply(now, remaining);
        }
        let first_token_at = self.first_token_at.unwrap_or(now);
        match self.answer.usage() {
            Some(_) => Reply { first_token_at, ..success(now, self.answer, remaining) },
            None => success(now, self.answer, remaining),
        }
    }
}

/// Returns the error of an event with `finish_reason: "error"` and no error object (`OpenRouter`).
fn error_finish(event: &Value) -> Option<ErrorBody> {
    (event["choices"][0]["finish_reason"] == "error").then(ErrorBody::default)
}

/// Returns `true` if an event states that the answer is complete.
fn finishes(event: &Value) -> bool {
    let kind = event["type"].as_str().unwrap_or_default();
    matches!(kind, "message_stop" | "response.completed" | "response.incomplete" | "transcript.text.done")
        || event["choices"][0]["finish_reason"].is_string()
        || event["candidates"][0]["finishReason"].is_string()
}

/// Returns `true` if an event holds a part of the completion. The first event of OpenAI's dialects holds only the
/// role, that of Anthropic only the message.
fn has_token(event: &Value) -> bool {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let delta = &event["choices"][0]["delta"];
    let kind = event["type"].as_str().unwrap_or_default();
    kind == "content_block_delta"
        || (kind.starts_with("response.") && kind.ends_with(".delta"))
        || kind == "transcript.text.delta"
        || ["content", "reasoning", "reasoning_content", "refusal"].iter().any(|key| is_text(&delta[*key]))
        || delta["tool_calls"].is_array()
        || delta["function_call"].is_object()
        || delta["audio"].is_object()
        || is_text(&event["choices"][0]["text"])
        || is_text(&event["candidates"][0]["content"]["parts"][0]["text"])
        || event["candidates"][0]["content"]["parts"][0]["functionCall"].is_object()
}

/// Substrings of the payloads that are parsed after the first token. The first begins `usage` and Gemini's `usageMetadata`; the next
/// three begin finish reasons; the event with Anthropic's stop reason has the usage as well.
const PARSED_AFTER_FIRST_TOKEN: [&[u8]; 7] = [
    br#""usage"#,
    br#""finish_reason":""#,
    br#""finish_reason": ""#,
    br#""finishReason""#,
    br#""error""#,
    br#""message_stop""#,
    br#""response."#,
];

#[cfg(test)]
mod tests {
    use super::super::testing::Pairs;
    use super::*;
    use crate::event::{AttemptFailure, AttemptOutcome, RefusalCause};
    use provider::Usage;

    /// Parses events that arrive one per second; a leading `!` marks an `event: error`.
    fn reply(events: &[&str]) -> (Reply, bool) {
        let mut stream = Stream::default();
        for (at, event) in events.iter().enumerate() {
            let now = Instant(1_000_000_000 * at as u64);
            stream.take(now, event.trim_start_matches('!').as_bytes(), event.starts_with('!'));
        }
        (stream.reply(None, Instant(99_000_000_000), &Pairs(&[])), stream.is_done())
    }

    fn served(events: &[&str]) -> (u64, Usage) {
        let (reply, done) = reply(events);
        assert!(done);
        assert_eq!(reply.outcome, AttemptOutcome::Ok, "{events:?}");
        (reply.first_token_at.0 / 1_000_000_000, reply.usage)
    }

    #[test]
    fn streams_of_three_formats_are_successes() {
        let usage = Usage { prompt_tokens: 25, completion_tokens: 15, cached_tokens: 0 };
        let anthropic = [
            r#"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":25,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}"#,
            r#"{"type":"message_stop"}"#,
        ];
        assert_eq!(served(&anthropic), (3, usage));
        let openai = [
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}],"usage":null}"#,
            r#"{"choices":[{"delta":{"content":"Hel"}}],"usage":null}"#,
            r#"{"choices":[{"delta":{"content":"lo"}}],"usage":null}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":25,"completion_tokens":15,"total_tokens":40}}"#,
            "[DONE]",
        ];
        assert_eq!(served(&openai), (1, usage));
        let cerebras = [
            r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
            r#"{"choices":[{"delta":{"content":"Hello"}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}], "usage": {"prompt_tokens": 25, "completion_tokens": 15}, "time_info": {}}"#,
            "[DONE]",
        ];
        assert_eq!(served(&cerebras), (1, usage));
    }

    #[test]
    fn an_error_after_the_first_token_is_a_failure() {
        let token = r#"{"choices":[{"delta":{"content":"Hel"}}]}"#;
        let overloaded = r#"!{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let unnamed = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let openrouter = r#"{"id":"x","error":{"code":502,"message":"Provider disconnected"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#;
        let groq = r#"{"x_groq":{"id":"req_1","error":"over capacity"}}"#;
        for (event, status) in [
            (overloaded, 529),
            (unnamed, 529),
            (openrouter, 502),
            (groq, 503),
            ("!not even JSON", 500),
            (r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#, 500),
        ] {
            let (reply, done) = reply(&[token, event, "[DONE]"]);
            assert!(done);
            assert_eq!(reply.outcome, AttemptOutcome::Failed(AttemptFailure::Status(status)), "{event}");
        }
        let limited = r#"!{"type":"error","error":{"type":"rate_limit_error","message":"Number of request tokens has exceeded your per-minute rate limit"}}"#;
        assert!(matches!(
            reply(&[token, limited]).0.outcome,
            AttemptOutcome::Refused { cause: RefusalCause::ShortLimit, .. }
        ));
    }

    #[test]
    fn without_usage_a_stream_is_garbage_and_without_an_end_not_done() {
        let token = r#"{"choices":[{"delta":{"content":"say \"error\" and \"usage\""}}]}"#;
        assert_eq!(reply(&[token, "[DONE]"]).0.outcome, AttemptOutcome::Failed(AttemptFailure::Garbage));
        assert!(!reply(&[token, token]).1);
    }
}

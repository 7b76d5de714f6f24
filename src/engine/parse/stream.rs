//! A reply that comes in events: the first token, the usage wherever it rides, the end, and an error that comes
//! after a status of 200.

use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::Headers;
use super::usage::UsageAccumulator;
use super::{failure, remaining};
use crate::engine::Reply;
use crate::event::{AttemptFailure, AttemptOutcome};
use provider::Instant;
use serde_json::Value;

/// What a stream has told so far. Hand it every payload of a `data:` line, in order.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    first_token_at: Option<Instant>,
    usage: UsageAccumulator,
    error: Option<ErrorBody>,
    done: bool,
}

impl Stream {
    /// Takes the payload of one event; `named_error` where the event itself is called `error`.
    ///
    /// Most payloads are a token each and are not parsed once the first has come: only those with the words `usage`
    /// or `error` as a key are, and those that may be the end.
    pub fn take(&mut self, now: Instant, payload: &[u8], named_error: bool) {
        if self.done {
            return;
        }
        if payload == b"[DONE]" {
            self.done = true;
            return;
        }
        let telling = |word: &&[u8]| payload.windows(word.len()).any(|window| window == *word);
        if !named_error && self.first_token_at.is_some() && !KEYS.iter().any(telling) {
            return;
        }
        let event: Value = serde_json::from_slice(payload).unwrap_or_default();
        self.usage.take(&event);
        self.error = match named_error {
            true => Some(ErrorBody::read(payload).unwrap_or_default()),
            false => ErrorBody::inside(&event).or_else(|| broken_off(&event)),
        };
        if self.error.is_none() && self.first_token_at.is_none() && has_token(&event) {
            self.first_token_at = Some(now);
        }
        self.done = self.error.is_some() || event["type"] == "message_stop";
    }

    /// Whether nothing more is to come: the end was marked, or an error ended it.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// The reply that the stream was, once it is done; `now` is when its last byte came.
    #[must_use]
    pub fn reply(&self, dialect: Option<Dialect>, now: Instant, headers: &dyn Headers) -> Reply {
        let remaining = remaining(dialect, headers);
        if let Some(said) = &self.error {
            return failure::inside(dialect, headers, said).reply(now, remaining);
        }
        let garbage = Reply { remaining, ..Reply::broken(now, AttemptFailure::Garbage) };
        let Some(usage) = self.usage.usage() else { return garbage };
        Reply {
            outcome: AttemptOutcome::Ok,
            usage,
            first_token_at: self.first_token_at.unwrap_or(now),
            ..garbage
        }
    }
}

/// `finish_reason: "error"` without the error itself (`OpenRouter`).
fn broken_off(event: &Value) -> Option<ErrorBody> {
    (event["choices"][0]["finish_reason"] == "error").then(ErrorBody::default)
}

/// Whether an event brings something of the answer, and not only its opening: the first of OpenAI's dialects
/// names the role, the first of Anthropic's the message.
fn has_token(event: &Value) -> bool {
    let says = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let delta = &event["choices"][0]["delta"];
    event["type"] == "content_block_delta"
        || ["content", "reasoning", "reasoning_content", "refusal"].iter().any(|key| says(&delta[*key]))
        || delta["tool_calls"].is_array()
        || says(&event["choices"][0]["text"])
}

/// What must be in a payload after the first token for it to be worth parsing.
const KEYS: [&[u8]; 4] = [br#""usage""#, br#""error""#, br#""message_stop""#, br#""finish_reason":"error"#];

#[cfg(test)]
mod tests {
    use super::super::testing::Pairs;
    use super::*;
    use crate::event::LimitCause;
    use provider::Usage;

    /// The reply to events that come one per second, `event: error` written as a leading `!`.
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
    fn a_stream_of_each_shape_is_served() {
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
        let routed = r#"{"id":"x","error":{"code":502,"message":"Provider disconnected"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#;
        let groq = r#"{"x_groq":{"id":"req_1","error":"over capacity"}}"#;
        for (event, status) in [
            (overloaded, 529),
            (unnamed, 529),
            (routed, 502),
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
            AttemptOutcome::Limited { cause: LimitCause::Other, .. }
        ));
    }

    #[test]
    fn a_stream_without_usage_is_garbage_and_one_without_end_is_not_done() {
        let token = r#"{"choices":[{"delta":{"content":"say \"error\" and \"usage\""}}]}"#;
        assert_eq!(reply(&[token, "[DONE]"]).0.outcome, AttemptOutcome::Failed(AttemptFailure::Garbage));
        assert!(!reply(&[token, token]).1);
    }
}

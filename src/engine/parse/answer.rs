//! What a completion states besides its text, wherever the dialect puts it: the usage, at the top, inside `x_groq`, or over
//! two events of a stream; and whether a limit on its length cut the answer.
//!
//! ```text
//!  OpenAI and most      usage{prompt_tokens, completion_tokens}; streamed: in a last chunk without choices; embeddings:
//!                       usage{prompt_tokens, total_tokens}
//!  Cerebras, Together   … on the chunk with the finish_reason      Groq until 2025   … inside x_groq on that chunk
//!  Anthropic            usage{input_tokens, output_tokens}; streamed: message_start has the input, message_delta
//!                       the output so far
//!  Gemini's own API     usageMetadata{promptTokenCount, candidatesTokenCount, thoughtsTokenCount,
//!                       cachedContentTokenCount}; streamed: on every event, of which the last one counts
//!  cached tokens        usage.prompt_tokens_details.cached_tokens, included in the prompt; Anthropic states them
//!                       separately from the input
//!  cut answers          choices[].finish_reason: length (Mistral also model_length); Anthropic stop_reason: max_tokens or
//!                       model_context_window_exceeded, streamed in the delta of message_delta; OpenAI's responses
//!                       incomplete_details.reason: max_output_tokens; Gemini candidates[].finishReason: MAX_TOKENS
//! ```

use provider::Usage;
use serde_json::Value;

/// What the bodies or events read so far have stated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AnswerReader {
    prompt: Option<u32>,
    cached: u32,
    completion: Option<u32>,
    cut: bool,
}

/// The finish reasons of an answer that a limit on its length ended.
const CUT: [&str; 6] = [
    "length",
    "model_length",
    "max_tokens",
    "model_context_window_exceeded",
    "max_output_tokens",
    "MAX_TOKENS",
];

impl AnswerReader {
    /// Reads a whole body.
    pub(super) fn of(body: &Value) -> Self {
        let mut answer = Self::default();
        answer.add(body);
        answer
    }

    /// Adds a body or an event. Later values replace earlier ones; once an answer is cut, it stays cut.
    pub(super) fn add(&mut self, event: &Value) {
        self.cut |= is_cut(event);
        if event["usageMetadata"].is_object() {
            return self.add_gemini(&event["usageMetadata"]);
        }
        let positions = [
            &event["usage"],
            &event["x_groq"]["usage"],
            &event["message"]["usage"],
            &event["response"]["usage"],
        ];
        let Some(usage) = positions.into_iter().find(|usage| usage.is_object()) else { return };
        let number = |key: &str| usage[key].as_u64().and_then(|count| u32::try_from(count).ok());
        self.prompt = number("prompt_tokens").or_else(|| anthropic_prompt(number)).or(self.prompt);
        let details = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
        let details = details.and_then(|count| u32::try_from(count).ok());
        self.cached = details.or_else(|| number("cache_read_input_tokens")).unwrap_or(self.cached);
        // Embeddings have no completion: their usage is that of the prompt, and the total.
        let rest = || Some(number("total_tokens")?.saturating_sub(number("prompt_tokens")?));
        let completion = number("completion_tokens").or_else(|| number("output_tokens"));
        self.completion = completion.or(self.completion).or_else(rest);
    }

    /// Adds the usage of Gemini's own API, which states thinking tokens separately. They belong to the completion.
    fn add_gemini(&mut self, usage: &Value) {
        let number = |key: &str| usage[key].as_u64().and_then(|count| u32::try_from(count).ok());
        self.prompt = number("promptTokenCount").or(self.prompt);
        self.cached = number("cachedContentTokenCount").unwrap_or(self.cached);
        let thoughts = number("thoughtsTokenCount").unwrap_or(0);
        let completion = number("candidatesTokenCount").map(|tokens| tokens.saturating_add(thoughts));
        self.completion = completion.or(self.completion);
    }

    /// Returns `true` if the answer was cut.
    pub(super) const fn cut(self) -> bool {
        self.cut
    }

    /// Returns the usage, or `None` until both prompt and completion are stated.
    pub(super) fn usage(self) -> Option<Usage> {
        let prompt_tokens = self.prompt?;
        let cached_tokens = self.cached.min(prompt_tokens);
        Some(Usage { prompt_tokens, cached_tokens, completion_tokens: self.completion? })
    }
}

/// Returns `true` if a body or an event states that a limit on the length ended the answer; of several choices, any of
/// them.
fn is_cut(event: &Value) -> bool {
    let list = |key: &str| event[key].as_array().map_or(&[][..], Vec::as_slice);
    let of_choices = list("choices").iter().map(|choice| &choice["finish_reason"]);
    let of_candidates = list("candidates").iter().map(|candidate| &candidate["finishReason"]);
    let reasons = of_choices.chain(of_candidates).chain([
        &event["stop_reason"],
        &event["delta"]["stop_reason"],
        &event["incomplete_details"]["reason"],
        &event["response"]["incomplete_details"]["reason"],
    ]);
    reasons.filter_map(Value::as_str).any(|reason| CUT.contains(&reason))
}

/// Returns the sum of the three parts in which Anthropic states the prompt.
fn anthropic_prompt(number: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    let parts = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    Some(parts.into_iter().filter_map(&number).fold(number("input_tokens")?, u32::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn usage(events: &[Value]) -> Option<Usage> {
        let mut answer = AnswerReader::default();
        events.iter().for_each(|event| answer.add(event));
        answer.usage()
    }

    fn tokens(events: &[Value]) -> Option<(u32, u32)> {
        usage(events).map(|usage| (usage.prompt_tokens, usage.completion_tokens))
    }

    #[test]
    fn usage_without_a_completion_is_that_of_the_prompt_and_the_total() {
        let tokens = |usage: Value| tokens(&[json!({ "usage": usage })]);
        assert_eq!(tokens(json!({ "prompt_tokens": 8, "total_tokens": 8 })), Some((8, 0)), "embeddings");
        let unstated = json!({ "prompt_tokens": 8, "completion_tokens": null, "total_tokens": 13 });
        assert_eq!(tokens(unstated), Some((8, 5)));
        assert_eq!(
            tokens(json!({ "prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 99 })),
            Some((8, 3))
        );
        assert_eq!(tokens(json!({ "prompt_tokens": 8 })), None);
    }

    #[test]
    fn the_usage_of_geminis_own_api_is_read() {
        let usage_metadata = json!({ "promptTokenCount": 7, "candidatesTokenCount": 4, "thoughtsTokenCount": 5,
            "cachedContentTokenCount": 3, "totalTokenCount": 16 });
        let last =
            json!({ "candidates": [{ "finishReason": "MAX_TOKENS" }], "usageMetadata": usage_metadata });
        assert_eq!(
            usage(&[json!({ "candidates": [] }), last.clone()]),
            Some(Usage { prompt_tokens: 7, cached_tokens: 3, completion_tokens: 9 })
        );
        assert!(is_cut(&last));
    }

    #[test]
    fn cached_tokens_are_a_part_of_the_prompt() {
        let details = json!({ "prompt_tokens": 7, "completion_tokens": 9, "prompt_tokens_details": { "cached_tokens": 5 } });
        let anthropic = json!({ "input_tokens": 2, "cache_read_input_tokens": 5, "output_tokens": 9 });
        let delta = json!({ "usage": { "output_tokens": 9 } });
        let all = Some(Usage { prompt_tokens: 7, cached_tokens: 5, completion_tokens: 9 });
        assert_eq!(usage(&[json!({ "usage": details })]), all);
        assert_eq!(usage(&[json!({ "x_groq": { "usage": details } })]), all);
        assert_eq!(usage(&[json!({ "usage": anthropic })]), all);
        assert_eq!(usage(&[json!({ "message": { "usage": anthropic } }), delta]), all);
    }

    #[test]
    fn usage_is_found_wherever_a_dialect_puts_it() {
        let openai = json!({ "prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16 });
        assert_eq!(tokens(&[json!({ "choices": [], "usage": openai })]), Some((7, 9)));
        assert_eq!(tokens(&[json!({ "x_groq": { "id": "req_1", "usage": openai } })]), Some((7, 9)));
        assert_eq!(
            tokens(&[json!({ "choices": [{ "finish_reason": "stop" }], "usage": openai, "time_info": {} })]),
            Some((7, 9))
        );
        assert_eq!(
            tokens(&[
                json!({ "usage": { "input_tokens": 7, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 90, "output_tokens": 9 } })
            ]),
            Some((99, 9))
        );
        let start = json!({ "type": "message_start", "message": { "usage": { "input_tokens": 25, "output_tokens": 1 } } });
        let delta = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 15 } });
        assert_eq!(tokens(&[start, delta]), Some((25, 15)));
    }

    #[test]
    fn a_cut_answer_is_found_in_every_dialect() {
        let reasons = |reason: &str| {
            [
                json!({ "choices": [{ "finish_reason": reason }] }),
                json!({ "choices": [{ "finish_reason": "stop" }, { "finish_reason": reason }] }),
                json!({ "stop_reason": reason }),
                json!({ "type": "message_delta", "delta": { "stop_reason": reason } }),
                json!({ "status": "incomplete", "incomplete_details": { "reason": reason } }),
                json!({ "response": { "incomplete_details": { "reason": reason } } }),
                json!({ "candidates": [{ "finishReason": reason }] }),
            ]
        };
        for cut in CUT {
            assert!(reasons(cut).iter().all(|event| AnswerReader::of(event).cut()), "{cut}");
        }
        for whole in ["stop", "end_turn", "tool_calls", "content_filter", "stop_sequence"] {
            assert!(!reasons(whole).iter().any(|event| AnswerReader::of(event).cut()), "{whole}");
        }
        for event in
            [json!(null), json!({ "choices": [{ "finish_reason": null }], "incomplete_details": null })]
        {
            assert!(!AnswerReader::of(&event).cut());
        }
        let mut answer = AnswerReader::of(&reasons("length")[0]);
        answer.add(&json!({ "choices": [], "usage": null }));
        assert!(answer.cut(), "a later event does not state it again");
    }

    #[test]
    fn incomplete_usage_is_none() {
        for event in [
            json!(null),
            json!({ "usage": null }),
            json!({ "usage": { "output_tokens": 3 } }),
            json!({ "usage": { "prompt_tokens": -1, "completion_tokens": 1 } }),
        ] {
            assert_eq!(tokens(std::slice::from_ref(&event)), None, "{event}");
        }
    }
}

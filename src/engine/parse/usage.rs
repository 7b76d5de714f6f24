//! What a reply says it used, wherever it says it: at the top, inside `x_groq`, or over two events of a stream.
//!
//! ```text
//!  OpenAI and most      usage{prompt_tokens, completion_tokens}, in a last chunk without choices where streamed
//!  Cerebras, Together   … on the chunk with the finish_reason      Groq until 2025   … inside x_groq on that chunk
//!  Anthropic            usage{input_tokens, output_tokens}; streamed: message_start has the input, message_delta
//!                       the output so far
//! ```

use provider::Usage;
use serde_json::Value;

/// What was told of the usage so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    prompt: Option<u32>,
    completion: Option<u32>,
}

impl Tally {
    /// Takes in what a body or an event tells; what is told later replaces what was told before.
    pub(super) fn take(&mut self, told: &Value) {
        let places = [&told["usage"], &told["x_groq"]["usage"], &told["message"]["usage"]];
        let Some(usage) = places.into_iter().find(|place| place.is_object()) else { return };
        let number = |key: &str| usage[key].as_u64().and_then(|count| u32::try_from(count).ok());
        self.prompt = number("prompt_tokens").or_else(|| input(number)).or(self.prompt);
        self.completion = number("completion_tokens").or_else(|| number("output_tokens")).or(self.completion);
    }

    /// The usage, once both halves are told.
    pub(super) fn usage(self) -> Option<Usage> {
        Some(Usage { prompt_tokens: self.prompt?, completion_tokens: self.completion? })
    }
}

/// Anthropic's input: what its limits count, that is without what was read from the cache (documentation).
fn input(number: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    Some(number("input_tokens")?.saturating_add(number("cache_creation_input_tokens").unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(events: &[Value]) -> Option<(u32, u32)> {
        let mut tally = Tally::default();
        events.iter().for_each(|event| tally.take(event));
        tally.usage().map(|usage| (usage.prompt_tokens, usage.completion_tokens))
    }

    #[test]
    fn every_placement_is_found() {
        let openai = json!({ "prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16 });
        assert_eq!(told(&[json!({ "choices": [], "usage": openai })]), Some((7, 9)));
        assert_eq!(told(&[json!({ "x_groq": { "id": "req_1", "usage": openai } })]), Some((7, 9)));
        assert_eq!(
            told(&[json!({ "choices": [{ "finish_reason": "stop" }], "usage": openai, "time_info": {} })]),
            Some((7, 9))
        );
        assert_eq!(
            told(&[
                json!({ "usage": { "input_tokens": 7, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 90, "output_tokens": 9 } })
            ]),
            Some((9, 9))
        );
        let start = json!({ "type": "message_start", "message": { "usage": { "input_tokens": 25, "output_tokens": 1 } } });
        let delta = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 15 } });
        assert_eq!(told(&[start, delta]), Some((25, 15)));
    }

    #[test]
    fn half_a_usage_is_none() {
        for event in [
            json!(null),
            json!({ "usage": null }),
            json!({ "usage": { "output_tokens": 3 } }),
            json!({ "usage": { "prompt_tokens": -1, "completion_tokens": 1 } }),
        ] {
            assert_eq!(told(std::slice::from_ref(&event)), None, "{event}");
        }
    }
}

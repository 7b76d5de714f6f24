//! The usage in a completion, wherever the dialect puts it: at the top, inside `x_groq`, or over two events of a
//! stream.
//!
//! ```text
//!  OpenAI and most      usage{prompt_tokens, completion_tokens}; streamed: in a last chunk without choices
//!  Cerebras, Together   … on the chunk with the finish_reason      Groq until 2025   … inside x_groq on that chunk
//!  Anthropic            usage{input_tokens, output_tokens}; streamed: message_start has the input, message_delta
//!                       the output so far
//!  cached tokens        usage.prompt_tokens_details.cached_tokens, included in the prompt; Anthropic states them
//!                       separately from the input
//! ```

use provider::Usage;
use serde_json::Value;

/// The usage that was stated so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UsageAccumulator {
    prompt: Option<u32>,
    cached: u32,
    completion: Option<u32>,
}

impl UsageAccumulator {
    /// Adds a body or an event. Later values replace earlier ones.
    pub(super) fn add(&mut self, event: &Value) {
        let positions = [&event["usage"], &event["x_groq"]["usage"], &event["message"]["usage"]];
        let Some(usage) = positions.into_iter().find(|usage| usage.is_object()) else { return };
        let number = |key: &str| usage[key].as_u64().and_then(|count| u32::try_from(count).ok());
        self.prompt = number("prompt_tokens").or_else(|| anthropic_prompt(number)).or(self.prompt);
        let details = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
        let details = details.and_then(|count| u32::try_from(count).ok());
        self.cached = details.or_else(|| number("cache_read_input_tokens")).unwrap_or(self.cached);
        self.completion = number("completion_tokens").or_else(|| number("output_tokens")).or(self.completion);
    }

    /// Returns the usage, or `None` until both prompt and completion are stated.
    pub(super) fn total(self) -> Option<Usage> {
        let prompt_tokens = self.prompt?;
        let cached_tokens = self.cached.min(prompt_tokens);
        Some(Usage { prompt_tokens, cached_tokens, completion_tokens: self.completion? })
    }
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
        let mut usage = UsageAccumulator::default();
        events.iter().for_each(|event| usage.add(event));
        usage.total()
    }

    fn tokens(events: &[Value]) -> Option<(u32, u32)> {
        usage(events).map(|usage| (usage.prompt_tokens, usage.completion_tokens))
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
    fn every_position_is_found() {
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

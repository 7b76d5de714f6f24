//! What all dialects have in common: paths, causes, silence, and streams that say what whole replies say.

use crate::{Case, denial, faulted, header, refused, served, voices};
use provider::config::{Dialect, Fault};
use provider::decision::{Decision, Service};
use provider::length::{Bound, TooLong};
use provider::wire::{self, Endpoint, Error, Key, WireFormat};
use provider::{Axis, Instant};
use serde_json::{Value, json};

#[test]
fn a_scripted_status_is_answered_with_that_status() {
    for (dialect, voice) in voices() {
        for status in [400, 401, 403, 404, 413, 429, 498, 500, 502, 503, 504, 529] {
            let reply = faulted(Fault::Status(status)).render(voice);
            assert_eq!(reply.status, status, "{dialect:?}");
        }
    }
}

/// Every cause that arrives in the wild as a 429, or in its stead, reads different from the others wherever the provider has
/// words of its own for it.
#[test]
fn causes_read_different_where_the_provider_tells_them_apart() {
    // Those that tell nothing but that it was a limit.
    let mute = [Dialect::Azure, Dialect::DeepInfra, Dialect::Fireworks, Dialect::Mistral];
    for (dialect, voice) in voices() {
        let limits =
            [Axis::Tpm, Axis::Tpd, Axis::Concurrency].map(|axis| refused(denial(axis, 1000, 1000, 500)));
        let faults = [Fault::Overload, Fault::Billing, Fault::NotInTier].map(faulted);
        let answers: Vec<(u16, String)> = limits
            .iter()
            .chain(&faults)
            .map(|case| case.render(voice))
            .map(|reply| (reply.status, reply.body))
            .collect();
        for (index, answer) in answers.iter().enumerate() {
            for other in &answers[index + 1..] {
                let both_limits = answers[..3].contains(answer) && answers[..3].contains(other);
                if both_limits && (mute.contains(&dialect) || dialect == Dialect::Together) {
                    continue;
                }
                assert_ne!(answer, other, "{dialect:?}");
            }
        }
        assert!(answers[..3].iter().all(|(status, _)| *status == 429), "{dialect:?}");
    }
}

#[test]
fn what_a_provider_never_announces_it_never_announces() {
    let case = refused(denial(Axis::Rpm, 60, 60, 1));
    for (dialect, voice) in voices() {
        let silent = matches!(
            dialect,
            Dialect::Cerebras | Dialect::DeepInfra | Dialect::Fireworks | Dialect::Together | Dialect::Gemini
        );
        assert_eq!(header(&case.render(voice), "retry-after").is_none(), silent, "{dialect:?}");
        let mut hidden = case.clone();
        if let Decision::Refused(denial) = &mut hidden.verdict {
            denial.wait = None;
        }
        let reply = hidden.render(voice);
        assert_eq!(header(&reply, "retry-after"), None, "{dialect:?}");
        assert!(!reply.body.contains("try again in") && !reply.body.contains("retry in"), "{}", reply.body);
    }
}

#[test]
fn a_timeout_and_a_reset_are_never_answered() {
    for (_, voice) in voices() {
        for fault in [Fault::Timeout, Fault::Reset] {
            assert!(faulted(fault).sent(voice).is_none());
        }
    }
}

/// What a voice says its path is, it answers; and no two voices of a dialect answer the same path.
#[test]
fn paths_lead_to_one_voice() {
    for dialect in Dialect::ALL {
        for (index, voice) in wire::voices(dialect).iter().enumerate() {
            for model in ["m", "vendor/model-1.5"] {
                let path = voice.path(model);
                let known: Vec<bool> = wire::voices(dialect)
                    .iter()
                    .map(|voice| voice.endpoint("POST", &path).is_some())
                    .collect();
                assert_eq!(known.iter().filter(|known| **known).count(), 1, "{dialect:?} {path}");
                assert!(known[index], "{dialect:?} {path}");
                if let Some(Endpoint::Deployment(name)) = voice.endpoint("POST", &path) {
                    assert_eq!(name, model);
                }
                assert_eq!(voice.endpoint("GET", &path), None);
                assert_eq!(voice.endpoint("POST", &format!("{path}/")), None);
            }
        }
        let compatible = wire::voice(dialect);
        assert_eq!(
            compatible.endpoint("GET", &format!("{}/models", compatible.base())),
            Some(Endpoint::Models)
        );
        assert!(compatible.keys().contains(&Key::Bearer), "clients of OpenAI's shape send no other");
    }
}

/// A stream says the same words as the whole reply, and what it used where the whole reply says so.
#[test]
fn a_stream_has_the_words_of_the_whole_reply() {
    for (dialect, voice) in voices() {
        let case = served(10, 30);
        let Decision::Admitted(service) = case.verdict else { unreachable!("just served") };
        let whole: Value = serde_json::from_str(&case.render(voice).body).unwrap();
        let (events, usage) = events(voice, &service, &case);
        let native = whole["type"] == "message";
        let text: String = events
            .iter()
            .filter_map(|event| {
                let delta =
                    if native { &event["delta"]["text"] } else { &event["choices"][0]["delta"]["content"] };
                delta.as_str()
            })
            .collect();
        let said =
            if native { &whole["content"][0]["text"] } else { &whole["choices"][0]["message"]["content"] };
        assert_eq!(said.as_str(), Some(text.as_str()), "{dialect:?}");
        assert_eq!(text.split(' ').count(), 30);
        let counted = if native { "output_tokens" } else { "completion_tokens" };
        assert_eq!(whole["usage"][counted], 30, "{dialect:?}");
        // Where `include_usage` adds nothing, the end tells it.
        let last = events.iter().rev().find_map(|event| event["usage"][counted].as_u64());
        assert_eq!(
            last.or_else(|| usage.and_then(|event| event["usage"][counted].as_u64())),
            Some(30),
            "{dialect:?}"
        );
    }
}

/// The events of a stream, and the one that `include_usage` adds.
fn events(voice: &dyn WireFormat, service: &Service, case: &Case) -> (Vec<Value>, Option<Value>) {
    let chunks = voice.chunks(service, &case.context());
    let (mut text, mut usage) = (String::new(), String::new());
    chunks.role(&mut text);
    (0..service.usage.completion_tokens).for_each(|index| chunks.token(&mut text, index));
    chunks.end(&mut text);
    chunks.usage(&mut usage);
    let parse = |text: &str| -> Vec<Value> {
        text.split_terminator("\n\n")
            .map(|event| event.split_once("data: ").expect("data").1)
            .map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}")))
            .collect()
    };
    (parse(&text), parse(&usage).pop())
}

#[test]
fn anthropics_events_come_in_its_own_order() {
    let case = served(10, 2);
    let Decision::Admitted(service) = case.verdict else { unreachable!("just served") };
    let native = wire::voices(Dialect::Anthropic)[1];
    let (events, usage) = events(native, &service, &case);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!((kinds.as_slice(), usage), (&expected[..], None));
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 10);
}

#[test]
fn numbers_are_grouped_and_ids_agree() {
    let reply =
        refused(denial(Axis::Itpm, 2_000_000, 2_000_000, 5)).render(wire::voices(Dialect::Anthropic)[1]);
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("rate limit of 2,000,000 input tokens per minute")
    );
    assert_eq!(body["request_id"].as_str(), header(&reply, "request-id"));
    assert_eq!(body["request_id"].as_str().unwrap().len(), 28);
}

#[test]
fn a_wrong_key_an_unknown_model_and_a_wrong_path_are_told_apart() {
    for (dialect, voice) in voices() {
        let errors = [
            (Error::InvalidKey, if dialect == Dialect::Gemini { 400 } else { 401 }),
            (Error::UnknownModel("a\"b"), if dialect == Dialect::Mistral { 400 } else { 404 }),
            (Error::UnknownPath("POST", "/nowhere"), 404),
            (Error::BodyTooLarge, 413),
        ];
        let bodies: Vec<String> = errors
            .iter()
            .map(|(error, status)| {
                let reply = voice.complaint(error, 7, Instant::ZERO);
                assert_eq!(reply.status, *status, "{dialect:?} {error:?}");
                assert!(reply.headers.iter().all(|(name, _)| !name.contains("limit")), "{dialect:?}");
                assert!(serde_json::from_str::<Value>(&reply.body).is_ok(), "{}", reply.body);
                reply.body
            })
            .collect();
        assert!(
            (0..bodies.len()).all(|index| !bodies[index + 1..].contains(&bodies[index])),
            "{dialect:?}: {bodies:?}"
        );
    }
}

/// What was published of each: issue threads and test recordings of 2023 to 2026, but where the page of the dialect says that
/// it is assumed.
#[test]
fn a_call_that_is_too_long_is_told_so_in_the_words_of_each() {
    let said = |voice: &dyn WireFormat, bound, limit, prompt_tokens, max_tokens| {
        let too_long = TooLong { bound, limit, prompt_tokens, max_tokens };
        let reply = Case::new(Decision::TooLong(too_long)).render(voice);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let body = if body.is_array() { body[0].clone() } else { body };
        let error = if body["error"].is_object() { body["error"].clone() } else { body };
        (reply.status, error["message"].as_str().unwrap().to_owned(), error)
    };
    let groq = wire::voice(Dialect::Groq);
    let (status, _, error) = said(groq, Bound::Context, 131_072, 131_000, Some(500));
    let words = "Please reduce the length of the messages or completion.";
    assert_eq!(
        (status, error),
        (400, json!({ "message": words, "type": "invalid_request_error", "param": "messages" }))
    );
    let (status, _, error) = said(groq, Bound::Output, 65_536, 10, Some(128_000));
    let words = "`max_tokens` must be less than or equal to `65536`, the maximum value for `max_tokens` is less than the `context_window` for this model";
    assert_eq!(
        (status, error),
        (400, json!({ "message": words, "type": "invalid_request_error", "param": "max_tokens" }))
    );
    for (dialect, bound, numbers, status, words) in TOO_LONG {
        let (limit, prompt, max_tokens) = numbers;
        let said = said(wire::voice(dialect), bound, limit, prompt, max_tokens);
        assert_eq!((said.0, said.1.as_str()), (status, words), "{dialect:?}");
    }
}

/// Limit, prompt and `max_tokens`.
type Numbers = (u32, u32, Option<u32>);

/// What is said of a call that is too long, with its status.
const TOO_LONG: [(Dialect, Bound, Numbers, u16, &str); 11] = [
    (
        Dialect::OpenAi,
        Bound::Context,
        (4097, 3245, Some(1050)),
        400,
        "This model's maximum context length is 4097 tokens. However, you requested 4295 tokens (3245 in the messages, 1050 in the completion). Please reduce the length of the messages or completion.",
    ),
    (
        Dialect::OpenAi,
        Bound::Context,
        (4097, 4294, None),
        400,
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 4294 tokens. Please reduce the length of the messages.",
    ),
    (
        Dialect::OpenAi,
        Bound::Output,
        (16_384, 9, Some(100_000)),
        400,
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.",
    ),
    (
        Dialect::Anthropic,
        Bound::Context,
        (200_000, 213_462, None),
        400,
        "prompt is too long: 213462 tokens > 200000 maximum",
    ),
    (
        Dialect::Anthropic,
        Bound::Context,
        (200_000, 188_240, Some(21_333)),
        400,
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again",
    ),
    (
        Dialect::Anthropic,
        Bound::Output,
        (8192, 9, Some(32_000)),
        400,
        "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for a-model",
    ),
    (
        Dialect::Cerebras,
        Bound::Context,
        (40_000, 40_000, Some(2_328)),
        400,
        "Please reduce the length of the messages or completion. Current length is 42328 while limit is 40000",
    ),
    (
        Dialect::Mistral,
        Bound::Context,
        (131_072, 300_000, None),
        400,
        "Prompt contains 300000 tokens, too large for model with 131072 maximum context length",
    ),
    (
        Dialect::Together,
        Bound::Context,
        (2048, 2019, Some(30)),
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 2019 `inputs` tokens and 30 `max_new_tokens`",
    ),
    (
        Dialect::Gemini,
        Bound::Context,
        (1_048_576, 1_200_293, None),
        400,
        "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
    ),
    (
        Dialect::Fireworks,
        Bound::Context,
        (131_071, 184_829, None),
        400,
        "The prompt is too long: 184829, model maximum context length: 131071",
    ),
];

//! Tests that apply to all dialects: paths, causes, absent waits, and streams that equal whole replies.

use crate::{Case, denial, faulted, formats, header, refused, served};
use provider::calendar::Epoch;
use provider::config::{Dialect, Fault};
use provider::decision::{Decision, Service};
use provider::length::{LengthLimit, TooLong};
use provider::wire::{self, Context, Endpoint, Error, KeyLocation, ReplyShape, WireFormat};
use provider::{Axis, Instant};
use serde_json::{Value, json};

#[test]
fn a_status_fault_is_answered_with_that_status() {
    for (dialect, format) in formats() {
        for status in [400, 401, 403, 404, 413, 429, 498, 500, 502, 503, 504, 529] {
            let reply = faulted(Fault::Status(status)).render(format);
            assert_eq!(reply.status, status, "{dialect:?}");
        }
    }
}

/// Every cause of a 429, or of the status that a provider sends instead, has its own reply if the provider distinguishes it.
#[test]
fn causes_have_different_replies_if_the_provider_distinguishes_them() {
    // These only report that a limit refused the call. Together also distinguishes requests from tokens, but not windows.
    let unspecific = [Dialect::Azure, Dialect::DeepInfra, Dialect::Fireworks, Dialect::Mistral];
    for (dialect, format) in formats() {
        let limits =
            [Axis::Tpm, Axis::Tpd, Axis::Concurrency].map(|axis| refused(denial(axis, 1000, 1000, 500)));
        let faults = [Fault::Overload, Fault::Billing, Fault::NotInTier].map(faulted);
        let answers: Vec<(u16, String)> = limits
            .iter()
            .chain(&faults)
            .map(|case| case.render(format))
            .map(|reply| (reply.status, reply.body))
            .collect();
        for (index, answer) in answers.iter().enumerate() {
            for other in &answers[index + 1..] {
                let both_limits = answers[..3].contains(answer) && answers[..3].contains(other);
                if both_limits && (unspecific.contains(&dialect) || dialect == Dialect::Together) {
                    continue;
                }
                assert_ne!(answer, other, "{dialect:?}");
            }
        }
        assert!(answers[..3].iter().all(|(status, _)| *status == 429), "{dialect:?}");
    }
}

#[test]
fn retry_after_is_sent_by_the_providers_that_have_it_and_only_with_a_wait() {
    let case = refused(denial(Axis::Rpm, 60, 60, 1));
    for (dialect, format) in formats() {
        let has_none = matches!(
            dialect,
            Dialect::Mistral | Dialect::DeepInfra | Dialect::Fireworks | Dialect::Together | Dialect::Gemini
        );
        assert_eq!(header(&case.render(format), "retry-after").is_none(), has_none, "{dialect:?}");
        let mut without_wait = case.clone();
        if let Decision::Refused(denial) = &mut without_wait.decision {
            denial.wait = None;
        }
        let reply = without_wait.render(format);
        assert_eq!(header(&reply, "retry-after"), None, "{dialect:?}");
        assert!(!reply.body.contains("try again in") && !reply.body.contains("retry in"), "{}", reply.body);
    }
}

#[test]
fn a_timeout_and_a_reset_send_no_reply() {
    for (_, format) in formats() {
        for fault in [Fault::Timeout, Fault::Reset] {
            assert!(faulted(fault).reply(format).is_none());
        }
    }
}

/// Every wire format has an endpoint for its own path, and no two formats of a dialect have the same one.
#[test]
fn a_path_belongs_to_one_format() {
    for dialect in Dialect::ALL {
        for (index, format) in wire::formats(dialect).iter().enumerate() {
            for model in ["m", "vendor/model-1.5"] {
                let path = format.path(model);
                let known: Vec<bool> =
                    wire::formats(dialect).iter().map(|format| format.endpoint(&path).is_some()).collect();
                assert_eq!(known.iter().filter(|known| **known).count(), 1, "{dialect:?} {path}");
                assert!(known[index], "{dialect:?} {path}");
                let endpoint = format.endpoint(&path).unwrap();
                if let Endpoint::Operation(_, Some(name)) = endpoint {
                    assert_eq!(name, model);
                }
                assert!(endpoint.accepts("POST") && !endpoint.accepts("GET"), "{path}");
                assert_eq!(format.endpoint(&format!("{path}/")), None);
            }
        }
        let compatible = wire::format(dialect);
        assert_eq!(compatible.endpoint(&format!("{}/models", compatible.base())), Some(Endpoint::Models));
        assert!(
            compatible.key_locations().contains(&KeyLocation::Bearer),
            "OpenAI-compatible clients send no other header"
        );
    }
}

#[test]
fn a_stream_has_the_text_and_usage_of_the_whole_reply() {
    for (dialect, format) in formats() {
        let case = served(10, 30);
        let Decision::Admitted(service) = case.decision else { unreachable!("just served") };
        let whole: Value = serde_json::from_str(&case.render(format).body).unwrap();
        let (events, usage) = events(format, &service, &case);
        let places = Places::of(&whole);
        let text: String = events.iter().filter_map(|event| event.pointer(places.delta)?.as_str()).collect();
        assert_eq!(whole.pointer(places.text).and_then(Value::as_str), Some(text.as_str()), "{dialect:?}");
        assert_eq!(text.split(' ').count(), 30);
        let tokens = |event: &Value| event.pointer(places.tokens).and_then(Value::as_u64);
        assert_eq!(tokens(&whole), Some(30), "{dialect:?}");
        // If `include_usage` adds no chunk, the last chunk has the usage.
        let last = events.iter().rev().find_map(tokens);
        assert_eq!(last.or_else(|| usage.as_ref().and_then(tokens)), Some(30), "{dialect:?}");
    }
}

/// Where a reply and its events have the text and the number of tokens.
struct Places {
    text: &'static str,
    delta: &'static str,
    tokens: &'static str,
}

impl Places {
    fn of(whole: &Value) -> Self {
        if whole["type"] == "message" {
            Self { text: "/content/0/text", delta: "/delta/text", tokens: "/usage/output_tokens" }
        } else if whole["candidates"].is_array() {
            let text = "/candidates/0/content/parts/0/text";
            Self { text, delta: text, tokens: "/usageMetadata/candidatesTokenCount" }
        } else {
            let (text, delta) = ("/choices/0/message/content", "/choices/0/delta/content");
            Self { text, delta, tokens: "/usage/completion_tokens" }
        }
    }
}

/// Returns the events of a stream, and the one that `include_usage` adds.
fn events(format: &dyn WireFormat, service: &Service, case: &Case) -> (Vec<Value>, Option<Value>) {
    let shape = ReplyShape { usage_chunk: true, ..ReplyShape::PLAIN };
    let chunks = format.chunks(service, &Context { shape, ..case.context() });
    let (mut text, mut usage) = (String::new(), String::new());
    chunks.append_role(&mut text);
    (0..service.usage.completion_tokens).for_each(|index| chunks.append_token(&mut text, index));
    chunks.append_end(&mut text);
    chunks.append_usage(&mut usage);
    let parse = |text: &str| -> Vec<Value> {
        text.replace("\r\n", "\n")
            .split_terminator("\n\n")
            .map(|event| event.split_once("data: ").expect("data").1)
            .map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}")))
            .collect()
    };
    (parse(&text), parse(&usage).pop())
}

#[test]
fn anthropic_events_have_the_documented_order() {
    let case = served(10, 2);
    let Decision::Admitted(service) = case.decision else { unreachable!("just served") };
    let native = wire::formats(Dialect::Anthropic)[1];
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
fn anthropic_groups_digits_and_repeats_its_request_id() {
    let reply =
        refused(denial(Axis::Itpm, 2_000_000, 2_000_000, 5)).render(wire::formats(Dialect::Anthropic)[1]);
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
fn invalid_keys_unknown_models_and_unknown_paths_differ() {
    for (dialect, format) in formats() {
        let errors = [
            (Error::InvalidKey, if dialect == Dialect::Gemini { 400 } else { 401 }),
            (Error::UnknownModel("a\"b"), if dialect == Dialect::Mistral { 400 } else { 404 }),
            (Error::UnknownPath("POST", "/nowhere"), 404),
            (Error::BodyTooLarge, 413),
        ];
        let bodies: Vec<String> = errors
            .iter()
            .map(|(error, status)| {
                let reply = format.request_error(error, 7, Instant::ZERO, Epoch::RUN);
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

/// Evidence: issue threads and test recordings of 2023 to 2026, unless the module of the dialect says that it is assumed.
#[test]
fn a_call_that_is_too_long_gets_the_message_of_its_provider() {
    let error_of = |format: &dyn WireFormat, violated, limit, prompt_tokens, max_tokens| {
        let too_long = TooLong { violated, limit_tokens: limit, prompt_tokens, max_tokens };
        let reply = Case::new(Decision::TooLong(too_long)).render(format);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let body = if body.is_array() { body[0].clone() } else { body };
        let error = if body["error"].is_object() { body["error"].clone() } else { body };
        (reply.status, error["message"].as_str().unwrap().to_owned(), error)
    };
    let groq = wire::format(Dialect::Groq);
    let (status, _, error) = error_of(groq, LengthLimit::Context, 131_072, 131_000, Some(500));
    let message = "Please reduce the length of the messages or completion.";
    assert_eq!(
        (status, error),
        (400, json!({ "message": message, "type": "invalid_request_error", "param": "messages" }))
    );
    let (status, _, error) = error_of(groq, LengthLimit::Output, 65_536, 10, Some(128_000));
    let message = "`max_tokens` must be less than or equal to `65536`, the maximum value for `max_tokens` is less than the `context_window` for this model";
    assert_eq!(
        (status, error),
        (400, json!({ "message": message, "type": "invalid_request_error", "param": "max_tokens" }))
    );
    for (dialect, violated, numbers, status, message) in TOO_LONG {
        let (limit, prompt, max_tokens) = numbers;
        let error = error_of(wire::format(dialect), violated, limit, prompt, max_tokens);
        assert_eq!((error.0, error.1.as_str()), (status, message), "{dialect:?}");
    }
}

/// Limit, prompt and `max_tokens`.
type Numbers = (u32, u32, Option<u32>);

/// The status and message of calls that are too long.
const TOO_LONG: [(Dialect, LengthLimit, Numbers, u16, &str); 11] = [
    (
        Dialect::OpenAi,
        LengthLimit::Context,
        (4097, 3245, Some(1050)),
        400,
        "This model's maximum context length is 4097 tokens. However, you requested 4295 tokens (3245 in the messages, 1050 in the completion). Please reduce the length of the messages or completion.",
    ),
    (
        Dialect::OpenAi,
        LengthLimit::Context,
        (4097, 4294, None),
        400,
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 4294 tokens. Please reduce the length of the messages.",
    ),
    (
        Dialect::OpenAi,
        LengthLimit::Output,
        (16_384, 9, Some(100_000)),
        400,
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.",
    ),
    (
        Dialect::Anthropic,
        LengthLimit::Context,
        (200_000, 213_462, None),
        400,
        "prompt is too long: 213462 tokens > 200000 maximum",
    ),
    (
        Dialect::Anthropic,
        LengthLimit::Context,
        (200_000, 188_240, Some(21_333)),
        400,
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again",
    ),
    (
        Dialect::Anthropic,
        LengthLimit::Output,
        (8192, 9, Some(32_000)),
        400,
        "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for a-model",
    ),
    (
        Dialect::Cerebras,
        LengthLimit::Context,
        (40_000, 40_000, Some(2_328)),
        400,
        "Please reduce the length of the messages or completion. Current length is 42328 while limit is 40000",
    ),
    (
        Dialect::Mistral,
        LengthLimit::Context,
        (131_072, 300_000, None),
        400,
        "Prompt contains 300000 tokens, too large for model with 131072 maximum context length",
    ),
    (
        Dialect::Together,
        LengthLimit::Context,
        (2048, 2019, Some(30)),
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 2019 `inputs` tokens and 30 `max_new_tokens`",
    ),
    (
        Dialect::Gemini,
        LengthLimit::Context,
        (1_048_576, 1_200_293, None),
        400,
        "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
    ),
    (
        Dialect::Fireworks,
        LengthLimit::Context,
        (131_071, 184_829, None),
        400,
        "The prompt is too long: 184829, model maximum context length: 131071",
    ),
];

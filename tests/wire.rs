//! Tests that the mock's renderer and the engine's parser agree. They were written independently, from the same captures.
//! For every decision, the parsed reply equals the one that the virtual driver builds directly; and the parser reads
//! from every published capture the numbers that were collected by hand.

use proptest::prelude::*;
use provider::calendar::Epoch;
use provider::config::{self, Fault, Tier};
use provider::decision::{Decision, DecisionReport, Denial, HeaderLimit, HeaderLimits, Service, Ticket};
use provider::latency::ServiceTime;
use provider::length::{LengthLimit, TooLong};
use provider::wire::{self, Content, Context, Finish, LimitsSnapshot, ReplyShape};
use provider::{Axis, Instant, Nanos, Usage};
use quotalab::drive;
use quotalab::engine::parse::{self, Dialect, Refusal, Response};
use quotalab::engine::{Reply, WaitKind};
use quotalab::event::{AttemptOutcome, RefusalCause};

/// Response headers as pairs. Names are not case-sensitive.
struct Pairs<'a>(&'a [(&'static str, String)]);

impl parse::Headers for Pairs<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Response headers of the mock.
struct Rendered<'a>(&'a wire::Headers);

impl parse::Headers for Rendered<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

const NOW: Instant = Instant(77_000_000_123);

fn context<'a>(model: &'a str, account: &'a str, tier: Tier) -> Context<'a> {
    let (finish, content) = (Finish::Stop, Content::Filler);
    let (epoch, shape) = (Epoch::RUN, ReplyShape::PLAIN);
    Context {
        model,
        system_fingerprint: "fp_0",
        account,
        tier,
        number: 7,
        at: NOW,
        epoch,
        finish,
        content,
        shape,
    }
}

/// The finish reason that the mock renders for a decision.
fn finish(decision: &Decision) -> Finish {
    match decision {
        Decision::Admitted(service) if service.at_max_tokens => Finish::Length,
        _ => Finish::Stop,
    }
}

/// Renders a decision and parses the reply; `None` if no reply is sent.
fn via_wire(report: &DecisionReport, context: &Context<'_>) -> Option<Reply> {
    let wire::Reply { status, headers, body } = wire::format(config::Dialect::Groq).reply(
        report,
        &LimitsSnapshot::new(NOW, report.limits),
        context,
    )?;
    Some(read(status, &Rendered(&headers), &body))
}

/// Parses a reply of Groq.
fn read(status: u16, headers: &dyn parse::Headers, body: &str) -> Reply {
    parse::reply(Some(Dialect::Groq), NOW, &Response { status, headers, body: body.as_bytes() })
}

fn limits() -> impl Strategy<Value = HeaderLimits> {
    let header_limit =
        |axis| {
            (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(move |(limit, remaining, reset)| {
                HeaderLimit { axis, limit, remaining, reset: Nanos(reset) }
            })
        };
    (prop::option::of(header_limit(Axis::Rpd)), prop::option::of(header_limit(Axis::Tpm)))
        .prop_map(|(requests, tokens)| HeaderLimits { requests, tokens })
}

/// Generates common and large numbers.
fn quantity() -> impl Strategy<Value = u64> {
    prop_oneof![1..100_000u64, 1..=1_000_000_000_000u64]
}

fn refused() -> impl Strategy<Value = Decision> {
    let axis = prop::sample::select(Axis::ALL.to_vec());
    // A settlement can overdraw a limit, and with a burst above the limit the used units can be negative.
    let used = prop_oneof![0..100_000i64, -1_000_000_000_000..=1_000_000_000_000i64];
    let wait = prop::option::of(prop_oneof![0..200_000_000_000u64, any::<u64>()].prop_map(Nanos));
    (axis, quantity(), used, quantity(), wait, any::<bool>()).prop_map(
        |(axis, limit, used, requested, wait, oversize)| {
            Decision::Refused(Denial { wait, oversize, ..Denial::new(axis, limit, used, requested) })
        },
    )
}

fn service() -> impl Strategy<Value = Service> {
    let durations = (0..1_000_000_000_000u64, 0..1_000_000_000_000u64, 0..1_000_000_000_000u64);
    let cached = prop_oneof![Just(0.0), 0.0..=1.0];
    (0..2_000_000u32, cached, 0..200u32, any::<bool>(), durations).prop_map(
        |(prompt_tokens, cached, completion_tokens, at_max_tokens, (queue, first, rest))| {
            let cached_tokens = (f64::from(prompt_tokens) * cached) as u32;
            let at = Instant::ZERO;
            Service {
                ticket: Ticket { number: 0, account: 0, model: 0, prompt_tokens, completion_tokens, at },
                started_at: Some(at + Nanos(queue)),
                time: ServiceTime { first_token: Nanos(first), decode: Nanos(rest) },
                usage: Usage { prompt_tokens, cached_tokens, completion_tokens },
                at_max_tokens,
                aborted: false,
                corrupt_body: false,
            }
        },
    )
}

fn served() -> impl Strategy<Value = Decision> {
    (service(), any::<bool>())
        .prop_map(|(service, corrupt_body)| Decision::Admitted(Service { corrupt_body, ..service }))
}

/// Generates faults that replace the reply: statuses, errors inside a reply of status 200, throttling, and those that send none.
fn faulted() -> impl Strategy<Value = Decision> {
    let statuses = [400, 401, 403, 404, 429, 498, 500, 502, 503, 504, 529].map(Fault::Status);
    let others = [
        Fault::Timeout,
        Fault::Reset,
        Fault::ErrorInside,
        Fault::Throttle(Nanos::ZERO),
        Fault::Throttle(Nanos(1_500_000_000)),
    ];
    let faults = statuses.into_iter().chain(others).collect::<Vec<_>>();
    prop::sample::select(faults).prop_map(Decision::Faulted)
}

fn too_long() -> impl Strategy<Value = TooLong> {
    (any::<bool>(), any::<u32>(), any::<u32>(), prop::option::of(any::<u32>())).prop_map(
        |(exceeds_context, limit, prompt_tokens, max_tokens)| {
            let violated = if exceeds_context { LengthLimit::Context } else { LengthLimit::Output };
            TooLong { violated, limit_tokens: limit, prompt_tokens, max_tokens }
        },
    )
}

fn report() -> impl Strategy<Value = DecisionReport> {
    let too_long = too_long().prop_map(Decision::TooLong);
    (prop_oneof![4 => refused(), 2 => served(), 1 => faulted(), 1 => too_long], limits())
        .prop_map(|(decision, limits)| DecisionReport { decision, limits })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// `parse(render(decision)) == reply(decision)`. A reset connection has no bytes to parse.
    #[test]
    fn a_rendered_decision_parses_to_its_reply(
        report in report(), model in "[a-z0-9./-]{1,40}", account in "[a-z0-9_-]{1,20}", developer: bool,
    ) {
        let tier = if developer { Tier::Developer } else { Tier::Free };
        let context = Context { finish: finish(&report.decision), ..context(&model, &account, tier) };
        let parsed = via_wire(&report, &context);
        let direct = drive::reply(NOW, &report.decision, report.limits.remaining(), NOW);
        match report.decision {
            Decision::Faulted(Fault::Reset) => prop_assert!(parsed.is_none() && direct.is_some()),
            _ => prop_assert_eq!(parsed, direct),
        }
    }

    /// In every dialect a call that is too long is parsed as too large, with the lengths in its message. Groq's message
    /// about the context window has none; those of Groq and Cerebras about the output have only the limit.
    #[test]
    fn a_call_that_is_too_long_parses_as_too_large_in_every_dialect(
        too_long in too_long(), dialect in prop::sample::select(config::Dialect::ALL.to_vec()), model in "[a-z0-9./-]{1,40}",
    ) {
        prop_assume!(too_long.violated == LengthLimit::Context || too_long.max_tokens.is_some());
        let report = DecisionReport { decision: Decision::TooLong(too_long), limits: HeaderLimits::default() };
        for format in wire::formats(dialect) {
            let reply = format.reply(&report, &LimitsSnapshot::new(NOW, report.limits), &context(&model, "acme", Tier::Free));
            let wire::Reply { status, headers, body } = reply.expect("a reply is sent");
            let response = Response { status, headers: &Rendered(&headers), body: body.as_bytes() };
            for known in [Some(dialect.into()), None] {
                let parsed = parse::parsed(known, NOW, &response);
                let expected = AttemptOutcome::Refused { axis: None, cause: RefusalCause::TooLarge };
                prop_assert_eq!(parsed.reply.outcome, expected, "{}", body);
                let refusal = parsed.failure.expect("an error is not a success").refusal;
                let stated = [refusal.limit, refusal.requested];
                // Anthropic does not mention the output if the prompt alone is too long.
                let prompt_alone = dialect == config::Dialect::Anthropic
                    && too_long.violated == LengthLimit::Context
                    && too_long.prompt_tokens > too_long.limit_tokens;
                let length = if prompt_alone { too_long.prompt_tokens.into() } else { too_long.requested() };
                let (limit, requested) = (Some(u64::from(too_long.limit_tokens)), Some(length));
                match (dialect, too_long.violated) {
                    (config::Dialect::Groq, LengthLimit::Context) => prop_assert_eq!(stated, [None, None]),
                    (config::Dialect::Groq | config::Dialect::Cerebras, LengthLimit::Output) => prop_assert_eq!(stated, [limit, None]),
                    _ => prop_assert_eq!(stated, [limit, requested], "{}", body),
                }
            }
        }
    }

    /// A stream has its usage once, in the last chunk, for any number of tokens, and once more in a further chunk with
    /// `include_usage`.
    /// `parse::usage`, applied to each chunk, finds the usage of the whole reply.
    #[test]
    fn a_stream_has_the_usage_of_the_whole_reply(service in service(), include_usage: bool) {
        let shape = ReplyShape { usage_chunk: include_usage, ..ReplyShape::PLAIN };
        let context = Context { shape, ..context("m", "acme", Tier::Free) };
        let chunks = wire::format(config::Dialect::Groq).chunks(&service, &context);
        let mut text = String::new();
        chunks.append_role(&mut text);
        (0..service.usage.completion_tokens).for_each(|index| chunks.append_token(&mut text, index));
        chunks.append_end(&mut text);
        chunks.append_usage(&mut text);
        chunks.append_done(&mut text);

        let payloads: Vec<&str> = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("only data")).collect();
        let (done, chunks) = payloads.split_last().expect("a stream is never empty");
        prop_assert_eq!(*done, "[DONE]");
        let stated: Vec<Usage> = chunks.iter().filter_map(|chunk| parse::usage(chunk.as_bytes())).collect();
        prop_assert_eq!(stated, vec![service.usage; if include_usage { 2 } else { 1 }]);
        prop_assert_eq!(chunks.last().and_then(|chunk| parse::usage(chunk.as_bytes())), Some(service.usage));
        // The parser recognises by its empty content that the first chunk has no token.
        let has_empty_content = |chunk: &&&str| chunk.contains(r#""content":"""#);
        prop_assert_eq!(chunks.iter().filter(has_empty_content).count(), 1);
        prop_assert!(has_empty_content(&&chunks[0]));
    }

    /// Every wire format reports the usage with its cached tokens, and whether the answer was cut, whole and streamed.
    #[test]
    fn every_dialect_reports_cached_tokens_and_cut_answers(
        service in service(), dialect in prop::sample::select(config::Dialect::ALL.to_vec()),
    ) {
        let shape = ReplyShape { usage_chunk: true, ..ReplyShape::PLAIN };
        let finish = finish(&Decision::Admitted(service));
        let context = Context { finish, shape, ..context("m", "acme", Tier::Free) };
        let report = DecisionReport { decision: Decision::Admitted(service), limits: HeaderLimits::default() };
        for format in wire::formats(dialect) {
            let reply = format.reply(&report, &LimitsSnapshot::new(NOW, report.limits), &context).expect("a reply is sent");
            prop_assert_eq!(parse::usage(reply.body.as_bytes()), Some(service.usage), "{}", reply.body);
            let response = Response { status: 200, headers: &Rendered(&reply.headers), body: reply.body.as_bytes() };
            prop_assert_eq!(parse::reply(Some(dialect.into()), NOW, &response).cut, service.at_max_tokens, "{}", reply.body);
            let (chunks, mut text) = (format.chunks(&service, &context), String::new());
            chunks.append_role(&mut text);
            (0..service.usage.completion_tokens).for_each(|index| chunks.append_token(&mut text, index));
            chunks.append_end(&mut text);
            chunks.append_usage(&mut text);
            chunks.append_done(&mut text);
            let mut stream = parse::Stream::default();
            for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
                stream.take(NOW, line.as_bytes(), false);
            }
            let streamed = stream.reply(Some(dialect.into()), NOW, &Rendered(&reply.headers));
            prop_assert_eq!((streamed.usage, streamed.cut), (service.usage, service.at_max_tokens), "{}", text);
        }
    }

    /// The headers of a stream report the limits like those of a whole reply.
    #[test]
    fn the_headers_of_a_stream_report_the_limits(limits in limits()) {
        let headers = wire::format(config::Dialect::Groq).stream_headers(&LimitsSnapshot::new(NOW, limits), &context("m", "a", Tier::Free));
        prop_assert_eq!(parse::limits(Some(Dialect::Groq), &Rendered(&headers)), limits);
    }
}

/// One published refusal; the data file documents the fields.
#[derive(serde::Deserialize)]
struct Capture {
    axis: String,
    limit: u64,
    used: Option<i64>,
    requested: u64,
    wait: Option<String>,
    form: String,
    status: u16,
    r#type: String,
    code: String,
    retry_after: Option<u64>,
    message: String,
}

fn captures() -> impl Iterator<Item = Capture> {
    include_str!("../mock/tests/data/groq_refusals.jsonl")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| serde_json::from_str(line).expect("a row of the data"))
}

#[test]
fn published_refusals_are_parsed() {
    let (mut whole, mut fragments, mut unnamed) = (0, 0, 0);
    for capture in captures() {
        let Capture { message, .. } = &capture;
        let axis = Axis::from_name(&capture.axis).expect("a known axis");
        let wait = capture.wait.as_deref().map(|text| parse::go_duration(text).expect("a Go duration"));
        let refusal = Refusal::from_message(message);
        if capture.form == "fragment" {
            // Quoted in part: every number that is found must be right.
            assert!(refusal.axis.is_none_or(|read| read == axis), "{message}");
            assert!(refusal.limit.is_none_or(|read| read == capture.limit), "{message}");
            assert!(refusal.used.is_none() || refusal.used == capture.used, "{message}");
            assert!(refusal.requested.is_none_or(|read| read == capture.requested), "{message}");
            assert!(refusal.wait.is_none() || refusal.wait == wait, "{message}");
            fragments += 1;
            continue;
        }
        whole += 1;
        // For some weeks of 2025 Groq left out the axis; the other numbers imply its window.
        let axis_named = (!message.contains(" on : ")).then_some(axis);
        unnamed += u32::from(axis_named.is_none());
        assert_eq!(refusal.axis, axis_named, "{message}");
        assert_eq!(refusal.limit, Some(capture.limit), "{message}");
        assert_eq!(refusal.used, capture.used, "{message}");
        assert_eq!(refusal.requested, Some(capture.requested), "{message}");
        assert_eq!(refusal.wait, wait, "{message}");

        let error = serde_json::json!({ "message": message, "type": capture.r#type, "code": capture.code });
        let body = serde_json::json!({ "error": error }).to_string();
        let header: Vec<_> =
            capture.retry_after.map(|seconds| ("retry-after", seconds.to_string())).into_iter().collect();
        let reply = read(capture.status, &Pairs(&header), &body);
        let too_large = capture.used.is_none();
        let cause = match axis {
            _ if too_large => RefusalCause::TooLarge,
            Axis::Rpd | Axis::Tpd | Axis::Asd => RefusalCause::DayLimit,
            _ => RefusalCause::ShortLimit,
        };
        assert_eq!(reply.outcome, AttemptOutcome::Refused { axis: axis_named, cause }, "{message}");
        let numbers = reply.limit.expect("a refusal has its numbers");
        assert_eq!(
            (numbers.limit, numbers.used, numbers.requested),
            (capture.limit, capture.used, capture.requested)
        );
        let kind = if too_large { WaitKind::Meaningless } else { WaitKind::UntilAdmitted };
        let named = wait.or_else(|| capture.retry_after.map(Nanos::from_secs));
        assert_eq!(reply.wait.map(|wait| (wait.length, wait.kind)), named.map(|wait| (wait, kind)));
    }
    // The counts are asserted so that no row is lost.
    assert_eq!((whole, fragments, unnamed), (78, 31, 3));
}

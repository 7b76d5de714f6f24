//! The response cache and coalescing over sockets: what is shared, with whom, for how long, and with which bytes.

mod coalescing;
pub(super) mod laws;

use super::callers::key_of;
use super::*;

const CACHED: &str = "client: {cache: {entries: 10, ttl: 1h}, retry: {attempts: 1}}\n";

/// Starts a provider that answers its n-th request with `answer n`, plain or streamed as asked.
pub(super) fn counting() -> Provider {
    Provider::start(|number, request| vec![Step::Send(numbered(number, request))])
}

pub(super) fn numbered(number: usize, request: &str) -> String {
    if request.contains("\"stream\":true") { streamed(number) } else { plain(number) }
}

fn plain(number: usize) -> String {
    json_response("200 OK", "x-request-id: r1\r\nx-ratelimit-remaining-requests: 7\r\n", &body(number))
}

pub(super) fn body(number: usize) -> String {
    COMPLETION.replace("Hi", &format!("answer {number}"))
}

fn streamed(number: usize) -> String {
    format!("{EVENT_STREAM_HEAD}{}{LAST_CHUNK}", chunk(&events(number)))
}

pub(super) fn events(number: usize) -> String {
    format!("{ROLE}{}: comment\n\ndata: [DONE]\n\n", token(&format!("answer {number}")))
}

/// Returns a request with another header.
pub(super) fn with_header(request: &str, header: &str) -> String {
    request.replacen("\r\n", &format!("\r\n{header}\r\n"), 1)
}

pub(super) fn chat_post(members: &str) -> String {
    post("/v1/chat/completions", &chat_request("chat").replacen('{', &format!("{{{members}"), 1))
}

pub(super) fn cache_header(response: &Response) -> Option<&str> {
    response.header("x-quotalab-cache")
}

pub(super) fn metric(gateway: &RunningGateway, name: &str) -> Option<f64> {
    let metrics = gateway.get("/metrics").body();
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn an_identical_request_gets_the_same_bytes_without_an_attempt() {
    let provider = counting();
    let gateway = RunningGateway::start(&scenario(&[&provider], CACHED));
    let first = gateway.chat("chat");
    assert_eq!((first.status(), cache_header(&first), first.body()), (200, None, body(0)));
    let second = gateway.chat("chat");
    assert_eq!((second.status(), cache_header(&second), second.body()), (200, Some("hit"), body(0)));
    for (name, value) in [
        ("x-quotalab-attempts", Some("0")),
        ("x-quotalab-target", Some("p0/a/m")),
        ("age", Some("0")),
        ("content-type", Some("application/json")),
        ("x-request-id", Some("r1")),
        ("x-ratelimit-remaining-requests", None),
    ] {
        assert_eq!(second.header(name), value, "{name}: {}", second.text);
    }
    // The same request as another program writes it.
    let other =
        r#"{"temperature":1.0, "messages": [{"content":"Say \u0068i","role":"user"}], "model":"chat"}"#;
    assert_eq!(cache_header(&gateway.post("/v1/chat/completions", other)), Some("hit"));
    for different in [r#""seed":1,"#, r#""stream":true,"#, r#""user":"u","#, r#""n":1,"#] {
        let response = gateway.send(&chat_post(different));
        assert_eq!((response.status(), cache_header(&response)), (200, None), "{different}");
    }
    assert_eq!(cache_header(&gateway.chat("p0/a/m")), None, "another model, as asked for");
    assert_eq!(provider.requests().len(), 6);
    let state = &gateway.state()["cache"];
    assert_eq!(
        (&state["answers"], &state["hits"], &state["misses"]),
        (&6.into(), &2.into(), &6.into()),
        "{state}"
    );
    assert!(state["bytes"].as_u64().is_some_and(|bytes| bytes > 6_000) && state["max_bytes"] == 256 << 20);
    assert_eq!(metric(&gateway, "quotalab_gateway_cache_requests_total{result=\"hit\"}"), Some(2.0));
    assert_eq!(metric(&gateway, "quotalab_gateway_cache_answers"), Some(6.0));
    assert!(gateway.get("/_quotalab").body().contains("Shared answers"));
}

#[test]
fn answers_expire_and_the_least_recently_used_is_evicted() {
    let provider = counting();
    let client = "client: {cache: {entries: 2, ttl: 400ms}}\n";
    let gateway = RunningGateway::start(&scenario(&[&provider], client));
    let ask = |seed: u32| cache_header(&gateway.send(&chat_post(&format!("\"seed\":{seed},")))).is_some();
    assert!(!ask(1) && !ask(2) && !ask(3), "nothing is known");
    assert!(!ask(1), "the third answer has taken its place");
    assert!(gateway.state()["cache"]["answers"].as_u64() <= Some(2));
    sleep(Duration::from_millis(500));
    assert!(!ask(3) && !ask(1), "they have expired");
}

#[test]
fn requests_can_opt_out() {
    let provider = counting();
    let gateway = RunningGateway::start(&scenario(&[&provider], CACHED));
    let ask = |header: &str| gateway.send(&with_header(&chat_post(""), header));
    assert_eq!(ask("cache-control: no-store").body(), body(0));
    assert_eq!(ask("x-other: 1").body(), body(1), "the first answer was not stored");
    assert_eq!(ask("cache-control: no-store").body(), body(2), "a stored answer is not used");
    assert_eq!(ask("x-other: 1").body(), body(1));
    assert_eq!(ask("cache-control: no-cache").body(), body(3));
    let hit = ask("x-other: 1");
    assert_eq!(
        (hit.body(), cache_header(&hit)),
        (body(3), Some("hit")),
        "the newer answer replaces the older"
    );
    assert_eq!(metric(&gateway, "quotalab_gateway_cache_requests_total{result=\"bypass\"}"), Some(2.0));
}

#[test]
fn failed_answers_and_those_of_stateful_requests_are_not_cached() {
    let provider = Provider::start(|number, request| {
        let answer = match number {
            _ if request.contains("fail") => json_response("500 Internal Server Error", "", "{}"),
            _ if request.contains("refuse") => {
                json_response("400 Bad Request", "", r#"{"error":{"message":"no"}}"#)
            }
            _ if request.contains("filter") => {
                json_response("200 OK", "", &COMPLETION.replace("\"stop\"", "\"content_filter\""))
            }
            _ if request.contains("break") => format!("{EVENT_STREAM_HEAD}{}", chunk(&token("one"))),
            _ => plain(number),
        };
        let end = if request.contains("break") { close() } else { Step::Wait(Duration::ZERO) };
        vec![Step::Send(answer), end]
    });
    let client =
        "client: {cache: {entries: 10, ttl: 1h}, retry: {attempts: 1}, eject: off, cool_down: off}\n";
    let gateway = RunningGateway::start(&scenario(&[&provider], client));
    for members in [
        r#""x":"fail","#,
        r#""x":"refuse","#,
        r#""x":"filter","#,
        r#""x":"break","stream":true,"#,
        r#""store":true,"#,
        r#""x":1e400,"#,
    ] {
        let before = provider.requests().len();
        for _ in 0..2 {
            let response = gateway.send(&chat_post(members));
            assert_eq!(cache_header(&response), None, "{members}: {}", response.text);
        }
        assert_eq!(provider.requests().len(), before + 2, "{members}");
    }
    let embeddings = r#"{"model":"chat","input":"a"}"#;
    let responses = r#"{"model":"chat","input":"a","previous_response_id":"r"}"#;
    for (path, body, is_hit) in [("/v1/embeddings", embeddings, false), ("/v1/responses", responses, false)] {
        gateway.post(path, body);
        assert_eq!(cache_header(&gateway.post(path, body)).is_some(), is_hit, "{path}");
    }
}

#[test]
fn embeddings_completions_and_responses_are_cached() {
    let usage = r#""usage":{"prompt_tokens":1,"completion_tokens":1,"input_tokens":1,"output_tokens":1,"total_tokens":1}"#;
    let reply = move |request: &str| {
        let members = match request {
            _ if request.contains("/embeddings") => r#""data":[{"embedding":[0.5]}]"#,
            _ if request.contains("/responses") => r#""status":"completed","output":[]"#,
            _ => r#""choices":[{"text":"a","finish_reason":"stop"}]"#,
        };
        vec![Step::Send(json_response("200 OK", "", &format!("{{{members},{usage}}}")))]
    };
    let provider = Provider::start(move |_, request| reply(request));
    let gateway = RunningGateway::start(&scenario(&[&provider], CACHED));
    for path in ["/v1/embeddings", "/v1/responses", "/v1/completions"] {
        let body = r#"{"model":"chat","input":"a","prompt":"a"}"#;
        let (first, second) = (gateway.post(path, body), gateway.post(path, body));
        assert_eq!(
            (cache_header(&first), cache_header(&second)),
            (None, Some("hit")),
            "{path}: {}",
            second.text
        );
        assert_eq!(first.body(), second.body());
    }
}

#[test]
fn a_stream_is_replayed_byte_for_byte() {
    let provider = counting();
    let gateway = RunningGateway::start(&scenario(&[&provider], CACHED));
    let stream = || gateway.post("/v1/chat/completions", &stream_request("chat"));
    assert_eq!(stream().body(), events(0));
    gateway.wait_until_idle();
    let hit = stream();
    assert_eq!((hit.body(), hit.is_cut, cache_header(&hit)), (events(0), false, Some("hit")));
    assert_eq!(hit.header("content-type"), Some("text/event-stream"));
    assert_eq!(cache_header(&gateway.chat("chat")), None, "the plain request is another one");
}

#[test]
fn a_stream_that_is_too_long_is_passed_on_and_not_stored() {
    let long =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "a".repeat(900 << 10));
    let events = format!("{}{}data: [DONE]\n\n", token("one"), long.repeat(5));
    let answer = format!("{EVENT_STREAM_HEAD}{}{LAST_CHUNK}", chunk(&events));
    let provider = Provider::answering(answer);
    let gateway = RunningGateway::start(&scenario(&[&provider], CACHED));
    for _ in 0..2 {
        let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
        assert!(response.body() == events && cache_header(&response).is_none());
    }
    assert_eq!(gateway.state()["cache"]["bytes"], 0);
}

#[test]
fn callers_do_not_share_answers_and_a_hit_costs_nothing() {
    let provider = counting();
    let callers = "callers:\n  a: {key: {env: A}, budget: {tokens: 40}}\n  b: {key: {env: B}, budget: {tokens: 1000}}\n";
    let scenario = scenario(&[&provider], &format!("{CACHED}{callers}"));
    let gateway = RunningGateway::with(&scenario, Access::Loopback, &key_of, ledger_in_memory(), None);
    let ask = |caller: &str, members: &str| {
        gateway.send(&with_header(&chat_post(members), &format!("authorization: Bearer sk-{caller}")))
    };
    let bound = r#""max_tokens":30,"#;
    assert_eq!(ask("a", bound).body(), body(0));
    assert_eq!(ask("b", bound).body(), body(1), "b does not get the answer to a");
    let used = || super::callers::caller(&gateway, "a")["used_tokens"].clone();
    let before = used();
    for _ in 0..3 {
        let hit = ask("a", bound);
        assert_eq!((hit.body(), cache_header(&hit)), (body(0), Some("hit")));
    }
    assert_eq!(used(), before);
    // What is left pays for no further answer, and a cached one needs nothing.
    while ask("a", &format!("\"seed\":{},", used())).status() == 200 {}
    assert_eq!(ask("a", r#""seed":"x","#).status(), 429);
    assert_eq!(cache_header(&ask("a", bound)), Some("hit"));
    assert_eq!(
        metric(&gateway, "quotalab_gateway_caller_requests_total{caller=\"a\",outcome=\"over_budget\"}"),
        Some(2.0)
    );
}

#[test]
fn a_reload_begins_with_an_empty_cache() {
    let provider = counting();
    let scenario = scenario(&[&provider], CACHED);
    let gateway = RunningGateway::start(&scenario);
    gateway.chat("chat");
    gateway.reload(&scenario);
    assert_eq!(gateway.state()["cache"]["answers"], 0);
    assert_eq!(cache_header(&gateway.chat("chat")), None);
    assert_eq!(cache_header(&gateway.chat("chat")), Some("hit"));
}

#[test]
fn with_neither_cache_nor_join_nothing_is_shared() {
    let provider = counting();
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    assert_eq!([(); 2].map(|()| gateway.chat("chat").body()), [body(0), body(1)]);
    assert!(gateway.state()["cache"].is_null());
    assert!(!gateway.get("/metrics").body().contains("cache_requests_total{"));
}

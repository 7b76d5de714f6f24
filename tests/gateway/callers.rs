//! Callers with keys of their own: which are admitted, their priorities and their budgets.

#[cfg(unix)]
mod process;

use super::*;
use provider::Nanos;
use provider::calendar::UnixTime;
use quotalab::gateway::ConfigError;
use std::sync::atomic::AtomicU64;

/// The clock of a ledger, in seconds since 1970.
type Seconds = Arc<AtomicU64>;

/// 2026-11-29 at 23:00 UTC.
const LATE: u64 = 1_795_993_200;

pub(super) fn key_of(variable: &str) -> Option<String> {
    Some(format!("sk-{}", variable.to_lowercase()))
}

/// Starts a gateway at 23:00 UTC. Each key is `sk-` and the lowercase name of its environment variable.
fn start(scenario: &Scenario, access: Access) -> (RunningGateway, Seconds) {
    let seconds = Seconds::new(AtomicU64::new(LATE));
    let shown = Arc::clone(&seconds);
    let now = move || UnixTime::EPOCH + Nanos::from_secs(shown.load(Ordering::SeqCst));
    let ledger = Arc::new(LocalLedger::new(now));
    (RunningGateway::with(scenario, access, &key_of, ledger, None), seconds)
}

fn with_key(request: &str, key: &str) -> String {
    request.replacen("\r\n", &format!("\r\nauthorization: Bearer {key}\r\n"), 1)
}

fn get(path: &str, key: &str) -> String {
    with_key(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"), key)
}

/// Returns a chat request with the key of a caller. `members` is JSON text that is inserted at the start of the body's object,
/// such as `"max_tokens":100,`.
pub(super) fn chat(key: &str, members: &str) -> String {
    let body = chat_request("chat").replacen('{', &format!("{{{members}"), 1);
    with_key(&post("/v1/chat/completions", &body), key)
}

/// The number of prompt tokens of every request: the provider reports it, and the gateway estimates the same for
/// [`chat_request`].
pub(super) const PROMPT: u64 = 3;

/// Returns the bound on the completion that a request states, in tokens.
fn bound(request: &str) -> Option<u64> {
    let body = request.split_once("\r\n\r\n").expect("a body").1;
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    ["max_completion_tokens", "max_tokens"].iter().find_map(|name| body[*name].as_u64())
}

/// Returns an answer that uses as many completion tokens as the request allows.
pub(super) fn full_answer(request: &str) -> String {
    let completion = bound(request).expect("every attempt is bounded");
    let body = format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"Hi"}},"finish_reason":"length"}}],"usage":{{"prompt_tokens":{PROMPT},"completion_tokens":{completion},"total_tokens":{}}}}}"#,
        PROMPT + completion
    );
    json_response("200 OK", "", &body)
}

pub(super) fn greedy_provider() -> Provider {
    Provider::start(|_, request| vec![Step::Send(full_answer(request))])
}

/// Returns the number of tokens that all requests together allowed the provider to use.
pub(super) fn allowed(provider: &Provider) -> u64 {
    provider.requests().iter().map(|request| PROMPT + bound(request).expect("a bound")).sum()
}

const CALLERS: &str = "callers:\n  web: {key: {env: WEB_KEY}}\n  nightly: {key: {env: NIGHTLY_KEY}, priority: batch, budget: {tokens: 1000}}\n";

pub(super) fn caller(gateway: &RunningGateway, name: &str) -> serde_json::Value {
    let state = gateway.state();
    let callers = state["callers"].as_array().expect("a list");
    callers.iter().find(|caller| caller["name"] == name).expect("it is known").clone()
}

#[test]
fn only_callers_send_requests_and_only_the_operator_sees_the_pages() {
    let provider = Provider::answering(completion());
    let (gateway, _) = start(&scenario(&[&provider], CALLERS), Access::WithKey("sk-operator".into()));
    let body = chat_request("chat");
    for (request, expected) in [
        (post("/v1/chat/completions", &body), 401),
        (chat("sk-unknown", ""), 401),
        (chat("sk-operator", ""), 401),
        (chat("sk-web_ke", ""), 401),
        (chat("sk-web_key", ""), 200),
        (get("/v1/models", "sk-web_key"), 200),
        (get("/v1/models", "sk-unknown"), 401),
        (get("/metrics", "sk-web_key"), 401),
        (get("/_quotalab", "sk-web_key"), 401),
        (get("/_quotalab/state", "sk-operator"), 200),
        (get("/metrics", "sk-operator"), 200),
    ] {
        let response = gateway.send(&request);
        assert_eq!(response.status(), expected, "{request}\n{}", response.text);
        if expected == 401 {
            assert_eq!(response.error()["code"], "invalid_api_key");
            assert_eq!(response.error()["type"], "invalid_request_error");
        }
    }
    assert_eq!(provider.requests().len(), 1);
    assert!(!provider.requests()[0].contains("sk-web_key"), "a caller's key goes to no provider");
}

#[test]
fn equal_or_missing_keys_of_callers_are_errors_that_show_no_key() {
    let provider = Provider::answering(completion());
    let scenario = scenario(&[&provider], CALLERS);
    let problems = |access: Access, keys: &KeyLookup<'_>| -> Vec<ConfigError> {
        let runtime = Runtime::new().expect("a runtime");
        let _context = runtime.enter();
        Gateway::new(&scenario, keys, access, Clock::start()).expect_err("a key is missing or used twice")
    };
    let same = |_: &str| Some("sk-the-same".to_owned());
    for problems in [
        problems(Access::Loopback, &same),
        problems(Access::WithKey("sk-web_key".into()), &key_of),
        problems(Access::Loopback, &|name| key_of(name).filter(|_| name == "WEB_KEY")),
    ] {
        assert_eq!(problems.len(), 1, "{problems:?}");
        let text = problems[0].to_string();
        assert!(text.contains("caller ") && !text.contains("sk-"), "{text}");
    }
}

#[test]
fn a_budget_is_used_up_completely_and_never_exceeded() {
    let provider = greedy_provider();
    let (gateway, seconds) = start(&scenario(&[&provider], CALLERS), Access::Loopback);
    let nightly = || gateway.send(&chat("sk-nightly_key", r#""max_tokens":100,"#));
    for _ in 0..9 {
        let response = nightly();
        assert_eq!((response.status(), response.header("x-quotalab-max-tokens")), (200, None));
    }
    // 927 tokens are used, so the last answer may use only 70 of the 100 completion tokens that its request allows.
    let last = nightly();
    assert_eq!((last.status(), last.header("x-quotalab-max-tokens")), (200, Some("70")));
    assert!(last.body().contains(r#""finish_reason":"length""#));
    assert_eq!(bound(provider.requests().last().expect("ten requests")), Some(70));
    assert_eq!((allowed(&provider), caller(&gateway, "nightly")["used_tokens"].as_u64()), (1000, Some(1000)));

    let refused = nightly();
    assert_eq!((refused.status(), provider.requests().len()), (429, 10));
    assert_eq!(
        (refused.header("retry-after"), refused.header("x-should-retry")),
        (Some("3600"), Some("false"))
    );
    let error = refused.error();
    assert_eq!(
        (error["type"].as_str(), error["code"].as_str()),
        (Some("insufficient_quota"), Some("insufficient_quota"))
    );
    let message = error["message"].as_str().expect("a message");
    for part in ["nightly", "1,000 tokens per day", "1,000 tokens are used", "2026-11-30T00:00:00Z"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // The other caller has no budget. An hour later, the next day begins, with a full budget.
    assert_eq!(gateway.send(&chat("sk-web_key", r#""max_tokens":100,"#)).status(), 200);
    seconds.fetch_add(3_600, Ordering::SeqCst);
    assert_eq!(nightly().status(), 200);
    assert_eq!(caller(&gateway, "nightly")["used_tokens"], 103);
    let metrics = gateway.get("/metrics").body();
    for line in [
        "quotalab_gateway_caller_requests_total{caller=\"nightly\",outcome=\"served\"} 11",
        "quotalab_gateway_caller_requests_total{caller=\"nightly\",outcome=\"over_budget\"} 1",
        "quotalab_gateway_caller_tokens_total{caller=\"nightly\"} 1103",
        "quotalab_gateway_caller_used_tokens{caller=\"nightly\"} 103",
        "quotalab_gateway_caller_budget_tokens{caller=\"nightly\"} 1000",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(gateway.get("/_quotalab").body().contains("nightly"));
}

#[test]
fn many_requests_at_once_never_exceed_a_budget() {
    let provider = Provider::start(|number, request| {
        vec![Step::Wait(Duration::from_millis(number as u64 % 7)), Step::Send(full_answer(request))]
    });
    let (gateway, _) = start(&scenario(&[&provider], CALLERS), Access::Loopback);
    let ask = || gateway.send(&chat("sk-nightly_key", r#""max_tokens":70,"#));
    let refusals: Vec<Response> = thread::scope(|scope| {
        let tasks: Vec<_> =
            (0..8).map(|_| scope.spawn(|| (0..8).map(|_| ask()).collect::<Vec<_>>())).collect();
        tasks
            .into_iter()
            .flat_map(|task| task.join().expect("no panic"))
            .filter(|reply| reply.status() != 200)
            .collect()
    });
    for refused in refusals {
        let error = refused.error();
        let expected = match error["code"].as_str().expect("a code") {
            "budget_in_use" => {
                assert_eq!(error["type"], "rate_limit_error", "waiting helps");
                (429, Some("1"), Some("true"))
            }
            _ => (429, Some("3600"), Some("false")),
        };
        assert_eq!(
            (refused.status(), refused.header("retry-after"), refused.header("x-should-retry")),
            expected
        );
    }
    while ask().status() == 200 {}
    let used = allowed(&provider);
    assert!((980..=1000).contains(&used), "{used} of 1000 tokens");
    assert_eq!(caller(&gateway, "nightly")["used_tokens"], used);
    assert_eq!(caller(&gateway, "nightly")["reserved_tokens"], 0);
}

#[test]
fn a_budget_in_dollars_follows_the_prices_and_an_answer_without_a_bound_gets_one() {
    let provider = greedy_provider();
    let priced = scenario_text(&[&provider], "callers: {web: {key: {env: WEB_KEY}, budget: {usd: 0.02}}}\n")
        .replace("m: {limits", "m: {price: {input: 1, output: 2}, limits");
    let (gateway, _) = start(&parse(&priced), Access::Loopback);
    // The request states no bound on its completion, so the gateway sets one: after the prompt, the budget of 0.02 USD pays
    // for 9,998 tokens at 2 USD per million.
    let response = gateway.send(&chat("sk-web_key", ""));
    assert_eq!((response.status(), response.header("x-quotalab-max-tokens")), (200, Some("9998")));
    assert!(provider.requests()[0].contains(r#"{"max_completion_tokens":9998,"#));
    let state = caller(&gateway, "web");
    assert!((state["used_usd"].as_f64().expect("a number") - 0.019_999).abs() < 1e-9, "{state}");
    let refused = gateway.send(&chat("sk-web_key", ""));
    assert_eq!(refused.status(), 429);
    assert!(
        refused.error()["message"].as_str().expect("a message").contains("0.02 USD per day"),
        "{}",
        refused.text
    );
}

#[test]
fn interactive_requests_overtake_batch_requests() {
    let provider = Provider::start(|number, request| {
        let pause = if number == 0 { Duration::from_secs(2) } else { Duration::ZERO };
        vec![Step::Wait(pause), Step::Send(full_answer(request))]
    });
    let more = format!("client: {{concurrency: 1}}\n{}", CALLERS.replace(", budget: {tokens: 1000}", ""));
    let (gateway, _) = start(&scenario(&[&provider], &more), Access::Loopback);
    let in_flight = |count: u64| wait_for(|| gateway.state()["jobs_in_flight"] == count, "they have arrived");
    thread::scope(|scope| {
        let ask = |key: &'static str, tokens: u32| {
            let (gateway, request) = (&gateway, chat(key, &format!(r#""max_tokens":{tokens},"#)));
            scope.spawn(move || assert_eq!(gateway.send(&request).status(), 200));
        };
        for (count, (key, tokens)) in (1..).zip([
            ("sk-web_key", 1),
            ("sk-nightly_key", 2),
            ("sk-nightly_key", 3),
            ("sk-web_key", 4),
            ("sk-web_key", 5),
        ]) {
            ask(key, tokens);
            in_flight(count);
        }
    });
    let order: Vec<_> = provider.requests().iter().filter_map(|request| bound(request)).collect();
    assert_eq!(order, [1, 4, 5, 2, 3]);
}

/// A target that fails or cannot be reached costs nothing; one whose answer is lost costs what was reserved.
#[test]
fn attempts_are_charged_for_what_they_may_have_cost() {
    let failing = Provider::answering(json_response("503 Service Unavailable", "", "{}"));
    let refusing = Provider::answering(json_response("429 Too Many Requests", "retry-after: 1\r\n", "{}"));
    let lost = Provider::start(|_, _| vec![close()]);
    let answering = Provider::answering(completion());
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    let closed = Provider { address: gone, requests: Arc::default(), closed: Arc::default() };
    let callers =
        "callers: {web: {key: {env: WEB_KEY}, budget: {tokens: 1000}}}\nclient: {retry: {attempts: 5}}\n";
    let used = |providers: &[&Provider]| {
        let (gateway, _) = start(&scenario(providers, callers), Access::Loopback);
        let response = gateway.send(&chat("sk-web_key", r#""max_tokens":50,"#));
        assert_eq!(response.status(), 200, "{}", response.text);
        gateway.wait_until_idle();
        assert_eq!(caller(&gateway, "web")["reserved_tokens"], 0);
        caller(&gateway, "web")["used_tokens"].as_u64().expect("a number")
    };
    let answer = 5 + 1;
    assert_eq!(used(&[&failing, &answering]), answer);
    assert_eq!(used(&[&refusing, &answering]), answer);
    assert_eq!(used(&[&closed, &answering]), answer);
    assert_eq!(used(&[&lost, &answering]), PROMPT + 50 + answer);
}

#[test]
fn a_request_whose_fallback_exceeds_the_budget_ends() {
    let lost = Provider::start(|_, _| vec![close()]);
    let answering = Provider::answering(completion());
    let callers =
        "callers: {web: {key: {env: WEB_KEY}, budget: {tokens: 60}}}\nclient: {retry: {attempts: 5}}\n";
    let (gateway, _) = start(&scenario(&[&lost, &answering], callers), Access::Loopback);
    let response = gateway.send(&chat("sk-web_key", r#""max_tokens":50,"#));
    assert_eq!((response.status(), answering.requests().len()), (429, 0), "{}", response.text);
    assert_eq!(response.error()["code"], "insufficient_quota");
    assert_eq!(response.header("x-quotalab-attempts"), Some("1"));
    gateway.wait_until_idle();
    assert_eq!(caller(&gateway, "web")["used_tokens"], PROMPT + 50);
}

#[test]
fn a_stream_that_its_caller_leaves_is_charged_for_what_has_arrived() {
    let provider = Provider::start(|_, _| {
        let begun =
            format!("{EVENT_STREAM_HEAD}{}{}{}", chunk(ROLE), chunk(&token("Hi")), chunk(&token("!")));
        vec![Step::Send(begun), Step::AwaitClose]
    });
    let callers = "callers: {web: {key: {env: WEB_KEY}, budget: {tokens: 1000}}}\n";
    let (gateway, _) = start(&scenario(&[&provider], callers), Access::Loopback);
    let mut stream = gateway.connect();
    let body = stream_request("chat").replacen('{', r#"{"max_tokens":500,"#, 1);
    let request = with_key(&post("/v1/chat/completions", &body), "sk-web_key");
    stream.write_all(request.as_bytes()).expect("it reads requests");
    let mut text = String::new();
    while !text.contains('!') {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).expect("the stream goes on");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert_eq!(caller(&gateway, "web")["reserved_tokens"], PROMPT + 500);
    drop(stream);
    gateway.wait_until_idle();
    wait_for(|| caller(&gateway, "web")["reserved_tokens"] == 0, "it is settled");
    assert_eq!(caller(&gateway, "web")["used_tokens"], PROMPT + 3);
}

#[test]
fn a_reload_changes_callers_and_budgets_and_keeps_what_is_used() {
    let provider = greedy_provider();
    let (gateway, _) = start(&scenario(&[&provider], CALLERS), Access::Loopback);
    let ask =
        |key: &str, tokens: u32| gateway.send(&chat(key, &format!(r#""max_tokens":{tokens},"#))).status();
    assert_eq!(ask("sk-nightly_key", 997), 200);
    assert_eq!(ask("sk-nightly_key", 100), 429);
    let more = CALLERS
        .replace("tokens: 1000", "tokens: 1200")
        .replace("web: {key: {env: WEB_KEY}}", "app: {key: {env: APP_KEY}}");
    gateway.reload_with(&scenario(&[&provider], &more), &key_of);
    assert_eq!(ask("sk-nightly_key", 197), 200);
    assert_eq!(ask("sk-nightly_key", 100), 429);
    assert_eq!((ask("sk-web_key", 1), ask("sk-app_key", 1)), (401, 200));
    assert_eq!(caller(&gateway, "nightly")["used_tokens"], 1200);
}

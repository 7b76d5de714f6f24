//! What callers see when no target serves them.

use super::*;

fn refusal(wait_s: u32) -> String {
    let body = r#"{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    json_response("429 Too Many Requests", &format!("retry-after: {wait_s}\r\n"), body)
}

#[test]
fn a_429_states_the_shortest_wait_of_its_targets() {
    let (long, short) = (Provider::answering(refusal(50)), Provider::answering(refusal(40)));
    let gateway = RunningGateway::start(&scenario(&[&long, &short], "client: {deadline: 5s}\n"));
    for _ in 0..2 {
        let response = gateway.chat("chat");
        assert_eq!(response.status(), 429, "{}", response.text);
        let wait: u32 = response.header("retry-after").and_then(|wait| wait.parse().ok()).expect("a wait");
        assert!((30..=40).contains(&wait), "{wait}");
        let millis: u32 =
            response.header("retry-after-ms").and_then(|wait| wait.parse().ok()).expect("a wait");
        assert!(millis <= wait * 1_000 && millis > (wait - 1) * 1_000, "{millis}");
        let error = response.error();
        assert_eq!(
            (&error["type"], &error["code"]),
            (&"rate_limit_error".into(), &"rate_limit_exceeded".into())
        );
        assert!(error["message"].to_string().contains("p1/a/m"), "{}", error["message"]);
    }
    assert_eq!((long.requests().len(), short.requests().len()), (1, 1), "cool-downs are kept");
}

#[test]
fn a_caller_that_waits_for_the_stated_time_is_served() {
    let refused =
        Provider::start(|number, _| vec![Step::Send(if number == 0 { refusal(2) } else { completion() })]);
    let gateway = RunningGateway::start(&scenario(&[&refused], "client: {deadline: 500ms}\n"));
    let response = gateway.chat("chat");
    assert_eq!(response.status(), 429);
    let millis: u64 = response.header("retry-after-ms").and_then(|wait| wait.parse().ok()).expect("a wait");
    sleep(Duration::from_millis(millis));
    assert_eq!(gateway.chat("chat").status(), 200);
}

#[test]
fn errors_that_the_caller_caused_are_passed_on_unchanged() {
    let too_large = r#"{"error":{"message":"Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size and try again.","type":"tokens","code":"rate_limit_exceeded"}}"#;
    for (status, body) in [
        (
            "400 Bad Request",
            r#"{"error":{"message":"'messages' is missing","type":"invalid_request_error","param":"messages","code":null}}"#,
        ),
        ("422 Unprocessable Entity", r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#),
        ("413 Payload Too Large", too_large),
    ] {
        let provider = Provider::answering(json_response(status, "x-request-id: r9\r\n", body));
        let gateway = RunningGateway::start(&scenario(&[&provider], ""));
        let response = gateway.chat("chat");
        assert_eq!(
            response.text.lines().next().map(|line| &line[9..12]),
            Some(&status[..3]),
            "{}",
            response.text
        );
        assert_eq!(response.body(), body);
        assert_eq!(response.header("x-request-id"), Some("r9"));
        assert_eq!(provider.requests().len(), 1, "it is not sent again");
    }
}

/// The error states that the request is too large only if no target could have served it. At first, the other target could
/// have served it, but it fails.
#[test]
fn a_request_is_blamed_only_if_no_target_could_have_served_it() {
    let too_large = r#"{"error":{"message":"Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size and try again.","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let small = Provider::answering(json_response("413 Payload Too Large", "", too_large));
    let down = Provider::answering(json_response("503 Service Unavailable", "", "{}"));
    let more = "client: {retry: {attempts: 3, backoff: {base: 1ms}}}\n";
    let gateway = RunningGateway::start(&scenario(&[&small, &down], more));
    let response = gateway.chat("chat");
    assert_eq!((response.status(), response.error()["code"].clone()), (502, "upstream_failed".into()));
    let gateway = RunningGateway::start(&scenario(&[&small], "client: {retry: {attempts: 1}}\n"));
    assert_eq!(gateway.chat("chat").status(), 413);
}

/// The refused key belongs to the gateway. The caller cannot change it, and must not be told that its own key is wrong.
#[test]
fn a_refused_key_of_the_gateway_is_a_502_that_is_not_to_be_retried() {
    let body =
        r#"{"error":{"message":"Invalid API Key","type":"invalid_request_error","code":"invalid_api_key"}}"#;
    let provider = Provider::answering(json_response("401 Unauthorized", "", body));
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let response = gateway.chat("chat");
    assert_eq!((response.status(), response.header("x-should-retry")), (502, Some("false")));
    assert_eq!(response.error()["code"], "upstream_refused");
}

#[test]
fn failures_and_timeouts_of_providers_have_statuses_of_their_own() {
    let failing = Provider::answering(json_response("500 Internal Server Error", "", "{}"));
    let gateway = RunningGateway::start(&scenario(
        &[&failing],
        "client: {retry: {attempts: 2, backoff: {base: 10ms}}}\n",
    ));
    let response = gateway.chat("chat");
    assert_eq!((response.status(), response.error()["code"].clone()), (502, "upstream_failed".into()));
    assert_eq!(response.header("retry-after"), None, "no wait is known");
    let silent = Provider::start(|_, _| vec![Step::AwaitClose]);
    let gateway = RunningGateway::start(&scenario(&[&silent], "client: {deadline: 300ms}\n"));
    let response = gateway.chat("chat");
    assert_eq!((response.status(), response.error()["code"].clone()), (504, "upstream_timeout".into()));
}

#[test]
fn a_full_queue_is_a_503() {
    let silent = Provider::start(|_, _| vec![Step::AwaitClose]);
    let gateway =
        RunningGateway::start(&scenario(&[&silent], "client: {deadline: 3s, concurrency: 1, queue: 0}\n"));
    let responses: Vec<u16> = thread::scope(|scope| {
        let callers: Vec<_> = (0..3).map(|_| scope.spawn(|| gateway.chat("chat").status())).collect();
        callers.into_iter().map(|caller| caller.join().expect("a status")).collect()
    });
    let full = responses.iter().filter(|status| **status == 503).count();
    assert_eq!((full, responses.iter().filter(|status| **status == 504).count()), (2, 1), "{responses:?}");
}

#[test]
fn a_request_that_no_target_can_ever_take_is_a_413_and_a_paced_one_states_its_wait() {
    let provider = Provider::answering(completion());
    let text = format!(
        "name: pace\nduration: 1m\nproviders:\n  p: {{dialect: openai, base_url: \"http://{}/v1\", models: {{m: {{limits: {{tpm: 1000}}}}}}}}\n\
         routes: {{chat: [{{of: [p/default/m]}}]}}\nclient: {{pace: tokens, deadline: 2s}}\n",
        provider.address
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pace.yaml");
    std::fs::write(&path, text).expect("a file");
    let scenario =
        scenario::read_for_gateway(&path, &Overrides::default()).expect("a scenario without a workload");
    let gateway = RunningGateway::start(&scenario);
    let ask = |max_tokens: u32| {
        let body = chat_request("chat").replacen('{', &format!("{{\"max_tokens\":{max_tokens},"), 1);
        gateway.post("/v1/chat/completions", &body)
    };
    let response = ask(5_000);
    assert_eq!((response.status(), response.error()["code"].clone()), (413, "exceeds_limits".into()));
    assert_eq!(ask(900).status(), 200);
    // The usage in the reply settles the reservation, so most of the limit is free again: of several large requests at once,
    // only the first does not wait.
    let responses: Vec<Response> = thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| ask(990))).collect();
        callers.into_iter().map(|caller| caller.join().expect("a response")).collect()
    });
    for response in responses.iter().filter(|response| response.status() != 200) {
        assert_eq!(response.status(), 429, "{}", response.text);
        assert!(response.header("retry-after").is_some(), "{}", response.text);
    }
    assert_eq!(provider.requests().iter().filter(|request| request.contains("5000")).count(), 0);
}

#[test]
fn a_key_that_an_error_repeats_is_masked() {
    let provider = Provider::start(|_, request| {
        let echo =
            request.lines().find(|line| line.starts_with("authorization")).unwrap_or_default().to_owned();
        vec![Step::Send(json_response(
            "400 Bad Request",
            "",
            &format!(r#"{{"error":{{"message":"bad header {echo}"}}}}"#),
        ))]
    });
    let text = format!(
        "name: echo\nduration: 1m\nproviders:\n  p: {{dialect: openai, base_url: \"http://{}/v1\", accounts: {{a: {{keys: [sesame-key]}}}}, models: {{m: {{}}}}}}\n\
         routes: {{chat: [{{of: [p/a/m]}}]}}\nworkload: [{{name: w, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n",
        provider.address
    );
    let gateway = RunningGateway::start(
        &scenario::parse("echo.yaml", &text, &Overrides::default(), None).expect("a scenario"),
    );
    let response = gateway.chat("chat");
    assert_eq!(response.status(), 400);
    assert!(response.body().contains("Bearer ***") && !response.text.contains("sesame"), "{}", response.text);
}

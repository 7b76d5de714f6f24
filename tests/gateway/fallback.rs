//! Retries and fallbacks: they happen until the first byte of an answer has been sent to the caller, and not after it.

use super::*;

fn refusal(wait: &str) -> String {
    let body = r#"{"error":{"message":"Rate limit reached for m in organization o on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    json_response("429 Too Many Requests", &format!("retry-after: {wait}\r\n"), body)
}

#[test]
fn a_refused_request_is_served_by_the_next_step() {
    let (full, free) = (Provider::answering(refusal("20")), Provider::answering(completion()));
    let gateway = RunningGateway::start(&scenario(&[&full, &free], ""));
    let response = gateway.chat("chat");
    assert_eq!((response.status(), response.header("x-quotalab-target")), (200, Some("p1/a/m")));
    assert_eq!(response.header("x-quotalab-attempts"), Some("2"));
    assert_eq!(gateway.chat("chat").header("x-quotalab-attempts"), Some("1"), "the first target cools down");
    assert_eq!(full.requests().len(), 1);
    let target = &gateway.state()["targets"][0];
    assert_eq!((&target["state"], &target["cause"]), (&"cooling_down".into(), &"minute_limit".into()));
}

/// Whatever happens before the first token, nothing of it reaches the caller.
#[test]
fn a_failure_before_the_first_token_causes_a_fallback() {
    let error_event = "data: {\"error\":{\"message\":\"overloaded\",\"code\":503}}\n\n";
    let head = EVENT_STREAM_HEAD;
    for (name, steps) in [
        ("closed before the head", vec![close()]),
        ("closed after the head", vec![Step::Send(head.to_owned()), close()]),
        ("closed after the role", vec![Step::Send(format!("{head}{}", chunk(ROLE))), close()]),
        ("half a token", vec![Step::Send(format!("{head}{}", chunk(&token("one")[..20]))), close()]),
        ("an error event", vec![Step::Send(format!("{head}{}{LAST_CHUNK}", chunk(error_event)))]),
        ("an empty stream", vec![Step::Send(format!("{head}{LAST_CHUNK}"))]),
        ("a 500", vec![Step::Send(json_response("500 Internal Server Error", "", "{}"))]),
        ("a 529", vec![Step::Send(json_response("529 Overloaded", "", "{}"))]),
        (
            "a 401 of the gateway's key",
            vec![Step::Send(json_response(
                "401 Unauthorized",
                "",
                r#"{"error":{"message":"Invalid API Key"}}"#,
            ))],
        ),
        ("a page", vec![Step::Send(json_response("200 OK", "", "<html>"))]),
        (
            "an error inside a success",
            vec![Step::Send(json_response("200 OK", "", r#"{"error":{"message":"no","code":502}}"#))],
        ),
    ] {
        let bad = Provider::start(move |_, _| steps.clone());
        let good = Provider::start(|_, request| {
            let is_stream = request.contains(r#""stream":true"#);
            let events = format!("{}data: [DONE]\n\n", token("two"));
            vec![Step::Send(if is_stream {
                format!("{EVENT_STREAM_HEAD}{}{LAST_CHUNK}", chunk(&events))
            } else {
                completion()
            })]
        });
        let gateway = RunningGateway::start(&scenario(&[&bad, &good], ""));
        let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
        assert_eq!((response.status(), response.is_cut), (200, false), "{name}: {}", response.text);
        assert_eq!(response.body(), format!("{}data: [DONE]\n\n", token("two")), "{name}");
        assert_eq!((bad.requests().len(), good.requests().len()), (1, 1), "{name}");
    }
}

#[test]
fn a_stream_that_breaks_off_after_its_first_token_ends_as_a_broken_stream() {
    let half = &token("three")[..20];
    let sent = format!("{EVENT_STREAM_HEAD}{}", chunk(&format!("{}{}{half}", token("one"), token("two"))));
    let bad = Provider::start(move |_, _| vec![Step::Send(sent.clone()), close()]);
    let good = Provider::answering(completion());
    let gateway = RunningGateway::start(&scenario(&[&bad, &good], ""));
    let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
    assert_eq!((response.status(), response.is_cut), (200, true), "the body has no end");
    let body = response.body();
    let rest = body.strip_prefix(&format!("{}{}", token("one"), token("two"))).expect("whole events");
    let event: serde_json::Value =
        serde_json::from_str(rest.trim().strip_prefix("data: ").expect("an event")).expect("JSON");
    assert_eq!(event["error"]["code"], "stream_interrupted");
    assert_eq!(good.requests().len(), 0, "nothing else is sent after the first byte");
}

#[test]
fn the_deadline_cuts_a_stream() {
    let sent = format!("{EVENT_STREAM_HEAD}{}", chunk(&token("one")));
    let slow = Provider::start(move |_, _| vec![Step::Send(sent.clone()), Step::AwaitClose]);
    let gateway = RunningGateway::start(&scenario(&[&slow], "client: {deadline: 300ms}\n"));
    let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
    assert!(response.is_cut && response.body().contains("its deadline has passed"), "{}", response.text);
    wait_for(|| slow.closed() == 1, "the provider");
}

#[test]
fn an_attempt_that_takes_too_long_is_cancelled_and_the_next_target_tried() {
    let slow = Provider::start(|_, _| vec![Step::AwaitClose]);
    let good = Provider::answering(completion());
    let gateway = RunningGateway::start(&scenario(&[&slow, &good], "client: {attempt_timeout: 200ms}\n"));
    let response = gateway.chat("chat");
    assert_eq!((response.status(), response.header("x-quotalab-target")), (200, Some("p1/a/m")));
    wait_for(|| slow.closed() == 1, "the provider");
}

#[test]
fn a_caller_that_leaves_cancels_its_attempt() {
    let sent = format!("{EVENT_STREAM_HEAD}{}", chunk(&token("one")));
    for steps in [vec![Step::AwaitClose], vec![Step::Send(sent), Step::AwaitClose]] {
        let begins = steps.len() > 1;
        let slow = Provider::start(move |_, _| steps.clone());
        let gateway = RunningGateway::start(&scenario(&[&slow], ""));
        let body = stream_request("chat");
        let mut stream = gateway.connect();
        stream.write_all(post("/v1/chat/completions", &body).as_bytes()).expect("it reads");
        wait_for(|| slow.requests().len() == 1, "the provider");
        if begins {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the stream begins");
        }
        drop(stream);
        wait_for(|| slow.closed() == 1, "the provider");
        gateway.wait_until_idle();
        assert_eq!(
            gateway.state()["decisions"][0]["decision"],
            "fails: the caller disconnected, or its budget does not cover the request"
        );
        assert_eq!(slow.requests().len(), 1);
    }
}

/// A target that fails repeatedly is ejected, and one request probes it after the ejection. The gateway adds a route
/// for each target, which names only this target; such a route does not prevent the ejection of its only target.
#[test]
fn a_failing_target_is_ejected_and_probed() {
    let bad = Provider::answering(json_response("500 Internal Server Error", "", "{}"));
    let good = Provider::answering(completion());
    let more = "client: {eject: {after: 2, for: 300ms}, retry: {attempts: 2, backoff: {base: 1ms}}}\n";
    let gateway = RunningGateway::start(&scenario(&[&bad, &good], more));
    for _ in 0..10 {
        assert_eq!(gateway.chat("chat").status(), 200);
    }
    assert_eq!(bad.requests().len(), 2, "ejected after two failures");
    assert_eq!(gateway.state()["targets"][0]["state"], "ejected");
    sleep(Duration::from_millis(400));
    for _ in 0..3 {
        assert_eq!(gateway.chat("chat").status(), 200);
    }
    assert_eq!(bad.requests().len(), 3, "one probe");
}

#[test]
fn a_refused_key_is_not_used_for_a_while() {
    let provider = Provider::start(|_, request| {
        let refused = json_response("401 Unauthorized", "", r#"{"error":{"message":"Invalid API Key"}}"#);
        vec![Step::Send(if request.contains("Bearer bad") { refused } else { completion() })]
    });
    let text = format!(
        "name: keys\nduration: 1m\nproviders:\n  p: {{dialect: openai, base_url: \"http://{}/v1\", accounts: {{a: {{keys: [bad, good]}}}}, models: {{m: {{}}}}}}\n\
         routes: {{chat: [{{of: [p/a/m]}}]}}\nworkload: [{{name: w, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n",
        provider.address
    );
    let scenario = scenario::parse("keys.yaml", &text, &Overrides::default(), None).expect("a scenario");
    let gateway = RunningGateway::start(&scenario);
    let statuses: Vec<u16> = (0..12).map(|_| gateway.chat("chat").status()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 1, "{statuses:?}");
}

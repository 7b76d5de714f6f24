//! What the gateway passes through: bytes, headers, streams.

use super::*;

#[test]
fn a_request_reaches_the_provider_byte_for_byte_except_for_the_model() {
    let provider = Provider::answering(completion());
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let response = gateway.chat("chat");
    assert_eq!((response.status(), response.body().as_str()), (200, COMPLETION));
    let requests = provider.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").expect("a request");
    assert_eq!(body, chat_request("m"), "only the model differs");
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(head, "authorization"), Some("Bearer k0"));
    assert_eq!(header(head, "host"), Some(provider.address.to_string().as_str()));
}

#[test]
fn the_caller_sees_the_providers_headers_and_what_the_gateway_did() {
    let provider = Provider::answering(completion());
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let response = gateway.chat("chat");
    assert_eq!(response.header("x-request-id"), Some("r1"));
    assert_eq!(response.header("x-quotalab-target"), Some("p0/a/m"));
    assert_eq!(response.header("x-quotalab-attempts"), Some("1"));
    assert!(response.header("x-quotalab-waited-ms").is_some());
}

#[test]
fn every_operation_is_sent_to_its_own_path() {
    let provider = Provider::start(|_, request| {
        let answer = match request.split(' ').nth(1).unwrap_or_default() {
            "/v1/embeddings" => {
                r#"{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":2,"total_tokens":2}}"#
            }
            "/v1/responses" => r#"{"output":[],"usage":{"input_tokens":2,"output_tokens":3}}"#,
            "/v1/completions" => r#"{"choices":[{"text":"Hi"}]}"#,
            "/v1/audio/transcriptions" => r#"{"text":"Hi"}"#,
            _ => "{}",
        };
        vec![Step::Send(json_response("200 OK", "", answer))]
    });
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    for (path, body) in [
        ("/v1/embeddings", r#"{"model":"chat","input":["a","b"]}"#),
        ("/v1/responses", r#"{"model":"chat","input":"a"}"#),
        ("/v1/completions", r#"{"model":"chat","prompt":"a"}"#),
    ] {
        let response = gateway.post(path, body);
        assert_eq!(response.status(), 200, "{path}: {}", response.text);
    }
    let form = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nchat\r\n--B\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--B--\r\n";
    let response = gateway.send(&format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=B\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    ));
    assert_eq!((response.status(), response.body().as_str()), (200, r#"{"text":"Hi"}"#));
    let requests = provider.requests();
    assert!(requests[3].ends_with(&form.replace("chat", "m")), "{}", requests[3]);
}

#[test]
fn a_stream_passes_event_by_event_as_it_arrives() {
    // The provider sends the second token 300 ms after the first: the caller must receive the first before that.
    let provider = Provider::start(|_, _| {
        let first = format!("{EVENT_STREAM_HEAD}{}", chunk(&format!("{ROLE}{}", token("one"))));
        vec![
            Step::Send(first),
            Step::Wait(Duration::from_millis(300)),
            Step::Send(format!("{}{}{LAST_CHUNK}", chunk(&token("two")), chunk("data: [DONE]\n\n"))),
        ]
    });
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let body = stream_request("chat");
    let mut stream = gateway.connect();
    stream.write_all(post("/v1/chat/completions", &body).as_bytes()).expect("it reads");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("one") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).expect("bytes");
        assert!(read > 0, "the stream goes on");
        seen.extend_from_slice(&buffer[..read]);
    }
    assert!(!String::from_utf8_lossy(&seen).contains("two"), "the first token does not wait for the second");
    let rest = Response::read(&stream);
    let all = String::from_utf8_lossy(&seen).into_owned() + &rest.text;
    let response = Response { text: all, is_cut: false };
    assert_eq!(response.body(), format!("{ROLE}{}{}data: [DONE]\n\n", token("one"), token("two")));
    gateway.wait_until_idle();
    assert_eq!(gateway.state()["decisions"][0]["decision"], "is answered");
}

#[test]
fn models_are_the_routes_and_the_targets() {
    let provider = Provider::answering(completion());
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let list: serde_json::Value = serde_json::from_str(&gateway.get("/v1/models").body()).expect("JSON");
    let ids: Vec<_> =
        list["data"].as_array().expect("a list").iter().map(|model| model["id"].clone()).collect();
    assert_eq!(ids, ["chat", "p0/a/m"]);
    assert_eq!(gateway.get("/v1/models/p0/a/m").status(), 200);
    assert_eq!(gateway.chat("p0/a/m").status(), 200);
    for unknown in ["/v1/models/nope", "/v1/nope"] {
        assert_eq!(gateway.get(unknown).status(), 404, "{unknown}");
    }
    let response = gateway.chat("m");
    assert_eq!(response.status(), 404);
    assert!(response.error()["message"].to_string().contains("`p0/a/m` is the target with this model"));
}

#[test]
fn the_gateway_learns_how_a_target_counts_tokens() {
    // "Say hi" and the role are 10 characters, 3 tokens by the estimate; the provider counts 5.
    let provider = Provider::answering(completion());
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    for _ in 0..100 {
        assert_eq!(gateway.chat("chat").status(), 200);
    }
    let ratio = gateway.state()["targets"][0]["token_ratio"].as_f64().expect("a number");
    assert!((ratio - 5.0 / 3.0).abs() < 0.02, "{ratio}");
}

#[test]
fn health_metrics_and_page_are_served() {
    let provider = Provider::answering(completion());
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    gateway.chat("chat");
    assert_eq!((gateway.get("/healthz").status(), gateway.get("/readyz").status()), (200, 200));
    let metrics = gateway.get("/metrics").body();
    for expected in [
        "gen_ai_server_request_duration_seconds_count{gen_ai_operation_name=\"chat\",gen_ai_request_model=\"chat\",error_type=\"\"} 1",
        "gen_ai_client_token_usage_sum{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"p0\",gen_ai_request_model=\"m\",gen_ai_token_type=\"input\"} 5",
        "quotalab_gateway_attempts_total{target=\"p0/a/m\",outcome=\"ok\"} 1",
        "quotalab_gateway_requests_in_flight 0",
        "quotalab_gateway_cool_down_seconds{target=\"p0/a/m\"} 0",
    ] {
        assert!(metrics.contains(expected), "{expected} is not in\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n") && metrics.matches("# EOF").count() == 1);
    let page = gateway.get("/_quotalab");
    assert_eq!(page.status(), 200);
    assert!(page.body().contains("p0/a/m") && !page.body().contains("<script"), "{}", page.body());
}

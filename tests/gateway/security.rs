//! Hostile requests to the gateway.

use super::*;

fn gateway() -> (RunningGateway, Provider) {
    let provider = Provider::answering(completion());
    (RunningGateway::start(&scenario(&[&provider], "")), provider)
}

/// Returns a request with these header lines.
fn request(headers: &str, body: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\n{headers}connection: close\r\n\r\n{body}")
}

#[test]
fn requests_that_two_servers_could_read_differently_are_refused() {
    let (gateway, provider) = gateway();
    let body = chat_request("chat");
    let length = body.len();
    let json = "host: localhost\r\ncontent-type: application/json\r\n";
    for (name, bytes) in [
        ("two lengths", request(&format!("{json}content-length: {length}\r\ncontent-length: 5\r\n"), &body)),
        ("a list of lengths", request(&format!("{json}content-length: {length}, 5\r\n"), &body)),
        ("a signed length", request(&format!("{json}content-length: +{length}\r\n"), &body)),
        (
            "two codings",
            request(
                &format!("{json}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n"),
                "0\r\n\r\n",
            ),
        ),
        ("an unknown coding", request(&format!("{json}transfer-encoding: xchunked\r\n"), "0\r\n\r\n")),
        ("a blank before the colon", request(&format!("{json}content-length : {length}\r\n"), &body)),
        ("two hosts", request(&format!("{json}host: other\r\ncontent-length: {length}\r\n"), &body)),
        (
            "no host",
            request(&format!("content-type: application/json\r\ncontent-length: {length}\r\n"), &body),
        ),
        (
            "a bad chunk size",
            request(&format!("{json}transfer-encoding: chunked\r\n"), "zz\r\n{}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk size that overflows",
            request(
                &format!("{json}transfer-encoding: chunked\r\n"),
                "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            ),
        ),
    ] {
        let response = gateway.send(&bytes);
        let refused = response.text.is_empty() || (400..=501).contains(&response.status());
        assert!(refused, "{name}: {}", response.text);
    }
    assert_eq!(provider.requests().len(), 0, "{:?}", provider.requests());
}

/// If a request has both a length and chunks, the chunks count, and the bytes after the last chunk are not a second request.
#[test]
fn a_length_with_chunks_smuggles_no_request() {
    let (gateway, provider) = gateway();
    let body = chat_request("chat");
    let smuggled = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let headers = "host: localhost\r\ncontent-type: application/json\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n";
    let response = gateway.send(&request(headers, &format!("{}{LAST_CHUNK}{smuggled}", chunk(&body))));
    assert_eq!(response.text.matches("HTTP/1.1").count(), 1, "{}", response.text);
    let requests = provider.requests();
    assert!(
        requests.len() <= 1 && requests.iter().all(|request| request.ends_with(&chat_request("m"))),
        "{requests:?}"
    );
}

#[test]
fn model_names_add_no_headers_and_headers_of_the_caller_are_not_passed_on() {
    let (gateway, provider) = gateway();
    for model in
        ["chat\\r\\nx-evil: 1", "chat\\u0000", "../../etc/passwd", "p0/a/m\\r\\n\\r\\nGET / HTTP/1.1"]
    {
        let response = gateway.chat(model);
        assert_eq!(response.status(), 404, "{}", response.text);
        assert!(response.header("x-evil").is_none());
    }
    let body = chat_request("chat");
    let headers = format!(
        "host: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer caller-secret\r\nx-api-key: caller-secret\r\n\
         openai-organization: org-caller\r\ncookie: session=caller-secret\r\nx-forwarded-for: 1.2.3.4\r\ncontent-length: {}\r\n",
        body.len()
    );
    assert_eq!(gateway.send(&request(&headers, &body)).status(), 200);
    let requests = provider.requests();
    assert_eq!(requests.len(), 1);
    for secret in ["caller-secret", "org-caller", "1.2.3.4"] {
        assert!(!requests[0].contains(secret), "{}", requests[0]);
    }
}

#[test]
fn everything_too_large_is_refused() {
    let (gateway, provider) = gateway();
    let long = "x".repeat(1 << 20);
    let cases = [
        ("a head", format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n"), 431),
        (
            "a path",
            format!("GET /{} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "x".repeat(70_000)),
            414,
        ),
        (
            "many headers",
            format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(200)),
            431,
        ),
        (
            "a body",
            request(
                "host: localhost\r\ncontent-type: application/json\r\ncontent-length: 999999999999\r\n",
                "{",
            ),
            413,
        ),
    ];
    for (name, bytes, expected) in cases {
        let mut stream = gateway.connect();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes.as_bytes());
        let response = Response::read_lossy(&stream);
        assert!(
            response.is_empty() || response.contains(&format!(" {expected} ")),
            "{name}: {response:.200}"
        );
    }
    assert_eq!(provider.requests().len(), 0);
    assert_eq!(gateway.chat("chat").status(), 200, "it serves on");
}

#[test]
fn a_deep_or_malformed_body_is_a_400() {
    let (gateway, provider) = gateway();
    let deep = format!(r#"{{"model":"chat","messages":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        &*deep,
        "",
        "{",
        "[]",
        "null",
        "\"\"",
        r#"{"model":"chat","model":"p0/a/m"}"#,
        r#"{"model":["chat"]}"#,
        "{\"model\":\"chat\"}x",
        "\u{feff}{\"model\":\"chat\"}",
    ] {
        let response = gateway.post("/v1/chat/completions", body);
        assert_eq!(
            (response.status(), response.error()["type"].clone()),
            (400, "invalid_request_error".into()),
            "{body:.40}"
        );
    }
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn unusual_paths_reach_no_operation() {
    let (gateway, provider) = gateway();
    for path in [
        "/v1/../_quotalab/state",
        "//v1/models",
        "/v1/models/..%2f..%2fx",
        "/V1/models",
        "/v1/chat/completions/",
        "/%2e%2e/healthz",
        "/_quotalab/../v1/models",
        "/v1/chat%2fcompletions",
    ] {
        let status = gateway.get(path).status();
        assert!(matches!(status, 404 | 405), "{path}: {status}");
    }
    assert_eq!(
        gateway
            .send(
                "GET http://evil.example/v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            )
            .status(),
        403
    );
    assert_eq!(provider.requests().len(), 0);
}

/// A form or a script of a web page can send requests to loopback; they must not reach a provider.
#[test]
fn a_page_in_a_browser_cannot_use_the_gateway() {
    let (gateway, provider) = gateway();
    let body = chat_request("chat");
    let length = body.len();
    for (headers, expected) in [
        ("host: localhost\r\norigin: https://evil.example\r\ncontent-type: application/json\r\n", 403),
        ("host: localhost\r\nsec-fetch-site: cross-site\r\ncontent-type: application/json\r\n", 403),
        ("host: evil.example\r\ncontent-type: application/json\r\n", 403),
        ("host: localhost\r\ncontent-type: text/plain\r\n", 415),
        ("host: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n", 415),
        ("host: localhost\r\n", 415),
    ] {
        let response = gateway.send(&request(&format!("{headers}content-length: {length}\r\n"), &body));
        assert_eq!(response.status(), expected, "{headers}");
        assert!(response.header("access-control-allow-origin").is_none());
    }
    let preflight = "OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\naccess-control-request-method: POST\r\nconnection: close\r\n\r\n";
    let response = gateway.send(preflight);
    assert!(response.status() >= 400 && response.header("access-control-allow-origin").is_none());
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn with_a_key_every_path_but_the_health_check_needs_it() {
    let provider = Provider::answering(completion());
    let gateway =
        RunningGateway::with_access(&scenario(&[&provider], ""), Access::WithKey("open-sesame".into()));
    for path in ["/v1/models", "/metrics", "/_quotalab", "/_quotalab/state", "/nope"] {
        assert_eq!(gateway.get(path).status(), 401, "{path}");
    }
    assert_eq!(gateway.chat("chat").status(), 401);
    let sent = |key: &str| {
        gateway.send(&format!("GET /v1/models HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n")).status()
    };
    assert_eq!((sent("open-sesame"), sent("open-sesam"), sent("")), (200, 401, 401));
    assert_eq!(gateway.get("/healthz").status(), 200, "a health check has no key");
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn slow_callers_do_not_stop_others() {
    let (gateway, _provider) = gateway();
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = gateway.connect();
            stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{").expect("a half request");
            stream
        })
        .collect();
    assert_eq!(gateway.chat("chat").status(), 200);
    drop(slow);
    gateway.wait_until_idle();
}

impl Response {
    /// Reads all bytes until the connection ends or fails.
    fn read_lossy(mut stream: &TcpStream) -> String {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

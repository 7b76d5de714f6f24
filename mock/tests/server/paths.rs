//! Paths, methods and what HTTP adds to a request: unknown paths, CORS, content codings, HTTP/2.

use crate::apis::start;
use crate::client::{HttpReply, MODEL, RunningMock, chat_body, config, no_latency};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use provider::config::{Dialect, Fault, Limit};
use provider::server::MAX_JSON_BODY_BYTES;
use provider::wire;
use serde_json::json;
use std::io::Read as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A header that keeps the client of the tests from adding a key; the mock ignores it.
const NO_KEY: &str = "x-no-key: 1";

/// An unknown path is a 404 in the words of the dialect, whatever the key. Its hint names a path that is served.
#[tokio::test]
async fn an_unknown_path_is_a_404_before_the_key_is_checked() {
    for dialect in Dialect::ALL {
        let mock = start(dialect).await;
        let base = wire::format(dialect).base();
        for path in
            ["/nope".to_owned(), format!("{base}/nope"), "/chat/completion".to_owned(), "/%ff".to_owned()]
        {
            for key in [NO_KEY, "authorization: Bearer wrong", "authorization: Bearer k1", "x-api-key: wrong"]
            {
                let reply = mock.send("POST", &path, &[key], "{}").await;
                assert_eq!(reply.status, 404, "{dialect:?} {path} {key}: {}", reply.body);
                assert!(
                    reply.body.contains("quotalab_hint") && reply.body.contains("/chat/completions"),
                    "{}",
                    reply.body
                );
            }
        }
        assert_eq!(mock.observed(), []);
    }
    let mock = start(Dialect::Groq).await;
    let error = mock.send("POST", "/openai/v1/x", &[NO_KEY], "{}").await.json()["error"].clone();
    assert_eq!(
        error,
        json!({ "message": "Unknown request URL: POST /openai/v1/x. Please check the URL for typos.", "type": "invalid_request_error", "code": "unknown_url" })
    );
}

/// The format of the error is that of the API whose path or key the request has.
#[tokio::test]
async fn an_unknown_path_is_answered_by_the_api_it_belongs_to() {
    let mock = start(Dialect::Anthropic).await;
    for (path, key) in [
        ("/v1/messages/batch", NO_KEY),
        ("/v1/x", "x-api-key: k1"),
        ("/v1/x", "anthropic-version: 2023-06-01"),
    ] {
        assert_eq!(mock.send("POST", path, &[key], "{}").await.json()["type"], "error", "{path} {key}");
    }
    assert!(mock.send("POST", "/v1/x", &[NO_KEY], "{}").await.json()["type"].is_null());
    let mock = start(Dialect::Gemini).await;
    assert!(mock.send("POST", "/v1beta/openai/x", &[NO_KEY], "{}").await.json().is_array());
    assert!(mock.send("POST", "/v1beta/models/m:x", &[NO_KEY], "{}").await.json().is_object());
}

/// Covers a base URL with the version that the SDK adds itself, and a base URL that lacks it.
#[tokio::test]
async fn a_wrong_base_url_is_named_in_the_404() {
    for (dialect, path, hint) in [
        (Dialect::Groq, "/openai/v1/openai/v1/chat/completions", "adds /openai/v1 itself"),
        (Dialect::Together, "/v1/v1/chat/completions", "adds /v1 itself"),
        (Dialect::Anthropic, "/v1/v1/messages", "adds /v1 itself"),
        (Dialect::Groq, "/chat/completions", "lacks /openai/v1"),
        (Dialect::OpenAi, "/responses", "lacks /v1"),
    ] {
        let mock = start(dialect).await;
        let reply = mock.send("POST", path, &[], &chat_body("")).await;
        let found = reply.json()["quotalab_hint"].as_str().unwrap().to_owned();
        assert!(reply.status == 404 && found.contains(hint), "{dialect:?} {path}: {found}");
    }
}

/// Load generators request `/health` below the base, without a key.
#[tokio::test]
async fn health_is_served_below_every_base() {
    for dialect in Dialect::ALL {
        let mock = start(dialect).await;
        for format in wire::formats(dialect) {
            let base = format.base();
            let first = base.split('/').take(2).collect::<Vec<_>>().join("/");
            for path in ["/health".to_owned(), format!("{base}/health"), format!("{first}/health")] {
                let reply = mock.send("GET", &path, &[NO_KEY], "").await;
                assert_eq!(
                    (reply.status, reply.json()["status"].as_str()),
                    (200, Some("ok")),
                    "{dialect:?} {path}"
                );
            }
        }
    }
}

/// The method is checked before the key.
#[tokio::test]
async fn another_method_is_a_405_that_names_those_that_are_allowed() {
    for dialect in Dialect::ALL {
        let mock = start(dialect).await;
        for format in wire::formats(dialect) {
            let path = format.path(MODEL);
            for method in ["PUT", "GET", "DELETE", "PATCH"] {
                let reply = mock.send(method, &path, &[NO_KEY], "{}").await;
                assert_eq!(
                    (reply.status, reply.header("allow")),
                    (405, Some("POST, OPTIONS")),
                    "{dialect:?} {method} {path}"
                );
                assert!(!reply.body.is_empty());
            }
        }
        let models = format!("{}/models", wire::format(dialect).base());
        let reply = mock.send("POST", &models, &[NO_KEY], "{}").await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{dialect:?}");
    }
}

/// The status and the length are those of `GET`, without the body.
#[tokio::test]
async fn head_has_the_head_of_get() {
    let mock = start(Dialect::Groq).await;
    for path in ["/openai/v1/models", "/health", "/openai/v1/health"] {
        let get = mock.send("GET", path, &[], "").await;
        let head = mock.send("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
    }
    assert_eq!(mock.send("HEAD", "/openai/v1/models", &["authorization: Bearer no"], "").await.status, 401);
    assert_eq!(mock.send("HEAD", "/openai/v1/chat/completions", &[], "").await.status, 405);
}

/// Superfluous slashes are ignored, with a note that the provider would answer with a 404.
#[tokio::test]
async fn slashes_are_normalised_and_noted() {
    let mock = start(Dialect::Groq).await;
    for path in
        ["/openai/v1//chat/completions", "/openai/v1/chat/completions/", "//openai//v1/chat/completions//"]
    {
        let reply = mock.send("POST", path, &[], &chat_body("")).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert!(reply.header("x-quotalab-note").unwrap().contains("404"));
    }
    let reply = mock.send("POST", "/openai/v1/chat/completions", &[], &chat_body("")).await;
    assert_eq!(reply.header("x-quotalab-note"), None);
    assert_eq!(mock.send("GET", "/openai/v1/models/", &[], "").await.json()["object"], "list");
}

/// A preflight has no key; the page may read every header that it needs.
#[tokio::test]
async fn a_page_in_a_browser_may_use_the_endpoints() {
    let limits = vec![Limit::rpm(1), Limit::rpd(100), Limit::tpm(10_000)];
    let mock = RunningMock::start(&config(limits, no_latency(), &[])).await;
    let origin = "origin: http://localhost:3000";
    let preflight = [
        origin,
        NO_KEY,
        "access-control-request-method: POST",
        "access-control-request-headers: authorization,content-type,x-stainless-os",
    ];
    for path in ["/openai/v1/chat/completions", "/openai/v1/responses", "/openai/v1/unknown"] {
        let reply = mock.send("OPTIONS", path, &preflight, "").await;
        assert!(matches!(reply.status, 200 | 204), "{path}: {}", reply.status);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert!(reply.header("access-control-allow-methods").unwrap().contains("POST"));
        assert_eq!(
            reply.header("access-control-allow-headers"),
            Some("authorization,content-type,x-stainless-os")
        );
    }
    let served = mock.send("POST", "/openai/v1/chat/completions", &[origin], &chat_body("")).await;
    assert_eq!((served.status, served.header("access-control-allow-origin")), (200, Some("*")));
    let exposed = served.header("access-control-expose-headers").unwrap();
    assert!(
        exposed.contains("x-ratelimit-remaining-tokens") && exposed.contains("x-request-id"),
        "{exposed}"
    );
    let refused = mock.send("POST", "/openai/v1/chat/completions", &[origin], &chat_body("")).await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("access-control-expose-headers").unwrap().contains("retry-after"));
    // Also errors, so that the page sees more than "failed to fetch".
    for (key, path, status) in [("authorization: Bearer no", "/openai/v1/models", 401), (NO_KEY, "/x", 404)] {
        let reply = mock.send("GET", path, &[origin, key], "").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, Some("*")));
    }
    // Without an origin nothing is added.
    let plain = mock.send("POST", "/openai/v1/chat/completions", &[], &chat_body("")).await;
    assert!(plain.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    GzEncoder::new(bytes, Compression::fast()).read_to_end(&mut compressed).unwrap();
    compressed
}

/// Sends a body of bytes; returns the head and the bytes of the reply's body.
async fn send_bytes(mock: &RunningMock, headers: &str, body: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k1\r\n{headers}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = mock.connect().await;
    socket.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut reply = Vec::new();
    let _end = socket.read_to_end(&mut reply).await;
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(reply[..end].to_vec()).unwrap(), reply[end..].to_vec())
}

/// Gzip in both directions; the size of a decoded body is bounded.
#[tokio::test]
async fn bodies_are_decoded_and_replies_compressed() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let body = chat_body("");
    let (head, plain) = send_bytes(&mock, "content-encoding: gzip", &gzip(body.as_bytes())).await;
    assert!(head.starts_with("HTTP/1.1 200") && plain.starts_with(b"{"), "{head}");
    for (headers, body, status) in [
        ("content-encoding: br", body.clone().into_bytes(), 415),
        ("content-encoding: gzip", body.clone().into_bytes(), 400),
        // 4 KiB that become more than 4 MiB.
        ("content-encoding: gzip", gzip(&vec![b' '; MAX_JSON_BODY_BYTES + 1]), 413),
    ] {
        let (head, _) = send_bytes(&mock, headers, &body).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {head}");
    }
    let truth = "x-quotalab-truth: prompt=10;completion=900;draw=1;tag=9\r\naccept-encoding: gzip, deflate";
    let long = body.replace("\"max_tokens\":100", "\"max_tokens\":1000");
    let (head, compressed) = send_bytes(&mock, truth, long.as_bytes()).await;
    assert!(
        head.contains("content-encoding: gzip\r\n")
            && head.contains(&format!("content-length: {}\r\n", compressed.len())),
        "{head}"
    );
    let mut text = String::new();
    GzDecoder::new(&*compressed).read_to_string(&mut text).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["usage"]["completion_tokens"], 900);
    // Short replies and streams are sent as they are.
    let (head, _) = send_bytes(&mock, "accept-encoding: gzip", body.as_bytes()).await;
    assert!(!head.contains("content-encoding"), "{head}");
    let stream = long.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let (head, _) = send_bytes(&mock, truth, stream.as_bytes()).await;
    assert!(!head.contains("content-encoding"), "{head}");
}

/// A reply that a fault cuts is not compressed: its announced length stays that of the whole.
#[tokio::test]
async fn a_cut_reply_is_not_compressed() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::CutStream])).await;
    let truth = "x-quotalab-truth: prompt=10;completion=900;draw=1;tag=9\r\naccept-encoding: gzip";
    let body = chat_body("").replace("\"max_tokens\":100", "\"max_tokens\":1000");
    let (head, received) = send_bytes(&mock, truth, body.as_bytes()).await;
    let length: usize =
        head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!(!head.contains("content-encoding") && received.len() < length, "{head}");
}

/// hyper would send `<none>` for a status that HTTP does not define.
#[tokio::test]
async fn every_status_line_has_a_reason_phrase() {
    for status in [498, 499, 529, 599, 420] {
        let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::Status(status)])).await;
        let reply = mock.exchange(&crate::client::post("", &chat_body(""))).await;
        let line = reply.lines().next().unwrap();
        assert!(
            line.starts_with(&format!("HTTP/1.1 {status} ")) && !line.contains("<none>") && line.len() > 14,
            "{line}"
        );
    }
}

/// Sends four requests at once on one connection; the limit refuses one of them.
#[tokio::test]
async fn http2_with_prior_knowledge_is_served() {
    let mock = RunningMock::start(&config(vec![Limit::rpm(3)], no_latency(), &[])).await;
    let replies = http2(&mock, 4).await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.as_ref().unwrap().0).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let (_, body) = replies[0].as_ref().unwrap();
    assert!(body.contains("chat.completion") || body.contains("rate_limit_exceeded"), "{body}");
    assert_eq!(crate::client::settled(&mock.stop().await), 3);
}

/// A fault that cuts the connection resets the stream of its request.
#[tokio::test]
async fn a_reset_over_http2_resets_the_stream() {
    for fault in [Fault::Reset, Fault::CutStream, Fault::ResetAfterHead] {
        let mock = RunningMock::start(&config(vec![], no_latency(), &[fault])).await;
        assert!(http2(&mock, 2).await.iter().all(Result::is_err), "{fault:?}");
    }
}

/// Sends requests concurrently over one HTTP/2 connection; returns the status and the body of each, or the error.
async fn http2(mock: &RunningMock, count: usize) -> Vec<Result<(u16, String), String>> {
    use http_body_util::{BodyExt as _, Full};
    let io = hyper_util::rt::TokioIo::new(mock.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let requests: Vec<_> = (0..count)
        .map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let request = hyper::Request::post("http://mock/openai/v1/chat/completions")
                    .header("authorization", "Bearer k1")
                    .body(Full::new(bytes::Bytes::from(chat_body(""))))
                    .unwrap();
                let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
                let status = response.status().as_u16();
                let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
                Ok((status, String::from_utf8(body.to_bytes().to_vec()).unwrap()))
            })
        })
        .collect();
    let mut replies = Vec::new();
    for request in requests {
        replies.push(request.await.unwrap());
    }
    connection.abort();
    replies
}

/// Pages in a browser cannot use the control plane.
#[tokio::test]
async fn the_control_plane_has_no_cors() {
    let mock =
        RunningMock::start_with(&config(vec![], no_latency(), &[]), provider::server::ControlPlane::Enabled)
            .await;
    for (method, path) in [("OPTIONS", "/_quotalab/state"), ("GET", "/_quotalab/state"), ("GET", "/metrics")]
    {
        let headers =
            "host: localhost\r\norigin: http://localhost:3000\r\naccess-control-request-method: GET";
        let reply: HttpReply = mock.control_with(headers, method, path, "").await;
        assert!(reply.status >= 400, "{method} {path}: {}", reply.status);
        assert!(
            reply.headers.iter().all(|(name, _)| !name.starts_with("access-control-allow")),
            "{:?}",
            reply.headers
        );
    }
}

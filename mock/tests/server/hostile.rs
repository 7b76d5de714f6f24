//! Arbitrary input is served, answered with a 4xx or ends in a closed connection: never a 500, never a panic, and no body is
//! read beyond its maximum; and the next client is served.

use crate::client::{RunningMock, admitted, chat_body, config, no_latency, settled};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use provider::config::Limit;
use provider::server::{ControlPlane, MAX_JSON_BODY_BYTES};
use provider::{Axis, Nanos};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// The bytes that a client sends on one connection, and how it ends the connection.
#[derive(Clone, Debug)]
struct Input {
    bytes: Vec<u8>,
    end: ConnectionEnd,
}

#[derive(Clone, Copy, Debug)]
enum ConnectionEnd {
    /// The client closes its sending side and reads the replies.
    HalfClosed,
    /// The client sends everything and closes the connection without reading.
    Dropped,
}

const PATHS: [&str; 12] = [
    "/openai/v1/chat/completions",
    "/openai/v1/responses",
    "/openai/v1/embeddings",
    "/openai/v1/completions",
    "/openai/v1/files",
    "/openai/v1/models",
    "/_quotalab/faults",
    "/_quotalab/clock",
    "/_quotalab/requests?last=-1",
    "/_quotalab/verdict",
    "/health",
    "/%00/../\u{7f}",
];

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "model",
            "messages",
            "input",
            "prompt",
            "tools",
            "text",
            "type",
            "image_url",
            "role",
            "content",
            "max_tokens",
            "stream",
            "stream_options",
            "fault",
            "advance",
            "next",
            "share",
            "for"
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let nested =
        (prop::sample::select(vec!["[", "{\"a\":", "{\"messages\":[", "[{\"content\":["]), 1..60_000usize);
    prop_oneof![
        4 => json().prop_map(|value| value.to_string().into_bytes()),
        2 => prop::collection::vec(any::<u8>(), 0..300),
        1 => nested.prop_map(|(open, times)| open.repeat(times.min(200_000 / open.len())).into_bytes()),
        1 => (0..chat_body("").len()).prop_map(|end| chat_body("").into_bytes()[..end].to_vec()),
    ]
}

/// A request with random parts, whose `content-length` may be too large and whose last chunk may be missing.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(vec!["POST", "GET", "DELETE", "PATCH", "OPTIONS", "post", "BREW"]);
    let key = prop::sample::select(vec!["Bearer k1", "Bearer wrong", "Basic k1", "Bearer", ""]);
    let truth = prop_oneof![
        Just(String::new()),
        "x-quotalab-truth: [ -~]{0,60}\r\n",
        Just(
            "x-quotalab-truth: prompt=4294967295;completion=0;draw=18446744073709551615;tag=1\r\n".to_owned()
        ),
    ];
    let extra_headers = prop_oneof![3 => Just(0), 1 => 1..3_000usize];
    (method, prop::sample::select(PATHS.to_vec()), key, truth, extra_headers, body(), -20..20isize, any::<bool>())
        .prop_map(|(method, path, key, truth, extra_headers, body, length_error, chunked)| {
            let mut bytes =
                format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-quotalab: 1\r\nauthorization: {key}\r\n{truth}");
            (0..extra_headers)
                .for_each(|number| bytes.push_str(&format!("x-{number}: {}\r\n", "y".repeat(number % 200))));
            if chunked {
                bytes.push_str(&format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len()));
            } else {
                let length =
                    body.len().saturating_add_signed(if length_error > 10 { length_error } else { 0 });
                bytes.push_str(&format!("content-length: {length}\r\n\r\n"));
            }
            let mut bytes = bytes.into_bytes();
            bytes.extend(body);
            if chunked && length_error > 0 {
                bytes.extend(b"\r\n0\r\n\r\n");
            }
            bytes
        })
}

fn input() -> impl Strategy<Value = Input> {
    let bytes = prop_oneof![
        5 => request(),
        1 => prop::collection::vec(any::<u8>(), 0..2_000),
        1 => (request(), any::<prop::sample::Index>()).prop_map(|(whole, at)| whole[..at.index(whole.len())].to_vec()),
        1 => (request(), request()).prop_map(|(one, two)| [one, two].concat()),
    ];
    let end = prop_oneof![4 => Just(ConnectionEnd::HalfClosed), 1 => Just(ConnectionEnd::Dropped)];
    (bytes, end).prop_map(|(bytes, end)| Input { bytes, end })
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn start() -> RunningMock {
    let limits = vec![Limit::new(Axis::Rpm, 1_000_000), Limit::new(Axis::Concurrency, 1_000)];
    RunningMock::start_with(&config(limits, no_latency(), &[]), ControlPlane::Enabled).await
}

/// All that the server sends until it closes the connection.
async fn reply(mock: &RunningMock, input: &Input) -> Vec<u8> {
    let (mut reader, mut writer) = mock.connect().await.into_split();
    let bytes = input.bytes.clone();
    // The server may close the connection before everything has been sent.
    let writing = tokio::spawn(async move {
        let _sent = writer.write_all(&bytes).await;
        let _closed = writer.shutdown().await;
        writer
    });
    let mut received = Vec::new();
    if matches!(input.end, ConnectionEnd::HalfClosed) {
        let read = tokio::time::timeout(Duration::from_secs(20), reader.read_to_end(&mut received)).await;
        assert!(read.is_ok(), "a half-closed connection is left open");
    }
    let _writer = writing.await.unwrap();
    received
}

/// The statuses of all replies. No body of the server contains the start of a status line.
fn statuses(received: &[u8]) -> Vec<u16> {
    let received = String::from_utf8_lossy(received);
    let lines = received.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line[..3].parse().expect("a status of three digits")).collect()
}

#[test]
fn arbitrary_input_is_served_answered_with_a_4xx_or_closed() {
    let runtime = runtime();
    let mock = runtime.block_on(start());
    // A fixed seed, so that a failure is reproducible.
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() },
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let found = RefCell::new(BTreeSet::new());
    let result = runner.run(&input(), |input| {
        let received = runtime.block_on(reply(&mock, &input));
        // Some input is well formed and injects a fault.
        runtime.block_on(mock.control("DELETE", "/_quotalab/faults", ""));
        for status in statuses(&received) {
            found.borrow_mut().insert(status);
            prop_assert!(
                status == 200 || (400..500).contains(&status),
                "{status} {}",
                String::from_utf8_lossy(&received)
            );
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    // The input reaches every stage: the parser of heads, the key, the path, the body, the control plane.
    let found = found.into_inner();
    assert!([200, 400, 401, 404, 405, 431].iter().all(|status| found.contains(status)), "{found:?}");
    runtime.block_on(async {
        assert_eq!(mock.ask().await.status, 200, "the next client is served");
        let seen = mock.wait_for(|seen| settled(seen) == admitted(seen)).await;
        assert!(admitted(&seen) >= 1);
        mock.stop().await;
    });
}

#[tokio::test]
async fn an_endless_body_is_not_read_beyond_its_maximum() {
    let mock = start().await;
    for (path, bound) in
        [("/openai/v1/chat/completions", MAX_JSON_BODY_BYTES), ("/_quotalab/faults", 64 << 10)]
    {
        let (mut reader, mut writer) = mock.connect().await.into_split();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-quotalab: 1\r\nauthorization: Bearer k1\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        writer.write_all(head.as_bytes()).await.unwrap();
        let endless = tokio::spawn(async move {
            let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
            let mut sent = 0;
            while sent < 64 * MAX_JSON_BODY_BYTES && writer.write_all(chunk.as_bytes()).await.is_ok() {
                sent += chunk.len();
            }
            sent
        });
        let mut received = Vec::new();
        let _reset = reader.read_to_end(&mut received).await;
        drop(reader);
        let sent = tokio::time::timeout(Duration::from_secs(20), endless).await.unwrap().unwrap();
        // The buffers of both sockets hold bytes besides those that were read.
        assert!(sent < bound + (16 << 20), "{path} took {sent} bytes");
        assert!(
            statuses(&received).iter().all(|status| *status == 413),
            "{}",
            String::from_utf8_lossy(&received)
        );
    }
    assert_eq!(mock.ask().await.status, 200);
}

#[tokio::test]
async fn the_latest_instant_and_any_number_of_journal_entries_are_accepted() {
    let mock = start().await;
    for _ in 0..20 {
        let advanced = mock.control("POST", "/_quotalab/clock", r#"{"advance":"366d"}"#).await;
        assert_eq!(advanced.status, 200);
    }
    assert_eq!(mock.ask().await.status, 200, "after twenty years");
    mock.set_clock(Nanos::MAX);
    assert_eq!(mock.ask().await.status, 200, "at the latest instant");
    let journal = mock.control("GET", "/_quotalab/requests?last=18446744073709551615", "").await;
    assert_eq!((journal.status, &journal.json()["total"]), (200, &serde_json::json!(2)));
}

#[tokio::test]
async fn a_request_that_two_servers_could_read_differently_is_refused() {
    let mock = start().await;
    let body = chat_body("");
    let length = format!("content-length: {}\r\n\r\n{body}", body.len());
    let chunks = |chunks: &str| format!("transfer-encoding: chunked\r\n\r\n{chunks}");
    let whole = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (host, rest, status) in [
        ("host: a\r\n", length.clone(), 200),
        ("host: a\r\nhost: b\r\n", length.clone(), 400),
        ("host: a\r\nHOST: a\r\n", length.clone(), 400),
        ("", length, 400),
        ("host: a\r\n", chunks(&whole), 200),
        ("host: a\r\n", format!("transfer-encoding: gzip, chunked\r\n\r\n{whole}"), 501),
        ("host: a\r\n", format!("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n{whole}"), 501),
        ("host: a\r\n", chunks("zz\r\n"), 400),
        ("host: a\r\n", chunks("5\r\nabcdefgh\r\n0\r\n\r\n"), 400),
        ("host: a\r\n", chunks("ffffffffffffffffffff\r\n"), 400),
        ("host: a\r\n", chunks("-1\r\n\r\n"), 400),
    ] {
        let head = format!("POST /openai/v1/chat/completions HTTP/1.1\r\n{host}authorization: Bearer k1\r\n");
        let text = mock.exchange(&format!("{head}connection: close\r\n{rest}")).await;
        assert_eq!(statuses(text.as_bytes()), [status], "{host:?} {rest:?}: {text}");
    }
    // Version 1.0 of HTTP has no Host.
    let text = mock.exchange("GET /health HTTP/1.0\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.0 200 "), "{text}");
    mock.stop().await;
}

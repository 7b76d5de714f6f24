//! Whatever is thrown at the server, it answers 4xx or closes the connection: never a 5xx of its own, never a panic,
//! never more kept than its bounds; and it serves the next client as if nothing had been.

use crate::client::{Served, admitted, at_once, config, question, settled};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use provider::config::Limit;
use provider::server::{ControlPlane, MAX_BODY_BYTES};
use provider::{Axis, Nanos};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// What is sent on one connection, and how it ends.
#[derive(Clone, Debug)]
struct Throw {
    bytes: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// The client says that it sends no more, and reads.
    HalfClosed,
    /// The client leaves at once.
    Dropped,
}

const PATHS: [&str; 8] = [
    "/openai/v1/chat/completions",
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
            "role",
            "content",
            "text",
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
        1 => (0..question("").len()).prop_map(|end| question("").into_bytes()[..end].to_vec()),
    ]
}

/// A request with random parts; its length may be a lie.
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
    let flood = prop_oneof![3 => Just(0), 1 => 1..3_000usize];
    (method, prop::sample::select(PATHS.to_vec()), key, truth, flood, body(), -20..20isize, any::<bool>())
        .prop_map(|(method, path, key, truth, flood, body, lie, chunked)| {
            let mut bytes =
                format!("{method} {path} HTTP/1.1\r\nhost: mock\r\nauthorization: {key}\r\n{truth}");
            (0..flood)
                .for_each(|number| bytes.push_str(&format!("x-{number}: {}\r\n", "y".repeat(number % 200))));
            if chunked {
                bytes.push_str(&format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len()));
            } else {
                let length = body.len().saturating_add_signed(if lie > 10 { lie } else { 0 });
                bytes.push_str(&format!("content-length: {length}\r\n\r\n"));
            }
            let mut bytes = bytes.into_bytes();
            bytes.extend(body);
            if chunked && lie > 0 {
                bytes.extend(b"\r\n0\r\n\r\n");
            }
            bytes
        })
}

fn throw() -> impl Strategy<Value = Throw> {
    let bytes = prop_oneof![
        5 => request(),
        1 => prop::collection::vec(any::<u8>(), 0..2_000),
        1 => (request(), any::<prop::sample::Index>()).prop_map(|(whole, at)| whole[..at.index(whole.len())].to_vec()),
        1 => (request(), request()).prop_map(|(one, two)| [one, two].concat()),
    ];
    let end = prop_oneof![4 => Just(End::HalfClosed), 1 => Just(End::Dropped)];
    (bytes, end).prop_map(|(bytes, end)| Throw { bytes, end })
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn start() -> Served {
    let limits = vec![Limit::new(Axis::Rpm, 1_000_000), Limit::new(Axis::Concurrency, 1_000)];
    Served::start_with(&config(limits, at_once(), &[]), ControlPlane::Enabled).await
}

/// Everything that the server says to it until it closes the connection.
async fn reply(served: &Served, throw: &Throw) -> Vec<u8> {
    let (mut reader, mut writer) = served.connect().await.into_split();
    let bytes = throw.bytes.clone();
    // The server may close before all has been sent: that is an answer too.
    let writing = tokio::spawn(async move {
        let _sent = writer.write_all(&bytes).await;
        let _closed = writer.shutdown().await;
        writer
    });
    let mut said = Vec::new();
    if matches!(throw.end, End::HalfClosed) {
        let read = tokio::time::timeout(Duration::from_secs(20), reader.read_to_end(&mut said)).await;
        assert!(read.is_ok(), "a half-closed connection is left open");
    }
    let _writer = writing.await.unwrap();
    said
}

/// The statuses in what the server said; bodies of ours never have a line that begins like a status line.
fn statuses(said: &[u8]) -> Vec<u16> {
    let said = String::from_utf8_lossy(said);
    let lines = said.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line[..3].parse().expect("a status of three digits")).collect()
}

#[test]
fn whatever_is_thrown_at_it_is_answered_by_a_4xx_or_closed() {
    let runtime = runtime();
    let served = runtime.block_on(start());
    // A fixed seed, so that a failure is one for everybody.
    let mut runner = TestRunner::new_with_rng(
        Cases { cases: 300, failure_persistence: None, ..Cases::default() },
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let met = RefCell::new(BTreeSet::new());
    let thrown = runner.run(&throw(), |throw| {
        let said = runtime.block_on(reply(&served, &throw));
        // Some of what is thrown is well formed, or asks the control plane for a fault: then it is had. Ours are none.
        runtime.block_on(served.control("DELETE", "/_quotalab/faults", ""));
        for status in statuses(&said) {
            met.borrow_mut().insert(status);
            prop_assert!(
                status == 200 || (400..500).contains(&status),
                "{status} {}",
                String::from_utf8_lossy(&said)
            );
        }
        Ok(())
    });
    if let Err(wrong) = thrown {
        panic!("{wrong}");
    }
    // What is thrown gets to every door: the parser of heads, the key, the path, the body, the control plane.
    let met = met.into_inner();
    assert!([200, 400, 401, 404, 405, 431].iter().all(|status| met.contains(status)), "{met:?}");
    runtime.block_on(async {
        assert_eq!(served.ask().await.status, 200, "and the next client is served");
        let seen = served.wait_for(|seen| settled(seen) == admitted(seen)).await;
        assert!(admitted(&seen) >= 1);
        served.stop().await;
    });
}

#[tokio::test]
async fn a_body_that_never_ends_is_read_no_further_than_the_bound() {
    let served = start().await;
    for (path, bound) in [("/openai/v1/chat/completions", MAX_BODY_BYTES), ("/_quotalab/faults", 64 << 10)] {
        let (mut reader, mut writer) = served.connect().await.into_split();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k1\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        writer.write_all(head.as_bytes()).await.unwrap();
        let endless = tokio::spawn(async move {
            let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
            let mut sent = 0;
            while sent < 64 * MAX_BODY_BYTES && writer.write_all(chunk.as_bytes()).await.is_ok() {
                sent += chunk.len();
            }
            sent
        });
        let mut said = Vec::new();
        let _reset = reader.read_to_end(&mut said).await;
        drop(reader);
        let sent = tokio::time::timeout(Duration::from_secs(20), endless).await.unwrap().unwrap();
        // What the sockets of both sides hold comes on top of what was read.
        assert!(sent < bound + (16 << 20), "{path} took {sent} bytes");
        assert!(statuses(&said).iter().all(|status| *status == 413), "{}", String::from_utf8_lossy(&said));
    }
    assert_eq!(served.ask().await.status, 200);
}

#[tokio::test]
async fn the_journal_and_the_clock_stay_within_their_bounds() {
    let served = start().await;
    for _ in 0..20 {
        let advanced = served.control("POST", "/_quotalab/clock", r#"{"advance":"366d"}"#).await;
        assert_eq!(advanced.status, 200);
    }
    assert_eq!(served.ask().await.status, 200, "twenty years on");
    served.set_clock(Nanos::MAX);
    assert_eq!(served.ask().await.status, 200, "at the end of time");
    let told = served.control("GET", "/_quotalab/requests?last=18446744073709551615", "").await;
    assert_eq!((told.status, &told.json()["received"]), (200, &serde_json::json!(2)));
}

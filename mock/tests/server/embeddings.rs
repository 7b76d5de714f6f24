//! The memory of replies with embeddings: small requests ask for large replies.

use crate::client::{MODEL, RunningMock, admitted, config, no_latency, settled};
use provider::config::ServiceTimeDist;
use provider::dist::Dist;
use provider::server::MAX_EMBEDDINGS_BYTES;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Returns a request for the maximum number of vectors, each of `dimensions` numbers, in base64.
fn request(dimensions: usize, headers: &str) -> String {
    let texts = vec!["a"; 2_048];
    let body =
        json!({ "model": MODEL, "input": texts, "dimensions": dimensions, "encoding_format": "base64" })
            .to_string();
    let length = body.len();
    format!(
        "POST /openai/v1/embeddings HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k1\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// A little less than the memory of a reply to [`request`] with the longest vectors, in bytes: of its text and its compressed form.
const LARGEST_REPLY_BYTES: usize = 2 * 2_048 * (4_096 * 4 / 3) * 4;

async fn send(mock: &RunningMock, request: &str) -> TcpStream {
    let mut connection = mock.connect().await;
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

/// Replies that have not been sent hold their memory, whatever the number of connections, until their clients disconnect.
#[tokio::test]
async fn concurrent_replies_are_bounded_together() {
    let slow = ServiceTimeDist::Total(Dist::Constant(3_600.0));
    let mock = RunningMock::start(&config(vec![], slow, &[])).await;
    let request = request(4_096, "");
    let max_replies = MAX_EMBEDDINGS_BYTES / LARGEST_REPLY_BYTES;
    assert!(max_replies > 1, "the largest reply has room");
    let mut connections = Vec::new();
    // A reply takes a little more than `LARGEST_REPLY_BYTES`, so one reply fewer surely fits.
    for number in 1..max_replies {
        connections.push(send(&mock, &request).await);
        mock.wait_for(|seen| admitted(seen) == number).await;
    }
    let mut refused = 0;
    for _ in 0..2 {
        let mut last = send(&mock, &request).await;
        let mut reply = String::new();
        if tokio::time::timeout(Duration::from_secs(3), last.read_to_string(&mut reply)).await.is_ok() {
            assert!(reply.starts_with("HTTP/1.1 503"), "{reply:.200}");
            refused += 1;
        } else {
            connections.push(last);
        }
    }
    assert!(refused > 0, "{} replies of {LARGEST_REPLY_BYTES} bytes are under way", connections.len());
    let before = admitted(&mock.observed());
    connections.clear();
    mock.wait_for(|seen| settled(seen) == before).await;
    // The memory of a call is given back right after it is settled.
    for _ in 0..200 {
        connections.push(send(&mock, &request).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
        if admitted(&mock.observed()) > before {
            return;
        }
    }
    panic!("no memory is given back");
}

/// A reply holds its memory until it has been written, even if its call was settled before: an unread reply holds memory, too.
#[tokio::test]
async fn replies_that_clients_do_not_read_are_bounded_together() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let request = request(4_096, "");
    let mut unread = Vec::new();
    for number in 1..=MAX_EMBEDDINGS_BYTES / LARGEST_REPLY_BYTES + 1 {
        let connection = send(&mock, &request).await;
        let begun = tokio::time::timeout(Duration::from_secs(60), connection.readable()).await;
        assert!(begun.is_ok(), "reply {number} begins");
        let mut status = [0; 12];
        let read = connection.peek(&mut status).await.unwrap();
        if &status[..read] == b"HTTP/1.1 503" {
            return;
        }
        unread.push(connection);
    }
    panic!("{} replies of {LARGEST_REPLY_BYTES} bytes are in memory", unread.len());
}

/// A reply that was sent holds no memory, plain or compressed.
#[tokio::test]
async fn replies_one_after_another_are_not_bounded_together() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let reply_bytes = LARGEST_REPLY_BYTES / 4;
    for number in 0..MAX_EMBEDDINGS_BYTES / reply_bytes + 2 {
        let headers = if number % 4 == 0 { "accept-encoding: gzip\r\n" } else { "" };
        let mut connection = send(&mock, &request(1_024, headers)).await;
        let mut reply = Vec::new();
        connection.read_to_end(&mut reply).await.unwrap();
        assert!(reply.starts_with(b"HTTP/1.1 200"), "reply {number}");
        assert_eq!(headers.is_empty(), reply.len() > reply_bytes / 2, "{} bytes", reply.len());
    }
}

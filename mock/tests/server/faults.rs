//! Scripted faults, as a client meets them.

use crate::client::{Seen, Served, at_once, config, post, question};
use provider::config::{Fault, Limit};
use provider::{Axis, Nanos};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_status_is_answered_in_the_providers_words() {
    for (status, code, words) in [
        (503, None, "is currently over capacity. Please try again and back off exponentially."),
        (500, None, "Internal Server Error"),
        (502, None, "Bad Gateway"),
        (498, Some("capacity_exceeded"), "capacity"),
        (429, Some("rate_limit_exceeded"), "Too Many Requests"),
        (529, None, "529"),
    ] {
        let served = Served::start(&config(vec![], at_once(), &[Fault::Status(status)])).await;
        let reply = served.ask().await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, error["code"].as_str()), (status, code));
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        assert!(matches!(served.stop().await[..], [Seen::Ruled(..)]), "nothing to settle");
    }
}

#[tokio::test]
async fn a_reset_closes_the_connection_without_a_byte() {
    let served = Served::start(&config(vec![], at_once(), &[Fault::Reset])).await;
    assert_eq!(served.exchange(&post("", &question(""))).await, "");
}

#[tokio::test]
async fn a_timeout_answers_nothing_while_the_client_waits() {
    let served = Served::start(&config(vec![], at_once(), &[Fault::Timeout])).await;
    let mut socket = served.connect().await;
    socket.write_all(post("", &question("")).as_bytes()).await.unwrap();
    served.wait_for(|seen| !seen.is_empty()).await;
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(50), socket.read(&mut byte)).await;
    assert!(read.is_err(), "answered or closed: {read:?}");
    assert_eq!(served.stop().await.len(), 1);
}

#[tokio::test]
async fn a_whole_reply_that_is_cut_promises_more_than_it_sends() {
    let served = Served::start(&config(vec![], at_once(), &[Fault::CutStream])).await;
    let reply = served.ask().await;
    let promised: usize = reply.header("content-length").unwrap().parse().unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, promised / 2));
}

#[tokio::test]
async fn garbage_is_a_success_that_no_client_can_read() {
    let served = Served::start(&config(vec![], at_once(), &[Fault::Garbage])).await;
    for more in ["", r#","stream":true"#] {
        let reply = served.chat("", &question(more)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html")));
        assert!(serde_json::from_str::<serde_json::Value>(&reply.body).is_err());
    }
    assert_eq!(served.stop().await.len(), 4, "garbage is charged like any served call");
}

#[tokio::test]
async fn a_refusal_may_hide_its_wait_or_lie() {
    for (fault, header, words) in [
        (Fault::NoRetryAfter, None, "Requested 1. Need more tokens?"),
        (Fault::RetryAfter(Nanos::HOUR), Some("3600"), "Please try again in 1h0m0s."),
    ] {
        let served = Served::start(&config(vec![Limit::new(Axis::Rpm, 1)], at_once(), &[fault])).await;
        assert_eq!(served.ask().await.status, 200);
        let refused = served.ask().await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, header));
        assert!(refused.body.contains(words), "{}", refused.body);
    }
}

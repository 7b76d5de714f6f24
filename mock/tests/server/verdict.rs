//! The verdict over HTTP, on clients that are driven by hand: the mock's clock advances only between their requests.

use crate::client::{RunningMock, chat_body, post};
use crate::control::start;
use provider::config::Limit;
use provider::{Axis, Nanos};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Returns a request whose body has this number, so that other numbers are other bodies, and these further headers.
fn request(content: u64, headers: &str) -> String {
    post("", &chat_body(&format!(r#","user":"{content}""#)))
        .replace("connection: close", &format!("{headers}connection: close"))
}

async fn verdict(mock: &RunningMock) -> Value {
    mock.get_json("/_quotalab/verdict").await
}

/// Sends these requests, each this long after the one before it.
async fn send(mock: &RunningMock, requests: impl IntoIterator<Item = String>, pause: Nanos) {
    let mut now = Nanos::SECOND;
    for request in requests {
        mock.set_clock(now);
        mock.exchange(&request).await;
        now += pause;
    }
}

#[tokio::test]
async fn five_tries_within_a_wait_with_a_nonce_each_misbehave() {
    let mock = start(vec![Limit::new(Axis::Rpm, 2)]).await;
    send(&mock, (0..7).map(|nonce| request(nonce, "")), Nanos::from_millis(60)).await;
    let verdict = verdict(&mock).await;
    assert_eq!(
        (&verdict["verdict"], &verdict["behaved"]),
        (&json!("misbehaved"), &json!(false)),
        "{verdict}"
    );
    assert_eq!(verdict["counts"]["too_early"], json!(4), "{verdict}");
}

#[tokio::test]
async fn forty_tries_on_an_overload_are_hammering() {
    let mock = start(vec![]).await;
    mock.post_json("/_quotalab/faults", &json!({ "fault": "503" })).await;
    send(&mock, (0..40).map(|_| request(0, "")), Nanos::from_millis(150)).await;
    let verdict = verdict(&mock).await;
    assert_eq!(verdict["counts"]["hammered"], json!(1), "{verdict}");
}

#[tokio::test]
async fn a_verdict_right_after_the_last_try_is_not_yet_known() {
    let mock = start(vec![Limit::new(Axis::Rpm, 1)]).await;
    send(&mock, [request(0, ""), request(1, "")], Nanos::from_millis(5)).await;
    let early = verdict(&mock).await;
    assert_eq!((&early["verdict"], &early["behaved"]), (&json!("not_yet_known"), &Value::Null), "{early}");
    assert_eq!((&early["jobs_ended_in_refusal"], &early["jobs_may_be_retried"]), (&json!(1), &json!(1)));
    let text = mock.control("GET", "/_quotalab/verdict?text", "").await;
    assert!(
        text.body.starts_with("1 of 2 jobs ended in a refusal so far; 1 may still be retried."),
        "{}",
        text.body
    );
    mock.set_clock(Nanos::from_secs(80));
    let late = verdict(&mock).await;
    assert_eq!((&late["verdict"], &late["counts"]["gave_up"]), (&json!("misbehaved"), &json!(1)), "{late}");
}

#[tokio::test]
async fn retry_counts_and_idempotency_keys_identify_retries() {
    for headers in ["x-stainless-retry-count: #\r\n", "idempotency-key: a\r\n", ""] {
        let mock = start(vec![Limit::new(Axis::Rpm, 1)]).await;
        let requests =
            (0..3).map(|count: i64| request(0, &headers.replace('#', &(count - 1).max(0).to_string())));
        send(&mock, requests, Nanos::from_secs(2)).await;
        let verdict = verdict(&mock).await;
        let expected = if headers.is_empty() { "cannot_tell" } else { "misbehaved" };
        assert_eq!(verdict["verdict"], json!(expected), "{headers} {verdict}");
    }
}

#[tokio::test]
async fn the_number_of_refused_jobs_is_the_first_member() {
    let mock = start(vec![Limit::new(Axis::Rpm, 3)]).await;
    send(&mock, (0..5).map(|job| request(job, "")), Nanos::from_millis(1)).await;
    let reply = mock.control("GET", "/_quotalab/verdict", "").await;
    assert!(reply.body.starts_with(r#"{"jobs_ended_in_refusal":2,"jobs":5,"#), "{}", reply.body);
}

#[tokio::test]
async fn requests_on_connections_that_were_open_together_are_no_retries() {
    let mock = start(vec![Limit::new(Axis::Rpm, 1)]).await;
    let mut connections = Vec::new();
    for _ in 0..6 {
        connections.push(mock.connect().await);
    }
    // The mock accepts them before the first request.
    mock.get_json("/_quotalab/clock").await;
    for (number, connection) in (1..).zip(&mut connections) {
        mock.set_clock(Nanos::from_millis(number));
        connection.write_all(request(0, "").as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        connection.read_to_end(&mut reply).await.unwrap();
    }
    let verdict = verdict(&mock).await;
    assert_eq!((&verdict["unclear"], &verdict["verdict"]), (&json!(0), &json!("not_yet_known")), "{verdict}");
    assert_eq!(verdict["jobs"], json!(6));
}

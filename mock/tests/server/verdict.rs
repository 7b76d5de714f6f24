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

/// A client with a wrong base URL repeats nothing and is refused nothing, but it did not do its work either.
#[tokio::test]
async fn calls_to_paths_that_are_not_served_are_counted_and_leave_no_good_verdict() {
    let mock = start(vec![]).await;
    mock.set_clock(Nanos::SECOND);
    let body = json!({ "model": "m", "messages": [] });
    for path in ["/chat/completions", "/chat/completions?key=secret", "/v2/chat"] {
        assert_eq!(mock.call(path, &body).await.status, 404, "{path}");
    }
    mock.set_clock(Nanos::from_secs(100));
    let verdict = verdict(&mock).await;
    let expected = json!({
        "requests": 3, "calls": 3, "other_paths": 0,
        "paths": [{ "path": "POST /chat/completions", "requests": 2 }, { "path": "POST /v2/chat", "requests": 1 }],
    });
    assert_eq!(verdict["unserved_paths"], expected);
    assert_eq!((&verdict["keys"][0]["account"], &verdict["keys"][0]["key"]), (&json!("x"), &json!(1)));
    let journal = mock.get_json("/_quotalab/requests").await;
    assert_eq!(
        (&journal["requests"][0]["unserved_path"], &journal["requests"][0]["outcome"]),
        (&json!(true), &json!("rejected"))
    );
    let text = mock.control("GET", "/_quotalab/verdict?text&account=x&key=1", "").await.body;
    assert!(text.contains("3 requests went to paths that are not served"), "{text}");
    assert!(text.contains("  POST /chat/completions (2 requests)") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_client_whose_calls_reach_no_endpoint_is_misdirected() {
    for (method, expected) in [("GET", "behaved"), ("HEAD", "behaved"), ("POST", "misdirected")] {
        let mock = start(vec![]).await;
        mock.send(method, "/nowhere", &[], "").await;
        mock.ask().await;
        mock.set_clock(Nanos::from_secs(100));
        let verdict = verdict(&mock).await;
        assert_eq!(verdict["verdict"], expected, "{method}: {verdict}");
        assert_eq!(verdict["behaved"], if expected == "behaved" { json!(true) } else { Value::Null });
        assert_eq!(verdict["unserved_paths"]["requests"], 1, "{method}");
    }
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

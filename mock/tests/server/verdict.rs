//! The verdict over HTTP, on clients that the tests imitate: the mock's clock advances only between their requests.

use crate::client::{RunningMock, chat_body, post};
use crate::control::start;
use provider::config::Limit;
use provider::{Axis, Nanos};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Returns a request with these further headers, whose body contains `content`, so that different numbers make different bodies.
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
async fn retries_before_the_end_of_a_wait_are_too_early_even_if_each_has_a_nonce() {
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

/// A client with a wrong base URL commits no violation, but none of its calls reaches an endpoint.
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

/// Sends requests, as [`send`] does. Returns the verdict ten minutes after the start, and the numbers of jobs, retries, unclear
/// requests, violations, and `hopeless` violations.
async fn judged(requests: impl IntoIterator<Item = String>, pause: Nanos) -> (String, [u64; 5]) {
    let mock = start(vec![]).await;
    send(&mock, requests, pause).await;
    mock.set_clock(Nanos::from_secs(600));
    let verdict = verdict(&mock).await;
    let counts = verdict["counts"].as_object().unwrap();
    let violations = counts.values().filter_map(Value::as_u64).sum();
    let count = |name: &str| verdict[name].as_u64().unwrap();
    let hopeless = counts["hopeless"].as_u64().unwrap();
    let numbers = [count("jobs"), count("retries"), count("unclear"), violations, hopeless];
    (verdict["verdict"].as_str().unwrap().to_owned(), numbers)
}

/// The content of a request that was refused before its body was read is unknown: only headers of the client can identify it as a
/// retry. But repeated use of a refused key is a violation, whatever the jobs are.
#[tokio::test]
async fn different_jobs_that_are_refused_before_their_bodies_are_read_are_no_retries() {
    let changes = [
        ("POST /openai/v1/chat", "POST /chat", "misdirected"),
        ("Bearer k1", "Bearer wrong", "misbehaved"),
        ("POST", "PUT", "cannot_tell"),
    ];
    for (right, wrong, quick) in changes {
        let change = |request: &str| request.replacen(right, wrong, 1);
        for pause in [Nanos::from_millis(1), Nanos::from_millis(1_200), Nanos::from_secs(20)] {
            let plain = judged((0..5).map(|job| change(&request(job, ""))), pause).await;
            // After ten seconds no retry is expected any more.
            let slow = if quick == "misdirected" { quick } else { "behaved" };
            let may_be_retries = quick != "misdirected" && pause < Nanos::from_secs(10);
            let (expected, unclear) = if may_be_retries { (quick, 4) } else { (slow, 0) };
            let hopeless = if expected == "misbehaved" { 4 } else { 0 };
            assert_eq!(plain, (expected.to_owned(), [5, 0, unclear, hopeless, hopeless]), "{pause}");
            for headers in ["x-stainless-retry-count: 0\r\n", "idempotency-key: #\r\n"] {
                let jobs = (0..5).map(|job| change(&request(job, &headers.replace('#', &job.to_string()))));
                assert_eq!(
                    judged(jobs, pause).await,
                    (slow.to_owned(), [5, 0, 0, 0, 0]),
                    "{headers} {pause}"
                );
            }
        }
        for headers in ["x-stainless-retry-count: #\r\n", "idempotency-key: a\r\n"] {
            let tries = (0..3).map(|count| change(&request(0, &headers.replace('#', &count.to_string()))));
            let expected = ("misbehaved".to_owned(), [1, 2, 0, 2, 2]);
            assert_eq!(judged(tries, Nanos::SECOND).await, expected, "{headers}");
        }
    }
}

fn unknown_model(job: u64) -> String {
    post("", &chat_body(&format!(r#","user":"{job}""#)).replace(r#""model":""#, r#""model":"no-"#))
}

fn wrong_parameter(job: u64) -> String {
    post("", &chat_body(&format!(r#","temperature":9,"user":"{job}""#)))
}

#[tokio::test]
async fn different_jobs_that_fail_permanently_are_no_violation_and_equal_ones_are_hopeless() {
    for failing in [unknown_model, wrong_parameter] {
        for pause in [Nanos::from_millis(1), Nanos::from_millis(1_200)] {
            let different = judged((0..6).map(failing), pause).await;
            assert_eq!(different, ("behaved".to_owned(), [6, 0, 0, 0, 0]), "{pause}");
            let (verdict, [.., hopeless]) = judged((0..5).map(|_| failing(0)), pause).await;
            assert_eq!((verdict.as_str(), hopeless), ("misbehaved", 4), "{pause}");
            let (verdict, [_, _, unclear, violations, _]) = judged((0..2).map(|_| failing(0)), pause).await;
            assert_eq!((verdict.as_str(), unclear, violations), ("cannot_tell", 1, 0), "{pause}");
        }
    }
}

#[tokio::test]
async fn probes_of_paths_that_are_not_served_are_no_violations() {
    for method in ["GET", "HEAD"] {
        for pause in [Nanos::from_millis(1), Nanos::from_millis(400), Nanos::from_millis(1_100)] {
            let probe = format!("{method} /healthz HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n");
            let probes = std::iter::repeat_n(probe, 12);
            assert_eq!(
                judged(probes, pause).await,
                ("behaved".to_owned(), [12, 0, 0, 0, 0]),
                "{method} {pause}"
            );
        }
    }
}

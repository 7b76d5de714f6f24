//! Every fault as a client sees it.

use crate::client::{Observed, RunningMock, admitted, chat_body, config, no_latency, post, settled};
use provider::config::{Fault, Limit, ServiceTimeDist, WaitForm};
use provider::decision::Decision;
use provider::dist::Dist;
use provider::fault::{FaultSyntax, NAMES};
use provider::server::ControlPlane;
use provider::{Axis, Nanos};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_status_fault_has_the_error_text_of_the_provider() {
    for (status, code, message) in [
        (503, None, "is currently over capacity. Please try again and back off exponentially."),
        (500, None, "Internal Server Error"),
        (502, None, "Bad Gateway"),
        (498, Some("capacity_exceeded"), "capacity"),
        (429, Some("rate_limit_exceeded"), "Too Many Requests"),
        (529, None, "529"),
    ] {
        let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::Status(status)])).await;
        let reply = mock.ask().await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, error["code"].as_str()), (status, code));
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        assert!(matches!(mock.stop().await[..], [Observed::Decided(..)]), "nothing to settle");
    }
}

#[tokio::test]
async fn a_reset_closes_the_connection_before_the_head() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::Reset])).await;
    assert_eq!(mock.exchange(&post("", &chat_body(""))).await, "");
}

#[tokio::test]
async fn a_timeout_holds_the_connection_without_a_reply() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::Timeout])).await;
    let mut socket = mock.connect().await;
    socket.write_all(post("", &chat_body("")).as_bytes()).await.unwrap();
    mock.wait_for(|seen| !seen.is_empty()).await;
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(50), socket.read(&mut byte)).await;
    assert!(read.is_err(), "replied or closed: {read:?}");
    assert_eq!(mock.stop().await.len(), 1);
}

/// A timeout is not a client that disconnected before the end of a reply: there is no reply.
#[tokio::test]
async fn the_journal_distinguishes_a_timeout_from_a_disconnected_client() {
    let slow = ServiceTimeDist::Total(Dist::Constant(60.0));
    let mock = RunningMock::start_with(&config(vec![], slow, &[]), ControlPlane::Enabled).await;
    for (faults, disconnected, timed_out) in [(0, true, false), (1, false, true)] {
        if faults > 0 {
            mock.post_json("/_quotalab/faults", &json!({ "fault": "timeout", "next": faults })).await;
        }
        let before = mock.observed().len();
        let mut socket = mock.connect().await;
        socket.write_all(post("", &chat_body("")).as_bytes()).await.unwrap();
        mock.wait_for(|seen| seen.len() > before).await;
        drop(socket);
        let mut entry = json!(null);
        for _ in 0..2_000 {
            entry = mock.get_json("/_quotalab/requests?last=1").await["requests"][0].clone();
            if !entry["ended_s"].is_null() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ends = (&entry["disconnected"], &entry["timed_out"]);
        assert_eq!(ends, (&json!(disconnected), &json!(timed_out)), "{entry}");
        assert_eq!(entry["charged_tokens"], json!(if timed_out { 0 } else { 1 }), "{entry}");
    }
}

#[tokio::test]
async fn a_cut_reply_is_half_as_long_as_its_content_length() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::CutStream])).await;
    let reply = mock.ask().await;
    let announced: usize = reply.header("content-length").unwrap().parse().unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, announced / 2));
}

#[tokio::test]
async fn garbage_is_a_200_with_a_body_that_is_not_json() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::Garbage])).await;
    for more in ["", r#","stream":true"#] {
        let reply = mock.chat("", &chat_body(more)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html")));
        assert!(serde_json::from_str::<serde_json::Value>(&reply.body).is_err());
    }
    assert_eq!(mock.stop().await.len(), 4, "it is charged like any served call");
}

#[tokio::test]
async fn a_refusal_may_omit_its_wait_or_announce_another() {
    for (fault, header, message) in [
        (Fault::NoRetryAfter, None, "Requested 1. Need more tokens?"),
        (Fault::RetryAfter(Nanos::HOUR), Some("3600"), "Please try again in 1h0m0s."),
    ] {
        let mock = RunningMock::start(&config(vec![Limit::new(Axis::Rpm, 1)], no_latency(), &[fault])).await;
        assert_eq!(mock.ask().await.status, 200);
        let refused = mock.ask().await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, header));
        assert!(refused.body.contains(message), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_reset_after_the_head_sends_no_body() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::ResetAfterHead])).await;
    for (more, kind) in [("", "application/json"), (r#","stream":true"#, "text/event-stream")] {
        let reply = mock.chat("prompt=10;completion=5;draw=1;tag=9", &chat_body(more)).await;
        assert_eq!((reply.status, reply.header("content-type"), reply.body.as_str()), (200, Some(kind), ""));
        assert!(reply.header("content-length").unwrap().parse::<usize>().unwrap() > 0);
    }
    assert_eq!(mock.stop().await.len(), 4, "both are charged for their prompts");
}

#[tokio::test]
async fn a_stream_may_end_before_its_first_token() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::AbortBeforeToken])).await;
    let reply = mock.chat("prompt=10;completion=5;draw=1;tag=9", &chat_body(r#","stream":true"#)).await;
    let events: Vec<_> = reply.body.split_terminator("\n\n").collect();
    assert_eq!((reply.status, events.len()), (200, 1), "{}", reply.body);
    assert!(events[0].contains(r#""role":"assistant","content":"""#), "{}", events[0]);
}

#[tokio::test]
async fn truncated_json_comes_in_a_complete_reply() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::Truncated])).await;
    for (more, kind) in [("", "application/json"), (r#","stream":true"#, "text/event-stream")] {
        let reply = mock.chat("prompt=10;completion=5;draw=1;tag=9", &chat_body(more)).await;
        let announced: usize = reply.header("content-length").unwrap().parse().unwrap();
        assert_eq!((reply.header("content-type"), reply.body.len()), (Some(kind), announced));
        let json = reply.body.trim_start_matches("data: ");
        assert!(json.starts_with(r#"{"id":"#));
        assert!(serde_json::from_str::<serde_json::Value>(json).is_err_and(|error| error.is_eof()), "{json}");
    }
}

#[tokio::test]
async fn a_reply_may_have_the_wrong_content_type() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::WrongType])).await;
    let whole = mock.ask().await;
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("text/html")));
    assert_eq!(whole.json()["object"], "chat.completion");
    let stream = mock.chat("", &chat_body(r#","stream":true"#)).await;
    assert_eq!(stream.header("content-type"), Some("text/html"));
    assert!(stream.body.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_200_may_contain_an_error() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::ErrorInside])).await;
    let whole = mock.ask().await;
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("application/json")));
    assert!(whole.json()["error"]["message"].as_str().unwrap().contains("over capacity"));
    let stream = mock.chat("", &chat_body(r#","stream":true"#)).await;
    assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
    let event = stream.body.strip_prefix("event: error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(event).unwrap()["error"].is_object());
    assert!(
        matches!(mock.stop().await[..], [Observed::Decided(..), Observed::Decided(..)]),
        "nothing to settle"
    );
}

#[tokio::test]
async fn a_throttle_is_a_429_with_a_wait_and_without_a_limit() {
    let fault = Fault::Throttle(Nanos::from_millis(4_200));
    let mock = RunningMock::start(&config(vec![Limit::new(Axis::Rpm, 30)], no_latency(), &[fault])).await;
    let reply = mock.ask().await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("5")));
    assert!(!reply.body.contains("RPM"), "{}", reply.body);
}

#[tokio::test]
async fn retry_after_is_written_in_every_form() {
    for (form, header, message) in [
        (WaitForm::Fraction, "8.571428572", "Please try again in 8.571428572s."),
        (WaitForm::Date, "Sun, 01 Nov 2026 00:00:09 GMT", "Please try again in 8.571428572s."),
        (WaitForm::Negative, "-1", "Requested 1. Need more tokens?"),
        (WaitForm::Absurd, "99999999999999999999", "Requested 1. Need more tokens?"),
    ] {
        let faults = [Fault::RetryAfterAs(form)];
        let mock = RunningMock::start(&config(vec![Limit::new(Axis::Rpm, 7)], no_latency(), &faults)).await;
        for _ in 0..7 {
            assert_eq!(mock.ask().await.header("retry-after"), None);
        }
        let refused = mock.ask().await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some(header)));
        assert!(refused.body.contains(message), "{}", refused.body);
        let dated = form == WaitForm::Date;
        assert_eq!(refused.header("date") == Some("Sun, 01 Nov 2026 00:00:00 GMT"), dated);
    }
}

#[tokio::test]
async fn limit_headers_may_be_absent_and_the_clock_wrong() {
    let limits = vec![Limit::new(Axis::Rpd, 1), Limit::new(Axis::Tpm, 8000)];
    let mock = RunningMock::start(&config(limits.clone(), no_latency(), &[Fault::NoLimitHeaders])).await;
    for status in [200, 429] {
        let reply = mock.ask().await;
        assert_eq!(reply.status, status);
        let is_limit_header = |name: &str| name.contains("ratelimit") || name == "retry-after";
        assert!(!reply.headers.iter().any(|(name, _)| is_limit_header(name)), "{:?}", reply.headers);
    }
    for (fault, date) in [
        (Fault::ClockAhead(Nanos::HOUR), "Sun, 01 Nov 2026 01:00:00 GMT"),
        (Fault::ClockBehind(Nanos::DAY), "Sat, 31 Oct 2026 00:00:00 GMT"),
    ] {
        let mock = RunningMock::start(&config(limits.clone(), no_latency(), &[fault])).await;
        let reply = mock.ask().await;
        assert_eq!((reply.status, reply.header("date")), (200, Some(date)));
        assert_eq!(reply.headers.iter().filter(|(name, _)| name == "date").count(), 1);
    }
}

#[tokio::test]
async fn the_first_token_may_be_late_and_the_others_slow() {
    // A thousand tokens a second: of five, the last four take 4 ms.
    let service = ServiceTimeDist::Split {
        before_prefill: Dist::Constant(0.01),
        prefill_speed: None,
        cached_prefill_speed: None,
        decode_speed: 1_000.0,
    };
    for (fault, first, rest) in
        [(Fault::LateFirstToken(Nanos::from_millis(30)), 40, 4), (Fault::SlowTokens(10.0), 10, 40)]
    {
        let mock = RunningMock::start(&config(vec![], service.clone(), &[fault])).await;
        mock.ask().await;
        let seen = mock.stop().await;
        let Observed::Decided(_, _, report) = &seen[0] else { panic!("{seen:?}") };
        let Decision::Admitted(service) = report.decision else { panic!("{report:?}") };
        assert_eq!(service.time.first_token, Nanos::from_millis(first));
        assert_eq!(service.time.decode, Nanos::from_millis(rest));
    }
}

#[tokio::test]
async fn every_named_fault_can_be_injected() {
    for (name, syntax) in NAMES {
        let mock = RunningMock::start_with(
            &config(vec![Limit::new(Axis::Rpm, 1)], no_latency(), &[]),
            ControlPlane::Enabled,
        )
        .await;
        let fault = match syntax {
            FaultSyntax::Plain(_) => format!(r#""{name}""#),
            FaultSyntax::Factor(_) => format!(r#"{{"{name}":"2x"}}"#),
            FaultSyntax::Duration(_) => format!(r#"{{"{name}":"1ms"}}"#),
        };
        let injection = format!(r#"{{"fault":{fault},"next":2}}"#);
        assert_eq!(mock.control("POST", "/_quotalab/faults", &injection).await.status, 200, "{injection}");
        if name != "timeout" {
            mock.exchange(&post("", &chat_body(""))).await;
            mock.exchange(&post("", &chat_body(r#","stream":true"#))).await;
        }
        let left = mock.control("GET", "/_quotalab/faults", "").await.json();
        assert_eq!(left["faults"].as_array().unwrap().len(), usize::from(name == "timeout"), "{name}");
        let seen = mock.stop().await;
        let admitted = admitted(&seen);
        assert_eq!(settled(&seen), admitted, "{name}: {seen:?}");
    }
}

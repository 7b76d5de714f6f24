//! What a test changes in a running mock: levels, the clock, faults of some requests, settings; and what it reads back.

use crate::client::{MODEL, RunningMock, chat_body, config, no_latency, post};
use crate::control::start;
use provider::config::{Limit, ModelConfig, RefillPolicy, ServiceTimeDist};
use provider::dist::Dist;
use provider::server::{ControlPlane, Mock, SharedClock, serve};
use provider::{Axis, Instant, Nanos};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Returns what remains of the limit `index` of an account.
async fn remaining(mock: &RunningMock, account: usize, index: usize) -> Value {
    let state = mock.get_json("/_quotalab/state").await;
    state["accounts"][account]["models"][0]["limits"][index]["remaining"].clone()
}

async fn statuses(mock: &RunningMock, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(mock.ask().await.status);
    }
    statuses
}

#[tokio::test]
async fn a_level_is_set_for_all_or_for_one_account() {
    let mock = start(vec![Limit::new(Axis::Rpd, 1_000), Limit::new(Axis::Tpm, 8_000)]).await;
    mock.post_json("/_quotalab/limits", &json!({ "account": "x", "model": MODEL, "rpd": "2 left" })).await;
    assert_eq!((remaining(&mock, 0, 0).await, remaining(&mock, 1, 0).await), (json!(2), json!(1_000)));
    assert_eq!(statuses(&mock, 3).await, [200, 200, 429]);
    let refused = mock.ask().await;
    assert!(refused.body.contains("Limit 1000, Used 1000, Requested 1"), "{}", refused.body);
    mock.post_json("/_quotalab/limits", &json!({ "rpd": "50% left", "tpm": "7.99k used" })).await;
    assert_eq!((remaining(&mock, 0, 0).await, remaining(&mock, 1, 1).await), (json!(500), json!(10)));
    assert_eq!(mock.ask().await.status, 429, "too few tokens are left");
    let error = mock.control("POST", "/_quotalab/limits", r#"{"rpd":1001}"#).await;
    assert!(error.body.contains("has a capacity of 1000"), "{}", error.body);
    assert_eq!(remaining(&mock, 0, 0).await, json!(500), "an error changes nothing");
}

#[tokio::test]
async fn a_level_that_is_set_is_not_changed_by_calls_in_flight() {
    for policy in
        [RefillPolicy::Bucket, RefillPolicy::Fixed, RefillPolicy::SlidingLog, RefillPolicy::SlidingCounter]
    {
        let slow = ServiceTimeDist::Total(Dist::Constant(0.05));
        let limits = vec![Limit { refill: policy, ..Limit::new(Axis::Tpm, 8_000) }];
        let mock = RunningMock::start_with(&config(limits, slow, &[]), ControlPlane::Enabled).await;
        let (reply, ()) = tokio::join!(mock.ask(), async {
            mock.wait_for(|seen| !seen.is_empty()).await;
            mock.post_json("/_quotalab/limits", &json!({ "tpm": "8k left" })).await;
        });
        assert_eq!((reply.status, remaining(&mock, 0, 0).await), (200, json!(8_000)), "{policy:?}");
    }
}

#[tokio::test]
async fn the_clock_goes_forward_and_back() {
    let limit = Limit { refill: RefillPolicy::Calendar(provider::Zone::Utc), ..Limit::new(Axis::Rpd, 2) };
    let mock = start(vec![limit]).await;
    assert_eq!(statuses(&mock, 3).await, [200, 200, 429]);
    let set = async |change: Value| mock.post_json("/_quotalab/clock", &change).await["now_s"].clone();
    assert_eq!(set(json!({ "advance": "23h59m" })).await, json!(86_340.0));
    assert_eq!(statuses(&mock, 1).await, [429], "a minute before midnight");
    assert_eq!(set(json!({ "advance": "1m" })).await, json!(86_400.0));
    assert_eq!(statuses(&mock, 2).await, [200, 200]);
    assert_eq!(set(json!({ "back": "12h" })).await, json!(43_200.0));
    assert_eq!(statuses(&mock, 1).await, [429], "the levels stay");
    assert_eq!(set(json!({ "set": "2d" })).await, json!(172_800.0));
    assert_eq!(statuses(&mock, 1).await, [200]);
    assert_eq!(set(json!({ "set": "0s" })).await, json!(0.0));
    mock.set_clock(Nanos::from_secs(5));
    assert_eq!(mock.get_json("/_quotalab/clock").await["now_s"], json!(5.0), "it goes on from there");
}

#[tokio::test]
async fn a_call_in_flight_survives_every_change_of_the_clock() {
    let slow = ServiceTimeDist::Total(Dist::Constant(0.1));
    let limits = vec![Limit::new(Axis::Rpm, 9), Limit::new(Axis::Concurrency, 1)];
    let mock = RunningMock::start_with(&config(limits, slow, &[]), ControlPlane::Enabled).await;
    for stream in ["", r#","stream":true"#] {
        for change in [json!({ "back": "30m" }), json!({ "set": "0s" }), json!({ "advance": "2h" })] {
            mock.post_json("/_quotalab/clock", &json!({ "set": "1h" })).await;
            let before = mock.observed().len();
            let body = chat_body(stream);
            let (reply, ()) = tokio::join!(mock.chat("prompt=10;completion=5;draw=1;tag=9", &body), async {
                mock.wait_for(|seen| seen.len() > before).await;
                mock.post_json("/_quotalab/clock", &change).await;
            });
            assert_eq!(reply.status, 200, "{change}");
            assert_eq!(mock.control("POST", "/_quotalab/reset", "").await.status, 200);
        }
    }
}

/// After the clock has gone back, a call in flight stays charged as reserved, whatever it uses; after a reset it is not charged.
#[tokio::test]
async fn the_journal_agrees_with_the_level_after_the_clock_goes_back_and_after_a_reset() {
    let slow = ServiceTimeDist::Total(Dist::Constant(0.1));
    let mock = RunningMock::start_with(
        &config(vec![Limit::new(Axis::Tpd, 8_000)], slow, &[]),
        ControlPlane::Enabled,
    )
    .await;
    for (change, charged) in [
        (&[][..], 15),
        (&["clock"], 110),
        (&["clock", "clock"], 110),
        (&["reset"], 0),
        (&["clock", "reset"], 0),
        (&["reset", "clock"], 0),
    ] {
        mock.control("POST", "/_quotalab/reset", "").await;
        mock.post_json("/_quotalab/clock", &json!({ "set": "1h" })).await;
        let before = mock.observed().len();
        let body = chat_body("");
        let (reply, ()) = tokio::join!(mock.chat("prompt=10;completion=5;draw=1;tag=9", &body), async {
            mock.wait_for(|seen| seen.len() > before).await;
            for change in change {
                let body = if *change == "clock" { json!({ "back": "1s" }) } else { json!({}) };
                mock.control("POST", &format!("/_quotalab/{change}"), &body.to_string()).await;
            }
        });
        assert_eq!((reply.status, remaining(&mock, 0, 0).await), (200, json!(8_000 - charged)), "{change:?}");
        let requests = mock.get_json("/_quotalab/requests").await["requests"].clone();
        let in_journal = requests.as_array().unwrap().last();
        let is_kept = !change.contains(&"reset");
        assert_eq!(in_journal.is_some(), is_kept, "{change:?}");
        assert!(in_journal.is_none_or(|entry| entry["charged_tokens"] == json!(charged)), "{requests}");
    }
}

#[tokio::test]
async fn a_reset_restores_the_clock_and_the_random_streams() {
    let mock = start(vec![Limit::new(Axis::Rpm, 5)]).await;
    let body = chat_body("");
    let mut runs = Vec::new();
    for _ in 0..2 {
        mock.post_json("/_quotalab/clock", &json!({ "advance": "7s" })).await;
        mock.post_json("/_quotalab/faults", &json!({ "fault": "503", "share": "50%" })).await;
        let mut run = Vec::new();
        for _ in 0..8 {
            run.push(mock.exchange(&post("", &body)).await);
        }
        runs.push(run);
        mock.control("POST", "/_quotalab/reset", "{}").await;
        assert_eq!(mock.get_json("/_quotalab/clock").await["now_s"], json!(0.0));
    }
    let without_date = |run: &[String]| -> Vec<String> {
        run.iter().map(|reply| reply.lines().filter(|line| !line.starts_with("date:")).collect()).collect()
    };
    assert_eq!(without_date(&runs[0]), without_date(&runs[1]));
}

#[tokio::test]
async fn a_reset_of_one_account_leaves_the_other() {
    let mock = start(vec![Limit::new(Axis::Rpm, 1)]).await;
    mock.ask().await;
    mock.exchange(&post("", &chat_body("")).replace("Bearer k1", "Bearer k3")).await;
    assert_eq!((remaining(&mock, 0, 0).await, remaining(&mock, 1, 0).await), (json!(0), json!(0)));
    mock.post_json("/_quotalab/reset", &json!({ "account": "y" })).await;
    assert_eq!((remaining(&mock, 0, 0).await, remaining(&mock, 1, 0).await), (json!(0), json!(1)));
    assert_eq!(mock.get_json("/_quotalab/requests").await["total"], json!(2), "the journal stays");
}

#[tokio::test]
async fn mocks_that_share_a_clock_are_changed_together() {
    let clock = SharedClock::new(Arc::new(|| Instant(1_000_000_000)));
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let config = config(vec![Limit::new(Axis::Rpd, 1)], no_latency(), &[]);
        let mock = Mock::new(&config, 7, Arc::new(|| Instant::ZERO), None);
        let mock = mock.with_control_plane(ControlPlane::Enabled).sharing(&clock);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        tokio::spawn(serve(listener, mock, std::future::pending()));
    }
    let control = |index: usize, method: &'static str, path: &'static str, body: &'static str| {
        let address = addresses[index];
        async move { crate::client::control_at(address, method, path, body).await }
    };
    let chat = chat_body("");
    let ask = |index: usize| crate::client::exchange_at(addresses[index], post("", &chat));
    assert!(ask(1).await.starts_with("HTTP/1.1 200") && ask(1).await.starts_with("HTTP/1.1 429"));
    control(0, "POST", "/_quotalab/clock", r#"{"advance":"1d"}"#).await;
    assert_eq!(control(1, "GET", "/_quotalab/clock", "").await["now_s"], json!(86_401.0));
    assert!(ask(1).await.starts_with("HTTP/1.1 200"), "a day later");
    control(0, "POST", "/_quotalab/reset", "").await;
    assert_eq!(control(1, "GET", "/_quotalab/clock", "").await["now_s"], json!(0.0));
    assert_eq!(control(1, "GET", "/_quotalab/requests", "").await["total"], json!(0));
    assert!(ask(1).await.starts_with("HTTP/1.1 200"), "a reset resets all");
}

#[tokio::test]
async fn faults_affect_a_model_an_account_a_path_or_the_nth_request() {
    let mut config = config(vec![], no_latency(), &[]);
    config.models.push(ModelConfig { name: "other".into(), ..config.models[0].clone() });
    let mock = RunningMock::start_with(&config, ControlPlane::Enabled).await;
    let ask = async |model: &str, key: &str| {
        let body = chat_body("").replace(MODEL, model);
        let request = post("", &body).replace("Bearer k1", &format!("Bearer {key}"));
        crate::client::HttpReply::parse(&mock.exchange(&request).await).status
    };
    for (fault, expected) in [
        (json!({ "fault": "503", "model": "other" }), [200, 503, 200]),
        (json!({ "fault": "503", "account": "y" }), [200, 200, 503]),
        (json!({ "fault": "503", "path": "/openai/v1/chat/completions" }), [503, 503, 503]),
        (json!({ "fault": "503", "path": "/openai/v1/audio/*" }), [200, 200, 200]),
        (json!({ "fault": "503", "nth": 2 }), [200, 503, 200]),
        (json!({ "fault": "503", "nth": 2, "next": 2 }), [200, 503, 503]),
        (json!({ "sequence": [503, 429, "ok"] }), [503, 429, 200]),
        (json!({ "sequence": ["ok", { "throttle": "2s" }] }), [200, 429, 200]),
        (json!({ "sequence": [503] }), [503, 200, 200]),
        (json!({ "sequence": [503, "ok"], "next": 3 }), [503, 200, 503]),
        (json!({ "sequence": [503, "ok"], "for": "1h" }), [503, 200, 503]),
    ] {
        mock.post_json("/_quotalab/faults", &fault).await;
        let found = [ask(MODEL, "k1").await, ask("other", "k2").await, ask(MODEL, "k3").await];
        assert_eq!(found, expected, "{fault}");
        mock.control("DELETE", "/_quotalab/faults", "").await;
    }
}

#[tokio::test]
async fn the_journal_has_the_request_and_what_it_was_charged() {
    let mock = start(vec![Limit::new(Axis::Rpm, 2), Limit::new(Axis::Tpm, 8_000)]).await;
    let body = chat_body("");
    let headers = "user-agent: test/1\r\nx-stainless-retry-count: 1\r\nidempotency-key: abc\r\nconnection";
    let request = post("prompt=10;completion=5;draw=1;tag=9", &body).replace("connection", headers);
    mock.exchange(&request.replace("Bearer k1", "Bearer k2")).await;
    mock.post_json("/_quotalab/settings", &json!({ "keep_bodies": true })).await;
    mock.exchange(&request).await;
    mock.exchange(&request).await;
    let journal = mock.get_json("/_quotalab/requests").await;
    let [first, second, third] = [0, 1, 2].map(|index| journal["requests"][index].clone());
    for (member, expected) in [
        ("method", json!("POST")),
        ("path", json!("/openai/v1/chat/completions")),
        ("account", json!("x")),
        ("key", json!(2)),
        ("user_agent", json!("test/1")),
        ("retry_count", json!(1)),
        ("has_idempotency_key", json!(true)),
        ("request_bytes", json!(body.len())),
        ("reserved_tokens", json!(110)),
        ("charged_tokens", json!(15)),
        ("body", Value::Null),
        ("disconnected", json!(false)),
    ] {
        assert_eq!(first[member], expected, "{member}");
    }
    assert_eq!((&second["key"], &second["body"]), (&json!(1), &json!(body)));
    assert_eq!(
        (&third["outcome"], &third["reserved_tokens"], &third["charged_tokens"]),
        (&json!("refused"), &json!(0), &json!(0))
    );
    let of = async |query: &str| {
        let path = format!("/_quotalab/requests?{query}");
        mock.get_json(&path).await["requests"].as_array().unwrap().len()
    };
    assert_eq!([of("account=x").await, of("account=x&key=2").await, of("account=y").await], [3, 1, 0]);
    let key = mock.get_json("/_quotalab/verdict?account=x&key=1").await;
    assert_eq!((&key["requests"], &key["keys"][0]["key"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn latency_is_scaled() {
    let slow = ServiceTimeDist::Total(Dist::Constant(30.0));
    let mock = RunningMock::start_with(&config(vec![], slow, &[]), ControlPlane::Enabled).await;
    let settings = mock.post_json("/_quotalab/settings", &json!({ "speed": 0 })).await;
    assert_eq!(settings, json!({ "speed": 0.0, "keep_bodies": false }));
    assert_eq!(mock.ask().await.status, 200);
    mock.post_json("/_quotalab/settings", &json!({ "speed": 1000 })).await;
    assert_eq!(
        mock.chat("prompt=1;completion=3;draw=1;tag=9", &chat_body(r#","stream":true"#)).await.status,
        200
    );
}

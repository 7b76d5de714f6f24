//! The control plane over HTTP, as a test in any language uses it.

use crate::client::{MODEL, Observed, RunningMock, admitted, chat_body, config, no_latency, post, settled};
use provider::config::{Limit, ServiceTimeDist};
use provider::dist::Dist;
use provider::server::ControlPlane;
use provider::{Axis, Nanos};
use serde_json::{Value, json};

pub(crate) async fn start(limits: Vec<Limit>) -> RunningMock {
    RunningMock::start_with(&config(limits, no_latency(), &[]), ControlPlane::Enabled).await
}

impl RunningMock {
    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let reply = self.control("GET", path, "").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Value {
        let reply = self.control("POST", path, &body.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }
}

#[tokio::test]
async fn a_mock_without_a_control_plane_does_not_know_its_paths() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    for path in ["/_quotalab/state", "/_quotalab", "/metrics"] {
        assert_eq!(mock.control("GET", path, "").await.status, 404, "{path}");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k1\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(crate::client::HttpReply::parse(&mock.exchange(&request).await).status, 404, "{path}");
    }
}

#[tokio::test]
async fn advancing_the_clock_refills_a_daily_limit() {
    let mock = start(vec![Limit::new(Axis::Rpd, 2)]).await;
    for status in [200, 200, 429] {
        assert_eq!(mock.ask().await.status, status);
    }
    // The bucket of two per day refills one in half a day.
    let clock = mock.post_json("/_quotalab/clock", &json!({ "advance": "12h" })).await;
    assert_eq!(clock, json!({ "now_s": 43_200.0 }));
    for status in [200, 429] {
        assert_eq!(mock.ask().await.status, status);
    }
    assert_eq!(mock.get_json("/_quotalab/clock").await, clock, "the clock does not advance by itself");
}

#[tokio::test]
async fn state_lists_every_level_and_reset_restores_the_start() {
    let mock = start(vec![Limit::new(Axis::Rpm, 30), Limit::new(Axis::Tpm, 8000)]).await;
    let initial = mock.get_json("/_quotalab/state").await;
    mock.ask().await;
    let state = mock.get_json("/_quotalab/state").await;
    let model = &state["accounts"][0]["models"][0];
    assert_eq!((&state["accounts"][0]["name"], &model["name"]), (&json!("x"), &json!(MODEL)));
    assert_eq!((&model["limits"][0]["axis"], &model["limits"][0]["remaining"]), (&json!("rpm"), &json!(29)));
    assert_eq!(
        (&model["limits"][1]["limit"], &model["limits"][1]["remaining"]),
        (&json!(8000), &json!(7985))
    );
    assert_eq!(state["accounts"][1], initial["accounts"][1], "the other account is not charged");
    mock.post_json("/_quotalab/faults", &json!({ "fault": "503" })).await;
    assert_eq!(mock.control("POST", "/_quotalab/reset", "").await.json(), initial);
    assert_eq!(mock.ask().await.status, 200, "the injected fault is removed");
    assert_eq!(mock.get_json("/_quotalab/requests").await["total"], json!(1));
}

#[tokio::test]
async fn calls_in_flight_at_a_reset_are_charged_to_no_limit_and_settled_once() {
    let slow = ServiceTimeDist::Total(Dist::Constant(0.15));
    let limits = vec![Limit::new(Axis::Concurrency, 1), Limit::new(Axis::Rpm, 9)];
    let mock = RunningMock::start_with(&config(limits, slow, &[]), ControlPlane::Enabled).await;
    let body = chat_body("");
    let request = post("prompt=1;completion=1;draw=1;tag=1", &body);
    let (first, ()) = tokio::join!(mock.exchange(&request), async {
        mock.wait_for(|seen| admitted(seen) == 1).await;
        mock.control("POST", "/_quotalab/reset", "").await;
        assert_eq!(mock.ask().await.status, 200, "the concurrency limit is free again");
    });
    assert!(first.starts_with("HTTP/1.1 200"));
    let state = mock.get_json("/_quotalab/state").await;
    let remaining = |limit: usize| state["accounts"][0]["models"][0]["limits"][limit]["remaining"].clone();
    assert_eq!((remaining(0), remaining(1)), (json!(1), json!(8)), "the first call is not charged");
    let seen = mock.stop().await;
    assert_eq!((admitted(&seen), settled(&seen)), (2, 2));
}

#[tokio::test]
async fn the_journal_lists_requests_without_their_keys() {
    let mock = start(vec![Limit::new(Axis::Rpm, 1)]).await;
    mock.ask().await;
    mock.chat("", &chat_body(r#","stream":true"#)).await;
    mock.exchange(&post("", &chat_body("")).replace("Bearer k1", "Bearer unknown-secret")).await;
    mock.chat("", "{").await;
    let journal = mock.control("GET", "/_quotalab/requests", "").await;
    assert!(!journal.body.contains("unknown-secret") && !journal.body.contains("k1"), "{}", journal.body);
    let journal = journal.json();
    let column = |name: &str| -> Vec<Value> {
        journal["requests"].as_array().unwrap().iter().map(|request| request[name].clone()).collect()
    };
    assert_eq!(column("outcome"), ["served", "refused", "rejected", "rejected"]);
    assert_eq!(column("status"), [200, 429, 401, 400]);
    assert_eq!(column("wait_s"), [json!(null), json!(60.0), json!(null), json!(null)]);
    assert_eq!(column("account"), [json!("x"), json!("x"), json!(null), json!("x")]);
    assert_eq!(column("stream"), [false, true, false, false]);
    assert_eq!(journal["requests"][1]["axis"], "rpm");
    let last = mock.get_json("/_quotalab/requests?last=1").await;
    assert_eq!((&last["total"], last["requests"].as_array().unwrap().len()), (&json!(4), 1));
}

#[tokio::test]
async fn injected_faults_affect_a_number_a_share_or_a_time_of_requests() {
    let mock = start(vec![]).await;
    let added = mock.post_json("/_quotalab/faults", &json!({ "fault": "503", "next": 2 })).await;
    assert_eq!((&added["fault"], &added["next"]), (&json!("503"), &json!(2)));
    for status in [503, 503, 200] {
        assert_eq!(mock.ask().await.status, status);
    }
    mock.post_json("/_quotalab/faults", &json!({ "fault": 529, "for": "10s" })).await;
    assert_eq!(mock.ask().await.status, 529);
    mock.set_clock(Nanos::from_secs(10));
    assert_eq!(mock.ask().await.status, 200);
    mock.post_json("/_quotalab/faults", &json!({ "fault": "garbage", "share": "0%" })).await;
    assert_eq!(mock.ask().await.header("content-type"), Some("application/json"));
    mock.post_json("/_quotalab/faults", &json!({ "fault": { "retry_after": "2m" } })).await;
    assert_eq!(mock.get_json("/_quotalab/faults").await["faults"].as_array().unwrap().len(), 2);
    let cleared = mock.control("DELETE", "/_quotalab/faults", "").await.json();
    assert_eq!(cleared, json!({ "faults": [] }));
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_what_to_send_instead() {
    let mock = start(vec![]).await;
    let deep = "[".repeat(10_000);
    let large = format!(r#"{{"fault":"{}"}}"#, "x".repeat(70_000));
    for (method, path, body, status, help) in [
        ("GET", "/_quotalab/nonsense", "", 404, "GET /_quotalab/state"),
        ("DELETE", "/_quotalab/clock", "", 405, "POST /_quotalab/clock"),
        ("POST", "/_quotalab/clock", r#"{"advance":"-1h"}"#, 400, r#"{"advance": "1h"}"#),
        ("POST", "/_quotalab/clock", r#"{"advance":"1h","back":1}"#, 400, r#"{"advance": "1h"}"#),
        ("POST", "/_quotalab/clock", r#"{"back":"1h"}"#, 400, r#"{"set": "0s"}"#),
        ("POST", "/_quotalab/clock", "{}", 400, r#"{"advance": "1h"}"#),
        ("POST", "/_quotalab/reset", r#"{"account":"z"}"#, 400, "use one of x, y"),
        ("POST", "/_quotalab/reset", r#"{"acount":"x"}"#, 400, r#"{"account": "NAME"}"#),
        ("POST", "/_quotalab/limits", "{}", 400, r#"{"rpd": "2 left"}"#),
        ("POST", "/_quotalab/limits", r#"{"rpd":2}"#, 400, "GET /_quotalab/state"),
        ("POST", "/_quotalab/limits", r#"{"rpz":2}"#, 400, "use one of rps, rpm"),
        ("POST", "/_quotalab/limits", r#"{"concurrency":2}"#, 400, "use one of rps, rpm"),
        ("POST", "/_quotalab/settings", r#"{"speed":-1}"#, 400, "ten times as fast"),
        ("POST", "/_quotalab/settings", r#"{"sped":1}"#, 400, "ten times as fast"),
        ("GET", "/_quotalab/requests?account=z", "", 400, "use one of x, y"),
        ("GET", "/_quotalab/verdict?account=x&key=0", "", 400, "key=1"),
        ("POST", "/_quotalab/answers", "{}", 400, r#"{"text": "Hello"}"#),
        ("POST", "/_quotalab/answers", r#"{"txt":"x"}"#, 400, r#"{"text": "Hello"}"#),
        ("POST", "/_quotalab/answers", r#"{"text":"x","sequence":["ok"]}"#, 400, r#"{"text": "Hello"}"#),
        ("POST", "/_quotalab/answers", r#"{"text":"x","prompt":"("}"#, 400, "regular expression"),
        ("POST", "/_quotalab/answers", r#"{"text":"x","model":"z"}"#, 400, "use one of"),
        ("POST", "/_quotalab/answers", r#"{"tool":{"arguments":{}}}"#, 400, r#""tool""#),
        ("POST", "/_quotalab/faults", r#"{"sequence":[]}"#, 400, r#""sequence": [503, 429, "ok"]"#),
        ("POST", "/_quotalab/faults", r#"{"sequence":[503,"okay"]}"#, 400, r#"{"slow": "4x"}"#),
        ("POST", "/_quotalab/faults", r#"{"fault":"503","sequence":[503]}"#, 400, r#""fault": "503""#),
        ("POST", "/_quotalab/faults", r#"{"fault":"503","model":"z"}"#, 400, "use one of"),
        ("POST", "/_quotalab/faults", r#"{"fault":"503","nth":0}"#, 400, r#""nth": 2"#),
        ("POST", "/_quotalab/clock", "", 400, "JSON object"),
        ("POST", "/_quotalab/faults", "[]", 400, "JSON object"),
        ("POST", "/_quotalab/faults", &deep, 400, "JSON object"),
        ("POST", "/_quotalab/faults", &large, 413, "JSON object"),
        ("POST", "/_quotalab/faults", "{}", 400, r#""fault": "503""#),
        ("POST", "/_quotalab/faults", r#"{"fault":"slwo"}"#, 400, r#"{"slow": "4x"}"#),
        ("POST", "/_quotalab/faults", r#"{"fault":"slow"}"#, 400, r#"{"slow": "4x"}"#),
        ("POST", "/_quotalab/faults", r#"{"fault":{"slow":"-4x"}}"#, 400, r#"{"slow": "4x"}"#),
        ("POST", "/_quotalab/faults", r#"{"fault":"503","next":0}"#, 400, r#""next": 3"#),
        ("POST", "/_quotalab/faults", r#"{"fault":"503","share":2}"#, 400, r#""20%""#),
        ("POST", "/_quotalab/faults", r#"{"fault":"503","until":"10s"}"#, 400, r#""for": "10s""#),
        ("GET", "/_quotalab/requests?first=3", "", 400, "?last=20"),
    ] {
        let reply = mock.control(method, path, body).await;
        assert_eq!(reply.status, status, "{method} {path} {}", reply.body);
        let error = reply.json()["error"].clone();
        assert!(error["help"].as_str().unwrap().contains(help), "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    for (fault, message) in [
        (json!({ "503": "4x" }), "`503` takes no amount"),
        (json!("slow"), "`slow` needs an amount"),
        (json!({ "slow": "-4x" }), r#"invalid amount "-4x" of `slow`"#),
    ] {
        let body = json!({ "fault": fault }).to_string();
        let reply = mock.control("POST", "/_quotalab/faults", &body).await;
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains(message), "{}", reply.body);
    }
    for _ in 0..64 {
        mock.post_json("/_quotalab/faults", &json!({ "fault": "503", "share": 0 })).await;
    }
    let full = mock.control("POST", "/_quotalab/faults", r#"{"fault":"503"}"#).await;
    assert_eq!(full.status, 400);
    assert!(full.body.contains("DELETE"), "{}", full.body);
}

#[tokio::test]
async fn metrics_are_in_the_text_format_of_prometheus() {
    let mock = start(vec![Limit::new(Axis::Rpm, 1)]).await;
    mock.ask().await;
    mock.ask().await;
    let reply = mock.control("GET", "/metrics", "").await;
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in [
        format!(r#"quotalab_mock_requests_total{{account="x",model="{MODEL}",outcome="refused"}} 1"#),
        format!(r#"quotalab_mock_requests_total{{account="x",model="{MODEL}",outcome="served"}} 1"#),
        format!(r#"quotalab_mock_remaining{{account="x",model="{MODEL}",axis="rpm"}} 0"#),
        format!(r#"quotalab_mock_limit{{account="y",model="{MODEL}",axis="rpm"}} 1"#),
        r#"quotalab_mock_replies_total{status="200"} 1"#.to_owned(),
        r#"quotalab_mock_replies_total{status="429"} 1"#.to_owned(),
        r#"quotalab_mock_request_seconds_bucket{le="+Inf"} 2"#.to_owned(),
        "quotalab_mock_request_seconds_count 2".to_owned(),
        "quotalab_mock_clock_seconds 0".to_owned(),
    ] {
        assert!(reply.body.lines().any(|known| known == line), "{line} in {}", reply.body);
    }
    let family = |line: &str| line.split_once(['{', ' ']).unwrap().0.to_owned();
    let mut families: Vec<_> = reply.body.lines().filter(|line| !line.starts_with('#')).map(family).collect();
    families.dedup();
    assert_eq!(families.len(), 9, "the samples of a family are adjacent: {families:?}");
}

#[tokio::test]
async fn control_requests_do_not_change_what_calls_draw() {
    let mut ids = Vec::new();
    for requests in [0, 5] {
        let mock = start(vec![]).await;
        for _ in 0..requests {
            mock.get_json("/_quotalab/state").await;
        }
        let reply = mock.chat("", &chat_body("")).await;
        ids.push(reply.json()["id"].clone());
        assert!(matches!(mock.observed()[0], Observed::Decided(..)));
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn the_verdict_distinguishes_an_obedient_client_from_a_hasty_one() {
    let mock = start(vec![Limit::new(Axis::Rpm, 30)]).await;
    // Thirty requests use up the limit; one more of each client is refused for two seconds.
    for number in 0..30 {
        let body = chat_body(&format!(r#","user":"{number}""#));
        assert_eq!(mock.chat("", &body).await.status, 200);
    }
    let (obedient, hasty) = (chat_body(r#","user":"obedient""#), chat_body(r#","user":"hasty""#));
    assert_eq!(mock.chat("", &obedient).await.status, 429);
    mock.post_json("/_quotalab/clock", &json!({ "advance": "2s" })).await;
    assert_eq!(mock.chat("", &obedient).await.status, 200);
    let good = mock.get_json("/_quotalab/verdict").await;
    assert_eq!(
        (&good["behaved"], &good["requests"], &good["retries"]),
        (&json!(true), &json!(32), &json!(1))
    );

    for status in [429, 429] {
        assert_eq!(mock.chat("", &hasty).await.status, status);
    }
    mock.exchange(&post("", &hasty).replace("Bearer k1", "Bearer wrong")).await;
    mock.exchange(&post("", &obedient).replace("Bearer k1", "Bearer wrong")).await;
    let bad = mock.get_json("/_quotalab/verdict").await;
    assert_eq!((&bad["behaved"], &bad["counts"]["too_early"]), (&json!(false), &json!(1)));
    assert_eq!(bad["counts"]["hopeless"], json!(0), "a wrong key may be tried by two programs");
    let text = bad["findings"][0]["text"].as_str().unwrap();
    assert_eq!(text, "retried after 0.000s, before the announced wait of 2.000s was over");

    mock.post_json("/_quotalab/clock", &json!({ "advance": "1m" })).await;
    assert_eq!(
        mock.get_json("/_quotalab/verdict").await["counts"]["gave_up"],
        json!(1),
        "the hasty client did not retry"
    );
    let text = mock.control("GET", "/_quotalab/verdict?text", "").await;
    let mut head = text.body.lines();
    assert_eq!(head.next(), Some("1 of 34 jobs ended in a refusal."), "{}", text.body);
    assert_eq!(head.next(), Some("Violations (jobs: 34; 36 requests)."), "{}", text.body);
    let accepted = "GET /_quotalab/verdict HTTP/1.1\r\nhost: localhost\r\naccept: text/plain\r\nconnection: close\r\n\r\n";
    assert!(mock.exchange(accepted).await.ends_with(&text.body));
}

/// Each method of each path of the control plane, with a body that it accepts.
const CONTROL_REQUESTS: [(&str, &str, &str); 17] = [
    ("GET", "/_quotalab", ""),
    ("GET", "/_quotalab/state", ""),
    ("GET", "/_quotalab/requests", ""),
    ("GET", "/_quotalab/verdict", ""),
    ("GET", "/_quotalab/faults", ""),
    ("GET", "/_quotalab/clock", ""),
    ("GET", "/metrics", ""),
    ("DELETE", "/_quotalab/faults", ""),
    ("POST", "/_quotalab/reset", ""),
    ("POST", "/_quotalab/clock", r#"{"advance":"1h"}"#),
    ("POST", "/_quotalab/faults", r#"{"fault":"503"}"#),
    ("POST", "/_quotalab/limits", r#"{"rpm":5}"#),
    ("GET", "/_quotalab/answers", ""),
    ("DELETE", "/_quotalab/answers", ""),
    ("POST", "/_quotalab/answers", r#"{"text":"hello"}"#),
    ("GET", "/_quotalab/settings", ""),
    ("POST", "/_quotalab/settings", r#"{"speed":0}"#),
];

#[tokio::test]
async fn no_page_in_a_browser_can_use_the_control_plane() {
    let mock = start(vec![Limit::new(Axis::Rpm, 5)]).await;
    let before = mock.get_json("/_quotalab/clock").await;
    for (method, path, body) in CONTROL_REQUESTS {
        for headers in [
            "host: localhost\r\norigin: http://evil.example",
            "host: localhost\r\norigin: null",
            "host: localhost\r\norigin: http://localhost:8000",
            "host: localhost\r\nsec-fetch-site: cross-site",
            "host: localhost\r\nsec-fetch-site: same-site",
            "host: evil.example",
            "host: localhost.evil.example",
            "host: 127.0.0.1.evil.example:4141",
            "host: ",
        ] {
            let headers = format!("{headers}\r\ncontent-type: application/json\r\nx-quotalab: 1");
            let reply = mock.control_with(&headers, method, path, body).await;
            assert_eq!(reply.status, 403, "{method} {path} {headers}");
        }
        let absolute = format!("http://evil.example{path}");
        let reply = mock.control_with("host: localhost\r\nx-quotalab: 1", method, &absolute, body).await;
        assert_eq!(reply.status, 403, "{method} {absolute}");
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
        {
            let headers = format!("host: 127.0.0.1\r\ncontent-type: {content_type}");
            let reply = mock.control_with(&headers, method, path, body).await;
            assert_eq!(reply.status, if method == "POST" { 415 } else { 200 }, "{method} {path}");
        }
        let preflight =
            "host: localhost\r\norigin: http://evil.example\r\naccess-control-request-method: POST";
        let reply = mock.control_with(preflight, "OPTIONS", path, "").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, None));
    }
    assert_eq!(mock.get_json("/_quotalab/clock").await, before, "the clock was not advanced");
}

#[tokio::test]
async fn programs_on_this_machine_can_use_the_control_plane() {
    let mock = start(vec![Limit::new(Axis::Rpm, 5)]).await;
    for (method, path, body) in CONTROL_REQUESTS {
        for headers in [
            "host: localhost:4141\r\ncontent-type: application/json; charset=utf-8",
            "host: 127.0.0.1:4141\r\nx-quotalab: 1",
            "host: [::1]:4141\r\nContent-Type: Application/JSON",
            "host: 192.168.1.7\r\nsec-fetch-site: none\r\nx-quotalab: 1",
        ] {
            let reply = mock.control_with(headers, method, path, body).await;
            assert_eq!(reply.status, 200, "{method} {path} {headers}");
        }
    }
}

#[tokio::test]
async fn a_control_plane_with_a_token_requires_it() {
    let control = ControlPlane::WithToken("secret".into());
    let limits = vec![Limit::new(Axis::Rpm, 5)];
    let mock = RunningMock::start_with(&config(limits, no_latency(), &[]), control).await;
    for (method, path, body) in CONTROL_REQUESTS {
        for (token, status) in [
            ("", 401),
            ("authorization: Bearer secre\r\n", 401),
            ("authorization: Bearer secret2\r\n", 401),
            ("authorization: secret\r\n", 401),
            ("authorization: Bearer secret\r\n", 200),
            ("authorization: Bearer secret\r\norigin: http://evil.example\r\n", 403),
        ] {
            let headers = format!("{token}host: mock.internal\r\ncontent-type: application/json");
            let reply = mock.control_with(&headers, method, path, body).await;
            assert_eq!(reply.status, status, "{method} {path} {token}");
        }
    }
}

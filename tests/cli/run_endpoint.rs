//! `run --via`: what it refuses before it connects, the bounds that it keeps, and what it reports.

use super::{arg, quotalab, quotalab_with, scratch};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

const SCENARIO: &str = "
name: via
duration: 3s
providers:
  a: {dialect: openai, models: {m: {price: {input: 1, output: 2}, limits: {rpm: 1000}}}}
  b: {dialect: openai, models: {m: {price: {input: 10, output: 20}, limits: {rpm: 1000}}}}
routes: {chat: [{of: [a/default/m]}, {of: [b/default/m]}]}
workload: [{name: w, route: chat, arrivals: {constant: 20/s}, prompt: 100, completion: 10, max_tokens: 50, stream: false}]
expect: [success >= 50%, fallback share <= 60%, attempts per job <= 2, headroom >= 1, cost <= 1 USD, limited share <= 1%]
";

/// Writes a scenario to a file.
fn scenario(name: &str, text: &str) -> PathBuf {
    let file = scratch(name).join("via.yaml");
    fs::write(&file, text).expect("a file");
    file
}

/// An endpoint that answers each request by its number, from zero, and keeps what it received.
struct Endpoint {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    fn start(answer: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    while let Some(request) = read_request(&stream) {
                        let number = {
                            let mut seen = seen.lock().expect("no panic");
                            seen.push(request);
                            seen.len() - 1
                        };
                        if (&stream).write_all(answer(number).as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn read_request(mut stream: &TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn completion(headers: &str) -> String {
    const BODY: &str = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}}"#;
    response("200 OK", headers, BODY)
}

fn refusal() -> String {
    response(
        "429 Too Many Requests",
        "retry-after: 3\r\n",
        r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#,
    )
}

fn result(folder: &std::path::Path) -> Value {
    let text = fs::read_to_string(folder.join("result.json")).expect("a result");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn nothing_is_sent_beyond_this_machine_unless_it_is_asked_for_and_bounded() {
    let file = scenario("via-refused", SCENARIO);
    let refused = |more: &[&str]| {
        let run = quotalab(&[&["run", arg(&file)], more].concat());
        assert_eq!(run.code, 2, "{more:?}: {run:?}");
        run.err
    };
    // 192.0.2.0/24 is for documentation: nothing is there, and a connection would time out.
    for url in ["http://192.0.2.1:9", "https://192.0.2.1/v1", "http://0.0.0.0:9"] {
        let error = refused(&["--via", url]);
        assert!(error.contains("not this machine") && error.contains("--real"), "{error}");
    }
    for more in [&["--real"][..], &["--real", "--max-requests", "5"], &["--real", "--max-cost", "1"]] {
        let error = refused(&[&["--via", "http://192.0.2.1:9"], more].concat());
        assert!(error.contains("--max-requests N") && error.contains("--max-cost USD"), "{error}");
    }
    let error = refused(&["--via", "127.0.0.1:4000"]);
    assert!(error.contains("no scheme") && error.contains("http://127.0.0.1:4000"), "{error}");
    let error = refused(&["--via", "http://127.0.0.1:9", "--model", "chta=x"]);
    assert!(error.contains("did you mean `chat`?"), "{error}");
    let unpriced = scenario("via-unpriced", &SCENARIO.replace("price: {input: 10, output: 20}, ", ""));
    let run = quotalab(&["run", arg(&unpriced), "--via", "http://127.0.0.1:9", "--max-cost", "1"]);
    assert!(run.code == 2 && run.err.contains("b/default/m has no price"), "{run:?}");
}

#[test]
fn an_endpoint_that_states_its_targets_is_reported_with_them() {
    let endpoint = Endpoint::start(|number| match number % 4 {
        0 => refusal(),
        1 => completion(
            "x-quotalab-target: b/default/m\r\nx-quotalab-attempts: 2\r\nx-quotalab-waited-ms: 70\r\n",
        ),
        _ => completion(
            "x-quotalab-target: a/default/m\r\nx-quotalab-attempts: 1\r\nx-quotalab-waited-ms: 0\r\n",
        ),
    });
    let file = scenario("via-stated", SCENARIO);
    let out = file.with_file_name("out");
    let run = quotalab_with(
        &[("VIA_TEST_KEY", "sk-private-key")],
        &[
            "run",
            arg(&file),
            "--via",
            &endpoint.url(),
            "--key-env",
            "VIA_TEST_KEY",
            "--out",
            arg(&out),
            "--model",
            "chat=gpt",
        ],
    );
    let requests = endpoint.requests();
    assert_eq!(requests.len(), 60, "{run:?}");
    let request = &requests[0];
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1"), "{request}");
    assert!(request.contains("authorization: Bearer sk-private-key"));
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    assert_eq!((body["model"].as_str(), body["max_tokens"].as_u64()), (Some("gpt"), Some(50)));
    assert_eq!(body["messages"][0]["content"].as_str().map(str::len), Some(400), "100 tokens");
    let result = result(&out);
    let seen = &result["endpoint"];
    assert_eq!((seen["answers"].as_u64(), seen["refusals"]["requests"].as_u64()), (Some(45), Some(15)));
    assert_eq!(seen["refusals"]["wait_s"]["p50"].as_f64().map(f64::round), Some(3.0));
    assert_eq!(seen["targets"][0]["name"], "a/default/m");
    assert_eq!(
        (seen["targets"][0]["answers"].as_u64(), seen["targets"][1]["answers"].as_u64()),
        (Some(30), Some(15))
    );
    assert_eq!(seen["fallback_share"].as_f64(), Some(0.333_333));
    assert_eq!(seen["attempts_per_answer"].as_f64(), Some(1.333_333));
    assert_eq!(result["jobs"]["fell_back"], 15);
    // 30 answers of the first target, 15 of the second, by the prices of the scenario.
    let cost = (30.0 * 120.0 + 15.0 * 1200.0) / 1e6;
    assert_eq!(result["cost_usd"].as_f64(), Some(cost));
    assert!(result["first_refusal"].is_null() && result["targets"].as_array().is_some_and(Vec::is_empty));
    for text in [&run.out, &fs::read_to_string(out.join("report.html")).expect("a page")] {
        assert!(text.contains("a/default/m") && text.contains("not known"), "{text}");
        assert!(!text.contains("first limit to refuse") && !text.contains("No limit refused"), "{text}");
        assert!(!text.contains("sk-private-key") && !text.contains("no limit"), "{text}");
    }
    let rules: Vec<_> = result["expect"].as_array().expect("rules").iter().collect();
    let is_judged = |name: &str| {
        let rule = rules.iter().find(|rule| rule["rule"].as_str().is_some_and(|text| text.contains(name)));
        rule.expect("a rule")["not_judged"].is_null()
    };
    assert!(is_judged("success") && is_judged("fallback share"));
    assert!(!is_judged("headroom") && !is_judged("cost") && !is_judged("limited share"));
    assert!(!is_judged("attempts per job"), "the refusals do not state their attempts");
    // The stored result renders again.
    let again = quotalab(&["report", arg(&out.join("result.json"))]);
    assert!(again.code == 0 && again.out.contains("behind the endpoint"), "{again:?}");
}

/// A refusal because of a caller's budget counts like one because of a limit. An answer of the target that the request names
/// is not a fallback.
#[test]
fn budget_refusals_count_and_a_requested_target_is_no_fallback() {
    let endpoint = Endpoint::start(|number| match number % 2 {
        0 => response(
            "429 Too Many Requests",
            "retry-after: 80000\r\n",
            r#"{"error":{"message":"the budget of the caller is used up","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        ),
        _ => completion("x-quotalab-target: b/default/m\r\nx-quotalab-attempts: 1\r\n"),
    });
    let file = scenario("via-budget", SCENARIO);
    let out = file.with_file_name("out");
    let options = ["--for", "2s", "--model", "chat=b/default/m", "--out", arg(&out)];
    let run = quotalab(&[&["run", arg(&file), "--via", &endpoint.url()][..], &options].concat());
    let result = result(&out);
    let (seen, sent) = (&result["endpoint"], endpoint.requests().len());
    let refused = sent.div_ceil(2);
    assert_eq!(seen["refusals"]["requests"], refused, "{run:?}");
    assert_eq!(seen["refusals"]["with_wait"], refused);
    assert!(run.out.contains(&format!("The endpoint refused {refused} of {sent} requests")), "{}", run.out);
    assert!(seen["fallback_share"].is_null() && run.out.contains("the share of fallbacks is not known"));
}

/// If only some replies state their target, the jobs whose replies state a fallback are not all that were served by one.
#[test]
fn a_count_of_fallbacks_that_only_some_replies_state_says_so() {
    let endpoint = Endpoint::start(|number| match number % 2 {
        0 => completion("x-quotalab-target: b/default/m\r\n"),
        _ => completion(""),
    });
    let file = scenario("via-half-stated", SCENARIO);
    let out = file.with_file_name("out");
    let url = format!("{}/v1", endpoint.url());
    let run = quotalab(&["run", arg(&file), "--via", &url, "--out", arg(&out), "--for", "1s"]);
    let page = fs::read_to_string(out.join("report.html")).expect("a page");
    for text in [&run.out, &page] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("served by a fallback, as far as stated"), "{text}");
    }
    assert!(result(&out)["endpoint"]["fallback_share"].is_null(), "{run:?}");
}

#[test]
fn values_that_replies_do_not_state_are_reported_as_not_known() {
    let endpoint = Endpoint::start(|_| completion(""));
    let file = scenario("via-silent", SCENARIO);
    let out = file.with_file_name("out");
    let url = format!("{}/v1", endpoint.url());
    let run = quotalab(&["run", arg(&file), "--via", &url, "--out", arg(&out), "--for", "1s"]);
    assert_eq!(run.code, 1, "rules that cannot be judged do not pass: {run:?}");
    assert!(run.out.contains("do not all state which target answered"), "{}", run.out);
    assert!(run.out.contains("fallback share                        not known"), "{}", run.out);
    let result = result(&out);
    assert!(result["cost_usd"].is_null() && result["endpoint"]["fallback_share"].is_null(), "{result}");
    let not_known = result["endpoint"]["not_known"].as_array().expect("a list").clone();
    for member in ["ceiling", "cost_usd", "jobs.fell_back", "targets"] {
        assert!(not_known.iter().any(|name| name == member), "{member}: {not_known:?}");
    }
    assert!(!endpoint.requests()[0].contains("authorization"));
}

#[test]
fn a_run_ends_at_its_bounds_and_says_so() {
    let endpoint = Endpoint::start(|_| completion("x-quotalab-target: a/default/m\r\n"));
    let file = scenario("via-bounds", SCENARIO);
    let out = file.with_file_name("out");
    let run = |bounds: &[&str]| {
        let before = endpoint.requests().len();
        let run =
            quotalab(&[&["run", arg(&file), "--via", &endpoint.url(), "--out", arg(&out)], bounds].concat());
        let text = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        (endpoint.requests().len() - before, text, result(&out))
    };
    let (sent, text, stored) = run(&["--max-requests", "7"]);
    assert_eq!(sent, 7, "{text}");
    assert!(text.contains("bound of 7 requests") && text.contains("partial"), "{text}");
    assert_eq!(stored["endpoint"]["stopped"]["bound"], "requests");
    assert_eq!((stored["planned_s"].as_f64(), stored["jobs"]["offered"].as_u64()), (Some(3.0), Some(7)));
    // The most expensive request: 356 tokens at 10 USD and 50 at 20 USD per million.
    let largest = (356.0 * 10.0 + 50.0 * 20.0) / 1e6;
    let max = largest * 1.5;
    let (sent, text, stored) = run(&["--max-cost", &max.to_string()]);
    assert!((1..60).contains(&sent) && text.contains("could exceed the bound"), "{sent}: {text}");
    let counted = stored["endpoint"]["cost"]["counted_usd"].as_f64().expect("a cost");
    assert!(counted <= max, "{counted} of {max}");
}

#[test]
fn an_endpoint_that_accepts_no_connection_is_refused() {
    let file = scenario("via-nothing", SCENARIO);
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let run = quotalab(&["run", arg(&file), "--via", &format!("http://{free}")]);
    assert!(run.code == 2 && run.err.contains("accepts no connection"), "{run:?}");
}

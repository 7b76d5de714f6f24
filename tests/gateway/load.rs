//! Many requests against mocks with faults: each ends once, answered or with an error that says why.

use super::*;
use quotalab::drive::local::{MockOptions, Mocks, loopback_listeners};

/// Starts mocks of the providers of a scenario, and a gateway for the scenario. `PORT0`, `PORT1`, … in the text are replaced
/// by the ports of the mocks.
fn with_mocks(text: &str) -> (RunningGateway, Runtime, Mocks) {
    let runtime = Runtime::new().expect("a runtime");
    let count = text.matches("base_url").count();
    let (mocks, scenario) = runtime.block_on(async {
        let listeners = loopback_listeners(count).await.expect("free ports");
        let mut text = text.to_owned();
        for (number, listener) in listeners.iter().enumerate() {
            let port = listener.local_addr().expect("an address").port();
            text = text.replace(&format!("PORT{number}"), &port.to_string());
        }
        let scenario = scenario::parse("test.yaml", &text, &Overrides::default(), None)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let mocks =
            Mocks::serve(&scenario.providers, 7, Clock::start(), listeners, &MockOptions::default(), None);
        (mocks.expect("mocks"), scenario)
    });
    (RunningGateway::start(&scenario), runtime, mocks)
}

const FAULTS: &str = "
name: faults
duration: 1m
providers:
  a:
    dialect: groq
    base_url: http://127.0.0.1:PORT0/openai/v1
    models: {m: {limits: {rpm: 60}, latency: {total: 5ms}}}
    incidents:
      - {at: 0s, for: 1h, fault: 500, share: 10%}
      - {at: 0s, for: 1h, fault: reset, share: 10%}
      - {at: 0s, for: 1h, fault: cut_stream, share: 10%}
      - {at: 0s, for: 1h, fault: garbage, share: 5%}
      - {at: 0s, for: 1h, fault: error_inside, share: 5%}
  b:
    dialect: openai
    base_url: http://127.0.0.1:PORT1/v1
    models: {m: {limits: {rpm: 3000}, latency: {total: 5ms}}}
    incidents:
      - {at: 0s, for: 1h, fault: 503, share: 10%}
      - {at: 0s, for: 1h, fault: reset_after_head, share: 10%}
      - {at: 0s, for: 1h, fault: cut_before_token, share: 10%}
      - {at: 0s, for: 1h, fault: truncated, share: 5%}
  c:
    dialect: anthropic
    base_url: http://127.0.0.1:PORT2/v1
    models: {m: {limits: {rpm: 600}, latency: {total: 5ms}}}
    incidents:
      - {at: 0s, for: 1h, fault: overload, share: 10%}
      - {at: 0s, for: 1h, fault: wrong_type, share: 5%}
routes:
  chat:
    - {pick: round_robin, of: [a/default/m, b/default/m]}
    - {of: [c/default/m]}
client: {deadline: 20s, retry: {attempts: 6, backoff: {base: 5ms, cap: 50ms}}, eject: {after: 5, for: 100ms}}
workload: [{name: w, route: chat, arrivals: {constant: 1/min}, prompt: 1, completion: 1}]
";

#[test]
fn under_faults_every_request_ends_once_with_an_answer_or_an_explained_error() {
    let (gateway, _runtime, _mocks) = with_mocks(FAULTS);
    let (callers, per_caller) = (8, 40);
    let ends: Vec<(u16, bool, bool)> = thread::scope(|scope| {
        let one = |caller: usize| {
            (0..per_caller)
                .map(|number| {
                    let is_stream = (caller + number).is_multiple_of(2);
                    let body = if is_stream { stream_request("chat") } else { chat_request("chat") };
                    let response = gateway.post("/v1/chat/completions", &body);
                    let is_explained = match response.status() {
                        200 => response.is_cut == response.body().contains("stream_interrupted"),
                        _ => response.error()["message"].as_str().is_some_and(|message| !message.is_empty()),
                    };
                    (response.status(), response.is_cut, is_explained)
                })
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..callers).map(|caller| scope.spawn(move || one(caller))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("its requests")).collect()
    });
    assert_eq!(ends.len(), callers * per_caller);
    assert!(ends.iter().all(|(_, _, is_explained)| *is_explained), "{ends:?}");
    let served = ends.iter().filter(|(status, is_cut, _)| *status == 200 && !is_cut).count();
    assert!(served > callers * per_caller / 2, "{served} of {} are served", callers * per_caller);
    gateway.wait_until_idle();
    let metrics = gateway.get("/metrics").body();
    let counted: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("gen_ai_server_request_duration_seconds_count"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(counted, (callers * per_caller) as u64, "each is counted once");
    assert!(metrics.contains("quotalab_gateway_requests_in_flight 0"));
}

/// The first target serves ten of fifteen requests, which its limit of ten per minute admits; the fallback serves the others.
#[test]
fn a_limit_of_the_first_target_sends_the_rest_to_the_fallback() {
    let text = "
name: limit
duration: 1m
providers:
  a: {dialect: groq, base_url: \"http://127.0.0.1:PORT0/openai/v1\", models: {m: {limits: {rpm: {limit: 10, law: fixed}}, latency: {total: 0s}}}}
  b: {dialect: cerebras, base_url: \"http://127.0.0.1:PORT1/v1\", models: {m: {limits: {rpm: 1000}, latency: {total: 0s}}}}
routes: {chat: [{of: [a/default/m]}, {of: [b/default/m]}]}
workload: [{name: w, route: chat, arrivals: {constant: 1/min}, prompt: 1, completion: 1}]
";
    let (gateway, _runtime, _mocks) = with_mocks(text);
    let targets: Vec<String> = (0..15)
        .map(|_| gateway.chat("chat").header("x-quotalab-target").expect("a target").to_owned())
        .collect();
    let first = targets.iter().filter(|target| *target == "a/default/m").count();
    assert!((9..=11).contains(&first), "a window may end meanwhile: {targets:?}");
}

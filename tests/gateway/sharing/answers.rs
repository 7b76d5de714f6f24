//! Cached answers that replicas share.

use super::super::cache::laws::{flaky, visit, visits};
use super::super::cache::{body, cache_header, chat_post, counting, events, metric, numbered, with_header};
use super::super::callers::key_of;
use super::*;
use proptest::prelude::*;

const CACHED: &str = "client: {cache: {entries: 10, ttl: 1h}, retry: {attempts: 1}}\n";

/// Starts a replica and waits until it shares answers.
fn sharing_replica(scenario: &Scenario, server: &RedisServer, number: u64) -> RunningGateway {
    let gateway = replica(scenario, server, number);
    wait_for_sharing(&gateway);
    gateway
}

fn wait_for_sharing(gateway: &RunningGateway) {
    wait_for(|| metric(gateway, "quotalab_gateway_sharing_cache_up") == Some(1.0), "it shares answers");
}

/// Waits until a replica has written this many answers.
fn wait_until_written(gateway: &RunningGateway, count: f64) {
    wait_for(|| written(gateway, "stored") == count, "the answers are written");
}

fn written(gateway: &RunningGateway, result: &str) -> f64 {
    let name = format!("quotalab_gateway_sharing_cache_writes_total{{result=\"{result}\"}}");
    metric(gateway, &name).unwrap_or(0.0)
}

fn looked_up(gateway: &RunningGateway, result: &str) -> f64 {
    let name = format!("quotalab_gateway_sharing_cache_lookups_total{{result=\"{result}\"}}");
    metric(gateway, &name).unwrap_or(0.0)
}

fn requests(gateway: &RunningGateway, result: &str) -> f64 {
    let name = format!("quotalab_gateway_cache_requests_total{{result=\"{result}\"}}");
    metric(gateway, &name).unwrap_or(0.0)
}

/// Returns the keys of the answers in Redis.
fn keys(server: &RedisServer) -> Vec<String> {
    let reply = command(server, "KEYS quotalab-cache:answer:*");
    reply.lines().filter(|line| line.starts_with("quotalab")).map(str::to_owned).collect()
}

#[test]
fn an_answer_of_one_replica_is_served_by_the_others() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = counting();
    let scenario = scenario(&[&provider], CACHED);
    let [first, second, third] = [1, 2, 3].map(|number| sharing_replica(&scenario, &server, number));
    assert_eq!(first.chat("chat").body(), body(0));
    wait_until_written(&first, 1.0);
    let found = second.chat("chat");
    assert_eq!((found.status(), cache_header(&found), found.body()), (200, Some("hit"), body(0)));
    for (name, value) in [
        ("x-quotalab-attempts", Some("0")),
        ("x-quotalab-target", Some("p0/a/m")),
        ("content-type", Some("application/json")),
        ("x-request-id", Some("r1")),
        ("x-ratelimit-remaining-requests", None),
    ] {
        assert_eq!(found.header(name), value, "{name}: {}", found.text);
    }
    sleep(Duration::from_millis(1_100));
    let age = |response: &Response| response.header("age").and_then(|age| age.parse::<u32>().ok());
    let later = third.chat("chat");
    assert_eq!((cache_header(&later), later.body()), (Some("hit"), body(0)));
    assert!(age(&later) >= Some(1), "it counts from when the first replica has stored it: {}", later.text);
    assert_eq!(cache_header(&second.chat("chat")), Some("hit"));
    assert_eq!(cache_header(&third.send(&chat_post("\"seed\":1,"))), None, "another request");
    assert_eq!(provider.requests().len(), 2);
    assert_eq!((requests(&second, "shared_hit"), requests(&second, "hit")), (1.0, 1.0));
    assert_eq!((looked_up(&second, "hit"), looked_up(&first, "miss")), (1.0, 1.0));
    let state = &second.state()["cache"];
    assert_eq!((&state["shared_hits"], &state["hits"], &state["answers"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!((&state["shared"]["up"], &state["shared"]["hits"]), (&true.into(), &1.into()), "{state}");
    assert!(second.get("/_quotalab").body().contains("found in Redis: 1"));
    // A replica that starts later, or again, finds the answers as well.
    let fourth = sharing_replica(&scenario, &server, 4);
    assert_eq!(fourth.chat("chat").body(), body(0));
    fourth.reload(&scenario);
    assert_eq!(cache_header(&fourth.chat("chat")), Some("hit"), "its memory is empty, and Redis is not");
    assert_eq!(keys(&server).len(), 2);
    assert!(keys(&server).iter().all(|key| key.len() == "quotalab-cache:answer:".len() + 64));
}

#[test]
fn a_stream_is_shared_byte_for_byte() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = counting();
    let scenario = scenario(&[&provider], CACHED);
    let [first, second] = [1, 2].map(|number| sharing_replica(&scenario, &server, number));
    let stream = |gateway: &RunningGateway| gateway.post("/v1/chat/completions", &stream_request("chat"));
    assert_eq!(stream(&first).body(), events(0));
    wait_until_written(&first, 1.0);
    let hit = stream(&second);
    assert_eq!((hit.body(), hit.is_cut, cache_header(&hit)), (events(0), false, Some("hit")));
    assert_eq!(hit.header("content-type"), Some("text/event-stream"));
    assert_eq!(cache_header(&second.chat("chat")), None, "the plain request is another one");
}

#[test]
fn an_answer_as_large_as_any_that_is_stored_is_shared() {
    let Some(server) = RedisServer::start(None) else { return };
    let large = COMPLETION.replace("Hi", &"a".repeat((4 << 20) - COMPLETION.len()));
    let provider = Provider::answering(json_response("200 OK", "", &large));
    let scenario = scenario(&[&provider], CACHED);
    let [first, second] = [1, 2].map(|number| sharing_replica(&scenario, &server, number));
    first.chat("chat");
    wait_until_written(&first, 1.0);
    let hit = second.chat("chat");
    assert!(cache_header(&hit) == Some("hit") && hit.body() == large);
}

#[test]
fn a_request_that_accepts_no_earlier_answer_replaces_it() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = Provider::start(|number, request| {
        let failure = json_response("500 Internal Server Error", "", "{}");
        vec![Step::Send(if number == 3 { failure } else { numbered(number, request) })]
    });
    let client =
        "client: {cache: {entries: 10, ttl: 1h}, retry: {attempts: 1}, eject: off, cool_down: off}\n";
    let scenario = scenario(&[&provider], client);
    let start = |number| sharing_replica(&scenario, &server, number);
    let ask = |gateway: &RunningGateway, header: &str| gateway.send(&with_header(&chat_post(""), header));
    let first = start(1);
    assert_eq!(ask(&first, "x-other: 1").body(), body(0));
    wait_until_written(&first, 1.0);
    let second = start(2);
    assert_eq!(ask(&second, "cache-control: no-store").body(), body(1), "what is stored is not used");
    assert_eq!(looked_up(&second, "hit") + looked_up(&second, "miss"), 0.0);
    assert_eq!(ask(&second, "cache-control: no-cache").body(), body(2));
    wait_until_written(&second, 1.0);
    assert_eq!((written(&second, "forgotten"), keys(&server).len()), (1.0, 1));
    let newest = ask(&start(3), "x-other: 1");
    assert_eq!((newest.body(), cache_header(&newest)), (body(2), Some("hit")));
    assert_eq!(ask(&first, "x-other: 1").body(), body(0), "what a replica has in memory stays there");
    // If the new answer fails, the earlier one does not come back.
    assert_eq!(ask(&first, "cache-control: max-age=0").status(), 502);
    let sent = ask(&start(4), "x-other: 1");
    assert_eq!((sent.body(), cache_header(&sent)), (body(4), None));
}

#[test]
fn answers_in_redis_end_with_their_time_to_live() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = counting();
    let scenario = scenario(&[&provider], "client: {cache: {entries: 10, ttl: 2s}}\n");
    let [first, second, third] = [1, 2, 3].map(|number| sharing_replica(&scenario, &server, number));
    first.chat("chat");
    wait_until_written(&first, 1.0);
    sleep(Duration::from_millis(1_000));
    assert_eq!(cache_header(&second.chat("chat")), Some("hit"));
    sleep(Duration::from_millis(1_100));
    assert_eq!(keys(&server), Vec::<String>::new());
    let sent = [&third, &second, &first].map(|gateway| cache_header(&gateway.chat("chat")).is_some());
    assert!(!sent[0], "it has ended in Redis");
    assert!(provider.requests().len() >= 2, "{sent:?}");
}

#[test]
fn callers_do_not_share_answers_and_one_that_is_found_costs_nothing() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = counting();
    let callers = "callers:\n  a: {key: {env: A}, budget: {tokens: 40}}\n  b: {key: {env: B}, budget: {tokens: 1000}}\n";
    let scenario = scenario(&[&provider], &format!("{CACHED}{callers}"));
    let [first, second] = [1, 2].map(|number| {
        let url = RedisUrl::parse(&server.url()).expect("a URL");
        let options = SharingOptions { url, replica: number, answer_timeout: LONG };
        let gateway =
            RunningGateway::with(&scenario, Access::Loopback, &key_of, ledger_in_memory(), Some(options));
        wait_for_sharing(&gateway);
        gateway
    });
    let ask = |gateway: &RunningGateway, caller: &str, members: &str| {
        gateway.send(&with_header(&chat_post(members), &format!("authorization: Bearer sk-{caller}")))
    };
    assert_eq!(ask(&first, "a", "\"max_tokens\":30,").body(), body(0));
    wait_until_written(&first, 1.0);
    let sent = ask(&second, "b", "\"max_tokens\":30,");
    assert_eq!((sent.body(), cache_header(&sent)), (body(1), None), "b does not get the answer to a");
    // What is left pays for no further answer, and one that is found needs nothing.
    let mut seed = 0;
    while ask(&second, "a", &format!("\"seed\":{seed},")).status() == 200 {
        seed += 1;
    }
    let found = ask(&second, "a", "\"max_tokens\":30,");
    assert_eq!((found.status(), found.body(), cache_header(&found)), (200, body(0), Some("hit")));
}

#[test]
fn gateways_with_different_scenarios_share_no_answers() {
    let Some(server) = RedisServer::start(None) else { return };
    let (one, other) = (counting(), counting());
    let text = |provider: &Provider| scenario_text(&[provider], CACHED);
    let two = scenario_text(&[&one, &other], CACHED);
    let scenarios = [
        text(&one),
        text(&other),
        text(&one).replace("name: test\n", "name: other\n"),
        two.clone(),
        two.replace("    - {of: [p0/a/m]}\n    - {of: [p1/a/m]}\n", "    - {of: [p0/a/m, p1/a/m]}\n"),
    ];
    let gateways: Vec<_> =
        (1..).zip(&scenarios).map(|(number, text)| sharing_replica(&parse(text), &server, number)).collect();
    for (gateway, text) in gateways.iter().zip(&scenarios) {
        assert_eq!(cache_header(&gateway.chat("chat")), None, "{text}");
        wait_until_written(gateway, 1.0);
    }
    assert_eq!(keys(&server).len(), scenarios.len());
    // What does not decide on answers may differ.
    let text = text(&one).replace("rpm: 1000", "rpm: 2000").replace("entries: 10", "entries: 20");
    assert_eq!(cache_header(&sharing_replica(&parse(&text), &server, 9).chat("chat")), Some("hit"));
}

#[test]
fn what_no_replica_has_written_is_a_miss_and_counted() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = counting();
    let scenario = scenario(&[&provider], CACHED);
    let [first, second] = [1, 2].map(|number| sharing_replica(&scenario, &server, number));
    let ask = |gateway: &RunningGateway, seed: usize| gateway.send(&chat_post(&format!("\"seed\":{seed},")));
    let damages = [
        "SET KEY foreign",
        "SET KEY \"quotalab-answer-1 9999999999999999 \\xff\"",
        "SETRANGE KEY 110 X",
        "SETRANGE KEY 5000000 X",
        "RENAME OTHER KEY",
        "LPUSH KEY a",
        "HSET KEY a b",
    ];
    ask(&first, 1_000);
    wait_until_written(&first, 1.0);
    let mut known = keys(&server);
    let other = known[0].clone();
    for (seed, damage) in damages.iter().enumerate() {
        ask(&first, seed);
        wait_until_written(&first, seed as f64 + 2.0);
        let key = keys(&server).into_iter().find(|key| !known.contains(key)).expect("a new key");
        if damage.contains("PUSH") || damage.contains("HSET") {
            command(&server, &format!("DEL {key}"));
        }
        let reply = command(&server, &damage.replace("KEY", &key).replace("OTHER", &other));
        assert!(!reply.starts_with('-'), "{damage}: {reply}");
        let before = provider.requests().len();
        let sent = ask(&second, seed);
        assert_eq!((sent.status(), sent.body(), cache_header(&sent)), (200, body(before), None), "{damage}");
        assert_eq!(looked_up(&second, "invalid"), seed as f64 + 1.0, "{damage}");
        // The answer of the second replica takes its place.
        wait_until_written(&second, seed as f64 + 1.0);
        let third = sharing_replica(&scenario, &server, 10 + seed as u64);
        assert_eq!(ask(&third, seed).body(), body(before), "{damage}");
        known = keys(&server);
    }
    assert_eq!(metric(&second, "quotalab_gateway_sharing_up"), Some(1.0));
    assert_eq!(metric(&second, "quotalab_gateway_sharing_cache_up"), Some(1.0));
}

#[test]
fn redis_may_be_gone_and_come_back() {
    let Some(mut server) = RedisServer::start(None) else { return };
    let provider = counting();
    let scenario = scenario(&[&provider], CACHED);
    let [first, second] = [1, 2].map(|number| sharing_replica(&scenario, &server, number));
    let ask = |gateway: &RunningGateway, seed: u32| gateway.send(&chat_post(&format!("\"seed\":{seed},")));
    ask(&first, 1);
    wait_until_written(&first, 1.0);
    server.kill();
    for gateway in [&first, &second] {
        let is_down = || metric(gateway, "quotalab_gateway_sharing_cache_up") == Some(0.0);
        wait_for(is_down, "it knows that Redis is gone");
    }
    let sent = ask(&second, 1);
    assert_eq!((sent.status(), sent.body(), cache_header(&sent)), (200, body(1), None));
    assert_eq!(cache_header(&ask(&second, 1)), Some("hit"), "its own memory");
    assert!(looked_up(&second, "skipped") >= 1.0);
    assert!(server.restart());
    [&first, &second].into_iter().for_each(wait_for_sharing);
    // What was stored meanwhile is written now. What was in Redis is lost.
    wait_until_written(&second, 1.0);
    assert_eq!(keys(&server).len(), 1);
    ask(&first, 2);
    wait_until_written(&first, 2.0);
    assert_eq!(cache_header(&ask(&second, 2)), Some("hit"), "they agree on the secret again");
    let third = sharing_replica(&scenario, &server, 3);
    assert_eq!([1, 2].map(|seed| ask(&third, seed).body()), [body(1), body(2)]);
}

/// A replica does not wait for a Redis that does not answer.
#[test]
fn a_redis_that_does_not_answer_delays_no_request() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = counting();
    let scenario = scenario(&[&provider], CACHED);
    let url = RedisUrl::parse(&server.url()).expect("a URL");
    let options = SharingOptions { url, replica: 1, answer_timeout: Duration::from_millis(50) };
    let gateway =
        RunningGateway::with(&scenario, Access::Loopback, &|_| None, ledger_in_memory(), Some(options));
    wait_for_sharing(&gateway);
    command(&server, "CLIENT PAUSE 20000 ALL");
    let clock = Clock::start();
    let statuses = [1, 2, 3].map(|seed| gateway.send(&chat_post(&format!("\"seed\":{seed},"))).status());
    assert_eq!(statuses, [200; 3]);
    // Three timeouts of 50 ms at most, and a busy machine.
    assert!(clock.now().as_secs_f64() < 5.0, "{}", clock.now());
    assert!(looked_up(&gateway, "skipped") >= 1.0);
}

/// A full Redis that evicts nothing refuses answers; that is not the loss of the connection.
#[test]
fn a_redis_without_memory_refuses_answers() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = counting();
    let gateway = sharing_replica(&scenario(&[&provider], CACHED), &server, 1);
    assert!(command(&server, "CONFIG SET maxmemory 1").starts_with("+OK"));
    assert_eq!(gateway.chat("chat").status(), 200);
    wait_for(|| written(&gateway, "failed") == 1.0, "it is refused");
    assert_eq!(metric(&gateway, "quotalab_gateway_sharing_cache_up"), Some(1.0));
    assert!(command(&server, "CONFIG SET maxmemory 0").starts_with("+OK"));
    gateway.send(&chat_post("\"seed\":1,"));
    wait_until_written(&gateway, 1.0);
}

#[test]
fn without_a_cache_no_answer_is_in_redis() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = counting();
    for (number, client) in ["", "client: {join: true}\n"].iter().enumerate() {
        let scenario = scenario(&[&provider], client);
        let gateway = replica(&scenario, &server, number as u64);
        assert_eq!(gateway.chat("chat").status(), 200);
        let metrics = gateway.get("/metrics").body();
        assert!(metrics.contains("sharing_up 1") && !metrics.contains("sharing_cache"), "{metrics}");
    }
    assert_eq!(command(&server, "KEYS quotalab-cache:*"), "*0\r\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Law 20 over sockets with three replicas.
    #[test]
    fn every_caller_of_any_replica_gets_one_fresh_answer_to_its_own_request(
        visits in visits(),
        client in prop::sample::select(vec!["cache: {entries: 2, ttl: 150ms}", "cache: {entries: 4, ttl: 150ms}, join: true"]),
    ) {
        let Some(server) = RedisServer::start(None) else { return Ok(()) };
        let clock = Clock::start();
        let provider = flaky(clock);
        let client = format!("client: {{deadline: 10s, eject: off, cool_down: off, retry: {{attempts: 2, backoff: {{base: 10ms, cap: 20ms}}}}, {client}}}\n");
        let scenario = scenario(&[&provider], &client);
        let gateways = [1, 2, 3].map(|number| sharing_replica(&scenario, &server, number));
        let problems: Vec<String> = thread::scope(|scope| {
            let running: Vec<_> = visits.iter().zip(gateways.iter().cycle()).map(|(next, gateway)| {
                sleep(Duration::from_millis(next.pause_ms));
                scope.spawn(move || visit(gateway, clock, next))
            }).collect();
            running.into_iter().filter_map(|visit| visit.join().expect("no panic").err()).collect()
        });
        prop_assert!(problems.is_empty(), "{}", problems.join("\n"));
        gateways.iter().for_each(RunningGateway::wait_until_idle);
    }
}

//! Several gateways that share quotas and cool-downs through Redis.

mod answers;
mod budgets;

use super::*;
use provider::Instant;
use quotalab::gateway::RedisUrl;
use redis_server::RedisServer;
use std::sync::atomic::AtomicBool;

#[path = "../fixtures/redis_server.rs"]
pub(super) mod redis_server;

/// Sends a command to the server and returns the start of the reply, unparsed.
fn command(server: &RedisServer, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
    stream.write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
    let mut reply = [0; 4096];
    let length = stream.read(&mut reply).expect("it answers");
    String::from_utf8_lossy(&reply[..length]).into_owned()
}

/// Starts a gateway that shares quotas through the server. It waits so long for answers of the server that a busy machine
/// does not cause a timeout.
fn replica(scenario: &Scenario, server: &RedisServer, number: u64) -> RunningGateway {
    let url = RedisUrl::parse(&server.url()).expect("a URL");
    let options = SharingOptions { url, replica: number, answer_timeout: LONG };
    RunningGateway::with(scenario, Access::Loopback, &|_| None, ledger_in_memory(), Some(options))
}

fn replicas(scenario: &Scenario, server: &RedisServer) -> Vec<RunningGateway> {
    let replicas: Vec<_> = (0..3).map(|number| replica(scenario, server, number)).collect();
    for gateway in &replicas {
        let metrics = || gateway.get("/metrics").body();
        wait_for(|| metrics().contains("sharing_replicas{quota=\"p0/a/m\"} 3"), "it knows three replicas");
    }
    replicas
}

/// Reads a scenario whose providers are `pN`, each with one model `m` with these limits.
fn scenario_with(providers: &[&Provider], limits: &str, client: &str) -> Scenario {
    let mut text = String::from("name: test\nproviders:\n");
    for (number, provider) in providers.iter().enumerate() {
        text.push_str(&format!(
            "  p{number}: {{dialect: openai, base_url: \"http://{}/v1\", accounts: {{a: {{keys: [k{number}]}}}}, models: {{m: {{limits: {limits}}}}}}}\n",
            provider.address
        ));
    }
    let steps: Vec<_> = (0..providers.len()).map(|number| format!("{{of: [p{number}/a/m]}}")).collect();
    text.push_str(&format!("duration: 1m\nroutes: {{chat: [{}]}}\nclient: {client}\n", steps.join(", ")));
    text.push_str(
        "workload: [{name: w, route: chat, arrivals: {constant: 1/min}, prompt: 1, completion: 1}]\n",
    );
    scenario::parse("test.yaml", &text, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

const PATIENT: &str = "{deadline: 1h, retry: {attempts: 100, backoff: {base: 10ms, cap: 50ms}}}";
const IMPATIENT: &str = "{deadline: 300ms, retry: {attempts: 1}}";

/// Limits of ten requests per second, with a burst of sixty.
const TEN_A_SECOND: &str = "{rpm: {limit: 600, burst: 60}}";

/// Compares the requests that replicas have sent to a provider since the quota was full with what the limit admits.
struct Sent<'a> {
    provider: &'a Provider,
    clock: Clock,
}

impl Sent<'_> {
    /// Returns the number of requests sent so far, and the number that the limit admits until now.
    fn now(&self) -> (f64, f64) {
        let sent = self.provider.requests().len() as f64;
        (sent, 60.0 + 10.0 * self.clock.now().as_secs_f64())
    }

    /// Waits until 95 % of what the limit admits is used, but at least until `seconds` after `since`. Checks that the limit
    /// is never exceeded by more than `excess` requests.
    fn check(&self, since: Instant, seconds: f64, excess: f64, what: &str) {
        let is_used = || {
            let (sent, admitted) = self.now();
            assert!(sent <= admitted + excess, "{what}: {sent} of {admitted}");
            self.clock.now().since(since).as_secs_f64() > seconds && sent >= 0.95 * admitted
        };
        wait_for(is_used, what);
    }
}

/// Replicas together never send more than the limit admits, and use nearly all of it: with Redis, without it, and after it
/// has come back without its data.
#[test]
fn three_replicas_admit_together_what_the_limit_admits() {
    let Some(mut server) = RedisServer::start(None) else { return };
    let provider = Provider::answering(completion());
    let scenario = scenario_with(&[&provider], TEN_A_SECOND, PATIENT);
    let gateways = replicas(&scenario, &server);
    let sent = Sent { provider: &provider, clock: Clock::start() };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for gateway in gateways.iter().cycle().take(18) {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    gateway.chat("chat");
                }
            });
        }
        let checks = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            sent.check(Instant::ZERO, 4.0, 0.0, "with redis");
            server.kill();
            let killed = sent.clock.now();
            // Each replica knows what was left only with the precision of one request.
            sent.check(killed, 4.0, 3.0, "without redis");
            wait_for_up(&gateways, 0);
            assert!(server.restart());
            let restarted = sent.clock.now();
            sent.check(restarted, 1.0, 3.0, "while it comes back");
            wait_for_up(&gateways, 1);
            let up = sent.clock.now();
            sent.check(up, 3.0, 3.0, "with redis again");
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = checks {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Waits until the metrics of every gateway state that Redis answers (1) or does not (0).
fn wait_for_up(gateways: &[RunningGateway], expected: u8) {
    let line = format!("quotalab_gateway_sharing_up {expected}\n");
    for gateway in gateways {
        wait_for(|| gateway.get("/metrics").body().contains(&line), &line);
    }
}

/// A replica is granted a part of a large limit in advance, for a moment, so that it decides requests without asking Redis.
#[test]
fn requests_of_a_large_quota_are_granted_in_advance() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = Provider::answering(completion());
    let scenario = scenario_with(&[&provider], "{rpm: 60000}", PATIENT);
    let gateway = replica(&scenario, &server, 1);
    for _ in 0..50 {
        assert_eq!(gateway.chat("chat").status(), 200);
    }
    let metrics = gateway.get("/metrics").body();
    let count = |decision: &str| -> u32 {
        let name = format!("quotalab_gateway_sharing_decisions_total{{decision=\"{decision}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
    };
    assert_eq!(count("shared") + count("grant"), 50, "{metrics}");
    assert!(count("grant") > 0, "{metrics}");
    // In the end, all leases are settled and the unused parts of the grants are returned.
    let leases = || command(&server, "ZCARD quotalab:{p0/a/m}:leases");
    wait_for(|| leases() == ":0\r\n", "no lease is open");
}

#[test]
fn a_refusal_says_that_the_replicas_share_the_quota_and_nothing_is_sent() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = Provider::answering(completion());
    let scenario = scenario_with(&[&provider], "{rpm: 2}", IMPATIENT);
    let (first, second) = (replica(&scenario, &server, 1), replica(&scenario, &server, 2));
    assert_eq!((first.chat("chat").status(), second.chat("chat").status()), (200, 200));
    for gateway in [&first, &second] {
        let refused = gateway.chat("chat");
        assert_eq!(refused.status(), 429, "{}", refused.text);
        let wait: u64 = refused.header("retry-after").expect("a wait").parse().expect("seconds");
        assert!((1..=30).contains(&wait), "{wait} s");
        let message = refused.error()["message"].to_string();
        assert!(
            message.contains("the quota that the replicas share is used up (shared_quota, rpm)"),
            "{message}"
        );
        let state = gateway.state();
        assert_eq!(state["targets"][0]["cause"], "shared_quota");
        assert!(state["decisions"].to_string().contains("not sent"), "{state}");
        assert!(gateway.get("/metrics").body().contains("outcome=\"shared_quota\"} 1"));
    }
    assert_eq!(provider.requests().len(), 2);
}

/// The most that a request may use is reserved. When it has been answered, only what it used is charged.
#[test]
fn the_unused_part_of_a_reservation_is_returned() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = Provider::answering(completion());
    let scenario = scenario_with(&[&provider], "{tpd: 1000}", IMPATIENT);
    let (first, second) = (replica(&scenario, &server, 1), replica(&scenario, &server, 2));
    let body = chat_request("chat").replacen('{', r#"{"max_tokens":900,"#, 1);
    assert_eq!(first.post("/v1/chat/completions", &body).status(), 200);
    let levels = || command(&server, "HGET quotalab:{p0/a/m}:levels tpd");
    // The level is in units of 1/86,400 token. Of 1,000 tokens, 6 are used, of which some are refilled already.
    wait_for(|| levels().contains("\r\n858"), "all but what it used is given back");
    assert_eq!(second.post("/v1/chat/completions", &body).status(), 200);
    assert_eq!(provider.requests().len(), 2);
}

/// The other replicas send nothing to a target that one replica has put in cool-down.
#[test]
fn a_cool_down_holds_for_every_replica() {
    let Some(server) = RedisServer::start(None) else { return };
    let refusing = Provider::answering(json_response("429 Too Many Requests", "retry-after: 40\r\n", "{}"));
    let other = Provider::answering(completion());
    let scenario = scenario_with(&[&refusing, &other], "{rpm: 1000}", PATIENT);
    let (first, second) = (replica(&scenario, &server, 1), replica(&scenario, &server, 2));
    assert_eq!(first.chat("chat").header("x-quotalab-target"), Some("p1/a/m"));
    let key = "quotalab:{p0/a/m}:cool-down:m";
    wait_for(|| command(&server, &format!("EXISTS {key}")) == ":1\r\n", "the cool-down is known to all");
    assert_eq!(second.chat("chat").header("x-quotalab-target"), Some("p1/a/m"));
    assert_eq!(refusing.requests().len(), 1, "the second replica did not ask it");
    assert_eq!(second.state()["targets"][0]["cause"], "shared_cool_down");
    // The first replica knows the cool-down from its own engine.
    assert_ne!(first.state()["targets"][0]["cause"], "shared_cool_down");
}

/// The models of a family share one quota of an account; other accounts and other models have their own.
#[test]
fn the_models_of_a_family_share_a_quota() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = Provider::answering(completion());
    let text = format!(
        "name: family\nproviders:\n  p: {{dialect: openai, base_url: \"http://{}/v1\", accounts: {{a: {{keys: [ka]}}, b: {{keys: [kb]}}}}, \
         models: {{m: {{family: f, limits: {{rpm: 1}}}}, n: {{family: f}}, o: {{limits: {{rpm: 1}}}}}}}}\n\
         routes: {{am: [{{of: [p/a/m]}}], an: [{{of: [p/a/n]}}], bn: [{{of: [p/b/n]}}], ao: [{{of: [p/a/o]}}]}}\nclient: {IMPATIENT}\nduration: 1m\n\
         workload: [{{name: w, route: am, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n",
        provider.address
    );
    let scenario = scenario::parse("test.yaml", &text, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"));
    let (first, second) = (replica(&scenario, &server, 1), replica(&scenario, &server, 2));
    assert_eq!(first.chat("am").status(), 200);
    let statuses = ["an", "bn", "ao"].map(|route| second.chat(route).status());
    assert_eq!(statuses, [429, 200, 200]);
}

/// A reload keeps the connection to Redis, and changed limits take effect.
#[test]
fn a_reload_keeps_the_quotas_and_changes_their_limits() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = Provider::answering(completion());
    let gateway = replica(&scenario_with(&[&provider], "{rpd: 2}", IMPATIENT), &server, 1);
    let statuses: Vec<u16> = (0..3).map(|_| gateway.chat("chat").status()).collect();
    assert_eq!(statuses, [200, 200, 429]);
    let wait_for_connections = |expected: usize| {
        let calling = || command(&server, "CLIENT LIST TYPE normal").matches("cmd=evalsha").count();
        wait_for(|| calling() == expected, "this many connections have called a script");
    };
    wait_for_connections(1);
    let more = scenario_with(&[&provider], "{rpd: 4}", IMPATIENT);
    gateway.reload(&more);
    // The engine of the reloaded gateway keeps the target in cool-down; another replica uses the new limit at once.
    let second = replica(&more, &server, 2);
    let statuses: Vec<u16> = (0..3).map(|_| second.chat("chat").status()).collect();
    assert_eq!(statuses, [200, 200, 429], "two of four are used");
    wait_for_connections(2);
}

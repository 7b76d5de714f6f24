//! Law 12 for a gateway: a simulation, and a run of the same scenario through the gateway to mocks of its providers, lead
//! to the same decisions. The gateway runs the engine, and a plain client sends the load, so that the gateway takes every
//! decision.
//!
//! The test compares counts: how many requests each target served and refused. What a mock draws for a request differs from
//! the simulation, because no truth header passes a gateway; so lengths are constant and a fault hits every attempt. The
//! bursts of the limits are large compared with their refill, and the waits are long, so that the delays of a busy machine
//! change single decisions but not their counts.

use super::{Table, simulate};
use quotalab::drive::clock::Clock;
use quotalab::drive::endpoint::{self, Bounds, EndpointClient, ModelNames, Reach};
use quotalab::drive::live;
use quotalab::drive::local::{MockOptions, Mocks, loopback_listeners};
use quotalab::gateway::{Access, Current, Gateway, serve};
use quotalab::record::Summary;
use quotalab::scenario::{self, Overrides, Scenario};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use tokio::net::TcpListener;
use tokio::runtime;

const SCENARIOS: [(&str, &str); 4] = [
    (
        "fallback: two providers, limits of requests and of tokens",
        "
name: gateway fallback
duration: 15s
providers:
  first: { base_url: http://127.0.0.1:PORT0/openai/v1, models: { m: { completion: 40,
    limits: { rpm: { limit: 600, law: bucket, burst: 60 } }, latency: { total: 300ms, network: 0s } } } }
  second: { base_url: http://127.0.0.1:PORT1/openai/v1, models: { m: { completion: 40,
    limits: { tpm: { limit: 400k, law: bucket, burst: 60k } }, latency: { total: 500ms, network: 0s } } } }
routes: { r: [{ of: [first/default/m] }, { of: [second/default/m] }] }
client: { deadline: 20s, retry: { attempts: 2, obey_retry_after: false } }
workload: [{ name: w, route: r, arrivals: { poisson: 35/s }, prompt: 800, completion: 40, max_tokens: 50, stream: false }]
",
    ),
    (
        "waits: bursts on one provider, whose retry-after is obeyed",
        "
name: gateway waits
duration: 15s
providers:
  p: { base_url: http://127.0.0.1:PORT0/openai/v1, models: { m: { completion: 20,
    limits: { rpm: { limit: 180, law: bucket, burst: 10 } }, latency: { total: 100ms, network: 40ms } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 10s, retry: { attempts: 6, backoff: { base: 100ms, cap: 1s, jitter: none } } }
workload: [{ name: w, route: r, arrivals: { burst: 14, every: 5s }, prompt: 100, completion: 20, max_tokens: 50, stream: false }]
",
    ),
    (
        "back-off: one provider that fails",
        "
name: gateway back-off
duration: 12s
providers:
  p:
    base_url: http://127.0.0.1:PORT0/openai/v1
    models: { m: { completion: 20, latency: { total: 50ms, network: 0s } } }
    incidents: [{ at: 0s, for: 1h, fault: 503 }]
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 20s, retry: { attempts: 3, backoff: { base: 200ms, cap: 1s, jitter: none } } }
workload: [{ name: w, route: r, arrivals: { poisson: 20/s }, prompt: 100, completion: 20, max_tokens: 50 }]
",
    ),
    (
        "shared answers: popular prompts, a response cache and coalescing",
        "
name: gateway cache
duration: 15s
providers:
  p: { base_url: http://127.0.0.1:PORT0/openai/v1, models: { m: { completion: 20,
    latency: { total: 600ms, network: 0s } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 20s, retry: { attempts: 2 }, cache: { entries: 30, ttl: 4s }, join: true }
workload: [{ name: w, route: r, arrivals: { poisson: 30/s }, prompt: 100, completion: 20, max_tokens: 50, stream: false,
  repeats: { share: 80%, zipf: 0.7, of: 40 } }]
",
    ),
];

#[test]
fn a_simulation_and_a_run_through_the_gateway_agree() {
    let pairs: Vec<_> = thread::scope(|scope| {
        let runs: Vec<_> = SCENARIOS.iter().map(|(_, yaml)| scope.spawn(|| through_gateway(yaml))).collect();
        runs.into_iter().map(|run| run.join().expect("a run that does not panic")).collect()
    });
    let mut table = Table::default();
    for ((title, _), (scenario, real, counts)) in SCENARIOS.iter().zip(&pairs) {
        table.lines.push((*title).to_owned());
        compare(&mut table, &simulate(scenario), real, counts);
    }
    println!("{}", table.lines.join("\n"));
    let wrong = table.beyond_tolerance.join("\n");
    assert!(wrong.is_empty(), "{wrong}\n{}", table.lines.join("\n"));
    let refused = |index: usize| pairs[index].2.iter().filter(|((_, outcome), _)| outcome == "minute_limit");
    assert!(refused(0).count() == 2 && refused(1).count() == 1, "limits refuse: {:?}", pairs[0].2);
    let shared = |result: &str| pairs[3].2.get(&(String::new(), result.to_owned()));
    assert!(
        shared("hit") > Some(&50) && shared("coalesced") > Some(&20),
        "answers are shared: {:?}",
        pairs[3].2
    );
    let share = pairs[0].1.endpoint.as_ref().and_then(|endpoint| endpoint.fallback_share);
    assert!(share.is_some_and(|share| share > 0.2), "{share:?} is served by the fallback");
}

/// What a gateway counted: its attempts by target and outcome, and under an empty target its requests by the `result` that the
/// cache gave them.
type GatewayCounts = BTreeMap<(String, String), u64>;

/// Runs a scenario through its gateway, with mocks of the providers. Returns the scenario with its ports, the summary, and
/// what the gateway counted.
fn through_gateway(yaml: &str) -> (Scenario, Summary, GatewayCounts) {
    let servers =
        runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let client = live::runtime().expect("a runtime");
    let (scenario, listeners) = servers.block_on(async {
        let listeners = loopback_listeners(yaml.matches("base_url").count()).await.expect("free ports");
        let mut text = yaml.to_owned();
        for (number, listener) in listeners.iter().enumerate() {
            let port = listener.local_addr().expect("an address").port();
            text = text.replace(&format!("PORT{number}"), &port.to_string());
        }
        let scenario = scenario::parse("parity", &text, &Overrides::default(), None);
        (scenario.unwrap_or_else(|error| panic!("{error}")), listeners)
    });
    let (gateway, gateway_listener) = servers.block_on(async {
        let gateway = Gateway::new(&scenario, &|_| None, Access::Loopback, Clock::start());
        (gateway.expect("a gateway"), TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    });
    let address = gateway_listener.local_addr().expect("an address");
    let url = endpoint::parse_url(&format!("http://{address}")).expect("an address");
    let found = endpoint::resolve(&url, Reach::Loopback, &|_, _| unreachable!("an address is not looked up"));
    let found = endpoint::reachable(&url, &found.expect("loopback")).expect("it listens");
    let models = ModelNames::new(&scenario, &[]).expect("the routes");
    let endpoint = EndpointClient::new((url, found), models.clone(), None, &|_| None).expect("a client");
    let plain = endpoint::plain_client(&scenario, &models);
    // The clock starts after all slow preparations: limits refill from then on.
    let clock = Clock::start();
    let mocks = servers.block_on(async {
        tokio::spawn(serve(gateway_listener, Arc::new(Current::new(gateway)), std::future::pending()));
        let options = MockOptions::default();
        Mocks::serve(&scenario.providers, scenario.seed, clock, listeners, &options, None).expect("mocks")
    });
    let summary = endpoint::run((&scenario, &plain), &endpoint, Bounds::default(), &mut (), clock, &client);
    let counts = gateway_counts(address);
    drop(mocks);
    servers.shutdown_background();
    (scenario, summary, counts)
}

/// Reads what a gateway counted from its metrics.
fn gateway_counts(address: SocketAddr) -> GatewayCounts {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text");
    let label = |line: &str, name: &str| {
        let rest = line.split_once(&format!("{name}=\""))?.1;
        Some(rest.split('"').next()?.to_owned())
    };
    let row = |line: &str| {
        let count = line.rsplit(' ').next()?.parse().ok()?;
        if line.starts_with("quotalab_gateway_cache_requests_total{") {
            return Some(((String::new(), label(line, "result")?), count));
        }
        let is_attempts = line.starts_with("quotalab_gateway_attempts_total{");
        is_attempts.then_some(((label(line, "target")?, label(line, "outcome")?), count))
    };
    text.lines().filter_map(row).collect()
}

fn compare(table: &mut Table, simulated: &Summary, real: &Summary, counts: &GatewayCounts) {
    let endpoint = real.endpoint.as_ref().expect("it went through an endpoint");
    table.row("jobs offered", (simulated.jobs.offered as f64, real.jobs.offered as f64), 0.0);
    table.count("jobs succeeded", (simulated.jobs.succeeded, real.jobs.succeeded));
    let shared = |result: &str| counts.get(&(String::new(), result.to_owned())).copied().unwrap_or(0);
    table.count("jobs answered from the cache", (simulated.jobs.cached, shared("hit")));
    table.count("jobs coalesced", (simulated.jobs.joined, shared("coalesced")));
    table.count("jobs served by a fallback", (simulated.jobs.fell_back, real.jobs.fell_back));
    for target in &simulated.targets {
        let of = |wanted: &dyn Fn(&str) -> bool| -> u64 {
            let own = counts.iter().filter(|((name, outcome), _)| *name == target.name && wanted(outcome));
            own.map(|(_, count)| count).sum()
        };
        let name = &target.name;
        let stated = endpoint.targets.iter().find(|stated| stated.name == *name);
        table.count(
            &format!("stated as served by {name}"),
            (
                target.ok + simulated.jobs.cached + simulated.jobs.joined,
                stated.map_or(0, |stated| stated.answers),
            ),
        );
        table.count(&format!("served by {name}"), (target.ok, of(&|outcome| outcome == "ok")));
        table
            .count(&format!("refused by {name}"), (target.limited, of(&|outcome| outcome == "minute_limit")));
        table.count(&format!("failed at {name}"), (target.failed, of(&|outcome| outcome == "503")));
        table.count(&format!("attempts at {name}"), (target.attempts, of(&|_| true)));
    }
    assert_eq!(endpoint.not_known.iter().filter(|name| *name == "jobs.fell_back").count(), 0, "{endpoint:?}");
}

//! Clients share nothing: what one does changes another only through the providers.

use super::Run;
use crate::story::parse;
use proptest::prelude::*;
use quotalab::scenario::Scenario;

/// Words of a client that keeps nothing from one job for the next.
const MEMORYLESS: &str =
    "cool_down: per_job, eject: off, retry: { attempts: 4, backoff: { base: 200ms, jitter: full } }";

const ARRIVALS: [&str; 4] = [
    "{ poisson: 3/s }",
    "{ constant: 4/s }",
    "{ burst: 30, every: 20s }",
    "{ users: 9, think: { mean: 1s } }",
];

/// Returns the run without what names its clients.
fn anonymous(scenario: &Scenario) -> String {
    let mut run = Run::of(scenario, scenario);
    assert!(run.violations.is_empty(), "{:?}", run.violations);
    run.summary.clients.clear();
    run.summary.to_json()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Processes matter only for what a client remembers.
    #[test]
    fn a_client_that_remembers_nothing_does_the_same_in_any_number_of_processes(
        arrivals in prop::sample::select(&ARRIVALS[..]),
        rpm in 20u32..200,
        processes in 2u32..40,
        seed in 0u64..1_000,
    ) {
        let scenario = |processes: u32| parse(&format!("
seed: {seed}
duration: 90s
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: {rpm} }}, latency: {{ total: {{ mean: 2s }}, network: 20ms }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ {MEMORYLESS}, processes: {processes} }}
workload: [{{ name: w, arrivals: {arrivals}, prompt: 100, completion: 50 }}]
"));
        prop_assert_eq!(anonymous(&scenario(1)), anonymous(&scenario(processes)));
    }

    /// A client beside another one, at providers of its own, does what it does alone. Without jitter, since that is drawn by the number of
    /// the job in the run.
    #[test]
    fn a_client_with_its_own_provider_does_what_it_does_alone(
        arrivals in prop::sample::select(&ARRIVALS[..]),
        rpm in 20u32..200,
        (processes, pace) in (1u32..5, prop::sample::select(&["off", "requests", "tokens"][..])),
        seed in 0u64..1_000,
    ) {
        let scenario = |second: &str| parse(&format!("
seed: {seed}
duration: 90s
providers:
  p: {{ models: {{ m: {{ limits: {{ rpm: {rpm}, tpm: 20k }}, latency: {{ total: {{ mean: 2s }} }} }} }} }}
  q: {{ models: {{ m: {{ limits: {{ rpm: 30 }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}], s: [{{ of: [q/default/m] }}] }}
client: {{ pace: {pace}, concurrency: 4, cache: {{ entries: 10 }}, retry: {{ backoff: {{ jitter: none }} }}, processes: {processes} }}
clients: {{ other: {{ retry: {{ attempts: 5, backoff: {{ jitter: none }} }} }} }}
workload:
  - {{ name: w, route: r, arrivals: {arrivals}, prompt: 100, completion: 50, repeats: {{ share: 30%, of: 10 }} }}
{second}"));
        let second = "  - { name: v, route: s, client: other, arrivals: { poisson: 2/s }, prompt: 10, completion: 10 }\n";
        let (alone, beside) = (scenario(""), scenario(second));
        let (alone, beside) = (Run::of(&alone, &alone), Run::of(&beside, &beside));
        prop_assert!(beside.violations.is_empty(), "{:?}", beside.violations);
        prop_assert_eq!(&alone.summary.workloads[0], &beside.summary.workloads[0]);
        // How much of the limits was used depends on when the run ends.
        let counts = |run: &Run| {
            let target = &run.summary.targets[0];
            (target.attempts, target.ok, target.limited, target.failed, target.tokens, target.cool_downs)
        };
        prop_assert_eq!(counts(&alone), counts(&beside));
    }

    /// The results of clients are parts of the whole.
    #[test]
    fn the_results_of_clients_add_up(rpm in 20u32..200, processes in 1u32..5, seed in 0u64..1_000) {
        let scenario = parse(&format!("
seed: {seed}
duration: 90s
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: {rpm} }}, latency: {{ total: {{ mean: 2s }} }}, price: {{ input: 3, output: 9 }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
clients: {{ a: {{ like: openai-python, processes: {processes} }}, b: {{ concurrency: 3, deadline: 10s }} }}
workload:
  - {{ name: u, client: a, arrivals: {{ poisson: 1/s }}, prompt: 100, completion: 50 }}
  - {{ name: v, client: b, arrivals: {{ poisson: 1/s }}, prompt: 100, completion: 50 }}
  - {{ name: w, client: a, arrivals: {{ burst: 9, every: 20s }}, prompt: 100, completion: 50 }}
"));
        let run = Run::of(&scenario, &scenario);
        prop_assert!(run.violations.is_empty(), "{:?}", run.violations);
        let summary = run.summary;
        let [a, b] = &summary.clients[..] else { panic!("two clients: {:?}", summary.clients) };
        prop_assert_eq!((a.name.as_str(), &a.workloads[..], b.name.as_str()), ("a", &["u".to_owned(), "w".to_owned()][..], "b"));
        prop_assert_eq!(a.offered + b.offered, summary.jobs.offered);
        prop_assert_eq!(a.succeeded + b.succeeded, summary.jobs.succeeded);
        prop_assert_eq!(a.attempts + b.attempts, summary.attempts.total);
        prop_assert_eq!(a.refused + b.refused, summary.attempts.limited);
        prop_assert_eq!(a.latency_s.count + b.latency_s.count, summary.latency_s.count);
        let cost = |usd: Option<f64>| usd.expect("the cost is known");
        prop_assert!((cost(a.cost_usd) + cost(b.cost_usd) - cost(summary.cost_usd)).abs() < 3e-6);
        let by_workload: f64 = summary.workloads.iter().map(|workload| cost(workload.cost_usd)).sum();
        prop_assert!((by_workload - cost(summary.cost_usd)).abs() < 3e-6);
    }
}

//! Law 11: no run exceeds the analytic ceiling. If all jobs are equal, the ceiling with its burst bounds the jobs
//! served within the run exactly, without a statistical tolerance.

use proptest::prelude::*;
use provider::Instant;
use quotalab::ceiling::Ceiling;
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind, JobOutcome};
use quotalab::record::Fold;
use quotalab::scenario::{self, Overrides, Scenario};

/// Counts the jobs served within the run.
struct Served {
    until: Instant,
    jobs: u32,
}

impl Fold for Served {
    fn event(&mut self, event: &Event) {
        if let EventKind::Done(end) = event.kind {
            self.jobs += u32::from(end.outcome == JobOutcome::Succeeded && event.at <= self.until);
        }
    }
}

fn scenario(
    law: &str,
    limits: [(&str, u32); 4],
    accounts: u32,
    sizes: (u32, u32),
    rate: u32,
    client: &str,
) -> Scenario {
    let limits = limits.map(|(axis, limit)| format!("{axis}: {limit}")).join(", ");
    let names: Vec<String> = (0..accounts).map(|number| format!("a{number}")).collect();
    let keys: Vec<String> = names.iter().map(|name| format!("{name}: {{ keys: [k-{name}] }}")).collect();
    let targets: Vec<String> = names.iter().map(|name| format!("p/{name}/m")).collect();
    let (prompt, completion) = sizes;
    let yaml = format!(
        "
name: overload
duration: 5m
start: full
providers:
  p:
    law: {law}
    accounts: {{ {} }}
    models: {{ m: {{ limits: {{ {limits} }}, latency: {{ total: 400ms, network: 0s }} }} }}
routes: {{ r: [{{ pick: most_room, of: [{}] }}] }}
client: {client}
workload:
  - {{ name: w, route: r, arrivals: {{ constant: {rate}/min }}, prompt: {prompt}, completion: {completion}, max_tokens: 1000 }}
",
        keys.join(", "),
        targets.join(", ")
    );
    parsed("overload", &yaml)
}

fn parsed(name: &str, yaml: &str) -> Scenario {
    scenario::parse(name, yaml, &Overrides::default(), None).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_run_exceeds_the_analytic_ceiling(
        law in prop::sample::select(vec!["bucket", "fixed", "sliding_log"]),
        (rpm, tpm, tpd, concurrency) in (1..200u32, 2_000..200_000u32, 10_000..500_000u32, 1..20u32),
        accounts in 1..4u32, sizes in (1..1_000u32, 1..1_000u32), rate in 1..1_000u32,
        client in prop::sample::select(vec![
            "{ retry: { attempts: 1, obey_retry_after: false } }",
            "{ retry: { attempts: 4 } }",
            "{ deadline: 10m, pace: tokens, queue: 100k }",
            "{ concurrency: 5, queue: 3 }",
        ]),
    ) {
        let limits = [("rpm", rpm), ("tpm", tpm), ("tpd", tpd), ("concurrency", concurrency)];
        let scenario = scenario(law, limits, accounts, sizes, rate, client);
        let ceiling = Ceiling::of(&scenario).jobs_per_min * scenario.duration.as_secs_f64() / 60.0;
        let mut served = Served { until: Instant(scenario.duration.0), jobs: 0 };
        virtual_time::simulate(&scenario, &mut served);
        prop_assert!(f64::from(served.jobs) <= ceiling * (1.0 + 1e-9), "{} served, ceiling {ceiling}", served.jobs);
    }

    /// The ceiling is tight: a client at full load comes near it.
    #[test]
    fn a_client_at_full_load_comes_within_a_tenth_of_the_ceiling(rpm in 20..200u32, accounts in 1..4u32) {
        let limits = [("rpm", rpm), ("tpm", 1_000_000), ("tpd", 1_000_000_000), ("concurrency", 1_000)];
        let scenario = scenario("bucket", limits, accounts, (10, 10), 2_000, "{ retry: { attempts: 1, obey_retry_after: false } }");
        let ceiling = Ceiling::of(&scenario).jobs_per_min * scenario.duration.as_secs_f64() / 60.0;
        let mut served = Served { until: Instant(scenario.duration.0), jobs: 0 };
        virtual_time::simulate(&scenario, &mut served);
        prop_assert!(f64::from(served.jobs) >= 0.9 * ceiling, "{} served, ceiling {ceiling}", served.jobs);
    }
}

/// A day of constant arrivals whose rate follows `shape`, against one limit.
fn shaped_day(law: &str, limit: &str, rate: u32, shape: &[u32], deadline: &str) -> Scenario {
    let weights: Vec<String> = shape.iter().map(u32::to_string).collect();
    let yaml = format!(
        "
name: a day
duration: 24h
start: full
providers: {{ p: {{ law: {law}, models: {{ m: {{ limits: {{ {limit} }}, latency: {{ total: 100ms, network: 0s }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: {deadline}, pace: requests, queue: 100k }}
workload: [{{ name: w, route: r, arrivals: {{ constant: {rate}/h, shape: {{ weights: [{}] }} }}, prompt: 10, completion: 10, max_tokens: 10 }}]
",
        weights.join(", ")
    );
    parsed("day", &yaml)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Headroom is relative to the peak: no client serves a day whole if its load, in the shape that it has, exceeds the
    /// headroom, under a limit per minute or per day.
    #[test]
    fn a_day_beyond_its_headroom_is_never_served_whole(
        law in prop::sample::select(vec!["bucket", "fixed", "sliding_log"]),
        limit in prop::sample::select(vec!["rpm: 20", "rpm: 40", "rpd: 9000"]),
        rate in 300..900u32, shape in prop::collection::vec(1..9u32, 24),
        deadline in prop::sample::select(vec!["10s", "2m", "1h"]),
        beyond in 1.03..1.5f64,
    ) {
        let scenario = shaped_day(law, limit, rate, &shape, deadline);
        let ceiling = Ceiling::of(&scenario);
        let summary = quotalab::drive::summarize(&scenario.scaled(ceiling.multiple * beyond));
        prop_assert!(summary.jobs.succeeded < summary.jobs.offered, "{ceiling:#?} {:#?}", summary.jobs);
        // A paced client comes near it. The bound lets one peak have all failures that the rules allow; a day with several
        // equal peaks has to share them.
        let below = quotalab::drive::summarize(&scenario.scaled(ceiling.multiple * 0.9));
        let succeeded = below.jobs.succeeded as f64 / below.jobs.offered as f64;
        prop_assert!(law == "fixed" || succeeded > 0.9, "{succeeded} {ceiling:#?}");
    }
}

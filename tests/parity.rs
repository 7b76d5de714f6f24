//! Law 12: the same scenarios in virtual time, and over HTTP against mocks on loopback, lead to the same decisions.
//!
//! Decisions are compared as counts. The limits are exact buckets and the traffic at them is steady, so that a delay moves
//! single decisions but not their counts. Latencies of the live run include the delays of a busy machine; they are
//! compared within the lag that the same run measured between the schedule and the arrival of its jobs.
//!
//! `cargo test parity -- --nocapture` prints the table.

mod cut;
mod delays;
mod endpoint;
mod obedience;
mod process;

use provider::{Instant, Nanos};
use quotalab::drive::clock::Clock;
use quotalab::drive::local::{Mocks, ObservedRun};
use quotalab::drive::{WithMeasuredDelays, live, record, virtual_time};
use quotalab::event::Event;
use quotalab::record::{Audit, Fold, Mode, Recorder, Summary};
use quotalab::scenario::{self, Overrides, Scenario};
use std::collections::BTreeSet;
use std::thread;
use tokio::runtime;
use tokio::sync::mpsc;

const SCENARIOS: [(&str, &str); 10] = [
    (
        "requests: four in five refused",
        "
name: requests
duration: 20s
providers: { p: { models: { m: {
  limits: { rpm: { limit: 1200, law: bucket, burst: 20 } }, latency: { total: { p50: 500ms, p95: 1s }, network: 0s } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { retry: { attempts: 1, obey_retry_after: false } }
workload: [{ name: w, route: r, arrivals: { poisson: 100/s }, prompt: 50, completion: 40, max_tokens: 50, stream: false }]
",
    ),
    (
        "tokens: reserved, settled, streamed",
        "
name: tokens
duration: 20s
providers: { p: { models: { m: {
  limits: { tpm: { limit: 480k, law: bucket, burst: 20k } }, latency: { first_token: { p50: 500ms, p95: 1s }, output: 200 tok/s, network: 0s } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { retry: { attempts: 1, obey_retry_after: false } }
workload: [{ name: w, route: r, arrivals: { poisson: 90/s }, prompt: 140, completion: 20, max_tokens: 160 }]
",
    ),
    (
        "hedges: whole answers of a slow provider",
        "
name: hedges
duration: 20s
providers:
  slow: { models: { m: { limits: { rpm: 60k }, latency: { total: 200ms, network: 0s } } }, incidents: [{ at: 0s, for: 1h, fault: { slow: 8x }, share: 20% }] }
  fast: { models: { m: { limits: { rpm: 60k }, latency: { total: 300ms, network: 0s } } } }
routes: { r: [{ of: [slow/default/m, fast/default/m] }] }
client: { hedge: { after: 600ms } }
workload: [{ name: w, route: r, arrivals: { poisson: 40/s }, prompt: 50, completion: 40, max_tokens: 50, stream: false }]
",
    ),
    (
        "hedges: streams, whose first token counts",
        "
name: hedged streams
duration: 20s
providers:
  slow: { models: { m: { limits: { rpm: 60k }, latency: { first_token: 200ms, output: 50 tok/s, network: 0s } } }, incidents: [{ at: 0s, for: 1h, fault: { late_first_token: 3s }, share: 20% }] }
  fast: { models: { m: { limits: { rpm: 60k }, latency: { first_token: 300ms, output: 50 tok/s, network: 0s } } } }
routes: { r: [{ of: [slow/default/m, fast/default/m] }] }
client: { hedge: { after: 600ms } }
workload: [{ name: w, route: r, arrivals: { poisson: 20/s }, prompt: 50, completion: 40, max_tokens: 50 }]
",
    ),
    (
        "fallback: jobs that the first provider refuses",
        "
name: fallback
duration: 20s
providers:
  first: { models: { m: { limits: { rpm: { limit: 1800, law: bucket, burst: 30 } }, latency: { total: { p50: 300ms, p95: 500ms }, network: 0s } } } }
  second: { models: { m: { latency: { total: { p50: 700ms, p95: 1200ms }, network: 0s } } } }
routes: { r: [{ of: [first/default/m] }, { of: [second/default/m] }] }
client: { retry: { attempts: 2, obey_retry_after: false } }
workload: [{ name: w, route: r, arrivals: { poisson: 80/s }, prompt: 50, completion: 40, max_tokens: 50, stream: false }]
",
    ),
    (
        "failures: one in twenty attempts gets a 503",
        "
name: failures
duration: 20s
providers:
  p:
    models: { m: { latency: { first_token: { p50: 500ms, p95: 1s }, output: 200 tok/s, network: 0s } } }
    incidents: [{ at: 0s, for: 1h, fault: 503, share: 5% }]
routes: { r: [{ of: [p/default/m] }] }
client: { retry: { attempts: 3, backoff: { base: 100ms, cap: 1s, jitter: full } }, concurrency: 200 }
workload: [{ name: w, route: r, arrivals: { constant: 80/s }, prompt: { p50: 200, p95: 800 }, completion: { p50: 20, p95: 50 }, max_tokens: 60 }]
",
    ),
    (
        "coalescing: identical jobs at once, one in ten attempts fails",
        "
name: coalescing
duration: 20s
providers:
  p:
    models: { m: { latency: { total: { p50: 300ms, p95: 500ms }, network: 20ms } } }
    incidents: [{ at: 0s, for: 1h, fault: 503, share: 10% }]
routes: { r: [{ of: [p/default/m] }] }
client: { join: true, retry: { attempts: 1 } }
workload: [{ name: w, route: r, arrivals: { burst: 60, every: 2s }, prompt: 50, completion: 40, max_tokens: 50, stream: false,
             repeats: { share: 90%, zipf: 0.8, of: 20 } }]
",
    ),
    (
        "lengths: half of each prompt cached, some too long for the first model",
        "
name: lengths
duration: 10s
providers:
  first: { models: { m: {
    context: 400, limits: { tpm: { limit: 240k, law: bucket, burst: 8k } }, latency: { total: { p50: 300ms, p95: 500ms }, network: 0s } } } }
  second: { dialect: openai, models: { m: { context: 500, latency: { total: { p50: 300ms, p95: 500ms }, network: 0s } } } }
routes: { r: [{ of: [first/default/m] }, { of: [second/default/m] }] }
client: { retry: { attempts: 2, obey_retry_after: false } }
workload: [{ name: w, route: r, arrivals: { poisson: 40/s }, prompt: { min: 100, max: 460 }, cached_prompt: 50%, completion: 20, max_tokens: 60 }]
",
    ),
    (
        "clients: three processes that share nothing, and a batch by another client",
        "
name: clients
duration: 10s
providers: { p: { models: { m: { latency: { total: { p50: 300ms, p95: 500ms }, network: 0s } } } } }
routes: { r: [{ of: [p/default/m] }] }
clients:
  web: { processes: 3, concurrency: 5, queue: 20, retry: { attempts: 1, obey_retry_after: false } }
  nightly: { deadline: 1m, retry: { attempts: 1, obey_retry_after: false } }
workload:
  - { name: w, client: web, route: r, arrivals: { poisson: 60/s }, prompt: 50, completion: 40, max_tokens: 50, stream: false }
  - { name: b, client: nightly, route: r, batch: { jobs: 200, from: 1s, workers: 10 }, prompt: 50, completion: 40, max_tokens: 50, stream: false }
",
    ),
    (
        "sessions: steps that wait for the calls before, and users who leave",
        "
name: sessions
duration: 10s
providers: { p: { models: { m: {
  context: 900, latency: { first_token: { p50: 200ms, p95: 400ms }, prefill: 2k tok/s, output: 200 tok/s, network: 0s } } } } }
routes: { r: [{ of: [p/default/m] }] }
workload: [{ name: w, route: r, completion: 20, max_tokens: 60,
             sessions: { rate: 8/s, calls: { min: 1, max: 9 }, fan_out: { values: [1, 2] }, tool_time: { mean: 100ms },
                         context: { first: 100, growth: 50 }, cached: 50%, deadline: 30s } }]
",
    ),
];

/// Tolerance of counts, as a share.
const COUNT_TOLERANCE: f64 = 0.02;
/// Tolerance of latencies, as a share, on a machine without lag.
const LATENCY_TOLERANCE: f64 = 0.10;
/// Hand-overs between threads on the way of a job: engine, client task, mock, timer, client task, engine. Each of them
/// may be delayed by the lag.
const HOPS: f64 = 5.0;

#[test]
fn a_simulation_and_a_run_agree() {
    let pairs: Vec<(Summary, Summary)> = thread::scope(|scope| {
        let runs: Vec<_> = SCENARIOS.iter().map(|(_, yaml)| scope.spawn(|| both(&scenario(yaml)))).collect();
        runs.into_iter().map(|run| run.join().expect("a run that does not panic")).collect()
    });
    let mut table = Table::default();
    for ((title, _), (simulated, real)) in SCENARIOS.iter().zip(&pairs) {
        table.lines.push(format!(
            "{title}\n  {:<34}{:>12}{:>12}{:>12}{:>12}",
            "", "simulated", "real", "difference", "tolerance"
        ));
        compare(&mut table, simulated, real);
    }
    println!("{}", table.lines.join("\n"));
    let wrong = table.beyond_tolerance.join("\n");
    assert!(wrong.is_empty(), "{wrong}\n{}", table.lines.join("\n"));
    let first = &pairs[0].0.attempts;
    assert!(first.limited * 2 > first.total, "the first scenario refuses most of its traffic");
}

/// Ends a run after a number of events.
struct StopAfter(u32);

impl Fold for StopAfter {
    fn event(&mut self, _: &Event) {
        self.0 = self.0.saturating_sub(1);
    }
    fn is_done(&self) -> bool {
        self.0 == 0
    }
}

#[test]
fn a_fold_ends_a_live_run_early() {
    let scenario = scenario(SCENARIOS[1].1);
    let mut folds = (Audit::new(&scenario, Nanos::from_secs(10)), StopAfter(100));
    let at = run_live(&scenario, &mut folds);
    assert_eq!(folds.0.finish(), (Vec::new(), 0));
    assert!(at < Instant::ZERO + scenario.duration, "{at}");
}

fn scenario(yaml: &str) -> Scenario {
    scenario::parse("parity", yaml, &Overrides::default(), None).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns a scenario with a seed, which determines its load and the provider-side randomness.
fn scenario_with_seed(yaml: &str, seed: u64) -> Scenario {
    scenario(&format!("{yaml}seed: {seed}\n"))
}

/// Returns the summaries of a simulation and of a live run.
fn both(scenario: &Scenario) -> (Summary, Summary) {
    (simulate(scenario), run(scenario))
}

fn simulate(scenario: &Scenario) -> Summary {
    audited(scenario, Mode::Virtual, Nanos::ZERO, &mut (), |folds| virtual_time::simulate(scenario, folds))
}

/// Simulates a scenario with the delays that a live run of it measured.
fn simulate_with_delays(scenario: &Scenario, delays: &WithMeasuredDelays) -> Summary {
    audited(scenario, Mode::Virtual, Nanos::from_secs(10), &mut (), |folds| delays.simulate(folds))
}

fn run(scenario: &Scenario) -> Summary {
    run_with(scenario, &mut ())
}

/// Runs a scenario over HTTP and passes its events to `fold` as well.
fn run_with(scenario: &Scenario, fold: &mut impl Fold) -> Summary {
    // Jobs end later than their deadline if timers fire late.
    audited(scenario, Mode::Live, Nanos::from_secs(10), fold, |folds| run_live(scenario, folds))
}

/// Runs a scenario over HTTP and returns the instant of the end.
fn run_live<F: Fold>(scenario: &Scenario, fold: &mut F) -> Instant {
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let client = live::runtime().expect("a runtime");
    let channel = mpsc::unbounded_channel();
    let clock = Clock::start();
    let mocks = runtime
        .block_on(Mocks::of(scenario, clock, ObservedRun { sender: &channel.0, tag: 7, in_replies: false }))
        .expect("free ports on loopback");
    let at = live::run(scenario, fold, &mocks, clock, &client, channel);
    drop(mocks);
    runtime.shutdown_background();
    at
}

/// Records the run that `drive` makes and checks the laws. `slack` is how much later than its deadline a job may end.
fn audited<F: Fold>(
    scenario: &Scenario,
    mode: Mode,
    slack: Nanos,
    fold: &mut F,
    drive: impl FnOnce(&mut (Recorder, &mut (Audit, &mut F))) -> Instant,
) -> Summary {
    let mut folds = (Audit::new(scenario, slack), fold);
    let summary = record(Recorder::new(scenario), mode, &mut folds, drive);
    let (violations, _) = folds.0.finish();
    assert!(violations.is_empty(), "{} in {} time: {violations:#?}", scenario.name, mode.name());
    summary
}

#[derive(Default)]
struct Table {
    lines: Vec<String>,
    /// The lines whose difference exceeds the tolerance.
    beyond_tolerance: Vec<String>,
}

impl Table {
    /// Compares a count; a difference of one is within the tolerance of any count.
    fn count(&mut self, name: &str, (simulated, real): (u64, u64)) {
        self.row(name, (simulated as f64, real as f64), simulated as f64 * COUNT_TOLERANCE + 1.0);
    }

    /// Compares a latency in seconds, of a run with this lag.
    fn latency(&mut self, name: &str, (simulated, real): (f64, f64), lag_s: f64) {
        self.row(name, (simulated, real), simulated * LATENCY_TOLERANCE + lag_s * HOPS);
    }

    fn row(&mut self, name: &str, (simulated, real): (f64, f64), tolerance: f64) {
        let difference = real - simulated;
        let line = format!("  {name:<34}{simulated:>12.3}{real:>12.3}{difference:>12.3}{tolerance:>12.3}");
        if difference.is_nan() || difference.abs() > tolerance {
            self.beyond_tolerance.push(line.clone());
        }
        self.lines.push(line);
    }
}

fn compare(table: &mut Table, simulated: &Summary, real: &Summary) {
    let counts = |of: fn(&Summary) -> u64| (of(simulated), of(real));
    let (simulated_jobs, real_jobs) = counts(|run| run.jobs.offered);
    table.row("jobs offered", (simulated_jobs as f64, real_jobs as f64), 0.0);
    table.count("jobs succeeded", counts(|run| run.jobs.succeeded));
    table.count("jobs coalesced", counts(|run| run.jobs.joined));
    table.count("attempts", counts(|run| run.attempts.total));
    for (simulated, real) in simulated.workloads.iter().zip(&real.workloads) {
        if let (Some(simulated), Some(real)) = (&simulated.tasks, &real.tasks) {
            table.row("tasks", (simulated.offered as f64, real.offered as f64), 0.0);
            table.count("tasks succeeded", (simulated.succeeded, real.succeeded));
            table.count("tasks failed", (simulated.failed, real.failed));
        }
    }
    for (simulated, real) in simulated.targets.iter().zip(&real.targets) {
        table.count(&format!("served by {}", simulated.name), (simulated.ok, real.ok));
        let axes: BTreeSet<_> = simulated.limited_by.keys().chain(real.limited_by.keys()).collect();
        for axis in axes {
            let of = |target: &quotalab::record::Target| target.limited_by.get(axis).copied().unwrap_or(0);
            table.count(&format!("refused by {} ({axis})", simulated.name), (of(simulated), of(real)));
        }
    }
    table.count("attempts that failed otherwise", counts(|run| run.attempts.failed));
    table.count("completion tokens", counts(|run| run.tokens.completion));
    table.count("cut answers", counts(|run| run.jobs.cut));
    table.count("cached tokens", counts(|run| run.tokens.cached));
    let lag = real.lag_s.as_ref().expect("a live run measures its lag").p99;
    let latencies = [
        ("latency p50, s", simulated.latency_s.p50, real.latency_s.p50),
        ("latency p95, s", simulated.latency_s.p95, real.latency_s.p95),
        ("first token p50, s", simulated.first_token_s.p50, real.first_token_s.p50),
    ];
    for (name, simulated, real) in latencies {
        table.latency(name, (simulated, real), lag);
    }
    table.lines.push(format!("  {:<34}{:>24.3}", "lag p99, s", lag));
}

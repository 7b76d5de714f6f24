//! Simulation against reality: the same scenarios in virtual time, and over real HTTP against mocks on
//! loopback. What the limits decide must be the same, what users feel must be nearly so (law 12).
//!
//! The scenarios are not chaotic: limits are exact buckets met by steady traffic, so that a millisecond here
//! or there moves single decisions but no sums. `cargo test parity -- --nocapture` prints the table.

use provider::Nanos;
use quotalab::drive::clock::Clock;
use quotalab::drive::local::Mocks;
use quotalab::drive::{live, record, virtual_time};
use quotalab::record::{Audit, Mode, Recorder, Summary};
use quotalab::scenario::{self, Overrides, Scenario};
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use tokio::runtime;

const SCENARIOS: [(&str, &str); 6] = [
    (
        "a wall of requests: four in five refused",
        "
name: wall
duration: 20s
providers: { p: { models: { m: {
  limits: { rpm: { limit: 1200, law: bucket, burst: 20 } }, latency: { total: { p50: 500ms, p95: 1s }, network: 0s } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { retry: { attempts: 1, obey_retry_after: false } }
workload: [{ name: w, route: r, arrivals: { poisson: 100/s }, prompt: 50, completion: 40, max_tokens: 50, stream: false }]
",
    ),
    (
        "a wall of tokens: reserved, settled, streamed",
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
        "a fallback: what the first has no room for",
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
        "a flaky provider: one in twenty answers 503",
        "
name: flaky
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
        "twins: what is asked at once goes as one, and one in ten breaks",
        "
name: twins
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
        "half of each prompt cached, some too long: given back, and gone elsewhere",
        "
name: cached
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
];

/// A live run is compared only where the machine let it keep its schedule: 99 % of its jobs left within this.
const LATEST_S: f64 = 0.025;
/// So many times a stalled run is run again.
const TRIES: u32 = 3;

#[test]
fn a_simulation_and_a_run_agree() {
    let pairs: Vec<(Summary, Summary)> = thread::scope(|scope| {
        let runs: Vec<_> = SCENARIOS.iter().map(|(_, yaml)| scope.spawn(|| both(&scenario(yaml)))).collect();
        runs.into_iter().map(|run| run.join().expect("a run ends well")).collect()
    });
    let mut table = Table::default();
    for ((title, _), (simulated, real)) in SCENARIOS.iter().zip(&pairs) {
        table.lines.push(format!("{title}\n  {:<34}{:>12}{:>12}{:>12}", "", "simulated", "real", "off by"));
        compare(&mut table, simulated, real);
        let lag = real.lag_s.as_ref().expect("a live run knows its lag");
        table.lines.push(format!(
            "  {:<34}{:>12}{:>10.1}ms",
            "99 % of the jobs left within",
            "",
            lag.p99 * 1e3
        ));
    }
    println!("{}", table.lines.join("\n"));
    assert!(table.wrong.is_empty(), "{}\n{}", table.wrong.join("\n"), table.lines.join("\n"));
    let wall = &pairs[0].0.attempts;
    assert!(wall.limited * 2 > wall.total, "the first scenario refuses most of its traffic");
}

fn scenario(yaml: &str) -> Scenario {
    scenario::parse("parity", yaml, &Overrides::default(), None).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn both(scenario: &Scenario) -> (Summary, Summary) {
    let simulated = simulate(scenario);
    let mut real = run(scenario);
    for _ in 1..TRIES {
        if real.lag_s.as_ref().is_some_and(|lag| lag.p99 <= LATEST_S) {
            break;
        }
        real = run(scenario);
    }
    (simulated, real)
}

fn simulate(scenario: &Scenario) -> Summary {
    audited(scenario, Mode::Virtual, Nanos::ZERO, |folds| virtual_time::simulate(scenario, folds))
}

fn run(scenario: &Scenario) -> Summary {
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let channel = mpsc::channel();
    let clock = Clock::start();
    let mocks = runtime.block_on(Mocks::of(scenario, clock, &channel.0)).expect("free ports on loopback");
    // A timer may be late on a busy machine, a job no more than that.
    let summary = audited(scenario, Mode::Live, Nanos::from_secs(2), |folds| {
        live::run(scenario, folds, &mocks, clock, runtime.handle(), channel)
    });
    drop(mocks);
    runtime.shutdown_background();
    summary
}

/// Records the run that `drive` makes. The laws hold over HTTP as they do in virtual time.
fn audited(
    scenario: &Scenario,
    mode: Mode,
    slack: Nanos,
    drive: impl FnOnce(&mut (Recorder, &mut Audit)) -> provider::Instant,
) -> Summary {
    let mut audit = Audit::new(scenario, slack);
    let summary = record(Recorder::new(scenario), mode, &mut audit, drive);
    let (violations, _) = audit.finish();
    assert!(violations.is_empty(), "{} in {} time: {violations:#?}", scenario.name, mode.name());
    summary
}

#[derive(Default)]
struct Table {
    lines: Vec<String>,
    wrong: Vec<String>,
}

impl Table {
    fn row(&mut self, what: &str, (simulated, real): (f64, f64), tolerance: f64) {
        let off = if simulated == real { 0.0 } else { (real - simulated) / simulated };
        let line = format!("  {what:<34}{simulated:>12.3}{real:>12.3}{:>10.2} %", off * 100.0);
        if off.is_nan() || off.abs() > tolerance {
            self.wrong.push(format!("{line}, more than {:.0} %", tolerance * 100.0));
        }
        self.lines.push(line);
    }
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn compare(table: &mut Table, simulated: &Summary, real: &Summary) {
    let counts = |of: fn(&Summary) -> u64| (of(simulated) as f64, of(real) as f64);
    table.row("jobs offered", counts(|run| run.jobs.offered), 0.001);
    table.row("goodput, jobs", counts(|run| run.jobs.succeeded), 0.02);
    table.row("joined an identical job", counts(|run| run.jobs.joined), 0.02);
    table.row("attempts", counts(|run| run.attempts.total), 0.02);
    for (ours, theirs) in simulated.targets.iter().zip(&real.targets) {
        table.row(&format!("admitted by {}", ours.name), (ours.ok as f64, theirs.ok as f64), 0.02);
        let axes: BTreeSet<_> = ours.limited_by.keys().chain(theirs.limited_by.keys()).collect();
        for axis in axes {
            let of =
                |target: &quotalab::record::Target| target.limited_by.get(axis).copied().unwrap_or(0) as f64;
            table.row(&format!("refused by {} ({axis})", ours.name), (of(ours), of(theirs)), 0.02);
        }
    }
    table.row("attempts that failed otherwise", counts(|run| run.attempts.failed), 0.02);
    table.row("tokens, completion", counts(|run| run.tokens.completion), 0.02);
    if simulated.tokens.cached > 0 {
        table.row("tokens, cached", counts(|run| run.tokens.cached), 0.02);
    }
    table.row("latency p50, s", (simulated.latency_s.p50, real.latency_s.p50), 0.10);
    table.row("latency p95, s", (simulated.latency_s.p95, real.latency_s.p95), 0.10);
    table.row("first token p50, s", (simulated.first_token_s.p50, real.first_token_s.p50), 0.10);
}

//! Mocks in a process of their own report what mocks in this process report, in the order that the laws demand.

use super::{Table, audited, compare, scenario, simulate};
use provider::Nanos;
use quotalab::drive::clock::Clock;
use quotalab::drive::live;
use quotalab::drive::mock_process::MockProcess;
use quotalab::record::Mode;
use std::fs;
use std::path::Path;
use tokio::sync::mpsc;

/// Refusals, settlements after streams, faults, calls that are too long, and a second provider.
const SCENARIO: &str = "
name: process
duration: 6s
providers:
  first:
    models: { m: { context: 400,
      limits: { rpm: { limit: 1200, law: bucket, burst: 20 } },
      latency: { first_token: { p50: 200ms, p95: 300ms }, output: 200 tok/s, network: 0s } } }
    incidents: [{ at: 0s, for: 1h, fault: 503, share: 5% }]
  second: { dialect: openai, models: { m: { latency: { total: { p50: 300ms, p95: 500ms }, network: 0s } } } }
routes: { r: [{ of: [first/default/m] }, { of: [second/default/m] }] }
client: { retry: { attempts: 2, obey_retry_after: false } }
workload: [{ name: w, route: r, arrivals: { poisson: 60/s }, prompt: { min: 50, max: 420 }, completion: 20, max_tokens: 60 }]
";

#[test]
fn a_simulation_and_a_run_against_a_mock_process_agree() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parity-process.yaml");
    fs::write(&file, SCENARIO).unwrap();
    let scenario = scenario(SCENARIO);
    let client = live::runtime().expect("a runtime");
    let program = Path::new(env!("CARGO_BIN_EXE_quotalab"));
    let mut process = MockProcess::spawn(program, &[file.into()], 2).expect("a mock process");
    let channel = mpsc::unbounded_channel();
    let end = process.start(&scenario, 7, channel.0.clone()).expect("it listens");
    let clock = Clock::start();
    let real = audited(&scenario, Mode::Live, Nanos::from_secs(10), &mut (), |folds| {
        live::run(&scenario, folds, &process, clock, &client, channel)
    });
    assert!(!end.is_set(), "the process serves until the run has ended");
    drop(process);
    let mut table = Table::default();
    compare(&mut table, &simulate(&scenario), &real);
    let wrong = table.beyond_tolerance.join("\n");
    assert!(wrong.is_empty(), "{wrong}\n{}", table.lines.join("\n"));
    let first = &real.targets[0];
    assert!(
        first.peak["rpm"] > 0.5 && first.utilisation["rpm"] > 0.5,
        "the levels in the mock process are known: {first:?}"
    );
}

//! Saturated scenarios whose client obeys `retry-after`: a live run and a simulation of the same seed, in pairs.
//!
//! Such a client reacts to each refusal, so the time that messages take decides how many jobs are refused before the first
//! refusal reaches the client: at a round trip of 1 ms instead of 0.3 ms, equal jitter has about 5 % more refusals. A client
//! whose timers fire late sends several jobs at once. Both depend on the machine and on what else it does. The live run
//! therefore measures its round trips and its wake-up lag, and the simulation is given them; a second simulation, with the
//! delays that `sim` assumes, is printed beside it.
//!
//! `cargo test --test it obedience -- --ignored --nocapture` prints the table of the README.
//!
//! Not compared: backoff without jitter. All jobs that wait then return in one instant; a simulation sends them at
//! once, a live client one after the other, so that the first refusals arrive before the last are sent (a third to a
//! half fewer refusals).

use super::{run_with, scenario_with_seed, simulate, simulate_with_delays};
use quotalab::drive::WithMeasuredDelays;
use quotalab::record::{DelayMeter, Delays, Summary};
use quotalab::scenario::Scenario;
use quotalab::stats::critical_t;
use std::thread;

/// The 95th percentile of a run of 12 s, about nine jobs above it, varies by a tenth: six seeds cannot tell whether it differs.
const SEEDS: u64 = 24;

/// The name, limits, client and arrivals of each scenario.
const SCENARIOS: [(&str, &str, &str, &str); 6] = [
    ("requests", "rpm: { limit: 600, burst: 10 }", "deadline: 3s, retry: { attempts: 3 }", "poisson: 15/s"),
    ("tokens", "tpm: { limit: 60k, burst: 2k }", "deadline: 3s, retry: { attempts: 3 }", "poisson: 15/s"),
    (
        "both",
        "rpm: { limit: 700, burst: 5 }, tpm: { limit: 66k, burst: 3k }",
        "deadline: 4s, retry: { attempts: 4 }",
        "poisson: 15/s",
    ),
    (
        "bursts",
        "rpm: { limit: 600, burst: 10 }",
        "deadline: 2s, retry: { attempts: 2 }",
        "burst: 30, every: 2s",
    ),
    (
        "users",
        "rpm: { limit: 600, burst: 10 }",
        "deadline: 5s, retry: { attempts: 3 }",
        "users: 30, think: 1s",
    ),
    (
        "equal jitter",
        "rpm: { limit: 900, burst: 15 }",
        "deadline: 3s, retry: { attempts: 3, backoff: { base: 200ms, cap: 1s, jitter: equal } }",
        "poisson: 20/s",
    ),
];

/// The one-sided probability that a figure is reported as wrong although a live run and a simulation do not differ. Small,
/// since 21 figures are judged at once: three measures of six scenarios and of all pairs.
const TAIL_PROBABILITY: f64 = 0.000_5;

/// The measures, and the tolerated relative difference of their means over all pairs.
const MEASURES: [(&str, f64); 3] = [("refusals", 0.03), ("goodput", 0.01), ("latency p95", 0.05)];

fn measures(summary: &Summary) -> [f64; 3] {
    [summary.attempts.limited as f64, summary.jobs.succeeded as f64, summary.latency_s.p95]
}

fn yaml((name, limits, client, arrivals): (&str, &str, &str, &str)) -> String {
    format!(
        "
name: {name}
duration: 12s
providers: {{ p: {{ models: {{ m: {{ limits: {{ {limits} }}, latency: {{ total: {{ p50: 200ms, p95: 400ms }} }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ {client} }}
workload: [{{ name: w, route: r, arrivals: {{ {arrivals} }}, prompt: 50, completion: 40, max_tokens: 50, stream: false }}]
"
    )
}

/// Returns the mean of values and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|each| (each - mean) * (each - mean)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

/// The relative differences of a live run of a scenario from two simulations: with the delays that the run measured, and with
/// those of an idle loopback interface.
type Differences = [[f64; 3]; 2];

/// Runs a scenario and simulates it twice; returns the differences, and the delays that the run measured.
fn differences(scenario: &Scenario) -> (Differences, Delays) {
    let mut meter = DelayMeter::new(scenario);
    let real = measures(&run_with(scenario, &mut meter));
    let measured = WithMeasuredDelays::new(scenario, &meter).expect("a saturated run has refusals");
    // Relative to the mean of both. The mean of ratios of figures that vary alike would be above one.
    let difference = |simulated: &Summary| {
        let simulated = measures(simulated);
        std::array::from_fn(|of| 2.0 * (real[of] - simulated[of]) / (real[of] + simulated[of]))
    };
    let differences =
        [difference(&simulate_with_delays(scenario, &measured)), difference(&simulate(scenario))];
    (differences, meter.delays(None))
}

#[test]
#[ignore = "a measurement of six minutes; run with --ignored"]
fn a_simulation_and_a_run_agree_on_clients_that_obey_retry_after() {
    let mut pairs = [const { Vec::new() }; SCENARIOS.len()];
    for seed in 1..=SEEDS {
        // One seed at a time: more live runs at once make messages slower.
        thread::scope(|scope| {
            let run = |which| move || differences(&scenario_with_seed(&yaml(which), seed));
            let runs: Vec<_> = SCENARIOS.iter().map(|which| scope.spawn(run(*which))).collect();
            for (of_scenario, run) in pairs.iter_mut().zip(runs) {
                of_scenario.push(run.join().expect("a run that does not panic"));
            }
        });
    }
    let mut wrong = Vec::new();
    for (simulation, title) in ["as measured", "as assumed"].into_iter().enumerate() {
        println!("\n{:<14}{:>24}{:>24}{:>24}", title, MEASURES[0].0, MEASURES[1].0, MEASURES[2].0);
        let mut row = |of: &str, pairs: &[(Differences, Delays)], tolerance_factor: f64| {
            let mut line = format!("{of:<14}");
            for (measure, (_, tolerance)) in MEASURES.into_iter().enumerate() {
                let differences: Vec<f64> = pairs.iter().map(|(pair, _)| pair[simulation][measure]).collect();
                let (mean, error) = mean_and_error(&differences);
                line.push_str(&format!("{:>+15.2} ± {:.2} %", mean * 100.0, 2.0 * error * 100.0));
                // A difference of up to a third of the tolerance is never wrong, however little the seeds vary.
                let margin = (error * critical_t(differences.len() as f64 - 1.0, TAIL_PROBABILITY))
                    .max(tolerance / 3.0);
                let within = mean.abs() <= margin && mean.abs() <= tolerance_factor * tolerance;
                if simulation == 0 && !within {
                    wrong.push(format!("{of}: {} {:+.2} %", MEASURES[measure].0, mean * 100.0));
                }
            }
            println!("{line}");
        };
        for (scenario, of_scenario) in SCENARIOS.iter().zip(&pairs) {
            row(scenario.0, of_scenario, f64::INFINITY);
        }
        row("all", &pairs.concat(), 1.0);
    }
    let mean = |of: fn(&Delays) -> f64| {
        1_000.0 * mean_and_error(&pairs.concat().iter().map(|(_, delays)| of(delays)).collect::<Vec<_>>()).0
    };
    println!(
        "\nround trip {:.2} ms, wake-up lag {:.2} ms (means; assumed 0.3 ms and 0 ms)",
        mean(|delays| delays.round_trip_s.mean),
        mean(|delays| delays.wake_lag_s.mean)
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

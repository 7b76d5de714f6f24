//! The size of a run is estimated before it begins, and bounded while it runs.

use super::{arg, quotalab, scratch};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a scenario with one model, limited to 30 requests per minute, and this client and load.
fn scenario(folder: &Path, client: &str, arrivals: &str) -> PathBuf {
    let file = folder.join("base.yaml");
    let text = format!(
        "duration: 60s
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: 30 }}, latency: {{ total: 500ms }} }} }} }} }}
routes: {{ r: [ {{ of: [p/default/m] }} ] }}
client: {client}
workload: [ {{ name: w, arrivals: {arrivals}, prompt: 10, max_tokens: 10 }} ]
expect: [ success >= 0% ]
"
    );
    fs::write(&file, text).expect("a writable folder");
    file
}

#[test]
fn a_run_beyond_the_budget_is_refused_with_its_size_and_a_remedy() {
    let folder = scratch("budget");
    let refused = |arrivals: &str, verb: &[&str], size: &str| {
        let file = scenario(&folder, "{ deadline: 1h }", arrivals);
        let args = [&verb[..1], &[arg(&file)], &verb[1..]].concat();
        let output = quotalab(&args);
        assert_eq!((output.code, output.out.as_str()), (2, ""), "{verb:?} {output:?}");
        for part in [size, "the maximum is 100 million jobs and 2 GB", "--yes"] {
            assert!(output.err.contains(part), "{verb:?}: {}", output.err);
        }
    };
    for verb in ["sim", "run", "plan", "test"] {
        refused("{ burst: 10M, every: 1ms }", &[verb], "600 billion jobs");
        // 60 million jobs are within the budget, but they would wait for an hour.
        refused("{ poisson: 1M/s }", &[verb], "60 million jobs (");
    }
    let base = "{ poisson: 30/min }";
    refused(base, &["plan", "--target", "1e308x"], "over 10^18 jobs");
    refused(base, &["plan", "--target", "10000000x"], "300 million jobs");
    refused(base, &["plan", "--target", "1000000000/s"], "60 billion jobs");

    let file = scenario(&folder, "{ deadline: 1s }", base);
    let small = quotalab(&["sim", arg(&file), "--yes", "--json", "--quiet", "--out", arg(&folder)]).json();
    assert!(small["reproduce"].as_str().unwrap().ends_with(" --yes"), "{}", small["reproduce"]);
}

/// Compares the estimated numbers of jobs and events, and the maximum number of jobs in flight, with those of a simulation.
#[test]
fn the_estimate_is_accurate_within_a_factor_of_two() {
    use quotalab::drive::{RunSize, virtual_time};
    use quotalab::scenario::{Overrides, read};
    let folder = scratch("estimate");
    let all_wait = "{ deadline: 1h, retry: { attempts: 4 } }";
    let served = "{ deadline: 10s, retry: { attempts: 2 } }";
    let cases = [
        (served, "{ poisson: 29/min }"),
        ("{ deadline: 5s, retry: { attempts: 1 } }", "{ constant: 200/s }"),
        (all_wait, "{ burst: 3000, every: 60s }"),
    ];
    for (client, arrivals) in cases {
        let file = scenario(&folder, client, arrivals);
        let scenario = read(&file, &Overrides::default()).unwrap();
        let size = RunSize::of(&scenario, 1.0);
        let mut counter = Counter::default();
        virtual_time::simulate(&scenario, &mut counter);
        let Counter { jobs, events, in_flight: (_, most) } = counter;
        for (name, estimated, measured) in
            [("jobs", size.jobs, jobs), ("events", size.events, events), ("in flight", size.in_flight, most)]
        {
            let ratio = estimated / measured as f64;
            assert!(
                (0.5..=2.0).contains(&ratio),
                "{arrivals}, {name}: {estimated} estimated, {measured} measured"
            );
        }
    }
}

#[test]
fn the_estimate_counts_at_most_one_job_in_flight_for_each_user() {
    use quotalab::drive::RunSize;
    use quotalab::scenario::{Overrides, read};
    let folder = scratch("users");
    let file = scenario(&folder, "{ deadline: 24h }", "{ users: 40, think: 1s }");
    let scenario = read(&file, &Overrides::default()).unwrap();
    for multiple in [1.0, 2.0] {
        let in_flight = RunSize::of(&scenario, multiple).in_flight;
        assert!((20.0 * multiple..=40.0 * multiple).contains(&in_flight), "{multiple}: {in_flight}");
    }
}

/// Rows of a trace at one instant are in flight together; rows that are far apart are not. For these traces the estimate is
/// at least the measured number, and at most four times that number.
#[test]
fn the_estimate_counts_trace_rows_at_one_instant_as_in_flight_together() {
    use quotalab::drive::{RunSize, virtual_time};
    use quotalab::scenario::{Overrides, read};
    let folder = scratch("trace-size");
    let (file, trace) = (folder.join("s.yaml"), folder.join("t.jsonl"));
    let row = |at_ms: u64| {
        format!("{{\"timestamp\": {at_ms}, \"input_length\": 10, \"output_length\": 10, \"hash_ids\": []}}\n")
    };
    let yaml = "duration: 60s
providers: { p: { models: { m: { limits: { rpm: 30 }, latency: { total: 500ms } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 2s }
workload: [{ name: w, route: r, arrivals: { trace: t.jsonl } }]
";
    fs::write(&file, yaml).unwrap();
    for (at_once, apart) in [(2_000, 10), (1, 58)] {
        let rows = std::iter::repeat_n(0, at_once).chain((1..=apart).map(|second| second * 1_000));
        fs::write(&trace, rows.map(row).collect::<String>()).unwrap();
        let scenario = read(&file, &Overrides::default()).unwrap();
        let mut counter = Counter::default();
        virtual_time::simulate(&scenario, &mut counter);
        let (estimated, measured) = (RunSize::of(&scenario, 1.0).in_flight, counter.in_flight.1 as f64);
        assert!(measured >= at_once as f64 && measured <= estimated, "{estimated} for {measured}");
        assert!(estimated <= measured * 4.0, "{estimated} for {measured}");
    }
}

/// Counts jobs and events. `in_flight` holds the current number of jobs in flight and the maximum so far.
#[derive(Default)]
struct Counter {
    jobs: u64,
    events: u64,
    in_flight: (u64, u64),
}

impl quotalab::record::Fold for Counter {
    fn event(&mut self, event: &quotalab::event::Event) {
        use quotalab::event::EventKind;
        self.events += 1;
        match event.kind {
            EventKind::Arrived { .. } => {
                self.jobs += 1;
                self.in_flight.0 += 1;
                self.in_flight.1 = self.in_flight.1.max(self.in_flight.0);
            }
            EventKind::Done(_) => self.in_flight.0 -= 1,
            _ => {}
        }
    }
}

/// Uses 1 GB of memory and takes ten seconds in a debug build.
#[test]
#[ignore = "large: run it with --ignored"]
fn a_simulation_with_too_many_jobs_in_flight_is_ended_and_its_first_line_says_so() {
    let folder = scratch("too-many");
    let file = scenario(&folder, "{ deadline: 1h }", "{ constant: 100k/s }");
    let output = quotalab(&["sim", arg(&file), "--yes", "--quiet", "--out", arg(&folder)]);
    assert_eq!(output.code, 3, "{output:?}");
    assert!(output.out.starts_with("The run was ended after "), "{}", output.out);
    assert!(output.err.contains("too many jobs were in flight"), "{}", output.err);
    let result: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("result.json")).unwrap()).unwrap();
    assert_eq!(result["findings"][0]["kind"], "too_many_jobs");
    let test = quotalab(&["test", arg(&file), "--yes", "--quiet"]);
    assert_eq!(test.code, 3, "{test:?}");
    assert!(test.err.contains("too many jobs were in flight"), "{}", test.err);
}

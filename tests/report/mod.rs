//! The recorder and the reports, on runs of a small model of a provider (`toy_model`).

mod audit;
mod generator;
mod job_traces;
mod log;
mod page;
mod record;
mod scenario;
mod series;
mod text;
mod toy_model;
pub(crate) mod xml;

use provider::dist::Dist;
use provider::{Axis, Instant, Nanos};
use quotalab::event::{EventKind, JobEnd, JobOutcome, Obstacle, WaitReason};
use quotalab::ids::{TargetId, WorkloadId};
use quotalab::record::{Mode, Recorder, RunEnd, Summary};
use quotalab::scenario::{Arrivals, Scenario};
use toy_model::{RunConditions, simulate};

/// The summary of a day on one account and a fallback, with an incident in the afternoon and a peak above the limits.
fn launch_day() -> Summary {
    run(&launch_scenario(26.0), 26.0)
}

/// The scenario of [`launch_day`] at `per_min` jobs per minute.
fn launch_scenario(per_min: f64) -> Scenario {
    let groq: &[(Axis, u64)] = &[(Axis::Rpm, 30), (Axis::Rpd, 14_400), (Axis::Tpm, 30_000)];
    let cerebras: &[(Axis, u64)] = &[(Axis::Rpm, 60), (Axis::Tpm, 20_000)];
    let targets = [("groq/acme/llama-3.3-70b-versatile", groq), ("cerebras/default/gpt-oss-120b", cerebras)];
    let mut scenario = scenario::scenario("launch day", Nanos::DAY, &targets);
    scenario.workloads[0].arrivals = Arrivals::Poisson(per_min / 60.0);
    scenario.workloads[0].prompt = Dist::Constant(580.0);
    scenario.workloads[0].completion = Dist::Constant(230.0);
    scenario
}

/// Runs a scenario at `per_min` jobs per minute, with an incident a little after its middle.
fn run(scenario: &Scenario, per_min: f64) -> Summary {
    let middle = scenario.duration.as_secs_f64() * 0.55;
    let conditions = RunConditions { per_min, swing: 0.8, incident: middle..middle * 1.02 };
    let mut recorder = Recorder::new(scenario);
    let at = simulate(scenario, &conditions, &mut recorder);
    let reproduce = "quotalab sim scenarios/11-launch-day.yaml --seed 7".to_owned();
    Summary { reproduce, ..recorder.finish(end(at)) }
}

/// The end of a run in virtual time.
fn end(at: Instant) -> RunEnd {
    RunEnd { at, mode: Mode::Virtual, scheduled: None, interrupted: false }
}

/// Edge cases for reports: no job, one job, one time bucket, names that are HTML, hundreds of targets.
fn odd_runs() -> Vec<Summary> {
    let limits: &[(Axis, u64)] = &[(Axis::Rpm, 30), (Axis::Tpm, 30_000), (Axis::Rpd, 1_000)];
    let small = |name, duration| scenario::scenario(name, duration, &[("groq/acme/small", limits)]);
    let code = "<script>alert('&\"\u{1}')</script>";
    let names: Vec<String> =
        (0..300).map(|id| format!("provider{id}/account/{}", "long-".repeat(30))).collect();
    let many: Vec<(&str, &[(Axis, u64)])> = names.iter().map(|name| (name.as_str(), limits)).collect();
    let mut coded = scenario::scenario(code, Nanos::MINUTE, &[(code, limits)]);
    coded.about = code.to_owned();
    coded.expect[0].text = code.to_owned();
    coded.workloads.push(scenario::workload(code));
    vec![
        run(&small("nothing", Nanos::MINUTE), 0.0),
        run(&small("one", Nanos::MINUTE), 1.5),
        run(&small("an instant", Nanos(1)), 1.0),
        run(&small("a second", Nanos::SECOND), 600.0),
        run(&small("a year", Nanos(365 * Nanos::DAY.0)), 0.01),
        run(&scenario::scenario("no limit", Nanos::HOUR, &[("groq/acme/free", &[])]), 60.0),
        run(&scenario::scenario("no target", Nanos::HOUR, &[]), 0.0),
        run(&coded, 90.0),
        run(&scenario::scenario("many", Nanos::HOUR, &many), 60.0),
    ]
}

/// Returns what makes a job wait for the first target.
fn obstacle(why: WaitReason) -> Obstacle {
    Obstacle { target: TargetId(0), why, axis: None, cause: None }
}

/// Returns the arrival of a job of the first workload, with a prompt of one token and neither a deadline nor a bound.
fn arrived(scheduled: Instant) -> EventKind {
    EventKind::Arrived {
        workload: WorkloadId(0),
        engine: quotalab::ids::EngineId::default(),
        scheduled,
        deadline: None,
        prompt_tokens: 1,
        max_tokens: None,
    }
}

/// Returns the end of a job of the first workload without attempts and times.
fn job_end(outcome: JobOutcome, scheduled: Instant) -> JobEnd {
    JobEnd::without_attempt(outcome, WorkloadId(0), scheduled)
}

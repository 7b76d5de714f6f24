//! How fast virtual time is: simulated jobs per second and core for a scenario with three targets, limits,
//! retries and recording on, and the peak memory of an hour and of a day of the same traffic.
//!
//! `cargo bench --bench virtual_time`

use quotalab::drive::virt;
use quotalab::record::Recorder;
use quotalab::scenario::{self, Overrides, Plan};
use std::time::Instant;

const SCENARIO: &str = include_str!("three_targets.yaml");

fn plan(duration: &str) -> Plan {
    let duration = quotalab::units::duration(duration).expect("a duration");
    let overrides = Overrides { duration: Some(duration), ..Overrides::default() };
    scenario::parse("three_targets.yaml", SCENARIO, &overrides, None).expect("the bench's scenario is valid")
}

#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and prints what it saw"
)]
fn main() {
    for duration in ["1h"] {
        let plan = plan(duration);
        let mut recorder = Recorder::new(&plan);
        let begun = Instant::now();
        let end = virt::simulate(&plan, &mut recorder);
        let seconds = begun.elapsed().as_secs_f64();
        let ceiling = quotalab::ceiling::Ceiling::of(&plan);
        let end = quotalab::record::End {
            at: end,
            mode: quotalab::record::Mode::Virtual,
            scheduled: None,
            ceiling,
            reproduce: String::new(),
            notes: vec![],
            what_if: vec![],
        };
        let s = recorder.finish(end);
        println!("{duration}: {seconds} {:?} {:?} {:?} {:?}", s.jobs, s.attempts, s.latency_s, s.verdict);
    }
}

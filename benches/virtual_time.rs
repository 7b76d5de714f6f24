//! Measures the simulation in virtual time: jobs per second on one core with three targets, limits, retries and recording,
//! also relative to a bare loop (`bare_loop.rs`) and to the same model in SimPy (`three_targets_simpy.py`); the peak memory of
//! a short and of a long run (an hour and a day of traffic); and how the time grows with the number of jobs that wait for a
//! cool-down (`waiting.yaml`).
//! `README.md` explains the results.
//!
//! ```text
//! cargo bench --bench virtual_time                          everything, in about two minutes
//! cargo bench --bench virtual_time -- --quick               ten minutes and an hour of traffic, for CI
//! cargo bench --bench virtual_time -- --once sim 10m        one run of one subject, for a profiler
//! cargo bench --bench virtual_time -- --once waiting 4000   the same with this number of waiting jobs
//! ```
//!
//! Every run is its own process, so that the peak memory is that of one run. The subjects alternate, so that other load on the
//! machine affects all of them.

mod bare_loop;
#[path = "../mock/benches/throughput/measured.rs"]
mod measured;

use anyhow::{Context, ensure};
use measured::{median_and_range, memory_kib, seconds_on_core};
use provider::units;
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind};
use quotalab::record::{Fold, Recorder};
use quotalab::scenario::{self, Overrides, Scenario};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const SCENARIO: &str = include_str!("three_targets.yaml");
const WAITING: &str = include_str!("waiting.yaml");

/// The numbers of waiting jobs that are compared.
const WAITING_JOBS: [&str; 2] = ["4000", "16000"];

/// The number of rounds of a measurement and the durations that they simulate.
struct Measure {
    /// The number of rounds. Every subject runs once per round.
    rounds: usize,
    /// The simulated duration of a run, and that of a run of the SimPy model, which is much slower.
    duration: &'static str,
    simpy_duration: &'static str,
    /// The simulated duration of the long run, whose peak memory is compared with that of a run of `duration`.
    long_duration: &'static str,
}

const WHOLE: Measure = Measure { rounds: 11, duration: "1h", simpy_duration: "2m", long_duration: "24h" };
const QUICK: Measure = Measure { rounds: 3, duration: "10m", simpy_duration: "20s", long_duration: "1h" };

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(&WHOLE),
        ["--quick"] => compare(&QUICK),
        ["--once", subject, extent] => once(subject, extent),
        _ => anyhow::bail!(
            "expected --quick, --once sim DURATION, --once bare DURATION, --once waiting JOBS, or nothing"
        ),
    }
}

/// The result of one run.
#[derive(Clone, Copy)]
struct Run {
    /// Jobs that ended.
    jobs: f64,
    /// CPU seconds; elapsed seconds if the system does not report them.
    seconds: f64,
    /// Peak memory in KiB; `None` if the system does not report it, and for the SimPy model.
    peak_kib: Option<f64>,
}

impl Run {
    fn jobs_per_second(self) -> f64 {
        self.jobs / self.seconds
    }

    /// Parses the output of [`once`] or of the SimPy model.
    fn parse(line: &str) -> anyhow::Result<Self> {
        let numbers: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        ensure!(numbers.len() >= 2, "expected jobs and seconds, found {line:?}");
        Ok(Self { jobs: numbers[0], seconds: numbers[1], peak_kib: numbers.get(2).copied() })
    }

    /// Runs a command that prints a result, and parses it.
    fn of_command(command: &mut Command) -> anyhow::Result<Self> {
        let output = command.output().with_context(|| format!("{command:?}"))?;
        ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// Runs a subject in its own process. `extent`: see [`once`].
    fn of_subject(subject: &str, extent: &str) -> anyhow::Result<Self> {
        Self::of_command(Command::new(std::env::current_exe()?).args(["--once", subject, extent]))
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn compare(measure: &Measure) -> anyhow::Result<()> {
    let (mut sims, mut bares, mut simpys, mut waiting_ratios) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut simpy = simpy_model(measure.simpy_duration);
    for _ in 0..measure.rounds {
        sims.push(Run::of_subject("sim", measure.duration)?);
        bares.push(Run::of_subject("bare", measure.duration)?);
        let [few, many] = WAITING_JOBS.map(|jobs| Run::of_subject("waiting", jobs));
        waiting_ratios.push(many?.seconds / few?.seconds);
        if let Ok(command) = &mut simpy {
            simpys.push(Run::of_command(command)?);
        }
    }
    let long = Run::of_subject("sim", measure.long_duration)?;

    let rates = |runs: &[Run]| runs.iter().map(|run| run.jobs_per_second() / 1e6).collect::<Vec<_>>();
    let ratios = |others: &[Run]| {
        let pairs = sims.iter().zip(others);
        pairs.map(|(sim, other)| sim.jobs_per_second() / other.jobs_per_second()).collect::<Vec<_>>()
    };
    println!("million jobs per second and core, median (minimum to maximum of {} rounds)", measure.rounds);
    println!("  quotalab, {:>3} of traffic   {}", measure.duration, median_and_range(rates(&sims)));
    println!("  quotalab, {:>3} of traffic   {:.3}", measure.long_duration, long.jobs_per_second() / 1e6);
    println!("  bare loop                 {}", median_and_range(rates(&bares)));
    println!("  quotalab / bare loop      {}", median_and_range(ratios(&bares)));
    match simpy {
        Ok(_) => {
            println!("  SimPy                     {}", median_and_range(rates(&simpys)));
            println!("  quotalab / SimPy          {}", median_and_range(ratios(&simpys)));
        }
        Err(reason) => println!("  SimPy                     skipped: {reason:#}"),
    }
    let [few, many] = WAITING_JOBS;
    println!("CPU seconds, {many} waiting jobs / {few}");
    println!("  quotalab                  {}", median_and_range(waiting_ratios));
    println!("peak memory");
    match (sims[0].peak_kib, long.peak_kib) {
        (Some(short), Some(long)) => {
            println!("  {:>3} of traffic            {:.2} MiB", measure.duration, short / 1024.0);
            println!("  {:>3} of traffic            {:.2} MiB", measure.long_duration, long / 1024.0);
            println!("  ratio                     {:.3}", long / short);
        }
        _ => println!("  skipped: this system has no /proc/self/status"),
    }
    Ok(())
}

/// Returns the command that runs the SimPy model for this duration.
///
/// # Errors
/// If Python or SimPy is not installed.
fn simpy_model(duration: &str) -> anyhow::Result<Command> {
    let found = Command::new("python3").args(["-c", "import simpy"]).output();
    ensure!(found.context("there is no python3")?.status.success(), "python3 has no simpy");
    let seconds = units::parse_duration(duration)
        .expect("invariant: the durations of a measurement are valid")
        .as_secs_f64();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/three_targets_simpy.py");
    let mut command = Command::new("python3");
    command.arg(model).arg(seconds.to_string());
    Ok(command)
}

/// Runs one subject in this process and prints its [`Run`]. `extent` is the simulated duration; for `waiting` it is the number
/// of jobs.
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock and prints")]
fn once(subject: &str, extent: &str) -> anyhow::Result<()> {
    let scenario = if subject == "waiting" { waiting(extent)? } else { three_targets(extent)? };
    let (start, cpu_at_start) = (Instant::now(), seconds_on_core("self"));
    let jobs = match subject {
        "sim" | "waiting" => {
            let mut fold = (Recorder::new(&scenario), EndedJobs(0));
            virtual_time::simulate(&scenario, &mut fold);
            fold.1.0
        }
        "bare" => bare_loop::run(&scenario),
        _ => anyhow::bail!("expected sim, bare or waiting, found {subject}"),
    };
    let seconds = seconds_on_core("self")
        .zip(cpu_at_start)
        .map_or(start.elapsed().as_secs_f64(), |(now, then)| now - then);
    println!("{jobs} {seconds} {}", memory_kib("self", "VmHWM").map_or(String::new(), |kib| kib.to_string()));
    Ok(())
}

fn three_targets(duration: &str) -> anyhow::Result<Scenario> {
    let duration = units::parse_duration(duration).ok().context("expected a duration such as 10m")?;
    let overrides = Overrides { duration: Some(duration), ..Overrides::default() };
    Ok(scenario::parse("three_targets.yaml", SCENARIO, &overrides, None)
        .expect("invariant: the scenario of the benchmark is valid"))
}

/// Returns the scenario of this number of jobs that arrive at once.
fn waiting(jobs: &str) -> anyhow::Result<Scenario> {
    jobs.parse::<u32>().context("expected a number of jobs such as 4000")?;
    let yaml = WAITING.replace("burst: 1,", &format!("burst: {jobs},"));
    Ok(scenario::parse("waiting.yaml", &yaml, &Overrides::default(), None)
        .expect("invariant: the scenario of the benchmark is valid"))
}

/// Counts the jobs that ended, as the other subjects do. If the run is ended early, the jobs that are then in flight count as well.
struct EndedJobs(u64);

impl Fold for EndedJobs {
    fn event(&mut self, event: &Event) {
        self.0 += u64::from(matches!(event.kind, EventKind::Done(_)));
    }
}

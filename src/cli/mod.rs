//! The command line: a file per verb. Results go to stdout, progress and logs to stderr, and the exit code
//! says how it went.

mod check;
mod explain;
mod mock;
mod outcome;
mod plan;
mod progress;
mod report;
mod run;
mod schema;
mod sim;
mod tell;
mod test;

use crate::problem::Problems;
use crate::scenario::{self, Overrides, Scenario};
use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};
use provider::Nanos;
use provider::units;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which limit of a rate-limited LLM API you hit first, at what load, what your users see then, and what to change.
#[derive(Debug, Parser)]
#[command(name = "quotalab", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Validate scenarios; print each plan in words and its analytic ceiling
    Check(check::CheckArgs),
    /// Run a scenario in virtual time
    Sim(sim::SimArgs),
    /// Run a scenario over real HTTP: starts its providers as mocks on loopback and drives them
    Run(run::RunArgs),
    /// The ceiling, what binds, and ranked what-ifs
    Plan(plan::PlanArgs),
    /// Check the expectations of scenarios, and compare them with a baseline: for CI
    Test(test::TestArgs),
    /// Serve the providers of a scenario, or of a preset, over HTTP
    Mock(mock::MockArgs),
    /// Explain a 429: a body, or the output of `curl -i`
    Explain(explain::ExplainArgs),
    /// Render results again, or compare several
    Report(report::ReportArgs),
    /// Print the JSON Schema of scenarios, for editors
    Schema(schema::SchemaArgs),
}

/// How a verb ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: fine.
    Fine,
    /// 1: an expectation or a baseline is missed.
    Missed,
    /// 2: the input is wrong; nothing was started.
    WrongInput,
    /// 3: the run itself failed.
    Failed,
}

/// Why a verb could not do its work.
#[derive(Debug)]
enum VerbError {
    /// The input is wrong: exit code 2.
    Input(anyhow::Error),
    /// The run failed: exit code 3.
    Run(anyhow::Error),
}

impl From<Problems> for VerbError {
    fn from(problems: Problems) -> Self {
        Self::Input(anyhow!("{problems}"))
    }
}

/// A problem of the input, unless said otherwise.
fn input(error: impl Into<anyhow::Error>) -> VerbError {
    VerbError::Input(error.into())
}

/// A problem of the run.
fn failed(error: impl Into<anyhow::Error>) -> VerbError {
    VerbError::Run(error.into())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Missed => 1,
            Exit::WrongInput => 2,
            Exit::Failed => 3,
        })
    }
}

impl Cli {
    /// Does what the command line asks.
    #[must_use]
    pub fn run(self) -> Exit {
        let done = match self.verb {
            Verb::Check(verb) => verb.run(),
            Verb::Sim(verb) => verb.run(),
            Verb::Run(verb) => verb.run(),
            Verb::Plan(verb) => verb.run(),
            Verb::Test(verb) => verb.run(),
            Verb::Mock(verb) => verb.run(),
            Verb::Explain(verb) => verb.run(),
            Verb::Report(verb) => verb.run(),
            Verb::Schema(verb) => verb.run(),
        };
        match done {
            Ok(exit) => exit,
            Err(VerbError::Input(error)) => {
                tell::say(&format!("{error:#}"));
                Exit::WrongInput
            }
            Err(VerbError::Run(error)) => {
                tell::say(&format!("error: {error:#}"));
                Exit::Failed
            }
        }
    }
}

/// What every verb that reads a scenario takes.
#[derive(Clone, Debug, Args)]
struct Changes {
    /// The seed, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Change one word of the scenario, such as `client.retry.attempts=2`; may be given several times
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = path_and_value)]
    set: Vec<(String, String)>,
    /// How long jobs arrive, instead of the scenario's duration
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    duration: Option<Nanos>,
}

impl Changes {
    fn overrides(&self) -> Overrides {
        Overrides { set: self.set.clone(), seed: self.seed, duration: self.duration }
    }

    fn load(&self, scenario: &std::path::Path) -> Result<Scenario, VerbError> {
        Ok(scenario::load(scenario, &self.overrides())?)
    }

    /// These changes as they were typed, for the command that reproduces a result.
    fn typed(&self) -> String {
        let seed = self.seed.map(|seed| format!(" --seed {seed}"));
        let duration = self.duration.map(|length| format!(" --for {}", units::print_duration(length)));
        let set =
            self.set.iter().map(|(path, value)| format!(" --set {}", quoted(&format!("{path}={value}"))));
        seed.into_iter().chain(duration).chain(set).collect()
    }
}

/// Where results go.
#[derive(Clone, Debug, Args)]
struct Delivery {
    /// Write result.json, report.html and the charts here [default: out/<scenario>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the result as JSON instead of text
    #[arg(long)]
    json: bool,
    /// No progress and no notes on stderr
    #[arg(long)]
    quiet: bool,
    /// Write every event as a line of JSON
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

fn path_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err("expected a path and a value, such as client.retry.attempts=2".into()),
    }
}

fn duration(text: &str) -> Result<Nanos, String> {
    units::duration(text).map_err(|wrong| wrong.to_string())
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

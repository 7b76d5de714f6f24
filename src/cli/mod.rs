//! The command line, one file per verb: reads the arguments, runs the verb, delivers its result.
//!
//! Results go to stdout, progress, notes and errors to stderr. See [`Exit`] for the exit codes.

mod check;
mod default_folder;
mod explain;
mod gateway;
mod interrupt;
mod licences;
mod listen;
mod live_numbers;
mod mock;
mod output;
mod output_file;
mod output_folder;
mod plan;
mod plan_shards;
mod presets;
mod progress;
mod replay;
mod report;
mod run;
mod run_endpoint;
mod run_output;
mod schema;
mod sim;
mod sim_clients;
mod size_check;
mod test;

use crate::api_keys::masked;
use crate::formatting::{is_unprintable, path_name};
use crate::problem::Problems;
use crate::scenario::{self, Overrides, Scenario};
use anyhow::anyhow;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};
use provider::Nanos;
use provider::units;
use size_check::SizeCheck;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Find out which limit of a rate-limited LLM API you hit first, at what load, what users see then, and what to change.
#[derive(Debug, Parser)]
#[command(name = "quotalab", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Validate scenarios; print each scenario in words and its analytic ceiling
    Check(check::CheckArgs),
    /// Run a scenario in virtual time
    Sim(sim::SimArgs),
    /// Run a scenario over HTTP, in real time, against mocks of its providers on loopback, or through an endpoint
    Run(run::RunArgs),
    /// Find the ceiling, the limit that binds, and the changes that lift it
    Plan(plan::PlanArgs),
    /// Check the expectations of scenarios and compare them with a baseline, in CI
    Test(test::TestArgs),
    /// Serve the providers of a scenario or of a preset over HTTP
    Mock(mock::MockArgs),
    /// Serve the routes of a scenario as one OpenAI-compatible endpoint over its providers, with real keys
    Gateway(gateway::GatewayArgs),
    /// Explain a 429: a body, or the output of `curl -i`
    Explain(explain::ExplainArgs),
    /// Render a result again, or compare several
    Report(report::ReportArgs),
    /// Print the built-in providers; each number with its source, date and certainty
    Presets(presets::PresetsArgs),
    /// Print the JSON Schema of scenarios, for editors
    Schema(schema::SchemaArgs),
    /// Print the licences of quotalab and of the packages in it
    Licences(licences::LicencesArgs),
}

/// The exit code of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: the verb succeeded.
    Success,
    /// 1: an expectation is not met or cannot be judged, a measure is worse than the baseline, a replay takes another decision
    /// than was recorded, or something that a plan was asked about is not known to hold: the present load, the target load, the
    /// loss of a provider.
    NotMet,
    /// 2: the input is wrong; nothing was started.
    WrongInput,
    /// 3: the verb failed while it ran.
    Failed,
    /// 4: the shards of another round are needed for the plan.
    AnotherRound,
    /// The exit code of the command that `mock --exec` ran.
    Command(u8),
}

/// An error that ends a verb.
#[derive(Debug)]
enum VerbError {
    /// The input is wrong: exit code 2.
    Input(anyhow::Error),
    /// The verb failed while it ran: exit code 3.
    Run(anyhow::Error),
}

impl From<Problems> for VerbError {
    fn from(problems: Problems) -> Self {
        Self::Input(anyhow!("{problems}"))
    }
}

/// Returns what to write instead if a file is given where a verb is expected; `None` if the word neither has the extension of a
/// known kind of file nor names a file that exists.
fn verbs_for_file(word: &str) -> Option<String> {
    let path = Path::new(word);
    let has_extension = |known: &[&str]| {
        path.extension()
            .is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
    };
    let name = path_name(path);
    if has_extension(&["yaml", "yml"]) {
        Some(format!(
            "a verb comes first: `quotalab check {name}`, `quotalab sim {name}` or `quotalab plan {name}`"
        ))
    } else if has_extension(&["json"]) {
        Some(format!("a verb comes first: `quotalab report {name}` or `quotalab explain {name}`"))
    } else {
        path.is_file()
            .then(|| format!("a verb comes first: `quotalab sim {name}` or `quotalab explain {name}`"))
    }
}

/// Returns an error for wrong input.
fn input_error(error: impl Into<anyhow::Error>) -> VerbError {
    VerbError::Input(error.into())
}

/// Returns an error for a verb that failed while it ran.
fn run_error(error: impl Into<anyhow::Error>) -> VerbError {
    VerbError::Run(error.into())
}

/// Fails for this reason if `failed` is `true`.
fn fail_if(failed: bool, reason: &'static str) -> Result<(), VerbError> {
    if failed { Err(run_error(anyhow!(reason))) } else { Ok(()) }
}

/// Returns the first failure of several independent steps, with the others printed on stderr.
fn first_failure(steps: impl IntoIterator<Item = Result<(), VerbError>>) -> Result<(), VerbError> {
    let mut failures = steps.into_iter().filter_map(Result::err);
    let first = failures.next();
    for VerbError::Input(error) | VerbError::Run(error) in failures {
        output::print_to_stderr(&format!("error: {error:#}"));
    }
    first.map_or(Ok(()), Err)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::NotMet => 1,
            Exit::WrongInput => 2,
            Exit::Failed => 3,
            Exit::AnotherRound => 4,
            Exit::Command(code) => code,
        })
    }
}

impl Cli {
    /// Parses the command line of the process; prints help or what is wrong and ends the process if there is nothing to run.
    #[must_use]
    pub fn from_command_line() -> Self {
        Self::try_parse().unwrap_or_else(|mut error| {
            if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
                (error.kind(), error.get(ContextKind::InvalidSubcommand))
                && let Some(advice) = verbs_for_file(word)
            {
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![advice.into()]));
            }
            error.exit()
        })
    }

    /// Runs the verb. Errors are printed on stderr.
    #[must_use]
    pub fn run(self) -> Exit {
        let result = match self.verb {
            Verb::Check(verb) => verb.run(),
            Verb::Sim(verb) => verb.run(),
            Verb::Run(verb) => verb.run(),
            Verb::Plan(verb) => verb.run(),
            Verb::Test(verb) => verb.run(),
            Verb::Mock(verb) => verb.run(),
            Verb::Gateway(verb) => verb.run(),
            Verb::Explain(verb) => verb.run(),
            Verb::Report(verb) => verb.run(),
            Verb::Presets(verb) => verb.run(),
            Verb::Schema(verb) => verb.run(),
            Verb::Licences(verb) => verb.run(),
        };
        match result {
            Ok(exit) => exit,
            Err(VerbError::Input(error)) => {
                output::print_to_stderr(&format!("{error:#}"));
                Exit::WrongInput
            }
            Err(VerbError::Run(error)) => {
                output::print_to_stderr(&format!("error: {error:#}"));
                Exit::Failed
            }
        }
    }
}

/// The options that override values of a scenario, for every verb that reads one.
#[derive(Clone, Debug, Args)]
struct ScenarioOptions {
    /// Override the scenario's seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Override one value of the scenario, such as `client.retry.attempts=2`; repeatable
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = parse_path_and_value)]
    set: Vec<(String, String)>,
    /// Override the scenario's duration; a mock without --exec ends after it
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Nanos>,
}

impl ScenarioOptions {
    /// Returns the options as overrides of a scenario.
    fn overrides(&self) -> Overrides {
        Overrides { set: self.set.clone(), seed: self.seed, duration: self.duration }
    }

    /// Reads the scenario of a file, with these options applied.
    fn read(&self, scenario: &Path) -> Result<Scenario, VerbError> {
        Ok(scenario::read(scenario, &self.overrides())?)
    }

    /// Returns the arguments with which `mock` serves the providers of the same scenario: the path of its file, its seed and what
    /// overrides its values. A duration would end the mock.
    fn for_mock(&self, scenario: &Path) -> Vec<std::ffi::OsString> {
        let seed = self.seed.map(|seed| format!("--seed={seed}"));
        let set = self.set.iter().map(|(path, value)| format!("--set={path}={value}"));
        let options = seed.into_iter().chain(set).map(Into::into);
        // A path that begins with `-` would be read as an option. Joining leaves an absolute path as it is.
        options.chain([Path::new(".").join(scenario).into()]).collect()
    }

    /// Returns the options as command-line arguments, each after a space, for the command that reproduces a result.
    fn to_arguments(&self) -> String {
        let seed = self.seed.map(|seed| format!(" --seed {seed}"));
        let duration = self.duration.map(|length| format!(" --for {}", units::print_duration(length)));
        // Results and pages are shared: keys are not repeated in them.
        let is_secret = |path: &str| path.contains(".accounts") || path.ends_with(".keys");
        let value = |path: &str, value: &str| {
            if is_secret(path) { "…".to_owned() } else { masked(value).into_owned() }
        };
        let set = self
            .set
            .iter()
            .map(|(path, text)| format!(" --set {}", quoted(&format!("{path}={}", value(path, text)))));
        seed.into_iter().chain(duration).chain(set).collect()
    }
}

/// The options of `sim` and `run` for the output of the result, and the one that confirms a large run.
#[derive(Clone, Debug, Args)]
struct OutputOptions {
    /// Write result.json, report.html and the charts to this folder [default: out/<scenario>, or
    /// out/<folder>/<scenario> if that holds the files of another scenario]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the result as JSON instead of text
    #[arg(long)]
    json: bool,
    /// Print no progress and no notes on stderr
    #[arg(long)]
    quiet: bool,
    /// Write every event to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// The largest size of that file; later events are left out
    #[arg(long, value_name = "GB", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    events_limit: u64,
    #[command(flatten)]
    size_check: SizeCheck,
}

/// Raises the limit of file descriptors as far as the system allows.
///
/// # Errors
/// If it stays below what a server and its runtime need.
fn raise_descriptor_limit() -> Result<(), VerbError> {
    /// The runtime, the standard streams, and a few connections.
    const MIN_DESCRIPTORS: u64 = 32;
    let allowed = crate::drive::raise_descriptor_limit();
    let text = |allowed: u64| {
        format!(
            "{allowed} file descriptors are allowed, and at least {MIN_DESCRIPTORS} are needed: raise the limit (`ulimit -n`)"
        )
    };
    allowed
        .filter(|allowed| *allowed < MIN_DESCRIPTORS)
        .map_or(Ok(()), |allowed| Err(run_error(anyhow!(text(allowed)))))
}

/// Parses `PATH=VALUE`.
fn parse_path_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err("expected a path and a value, such as client.retry.attempts=2".into()),
    }
}

/// Parses a duration, such as `90s`.
fn parse_duration(text: &str) -> Result<Nanos, String> {
    units::parse_duration(text).map_err(|error| error.to_string())
}

/// Quotes a word for a shell if it needs quotes: POSIX quotes, or `$'…'` (bash, zsh, POSIX 2024) if it has unprintable
/// characters.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains(is_unprintable) {
        let escaped = |c: char| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if is_unprintable(c) => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\{byte:03o}")).collect()
            }
            c => c.to_string(),
        };
        format!("$'{}'", word.chars().map(escaped).collect::<String>())
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

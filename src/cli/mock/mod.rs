//! `quotalab mock [SCENARIO | --preset NAME]`

mod announcement;
mod answers;
mod base_urls;
mod environment;
mod exec;
mod for_run;

use super::interrupt::Signals;
use super::listen::Listen;
use super::output::{print, print_plain, print_to_stderr};
use super::{Exit, ScenarioOptions, VerbError, input_error, run_error};
use crate::drive::clock::Clock;
use crate::drive::local::{MockOptions, Mocks};
use crate::scenario::{self, MockedProviders};
use answers::FileAnswer;
use anyhow::{Context as _, anyhow};
use clap::Args;
use provider::config::Config;
use provider::server::{ControlPlane, is_speed};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime;

/// The preset that is served if nothing else is named.
const DEFAULT_PRESET: &str = "groq-free";

/// The port of the first provider if none is named.
const DEFAULT_PORT: u16 = 4141;

#[derive(Debug, Args)]
pub(super) struct MockArgs {
    /// The scenario whose providers to serve; it needs no routes and no workload
    #[arg(conflicts_with = "preset")]
    scenario: Option<PathBuf>,
    /// A preset to serve instead of a scenario [default: groq-free]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Address of the first provider, such as 4141, :4141, localhost:4141 or 0.0.0.0:4141; each further one takes the next
    /// port, and port 0 is any free one [default: 127.0.0.1:4141; with --exec, a free port]
    #[arg(long, value_name = "ADDRESS", value_parser = |text: &str| Listen::parse(text, DEFAULT_PORT))]
    listen: Option<Listen>,
    /// Enable the control plane (/_quotalab/, /metrics) on a non-loopback address, for clients that send the token in
    /// QUOTALAB_CONTROL_TOKEN; always on for loopback
    #[arg(long)]
    control: bool,
    /// Accept any key; one that no account has belongs to the first account
    #[arg(long)]
    any_key: bool,
    /// Serve this many times as fast; with 0 nothing takes any time
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_speed)]
    speed: f64,
    /// Answers of every provider from a file: a JSON list, or one JSON object per line, as /_quotalab/answers accepts them
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Print a line for each request on stderr
    #[arg(long)]
    access_log: bool,
    /// Print addresses, keys, models and environment variables as one line of JSON instead of text
    #[arg(long)]
    json: bool,
    /// Serve one run of `run --mock-process`, which drives this process through its standard streams
    #[arg(long, hide = true, conflicts_with_all = ["exec", "preset"])]
    for_run: bool,
    /// Run the command after `--` with the environment variables of the SDKs, and end with its exit code
    #[arg(long, requires = "command")]
    exec: bool,
    /// The command of --exec and its arguments
    #[arg(last = true, requires = "exec")]
    command: Vec<String>,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
}

impl MockArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        super::raise_descriptor_limit()?;
        let mut mocked = self.providers()?;
        let of_file = self.answers.as_deref().map(answers::read).transpose()?.unwrap_or_default();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime")
            .map_err(run_error)?;
        if self.for_run {
            let all = || of_file.iter().map(|of_file| of_file.answer.clone());
            mocked.answers.iter_mut().for_each(|answers| answers.extend(all()));
            return for_run::serve(mocked, &runtime);
        }
        runtime.block_on(self.serve(mocked, of_file))
    }

    fn providers(&self) -> Result<MockedProviders, VerbError> {
        let overrides = self.scenario_options.overrides();
        Ok(match &self.scenario {
            Some(path) => scenario::read_providers(path, &overrides)?,
            None => scenario::preset_providers(self.preset.as_deref().unwrap_or(DEFAULT_PRESET), &overrides)?,
        })
    }

    async fn serve(&self, mocked: MockedProviders, of_file: Vec<FileAnswer>) -> Result<Exit, VerbError> {
        let MockedProviders { providers, upstreams, answers, seed } = mocked;
        let providers = &providers[..];
        // From here on a signal ends the mock, which then prints its verdicts.
        let mut signals = Signals::listen().map_err(run_error)?;
        let listen = self.listen();
        let mut listeners = Vec::new();
        for index in 0..providers.len() {
            let address = listen
                .address(index)
                .ok_or_else(|| input_error(anyhow!("error: not enough ports above {}", listen.first())))?;
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}; choose another address with --listen"))
                .map_err(run_error)?;
            listeners.push(listener);
        }
        let control = self.control_plane(std::env::var(TOKEN_VARIABLE).ok())?;
        let options = MockOptions {
            control: match &control {
                ControlPlane::Disabled => ControlPlane::JournalOnly,
                control => control.clone(),
            },
            any_key: self.any_key,
            speed: self.speed,
            access_log: self.access_log.then(|| Arc::new(print_to_stderr) as _),
        };
        let mocks =
            Mocks::serve(providers, seed, Clock::start(), listeners, &options, None).map_err(run_error)?;
        answers::set(&mocks, &answers, of_file)?;
        // Recorded answers may be large, and the mocks keep them in a form of their own.
        drop(answers);
        let addresses: Vec<SocketAddr> = mocks.addresses().collect();
        let exit = if self.exec {
            exec::run(&self.command, providers, &addresses, &mut signals).await?
        } else {
            if self.json {
                print(&announcement::json(providers, &addresses, &control))?;
            } else {
                let text = announcement::text(providers, &upstreams, &addresses, &control, self.any_key);
                print_plain(&text)?;
            }
            self.wait_for_end(&mut signals).await;
            Exit::Success
        };
        print_verdicts(providers, &mocks);
        mocks.stop().await;
        Ok(exit)
    }

    fn listen(&self) -> Listen {
        self.listen.unwrap_or(if self.exec { Listen::ANY_PORT } else { Listen::loopback(DEFAULT_PORT) })
    }

    /// Waits for a signal, or until `--for` is over.
    async fn wait_for_end(&self, signals: &mut Signals) {
        match self.scenario_options.duration {
            Some(duration) => {
                let _ = tokio::time::timeout(Duration::from_nanos(duration.0), signals.next()).await;
            }
            None => signals.next().await,
        }
    }

    /// Returns whether there is a control plane: on a network that others can reach, only if requested, and with a token.
    ///
    /// # Errors
    /// If it is requested there without a token.
    fn control_plane(&self, token: Option<String>) -> Result<ControlPlane, VerbError> {
        let first = self.listen().first();
        if first.ip().is_loopback() {
            return Ok(ControlPlane::Enabled);
        }
        if !self.control {
            return Ok(ControlPlane::Disabled);
        }
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
            input_error(anyhow!(
                "error: --control on {first} would let every client that reaches it change the mock\n  help: set a token in the \
                 environment variable {TOKEN_VARIABLE}, which clients send as `Authorization: Bearer TOKEN`"
            ))
        })?;
        Ok(ControlPlane::WithToken(token.into()))
    }
}

/// Prints on stderr how many jobs ended in a refusal, and whether the clients retried correctly.
fn print_verdicts(providers: &[Config], mocks: &Mocks) {
    for (config, verdict) in providers.iter().zip(mocks.verdicts()) {
        if !verdict.is_empty() {
            print_to_stderr(&format!("{}: {}", config.name, verdict.trim_end()));
        }
    }
}

/// Parses the factor of `--speed`.
fn parse_speed(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('x').parse().ok().filter(|speed| is_speed(*speed));
    number.ok_or_else(|| "expected 0, or a factor from 0.001 to 1000000, such as 10".into())
}

/// The environment variable with the token of a control plane that others can reach.
const TOKEN_VARIABLE: &str = "QUOTALAB_CONTROL_TOKEN";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        mock: MockArgs,
    }

    #[test]
    fn the_control_plane_is_opt_in_on_non_loopback_addresses() {
        let control = |args: &[&str], token: Option<&str>| {
            let line = Line::parse_from([&["mock", "a.yaml"], args].concat());
            line.mock.control_plane(token.map(str::to_owned)).ok()
        };
        for (args, expected) in [
            (&["--listen", "127.0.0.1:1"][..], ControlPlane::Enabled),
            (&["--listen", "[::1]:1"], ControlPlane::Enabled),
            (&["--listen", "0.0.0.0:1"], ControlPlane::Disabled),
            (&["--listen", "[::]:1"], ControlPlane::Disabled),
        ] {
            assert_eq!(control(args, None), Some(expected), "{args:?}");
        }
        let open = ["--listen", "0.0.0.0:1", "--control"];
        assert_eq!(control(&open, Some("t")), Some(ControlPlane::WithToken("t".into())));
        assert_eq!((control(&open, None), control(&open, Some(""))), (None, None), "a token is needed");
    }
}

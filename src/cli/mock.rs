//! `quotalab mock SCENARIO | --preset NAME`

use super::interrupt::Signals;
use super::mock_urls::base_urls;
use super::output::print_plain;
use super::{Exit, ScenarioOptions, VerbError, input_error, quoted, run_error};
use crate::drive::clock::Clock;
use crate::drive::local::Mocks;
use crate::formatting::plural;
use crate::scenario;
use anyhow::{Context as _, anyhow};
use clap::Args;
use provider::config::Config;
use provider::server::ControlPlane;
use provider::wire::{self, KeyHeader, WireFormat};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime;

#[derive(Debug, Args)]
pub(super) struct MockArgs {
    /// The scenario whose providers to serve
    #[arg(required_unless_present = "preset", conflicts_with = "preset")]
    scenario: Option<PathBuf>,
    /// A preset to serve instead of a scenario, such as groq-free
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Address of the first provider; each further one takes the next port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4141")]
    listen: SocketAddr,
    /// Enable the control plane (/_quotalab/, /metrics) on a non-loopback address, for clients that send the token in
    /// QUOTALAB_CONTROL_TOKEN; always on for loopback
    #[arg(long)]
    control: bool,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
}

impl MockArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        super::raise_descriptor_limit()?;
        let (providers, seed) = self.providers()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime")
            .map_err(run_error)?;
        runtime.block_on(self.serve(&providers, seed))
    }

    fn providers(&self) -> Result<(Vec<Config>, u64), VerbError> {
        if let Some(scenario) = &self.scenario {
            let scenario = self.scenario_options.read(scenario)?;
            return Ok((scenario.providers, scenario.seed));
        }
        if !self.scenario_options.set.is_empty() {
            return Err(input_error(anyhow!("error: --set needs a scenario; a preset cannot be changed")));
        }
        let name = self.preset.as_deref().unwrap_or_default();
        Ok((vec![scenario::preset(name)?], self.scenario_options.seed.unwrap_or(0)))
    }

    async fn serve(&self, providers: &[Config], seed: u64) -> Result<Exit, VerbError> {
        // From here on a signal ends the mock with its verdict.
        let mut signals = Signals::listen().map_err(run_error)?;
        let mut listeners = Vec::new();
        for index in 0..providers.len() {
            let port = u16::try_from(
                usize::from(self.listen.port()) + if self.listen.port() == 0 { 0 } else { index },
            )
            .map_err(|_| input_error(anyhow!("error: not enough ports above {}", self.listen)))?;
            let address = SocketAddr::new(self.listen.ip(), port);
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}; choose another address with --listen"))
                .map_err(run_error)?;
            listeners.push(listener);
        }
        let control = self.control_plane(std::env::var(TOKEN_VARIABLE).ok())?;
        let mocks =
            Mocks::serve(providers, seed, Clock::start(), listeners, &control, None).map_err(run_error)?;
        print_plain(&announcement(providers, &mocks, &control))?;
        self.wait_for_end(&mut signals).await;
        mocks.stop().await;
        Ok(Exit::Success)
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
        if self.listen.ip().is_loopback() {
            return Ok(ControlPlane::Enabled);
        }
        if !self.control {
            return Ok(ControlPlane::Disabled);
        }
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
            input_error(anyhow!(
                "error: --control on {} would let every client that reaches it change the mock\n  help: set a token in the \
                 environment variable {TOKEN_VARIABLE}, which clients send as `Authorization: Bearer TOKEN`",
                self.listen
            ))
        })?;
        Ok(ControlPlane::WithToken(token.into()))
    }
}

/// The environment variable with the token of a control plane that others can reach.
const TOKEN_VARIABLE: &str = "QUOTALAB_CONTROL_TOKEN";

/// Returns the addresses, accounts and models, and for each wire format of the dialect a command that requests a completion.
fn announcement(providers: &[Config], mocks: &Mocks, control: &ControlPlane) -> String {
    let mut out = String::new();
    for (config, address) in providers.iter().zip(mocks.addresses()) {
        let (name, dialect, base) =
            (&config.name, config.dialect.name(), wire::format(config.dialect).base());
        let _ = writeln!(out, "{name} ({dialect}) listens on http://{address}{base}");
        for account in &config.accounts {
            let _ = writeln!(out, "  account {}: {}", account.name, keys(&account.keys));
        }
        let models: Vec<_> = config.models.iter().map(|model| model.name.as_str()).collect();
        let _ = writeln!(out, "  models: {}", models.join(", "));
        if let (Some(account), Some(model)) = (config.accounts.first(), models.first()) {
            let key = account.keys.first().filter(|key| *key == DEFAULT_KEY).map_or("KEY", String::as_str);
            for format in wire::formats(config.dialect) {
                let _ = writeln!(out, "  try: {}", curl(*format, address, key, model));
            }
        }
        out.push_str(&base_urls(config.dialect, address));
        let _ = match control {
            ControlPlane::Enabled => {
                writeln!(out, "  control plane: http://{address}/_quotalab and /metrics")
            }
            ControlPlane::WithToken(_) => writeln!(
                out,
                "  control plane: http://{address}/_quotalab and /metrics, with the token of {TOKEN_VARIABLE}"
            ),
            ControlPlane::Disabled => writeln!(out, "  control plane: off; enable it with --control"),
        };
    }
    out
}

/// The key of an account that the scenario does not describe. It is no secret, in contrast to the keys of a scenario.
const DEFAULT_KEY: &str = "default";

/// Describes the keys of an account, without printing those of a scenario.
fn keys(keys: &[String]) -> String {
    match keys {
        [key] if key == DEFAULT_KEY => key.clone(),
        keys => format!("{} of the scenario", plural(keys.len() as u64, "key")),
    }
}

/// Returns a command that requests a completion.
fn curl(format: &dyn WireFormat, address: SocketAddr, key: &str, model: &str) -> String {
    let header = match format.key_headers().first() {
        Some(KeyHeader::Named(name)) => format!("{name}: {key}"),
        Some(KeyHeader::Bearer | KeyHeader::Query(_)) | None => format!("Authorization: Bearer {key}"),
    };
    let path = format.path(model);
    let body = if path.ends_with(":generateContent") {
        serde_json::json!({ "contents": [{ "parts": [{ "text": "hello" }] }] })
    } else {
        serde_json::json!({
            "model": model,
            "messages": [{ "role": "user", "content": "hello" }],
            "max_tokens": 100,
        })
    };
    let url = quoted(&format!("http://{address}{path}"));
    format!("curl -i {url} -H {} -d {}", quoted(&header), quoted(&body.to_string()))
}

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

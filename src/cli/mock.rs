//! `quotalab mock SCENARIO | --preset NAME`

use super::output::print;
use super::{Changes, Exit, VerbError, failed, input};
use crate::drive::clock::Clock;
use crate::drive::local::Mocks;
use crate::scenario;
use anyhow::{Context as _, anyhow};
use clap::Args;
use provider::config::Config;
use provider::server::ControlPlane;
use provider::wire::{self, Key, WireFormat};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::runtime;

#[derive(Debug, Args)]
pub(super) struct MockArgs {
    /// The scenario whose providers are served
    #[arg(required_unless_present = "preset", conflicts_with = "preset")]
    scenario: Option<PathBuf>,
    /// A preset instead of a scenario, such as groq-free
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Where the first provider listens; each further one takes the next port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4141")]
    listen: SocketAddr,
    /// Answers under /_quotalab/ to whoever can reach it; on loopback it always does
    #[arg(long)]
    control: bool,
    #[command(flatten)]
    changes: Changes,
}

impl MockArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let (providers, seed) = self.providers()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the async runtime cannot be started")
            .map_err(failed)?;
        runtime.block_on(self.serve(&providers, seed))
    }

    fn providers(&self) -> Result<(Vec<Config>, u64), VerbError> {
        if let Some(scenario) = &self.scenario {
            let scenario = self.changes.load(scenario)?;
            return Ok((scenario.providers, scenario.seed));
        }
        if !self.changes.set.is_empty() || self.changes.duration.is_some() {
            return Err(input(anyhow!(
                "error: --set and --for change a scenario; a preset is served as it is"
            )));
        }
        let name = self.preset.as_deref().unwrap_or_default();
        Ok((vec![scenario::preset(name)?], self.changes.seed.unwrap_or(0)))
    }

    async fn serve(&self, providers: &[Config], seed: u64) -> Result<Exit, VerbError> {
        let mut listeners = Vec::new();
        for index in 0..providers.len() {
            let port = u16::try_from(
                usize::from(self.listen.port()) + if self.listen.port() == 0 { 0 } else { index },
            )
            .map_err(|_| input(anyhow!("error: no port is left above {}", self.listen)))?;
            let address = SocketAddr::new(self.listen.ip(), port);
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("{address} cannot be listened on; choose another with --listen"))
                .map_err(failed)?;
            listeners.push(listener);
        }
        let control = self.control_plane();
        let mocks =
            Mocks::serve(providers, seed, Clock::start(), listeners, control, None).map_err(failed)?;
        print(&announcement(providers, &mocks, control))?;
        tokio::signal::ctrl_c().await.map_err(failed)?;
        mocks.stop().await;
        Ok(Exit::Success)
    }

    /// Others on the network may only steer the mock where that was asked for.
    const fn control_plane(&self) -> ControlPlane {
        if self.control || self.listen.ip().is_loopback() {
            ControlPlane::Present
        } else {
            ControlPlane::Absent
        }
    }
}

/// Where everything is, and a line to try each kind of endpoint with.
fn announcement(providers: &[Config], mocks: &Mocks, control: ControlPlane) -> String {
    let mut out = String::new();
    for (config, address) in providers.iter().zip(mocks.addresses()) {
        let (name, dialect, base) = (&config.name, config.dialect.name(), wire::voice(config.dialect).base());
        let _ = writeln!(out, "{name} speaks {dialect} and listens on http://{address}{base}");
        for account in &config.accounts {
            let _ = writeln!(out, "  account {}: {}", account.name, account.keys.join(", "));
        }
        let models: Vec<_> = config.models.iter().map(|model| model.name.as_str()).collect();
        let _ = writeln!(out, "  models: {}", models.join(", "));
        if let (Some(account), Some(model)) = (config.accounts.first(), models.first()) {
            let key = account.keys.first().map_or("", String::as_str);
            for voice in wire::voices(config.dialect) {
                let _ = writeln!(out, "  try: {}", curl(*voice, address, key, model));
            }
        }
        let _ = match control {
            ControlPlane::Present => writeln!(out, "  control: http://{address}/_quotalab and /metrics"),
            ControlPlane::Absent => writeln!(out, "  control: off; --control turns it on"),
        };
    }
    out
}

/// The command that asks a model something.
fn curl(voice: &dyn WireFormat, address: SocketAddr, key: &str, model: &str) -> String {
    let header = match voice.keys().first() {
        Some(Key::Named(name)) => format!("{name}: {key}"),
        Some(Key::Bearer) | None => format!("Authorization: Bearer {key}"),
    };
    let path = voice.path(model);
    format!(
        r#"curl -i http://{address}{path} -H '{header}' -d '{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}],"max_tokens":100}}'"#
    )
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
    fn beyond_loopback_the_control_plane_has_to_be_asked_for() {
        for (args, control) in [
            (&["--listen", "127.0.0.1:1"][..], ControlPlane::Present),
            (&["--listen", "[::1]:1"], ControlPlane::Present),
            (&["--listen", "0.0.0.0:1"], ControlPlane::Absent),
            (&["--listen", "[::]:1"], ControlPlane::Absent),
            (&["--listen", "0.0.0.0:1", "--control"], ControlPlane::Present),
        ] {
            let line = Line::parse_from([&["mock", "a.yaml"], args].concat());
            assert_eq!(line.mock.control_plane(), control, "{args:?}");
        }
    }
}

//! `quotalab mock SCENARIO | --preset NAME`

use super::tell::show;
use super::{Changes, Exit, Stop, failed, input};
use crate::drive::clock::Clock;
use crate::drive::local::Mocks;
use crate::scenario;
use anyhow::{Context as _, anyhow};
use clap::Args;
use provider::config::Config;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::runtime;

#[derive(Debug, Args)]
pub(super) struct Mock {
    /// The scenario whose providers are served
    #[arg(required_unless_present = "preset", conflicts_with = "preset")]
    scenario: Option<PathBuf>,
    /// A preset instead of a scenario, such as groq-free
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Where the first provider listens; each further one takes the next port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4141")]
    listen: SocketAddr,
    #[command(flatten)]
    changes: Changes,
}

impl Mock {
    pub(super) fn run(self) -> Result<Exit, Stop> {
        let (providers, seed) = self.providers()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the async runtime cannot be started")
            .map_err(failed)?;
        runtime.block_on(self.serve(&providers, seed))
    }

    fn providers(&self) -> Result<(Vec<Config>, u64), Stop> {
        if let Some(scenario) = &self.scenario {
            let plan = self.changes.load(scenario)?;
            return Ok((plan.providers, plan.seed));
        }
        if !self.changes.set.is_empty() || self.changes.duration.is_some() {
            return Err(input(anyhow!(
                "error: --set and --for change a scenario; a preset is served as it is"
            )));
        }
        let name = self.preset.as_deref().unwrap_or_default();
        Ok((vec![scenario::preset(name)?], self.changes.seed.unwrap_or(0)))
    }

    async fn serve(&self, providers: &[Config], seed: u64) -> Result<Exit, Stop> {
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
        let mocks = Mocks::serve(providers, seed, Clock::start(), listeners, None).map_err(failed)?;
        show(&announcement(providers, &mocks))?;
        tokio::signal::ctrl_c().await.map_err(failed)?;
        mocks.stop().await;
        Ok(Exit::Fine)
    }
}

/// Where everything is, and one line to try it with.
fn announcement(providers: &[Config], mocks: &Mocks) -> String {
    let mut out = String::new();
    for (config, address) in providers.iter().zip(mocks.addresses()) {
        let _ = writeln!(out, "{} listens on http://{address}/openai/v1", config.name);
        for account in &config.accounts {
            let _ = writeln!(out, "  account {}: {}", account.name, account.keys.join(", "));
        }
        let models: Vec<_> = config.models.iter().map(|model| model.name.as_str()).collect();
        let _ = writeln!(out, "  models: {}", models.join(", "));
        if let (Some(account), Some(model)) = (config.accounts.first(), models.first()) {
            let key = account.keys.first().map_or("", String::as_str);
            let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]}}"#);
            let _ = writeln!(
                out,
                "  try: curl -i http://{address}/openai/v1/chat/completions -H 'Authorization: Bearer {key}' -d '{body}'"
            );
        }
    }
    out
}

//! `quotalab gateway SCENARIO`

mod log_writer;
mod record;
mod sharing;

use super::interrupt::Signals;
use super::listen::Listen;
use super::output::{print_plain, print_to_stderr};
use super::{Exit, ScenarioOptions, VerbError, input_error, run_error};
use crate::drive::clock::Clock;
use crate::engine::MAX_CACHE_BYTES;
use crate::formatting::{count, duration, seconds};
use crate::gateway::{
    self, Access, ConfigError, ConfigFormat, Current, Gateway, Ledger, LocalLedger, RedisUrl,
};
use crate::report::notes;
use crate::scenario::{self, Scenario};
use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use log_writer::LogWriter;
use record::RecordOptions;
use sharing::{connect, finish};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Level;

/// The port that is listened on if none is named.
const DEFAULT_PORT: u16 = 4000;

/// The environment variable with the key that callers send, which addresses beyond loopback need.
const KEY_VARIABLE: &str = "QUOTALAB_GATEWAY_KEY";

/// The environment variable with the URL of Redis, which may hold a password.
const REDIS_VARIABLE: &str = "QUOTALAB_GATEWAY_REDIS";

#[derive(Debug, Args)]
pub(super) struct GatewayArgs {
    /// The scenario whose routes to serve; its workload, which may be absent, its rules and its incidents are not used. SIGHUP reads
    /// it again, SIGTERM ends the gateway once the requests under way have ended
    scenario: PathBuf,
    /// Address to listen on, such as 4000, localhost:4000 or 0.0.0.0:4000; port 0 is any free one. Beyond loopback, a key is
    /// needed in QUOTALAB_GATEWAY_KEY: that of every caller, or with `callers` in the scenario that of the operator [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDRESS", value_parser = |text: &str| Listen::parse(text, DEFAULT_PORT))]
    listen: Option<Listen>,
    /// Where to keep what callers have used of their budgets, so that a restart does not forget it; written only if a caller has a
    /// budget [default: the scenario's path with the extension `budgets`]. With --redis they are kept in Redis
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// What to log on stderr: every request, only what is wrong, or nothing
    #[arg(long, value_name = "WHAT", default_value = "requests")]
    log: Log,
    /// Print the routes as the configuration of another gateway, and end: the same targets, order and limits as far as it has words
    /// for them. Keys are named by environment variables
    #[arg(long, value_name = "GATEWAY")]
    print_config: Option<OtherGateway>,
    /// Write the log as one JSON object per line
    #[arg(long)]
    log_json: bool,
    /// Share quotas, cool-downs, budgets of callers and cached answers with other replicas through the Redis at this URL, such as redis://127.0.0.1:6379, or rediss://…
    /// for TLS. A URL with a password goes into QUOTALAB_GATEWAY_REDIS instead
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    #[command(flatten)]
    record_options: RecordOptions,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
}

/// The longest wait for the last lines of the recording.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

/// The extension of the store beside the scenario.
const STORE_EXTENSION: &str = "budgets";

/// The longest wait for the last lines of the log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Log {
    Requests,
    Problems,
    Nothing,
}

/// A gateway whose configuration can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OtherGateway {
    /// `config.yaml` of LiteLLM's proxy
    Litellm,
    /// The JSON configuration of Portkey
    Portkey,
}

impl OtherGateway {
    /// Prints the configuration on stdout, and what it cannot express on stderr, unless the text says so itself.
    fn print_config(self, scenario: &Scenario) -> Result<Exit, VerbError> {
        let format = match self {
            Self::Litellm => ConfigFormat::LiteLlm,
            Self::Portkey => ConfigFormat::Portkey,
        };
        let config = gateway::export(scenario, format);
        print_plain(&config.text)?;
        config.notes.iter().for_each(|note| print_to_stderr(note));
        Ok(Exit::Success)
    }
}

impl GatewayArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        super::raise_descriptor_limit()?;
        let scenario = self.read()?;
        if let Some(other) = self.print_config {
            return other.print_config(&scenario);
        }
        let access = self.access(std::env::var(KEY_VARIABLE).ok())?;
        let redis = self.redis_url(std::env::var(REDIS_VARIABLE).ok())?;
        if redis.is_some() && self.store.is_some() {
            return Err(input_error(anyhow!(
                "error: budgets are shared through redis, so --store is not used\n  help: leave out --store, or share \
                 nothing: leave out --redis and {REDIS_VARIABLE}"
            )));
        }
        let runtime = runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime")
            .map_err(run_error)?;
        let ledger = Arc::new(LocalLedger::new(Clock::calendar_time));
        let exit = runtime.block_on(self.serve(&scenario, access, redis, &ledger));
        // Requests that still run are cut off and charged. Then the ledger writes what it has not written yet.
        drop(runtime);
        drop(ledger);
        exit
    }

    /// Opens the store of the budgets, if the scenario has any and they are not in Redis.
    fn open_store(&self, scenario: &Scenario, ledger: Option<&Arc<LocalLedger>>) -> Result<(), VerbError> {
        let Some(ledger) = ledger else { return Ok(()) };
        if scenario.callers.iter().all(|caller| caller.budget.is_none()) {
            return Ok(());
        }
        let path = self.store.clone().unwrap_or_else(|| self.scenario.with_extension(STORE_EXTENSION));
        ledger.keep_in(&path).map_err(|error| {
            input_error(anyhow!(
                "error: {error}\n  help: name a file that this gateway can write and no other one uses: `--store FILE`"
            ))
        })
    }

    /// Reads the scenario, with a random seed unless one was given, so that gateways that share targets do not retry at the same
    /// instants.
    fn read(&self) -> Result<Scenario, VerbError> {
        let mut scenario = scenario::read_for_gateway(&self.scenario, &self.scenario_options.overrides())?;
        if self.scenario_options.seed.is_none() {
            scenario.seed =
                getrandom::u64().map_err(|error| run_error(anyhow!("no random seed: {error}")))?;
        }
        Ok(scenario)
    }

    async fn serve(
        &self,
        scenario: &Scenario,
        access: Access,
        redis: Option<RedisUrl>,
        local: &Arc<LocalLedger>,
    ) -> Result<Exit, VerbError> {
        let clock = Clock::start();
        let gateway = Gateway::new(scenario, &from_environment, access, clock).map_err(config_error)?;
        let sharing = match redis {
            Some(url) => Some(connect(url, clock).await?),
            None => None,
        };
        // Budgets that are counted in Redis are not stored here, not even after a reload.
        let ledger = sharing.is_none().then_some(local);
        self.open_store(scenario, ledger)?;
        let mut gateway = gateway.with_ledger(Arc::clone(local) as Arc<dyn Ledger>);
        if let Some(sharing) = &sharing {
            gateway = gateway.sharing(sharing);
        }
        let log = self.start_log().context("cannot start the log").map_err(run_error)?;
        let (mut signals, mut again) =
            (Signals::listen().map_err(run_error)?, Signals::listen().map_err(run_error)?);
        let mut reloads = Reloads::listen().map_err(run_error)?;
        let address = self.address();
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}; choose another address with --listen"))
            .map_err(run_error)?;
        let address = listener.local_addr().map_err(run_error)?;
        let recording = self.record_options.start(scenario, clock)?;
        if let Some(recording) = &recording {
            gateway.record(recording.clone());
        }
        print_plain(&announcement(&gateway, scenario, address))?;
        if let Some(sharing) = &sharing {
            let what = sharing::shared_parts(scenario);
            print_plain(&format!("  {what} are shared through redis at {}\n", sharing.address()))?;
        }
        for note in notes::sentences(&scenario.upstream_notes()) {
            print_to_stderr(&note);
        }
        let own_notes = gateway.budget_notes().into_iter().chain(gateway.client_note());
        own_notes.for_each(|note| print_to_stderr(&note));
        let current = Arc::new(Current::new(gateway));
        let end = async {
            match self.scenario_options.duration {
                Some(duration) => {
                    let _ = tokio::time::timeout(Duration::from_nanos(duration.0), signals.next()).await;
                }
                None => signals.next().await,
            }
        };
        let mut served = pin!(gateway::serve(listener, Arc::clone(&current), end));
        // The second signal ends the requests under way as well.
        let mut second = pin!(async {
            again.next().await;
            again.next().await;
        });
        loop {
            tokio::select! {
                () = &mut served => break,
                () = &mut second => break,
                () = reloads.next() => self.reload(&current, ledger),
            }
        }
        finish(sharing.as_deref()).await;
        if recording.is_some_and(|recording| !recording.finish(RECORD_TIMEOUT)) {
            tracing::warn!("the last lines of the recording are not written");
        }
        tracing::info!("the gateway has ended");
        if let Some(log) = log {
            log.flush(FLUSH_TIMEOUT);
        }
        Ok(Exit::Success)
    }

    /// Reads the scenario again. If it has a problem, the gateway stays as it is.
    fn reload(&self, current: &Current, ledger: Option<&Arc<LocalLedger>>) {
        let reloaded = self.read().and_then(|scenario| {
            let gateway = current.get().reloaded(&scenario, &from_environment).map_err(config_error)?;
            self.open_store(&scenario, ledger)?;
            Ok(gateway)
        });
        match reloaded {
            Ok(gateway) => {
                current.replace(gateway);
                tracing::info!("the scenario was reloaded");
            }
            Err(VerbError::Input(error) | VerbError::Run(error)) => {
                tracing::warn!(reason = %format!("{error:#}"), "the scenario has problems: the gateway continues with the previous scenario");
            }
        }
    }

    fn address(&self) -> SocketAddr {
        self.listen.unwrap_or(Listen::loopback(DEFAULT_PORT)).first()
    }

    /// Returns who may use the gateway.
    ///
    /// # Errors
    /// If the key cannot be sent in a header, or if others could reach the gateway and there is no key.
    fn access(&self, key: Option<String>) -> Result<Access, VerbError> {
        // A key that is read from a file often ends with a line feed.
        let key = key.map(|key| key.trim().to_owned());
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(input_error(anyhow!(
                    "error: the key in {KEY_VARIABLE} has characters that a header cannot carry\n  help: use visible ASCII without blanks"
                )));
            }
            return Ok(Access::WithKey(key.into()));
        }
        let address = self.address();
        if address.ip().is_loopback() {
            return Ok(Access::Loopback);
        }
        Err(input_error(anyhow!(
            "error: on {address} everyone who reaches it could spend what your keys pay for\n  help: set a key in the environment \
             variable {KEY_VARIABLE}, which callers send as their API key"
        )))
    }

    /// Returns the URL of Redis; `None` if nothing is shared.
    ///
    /// # Errors
    /// If the text is not such a URL, or if other users of the machine could read its password. Errors do not repeat the URL.
    fn redis_url(&self, from_environment: Option<String>) -> Result<Option<RedisUrl>, VerbError> {
        let from_environment = from_environment.filter(|url| !url.trim().is_empty());
        let (text, origin) = match (&self.redis, &from_environment) {
            (Some(text), _) => (text, "--redis"),
            (None, Some(text)) => (text, REDIS_VARIABLE),
            (None, None) => return Ok(None),
        };
        let url = RedisUrl::parse(text).map_err(|reason| {
            let help = format!("\n  help: a URL with a password goes into {REDIS_VARIABLE} instead");
            let help = if self.redis.is_some() { help.as_str() } else { "" };
            input_error(anyhow!("error: the value of {origin} is {reason}{help}"))
        })?;
        if self.redis.is_some() && url.has_password() {
            return Err(input_error(anyhow!(
                "error: every user of this machine can read the password in --redis\n  help: set the URL in the environment variable \
                 {REDIS_VARIABLE}"
            )));
        }
        Ok(Some(url))
    }

    /// Starts the log; `None` if there is none.
    fn start_log(&self) -> io::Result<Option<LogWriter>> {
        let level = match self.log {
            Log::Requests => Level::INFO,
            Log::Problems => Level::WARN,
            Log::Nothing => return Ok(None),
        };
        let writer = LogWriter::start(io::stderr())?;
        let log =
            tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(writer.clone());
        if self.log_json {
            log.json().flatten_event(true).init();
        } else {
            log.with_ansi(false).init();
        }
        Ok(Some(writer))
    }
}

/// Returns the value of an environment variable.
fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns the error for the problems of a gateway's configuration.
fn config_error(problems: Vec<ConfigError>) -> VerbError {
    let texts: Vec<String> = problems.iter().map(|problem| format!("error: {problem}")).collect();
    input_error(anyhow!(texts.join("\n")))
}

/// The signal on which the scenario is read again: SIGHUP on Unix, none elsewhere.
struct Reloads {
    #[cfg(unix)]
    signal: Signal,
}

impl Reloads {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signal: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        self.signal.recv().await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }
}

/// Returns what is printed when the gateway listens.
fn announcement(gateway: &Gateway, scenario: &Scenario, address: SocketAddr) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "gateway on http://{address}/v1, as the base URL of any OpenAI client");
    let _ = writeln!(out, "  models: {}", gateway.models().collect::<Vec<_>>().join(", "));
    for (name, address) in gateway.upstream_addresses() {
        let _ = writeln!(out, "  {name} at {address}");
    }
    let _ = writeln!(out, "  state: http://{address}/_quotalab, metrics: http://{address}/metrics");
    if let Some(cache) = scenario.default_client().cache {
        let ttl = duration(seconds(cache.ttl));
        let _ = writeln!(
            out,
            "  answers are cached for {ttl}, up to {} of them and {} MiB; callers do not share them",
            count(cache.entries.into()),
            MAX_CACHE_BYTES >> 20
        );
    }
    if scenario.default_client().coalesce {
        let _ = writeln!(out, "  of identical requests in flight one is sent, and all get its answer");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        gateway: GatewayArgs,
    }

    #[test]
    fn beyond_loopback_a_key_is_needed() {
        let access = |listen: &str, key: Option<&str>| {
            let line = Line::parse_from(["gateway", "a.yaml", "--listen", listen]);
            line.gateway.access(key.map(str::to_owned)).ok().map(|access| format!("{access:?}"))
        };
        assert_eq!(access("127.0.0.1:1", None).as_deref(), Some("Loopback"));
        assert_eq!(access("127.0.0.1:1", Some("k")).as_deref(), Some("WithKey"));
        assert_eq!(access("0.0.0.0:1", Some("k")).as_deref(), Some("WithKey"));
        assert_eq!((access("0.0.0.0:1", None), access("[::]:1", Some(" \n"))), (None, None));
        assert_eq!(access("127.0.0.1:1", Some("a b")), None, "no header carries it as one word");
    }
}

//! The providers of a scenario as mocks in this process: what `run` sends to and `mock` serves.

use super::attempt_truth::{attempt_of, recorded};
use super::clock::Clock;
use super::live::{LiveProviders, Message};
use super::mock_process::protocol;
use crate::ids::TargetId;
use crate::scenario::{Scenario, Target};
use provider::calendar::Epoch;
use provider::config::Config;
use provider::decision::DecisionReport;
use provider::meter::LimitLevel;
use provider::server::{AccessLog, ControlPlane, Mock, Observer, SharedClock, serve};
use provider::{Call, Instant, Usage};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The run that mocks report to.
#[derive(Clone, Copy, Debug)]
pub struct ObservedRun<'a> {
    /// Receives the reports.
    pub sender: &'a UnboundedSender<Message>,
    /// A random number that marks the truth headers of the run, so that no other client can forge them.
    pub tag: u64,
    /// `true` if the replies to the attempts of the run state the decision as well: the run may receive a reply before the report.
    pub in_replies: bool,
}

/// How mocks serve, besides the configuration of their providers.
#[derive(Clone)]
pub struct MockOptions {
    /// Whether they have a control plane.
    pub control: ControlPlane,
    /// `true` if they accept keys that no account has.
    pub any_key: bool,
    /// How many times as fast as configured they serve: 1 is the configured latency, 2 half of it, and 0 none.
    pub speed: f64,
    /// Receives a line for each request that has ended.
    pub access_log: Option<AccessLog>,
}

impl fmt::Debug for MockOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(std::any::type_name::<Self>()).field("control", &self.control).finish_non_exhaustive()
    }
}

impl Default for MockOptions {
    /// Returns the options of a run: no control plane, only the keys of the accounts.
    fn default() -> Self {
        Self { control: ControlPlane::Disabled, any_key: false, speed: 1.0, access_log: None }
    }
}

impl MockOptions {
    fn apply(&self, mock: Mock) -> Mock {
        let mut mock = mock.with_control_plane(self.control.clone());
        if self.any_key {
            mock = mock.accepting_any_key();
        }
        if let Some(log) = &self.access_log {
            mock = mock.with_access_log(Arc::clone(log));
        }
        mock.set_speed(self.speed);
        mock
    }
}

/// Mocks that serve until they are dropped or [`Mocks::stop`] is called.
#[derive(Debug)]
pub struct Mocks {
    mocks: Vec<(SocketAddr, Arc<Mock>)>,
    /// The targets of the scenario; empty if the mocks were not started by [`Mocks::of`].
    targets: Vec<Target>,
    /// The tag of the run; zero if there is none.
    run_tag: u64,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Mocks {
    /// Starts one mock per provider on the given listeners, in order. With a run, each mock reports the decisions and settlements of the
    /// run's attempts to it, and ignores the truth headers of other clients.
    ///
    /// # Errors
    /// If the address of a listener cannot be read.
    ///
    /// # Panics
    /// If called outside an async runtime, or if there are not as many listeners as providers.
    pub fn serve(
        providers: &[Config],
        seed: u64,
        clock: Clock,
        listeners: Vec<TcpListener>,
        options: &MockOptions,
        run: Option<ObservedRun<'_>>,
    ) -> io::Result<Self> {
        assert_eq!(listeners.len(), providers.len(), "invariant: one listener per provider");
        let (stop, stopped) = watch::channel(false);
        let shared_clock = SharedClock::new(Arc::new(move || clock.now()));
        let (mut mocks, mut tasks) = (Vec::new(), JoinSet::new());
        for (config, listener) in providers.iter().zip(listeners) {
            let observer = run.map(|ObservedRun { sender, tag: run_tag, in_replies }| {
                Arc::new(Reporter { sender: sender.clone(), run_tag, in_replies })
                    as Arc<dyn Observer + Send + Sync>
            });
            let mock = Mock::new(config, seed, Arc::new(move || clock.now()), observer);
            // The virtual and the live form of a run have the same calendar; a mock without a run has the machine's.
            let epoch = if run.is_none() { clock.started_at().map(Epoch::new) } else { None };
            let mock = options.apply(mock.with_epoch(epoch.unwrap_or(Epoch::RUN))).sharing(&shared_clock);
            mocks.push((listener.local_addr()?, Arc::clone(&mock)));
            let mut stopped = stopped.clone();
            tasks.spawn(serve(listener, mock, async move {
                // An error means that the sender was dropped, which stops the mock as well.
                let _ = stopped.wait_for(|stop| *stop).await;
            }));
        }
        let run_tag = run.map_or(0, |run| run.tag);
        Ok(Self { mocks, targets: Vec::new(), run_tag, stop, tasks })
    }

    /// Starts the mocks of a scenario on free loopback ports.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn of(scenario: &Scenario, clock: Clock, run: ObservedRun<'_>) -> io::Result<Self> {
        let listeners = loopback_listeners(scenario.providers.len()).await?;
        let mocks = Self::serve(
            &scenario.providers,
            scenario.seed,
            clock,
            listeners,
            &MockOptions::default(),
            Some(run),
        )?;
        Ok(Self { targets: scenario.targets.clone(), ..mocks })
    }

    /// Returns the addresses of the mocks, in the order of the providers.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.mocks.iter().map(|(address, _)| *address)
    }

    /// Returns the verdict on the clients of each mock, in the order of the providers; empty if it received nothing or keeps
    /// no journal.
    pub fn verdicts(&self) -> impl Iterator<Item = String> {
        self.mocks.iter().map(|(_, mock)| mock.verdict_text())
    }

    /// Sets the answers of the mocks, each as the control plane accepts it, in the order of the providers.
    ///
    /// # Errors
    /// The problem and the remedy of the first that is wrong.
    pub fn set_answers(&self, answers: &[Vec<serde_json::Value>]) -> Result<(), (String, String)> {
        self.mocks.iter().zip(answers).try_for_each(|((_, mock), answers)| mock.set_answers(answers))
    }

    /// Returns a reader of the levels of every limit of `providers`, for which the mocks were started.
    #[must_use]
    pub fn level_reader(&self, providers: &[Config]) -> LevelReader {
        let mocks = self.mocks.iter().map(|(_, mock)| Arc::clone(mock));
        let size = |config: &Config| (config.accounts.len(), config.models.len());
        LevelReader(mocks.zip(providers.iter().map(size)).collect())
    }

    /// Stops accepting and waits until all connections are closed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Binds listeners to free ports of loopback.
///
/// # Errors
/// If no port is free.
pub async fn loopback_listeners(count: usize) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        listeners.push(TcpListener::bind(("127.0.0.1", 0)).await?);
    }
    Ok(listeners)
}

/// Reads the levels of mocks, from any thread.
#[derive(Debug)]
pub struct LevelReader(Vec<(Arc<Mock>, (usize, usize))>);

impl LevelReader {
    /// Calls `each` with the level of every limit, after the indices of the provider, account and model that it limits.
    pub fn read(&self, each: &mut dyn FnMut((u16, u16, u16), LimitLevel)) {
        for (provider, (mock, (accounts, models))) in (0..).zip(&self.0) {
            for (account, _) in (0..).zip(0..*accounts) {
                for (model, _) in (0..).zip(0..*models) {
                    mock.for_each_level(account, model, |level| each((provider, account, model), level));
                }
            }
        }
    }
}

impl LiveProviders for Mocks {
    fn address(&self, provider: u16) -> SocketAddr {
        self.mocks[usize::from(provider)].0
    }

    fn run_tag(&self) -> u64 {
        self.run_tag
    }

    fn are_in_process(&self) -> bool {
        true
    }

    fn levels(&self, _: Instant, target: TargetId, each: &mut dyn FnMut(LimitLevel)) {
        let target = &self.targets[target.index()];
        self.mocks[usize::from(target.provider)].1.for_each_level(target.account, target.model, each);
    }
}

/// Reports the decisions and settlements of a mock to the driver.
struct Reporter {
    sender: UnboundedSender<Message>,
    run_tag: u64,
    /// See [`ObservedRun::in_replies`].
    in_replies: bool,
}

impl Observer for Reporter {
    fn is_own(&self, tag: u128) -> bool {
        attempt_of(self.run_tag, tag).is_some()
    }

    fn decided(&self, _: Instant, tag: Option<u128>, _: Call, report: &DecisionReport) {
        let Some(attempt) = tag.and_then(|tag| attempt_of(self.run_tag, tag)) else { return };
        // Sending fails only if the run has ended and dropped the receiver.
        let _ = self.sender.send(Message::Decided { attempt, decision: recorded(&report.decision) });
    }

    fn reply_header(&self, tag: Option<u128>, report: &DecisionReport) -> Option<String> {
        self.in_replies.then(|| attempt_of(self.run_tag, tag?))??;
        Some(protocol::Decision::from(recorded(&report.decision)).to_header())
    }

    fn settled(&self, _: Instant, tag: Option<u128>, _: Call, usage: Usage) {
        let Some(attempt) = tag.and_then(|tag| attempt_of(self.run_tag, tag)) else { return };
        let _ = self.sender.send(Message::Settled { attempt, usage });
    }
}

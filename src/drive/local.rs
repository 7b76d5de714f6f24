//! The providers of a scenario as mocks on loopback ports of this process: the world of `run` and `mock`.

use super::attempt_truth::ruled;
use super::clock::Clock;
use super::live::{Message, World};
use crate::ids::{AttemptId, TargetId};
use crate::scenario::{Scenario, Target};
use provider::config::Config;
use provider::decision::DecisionReport;
use provider::server::{ControlPlane, Mock, Observer, serve};
use provider::{Axis, Call, Instant, Usage};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Mocks that serve until they are dropped or [`Mocks::stop`]ped.
#[derive(Debug)]
pub struct Mocks {
    served: Vec<(SocketAddr, Arc<Mock>)>,
    targets: Vec<Target>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Mocks {
    /// Starts one mock per provider on the given listeners, in order. With `post`, each reports what it rules and settles.
    ///
    /// # Errors
    /// Where a listener has lost its address.
    ///
    /// # Panics
    /// Outside of an async runtime, or where there are fewer listeners than providers.
    pub fn serve(
        providers: &[Config],
        seed: u64,
        clock: Clock,
        listeners: Vec<TcpListener>,
        control: ControlPlane,
        post: Option<&Sender<Message>>,
    ) -> io::Result<Self> {
        assert_eq!(listeners.len(), providers.len(), "one listener per provider");
        let (stop, stopped) = watch::channel(false);
        let (mut served, mut tasks) = (Vec::new(), JoinSet::new());
        for (config, listener) in providers.iter().zip(listeners) {
            let observer =
                post.map(|post| Arc::new(Reporter { post: post.clone() }) as Arc<dyn Observer + Send + Sync>);
            let mock = Mock::new(config, seed, Arc::new(move || clock.now()), observer);
            let mock = Arc::new(mock.with_control_plane(control));
            served.push((listener.local_addr()?, Arc::clone(&mock)));
            let mut stopped = stopped.clone();
            tasks.spawn(serve(listener, mock, async move {
                // An error means that the sender is gone: then it is over as well.
                let _ = stopped.wait_for(|stop| *stop).await;
            }));
        }
        Ok(Self { served, targets: Vec::new(), stop, tasks })
    }

    /// Starts the mocks of a scenario on free loopback ports.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn of(scenario: &Scenario, clock: Clock, post: &Sender<Message>) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for _ in &scenario.providers {
            listeners.push(TcpListener::bind(("127.0.0.1", 0)).await?);
        }
        let mocks = Self::serve(
            &scenario.providers,
            scenario.seed,
            clock,
            listeners,
            ControlPlane::Disabled,
            Some(post),
        )?;
        Ok(Self { targets: scenario.targets.clone(), ..mocks })
    }

    /// Where the mocks listen, in the order of the providers.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.served.iter().map(|(address, _)| *address)
    }

    /// Stops accepting and waits until all connections are closed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl World for Mocks {
    fn address(&self, provider: u16) -> SocketAddr {
        self.served[usize::from(provider)].0
    }

    fn levels(&self, _: Instant, target: TargetId, each: &mut dyn FnMut(Axis, f64)) {
        let target = &self.targets[target.index()];
        self.served[usize::from(target.provider)].1.levels(target.account, target.model, each);
    }
}

/// Tells the driver what a mock does, as the log records it.
struct Reporter {
    post: Sender<Message>,
}

impl Observer for Reporter {
    fn decided(&self, _: Instant, tag: Option<u64>, _: Call, report: &DecisionReport) {
        let Some(attempt) = tag.map(AttemptId) else { return };
        // Nobody listens any more once the run is over: that is no error of the mock's.
        let _ = self.post.send(Message::Decided { attempt, ruled: ruled(&report.decision) });
    }

    fn settled(&self, _: Instant, tag: Option<u64>, _: Call, usage: Usage) {
        let Some(attempt) = tag.map(AttemptId) else { return };
        let _ = self.post.send(Message::Settled { attempt, usage });
    }
}

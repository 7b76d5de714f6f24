//! Carries the attempts of a run to its endpoint.

use super::observer::lock;
use super::run_bounds::RunBounds;
use super::sender::{EndpointClient, Sender};
use super::statements::Statements;
use crate::drive::clock::Clock;
use crate::drive::live::transport::Transport;
use crate::drive::live::{FirstToken, Waiting};
use crate::engine::{Attempt, Reply};
use crate::event::ProviderDecision;
use crate::ids::TargetId;
use crate::job::Job;
use crate::scenario::Scenario;
use provider::meter::LimitLevel;
use provider::{Instant, Truth};
use std::future::Future;
use std::sync::{Arc, Mutex};

/// The endpoint of a run, what may be sent to it, and what its replies state.
pub(super) struct EndpointTransport<'a> {
    /// The scenario with the client that sends each job once (`plain_client`).
    scenario: &'a Scenario,
    sender: Arc<Sender>,
    statements: Arc<Statements>,
    run_bounds: Arc<Mutex<RunBounds>>,
}

impl<'a> EndpointTransport<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        client: &EndpointClient,
        clock: Clock,
        statements: Arc<Statements>,
        run_bounds: Arc<Mutex<RunBounds>>,
    ) -> Self {
        Self { scenario, sender: Arc::new(client.sender(clock)), statements, run_bounds }
    }
}

impl Transport for EndpointTransport<'_> {
    fn send(
        &self,
        &Attempt { id, job, .. }: &Attempt,
        _: Truth,
        (waiting, _): (Waiting, FirstToken),
    ) -> impl Future<Output = (Reply, Option<ProviderDecision>)> + Send + 'static {
        let stream = self.scenario.workloads[job.workload.index()].stream;
        let (sender, statements) = (Arc::clone(&self.sender), Arc::clone(&self.statements));
        async move {
            let (reply, statement) = sender.send(&job, stream, waiting).await;
            statements.put(id, statement);
            (reply, None)
        }
    }

    /// Returns `None`: an endpoint reports no decisions.
    fn decided_at(&self, _: Instant, _: &Attempt, _: Truth) -> Option<Instant> {
        None
    }

    fn reports_late(&self) -> bool {
        false
    }

    fn admits(&self, now: Instant, job: &Job) -> bool {
        lock(&self.run_bounds).reserve(now, job)
    }

    /// Does nothing: the limits behind an endpoint are unknown.
    fn levels(&self, _: Instant, _: TargetId, _: &mut dyn FnMut(LimitLevel)) {}
}

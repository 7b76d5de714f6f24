//! Carries attempts to mocks, with the ground truth in a header that only they read.

use super::transport::Transport;
use super::{FirstToken, LiveProviders, Waiting};
use crate::drive::attempt::{AttemptClient, OutboundRequest, RequestTemplate};
use crate::drive::attempt_truth::{attempt_truth, header_tag};
use crate::drive::clock::Clock;
use crate::drive::connections::max_connections;
use crate::drive::connections::pool::ConnectionPool;
use crate::engine::{Attempt, Reply};
use crate::event::ProviderDecision;
use crate::ids::TargetId;
use crate::job::Job;
use crate::scenario::{Scenario, Target};
use hyper::Uri;
use hyper::header::HeaderValue;
use provider::meter::LimitLevel;
use provider::wire::{self, truth::TruthHeader};
use provider::{Instant, Truth};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

/// The mocks of a run, and the client that sends to them.
pub(super) struct MockTransport<'a, P> {
    scenario: &'a Scenario,
    providers: &'a P,
    /// By target.
    templates: Vec<Arc<RequestTemplate>>,
    client: AttemptClient,
}

/// Returns the parts of a request that depend on its target only.
fn template(scenario: &Scenario, target: &Target, address: SocketAddr) -> RequestTemplate {
    let provider = &scenario.providers[usize::from(target.provider)];
    let keys = &provider.accounts[usize::from(target.account)].keys;
    let model = provider.models[usize::from(target.model)].name.as_str();
    let header = |value: String| {
        HeaderValue::try_from(value)
            .expect("invariant: addresses are text, and keys were checked when the scenario was read")
    };
    let path = wire::format(provider.dialect).path(model);
    RequestTemplate {
        provider: usize::from(target.provider),
        host: header(address.to_string()),
        path: Uri::try_from(path).expect("invariant: paths were checked when the scenario was read"),
        authorizations: keys.iter().map(|key| header(format!("Bearer {key}"))).collect(),
        model: serde_json::to_string(model).expect("invariant: a string serialises"),
        dialect: provider.dialect.into(),
    }
}

impl<'a, P: LiveProviders> MockTransport<'a, P> {
    pub(super) fn new(scenario: &'a Scenario, providers: &'a P, clock: Clock) -> Self {
        let addresses: Vec<_> =
            (0..).zip(&scenario.providers).map(|(number, _)| providers.address(number)).collect();
        let address = |target: &Target| addresses[usize::from(target.provider)];
        let templates =
            scenario.targets.iter().map(|target| template(scenario, target, address(target)).into());
        let connections = max_connections(addresses.len(), providers.are_in_process());
        Self {
            scenario,
            providers,
            templates: templates.collect(),
            client: AttemptClient::new(clock, ConnectionPool::new(addresses, connections)),
        }
    }
}

impl<P: LiveProviders> Transport for MockTransport<'_, P> {
    fn send(
        &self,
        &Attempt { id, number, target, job, .. }: &Attempt,
        truth: Truth,
        progress: (Waiting, FirstToken),
    ) -> impl Future<Output = (Reply, Option<ProviderDecision>)> + Send + 'static {
        let truth = attempt_truth(truth, number);
        let request = OutboundRequest {
            template: Arc::clone(&self.templates[target.index()]),
            // The keys of an account share its quota, so they are used in turn.
            turn: id.0,
            job,
            stream: self.scenario.workloads[job.workload.index()].stream,
            truth_header: TruthHeader { truth, tag: header_tag(self.providers.run_tag(), id) },
        };
        let client = self.client.clone();
        async move { client.send(&request, progress).await }
    }

    fn decided_at(
        &self,
        now: Instant,
        &Attempt { number, target, .. }: &Attempt,
        truth: Truth,
    ) -> Option<Instant> {
        let Target { provider, model, .. } = self.scenario.targets[target.index()];
        let latency = &self.scenario.providers[usize::from(provider)].models[usize::from(model)].latency;
        let (uplink, _) = latency.network_delays(attempt_truth(truth, number));
        Some(now + uplink)
    }

    fn reports_late(&self) -> bool {
        !self.providers.are_in_process()
    }

    fn admits(&self, _: Instant, _: &Job) -> bool {
        true
    }

    fn levels(&self, now: Instant, target: TargetId, each: &mut dyn FnMut(LimitLevel)) {
        self.providers.levels(now, target, each);
    }
}

//! What is recorded of each request when it ends: one line of the log, its metrics, and what its reply teaches about the estimate.

use super::Gateway;
use super::caller_metrics::OVER_BUDGET;
use super::caller_request::Bound;
use super::callers::Caller;
use super::decisions::reason_text;
use super::endpoint::Endpoint;
use crate::event::{EndReason, JobOutcome};
use crate::ids::{JobId, RouteId, TargetId};
use provider::{Instant, Nanos, Usage};
use std::sync::Arc;

/// A request that was accepted. If it is dropped before it has finished, its caller has left.
#[derive(Debug)]
pub(super) struct RequestRecord {
    gateway: Arc<Gateway>,
    endpoint: Endpoint,
    pub(super) route: RouteId,
    /// Who sent it; `None` if the scenario names no callers.
    pub(super) caller: Option<Arc<Caller>>,
    /// The bound on the completion that was sent, if it was not the caller's own.
    pub(super) bound: Option<Bound>,
    job: JobId,
    arrived: Instant,
    /// The estimate of the prompt before it was corrected.
    estimated: u32,
    /// The target and the number of the last attempt.
    pub(super) last: Option<(TargetId, u8)>,
    /// From the arrival to the last attempt.
    pub(super) waited: Nanos,
    /// The status that the caller sees; zero before there is one.
    pub(super) status: u16,
    /// Where its answer comes from: the name of an origin, [`SHARED_HIT`], [`MISS`] or [`BYPASS`]; `None` if the gateway shares no answers.
    pub(super) reuse: Option<&'static str>,
    is_finished: bool,
}

/// A request whose answer was found in Redis.
pub(super) const SHARED_HIT: &str = "shared_hit";

/// A request that was sent, and whose answer may be shared.
pub(super) const MISS: &str = "miss";

/// A request that was sent, and whose answer is not shared.
pub(super) const BYPASS: &str = "bypass";

impl RequestRecord {
    /// Begins the record of a job.
    pub(super) fn new(
        gateway: &Arc<Gateway>,
        (endpoint, route, caller): (Endpoint, RouteId, Option<Arc<Caller>>),
        (job, arrived): (JobId, Instant),
        estimated: u32,
    ) -> Self {
        gateway.metrics.count_arrival();
        Self {
            gateway: Arc::clone(gateway),
            endpoint,
            route,
            caller,
            bound: None,
            job,
            arrived,
            estimated,
            last: None,
            waited: Nanos::ZERO,
            status: 0,
            reuse: None,
            is_finished: false,
        }
    }

    /// Learns from the usage that the reply to the last attempt states.
    pub(super) fn learn(&self, stated: Option<Usage>) {
        let (Some((target, _)), Some(usage)) = (self.last, stated) else { return };
        self.gateway.learn(self.endpoint, target, self.estimated, usage);
    }

    /// Records the first token of a stream, or the whole answer.
    pub(super) fn first_token(&self) {
        let after = self.gateway.clock.now().since(self.arrived);
        self.gateway.metrics.first_token(self.endpoint, self.gateway.routes.name(self.route), after);
    }

    /// Records the end of the request.
    pub(super) fn finish(&mut self, outcome: JobOutcome) {
        let error = match outcome {
            JobOutcome::Succeeded => None,
            JobOutcome::Failed(reason) | JobOutcome::Shed(reason) => Some(reason_text(reason)),
            JobOutcome::InFlight => Some("the gateway is shutting down"),
        };
        let caller_result = if outcome == JobOutcome::Succeeded { "served" } else { "failed" };
        self.finish_with(outcome, error, caller_result);
    }

    /// Records the end of a request whose attempt was not sent, because its caller may not pay for it.
    pub(super) fn finish_over_budget(&mut self) {
        let outcome = JobOutcome::Failed(EndReason::Cancelled);
        self.finish_with(outcome, Some("over the budget of its caller"), OVER_BUDGET);
    }

    /// Records the end of a request whose answer was there, without the memory to send it.
    pub(super) fn finish_out_of_memory(&mut self) {
        self.finish_with(
            JobOutcome::Failed(EndReason::Cancelled),
            Some("out of memory for bodies"),
            "failed",
        );
    }

    fn finish_with(&mut self, outcome: JobOutcome, error: Option<&str>, caller_result: &'static str) {
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        let took = self.gateway.clock.now().since(self.arrived);
        let route = self.gateway.routes.name(self.route);
        if let Some(caller) = &self.caller {
            self.gateway.metrics.callers.request(&caller.charged.name, caller_result);
        }
        let caller = self.caller.as_deref().map(Caller::name);
        let (target, attempts) = self.last.map_or(("", 0), |(target, number)| {
            (self.gateway.scenario.targets[target.index()].name.as_str(), number)
        });
        self.gateway.metrics.record_outcome(self.endpoint, route, (self.status, outcome), took);
        let cache = self.reuse;
        cache.iter().for_each(|result| self.gateway.metrics.cache.count(result));
        let (job, operation, status) = (self.job.0, self.endpoint.operation_name(), self.status);
        let (waited_ms, took_ms) = (self.waited.0 / 1_000_000, took.0 / 1_000_000);
        // A caller that has left, and a mistake of the caller, are no problems of the gateway or its providers.
        let is_problem = error.is_some() && !(400..500).contains(&status) || status == 429;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    job,
                    caller,
                    operation,
                    model = &**route,
                    target,
                    attempts,
                    cache,
                    status,
                    waited_ms,
                    took_ms,
                    error,
                    "request"
                )
            };
        }
        if is_problem { line!(warn) } else { line!(info) }
    }
}

impl Gateway {
    /// Learns from the usage that a reply of `target` states to a request whose prompt was estimated.
    pub(super) fn learn(&self, endpoint: Endpoint, target: TargetId, estimated: u32, usage: Usage) {
        if endpoint != Endpoint::Transcriptions {
            self.ratios.learn(target, estimated, usage.prompt_tokens);
        }
        self.metrics.tokens(endpoint, self.upstreams.names(target), usage);
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        if self.status == 0 {
            self.status = CALLER_LEFT;
        }
        self.finish(JobOutcome::Failed(EndReason::Cancelled));
        self.gateway.metrics.count_end();
    }
}

/// The status in logs and metrics of a request whose caller left before there was one (nginx: client closed request).
const CALLER_LEFT: u16 = 499;

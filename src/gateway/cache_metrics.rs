//! The metrics of the response cache and of coalescing; only if the scenario has one of them.
//!
//! | family | labels |
//! |---|---|
//! | `quotalab_gateway_cache_requests_total` | result: `hit`, `shared_hit`, `coalesced`, `miss`, `bypass` |
//! | `quotalab_gateway_cache_answers`, `…_cache_bytes`, `…_cache_max_bytes` | written when they are read |

use super::Gateway;
use super::answer::Origin;
use super::request_record::{MISS, SHARED_HIT};
use super::sharing::{SharedAnswers, SharedAnswersState};
use crate::engine::MAX_CACHE_BYTES;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use provider::Nanos;
use serde::Serialize;

/// How many requests shared an answer since the gateway started.
#[derive(Clone, Debug, Default)]
pub(super) struct CacheMetrics(Family<ResultLabels, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// The response cache in the state of a gateway.
#[derive(Debug, Serialize)]
pub(super) struct CacheState {
    /// The answers in it.
    pub(super) answers: u64,
    pub(super) bytes: u64,
    pub(super) max_bytes: u64,
    /// Requests since the gateway started, by where their answer came from.
    pub(super) hits: u64,
    /// Those whose answer was found in Redis.
    pub(super) shared_hits: u64,
    pub(super) coalesced: u64,
    pub(super) misses: u64,
    /// Absent if answers are not shared with other replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shared: Option<SharedAnswersState>,
}

impl CacheMetrics {
    /// Adds the family to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Requests by where their answer came from";
        registry.register("quotalab_gateway_cache_requests", help, self.0.clone());
    }

    /// Counts a request that has ended.
    pub(super) fn count(&self, result: &'static str) {
        self.0.get_or_create(&ResultLabels { result }).inc();
    }

    fn counted(&self, result: &'static str) -> u64 {
        self.0.get(&ResultLabels { result }).map_or(0, |counter| counter.get())
    }
}

impl CacheState {
    /// Reads the state of a gateway; `None` if its scenario has neither a response cache nor coalescing.
    pub(super) fn of(gateway: &Gateway) -> Option<Self> {
        let usage = gateway.engine.cache_usage()?;
        let counted = |result| gateway.metrics.cache.counted(result);
        Some(Self {
            answers: usage.answers,
            bytes: usage.bytes,
            max_bytes: MAX_CACHE_BYTES,
            hits: counted(Origin::Cache(Nanos::ZERO).name()),
            shared_hits: counted(SHARED_HIT),
            coalesced: counted(Origin::Leader.name()),
            misses: counted(MISS),
            shared: gateway.shared_answers.as_ref().map(SharedAnswers::state),
        })
    }
}

/// Adds what is in the response cache, as gauges.
pub(super) fn register_usage(gateway: &Gateway, registry: &mut Registry) {
    let Some(state) = CacheState::of(gateway) else { return };
    for (name, help, value) in [
        ("answers", "Answers in the response cache", state.answers),
        ("bytes", "The size of the answers in the response cache", state.bytes),
        ("max_bytes", "The maximum size of the answers in the response cache", state.max_bytes),
    ] {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(format!("quotalab_gateway_cache_{name}"), help, gauge);
    }
}

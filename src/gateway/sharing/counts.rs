//! What is measured of the sharing, as part of `/metrics`.

use super::link::Link;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::fmt::{self, Write as _};

/// The counters of this replica.
#[derive(Debug)]
pub(super) struct Counts {
    /// One while Redis answers.
    pub(super) up: Gauge,
    decisions: Family<DecisionLabels, Counter>,
    /// Settlements and cool-downs that did not reach Redis.
    pub(super) lost: Counter,
}

/// How a request was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DecidedBy {
    /// Redis admitted it.
    Shared,
    /// It was admitted within a grant.
    Grant,
    /// Redis refused it.
    Refused,
    /// This replica admitted it without Redis.
    Alone,
    /// This replica refused it without Redis.
    RefusedAlone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    decision: DecidedBy,
}

impl EncodeLabelValue for DecidedBy {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(match self {
            Self::Shared => "shared",
            Self::Grant => "grant",
            Self::Refused => "refused",
            Self::Alone => "alone",
            Self::RefusedAlone => "refused_alone",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuotaLabels {
    quota: String,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self { up: Gauge::default(), decisions: Family::default(), lost: Counter::default() }
    }

    /// Counts a decision.
    pub(super) fn decided(&self, decision: DecidedBy) {
        self.decisions.get_or_create(&DecisionLabels { decision }).inc();
    }

    /// Returns the families, as they are now.
    pub(super) fn registry(&self, link: &Link) -> Registry {
        let replicas = Family::<QuotaLabels, Gauge>::default();
        for pool in link.pools() {
            replicas.get_or_create(&QuotaLabels { quota: pool.name.clone() }).set(pool.replicas().into());
        }
        let mut registry = Registry::default();
        registry.register(
            "quotalab_gateway_sharing_up",
            "Whether Redis answers: without it each replica has its share of every quota",
            self.up.clone(),
        );
        registry.register(
            "quotalab_gateway_sharing_replicas",
            "Replicas that share a quota, as Redis named them last",
            replicas,
        );
        registry.register(
            "quotalab_gateway_sharing_decisions",
            "Attempts by how their quota was decided on",
            self.decisions.clone(),
        );
        registry.register(
            "quotalab_gateway_sharing_lost",
            "Settlements and cool-downs that did not reach Redis",
            self.lost.clone(),
        );
        registry
    }
}

//! The metrics of sharing, as part of `/metrics`.

use super::heartbeat::Heartbeats as _;
use super::link::Link;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::fmt::{self, Write as _};

/// The counters of this replica.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// One while Redis answers.
    pub(super) up: Gauge,
    decisions: Family<DecisionLabels, Counter>,
    budget_decisions: Family<DecisionLabels, Counter>,
    /// Settlements and cool-downs that did not reach Redis.
    pub(super) lost: Counter,
}

/// How an attempt was decided on.
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BudgetLabels {
    caller: String,
}

impl Counts {
    /// Counts a decision on a quota.
    pub(super) fn decided(&self, decision: DecidedBy) {
        self.decisions.get_or_create(&DecisionLabels { decision }).inc();
    }

    /// Counts a decision on a budget.
    pub(super) fn budget_decided(&self, decision: DecidedBy) {
        self.budget_decisions.get_or_create(&DecisionLabels { decision }).inc();
    }

    /// Returns the families, as they are now.
    pub(super) fn registry(&self, link: &Link) -> Registry {
        let replicas = Family::<QuotaLabels, Gauge>::default();
        for pool in link.pools.all() {
            replicas.get_or_create(&QuotaLabels { quota: pool.name.clone() }).set(pool.replicas().into());
        }
        let budget_replicas = Family::<BudgetLabels, Gauge>::default();
        for budget in link.budgets.all() {
            let labels = BudgetLabels { caller: budget.name.to_string() };
            budget_replicas.get_or_create(&labels).set(budget.replicas().into());
        }
        let mut registry = Registry::default();
        registry.register(
            "quotalab_gateway_sharing_up",
            "Whether Redis answers: without it each replica has its share of every quota and budget",
            self.up.clone(),
        );
        registry.register(
            "quotalab_gateway_sharing_replicas",
            "Number of replicas that share a quota, as Redis last reported it",
            replicas,
        );
        registry.register(
            "quotalab_gateway_sharing_decisions",
            "Attempts by how their quota was decided on",
            self.decisions.clone(),
        );
        registry.register(
            "quotalab_gateway_sharing_budget_replicas",
            "Number of replicas that share the budget of a caller, as Redis last reported it",
            budget_replicas,
        );
        registry.register(
            "quotalab_gateway_sharing_budget_decisions",
            "Attempts by how the budget of their caller was decided on",
            self.budget_decisions.clone(),
        );
        registry.register(
            "quotalab_gateway_sharing_lost",
            "Settlements and cool-downs that did not reach Redis",
            self.lost.clone(),
        );
        registry
    }
}

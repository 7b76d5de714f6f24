//! The metrics of callers.
//!
//! | family | labels |
//! |---|---|
//! | `quotalab_gateway_caller_requests_total` | caller, outcome: `served`, `failed`, `over_budget` |
//! | `quotalab_gateway_caller_tokens_total`, `quotalab_gateway_caller_cost_usd_total` | caller |
//! | `quotalab_gateway_caller_used_tokens`, `…_used_usd`, `…_reserved_tokens`, `…_reserved_usd` | caller; of the current day of UTC, written when they are read |
//! | `quotalab_gateway_caller_budget_tokens`, `…_budget_usd` | caller; per day, of those that have one |

use super::Gateway;
use super::ledger::Cost;
use super::metrics::Text;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What callers have asked for and used since the gateway started.
#[derive(Clone, Debug, Default)]
pub(super) struct CallerMetrics {
    requests: Family<RequestLabels, Counter>,
    tokens: Family<CallerLabels, Counter>,
    cost: Family<CallerLabels, Counter<f64, AtomicU64>>,
}

/// The outcome of a request that its caller may not pay for.
pub(super) const OVER_BUDGET: &str = "over_budget";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    caller: Text,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallerLabels {
    caller: Text,
}

impl CallerMetrics {
    /// Adds the families to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("quotalab_gateway_caller_requests", "Requests of callers", self.requests.clone());
        registry.register(
            "quotalab_gateway_caller_tokens",
            "Tokens that callers were charged for",
            self.tokens.clone(),
        );
        registry.register(
            "quotalab_gateway_caller_cost_usd",
            "What callers were charged, in USD",
            self.cost.clone(),
        );
    }

    /// Counts a request that has ended.
    pub(super) fn request(&self, caller: &Arc<str>, outcome: &'static str) {
        self.requests.get_or_create(&RequestLabels { caller: Text(Arc::clone(caller)), outcome }).inc();
    }

    /// Counts what an attempt has cost.
    pub(super) fn spent(&self, caller: &Arc<str>, cost: Cost) {
        let labels = CallerLabels { caller: Text(Arc::clone(caller)) };
        self.tokens.get_or_create(&labels).inc_by(cost.tokens);
        self.cost.get_or_create(&labels).inc_by(cost.usd());
    }
}

/// Adds what callers have used on the current day, and their budgets, as gauges.
pub(super) fn register_balances(gateway: &Gateway, registry: &mut Registry) {
    let family = Family::<CallerLabels, Gauge<f64, AtomicU64>>::default;
    let (used_tokens, used_usd, reserved_tokens, reserved_usd) = (family(), family(), family(), family());
    let (budget_tokens, budget_usd) = (family(), family());
    for caller in gateway.callers.all() {
        let labels = CallerLabels { caller: Text(Arc::clone(&caller.charged.name)) };
        let set = |family: &Family<CallerLabels, Gauge<f64, AtomicU64>>, value: f64| {
            family.get_or_create(&labels).set(value);
        };
        let balance = gateway.ledger.balance(&caller.charged);
        set(&used_tokens, as_float(balance.used.tokens));
        set(&used_usd, balance.used.usd());
        set(&reserved_tokens, as_float(balance.held.tokens));
        set(&reserved_usd, balance.held.usd());
        if let Some(budget) = caller.budget {
            budget.tokens.iter().for_each(|tokens| set(&budget_tokens, as_float(*tokens)));
            budget.usd.iter().for_each(|usd| set(&budget_usd, *usd));
        }
    }
    for (name, help, family) in [
        ("used_tokens", "Tokens that a caller has used on this day of UTC", used_tokens),
        ("used_usd", "What a caller has used on this day of UTC, in USD", used_usd),
        ("reserved_tokens", "Tokens that are reserved for attempts under way", reserved_tokens),
        ("reserved_usd", "What is reserved for attempts under way, in USD", reserved_usd),
        ("budget_tokens", "The budget of a caller per day of UTC, in tokens", budget_tokens),
        ("budget_usd", "The budget of a caller per day of UTC, in USD", budget_usd),
    ] {
        registry.register(format!("quotalab_gateway_caller_{name}"), help, family);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number that is shown")]
const fn as_float(tokens: u64) -> f64 {
    tokens as f64
}

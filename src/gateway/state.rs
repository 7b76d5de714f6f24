//! What the engine believes of each target, and its latest decisions, as JSON (schema `quotalab/gateway-state/1`).

use super::Gateway;
use super::cache_metrics::CacheState;
use super::callers::Caller;
use super::decisions::sentence;
use super::ledger::Balance;
use super::recording::Names;
use super::server::Current;
use crate::engine::TargetHealth;
use crate::formatting::{rounded, seconds};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::sync::Arc;

/// The state of a gateway at an instant.
#[derive(Debug, Serialize)]
pub(super) struct GatewayState {
    schema: &'static str,
    pub(super) scenario: String,
    /// Since the gateway started.
    pub(super) uptime_s: f64,
    pub(super) jobs_in_flight: usize,
    pub(super) targets: Vec<TargetState>,
    pub(super) callers: Vec<CallerState>,
    /// Whose use of budgets is counted: `own`, `shared` with other gateways, or a `share` while Redis is gone; absent without callers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budgets: Option<&'static str>,
    pub(super) routes: Vec<RouteState>,
    /// Absent if the scenario has neither a response cache nor coalescing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache: Option<CacheState>,
    /// The latest first.
    pub(super) decisions: Vec<Decision>,
}

/// What the engine believes of a target.
#[derive(Debug, Serialize)]
pub(super) struct TargetState {
    pub(super) name: String,
    /// `in_use`, `cooling_down`, `ejected` or `probing`.
    pub(super) state: &'static str,
    /// What is left of its cool-down; absent if it does not cool down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) free_in_s: Option<f64>,
    /// The cause of its cool-down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<&'static str>,
    /// The axis of the limit that refused, if one did and the reply named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) axis: Option<&'static str>,
    /// Failures and refusals since the last success.
    pub(super) failures: u32,
    pub(super) refusals: u32,
    /// The limits that the engine estimates: only if the pace or a pick needs it.
    pub(super) limits: Vec<LimitState>,
    /// Tokens that it counts for one that the gateway estimates.
    pub(super) token_ratio: f64,
    /// The same as the `estimate` of a scenario; absent if the estimates are right to a tenth of a percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_scenario: Option<String>,
}

/// What a caller has used on the current day of UTC.
#[derive(Debug, Serialize)]
pub(super) struct CallerState {
    pub(super) name: String,
    /// `interactive` or `batch`.
    pub(super) priority: &'static str,
    pub(super) used_tokens: u64,
    pub(super) used_usd: f64,
    /// Reserved for attempts under way.
    pub(super) reserved_tokens: u64,
    pub(super) reserved_usd: f64,
    /// Per day; absent without a budget in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget_tokens: Option<u64>,
    /// Per day; absent without a budget in USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget_usd: Option<f64>,
}

/// The estimate of a limit.
#[derive(Debug, Serialize)]
pub(super) struct LimitState {
    pub(super) axis: &'static str,
    pub(super) limit: u64,
    pub(super) used: u64,
}

/// A route and its steps.
#[derive(Debug, Serialize)]
pub(super) struct RouteState {
    pub(super) name: String,
    pub(super) steps: Vec<Vec<String>>,
}

/// A decision, and the job that it was taken for.
#[derive(Debug, Serialize)]
pub(super) struct Decision {
    /// Since the gateway started.
    pub(super) at_s: f64,
    pub(super) job: u64,
    pub(super) decision: String,
}

impl GatewayState {
    /// Reads the state of a gateway.
    pub(super) fn of(gateway: &Gateway) -> Self {
        let scenario = &gateway.scenario;
        let (now, views) = gateway.engine.views(scenario.target_ids());
        let name = |id: crate::ids::TargetId| scenario.targets[id.index()].name.clone();
        let targets = scenario.target_ids().zip(views).map(|(id, view)| TargetState {
            name: name(id),
            state: match (view.health, view.cool_down) {
                (TargetHealth::Probing, _) => "probing",
                (TargetHealth::Ejected, _) => "ejected",
                (TargetHealth::InUse, Some(_)) => "cooling_down",
                (TargetHealth::InUse, None) => "in_use",
            },
            free_in_s: view.cool_down.map(|(until, _, _)| rounded(seconds(until.since(now)), 3)),
            cause: view.cool_down.map(|(_, cause, _)| cause.name()),
            axis: view.cool_down.and_then(|(_, _, axis)| Some(axis?.name())),
            failures: view.failures,
            refusals: view.refusals,
            limits: limits(gateway, id),
            token_ratio: rounded(gateway.ratios.of(id), 3),
            in_scenario: gateway.ratios.in_scenario(id),
        });
        let steps = |route: &crate::scenario::Route| {
            route.steps.iter().map(|step| step.targets.iter().map(|id| name(*id)).collect()).collect()
        };
        let names = Names::of(scenario);
        let (events, jobs_in_flight) = gateway.engine.decisions();
        let decision = |event: &crate::event::Event| Decision {
            at_s: rounded(event.at.as_secs_f64(), 3),
            job: event.job.0,
            decision: sentence(event, &names),
        };
        Self {
            schema: "quotalab/gateway-state/1",
            scenario: scenario.name.clone(),
            uptime_s: rounded(now.as_secs_f64(), 3),
            jobs_in_flight,
            targets: targets.collect(),
            callers: gateway.callers.all().map(|caller| caller_state(gateway, caller)).collect(),
            budgets: (!gateway.callers.is_empty()).then(|| gateway.ledger.scope().name()),
            routes: gateway
                .routes
                .of_scenario()
                .zip(&scenario.routes)
                .map(|(name, route)| RouteState { name: name.to_owned(), steps: steps(route) })
                .collect(),
            cache: CacheState::of(gateway),
            decisions: events.iter().rev().map(decision).collect(),
        }
    }
}

fn caller_state(gateway: &Gateway, caller: &Caller) -> CallerState {
    let Balance { used, held, .. } = gateway.ledger.balance(&caller.charged);
    CallerState {
        name: caller.name().to_owned(),
        priority: caller.priority.name(),
        used_tokens: used.tokens,
        used_usd: used.usd(),
        reserved_tokens: held.tokens,
        reserved_usd: held.usd(),
        budget_tokens: caller.budget.and_then(|budget| budget.tokens),
        budget_usd: caller.budget.and_then(|budget| budget.usd),
    }
}

fn limits(gateway: &Gateway, id: crate::ids::TargetId) -> Vec<LimitState> {
    let known = &gateway.scenario.targets[id.index()].limits;
    let used = |limit: &crate::scenario::KnownLimit| gateway.engine.estimated_use(id, limit.axis);
    let state = |limit: &crate::scenario::KnownLimit| {
        Some(LimitState { axis: limit.axis.name(), limit: limit.limit, used: used(limit)? })
    };
    known.iter().filter_map(state).collect()
}

/// Answers with the state.
pub(super) async fn json(State(current): State<Arc<Current>>) -> Response {
    Json(GatewayState::of(&current.get())).into_response()
}

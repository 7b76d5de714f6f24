//! The changes that are tried only to hold a target load, and how many free accounts are proposed.

use crate::planner::catalogue;
use crate::planner::change::{Change, Edit};
use crate::planner::policies;
use crate::scenario::Scenario;
use provider::config::{Config, ModelConfig, Tier};

/// The most free accounts of a provider that are added: terms of service may forbid more than one.
pub(in crate::planner) const MAX_FREE_ACCOUNTS: usize = 2;

/// Returns `true` if accounts of a provider cost nothing: on the free tier, without a price.
pub(in crate::planner) fn has_free_accounts(config: &Config) -> bool {
    let is_free = |model: &ModelConfig| model.price.input == 0.0 && model.price.output == 0.0;
    config.tier == Tier::Free && config.models.iter().all(is_free)
}

/// Returns the changes that the catalogue leaves out if they have no effect at the present load, or since only a higher load
/// needs them: an account of every provider with a target and of the fallback that may be bought, and settings of the client.
/// `target` is the multiple to hold.
pub(super) fn for_a_target(scenario: &Scenario, target: f64) -> Vec<Change> {
    let mut changes: Vec<Change> = catalogue::used_providers(scenario).map(catalogue::account).collect();
    let fallback = catalogue::fallback(scenario);
    changes.extend(fallback.and_then(|change| match change.edit {
        Edit::Fallback { config } => Some(catalogue::account((scenario.providers.len(), &config))),
        _ => None,
    }));
    changes.extend(client(scenario, target));
    changes
}

/// Returns the settings of the client that are tried only for a target.
fn client(scenario: &Scenario, target: f64) -> Vec<Change> {
    let mut changes = policies::larger_bounds(scenario, target);
    changes.extend(policies::attempts(scenario));
    // Accounts that are bought give the step a choice that it does not have at present.
    if scenario.routes.iter().flat_map(|route| &route.steps).all(|step| step.targets.len() < 2) {
        changes.push(policies::most_room());
    }
    changes
}

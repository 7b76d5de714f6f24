//! The changes that are tried only to hold a target load, and how many free accounts are proposed.

use crate::planner::catalogue;
use crate::planner::change::{Change, Edit};
use crate::planner::plan::ChangeKind;
use crate::scenario::{Concurrency, Scenario};
use provider::config::{Config, ModelConfig, Tier};
use provider::units::{print_count, print_duration};

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
    let uses = |index: &usize| scenario.targets.iter().any(|target| usize::from(target.provider) == *index);
    let used = scenario.providers.iter().enumerate().filter(|(index, _)| uses(index));
    let mut changes: Vec<Change> = used.map(catalogue::account).collect();
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
    let client = &scenario.client;
    let change = |name: String, edit| Change { name, kind: ChangeKind::Client, edit };
    let deadline = client.deadline * 2;
    let name = format!("a deadline of {}", print_duration(deadline));
    let mut changes = vec![change(name, Edit::Deadline(deadline))];
    changes.extend(catalogue::attempts(scenario));
    if let Some(Concurrency::Fixed(concurrency)) = client.concurrency {
        let more = scaled(concurrency, target);
        changes.push(change(
            format!("a concurrency of {}", print_count(u64::from(more))),
            Edit::Concurrency(more),
        ));
    }
    // Accounts that are bought give the step a choice that it does not have at present.
    if scenario.routes.iter().flat_map(|route| &route.steps).all(|step| step.targets.len() < 2) {
        changes.push(catalogue::most_room());
    }
    changes
}

/// Returns a concurrency that grows with the load, at least to twice the present one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn scaled(concurrency: u32, target: f64) -> u32 {
    libm::ceil(f64::from(concurrency) * target.max(2.0)) as u32
}

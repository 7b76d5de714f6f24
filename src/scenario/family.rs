//! Limits that several models of an account share.

use super::Scenario;
use serde::{Deserialize, Serialize};

/// The targets of an account whose models are of one family, so that they share one quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// The name of the family.
    pub name: String,
    /// The targets of the scenario that share its limits, in their order; at least two.
    pub targets: Vec<String>,
}

impl Family {
    /// Returns the family of a target that shares its limits with another target; `None` for others.
    pub(crate) fn of(scenario: &Scenario, target: usize) -> Option<Self> {
        let targets: Vec<String> =
            members(scenario, target).map(|index| scenario.targets[index].name.clone()).collect();
        let of_target = &scenario.targets[target];
        let model = &scenario.providers[usize::from(of_target.provider)].models[usize::from(of_target.model)];
        let name = model.family.clone()?;
        (targets.len() > 1).then_some(Self { name, targets })
    }

    /// Returns `true` if tables state the limits of the family at this target: the first one.
    pub(crate) fn is_stated_at(&self, target: &str) -> bool {
        self.targets.first().is_some_and(|first| first == target)
    }
}

/// Returns the indices of the targets that share the limits of `target`, itself included.
pub(crate) fn members(scenario: &Scenario, target: usize) -> impl Iterator<Item = usize> {
    let meter = |index: usize| {
        let target = &scenario.targets[index];
        let meter = scenario.providers[usize::from(target.provider)].meter_of(usize::from(target.model));
        (target.provider, target.account, meter)
    };
    let of_target = meter(target);
    (0..scenario.targets.len()).filter(move |index| meter(*index) == of_target)
}

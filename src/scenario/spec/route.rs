//! Routes, whose targets are still names.

use crate::scenario::diagnostics::Name;
use crate::scenario::language::{Fields, Value};
use crate::scenario::resolved::Pick;

/// A route.
#[derive(Debug)]
pub(in crate::scenario) struct RouteSpec {
    /// Its name.
    pub(in crate::scenario) name: Name,
    /// At least one, unless they were invalid, which has been reported.
    pub(in crate::scenario) steps: Vec<StepSpec>,
}

/// A step of a route.
#[derive(Debug)]
pub(in crate::scenario) struct StepSpec {
    /// How to choose a target.
    pub(in crate::scenario) pick: Pick,
    /// The names of its targets: at least one, unless they were invalid, which has been reported.
    pub(in crate::scenario) targets: Vec<Name>,
}

/// Builds `routes`.
pub(super) fn routes(scenario: &Fields) -> Vec<RouteSpec> {
    let steps = |value: &Value| value.items().iter().filter_map(Value::fields).map(step).collect();
    let route = |(name, value): &(Name, Value)| RouteSpec { name: name.clone(), steps: steps(value) };
    scenario.named_entries("routes").iter().map(route).collect()
}

fn step(fields: &Fields) -> StepSpec {
    let picks =
        [("in_order", Pick::InOrder), ("round_robin", Pick::RoundRobin), ("most_room", Pick::MostRoom)];
    StepSpec {
        pick: fields.choice("pick", &picks).unwrap_or_default(),
        targets: fields.items("of").iter().filter_map(Value::name).collect(),
    }
}

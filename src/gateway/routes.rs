//! What `model` may be in a request: a route of the scenario, or one of its targets.

use super::metrics::{Text, text};
use crate::ids::{ClientId, RouteId, TargetId};
use crate::job::Priority;
use crate::problem::nearest;
use crate::scenario::{Arrivals, CachedPrompt, Route, Scenario, Step, Workload};
use provider::dist::Dist;
use std::collections::BTreeMap;

/// The names that requests may ask for.
#[derive(Debug)]
pub(super) struct Routes {
    /// The routes of the scenario, then one for each target.
    names: Vec<Text>,
    by_name: BTreeMap<String, RouteId>,
    /// The first target of each route.
    first_targets: Vec<TargetId>,
    /// The number of names that are routes of the scenario.
    scenario_routes: usize,
}

/// Returns the scenario that the gateway runs, and the names of its routes: a route is added for each target, and the workloads are
/// one for each route, because a job of the gateway belongs to no workload of the scenario. A target that has the name of a route
/// can only be reached through that route.
pub(super) fn with_targets(scenario: &Scenario) -> (Scenario, Routes) {
    let mut scenario = scenario.clone();
    let scenario_routes = scenario.routes.len();
    for id in scenario.target_ids() {
        let name = scenario.targets[id.index()].name.clone();
        if scenario.routes.iter().all(|route| route.name != name) {
            scenario.routes.push(Route { name, steps: vec![Step::single(id)] });
        }
    }
    scenario.workloads =
        (0..).map(RouteId).zip(&scenario.routes).map(|(id, route)| workload(id, route)).collect();
    let names = scenario.routes.iter().map(|route| text(&route.name)).collect();
    let by_name = scenario.routes.iter().map(|route| route.name.clone()).zip((0..).map(RouteId)).collect();
    let first_targets = scenario.routes.iter().map(|route| route.steps[0].targets[0]).collect();
    (scenario, Routes { names, by_name, first_targets, scenario_routes })
}

/// Returns a workload for the jobs of a route. It generates none.
fn workload(id: RouteId, route: &Route) -> Workload {
    Workload {
        name: route.name.clone(),
        route: id,
        client: ClientId::default(),
        arrivals: Arrivals::Constant(0.0),
        shape: None,
        correlation: 0.0,
        clock: Default::default(),
        prompt: Dist::Constant(0.0),
        cached_prompt: CachedPrompt::NOTHING,
        completion: Dist::Constant(0.0),
        max_tokens: None,
        repeats: None,
        stream: false,
        deferrable: false,
        sessions: None,
        priority: Priority::default(),
    }
}

impl Routes {
    /// Returns the route with a name.
    pub(super) fn find(&self, name: &str) -> Option<RouteId> {
        self.by_name.get(name).copied()
    }

    /// Returns the name of a route.
    pub(super) fn name(&self, route: RouteId) -> &Text {
        &self.names[route.index()]
    }

    /// Returns the first target of a route.
    pub(super) fn first_target(&self, route: RouteId) -> TargetId {
        self.first_targets[route.index()]
    }

    /// Returns the names of the routes of the scenario.
    pub(super) fn of_scenario(&self) -> impl Iterator<Item = &str> {
        self.names[..self.scenario_routes].iter().map(|name| &**name)
    }

    /// Returns every name: routes of the scenario, then targets.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Returns what to write instead of a name that does not exist.
    pub(super) fn instead_of(&self, name: &str) -> String {
        if let Some(near) = nearest(name, self.names()) {
            return format!("did you mean `{near}`?");
        }
        // A model's own name, as callers send it to its provider.
        let same_model = self.names().find(|known| known.ends_with(&format!("/{name}")));
        match same_model {
            Some(target) => format!("`{target}` is the target with this model"),
            None => format!("the routes are {}", self.of_scenario().collect::<Vec<_>>().join(", ")),
        }
    }
}

//! The names of the targets and routes of an engine.

use crate::ids::{RouteId, TargetId};
use crate::record::LogHash;
use crate::scenario::{Client, Scenario};
use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

/// The names of the targets and routes of an engine, by id.
#[derive(Debug)]
pub(in crate::gateway) struct Names {
    targets: Vec<String>,
    routes: Vec<String>,
}

impl Names {
    /// Returns the names of a scenario.
    pub(in crate::gateway) fn of(scenario: &Scenario) -> Self {
        Self {
            targets: scenario.targets.iter().map(|target| target.name.clone()).collect(),
            routes: scenario.routes.iter().map(|route| route.name.clone()).collect(),
        }
    }

    /// Returns the name of a target.
    pub(in crate::gateway) fn target(&self, id: TargetId) -> Cow<'_, str> {
        Cow::Borrowed(&self.targets[id.index()])
    }

    /// Returns the name of a route.
    pub(super) fn route(&self, id: RouteId) -> Cow<'_, str> {
        Cow::Borrowed(&self.routes[id.index()])
    }

    /// Returns the target with a name.
    pub(super) fn target_id(&self, name: &str) -> Option<TargetId> {
        (0..).map(TargetId).zip(&self.targets).find(|(_, known)| *known == name).map(|(id, _)| id)
    }

    /// Returns the route with a name.
    pub(super) fn route_id(&self, name: &str) -> Option<RouteId> {
        (0..).map(RouteId).zip(&self.routes).find(|(_, known)| *known == name).map(|(id, _)| id)
    }
}

/// Hashes of what an engine reads of its scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScenarioHashes {
    pub(super) client: String,
    pub(super) routes: String,
    pub(super) targets: String,
}

impl ScenarioHashes {
    /// Returns the hashes of a scenario.
    pub(super) fn of(scenario: &Scenario) -> Self {
        let client = Client { like: None, estimate: None, hedge: None, ..scenario.default_client().clone() };
        Self { client: hash(&client), routes: hash(&scenario.routes), targets: hash(&scenario.targets) }
    }
}

/// Returns the hash of a value's text as `Debug` prints it.
fn hash(value: &impl fmt::Debug) -> String {
    let mut hash = LogHash::default();
    let _ = write!(hash, "{value:?}");
    format!("{:016x}", hash.0)
}

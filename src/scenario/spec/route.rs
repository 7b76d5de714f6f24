//! Routes, whose targets are still names.

use crate::scenario::diagnostics::{Diagnostics, Name};
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
    /// With [`Pick::Weighted`] the weight of each target; otherwise empty.
    pub(in crate::scenario) weights: Vec<u32>,
}

/// Builds `routes`.
pub(super) fn routes(scenario: &Fields, diagnostics: &Diagnostics) -> Vec<RouteSpec> {
    let step = |fields: &Fields| step(fields, diagnostics);
    let steps = |value: &Value| value.items().iter().filter_map(Value::fields).map(step).collect();
    let route = |(name, value): &(Name, Value)| RouteSpec { name: name.clone(), steps: steps(value) };
    scenario.named_entries("routes").iter().map(route).collect()
}

fn step(fields: &Fields, diagnostics: &Diagnostics) -> StepSpec {
    let pick = fields.choice("pick", &Pick::WORDS);
    StepSpec {
        pick: pick.unwrap_or_default(),
        targets: fields.items("of").iter().filter_map(Value::name).collect(),
        weights: pick.map(|pick| weights(fields, pick, diagnostics)).unwrap_or_default(),
    }
}

/// Returns the weights of a step; empty if it has none, or if they are invalid, which is reported.
fn weights(fields: &Fields, pick: Pick, diagnostics: &Diagnostics) -> Vec<u32> {
    let targets = fields.items("of").len();
    let Some(given) = fields.get("weights") else {
        if pick == Pick::Weighted && !fields.is_given("weights") {
            let at = fields.get("pick").map_or(&fields.at, |pick| &pick.at);
            diagnostics.report_at(
                at,
                "`pick: weighted` has no `weights`",
                "add one for each target, such as `weights: [3, 1]`",
            );
        }
        return Vec::new();
    };
    if pick != Pick::Weighted {
        let what = "`weights` have no effect without `pick: weighted`";
        diagnostics.report_at(&given.at, what, "write `pick: weighted`, or remove `weights`");
        return Vec::new();
    }
    let weights = given.items();
    if weights.len() != targets && !weights.is_empty() && targets > 0 {
        let what = format!("{} weights for {targets} targets", weights.len());
        diagnostics.report_at(&given.at, what, "give one weight for each target");
    }
    weights.iter().filter_map(Value::count).collect()
}

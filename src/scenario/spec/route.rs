//! Routes: steps tried from the first to the last, each with its targets by name.

use crate::scenario::resolved::Pick;
use crate::scenario::value::{Value, Word};

/// A route whose targets are still names.
#[derive(Debug)]
pub(in crate::scenario) struct RouteSpec {
    /// Its name.
    pub(in crate::scenario) name: Word,
    /// At least one, unless they were wrong.
    pub(in crate::scenario) steps: Vec<StepSpec>,
}

/// A step whose targets are still names.
#[derive(Debug)]
pub(in crate::scenario) struct StepSpec {
    /// How to choose.
    pub(in crate::scenario) pick: Pick,
    /// At least one, unless they were wrong.
    pub(in crate::scenario) of: Vec<Word>,
}

const STEP: &str = "- {of: [groq/default/openai/gpt-oss-120b]}";

/// Reads `routes`.
pub(super) fn routes(value: &Value) -> Vec<RouteSpec> {
    let routes = value.entries("chat: […]").unwrap_or_default();
    if routes.is_empty() && value.is_map() {
        value.wrong("there is no route", "write `chat: [{of: [groq/default/openai/gpt-oss-120b]}]`");
    }
    routes.into_iter().map(|(name, value)| RouteSpec { name, steps: steps(&value) }).collect()
}

fn steps(value: &Value) -> Vec<StepSpec> {
    let Some(items) = value.items(STEP) else { return Vec::new() };
    if items.is_empty() {
        value.wrong("a route needs a step", format!("add `{STEP}`"));
    }
    if items.len() > MOST_STEPS {
        value.wrong(format!("a route has at most {MOST_STEPS} steps"), "use fewer");
    }
    items.iter().filter_map(step).collect()
}

/// Events count the steps of a route in eight bits.
const MOST_STEPS: usize = 100;

fn step(value: &Value) -> Option<StepSpec> {
    let mut fields = value.fields("{pick: most_room, of: [groq/default/openai/gpt-oss-120b]}")?;
    let pick = fields.get("pick").and_then(|value| pick(&value)).unwrap_or_default();
    let targets = fields.require("of", "of: [groq/default/openai/gpt-oss-120b]");
    fields.refuse(&["weights"], "they belong to the pick `weighted`; use `round_robin` or `most_room`");
    fields.done();
    let targets = targets?;
    let items = targets.items("[groq/default/openai/gpt-oss-120b]")?;
    if items.is_empty() {
        targets.wrong("a step needs a target", "name at least one: `provider/account/model`");
    }
    Some(StepSpec { pick, of: items.iter().filter_map(Value::word).collect() })
}

fn pick(value: &Value) -> Option<Pick> {
    let known =
        [("in_order", Pick::InOrder), ("round_robin", Pick::RoundRobin), ("most_room", Pick::MostRoom)];
    value.one_of_or(&known, &["weighted", "random", "least_busy", "fastest", "cheapest"])
}

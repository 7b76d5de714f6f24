//! The JSON configuration of Portkey's gateway, for the header `x-portkey-config`. What its words mean was read in version 1.15.2:
//! `fallback` goes to the next target after any reply that is no success, `loadbalance` picks at random by weight and does not pick
//! again, and nothing is remembered from request to request.

use super::{
    ConfigFormat, ExportedConfig, ExportedStep, ExportedTarget, key_notes, steps, timeout, unexpressed,
};
use crate::scenario::{Pick, Route, Scenario};
use serde::Serialize;

/// The most retries of a target.
const MAX_RETRIES: usize = 5;

/// The statuses after which a target is retried.
const RETRIED: [u16; 5] = [429, 500, 502, 503, 504];

/// A target, or several with a strategy.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Node {
    Target(Box<Leaf>),
    Group(Group),
}

#[derive(Debug, Serialize)]
struct Leaf {
    name: String,
    provider: &'static str,
    api_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_host: Option<String>,
    override_params: OverrideParams,
    request_timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<RetryRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
}

#[derive(Debug, Serialize)]
struct OverrideParams {
    model: String,
}

#[derive(Debug, Serialize)]
struct RetryRule {
    attempts: usize,
    on_status_codes: [u16; 5],
}

#[derive(Debug, Serialize)]
struct Group {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    strategy: Strategy,
    targets: Vec<Node>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Strategy {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Condition>,
}

#[derive(Debug, Serialize)]
struct Condition {
    query: serde_json::Value,
    then: String,
}

impl Strategy {
    const fn plain(mode: &'static str) -> Self {
        Self { mode, conditions: Vec::new() }
    }
}

/// Writes the configuration.
pub(super) fn export(scenario: &Scenario) -> ExportedConfig {
    let config = match scenario.routes.as_slice() {
        [route] => group(scenario, route, None),
        routes => {
            let condition = |route: &Route| Condition {
                query: serde_json::json!({ "params.model": { "$eq": route.name } }),
                then: route.name.clone(),
            };
            Group {
                name: None,
                strategy: Strategy {
                    mode: "conditional",
                    conditions: routes.iter().map(condition).collect(),
                },
                targets: routes
                    .iter()
                    .map(|route| Node::Group(group(scenario, route, Some(route.name.clone()))))
                    .collect(),
                weight: None,
            }
        }
    };
    let mut text = serde_json::to_string_pretty(&config).expect("invariant: every member is serialisable");
    text.push('\n');
    ExportedConfig { text, notes: notes(scenario) }
}

/// Returns a route: its steps in order, the targets of a step in order or at random.
fn group(scenario: &Scenario, route: &Route, name: Option<String>) -> Group {
    let all = steps(scenario, route);
    let targets: usize = all.iter().map(|step| step.targets.len()).sum();
    let attempts = usize::from(scenario.default_client().retry.attempts);
    let retries = (attempts / targets.max(1)).saturating_sub(1).min(MAX_RETRIES);
    let leaf = |target: &ExportedTarget<'_>, variable: &str, weight| {
        let retry = (retries > 0).then_some(RetryRule { attempts: retries, on_status_codes: RETRIED });
        Node::Target(Box::new(Leaf {
            name: target.target.name.clone(),
            provider: target.provider_name(ConfigFormat::Portkey),
            api_key: format!("${{{variable}}}"),
            custom_host: target.stated_address(),
            override_params: OverrideParams { model: target.model.name.clone() },
            request_timeout: timeout(scenario).0 / 1_000_000,
            retry,
            weight,
        }))
    };
    // The keys of a target share its quota: they are used at random.
    let one = |target: &ExportedTarget<'_>, is_balanced: bool, weight: Option<u32>| match target
        .variables
        .as_slice()
    {
        [variable] => leaf(target, variable, weight.or(is_balanced.then_some(1))),
        variables => Node::Group(Group {
            name: None,
            strategy: Strategy::plain("loadbalance"),
            targets: variables.iter().map(|variable| leaf(target, variable, Some(1))).collect(),
            weight,
        }),
    };
    let mut nodes = Vec::new();
    for ExportedStep { pick, targets, weights } in &all {
        if *pick == Pick::InOrder || targets.len() == 1 {
            nodes.extend(targets.iter().map(|target| one(target, false, None)));
        } else {
            nodes.push(Node::Group(Group {
                name: None,
                strategy: Strategy::plain("loadbalance"),
                targets: (targets.iter().enumerate())
                    .map(|(index, target)| one(target, true, weights.get(index).copied()))
                    .collect(),
                weight: None,
            }));
        }
    }
    Group { name, strategy: Strategy::plain("fallback"), targets: nodes, weight: None }
}

fn notes(scenario: &Scenario) -> Vec<String> {
    let mut notes = vec![
        "Portkey's configuration has no variables: replace `${NAME}` by the keys, with `envsubst` for example, and keep the result secret"
            .to_owned(),
    ];
    notes.extend(key_notes(scenario));
    let missing = [
        "limits: rpm, tpm and the others are not known to it",
        "cool-downs and ejection: a refusing or failing target is tried by every request",
        "a pick that is not random, and another pick within a step after a failure",
        "the waits between attempts: 1, 2, 4, 8 and 16 s without jitter, after each target's own failures; `retry-after` is not obeyed, \
         because the option for it fails in version 1.15.2",
    ];
    let missing = missing.map(str::to_owned).into_iter().chain(unexpressed(scenario));
    notes.extend(missing.map(|line| format!("not expressed: {line}")));
    notes
}

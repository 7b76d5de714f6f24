//! `config.yaml` of LiteLLM's proxy. What its words mean was read in version 1.106.2: `order` makes a deployment wait for those with a
//! lower number, `rpm` and the other limits are enforced only with `enforce_model_rate_limits`, and each model group has its own
//! retries.

use super::{
    ConfigFormat, ExportedConfig, ExportedStep, ExportedTarget, key_notes, steps, timeout, unexpressed,
};
use crate::formatting::printable;
use crate::scenario::{CoolDown, Jitter, Pick, Scenario, Tree, write};
use provider::{Axis, Nanos};

/// Writes the configuration.
pub(super) fn export(scenario: &Scenario) -> ExportedConfig {
    let mut models = Vec::new();
    let mut fallbacks = Vec::new();
    let mut picks = Vec::new();
    for route in &scenario.routes {
        let mut groups = Vec::new();
        for (number, ExportedStep { pick, targets, weights }) in (1..).zip(steps(scenario, route)) {
            let group = group_name(scenario, &route.name, number);
            let is_ordered = pick == Pick::InOrder && targets.len() > 1;
            for (index, target) in targets.iter().enumerate() {
                let order = is_ordered.then(|| ("order", (index + 1).to_string()));
                // The keys of a target share its weight.
                let share = |weight: &u32| decimal(f64::from(*weight) / target.variables.len() as f64);
                let weight = weights.get(index).map(|weight| ("weight", share(weight)));
                models.extend(deployments(scenario, &group, target, order.or(weight)));
            }
            picks.extend((targets.len() > 1).then_some(pick));
            groups.push(group);
        }
        let (first, rest) = groups.split_first().expect("invariant: a route has a step");
        if !rest.is_empty() {
            let rest = rest.iter().map(Tree::string).collect();
            fallbacks.push(Tree::map([(first.clone(), Tree::List(rest))]));
        }
    }
    let config = Tree::map([
        ("model_list", Tree::List(models)),
        ("router_settings", router_settings(scenario, strategy(&picks), fallbacks)),
    ]);
    let head: String =
        comments(scenario, &picks).iter().map(|line| format!("# {}\n", printable(line))).collect();
    ExportedConfig { text: head + &write(&config), notes: Vec::new() }
}

/// Returns the name of the model group of a step: the route's for the first.
fn group_name(scenario: &Scenario, route: &str, number: usize) -> String {
    if number == 1 {
        return route.to_owned();
    }
    let mut name = format!("{route}-step-{number}");
    while scenario.routes.iter().any(|other| other.name == name) {
        name.push('-');
    }
    name
}

/// Returns the deployments of a target, one for each of its keys. `rank`: the word and the value that state how the target is picked,
/// if there are any.
fn deployments(
    scenario: &Scenario,
    group: &str,
    target: &ExportedTarget<'_>,
    rank: Option<(&'static str, String)>,
) -> Vec<Tree> {
    let keys = target.variables.len();
    let each = target.variables.iter().enumerate().map(|(number, variable)| {
        let mut params = vec![
            (
                "model",
                Tree::string(format!(
                    "{}/{}",
                    target.provider_name(ConfigFormat::LiteLlm),
                    target.model.name
                )),
            ),
            ("api_key", Tree::string(format!("os.environ/{variable}"))),
        ];
        if let Some(address) = target.stated_address() {
            params.push(("api_base", Tree::string(address)));
        }
        for limit in &target.model.limits {
            if let Some(word) = limit_word(limit.axis) {
                params.push((word, Tree::text((limit.amount / keys as u64).max(1).to_string())));
            }
        }
        params.extend(rank.as_ref().map(|(word, value)| (*word, Tree::text(value))));
        params.push(("timeout", Tree::text(seconds(timeout(scenario)))));
        let id = if keys > 1 {
            format!("{} {}", target.target.name, number + 1)
        } else {
            target.target.name.clone()
        };
        let id = format!("{group}: {id}");
        Tree::map([
            ("model_name", Tree::string(group)),
            ("litellm_params", Tree::map(params)),
            ("model_info", Tree::map([("id", Tree::string(id))])),
        ])
    });
    each.collect()
}

/// Returns the word of LiteLLM for a limit.
const fn limit_word(axis: Axis) -> Option<&'static str> {
    match axis {
        Axis::Rpm => Some("rpm"),
        Axis::Tpm => Some("tpm"),
        Axis::Itpm => Some("itpm"),
        Axis::Otpm => Some("otpm"),
        Axis::Concurrency => Some("max_parallel_requests"),
        _ => None,
    }
}

/// Returns the strategy of the router, which is the same for all model groups: the one of the picks if they agree, otherwise
/// `simple-shuffle`, which picks at random, by `weight`, or else by `rpm`.
fn strategy(picks: &[Pick]) -> &'static str {
    let first = picks.first().copied().filter(|first| picks.iter().all(|pick| pick == first));
    match first {
        Some(Pick::LeastBusy) => "least-busy",
        Some(Pick::Fastest) => "latency-based-routing",
        Some(Pick::Cheapest) => "cost-based-routing",
        _ => "simple-shuffle",
    }
}

fn router_settings(scenario: &Scenario, strategy: &str, fallbacks: Vec<Tree>) -> Tree {
    let client = scenario.default_client();
    let mut settings = vec![
        ("routing_strategy", Tree::text(strategy)),
        ("num_retries", Tree::text(retries_per_group(scenario).to_string())),
        ("timeout", Tree::text(seconds(timeout(scenario)))),
    ];
    match client.eject {
        Some(eject) => {
            settings.push(("allowed_fails", Tree::text(eject.after.saturating_sub(1).to_string())));
            settings.push(("cooldown_time", Tree::text(seconds(eject.duration))));
        }
        None if client.cool_down == CoolDown::PerJob || !client.retry.obey_retry_after => {
            settings.push(("disable_cooldowns", Tree::text("true")));
        }
        None => {}
    }
    if has_limits(scenario) {
        let checks = Tree::List(vec![Tree::text("enforce_model_rate_limits")]);
        settings.push(("optional_pre_call_checks", checks));
    }
    if !fallbacks.is_empty() {
        let most = most_steps(scenario).saturating_sub(1);
        settings.push(("max_fallbacks", Tree::text(most.to_string())));
        settings.push(("fallbacks", Tree::List(fallbacks)));
    }
    Tree::map(settings)
}

fn has_limits(scenario: &Scenario) -> bool {
    let models = scenario.targets.iter().map(|target| ExportedTarget::new(scenario, target).model);
    models.into_iter().any(|model| model.limits.iter().any(|limit| limit_word(limit.axis).is_some()))
}

fn most_steps(scenario: &Scenario) -> usize {
    scenario.routes.iter().map(|route| route.steps.len()).max().unwrap_or(1)
}

/// Returns the retries of a model group: those of the client. If any route has fallbacks, they are at most the further targets of the
/// largest step of all routes: a retry at the same target waits before the next group is tried, and a request falls back at once here.
fn retries_per_group(scenario: &Scenario) -> usize {
    let retries = usize::from(scenario.default_client().retry.attempts.saturating_sub(1));
    let steps = || scenario.routes.iter().flat_map(|route| &route.steps);
    let further = steps().map(|step| step.targets.len().saturating_sub(1)).max().unwrap_or(0);
    if most_steps(scenario) > 1 { retries.min(further) } else { retries }
}

/// Returns a length in whole seconds, or with its decimals.
fn seconds(length: Nanos) -> String {
    decimal(length.as_secs_f64())
}

/// Returns a number without an exponent.
fn decimal(number: f64) -> String {
    let text = format!("{number:.12}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns the comments at the head: what to do with the file, and what it cannot express.
fn comments(scenario: &Scenario, picks: &[Pick]) -> Vec<String> {
    let mut lines = vec![
        format!(
            "The routes of the scenario {} for LiteLLM's proxy: litellm --config config.yaml",
            scenario.name
        ),
        "Each step of a route is a model group; the steps after the first are its fallbacks.".to_owned(),
    ];
    lines.extend(key_notes(scenario));
    lines.push("What it cannot express:".to_owned());
    let mut missing = unexpressed(scenario);
    let retry = &scenario.default_client().retry;
    missing.push(format!(
        "attempts per request over all targets (here {}): each model group has its own retries, and no group is tried again once its fallback \
         was",
        retry.attempts
    ));
    missing.push(format!(
        "the back-off (here {} to {}{}): its own is 0.5 s doubled up to 8 s, plus up to 0.75 s",
        seconds(retry.backoff.base) + " s",
        seconds(retry.backoff.cap) + " s",
        if retry.backoff.jitter == Jitter::None { "" } else { ", with jitter" }
    ));
    if scenario.default_client().eject.is_some() {
        missing.push("a probe after an ejection: all requests go back at once; and the only deployment of a group is not put in cool-down after a refusal".to_owned());
    }
    missing.extend(unexpressed_picks(picks));
    missing.extend(limits_without_word(scenario));
    if scenario.targets.iter().any(|target| ExportedTarget::new(scenario, target).variables.len() > 1) {
        missing.push(
            "keys that share the quota of an account: each is a deployment with its part of the limits"
                .to_owned(),
        );
    }
    lines.extend(missing.into_iter().map(|line| format!("- {line}")));
    lines
}

/// Returns what the strategies of LiteLLM do otherwise than the picks of the steps.
fn unexpressed_picks(picks: &[Pick]) -> Vec<String> {
    let strategy = strategy(picks);
    let note = |(word, pick): (&str, Pick)| match strategy {
        // LiteLLM does the same: the deployments have `order` and `weight`.
        _ if matches!(pick, Pick::InOrder | Pick::Weighted) => None,
        "simple-shuffle" => Some(format!("{word}: simple-shuffle picks at random, by rpm if it is set")),
        "latency-based-routing" => Some(format!(
            "{word}: latency-based-routing takes the lowest mean latency, and does not count the attempts in flight"
        )),
        "cost-based-routing" => Some(format!(
            "{word}: cost-based-routing compares the prices of tokens, and not those of a request"
        )),
        _ => None,
    };
    Pick::WORDS.into_iter().filter(|(_, pick)| picks.contains(pick)).filter_map(note).collect()
}

/// Returns the limits that LiteLLM has no word for.
fn limits_without_word(scenario: &Scenario) -> Vec<String> {
    let mut notes = Vec::new();
    for target in &scenario.targets {
        let model = ExportedTarget::new(scenario, target).model;
        for limit in model.limits.iter().filter(|limit| limit_word(limit.axis).is_none()) {
            notes.push(format!("{} {} of {}", limit.axis.name(), limit.amount, target.name));
        }
    }
    notes.push("how limits refill: it counts by the minutes of the clock".to_owned());
    notes
}

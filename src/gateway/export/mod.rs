//! The routing of a scenario as the configuration of another gateway: the same targets in the same order, as far as that gateway has
//! words for it. What it cannot express is said, not approximated in silence.
//!
//! Keys are named by environment variables, and never written.

mod litellm;
mod portkey;

use super::addressing;
use crate::formatting::printable;
use crate::scenario::{BaseUrl, Concurrency, CoolDown, KeySource, Pace, Pick, Route, Scenario, Step, Target};
use provider::Nanos;
use provider::config::{Dialect, ModelConfig};
use provider::units::print_duration;

/// The format of a configuration: that of another gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFormat {
    /// `config.yaml` of the proxy of LiteLLM, as of version 1.106.
    LiteLlm,
    /// The JSON configuration of Portkey's gateway, as of version 1.15.
    Portkey,
}

/// A configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedConfig {
    /// Its text, ending in a line feed.
    pub text: String,
    /// What is to be done with it, and what it cannot express; empty if the text says so in comments.
    pub notes: Vec<String>,
}

/// Writes the routing of a scenario as the configuration of another gateway.
#[must_use]
pub fn export(scenario: &Scenario, format: ConfigFormat) -> ExportedConfig {
    match format {
        ConfigFormat::LiteLlm => litellm::export(scenario),
        ConfigFormat::Portkey => portkey::export(scenario),
    }
}

/// A target with what a configuration says of it.
struct ExportedTarget<'a> {
    target: &'a Target,
    model: &'a ModelConfig,
    dialect: Dialect,
    /// The address that the scenario states; `None` if it states none.
    base_url: Option<&'a BaseUrl>,
    /// The variables of its keys, at least one.
    variables: Vec<String>,
}

impl<'a> ExportedTarget<'a> {
    fn new(scenario: &'a Scenario, target: &'a Target) -> Self {
        let (provider, account) = (usize::from(target.provider), usize::from(target.account));
        let config = &scenario.providers[provider];
        let sources = &scenario.upstreams[provider].keys[account];
        let variables = (1..).zip(sources).map(|(number, source)| match source {
            KeySource::Env(name) => name.clone(),
            KeySource::Written | KeySource::File(_) => {
                let number = if sources.len() > 1 { format!("_{number}") } else { String::new() };
                format!("{}_KEY{number}", account_variable(scenario, (provider, account)))
            }
        });
        Self {
            target,
            model: &config.models[usize::from(target.model)],
            dialect: config.dialect,
            base_url: scenario.upstreams[provider].base_url.as_ref(),
            variables: variables.collect(),
        }
    }

    /// Returns the name of the provider in another gateway.
    fn provider_name(&self, format: ConfigFormat) -> &'static str {
        let (litellm, portkey) = match self.dialect {
            _ if self.is_compatible_api() => ("openai", "openai"),
            Dialect::Groq => ("groq", "groq"),
            Dialect::OpenAi | Dialect::Azure => ("openai", "openai"),
            Dialect::Anthropic => ("anthropic", "anthropic"),
            Dialect::Cerebras => ("cerebras", "cerebras"),
            Dialect::Mistral => ("mistral", "mistral-ai"),
            Dialect::DeepInfra => ("deepinfra", "deepinfra"),
            Dialect::Together => ("together_ai", "together-ai"),
            Dialect::Fireworks => ("fireworks_ai", "fireworks-ai"),
            Dialect::Gemini => ("gemini", "google"),
        };
        match format {
            ConfigFormat::LiteLlm => litellm,
            ConfigFormat::Portkey => portkey,
        }
    }

    /// Returns the address to write; `None` if the other gateway knows it, because it is the same for all customers.
    fn stated_address(&self) -> Option<String> {
        let is_known = addressing::of(self.dialect).base_url.is_some();
        let unknown = || (!is_known).then(|| "https://RESOURCE.openai.azure.com/openai/v1".to_owned());
        self.base_url.map(ToString::to_string).or_else(unknown)
    }

    /// Returns `true` if the other gateway has to treat the provider as any OpenAI-compatible API: always for Azure, and if the scenario
    /// states an address for Anthropic and Gemini, whose own APIs differ.
    fn is_compatible_api(&self) -> bool {
        let has_own_api = matches!(self.dialect, Dialect::Anthropic | Dialect::Gemini);
        self.dialect == Dialect::Azure || (has_own_api && self.base_url.is_some())
    }
}

/// Returns the beginning of the names of an account's variables, different from that of every other account.
fn account_variable(scenario: &Scenario, (provider, account): (usize, usize)) -> String {
    let names = (0..).zip(&scenario.providers).flat_map(|(number, config)| {
        let accounts = (0..).zip(&config.accounts);
        accounts.map(move |(index, account)| {
            ((number, index), variable_name(&format!("{}_{}", config.name, account.name)))
        })
    });
    let names: Vec<((usize, usize), String)> = names.collect();
    let own = names.iter().position(|(place, _)| *place == (provider, account));
    let own = own.expect("invariant: the account is of the scenario");
    let name = &names[own].1;
    match names[..own].iter().filter(|(_, earlier)| earlier == name).count() {
        0 => name.clone(),
        earlier => format!("{name}_{}", earlier + 1),
    }
}

/// Returns a name as that of an environment variable.
fn variable_name(name: &str) -> String {
    let of_variable = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(of_variable).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("KEY_{name}") } else { name }
}

/// Returns the targets of a route, step by step.
fn steps<'a>(scenario: &'a Scenario, route: &'a Route) -> Vec<ExportedStep<'a>> {
    let target = |id: &crate::ids::TargetId| ExportedTarget::new(scenario, &scenario.targets[id.index()]);
    let step = |step: &'a Step| ExportedStep {
        pick: step.pick,
        targets: step.targets.iter().map(target).collect(),
        weights: &step.weights,
    };
    route.steps.iter().map(step).collect()
}

/// A step of a route.
struct ExportedStep<'a> {
    pick: Pick,
    targets: Vec<ExportedTarget<'a>>,
    /// With [`Pick::Weighted`] the weight of each target; otherwise empty.
    weights: &'a [u32],
}

/// Returns the time after which a request is given up: that of an attempt, or the deadline.
fn timeout(scenario: &Scenario) -> Nanos {
    let client = scenario.default_client();
    client.attempt_timeout().map_or(client.deadline, |timeout| timeout.min(client.deadline))
}

/// Returns what to set the variables to that the scenario does not name itself.
fn key_notes(scenario: &Scenario) -> Vec<String> {
    let mut notes = Vec::new();
    for target in &scenario.targets {
        let (provider, account) = (usize::from(target.provider), usize::from(target.account));
        let exported = ExportedTarget::new(scenario, target);
        for (source, variable) in scenario.upstreams[provider].keys[account].iter().zip(&exported.variables) {
            let note = match source {
                KeySource::Env(_) => continue,
                KeySource::Written => format!("set {variable} to the key that the scenario writes"),
                KeySource::File(path) => {
                    format!("set {variable} to the content of {}", printable(&path.to_string_lossy()))
                }
            };
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}

/// Returns what the client of the scenario does and no other gateway can express.
fn unexpressed(scenario: &Scenario) -> Vec<String> {
    let client = scenario.default_client();
    let mut notes = vec![format!(
        "no deadline over all attempts of a request: here it is {}",
        print_duration(client.deadline)
    )];
    if !scenario.callers.is_empty() {
        notes.push("no callers: everyone who reaches it may use it, without the keys, priorities and budgets of `callers`".to_owned());
    }
    if client.pace != Pace::Off {
        notes.push("no pace: attempts are not spread as the limits refill".to_owned());
    }
    if let Some(concurrency) = client.concurrency {
        let bound = match concurrency {
            Concurrency::Fixed(bound) => bound.to_string(),
            Concurrency::Adaptive(bounds) => format!("adapted from {} to {}", bounds.min, bounds.max),
        };
        notes.push(format!(
            "no bound over all targets on the attempts in flight (here {bound}), and no queue"
        ));
    }
    if client.retry.budget_permille.is_some() {
        notes.push("no budget of retries".to_owned());
    }
    if client.cool_down == CoolDown::PerTarget && client.retry.obey_retry_after {
        notes.push(
            "a wait that a refusal states in its text, or only in limit headers, is not read; nor is a whole account put in cool-down"
                .to_owned(),
        );
    }
    notes
}

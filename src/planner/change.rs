//! A change to a plan: typed edits, made one after the other, each leaving a plan that can be run.

use super::summary::Kind;
use crate::ids::TargetId;
use crate::scenario::{
    Arrivals, Cache, Jitter, KnownLimit, MAX_ROUTE_TARGETS, Pace, Pick, Scenario, Step, Target, TraceRow,
    Workload,
};
use provider::config::{AccountConfig, Config, ModelConfig};
use provider::dist::Dist;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One change, with the words for it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// For people.
    pub(super) words: String,
    /// What has to be done for it.
    pub(super) kind: Kind,
    pub(super) edit: Edit,
}

/// What is changed. Indices are those of the plan that the change was made for; where another plan has no
/// such thing, nothing happens.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// One more account of a provider, beside the others in every step.
    Account { provider: u16 },
    /// The limits and prices of a better plan of the same provider.
    Tier { provider: u16, better: Config },
    /// One more step at the end of every route.
    Fallback { config: Config },
    /// One more step at the end of every route that uses the provider: another of its models, on the same accounts.
    OtherModel { provider: u16, model: u16 },
    /// A cache.
    Cache(Cache),
    /// Whether identical jobs under way go as one.
    Join(bool),
    /// How sends are spread.
    Pace(Pace),
    /// How chance spreads a wait.
    Jitter(Jitter),
    /// Retries per job, in thousandths; `None`: no bound.
    Budget(Option<u32>),
    /// How steps with a choice choose.
    Pick(Pick),
    /// At most so many tokens for the completion, by workload.
    MaxTokens(Vec<Option<u32>>),
    /// Prompts of this share of their length.
    Prompt(f64),
    /// These workloads come between midnight and six.
    Night(Vec<usize>),
    /// The plan that the scenario itself describes.
    Own(Box<Scenario>),
}

impl Change {
    /// The plan with all these changes: the scenario's own first, since they stand for a whole plan.
    pub(super) fn all<'c>(scenario: &Scenario, changes: impl IntoIterator<Item = &'c Self>) -> Scenario {
        let mut changes: Vec<&Self> = changes.into_iter().collect();
        changes.sort_by_key(|change| change.kind != Kind::Own);
        let mut changed = scenario.clone();
        for change in changes {
            change.edit.apply(&mut changed);
        }
        changed
    }

    /// Whether somebody might make it; what only shows the worth of a tactic of today is none.
    pub(super) fn is_offer(&self) -> bool {
        self.kind != Kind::Without
    }

    /// Whether it can be made again on top of itself.
    pub(super) fn repeats(&self) -> bool {
        matches!(self.edit, Edit::Account { .. })
    }
}

impl Edit {
    fn apply(&self, scenario: &mut Scenario) {
        match self {
            Self::Account { provider } => add_account(scenario, *provider),
            Self::Tier { provider, better } => lift_tier(scenario, *provider, better),
            Self::Fallback { config } => add_fallback(scenario, config),
            Self::OtherModel { provider, model } => add_other_model(scenario, *provider, *model),
            Self::Cache(cache) => scenario.client.cache = Some(*cache),
            Self::Join(join) => scenario.client.join = *join,
            Self::Pace(pace) => scenario.client.pace = *pace,
            Self::Jitter(jitter) => scenario.client.retry.backoff.jitter = *jitter,
            Self::Budget(permille) => scenario.client.retry.budget_permille = *permille,
            Self::Pick(pick) => {
                let steps = scenario.routes.iter_mut().flat_map(|route| &mut route.steps);
                steps.filter(|step| step.targets.len() > 1).for_each(|step| step.pick = *pick);
            }
            Self::MaxTokens(most) => {
                scenario.workloads.iter_mut().zip(most).for_each(|(workload, most)| {
                    workload.max_tokens = most.or(workload.max_tokens);
                });
            }
            Self::Prompt(share) => {
                scenario.workloads.iter_mut().for_each(|workload| shorten(workload, *share))
            }
            Self::Night(workloads) => {
                for &index in workloads {
                    scenario.workloads.get_mut(index).into_iter().for_each(to_night);
                }
            }
            Self::Own(own) => scenario.clone_from(own),
        }
    }
}

fn id(index: usize) -> u16 {
    u16::try_from(index).expect("plans are numbered in 16 bits, and changes are few")
}

fn known_limits(model: &ModelConfig) -> Vec<KnownLimit> {
    let known = |limit: &provider::config::Limit| KnownLimit {
        axis: limit.axis,
        limit: limit.limit,
        burst: limit.burst,
    };
    model.limits.iter().map(known).collect()
}

/// A name that none of `taken` has: `base`, or with the first number that makes it new.
fn new_name<'a>(base: &str, taken: impl Iterator<Item = &'a str> + Clone) -> String {
    let names = std::iter::once(base.to_owned()).chain((2u32..).map(|number| format!("{base}-{number}")));
    let mut free = names.filter(|name| taken.clone().all(|other| other != name));
    free.next().expect("there are more numbers than names")
}

/// An account × model of a provider of the plan, as it is documented to clients.
fn target(config: &Config, provider: u16, account: u16, model: u16) -> Target {
    let (known, owner) = (&config.models[usize::from(model)], &config.accounts[usize::from(account)]);
    Target {
        name: format!("{}/{}/{}", config.name, owner.name, known.name),
        provider,
        account,
        model,
        limits: known_limits(known),
        price: known.price,
        cached: known.reserve.cached,
    }
}

fn add_account(scenario: &mut Scenario, provider: u16) {
    let Some(config) = scenario.providers.get_mut(usize::from(provider)) else { return };
    let account = id(config.accounts.len());
    let name = new_name("more", config.accounts.iter().map(|account| account.name.as_str()));
    config.accounts.push(AccountConfig { keys: vec![format!("{name}-key")], name });
    let config = &scenario.providers[usize::from(provider)];
    let served = |target: &Target| (target.provider == provider).then_some(target.model);
    let mut models: Vec<u16> = scenario.targets.iter().filter_map(served).collect();
    models.sort_unstable();
    models.dedup();
    for model in models {
        let new = TargetId(id(scenario.targets.len()));
        scenario.targets.push(target(config, provider, account, model));
        let (targets, routes) = (&scenario.targets, &mut scenario.routes);
        for route in routes {
            let mut room =
                MAX_ROUTE_TARGETS - route.steps.iter().map(|step| step.targets.len()).sum::<usize>();
            let here = |target: &TargetId| {
                let target = &targets[target.index()];
                (target.provider, target.model) == (provider, model)
            };
            for step in route.steps.iter_mut().filter(|step| step.targets.iter().any(here)) {
                if room > 0 {
                    step.targets.push(new);
                    room -= 1;
                }
            }
        }
    }
}

fn lift_tier(scenario: &mut Scenario, provider: u16, better: &Config) {
    let Some(config) = scenario.providers.get_mut(usize::from(provider)) else { return };
    config.tier = better.tier;
    for model in &mut config.models {
        if let Some(better) = better.models.iter().find(|other| other.name == model.name) {
            model.limits.clone_from(&better.limits);
            model.price = better.price;
        }
    }
    for target in scenario.targets.iter_mut().filter(|target| target.provider == provider) {
        let model = &config.models[usize::from(target.model)];
        (target.limits, target.price) = (known_limits(model), model.price);
    }
}

/// The first account and the first model of `config`, which serves one.
fn add_fallback(scenario: &mut Scenario, config: &Config) {
    let provider = id(scenario.providers.len());
    let name = new_name(&config.name, scenario.providers.iter().map(|provider| provider.name.as_str()));
    let config = Config { name, ..config.clone() };
    let new = TargetId(id(scenario.targets.len()));
    scenario.targets.push(target(&config, provider, 0, 0));
    scenario.providers.push(config);
    for route in &mut scenario.routes {
        if route.steps.iter().map(|step| step.targets.len()).sum::<usize>() < MAX_ROUTE_TARGETS {
            route.steps.push(Step { pick: Pick::InOrder, targets: vec![new] });
        }
    }
}

/// The accounts that are used already, in their order, chosen among as the route does where it uses them.
fn add_other_model(scenario: &mut Scenario, provider: u16, model: u16) {
    let Some(config) = scenario.providers.get(usize::from(provider)) else { return };
    if usize::from(model) >= config.models.len() {
        return;
    }
    let here = |target: &Target| (target.provider == provider).then_some(target.account);
    let accounts: BTreeSet<u16> = scenario.targets.iter().filter_map(here).collect();
    let first = scenario.targets.len();
    let new = accounts.into_iter().map(|account| target(config, provider, account, model));
    let new: Vec<Target> = new.collect();
    let ids: Vec<TargetId> = (first..first + new.len()).map(|index| TargetId(id(index))).collect();
    for route in &mut scenario.routes {
        let room = MAX_ROUTE_TARGETS - route.steps.iter().map(|step| step.targets.len()).sum::<usize>();
        let uses =
            |step: &&Step| step.targets.iter().any(|id| scenario.targets[id.index()].provider == provider);
        if let Some(pick) = route.steps.iter().find(uses).map(|step| step.pick)
            && ids.len() <= room
        {
            route.steps.push(Step { pick, targets: ids.clone() });
        }
    }
    scenario.targets.extend(new);
}

fn shorten(workload: &mut Workload, share: f64) {
    workload.prompt = match &workload.prompt {
        Dist::Constant(value) => Dist::Constant(value * share),
        Dist::LogNormal { mu, sigma } => Dist::LogNormal { mu: mu + libm::log(share), sigma: *sigma },
        Dist::Exponential(mean) => Dist::Exponential(mean * share),
        Dist::Uniform { min, max } => Dist::Uniform { min: min * share, max: max * share },
        Dist::Discrete(steps) => {
            Dist::Discrete(steps.iter().map(|(value, part)| (value * share, *part)).collect())
        }
    };
    if let Arrivals::Trace { rows } = &mut workload.arrivals {
        let shorter = |row: &TraceRow| TraceRow {
            prompt_tokens: (f64::from(row.prompt_tokens) * share) as u32,
            ..*row
        };
        *rows = Arc::new(rows.iter().map(shorter).collect());
    }
}

/// Hours from midnight in which what can wait is done.
const NIGHT: usize = 6;

/// The same jobs a day, evenly between midnight and six.
fn to_night(workload: &mut Workload) {
    let mean = workload.shape.map_or(1.0, |shape| shape.iter().sum::<f64>() / 24.0);
    let mut shape = [0.0; 24];
    shape[..NIGHT].fill(mean * 24.0 / NIGHT as f64);
    workload.shape = Some(shape);
}

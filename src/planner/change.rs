//! A change of a scenario: a typed edit. Edits are applied one after the other, and each leaves a valid scenario.

use super::plan::ChangeKind;
use crate::ids::{ClientId, TargetId};
use crate::scenario::{
    Arrivals, Cache, Client, Concurrency, Jitter, KnownLimit, MAX_ROUTE_TARGETS, Pace, Pick, Scenario,
    SessionContent, Shape, Step, Target, TraceRow, Workload,
};
use provider::Nanos;
use provider::config::{AccountConfig, Config, ModelConfig};
use provider::dist::Dist;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A named change.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The name by which plans refer to it.
    pub(super) name: String,
    /// What the change requires.
    pub(super) kind: ChangeKind,
    pub(super) edit: Edit,
}

/// What is changed. Indices are those of the scenario for which the change was made; an edit has no effect on a scenario
/// without that index. A target is added only to routes that have room for it.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// Adds an account of a provider, beside its others in every step.
    Account { provider: u16 },
    /// Takes the limits and prices of a better tier of the same provider, for the models that the better tier has.
    Tier { provider: u16, better: Config },
    /// Adds a step at the end of every route.
    Fallback { config: Config },
    /// Adds a step at the end of every route that uses the provider: another of its models, on the same accounts.
    OtherModel { provider: u16, model: u16 },
    /// Changes a client.
    Client(ClientId, ClientEdit),
    /// Sets how steps with several targets pick one.
    Pick(Pick),
    /// Sets `max_tokens` by workload; `None` leaves it as it is.
    MaxTokens(Vec<Option<u32>>),
    /// Shortens prompts to this share of their length.
    Prompt(f64),
    /// Moves these workloads to the hours from midnight to six.
    MoveToNight(Vec<usize>),
    /// Replaces the scenario with one of its own what-ifs.
    Own(Box<Scenario>),
}

/// What is changed of a client.
#[derive(Clone, Copy, Debug)]
pub(super) enum ClientEdit {
    /// Sets the cache.
    Cache(Cache),
    /// Turns request coalescing on or off.
    Coalesce(bool),
    /// Sets the deadline.
    Deadline(Nanos),
    /// Sets the most attempts per job.
    Attempts(u8),
    /// Sets how many attempts may be in flight at once.
    Concurrency(u32),
    /// Sets the pacing.
    Pace(Pace),
    /// Sets the jitter of the backoff.
    Jitter(Jitter),
    /// Sets the retry budget, in thousandths of a retry per job; `None` removes it.
    Budget(Option<u32>),
}

impl ClientEdit {
    fn apply(self, client: &mut Client) {
        match self {
            Self::Cache(cache) => client.cache = Some(cache),
            Self::Coalesce(coalesce) => client.coalesce = coalesce,
            Self::Deadline(deadline) => client.deadline = deadline,
            Self::Attempts(attempts) => client.retry.attempts = attempts,
            Self::Concurrency(concurrency) => client.concurrency = Some(Concurrency::Fixed(concurrency)),
            Self::Pace(pace) => client.pace = pace,
            Self::Jitter(jitter) => client.retry.backoff.jitter = jitter,
            Self::Budget(permille) => client.retry.budget_permille = permille,
        }
    }
}

impl Change {
    /// Returns the scenario with all these changes. The scenario's own what-ifs are applied first, since each replaces
    /// the whole scenario.
    pub(super) fn all<'c>(scenario: &Scenario, changes: impl IntoIterator<Item = &'c Self>) -> Scenario {
        let mut changes: Vec<&Self> = changes.into_iter().collect();
        changes.sort_by_key(|change| change.kind != ChangeKind::Own);
        let mut changed = scenario.clone();
        for change in changes {
            change.edit.apply(&mut changed);
        }
        changed
    }

    /// Returns `true` if the change can be proposed. An ablation only measures the worth of a policy in force.
    pub(super) fn can_be_proposed(&self) -> bool {
        self.kind != ChangeKind::Ablation
    }

    /// Returns `true` if the change can be applied several times.
    pub(super) fn is_repeatable(&self) -> bool {
        matches!(self.edit, Edit::Account { .. })
    }
}

impl Edit {
    fn apply(&self, scenario: &mut Scenario) {
        match self {
            Self::Account { provider } => add_account(scenario, *provider),
            Self::Tier { provider, better } => upgrade_tier(scenario, *provider, better),
            Self::Fallback { config } => add_fallback(scenario, config),
            Self::OtherModel { provider, model } => add_other_model(scenario, *provider, *model),
            Self::Client(id, edit) => {
                scenario.clients.get_mut(id.index()).into_iter().for_each(|client| edit.apply(client));
            }
            Self::Pick(pick) => {
                let steps = scenario.routes.iter_mut().flat_map(|route| &mut route.steps);
                for step in steps.filter(|step| step.targets.len() > 1) {
                    (step.pick, step.weights) = (*pick, Vec::new());
                }
            }
            Self::MaxTokens(bounds) => {
                scenario.workloads.iter_mut().zip(bounds).for_each(|(workload, bound)| {
                    workload.max_tokens = bound.or(workload.max_tokens);
                    workload.update_sizes();
                });
            }
            Self::Prompt(share) => {
                scenario.workloads.iter_mut().for_each(|workload| shorten(workload, *share))
            }
            Self::MoveToNight(workloads) => {
                for &index in workloads {
                    scenario.workloads.get_mut(index).into_iter().for_each(to_night);
                }
            }
            Self::Own(own) => scenario.clone_from(own),
        }
    }
}

fn id(index: usize) -> u16 {
    u16::try_from(index).expect("invariant: a scenario has at most 65,535 targets, accounts and providers")
}

/// Returns the limits of a model as its provider documents them to clients.
fn known_limits(model: &ModelConfig) -> Vec<KnownLimit> {
    model.limits.iter().map(KnownLimit::from).collect()
}

/// Returns a name that is not in `taken`: `base`, or `base-2`, `base-3` and so on.
fn new_name<'a>(base: &str, taken: impl Iterator<Item = &'a str> + Clone) -> String {
    let names = std::iter::once(base.to_owned()).chain((2u32..).map(|number| format!("{base}-{number}")));
    let mut free = names.filter(|name| taken.clone().all(|other| other != name));
    free.next().expect("invariant: there are more numbers than names")
}

/// Returns the target for an account and a model of a provider, as the provider documents it to clients.
fn target(config: &Config, provider: u16, account: u16, model: u16) -> Target {
    let (served, owner) = (&config.models[usize::from(model)], &config.accounts[usize::from(account)]);
    Target {
        name: format!("{}/{}/{}", config.name, owner.name, served.name),
        provider,
        account,
        model,
        limits: known_limits(served),
        price: served.price,
        counting: served.reserve.counting(),
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
            let mut free =
                MAX_ROUTE_TARGETS - route.steps.iter().map(|step| step.targets.len()).sum::<usize>();
            let is_same = |target: &TargetId| {
                let target = &targets[target.index()];
                (target.provider, target.model) == (provider, model)
            };
            for step in &mut route.steps {
                let Some(same) = step.targets.iter().position(is_same) else { continue };
                if free > 0 {
                    step.targets.push(new);
                    step.weights.extend(step.weights.get(same).copied());
                    free -= 1;
                }
            }
        }
    }
}

fn upgrade_tier(scenario: &mut Scenario, provider: u16, better: &Config) {
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

/// Adds the first account and the first model of `config` as a step of their own.
fn add_fallback(scenario: &mut Scenario, config: &Config) {
    let provider = id(scenario.providers.len());
    let name = new_name(&config.name, scenario.providers.iter().map(|provider| provider.name.as_str()));
    let mut config = Config { name, ..config.clone() };
    let new = TargetId(id(scenario.targets.len()));
    scenario.targets.push(target(&config, provider, 0, 0));
    config.begin_at(scenario.clock.epoch());
    scenario.providers.push(config);
    for route in &mut scenario.routes {
        if route.steps.iter().map(|step| step.targets.len()).sum::<usize>() < MAX_ROUTE_TARGETS {
            route.steps.push(Step::single(new));
        }
    }
}

/// Adds another model on the accounts of the provider that are in use, as a last step of every route that uses the
/// provider. The step picks its targets as the route's first step with that provider does.
fn add_other_model(scenario: &mut Scenario, provider: u16, model: u16) {
    let Some(config) = scenario.providers.get(usize::from(provider)) else { return };
    if usize::from(model) >= config.models.len() {
        return;
    }
    let account = |target: &Target| (target.provider == provider).then_some(target.account);
    let accounts: BTreeSet<u16> = scenario.targets.iter().filter_map(account).collect();
    let first = scenario.targets.len();
    let new = accounts.into_iter().map(|account| target(config, provider, account, model));
    let new: Vec<Target> = new.collect();
    let ids: Vec<TargetId> = (first..first + new.len()).map(|index| TargetId(id(index))).collect();
    for route in &mut scenario.routes {
        let free = MAX_ROUTE_TARGETS - route.steps.iter().map(|step| step.targets.len()).sum::<usize>();
        let uses =
            |step: &&Step| step.targets.iter().any(|id| scenario.targets[id.index()].provider == provider);
        if let Some(pick) = route.steps.iter().find(uses).map(|step| step.pick)
            && ids.len() <= free
        {
            let weights = if pick == Pick::Weighted { vec![1; ids.len()] } else { Vec::new() };
            route.steps.push(Step { pick, targets: ids.clone(), weights });
        }
    }
    scenario.targets.extend(new);
}

/// Scales the prompts of a workload by `share`, in `(0, 1]`.
fn shorten(workload: &mut Workload, share: f64) {
    debug_assert!(share > 0.0 && share <= 1.0, "invariant: prompts are shortened, found {share}");
    match workload.sessions.as_mut().map(|sessions| &mut sessions.content) {
        Some(SessionContent::Drawn(drawn)) => {
            for tokens in [&mut drawn.first, &mut drawn.growth] {
                *tokens = scaled(tokens, share);
            }
            return workload.update_sizes();
        }
        Some(SessionContent::Recorded(trace)) => {
            trace.shorten_prompts(share);
            workload.update_sizes();
        }
        None => {}
    }
    workload.prompt = scaled(&workload.prompt, share);
    if let Arrivals::Trace { rows, .. } = &mut workload.arrivals {
        let shorter = |row: &TraceRow| TraceRow {
            prompt_tokens: (f64::from(row.prompt_tokens) * share) as u32,
            ..*row
        };
        *rows = Arc::new(rows.iter().map(shorter).collect());
    }
}

/// Returns a distribution whose samples are those of `dist` times `share`.
fn scaled(dist: &Dist, share: f64) -> Dist {
    match dist {
        Dist::Constant(value) => Dist::Constant(value * share),
        Dist::LogNormal { mu, sigma } => Dist::LogNormal { mu: mu + libm::log(share), sigma: *sigma },
        Dist::Exponential(mean) => Dist::Exponential(mean * share),
        Dist::Uniform { min, max } => Dist::Uniform { min: min * share, max: max * share },
        Dist::Discrete(steps) => {
            Dist::Discrete(steps.iter().map(|(value, part)| (value * share, *part)).collect())
        }
    }
}

/// The hours from midnight to which deferrable workloads are moved.
const NIGHT_HOURS: usize = 6;

/// Moves the jobs of a day to the hours from midnight to six. If the rate is constant apart from its shape, they are spread
/// evenly over these hours, and their number stays the same.
fn to_night(workload: &mut Workload) {
    let shape = workload.shape.take().unwrap_or_else(|| Shape::new(&[1.0; 24], Nanos::HOUR));
    workload.shape = Some(shape.gathered(NIGHT_HOURS));
}

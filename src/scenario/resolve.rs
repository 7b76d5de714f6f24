//! Resolves names to ids: looks up every target, route and trace of a [`Spec`], reports those that do not exist, and makes
//! the [`Scenario`].

mod traces;

use super::diagnostics::{Diagnostics, Name};
use super::resolved::{Arrivals, Client, MAX_ROUTE_TARGETS, Offers, Route, Scenario, Step, Target, Workload};
use super::spec::{ArrivalsSpec, ProviderSpec, RouteSpec, Spec, StepSpec, WorkloadSpec};
use super::trace_cache::TraceCache;
use super::unknown_target::{retired_model, unknown_account, unknown_model, unknown_provider};
use super::{KnownLimit, Note};
use crate::ids::{ClientId, RouteId, TargetId};
use crate::problem::did_you_mean;
use provider::calendar::LocalClock;
use provider::config::{ModelConfig, ServiceTimeDist};
use provider::dist::Dist;
use provider::units::{ParseError, print_duration};
use provider::{Instant, Nanos};
use std::collections::BTreeMap;
use std::path::Path;
use traces::{trace_files, trace_note};

/// Builds the scenario. Whatever cannot be resolved is reported to `diagnostics` and left out, so the scenario is valid
/// only if nothing was reported.
pub(super) fn resolve(
    spec: Spec,
    diagnostics: &Diagnostics,
    name: &str,
    base_dir: Option<&Path>,
    traces: &TraceCache,
) -> Scenario {
    let mut targets = Targets { providers: &spec.providers, found: Vec::new(), ids: BTreeMap::new() };
    let routes: Vec<Route> = spec.routes.iter().map(|route| targets.route(route, diagnostics)).collect();
    let targets = targets.found;
    let resolver = WorkloadResolver {
        diagnostics,
        routes: &spec.routes,
        clients: &spec.clients,
        base_dir,
        traces,
        seed: spec.seed,
        duration: spec.duration,
        clock: spec.clock.clone(),
    };
    let mut files = trace_files(&spec.workloads, base_dir);
    files.extend(spec.providers.iter().flat_map(|provider| provider.answer_files.iter().cloned()));
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let mut workloads = Vec::new();
    for workload in spec.workloads.into_iter().take_while(|_| !diagnostics.is_full()) {
        let Name { text, at } = &workload.name;
        if let Some(first) = named.insert(text.clone(), at.place.line).filter(|_| !text.is_empty()) {
            let what = format!("a workload named `{text}` is already on line {first}");
            diagnostics.report_at(at, what, "give every workload a name of its own");
        }
        workloads.extend(resolver.workload(workload));
    }
    let notes = assumed_latencies(&spec.providers, &targets);
    let (providers, upstreams) =
        spec.providers.into_iter().map(|provider| (provider.config, provider.upstream)).unzip();
    let mut scenario = Scenario {
        name: spec.name.unwrap_or_else(|| name.to_owned()),
        about: spec.about,
        seed: spec.seed,
        duration: spec.duration,
        start: spec.start,
        clock: spec.clock,
        notes,
        providers,
        upstreams,
        targets,
        routes,
        clients: spec.clients,
        callers: spec.callers,
        workloads,
        expect: Vec::new(),        // needs the workloads
        what_if: Vec::new(),       // made by `read` from the changed trees
        offers: Offers::default(), // as the what-ifs
        files,
    };
    let has_all_workloads = scenario.workloads.len() == spec.workloads_written;
    scenario.expect = super::expect::resolve_rules(spec.expect, (&scenario, has_all_workloads), diagnostics);
    scenario.notes.extend(scenario.workloads.iter().filter_map(trace_note));
    let of_steps = |workload: &Workload| last_step_note(workload, scenario.duration);
    scenario.notes.extend(scenario.workloads.iter().filter_map(of_steps));
    scenario.notes.extend(scenario.unservable_notes());
    let late_answers: Vec<_> = scenario.late_answer_notes().collect();
    scenario.notes.extend(late_answers);
    scenario.report_budgets_without_prices(&spec.budget_places, diagnostics);
    scenario.notes.extend(scenario.budget_notes());
    scenario
}

/// The targets that routes name, numbered in the order of their first use.
struct Targets<'s> {
    providers: &'s [ProviderSpec],
    found: Vec<Target>,
    ids: BTreeMap<String, TargetId>,
}

impl Targets<'_> {
    fn route(&mut self, route: &RouteSpec, diagnostics: &Diagnostics) -> Route {
        let steps: Vec<Step> = route.steps.iter().map(|step| self.step(step, diagnostics)).collect();
        let targets: usize = steps.iter().map(|step| step.targets.len()).sum();
        if targets > MAX_ROUTE_TARGETS {
            let what = format!("the steps of this route name {targets} targets in all");
            let help = format!("name at most {MAX_ROUTE_TARGETS}");
            diagnostics.report_at(&route.name.at, what, help);
        }
        Route { name: route.name.text.clone(), steps }
    }

    fn step(&mut self, step: &StepSpec, diagnostics: &Diagnostics) -> Step {
        let mut targets: Vec<TargetId> = Vec::new();
        for name in step.targets.iter().take_while(|_| !diagnostics.is_full()) {
            match self.target(&name.text) {
                Ok(Some(id)) if targets.contains(&id) => {
                    let what = format!("`{}` is given twice in this step", name.text);
                    diagnostics.report_at(&name.at, what, "name every target once");
                }
                Ok(Some(id)) => targets.push(id),
                Ok(None) => {}
                Err(ParseError { what, help }) => diagnostics.report_at(&name.at, what, help),
            }
        }
        Step { pick: step.pick, targets, weights: step.weights.clone() }
    }

    /// Returns the id of a target; `None` if its provider is invalid, which has been reported.
    fn target(&mut self, name: &str) -> Result<Option<TargetId>, ParseError> {
        if let Some(id) = self.ids.get(name) {
            return Ok(Some(*id));
        }
        let (provider_name, rest) = name.split_once('/').unwrap_or((name, ""));
        let names = || self.providers.iter().map(|provider| provider.config.name.as_str());
        let Some(provider) = names().position(|known| known == provider_name) else {
            return if self.providers.is_empty() {
                Ok(None)
            } else {
                Err(unknown_provider(provider_name, rest, names()))
            };
        };
        let config = &self.providers[provider].config;
        if config.accounts.is_empty() || config.models.is_empty() {
            return Ok(None);
        }
        let (account_name, model_name) = rest.split_once('/').unwrap_or((rest, ""));
        let Some(account) = config.accounts.iter().position(|account| account.name == account_name) else {
            return Err(unknown_account(name, config));
        };
        let Some(model) = config.models.iter().position(|model| model.name == model_name) else {
            return Err(unknown_model(name, config));
        };
        let spec = &self.providers[provider];
        if let Some(date) = spec.retired.get(model_name).filter(|_| !spec.allow_retired) {
            return Err(retired_model(spec, model_name, date));
        }
        Ok(Some(self.add(name, [provider, account, model])))
    }

    /// Adds a target with the indices of its provider, account and model.
    fn add(&mut self, name: &str, indices: [usize; 3]) -> TargetId {
        let [provider, account, model] = indices.map(to_u16);
        let config = &self.providers[indices[0]].config.models[indices[2]];
        let limits = config.limits.iter().map(KnownLimit::from).collect();
        let id = TargetId(to_u16(self.found.len()));
        self.ids.insert(name.to_owned(), id);
        self.found.push(Target {
            name: name.to_owned(),
            provider,
            account,
            model,
            limits,
            price: config.price,
            counting: config.reserve.counting(),
        });
        id
    }
}

/// Converts an index to the 16 bits of an id.
fn to_u16(index: usize) -> u16 {
    u16::try_from(index).expect("invariant: a scenario has at most 50,000 values")
}

/// Resolves workloads, with the parts of the scenario that they refer to.
struct WorkloadResolver<'s> {
    diagnostics: &'s Diagnostics,
    routes: &'s [RouteSpec],
    clients: &'s [Client],
    base_dir: Option<&'s Path>,
    traces: &'s TraceCache,
    seed: u64,
    duration: Nanos,
    clock: LocalClock,
}

impl WorkloadResolver<'_> {
    fn workload(&self, spec: WorkloadSpec) -> Option<Workload> {
        let (route, client) = (self.route(&spec), self.client(&spec));
        if let Some(ArrivalsSpec::Known(Arrivals::Batch { from, .. })) = spec.arrivals
            && from >= Instant::ZERO + self.duration
        {
            let what = format!("the batch `{}` begins when the run has ended", spec.name.text);
            let help = format!("begin before {}, or raise `duration`", print_duration(self.duration));
            self.diagnostics.report_at(&spec.name.at, what, help);
        }
        let shape = spec.sessions.as_ref().map_or(spec.shape, |sessions| sessions.shape.clone());
        let (arrivals, sessions) = match spec.sessions {
            Some(sessions) => {
                let (arrivals, sessions) = self.sessions(sessions)?;
                (arrivals, Some(sessions))
            }
            None => self.arrivals(spec.arrivals, &spec.cached_prompt)?,
        };
        let mut workload = Workload {
            name: spec.name.text,
            route: route?,
            client: client?,
            arrivals,
            sessions: sessions.map(Box::new),
            shape,
            clock: self.clock.clone(),
            prompt: spec.prompt,
            cached_prompt: spec.cached_prompt,
            completion: spec.completion,
            correlation: spec.correlation,
            max_tokens: spec.max_tokens,
            repeats: spec.repeats,
            stream: spec.stream,
            deferrable: spec.deferrable,
            priority: spec.priority,
        };
        workload.update_sizes();
        Some(workload)
    }

    fn route(&self, spec: &WorkloadSpec) -> Option<RouteId> {
        let names = || self.routes.iter().map(|route| route.name.text.as_str());
        match (&spec.route, self.routes) {
            (_, []) => None, // reported already
            (None, [_]) => Some(RouteId(0)),
            (None, _) => {
                let what = format!("the workload `{}` names no route, and there are several", spec.name.text);
                let help = format!("add `route: …`: {}", did_you_mean("", names()));
                self.diagnostics.report_at(&spec.name.at, what, help);
                None
            }
            (Some(route), _) => {
                let found = names().position(|name| name == route.text);
                if found.is_none() {
                    let what = format!("there is no route `{}`", route.text);
                    self.diagnostics.report_at(&route.at, what, did_you_mean(&route.text, names()));
                }
                found.map(|index| RouteId(to_u16(index)))
            }
        }
    }

    fn client(&self, spec: &WorkloadSpec) -> Option<ClientId> {
        let Some(client) = &spec.client else { return Some(ClientId::default()) };
        let names = || self.clients.iter().map(|client| client.name.as_str());
        let found = names().position(|name| name == client.text);
        if found.is_none() {
            let what = format!("there is no client `{}`", client.text);
            let help = match self.clients {
                [_] => "name the clients of workloads at the top: `clients: {nightly: {deadline: 8h}}`"
                    .to_owned(),
                _ => did_you_mean(&client.text, names()),
            };
            self.diagnostics.report_at(&client.at, what, help);
        }
        found.map(|index| ClientId(to_u16(index)))
    }
}

/// Returns a note on steps that describe one day in a run of at least two; `None` if there are none.
fn last_step_note(workload: &Workload, duration: Nanos) -> Option<Note> {
    let Arrivals::Steps { steps, every: None } = &workload.arrivals else { return None };
    let (last, _) = steps.last().filter(|(at, _)| *at > Instant::ZERO && *at < Instant::ZERO + Nanos::DAY)?;
    (duration >= Nanos::DAY * 2).then(|| Note::LastStep {
        workload: workload.name.clone(),
        at_s: last.since(Instant::ZERO).as_secs_f64(),
        run_s: duration.as_secs_f64(),
    })
}

/// Returns a note for each model that is used and states no latency.
fn assumed_latencies(providers: &[ProviderSpec], targets: &[Target]) -> Vec<Note> {
    let mut notes = Vec::new();
    for (index, provider) in providers.iter().enumerate() {
        for (position, model) in provider.config.models.iter().enumerate() {
            let is_used = targets
                .iter()
                .any(|target| (usize::from(target.provider), usize::from(target.model)) == (index, position));
            if is_used && provider.models_without_latency.contains(&model.name) {
                notes.push(assumed_latency(&provider.config.name, model));
            }
        }
    }
    notes
}

fn assumed_latency(provider: &str, model: &ModelConfig) -> Note {
    let ServiceTimeDist::Split { before_prefill: Dist::Constant(first_token_seconds), decode_speed, .. } =
        model.latency.service
    else {
        unreachable!("invariant: the default latency is a constant and a speed, found {:?}", model.latency);
    };
    Note::AssumedLatency {
        provider: provider.to_owned(),
        model: model.name.clone(),
        first_token_seconds,
        tokens_per_second: decode_speed,
    }
}

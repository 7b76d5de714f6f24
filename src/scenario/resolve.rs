//! Names to numbers: the step that consumes what was read and makes the scenario of it, looking up every
//! target, route and trace, and reporting each that is not there.

use super::describe;
use super::diagnostics::Diagnostics;
use super::resolved::{Arrivals, KnownLimit, Route, Scenario, Step, Target, Workload};
use super::spec::{ArrivalsSpec, ProviderSpec, RouteSpec, Spec, StepSpec, TraceSpec, WorkloadSpec};
use super::trace::{self, TraceOptions};
use super::value::{Word, meant};
use crate::ids::{RouteId, TargetId};
use crate::problem::nearest;
use provider::Nanos;
use provider::units::ParseError;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Makes the scenario. It is only good where nothing was found: problems stay with `findings`, and what could
/// not be resolved is left out.
pub(super) fn resolve(spec: Spec, findings: &Diagnostics, name: &str, base_dir: Option<&Path>) -> Scenario {
    let mut targets = Targets { providers: &spec.providers, found: Vec::new(), ids: BTreeMap::new() };
    let routes: Vec<Route> = spec.routes.iter().map(|route| targets.route(route, findings)).collect();
    let targets = targets.found;
    let scope = Scope { findings, routes: &spec.routes, base_dir, seed: spec.seed, duration: spec.duration };
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let mut workloads = Vec::new();
    for workload in spec.workloads.into_iter().take_while(|_| !findings.enough()) {
        let Word { text, place, .. } = &workload.name;
        if let Some(first) = named.insert(text.clone(), place.line).filter(|_| !text.is_empty()) {
            let what = format!("a workload named `{text}` is already on line {first}");
            workload.name.wrong(findings, what, "give every workload a name of its own");
        }
        workloads.extend(scope.workload(workload));
    }
    let mut scenario = Scenario {
        name: spec.name.unwrap_or_else(|| name.to_owned()),
        about: spec.about,
        seed: spec.seed,
        duration: spec.duration,
        notes: notes(&spec.providers, &targets),
        providers: spec.providers.into_iter().map(|provider| provider.config).collect(),
        targets,
        routes,
        client: spec.client,
        workloads,
        expect: spec.expect,
        what_if: Vec::new(), // made of the tree again, by `read`
    };
    scenario.notes.extend(scenario.misfits());
    scenario
}

/// The targets that routes name, numbered as they are met.
struct Targets<'s> {
    providers: &'s [ProviderSpec],
    found: Vec<Target>,
    ids: BTreeMap<String, TargetId>,
}

impl Targets<'_> {
    fn route(&mut self, route: &RouteSpec, findings: &Diagnostics) -> Route {
        let steps = route.steps.iter().map(|step| self.step(step, findings)).collect();
        Route { name: route.name.text.clone(), steps }
    }

    fn step(&mut self, step: &StepSpec, findings: &Diagnostics) -> Step {
        let mut targets: Vec<TargetId> = Vec::new();
        for word in step.of.iter().take_while(|_| !findings.enough()) {
            match self.target(&word.text) {
                Ok(Some(id)) if targets.contains(&id) => {
                    let what = format!("`{}` stands twice in this step", word.text);
                    word.wrong(findings, what, "name every target once; for more of one, use two steps");
                }
                Ok(Some(id)) => targets.push(id),
                Ok(None) => {}
                Err(ParseError { what, help }) => word.wrong(findings, what, help),
            }
        }
        Step { pick: step.pick, targets }
    }

    /// The number of a target; `None` where its provider is too broken to tell.
    fn target(&mut self, name: &str) -> Result<Option<TargetId>, ParseError> {
        if let Some(id) = self.ids.get(name) {
            return Ok(Some(*id));
        }
        let missing = |what: String, help: String| Err(ParseError::new(what, help));
        let (provider_name, rest) = name.split_once('/').unwrap_or((name, ""));
        let names = || self.providers.iter().map(|provider| provider.config.name.as_str());
        let Some(provider) = names().position(|known| known == provider_name) else {
            if self.providers.is_empty() {
                return Ok(None);
            }
            let help = match nearest(provider_name, names()) {
                Some(near) if !rest.is_empty() => format!("did you mean `{near}/{rest}`?"),
                _ => {
                    format!("{} as the first part of `provider/account/model`", meant(provider_name, names()))
                }
            };
            return missing(format!("no provider is named `{provider_name}`"), help);
        };
        let config = &self.providers[provider].config;
        if config.accounts.is_empty() || config.models.is_empty() {
            return Ok(None);
        }
        let (account_name, model_name) = rest.split_once('/').unwrap_or((rest, ""));
        let accounts = || config.accounts.iter().map(|account| account.name.as_str());
        let models = || config.models.iter().map(|model| model.name.as_str());
        let Some(account) = accounts().position(|known| known == account_name) else {
            let what = match account_name {
                "" => format!("`{name}` names no account and no model"),
                account => format!("`{provider_name}` has no account `{account}`"),
            };
            let help = match (nearest(account_name, accounts()), accounts().next()) {
                (_, Some(first)) if models().any(|model| model == rest) => {
                    format!(
                        "a target is `provider/account/model`: did you mean `{provider_name}/{first}/{rest}`?"
                    )
                }
                (Some(near), _) if !model_name.is_empty() => {
                    format!("did you mean `{provider_name}/{near}/{model_name}`?")
                }
                _ => format!("{} as the second part", meant(account_name, accounts())),
            };
            return missing(what, help);
        };
        let Some(model) = models().position(|known| known == model_name) else {
            let what = match model_name {
                "" => format!("`{name}` names no model"),
                model => format!("`{provider_name}` has no model `{model}`"),
            };
            let help = match nearest(model_name, models()) {
                Some(near) => format!("did you mean `{provider_name}/{account_name}/{near}`?"),
                None => format!("{} as the last part", meant(model_name, models())),
            };
            return missing(what, help);
        };
        Ok(Some(self.add(name, [provider, account, model])))
    }

    fn add(&mut self, name: &str, at: [usize; 3]) -> TargetId {
        let [provider, account, model] = at.map(small);
        let config = &self.providers[at[0]].config.models[at[2]];
        let known = config.limits.iter().map(|limit| KnownLimit {
            axis: limit.axis,
            limit: limit.limit,
            burst: limit.burst,
        });
        let limits = known.collect();
        let id = TargetId(small(self.found.len()));
        self.ids.insert(name.to_owned(), id);
        self.found.push(Target {
            name: name.to_owned(),
            provider,
            account,
            model,
            limits,
            price: config.price,
            cached: config.reserve.cached,
        });
        id
    }
}

/// An index as an id.
fn small(index: usize) -> u16 {
    u16::try_from(index).expect("a scenario has at most 50,000 values")
}

/// What a workload is resolved against.
struct Scope<'s> {
    findings: &'s Diagnostics,
    routes: &'s [RouteSpec],
    base_dir: Option<&'s Path>,
    seed: u64,
    duration: Nanos,
}

impl Scope<'_> {
    fn workload(&self, spec: WorkloadSpec) -> Option<Workload> {
        let route = self.route(&spec);
        let arrivals = match spec.arrivals {
            Some(ArrivalsSpec::Known(arrivals)) => Some(arrivals),
            Some(ArrivalsSpec::Trace(trace)) => self.trace(&trace),
            None => None,
        };
        Some(Workload {
            name: spec.name.text,
            route: route?,
            arrivals: arrivals?,
            shape: spec.shape,
            prompt: spec.prompt,
            cached_prompt: spec.cached_prompt,
            completion: spec.completion,
            max_tokens: spec.max_tokens,
            repeats: spec.repeats,
            stream: spec.stream,
            deferrable: spec.deferrable,
        })
    }

    fn route(&self, spec: &WorkloadSpec) -> Option<RouteId> {
        let names = || self.routes.iter().map(|route| route.name.text.as_str());
        match (&spec.route, self.routes) {
            (_, []) => None, // reported already
            (None, [_]) => Some(RouteId(0)),
            (None, _) => {
                let what = format!("the workload `{}` does not say which route it takes", spec.name.text);
                let help = meant("", names());
                spec.name.wrong(self.findings, what, format!("add `route: …`: {help}"));
                None
            }
            (Some(word), _) => {
                let found = names().position(|name| name == word.text);
                if found.is_none() {
                    let what = format!("no route is named `{}`", word.text);
                    word.wrong(self.findings, what, meant(&word.text, names()));
                }
                found.map(|index| RouteId(small(index)))
            }
        }
    }

    fn trace(&self, spec: &TraceSpec) -> Option<Arrivals> {
        let Some(base_dir) = self.base_dir else {
            let what = "a trace is looked for beside the scenario, which is no file";
            spec.file.wrong(self.findings, what, "save the scenario to a file");
            return None;
        };
        let options =
            TraceOptions { rate: spec.rate, speed: spec.speed, seed: self.seed, limit: Some(self.duration) };
        match trace::read(&base_dir.join(&spec.file.text), &options) {
            Ok(rows) if rows.is_empty() => {
                let what = "no request of this trace is left within the duration";
                spec.file.wrong(self.findings, what, "keep a larger `rate`, or run for longer");
                None
            }
            Ok(rows) => Some(Arrivals::Trace { rows: Arc::new(rows) }),
            Err(error) => {
                let help =
                    "give the path of an Azure CSV, a BurstGPT CSV or a Mooncake JSONL, from the scenario";
                spec.file.wrong(self.findings, error, help);
                None
            }
        }
    }
}

/// What is assumed of the providers and models that are used.
fn notes(providers: &[ProviderSpec], targets: &[Target]) -> Vec<String> {
    let mut notes = Vec::new();
    for (index, provider) in providers.iter().enumerate() {
        let used: Vec<&Target> =
            targets.iter().filter(|target| usize::from(target.provider) == index).collect();
        for (position, model) in provider.config.models.iter().enumerate() {
            let is_used = used.iter().any(|target| usize::from(target.model) == position);
            if is_used && provider.assumed_latency.contains(&model.name) {
                notes.push(format!(
                    "{}/{} states no latency; assumed: {}",
                    provider.config.name,
                    model.name,
                    describe::latency(&model.latency)
                ));
            }
        }
    }
    notes
}

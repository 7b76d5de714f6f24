//! The client of a run through an endpoint: the load of the scenario, and no routing of its own.

use super::address::EndpointError;
use crate::ids::TargetId;
use crate::problem::nearest;
use crate::scenario::{Client, Note, Offers, Retry, Route, Scenario, Start, Step, Target, Upstream};
use provider::config::{Config, Dialect, ModelConfig, Price, TokenCounting};

/// The `model` that each route asks for, in the order of the routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelNames(pub(super) Vec<String>);

impl ModelNames {
    /// Returns the model of each route: the name of the route itself, unless `options` sets another one. An option is
    /// `NAME`, for all routes, or `ROUTE=NAME`.
    ///
    /// # Errors
    /// If an option names a route that the scenario does not have, or the name of a model is empty.
    pub fn new(scenario: &Scenario, options: &[String]) -> Result<Self, EndpointError> {
        let mut names: Vec<String> = scenario.routes.iter().map(|route| route.name.clone()).collect();
        let route_of = |text: &str| scenario.routes.iter().position(|route| route.name == text);
        for option in options {
            match option.split_once('=') {
                Some((route, name)) => match route_of(route) {
                    Some(route) => name.clone_into(&mut names[route]),
                    None => return Err(unknown_route(scenario, route)),
                },
                None => names.iter_mut().for_each(|name| option.clone_into(name)),
            }
        }
        if names.iter().any(String::is_empty) {
            return Err(EndpointError::new("the name of a model is empty", "write `--model NAME`"));
        }
        Ok(Self(names))
    }

    /// Iterates over the names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn unknown_route(scenario: &Scenario, route: &str) -> EndpointError {
    let names = || scenario.routes.iter().map(|route| route.name.as_str());
    let help = match nearest(route, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    EndpointError::new(format!("the scenario has no route `{route}`"), help)
}

/// Returns the scenario of a client that sends everything to one endpoint: one target for each route, one attempt for each
/// job, no cool-downs, no pace and no cache. The load, the deadline and the rules are those of `scenario`. Its notes about
/// providers and their limits are left out.
///
/// # Panics
/// Does not panic: a scenario has fewer routes than there are ids of targets.
#[must_use]
pub fn plain_client(scenario: &Scenario, models: &ModelNames) -> Scenario {
    let mut provider = Config::new(PROVIDER).with_dialect(Dialect::OpenAi).with_account(PROVIDER);
    provider.models = models.iter().map(ModelConfig::new).collect();
    let target = |(route, number): (&Route, u16)| Target {
        name: format!("{PROVIDER}/{}", route.name),
        provider: 0,
        account: 0,
        model: number,
        limits: Vec::new(),
        price: Price::default(),
        counting: TokenCounting::default(),
    };
    // Only the reply states which step answered. The routes keep their number of steps, so that such a step exists; the
    // client itself always takes the first.
    let route = |(route, number): (&Route, u16)| {
        let step = Step::single(TargetId(number));
        Route { name: route.name.clone(), steps: vec![step; route.steps.len()] }
    };
    Scenario {
        start: Start::Full,
        clock: scenario.clock.clone(),
        providers: vec![provider],
        upstreams: vec![Upstream { base_url: None, keys: vec![Vec::new()] }],
        targets: scenario.routes.iter().zip(0..).map(target).collect(),
        routes: scenario.routes.iter().zip(0..).map(route).collect(),
        clients: scenario.clients.iter().map(sending_once).collect(),
        notes: scenario
            .notes
            .iter()
            .filter(|note| matches!(note, Note::Trace { .. } | Note::SessionTrace { .. }))
            .cloned()
            .collect(),
        what_if: Vec::new(),
        offers: Offers::default(),
        ..scenario.clone()
    }
}

/// Returns a client with the name, the processes and the deadline of `client`, which sends every job once.
fn sending_once(client: &Client) -> Client {
    Client {
        name: client.name.clone(),
        processes: client.processes,
        deadline: client.deadline,
        retry: Retry { attempts: 1, ..Retry::default() },
        ..Client::default()
    }
}

/// The name of the provider and of the account.
const PROVIDER: &str = "endpoint";

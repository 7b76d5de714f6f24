//! `quotalab run SCENARIO --via URL`

use super::output::print_to_stderr;
use super::run_output::Destination;
use super::{Exit, VerbError, input_error, quoted, run_error};
use crate::drive::clock::Clock;
use crate::drive::endpoint::{self, Bounds, EndpointClient, EndpointError, ModelNames, Reach};
use crate::drive::live;
use crate::record::Mode;
use crate::scenario::{BaseUrl, Scenario};
use anyhow::{Context as _, anyhow};
use clap::Args;
use std::fmt::Write as _;

/// The options of a run through an endpoint.
#[derive(Clone, Debug, Args)]
pub(super) struct EndpointOptions {
    /// Send the workload to this OpenAI-compatible endpoint instead of mocks: a gateway, or a staging address, such as
    /// http://127.0.0.1:4000. Each job is one request, whose model is the name of its route
    #[arg(long, value_name = "URL", conflicts_with = "mock_process")]
    via: Option<String>,
    /// With --via: the environment variable with the key to send [default: no key]
    #[arg(long, value_name = "NAME", requires = "via")]
    key_env: Option<String>,
    /// With --via: the model to ask for, of all routes or of one; repeatable
    #[arg(long, value_name = "NAME | ROUTE=NAME", requires = "via")]
    model: Vec<String>,
    /// With --via: allow an address that is not this machine. Needs --max-requests and --max-cost
    #[arg(long, requires = "via")]
    real: bool,
    /// With --via: end the run before it sends more requests than this
    #[arg(long, value_name = "N", requires = "via", value_parser = clap::value_parser!(u64).range(1..))]
    max_requests: Option<u64>,
    /// With --via: end the run before it can cost more than this by the scenario's prices, each request at its highest possible cost
    #[arg(long, value_name = "USD", requires = "via", value_parser = parse_usd)]
    max_cost: Option<f64>,
}

/// Parses an amount of money.
fn parse_usd(text: &str) -> Result<f64, String> {
    let usd = text.parse::<f64>().ok().filter(|usd| usd.is_finite() && *usd > 0.0);
    usd.ok_or_else(|| "expected an amount in USD above zero, such as 2.50".to_owned())
}

fn wrong(error: &EndpointError) -> VerbError {
    input_error(anyhow!("error: {error}"))
}

impl EndpointOptions {
    /// Returns the address of the endpoint; `None` if the run goes to mocks.
    ///
    /// # Errors
    /// If the text is not an address, or if `--real` is given without `--max-requests` and `--max-cost`.
    pub(super) fn url(&self) -> Result<Option<BaseUrl>, VerbError> {
        let Some(text) = &self.via else { return Ok(None) };
        let url = endpoint::parse_url(text).map_err(|error| wrong(&error))?;
        if self.real && (self.max_requests.is_none() || self.max_cost.is_none()) {
            return Err(input_error(anyhow!(
                "error: `--real` allows real requests, and their number and cost must be bounded\n  help: add `--max-requests N` and \
                 `--max-cost USD`"
            )));
        }
        Ok(Some(url))
    }

    /// Returns the options as command-line arguments, each after a space.
    pub(super) fn to_arguments(&self) -> String {
        let mut out = String::new();
        let mut add = |name: &str, value: &str| {
            let _ = write!(out, " {name} {}", quoted(value));
        };
        if let Some(via) = &self.via {
            add("--via", via);
        }
        if let Some(variable) = &self.key_env {
            add("--key-env", &crate::api_keys::masked(variable));
        }
        self.model.iter().for_each(|model| add("--model", model));
        if let Some(max) = self.max_requests {
            add("--max-requests", &max.to_string());
        }
        if let Some(max) = self.max_cost {
            add("--max-cost", &max.to_string());
        }
        if self.real { out + " --real" } else { out }
    }

    /// Returns the client of the endpoint. Connects to it once; sends nothing.
    ///
    /// # Errors
    /// If the options do not fit the scenario, the address is not one that requests may go to, or nothing listens there.
    pub(super) fn client(&self, scenario: &Scenario, url: &BaseUrl) -> Result<EndpointClient, VerbError> {
        let checked = || {
            if self.max_cost.is_some() {
                endpoint::check_prices(scenario)?;
            }
            let models = ModelNames::new(scenario, &self.model)?;
            let reach = if self.real { Reach::Any } else { Reach::Loopback };
            let addresses = endpoint::resolve(url, reach, &endpoint::system_resolver)?;
            let address = endpoint::reachable(url, &addresses)?;
            let lookup = |name: &str| std::env::var(name).ok();
            EndpointClient::new((url.clone(), address), models, self.key_env.as_deref(), &lookup)
        };
        let client = checked().map_err(|error| wrong(&error))?;
        if self.real && !url.is_https() && !url.is_loopback() {
            print_to_stderr(&format!(
                "the key and the prompts travel unencrypted to {}; write `https://` if it is offered",
                url.authority()
            ));
        }
        Ok(client)
    }

    /// Sends the workload of a scenario to an endpoint, and delivers the result.
    pub(super) fn run(
        &self,
        scenario: &Scenario,
        destination: &Destination<'_>,
        client: &EndpointClient,
    ) -> Result<Exit, VerbError> {
        let runtime = live::runtime().context(super::run::NO_RUNTIME).map_err(run_error)?;
        let plain = endpoint::plain_client(scenario, client.model_names());
        let mut folds = destination.output_folds(&plain, Mode::Live)?;
        let bounds = Bounds { max_requests: self.max_requests, max_usd: self.max_cost };
        let clock = Clock::start();
        let summary = endpoint::run((scenario, &plain), client, bounds, &mut folds, clock, &runtime);
        destination.deliver(&plain, summary, folds)
    }
}

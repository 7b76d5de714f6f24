//! The result of a run through an endpoint (`run --via`): which targets answered, how many attempts that took, what the
//! endpoint itself refused, and what is not known.
//!
//! The routing is done behind the endpoint. Its replies state a part of it (in the headers `x-quotalab-target`, `-attempts` and
//! `-waited-ms`, which the gateway of this program adds), or nothing. What no reply states is not known, and is not counted as
//! zero.

use super::findings::Finding;
use super::summary::{Quantiles, Summary};
use crate::formatting::rounded;
use crate::scenario::Metric;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a run through an endpoint shows of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointResult {
    /// Its address.
    pub url: String,
    /// The `model` that each route asked for.
    pub models: BTreeMap<String, String>,
    /// Requests sent to it.
    pub requests: u64,
    /// Why the run was ended before its schedule; `None` if it was not, or a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<EndpointStop>,
    /// Requests that it answered.
    pub answers: u64,
    /// Of the answers, those that state their target.
    pub with_target: u64,
    /// The targets that answered, as they are stated; at most [`MAX_STATED_TARGETS`], the further ones together as `others`.
    pub targets: Vec<StatedTarget>,
    /// Answers of a later step of the route than the first ÷ answers; `None` unless every answer states a target of its
    /// route, and no request asks for a target instead of the route.
    pub fallback_share: Option<f64>,
    /// Attempts behind the endpoint per answer; `None` unless every answer states its attempts.
    pub attempts_per_answer: Option<f64>,
    /// Attempts behind the endpoint per job; `None` unless a reply to every job states them.
    pub attempts_per_job: Option<f64>,
    /// The waits behind the endpoint before the attempt that answered, over the answers that state them; `None` if none does.
    pub waited_s: Option<Quantiles>,
    /// The requests that the endpoint itself refused.
    pub refusals: EndpointRefusals,
    /// What the answers cost.
    pub cost: EndpointCost,
    /// The members of the result that are not known for this run, because no reply states what they are computed from.
    pub not_known: Vec<String>,
}

/// The largest number of stated targets that a result lists.
pub const MAX_STATED_TARGETS: usize = 64;

/// A bound that ended a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointStop {
    /// When, in seconds since the run began.
    pub at_s: f64,
    /// The bound that was reached.
    #[serde(flatten)]
    pub bound: EndpointBound,
}

/// A bound of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "bound", rename_all = "snake_case")]
pub enum EndpointBound {
    /// `--max-requests`.
    Requests {
        /// The maximum number of requests.
        max: u64,
    },
    /// `--max-cost`: the next request could have cost more than was left.
    Cost {
        /// The highest cost, in USD.
        max_usd: f64,
        /// The cost of the requests that had ended until then, in USD. A request that failed, or whose answer states no usage,
        /// counts with the most that it can have cost.
        spent_usd: f64,
        /// What the requests in flight could cost at most, in USD.
        reserved_usd: f64,
    },
}

/// A target that answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatedTarget {
    /// Its name as the endpoint states it.
    pub name: String,
    /// Answers.
    pub answers: u64,
    /// `true` if the scenario has a target of this name.
    pub is_of_scenario: bool,
}

/// The refusals of the endpoint itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointRefusals {
    /// Requests that it answered like a provider that refuses by a limit, a budget, a plan or a size, mostly with a 429.
    pub requests: u64,
    /// When the first was, in seconds; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at_s: Option<f64>,
    /// Those that state a wait.
    pub with_wait: u64,
    /// The stated waits; `None` if there is none.
    pub wait_s: Option<Quantiles>,
}

/// The cost of the answers, by the prices of the scenario. The cost of attempts behind the endpoint that did not answer is not
/// known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointCost {
    /// What the answers cost, in USD; `None` unless every answer states a target to which the scenario gives prices.
    pub answers_usd: Option<f64>,
    /// The bound, in USD; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_usd: Option<f64>,
    /// What counts against the bound at the end, in USD; `None` without a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_usd: Option<f64>,
}

impl EndpointResult {
    /// Returns `true` if a metric was measured. Limits, refusals and costs behind the endpoint are not visible.
    #[must_use]
    pub fn knows(&self, metric: Metric) -> bool {
        match metric {
            Metric::FallbackShare => self.fallback_share.is_some() || self.answers == 0,
            Metric::AttemptsPerJob => self.attempts_per_job.is_some(),
            Metric::LimitedShare | Metric::Cost | Metric::Headroom => false,
            Metric::Success
            | Metric::TaskSuccess
            | Metric::FinishedBy
            | Metric::Goodput
            | Metric::CutShare
            | Metric::Percentile(..) => true,
        }
    }

    /// Returns what an endpoint refused, and which targets answered behind it.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let EndpointResult { requests, refusals, answers, with_target, .. } = self;
        let refused = Finding::EndpointRefusals {
            refused: refusals.requests,
            requests: *requests,
            answers: *answers,
            first_at_s: refusals.first_at_s,
            with_wait: refusals.with_wait,
            wait_p50_s: refusals.wait_s.as_ref().map(|waits| waits.p50),
        };
        let is_stated = with_target == answers;
        let targets = Finding::EndpointTargets {
            answers: *answers,
            targets: if is_stated { self.targets.clone() } else { Vec::new() },
            fallback_share: self.fallback_share,
            attempts_per_answer: self.attempts_per_answer,
        };
        let requested = (*requests > 0).then_some(refused);
        requested.into_iter().chain((*answers > 0).then_some(targets)).collect()
    }

    /// Returns the members of the result that are not known for this run.
    pub(super) fn unknown_members(&self) -> Vec<String> {
        let always = ["ceiling", "first_refusal", "targets", "attempts behind the endpoint that failed"];
        let fallback = (!self.knows(Metric::FallbackShare)).then_some("jobs.fell_back");
        let cost = self.cost.answers_usd.is_none().then_some("cost_usd");
        always.into_iter().chain(fallback).chain(cost).map(str::to_owned).collect()
    }
}

impl Summary {
    /// Returns what the providers charged, in USD; zero if it is not known. It is always known after a simulation or a run
    /// against mocks.
    #[must_use]
    pub fn charged_usd(&self) -> f64 {
        self.cost_usd.unwrap_or(0.0)
    }

    /// Adds the result of a run through an endpoint, and removes what only the providers could have reported.
    pub(super) fn apply_endpoint(&mut self, mut endpoint: EndpointResult) {
        endpoint.not_known = endpoint.unknown_members();
        self.first_refusal = None;
        self.ceiling = super::CeilingSummary {
            offered_jobs_per_min: self.ceiling.offered_jobs_per_min,
            ..super::CeilingSummary::default()
        };
        self.long_window = None;
        self.targets.clear();
        self.series.fill.clear();
        if !endpoint.knows(Metric::FallbackShare) {
            self.series.served.clear();
            self.series.fell_back.clear();
        }
        self.cost_usd = endpoint.cost.answers_usd.map(|cost| rounded(cost, 6));
        self.endpoint = Some(endpoint);
    }
}

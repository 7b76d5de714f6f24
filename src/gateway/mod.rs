//! The gateway: the routing engine of a scenario as an OpenAI-compatible endpoint over its providers, with real keys.
//!
//! ```text
//!  caller ─▶ server            accepts connections, and rejects requests that may not use the gateway
//!              ▼
//!            caller_request    reads the body: route, estimate of the tokens, place of the model's name
//!              ▼
//!            dispatch          submits the job to the engine and does what the engine decides, until the job ends
//!              │  ▲
//!              ▼  │ reply
//!            upstream ─▶ provider    one request per attempt: the caller's bytes with the model's name replaced
//!              │
//!              ▼
//!            reply, stream     the provider's bytes, or an error in OpenAI's shape, with the wait if it is known
//! ```
//!
//! The engine is behind one lock (`shared_engine`). Each job's own task sends its attempts, so that neither a request nor its
//! reply waits for another task; bodies never pass through the engine. A timer task fires the engine's timers. Its inputs
//! and decisions can be recorded (`recording`).
//!
//! Invariants:
//! 1. A request that was accepted ends once: with a provider's reply, with an error that says why, or because its caller left.
//! 2. After the first byte of an answer has gone out, nothing else is sent for the job (law 16). An answer that breaks off after
//!    it ends as a broken stream: an event with the error, then the connection is closed without the end of the body.
//! 3. A caller that leaves cancels its attempt (law 17).
//! 4. Keys of providers and callers are `drive::secret::Secret`s, which cannot be printed, and `Access` does not print the gateway's
//!    own. What a caller sends as its own key goes to no provider.
//! 5. Everything that a caller or a provider can make the gateway hold is bounded: connections, heads, bodies, replies.
//!
//! Callers with keys of their own (`callers`) have priorities, which the engine observes, and daily budgets: `spending` reserves the
//! most that an attempt may cost in a `ledger` before it is sent. Quotas, cool-downs and budgets can be shared with other gateways
//! (`sharing`).
//!
//! With `cache` or `join` in the scenario identical requests share answers: the engine decides which (`request_key`, `response_cache`),
//! and an attempt whose caller leaves goes on for those that wait for it (`carried`). Cached answers can be shared with other gateways as
//! well (`sharing/answers`).

mod actions;
mod addressing;
mod answer;
mod attempt;
mod body;
mod cache_metrics;
mod caller_metrics;
mod caller_request;
mod callers;
mod carried;
mod decisions;
mod dispatch;
mod endpoint;
mod export;
mod guard;
mod headers;
mod job_handle;
mod ledger;
mod metrics;
mod models;
mod page;
mod prompt_size;
mod recording;
mod refreshes;
mod reply;
mod request_key;
mod request_record;
mod response_cache;
mod routes;
mod server;
mod shared_engine;
mod sharing;
mod spending;
mod state;
mod stream;
mod token_ratio;
mod upstream;

pub use crate::drive::secret::{KeyLookup, MAX_KEY_FILE_BYTES};
pub use export::{ConfigFormat, ExportedConfig, export};
pub use guard::Access;
pub use ledger::{
    Balance, ChargedCaller, Cost, Hold, Lease, Ledger, LocalLedger, Refusal, Scope, StoreError, TimeSource,
    UtcDay,
};
pub use recording::{Output, ReadError, Recording, Replayed, replay};
pub use server::{Current, MAX_CONNECTIONS, serve};
pub use sharing::{ANSWER_TIMEOUT, RedisUrl, Sharing, SharingError, SharingOptions};
pub use upstream::ConfigError;

use crate::drive::clock::Clock;
use crate::ids::TargetId;
use crate::scenario::{self, Scenario};
use body::Memory;
use callers::Callers;
use metrics::Metrics;
use provider::config::Price;
use request_key::KeyHasher;
use routes::Routes;
use shared_engine::SharedEngine;
use sharing::{SharedAnswers, SharedLedger, SharedQuotas};
use std::sync::Arc;
use token_ratio::TokenRatios;
use tokio::task::AbortHandle;
use upstream::Upstreams;

/// A gateway that is ready to serve.
#[derive(Debug)]
pub struct Gateway {
    scenario: Scenario,
    routes: Routes,
    upstreams: Upstreams,
    engine: Arc<SharedEngine>,
    metrics: Arc<Metrics>,
    ratios: TokenRatios,
    memory: Memory,
    access: Access,
    callers: Callers,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    /// The quotas and cool-downs that are shared with other replicas; `None` if nothing is.
    shared_quotas: Option<SharedQuotas>,
    /// The answers that are shared with other replicas; `None` if nothing is shared, or the scenario has no response cache.
    shared_answers: Option<SharedAnswers>,
    recording: Option<Recording>,
    /// `None` if the scenario has neither a response cache nor coalescing.
    key_hasher: Option<KeyHasher>,
    /// Fires the engine's timers until this gateway is dropped: after a reload, when its last request has ended.
    timers: AbortHandle,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.timers.abort();
    }
}

impl Gateway {
    /// Creates the gateway of a scenario. Reads the keys of every provider that a route names, and the certificates that it trusts.
    ///
    /// # Errors
    /// All that is missing or wrong: keys of providers and callers, addresses, certificates.
    ///
    /// # Panics
    /// If called outside an async runtime.
    pub fn new(
        scenario: &Scenario,
        keys: &KeyLookup<'_>,
        access: Access,
        clock: Clock,
    ) -> Result<Self, Vec<ConfigError>> {
        Self::with_past(scenario, keys, access, clock, None)
    }

    /// Shares quotas, cool-downs, budgets and cached answers with other replicas from now on, instead of [`Self::with_ledger`]. Gateways that continue
    /// this one do so too.
    #[must_use]
    pub fn sharing(mut self, sharing: &Arc<Sharing>) -> Self {
        let shared_quotas = SharedQuotas::new(sharing, &self.scenario);
        self.engine.share_cool_downs(shared_quotas.clone());
        self.shared_quotas = Some(shared_quotas);
        let callers = self.callers.all().map(|caller| &caller.charged);
        self.ledger = Arc::new(SharedLedger::new(sharing, callers));
        if let Some(cache) = self.scenario.default_client().cache {
            let answers =
                SharedAnswers::new(sharing, (&self.scenario, cache.ttl), &self.upstream_addresses());
            self.engine.share_answers(answers.clone());
            self.key_hasher.iter_mut().for_each(|hasher| hasher.share(answers.clone()));
            self.shared_answers = Some(answers);
        }
        self
    }

    /// Records the inputs and decisions of the engines of this gateway and of those that replace it. Must be called before the
    /// first request, and the recording must have been started with this gateway's clock.
    pub fn record(&mut self, recording: Recording) {
        self.engine.record(recording.clone(), &self.scenario);
        self.recording = Some(recording);
    }

    /// Creates the gateway of a changed scenario, which continues this one: for the targets that both have it knows their cool-downs,
    /// what is used of their limits, and how they count tokens. Requests under way stay with this one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn reloaded(&self, scenario: &Scenario, keys: &KeyLookup<'_>) -> Result<Self, Vec<ConfigError>> {
        let gateway = Self::with_past(scenario, keys, self.access.clone(), self.clock, Some(self))?;
        Ok(match &self.shared_quotas {
            Some(shared_quotas) => gateway.sharing(shared_quotas.sharing()),
            None => gateway,
        })
    }

    fn with_past(
        scenario: &Scenario,
        lookup: &KeyLookup<'_>,
        access: Access,
        clock: Clock,
        past: Option<&Self>,
    ) -> Result<Self, Vec<ConfigError>> {
        let (upstreams, callers) =
            both(Upstreams::new(scenario, lookup), Callers::new(scenario, &access, lookup))?;
        let shares_answers = scenario.default_client().cache.is_some() || scenario.default_client().coalesce;
        let key_hasher =
            if shares_answers { Some(KeyHasher::new().map_err(|problem| vec![problem])?) } else { None };
        let (scenario, routes) = routes::with_targets(scenario);
        let (metrics, memory, next_job) = match past {
            Some(past) => (Arc::clone(&past.metrics), past.memory.clone(), past.engine.next_job()),
            None => (Arc::new(Metrics::new()), Memory::new(), 0),
        };
        let protected = routes.of_scenario().count();
        let engine = SharedEngine::new((&scenario, protected), clock, Arc::clone(&metrics), next_job);
        let recording = past.and_then(|past| past.recording.clone());
        if let Some(recording) = &recording {
            engine.record(recording.clone(), &scenario);
        }
        let ratios = TokenRatios::new(scenario.targets.len());
        if let Some(past) = past {
            for (id, past_id) in past.known_targets(&scenario) {
                ratios.set(id, past.ratios.of(past_id));
                engine.adopt(id, (&past.engine, past_id), &scenario.targets[id.index()].limits);
            }
        }
        let timed = Arc::clone(&engine);
        let timers = tokio::spawn(async move { timed.run_timers().await }).abort_handle();
        let (shared_quotas, shared_answers) = (None, None);
        let ledger = past.map(|past| Arc::clone(&past.ledger));
        let ledger = ledger.unwrap_or_else(|| Arc::new(LocalLedger::new(Clock::calendar_time)));
        Ok(Self {
            routes,
            upstreams,
            engine,
            metrics,
            ratios,
            memory,
            access,
            callers,
            ledger,
            clock,
            recording,
            key_hasher,
            scenario,
            shared_quotas,
            shared_answers,
            timers,
        })
    }

    /// Counts what callers use in this ledger, instead of one that begins with nothing, in memory.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Arc<dyn Ledger>) -> Self {
        self.ledger = ledger;
        self
    }

    /// Returns what budgets do not count, for the operator: the targets without a price, if a budget is in USD.
    #[must_use]
    pub fn budget_notes(&self) -> Vec<String> {
        let is_in_usd = |caller: &&scenario::Caller| caller.budget.is_some_and(|budget| budget.usd.is_some());
        if !self.scenario.callers.iter().any(|caller| is_in_usd(&caller)) {
            return Vec::new();
        }
        let free = self.scenario.targets.iter().filter(|target| target.price == Price::default());
        let names: Vec<&str> = free.map(|target| target.name.as_str()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        vec![format!("budgets in USD do not count usage at targets without a `price`: {}", names.join(", "))]
    }

    /// Returns what the gateway does not use of its client, for the operator: it does not hedge.
    #[must_use]
    pub fn client_note(&self) -> Option<String> {
        let hedges = self.scenario.default_client().hedge.is_some();
        hedges.then(|| {
            "the gateway does not hedge: `client.hedge` is for simulated and live runs only".to_owned()
        })
    }

    /// Returns the targets of a scenario that this gateway has too, each with its id here.
    fn known_targets(&self, scenario: &Scenario) -> Vec<(TargetId, TargetId)> {
        let here = |id: TargetId| {
            let name = &scenario.targets[id.index()].name;
            self.scenario.target_ids().find(|past| self.scenario.targets[past.index()].name == *name)
        };
        scenario.target_ids().filter_map(|id| Some((id, here(id)?))).collect()
    }

    /// Returns what `model` may be in a request: the names of the routes, then those of the targets.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.routes.names()
    }

    /// Returns the name and the address of each provider that the gateway sends to.
    pub fn upstream_addresses(&self) -> Vec<(String, String)> {
        self.upstreams.addresses()
    }
}

/// Returns both values, or the problems of both.
fn both<A, B>(
    first: Result<A, Vec<ConfigError>>,
    second: Result<B, Vec<ConfigError>>,
) -> Result<(A, B), Vec<ConfigError>> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (first, second) => Err([first.err(), second.err()].into_iter().flatten().flatten().collect()),
    }
}

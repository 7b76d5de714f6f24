//! The configuration of a provider, resolved: defaults are applied, except that of the round trip, and names are looked up,
//! except those of families.
//!
//! Scenarios produce these values. In Rust they are built from [`Config::new`], [`ModelConfig::new`] and
//! [`Limit::rpm`], with everything else at its default; see the example at [`crate::Provider`].

mod fault;
mod limit;

use crate::axis::Axis;
use crate::calendar::Epoch;
use crate::dist::Dist;
pub use crate::length::Lengths;
pub use crate::reserve::{CachedTokens, DEFAULT_MAX_TOKENS, Estimate, Reserve, Settlement, TokenCounting};
use crate::time::Instant;
pub use fault::{Fault, Incident, WaitForm};
pub use limit::{Growth, Limit, RefillPolicy};

/// One provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The provider's name in the scenario.
    pub name: String,
    /// The format of its replies: headers, bodies, status codes.
    pub dialect: Dialect,
    /// The pricing plan of its accounts.
    pub tier: Tier,
    /// The accounts that own quota, at least one.
    pub accounts: Vec<AccountConfig>,
    /// The models it serves, at least one.
    pub models: Vec<ModelConfig>,
    /// Its faults and their periods.
    pub incidents: Vec<Incident>,
    /// The used units of its limits when the run begins. Limits that are not listed are unused; adaptive limits and limits on
    /// concurrency always are.
    pub start_levels: Vec<StartLevel>,
}

/// The used units of one limit when the run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartLevel {
    /// Index of the account.
    pub account: u16,
    /// Index of the model. The models of a family share their limits, so each of them names the same limit.
    pub model: u16,
    /// The limit.
    pub axis: Axis,
    /// Units of the limit; of a bucket, units below its capacity.
    pub used: u64,
}

/// The format of a provider's replies: status codes, headers, number formats and bodies. These are the formats that the
/// mock renders; a client may parse more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Groq, as its replies were captured in 2026.
    #[default]
    Groq,
    /// OpenAI's own API.
    OpenAi,
    /// OpenAI's models on Azure.
    Azure,
    /// Anthropic, native and OpenAI-compatible.
    Anthropic,
    /// Cerebras.
    Cerebras,
    /// Mistral.
    Mistral,
    /// `DeepInfra`.
    DeepInfra,
    /// Together.
    Together,
    /// Fireworks.
    Fireworks,
    /// Gemini, native and OpenAI-compatible.
    Gemini,
}

impl Dialect {
    /// Every dialect, in the order in which lists name them.
    pub const ALL: [Self; 10] = [
        Self::Groq,
        Self::OpenAi,
        Self::Azure,
        Self::Anthropic,
        Self::Cerebras,
        Self::Mistral,
        Self::DeepInfra,
        Self::Together,
        Self::Fireworks,
        Self::Gemini,
    ];

    /// Returns the name in scenarios and for `--dialect`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groq => "groq",
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Cerebras => "cerebras",
            Self::Mistral => "mistral",
            Self::DeepInfra => "deepinfra",
            Self::Together => "together",
            Self::Fireworks => "fireworks",
            Self::Gemini => "gemini",
        }
    }
}

/// The pricing plan of an account. It does not set the limits. The text of a refusal depends on it, such as the advice to
/// upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// Free of charge.
    #[default]
    Free,
    /// Pay as you go.
    Developer,
}

/// One organisation, which owns quota. Its keys share that quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// The account's name in the scenario.
    pub name: String,
    /// Its keys, at least one.
    pub keys: Vec<String>,
}

/// One model of a provider. Every account has its own meter for it, or for its family.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The name that clients send.
    pub name: String,
    /// The family whose models share one meter; `None`: the model has its own. The limits are those of the family's
    /// first model.
    pub family: Option<String>,
    /// Its limits, at most one per axis, in the order of [`crate::Axis::ALL`]. An axis without one is not limited.
    pub limits: Vec<Limit>,
    /// Its context window and the largest `max_tokens` that it accepts.
    pub lengths: Lengths,
    /// The estimate that admission charges for a call, and its correction at settlement.
    pub reserve: Reserve,
    /// Its service times, the network's round trip and the server slots.
    pub latency: Latency,
    /// The prices of its tokens.
    pub price: Price,
    /// The distribution of the completion tokens of calls without ground truth: requests to the server that have no truth
    /// header.
    pub completion: Dist,
}

impl Config {
    /// Sets the calendar time at which a run begins, from which the days of calendar limits are counted.
    pub fn begin_at(&mut self, epoch: Epoch) {
        let limits = self.models.iter_mut().flat_map(|model| &mut model.limits);
        limits.for_each(|limit| limit.epoch = epoch);
    }

    /// Creates a provider with the dialect of Groq and without accounts, models and incidents. Add at least one
    /// account and one model.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dialect: Dialect::default(),
            tier: Tier::default(),
            accounts: vec![],
            models: vec![],
            incidents: vec![],
            start_levels: vec![],
        }
    }

    /// Adds an account with one key of the same name.
    #[must_use]
    pub fn with_account(mut self, name: &str) -> Self {
        self.accounts.push(AccountConfig::new(name));
        self
    }

    /// Adds a model.
    #[must_use]
    pub fn with_model(mut self, model: ModelConfig) -> Self {
        self.models.push(model);
        self
    }

    /// Sets the format of the replies.
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// Adds a fault that affects every call during the whole run.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.incidents.push(Incident { at: Instant::ZERO, until: Instant::MAX, fault, share: 1.0 });
        self
    }

    /// Returns the index of the model whose meter `model` uses: its own, or that of the first model of its family.
    ///
    /// # Panics
    /// If `model` is out of range.
    #[must_use]
    pub fn meter_of(&self, model: usize) -> usize {
        let family = &self.models[model].family;
        let first = || self.models.iter().position(|other| other.family == *family);
        family.as_ref().and_then(|_| first()).unwrap_or(model)
    }
}

impl Default for Config {
    /// One account and one model without limits.
    fn default() -> Self {
        Self::new("provider").with_account("account").with_model(ModelConfig::default())
    }
}

impl AccountConfig {
    /// Creates an account with one key of the same name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), keys: vec![name.to_owned()] }
    }
}

impl ModelConfig {
    /// Creates a model without limits and with prices of zero. It replies at once, with 100 completion tokens if a call has
    /// no ground truth.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            family: None,
            limits: vec![],
            lengths: Lengths::default(),
            reserve: Reserve::default(),
            latency: Latency::default(),
            price: Price::default(),
            completion: Dist::Constant(100.0),
        }
    }

    /// Adds a limit.
    ///
    /// # Panics
    /// If the model has a limit on the same axis.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        let free = self.limits.iter().all(|other| other.axis != limit.axis);
        assert!(free, "invariant: at most one limit per axis, found a second {}", limit.axis);
        let at = self.limits.partition_point(|other| other.axis < limit.axis);
        self.limits.insert(at, limit);
        self
    }

    /// Sets how usage is reserved and settled.
    #[must_use]
    pub fn with_reserve(self, reserve: Reserve) -> Self {
        Self { reserve, ..self }
    }

    /// Sets the latency.
    #[must_use]
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }
}

impl Default for ModelConfig {
    /// A model called `model`; see [`ModelConfig::new`].
    fn default() -> Self {
        Self::new("model")
    }
}

/// The latency of a model's calls. Durations are sampled in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// The time from the start of service to the end of the reply, without the network.
    pub service: ServiceTimeDist,
    /// The network's round trip between client and provider; each way takes half. `None`: that of a loopback interface,
    /// so a simulation assumes [`LOOPBACK_ROUND_TRIP`](crate::latency::LOOPBACK_ROUND_TRIP), and a mock adds no delay to that
    /// of the interface it listens on.
    pub round_trip: Option<Dist>,
    /// Server slots: calls served at once over all accounts; further ones queue first come, first served. `None`: no bound.
    pub slots: Option<u32>,
}

impl Latency {
    /// Creates a latency with the round trip of a loopback interface and no bound on the calls served at once.
    #[must_use]
    pub fn new(service: ServiceTimeDist) -> Self {
        Self { service, round_trip: None, slots: None }
    }

    /// Sets the round trip between client and provider, in seconds.
    #[must_use]
    pub fn with_round_trip(self, round_trip: Dist) -> Self {
        Self { round_trip: Some(round_trip), ..self }
    }

    /// Sets the number of server slots: calls served at once; `None`: no bound.
    #[must_use]
    pub fn with_slots(self, slots: Option<u32>) -> Self {
        Self { slots, ..self }
    }
}

impl Default for Latency {
    /// Every reply is complete at once.
    fn default() -> Self {
        Self::new(ServiceTimeDist::Total(Dist::Constant(0.0)))
    }
}

/// The distribution of the service time of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceTimeDist {
    /// A time to the first token, then tokens at a constant speed.
    Split {
        /// Seconds from the start of service to the first token, without the prefill: the part that does not depend on
        /// the length of the prompt.
        before_prefill: Dist,
        /// Prompt tokens read per second; reading them delays the first token. `None`: the length of the prompt adds nothing.
        prefill_speed: Option<f64>,
        /// Cached tokens of the prompt per second, in place of `prefill_speed`; `None` if they are not read: a provider skips what it
        /// finds in its prefix cache (Cerebras, "Prompt caching": "Reusing cached blocks skips the processing phase for those
        /// tokens", inference-docs.cerebras.ai, 2026).
        cached_prefill_speed: Option<f64>,
        /// Completion tokens written per second after the first.
        decode_speed: f64,
    },
    /// Seconds for the whole reply, which is sent at once.
    Total(Dist),
}

/// Price of a million tokens, in USD.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Per million prompt tokens that are not found in the prefix cache.
    pub input: f64,
    /// Per million prompt tokens found in the provider's prefix cache.
    pub cached_input: f64,
    /// Per million completion tokens.
    pub output: f64,
}

impl Price {
    /// Returns the cost in USD of prompt tokens that are not found in the prefix cache, of prompt tokens that are, and of
    /// completion tokens.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "token counts of a run stay far below 2^53")]
    pub const fn usd_of(self, uncached: u64, cached: u64, completion: u64) -> f64 {
        let (input, cached_input) = (uncached as f64 * self.input, cached as f64 * self.cached_input);
        (input + cached_input + completion as f64 * self.output) / 1e6
    }
}

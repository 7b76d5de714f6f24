//! What a provider is made of, resolved: no option left open, no text to look up.

use crate::axis::Axis;
use crate::calendar::Zone;
use crate::dist::Dist;
pub use crate::length::Lengths;
pub use crate::reserve::{CachedTokens, DEFAULT_MAX_TOKENS, Estimate, Reserve, Settle};
use crate::time::{Instant, Nanos};

/// One provider of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The provider's name in the scenario.
    pub name: String,
    /// How it speaks: headers, bodies, status codes.
    pub dialect: Dialect,
    /// The plan its accounts are on.
    pub tier: Tier,
    /// The accounts that own quota, at least one.
    pub accounts: Vec<AccountConfig>,
    /// The models it serves, at least one.
    pub models: Vec<ModelConfig>,
    /// When it misbehaves.
    pub incidents: Vec<Incident>,
}

/// How a provider speaks: the status codes, headers, number formats and bodies of its replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Groq as captured in 2026.
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
    /// Gemini's OpenAI-compatible endpoint.
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

    /// The word of scenarios and of `--dialect`.
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

/// The plan an account is on. The limits are written out per model; the tier decides what a refusal advises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// Nothing is paid.
    #[default]
    Free,
    /// Paid by use.
    Developer,
}

/// One organisation: the unit that owns quota. Its keys share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// The account's name in the scenario.
    pub name: String,
    /// Its keys, at least one.
    pub keys: Vec<String>,
}

/// One model of a provider; every account has its own meter for it, or for its family.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The model's name as clients send it.
    pub name: String,
    /// The family whose models draw from one meter, if it is of one. The limits are those of the family's first model.
    pub family: Option<String>,
    /// Its limits, at most one per axis, in the order of [`Axis::ALL`].
    pub limits: Vec<Limit>,
    /// How long its calls may be.
    pub lengths: Lengths,
    /// How admission estimates what a call will use.
    pub reserve: Reserve,
    /// How long a call takes.
    pub latency: Latency,
    /// What tokens cost.
    pub price: Price,
    /// How often the world draws for calls that bring no truth of their own: completion tokens.
    pub completion: Dist,
}

impl Config {
    /// The model whose meter this one draws from, by index: itself, or the first of its family.
    ///
    /// # Panics
    /// Where there is no such model.
    #[must_use]
    pub fn meter_of(&self, model: usize) -> usize {
        let family = &self.models[model].family;
        let first = || self.models.iter().position(|other| other.family == *family);
        family.as_ref().and_then(|_| first()).unwrap_or(model)
    }
}

/// One limit: a number on an axis, and the law by which it refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub axis: Axis,
    /// How much per window (or at once, for concurrency).
    pub limit: u64,
    /// How it refills.
    pub law: Law,
    /// For the bucket law, how much fits when it is full; the limit itself where not given.
    pub burst: u64,
}

impl Limit {
    /// A limit under the default law: a bucket that holds as much as it refills per window.
    #[must_use]
    pub const fn new(axis: Axis, limit: u64) -> Self {
        Self { axis, limit, law: Law::Bucket, burst: limit }
    }

    /// The most units that it admits of in the first `span` of a run; for a limit without a window, at once.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for reports and comparisons")]
    pub fn most_in(&self, span: Nanos) -> f64 {
        let (limit, span) = (self.limit as f64, span.max(Nanos(1)));
        let Some(window) = self.axis.window() else { return limit };
        match self.law {
            Law::Bucket => self.burst as f64 + limit * (span.0 as f64 / window.0 as f64),
            Law::Adaptive(growth) => growth.most_of(self.limit) as f64 * span.0.div_ceil(window.0) as f64,
            Law::Calendar(zone) if self.axis.is_daily() => limit * zone.days(span) as f64,
            // A window that is used up at its very start lets the next one through a window later.
            Law::Fixed | Law::Calendar(_) | Law::SlidingLog | Law::SlidingCounter => {
                limit * span.0.div_ceil(window.0) as f64
            }
        }
    }
}

/// The law by which a limit refills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Law {
    /// Refills continuously at limit ÷ window; holds `burst` at most.
    #[default]
    Bucket,
    /// Counts per window of the clock, aligned to the start of the run; empties at each boundary.
    Fixed,
    /// Counts what was admitted within the last window.
    SlidingLog,
    /// Counts per window of the clock; what the former counted fades in a straight line while the present one passes.
    SlidingCounter,
    /// Counts per window of the clock: a day from midnight to midnight of the zone, a minute and an hour as everywhere.
    Calendar(Zone),
    /// Counts per window of the clock; the limit of the next one follows what is used of this one.
    Adaptive(Growth),
}

/// How an adaptive limit grows, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The limit of the next window, by what is used of this one.
    pub factor: u32,
    /// The most it grows to, by the limit it begins with and never falls below; 1000 at least.
    pub most: u32,
}

impl Growth {
    /// The limit that so much use leads to, before it is held between the bounds.
    #[must_use]
    pub fn of(self, used: u64) -> u64 {
        thousandths(used, self.factor)
    }

    /// The most that a limit grows to that begins with so much.
    #[must_use]
    pub fn most_of(self, limit: u64) -> u64 {
        thousandths(limit, self.most).max(limit)
    }
}

impl Default for Growth {
    /// Twice what is used, up to ten times the limit: assumed, as no provider says.
    fn default() -> Self {
        Self { factor: 2_000, most: 10_000 }
    }
}

/// So many thousandths of `whole`, cut to whole units.
fn thousandths(whole: u64, parts: u32) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(parts) / 1000).unwrap_or(u64::MAX)
}

/// How long calls to a model take. Lengths are sampled in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// How the time from the start of service to the end of the reply comes about.
    pub service: Service,
    /// The round trip between client and provider, halved for each way.
    pub network: Dist,
    /// How many calls are served at once, over all accounts; the others queue in order of arrival. `None`: no bound.
    pub slots: Option<u32>,
}

/// The service time of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Service {
    /// Time to the first token, then the rest at a steady speed.
    Split {
        /// Seconds until the first token of a prompt of any length.
        first_token: Dist,
        /// Prompt tokens read per second, added to the time to the first token; `None`: no cost per prompt token.
        prefill: Option<f64>,
        /// Tokens written per second.
        output: f64,
    },
    /// Seconds for the whole reply; the first token comes with the last.
    Total(Dist),
}

/// What a million tokens cost, in USD.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Per million prompt tokens.
    pub input: f64,
    /// Per million prompt tokens that are found in the provider's prefix cache.
    pub cached_input: f64,
    /// Per million completion tokens.
    pub output: f64,
}

/// A stretch of time in which calls meet a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incident {
    /// When it begins.
    pub at: Instant,
    /// When it ends (exclusive).
    pub until: Instant,
    /// What happens.
    pub fault: Fault,
    /// The share of calls it happens to, in `0..=1`.
    pub share: f64,
}

impl Incident {
    /// Whether it is under way.
    #[must_use]
    pub fn is_on(&self, now: Instant) -> bool {
        self.at <= now && now < self.until
    }
}

/// What can go wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The call is answered with this status and not served.
    Status(u16),
    /// The call is answered that the provider is out of capacity: with the status and in the words of its dialect.
    Overload,
    /// The call is answered that there is no money left: likewise.
    Billing,
    /// The call is answered that the plan does not have the model: likewise.
    NotInTier,
    /// The call is never answered.
    Timeout,
    /// The call is served, so many times slower.
    Slow(f64),
    /// The connection is closed before anything is answered.
    Reset,
    /// The call is served, but the reply breaks off half-way.
    CutStream,
    /// The call is answered with status 200 and a body that is not JSON.
    Garbage,
    /// A refusal says nothing about when to come back.
    NoRetryAfter,
    /// A refusal names this wait instead of the true one.
    RetryAfter(Nanos),
    /// A refusal's `retry-after` is written in this form.
    RetryAfterAs(WaitForm),
    /// The call is answered with a 429 that names no limit, but this wait.
    Throttle(Nanos),
    /// The call is answered with status 200 and an error in the body; it is not served.
    ErrorInside,
    /// The call is served, the first token later by this.
    LateFirstToken(Nanos),
    /// The call is served, the tokens after the first so many times slower.
    Drip(f64),
    /// The call is served, but the connection is closed behind the head of the reply.
    ResetAfterHead,
    /// The call is served, but the reply breaks off before its first token.
    CutBeforeToken,
    /// The call is served, but the JSON of the reply ends half-way, although the reply itself ends well.
    Truncated,
    /// The call is served, but the reply claims to be a page of HTML.
    WrongType,
    /// No header tells of limits or of waits.
    NoHeaders,
    /// The provider's clock is ahead by this: dates in headers are.
    ClockAhead(Nanos),
    /// The provider's clock is behind by this.
    ClockBehind(Nanos),
}

/// How a `retry-after` may be written besides whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitForm {
    /// In seconds with a fraction: `2.5`.
    Fraction,
    /// As a date (RFC 9110, section 10.2.3), on the same clock as the header `date` beside it.
    Date,
    /// Less than nothing, and nothing else tells the wait: `-1`.
    Negative,
    /// More seconds than any counter holds, and nothing else tells the wait.
    Absurd,
}

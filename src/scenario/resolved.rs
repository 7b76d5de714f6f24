//! The scenario: a scenario with nothing left to look up. Names are numbers, quantities are integers of one
//! unit, defaults are filled in. It can only be made by [`super::resolve`], so whoever holds one need not
//! check it again.

use crate::ids::{RouteId, TargetId};
use provider::dist::Dist;
use provider::{Axis, Instant, Nanos};

/// A whole scenario, ready to run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The scenario's name.
    pub name: String,
    /// What it asks, in the author's words; may be empty.
    pub about: String,
    /// The seed of every stream.
    pub seed: u64,
    /// How long jobs arrive.
    pub duration: Nanos,
    /// The world: index is [`Target::provider`].
    pub providers: Vec<provider::config::Config>,
    /// Every account × model that some route names: index is [`TargetId`].
    pub targets: Vec<Target>,
    /// Index is [`RouteId`].
    pub routes: Vec<Route>,
    /// How the client behaves.
    pub client: Client,
    /// Index is [`crate::ids::ClassId`].
    pub workloads: Vec<Workload>,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// What the scenario assumes where the scenario asks for more than is modelled, or says nothing: a sentence
    /// each, for `check` and the reports to print.
    pub notes: Vec<String>,
    /// What the author wants the planner to try.
    pub what_if: Vec<WhatIf>,
}

/// A change that the author wants tried.
#[derive(Clone, Debug)]
pub struct WhatIf {
    /// What is changed, in the author's words.
    pub name: String,
    /// The scenario with the change.
    pub scenario: Scenario,
}

impl Scenario {
    /// The ids of all targets.
    pub fn target_ids(&self) -> impl Iterator<Item = TargetId> + use<> {
        let count = u16::try_from(self.targets.len()).expect("targets are numbered in 16 bits");
        (0..count).map(TargetId)
    }
}

/// An account × model that jobs can be sent to.
#[derive(Clone, Debug)]
pub struct Target {
    /// `provider/account/model`, as the scenario names it.
    pub name: String,
    /// Index into [`Scenario::providers`].
    pub provider: u16,
    /// Index into the provider's accounts.
    pub account: u16,
    /// Index into the provider's models.
    pub model: u16,
    /// The limits as documented to clients: what pacing and `most_room` believe in.
    pub limits: Vec<KnownLimit>,
    /// What tokens cost here.
    pub price: provider::config::Price,
    /// What cached tokens of a prompt count here, as documented to clients.
    pub cached: provider::config::CachedTokens,
}

/// A limit as a client knows it from the provider's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLimit {
    /// What is counted.
    pub axis: Axis,
    /// How much per window.
    pub limit: u64,
    /// How much fits at once.
    pub burst: u64,
}

/// Steps tried from the first to the last.
#[derive(Clone, Debug)]
pub struct Route {
    /// The route's name.
    pub name: String,
    /// At least one.
    pub steps: Vec<Step>,
}

/// How many targets the steps of one route may name in all: the engine counts them in the bits of a word.
pub const ROUTE_TARGETS_MAX: usize = 64;

/// Targets among which a pick decides.
#[derive(Clone, Debug)]
pub struct Step {
    /// How to choose.
    pub pick: Pick,
    /// At least one.
    pub targets: Vec<TargetId>,
}

/// How a step chooses among its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pick {
    /// The first that can take the job.
    #[default]
    InOrder,
    /// Each in turn.
    RoundRobin,
    /// The one believed to have the largest share of its tightest limit left.
    MostRoom,
}

/// How the client behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// From the scheduled arrival; no job is worked on after it.
    pub deadline: Nanos,
    /// When and how often to try again.
    pub retry: Retry,
    /// Attempts in flight at once; `None`: no bound.
    pub concurrency: Option<u32>,
    /// Jobs that may wait for a place; more are shed.
    pub queue: u32,
    /// How sends are spread.
    pub pace: Pace,
    /// The exact-match cache; `None`: off.
    pub cache: Option<Cache>,
    /// Whether a job joins an identical one that is under way instead of being sent.
    pub join: bool,
}

/// When and how often to try again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts per job in all, at least 1, on every target together.
    pub attempts: u8,
    /// The wait that doubles.
    pub backoff: Backoff,
    /// Whether the server's wait is preferred to our own.
    pub obey_retry_after: bool,
    /// Retries allowed per job on average, in thousandths; `None`: no bound.
    pub budget_permille: Option<u32>,
}

/// The wait before the n-th retry: `min(cap, base · 2^n)`, then the jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub base: Nanos,
    /// The longest wait.
    pub cap: Nanos,
    /// How chance spreads it.
    pub jitter: Jitter,
}

/// How chance spreads a wait (Brooker, "Exponential Backoff And Jitter", AWS 2015).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// The wait itself.
    None,
    /// Anything between zero and the wait.
    #[default]
    Full,
    /// Half the wait and anything up to the other half.
    Equal,
    /// Anything between the base and three times the last wait.
    Decorrelated,
}

/// How sends to a target are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    #[default]
    Off,
    /// At least this long after the last send to the same target.
    Gap(Nanos),
    /// As the known request limits refill.
    Requests,
    /// As the known request and token limits refill, on estimates that are settled at the reply.
    Tokens,
}

/// An exact-match response cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Answers kept; the least recently used goes first. At least 1.
    pub entries: u32,
    /// How long an answer is good for.
    pub ttl: Nanos,
}

/// A class of jobs.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Where its jobs go.
    pub route: RouteId,
    /// When they come.
    pub arrivals: Arrivals,
    /// Multiplies the rate by the hour of the day (the run begins at midnight); mean 1 for `daily`. `None`: flat.
    pub shape: Option<[f64; 24]>,
    /// Prompt tokens. Unused where a trace brings its own.
    pub prompt: Dist,
    /// What of its prompt a job finds in the provider's prefix cache.
    pub cached_prompt: CachedPrompt,
    /// Completion tokens, were nothing to stop them. Unused where a trace brings its own.
    pub completion: Dist,
    /// The bound sent with every job.
    pub max_tokens: Option<u32>,
    /// Jobs that ask again what was asked before.
    pub repeats: Option<Repeats>,
    /// Whether replies are streamed: whether the user sees the first token before the last.
    pub stream: bool,
    /// Whether its jobs may be moved in time. The planner may then propose to move them to quiet hours.
    pub deferrable: bool,
}

/// What of its prompt a job finds in the prefix cache of whoever serves it.
#[derive(Clone, Debug, PartialEq)]
pub enum CachedPrompt {
    /// This share, in `0..=1`; nothing by default.
    Share(f64),
    /// So many tokens, as far as the prompt has them.
    Tokens(Dist),
}

impl CachedPrompt {
    /// None of it.
    pub const NOTHING: Self = Self::Share(0.0);
}

/// When the jobs of a workload come. Rates are in jobs per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Evenly spaced.
    Constant(f64),
    /// Memoryless.
    Poisson(f64),
    /// Memoryless, with a rate that goes from the first to the second over the duration.
    Ramp(f64, f64),
    /// Memoryless, with a rate that changes at instants; the first is at zero.
    Steps(Vec<(Instant, f64)>),
    /// So many at once, every so often, the first at zero.
    Burst {
        /// How many.
        jobs: u32,
        /// How often.
        every: Nanos,
    },
    /// A fixed number of users: each thinks, asks, waits for the answer, and thinks again.
    Users {
        /// How many.
        users: u32,
        /// Seconds between an answer and the next question.
        think: Dist,
    },
    /// A recorded trace.
    Trace {
        /// The recorded arrivals, in order.
        rows: std::sync::Arc<Vec<TraceRow>>,
    },
}

/// One recorded request, already thinned and rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// When it came, from the start of the trace.
    pub at: Instant,
    /// Its prompt tokens.
    pub prompt_tokens: u32,
    /// Its completion tokens.
    pub completion_tokens: u32,
}

/// Jobs that ask again what was asked before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeats {
    /// The share of jobs drawn from the popular prompts, in `0..=1`.
    pub share: f64,
    /// The exponent of Zipf's law over them; 0 is uniform.
    pub zipf: f64,
    /// How many popular prompts there are.
    pub of: u32,
}

/// A rule that the result must keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// As written.
    pub rule: String,
    /// What is measured.
    pub metric: Metric,
    /// How it is compared.
    pub op: Op,
    /// With what: shares as `0..=1`, times in seconds, costs in USD.
    pub value: f64,
}

/// What an expectation measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Jobs that succeeded ÷ jobs that ended.
    Success,
    /// Jobs that succeeded, per second.
    Goodput,
    /// A percentile (50, 90, 95 or 99) of a time.
    Percentile(u8, Time),
    /// Succeeded jobs not served by the first step ÷ succeeded jobs served by any.
    FallbackShare,
    /// Attempts refused by a limit ÷ attempts.
    LimitedShare,
    /// Attempts ÷ jobs.
    AttemptsPerJob,
    /// USD in all.
    Cost,
    /// The analytic ceiling ÷ the offered load.
    Headroom,
}

/// A time that is measured for every job that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// From the schedule to the end of the reply.
    Latency,
    /// From the schedule to the first token.
    FirstToken,
    /// In line for a place of the concurrency cap.
    Queue,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `<`
    Below,
    /// `==`
    Equal,
}

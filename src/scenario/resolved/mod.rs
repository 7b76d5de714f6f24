//! The resolved scenario: nothing is left to look up. References are indices, quantities are numbers of one unit, defaults
//! are filled in. Every [`Scenario`] comes from `resolve`, unchanged or with changes that keep it valid (a multiple of the
//! load, the changes of the planner).

mod arrivals;
mod caller;
mod client;
mod engines;
mod offer;
mod session_trace;
mod sessions;
mod shape;
mod start;
mod upstream;

pub use arrivals::{Arrivals, GapDist, TraceRow};
pub use caller::{Caller, DailyBudget};
pub use client::{
    AdaptiveConcurrency, AttemptTimeout, Backoff, Cache, Client, Concurrency, CoolDown, DEFAULT_CLIENT,
    Eject, EstimateError, Fairness, Hedge, Jitter, Pace, Retry, SpendingBudget, StatedWait,
};
pub use engines::MAX_ENGINES;
pub(crate) use offer::can_be_bought;
pub use offer::{MAX_OFFER_SETS, Offer, OfferStart, OfferVariant, Offers, OwnedCounts, offer_sets};
pub use session_trace::{RecordedCall, RecordedSession, RecordedTurn, SessionTrace};
pub use sessions::{DrawnSessions, MAX_FAN_OUT, MAX_STEPS, MAX_TURNS, SessionContent, Sessions, whole};
pub use shape::Shape;
pub use start::Start;
pub use upstream::{BaseUrl, KeySource, Upstream};

use super::{KnownLimit, Note};
use crate::ids::{ClientId, RouteId, TargetId, WorkloadId};
use crate::job::Priority;
use provider::Nanos;
use provider::calendar::LocalClock;
use provider::dist::Dist;

/// A whole scenario, ready to run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The scenario's name.
    pub name: String,
    /// The question that it answers, as written; may be empty.
    pub about: String,
    /// The seed of every random stream.
    pub seed: u64,
    /// The time over which jobs arrive.
    pub duration: Nanos,
    /// The level with which limits with long windows begin the run.
    pub start: Start,
    /// The local time of the run.
    pub clock: LocalClock,
    /// The providers, indexed by [`Target::provider`].
    pub providers: Vec<provider::config::Config>,
    /// How the real providers are reached, indexed as [`Self::providers`]. Providers and accounts that the planner adds have none.
    pub upstreams: Vec<Upstream>,
    /// Every account × model that a route names, indexed by [`TargetId`].
    pub targets: Vec<Target>,
    /// The routes, indexed by [`RouteId`].
    pub routes: Vec<Route>,
    /// The clients, indexed by [`ClientId`]: the default client, which is that of workloads that name none and of the gateway, then
    /// those under `clients` in the order written. A client that no workload names takes no part in a run.
    pub clients: Vec<Client>,
    /// Who may use the gateway, in the order written; empty if the scenario names no caller. Only the gateway reads it.
    pub callers: Vec<Caller>,
    /// The workloads, indexed by [`WorkloadId`].
    pub workloads: Vec<Workload>,
    /// The rules of `expect`.
    pub expect: Vec<Rule>,
    /// Assumptions, and consequences that the author may not intend.
    pub notes: Vec<Note>,
    /// Changes that the planner tries.
    pub what_if: Vec<WhatIf>,
    /// What can be bought as the load grows. Only the planner reads it.
    pub offers: Offers,
    /// The files that it was read from: the scenario, then its traces and recorded exchanges, then those of its what-ifs. A
    /// file may occur several times. A scenario that was parsed from text has no file of its own.
    pub files: Vec<std::path::PathBuf>,
}

/// A change of a scenario that the planner tries.
#[derive(Clone, Debug)]
pub struct WhatIf {
    /// The name of the change.
    pub name: String,
    /// The scenario with the change.
    pub scenario: Scenario,
}

impl Scenario {
    /// Returns `true` if the traffic of a workload ends with the run, so that more of the same traffic is the run repeated.
    #[must_use]
    pub fn has_traffic_that_ends(&self) -> bool {
        self.workloads.iter().any(|workload| {
            matches!(
                workload.arrivals,
                Arrivals::Ramp(..)
                    | Arrivals::Steps { every: None, .. }
                    | Arrivals::Batch { .. }
                    | Arrivals::Trace { .. }
            )
        })
    }

    /// Iterates over the ids of all targets.
    pub fn target_ids(&self) -> impl Iterator<Item = TargetId> + use<> {
        let count = u16::try_from(self.targets.len()).expect("invariant: targets are numbered in 16 bits");
        (0..count).map(TargetId)
    }
}

/// A model of an account, to which jobs can be sent.
#[derive(Clone, Debug)]
pub struct Target {
    /// `provider/account/model`, as written in the scenario.
    pub name: String,
    /// Index into [`Scenario::providers`].
    pub provider: u16,
    /// Index into the provider's accounts.
    pub account: u16,
    /// Index into the provider's models.
    pub model: u16,
    /// The limits that the client knows; pacing and `most_room` use them.
    pub limits: Vec<KnownLimit>,
    /// What tokens cost here.
    pub price: provider::config::Price,
    /// How cached tokens of a prompt count against the limits of this target, as the client knows it.
    pub counting: provider::config::TokenCounting,
}

/// Steps in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Route {
    /// The route's name.
    pub name: String,
    /// At least one.
    pub steps: Vec<Step>,
}

/// The maximum number of targets in the steps of one route: the engine keeps a set of them in the bits of a 64-bit word.
pub const MAX_ROUTE_TARGETS: usize = 64;

/// Targets of equal rank.
#[derive(Clone, Debug)]
pub struct Step {
    /// How to choose.
    pub pick: Pick,
    /// At least one.
    pub targets: Vec<TargetId>,
    /// With [`Pick::Weighted`] the weight of each target, at least 1; otherwise empty.
    pub weights: Vec<u32>,
}

impl Step {
    /// Returns a step of a single target.
    #[must_use]
    pub fn single(target: TargetId) -> Self {
        Self { pick: Pick::InOrder, targets: vec![target], weights: Vec::new() }
    }
}

/// How a step chooses among its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pick {
    /// The first that can take the job.
    #[default]
    InOrder,
    /// Each in turn.
    RoundRobin,
    /// The one with the largest estimated share left of its tightest limit.
    MostRoom,
    /// One at random, each in proportion to its weight.
    Weighted,
    /// One at random.
    Random,
    /// The one with the fewest attempts in flight.
    LeastBusy,
    /// Of two at random, the one with the lower average latency × (attempts in flight + 1).
    Fastest,
    /// The one with the lowest expected price of the job.
    Cheapest,
}

impl Pick {
    /// The words of `pick` in scenarios.
    pub const WORDS: [(&str, Self); 8] = [
        ("in_order", Self::InOrder),
        ("round_robin", Self::RoundRobin),
        ("most_room", Self::MostRoom),
        ("weighted", Self::Weighted),
        ("random", Self::Random),
        ("least_busy", Self::LeastBusy),
        ("fastest", Self::Fastest),
        ("cheapest", Self::Cheapest),
    ];
}

/// A stream of jobs.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// The route that its jobs take.
    pub route: RouteId,
    /// The client that handles its jobs.
    pub client: ClientId,
    /// When they arrive; with [`Self::sessions`], when those begin. With recorded sessions, the rows are the calls at their recorded
    /// instants: for arithmetic on independent jobs.
    pub arrivals: Arrivals,
    /// The sessions whose calls are the jobs; `None` if the jobs do not depend on each other.
    pub sessions: Option<Box<Sessions>>,
    /// The factors of the rate over a day or a week of local time. `None` for a constant factor of 1.
    pub shape: Option<Shape>,
    /// The local time of the run, as [`Scenario::clock`].
    pub clock: LocalClock,
    /// Prompt tokens; unused with a trace, which contains its own. With sessions, which have their own as well, the distribution over
    /// all calls of sessions that run to their end: for arithmetic on independent jobs.
    pub prompt: Dist,
    /// How much of a job's prompt is found in the provider's prefix cache; with sessions, as for `prompt`.
    pub cached_prompt: CachedPrompt,
    /// Completion tokens, unless `max_tokens` or the model cuts the completion short; unused with a trace, which contains its
    /// own.
    pub completion: Dist,
    /// Spearman's rank correlation of the lengths of prompts and completions, from −1 to 1, before any is cut; unused with a trace.
    pub correlation: f64,
    /// The `max_tokens` sent with every request.
    pub max_tokens: Option<u32>,
    /// Jobs with popular prompts; `None` if every prompt is different.
    pub repeats: Option<Repeats>,
    /// Whether replies are streamed, so that the first token is seen before the last.
    pub stream: bool,
    /// Whether the planner may propose to move the jobs to the hours from midnight to six.
    pub deferrable: bool,
    /// The rank of its jobs among those that wait.
    pub priority: Priority,
}

impl Workload {
    /// Returns the mean number of jobs per arrival: one, or the calls of a session. The arrivals of recorded sessions are their calls.
    #[must_use]
    pub fn jobs_per_arrival(&self) -> f64 {
        self.drawn_sessions().map_or(1.0, DrawnSessions::calls_per_session)
    }

    /// Returns the sessions if they are drawn from distributions.
    #[must_use]
    pub fn drawn_sessions(&self) -> Option<&DrawnSessions> {
        self.sessions.as_ref()?.drawn()
    }

    /// Returns the sessions if they are recorded.
    #[must_use]
    pub fn recorded_sessions(&self) -> Option<&SessionTrace> {
        self.sessions.as_ref()?.recorded()
    }

    /// Returns the prompts below which no prompt is: the first ones of sessions, whose contexts grow, or all.
    #[must_use]
    pub fn first_prompt(&self) -> &Dist {
        self.drawn_sessions().map_or(&self.prompt, |sessions| &sessions.first)
    }

    /// Sets the sizes of independent jobs that correspond to the sessions, after a change of either; without sessions it has no
    /// effect. The prompts and completions of recorded sessions are those of the rows.
    pub(crate) fn update_sizes(&mut self) {
        match self.sessions.as_ref().map(|sessions| &sessions.content) {
            Some(SessionContent::Drawn(drawn)) => {
                let calls = drawn.as_independent(&self.completion, self.max_tokens);
                (self.prompt, self.cached_prompt) = (calls.prompt, calls.cached_prompt);
            }
            Some(SessionContent::Recorded(trace)) => {
                self.cached_prompt = CachedPrompt::Share(trace.cached_share());
            }
            None => {}
        }
    }
}

/// How much of a job's prompt is found in the provider's prefix cache.
#[derive(Clone, Debug, PartialEq)]
pub enum CachedPrompt {
    /// This share of it, in `0..=1`.
    Share(f64),
    /// This many tokens, at most the prompt.
    Tokens(Dist),
}

impl CachedPrompt {
    /// None of it.
    pub const NOTHING: Self = Self::Share(0.0);
}

/// Jobs whose prompt is one of a fixed number of popular prompts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeats {
    /// The share of jobs with a popular prompt, in `0..=1`.
    pub share: f64,
    /// The exponent of Zipf's law over them; 0 is uniform.
    pub zipf: f64,
    /// The number of popular prompts.
    pub prompts: u32,
}

/// A rule of `expect`: a condition on the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The text as written. If the rule names no workload but is judged for one, the workload's name and a colon precede it.
    pub text: String,
    /// The workload whose jobs are judged; `None` for all jobs of the run.
    pub workload: Option<WorkloadId>,
    /// The length of the windows in each of which the rule must hold; `None` for the run as a whole.
    pub window: Option<Nanos>,
    /// `true` if the scenario does not state the rule.
    pub is_default: bool,
    /// The metric.
    pub metric: Metric,
    /// The comparison.
    pub op: Op,
    /// The value: shares in `0..=1`, times in seconds, rates per second, costs in USD.
    pub value: f64,
}

/// What a rule measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Jobs that succeeded ÷ jobs that ended.
    Success,
    /// Tasks that succeeded ÷ tasks that ended.
    TaskSuccess,
    /// Jobs that succeeded, per second.
    Goodput,
    /// A percentile (50, 90, 95 or 99) of a time.
    Percentile(u8, Time),
    /// Succeeded jobs served by a later step than the first ÷ succeeded jobs that an attempt of their own served.
    FallbackShare,
    /// Succeeded jobs whose answer was cut at `max_tokens`, at the longest completion of the model or at the end of its
    /// context ÷ succeeded jobs.
    CutShare,
    /// Attempts refused by a limit ÷ attempts.
    LimitedShare,
    /// Attempts ÷ jobs.
    AttemptsPerJob,
    /// The total cost in USD.
    Cost,
    /// The analytic ceiling ÷ the offered load.
    Headroom,
    /// When the last job of a batch ended, in seconds since the run began.
    FinishedBy,
}

/// A time that is measured for every job, or every task, that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// From the scheduled arrival to the end of the reply.
    Latency,
    /// From the scheduled arrival to the first token.
    FirstToken,
    /// In the client's queue, until [`Client::concurrency`] allows an attempt.
    Queue,
    /// Of tasks: from the first call's scheduled arrival to the end of the last reply.
    Task,
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

//! The resolved scenario: nothing is left to look up. References are indices, quantities are numbers of one unit, defaults
//! are filled in. Every [`Scenario`] comes from `resolve`, unchanged or with changes that keep it valid (a multiple of the
//! load, the changes of the planner).

mod caller;
mod client;
mod sessions;
mod upstream;

pub use caller::{Caller, DailyBudget};
pub use client::{Backoff, Cache, Client, CoolDown, Eject, EstimateError, Jitter, Pace, Retry, StatedWait};
pub use sessions::{MAX_FAN_OUT, MAX_STEPS, MAX_TURNS, Sessions, whole};
pub use upstream::{BaseUrl, KeySource, Upstream};

use super::trace::Recorded;
use super::{KnownLimit, Note};
use crate::ids::{RouteId, TargetId, WorkloadId};
use crate::job::Priority;
use provider::dist::Dist;
use provider::{Instant, Nanos};

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
    /// The providers, indexed by [`Target::provider`].
    pub providers: Vec<provider::config::Config>,
    /// How the real providers are reached, indexed as [`Self::providers`]. Providers and accounts that the planner adds have none.
    pub upstreams: Vec<Upstream>,
    /// Every account × model that a route names, indexed by [`TargetId`].
    pub targets: Vec<Target>,
    /// The routes, indexed by [`RouteId`].
    pub routes: Vec<Route>,
    /// How the client behaves.
    pub client: Client,
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
    /// The files that it was read from: the scenario, then its traces and recorded exchanges, then those of its what-ifs. A
    /// file may occur several times. A scenario that was parsed from text has no file of its own.
    pub files: Vec<std::path::PathBuf>,
}

/// The level with which limits whose window is longer than [`Start::SHORT_WINDOW`] begin the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The level after days of the same traffic: what a run measures then holds on any day.
    #[default]
    Sustained,
    /// Unused, as on the first day of a new account.
    Full,
}

impl Start {
    /// The longest window whose limit always begins unused: such a limit is full again, or used up, after the first minutes
    /// of a run whatever its level was.
    pub const SHORT_WINDOW: Nanos = Nanos::MINUTE;

    /// Returns `true` if a limit begins with the level that earlier traffic left.
    #[must_use]
    pub fn has_history(self, limit: &provider::config::Limit) -> bool {
        self == Self::Sustained
            && limit.axis.window_length().is_some_and(|window| window > Self::SHORT_WINDOW)
    }
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
    pub cached: provider::config::CachedTokens,
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
}

/// A stream of jobs.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// The route that its jobs take.
    pub route: RouteId,
    /// When they arrive; with [`Self::sessions`], when those begin.
    pub arrivals: Arrivals,
    /// The sessions whose calls are the jobs; `None` if the jobs do not depend on each other.
    pub sessions: Option<Box<Sessions>>,
    /// The factor of the rate for each hour of the day; the run begins at midnight. `None` for a constant factor of 1.
    pub shape: Option<[f64; 24]>,
    /// Prompt tokens; unused with a trace, which contains its own. With sessions, which have their own as well, the distribution over
    /// all calls of sessions that run to their end: for arithmetic on independent jobs.
    pub prompt: Dist,
    /// How much of a job's prompt is found in the provider's prefix cache; with sessions, as for `prompt`.
    pub cached_prompt: CachedPrompt,
    /// Completion tokens, unless `max_tokens` or the model cuts the completion short; unused with a trace, which contains its
    /// own.
    pub completion: Dist,
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
    /// Returns the mean number of jobs per arrival: one, or the calls of a session.
    #[must_use]
    pub fn jobs_per_arrival(&self) -> f64 {
        self.sessions.as_ref().map_or(1.0, |sessions| sessions.calls_per_session())
    }

    /// Returns the prompts below which no prompt is: the first ones of sessions, whose contexts grow, or all.
    #[must_use]
    pub fn first_prompt(&self) -> &Dist {
        self.sessions.as_ref().map_or(&self.prompt, |sessions| &sessions.first)
    }

    /// Sets the sizes of independent jobs that correspond to the sessions, after a change of either; without sessions it has no
    /// effect.
    pub(crate) fn update_sizes(&mut self) {
        if let Some(sessions) = &self.sessions {
            let calls = sessions.as_independent(&self.completion, self.max_tokens);
            (self.prompt, self.cached_prompt) = (calls.prompt, calls.cached_prompt);
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

/// When the jobs of a workload arrive. Rates are in jobs per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Evenly spaced.
    Constant(f64),
    /// A Poisson process.
    Poisson(f64),
    /// A Poisson process whose rate goes from the first to the second over the duration.
    Ramp(f64, f64),
    /// A Poisson process whose rate changes at these instants; the first is at zero.
    Steps(Vec<(Instant, f64)>),
    /// A number of jobs at once at regular intervals, the first at zero.
    Burst {
        /// Jobs per burst.
        jobs: u32,
        /// The interval.
        every: Nanos,
    },
    /// A closed workload: each user thinks, sends a job, waits for its reply, and thinks again, beginning at zero.
    Users {
        /// The number of users.
        users: u32,
        /// Seconds before the first job, and between a reply and the next job; at least [`crate::job::MIN_THINK_TIME`].
        think: Dist,
    },
    /// A recorded trace.
    Trace {
        /// The recorded arrivals, in order.
        rows: std::sync::Arc<Vec<TraceRow>>,
        /// What the file contains, and what of it is left out.
        recorded: Recorded,
    },
}

/// One recorded request, after `rate` and `speed` of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// When it arrives, from the start of the trace.
    pub at: Instant,
    /// Its prompt tokens as recorded; its job has at least one.
    pub prompt_tokens: u32,
    /// Its completion tokens as recorded; its job has at least one.
    pub completion_tokens: u32,
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

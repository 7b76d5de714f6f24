//! The client: retries, waits, ejection, concurrency, pace, cache, estimate.

use provider::Nanos;

/// The name of the client under `client`, which handles the jobs of workloads that name none.
pub const DEFAULT_CLIENT: &str = "default";

/// How a client behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its name under `clients`; [`DEFAULT_CLIENT`] for that under `client`.
    pub name: String,
    /// Its processes, at least 1: engines of one configuration that share nothing. The jobs of each of its workloads go to them in turn.
    pub processes: u16,
    /// The program whose retries the client imitates, a name in [`crate::scenario::IMITATIONS`].
    pub like: Option<&'static str>,
    /// The longest time that a job may take from its scheduled arrival; then it is given up.
    pub deadline: Nanos,
    /// When an attempt is cancelled and counts as failed; `None`: only the deadline ends it.
    pub attempt_timeout: Option<AttemptTimeout>,
    /// When and how often to try again.
    pub retry: Retry,
    /// Which jobs stop sending to a target after a refusal.
    pub cool_down: CoolDown,
    /// When a job gets a second attempt beside one that has not answered; `None`: never.
    pub hedge: Option<Hedge>,
    /// When a failing target is ejected; `None`: never.
    pub eject: Option<Eject>,
    /// Attempts in flight at once; `None` for no bound.
    pub concurrency: Option<Concurrency>,
    /// Jobs that may wait until fewer than `concurrency` attempts are in flight; more are shed.
    pub queue: u32,
    /// How workloads share what their jobs wait for.
    pub fair: Fairness,
    /// How sends are spread over time.
    pub pace: Pace,
    /// The exact-match cache; `None` if it is off.
    pub cache: Option<Cache>,
    /// Whether a job that is identical to one in flight follows it instead of being sent.
    pub coalesce: bool,
    /// How far its count of the tokens of prompts is from the provider's; `None` if it is exact.
    pub estimate: Option<EstimateError>,
    /// What it may spend, all its processes together; `None` for no bound.
    pub budget: Option<SpendingBudget>,
}

/// What a client may spend in each hour and in each day of local time, in USD; `None` for no bound. At least one is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpendingBudget {
    /// In an hour; above 0.
    pub usd_per_hour: Option<f64>,
    /// In a day; above 0.
    pub usd_per_day: Option<f64>,
}

/// The longest time that an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttemptTimeout {
    /// This time.
    Length(Nanos),
    /// This share of the client's deadline, in `0..=1`.
    ShareOfDeadline(f64),
}

impl Client {
    /// Returns the time after which an attempt is cancelled and counts as failed; `None`: only the deadline ends it.
    #[must_use]
    pub fn attempt_timeout(&self) -> Option<Nanos> {
        self.attempt_timeout.map(|timeout| match timeout {
            AttemptTimeout::Length(length) => length,
            AttemptTimeout::ShareOfDeadline(share) => {
                Nanos::from_secs_f64(self.deadline.as_secs_f64() * share)
            }
        })
    }
}

/// One process with the name [`DEFAULT_CLIENT`], every other value zero or its default.
impl Default for Client {
    fn default() -> Self {
        Self {
            name: DEFAULT_CLIENT.to_owned(),
            processes: 1,
            like: None,
            deadline: Nanos::ZERO,
            attempt_timeout: None,
            retry: Retry::default(),
            cool_down: CoolDown::default(),
            hedge: None,
            eject: None,
            concurrency: None,
            queue: 0,
            fair: Fairness::default(),
            pace: Pace::default(),
            cache: None,
            coalesce: false,
            estimate: None,
            budget: None,
        }
    }
}

/// How far the client's count of the tokens of prompts is from the provider's. The gateway does not use it: it counts real prompts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimateError {
    /// The mean of the error, as a share of the true number; above -1.
    pub bias: f64,
    /// The coefficient of variation of the counts, from 0 to 1.
    pub spread: f64,
}

/// When and how often to try again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retry {
    /// Attempts per job over all targets, at least 1.
    pub attempts: u8,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// Whether the wait that a reply states replaces `backoff`.
    pub obey_retry_after: bool,
    /// Which stated waits are obeyed, and how they are spread.
    pub stated_wait: StatedWait,
    /// The retry budget: the thousandths of a retry that each job adds to it. It holds at most 100 retries, and is full
    /// when a run begins. The first attempt of a job at a further target is not a retry. `None` for no bound.
    pub budget_permille: Option<u32>,
}

/// Which jobs stop sending to a target after a refusal, for the wait that the reply states. If it states none that the
/// client obeys, a cool-down per target lasts for the back-off without jitter, and a cool-down per job does not begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CoolDown {
    /// All jobs of the client: one refusal is remembered for every job, as in a gateway.
    #[default]
    PerTarget,
    /// The refused job alone, as in an SDK: other jobs do not know of the refusal.
    PerJob,
}

/// How the client treats the wait that a reply states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatedWait {
    /// Only the headers `retry-after` and `retry-after-ms` are read, not the message.
    pub headers_only: bool,
    /// Longer waits are not obeyed: the back-off applies instead. `None`: any wait is obeyed.
    pub longest: Option<Nanos>,
    /// A random length up to this is added. `None`: the random part of the back-off is added.
    pub jitter: Option<Nanos>,
}

/// When a job gets a second attempt beside one that has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// How long the attempt has been without an answer then; above zero.
    pub after: Nanos,
    /// What is left of each known limit of its target, and of the client's concurrency, after it: in thousandths, at most 1000.
    pub spare_permille: u32,
}

/// When a failing target is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eject {
    /// Failures in a row that eject it, at least 1. A single one suffices if its account must pay.
    pub after: u32,
    /// The length of its cool-down.
    pub duration: Nanos,
}

/// The wait before the n-th retry, n from 0: `min(cap, base · 2^n)`, then the jitter; [`Jitter::Decorrelated`] has a rule
/// of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub base: Nanos,
    /// The longest wait.
    pub cap: Nanos,
    /// How it is spread at random.
    pub jitter: Jitter,
}

/// How a wait is spread at random. The first four are those of Brooker, "Exponential Backoff And Jitter", AWS 2015.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// The wait itself.
    None,
    /// Uniform between zero and the wait.
    #[default]
    Full,
    /// Uniform between half the wait and the wait.
    Equal,
    /// Uniform between the base and three times the last wait, at most the longest wait.
    Decorrelated,
    /// Shorter by up to this share of the wait, in thousandths (OpenAI's and Groq's SDKs: 25 %).
    Shorten(u16),
    /// Longer by up to this length, also beyond the longest wait (LiteLLM: 750 ms).
    Add(Nanos),
    /// Shorter or longer by up to this share of the wait, in thousandths, at most the longest wait (Bifrost: 20 %).
    Around(u16),
}

/// A bound on the attempts in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// This many, at least 1.
    Fixed(u32),
    /// A number that adapts itself to what the providers admit.
    Adaptive(AdaptiveConcurrency),
}

/// The bounds of a concurrency that adapts itself: `1 <= min <= initial <= max`. The default is that of failsafe-go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveConcurrency {
    /// What it begins with.
    pub initial: u32,
    /// The lowest.
    pub min: u32,
    /// The highest.
    pub max: u32,
}

impl Default for AdaptiveConcurrency {
    fn default() -> Self {
        Self { initial: 20, min: 1, max: 200 }
    }
}

/// How sends to a target are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Attempts are sent at once.
    #[default]
    Off,
    /// At least this long after the last send to the same target.
    Gap(Nanos),
    /// As the known request limits refill.
    Requests,
    /// As the known request and token limits refill; tokens are estimates that the reply settles.
    Tokens,
}

/// How the workloads, in the gateway the callers, share what their jobs of one priority wait for: the permits of the concurrency limit, and
/// the sends that the pace allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fairness {
    /// First in, first out.
    #[default]
    Off,
    /// In turn: each that waits gets as many requests.
    Requests,
    /// Each that waits gets as many tokens, by the client's estimate.
    Tokens,
}

/// An exact-match response cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Replies kept, at least 1; the least recently used is dropped first.
    pub entries: u32,
    /// How long a reply is used.
    pub ttl: Nanos,
}

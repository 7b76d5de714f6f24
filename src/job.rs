//! What a user asks for, split at birth: the [`Job`] goes to the engine, the [`Truth`] only to the world.

use crate::ids::{ClassId, JobId, RouteId};
use provider::{Instant, Nanos, Truth};

/// The largest prompt or completion, in tokens; larger draws are cut to it. Past every context window on
/// offer, and small enough that no sum over a run overflows.
pub const MOST_TOKENS: u32 = 1_000_000;

/// The least a user of a closed workload thinks between an answer and the next question, so that one who
/// is refused at once cannot ask forever at one instant.
pub const LEAST_THINK: Nanos = Nanos::from_millis(1);

/// All that a client can know of a request before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The workload it belongs to.
    pub class: ClassId,
    /// The route it takes.
    pub route: RouteId,
    /// When the schedule wanted it; latency counts from here.
    pub scheduled: Instant,
    /// The client's estimate of the prompt, in tokens.
    pub prompt_tokens: u32,
    /// The most tokens the client allows in the completion; `None` where it does not say.
    pub max_tokens: Option<u32>,
    /// Two jobs with the same fingerprint ask the same thing: what an exact-match cache can win.
    pub fingerprint: u64,
}

/// A job as the schedule makes it, with what only the world may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// What the engine sees.
    pub job: Job,
    /// What the provider sees besides.
    pub truth: Truth,
}

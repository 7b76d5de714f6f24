//! A job, and the ground truth that only the provider knows of it. The [`Job`] goes to the engine, the [`Truth`] only
//! to the provider: the engine cannot depend on what a real client would not know.

use crate::ids::{EngineId, FlowId, JobId, RouteId, WorkloadId};
use provider::{Instant, Nanos, Truth};
use serde::{Deserialize, Serialize};

/// The most jobs in flight: in service, in queues and in waits together. A run that reaches this number is ended.
pub const MAX_JOBS_IN_FLIGHT: usize = 4_000_000;

/// The largest prompt and the largest completion, in tokens; samples are clamped to it. It is the largest number that a scenario may
/// state, and as long as the longest context on offer (Llama 4 Scout, 10M). It keeps all sums over a run far from overflow: 100 million
/// jobs of this size have 2e15 tokens.
pub const MAX_TOKENS: u32 = 10_000_000;

/// The shortest think time of a closed workload's user, and the time between two jobs of a worker of a batch. Without it one that is
/// refused at once would send without end at one instant.
pub const MIN_THINK_TIME: Nanos = Nanos::from_millis(1);

/// The rank of a job among those that wait for the same thing: all interactive jobs go before all batch jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for the answer.
    #[default]
    Interactive,
    /// It goes when no interactive job waits for the same permit, target or pace.
    Batch,
}

impl Priority {
    /// Every priority, the higher first: `priority as usize` is its index.
    pub const ALL: [Self; 2] = [Self::Interactive, Self::Batch];

    /// Returns the word in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Batch => "batch",
        }
    }
}

/// All that a client knows of a request before the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Unique within a run.
    pub id: JobId,
    /// Its workload.
    pub workload: WorkloadId,
    /// The engine that handles it: of the client of its workload.
    pub engine: EngineId,
    /// The route that it takes.
    pub route: RouteId,
    /// Its scheduled arrival, from which latency is measured.
    pub scheduled: Instant,
    /// Its rank among the jobs that wait.
    pub priority: Priority,
    /// Its flow among the jobs that wait and have its priority, if the client is fair.
    pub flow: FlowId,
    /// The instant at which it is given up; `None`: the client's `deadline` after `scheduled`.
    pub deadline: Option<Instant>,
    /// The client's estimate of the prompt, in tokens.
    pub prompt_tokens: u32,
    /// The bound on the completion, in tokens; `None` if the client sets none.
    pub max_tokens: Option<u32>,
    /// Equal for identical requests: the key of the response cache and of coalescing. Jobs with one fingerprint have
    /// the same route, `prompt_tokens` and `max_tokens`.
    pub fingerprint: u64,
}

/// A job as the schedule generates it, with what only the provider knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// For the engine.
    pub job: Job,
    /// For the provider.
    pub truth: Truth,
    /// What the driver hands back to the load when the job ends: the index of its session; 0 if it has none.
    pub origin: u32,
}

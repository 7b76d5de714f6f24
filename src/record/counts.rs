//! The counters of a recorder: per workload, per target, and of failures.

use super::batch_result::BatchProgress;
use super::hedge_result::HedgeCounts;
use super::histogram::Histogram;
use super::names::{AXES, REASONS, REFUSALS};
use super::tasks::TaskCounts;
use crate::event::{AttemptFailure, LocalFailure, RefusalCause};
use crate::ids::TargetId;
use crate::scenario::{Target, Workload};
use provider::config::{Price, TokenCounting};
use provider::{Instant, Nanos, Usage};

/// The number of status counters; a status of 999 or more counts as 999.
const STATUSES: usize = 1_000;

/// The jobs of one workload.
#[derive(Clone, Debug)]
pub(super) struct WorkloadCounts {
    pub(super) offered: u64,
    pub(super) succeeded: u64,
    /// Of the succeeded, those whose answer was cut.
    pub(super) cut: u64,
    /// By reason, in the order of [`REASONS`].
    pub(super) failed: [u64; REASONS.len()],
    /// As `failed`.
    pub(super) shed: [u64; REASONS.len()],
    pub(super) in_flight: u64,
    /// Attempts of jobs that have ended.
    pub(super) attempts: u64,
    /// Of those, attempts whose reply was a refusal.
    pub(super) refused: u64,
    /// The hedges among the attempts.
    pub(super) hedges: HedgeCounts,
    /// The time of succeeded jobs in the queue and in waits, summed in nanoseconds.
    pub(super) waited: u128,
    /// By target, usage as the provider settles it; zero if the stream contains no decisions of the provider.
    pub(super) settled: Vec<UsageSum>,
    /// `None` if it is not a batch.
    pub(super) batch: Option<BatchProgress>,
    /// The latency of the succeeded jobs that did not wait: they were sent on arrival and served by that attempt, or answered
    /// from the cache at once. Their latency is their service time. Most jobs are of this kind, so each is recorded once, and
    /// [`super::Recorder`] adds this histogram to both others when the run ends.
    pub(super) unqueued: Histogram,
    /// The same of those whose first token came with the last, which is so unless answers are streamed. It is added to the times
    /// to the first token as well.
    pub(super) unqueued_whole: Histogram,
    /// Its tasks; none without sessions.
    pub(super) tasks: TaskCounts,
    /// The latency of all other succeeded jobs; of all succeeded jobs once the two others are added.
    pub(super) latency: Histogram,
}

/// The attempts sent to one target.
#[derive(Clone, Debug)]
pub(super) struct TargetCounts {
    pub(super) sent: u64,
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) limited_by: [u64; REFUSALS],
    pub(super) cool_downs: u64,
    /// Jobs given up while they waited for this target, or because they would have waited beyond their deadline, or too long for
    /// an answer in time, by the axis of the limit.
    pub(super) given_up_for: [u64; AXES],
    /// Usage as the replies report it.
    pub(super) replied: UsageSum,
    /// Usage as the provider settles it, of all workloads: zero until [`super::Recorder`] adds those of
    /// [`WorkloadCounts::settled`] when the run ends.
    pub(super) settled: UsageSum,
    pub(super) decided: u64,
    pub(super) admitted: u64,
    /// Tokens reserved at admission, summed.
    pub(super) reserved: u64,
    /// The sum of the instants of admission, in nanoseconds.
    pub(super) admitted_at: u128,
    /// The sum of the instants of settlement, in nanoseconds.
    pub(super) settled_at: u128,
    /// By axis, the highest used share sampled.
    pub(super) peak: [f64; AXES],
    /// By axis, the highest used share of the run, if the driver knows it.
    pub(super) most_used: [Option<f64>; AXES],
    /// By axis, the sum of the limits sampled, in units per window, and the number of samples.
    pub(super) limits: [(f64, u32); AXES],
    /// How cached tokens of a prompt count here.
    pub(super) counting: TokenCounting,
}

/// Calls and their tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UsageSum {
    pub(super) calls: u64,
    pub(super) prompt: u64,
    /// Of the prompt tokens, those found in a prefix cache.
    pub(super) cached: u64,
    pub(super) completion: u64,
}

/// The latency of the jobs that succeeded, by phase, summed in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LatencySums {
    pub(super) queue: u128,
    pub(super) wait: u128,
    pub(super) failed_attempts: u128,
    pub(super) first_token: u128,
    pub(super) output: u128,
}

/// Failed attempts that no limit explains.
#[derive(Clone, Debug)]
pub(super) struct FailureCounts {
    /// By HTTP status.
    pub(super) status: Vec<u64>,
    pub(super) connection: u64,
    pub(super) timeout: u64,
    pub(super) garbage: u64,
    pub(super) abandoned: u64,
    /// Calls too long for the model.
    pub(super) too_long: u64,
    /// Faults that the client reads as a refusal, except for an overload of the provider.
    pub(super) rate_limit_error: u64,
    /// Faults that the client reads as an overload of the provider.
    pub(super) overload: u64,
    /// In the order of [`LocalFailure::ALL`].
    pub(super) local: [u64; LocalFailure::ALL.len()],
}

/// The first refusal by a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) at: Instant,
    pub(super) target: TargetId,
    /// The index of its counter in the `limited_by` of [`TargetCounts`].
    pub(super) by: usize,
}

impl WorkloadCounts {
    pub(super) fn new(workload: &Workload, targets: usize, duration: Nanos) -> Self {
        Self {
            offered: 0,
            succeeded: 0,
            cut: 0,
            failed: [0; REASONS.len()],
            shed: [0; REASONS.len()],
            in_flight: 0,
            attempts: 0,
            refused: 0,
            hedges: HedgeCounts::default(),
            waited: 0,
            settled: vec![UsageSum::default(); targets],
            batch: BatchProgress::of(workload, duration),
            unqueued: Histogram::of_run(),
            unqueued_whole: Histogram::of_run(),
            tasks: TaskCounts::default(),
            latency: Histogram::of_run(),
        }
    }
}

impl TargetCounts {
    pub(super) fn new(target: &Target) -> Self {
        Self {
            sent: 0,
            ok: 0,
            failed: 0,
            limited_by: [0; REFUSALS],
            cool_downs: 0,
            given_up_for: [0; AXES],
            replied: UsageSum::default(),
            settled: UsageSum::default(),
            decided: 0,
            admitted: 0,
            reserved: 0,
            admitted_at: 0,
            settled_at: 0,
            peak: [0.0; AXES],
            most_used: [None; AXES],
            limits: [(0.0, 0); AXES],
            counting: target.counting,
        }
    }
}

impl UsageSum {
    pub(super) fn add(&mut self, usage: Usage) {
        self.calls += 1;
        self.prompt += u64::from(usage.prompt_tokens);
        self.cached += u64::from(usage.cached_tokens);
        self.completion += u64::from(usage.completion_tokens);
    }

    /// Returns what it costs, in USD.
    pub(super) fn usd(&self, price: &Price) -> f64 {
        price.usd_of(self.prompt - self.cached, self.cached, self.completion)
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.calls += other.calls;
        self.prompt += other.prompt;
        self.cached += other.cached;
        self.completion += other.completion;
    }
}

impl FailureCounts {
    pub(super) fn new() -> Self {
        Self {
            status: vec![0; STATUSES],
            connection: 0,
            timeout: 0,
            garbage: 0,
            abandoned: 0,
            too_long: 0,
            rate_limit_error: 0,
            overload: 0,
            local: [0; LocalFailure::ALL.len()],
        }
    }

    /// Counts a fault that the client reads as a refusal for this cause.
    pub(super) fn count_faulted(&mut self, cause: RefusalCause) {
        match cause {
            RefusalCause::Overload => self.overload += 1,
            _ => self.rate_limit_error += 1,
        }
    }

    pub(super) fn count(&mut self, failure: AttemptFailure) {
        match failure {
            AttemptFailure::Status(status) => self.status[usize::from(status).min(STATUSES - 1)] += 1,
            AttemptFailure::Connection => self.connection += 1,
            AttemptFailure::Timeout => self.timeout += 1,
            AttemptFailure::Garbage => self.garbage += 1,
            AttemptFailure::Local(local) => self.local[local as usize] += 1,
        }
    }
}

//! The bare loop with which the benchmark compares the simulation: the minimum that any simulation of this traffic must do.
//!
//! It has the same jobs from the same schedule, a heap of completions and retries, and a bucket of 64-bit integers per limit.
//! The first target with room on every axis admits a job; it is then completed. If no target has room, the job is retried half
//! a second later. There is no engine, no quota estimate, no deadline, no event and no recording; of the provider model only
//! the sampler of the service time.

use provider::config::{Latency, Limit};
use provider::{Axis, Truth, Usage};
use quotalab::load::Load;
use quotalab::scenario::Scenario;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The delay of a retry if no target has room, in nanoseconds.
const RETRY_DELAY: u64 = 500_000_000;

/// Runs the traffic of `scenario` over all its targets, in their order. Returns the number of completed jobs.
pub(crate) fn run(scenario: &Scenario) -> u64 {
    let max_tokens = scenario.workloads[0].max_tokens.expect("invariant: the workload has max_tokens");
    let mut targets: Vec<Target> =
        scenario.targets.iter().map(|target| Target::new(scenario, target)).collect();
    let mut load = Load::new(scenario);
    // The instant, the index of the target (one past the last for a retry), and the job.
    let mut events: BinaryHeap<Reverse<(u64, usize, Job)>> = BinaryHeap::new();
    let mut jobs = 0;
    loop {
        let next = events.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
        let arrival = load.peek().map_or(u64::MAX, |at| at.0);
        let (now, job) = if next <= arrival {
            let Some(Reverse((now, target, job))) = events.pop() else {
                return jobs;
            };
            if let Some(target) = targets.get_mut(target) {
                target.settle(max_tokens, job);
                jobs += 1;
                continue;
            }
            (now, job)
        } else {
            let Truth { prompt_tokens, completion_tokens, draw, .. } =
                load.next().expect("invariant: an arrival is due").truth;
            (arrival, Job { prompt_tokens, completion_tokens: completion_tokens.min(max_tokens), draw })
        };
        let requested =
            Usage { prompt_tokens: job.prompt_tokens, completion_tokens: max_tokens, cached_tokens: 0 };
        let room = targets.iter_mut().position(|target| target.admit(now, requested));
        let delay = room.map_or(RETRY_DELAY, |target| targets[target].service_nanos(job));
        events.push(Reverse((now + delay, room.unwrap_or(targets.len()), job)));
    }
}

/// The usage of a job, and the key of its random stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    prompt_tokens: u32,
    completion_tokens: u32,
    draw: u64,
}

/// A target: its buckets and its latency.
struct Target {
    buckets: Vec<Bucket>,
    latency: Latency,
}

impl Target {
    fn new(scenario: &Scenario, target: &quotalab::scenario::Target) -> Self {
        let model = &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
        Self { buckets: model.limits.iter().map(Bucket::new).collect(), latency: model.latency.clone() }
    }

    /// Charges every bucket if all have room; otherwise charges none and returns `false`.
    fn admit(&mut self, now: u64, requested: Usage) -> bool {
        let room = self.buckets.iter_mut().all(|bucket| bucket.level(now) >= bucket.cost(requested));
        if room {
            self.buckets.iter_mut().for_each(|bucket| bucket.level -= bucket.cost(requested));
        }
        room
    }

    /// Refunds the tokens that were reserved and not used.
    fn settle(&mut self, max_tokens: u32, used: Job) {
        let unused = Usage {
            prompt_tokens: 0,
            completion_tokens: max_tokens - used.completion_tokens,
            cached_tokens: 0,
        };
        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.counts_tokens) {
            bucket.level += bucket.cost(unused);
        }
    }

    /// Returns the service time in nanoseconds.
    fn service_nanos(&self, Job { prompt_tokens, completion_tokens, draw }: Job) -> u64 {
        let usage = Usage { prompt_tokens, completion_tokens, cached_tokens: 0 };
        let service_time = self.latency.service_time(
            Truth { prompt_tokens, completion_tokens, cached_tokens: 0, draw },
            usage,
            1.0,
        );
        service_time.first_token.0 + service_time.decode.0
    }
}

/// A bucket with a unit that makes both the refill per nanosecond and the cost of a token whole numbers.
struct Bucket {
    counts_tokens: bool,
    level: i64,
    capacity: i64,
    /// The refill per nanosecond, in the bucket's unit.
    per_nano: i64,
    /// The cost of a token, or of a request if the limit counts requests, in the bucket's unit.
    cost_of_one: i64,
    refilled_at: u64,
}

impl Bucket {
    fn new(limit: &Limit) -> Self {
        let window = limit.axis.window_length().expect("invariant: every limit has a window").0;
        let divides = "invariant: a limit divides its window, or the reverse";
        let (per_nano, per_unit) =
            if limit.amount <= window { (1, window / limit.amount) } else { (limit.amount / window, 1) };
        assert_eq!(limit.amount * per_unit, window * per_nano, "{divides}");
        let signed = |number: u64| {
            i64::try_from(number).expect("invariant: an amount in the bucket's unit fits in 63 bits")
        };
        let capacity = signed(limit.burst * per_unit);
        let (per_nano, cost_of_one) = (signed(per_nano), signed(per_unit));
        let counts_tokens = matches!(limit.axis, Axis::Tpm | Axis::Tpd);
        Self { counts_tokens, level: capacity, capacity, per_nano, cost_of_one, refilled_at: 0 }
    }

    /// Refills the bucket up to `now` and returns its level.
    fn level(&mut self, now: u64) -> i64 {
        self.level = (self.level + (now - self.refilled_at) as i64 * self.per_nano).min(self.capacity);
        self.refilled_at = now;
        self.level
    }

    /// Returns the cost of a request with this usage, in the bucket's unit.
    fn cost(&self, usage: Usage) -> i64 {
        self.cost_of_one * if self.counts_tokens { usage.total() as i64 } else { 1 }
    }
}

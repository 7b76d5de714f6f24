//! The yardstick: the least that any simulation of this traffic has to do, and nothing else.
//!
//! The same jobs from the same schedule, a heap of completions, and a bucket of plain 64-bit numbers per limit: a job
//! is admitted by the first target that has room on every axis, and completed; where none has room it comes again
//! half a second later. No engine, no beliefs, no deadlines, no provider's words, no events, no recording.

use provider::config::{Latency, Limit};
use provider::{Axis, Truth, Usage};
use quotalab::load::Load;
use quotalab::scenario::Scenario;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// When a job comes again that found no room, in nanoseconds.
const AGAIN: u64 = 500_000_000;

/// Runs the traffic of `plan` over all its targets, in their order; returns how many jobs were completed.
pub(crate) fn run(scenario: &Scenario) -> u64 {
    let max_tokens = scenario.workloads[0].max_tokens.expect("the bench's jobs are bounded");
    let mut targets: Vec<Target> =
        scenario.targets.iter().map(|target| Target::new(scenario, target)).collect();
    let mut load = Load::new(scenario);
    // When, the place of the target (one past the last: none), and the job.
    let mut agenda: BinaryHeap<Reverse<(u64, usize, Job)>> = BinaryHeap::new();
    let mut jobs = 0;
    loop {
        let next = agenda.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
        let arrival = load.peek().map_or(u64::MAX, |at| at.0);
        let (now, job) = if next <= arrival {
            let Some(Reverse((now, place, job))) = agenda.pop() else {
                return jobs;
            };
            if let Some(target) = targets.get_mut(place) {
                target.settle(max_tokens, job);
                jobs += 1;
                continue;
            }
            (now, job)
        } else {
            let Truth { prompt_tokens, completion_tokens, draw, .. } =
                load.next().expect("an arrival is due").truth;
            (arrival, Job { prompt_tokens, completion_tokens: completion_tokens.min(max_tokens), draw })
        };
        let asked =
            Usage { prompt_tokens: job.prompt_tokens, completion_tokens: max_tokens, cached_tokens: 0 };
        let room = targets.iter_mut().position(|target| target.admits(now, asked));
        let after = room.map_or(AGAIN, |place| targets[place].service(job));
        agenda.push(Reverse((now + after, room.unwrap_or(targets.len()), job)));
    }
}

/// What a job uses, and the key of its luck.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    prompt_tokens: u32,
    completion_tokens: u32,
    draw: u64,
}

/// A target: its buckets, and how long it takes.
struct Target {
    buckets: Vec<Bucket>,
    latency: Latency,
}

impl Target {
    fn new(scenario: &Scenario, target: &quotalab::scenario::Target) -> Self {
        let model = &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
        Self { buckets: model.limits.iter().map(Bucket::new).collect(), latency: model.latency.clone() }
    }

    /// Charges every bucket, or none.
    fn admits(&mut self, now: u64, asked: Usage) -> bool {
        let room = self.buckets.iter_mut().all(|bucket| bucket.level(now) >= bucket.price(asked));
        if room {
            self.buckets.iter_mut().for_each(|bucket| bucket.level -= bucket.price(asked));
        }
        room
    }

    /// Gives back what was reserved and not used.
    fn settle(&mut self, max_tokens: u32, used: Job) {
        let unused = Usage {
            prompt_tokens: 0,
            completion_tokens: max_tokens - used.completion_tokens,
            cached_tokens: 0,
        };
        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.counts_tokens) {
            bucket.level += bucket.price(unused);
        }
    }

    fn service(&self, Job { prompt_tokens, completion_tokens, draw }: Job) -> u64 {
        let usage = Usage { prompt_tokens, completion_tokens, cached_tokens: 0 };
        let stretch = self.latency.service_time(
            Truth { prompt_tokens, completion_tokens, cached_tokens: 0, draw },
            usage,
            1.0,
        );
        stretch.first_token.0 + stretch.decode.0
    }
}

/// A bucket in units of which a nanosecond earns a whole number: a limit ÷ window of whole numbers.
struct Bucket {
    counts_tokens: bool,
    level: i64,
    full: i64,
    per_nano: i64,
    per_unit: i64,
    at: u64,
}

impl Bucket {
    fn new(limit: &Limit) -> Self {
        let window = limit.axis.window().expect("the bench's limits have windows").0;
        let whole = "the bench's limits are whole fractions of their windows";
        let (per_nano, per_unit) =
            if limit.limit <= window { (1, window / limit.limit) } else { (limit.limit / window, 1) };
        assert_eq!(limit.limit * per_unit, window * per_nano, "{whole}");
        let signed = |number: u64| i64::try_from(number).expect(whole);
        let (per_nano, per_unit, full) = (signed(per_nano), signed(per_unit), signed(limit.burst * per_unit));
        let counts_tokens = matches!(limit.axis, Axis::Tpm | Axis::Tpd);
        Self { counts_tokens, level: full, full, per_nano, per_unit, at: 0 }
    }

    /// What is left, now.
    fn level(&mut self, now: u64) -> i64 {
        self.level = (self.level + (now - self.at) as i64 * self.per_nano).min(self.full);
        self.at = now;
        self.level
    }

    fn price(&self, asked: Usage) -> i64 {
        self.per_unit * if self.counts_tokens { asked.total() as i64 } else { 1 }
    }
}

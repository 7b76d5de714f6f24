//! The yardstick: the least that any simulation of this traffic has to do, and nothing else.
//!
//! A heap of completions, the same samplers, and a bucket of plain 64-bit numbers per limit: a job is drawn,
//! admitted by the first target that has room on every axis, and completed; where none has room it comes again
//! half a second later. No engine, no beliefs, no deadlines, no provider's words, no events, no recording.

use provider::config::{Latency, Limit, Service};
use provider::dist::Dist;
use provider::{Axis, Stream, Usage};
use quotalab::scenario::{Arrivals, Plan};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// When a job comes again that found no room, in nanoseconds.
const AGAIN: u64 = 500_000_000;

/// Runs the first workload of `plan` over all its targets, in their order; returns how many jobs were completed.
pub(crate) fn run(plan: &Plan) -> u64 {
    let workload = &plan.workloads[0];
    let Arrivals::Poisson(rate) = workload.arrivals else {
        unreachable!("the bench's arrivals are memoryless")
    };
    let max_tokens = workload.max_tokens.expect("the bench's jobs are bounded");
    let mut targets: Vec<Target> = plan.targets.iter().map(|target| Target::new(plan, target)).collect();
    let [mut gaps, mut prompts, mut completions, mut services] =
        ["gap", "prompt", "completion", "service"].map(|label| Stream::new(plan.seed, label, 0));
    let mut gap = || nanos(Dist::Exponential(1.0 / rate).sample(&mut gaps));
    // When, the place of the target (one past the last: none), and the job's tokens.
    let mut agenda: BinaryHeap<Reverse<(u64, usize, u32, u32)>> = BinaryHeap::new();
    let (mut arrival, mut jobs) = (gap(), 0);
    loop {
        let next = agenda.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
        let (now, job) = if next <= arrival {
            let Some(Reverse((now, place, prompt_tokens, completion_tokens))) = agenda.pop() else {
                return jobs;
            };
            let used = Usage { prompt_tokens, completion_tokens };
            if let Some(target) = targets.get_mut(place) {
                target.settle(max_tokens, used);
                jobs += 1;
                continue;
            }
            (now, used)
        } else {
            let prompt_tokens = tokens(workload.prompt.sample(&mut prompts));
            let completion_tokens = tokens(workload.completion.sample(&mut completions)).min(max_tokens);
            let now = arrival;
            arrival = Some(now + gap()).filter(|at| *at < plan.duration.0).unwrap_or(u64::MAX);
            (now, Usage { prompt_tokens, completion_tokens })
        };
        let asked = Usage { completion_tokens: max_tokens, ..job };
        let room = targets.iter_mut().position(|target| target.admits(now, asked));
        let after = room.map_or(AGAIN, |place| targets[place].service(job, &mut services));
        agenda.push(Reverse((
            now + after,
            room.unwrap_or(targets.len()),
            job.prompt_tokens,
            job.completion_tokens,
        )));
    }
}

/// A target: its buckets, and how long it takes.
struct Target {
    buckets: Vec<Bucket>,
    first_token: Dist,
    output: f64,
}

impl Target {
    fn new(plan: &Plan, target: &quotalab::scenario::Target) -> Self {
        let model = &plan.providers[usize::from(target.provider)].models[usize::from(target.model)];
        let Latency { service: Service::Split { first_token, output, .. }, .. } = &model.latency else {
            unreachable!("the bench's targets write token by token")
        };
        let buckets = model.limits.iter().map(Bucket::new).collect();
        Self { buckets, first_token: first_token.clone(), output: *output }
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
    fn settle(&mut self, max_tokens: u32, used: Usage) {
        let unused = Usage { prompt_tokens: 0, completion_tokens: max_tokens - used.completion_tokens };
        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.counts_tokens) {
            bucket.level += bucket.price(unused);
        }
    }

    fn service(&self, job: Usage, stream: &mut Stream) -> u64 {
        let rest = f64::from(job.completion_tokens - 1) / self.output;
        nanos(self.first_token.sample(stream) + rest)
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

fn nanos(seconds: f64) -> u64 {
    provider::Nanos::from_secs_f64(seconds).0
}

fn tokens(drawn: f64) -> u32 {
    drawn.max(1.0) as u32
}

//! Arrivals: the jobs of every workload of a scenario, lazily, in order, and without drift.
//!
//! Each workload has a process that says when its next job comes and a recipe for what that job asks;
//! [`Load`] merges them by instant, then by the order of the workloads. Nothing is kept per job, so a
//! day of millions of jobs needs the memory of one; only a planner's many runs share what they asked ([`SampleCache`]).
//!
//! ```text
//!  workload ─▶ process (when: rates, bursts, users, trace) ─┐
//!           └▶ asks    (what: fingerprint, sizes)           ├─▶ Load::next ─▶ Arrival { Job, Truth }
//!  workload ─▶ …                                           ─┘       ▲
//!                                          Load::finished ──────────┘ a user of a closed workload thinks, then asks again
//! ```
//!
//! Chance is keyed by seed, workload and the number of the job within its workload. So a change to the
//! sizes of a workload moves no arrival, a change to one workload moves nothing in another, and the n-th
//! job meets the same luck under every policy.

#[cfg(test)]
mod laws;
mod process;
mod requests;
mod sample_cache;
mod zipf;

use crate::ids::{ClassId, JobId, RouteId};
use crate::job::{Arrival, Job};
use crate::scenario::{Scenario, Workload};
use process::Process;
use provider::{Instant, Truth};
use requests::{RequestSampler, RequestSpec};
pub use sample_cache::SampleCache;
use std::sync::Arc;

/// The schedule of a scenario.
#[derive(Clone, Debug)]
pub struct Load {
    sources: Vec<Source>,
    /// The next arrival of each source, at the same index; [`Instant::MAX`] where none is scheduled.
    heads: Vec<Instant>,
    /// Where in `heads` the earliest stands.
    first: Option<usize>,
    /// Jobs arrive before it.
    end: Instant,
    jobs: u64,
}

#[derive(Clone, Debug)]
struct Source {
    process: Process,
    asks: RequestSampler,
    /// What the first jobs ask, where another run of the same traffic drew it already.
    drawn: Arc<[RequestSpec]>,
    class: ClassId,
    route: RouteId,
    max_tokens: Option<u32>,
    jobs: u64,
}

impl Load {
    /// The schedule of every workload of `scenario`, from its beginning.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self::of(scenario, |_, _| Arc::default())
    }

    /// The same schedule, which reads what its jobs ask from `drawn` as far as that goes.
    #[must_use]
    pub fn reading(scenario: &Scenario, drawn: &SampleCache) -> Self {
        Self::of(scenario, |asks, workload| drawn.of(asks, workload, scenario.duration))
    }

    fn of(scenario: &Scenario, drawn: impl Fn(&RequestSampler, &Workload) -> Arc<[RequestSpec]>) -> Self {
        let source = |(class, workload)| Source::new(scenario, ClassId(class), workload, &drawn);
        let sources: Vec<Source> = (0..).zip(&scenario.workloads).map(source).collect();
        let heads = vec![Instant::MAX; sources.len()];
        let mut load = Self { sources, heads, first: None, end: Instant::ZERO + scenario.duration, jobs: 0 };
        for index in 0..load.sources.len() {
            load.look(index);
        }
        load
    }

    /// When the next job comes. `None` where none is scheduled; the users of a closed workload may
    /// still schedule more once [`Self::finished`] is told of an end.
    #[must_use]
    pub fn peek(&self) -> Option<Instant> {
        self.first.map(|index| self.heads[index])
    }

    /// The next job. Instants never run back, and jobs are numbered in this order.
    #[expect(clippy::should_implement_trait, reason = "a load that has run dry may go on: not an iterator")]
    pub fn next(&mut self) -> Option<Arrival> {
        let index = self.first?;
        let arrival = self.sources[index].arrival(JobId(self.jobs), self.heads[index]);
        self.jobs += 1;
        self.sources[index].process.advance();
        self.look(index);
        Some(arrival)
    }

    /// Says that a job of `class` ended at `now`, well or not: where the workload is closed, its user
    /// thinks and asks again. Nothing happens for any other.
    pub fn finished(&mut self, now: Instant, class: ClassId) {
        if self.sources[class.index()].process.finished(now) {
            self.look(class.index());
        }
    }

    /// Looks again at one source, and which is the earliest of all: a scan, since workloads are few and
    /// their heads lie side by side. The first of equals wins.
    fn look(&mut self, index: usize) {
        let next = self.sources[index].process.peek().filter(|at| *at < self.end);
        self.heads[index] = next.unwrap_or(Instant::MAX);
        let earliest = (0..).zip(&self.heads).min_by_key(|(_, at)| **at);
        self.first = earliest.filter(|(_, at)| **at < Instant::MAX).map(|(index, _)| index);
    }
}

impl Source {
    fn new(
        scenario: &Scenario,
        class: ClassId,
        workload: &Workload,
        drawn: impl Fn(&RequestSampler, &Workload) -> Arc<[RequestSpec]>,
    ) -> Self {
        let asks = RequestSampler::new(scenario.seed, class, workload);
        Self {
            process: Process::new(scenario.seed, class, workload, scenario.duration),
            drawn: drawn(&asks, workload),
            asks,
            class,
            route: workload.route,
            max_tokens: workload.max_tokens,
            jobs: 0,
        }
    }

    fn arrival(&mut self, id: JobId, scheduled: Instant) -> Arrival {
        let known = usize::try_from(self.jobs).ok().and_then(|number| self.drawn.get(number));
        let ask = known.copied().unwrap_or_else(|| self.asks.of(self.jobs));
        self.jobs += 1;
        let job = Job {
            id,
            class: self.class,
            route: self.route,
            scheduled,
            deadline: None,
            // A client can count the tokens of its own prompt: the estimate is the truth.
            prompt_tokens: ask.prompt_tokens,
            max_tokens: self.max_tokens,
            fingerprint: ask.fingerprint,
        };
        let truth = Truth {
            prompt_tokens: ask.prompt_tokens,
            completion_tokens: ask.completion_tokens,
            cached_tokens: ask.cached_tokens,
            draw: ask.draw,
        };
        Arrival { job, truth }
    }
}

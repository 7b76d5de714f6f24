//! Generates the arrivals of a scenario: the jobs of every workload, lazily and in order.
//!
//! Each workload has a process that gives the instants of its jobs, and a sampler that gives their requests. [`Load`]
//! merges the workloads by instant, then by their order in the scenario. Memory is constant in the number of jobs; only
//! the runs of a planner keep sampled requests, up to a bound, and share them ([`SampleCache`]).
//!
//! ```text
//!  workload ─▶ process   (instants: rates, bursts, users, trace) ─┐
//!           └▶ requests  (fingerprint, sizes)                     ├─▶ Load::next ─▶ Arrival { Job, Truth }
//!  workload ─▶ …                                                 ─┘       ▲
//!                                                Load::finished ──────────┘ (closed workloads: think, then send again)
//! ```
//!
//! Invariant: random streams are keyed by the seed, the workload and, except for those of the arrivals, the number of the job
//! within its workload or the rank of the popular prompt that it repeats. In an open workload a change to the sizes moves no
//! arrival, and a change to another workload changes nothing. The n-th job of any workload has the same sizes and the same
//! random stream of the provider under every policy.

mod estimate;
mod gaps;
#[cfg(test)]
mod laws;
mod process;
mod requests;
mod sample_cache;
mod zipf;

pub use sample_cache::SampleCache;

use crate::ids::{EngineId, JobId, RouteId, WorkloadId};
use crate::job::{Arrival, Job, Priority};
use crate::scenario::{Scenario, Workload};
use estimate::Estimator;
use process::Process;
use provider::{Instant, Truth};
use requests::{RequestSampler, RequestSpec};
use std::sync::Arc;

/// The arrivals of a scenario.
#[derive(Clone, Debug)]
pub struct Load {
    sources: Vec<Source>,
    /// The next arrival of each source, by index; [`Instant::MAX`] if none is scheduled before `end`.
    next_at: Vec<Instant>,
    /// The source of the earliest arrival; `None` if no source has one.
    first: Option<usize>,
    /// The end of the run; no job arrives at or after it.
    end: Instant,
    /// The number of jobs returned so far, which is the number of the next one.
    jobs: u64,
}

/// The arrivals of one workload.
#[derive(Clone, Debug)]
struct Source {
    process: Process,
    sampler: RequestSampler,
    /// The requests of the first jobs, if they are cached; empty otherwise.
    samples: Arc<[RequestSpec]>,
    workload: WorkloadId,
    route: RouteId,
    /// The first engine of the workload's client, and the number of its engines.
    engines: (EngineId, u16),
    max_tokens: Option<u32>,
    estimator: Estimator,
    priority: Priority,
    /// The number of jobs of the workload returned so far, which is the number of its next one.
    jobs: u64,
}

impl Load {
    /// Returns the arrivals of every workload of `scenario`.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self::with_samples(scenario, |_, _| Arc::default())
    }

    /// Returns the same arrivals as [`Self::new`], with the requests read from `cache` as far as it holds them.
    #[must_use]
    pub fn with_cache(scenario: &Scenario, cache: &SampleCache) -> Self {
        Self::with_samples(scenario, |sampler, workload| cache.samples(sampler, workload, scenario.duration))
    }

    fn with_samples(
        scenario: &Scenario,
        samples: impl Fn(&RequestSampler, &Workload) -> Arc<[RequestSpec]>,
    ) -> Self {
        let source = |(id, workload)| Source::new(scenario, WorkloadId(id), workload, &samples);
        let sources: Vec<Source> = (0..).zip(&scenario.workloads).map(source).collect();
        let next_at = vec![Instant::MAX; sources.len()];
        let end = Instant::ZERO + scenario.duration;
        let mut load = Self { sources, next_at, first: None, end, jobs: 0 };
        for index in 0..load.sources.len() {
            load.refresh(index);
        }
        load
    }

    /// Returns the instant of the next job, or `None` if none is scheduled before the end of the run. The users of a closed
    /// workload schedule their next job when [`Self::finished`] is called.
    #[must_use]
    pub fn peek(&self) -> Option<Instant> {
        self.first.map(|index| self.next_at[index])
    }

    /// Returns the next job. Instants never decrease, and jobs are numbered in this order.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: it can return jobs after None")]
    pub fn next(&mut self) -> Option<Arrival> {
        let index = self.first?;
        let arrival = self.sources[index].arrival(JobId(self.jobs), self.next_at[index]);
        self.jobs += 1;
        self.sources[index].process.advance();
        self.refresh(index);
        Some(arrival)
    }

    /// Records that a job of `workload` ended at `now`, with or without success. In a closed workload this schedules
    /// the user's next job after a think time; in an open workload it has no effect.
    pub fn finished(&mut self, now: Instant, workload: WorkloadId) {
        if self.sources[workload.index()].process.finished(now) {
            self.refresh(workload.index());
        }
    }

    /// Updates the next arrival of one source and the earliest of all. Of equal instants, the first source counts. The
    /// scan is linear, since workloads are few and their instants are adjacent in memory.
    fn refresh(&mut self, index: usize) {
        let next = self.sources[index].process.peek().filter(|at| *at < self.end);
        self.next_at[index] = next.unwrap_or(Instant::MAX);
        let earliest = (0..).zip(&self.next_at).min_by_key(|(_, at)| **at);
        self.first = earliest.filter(|(_, at)| **at < Instant::MAX).map(|(index, _)| index);
    }
}

impl Source {
    fn new(
        scenario: &Scenario,
        id: WorkloadId,
        workload: &Workload,
        samples: impl Fn(&RequestSampler, &Workload) -> Arc<[RequestSpec]>,
    ) -> Self {
        let sampler = RequestSampler::new(scenario.seed, id, workload);
        Self {
            process: Process::new(scenario.seed, id, workload, scenario.duration),
            samples: samples(&sampler, workload),
            sampler,
            workload: id,
            route: workload.route,
            engines: scenario.engines_of(workload),
            max_tokens: workload.max_tokens,
            estimator: Estimator::new(scenario.seed, scenario.client_of(workload).estimate),
            priority: workload.priority,
            jobs: 0,
        }
    }

    fn arrival(&mut self, id: JobId, scheduled: Instant) -> Arrival {
        let cached = usize::try_from(self.jobs).ok().and_then(|number| self.samples.get(number));
        let request = cached.copied().unwrap_or_else(|| self.sampler.sample(self.jobs));
        let (EngineId(first), engines) = self.engines;
        let engine = EngineId(first + (self.jobs % u64::from(engines)) as u16);
        self.jobs += 1;
        let job = Job {
            id,
            workload: self.workload,
            engine,
            route: self.route,
            scheduled,
            priority: self.priority,
            deadline: None,
            prompt_tokens: self.estimator.estimate(request.prompt_tokens, request.fingerprint),
            max_tokens: self.max_tokens,
            fingerprint: request.fingerprint,
        };
        let truth = Truth {
            prompt_tokens: request.prompt_tokens,
            completion_tokens: request.completion_tokens,
            cached_tokens: request.cached_tokens,
            draw: request.draw,
        };
        Arrival { job, truth }
    }
}

//! Generates the arrivals of a scenario: the jobs of every workload, lazily and in order.
//!
//! Each workload has a process that gives the instants of its jobs, and a sampler that gives their requests. [`Load`]
//! merges the workloads by instant, then by their order in the scenario. Memory is constant in the number of jobs; only
//! the runs of a planner keep sampled requests, up to a bound, and share them ([`SampleCache`]).
//!
//! ```text
//!  workload ─▶ process   (instants: rates, bursts, users, trace) ─┐
//!           └▶ requests  (fingerprint, sizes)                     ├─▶ Load::next ─▶ Arrival { Job, Truth }
//!  workload ─▶ sessions  (calls that depend on each other)       ─┘       ▲
//!                                                Load::finished ──────────┘ (closed workloads: think, then send again;
//!                                                                            sessions: the next call)
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
#[cfg(test)]
mod session_laws;
mod session_script;
#[cfg(test)]
mod session_trace_laws;
mod sessions;
mod zipf;

pub use sample_cache::SampleCache;

use crate::event::{JobOutcome, TaskEvent};
use crate::ids::{EngineId, FlowId, JobId, RouteId, WorkloadId};
use crate::job::{Arrival, Job, Priority};
use crate::scenario::{Scenario, Workload};
use estimate::Estimator;
use process::Process;
use provider::{Instant, Nanos, Truth};
use requests::{RequestSampler, RequestSpec};
use sessions::{Call, SessionLoad};
use std::sync::Arc;

/// The arrivals of a scenario.
#[derive(Clone, Debug)]
pub struct Load {
    sources: Vec<Source>,
    /// The next arrival of each source, by index; [`Instant::MAX`] if none is scheduled before `end`.
    next_at: Vec<Instant>,
    /// The source of the earliest arrival; `None` if no source has one.
    first: Option<usize>,
    /// The end of the run; no job arrives at or after it, except in tasks that have begun.
    end: Instant,
    /// The number of jobs returned so far, which is the number of the next one.
    jobs: u64,
}

/// The arrivals of one workload.
#[derive(Clone, Debug)]
struct Source {
    calls: Calls,
    /// The number of jobs returned so far, which is the number of the next one.
    jobs: u64,
    workload: WorkloadId,
    route: RouteId,
    /// The first engine of the workload's client, and the number of its engines. Jobs are assigned to them in turn, in order of arrival: the
    /// calls of one session do not all go to one engine.
    engines: (EngineId, u16),
    max_tokens: Option<u32>,
    estimator: Estimator,
    priority: Priority,
    /// The deadline of the client, from the arrival of a job.
    client_deadline: Nanos,
}

/// Where the jobs of a workload come from.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one per workload")]
enum Calls {
    /// Jobs that do not depend on each other, except for the users of a closed workload.
    Independent {
        process: Process,
        sampler: RequestSampler,
        /// The requests of the first jobs, if they are cached; empty otherwise.
        samples: Arc<[RequestSpec]>,
    },
    /// The calls of sessions.
    Sessions(Box<SessionLoad>),
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

    /// Returns the next job. Instants never decrease, and jobs are numbered in this order. `None` if no job is scheduled, or if
    /// the task of a session ended instead, because its user left while a tool ran.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: it can return jobs after None")]
    pub fn next(&mut self) -> Option<Arrival> {
        let index = self.first?;
        let arrival = self.sources[index].next(JobId(self.jobs), self.next_at[index]);
        self.jobs += u64::from(arrival.is_some());
        self.refresh(index);
        arrival
    }

    /// Records that a job of `workload` ended at `now`. `origin` is that of its [`Arrival`]. The user of a closed workload
    /// then sends the next job after a think time, and a session makes its next call; in other workloads it has no effect.
    pub fn finished(&mut self, now: Instant, workload: WorkloadId, origin: u32, outcome: JobOutcome) {
        let has_changed = match &mut self.sources[workload.index()].calls {
            Calls::Independent { process, .. } => process.finished(now),
            Calls::Sessions(sessions) => {
                sessions.finished(now, origin, outcome);
                true
            }
        };
        if has_changed {
            self.refresh(workload.index());
        }
    }

    /// Returns what has happened to a task of `workload` in [`Self::next`] or [`Self::finished`] and was not returned yet,
    /// with the job that it belongs to. A task begins before its first job is submitted.
    pub fn pop_task_event(&mut self, workload: WorkloadId) -> Option<(JobId, TaskEvent)> {
        match &mut self.sources[workload.index()].calls {
            Calls::Independent { .. } => None,
            Calls::Sessions(sessions) => sessions.pop_event(),
        }
    }

    /// Returns the workload of the next job or the next end of a task; `None` if none is scheduled.
    #[must_use]
    pub fn next_workload(&self) -> Option<WorkloadId> {
        self.first.map(|index| self.sources[index].workload)
    }

    /// Updates the next arrival of one source and the earliest of all. Of equal instants, the first source counts. The
    /// scan is linear, since workloads are few and their instants are adjacent in memory.
    fn refresh(&mut self, index: usize) {
        let next = match &self.sources[index].calls {
            Calls::Independent { process, .. } => process.peek().filter(|at| *at < self.end),
            Calls::Sessions(sessions) => sessions.peek(),
        };
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
        let process = Process::new(scenario.seed, id, workload, scenario.duration);
        let calls = match &workload.sessions {
            Some(sessions) => Calls::Sessions(Box::new(SessionLoad::new(scenario, id, sessions, process))),
            None => {
                let sampler = RequestSampler::new(scenario.seed, id, workload);
                Calls::Independent { process, samples: samples(&sampler, workload), sampler }
            }
        };
        Self {
            calls,
            jobs: 0,
            workload: id,
            route: workload.route,
            engines: scenario.engines_of(workload),
            max_tokens: workload.max_tokens,
            estimator: Estimator::new(scenario.seed, scenario.client_of(workload).estimate),
            priority: workload.priority,
            client_deadline: scenario.client_of(workload).deadline,
        }
    }

    fn next(&mut self, id: JobId, scheduled: Instant) -> Option<Arrival> {
        let Call { request, deadline, origin } = match &mut self.calls {
            Calls::Independent { process, sampler, samples } => {
                let cached = usize::try_from(self.jobs).ok().and_then(|number| samples.get(number));
                let request = cached.copied().unwrap_or_else(|| sampler.sample(self.jobs));
                process.advance();
                Call { request, deadline: Instant::MAX, origin: 0 }
            }
            Calls::Sessions(sessions) => sessions.next(id, scheduled)?,
        };
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
            flow: FlowId(self.workload.0),
            // Without a deadline of its own, a job has the client's.
            deadline: Some(deadline).filter(|deadline| *deadline < scheduled + self.client_deadline),
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
        Some(Arrival { job, truth, origin })
    }
}

//! A client that knows everything: the exact state of every limit, every fault, and the length of every answer. It sends a call only
//! if the provider will admit it and answer before the deadline, so it wastes no attempt.
//!
//! It decides greedily: jobs by priority, then by deadline, each at the first target of its route that serves it in time. A job that
//! a limit refuses is not overtaken at that target: to serve short jobs first would serve more of them, and few of the long ones.
//! It shares only the load and the provider with the simulator, and no part of the engine.

use provider::decision::{Decision, Service};
use provider::fault::ActiveFaults;
use provider::{Call, Instant, Nanos, Provider, Truth, random};
use quotalab::event::{EndReason, JobOutcome};
use quotalab::ids::{RouteId, TargetId};
use quotalab::job::{Arrival, Job};
use quotalab::load::Load;
use quotalab::scenario::Scenario;
use std::collections::BTreeSet;

/// Draws of the provider that it tries for one job at one target: as many attempts as a client may make in a row.
const MAX_DRAWS: u64 = 3;

/// The shortest time between two looks at a limit that refuses.
const MIN_WAKE: Nanos = Nanos::from_millis(1);

/// A job that has not been sent.
struct Waiting {
    job: Job,
    truth: Truth,
    origin: u32,
    deadline: Instant,
}

/// A call that the provider has admitted.
struct Running {
    job: Job,
    origin: u32,
    provider: usize,
    service: Service,
    ends_at: Instant,
}

/// The oracle in the middle of a run.
struct Oracle<'a> {
    scenario: &'a Scenario,
    load: Load,
    providers: Vec<Provider>,
    waiting: Vec<Waiting>,
    running: Vec<Running>,
    /// When incidents begin and end.
    boundaries: BTreeSet<Instant>,
    /// When quota returns first for a job that waits; [`Instant::MAX`] if for none.
    wake: Instant,
    /// The targets that have refused a job at this instant.
    closed: BTreeSet<TargetId>,
    served: u64,
}

/// Returns the number of jobs that the oracle serves before their deadlines.
pub(crate) fn served(scenario: &Scenario) -> u64 {
    let boundaries = |incident: &provider::config::Incident| [incident.at, incident.until];
    let incidents = scenario.providers.iter().flat_map(|provider| &provider.incidents);
    let mut oracle = Oracle {
        scenario,
        load: Load::new(scenario),
        providers: scenario.providers.iter().map(Provider::new).collect(),
        waiting: Vec::new(),
        running: Vec::new(),
        boundaries: incidents.flat_map(boundaries).collect(),
        wake: Instant::MAX,
        closed: BTreeSet::new(),
        served: 0,
    };
    while let Some(now) = oracle.next_instant() {
        oracle.end_calls(now);
        oracle.take_arrivals(now);
        oracle.give_up_late(now);
        oracle.send_all(now);
    }
    oracle.served
}

impl Oracle<'_> {
    fn next_instant(&mut self) -> Option<Instant> {
        let ends = self.running.iter().map(|call| call.ends_at);
        let deadlines = self.waiting.iter().map(|job| job.deadline);
        // Wakes matter only while jobs wait.
        let wakes = self.boundaries.first().copied().into_iter().chain([self.wake]);
        let wakes = wakes.filter(|at| *at < Instant::MAX && !self.waiting.is_empty());
        self.load.peek().into_iter().chain(ends).chain(deadlines).chain(wakes).min()
    }

    fn end_calls(&mut self, now: Instant) {
        while self.boundaries.first().is_some_and(|at| *at <= now) {
            self.boundaries.pop_first();
        }
        let (ended, running) =
            std::mem::take(&mut self.running).into_iter().partition(|call| call.ends_at <= now);
        self.running = running;
        let ended: Vec<Running> = ended;
        for Running { job, origin, provider, service, .. } in ended {
            let started = self.providers[provider].complete(now, &service);
            assert!(started.is_none(), "no world has server slots");
            self.served += 1;
            self.load.finished(now, job.workload, origin, JobOutcome::Succeeded);
        }
    }

    fn take_arrivals(&mut self, now: Instant) {
        while self.load.peek() == Some(now) {
            let Some(Arrival { job, truth, origin }) = self.load.next() else { continue };
            let client = self.scenario.client_of(&self.scenario.workloads[job.workload.index()]);
            let deadline = job.deadline.unwrap_or(job.scheduled + client.deadline);
            self.waiting.push(Waiting { job, truth, origin, deadline });
        }
        self.waiting.sort_by_key(|waiting| (waiting.job.priority, waiting.deadline, waiting.job.id));
    }

    fn give_up_late(&mut self, now: Instant) {
        let Self { waiting, load, .. } = self;
        waiting.retain(|waiting| {
            let is_late = waiting.deadline <= now;
            if is_late {
                let outcome = JobOutcome::Shed(EndReason::Deadline);
                load.finished(now, waiting.job.workload, waiting.origin, outcome);
            }
            !is_late
        });
    }

    fn send_all(&mut self, now: Instant) {
        self.wake = Instant::MAX;
        self.closed.clear();
        for waiting in std::mem::take(&mut self.waiting) {
            match self.send(now, &waiting) {
                Some(running) => self.running.push(running),
                None => self.waiting.push(waiting),
            }
        }
    }

    /// Sends a job to the first target that answers it in time; `None` if there is none now.
    fn send(&mut self, now: Instant, waiting: &Waiting) -> Option<Running> {
        let Waiting { job, origin, deadline, .. } = *waiting;
        let RouteId(route) = job.route;
        let steps = &self.scenario.routes[usize::from(route)].steps;
        for &id in steps.iter().flat_map(|step| &step.targets) {
            if self.closed.contains(&id) {
                continue;
            }
            if let Some(service) = self.try_target(now, id, waiting) {
                let ends_at = service.done_at().expect("no world has server slots");
                let provider = usize::from(self.scenario.targets[id.index()].provider);
                assert!(ends_at <= deadline);
                return Some(Running { job, origin, provider, service, ends_at });
            }
        }
        None
    }

    /// Sends a job to a target if the call succeeds before the deadline, in one of the draws that a client of a few attempts has.
    fn try_target(&mut self, now: Instant, id: TargetId, waiting: &Waiting) -> Option<Service> {
        let target = &self.scenario.targets[id.index()];
        let provider = &mut self.providers[usize::from(target.provider)];
        let call = Call { account: target.account, model: target.model, max_tokens: waiting.job.max_tokens };
        for number in 1..=MAX_DRAWS {
            let truth = Truth { draw: random::mix(waiting.truth.draw ^ number), ..waiting.truth };
            let mut trial = provider.clone();
            match trial.decide(now, call, truth).decision {
                Decision::Admitted(service) => {
                    if service.is_readable() && service.done_at().is_some_and(|end| end <= waiting.deadline) {
                        *provider = trial;
                        return Some(service);
                    }
                }
                Decision::Faulted(_) => {}
                Decision::TooLong(_) => return None,
                Decision::Refused(_) => {
                    // Decided again without faults, which may replace the wait that is stated.
                    let report =
                        provider.clone().decide_with_faults(now, call, 0, truth, &ActiveFaults::NONE);
                    let wait = report.wait().map_or(Instant::MAX, |wait| now + wait.max(MIN_WAKE));
                    self.wake = self.wake.min(wait);
                    self.closed.insert(id);
                    return None;
                }
            }
        }
        None
    }
}

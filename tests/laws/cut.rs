//! Cut answers from outside: a job that succeeded was cut if and only if its true completion is longer than what its
//! `max_tokens`, or without one the model that served it, allows. Events do not record the ground truth, so the load is
//! generated a second time.

use super::replayed_load::ReplayedLoad;
use provider::config::ModelConfig;
use provider::{Call, Truth};
use quotalab::event::{Event, EventKind, JobEnd, JobOutcome};
use quotalab::ids::{JobId, TargetId};
use quotalab::job::Arrival;
use quotalab::record::{Fold, Summary};
use quotalab::scenario::Scenario;
use std::collections::BTreeMap;

/// The jobs in flight, and the cut answers so far.
pub(super) struct CutAnswers {
    scenario: Scenario,
    load: ReplayedLoad,
    jobs: BTreeMap<JobId, InFlight>,
    /// The number of cut answers by workload: as the ground truth implies or, where it does not decide, as the job's end states.
    cut: Vec<u64>,
    violations: Vec<String>,
}

struct InFlight {
    truth: Truth,
    max_tokens: Option<u32>,
    /// The target of the last attempt that was sent for this job; an attempt that it took over was sent for another.
    target: Option<TargetId>,
}

impl CutAnswers {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            load: ReplayedLoad::new(scenario),
            jobs: BTreeMap::new(),
            cut: vec![0; scenario.workloads.len()],
            violations: Vec::new(),
            scenario: scenario.clone(),
        }
    }

    /// Returns the violations, including counts of the summary that contradict the ground truth.
    pub(super) fn violations(&self, summary: &Summary) -> Vec<String> {
        let counted: Vec<u64> = summary.workloads.iter().map(|workload| workload.cut).collect();
        let mut found = self.violations.clone();
        if counted != self.cut || summary.jobs.cut != self.cut.iter().sum::<u64>() {
            found.push(format!("cut answers: {:?} by the truth, {counted:?} counted", self.cut));
        }
        found
    }

    /// Returns whether the answer to a job is cut; `None` if its `max_tokens` does not decide and another job's attempt
    /// served it.
    fn expected(&self, job: &InFlight, end: &JobEnd) -> Option<bool> {
        let InFlight { truth, max_tokens, target } = *job;
        if let Some(max_tokens) = max_tokens {
            return Some(truth.completion_tokens > max_tokens);
        }
        let target = &self.scenario.targets[end.step.and(target)?.index()];
        let model = &self.scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
        Some(truth.completion_tokens > max_completion(model, truth))
    }
}

/// Returns the longest completion of a call without `max_tokens`.
fn max_completion(model: &ModelConfig, truth: Truth) -> u32 {
    let call = Call { account: 0, model: 0, max_tokens: None };
    model.lengths.completion_cap(call, truth).unwrap_or(u32::MAX)
}

impl Fold for CutAnswers {
    fn event(&mut self, event: &Event) {
        if let Some(Arrival { job, truth, .. }) = self.load.event(event) {
            self.jobs.insert(job.id, InFlight { truth, max_tokens: job.max_tokens, target: None });
        }
        match event.kind {
            EventKind::Sent { target, .. } => {
                self.jobs.get_mut(&event.job).expect("a job in flight").target = Some(target);
            }
            EventKind::Done(end) => {
                let job = self.jobs.remove(&event.job).expect("a job in flight");
                let expected = match end.outcome {
                    JobOutcome::Succeeded => self.expected(&job, &end).unwrap_or(end.cut),
                    _ => false,
                };
                self.cut[end.workload.index()] += u64::from(expected);
                if end.cut != expected {
                    self.violations
                        .push(format!("{} is cut: {}, by the truth: {expected}", event.job, end.cut));
                }
            }
            _ => {}
        }
    }
}

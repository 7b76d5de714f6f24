//! Finds workloads of which no job can be answered in time: every answer takes longer than the client waits.
//!
//! Only lower bounds of what is random are used, so that no job of such a workload is ever answered.

use super::resolved::{Arrivals, AttemptTimeout, Client, Scenario, Workload};
use super::{AnswerBound, Note};
use crate::ids::TargetId;
use crate::stats::smallest_sample;
use provider::Nanos;
use provider::config::{Fault, ServiceTimeDist};

impl Scenario {
    /// Returns a note for each workload of which no job can be answered in time.
    pub(super) fn late_answer_notes(&self) -> impl Iterator<Item = Note> + '_ {
        self.workloads.iter().filter_map(|workload| self.late_answer_note(workload))
    }

    fn late_answer_note(&self, workload: &Workload) -> Option<Note> {
        let targets = self.targets_of(workload).into_iter();
        let shortest_s = targets.map(|target| self.shortest_answer_s(workload, target)).reduce(f64::min)?;
        let (bound, length) = answer_bound(self.client_of(workload));
        (Nanos::from_secs_f64(shortest_s) > length).then(|| Note::LateAnswers {
            workload: workload.name.clone(),
            bound,
            bound_s: length.as_secs_f64(),
            shortest_s,
        })
    }

    /// Returns a lower bound of the service time of an answer of a target, in seconds. It ignores the prompt.
    fn shortest_answer_s(&self, workload: &Workload, target: TargetId) -> f64 {
        let provider = &self.providers[usize::from(self.targets[target.index()].provider)];
        let is_faster = |fault: &Fault| matches!(fault, Fault::Slow(by) | Fault::SlowTokens(by) if *by < 1.0);
        if provider.incidents.iter().any(|incident| is_faster(&incident.fault)) {
            return 0.0;
        }
        let completion = self.shortest_completion(workload, target);
        shortest_service_s(&self.model_of(target).latency.service, completion)
    }

    /// Returns a lower bound of the completion tokens of an answer of a target, at least one.
    fn shortest_completion(&self, workload: &Workload, target: TargetId) -> f64 {
        let lengths = self.model_of(target).lengths;
        // The context may cut an answer to any length.
        let is_cut_anywhere = workload.max_tokens.is_none() && lengths.context.is_some();
        let is_of_trace = matches!(workload.arrivals, Arrivals::Trace { .. });
        if is_cut_anywhere || is_of_trace || workload.sessions.is_some() {
            return 1.0;
        }
        // A draw is rounded to the nearest whole number.
        let shortest = libm::floor(smallest_sample(&workload.completion));
        let cuts = [workload.max_tokens, lengths.max_output].into_iter().flatten();
        cuts.map(f64::from).fold(shortest, f64::min).max(1.0)
    }
}

/// Returns a lower bound of the service time of an answer with at least `completion` tokens, in seconds. It ignores the prompt.
pub(crate) fn shortest_service_s(service: &ServiceTimeDist, completion: f64) -> f64 {
    match service {
        ServiceTimeDist::Total(total) => smallest_sample(total),
        ServiceTimeDist::Split { before_prefill, decode_speed, .. } => {
            smallest_sample(before_prefill) + (completion - 1.0).max(0.0) / decode_speed
        }
    }
}

/// Returns the bound of a client on the time of an answer that ends first.
fn answer_bound(client: &Client) -> (AnswerBound, Nanos) {
    let deadline = (AnswerBound::Deadline, client.deadline);
    let kind = client.attempt_timeout.map(|timeout| match timeout {
        AttemptTimeout::Length(_) => AnswerBound::AttemptTimeout,
        AttemptTimeout::ShareOfDeadline(_) => AnswerBound::ShareOfDeadline,
    });
    let attempt = kind.zip(client.attempt_timeout());
    attempt.filter(|(_, length)| *length < client.deadline).unwrap_or(deadline)
}

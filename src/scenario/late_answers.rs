//! Finds workloads of which no job can be answered in time: every answer takes longer than the client waits.
//!
//! Only lower bounds of what is random are used, so that no job of such a workload is ever answered.

use super::resolved::{Arrivals, AttemptTimeout, Client, Scenario, Workload};
use super::{AnswerBound, Note};
use crate::ids::TargetId;
use provider::Nanos;
use provider::config::{Fault, ServiceTimeDist};
use provider::dist::Dist;

impl Scenario {
    /// Returns a note for each workload of which no job can be answered in time.
    pub(super) fn late_answer_notes(&self) -> impl Iterator<Item = Note> + '_ {
        self.workloads.iter().filter_map(|workload| self.late_answer_note(workload))
    }

    fn late_answer_note(&self, workload: &Workload) -> Option<Note> {
        let targets = self.targets_of(workload).into_iter();
        let shortest_s = targets.map(|target| self.shortest_service_s(workload, target)).reduce(f64::min)?;
        let (bound, length) = answer_bound(self.client_of(workload));
        (Nanos::from_secs_f64(shortest_s) > length).then(|| Note::LateAnswers {
            workload: workload.name.clone(),
            bound,
            bound_s: length.as_secs_f64(),
            shortest_s,
        })
    }

    /// Returns a lower bound of the service time of an answer of a target, in seconds. It ignores the prompt.
    fn shortest_service_s(&self, workload: &Workload, target: TargetId) -> f64 {
        let provider = &self.providers[usize::from(self.targets[target.index()].provider)];
        let is_faster = |fault: &Fault| matches!(fault, Fault::Slow(by) | Fault::SlowTokens(by) if *by < 1.0);
        if provider.incidents.iter().any(|incident| is_faster(&incident.fault)) {
            return 0.0;
        }
        match &self.model_of(target).latency.service {
            ServiceTimeDist::Total(total) => lower_bound(total),
            ServiceTimeDist::Split { before_prefill, decode_speed, .. } => {
                let after_first = self.shortest_completion(workload, target) - 1.0;
                lower_bound(before_prefill) + after_first.max(0.0) / decode_speed
            }
        }
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
        let shortest = libm::floor(lower_bound(&workload.completion));
        let cuts = [workload.max_tokens, lengths.max_output].into_iter().flatten();
        cuts.map(f64::from).fold(shortest, f64::min).max(1.0)
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

/// Returns a value that no sample is below: that of the support, or zero if the support has no other bound.
fn lower_bound(dist: &Dist) -> f64 {
    let least = match dist {
        Dist::Constant(value) => *value,
        Dist::Uniform { min, max } => min.min(*max),
        Dist::Discrete(steps) => steps.iter().map(|(value, _)| *value).fold(f64::INFINITY, f64::min),
        Dist::LogNormal { .. } | Dist::Exponential(_) => 0.0,
    };
    if least.is_finite() { least.max(0.0) } else { 0.0 }
}

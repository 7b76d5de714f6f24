//! What the audit checks by engine: the bounds of its client, its cool-downs, and the ids of its attempts.

use crate::ids::{AttemptId, ClientId, TargetId};
use crate::scenario::Scenario;
use provider::{Instant, Nanos};

/// The bounds of an engine, and what it has done.
#[derive(Clone, Debug)]
pub(super) struct EngineAudit {
    /// The time from the scheduled arrival of a job to its deadline, unless the job has a deadline of its own.
    pub(super) deadline: Nanos,
    max_attempts: u8,
    pub(super) max_queue: u32,
    pub(super) next_attempt: u64,
    /// By target, the end of its cool-down.
    cool_down: Vec<Instant>,
}

impl EngineAudit {
    /// Returns the audits of the engines of a run, by engine.
    pub(super) fn all(scenario: &Scenario) -> Vec<Self> {
        let engine = |client: ClientId| {
            let client = &scenario.clients[client.index()];
            Self {
                deadline: client.deadline,
                max_attempts: client.retry.attempts,
                max_queue: client.queue,
                next_attempt: 0,
                cool_down: vec![Instant::ZERO; scenario.targets.len()],
            }
        };
        scenario.engines().into_iter().map(engine).collect()
    }

    /// Takes an attempt, the n-th of its job, to a target. Returns the laws that it violates, each with a description.
    pub(super) fn sent(
        &mut self,
        at: Instant,
        attempt: AttemptId,
        (target, number): (TargetId, u8),
    ) -> Vec<(u8, &'static str)> {
        let was_sent = attempt.0 < self.next_attempt;
        self.next_attempt = self.next_attempt.max(attempt.0 + 1);
        let cools_down = at < self.cool_down[target.index()];
        let violations = [
            (was_sent, 2, "the attempt was sent before"),
            (cools_down, 8, "the target's cool-down has not ended"),
            (number > self.max_attempts, 14, "more attempts than the scenario allows"),
        ];
        violations
            .into_iter()
            .filter(|(is_violated, ..)| *is_violated)
            .map(|(_, law, what)| (law, what))
            .collect()
    }

    /// Begins or extends the cool-down of a target.
    pub(super) fn cool_down(&mut self, target: TargetId, until: Instant) {
        let end = &mut self.cool_down[target.index()];
        *end = until.max(*end);
    }
}

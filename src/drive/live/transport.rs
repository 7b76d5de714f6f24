//! What carries the attempts of a live run: to mocks that report what they decide, or to an endpoint that does not.

use super::{FirstToken, Waiting};
use crate::engine::{Attempt, Reply};
use crate::event::ProviderDecision;
use crate::ids::TargetId;
use crate::job::Job;
use provider::meter::LimitLevel;
use provider::{Instant, Truth};
use std::future::Future;

/// Carries the attempts of a live run.
pub(in crate::drive) trait Transport {
    /// Returns a future that sends an attempt and returns its reply, and the decision on it if the reply states it. Nothing
    /// is sent before it is polled. `progress`: the attempt counts as waiting until the first is consumed, when the request begins; the
    /// second reports the first token of an answer that is streamed.
    fn send(
        &self,
        attempt: &Attempt,
        truth: Truth,
        progress: (Waiting, FirstToken),
    ) -> impl Future<Output = (Reply, Option<ProviderDecision>)> + Send + 'static;

    /// Returns the instant at which the decision on an attempt that is sent at `now` is due; `None` if no decisions are
    /// reported.
    fn decided_at(&self, now: Instant, attempt: &Attempt, truth: Truth) -> Option<Instant>;

    /// Returns `true` if a decision may be reported after the reply that it caused.
    fn reports_late(&self) -> bool;

    /// Returns `true` if the job that arrives next may be submitted; once it returns `false`, no further job arrives.
    fn admits(&self, now: Instant, job: &Job) -> bool;

    /// Calls `each` with the level of every limit of a target, as far as it is known.
    fn levels(&self, now: Instant, target: TargetId, each: &mut dyn FnMut(LimitLevel));
}

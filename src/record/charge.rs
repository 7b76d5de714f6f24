//! What calls are charged on each axis of a limit, by the same rule for a whole run and for each time bucket of its series.

use super::finish::charges;
use super::recorder::Recorder;
use super::series::Charged;
use crate::scenario::{Scenario, Target, family};
use provider::axis::Quantity;
use provider::config::Settlement;
use provider::{Axis, Instant};
use std::ops::Range;

/// The calls of one target over some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ChargeSum {
    /// Calls admitted.
    pub(crate) calls: u64,
    /// Tokens of their prompts, as far as they count against the limits.
    pub(crate) prompt_tokens: u64,
    /// Tokens of their completions.
    pub(crate) completion_tokens: u64,
    /// Tokens reserved at admission, if they stay charged whatever is used; `None` if the provider settles them.
    pub(crate) kept_tokens: Option<u64>,
    /// The summed time that calls were in flight, in seconds; `None` if it is not known.
    pub(crate) busy_s: Option<f64>,
}

impl ChargeSum {
    /// Returns the sum of two. Its `busy_s` is `None` unless it is known of both. Its `kept_tokens` is `None` unless one of the
    /// two has it; the other then adds its prompt and completion tokens.
    pub(crate) fn plus(self, other: Self) -> Self {
        let kept = |one: Self| one.kept_tokens.unwrap_or(one.prompt_tokens + one.completion_tokens);
        let is_kept = self.kept_tokens.is_some() || other.kept_tokens.is_some();
        Self {
            calls: self.calls + other.calls,
            prompt_tokens: self.prompt_tokens + other.prompt_tokens,
            completion_tokens: self.completion_tokens + other.completion_tokens,
            kept_tokens: is_kept.then(|| kept(self) + kept(other)),
            busy_s: self.busy_s.zip(other.busy_s).map(|(one, other)| one + other),
        }
    }

    /// Returns the units charged on an axis: calls, tokens, or seconds of calls in flight; `None` if no event reports them.
    ///
    /// If reservations stay charged, the axes of all tokens (tpm, tpd) count what was reserved. The axes of prompts or
    /// completions alone count what was used, because events report only the sum that is reserved. With
    /// [`Settlement::ChargeExcess`], the true charge may exceed the result by up to the reservation.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
    pub(crate) fn on(&self, axis: Axis) -> Option<f64> {
        let Self { calls, prompt_tokens, completion_tokens, kept_tokens, busy_s } = *self;
        Some(match axis.quantity() {
            Quantity::Requests => calls as f64,
            Quantity::Tokens => kept_tokens.unwrap_or(prompt_tokens + completion_tokens) as f64,
            Quantity::InputTokens => prompt_tokens as f64,
            Quantity::OutputTokens => completion_tokens as f64,
            Quantity::InFlight => busy_s?,
            Quantity::UncachedTokens | Quantity::AudioSeconds => return None,
        })
    }
}

impl Charged {
    /// Returns the sum over some time buckets.
    pub(crate) fn sum(&self, steps: Range<usize>) -> ChargeSum {
        let sum = |counts: &[u64]| within(counts, steps.clone()).iter().sum();
        ChargeSum {
            calls: sum(&self.calls),
            prompt_tokens: sum(&self.prompt_tokens),
            completion_tokens: sum(&self.completion_tokens),
            kept_tokens: (!self.kept_tokens.is_empty()).then(|| sum(&self.kept_tokens)),
            busy_s: (!self.busy_s.is_empty()).then(|| within(&self.busy_s, steps.clone()).iter().sum()),
        }
    }
}

/// Returns `true` if a target charges what calls reserve, whatever they use.
pub(super) fn keeps_reservations(scenario: &Scenario, target: &Target) -> bool {
    let provider = &scenario.providers[usize::from(target.provider)];
    provider.models[usize::from(target.model)].reserve.settlement == Settlement::KeepReservation
}

/// Returns the values of the time buckets `steps`. Buckets beyond the end of `values` are left out.
pub(crate) fn within<T>(values: &[T], steps: Range<usize>) -> &[T] {
    let end = steps.end.min(values.len());
    &values[steps.start.min(end)..end]
}

impl Recorder {
    /// Returns what a target and all targets that share its limits charged over the run, summed.
    pub(super) fn charges_on_limits_of(&self, target: usize, has_decisions: bool, end: Instant) -> ChargeSum {
        let each = family::members(&self.scenario, target).map(|index| {
            let keeps = keeps_reservations(&self.scenario, &self.scenario.targets[index]);
            charges(&self.targets[index], has_decisions, keeps, end)
        });
        each.reduce(ChargeSum::plus).expect("invariant: a target shares its limits at least with itself")
    }
}

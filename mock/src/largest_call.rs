//! The largest call that a model can ever admit. A larger one is refused however long its client waits.

use crate::axis::{Axis, Quantity};
use crate::config::{Estimate, Limit, ModelConfig, RefillPolicy};
use crate::length::PromptCap;

/// The longest prompt that a model can admit, and the bound on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargestPrompt {
    /// The longest prompt.
    pub cap: PromptCap,
    /// The bound; `None` if nothing bounds the prompt. [`ModelConfig::size_bounds`] states a limit even if it bounds no prompt.
    pub bound: Option<SizeBound>,
}

/// A bound on the size of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeBound {
    /// The context window, in tokens.
    Context(u32),
    /// The largest `max_tokens`.
    MaxOutput(u32),
    /// A limit, and its [`Limit::capacity`] in units.
    Limit(Axis, u64),
}

impl ModelConfig {
    /// Returns the longest prompt of a call with this `max_tokens` that no length and no limit of the model rules out.
    ///
    /// Set `may_be_cached` if a part of the prompt may be in the prefix cache. If the model does not count such tokens, its
    /// limits do not bound the length of the prompt; they may still rule out the completion or every call.
    #[must_use]
    pub fn largest_prompt(&self, max_tokens: Option<u32>, may_be_cached: bool) -> LargestPrompt {
        let bounds = self.size_bounds(max_tokens, may_be_cached);
        // Of equal caps the first is kept, so that a length is named before a limit.
        let smallest = bounds.reduce(|smallest, next| if next.cap < smallest.cap { next } else { smallest });
        smallest.expect("invariant: the lengths of a model are its first bound")
    }

    /// Returns the longest prompt under the lengths of the model, and then that under each of its limits; see
    /// [`Self::largest_prompt`].
    pub fn size_bounds(
        &self,
        max_tokens: Option<u32>,
        may_be_cached: bool,
    ) -> impl Iterator<Item = LargestPrompt> {
        let cap = self.lengths.prompt_cap(max_tokens);
        let bound = match (self.lengths.max_output, self.lengths.context) {
            (Some(limit), _) if max_tokens.is_some_and(|tokens| tokens > limit) => {
                Some(SizeBound::MaxOutput(limit))
            }
            (_, context) => context.map(SizeBound::Context),
        };
        let of_limits = move |limit: &Limit| self.largest_prompt_under(limit, max_tokens, may_be_cached);
        std::iter::once(LargestPrompt { cap, bound }).chain(self.limits.iter().map(of_limits))
    }

    fn largest_prompt_under(
        &self,
        limit: &Limit,
        max_tokens: Option<u32>,
        may_be_cached: bool,
    ) -> LargestPrompt {
        let completion = match self.reserve.estimate {
            Estimate::PromptAndMaxTokens => u64::from(self.reserve.reserved_completion(max_tokens)),
            // The reservation for recent completions is not known in advance.
            Estimate::PromptAndRecent | Estimate::Prompt | Estimate::Nothing => 0,
        };
        let counts_prompt = self.reserve.estimate != Estimate::Nothing
            && !(may_be_cached && self.reserve.cached == crate::config::CachedTokens::Free);
        let capacity = limit.capacity();
        let prompt_beside = |reserved: u64| match capacity.checked_sub(reserved) {
            None => PromptCap::NothingFits,
            Some(_) if !counts_prompt => PromptCap::Unlimited,
            Some(left) => u32::try_from(left).map_or(PromptCap::Unlimited, PromptCap::Tokens),
        };
        let cap = match limit.axis.quantity() {
            Quantity::Tokens => prompt_beside(completion),
            Quantity::InputTokens | Quantity::UncachedTokens => prompt_beside(0),
            Quantity::OutputTokens if completion > capacity => PromptCap::NothingFits,
            Quantity::Requests | Quantity::InFlight if capacity == 0 => PromptCap::NothingFits,
            Quantity::Requests | Quantity::InFlight | Quantity::OutputTokens | Quantity::AudioSeconds => {
                PromptCap::Unlimited
            }
        };
        LargestPrompt { cap, bound: Some(SizeBound::Limit(limit.axis, capacity)) }
    }
}

impl Limit {
    /// Returns the most units that the limit can ever hold: the largest amount that it can admit at once.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        match self.refill {
            RefillPolicy::Bucket => self.burst,
            RefillPolicy::Adaptive(growth) => growth.max_limit(self.amount),
            RefillPolicy::Fixed
            | RefillPolicy::FirstRequest
            | RefillPolicy::SlidingLog
            | RefillPolicy::SlidingCounter
            | RefillPolicy::Calendar(_) => self.amount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CachedTokens, Config, Reserve};
    use crate::decision::Decision;
    use crate::{Call, Instant, Provider, Truth};
    use proptest::prelude::*;

    fn any_model() -> impl Strategy<Value = ModelConfig> {
        let axis = prop::sample::select(vec![Axis::Rpm, Axis::Tpm, Axis::Tpd, Axis::Itpm, Axis::Otpm]);
        let limit = (axis, 1u64..400, 1u64..400)
            .prop_map(|(axis, amount, burst)| Limit::new(axis, amount).with_burst(burst));
        let reserve =
            (0usize..4, 1u32..200, 0usize..3).prop_map(|(estimate, default_max_tokens, cached)| Reserve {
                default_max_tokens,
                cached: [CachedTokens::Counted, CachedTokens::Refunded, CachedTokens::Free][cached],
                ..Reserve::default_for(
                    [
                        Estimate::PromptAndMaxTokens,
                        Estimate::PromptAndRecent,
                        Estimate::Prompt,
                        Estimate::Nothing,
                    ][estimate],
                )
            });
        (
            prop::collection::vec(limit, 0..4),
            reserve,
            prop::option::of(50u32..400),
            prop::option::of(1u32..200),
        )
            .prop_map(|(limits, reserve, context, max_output)| {
                let mut model = ModelConfig::new("m");
                (model.limits, model.reserve) = (limits, reserve);
                (model.lengths.context, model.lengths.max_output) = (context, max_output);
                model
            })
    }

    proptest! {
        /// A provider whose limits are unused refuses every call that is too large. It admits every other call; if the
        /// reservation depends on recent completions, only the refusals are checked.
        #[test]
        fn an_unused_provider_admits_exactly_the_calls_that_are_not_too_large(
            model in any_model(), prompt in 1u32..500, max_tokens in prop::option::of(1u32..300),
        ) {
            let largest = model.largest_prompt(max_tokens, false);
            let mut provider = Provider::new(&Config::new("p").with_account("a").with_model(model.clone()));
            let truth = Truth { prompt_tokens: prompt, completion_tokens: 1, ..Truth::default() };
            let report = provider.decide(Instant::ZERO, Call { account: 0, model: 0, max_tokens }, truth);
            let admitted = matches!(report.decision, Decision::Admitted(_));
            let fits = PromptCap::Tokens(prompt) <= largest.cap;
            if model.reserve.estimate == Estimate::PromptAndRecent {
                prop_assert!(fits || !admitted, "{largest:?} {report:?}");
            } else {
                prop_assert_eq!(fits, admitted, "{:?} {:?}", largest, report);
            }
            prop_assert!(fits || largest.bound.is_some());
        }
    }
}

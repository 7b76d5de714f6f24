//! The mean tokens of the calls of a workload: what limits are charged at admission and in the end.

use super::demand::{self, PromptRange, Sizes};
use crate::ids::TargetId;
use crate::scenario::{Scenario, Workload};
use provider::Axis;
use provider::config::{CachedTokens, Lengths};

/// Mean tokens of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeanTokens {
    /// The part of the prompt that is reserved.
    pub reserved_prompt: f64,
    /// What limits on all tokens are charged once the call has ended.
    pub charged: f64,
    /// What limits on output tokens are charged once the call has ended.
    pub charged_output: f64,
}

/// Returns the mean tokens of those of a workload's jobs that a target can admit; `None` if it can admit none. Completions are bounded
/// by `max_tokens` alone, not by the lengths of the target's model.
#[must_use]
pub fn mean_tokens(scenario: &Scenario, workload: &Workload, target: TargetId) -> Option<MeanTokens> {
    let model = demand::model(scenario, target);
    let admitted = scenario.size_classes(workload).into_iter();
    let admitted = admitted.filter(|class| class.share > 0.0 && class.targets.contains(&target));
    let (share, sum) = admitted.fold((0.0, MeanTokens::default()), |(share, sum), class| {
        let range = PromptRange { above: class.above, up_to: class.up_to };
        let sizes = Sizes::of(workload, scenario.duration, Lengths::default(), range);
        let is_free = model.reserve.cached == CachedTokens::Free;
        let reserved_prompt = if is_free { sizes.prompt - sizes.cached } else { sizes.prompt };
        let sum = MeanTokens {
            reserved_prompt: sum.reserved_prompt + class.share * reserved_prompt,
            charged: sum.charged + class.share * sizes.demand(Axis::Tpm, model),
            charged_output: sum.charged_output + class.share * sizes.demand(Axis::Otpm, model),
        };
        (share + class.share, sum)
    });
    (share > 0.0).then(|| MeanTokens {
        reserved_prompt: sum.reserved_prompt / share,
        charged: sum.charged / share,
        charged_output: sum.charged_output / share,
    })
}

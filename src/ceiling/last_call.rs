//! What a window leaves unused after its last call, which had to find room for its reservation and uses less.
//!
//! When the last call of a window is admitted, the others are charged at least their usage u, and its reservation r fits:
//! `Σ u of the others + r ≤ L`, so that the usage of all of them is at most L − (r − u of the last). Lower bounds of r − u:
//!
//! * If every call of a class writes as many tokens c as every other: `max_tokens − c`, of the class with the least.
//! * If the calls are of one class, at one target, with prompts of one length, and c is random: the calls of a window are at
//!   most as many as it takes for the sum of u to exceed L − r. By Wald's equation and Lorden's inequality ("On excess over the
//!   boundary", 1970) that many use L − r + E[u²] ÷ E[u] on average, so that `r − E[u²] ÷ E[u]` is left.
//!
//! Otherwise nothing is claimed: a client may choose which call is the last by its size.

use super::held::Calls;
use crate::scenario::CachedPrompt;
use provider::Axis;
use provider::dist::Dist;

/// Returns a lower bound of the mean number of units that calls leave unused in a window.
pub(super) fn unused(calls: &[Calls<'_>], axis: Axis) -> f64 {
    let constant = |calls: &Calls<'_>| match calls.workload.completion {
        Dist::Constant(tokens) => {
            Some(calls.max_completion() - calls.completion(tokens) * calls.output_weight())
        }
        _ => None,
    };
    let all: Option<Vec<f64>> = calls.iter().map(constant).collect();
    let unused = match (all, calls) {
        (Some(all), _) => all.into_iter().fold(f64::INFINITY, f64::min),
        (None, [alone]) => of_one_class(alone, axis),
        (None, _) => 0.0,
    };
    unused.max(0.0)
}

fn of_one_class(calls: &Calls<'_>, axis: Axis) -> f64 {
    let has_equal_prompts = matches!(calls.workload.prompt, Dist::Constant(_))
        && matches!(calls.workload.cached_prompt, CachedPrompt::Share(_));
    if !has_equal_prompts {
        return 0.0;
    }
    let used = calls.used(axis);
    let weight = calls.output_weight();
    let completion = calls.sizes.completion * weight;
    let prompt = used - completion;
    let squared = prompt * prompt + 2.0 * prompt * completion + squared_completion(calls) * weight * weight;
    calls.smallest_reservation(axis) - squared / used
}

/// Returns an upper bound of the mean square of the completions, which are rounded to whole tokens: a sum over the tail
/// probabilities at the lower end of each step.
fn squared_completion(calls: &Calls<'_>) -> f64 {
    const STEPS: u32 = 256;
    let max = calls.max_completion();
    let edge = |step: u32| max * f64::from(step) / f64::from(STEPS);
    let step = |step: u32| {
        let (from, to) = (edge(step), edge(step + 1));
        let above = if from < 1.0 { 1.0 } else { calls.workload.completion.probability_above(from - 0.5) };
        above * (to * to - from * from)
    };
    (0..STEPS).map(step).sum()
}

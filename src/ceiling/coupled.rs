//! The mean completion of jobs whose completions follow their prompts.

use super::demand::PromptRange;
use crate::job::MAX_TOKENS;
use crate::scenario::Workload;
use crate::scenario::coupling::Coupling;
use crate::stats::mean_within;

/// The number of equal steps of each of the two shares over which a mean is taken.
const STEPS: u32 = 64;

/// Returns `true` if the mean completion of the jobs of a range depends on the correlation of the sizes.
pub(super) fn is_needed(workload: &Workload, range: PromptRange, context: Option<u32>) -> bool {
    let is_whole = range.above == 0 && range.up_to.is_none();
    workload.correlation != 0.0 && (context.is_some() || !is_whole)
}

/// Returns the mean completion of the prompts between the quantiles of two probabilities, bounded by what the prompt leaves of the context,
/// if there is one, and by `max`. Taken at the middle of equal steps, which cuts the ends of the tails: rather too low than too high.
pub(super) fn mean_completion(
    workload: &Workload,
    (from, to): (f64, f64),
    (context, max): (Option<f64>, f64),
) -> f64 {
    let coupling = Coupling::of(workload.correlation).filter(|_| to > from);
    let Some(coupling) = coupling else { return mean_within(&workload.completion, 1.0, max) };
    let middle = |step: u32| (f64::from(step) + 0.5) / f64::from(STEPS);
    let of_prompt = |step: u32| {
        let share = from + (to - from) * middle(step);
        let prompt = workload.prompt.quantile(share).clamp(1.0, f64::from(MAX_TOKENS));
        let bound = context.map_or(max, |context| (context - prompt).clamp(1.0, max));
        let completion =
            |step: u32| workload.completion.quantile(coupling.share(share, middle(step))).max(1.0).min(bound);
        (0..STEPS).map(completion).sum::<f64>()
    };
    (0..STEPS).map(of_prompt).sum::<f64>() / f64::from(STEPS * STEPS)
}

#[cfg(test)]
mod tests {
    use super::super::demand::Sizes;
    use super::super::tests::{RUN_DURATION, workload};
    use super::*;
    use provider::RandomStream;
    use provider::config::Lengths;
    use provider::dist::Dist;

    /// The half with the longer prompts has the longer completions; together they have the mean of all.
    #[test]
    fn the_mean_completion_of_a_range_is_that_of_the_samples_in_it() {
        for (correlation, context) in [(0.7, None), (-0.5, None), (0.7, Some(1_500)), (1.0, Some(1_500))] {
            let workload = Workload {
                prompt: Dist::log_normal(800.0, 0.95, 2_000.0),
                completion: Dist::Exponential(300.0),
                correlation,
                max_tokens: None,
                ..workload(0, 1.0)
            };
            let coupling = Coupling::of(correlation).expect("not zero");
            let lengths = Lengths { context, max_output: None };
            for range in [PromptRange { above: 0, up_to: Some(800) }, PromptRange { above: 800, up_to: None }]
            {
                let mut stream = RandomStream::new(5, "coupled", 0);
                let mut sample = || {
                    let share = stream.open_unit();
                    let prompt = workload.prompt.quantile(share);
                    let completion = workload.completion.quantile(coupling.share(share, stream.open_unit()));
                    let left = context.map_or(f64::INFINITY, |context| f64::from(context) - prompt);
                    (prompt.round() as u32, completion.max(1.0).min(left.max(1.0)))
                };
                let samples: Vec<(u32, f64)> = (0..60_000).map(|_| sample()).collect();
                let within = samples.iter().filter(|(prompt, _)| range.contains(*prompt));
                let (count, sum) = within.fold((0.0, 0.0), |(count, sum), one| (count + 1.0, sum + one.1));
                let stated = Sizes::of(&workload, RUN_DURATION, lengths, range).completion;
                // 30,000 exponential samples have a standard error of 0.6 %; the cut tails are 1 %.
                let ratio = stated / (sum / count);
                assert!(
                    (ratio - 1.0).abs() < 0.03,
                    "{correlation} {context:?} {range:?}: {stated}, ratio {ratio}"
                );
            }
        }
    }
}

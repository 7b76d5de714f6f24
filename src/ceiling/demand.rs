//! The mean demand of a job: tokens, and its time in service.

use super::coupled;
use crate::ids::TargetId;
use crate::job::MAX_TOKENS;
use crate::scenario::{Arrivals, CachedPrompt, Scenario, TraceRow, Workload};
use crate::stats::mean_within;
use provider::axis::Quantity;
use provider::config::{
    CachedTokens, Estimate, Latency, Lengths, ModelConfig, Price, Reserve, ServiceTimeDist, Settlement,
};
use provider::dist::Dist;
use provider::{Axis, Instant, Nanos};

/// The mean sizes of a workload's jobs as used, in tokens; completions are bounded by `max_tokens`, or without one by the
/// lengths of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sizes {
    pub(super) prompt: f64,
    /// The part of the prompt in the prefix cache of the provider.
    pub(super) cached: f64,
    pub(super) completion: f64,
    /// The bound that the jobs state.
    pub(super) max_tokens: Option<u32>,
}

/// A range of prompt lengths in tokens: above `above`, and at most `up_to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PromptRange {
    pub(super) above: u32,
    /// `None`: no bound.
    pub(super) up_to: Option<u32>,
}

impl PromptRange {
    pub(super) const ALL: Self = Self { above: 0, up_to: None };

    pub(super) fn contains(self, tokens: u32) -> bool {
        tokens.max(1) > self.above && self.up_to.is_none_or(|up_to| tokens <= up_to)
    }

    /// Returns the bounds of the samples that round to a length in the range; `None` at an open end.
    fn samples(self) -> (Option<f64>, Option<f64>) {
        let above = (self.above > 0).then(|| f64::from(self.above) + 0.5);
        (above, self.up_to.map(|up_to| f64::from(up_to) + 0.5))
    }

    /// Returns the probability that a sample is at most the lower bound, and that it is at most the upper one; 0 and 1 at open
    /// ends.
    fn probabilities(self, prompt: &Dist) -> (f64, f64) {
        let (above, up_to) = self.samples();
        let at_most = |bound: f64| 1.0 - prompt.probability_above(bound);
        (above.map_or(0.0, at_most), up_to.map_or(1.0, at_most))
    }

    /// Returns the mean prompt within the range, at least 1 and at most [`MAX_TOKENS`].
    fn mean_prompt(self, prompt: &Dist) -> f64 {
        let max = f64::from(MAX_TOKENS);
        let (above, up_to) = self.samples();
        // The part of the mean that comes from samples of at most `bound`.
        let part = |bound: f64| mean_within(prompt, 1.0, bound) - bound * prompt.probability_above(bound);
        let below = above.map_or(0.0, part);
        let whole = up_to.map_or_else(|| mean_within(prompt, 1.0, max), part);
        let (from, to) = self.probabilities(prompt);
        if to > from { (whole - below) / (to - from) } else { f64::from(self.above) }
    }
}

impl PromptRange {
    /// Returns the mean of max(0, prompt − `length`) over the prompts of the range, in tokens. `length` must not be below
    /// the range.
    pub(super) fn mean_excess(self, prompt: &Dist, length: f64) -> f64 {
        let (from, to) = self.probabilities(prompt);
        if self.up_to.is_some() {
            return mean_over_quantiles(prompt, (from, to), |sample| (sample - length).max(0.0));
        }
        let excess = mean_within(prompt, 1.0, f64::from(MAX_TOKENS)) - mean_within(prompt, 1.0, length);
        if to > from { excess.max(0.0) / (to - from) } else { 0.0 }
    }
}

impl Sizes {
    /// Returns the price that the pick `cheapest` expects of a job, in USD: that of the prompt without a cache and of the completion.
    pub(super) fn expected_usd(self, price: Price) -> f64 {
        (self.prompt * price.input + self.completion * price.output) / 1e6
    }

    /// Returns the means of the sizes that the load samples for the jobs of a range, from 1 to [`MAX_TOKENS`], without the
    /// rounding to whole tokens.
    pub(super) fn of(workload: &Workload, duration: Nanos, lengths: Lengths, range: PromptRange) -> Self {
        let bound = workload.max_tokens.or(lengths.max_output);
        let max = bound.unwrap_or(MAX_TOKENS).min(MAX_TOKENS);
        // A completion without max_tokens is bounded by what the prompt leaves of the context.
        let context = lengths.context.filter(|_| workload.max_tokens.is_none());
        let Arrivals::Trace { rows, .. } = &workload.arrivals else {
            let prompt = range.mean_prompt(&workload.prompt);
            let completion = match context {
                _ if coupled::is_needed(workload, range, context) => {
                    let limits = (context.map(f64::from), f64::from(max));
                    coupled::mean_completion(workload, range.probabilities(&workload.prompt), limits)
                }
                Some(context) => mean_in_context(workload, range, f64::from(context), f64::from(max)),
                None => mean_within(&workload.completion, 1.0, f64::from(max)),
            };
            let cached = match &workload.cached_prompt {
                CachedPrompt::Share(share) => prompt * share,
                CachedPrompt::Tokens(tokens) => {
                    mean_over_prompts(workload, range, |prompt| mean_cached(tokens, prompt))
                }
            };
            return Self { prompt, cached, completion, max_tokens: workload.max_tokens };
        };
        let rows = &rows[..rows.partition_point(|row| row.at < Instant::ZERO + duration)];
        let rows: Vec<&TraceRow> = rows.iter().filter(|row| range.contains(row.prompt_tokens)).collect();
        let mean = |size: &dyn Fn(&TraceRow) -> f64| {
            rows.iter().map(|row| size(row)).sum::<f64>() / rows.len().max(1) as f64
        };
        let prompt = |row: &TraceRow| f64::from(row.prompt_tokens.clamp(1, MAX_TOKENS));
        Self {
            prompt: mean(&prompt),
            cached: mean(&|row| match &workload.cached_prompt {
                CachedPrompt::Share(share) => prompt(row) * share,
                CachedPrompt::Tokens(tokens) => mean_cached(tokens, prompt(row)),
            }),
            completion: mean(&|row| {
                let left = context.map_or(max, |context| context.saturating_sub(row.prompt_tokens));
                f64::from(row.completion_tokens.max(1).min(max).min(left.max(1)))
            }),
            max_tokens: workload.max_tokens,
        }
    }

    /// Returns the mean final charge of a job on an axis, in requests, tokens or seconds in service; a lower bound if the
    /// reservation is not known in advance, or if usage beyond it is charged. The audio axes have no demand: workloads are
    /// text.
    pub(super) fn demand(self, axis: Axis, model: &ModelConfig) -> f64 {
        let (prompt, completion) = self.charged(&model.reserve);
        match axis.quantity() {
            Quantity::Requests => 1.0,
            Quantity::Tokens => prompt + completion,
            Quantity::InputTokens => prompt,
            Quantity::UncachedTokens => self.uncached(&model.reserve),
            Quantity::OutputTokens => completion,
            Quantity::AudioSeconds => 0.0,
            Quantity::InFlight => self.service_seconds(&model.latency),
        }
    }

    /// Returns the mean final charge for prompt and completion: the usage if it is settled, the reservation if it is kept, the
    /// larger of their means if usage beyond it is charged. A reservation by recent completions is not known in advance and
    /// counts as zero.
    fn charged(self, reserve: &Reserve) -> (f64, f64) {
        let uncached = self.prompt - self.cached;
        let used = if reserve.cached == CachedTokens::Counted { self.prompt } else { uncached };
        let prompt = match (reserve.estimate, reserve.cached) {
            (Estimate::Nothing, _) => 0.0,
            (_, CachedTokens::Free) => uncached,
            (_, CachedTokens::Counted | CachedTokens::Refunded) => self.prompt,
        };
        let completion = match reserve.estimate {
            Estimate::PromptAndMaxTokens => f64::from(reserve.reserved_completion(self.max_tokens)),
            Estimate::PromptAndRecent | Estimate::Prompt | Estimate::Nothing => 0.0,
        };
        let used_completion = self.completion * f64::from(reserve.output_weight);
        match reserve.settlement {
            Settlement::ToUsage => (used, used_completion),
            Settlement::KeepReservation => (prompt, completion),
            Settlement::ChargeExcess => (used.max(prompt), used_completion.max(completion)),
        }
    }

    /// Returns the mean final charge for tokens of the prompt that are not found in the prefix cache.
    fn uncached(self, reserve: &Reserve) -> f64 {
        let used = self.prompt - self.cached;
        let reserved = match (reserve.estimate, reserve.cached) {
            (Estimate::Nothing, _) => 0.0,
            (_, CachedTokens::Free) => used,
            (_, CachedTokens::Counted | CachedTokens::Refunded) => self.prompt,
        };
        match reserve.settlement {
            Settlement::ToUsage => used,
            Settlement::KeepReservation => reserved,
            Settlement::ChargeExcess => reserved.max(used),
        }
    }

    /// Returns the mean time from the start of service to the end of the reply, in seconds.
    pub(super) fn service_seconds(self, latency: &Latency) -> f64 {
        match &latency.service {
            ServiceTimeDist::Total(total) => total.mean(),
            ServiceTimeDist::Split { before_prefill, prefill_speed, cached_prefill_speed, decode_speed } => {
                let seconds = |tokens: f64, speed: &Option<f64>| speed.map_or(0.0, |speed| tokens / speed);
                let prefill = seconds(self.prompt - self.cached, prefill_speed)
                    + seconds(self.cached, cached_prefill_speed);
                // Decoding begins after the first token.
                before_prefill.mean() + prefill + (self.completion - 1.0).max(0.0) / decode_speed
            }
        }
    }
}

/// Returns the model of a target.
pub(super) fn model(scenario: &Scenario, target: TargetId) -> &ModelConfig {
    let target = &scenario.targets[target.index()];
    &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)]
}

/// Returns the mean of completions that are bounded by what the prompt leaves of the context and by `max`.
fn mean_in_context(workload: &Workload, range: PromptRange, context: f64, max: f64) -> f64 {
    mean_over_prompts(workload, range, |prompt| {
        mean_within(&workload.completion, 1.0, (context - prompt).clamp(1.0, max))
    })
}

/// Returns the mean number of cached tokens of a prompt of this length.
fn mean_cached(tokens: &Dist, prompt: f64) -> f64 {
    mean_within(tokens, 0.0, prompt)
}

/// Returns the mean of a function of the prompt length, over the mid-quantiles of the prompts in the range.
fn mean_over_prompts(workload: &Workload, range: PromptRange, of: impl Fn(f64) -> f64) -> f64 {
    let of_prompt = |sample: f64| of(sample.clamp(1.0, f64::from(MAX_TOKENS)));
    mean_over_quantiles(&workload.prompt, range.probabilities(&workload.prompt), of_prompt)
}

/// Returns the mean of a function of the samples between the quantiles of two probabilities, taken at the middle of equal steps.
pub(super) fn mean_over_quantiles(dist: &Dist, (from, to): (f64, f64), of: impl Fn(f64) -> f64) -> f64 {
    const STEPS: u32 = 32;
    let at = |step| dist.quantile(from + (to - from) * (f64::from(step) + 0.5) / f64::from(STEPS));
    (0..STEPS).map(|step| of(at(step))).sum::<f64>() / f64::from(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::tests::{RUN_DURATION, workload};
    use provider::RandomStream;

    /// Without max_tokens, the demand of a job is bounded by the context and the longest completion.
    #[test]
    fn the_model_bounds_completions_without_max_tokens() {
        let workload = Workload {
            prompt: Dist::Uniform { min: 100.0, max: 900.0 },
            completion: Dist::Exponential(500.0),
            ..workload(0, 1.0)
        };
        for (max_tokens, lengths) in [
            (None, Lengths { context: Some(1_000), max_output: None }),
            (None, Lengths { context: None, max_output: Some(300) }),
            (None, Lengths { context: Some(1_000), max_output: Some(300) }),
            (Some(200), Lengths { context: Some(10_000), max_output: Some(300) }),
        ] {
            let workload = Workload { max_tokens, ..workload.clone() };
            let expected = Sizes::of(&workload, RUN_DURATION, lengths, PromptRange::ALL).completion;
            let mut stream = RandomStream::new(7, "cut", 0);
            let mut sample = || {
                let prompt = workload.prompt.sample(&mut stream);
                let left = lengths.context.map_or(f64::INFINITY, |context| f64::from(context) - prompt);
                let max = max_tokens
                    .map_or(lengths.max_output.map_or(left, |max| left.min(f64::from(max))), f64::from);
                workload.completion.sample(&mut stream).max(1.0).min(max)
            };
            let measured = (0..40_000).map(|_| sample()).sum::<f64>() / 40_000.0;
            assert!(
                (measured / expected - 1.0).abs() < 0.02,
                "{max_tokens:?} {lengths:?}: {measured} {expected}"
            );
        }
    }

    #[test]
    fn the_mean_prompt_of_a_range_is_that_of_the_samples_in_it() {
        for prompt in [
            Dist::log_normal(800.0, 0.95, 3_000.0),
            Dist::Uniform { min: 10.0, max: 2_000.0 },
            Dist::Exponential(900.0),
            Dist::discrete(&[100.0, 600.0, 1_000.0], &[1.0, 2.0, 1.0]),
        ] {
            let workload = Workload { prompt: prompt.clone(), ..workload(0, 1.0) };
            for range in [(0, Some(700)), (700, Some(1_500)), (700, None)]
                .map(|(above, up_to)| PromptRange { above, up_to })
            {
                let mut stream = RandomStream::new(3, "range", 0);
                let samples: Vec<f64> =
                    (0..60_000).map(|_| prompt.sample(&mut stream).round().max(1.0)).collect();
                let within: Vec<f64> =
                    samples.iter().copied().filter(|sample| range.contains(*sample as u32)).collect();
                let (from, to) = range.probabilities(&prompt);
                assert!((within.len() as f64 / 60_000.0 - (to - from)).abs() < 0.01, "{prompt:?} {range:?}");
                if within.is_empty() {
                    continue;
                }
                let mean = within.iter().sum::<f64>() / within.len() as f64;
                let stated = Sizes::of(&workload, RUN_DURATION, Lengths::default(), range).prompt;
                assert!((stated / mean - 1.0).abs() < 0.02, "{prompt:?} {range:?}: {stated}, sampled {mean}");
            }
        }
    }

    #[test]
    fn cached_tokens_have_demand_only_if_they_stay_charged() {
        let prompt = Dist::Uniform { min: 200.0, max: 1_000.0 };
        for (cached_prompt, mean) in [
            (CachedPrompt::Share(0.5), 300.0),
            (CachedPrompt::Tokens(Dist::Constant(100.0)), 100.0),
            // Prompts below 600 are cached completely, the others up to 600: (400 + 600) / 2.
            (CachedPrompt::Tokens(Dist::Constant(600.0)), 500.0),
        ] {
            let workload = Workload { prompt: prompt.clone(), cached_prompt, ..workload(0, 1.0) };
            let sizes = Sizes::of(&workload, RUN_DURATION, Lengths::default(), PromptRange::ALL);
            assert!((sizes.cached - mean).abs() < 1.0, "{}", sizes.cached);
            let whole = sizes.prompt + sizes.completion;
            for (cached, settlement, demand) in [
                (CachedTokens::Counted, Settlement::ToUsage, whole),
                (CachedTokens::Refunded, Settlement::ToUsage, whole - sizes.cached),
                (CachedTokens::Free, Settlement::ToUsage, whole - sizes.cached),
                (
                    CachedTokens::Refunded,
                    Settlement::ChargeExcess,
                    sizes.prompt + sizes.completion.max(1_024.0),
                ),
            ] {
                let reserve = Reserve { cached, settlement, ..Reserve::default() };
                let sizes = Sizes { max_tokens: None, ..sizes };
                let (prompt, completion) = sizes.charged(&reserve);
                assert!((prompt + completion - demand).abs() < 1e-9, "{cached:?} {settlement:?}");
            }
        }
    }
}

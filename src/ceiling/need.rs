//! What a job needs on average: tokens, and the time it is served.

use crate::ids::TargetId;
use crate::job::MAX_TOKENS;
use crate::scenario::{Arrivals, CachedPrompt, Scenario, TraceRow, Workload};
use provider::config::{CachedTokens, Estimate, Latency, Lengths, ModelConfig, Reserve, Service, Settle};
use provider::dist::Dist;
use provider::{Axis, Instant, Nanos};

/// The mean sizes of a workload's jobs, as they are really used: the completion cut by `max_tokens`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sizes {
    pub(super) prompt: f64,
    /// Of the prompt, what is found in the provider's prefix cache.
    pub(super) cached: f64,
    pub(super) completion: f64,
    /// What the jobs allow.
    pub(super) max_tokens: Option<u32>,
}

impl Sizes {
    /// The means of what the load draws (at least 1 token, at most [`MAX_TOKENS`]); the rounding to whole
    /// tokens is left out.
    pub(super) fn of(workload: &Workload, duration: Nanos, lengths: Lengths) -> Self {
        let bound = workload.max_tokens.or(lengths.max_output);
        let most = bound.unwrap_or(MAX_TOKENS).min(MAX_TOKENS);
        // Where a job does not bound its answer, the context does: it has what the prompt leaves of it.
        let context = lengths.context.filter(|_| workload.max_tokens.is_none());
        let Arrivals::Trace { rows } = &workload.arrivals else {
            let prompt = mean_within(&workload.prompt, 1.0, f64::from(MAX_TOKENS));
            let completion = match context {
                Some(context) => mean_behind(workload, f64::from(context), f64::from(most)),
                None => mean_within(&workload.completion, 1.0, f64::from(most)),
            };
            let cached = match &workload.cached_prompt {
                CachedPrompt::Share(share) => prompt * share,
                CachedPrompt::Tokens(tokens) => over_prompts(workload, |prompt| cached_of(tokens, prompt)),
            };
            return Self { prompt, cached, completion, max_tokens: workload.max_tokens };
        };
        let rows = &rows[..rows.partition_point(|row| row.at < Instant::ZERO + duration)];
        let mean =
            |size: &dyn Fn(&TraceRow) -> f64| rows.iter().map(size).sum::<f64>() / rows.len().max(1) as f64;
        let prompt = |row: &TraceRow| f64::from(row.prompt_tokens.clamp(1, MAX_TOKENS));
        Self {
            prompt: mean(&prompt),
            cached: mean(&|row| match &workload.cached_prompt {
                CachedPrompt::Share(share) => prompt(row) * share,
                CachedPrompt::Tokens(tokens) => cached_of(tokens, prompt(row)),
            }),
            completion: mean(&|row| {
                let left = context.map_or(most, |context| context.saturating_sub(row.prompt_tokens));
                f64::from(row.completion_tokens.max(1).min(most).min(left.max(1)))
            }),
            max_tokens: workload.max_tokens,
        }
    }

    /// What a job is charged on an axis, at least: requests, tokens, or seconds in service. Nothing of the audio
    /// axes: workloads are text.
    pub(super) fn need(self, axis: Axis, model: &ModelConfig) -> f64 {
        let (prompt, completion) = self.charged(&model.reserve);
        match axis {
            Axis::Rpm | Axis::Rpd => 1.0,
            Axis::Tpm | Axis::Tpd => prompt + completion,
            Axis::Itpm => prompt,
            Axis::Otpm => completion,
            Axis::Ash | Axis::Asd => 0.0,
            Axis::Concurrency => self.service_seconds(&model.latency),
        }
    }

    /// The prompt and the completion as they are charged in the end: what is used, where that is settled; what
    /// is reserved, where it stays; of what is recent, nothing can be said beforehand.
    fn charged(self, reserve: &Reserve) -> (f64, f64) {
        let new = self.prompt - self.cached;
        let used = if reserve.cached == CachedTokens::Counted { self.prompt } else { new };
        let prompt = match (reserve.estimate, reserve.cached) {
            (Estimate::Nothing, _) => 0.0,
            (_, CachedTokens::Free) => new,
            (_, CachedTokens::Counted | CachedTokens::Refunded) => self.prompt,
        };
        let completion = match reserve.estimate {
            Estimate::PromptAndMaxTokens => f64::from(reserve.reserved_completion(self.max_tokens)),
            Estimate::PromptAndRecent | Estimate::Prompt | Estimate::Nothing => 0.0,
        };
        match reserve.settle {
            Settle::Refund => (used, self.completion),
            Settle::Nothing => (prompt, completion),
            Settle::After => (used.max(prompt), self.completion.max(completion)),
        }
    }

    /// The mean time from the start of service to the end of the reply.
    pub(super) fn service_seconds(self, latency: &Latency) -> f64 {
        match &latency.service {
            Service::Total(total) => total.mean(),
            Service::Split { first_token, prefill, output } => {
                let reading = prefill.map_or(0.0, |speed| self.prompt / speed);
                first_token.mean() + reading + self.completion / output
            }
        }
    }
}

/// The model that a target is served by.
pub(super) fn model(scenario: &Scenario, target: TargetId) -> &ModelConfig {
    let target = &scenario.targets[target.index()];
    &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)]
}

/// The mean of completions that end where the context does.
fn mean_behind(workload: &Workload, context: f64, most: f64) -> f64 {
    over_prompts(workload, |prompt| {
        mean_within(&workload.completion, 1.0, (context - prompt).clamp(1.0, most))
    })
}

/// The mean of what is cached of a prompt of this length.
fn cached_of(tokens: &Dist, prompt: f64) -> f64 {
    mean_within(tokens, 0.0, prompt)
}

/// The mean of something over the prompts of a workload, as long as their quantiles in equal steps.
fn over_prompts(workload: &Workload, of: impl Fn(f64) -> f64) -> f64 {
    const STEPS: u32 = 32;
    let at = |step| workload.prompt.quantile((f64::from(step) + 0.5) / f64::from(STEPS));
    let sum: f64 = (0..STEPS).map(|step| of(at(step).clamp(1.0, f64::from(MAX_TOKENS)))).sum();
    sum / f64::from(STEPS)
}

/// The mean of a distribution whose samples are moved into `low..=high`.
fn mean_within(dist: &Dist, low: f64, high: f64) -> f64 {
    if high <= low {
        return high;
    }
    low + mean_at_most(dist, high) - mean_at_most(dist, low)
}

/// The mean of the smaller of a sample and `most`, which is positive.
fn mean_at_most(dist: &Dist, most: f64) -> f64 {
    match dist {
        Dist::Constant(value) => value.min(most),
        Dist::LogNormal { mu, sigma } if *sigma > 0.0 => {
            let score = (libm::log(most) - mu) / sigma;
            // The part of the mean that lies below `most`; where its share underflows, so does the part.
            let share = normal_below(score - sigma);
            let below = if share > 0.0 { share * dist.mean() } else { 0.0 };
            below + most * normal_below(-score)
        }
        Dist::LogNormal { mu, .. } => libm::exp(*mu).min(most),
        Dist::Exponential(mean) if *mean > 0.0 => -mean * libm::expm1(-most / mean),
        Dist::Exponential(_) => 0.0,
        Dist::Uniform { min, max } => {
            // All of it is above `min`; of what is above `cut`, nothing counts.
            let (cut, width) = (most.clamp(*min, *max), max - min);
            let above =
                if width > 0.0 { (cut - min) * (max - f64::midpoint(*min, cut)) / width } else { 0.0 };
            most.min(*min) + above
        }
        Dist::Discrete(steps) => {
            let mut before = 0.0;
            steps
                .iter()
                .map(|(value, share)| value.min(most) * (share - std::mem::replace(&mut before, *share)))
                .sum()
        }
    }
}

/// The standard normal distribution function.
fn normal_below(score: f64) -> f64 {
    0.5 * libm::erfc(-score * std::f64::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::tests::{RUN, workload};
    use provider::Stream;

    /// A job that does not bound its answer is cut by the model, and needs no more than what is left of it.
    #[test]
    fn a_model_cuts_what_a_job_leaves_open() {
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
            let expected = Sizes::of(&workload, RUN, lengths).completion;
            let mut stream = Stream::new(7, "cut", 0);
            let mut drawn = || {
                let prompt = workload.prompt.sample(&mut stream);
                let left = lengths.context.map_or(f64::INFINITY, |context| f64::from(context) - prompt);
                let most = max_tokens
                    .map_or(lengths.max_output.map_or(left, |most| left.min(f64::from(most))), f64::from);
                workload.completion.sample(&mut stream).max(1.0).min(most)
            };
            let measured = (0..40_000).map(|_| drawn()).sum::<f64>() / 40_000.0;
            assert!(
                (measured / expected - 1.0).abs() < 0.02,
                "{max_tokens:?} {lengths:?}: {measured} {expected}"
            );
        }
    }

    /// What is cached needs nothing of a token limit where it does not count in the end.
    #[test]
    fn what_is_cached_is_needed_only_where_it_counts() {
        let prompt = Dist::Uniform { min: 200.0, max: 1_000.0 };
        for (cached_prompt, mean) in [
            (CachedPrompt::Share(0.5), 300.0),
            (CachedPrompt::Tokens(Dist::Constant(100.0)), 100.0),
            // All of the shorter prompts, 600 of the others: half of them 400 on average.
            (CachedPrompt::Tokens(Dist::Constant(600.0)), 500.0),
        ] {
            let workload = Workload { prompt: prompt.clone(), cached_prompt, ..workload(0, 1.0) };
            let sizes = Sizes::of(&workload, RUN, Lengths::default());
            assert!((sizes.cached - mean).abs() < 1.0, "{}", sizes.cached);
            let whole = sizes.prompt + sizes.completion;
            for (cached, settle, need) in [
                (CachedTokens::Counted, Settle::Refund, whole),
                (CachedTokens::Refunded, Settle::Refund, whole - sizes.cached),
                (CachedTokens::Free, Settle::Refund, whole - sizes.cached),
                (CachedTokens::Refunded, Settle::After, sizes.prompt + sizes.completion.max(1_024.0)),
            ] {
                let reserve = Reserve { cached, settle, ..Reserve::default() };
                let sizes = Sizes { max_tokens: None, ..sizes };
                let (prompt, completion) = sizes.charged(&reserve);
                assert!((prompt + completion - need).abs() < 1e-9, "{cached:?} {settle:?}");
            }
        }
    }
}

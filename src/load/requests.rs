//! Samples the request of the n-th job of a workload: its fingerprint and its sizes.
//!
//! The identity of a job is its workload and its number in it, or its workload and the rank of the popular prompt that
//! it repeats. The fingerprint is a bijection of the identity, so distinct identities have distinct fingerprints. Sizes
//! are drawn from streams keyed by the fingerprint: a repeated prompt has the same prompt and completion length each
//! time. The random draws of the provider are keyed by the job, since a repeated prompt may be served at another speed.

use super::zipf::Zipf;
use crate::ids::WorkloadId;
use crate::job::MAX_TOKENS;
use crate::scenario::coupling::Coupling;
use crate::scenario::{Arrivals, CachedPrompt, TraceRow, Workload};
use provider::RandomStream;
use provider::dist::Dist;
use provider::random::{label_key, mix};
use std::sync::Arc;

/// The bit that marks the identity of a popular prompt.
const POPULAR: u64 = 1 << 63;
/// The number of bits for the job in an identity, below the workload: 1.4e14 jobs per workload.
const NUMBER_BITS: u32 = 47;

/// The request of one job.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSpec {
    pub(super) fingerprint: u64,
    pub(super) prompt_tokens: u32,
    pub(super) cached_tokens: u32,
    pub(super) completion_tokens: u32,
    /// The key of the provider's random stream for this job.
    pub(super) draw: u64,
}

/// The distribution of the requests of one workload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RequestSampler {
    /// The workload, shifted to its position in an identity.
    workload_bits: u64,
    sizes: Sizes,
    cached: CachedPrompt,
    cached_key: u64,
    repeats: Option<Popular>,
    provider_key: u64,
}

/// The source of prompt and completion lengths.
#[derive(Clone, Debug, PartialEq)]
enum Sizes {
    /// Distributions, with the keys of their random streams, and the coupling of the two.
    Sampled {
        prompt: Dist,
        prompt_key: u64,
        completion: Dist,
        completion_key: u64,
        coupling: Option<Coupling>,
    },
    /// The rows of a trace.
    Recorded(Arc<Vec<TraceRow>>),
}

/// The popular prompts of a workload: the share of its jobs that repeat one, and the distribution of their ranks.
#[derive(Clone, Debug, PartialEq)]
struct Popular {
    share: f64,
    zipf: Zipf,
    key: u64,
}

impl RequestSampler {
    /// Returns the sampler of `workload`. The rows of a trace never repeat, since each has its own sizes.
    pub(super) fn new(seed: u64, id: WorkloadId, workload: &Workload) -> Self {
        let (sizes, repeats) = match &workload.arrivals {
            Arrivals::Trace { rows, .. } => (Sizes::Recorded(Arc::clone(rows)), None),
            _ => {
                let sizes = Sizes::Sampled {
                    prompt: workload.prompt.clone(),
                    prompt_key: label_key(seed, "prompt"),
                    completion: workload.completion.clone(),
                    completion_key: label_key(seed, "completion"),
                    coupling: Coupling::of(workload.correlation),
                };
                (sizes, workload.repeats)
            }
        };
        let repeats = repeats.map(|repeats| Popular {
            share: repeats.share,
            zipf: Zipf::new(repeats.zipf, repeats.prompts),
            key: label_key(seed, "repeat"),
        });
        Self {
            workload_bits: u64::from(id.0) << NUMBER_BITS,
            sizes,
            cached: workload.cached_prompt.clone(),
            cached_key: label_key(seed, "cached"),
            repeats,
            provider_key: label_key(seed, "world"),
        }
    }

    /// Returns the request of the `number`-th job of the workload, counted from 0.
    pub(super) fn sample(&self, number: u64) -> RequestSpec {
        let job = self.workload_bits | number;
        let rank = self.repeats.as_ref().and_then(|popular| popular.draw(job));
        let fingerprint = mix(rank.map_or(job, |rank| POPULAR | self.workload_bits | u64::from(rank)));
        let (prompt_tokens, completion_tokens) = self.sizes.sample(number, fingerprint);
        let cached_tokens = self.cached(fingerprint, prompt_tokens);
        let draw = mix(self.provider_key ^ mix(job));
        RequestSpec { fingerprint, prompt_tokens, cached_tokens, completion_tokens, draw }
    }

    /// Returns how many tokens of a prompt of this length are in the prefix cache of the provider.
    fn cached(&self, fingerprint: u64, prompt_tokens: u32) -> u32 {
        let found = match &self.cached {
            CachedPrompt::Share(0.0) => return 0,
            CachedPrompt::Share(share) => share * f64::from(prompt_tokens),
            CachedPrompt::Tokens(dist) => dist.sample(&mut RandomStream::keyed(self.cached_key, fingerprint)),
        };
        tokens_from(0.0, found).min(prompt_tokens)
    }
}

impl Popular {
    /// Returns the rank of the popular prompt that a job repeats, or `None` if it repeats none.
    fn draw(&self, job: u64) -> Option<u32> {
        let mut stream = RandomStream::keyed(self.key, job);
        (stream.unit() < self.share).then(|| self.zipf.sample(&mut stream))
    }
}

impl Sizes {
    /// Returns the lengths of the prompt and of the completion of the `number`-th job, in tokens.
    fn sample(&self, number: u64, fingerprint: u64) -> (u32, u32) {
        match self {
            Self::Sampled { prompt, prompt_key, completion, completion_key, coupling: None } => {
                let draw = |dist: &Dist, key| tokens(dist.sample(&mut RandomStream::keyed(key, fingerprint)));
                (draw(prompt, *prompt_key), draw(completion, *completion_key))
            }
            Self::Sampled { prompt, prompt_key, completion, completion_key, coupling: Some(coupling) } => {
                let share = |key| RandomStream::keyed(key, fingerprint).open_unit();
                let of_prompt = share(*prompt_key);
                let of_completion = coupling.share(of_prompt, share(*completion_key));
                (tokens(prompt.quantile(of_prompt)), tokens(completion.quantile(of_completion)))
            }
            Self::Recorded(rows) => {
                let row = usize::try_from(number).ok().and_then(|number| rows.get(number));
                let row = row.expect("invariant: a trace has one row per arrival");
                let within = |tokens: u32| tokens.clamp(1, MAX_TOKENS);
                (within(row.prompt_tokens), within(row.completion_tokens))
            }
        }
    }
}

/// Rounds to whole tokens, from 1 to [`MAX_TOKENS`].
pub(super) fn tokens(drawn: f64) -> u32 {
    tokens_from(1.0, drawn)
}

/// Rounds to whole tokens, from `min`, which is not negative, to [`MAX_TOKENS`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within min..=MAX_TOKENS, and the fraction is handled"
)]
pub(super) fn tokens_from(min: f64, drawn: f64) -> u32 {
    let drawn = drawn.max(min).min(f64::from(MAX_TOKENS));
    let whole = drawn as u32;
    // Not `round`, which is a slow function call on machines without an instruction for it.
    whole + u32::from(drawn - f64::from(whole) >= 0.5)
}

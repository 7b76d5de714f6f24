//! What the n-th job of a workload asks: its fingerprint and its sizes.
//!
//! A job's identity is its workload and its number within it, or, where it repeats what was asked
//! before, its workload and the rank of the popular prompt. The fingerprint is a bijection of the
//! identity, hence as distinct as that is, and the sizes are drawn from streams keyed by the fingerprint:
//! the same prompt has the same length and the same completion, however often it is asked. The world's
//! own draws are keyed by the job, since the same prompt can be served fast and slowly.

use super::zipf::Zipf;
use crate::ids::ClassId;
use crate::job::MAX_TOKENS;
use crate::scenario::{Arrivals, CachedPrompt, TraceRow, Workload};
use provider::Stream;
use provider::dist::Dist;
use provider::random::{key, mix};
use std::sync::Arc;

/// Marks the identity of a popular prompt.
const POPULAR: u64 = 1 << 63;
/// Bits below the workload in an identity: jobs of one workload, 140 million million of them.
const NUMBER_BITS: u32 = 47;

/// What one job asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSpec {
    pub(super) fingerprint: u64,
    pub(super) prompt_tokens: u32,
    pub(super) cached_tokens: u32,
    pub(super) completion_tokens: u32,
    pub(super) draw: u64,
}

/// The recipe of a workload's jobs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RequestSampler {
    class: u64,
    sizes: Sizes,
    cached: CachedPrompt,
    cached_key: u64,
    repeats: Option<Popular>,
    world_key: u64,
}

#[derive(Clone, Debug, PartialEq)]
enum Sizes {
    SampleCache { prompt: Dist, prompt_key: u64, completion: Dist, completion_key: u64 },
    Recorded(Arc<Vec<TraceRow>>),
}

#[derive(Clone, Debug, PartialEq)]
struct Popular {
    share: f64,
    law: Zipf,
    key: u64,
}

impl RequestSampler {
    /// The recipe of `workload`. The rows of a trace are asked once each: they bring sizes of their own,
    /// which repeats would contradict.
    pub(super) fn new(seed: u64, class: ClassId, workload: &Workload) -> Self {
        let (sizes, repeats) = match &workload.arrivals {
            Arrivals::Trace { rows } => (Sizes::Recorded(Arc::clone(rows)), None),
            _ => {
                let sizes = Sizes::SampleCache {
                    prompt: workload.prompt.clone(),
                    prompt_key: key(seed, "prompt"),
                    completion: workload.completion.clone(),
                    completion_key: key(seed, "completion"),
                };
                (sizes, workload.repeats)
            }
        };
        let repeats = repeats.map(|repeats| Popular {
            share: repeats.share,
            law: Zipf::new(repeats.zipf, repeats.of),
            key: key(seed, "repeat"),
        });
        Self {
            class: u64::from(class.0) << NUMBER_BITS,
            sizes,
            cached: workload.cached_prompt.clone(),
            cached_key: key(seed, "cached"),
            repeats,
            world_key: key(seed, "world"),
        }
    }

    /// What the `number`-th job of the workload asks.
    pub(super) fn of(&self, number: u64) -> RequestSpec {
        let job = self.class | number;
        let rank = self.repeats.as_ref().and_then(|popular| popular.draw(job));
        let fingerprint = mix(rank.map_or(job, |rank| POPULAR | self.class | u64::from(rank)));
        let (prompt_tokens, completion_tokens) = self.sizes.of(number, fingerprint);
        let cached_tokens = self.cached(fingerprint, prompt_tokens);
        let draw = mix(self.world_key ^ mix(job));
        RequestSpec { fingerprint, prompt_tokens, cached_tokens, completion_tokens, draw }
    }
}

impl RequestSampler {
    /// How much of a prompt of this length the provider finds in its cache.
    fn cached(&self, fingerprint: u64, prompt_tokens: u32) -> u32 {
        let found = match &self.cached {
            CachedPrompt::Share(0.0) => return 0, // As nearly everywhere: nothing to reckon.
            CachedPrompt::Share(share) => share * f64::from(prompt_tokens),
            CachedPrompt::Tokens(dist) => dist.sample(&mut Stream::keyed(self.cached_key, fingerprint)),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded; a float-to-int cast saturates, and no draw is negative"
        )]
        let found = libm::round(found) as u32;
        found.min(prompt_tokens)
    }
}

impl Popular {
    /// The rank of the popular prompt that a job repeats, if it repeats one.
    fn draw(&self, job: u64) -> Option<u32> {
        let mut stream = Stream::keyed(self.key, job);
        (stream.unit() < self.share).then(|| self.law.sample(&mut stream))
    }
}

impl Sizes {
    fn of(&self, number: u64, fingerprint: u64) -> (u32, u32) {
        match self {
            Self::SampleCache { prompt, prompt_key, completion, completion_key } => {
                let draw = |dist: &Dist, key| tokens(dist.sample(&mut Stream::keyed(key, fingerprint)));
                (draw(prompt, *prompt_key), draw(completion, *completion_key))
            }
            Self::Recorded(rows) => {
                let row = usize::try_from(number).ok().and_then(|number| rows.get(number));
                let row = row.expect("a trace has a row for each of its arrivals");
                let within = |tokens: u32| tokens.clamp(1, MAX_TOKENS);
                (within(row.prompt_tokens), within(row.completion_tokens))
            }
        }
    }
}

/// The nearest whole number of tokens, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "inside 1..=MAX_TOKENS; what is cut off is looked at"
)]
fn tokens(drawn: f64) -> u32 {
    let drawn = drawn.max(1.0).min(f64::from(MAX_TOKENS));
    let whole = drawn as u32;
    // Without `round`, which has no instruction of its own on every machine.
    whole + u32::from(drawn - f64::from(whole) >= 0.5)
}

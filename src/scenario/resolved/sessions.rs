//! Sessions: turns of dependent calls whose context grows, and what they amount to on average.
//!
//! The averages are for arithmetic that knows only independent calls. They are expectations over sessions that run to their
//! end: a task that fails ends its session earlier.

use super::{CachedPrompt, SessionTrace};
use crate::job::MAX_TOKENS;
use crate::stats::mean_within;
use provider::dist::Dist;
use provider::random::label_key;
use provider::{Nanos, RandomStream};

/// The most turns of a session; samples are clamped to it.
pub const MAX_TURNS: u32 = 1_000;
/// The most steps of a turn; samples are clamped to it.
pub const MAX_STEPS: u32 = 1_000;
/// The most calls of a step; samples are clamped to it.
pub const MAX_FAN_OUT: u32 = 100;

/// Sessions, and when their users leave.
#[derive(Clone, Debug, PartialEq)]
pub struct Sessions {
    /// What a session does.
    pub content: SessionContent,
    /// The time after which the user of a task leaves; `None`: never.
    pub deadline: Option<Nanos>,
    /// The share of users who end the session when a task did not succeed, in `0..=1`.
    pub leave: f64,
}

/// What the sessions of a workload do.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionContent {
    /// Drawn from distributions.
    Drawn(DrawnSessions),
    /// Replayed from a trace; the arrivals of the workload are the rows of this trace.
    Recorded(SessionTrace),
}

impl Sessions {
    /// Returns the mean number of calls of a task, which is a turn.
    #[must_use]
    pub fn calls_per_task(&self) -> f64 {
        match &self.content {
            SessionContent::Drawn(drawn) => drawn.calls_per_task(),
            SessionContent::Recorded(trace) => trace.calls_per_task(),
        }
    }

    /// Returns the distributions from which sessions are drawn; `None` if they are recorded.
    #[must_use]
    pub fn drawn(&self) -> Option<&DrawnSessions> {
        match &self.content {
            SessionContent::Drawn(drawn) => Some(drawn),
            SessionContent::Recorded(_) => None,
        }
    }

    /// Returns the sessions if they are recorded.
    #[must_use]
    pub fn recorded(&self) -> Option<&SessionTrace> {
        match &self.content {
            SessionContent::Drawn(_) => None,
            SessionContent::Recorded(trace) => Some(trace),
        }
    }
}

/// What a session does. Counts are rounded to whole numbers from 1, times are in seconds, tokens are rounded to whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnSessions {
    /// Turns of a session. Each is a task.
    pub turns: Dist,
    /// The time between the end of a task and the next turn of its session.
    pub think: Dist,
    /// Steps of a turn, one after another.
    pub calls: Dist,
    /// Calls of a step, all at once. The next step waits for the last of them.
    pub fan_out: Dist,
    /// The time between the end of a step and the next step of its turn.
    pub tool_time: Dist,
    /// Tokens of the first prompt of a session.
    pub first: Dist,
    /// Tokens that each call adds to the context besides its completion.
    pub growth: Dist,
    /// The share of the previous prompt that the provider finds in its prefix cache, in `0..=1`.
    pub cached: f64,
}

/// The calls of a session as independent calls of a workload with the same averages.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IndependentCalls {
    /// The prompts.
    pub(super) prompt: Dist,
    /// The share of them that is found in a cache.
    pub(super) cached_prompt: CachedPrompt,
}

/// Returns the mean and the mean square of a count, rounded to whole numbers from 1 to `max`: Σ P(N ≥ n) and
/// Σ (2n − 1) · P(N ≥ n).
fn count_moments(dist: &Dist, max: u32) -> (f64, f64) {
    (1..=max).map(f64::from).fold((0.0, 0.0), |(mean, square), n| {
        let at_least = if n > 1.0 { dist.probability_above(n - 0.5) } else { 1.0 };
        (mean + at_least, square + (2.0 * n - 1.0) * at_least)
    })
}

/// Rounds a sample to a whole number from 1 to `max`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=max")]
pub fn whole(sample: f64, max: u32) -> u32 {
    libm::round(sample.clamp(1.0, f64::from(max))) as u32
}

/// The number of sessions from which the distribution of prompts is made. Their mean does not depend on it.
const SESSIONS: u32 = 4_096;
/// The number of values of that distribution.
const VALUES: f64 = 64.0;

impl DrawnSessions {
    /// Returns the mean number of calls of a session.
    #[must_use]
    pub fn calls_per_session(&self) -> f64 {
        self.steps_per_session() * count_moments(&self.fan_out, MAX_FAN_OUT).0
    }

    /// Returns the mean number of calls of a task, which is a turn.
    #[must_use]
    pub fn calls_per_task(&self) -> f64 {
        self.calls_per_session() / self.turns_per_session()
    }

    /// Returns the mean number of turns of a session.
    #[must_use]
    pub fn turns_per_session(&self) -> f64 {
        count_moments(&self.turns, MAX_TURNS).0
    }

    /// Returns the mean number of steps of a session.
    #[must_use]
    pub fn steps_per_session(&self) -> f64 {
        self.turns_per_session() * count_moments(&self.calls, MAX_STEPS).0
    }

    /// Returns the mean time of a session in seconds if every step takes `step` seconds.
    #[must_use]
    pub fn mean_seconds(&self, step: f64) -> f64 {
        let (turns, steps) = (self.turns_per_session(), self.steps_per_session());
        steps * step + (steps - turns) * self.tool_time.mean() + (turns - 1.0) * self.think.mean()
    }

    /// Returns independent calls with the same mean prompt and the same mean of cached tokens. `completion` is that of a call,
    /// at most `max_tokens`.
    ///
    /// The step after j others has a prompt of `first + j · growth` on average. With S steps in a session, the mean of j over
    /// all steps is E\[S(S − 1)/2\] ÷ E\[S\]; the mean is exact, the distribution around it is that of j.
    pub(super) fn as_independent(&self, completion: &Dist, max_tokens: Option<u32>) -> IndependentCalls {
        let (turns, turns_square) = count_moments(&self.turns, MAX_TURNS);
        let (steps, steps_square) = count_moments(&self.calls, MAX_STEPS);
        let mean = turns * steps;
        let square = turns * (steps_square - steps * steps) + turns_square * steps * steps;
        let before = (square - mean) / 2.0 / mean;
        let first = self.first.mean().max(1.0);
        let fan_out = count_moments(&self.fan_out, MAX_FAN_OUT).0;
        let max = f64::from(max_tokens.unwrap_or(MAX_TOKENS));
        let growth = fan_out * (self.growth.mean() + mean_within(completion, 1.0, max));
        let prompt_mean = first + before * growth;
        // Of the mean · fan-out calls of a session, those of the first step find nothing; the others find a share of the prompt
        // before, which is one growth shorter than theirs.
        let found = mean * prompt_mean - first - (mean - 1.0) * growth;
        let share = self.cached * (found / (mean * prompt_mean)).clamp(0.0, 1.0);
        let depths = self.depths();
        let sampled: f64 = depths.iter().map(|(depth, part)| depth * part).sum();
        let scale = if sampled > 0.0 { before / sampled } else { 0.0 };
        let values: Vec<f64> = depths.iter().map(|(depth, _)| first + depth * scale * growth).collect();
        let weights: Vec<f64> = depths.iter().map(|(_, part)| *part).collect();
        let prompt = if growth == 0.0 || before == 0.0 {
            self.first.clone()
        } else {
            Dist::discrete(&values, &weights)
        };
        IndependentCalls { prompt, cached_prompt: CachedPrompt::Share(share) }
    }

    /// Returns the number of steps before a step in its session, as the means of at most [`VALUES`] groups of steps with
    /// their shares.
    fn depths(&self) -> Vec<(f64, f64)> {
        let key = label_key(0, "depths");
        let length = |number: u32| {
            let mut stream = RandomStream::keyed(key, u64::from(number));
            let turns = whole(self.turns.sample(&mut stream), MAX_TURNS);
            (0..turns).map(|_| whole(self.calls.sample(&mut stream), MAX_STEPS)).sum::<u32>()
        };
        let mut lengths: Vec<u32> = (0..SESSIONS).map(length).collect();
        lengths.sort_unstable();
        let all: f64 = lengths.iter().map(|steps| f64::from(*steps)).sum();
        let (mut groups, mut depth, mut weight, mut sum) = (Vec::new(), 0u32, 0.0, 0.0);
        let mut ended = 0;
        while ended < lengths.len() {
            let going = (lengths.len() - ended) as f64;
            weight += going;
            sum += going * f64::from(depth);
            depth += 1;
            ended += lengths[ended..].partition_point(|steps| *steps <= depth);
            if weight * VALUES >= all || ended == lengths.len() {
                groups.push((sum / weight, weight / all));
                (weight, sum) = (0.0, 0.0);
            }
        }
        groups
    }
}

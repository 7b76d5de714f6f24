//! The share of a workload's answers that are cut at `max_tokens` or at the model's longest completion, computed from the
//! lengths that the answers would have without a bound.

use super::resolved::{Arrivals, Scenario, Workload};
use crate::job::MAX_TOKENS;
use provider::Instant;
use provider::length::Lengths;

impl Scenario {
    /// Returns the share of a workload's answers that are cut, from 0 to 1. The bound is its `max_tokens`; without one, it
    /// is the longest completion of the models on its route. `None` if the bound depends on the prompt, or on the model
    /// that serves a job.
    #[must_use]
    pub fn cut_share(&self, workload: &Workload) -> Option<f64> {
        if let Some(max_tokens) = workload.max_tokens {
            return Some(self.share_of_longer_answers(workload, max_tokens));
        }
        let lengths: Vec<Lengths> =
            self.targets_of(workload).into_iter().map(|target| self.model_of(target).lengths).collect();
        let first = *lengths.first()?;
        let has_one_bound = first.context.is_none() && lengths.iter().all(|other| *other == first);
        let share = first.max_output.map_or(0.0, |most| self.share_of_longer_answers(workload, most));
        has_one_bound.then_some(share)
    }

    /// Returns the share of a workload's jobs whose answer, if nothing cuts it, is longer than `tokens`.
    fn share_of_longer_answers(&self, workload: &Workload, tokens: u32) -> f64 {
        match &workload.arrivals {
            _ if tokens >= MAX_TOKENS => 0.0,
            Arrivals::Trace { rows, .. } => {
                let rows = &rows[..rows.partition_point(|row| row.at < Instant::ZERO + self.duration)];
                let longer = rows.iter().filter(|row| row.completion_tokens > tokens).count();
                longer as f64 / rows.len().max(1) as f64
            }
            // A draw is rounded to the nearest whole number and is at least one.
            _ if tokens == 0 => 1.0,
            _ => workload.completion.probability_above(f64::from(tokens) + 0.5),
        }
    }
}

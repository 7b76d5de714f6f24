//! The share of a workload's answers that are cut at `max_tokens`, by arithmetic on the lengths that the model would write.

use super::resolved::{Arrivals, Scenario, Workload};
use crate::job::MAX_TOKENS;
use provider::Instant;
use provider::length::Lengths;

impl Scenario {
    /// Returns the share of a workload's answers that are cut, from 0 to 1: those longer than its `max_tokens`, or without
    /// one than the longest completion of the models on its route. `None` if that depends on the prompt, or on the model
    /// that serves a job.
    #[must_use]
    pub fn cut_share(&self, workload: &Workload) -> Option<f64> {
        if let Some(max_tokens) = workload.max_tokens {
            return Some(self.share_of_longer_answers(workload, max_tokens));
        }
        let lengths: Vec<Lengths> =
            self.targets_of(workload).into_iter().map(|target| self.model_of(target).lengths).collect();
        let first = *lengths.first()?;
        let is_simple = first.context.is_none() && lengths.iter().all(|other| *other == first);
        let share = first.max_output.map_or(0.0, |most| self.share_of_longer_answers(workload, most));
        is_simple.then_some(share)
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

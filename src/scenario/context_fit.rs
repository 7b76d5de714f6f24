//! Jobs that no target of their route can serve: the prompt and what the job allows for the completion exceed the context of every
//! model. Such a job is refused whatever the limits, which is known before anything runs.

use super::Note;
use super::resolved::{Arrivals, Scenario, Workload};
use crate::ids::TargetId;
use crate::job::MAX_TOKENS;
use provider::config::Lengths;
use provider::length::PromptCap;

impl Scenario {
    /// A note for each workload some of whose jobs are unservable.
    pub(super) fn unservable(&self) -> Vec<Note> {
        self.workloads.iter().filter_map(|workload| self.unservable_jobs(workload)).collect()
    }

    fn unservable_jobs(&self, workload: &Workload) -> Option<Note> {
        let route = &self.routes[workload.route.index()];
        let targets = route.steps.iter().flat_map(|step| &step.targets);
        let longest = targets.map(|target| self.lengths(*target).prompt_cap(workload.max_tokens)).max()?;
        let share = match longest {
            PromptCap::NothingFits => 1.0,
            PromptCap::Tokens(longest) => share_longer(workload, longest),
            PromptCap::Unlimited => 0.0,
        };
        (share >= MIN_SHARE).then(|| Note::Unservable {
            workload: workload.name.clone(),
            route: route.name.clone(),
            share,
            max_tokens: workload.max_tokens,
        })
    }

    fn lengths(&self, target: TargetId) -> Lengths {
        let target = &self.targets[target.index()];
        self.providers[usize::from(target.provider)].models[usize::from(target.model)].lengths
    }
}

/// A smaller share is only the far tail of a fitted distribution.
const MIN_SHARE: f64 = 1e-6;

/// The share of a workload's jobs whose prompt is longer than `tokens`.
fn share_longer(workload: &Workload, tokens: u32) -> f64 {
    match &workload.arrivals {
        _ if tokens >= MAX_TOKENS => 0.0,
        Arrivals::Trace { rows } => {
            let longer = rows.iter().filter(|row| row.prompt_tokens > tokens).count();
            longer as f64 / rows.len().max(1) as f64
        }
        // A draw is rounded to the nearest whole number and is at least one.
        _ if tokens == 0 => 1.0,
        _ => workload.prompt.probability_above(f64::from(tokens) + 0.5),
    }
}

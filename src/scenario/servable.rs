//! Computes which jobs of a workload the targets of its route can ever admit. A job that is longer than a context, or that
//! reserves more than a limit can hold, is refused however long it waits; both are known before a run.

use super::resolved::{Arrivals, CachedPrompt, Scenario, Workload};
use super::{ExceededBound, Note};
use crate::ids::TargetId;
use crate::job::MAX_TOKENS;
use provider::Instant;
use provider::config::ModelConfig;
use provider::largest_call::{LargestPrompt, SizeBound};
use provider::length::PromptCap;

/// The jobs of a workload that the same targets can admit: those with prompts in a range.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeClass {
    /// The prompts are longer than this; zero if no target has a smaller cap.
    pub above: u32,
    /// The longest prompt; `None`: no bound.
    pub up_to: Option<u32>,
    /// The share of the workload's jobs, above 0 and at most 1.
    pub share: f64,
    /// The targets that can admit them, each once, in the order of the route.
    pub targets: Vec<TargetId>,
}

/// The smallest share of jobs that counts. A smaller one is only the far tail of a fitted distribution.
const MIN_SHARE: f64 = 1e-6;

impl Scenario {
    /// Groups the jobs of a workload by the targets that can ever admit them. The shares add up to the share of jobs that
    /// at least one target can admit.
    #[must_use]
    pub fn size_classes(&self, workload: &Workload) -> Vec<SizeClass> {
        let caps: Vec<(TargetId, PromptCap)> = self
            .targets_of(workload)
            .into_iter()
            .map(|target| (target, self.largest_prompt(workload, target).cap))
            .filter(|(_, cap)| *cap >= PromptCap::Tokens(1))
            .collect();
        let mut class_caps: Vec<PromptCap> = caps.iter().map(|(_, cap)| *cap).collect();
        class_caps.sort_unstable();
        class_caps.dedup();
        let mut classes = Vec::new();
        let mut above = 0;
        for class_cap in class_caps {
            let up_to = match class_cap {
                PromptCap::Tokens(tokens) => Some(tokens),
                PromptCap::NothingFits | PromptCap::Unlimited => None,
            };
            let longer = up_to.map_or(0.0, |tokens| self.share_of_longer_prompts(workload, tokens));
            let share = self.share_of_longer_prompts(workload, above) - longer;
            let targets =
                caps.iter().filter(|(_, cap)| *cap >= class_cap).map(|(target, _)| *target).collect();
            if share >= MIN_SHARE {
                classes.push(SizeClass { above, up_to, share, targets });
            }
            above = up_to.unwrap_or(u32::MAX);
        }
        classes
    }

    /// Returns a note for each workload and target of its route that can never admit some of the workload's jobs, and a
    /// note for each workload with jobs that no target of its route can admit.
    pub(super) fn unservable_notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        for workload in &self.workloads {
            let too_large = self
                .targets_of(workload)
                .into_iter()
                .filter_map(|target| self.too_large_note(workload, target));
            notes.extend(too_large);
            let share = 1.0 - self.size_classes(workload).iter().map(|class| class.share).sum::<f64>();
            if share >= MIN_SHARE {
                let route = self.routes[workload.route.index()].name.clone();
                let max_tokens = workload.max_tokens;
                let (of_tasks, workload) = (workload.sessions.is_some(), workload.name.clone());
                notes.push(Note::Unservable { workload, route, share, max_tokens, of_tasks });
            }
        }
        notes
    }

    fn too_large_note(&self, workload: &Workload, target: TargetId) -> Option<Note> {
        let largest = self.largest_prompt(workload, target);
        let ExceededBound { bound, capacity, share } = self.exceeded(workload, largest)?;
        let may_be_cached = workload.cached_prompt != CachedPrompt::NOTHING;
        let bounds = self.model_of(target).size_bounds(workload.max_tokens, may_be_cached);
        let others = bounds.filter(|other| other.bound != largest.bound);
        Some(Note::TooLarge {
            workload: workload.name.clone(),
            target: self.targets[target.index()].name.clone(),
            share,
            bound,
            capacity,
            others: others.filter_map(|other| self.exceeded(workload, other)).collect(),
            max_tokens: workload.max_tokens,
        })
    }

    /// Returns a bound with the share of the jobs of a workload that exceed it; `None` if none does.
    fn exceeded(&self, workload: &Workload, largest: LargestPrompt) -> Option<ExceededBound> {
        let share = match largest.cap {
            PromptCap::NothingFits => 1.0,
            PromptCap::Tokens(longest) => self.share_of_longer_prompts(workload, longest),
            PromptCap::Unlimited => 0.0,
        };
        let (bound, capacity) = match largest.bound? {
            SizeBound::Context(tokens) => ("context", u64::from(tokens)),
            SizeBound::MaxOutput(tokens) => ("max_output", u64::from(tokens)),
            SizeBound::Limit(axis, capacity) => (axis.name(), capacity),
        };
        (share >= MIN_SHARE).then(|| ExceededBound { bound: bound.to_owned(), capacity, share })
    }

    /// Returns the targets of a workload's route, each once.
    pub(crate) fn targets_of(&self, workload: &Workload) -> Vec<TargetId> {
        let mut targets: Vec<TargetId> = Vec::new();
        for target in self.routes[workload.route.index()].steps.iter().flat_map(|step| &step.targets) {
            if !targets.contains(target) {
                targets.push(*target);
            }
        }
        targets
    }

    /// Returns the longest prompt of a workload's jobs that a target can ever admit.
    pub(crate) fn largest_prompt(&self, workload: &Workload, target: TargetId) -> LargestPrompt {
        let may_be_cached = workload.cached_prompt != CachedPrompt::NOTHING;
        self.model_of(target).largest_prompt(workload.max_tokens, may_be_cached)
    }

    /// Returns the model of a target.
    pub(super) fn model_of(&self, target: TargetId) -> &ModelConfig {
        let target = &self.targets[target.index()];
        &self.providers[usize::from(target.provider)].models[usize::from(target.model)]
    }

    /// Returns the share of a workload's jobs whose prompt is longer than `tokens`.
    fn share_of_longer_prompts(&self, workload: &Workload, tokens: u32) -> f64 {
        match &workload.arrivals {
            // A draw is rounded to the nearest whole number and is at least one.
            _ if tokens == 0 => 1.0,
            _ if tokens >= MAX_TOKENS => 0.0,
            Arrivals::Trace { rows, .. } => {
                let rows = &rows[..rows.partition_point(|row| row.at < Instant::ZERO + self.duration)];
                let longer = rows.iter().filter(|row| row.prompt_tokens > tokens).count();
                longer as f64 / rows.len().max(1) as f64
            }
            _ => workload.prompt.probability_above(f64::from(tokens) + 0.5),
        }
    }
}

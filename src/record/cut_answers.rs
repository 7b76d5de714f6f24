//! The answers of a run that were cut, as a finding states them.

use super::summary::{Summary, Workload};
use crate::formatting::share_of;
use crate::scenario::{self, Metric, Scenario};
use provider::length::Lengths;
use serde::{Deserialize, Serialize};

/// The smallest share of cut answers that is reported before the limits, the outcomes and the expectations.
const MIN_COMMON_CUT: f64 = 0.05;

/// The answers that were cut: each ends at `max_tokens`, at the longest completion of the model, or at the end of its context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CutAnswers {
    /// Jobs whose answer was cut; at least one.
    pub cut: u64,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// The workloads with cut answers, those with the most first.
    pub workloads: Vec<CutWorkload>,
    /// Workloads of the run, those without cut answers included.
    pub of: usize,
    /// `true` if a rule of `expect` is about cut answers.
    pub is_judged: bool,
}

/// The cut answers of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CutWorkload {
    /// Its name.
    pub name: String,
    /// Jobs whose answer was cut; at least one.
    pub cut: u64,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// The `max_tokens` of its jobs; `None`: they were cut at a bound of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// The bound of the model at which answers without `max_tokens` end.
    #[serde(default)]
    pub bound: CutBound,
}

/// What ends the answers of jobs without `max_tokens`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutBound {
    /// The longest completion of the models on their route.
    Output,
    /// The end of the context of these models.
    Context,
    /// Whichever comes first, or a bound of the provider that the scenario does not state.
    #[default]
    OutputOrContext,
}

impl CutBound {
    /// Returns `true` for the bound that a result without the field has.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the bound of the models on the route of a workload.
    pub(super) fn of(scenario: &Scenario, workload: &scenario::Workload) -> Self {
        let targets = scenario.routes[workload.route.index()].steps.iter().flat_map(|step| &step.targets);
        let lengths: Vec<Lengths> = targets
            .map(|target| &scenario.targets[target.index()])
            .map(|target| {
                scenario.providers[usize::from(target.provider)].models[usize::from(target.model)].lengths
            })
            .collect();
        let has_output = lengths.iter().any(|lengths| lengths.max_output.is_some());
        let has_context = lengths.iter().any(|lengths| lengths.context.is_some());
        match (has_output, has_context) {
            (true, false) => Self::Output,
            (false, true) => Self::Context,
            (true, true) | (false, false) => Self::OutputOrContext,
        }
    }
}

impl CutAnswers {
    /// Returns the cut answers of a run; `None` if there are none.
    #[must_use]
    pub fn of(summary: &Summary) -> Option<Self> {
        let cut = |workload: &&Workload| workload.cut > 0;
        let mut workloads: Vec<CutWorkload> =
            summary.workloads.iter().filter(cut).map(CutWorkload::of).collect();
        workloads.sort_by_key(|workload| std::cmp::Reverse(workload.cut));
        (summary.jobs.cut > 0).then(|| Self {
            cut: summary.jobs.cut,
            succeeded: summary.jobs.succeeded,
            workloads,
            of: summary.workloads.len(),
            is_judged: summary.expect.iter().any(|expected| expected.metric == Some(Metric::CutShare)),
        })
    }

    /// Returns `true` if so many answers are cut that they are reported before the outcomes of the jobs.
    pub(super) fn is_common(&self) -> bool {
        share_of(self.cut, self.succeeded).is_some_and(|share| share >= MIN_COMMON_CUT)
    }
}

impl CutWorkload {
    fn of(workload: &Workload) -> Self {
        let Workload { cut, succeeded, max_tokens, cut_bound: bound, .. } = *workload;
        Self { name: workload.name.clone(), cut, succeeded, max_tokens, bound }
    }
}

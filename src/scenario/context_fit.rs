//! Which jobs fit nowhere: longer, with what they allow for the answer, than any model of their route takes. Whatever the
//! limits, such a job is refused for good, and that can be told before anything runs.

use super::resolved::{Arrivals, Scenario, Workload};
use crate::ids::TargetId;
use crate::job::MAX_TOKENS;
use provider::config::Lengths;
use provider::units::print_share;

impl Scenario {
    /// A sentence for each workload of which some jobs fit no target.
    pub(super) fn misfits(&self) -> Vec<String> {
        self.workloads.iter().filter_map(|workload| self.misfit(workload)).collect()
    }

    fn misfit(&self, workload: &Workload) -> Option<String> {
        let route = &self.routes[workload.route.index()];
        let targets = route.steps.iter().flat_map(|step| &step.targets);
        let longest =
            targets.map(|target| self.lengths(*target).max_prompt_tokens(workload.max_tokens)).max()?;
        let share = longest.map_or(1.0, |longest| share_longer(workload, longest));
        let jobs = match share {
            // The far tail of a curve is no finding.
            ..1e-6 => return None,
            ..1e-3 => format!("One job in {:.0}", 1.0 / share),
            ..1.0 => format!("{} of the jobs", print_share(share)),
            _ => "Every job".into(),
        };
        let allowed =
            workload.max_tokens.map(|most| format!(" and its max_tokens of {most}")).unwrap_or_default();
        Some(format!(
            "{jobs} of {} can never be served: no model of the route {} takes its prompt{allowed}",
            workload.name, route.name
        ))
    }

    fn lengths(&self, target: TargetId) -> Lengths {
        let target = &self.targets[target.index()];
        self.providers[usize::from(target.provider)].models[usize::from(target.model)].lengths
    }
}

/// The share of a workload's jobs whose prompt has more tokens than this.
fn share_longer(workload: &Workload, tokens: u32) -> f64 {
    match &workload.arrivals {
        _ if tokens >= MAX_TOKENS => 0.0,
        Arrivals::Trace { rows } => {
            let longer = rows.iter().filter(|row| row.prompt_tokens > tokens).count();
            longer as f64 / rows.len().max(1) as f64
        }
        // A draw is rounded to the nearest whole number, and is one at least.
        _ if tokens == 0 => 1.0,
        _ => workload.prompt.probability_above(f64::from(tokens) + 0.5),
    }
}

//! The findings that follow from a plan.

use super::{CheapestChange, Finding, Improvement, NoUserCeiling};
use crate::formatting::significant;
use crate::planner::conclusion::Conclusion;
use crate::planner::plan::{ChangeEffect, ChangeKind, Comparison, Plan};
use crate::scenario::Metric;

/// Returns the findings of a plan, the most important first.
pub(in crate::planner) fn findings(plan: &Plan, conclusion: &Conclusion) -> Vec<Finding> {
    let simulated = &plan.ceiling.simulated;
    let mut findings = vec![ceiling(plan, conclusion)];
    // The finding that no load holds states the rules already.
    let violation =
        simulated.first_violation.clone().filter(|_| !matches!(conclusion, Conclusion::NoLoadHolds { .. }));
    findings.extend(violation.map(Finding::FirstViolation));
    findings
        .extend(simulated.without_cost_rules.map(|multiple| Finding::CeilingWithoutCostRules { multiple }));
    findings.extend(budget(plan));
    findings.extend(best_changes(plan));
    findings.extend(plan.what_if.iter().filter_map(harmful_policy));
    findings.extend(plan.buy.clone().map(Finding::Purchase));
    findings.extend(plan.growth.clone().map(Finding::Growth));
    findings.extend(plan.year.iter().map(|_| Finding::Year));
    findings.extend(plan.outages.iter().cloned().map(Finding::Outage));
    findings
}

fn ceiling(plan: &Plan, conclusion: &Conclusion) -> Finding {
    let (load_holds, load_jobs_per_min) = (plan.load.holds, plan.load.jobs_per_min);
    let simulated = &plan.ceiling.simulated;
    if let Some(load) = &plan.users {
        let without = NoUserCeiling::of(conclusion);
        return Finding::Users { load_holds, load: load.clone(), tried: simulated.search_bound, without };
    }
    let tried_jobs_per_min = significant(simulated.search_bound * load_jobs_per_min);
    match (conclusion, simulated.multiple, simulated.jobs_per_min) {
        (Conclusion::Ceiling, Some(multiple), Some(jobs_per_min)) => Finding::CeilingFound {
            load_holds,
            load_jobs_per_min,
            jobs_per_min,
            multiple,
            planning: simulated.planning,
            interval: simulated.low.zip(simulated.high).map(|(low, high)| [low, high]),
        },
        (Conclusion::Ceiling, ..) => unreachable!("invariant: a ceiling is stated, found {simulated:?}"),
        (Conclusion::NoLoadHolds { rules, too_large }, ..) => Finding::NoLoadHolds {
            load_jobs_per_min,
            tried_jobs_per_min,
            rules: rules.clone(),
            too_large: *too_large,
        },
        (Conclusion::NoneHeld, ..) => Finding::NoneHeld { load_jobs_per_min, tried_jobs_per_min },
        (Conclusion::TooFewJobs(few), ..) => Finding::CannotTell {
            load_jobs_per_min,
            few: few.clone(),
            load_breaks: plan.load.undecided.is_none(),
            seeds: simulated.undecided_seeds,
        },
        (Conclusion::Unbounded, ..) => {
            Finding::NoCeilingFound { load_holds, load_jobs_per_min, tried: simulated.search_bound }
        }
    }
}

/// Returns how the changes affect the cost of the present load; `None` unless rules on cost break first and are broken at
/// the present load, or if no change may be proposed.
fn budget(plan: &Plan) -> Option<Finding> {
    let changes = || plan.what_if.iter().filter(|change| change.may_be_proposed());
    changes().find_map(|change| change.meets_budget)?;
    let cost_usd = plan.load.cost_usd;
    let cheapest = changes().min_by(|one, other| one.cost_usd.total_cmp(&other.cost_usd));
    let saves = |change: &&ChangeEffect| change.cost_usd < cost_usd - ChangeEffect::negligible_usd(cost_usd);
    let cheapest = cheapest.filter(saves).map(|change| CheapestChange {
        change: change.change.clone(),
        cost_usd: change.cost_usd,
        meets_budget: change.meets_budget == Some(true),
    });
    let on_cost = plan.load.expect.iter().filter(|rule| rule.metric == Some(Metric::Cost));
    Some(Finding::Budget { rules: on_cost.map(|rule| rule.rule.clone()).collect(), cost_usd, cheapest })
}

/// Returns the best change, and, if it has an extra cost or changes the traffic, the best change that does neither.
fn best_changes(plan: &Plan) -> impl Iterator<Item = Finding> {
    let has_lift = plan.ceiling.simulated.lowest_tried.is_none();
    let raises = |change: &&ChangeEffect| change.compared == Comparison::Higher && change.may_be_proposed();
    let best = plan.what_if.iter().find(raises);
    let is_costly = best.is_some_and(|best| best.costs_extra() || best.kind == ChangeKind::Traffic);
    let free = plan.what_if.iter().filter(raises).find(|change| {
        !change.costs_extra()
            && change.kind != ChangeKind::Traffic
            && best.is_some_and(|best| best.change != change.change)
    });
    let best = best.map(|best| Finding::BestChange(Improvement::of(best, has_lift)));
    best.into_iter().chain(
        free.filter(|_| is_costly).map(|free| Finding::BestFreeChange(Improvement::of(free, has_lift))),
    )
}

impl Improvement {
    /// Describes a change that raises the ceiling. `has_lift` is `false` if no load holds at present, so that there is no
    /// ratio.
    fn of(change: &ChangeEffect, has_lift: bool) -> Self {
        debug_assert!(change.lift > 1.0 || !has_lift, "invariant: a lift is above 1, found {change:?}");
        let is_priced = change.costs_extra() || change.saves();
        Self {
            change: change.change.clone(),
            lift: has_lift.then_some(change.lift),
            jobs_per_min: change.ceiling_jobs_per_min,
            users: change.users,
            extra_usd_per_day: if is_priced { change.extra_usd_per_day } else { 0.0 },
            ceiling_usd_per_day: change.ceiling_usd_per_day,
        }
    }
}

/// Returns a finding if leaving a policy out raises the ceiling.
fn harmful_policy(change: &ChangeEffect) -> Option<Finding> {
    let is_harmful = change.kind == ChangeKind::Ablation && change.compared == Comparison::Higher;
    is_harmful.then(|| Finding::HarmfulPolicy { change: change.change.clone(), lift: change.lift })
}

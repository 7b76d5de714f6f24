//! The numbers of a change, as the table, the page and the chart write them.

use super::users;
use crate::formatting::{job_rate, number, plural};
use crate::planner::{ChangeEffect, ChangeKind, Comparison, Plan};

/// Formats the lift of a change: `1.87`, `equal` within the tolerance, `?` if no ceiling is known to compare with, `-` if there is no
/// present ceiling or the new one is undecided.
pub(in crate::report) fn lift(plan: &Plan, change: &ChangeEffect) -> String {
    match () {
        () if plan.ceiling.simulated.lowest_tried.is_some() => "-".to_owned(),
        () if change.undecided.is_some() => "-".to_owned(),
        () if change.compared == Comparison::Equal => "equal".to_owned(),
        () if change.compared == Comparison::Unknown => "?".to_owned(),
        () => format!("{:.2}", change.lift),
    }
}

/// Says what `?` means in the place of a lift; `None` if no change has it.
pub(in crate::report) fn unknown_lift(plan: &Plan) -> Option<String> {
    let is_unknown =
        |change: &ChangeEffect| change.compared == Comparison::Unknown && lift(plan, change) == "?";
    let tried = plan.compared.as_ref().filter(|_| plan.what_if.iter().any(is_unknown))?.multiple;
    let tried = number(tried);
    Some(format!("?: not known, since no ceiling was found without the change, up to {tried} times the load"))
}

/// Says on which seed and by which rules changes are compared, if these differ from those of the plan as a whole: ` on seed 1`,
/// ` on seed 1 without the rules on cost`; else empty.
pub(in crate::report) fn scope(plan: &Plan) -> String {
    let Some(compared) = &plan.compared else { return String::new() };
    let seed = compared.seed.map_or_else(String::new, |seed| format!(" on seed {seed}"));
    let rules = if compared.without_cost_rules { " without the rules on cost" } else { "" };
    format!("{seed}{rules}")
}

/// Says what lifts are relative to; `None` if no load holds at present.
pub(in crate::report) fn base(plan: &Plan) -> Option<String> {
    let compared = plan.compared.as_ref()?;
    let (from, rounding) = match &plan.users {
        Some(load) => {
            let users = load.users as f64 * compared.multiple;
            (format!("{} users", number(users)), "; users are stated as the whole number that held")
        }
        None => (format!("{} jobs/min", number(compared.jobs_per_min)), ""),
    };
    let what = if compared.is_bound { "the highest load tried with" } else { "that of" };
    let scope = scope(plan);
    Some(format!("lift: the ceiling divided by {from}, {what} the scenario as it is{scope}{rounding}"))
}

/// Says what the change with this name does to the ceiling, with the present and the new one as far as they are known.
pub(super) fn effect(plan: &Plan, name: &str, lift: Option<f64>) -> String {
    let change = plan.what_if.iter().find(|change| change.change == name);
    let scope = scope(plan);
    let load = |users: Option<u64>, jobs: f64| match users {
        Some(users) => plural(users, "user"),
        None => job_rate(jobs),
    };
    let to = change.and_then(|change| Some(load(change.users, change.ceiling_jobs_per_min?)));
    let tried = change.and_then(|change| Some(load(change.users, change.tried_jobs_per_min?)));
    let from = plan.compared.as_ref().map(|compared| load(compared.users, compared.jobs_per_min));
    // Left out for users: the ratio of their rounded numbers differs from the lift.
    let times = lift.filter(|_| plan.users.is_none()).map(number);
    let hold = format!("makes the rules hold{scope}");
    let every = "at every load that was tried";
    match (lift.and(from), to, tried) {
        (Some(from), Some(to), _) => {
            let times = times.map_or_else(String::new, |times| format!(", {times} times"));
            format!("raises the ceiling{scope} from {from} to {to}{times}")
        }
        (Some(from), None, Some(tried)) => match times {
            Some(times) => {
                format!("{hold} {every}, up to {tried}, {times} times the ceiling of {from} without it")
            }
            None => format!("{hold} {every}, up to {tried}, while the ceiling is {from} without it"),
        },
        (None, Some(to), _) => format!("{hold} up to {to}"),
        (None, None, Some(tried)) => format!("{hold} {every}, up to {tried}"),
        (_, None, None) => format!("{hold} {every}"),
    }
}

/// Formats the ceiling with a change; a bound if none was found, `unknown` if it is undecided.
pub(in crate::report) fn new_ceiling(change: &ChangeEffect) -> String {
    if let Some(users) = users::ceiling_of(change) {
        return users;
    }
    match (change.ceiling_jobs_per_min, change.below_jobs_per_min, change.tried_jobs_per_min) {
        (Some(ceiling), ..) => number(ceiling),
        (None, Some(below), _) => format!("< {}", number(below)),
        (None, None, Some(tried)) => format!("> {}", number(tried)),
        (None, None, None) if change.undecided.is_some() => "unknown".to_owned(),
        (None, None, None) => "none".to_owned(),
    }
}

/// Costs of a day that differ by at most this share of the present one are alike: a smaller saving depends on the seed.
const EQUAL_COSTS: f64 = 0.01;

/// Returns `true` if the cost of a day at the present load is lower with the change by more than [`EQUAL_COSTS`].
fn saves(change: &ChangeEffect) -> bool {
    let present = change.cost_usd_per_day - change.extra_usd_per_day;
    change.saves() && -change.extra_usd_per_day > present * EQUAL_COSTS
}

/// Formats the lift of a change per extra dollar a day. Without such a number: `removed` for a policy left out, `saves` if it
/// costs less by more than 1 %, `-` if it costs more, else `no extra`.
pub(in crate::report) fn lift_per_usd(plan: &Plan, change: &ChangeEffect) -> String {
    let has_lift = plan.ceiling.simulated.lowest_tried.is_none();
    match change.lift_per_usd.filter(|_| has_lift) {
        _ if change.kind == ChangeKind::Ablation => "removed".to_owned(),
        Some(lift) => number(lift),
        None if saves(change) => "saves".to_owned(),
        None if change.costs_extra() => "-".to_owned(),
        None => "no extra".to_owned(),
    }
}

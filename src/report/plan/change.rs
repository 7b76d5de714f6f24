//! The numbers of a change, as the table, the page and the chart write them.

use super::users;
use crate::formatting::number;
use crate::planner::{ChangeEffect, ChangeKind, Comparison, Plan};

/// Formats the lift of a change: `1.87`, `equal` within the tolerance, `-` if there is no present ceiling.
pub(in crate::report) fn lift(plan: &Plan, change: &ChangeEffect) -> String {
    match () {
        () if plan.ceiling.simulated.lowest_tried.is_some() => "-".to_owned(),
        () if change.compared == Comparison::Equal => "equal".to_owned(),
        () => format!("{:.2}", change.lift),
    }
}

/// Formats the ceiling of a change; a bound if none was found.
pub(in crate::report) fn new_ceiling(change: &ChangeEffect) -> String {
    if let Some(users) = users::ceiling_of(change) {
        return users;
    }
    match (change.ceiling_jobs_per_min, change.below_jobs_per_min, change.tried_jobs_per_min) {
        (Some(ceiling), ..) => number(ceiling),
        (None, Some(below), _) => format!("< {}", number(below)),
        (None, None, Some(tried)) => format!("> {}", number(tried)),
        (None, None, None) => "none".to_owned(),
    }
}

/// Formats the lift of a change per extra dollar a day.
pub(in crate::report) fn lift_per_usd(change: &ChangeEffect) -> String {
    match change.lift_per_usd {
        _ if change.kind == ChangeKind::Ablation => "removed".to_owned(),
        Some(lift) => number(lift),
        None if change.saves() => "saves".to_owned(),
        None if change.costs_extra() => "-".to_owned(),
        None => "no extra".to_owned(),
    }
}

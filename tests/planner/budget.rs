//! The budget of a client in USD bounds what a day costs, and is named as the cause of lost jobs.

use super::*;
use quotalab::scenario::Note;

/// 20 jobs a minute of 0.0002 USD cost 0.24 USD an hour, and the budget is a quarter of that.
fn with_budget(budget: &str) -> String {
    one_account("rpm: 6000", "poisson: 20/min", "expect: [success >= 95%]")
        .replace("client: {", &format!("client: {{ deadline: 30s, budget: {{ {budget} }},"))
}

#[test]
fn a_day_costs_no_more_than_the_budget() {
    for (budget, most) in [
        ("usd_per_hour: 0.06", 1.44),
        ("usd_per_day: 0.06", 0.06),
        ("usd_per_hour: 1, usd_per_day: 0.1", 0.1),
    ] {
        let plan = plan_of(&with_budget(budget), &options(1));
        let costs: Vec<f64> = plan.curve.iter().filter_map(|point| point.cost_usd_per_day).collect();
        assert!(costs.iter().all(|usd| *usd <= most + 1e-6), "{budget}: {costs:?}");
        assert!(costs.iter().any(|usd| *usd >= 0.9 * most), "{budget}: {costs:?}");
        assert!(plan.what_if.iter().all(|change| change.cost_usd_per_day <= most + 1e-6), "{budget}");
    }
}

#[test]
fn the_budget_is_named_as_the_cause_of_lost_jobs() {
    let plan = plan_of(&with_budget("usd_per_hour: 0.06"), &options(1));
    let text = text_of(&plan);
    assert!(text.contains("the budget of the client in USD does not allow"), "{text}");
    assert!(!text.contains("the cause is the pace"), "{text}");
}

#[test]
fn a_completion_that_nothing_bounds_is_an_exception_of_the_budget() {
    let unbounded = |yaml: &str| {
        let summary = simulate(&parse(yaml));
        summary.notes.iter().find_map(|note| match note {
            Note::ClientBudget { unbounded, .. } => Some(unbounded.clone()),
            _ => None,
        })
    };
    let bounded = with_budget("usd_per_hour: 0.06");
    assert_eq!(unbounded(&bounded), Some(Vec::new()));
    let without = bounded.replace(", max_tokens: 100", "");
    assert_eq!(unbounded(&without), Some(vec!["p/default/m".to_owned()]));
    let by_model = without.replace("models: { m: {", "models: { m: { max_output: 500,");
    assert_eq!(unbounded(&by_model), Some(Vec::new()));
}

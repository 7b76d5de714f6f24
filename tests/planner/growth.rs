//! When a growing load reaches the ceiling.

use super::{one_account, options, plan_of, text_of};
use quotalab::planner::{GrowthRate, PlanOptions};

/// With several seeds, each time is stated with its ceiling: the one to plan with is reached before the interval of the mean one.
#[test]
fn growth_reaches_the_ceiling_to_plan_with_before_the_mean_one() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "poisson: 4/min", "expect: [success >= 80%]")
        .replace("duration: 30m", "duration: 4h");
    let growth = Some(GrowthRate::parse("8%/month").unwrap());
    let plan = plan_of(&yaml, &PlanOptions { growth, ..options(4) });
    let growth = plan.growth.as_ref().expect("a growth");
    let months = |multiple: f64| multiple.ln() / 1.08f64.ln();
    let planning = plan.planning_multiple.expect("a ceiling");
    let (to_plan, mean) = (growth.months.expect("a ceiling"), growth.mean.as_ref().expect("a mean ceiling"));
    assert!((to_plan - months(planning)).abs() < 0.006, "{growth:?}");
    let (low, high) = (plan.ceiling.simulated.low.unwrap(), plan.ceiling.simulated.high.unwrap());
    for (found, multiple) in [(mean.between[0], low), (mean.between[1], high)] {
        assert!((found - months(multiple)).abs() < 0.05, "{growth:?} {low} {high}");
    }
    assert!(mean.between[0] <= mean.months && mean.months <= mean.between[1], "{growth:?}");
    let text = text_of(&plan);
    assert!(
        text.contains("the load reaches the ceiling to plan with in")
            && text.contains("it reaches the mean ceiling in"),
        "{text}"
    );
}

#[test]
fn growth_reaches_the_ceiling_after_the_logarithm_of_the_headroom() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 20/min", "expect: [success >= 99.9%]");
    let plan =
        plan_of(&yaml, &PlanOptions { growth: Some(GrowthRate::parse("8%/month").unwrap()), ..options(1) });
    let months = plan.growth.unwrap().months.unwrap();
    // 1.08^n = 1.5
    assert!((months - 1.5f64.ln() / 1.08f64.ln()).abs() < 0.05, "{months}");
    for wrong in ["8", "8%", "8/month", "-3%/month", "8%/fortnight", "%/month", "inf%/day"] {
        assert!(GrowthRate::parse(wrong).is_err(), "{wrong}");
    }
}

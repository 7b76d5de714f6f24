//! What to buy in which month of a growing load: orders worked out by hand, what is not held, and what is refused.

use super::*;
use quotalab::planner::{NotMet, PlanError, Year, YearOptions};

/// A job every other minute under a limit of one a minute, which holds up to twice the load. A day costs 0.144 USD.
fn growing(offers: &str) -> String {
    one_account("rpm: { limit: 1, burst: 1 }", "constant: 720/day", offers)
        .replace("duration: 30m", "duration: 24h")
        + "\nexpect: [success >= 99%]"
}

const TIER: &str = "offers:\n  - { name: a tier, set: { providers.p.models.m.limits.rpm.limit: 2 }, fee: 10 USD/month, setup: 5 USD }";

fn options_of(rate: &str, months: u32) -> PlanOptions {
    let growth = GrowthRate::parse(rate).ok();
    PlanOptions { growth, year: Some(YearOptions { months, from: None }), ..options(1) }
}

fn plan_year(yaml: &str, rate: &str, months: u32) -> (Plan, Year) {
    let plan = plan_of(yaml, &options_of(rate, months));
    let year = plan.year.clone().expect("months were asked for");
    (plan, year)
}

#[track_caller]
fn assert_usd(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 0.005 * expected.max(1.0), "{found} is not {expected}");
}

/// 20 % a month: 1, 1.2, 1.44, 1.73, 2.07, 2.49 times the load. The limit of one a minute holds four months.
#[test]
fn a_tier_is_bought_in_the_month_that_needs_it() {
    let (plan, year) = plan_year(&growing(TIER), "20%/month", 6);
    let owned: Vec<usize> = year.months.iter().map(|month| month.owned.len()).collect();
    assert_eq!(owned, [0, 0, 0, 0, 1, 1], "{year:#?}");
    let bought = &year.months[4];
    assert_eq!((bought.buy.as_slice(), bought.end.len()), (["a tier".to_owned()].as_slice(), 0));
    let violation = bought.breaks_without.as_ref().expect("the limit of one a minute breaks the rule");
    assert_eq!((violation.rule.as_str(), violation.axis.as_deref()), ("success >= 99%", Some("rpm")));
    assert!(year.months.iter().all(|month| month.proof >= 50), "{year:#?}");
    assert_usd(bought.load.multiple, 1.2f64.powi(4));
    // 720 jobs of 0.0002 USD a day in months of 30.4375 days.
    let use_of = |multiple: f64| 720.0 * 0.0002 * 30.4375 * multiple;
    let loads: Vec<f64> = (0..6).map(|month| 1.2f64.powi(month)).collect();
    for (month, load) in year.months.iter().zip(&loads) {
        assert_usd(month.cost.usage_usd, use_of(*load));
    }
    // The scenario of each month, written by hand, holds its load.
    let (base, tier) = (parse(&growing("")), parse(&growing("").replace("limit: 1,", "limit: 2,")));
    for (month, load) in year.months.iter().zip(&loads) {
        let scenario = if month.owned.is_empty() { &base } else { &tier };
        assert!(simulate(&scenario.scaled(*load)).holds(), "{month:?}");
    }
    assert!(!simulate(&base.scaled(loads[4])).holds(), "the limit of one a minute breaks the rule");
    assert_eq!((year.cost.fees_usd, year.cost.setup_usd), (20.0, 5.0));
    assert_usd(year.cost.total_usd, 25.0 + use_of(loads.iter().sum()));
    assert!(plan.not_met.is_empty() && year.not_held.is_none(), "{:?}", plan.not_met);
    let text = text_of(&plan);
    for part in [
        "6 months at 20%/month, up to 2.49 times the load, cost least with these purchases: in month 5 a tier.",
        "buy a tier: with what was owned before `success >= 99%` breaks (rpm of p/default/m)",
        "Month 1 has the present load.",
        "exit code 0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Doubling: 1, 2, 4, 8, 16. Without offers the planner adds up to three accounts, which hold 8 times the load.
#[test]
fn without_offers_accounts_are_bought_and_the_first_month_beyond_them_is_named() {
    // A client that tries the other accounts after a refusal.
    let patient = growing("").replace("attempts: 1, obey_retry_after: false", "attempts: 6");
    let (plan, year) = plan_year(&patient, "99%/month", 5);
    let owned: Vec<usize> = year.months.iter().map(|month| month.owned.len()).collect();
    assert_eq!(owned, [0, 0, 1, 3], "{year:#?}");
    assert!(!year.has_own_offers && year.cost.fees_usd == 0.0, "{year:#?}");
    let missing = year.not_held.as_ref().expect("sixteen times the load is too much");
    assert_eq!((missing.load.month, missing.owned.len()), (5, 3));
    let up_to = missing.holds_up_to.expect("four accounts hold something");
    assert!((7.6..=8.1).contains(&up_to), "{up_to}");
    assert!(plan.not_met.contains(&NotMet::Year { month: Some(5) }), "{:?}", plan.not_met);
    let text = text_of(&plan);
    assert!(
        text.contains(
            "nothing that can be bought by then holds, of which 3 × one more account at p holds the most"
        ),
        "{text}"
    );
    assert!(text.contains("the load of month 5 is not held"), "{text}");
}

/// A tier that is needed from month 2 on and is sold from March on: February is not held if the plan begins in January.
#[test]
fn an_offer_with_a_date_is_bought_no_earlier() {
    let dated = TIER.replace("setup: 5 USD", "from: 2027-03");
    let scenario = parse(&growing(&dated));
    let without = planner::plan(&scenario, &options_of("150%/month", 3), &());
    assert_eq!(without.err(), Some(PlanError::NoFirstMonth));
    let from = |month| {
        let year = Some(YearOptions { months: 2, from: Some((2027, month)) });
        planner::plan(&scenario, &PlanOptions { year, ..options_of("150%/month", 2) }, &())
            .expect("a plan")
            .year
    };
    let january = from(1).expect("months were asked for");
    let missing = january.not_held.as_ref().expect("February is not held");
    assert_eq!((missing.load.calendar.as_deref(), missing.owned.len()), (Some("2027-02"), 0));
    assert_eq!(january.months[0].days, 31.0);
    let february = from(2).expect("months were asked for");
    let owned: Vec<usize> = february.months.iter().map(|month| month.owned.len()).collect();
    assert_eq!((owned.as_slice(), february.months[0].days), ([0, 1].as_slice(), 28.0));
}

#[test]
fn a_month_is_not_priced_from_an_hour() {
    let hour = growing(TIER).replace("duration: 24h", "duration: 1h");
    let error =
        planner::plan(&parse(&hour), &options_of("20%/month", 3), &()).expect_err("an hour is no day");
    assert_eq!(error, PlanError::NoWholeDays);
    assert!(error.is_of_input() && error.to_string().contains("--for 24h"), "{error}");
}

#[test]
fn offers_that_cannot_be_owned_are_reported_with_their_lines() {
    let problems = |offers: &str| {
        let yaml = growing(&format!("offers:\n{offers}"));
        scenario::parse("s.yaml", &yaml, &Overrides::default(), None).expect_err(offers).to_string()
    };
    let tier = |more: &str| format!("  - {{ name: one, set: {{ seed: 2 }}{more} }}\n");
    for (offers, expected) in [
        ("  - { name: one, fee: 5 USD/month }\n".to_owned(), "set"),
        (tier(", fee: 5 USD"), "200 USD/month"),
        (tier(", setup: 5"), "50 USD"),
        (tier(", commitment: 3"), "3 months"),
        (tier(", from: 3"), "month 4"),
        (tier(", max: 2"), "only accounts can be owned several times"),
        (tier(", requires: [two]"), "unknown offer `two`"),
        (tier(", requires: [one]"), "requires itself"),
        (tier("") + &tier(""), "exists already"),
        ("  - { name: one, account: q }\n".to_owned(), "no provider `q`"),
        ("  - { name: one, set: { providers.p.models.m.limits.rpm: many } }\n".to_owned(), "many"),
        (
            "  - { name: one, account: p, max: 63 }\n  - { name: two, account: p }\n".to_owned(),
            "more than 64 ways",
        ),
    ] {
        let found = problems(&offers);
        assert!(found.contains(expected) && found.contains("s.yaml:"), "{offers}: {found}");
    }
}

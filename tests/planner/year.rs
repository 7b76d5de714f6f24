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
        "6 months at 20%/month, up to 2.49 times the load, cost least with these purchases: in month 5 buy a tier.",
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

/// Jobs at a constant rate under a limit of 3,000 per month of the calendar, and an offer of 3,400.
fn monthly(rate: &str) -> String {
    const BIGGER: &str = "offers:\n  - { name: bigger, set: { providers.p.models.m.limits.rpmonth.limit: 3400 }, fee: 10 USD/month }";
    one_account("rpmonth: { limit: 3000, law: calendar }", &format!("constant: {rate}"), BIGGER)
        .replace("duration: 30m", "duration: 24h\nstart: 2027-01-11T00:00 UTC")
        + "\nexpect: [success >= 99%]"
}

fn plan_months(yaml: &str, months: u32, from: Option<(i16, i8)>) -> Result<Plan, PlanError> {
    let year = Some(YearOptions { months, from });
    planner::plan(&parse(yaml), &PlanOptions { year, ..options_of("1%/month", months) }, &())
}

/// 106 a day, 1 % more each month, are 2,968 in February, 3,319 in March, 3,244 in April, 3,386 in May, 3,309 in June, and 3,454 in July, of
/// which 3,400 are 98.4 %.
#[test]
fn a_month_is_proved_with_its_own_days_if_a_limit_counts_per_month() {
    let plan = plan_months(&monthly("106/day"), 6, Some((2027, 2))).expect("a plan");
    let year = plan.year.as_ref().expect("months were asked for");
    let owned: Vec<usize> = year.months.iter().map(|month| month.owned.len()).collect();
    assert_eq!(owned, [0, 1, 1, 1, 1], "{year:#?}");
    assert!(year.months.iter().all(|month| month.proof >= 50), "{year:#?}");
    let july = year.not_held.as_ref().expect("July is not held");
    assert_eq!((july.load.calendar.as_deref(), july.owned.len()), (Some("2027-07"), 1));
    // 3,400 are 99 % of 3,434 jobs in 31 days, which are 1.045 times the load.
    let up_to = july.holds_up_to.expect("a load holds");
    assert!((1.03..=1.05).contains(&up_to), "{up_to}");
    // 106 jobs a day of 0.0002 USD.
    assert_usd(year.months[0].cost.usage_usd, 106.0 * 28.0 * 0.0002);
    let text = text_of(&plan);
    for part in [
        "Each month, simulated as that month of the calendar, held on",
        "A limit per month of the calendar can bind, so each month was simulated as a whole",
        "in 2027-03 (month 2) buy bigger",
        "is a month of the calendar",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("window of rpmonth on p/default/m is 30"), "{text}");
}

/// 100 a day are 3,100 in January, 2,828 in February and 3,162 in March: what is needed in January is not needed in February.
#[test]
fn a_short_month_needs_less_than_the_one_before() {
    let plan = plan_months(&monthly("100/day"), 3, Some((2027, 1))).expect("a plan");
    let year = plan.year.as_ref().expect("months were asked for");
    let owned: Vec<usize> = year.months.iter().map(|month| month.owned.len()).collect();
    assert_eq!(owned, [1, 0, 1], "{year:#?}");
    // The months of the limit are those of the Pacific zone, eight hours later.
    let pacific = monthly("100/day").replace("law: calendar", "law: calendar, zone: pacific");
    let year =
        plan_months(&pacific, 3, Some((2027, 1))).expect("a plan").year.expect("months were asked for");
    assert_eq!(year.months.iter().map(|month| month.owned.len()).collect::<Vec<_>>(), [1, 0, 1], "{year:#?}");
}

#[test]
fn months_that_cannot_be_simulated_as_a_whole_are_refused_if_a_limit_counts_per_month() {
    let yaml = monthly("106/day");
    assert_eq!(plan_months(&yaml, 2, None).err(), Some(PlanError::NoCalendarMonths));
    let incident = yaml.replace("models:", "incidents: [{ at: 1h, for: 1h, fault: 503 }], models:");
    let cost = yaml.replace("success >= 99%", "cost <= 1 USD");
    let fixed = yaml.replace("rpmonth: {", "tpmonth: { limit: 700k, law: fixed }, rpmonth: {");
    for yaml in [incident, cost, fixed, monthly("1000000/day")] {
        let error = plan_months(&yaml, 2, Some((2027, 2))).expect_err("no month can be proved");
        assert!(matches!(error, PlanError::MonthsNotSimulated(_)) && error.is_of_input(), "{yaml}: {error}");
    }
    // A limit that is far from binding does not count.
    let few = plan_months(&monthly("20/day"), 1, None).expect("a plan").year.expect("months were asked for");
    assert!(!few.has_whole_months);
}

/// `second` requires and replaces `first`, which is of no use by itself: it is bought a month earlier than `second` is needed.
#[test]
fn what_replaces_its_own_requirement_is_bought_a_month_after_it() {
    let offers = "offers:
  - { name: first, set: { seed: 2 }, fee: 10 USD/month }
  - { name: second, set: { providers.p.models.m.limits.rpm.limit: 2 }, fee: 1 USD/month, requires: [first], replaces: [first] }";
    let (plan, year) = plan_year(&growing(offers), "150%/month", 2);
    assert!(year.months.len() == 2 && plan.not_met.is_empty(), "{year:#?}");
    assert_eq!(
        (&year.months[0].owned, &year.months[1].owned),
        (&vec!["first".into()], &vec!["second".into()])
    );
    let text = text_of(&plan);
    assert!(text.contains("in month 1 buy first; in month 2 buy second; first ends"), "{text}");
    // In month 1, `second` cannot be owned.
    let (_, year) = plan_year(&growing(offers).replace("720/day", "1800/day"), "1%/month", 1);
    let missing = year.not_held.expect("the limit of one a minute does not hold");
    assert!(!missing.owned.contains(&"second".to_owned()), "{missing:#?}");
}

#[test]
fn a_month_is_not_priced_from_an_hour() {
    let hour = growing(TIER).replace("duration: 24h", "duration: 1h");
    let error =
        planner::plan(&parse(&hour), &options_of("20%/month", 3), &()).expect_err("an hour is no day");
    assert_eq!(error, PlanError::NoWholeDays);
    assert!(error.is_of_input() && error.to_string().contains("--for 24h"), "{error}");
}

/// An offer with an invalid fee is reported for that alone, not as unknown where others name it.
#[test]
fn an_invalid_offer_is_not_called_unknown() {
    let offers = "offers:
  - { name: small, set: { seed: 2 }, fee: 5 USD }
  - { name: smell, set: { seed: 3 }, replaces: [small] }
  - { name: other, set: { seed: 4 }, requires: [smal] }";
    let problems =
        scenario::parse("s.yaml", &growing(offers), &Overrides::default(), None).expect_err(offers);
    let text = problems.to_string();
    assert!(text.contains("200 USD/month") && !text.contains("unknown offer `small`"), "{text}");
    assert!(text.contains("unknown offer `smal`") && text.contains("did you mean `small`"), "{text}");
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

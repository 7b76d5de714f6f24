//! Eleven unusual scenarios: what a plan says about each, compared with the arithmetic that the fixture states.

use super::*;
use quotalab::planner::{Comparison, Difference, Improvement, TooFewJobs};

/// Returns the text of a scenario; `name` is a file of `tests/fixtures/unusual` without its ending.
pub(super) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/unusual/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn growth() -> Option<GrowthRate> {
    Some(GrowthRate::parse("10%/month").expect("a growth rate"))
}

fn best(plan: &Plan) -> Option<&Improvement> {
    plan.findings.iter().find_map(|finding| match finding {
        Finding::BestChange(best) => Some(best),
        _ => None,
    })
}

const FALLBACK: &str = "fall back to groq-developer openai/gpt-oss-120b";

#[test]
fn an_hour_under_a_daily_limit_has_the_ceiling_of_the_day() {
    let target = Some(Target::Multiple(2.0));
    let plan = plan_of(
        &fixture("01-hour-under-a-daily-limit"),
        &PlanOptions { target, incident: true, growth: growth(), ..options(4) },
    );
    assert!(matches!(&plan.findings[0], Finding::LongWindow { window, .. } if window.axis == "rpd"));
    // 1,200 a day are 0.833 a minute, and 2 % may fail.
    let found = plan.ceiling.simulated.planning.expect("several replicas").jobs_per_min;
    assert!((0.78..0.88).contains(&found) && !plan.load.holds, "{found}");
    let account = change(&plan, "one more account at p");
    assert!((1.85..2.15).contains(&account.lift), "{account:#?}");
    // A fallback that is cheap at the present load costs 0.000195 USD a job at the highest load that was tried.
    let fallback = change(&plan, FALLBACK);
    let expected = fallback.tried_jobs_per_min.expect("it holds whatever was tried") * 1440.0 * 0.000_195;
    assert!((fallback.ceiling_usd_per_day / expected - 1.0).abs() < 0.05, "{fallback:#?}");
    // 17,280 jobs a day, of which 98 % must succeed, need 15 accounts of 1,200.
    let buy = plan.buy.as_ref().expect("a target was given");
    assert_eq!(buy.changes, vec!["one more account at p"; 14]);
    assert_eq!(buy.not_compared, [FALLBACK]);
    let workload = &plan.outages[0].workloads[0];
    assert!(
        !workload.serves_without && workload.success_without.is_some_and(|share| share < 0.3),
        "{workload:#?}"
    );
    let text = text_of(&plan);
    assert!(text.contains("USD/day in total at the highest load tried."), "{text}");
    assert!(text.contains("costs less was not compared.") && text.contains("% without the loss)"), "{text}");
    assert!(!text.contains("success is as required") && text.contains("as without the loss again"), "{text}");
}

#[test]
fn three_jobs_a_day_are_counted_per_day() {
    let target = Some(Target::Multiple(2.0));
    let options = PlanOptions { target, incident: true, growth: growth(), ..options(4) };
    let plan = plan_of(&fixture("02-three-jobs-a-day"), &options);
    // The limit admits four jobs a day, which are 90 % of 4.44.
    let found = plan.ceiling.simulated.jobs_per_min.expect("a ceiling") * 1440.0;
    assert!((4.3..4.5).contains(&found) && plan.load.holds, "{found}");
    let buy = plan.buy.as_ref().expect("a target was given");
    assert!((buy.target.jobs_per_min * 1440.0 - 6.0).abs() < 1e-3, "{buy:#?}");
    assert_eq!(buy.changes, ["one more account at p"]);
    let text = text_of(&plan);
    assert!(text.contains("To hold 2 times the load (6 jobs/day): one more account at p"), "{text}");
    // No load that was tried reaches the limits of the fallback, so its ceiling is not known.
    assert!(best(&plan).is_some_and(|best| best.jobs_per_min.is_none()), "{:#?}", best(&plan));
    assert!(text.contains("makes the rules hold on seed 1 at every load that was tried, up to"), "{text}");
    assert!(text.contains("for nothing more at the present load and 0."), "{text}");
    assert!(text.contains("Of the 1 job of report (route r) that arrives during it, on seed "), "{text}");
    // A rule of 90 % needs 30 jobs to be judged, which only runs of many days have.
    assert!(plan.duration_s >= 30.0 / 3.0 * 86_400.0, "{}", plan.duration_s);
}

#[test]
fn sixty_accounts_are_not_expected_to_hold_two_thousand_times_the_limit() {
    let yaml = fixture("03-ten-thousand-times-the-limit").replace("60000/min", "6000/min");
    let (target, time_limit) = (Some(Target::Multiple(2.0)), Some(provider::Nanos::ZERO));
    let plan = plan_of(&yaml, &PlanOptions { target, time_limit, ..options(4) });
    // A full bucket and ten refills of 6 are 66 jobs in ten minutes, and 5 % may fail.
    let found = plan.ceiling.simulated.jobs_per_min.expect("a ceiling");
    assert!((6.4..7.0).contains(&found), "{found}");
    // A purchase has at most sixty changes, and sixty accounts of 6 a minute are far below 12,000.
    let buy = plan.buy.as_ref().expect("a target was given");
    assert!(!buy.holds && !buy.expected, "{buy:#?}");
    let text = text_of(&plan);
    assert!(text.contains("(12,000 jobs/min) is above the ceiling with"), "{text}");
    assert!(!text.contains("jobs/min) needs"), "{text}");
    let Finding::CeilingFound { interval: Some([low, high]), .. } = &plan.findings[0] else {
        panic!("{:#?}", plan.findings)
    };
    assert!(low < high && !text.contains("(0.0011 to 0.0011)"), "{low} {high} {text}");
}

#[test]
fn an_incident_is_named_where_the_provider_fails_and_not_its_limit() {
    let plan = plan_of(
        &fixture("04-one-provider-fails"),
        &PlanOptions { incident: true, target: Some(Target::Multiple(2.0)), ..options(1) },
    );
    // The rule allows 7 % to fail. At least 4.7 % are lost in the incident, so that the limit of 201.7 a minute may refuse 2.3 %:
    // the ceiling is about 201.7 ÷ 0.977 = 206 a minute.
    let found = plan.ceiling.simulated.jobs_per_min.expect("a ceiling");
    assert!((198.0..216.0).contains(&found), "{found}");
    let violation = plan.ceiling.simulated.first_violation.as_ref().expect("a rule breaks above");
    assert_eq!(
        (violation.incident.as_deref(), violation.at_s >= Some(3_600.0)),
        (Some("p"), true),
        "{violation:#?}"
    );
    assert!(violation.refused_over_run > 0 && violation.refused == 0, "{violation:#?}");
    let text = text_of(&plan);
    assert!(text.contains("during an incident of p. Over the run rpm of p/default/m refuses"), "{text}");
    assert!(text.contains("holds without any change"), "{text}");
    // The causes that raise the ceiling come first; those that lower it follow, "in the other direction".
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    let places = ["Known causes:", "The rules allow 7 %", "In the other direction:", "1 incident takes away"]
        .map(place);
    assert!(places.is_sorted(), "{text}");
    let workload = &plan.outages[0].workloads[0];
    assert_eq!((workload.success, workload.serves_without), (Some(0.0), false));
    assert!(text.contains("from its end on success is as without the loss."), "{text}");
    let scaled =
        "Costs per day are those of a run of 2 h, times 12, as if its traffic went on for the whole day.";
    assert!(text.contains(scaled), "{text}");
}

#[test]
fn the_fewest_users_that_reach_the_quota_are_found() {
    let plan = plan_of(&fixture("05-closed-users"), &PlanOptions { growth: growth(), ..options(4) });
    let load = plan.users.as_ref().expect("a workload has users");
    // 40 users send 100 a minute, and 151 are admitted: 98 % of that from 60 users on.
    assert!((load.jobs_per_min - 100.0).abs() < 1.0, "{load:#?}");
    let saturation = load.saturation.expect("the quota is reached");
    assert!((58..=62).contains(&saturation.users), "{load:#?}");
    let ceiling = load.ceiling.expect("a rule breaks with many users");
    assert!((60..=68).contains(&ceiling.users), "{load:#?}");
    let months = plan.growth.as_ref().and_then(|growth| growth.months).expect("a ceiling is reached");
    assert!((months - (ceiling.users as f64 / 40.0).ln() / 1.1_f64.ln()).abs() < 0.02, "{months}");
    let text = text_of(&plan);
    assert!(!text.contains("was not reached"), "{text}");
    assert!(text.contains("further users add waiting or failures."), "{text}");
}

#[test]
fn no_load_holds_if_more_jobs_are_too_large_than_may_fail() {
    let plan = plan_of(&fixture("06-sizes-that-never-fit"), &PlanOptions { incident: true, ..options(4) });
    let Finding::NoLoadHolds { rules: broken, too_large, .. } = &plan.findings[0] else {
        panic!("{:#?}", plan.findings)
    };
    assert_eq!((rules(broken), *too_large), (vec!["success >= 95%"], Some(0.1)));
    let text = text_of(&plan);
    assert!(text.contains("10 % of the jobs are too large for every target"), "{text}");
    assert!(!text.contains("a ceiling, if there is one") && !text.contains("fails or is slow"), "{text}");
    // The jobs that fit reserve 2,000 + 500 tokens and use 2,000 + 200.
    let is_of_those_that_fit = |difference: &Difference| {
        matches!(
            difference,
            Difference::Reservation { reserved_tokens: 2_500, used_tokens: 2_200, jobs_at_once: 8, .. }
        )
    };
    assert!(plan.ceiling.differences.iter().any(is_of_those_that_fit), "{:#?}", plan.ceiling.differences);
    // 9.1 a minute of those that fit are 10.1 of all.
    let analytic = &plan.ceiling.analytic;
    let (jobs, multiple) = (analytic.jobs_per_min.unwrap(), analytic.multiple.unwrap());
    assert!((10.0..10.3).contains(&jobs) && (jobs / 3.0 - multiple).abs() < 1e-3, "{analytic:#?}");
    assert_eq!(best(&plan).map(|best| best.change.as_str()), Some(FALLBACK));
    let without = plan.outages[0].workloads[0].success_without.expect("jobs arrive");
    assert!((0.8..0.97).contains(&without), "{without}");
}

#[test]
fn nothing_is_proposed_for_rules_that_no_change_can_meet() {
    let plan = plan_of(
        &fixture("07-rules-that-conflict"),
        &PlanOptions { target: Some(Target::Multiple(2.0)), ..options(1) },
    );
    let Finding::NoLoadHolds { rules: broken, too_large: None, .. } = &plan.findings[0] else {
        panic!("{:#?}", plan.findings)
    };
    assert_eq!(rules(broken), ["p95 latency <= 50ms"]);
    assert_eq!(best(&plan), None);
    let buy = plan.buy.as_ref().expect("a target was given");
    assert_eq!(rules(&buy.broken), ["cost <= 0.001 USD", "p95 latency <= 50ms"]);
    let text = text_of(&plan);
    assert!(text.contains("no change that was tried helps: the target load does not hold"), "{text}");
    assert!(!text.contains("no change is needed") && !text.contains("The best change"), "{text}");
}

#[test]
fn without_any_limit_there_is_no_ceiling_and_nothing_to_buy() {
    let target = Some(Target::Multiple(2.0));
    let plan = plan_of(
        &fixture("08-nothing-limits"),
        &PlanOptions { target, growth: growth(), incident: true, ..options(1) },
    );
    assert!(matches!(plan.findings[0], Finding::NoCeilingFound { load_holds: true, .. }), "{plan:#?}");
    assert_eq!((best(&plan), plan.planning_multiple), (None, None));
    let buy = plan.buy.as_ref().expect("a target was given");
    assert!(buy.holds && buy.changes.is_empty() && buy.not_compared.is_empty(), "{buy:#?}");
    assert!(plan.growth.as_ref().is_some_and(|growth| growth.months.is_none()));
    // Of two ceilings that are both somewhere above what was tried, neither is known to be the higher one, or equal.
    let unbounded = plan.what_if.iter().filter(|change| change.tried_jobs_per_min.is_some());
    assert!(unbounded.clone().count() > 0);
    for change in unbounded {
        assert_eq!((change.compared, change.lift_per_usd), (Comparison::Unknown, None), "{change:#?}");
    }
    let text = text_of(&plan);
    assert!(text.contains("?: not known, since no ceiling was found without the change, up to"), "{text}");
    assert!(
        text.contains("No ceiling was found without a change") || !text.contains("raises the ceiling"),
        "{text}"
    );
    // Without limits the loss of the only provider is as total as with them.
    assert_eq!((plan.outages[0].survives, plan.outages[0].success), (false, Some(0.0)));
}

#[test]
fn if_nothing_succeeds_only_another_provider_helps() {
    let plan = plan_of(
        &fixture("09-everything-fails"),
        &PlanOptions { growth: growth(), incident: true, ..options(4) },
    );
    let Finding::NoLoadHolds { rules: broken, too_large: None, .. } = &plan.findings[0] else {
        panic!("{:#?}", plan.findings)
    };
    assert_eq!(rules(broken), ["success >= 99%"]);
    let helping: Vec<&ChangeEffect> = plan.what_if.iter().filter(|change| change.lift > 0.0).collect();
    assert!(helping.iter().all(|change| change.change == FALLBACK) && helping.len() == 1, "{helping:#?}");
    // Every request to the provider fails, so all jobs use the fallback: its 500,000 requests a day are the ceiling, 347 a minute,
    // and 1 % may fail.
    let ceiling = helping[0].ceiling_jobs_per_min.expect("the fallback has limits");
    assert!((337.0..362.0).contains(&ceiling), "{ceiling}");
    assert_eq!(plan.load.cost_usd_per_day, 0.0);
    assert!(plan.growth.is_none());
    let is_said =
        |note: &PlanNote| matches!(note, PlanNote::GrowthWithoutCeiling { rate } if rate == "10%/month");
    assert!(plan.notes.iter().any(is_said), "{:#?}", plan.notes);
    let text = text_of(&plan);
    assert!(text.contains("0 % succeed (0 % without the loss)"), "{text}");
    assert!(!text.contains("success is as required") && !text.contains("is back"), "{text}");
}

#[test]
fn more_attempts_are_proposed_for_a_client_that_does_not_retry() {
    let plan = plan_of(&fixture("09b-one-call-in-twenty-fails"), &options(4));
    assert!(matches!(plan.findings[0], Finding::NoLoadHolds { .. }), "{:#?}", plan.findings);
    let best = best(&plan).expect("attempts help");
    // 6,100 an hour are 101.7 a minute, 1 % may fail, and the search has a tolerance of 3 %.
    assert_eq!((best.change.as_str(), best.lift), ("up to 5 attempts per job", None));
    assert!(best.jobs_per_min.is_some_and(|jobs| (98.0..106.5).contains(&jobs)), "{best:#?}");
    assert!(best.ceiling_usd_per_day > 40.0 && best.ceiling_usd_per_day < 47.0, "{best:#?}");
}

#[test]
fn forty_at_once_are_bounded_by_the_bucket_and_the_deadline() {
    let plan = plan_of(&fixture("10-forty-at-once"), &options(4));
    let simulated = &plan.ceiling.simulated;
    // Of 40 jobs, 30 are admitted at once and at most 14.5 more until the deadline.
    let multiple = simulated.multiple.expect("a ceiling");
    assert!((1.03..1.12).contains(&multiple), "{multiple}");
    let violation = simulated.first_violation.as_ref().expect("a rule breaks above");
    assert!(violation.refused > 0 && violation.axis.as_deref() == Some("rpm"), "{violation:#?}");
    let account = change(&plan, "one more account at p");
    assert!((1.9..2.15).contains(&account.lift), "{account:#?}");
    // The fallback saves money at the present load, and still costs something at its ceiling.
    let best = best(&plan).expect("a fallback helps");
    assert!(best.extra_usd_per_day < 0.0 && best.ceiling_usd_per_day > 20.0, "{best:#?}");
}

/// `success >= 99.9%` needs 3,000 jobs: the plan says that it cannot tell, or makes its runs long enough.
#[test]
fn three_jobs_are_too_few_for_a_verdict_unless_runs_are_longer() {
    let yaml = fixture("02-three-jobs-a-day").replace("success >= 90%", "success >= 99.9%");
    let plan = plan_of(&yaml, &PlanOptions { growth: growth(), ..options(1) });
    if let Finding::CannotTell { few: TooFewJobs { jobs, needed, .. }, .. } = &plan.findings[0] {
        assert!(jobs < needed && !plan.load.holds && plan.what_if.is_empty(), "{plan:#?}");
    } else {
        assert!(plan.duration_s >= 3_000.0 / 4.0 * 86_400.0, "{}", plan.duration_s);
    }
}

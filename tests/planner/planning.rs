//! What a stated ceiling means, and when none is stated.

use super::*;
use quotalab::planner::Comparison;

/// Checks that at least 36 of 40 fresh runs hold at the ceiling to plan with, and at most 36 at 1.05 times that ceiling.
#[track_caller]
fn assert_planning_ceiling(yaml: &str) {
    let plan = plan_of(yaml, &PlanOptions::default());
    let simulated = &plan.ceiling.simulated;
    let planning = simulated.planning.expect("several replicas");
    assert_eq!((planning.share, plan.planning_multiple), (0.95, Some(planning.multiple)));
    assert!(planning.multiple <= simulated.multiple.expect("a ceiling"), "{simulated:#?}");
    assert!(
        planning.checked.is_none_or(|check| f64::from(check.held) / f64::from(check.seeds) > 0.95),
        "{planning:#?}"
    );
    let held = |multiple: f64| {
        let fresh = (1_000u64..1_040).filter(|seed| {
            let mut run = parse(yaml).scaled(multiple);
            run.seed = *seed;
            run.duration = provider::Nanos::from_secs_f64(plan.duration_s);
            simulate(&run).holds()
        });
        fresh.count()
    };
    let (at, above) = (held(planning.multiple), held(1.05 * planning.multiple));
    assert!(at >= 36 && above <= 36, "{at} of 40 hold it, {above} hold 1.05 times it: {simulated:#?}");
}

#[test]
fn most_fresh_runs_hold_the_ceiling_to_plan_with_and_fewer_hold_five_percent_more() {
    let bucket = one_account("rpm: { limit: 600, burst: 1 }", "poisson: 400/min", "expect: [success >= 60%]");
    assert_planning_ceiling(&bucket);
}

/// Checks the same with other rules and limits, and over whole days with a fallback.
#[test]
#[ignore = "simulates hundreds of longer runs: cargo test --release --test it -- --ignored --nocapture most_fresh_days"]
fn most_fresh_days_hold_the_ceiling_to_plan_with() {
    let random = "poisson: 400/min";
    let paced = one_account("rpm: 600", random, "expect: [success >= 99%, p95 latency <= 4s]")
        .replace("client: {", "client: { deadline: 20s, pace: requests,")
        .replace("one account", "paced requests");
    let tokens = one_account("tpm: 120k", random, "expect: [success >= 99%]")
        .replace(
            "prompt: 100, completion: 100, max_tokens: 100",
            "prompt: { p50: 80, p95: 300 }, completion: { p50: 60, p95: 300 }, max_tokens: 400",
        )
        .replace("attempts: 1, obey_retry_after: false", "attempts: 4")
        .replace("one account", "tokens");
    let days = "name: days with a fallback
duration: 24h
providers:
  p: { models: { m: { limits: { rpm: 200 }, latency: { total: 1s } } } }
  q: { models: { m: { limits: { rpm: 20 }, latency: { total: 2s } } } }
routes: { r: [{ of: [p/default/m] }, { of: [q/default/m] }] }
client: { deadline: 20s, retry: { attempts: 3 } }
workload: [{ name: w, route: r, arrivals: { poisson: 80/min, shape: evening }, prompt: 100, completion: 100, max_tokens: 100 }]
expect: [success >= 99%, fallback share <= 10%]";
    let few = one_account("rpm: 30", "poisson: 10/min", "expect: [success >= 99%]")
        .replace("30m", "1h")
        .replace("one account", "few jobs");
    for yaml in [&*paced, &*tokens, &*few, days] {
        assert_planning_ceiling(yaml);
    }
}

#[test]
fn one_replica_has_neither_an_interval_nor_a_ceiling_to_plan_with() {
    let plan = plan_of(&one_account("rpm: 30", "poisson: 20/min", "expect: [success >= 95%]"), &options(1));
    let simulated = &plan.ceiling.simulated;
    assert_eq!((simulated.low, simulated.high, simulated.planning), (None, None, None));
    assert_eq!(plan.planning_multiple, simulated.multiple);
    let text = text_of(&plan);
    assert!(text.contains("on one seed: how much it varies between runs is not known"), "{text}");
}

/// If 5 % of calls always fail, or every call is too slow, the rule breaks at any load, and the few jobs of a tiny load do not
/// give it a ceiling.
#[test]
fn a_rule_that_no_load_holds_is_named_and_has_no_ceiling() {
    let failing = one_account("rpm: 600", "poisson: 100/min", "expect: [success >= 99%]")
        .replace("models: {", "incidents: [{ at: 0s, for: 30m, fault: 500, share: 5% }], models: {");
    let slow = one_account("rpm: 600", "poisson: 100/min", "expect: [success >= 99%, p95 latency <= 50ms]");
    for (yaml, rule) in [(&failing, "success >= 99%"), (&slow, "p95 latency <= 50ms")] {
        let plan = plan_of(yaml, &options(4));
        let simulated = &plan.ceiling.simulated;
        assert_eq!((simulated.multiple, simulated.planning, plan.planning_multiple), (None, None, None));
        let Finding::NoLoadHolds { tried_jobs_per_min, rules: broken, .. } = &plan.findings[0] else {
            panic!("{:#?}", plan.findings)
        };
        assert_eq!(rules(broken), [rule]);
        assert_eq!(simulated.first_violation.as_ref().unwrap().rule, rule);
        // 375 jobs in half an hour, a quarter more than the rule needs, are 12.5 a minute.
        assert!((tried_jobs_per_min - 12.5).abs() < 0.1, "{tried_jobs_per_min}");
        let text = text_of(&plan);
        assert!(
            text.contains("No load holds") && text.contains("< 12.5") && !text.contains(" 0 %, "),
            "{text}"
        );
    }
}

/// A rule that breaks at higher loads and holds at lower ones is not reported as broken at any load.
#[test]
fn a_rule_that_holds_at_a_lower_load_is_not_reported_as_broken_at_any_load() {
    let costly = one_account("rpm: 600", "poisson: 100/min", "expect: [success >= 99%, cost <= 0.02 USD]");
    let plan = plan_of(&costly, &options(4));
    assert!(!matches!(plan.findings[0], Finding::NoLoadHolds { .. }), "{:#?}", plan.findings);
}

#[test]
fn a_ceiling_far_below_the_load_is_found_and_not_zero() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 60000/min", "expect: [success >= 90%]");
    let plan = plan_of(&yaml, &options(1));
    let simulated = &plan.ceiling.simulated;
    // A bucket that holds one job refuses every second job of an even load just above its refill.
    let found = simulated.jobs_per_min.unwrap();
    assert!((29.7..=30.3).contains(&found) && simulated.multiple.expect("a ceiling") > 0.0, "{simulated:#?}");
    let text = text_of(&plan);
    assert!(!text.contains("ceiling is 0"), "{text}");
}

/// A run with three jobs a day has too few for a verdict, but a load below the ceiling is taken to hold.
#[test]
fn a_load_of_a_few_jobs_is_judged_by_the_ceiling() {
    let yaml = one_account("rpm: 60", "poisson: 3/day", "expect: [success >= 99%]");
    for replicas in [1, 4] {
        let target = Some(Target::Multiple(5.0));
        let plan = plan_of(&yaml, &PlanOptions { target, ..options(replicas) });
        // A run with so few jobs gives no verdict on the target either.
        let buy = plan.buy.as_ref().unwrap();
        assert!(!buy.holds && buy.undecided.is_some() && buy.changes.is_empty(), "{buy:#?}");
        let jobs = plan.ceiling.simulated.jobs_per_min.unwrap();
        assert!(plan.load.holds && (50.0..62.0).contains(&jobs), "{:#?}", plan.ceiling);
        let present = plan.curve.iter().find(|point| point.multiple == 1.0).unwrap();
        assert!(present.too_few_jobs, "{present:#?}");
    }
}

#[test]
fn runs_of_too_few_jobs_are_made_longer_or_give_no_verdict() {
    // A run of half an hour has 120 jobs at the ceiling of 4 a minute, and the rule needs 3,000.
    let yaml = one_account("rpm: { limit: 4, burst: 1 }", "constant: 3/min", "expect: [success >= 99.9%]");
    let plan = plan_of(&yaml, &options(1));
    assert_ceiling(&plan, 4.0);
    assert!(plan.duration_s >= 3_000.0 / 4.0 * 60.0, "{}", plan.duration_s);
    let is_said = |note: &PlanNote| matches!(note, PlanNote::LongerRuns { from_s, to_s, covers_windows: false } if *from_s == 1_800.0 && *to_s == plan.duration_s);
    assert!(plan.notes.iter().any(is_said), "{:#?}", plan.notes);
    // Steps of a rate do not repeat after the run, and a rule on cost is for the duration of the scenario.
    let steps = yaml.replace("constant: 3/min", "steps: [{ at: 0s, rate: 3/min }, { at: 10m, rate: 2/min }]");
    let budget = yaml.replace("expect: [", "expect: [cost <= 9 USD, ");
    for yaml in [steps, budget] {
        let growth = Some(GrowthRate::parse("8%/month").unwrap());
        let plan = plan_of(&yaml, &PlanOptions { growth, ..options(4) });
        let Finding::CannotTell { few, .. } = &plan.findings[0] else { panic!("{:#?}", plan.findings) };
        assert!(few.rule == "success >= 99.9%" && few.needed == 3_000 && few.jobs < 200, "{few:#?}");
        assert_eq!((plan.duration_s, plan.load.holds, plan.planning_multiple), (1_800.0, false, None));
        assert!(plan.what_if.is_empty() && plan.growth.is_none(), "{:#?}", plan.what_if);
        let text = text_of(&plan);
        assert!(text.contains("needs 3,000") && !text.contains("none found"), "{text}");
    }
}

/// The account adds nothing, since a client that does not retry never uses it.
#[test]
fn changes_within_the_tolerance_are_equal_and_not_proposed() {
    let yaml = one_account("rpm: 30", "poisson: 10/min", "expect: [success >= 99%]").replace("30m", "1h");
    let plan = plan_of(&yaml, &PlanOptions::default());
    let account = plan.what_if.iter().find(|one| one.change == "one more account at p").unwrap();
    assert!(account.compared == Comparison::Equal && (account.lift - 1.0).abs() < 0.1, "{account:#?}");
    assert_eq!(account.lift_per_usd, None);
    let advised =
        |finding: &Finding| matches!(finding, Finding::BestChange(best) if best.change == account.change);
    assert!(!plan.findings.iter().any(advised), "{:#?}", plan.findings);
    assert!(text_of(&plan).contains("equal"));
}

/// The analytic headroom and the simulated ceiling agree, whatever the shape of the load, if the rules allow hardly any job
/// to fail.
#[test]
fn the_analytic_headroom_and_the_simulated_ceiling_agree_for_any_shape_of_load() {
    let day = "shape: [0,0,0,0,0,0,0.24,0.72,1.92,2.64,3.36,2.88,1.68,2.16,2.4,2.16,1.68,0.96,0.48,0.24,0.24,0.24,0,0]";
    let loads = [
        ("rpm: 120", format!("poisson: 60/min, {day}"), "24h"),
        ("rpm: 120", "poisson: 60/min".to_owned(), "6h"),
        (
            "rpm: 120",
            "steps: [{at: 0s, rate: 40/min}, {at: 2h, rate: 160/min}, {at: 3h, rate: 40/min}]".to_owned(),
            "6h",
        ),
        ("rpm: 120", "burst: 100, every: 10m".to_owned(), "4h"),
        ("rpd: 40k", format!("poisson: 15/min, {day}"), "24h"),
    ];
    for (limit, arrivals, duration) in loads {
        let yaml = format!(
            "name: shaped
duration: {duration}
providers: {{ p: {{ models: {{ m: {{ limits: {{ {limit} }}, latency: {{ total: 1s }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: 1m, pace: requests, queue: 100k }}
workload: [{{ name: w, route: r, arrivals: {{ {arrivals} }}, prompt: 10, completion: 10, max_tokens: 10 }}]
expect: [success >= 99.8%]"
        );
        let plan = plan_of(&yaml, &options(2));
        let (analytic, simulated) =
            (plan.ceiling.analytic.multiple.unwrap(), plan.ceiling.simulated.multiple.unwrap());
        assert!(
            (simulated / analytic - 1.0).abs() < 0.06,
            "{arrivals}: {simulated} simulated, {analytic} by arithmetic"
        );
        assert_eq!(simulate(&parse(&yaml)).ceiling.multiple, plan.ceiling.analytic.multiple, "sim and plan");
    }
}

/// A fixed window that a few reservations fill: a seed that holds a load need not hold a lower one, so that the ceilings of a
/// few seeds are far above what most seeds hold. 20 jobs a minute use a fifth of the tokens.
#[test]
fn a_ceiling_is_lowered_until_most_fresh_seeds_hold_it() {
    let yaml = "
name: fixed
duration: 2h
providers: { p: { dialect: openai, law: fixed, models: { m: { limits: { tpm: 60k }, latency: { total: 1s } } } } }
routes: { r: [{ of: [p/default/m] }] }
workload: [{ name: w, arrivals: { poisson: 20/min }, prompt: 500, completion: 100, max_tokens: 4000 }]
expect: ['success >= 99%']";
    let plan = plan_of(yaml, &options(4));
    let planning = plan.ceiling.simulated.planning.expect("several replicas");
    let checked = planning.checked.expect("few jobs are checked");
    assert!(plan.load.holds && planning.multiple > 1.0, "{planning:#?}");
    assert!(checked.held + 4 >= checked.seeds, "{checked:?}");
}

/// The next load above the ceiling to plan with fails the check because rules break on too many fresh seeds. `breaks_above`
/// in plan.json is the rule that breaks on most of these seeds. It is left out if the first load that was checked passed.
#[test]
fn the_rule_that_breaks_above_the_ceiling_to_plan_with_is_the_most_frequent_one() {
    let yaml = one_account("rpm: 30", "poisson: 15/min", "expect: [success >= 98%, p95 latency <= 5s]")
        .replace("attempts: 1, obey_retry_after: false", "attempts: 2");
    let plan_of_seed = |seed| {
        let scenario = Scenario { seed, ..parse(&yaml) };
        planner::plan(&scenario, &options(2), &()).expect("jobs are offered")
    };
    let json =
        |plan: &Plan| serde_json::to_value(plan).expect("a plan is JSON")["ceiling"]["simulated"].clone();
    let lowered = plan_of_seed(2);
    let above =
        lowered.ceiling.simulated.broken_above.clone().expect("the first load that was checked fails");
    assert_eq!(json(&lowered)["breaks_above"], above);
    let text = text_of(&lowered);
    let says = format!("at the next higher load that was checked `{above}` breaks too often");
    assert!(text.contains(&says), "{text}");
    let multiple = lowered.planning_multiple.expect("a ceiling");
    let mut broken = std::collections::BTreeMap::new();
    for seed in 5_000u64..5_060 {
        let mut run = parse(&yaml).scaled(1.05 * multiple);
        run.seed = seed;
        for rule in simulate(&run).expect.into_iter().filter(|rule| !rule.pass) {
            *broken.entry(rule.rule).or_insert(0) += 1;
        }
    }
    // The plan accepts a load if at most four of its 120 seeds break a rule. At 1.05 times the accepted load, at least three of
    // these 60 seeds break the rule that the plan names, and no other rule breaks on more.
    assert!(
        broken[&above] >= 3 && broken.values().all(|times| *times <= broken[&above]),
        "{above} {broken:?}"
    );
    let passed = plan_of_seed(1);
    assert_eq!(passed.ceiling.simulated.broken_above, None);
    assert!(json(&passed).get("breaks_above").is_none());
    assert!(!text_of(&passed).contains("breaks too often"));
}

/// The table states the ceiling on the seed of the curve, with as many digits as the curve. No load of the curve that breaks
/// a rule is below that ceiling, although the mean of several seeds may be above such a load.
#[test]
fn the_rows_of_the_curve_agree_with_the_ceiling_of_their_seed() {
    for (limits, rate) in
        [("rpm: 60", "poisson: 40/min"), ("tpm: 9k", "poisson: 35/min"), ("rpm: 300", "constant: 7/min")]
    {
        let plan = plan_of(&one_account(limits, rate, "expect: [success >= 99%]"), &options(4));
        let text = quotalab::report::plan::render(&plan, quotalab::report::Style::default());
        let own =
            text.lines().find(|line| line.starts_with("  on seed 1, as the curve")).expect("several seeds");
        let own: f64 =
            own.split_whitespace().nth(7).and_then(|number| number.parse().ok()).expect("a multiple");
        assert!((own / plan.ceiling.simulated.replicas[0] - 1.0).abs() < 1e-3, "{own}");
        let rows = text.lines().filter(|line| line.ends_with("  no"));
        let broken: Vec<f64> =
            rows.map(|row| row.split_whitespace().next().unwrap().parse().unwrap()).collect();
        assert!(!broken.is_empty() && broken.iter().all(|multiple| *multiple >= own), "{own} {broken:?}");
    }
}

/// Ends a plan after a number of runs.
pub(super) struct EndsAfter {
    pub(super) runs: u64,
    pub(super) made: std::sync::atomic::AtomicU64,
}

impl planner::PlanProgress for EndsAfter {
    fn stage(&self, _: &str) {}
    fn ran(&self) {
        self.made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    fn is_interrupted(&self) -> bool {
        self.made.load(std::sync::atomic::Ordering::Relaxed) >= self.runs
    }
}

/// A plan that ends early states that it is partial, or that it has no answer because no ceiling was found.
#[test]
fn a_plan_may_end_after_any_number_of_runs() {
    let scenario = parse(&one_account("rpm: 30", "poisson: 20/min", "expect: [success >= 95%]"));
    let mut answers = 0;
    for runs in 1..40 {
        let ends = EndsAfter { runs, made: 0.into() };
        if let Ok(plan) = planner::plan(&scenario, &PlanOptions::default(), &ends) {
            assert!(
                matches!(plan.findings.first(), Some(Finding::Partial { .. })),
                "{runs}: {}",
                text_of(&plan)
            );
            answers += 1;
        }
    }
    assert!(answers > 0, "some runs suffice for a ceiling on one seed");
}

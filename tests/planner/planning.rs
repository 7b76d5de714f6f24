//! What a stated ceiling means, and from what it may be concluded.

use super::*;

/// The ceiling to plan with is a load that 95 % of runs hold, and not much less.
#[test]
fn most_fresh_runs_hold_the_ceiling_to_plan_with_and_fewer_hold_five_percent_more() {
    let random = "poisson: 400/min";
    let bucket = one_account("rpm: { limit: 600, burst: 1 }", random, "expect: [success >= 60%]");
    let paced = one_account("rpm: 600", random, "expect: [success >= 99%, p95 latency <= 4s]")
        .replace("client: {", "client: { deadline: 20s, pace: requests,");
    let tokens = one_account("tpm: 120k", random, "expect: [success >= 99%]")
        .replace(
            "prompt: 100, completion: 100, max_tokens: 100",
            "prompt: { p50: 80, p95: 300 }, completion: { p50: 60, p95: 300 }, max_tokens: 400",
        )
        .replace("attempts: 1, obey_retry_after: false", "attempts: 4");
    for yaml in [bucket, paced, tokens] {
        let plan = plan_of(&yaml, &PlanOptions::default());
        let simulated = &plan.ceiling.simulated;
        let planning = simulated.planning.expect("several replicas");
        assert_eq!((planning.share, plan.headroom), (0.95, Some(planning.multiple)));
        assert!(planning.multiple <= simulated.multiple.unwrap(), "{simulated:#?}");
        let held = |multiple: f64| {
            let fresh = (1_000u64..1_040).filter(|seed| {
                let mut run = parse(&yaml).scaled(multiple);
                run.seed = *seed;
                simulate(&run).holds()
            });
            fresh.count()
        };
        let (at, above) = (held(planning.multiple), held(1.05 * planning.multiple));
        assert!(at >= 36 && above <= 36, "{at} of 40 hold it, {above} hold 1.05 times it: {simulated:#?}");
    }
}

#[test]
fn one_replica_has_neither_an_interval_nor_a_ceiling_to_plan_with() {
    let plan = plan_of(&one_account("rpm: 30", "poisson: 20/min", "expect: [success >= 95%]"), &options(1));
    let simulated = &plan.ceiling.simulated;
    assert_eq!((simulated.low, simulated.high, simulated.planning), (None, None, None));
    assert_eq!(plan.headroom, simulated.multiple);
    let text = quotalab::report::plan::render(&plan, quotalab::report::Style::default());
    assert!(text.contains("on one seed: how much it varies between runs is not known"), "{text}");
}

/// Of 5 % of calls that always fail no load mends the rule, and no ceiling follows from the few jobs of a tiny load.
#[test]
fn a_rule_that_no_load_holds_has_no_tiny_ceiling() {
    let yaml = one_account("rpm: 600", "poisson: 100/min", "expect: [success >= 99%]")
        .replace("models: {", "incidents: [{ at: 0s, for: 30m, fault: 500, share: 5% }], models: {");
    let plan = plan_of(&yaml, &options(4));
    assert_eq!(plan.ceiling.simulated.multiple, Some(0.0), "{:#?}", plan.ceiling.simulated);
    let Finding::NoLoadHolds { tried_jobs_per_min, .. } = plan.findings[0] else {
        panic!("{:#?}", plan.findings)
    };
    // 300 jobs in half an hour are 10 a minute.
    assert!((tried_jobs_per_min - 10.0).abs() < 3.0, "{tried_jobs_per_min}");
}

#[test]
fn an_impossible_rule_is_blamed_and_no_other() {
    let yaml = one_account("rpm: 600", "poisson: 100/min", "expect: [success >= 99%, p95 latency <= 50ms]");
    let breaks =
        plan_of(&yaml, &options(1)).ceiling.simulated.breaks.expect("half a second is more than 50 ms");
    assert_eq!(breaks.rule, "p95 latency <= 50ms");
}

#[test]
fn a_ceiling_far_below_the_load_is_found_and_not_zero() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 60000/min", "expect: [success >= 90%]");
    let plan = plan_of(&yaml, &options(1));
    let simulated = &plan.ceiling.simulated;
    // A bucket that holds one job refuses every other job of an even load above its refill.
    let found = simulated.jobs_per_min.unwrap();
    assert!((29.7..=30.3).contains(&found) && simulated.multiple.unwrap() > 0.0, "{simulated:#?}");
    let text = quotalab::report::plan::render(&plan, quotalab::report::Style::default());
    assert!(!text.contains("ceiling is 0"), "{text}");
}

#[test]
fn too_few_jobs_for_a_rule_are_said() {
    let few = one_account("rpm: 600", "poisson: 3/min", "expect: [success >= 99.9%]");
    let few_jobs =
        |plan: &Plan| plan.findings.iter().any(|one| matches!(one, Finding::TooFewJobs { needed: 3000, .. }));
    assert!(!few_jobs(&plan_of(&few, &options(1))), "a run at the ceiling of 600 a minute has enough");
    let tight = few.replace("rpm: 600", "rpm: { limit: 4, burst: 1 }").replace("poisson", "constant");
    assert!(few_jobs(&plan_of(&tight, &options(1))));
}

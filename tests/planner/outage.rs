//! The loss of a provider is judged by the jobs that arrive while it lasts.

use super::*;

#[test]
fn an_outage_is_survived_only_with_a_second_provider() {
    let yaml = one_account("rpm: 1000", "poisson: 20/min", "expect: [success >= 95%]")
        .replace("duration: 30m", "duration: 24h")
        .replace("attempts: 1", "attempts: 3");
    let plan = |yaml: &str| plan_of(yaml, &PlanOptions { incident: true, ..options(1) });
    let alone = plan(&yaml);
    let [outage] = &alone.incidents[..] else { panic!("{:#?}", alone.incidents) };
    // An hour of a day is 4.2 % of the jobs: over the run 95.8 % succeed, in the hour none do.
    assert!(!outage.survives && rules(&outage.broken) == ["success >= 95%"], "{outage:#?}");
    assert!(outage.success.unwrap() < 0.02 && outage.cost_usd < 0.01, "{outage:#?}");
    assert!(outage.recovery_s.is_some_and(|seconds| seconds <= 60.0), "{outage:#?}");
    let text = quotalab::report::plan::render(&alone, quotalab::report::Style::default()).replace('\n', " ");
    assert!(text.contains("The loss of p for 1 h at 00:00 h is not survived"), "{text}");
    let yaml = yaml
        .replace("providers: {", "providers: { q: { models: { m: { latency: { total: 500ms } } } },")
        .replace("of: [p/default/m] }", "of: [p/default/m] }, { of: [q/default/m] }");
    let two = plan(&yaml);
    assert!(
        two.incidents.len() == 2 && two.incidents.iter().all(|outage| outage.survives),
        "{:#?}",
        two.incidents
    );
    let loss = two.incidents.iter().find(|outage| outage.provider == "p").unwrap();
    assert!(loss.fallback_share.unwrap() > 0.99 && loss.recovery_s == Some(0.0), "{loss:#?}");
}

#[test]
fn a_workload_that_is_not_served_during_an_outage_is_named() {
    let yaml = one_account("rpm: 1000", "poisson: 1/min", "expect: [success >= 90%]")
        .replace("duration: 30m", "duration: 1h")
        .replace("attempts: 1", "attempts: 3")
        .replace(
            "providers: {",
            "providers: { q: { models: { m: { limits: { rpm: 200 }, latency: { total: 500ms } } } },",
        )
        .replace("routes: {", "routes: { s: [{ of: [q/default/m] }],")
        .replace(
            "workload: [",
            "workload: [{ name: other, route: s, arrivals: { poisson: 100/min }, prompt: 100, completion: 100, max_tokens: 100 }, ",
        );
    let plan = plan_of(&yaml, &PlanOptions { incident: true, ..options(1) });
    let loss = plan.incidents.iter().find(|outage| outage.provider == "p").unwrap();
    // 1 of 101 jobs uses the lost provider: all together the rule holds, for its workload it does not.
    assert!(loss.success.unwrap() > 0.98 && !loss.survives, "{loss:#?}");
    let of = |name: &str| loss.workloads.iter().find(|workload| workload.name == name).unwrap();
    assert_eq!((of("w").success, of("w").p95_s, of("other").success), (Some(0.0), None, Some(1.0)));
    assert_eq!((of("w").route.as_str(), of("other").route.as_str()), ("r", "s"));
}

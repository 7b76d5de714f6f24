//! The loss of a provider is judged by the jobs that arrive while it lasts.

use super::*;
use quotalab::planner::Recovery;

#[test]
fn an_outage_is_survived_only_with_a_second_provider() {
    let yaml = one_account("rpm: 20", "poisson: 10/min", "expect: [success >= 95%]")
        .replace("duration: 30m", "duration: 24h")
        .replace("attempts: 1", "attempts: 3");
    let plan = |yaml: &str| plan_of(yaml, &PlanOptions { incident: true, ..options(1) });
    let alone = plan(&yaml);
    let [outage] = &alone.outages[..] else { panic!("{:#?}", alone.outages) };
    // An hour of a day is 4.2 % of the jobs: over the run 95.8 % succeed, in the hour none do.
    assert!(!outage.survives && rules(&outage.broken) == ["success >= 95%"], "{outage:#?}");
    assert!(outage.success.unwrap() < 0.02 && outage.cost_usd < 0.01, "{outage:#?}");
    let [workload] = &outage.workloads[..] else { panic!("{outage:#?}") };
    assert_eq!((workload.route.as_str(), rules(&workload.broken)), ("r", vec!["success >= 95%"]));
    let Recovery::After { seconds } = workload.recovery else { panic!("{workload:#?}") };
    assert!(seconds <= 60.0, "{workload:#?}");
    let text = text_of(&alone);
    assert!(text.contains("The loss of p for 1 h at 00:00 h is not survived"), "{text}");
    let yaml = yaml
        .replace(
            "providers: {",
            "providers: { q: { models: { m: { limits: { rpm: 240 }, latency: { total: 500ms } } } },",
        )
        .replace("of: [p/default/m] }", "of: [p/default/m] }, { of: [q/default/m] }");
    let two = plan(&yaml);
    assert!(two.outages.len() == 2 && two.outages.iter().all(|outage| outage.survives), "{:#?}", two.outages);
    let loss = two.outages.iter().find(|outage| outage.provider == "p").unwrap();
    assert!(loss.fallback_share.unwrap() > 0.99, "{loss:#?}");
    assert_eq!(loss.workloads[0].recovery, Recovery::After { seconds: 0.0 });
}

/// A plan that ends before the losses were simulated names the providers, also if there is only one.
#[test]
fn a_plan_that_ends_early_names_the_losses_that_were_not_simulated() {
    let one = one_account("rpm: 30", "poisson: 20/min", "expect: [success >= 95%]");
    let two = one
        .replace("providers: {", "providers: { q: { models: { m: { limits: { rpm: 240 } } } },")
        .replace("of: [p/default/m] }", "of: [p/default/m] }, { of: [q/default/m] }");
    let missing = |yaml: &str, names: &[&str]| {
        let scenario = parse(yaml);
        let of = |runs| {
            let ends = super::planning::EndsAfter { runs, made: 0.into() };
            planner::plan(&scenario, &PlanOptions { incident: true, ..PlanOptions::default() }, &ends).ok()
        };
        let plan = (1..200).find_map(of).expect("some runs suffice for a ceiling");
        let Some(Finding::Partial { missing_outages, .. }) = plan.findings.first() else {
            panic!("{plan:#?}")
        };
        assert_eq!(missing_outages, names);
        let words = text_of(&plan).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("; the loss of {} was not simulated.", names.join(", "))), "{words}");
    };
    missing(&one, &["p"]);
    missing(&two, &["q", "p"]);
}

#[test]
fn a_workload_that_is_not_served_during_an_outage_is_named() {
    let yaml = one_account("rpm: 10", "poisson: 1/min", "expect: [success >= 90%]")
        .replace("duration: 30m", "duration: 4h")
        .replace("attempts: 1", "attempts: 3")
        .replace("providers: {", "providers: { q: { models: { m: { limits: { rpm: 240 }, latency: { total: 500ms } } } },")
        .replace("routes: {", "routes: { s: [{ of: [q/default/m] }],")
        .replace(
            "workload: [",
            "workload: [{ name: other, route: s, arrivals: { poisson: 100/min }, prompt: 100, completion: 100, max_tokens: 100 }, ",
        );
    let plan = plan_of(&yaml, &PlanOptions { incident: true, ..options(1) });
    let loss = plan.outages.iter().find(|outage| outage.provider == "p").unwrap();
    // 1 of 101 jobs uses the lost provider: the rule holds for all jobs together, but not for the workload of that job.
    assert!(loss.success.unwrap() > 0.98 && !loss.survives, "{loss:#?}");
    let of = |name: &str| loss.workloads.iter().find(|workload| workload.name == name).unwrap();
    assert_eq!((of("w").success, of("w").p95_s, of("other").success), (Some(0.0), None, Some(1.0)));
    assert_eq!((of("w").route.as_str(), of("other").route.as_str()), ("r", "s"));
}

/// Chat is busiest from 02:00 to 03:00 and falls back from p to q; `night` is busiest from 04:00 to 05:00 and uses q alone.
const CHAT_AND_NIGHT: &str = "name: chat and night
duration: 6h
providers:
  p: { models: { m: { limits: { rpm: 60 }, latency: { total: 500ms }, price: { input: 10, output: 10 } } } }
  q: { models: { m: { limits: { rpm: 300 }, latency: { total: 500ms }, price: { input: 20, output: 20 } } } }
routes: { r: [{ of: [p/default/m] }, { of: [q/default/m] }], s: [{ of: [q/default/m] }] }
client: { retry: { attempts: 3 } }
workload:
  - { name: chat, route: r, arrivals: { steps: [{ at: 0s, rate: 10/min }, { at: 2h, rate: 20/min }, { at: 3h, rate: 10/min }] }, prompt: 100, completion: 100, max_tokens: 100 }
  - { name: night, route: s, arrivals: { steps: [{ at: 0s, rate: 1/min }, { at: 4h, rate: 90/min }, { at: 5h, rate: 1/min }] }, prompt: 100, completion: 100, max_tokens: 100 }
expect: [success >= 90%, fallback share <= 50%]";

#[test]
fn an_outage_is_at_the_busiest_hour_of_the_workloads_that_use_the_provider_and_costs_what_its_jobs_cost() {
    let plan = plan_of(CHAT_AND_NIGHT, &PlanOptions { incident: true, ..options(1) });
    let loss = |name: &str| plan.outages.iter().find(|outage| outage.provider == name).unwrap();
    // More jobs arrive from 04:00 to 05:00, but only those of a workload that never uses p.
    assert_eq!((loss("p").at_s, loss("q").at_s, loss("p").for_s), (7_200.0, 14_400.0, 3_600.0));
    let of = |outage: &str, name: &str| {
        loss(outage).workloads.iter().find(|workload| workload.name == name).unwrap().clone()
    };
    let chat = of("p", "chat");
    assert_eq!((chat.success, chat.fallback_share), (Some(1.0), Some(1.0)));
    // Each of its jobs is served by q: 200 tokens at 20 USD a million.
    assert!((chat.cost_usd - chat.jobs as f64 * 0.004).abs() < 1e-9, "{chat:#?}");
    // Over the run 1,200 of 4,200 jobs of chat fall back, during the outage all do.
    assert!(!loss("p").survives && rules(&chat.broken) == ["chat: fallback share <= 50%"], "{chat:#?}");
    // Of `night`, only jobs that arrive just before the end of the outage are retried in time.
    assert!(of("q", "night").success.unwrap() < 0.01 && of("q", "chat").success == Some(1.0));
    assert!(rules(&of("q", "chat").broken).is_empty());
    assert!(rules(&of("q", "night").broken) == ["night: success >= 90%"]);
}

#[test]
fn a_quota_used_up_by_the_outage_delays_the_recovery_beyond_it() {
    // During the loss of p, chat uses the daily quota of q, on which `night` depends in the rest of the run.
    let yaml = CHAT_AND_NIGHT
        .replace("duration: 6h", "duration: 6h\nstart: full")
        .replace("rpm: 300", "rpm: 300, rpd: { limit: 2000, law: fixed }")
        .replace(
            "{ at: 4h, rate: 90/min }, { at: 5h, rate: 1/min }",
            "{ at: 4h, rate: 20/min }, { at: 5h, rate: 1/min }",
        )
        .replace(", fallback share <= 50%", "");
    let plan = plan_of(&yaml, &PlanOptions { incident: true, ..options(1) });
    let loss = plan.outages.iter().find(|outage| outage.provider == "p").unwrap();
    let night = loss.workloads.iter().find(|workload| workload.name == "night").unwrap();
    // Without the outage 1,500 of 2,000 are used; with it 1,200 more.
    assert_eq!((night.recovery, night.success, loss.survives), (Recovery::NotBeforeEnd, Some(1.0), false));
    assert!(
        plan.findings.iter().any(|finding| matches!(finding, Finding::Outage(outage) if !outage.survives))
    );
}

/// A rule is also judged by only the jobs that arrive during the loss; the sentence states this, with the seed.
#[test]
fn a_rule_that_only_the_jobs_of_the_outage_break_is_said_to_hold_over_the_run() {
    let yaml = one_account("rpm: 200", "constant: 20/min", "expect: [success >= 85%]")
        .replace("duration: 30m", "duration: 12h");
    let plan = plan_of(&yaml, &PlanOptions { incident: true, ..options(1) });
    let loss = &plan.outages[0];
    assert!(!loss.survives && rules(&loss.broken) == ["success >= 85%"] && loss.broken_over_run.is_empty());
    // Over a whole run with such an incident the rule holds.
    let incident = format!("incidents: [{{ at: {}s, for: {}s, fault: 503 }}], models", loss.at_s, loss.for_s);
    assert!(simulate(&parse(&yaml.replace("models", &incident))).expect[0].pass);
    let text = text_of(&plan);
    assert!(
        text.contains(
            "for the jobs that arrive during it `success >= 85%` breaks, though over the whole run it holds"
        ),
        "{text}"
    );
    let seed = loss.workloads[0].seed.expect("a replica has a seed");
    assert!(text.contains(&format!("that arrive during it, on seed {seed}, 0 % succeed")), "{text}");
}

/// An outage during which no job arrives shows nothing, so the plan does not state that it is survived.
#[test]
fn an_outage_during_which_no_job_arrives_is_not_judged() {
    let yaml = one_account("rpm: 40", "poisson: 1/day", "expect: [success >= 95%]")
        .replace("duration: 30m", "duration: 24h");
    let plan = plan_of(&yaml, &PlanOptions { incident: true, ..options(1) });
    let [outage] = &plan.outages[..] else { panic!("{:#?}", plan.outages) };
    let text = text_of(&plan);
    assert!(!outage.is_judged() && !outage.survives, "{outage:#?}");
    assert!(text.contains("cannot be judged: no jobs arrive during it"), "{text}");
    assert!(text.contains("the loss of p is not known to be survived"), "{text}");
}

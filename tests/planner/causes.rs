//! The limit that a plan names as the cause of a broken rule is one that the jobs of that rule use, and that refuses or delays them.

use super::*;
use quotalab::planner::Difference;

/// The workload `digest` has one provider, which fails from 10:00 to 10:30. `chat` then falls back to another provider, whose
/// limit refuses jobs.
const CHAIN: &str = "name: chain
seed: 10
duration: 12h
providers:
  one:
    incidents: [{ at: 10h, for: 30m, fault: 503 }]
    models: { a: { limits: { rpm: 200 }, latency: { total: 1s } } }
  two: { models: { b: { limits: { rpm: 20 }, latency: { total: 1s } } } }
routes: { chat: [{ of: [one/default/a] }, { of: [two/default/b] }], digest: [{ of: [one/default/a] }] }
client: { deadline: 20s, retry: { attempts: 3 } }
workload:
  - { name: chat, route: chat, arrivals: { poisson: 60/min }, prompt: 600, completion: 200, max_tokens: 300 }
  - { name: digest, route: digest, arrivals: { poisson: 6/min }, prompt: 600, completion: 200, max_tokens: 300 }
expect: ['chat: success >= 20%', 'digest: success >= 99%']";

#[test]
fn a_target_that_the_jobs_cannot_be_sent_to_is_not_their_cause() {
    let plan = plan_of(CHAIN, &options(1));
    let violation = plan.ceiling.simulated.first_violation.as_ref().expect("the digest breaks");
    assert_eq!(
        (violation.rule.as_str(), violation.incident.as_deref()),
        ("digest: success >= 99%", Some("one"))
    );
    assert!(violation.target.as_deref().is_none_or(|target| target == "one/default/a"), "{violation:?}");
    assert!(!text_of(&plan).contains("of two/default/b refuses"), "{}", text_of(&plan));
}

/// The plan names the limit by its axis, whether the replies of a dialect name the same axis, another one or none.
#[test]
fn the_limit_that_refuses_is_named_in_four_dialects() {
    for dialect in ["groq", "deepinfra", "fireworks", "mistral"] {
        let yaml = format!(
            "seed: 6
duration: 40m
providers:
  cheap: {{ dialect: {dialect}, models: {{ s: {{ limits: {{ rpm: 20 }}, latency: {{ total: 1s }} }} }} }}
  dear: {{ models: {{ l: {{ limits: {{ rpm: 1000 }}, latency: {{ total: 2s }} }} }} }}
routes: {{ r: [{{ of: [cheap/default/s] }}, {{ of: [dear/default/l] }}] }}
client: {{ deadline: 10s, retry: {{ attempts: 3 }} }}
workload: [{{ name: w, arrivals: {{ poisson: 40/min }}, prompt: 700, completion: 150, max_tokens: 400 }}]
expect: ['success >= 99%', 'fallback share <= 10%']"
        );
        let plan = plan_of(&yaml, &options(1));
        let violation = plan.ceiling.simulated.first_violation.as_ref().expect("jobs fall back");
        let named = (violation.target.as_deref(), violation.axis.as_deref());
        assert_eq!(named, (Some("cheap/default/s"), Some("rpm")), "{dialect}: {violation:?}");
        assert!(violation.refused_over_run > 0, "{dialect}: {violation:?}");
    }
}

/// A limit that refuses often, but admits every job in the end, is not the cause of lost jobs.
#[test]
fn the_limit_that_jobs_are_given_up_for_is_the_cause_and_not_the_one_that_refuses_most() {
    let plan = plan_of(
        "seed: 53
duration: 14d
providers: { v: { dialect: openai, reserve: prompt+max_tokens, law: fixed, models: { m: { limits: { rpm: 60, tpd: 250k }, latency: { total: 2s } } } } }
routes: { r: [{ of: [v/default/m] }] }
client: { deadline: 30m, retry: { attempts: 50 } }
workload: [{ name: letters, arrivals: { burst: 300, every: 7d }, prompt: 800, completion: 200, max_tokens: 200 }]
expect: ['success >= 80%']",
        &options(1),
    );
    let violation = plan.ceiling.simulated.first_violation.as_ref().expect("more letters are lost");
    assert_eq!(violation.axis.as_deref(), Some("tpd"), "{violation:?}");
    let named = plan.ceiling.differences.iter().find_map(|difference| match difference {
        Difference::JobsGivenUp { refusals, .. } => refusals.as_ref(),
        _ => None,
    });
    assert!(named.is_none_or(|refusals| refusals.axis == "tpd"), "{named:?}");
    // A day admits 250 of 300 jobs, of which 240 have to succeed.
    let analytic = plan.ceiling.analytic.multiple.expect("a limit binds");
    assert!((analytic - 250.0 / 240.0).abs() < 1e-3, "{analytic}");
}

/// A rule on fallbacks has no worst time: its cause is the limit that makes jobs fall back, although many jobs are given up while
/// they wait for another one.
#[test]
fn the_cause_of_fallbacks_is_the_limit_that_refuses_and_not_the_one_that_jobs_are_given_up_for() {
    let yaml = "seed: 6
duration: 40m
providers:
  cheap: { models: { s: { limits: { rpm: 40 }, latency: { total: 1s } } } }
  free: { models: { m: { latency: { total: 1s } } } }
  dear: { models: { l: { limits: { rpm: 2 }, latency: { total: 1s } } } }
routes:
  r: [{ of: [cheap/default/s] }, { of: [free/default/m] }, { of: [dear/default/l] }]
  q: [{ of: [dear/default/l] }]
client: { deadline: 3s, retry: { attempts: 3 } }
workload:
  - { name: w, route: r, arrivals: { poisson: 40/min }, prompt: 700, completion: 150, max_tokens: 400 }
  - { name: v, route: q, arrivals: { poisson: 40/min }, prompt: 700, completion: 150, max_tokens: 400 }
expect: ['success >= 1%', 'w: fallback share <= 10%']";
    let plan = plan_of(yaml, &options(1));
    let violation = plan.ceiling.simulated.first_violation.as_ref().expect("jobs fall back");
    assert_eq!((violation.rule.as_str(), violation.at_s), ("w: fallback share <= 10%", None));
    let named = (violation.target.as_deref(), violation.axis.as_deref());
    assert_eq!(named, (Some("cheap/default/s"), Some("rpm")), "{violation:?}");
    assert!(violation.refused_over_run > 0 && violation.given_up == 0, "{violation:?}");
    let summary = simulate(&parse(yaml).scaled(violation.multiple));
    let given_up =
        summary.targets.iter().filter_map(|target| Some((&*target.name, *target.given_up_for.get("rpm")?)));
    let given_up: Vec<(&str, u64)> = given_up.collect();
    assert!(
        given_up.len() == 1 && given_up[0].0 == "dear/default/l" && given_up[0].1 > 1_000,
        "{given_up:?}"
    );
}

/// If no ceiling is found, the curve ends at the highest load that the plan states as tried.
#[test]
fn without_a_ceiling_the_curve_ends_at_the_highest_load_tried() {
    let plan = plan_of(&one_account("", "constant: 5/min", "expect: [success >= 90%]"), &options(1));
    assert!(plan.ceiling.simulated.first_violation.is_none());
    let tried = plan.ceiling.simulated.search_bound;
    assert!(plan.curve.iter().all(|point| point.multiple <= tried * (1.0 + 1e-9)), "{:?}", plan.curve);
    assert!(plan.curve.iter().any(|point| point.multiple > tried * 0.99), "{:?}", plan.curve);
}

/// An hour offers 3,000 calls, of which a limit per day admits 2,000. A thousand calls, of 1,000 prompt tokens and 100
/// completion tokens each, cost 1.40 USD.
const HOUR_UNDER_A_DAYS_LIMIT: &str = "seed: 11
duration: 1h
start: full
providers: { v: { dialect: openai, law: fixed, models: { mid: { limits: { rpm: 120, rpd: 2000 }, latency: { total: 2s }, price: { input: 1, output: 4 } } } } }
routes: { r: [{ of: [v/default/mid] }] }
client: { deadline: 20s, retry: { attempts: 2 } }
workload: [{ name: w, arrivals: { constant: 50/min }, prompt: 1000, completion: 100, max_tokens: 200 }]
expect: [";

/// A day costs no more than the 2,000 requests that the limit per day admits, however many jobs an hour offers.
#[test]
fn a_day_costs_no_more_than_its_limits_admit() {
    let yaml = format!("{HOUR_UNDER_A_DAYS_LIMIT}'success >= 60%']");
    let plan = plan_of(&yaml, &options(1));
    assert!((plan.load.cost_usd_per_day - 2.8).abs() < 0.05, "{}", plan.load.cost_usd_per_day);
    let costs = plan.curve.iter().map(|point| point.cost_usd_per_day.expect("every point has its cost"));
    assert!(costs.into_iter().all(|cost| cost < 2.9), "{:?}", plan.curve);
    let text = text_of(&plan);
    assert!(text.contains("if a limit per day or the budget of a client does not allow that"), "{text}");
    assert!(!text.contains("67.2"), "{text}");
}

/// For a rule on cost, the plan states the cost of the run, not a share of the cost per day, which a limit per day reduces.
#[test]
fn a_plan_with_a_cost_rule_states_the_cost_of_the_run() {
    let yaml = format!("{HOUR_UNDER_A_DAYS_LIMIT}'success >= 60%', 'cost <= 2 USD']");
    let plan = plan_of(&yaml, &options(1));
    let of_run = plan.load.cost_usd;
    assert!((of_run - 2.8).abs() < 0.05, "{of_run}");
    let stated = plan.findings.iter().find_map(|finding| match finding {
        Finding::Budget { cost_usd, .. } => Some(*cost_usd),
        _ => None,
    });
    assert_eq!(stated, Some(of_run), "{:?}", plan.findings);
}

/// Tasks of exactly ten calls under a rule that lets 30 % of them fail: a task ends with the call that is given up, so that the run just
/// above the ceiling makes fewer than ten calls per task. The plan states how many fewer.
#[test]
fn calls_that_failed_tasks_do_not_make_are_a_cause_of_the_difference() {
    let yaml = "seed: 8
duration: 8h
providers: { p: { models: { m: { limits: { rpm: 60 }, latency: { total: 100ms } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 10s, retry: { attempts: 2 } }
workload:
  - name: agents
    completion: 50
    sessions: { rate: 300/h, calls: 10, context: { first: 500, growth: 100 }, deadline: 10m }
expect: ['task success >= 70%']";
    let plan = plan_of(yaml, &options(1));
    let stated = plan.ceiling.differences.iter().find_map(|difference| match difference {
        Difference::CallsNotMade { workload, share } => Some((workload.as_str(), *share)),
        _ => None,
    });
    let (workload, share) = stated.unwrap_or_else(|| panic!("{:#?}", plan.ceiling));
    let violation = plan.ceiling.simulated.first_violation.as_ref().expect("more tasks fail");
    let summary = simulate(&parse(yaml).scaled(violation.multiple));
    let tasks = summary.workloads[0].tasks.as_ref().expect("tasks");
    let offered_per_task = summary.jobs.offered as f64 / tasks.offered as f64;
    assert_eq!(workload, "agents");
    assert!((share - (1.0 - offered_per_task / 10.0)).abs() < 0.005, "{share} and {offered_per_task} calls");
    assert!(text_of(&plan).contains("of the calls of agents are not made"), "{}", text_of(&plan));
}

/// A client that waits for half an hour serves most jobs after a run of ten minutes: the analytic ceiling is that of the run.
#[test]
fn jobs_that_are_served_after_the_run_are_a_cause() {
    let yaml = "
name: long deadline
duration: 10m
providers: { p: { models: { m: { limits: { rpm: 60 }, latency: { total: 500ms } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 30m, pace: requests, queue: 100k }
workload: [{ name: w, route: r, arrivals: { constant: 100/min }, prompt: 100, completion: 50, max_tokens: 100 }]
expect: [success >= 99%]";
    let plan = plan_of(yaml, &options(1));
    // One a second from the start: 60 + 60 × 10 in the run. In 40 min the bucket admits 60 + 60 × 40 = 2,460 jobs, 2.46 times the load.
    let multiple = plan.ceiling.simulated.multiple.expect("a ceiling");
    assert!((2.4..2.55).contains(&multiple), "{multiple}");
    let share = plan.ceiling.differences.iter().find_map(|difference| match difference {
        Difference::ServedAfterRun { share } => Some(*share),
        _ => None,
    });
    let expected = 1.0 - 660.0 / 2_460.0;
    assert!((share.expect("a cause") - expected).abs() < 0.03, "{:#?}", plan.ceiling.differences);
    let text = text_of(&plan);
    assert!(!text.contains("No cause is known") && text.contains("are served after the run"), "{text}");
}

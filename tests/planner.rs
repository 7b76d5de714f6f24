//! Compares what the planner finds with closed forms, with sums of known ceilings, and with simulations of its answers.

mod budget;
mod causes;
mod closed;
mod cut;
mod exit_code;
mod growth;
mod outage;
mod planning;
mod purchase;
mod shards;
mod statements;
mod sustained;
mod unjudged;
mod unusual;
mod what_ifs;
mod year;

use quotalab::ceiling::Ceiling;
use quotalab::drive;
use quotalab::planner::{
    self, BrokenRule, ChangeEffect, ChangeKind, Finding, GrowthRate, NotTriedReason, Plan, PlanNote,
    PlanOptions, Target, UntriedChange,
};
use quotalab::record::Summary;
use quotalab::scenario::{self, Metric, Overrides, Scenario};

fn parse(yaml: &str) -> Scenario {
    scenario::parse("plan", yaml, &Overrides::default(), None).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn options(replicas: u32) -> PlanOptions {
    PlanOptions { replicas: Some(replicas), ..PlanOptions::default() }
}

fn plan_of(yaml: &str, options: &PlanOptions) -> Plan {
    planner::plan(&parse(yaml), options, &()).expect("jobs are offered")
}

fn simulate(scenario: &Scenario) -> Summary {
    drive::summarize(scenario)
}

/// One account with `limits` and jobs of 100 + 100 tokens arriving at `rate`, from a client that does not retry; `more` is the
/// end of the YAML.
fn one_account(limits: &str, rate: &str, more: &str) -> String {
    format!(
        "name: one account
duration: 30m
providers: {{ p: {{ models: {{ m: {{ limits: {{ {limits} }}, latency: {{ total: 500ms }}, price: {{ input: 1, output: 1 }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ retry: {{ attempts: 1, obey_retry_after: false }} }}
workload: [{{ name: w, route: r, arrivals: {{ {rate} }}, prompt: 100, completion: 100, max_tokens: 100 }}]
{more}"
    )
}

fn rules(broken: &[BrokenRule]) -> Vec<&str> {
    broken.iter().map(|rule| rule.rule.as_str()).collect()
}

/// Returns the printed plan as one line.
fn text_of(plan: &Plan) -> String {
    let text = quotalab::report::plan::render(plan, quotalab::report::Style::default());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns what a plan says about the change of this name.
#[track_caller]
fn change<'p>(plan: &'p Plan, name: &str) -> &'p ChangeEffect {
    let found = plan.what_if.iter().find(|change| change.change == name);
    found.unwrap_or_else(|| panic!("{name} is tried: {:#?}", plan.what_if))
}

/// Asserts that the simulated ceiling is within 1 % of this.
#[track_caller]
fn assert_ceiling(plan: &Plan, jobs_per_min: f64) {
    let simulated = &plan.ceiling.simulated;
    let found = simulated.jobs_per_min.expect("a ceiling is found");
    assert!((found / jobs_per_min - 1.0).abs() < 0.01, "{found} is not {jobs_per_min}: {simulated:#?}");
}

#[test]
fn with_even_arrivals_a_single_limit_is_the_ceiling() {
    // A bucket that holds one job admits jobs exactly as it refills, and refuses every second job just above that rate.
    let rpm = "rpm: { limit: 30, burst: 1 }";
    // 6,000 tokens per minute are 30 jobs of 200.
    let tpm = "tpm: { limit: 6000, burst: 200 }";
    let fixed = "rpm: { limit: 30, law: fixed }";
    let log = "rpm: { limit: 30, law: sliding_log }";
    for (limits, axis) in [(rpm, "rpm"), (tpm, "tpm"), (fixed, "rpm"), (log, "rpm")] {
        let plan =
            plan_of(&one_account(limits, "constant: 20/min", "expect: [success >= 99.9%]"), &options(1));
        assert_ceiling(&plan, 30.0);
        let violation = plan.ceiling.simulated.first_violation.as_ref().expect("a rule violation above");
        assert_eq!(
            (violation.target.as_deref(), violation.axis.as_deref()),
            (Some("p/default/m"), Some(axis))
        );
        assert_eq!(violation.rule, "success >= 99.9%");
        assert!((plan.planning_multiple.unwrap() - 1.5).abs() < 0.015);
    }
}

/// A call that reserves a fifth of a bucket is refused long before the bucket is empty.
#[test]
fn a_limit_that_refuses_is_reported_even_if_it_is_never_used_up() {
    let yaml = one_account("tpm: 10k", "poisson: 3/min", "expect: [success >= 99%]")
        .replace(
            "prompt: 100, completion: 100, max_tokens: 100",
            "prompt: 1000, completion: 200, max_tokens: 1000",
        )
        .replace("duration: 30m", "duration: 6h");
    let plan = plan_of(&yaml, &options(1));
    let violation = plan.ceiling.simulated.first_violation.as_ref().expect("a rule violation above");
    assert_eq!((violation.target.as_deref(), violation.axis.as_deref()), (Some("p/default/m"), Some("tpm")));
    assert!(violation.refused > 0, "{violation:?}");
}

#[test]
fn with_poisson_arrivals_the_ceiling_follows_the_erlang_b_formula() {
    // A bucket that holds one job is a server without a queue whose service time is the refill of one job: of a
    // Poisson load ρ it serves the share 1 / (1 + ρ) (Erlang B with one server, for any service time). Half of the
    // jobs may fail, so ρ = 1: the ceiling is the limit.
    for seed in [1, 2, 3] {
        let yaml =
            one_account("rpm: { limit: 900, burst: 1 }", "poisson: 500/min", "expect: [success >= 50%]")
                .replace("duration: 30m", &format!("duration: 40m\nseed: {seed}"));
        let plan = plan_of(&yaml, &options(8));
        // 36,000 jobs give a standard error of about 0.8 % for a replica's ceiling, 0.3 % for the mean of eight.
        assert_ceiling(&plan, 900.0);
        let simulated = &plan.ceiling.simulated;
        assert!(simulated.low.unwrap() <= simulated.multiple.unwrap());
        assert!(simulated.multiple.unwrap() <= simulated.high.unwrap());
        assert_eq!(simulated.replicas.len(), 8);
    }
}

#[test]
fn ceilings_of_accounts_and_fallbacks_add_up() {
    let yaml = |accounts: &str, steps: &str| {
        format!(
            "name: ceilings
duration: 1h
providers:
  groq: {{ accounts: {accounts}, models: {{ m: {{ limits: {{ rpm: {{ limit: 30, burst: 1 }} }}, latency: {{ total: 500ms }} }} }} }}
  other: {{ models: {{ m: {{ limits: {{ rpm: {{ limit: 40, burst: 1 }} }}, latency: {{ total: 500ms }} }} }} }}
routes: {{ r: [{steps}] }}
client: {{ deadline: 20s, pace: requests }}
workload: [{{ name: w, route: r, arrivals: {{ constant: 20/min }}, prompt: 100, completion: 100, max_tokens: 100 }}]
expect: [success >= 99.9%]"
        )
    };
    let (one, two) = ("{ acme: [k1] }", "{ acme: [k1], beta: [k2] }");
    let pair = "{ pick: most_room, of: [groq/acme/m, groq/beta/m] }";
    assert_ceiling(&plan_of(&yaml(one, "{ of: [groq/acme/m] }"), &options(1)), 30.0);
    assert_ceiling(&plan_of(&yaml(two, pair), &options(1)), 60.0);
    assert_ceiling(&plan_of(&yaml(two, &format!("{pair}, {{ of: [other/default/m] }}")), &options(1)), 100.0);
}

#[test]
fn the_plan_is_the_same_on_any_number_of_threads() {
    let yaml = one_account("rpm: 30, tpm: 8k", "poisson: 20/min", "expect: [success >= 95%]");
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options =
            PlanOptions { target: Some(Target::Multiple(3.0)), incident: true, ..PlanOptions::default() };
        pool.install(|| plan_of(&yaml, &options)).to_json()
    };
    let one = on(1);
    assert_eq!(one, on(5));
    assert_eq!(Plan::from_json(&one).unwrap().to_json(), one, "plan.json reads back to the same plan");
}

#[test]
fn a_purchase_holds_its_target_and_nothing_less_does() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 20/min", "expect: [success >= 99.9%]")
        .replace("client: {", "client: { deadline: 20s, pace: requests,")
        .replace("attempts: 1", "attempts: 5");
    let cheap = yaml.replace("input: 1, output: 1", "input: 0.1, output: 0.1");
    let options = PlanOptions { target: Some(Target::JobsPerMin(110.0)), ..options(1) };
    let buy = |yaml: &str| plan_of(yaml, &options).buy.expect("a target was given");
    let bought = buy(&cheap);
    assert!(bought.holds && bought.changes == ["one more account at p"; 3], "{bought:#?}");
    assert!((bought.target.multiple - 5.5).abs() < 1e-9);
    // At ten times the price a job served by the fallback is cheaper, but another model would answer it.
    let bought = buy(&yaml);
    assert!(bought.holds && bought.changes == ["one more account at p"; 3], "{bought:#?}");
    // Written by hand: 110 jobs/min need four accounts of 30, and not fewer.
    let by_hand = |accounts: &str, targets: &str| {
        let yaml = yaml
            .replace("p: { models", &format!("p: {{ accounts: {{ {accounts} }}, models"))
            .replace("of: [p/default/m]", &format!("pick: most_room, of: [{targets}]"))
            .replace("constant: 20/min", "constant: 110/min");
        simulate(&parse(&yaml)).holds()
    };
    assert!(by_hand("a: [1], b: [2], c: [3], d: [4]", "p/a/m, p/b/m, p/c/m, p/d/m"));
    assert!(!by_hand("a: [1], b: [2], c: [3]", "p/a/m, p/b/m, p/c/m"));
}

#[test]
fn two_bottlenecks_make_a_pair_worth_more_than_its_parts() {
    // 60 jobs/min in front, 20 behind, and a quarter may fall back: both rules bind at 80, of which one in a hundred may fail, and
    // after the hour there are 20 s more: (4,804 + 26) / 0.99 jobs are 81.3 a minute. One more account in front raises the ceiling
    // to 140, one more behind does not raise it; both together raise it to 160.
    let plan = plan_of(
        "name: pairs
duration: 1h
providers:
  front: { tier: developer, models: { openai/gpt-oss-120b: { limits: { rpm: { limit: 60, burst: 2 } }, latency: { total: 500ms } } } }
  behind: { tier: developer, models: { openai/gpt-oss-20b: { limits: { rpm: { limit: 20, burst: 2 } }, latency: { total: 500ms } } } }
routes: { r: [{ of: [front/default/openai/gpt-oss-120b] }, { of: [behind/default/openai/gpt-oss-20b] }] }
client: { deadline: 20s, pace: requests, retry: { attempts: 1 } }
workload: [{ name: w, route: r, arrivals: { constant: 40/min }, prompt: 100, completion: 100, max_tokens: 100 }]
expect: [success >= 99%, fallback share <= 25.5%]",
        &options(1),
    );
    assert_ceiling(&plan, 81.3);
    let lift = |name: &str| {
        plan.what_if.iter().find(|one| one.change.contains(name)).unwrap_or_else(|| panic!("{name}")).lift
    };
    assert!((lift("account at front") - 1.75).abs() < 0.05, "{:#?}", plan.what_if);
    assert!((lift("account at behind") - 1.0).abs() < 0.03, "{:#?}", plan.what_if);
    let pair = plan.pairs.first().unwrap_or_else(|| panic!("{:#?}", plan.what_if));
    assert!(pair.changes.iter().all(|change| change.contains("account at")), "{:#?}", plan.pairs);
    // The ceiling of a pair is found with a precision of 10 %.
    assert!((pair.lift - 2.0).abs() < 0.2 && (pair.apart - 1.75).abs() < 0.08, "{pair:#?}");
    assert!(pair.lift > pair.apart * 1.04, "{pair:#?}");
}

#[test]
fn a_target_that_no_change_holds_is_reported_with_the_broken_rules() {
    let slow = one_account("rpm: 30", "constant: 20/min", "expect: [p95 latency <= 400ms]");
    let plan = plan_of(&slow, &PlanOptions { target: Some(Target::Multiple(1.2)), ..options(1) });
    assert_eq!(plan.planning_multiple, None, "half a second is more than 400 ms at any load");
    let buy = plan.buy.as_ref().unwrap();
    assert!(!buy.holds && rules(&buy.broken) == ["p95 latency <= 400ms"], "{buy:#?}");
    assert!(plan.findings.contains(&Finding::Purchase(buy.clone())), "{:#?}", plan.findings);
    let costly = one_account(
        "rpm: { limit: 30, burst: 1 }",
        "constant: 20/min",
        "expect: [success >= 99%, cost <= 0.15 USD]",
    );
    // 600 jobs of 200 tokens cost 0.12 USD: the rule on cost breaks at 1.25 times the load, the limit at 1.5.
    let plan = plan_of(&costly, &PlanOptions { target: Some(Target::Multiple(1.4)), ..options(1) });
    let simulated = &plan.ceiling.simulated;
    assert!((simulated.multiple.unwrap() - 1.25).abs() < 0.0125, "{simulated:#?}");
    assert!((simulated.without_cost_rules.unwrap() - 1.5).abs() < 0.03, "{simulated:#?}");
    let buy = plan.buy.as_ref().unwrap();
    assert!(!buy.holds && buy.changes.is_empty() && rules(&buy.broken) == ["cost <= 0.15 USD"], "{buy:#?}");
    assert_eq!(buy.broken[0].metric, Metric::Cost);
    assert!(plan.notes.contains(&PlanNote::MeasuredWithoutCostRules), "{:#?}", plan.notes);
    // The chart shows the ceiling with which changes are compared.
    let bars =
        quotalab::report::plan::charts(&plan).into_iter().find(|chart| chart.name == "what-if").unwrap();
    assert!(bars.standalone().contains("ceiling without the rules on cost"), "{}", bars.standalone());
}

#[test]
fn an_account_lifts_in_proportion_and_changes_are_ranked_by_lift() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 20/min", "expect: [success >= 99.9%]")
        .replace("client: {", "client: { deadline: 20s, pace: requests,")
        .replace("attempts: 1", "attempts: 5");
    let plan = plan_of(&yaml, &options(1));
    let account = change(&plan, "one more account at p");
    assert!((account.lift - 2.0).abs() < 0.04 && account.kind == ChangeKind::Quota, "{account:#?}");
    let prompts = change(&plan, "prompts a quarter shorter");
    // 100 + 100 tokens become 75 + 100, which does not affect a request limit.
    assert!((prompts.lift - 1.0).abs() < 0.03, "{prompts:#?}");
    assert!((prompts.cost_usd_per_day / (20.0 * 1440.0 * 175e-6) - 1.0).abs() < 0.01, "{prompts:#?}");
    let lifts: Vec<f64> = plan.what_if.iter().map(|change| change.lift).collect();
    assert!(lifts.windows(2).all(|pair| pair[0] >= pair[1] - 0.03), "{lifts:?}");
    assert_eq!(plan.curve.len(), 10);
    assert!(plan.curve.windows(2).all(|pair| pair[0].multiple < pair[1].multiple));
}

#[test]
fn without_limits_no_ceiling_is_found() {
    let yaml = one_account("", "poisson: 1/min", "expect: [success >= 99%]");
    let plan = plan_of(&yaml, &options(2));
    let simulated = &plan.ceiling.simulated;
    assert_eq!(
        (simulated.multiple, plan.planning_multiple, simulated.first_violation.is_none()),
        (None, None, true)
    );
    assert!(simulated.search_bound >= 60.0);
    assert!(matches!(plan.findings[0], Finding::NoCeilingFound { .. }), "{:#?}", plan.findings);
    let mut idle = parse(&yaml);
    idle.workloads.clear();
    assert!(planner::plan(&idle, &options(1), &()).is_err());
}

#[test]
fn the_expected_hit_share_of_a_cache_is_that_of_a_run() {
    // A short time to live, then a cache that evicts, then both.
    for cache in ["entries: 100k, ttl: 10m", "entries: 200, ttl: 24h", "entries: 400, ttl: 5m"] {
        let yaml = one_account("rpm: 120", "poisson: 100/min", "")
            .replace("client: {", &format!("client: {{ cache: {{ {cache} }},"))
            .replace("max_tokens: 100", "max_tokens: 100, repeats: { share: 60%, zipf: 0.9, of: 500 }")
            .replace("duration: 30m", "duration: 6h");
        let scenario = parse(&yaml);
        let cached = Ceiling::cached(&scenario).expect("the scenario has a cache, a limit and repeats");
        assert!(cached.multiple > Ceiling::of(&scenario).multiple);
        let summary = simulate(&scenario.scaled(cached.multiple * 0.98));
        let hits = summary.jobs.cached as f64 / summary.jobs.offered as f64;
        assert!((hits - cached.hit_share).abs() < 0.03, "{cache}: {hits} of a run, {cached:?}");
    }
}

#[test]
fn a_what_if_of_the_scenario_is_measured() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 20/min", "expect: [success >= 99.9%]")
        + "\nwhat_if:\n  - { name: a larger limit, set: { providers.p.models.m.limits.rpm.limit: 60 } }\n";
    let plan = plan_of(&yaml, &options(1));
    let own = plan.what_if.iter().find(|change| change.kind == ChangeKind::Own).expect("it was measured");
    assert_eq!(own.change, "a larger limit");
    assert!((own.lift - 2.0).abs() < 0.03, "{own:#?}");
}

#[test]
fn an_invalid_what_if_is_reported_with_its_line() {
    let wrong = |what_if: &str| {
        let yaml = one_account("rpm: 30", "constant: 20/min", "what_if:") + "\n  - " + what_if;
        let problems =
            scenario::parse("s.yaml", &yaml, &Overrides::default(), None).expect_err(what_if).to_string();
        assert!(problems.contains("s.yaml:8:"), "{what_if}: {problems}");
        problems
    };
    assert!(wrong("{ name: a, set: { client.dedline: 3s } }").contains("did you mean `deadline`"));
    assert!(wrong("{ name: a, set: { client.deadline: soon } }").contains("soon"));
    assert!(wrong("{ name: a, set: {} }").contains("expected at least one name"));
    assert!(wrong("{ name: a, set: { client.deadline: } }").contains("no value"));
    assert!(wrong("{ set: { client.deadline: 3s } }").contains("has no `name`"));
    assert!(wrong("{ name: a }").contains("has no `set`"));
    assert!(wrong("a").contains("expected a map"));
}

/// Bursts of 20 jobs of two kinds per minute at an account that admits 30 requests/min; every reply takes 1 s.
fn identical_bursts(client: &str) -> String {
    one_account("rpm: { limit: 30, burst: 10 }", "burst: 20, every: 1m", "expect: [success >= 99%]")
        .replace("client: {", &format!("client: {{ deadline: 20s, {client}"))
        .replace("attempts: 1", "attempts: 3")
        .replace("total: 500ms", "total: 1s")
        .replace("max_tokens: 100", "max_tokens: 100, repeats: { share: 100%, zipf: 0, of: 2 }")
}

#[test]
fn coalescing_is_tried_if_jobs_repeat_and_multiplies_the_ceiling() {
    let plan = plan_of(&identical_bursts(""), &options(1));
    let join = change(&plan, "coalesce identical jobs (join)");
    // Of a burst only one job of each kind is sent: a tenth of the jobs, or less.
    assert!(join.lift > 5.0 && join.kind == ChangeKind::Client, "{join:#?}");
    let reason = NotTriedReason::NoDeferrableWorkload;
    let not_tried: Vec<&PlanNote> =
        plan.notes.iter().filter(|note| matches!(note, PlanNote::NotTried { .. })).collect();
    assert_eq!(not_tried, [&PlanNote::NotTried { change: UntriedChange::MoveToNight, reason }]);
    let plan = plan_of(&identical_bursts("join: true, "), &options(1));
    let without = change(&plan, "without coalescing (join)");
    assert!(without.lift < 0.2 && without.kind == ChangeKind::Ablation, "{without:#?}");
    assert!(plan.load.coalesced_share > 0.8, "{:#?}", plan.load);
    let ablations = |note: &PlanNote| matches!(note, PlanNote::Ablations { changes } if changes.contains(&without.change));
    assert!(plan.notes.iter().any(ablations), "{:#?}", plan.notes);
}

#[test]
fn an_ablation_is_neither_bought_nor_paired() {
    // Pacing makes jobs wait longer than the rule on latency allows, so the ceiling is higher without it.
    let yaml = one_account(
        "rpm: { limit: 30, burst: 30 }",
        "constant: 20/min",
        "expect: [p95 latency <= 700ms, success >= 50%]",
    )
    .replace("client: {", "client: { pace: tokens,");
    let plan = plan_of(&yaml, &PlanOptions { target: Some(Target::Multiple(2.0)), ..options(1) });
    let without = change(&plan, "without pacing");
    assert!(without.lift > 1.1, "{:#?}", plan.what_if);
    let harmful = |finding: &Finding| matches!(finding, Finding::HarmfulPolicy { change, .. } if change == "without pacing");
    assert!(plan.findings.iter().any(harmful), "{:#?}", plan.findings);
    let is_ablation = |name: &String| {
        plan.what_if.iter().any(|one| one.change == *name && one.kind == ChangeKind::Ablation)
    };
    assert!(!plan.buy.as_ref().unwrap().changes.iter().any(is_ablation));
    assert!(!plan.pairs.iter().flat_map(|pair| &pair.changes).any(is_ablation));
    assert!(plan.findings.iter().all(|finding| match finding {
        Finding::BestChange(best) | Finding::BestFreeChange(best) => !is_ablation(&best.change),
        _ => true,
    }));
}

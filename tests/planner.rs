//! The planner against what can be known without it: closed forms, sums, its own laws.

use quotalab::ceiling::Ceiling;
use quotalab::drive;
use quotalab::planner::{self, GrowthRate, Kind, Plan, PlanOptions, Target};
use quotalab::record::Summary;
use quotalab::scenario::{self, Overrides, Scenario};

fn parse(yaml: &str) -> Scenario {
    scenario::parse("plan", yaml, &Overrides::default(), None).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn ask(replicas: u32) -> PlanOptions {
    PlanOptions { replicas: Some(replicas), ..PlanOptions::default() }
}

fn scenario(yaml: &str, ask: &PlanOptions) -> Plan {
    planner::plan(&parse(yaml), ask, &()).expect("something is offered")
}

fn simulate(scenario: &Scenario) -> Summary {
    drive::summarize(scenario)
}

/// One account with `limits`, asked evenly for `rate` jobs of 100 + 100 tokens by a client that never tries again.
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

#[track_caller]
fn assert_ceiling(report: &Plan, jobs_per_min: f64) {
    let simulated = &report.ceiling.simulated;
    let found = simulated.jobs_per_min.expect("there is a ceiling");
    assert!((found / jobs_per_min - 1.0).abs() < 0.01, "{found} is not {jobs_per_min}: {simulated:#?}");
}

#[test]
fn evenly_asked_a_single_limit_is_the_ceiling() {
    // A bucket that holds one job admits exactly as it refills, and every other job as soon as it is asked faster.
    let rpm = "rpm: { limit: 30, burst: 1 }";
    // 6,000 tokens a minute are thirty jobs of 200.
    let tpm = "tpm: { limit: 6000, burst: 200 }";
    let fixed = "rpm: { limit: 30, law: fixed }";
    let log = "rpm: { limit: 30, law: sliding_log }";
    for (limits, axis) in [(rpm, "rpm"), (tpm, "tpm"), (fixed, "rpm"), (log, "rpm")] {
        let report =
            scenario(&one_account(limits, "constant: 20/min", "expect: [success >= 99.9%]"), &ask(1));
        assert_ceiling(&report, 30.0);
        let breaks = report.ceiling.simulated.breaks.as_ref().expect("it breaks above");
        assert_eq!((breaks.target.as_deref(), breaks.axis.as_deref()), (Some("p/default/m"), Some(axis)));
        assert_eq!(breaks.rule, "success >= 99.9%");
        assert!((report.headroom.unwrap() - 1.5).abs() < 0.015);
    }
}

#[test]
fn asked_at_random_the_ceiling_is_the_loss_formula_on_every_seed() {
    // A bucket that holds one job is a server without a queue, busy for as long as one job refills: of a
    // memoryless load of ρ a share 1 / (1 + ρ) is served (Erlang B with one server, whatever the service
    // time). Half may fail: ρ = 1, the load is the limit.
    for seed in [1, 2, 3] {
        let yaml =
            one_account("rpm: { limit: 900, burst: 1 }", "poisson: 500/min", "expect: [success >= 50%]")
                .replace("duration: 30m", &format!("duration: 40m\nseed: {seed}"));
        let report = scenario(&yaml, &ask(8));
        // 36,000 jobs leave an error of 0.9 % in a replica's ceiling, 0.3 % in the mean of eight.
        assert_ceiling(&report, 900.0);
        let simulated = &report.ceiling.simulated;
        assert!(simulated.low.unwrap() <= simulated.multiple.unwrap());
        assert!(simulated.multiple.unwrap() <= simulated.high.unwrap());
        assert_eq!(simulated.replicas.len(), 8);
    }
}

#[test]
fn the_ceiling_table_is_the_limit_the_sum_and_the_sum_plus_the_fallback() {
    let table = |accounts: &str, steps: &str| {
        format!(
            "name: the ceiling table
duration: 3h
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
    assert_ceiling(&scenario(&table(one, "{ of: [groq/acme/m] }"), &ask(1)), 30.0);
    assert_ceiling(&scenario(&table(two, pair), &ask(1)), 60.0);
    assert_ceiling(&scenario(&table(two, &format!("{pair}, {{ of: [other/default/m] }}")), &ask(1)), 100.0);
}

#[test]
fn the_plan_is_the_same_on_any_number_of_threads() {
    let yaml = one_account("rpm: 30, tpm: 8k", "poisson: 20/min", "expect: [success >= 95%]");
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let ask =
            PlanOptions { target: Some(Target::Multiple(3.0)), incident: true, ..PlanOptions::default() };
        pool.install(|| scenario(&yaml, &ask)).to_json()
    };
    let one = on(1);
    assert_eq!(one, on(5));
    assert_eq!(Plan::from_json(&one).unwrap().to_json(), one, "what is written can be read again");
}

#[test]
fn a_target_is_bought_and_the_purchase_holds_when_it_is_made() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 20/min", "expect: [success >= 99.9%]")
        .replace("client: {", "client: { deadline: 20s, pace: requests,")
        .replace("attempts: 1", "attempts: 5");
    let cheap = yaml.replace("input: 1, output: 1", "input: 0.1, output: 0.1");
    let ask = PlanOptions { target: Some(Target::JobsPerMin(110.0)), ..ask(1) };
    let buy = |yaml: &str| scenario(yaml, &ask).buy.expect("a target was given");
    let bought = buy(&cheap);
    assert!(bought.holds && bought.changes == ["one more account at p"; 3], "{bought:#?}");
    assert!((bought.target.multiple - 5.5).abs() < 1e-9);
    // At ten times the price an answer of the fallback is the cheaper one, though at the present load it costs nothing.
    let bought = buy(&yaml);
    assert!(
        bought.holds && bought.changes == ["fall back to groq-developer openai/gpt-oss-120b"],
        "{bought:#?}"
    );
    // Written down by hand: 110 a minute need four accounts of 30, and nothing less.
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
fn what_only_moves_the_strain_is_worth_more_beside_what_widens_the_other_side() {
    // Sixty a minute and twenty behind them, of which a quarter may fall back: both rules bind at eighty. One more
    // account in front lifts that to 140, behind it to nothing; both at once to 160.
    let report = scenario(
        "name: pairs
duration: 1h
providers:
  front: { tier: developer, models: { openai/gpt-oss-120b: { limits: { rpm: { limit: 60, burst: 2 } }, latency: { total: 500ms } } } }
  behind: { tier: developer, models: { openai/gpt-oss-20b: { limits: { rpm: { limit: 20, burst: 2 } }, latency: { total: 500ms } } } }
routes: { r: [{ of: [front/default/openai/gpt-oss-120b] }, { of: [behind/default/openai/gpt-oss-20b] }] }
client: { deadline: 20s, pace: requests, retry: { attempts: 1 } }
workload: [{ name: w, route: r, arrivals: { constant: 40/min }, prompt: 100, completion: 100, max_tokens: 100 }]
expect: [success >= 99%, fallback share <= 25.5%]",
        &ask(1),
    );
    assert_ceiling(&report, 80.0);
    let lift = |words: &str| {
        report.what_if.iter().find(|one| one.change.contains(words)).unwrap_or_else(|| panic!("{words}")).lift
    };
    assert!((lift("account at front") - 1.75).abs() < 0.05, "{:#?}", report.what_if);
    assert!((lift("account at behind") - 1.0).abs() < 0.03, "{:#?}", report.what_if);
    let pair = report.pairs.first().unwrap_or_else(|| panic!("{:#?}", report.what_if));
    assert!(pair.changes.iter().all(|change| change.contains("account at")), "{:#?}", report.pairs);
    // A pair is searched to a tenth.
    assert!((pair.lift - 2.0).abs() < 0.2 && (pair.apart - 1.75).abs() < 0.08, "{pair:#?}");
    assert!(pair.lift > pair.apart * 1.04, "{pair:#?}");
}

#[test]
fn what_cannot_be_bought_is_said() {
    let slow = one_account("rpm: 30", "constant: 20/min", "expect: [p95 latency <= 400ms]");
    let report = scenario(&slow, &PlanOptions { target: Some(Target::Multiple(1.2)), ..ask(1) });
    assert_eq!(report.headroom, Some(0.0), "half a second is more than 400 ms at any load");
    let buy = report.buy.as_ref().unwrap();
    assert!(!buy.holds && buy.broken == ["p95 latency <= 400ms"], "{buy:#?}");
    assert!(
        report.verdict.iter().any(|sentence| sentence.starts_with("Nothing tried holds")),
        "{:#?}",
        report.verdict
    );
    let dear = one_account(
        "rpm: { limit: 30, burst: 1 }",
        "constant: 20/min",
        "expect: [success >= 99%, cost <= 0.15 USD]",
    );
    // 600 jobs of 200 tokens cost 0.12 USD: money is gone at 1.25 times the load, the limit at 1.5.
    let report = scenario(&dear, &PlanOptions { target: Some(Target::Multiple(1.4)), ..ask(1) });
    let simulated = &report.ceiling.simulated;
    assert!((simulated.multiple.unwrap() - 1.25).abs() < 0.0125, "{simulated:#?}");
    assert!((simulated.without_cost_rules.unwrap() - 1.5).abs() < 0.03, "{simulated:#?}");
    let buy = report.buy.as_ref().unwrap();
    assert!(!buy.holds && buy.changes.is_empty() && buy.broken == ["cost <= 0.15 USD"], "{buy:#?}");
    // What changes are measured against is what their picture is drawn against.
    let bars =
        quotalab::report::plan::charts(&report).into_iter().find(|chart| chart.name == "what-if").unwrap();
    assert!(bars.standalone().contains("ceiling but for cost"), "{}", bars.standalone());
}

#[test]
fn growth_meets_the_ceiling_when_it_should() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 20/min", "expect: [success >= 99.9%]");
    let report =
        scenario(&yaml, &PlanOptions { growth: Some(GrowthRate::parse("8%/month").unwrap()), ..ask(1) });
    let months = report.growth.unwrap().months.unwrap();
    // 1.08^n = 1.5
    assert!((months - 1.5f64.ln() / 1.08f64.ln()).abs() < 0.05, "{months}");
    for wrong in ["8", "8%", "8/month", "-3%/month", "8%/fortnight", "%/month", "inf%/day"] {
        assert!(GrowthRate::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_loss_of_the_only_provider_is_not_survived_and_that_of_one_of_two_is() {
    let yaml = one_account("rpm: 1000", "poisson: 20/min", "expect: [success >= 99%]")
        .replace("duration: 30m", "duration: 2h");
    let alone = scenario(&yaml, &PlanOptions { incident: true, ..ask(1) });
    assert_eq!(alone.incidents.len(), 1);
    assert!(!alone.incidents[0].survives && alone.incidents[0].broken == ["success >= 99%"]);
    assert!((alone.incidents[0].success - 0.5).abs() < 0.05, "an hour of two is lost");
    let yaml = yaml
        .replace("providers: {", "providers: { q: { models: { m: { latency: { total: 500ms } } } },")
        .replace("of: [p/default/m] }", "of: [p/default/m] }, { of: [q/default/m] }")
        .replace("attempts: 1", "attempts: 3");
    let two = scenario(&yaml, &PlanOptions { incident: true, ..ask(1) });
    assert!(
        two.incidents.len() == 2 && two.incidents.iter().all(|outage| outage.survives),
        "{:#?}",
        two.incidents
    );
}

#[test]
fn accounts_lift_in_proportion_and_the_ranking_is_by_lift() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 20/min", "expect: [success >= 99.9%]")
        .replace("client: {", "client: { deadline: 20s, pace: requests,")
        .replace("attempts: 1", "attempts: 5");
    let report = scenario(&yaml, &ask(1));
    let account = report.what_if.iter().find(|change| change.change == "one more account at p").unwrap();
    assert!((account.lift - 2.0).abs() < 0.04 && account.kind == Kind::Quota, "{account:#?}");
    let prompts = report.what_if.iter().find(|change| change.change == "prompts a quarter shorter").unwrap();
    // 100 + 100 tokens become 75 + 100, and no request limit cares.
    assert!((prompts.lift - 1.0).abs() < 0.03, "{prompts:#?}");
    assert!((prompts.cost_usd_per_day / (20.0 * 1440.0 * 175e-6) - 1.0).abs() < 0.01, "{prompts:#?}");
    let lifts: Vec<f64> = report.what_if.iter().map(|change| change.lift).collect();
    assert!(lifts.windows(2).all(|pair| pair[0] >= pair[1] - 0.03), "{lifts:?}");
    assert_eq!(report.curve.len(), 10);
    assert!(report.curve.windows(2).all(|pair| pair[0].multiple < pair[1].multiple));
}

#[test]
fn without_any_limit_no_ceiling_is_made_up() {
    let yaml = one_account("", "poisson: 1/min", "expect: [success >= 99%]");
    let report = scenario(&yaml, &ask(2));
    let simulated = &report.ceiling.simulated;
    assert_eq!((simulated.multiple, report.headroom, simulated.breaks.is_none()), (None, None, true));
    assert!(simulated.tried >= 60.0);
    assert!(report.verdict[0].contains("no ceiling was found"), "{:#?}", report.verdict);
    let mut idle = parse(&yaml);
    idle.workloads.clear();
    assert!(planner::plan(&idle, &ask(1), &()).is_err());
}

#[test]
fn the_expected_hits_of_a_cache_are_those_of_a_run() {
    // A time to live that matters, then a cache so small that it forgets, then both.
    for cache in ["entries: 100k, ttl: 10m", "entries: 200, ttl: 24h", "entries: 400, ttl: 5m"] {
        let yaml = one_account("rpm: 120", "poisson: 100/min", "")
            .replace("client: {", &format!("client: {{ cache: {{ {cache} }},"))
            .replace("max_tokens: 100", "max_tokens: 100, repeats: { share: 60%, zipf: 0.9, of: 500 }")
            .replace("duration: 30m", "duration: 6h");
        let scenario = parse(&yaml);
        let cached = Ceiling::cached(&scenario).expect("there is a cache, a limit and repeats");
        assert!(cached.multiple > Ceiling::of(&scenario).multiple);
        let summary = simulate(&scenario.scaled(cached.multiple * 0.98));
        let hits = summary.jobs.cached as f64 / summary.jobs.offered as f64;
        assert!((hits - cached.hit_share).abs() < 0.03, "{cache}: {hits} of a run, {cached:?}");
    }
}

#[test]
fn the_scenario_may_bring_what_ifs_of_its_own() {
    let yaml = one_account("rpm: { limit: 30, burst: 1 }", "constant: 20/min", "expect: [success >= 99.9%]")
        + "\nwhat_if:\n  - { name: a larger limit, set: { providers.p.models.m.limits.rpm.limit: 60 } }\n";
    let report = scenario(&yaml, &ask(1));
    let own = report.what_if.iter().find(|change| change.kind == Kind::Own).expect("it was asked for");
    assert_eq!(own.change, "a larger limit");
    assert!((own.lift - 2.0).abs() < 0.03, "{own:#?}");
}

#[test]
fn what_is_wrong_with_a_what_if_is_told_with_its_line() {
    let wrong = |wish: &str| {
        let yaml = one_account("rpm: 30", "constant: 20/min", "what_if:") + "\n  - " + wish;
        let problems =
            scenario::parse("s.yaml", &yaml, &Overrides::default(), None).expect_err(wish).to_string();
        assert!(problems.contains("s.yaml:8:"), "{wish}: {problems}");
        problems
    };
    assert!(wrong("{ name: a, set: { client.dedline: 3s } }").contains("did you mean `deadline`"));
    assert!(wrong("{ name: a, set: { client.deadline: soon } }").contains("soon"));
    assert!(wrong("{ name: a, set: {} }").contains("nothing is changed"));
    assert!(wrong("{ name: a, set: { client.deadline: } }").contains("no value"));
    assert!(wrong("{ set: { client.deadline: 3s } }").contains("has no `name`"));
    assert!(wrong("{ name: a }").contains("has no `set`"));
    assert!(wrong("a").contains("expected a map"));
}

/// Bursts of 20 twins a minute at an account that takes 30 requests a minute; every answer takes a second.
fn twins(client: &str) -> String {
    one_account("rpm: { limit: 30, burst: 10 }", "burst: 20, every: 1m", "expect: [success >= 99%]")
        .replace("client: {", &format!("client: {{ deadline: 20s, {client}"))
        .replace("attempts: 1", "attempts: 3")
        .replace("total: 500ms", "total: 1s")
        .replace("max_tokens: 100", "max_tokens: 100, repeats: { share: 100%, zipf: 0, of: 2 }")
}

#[test]
fn joining_is_tried_where_jobs_repeat_and_is_worth_what_it_spares() {
    let report = scenario(&twins(""), &ask(1));
    let join = report.what_if.iter().find(|one| one.change == "join identical jobs under way").unwrap();
    // Of a burst only one job of either question is sent: ten times less, at the least.
    assert!(join.lift > 5.0 && join.kind == Kind::Client, "{join:#?}");
    assert!(report.notes.iter().all(|note| !note.contains("Not tried")), "{:#?}", report.notes);
    let report = scenario(&twins("join: true, "), &ask(1));
    let without = report.what_if.iter().find(|one| one.change == "without joining identical jobs").unwrap();
    assert!(without.lift < 0.2 && without.kind == Kind::Without, "{without:#?}");
    assert!(report.load.joined_share > 0.8, "{:#?}", report.load);
    assert!(report.notes.iter().any(|note| note.contains("without joining identical jobs")));
}

#[test]
fn what_is_only_left_out_to_show_its_worth_is_neither_bought_nor_paired() {
    // Pacing makes jobs wait for longer than the rule on latency allows: without it more would hold.
    let yaml = one_account(
        "rpm: { limit: 30, burst: 30 }",
        "constant: 20/min",
        "expect: [p95 latency <= 700ms, success >= 50%]",
    )
    .replace("client: {", "client: { pace: tokens,");
    let report = scenario(&yaml, &PlanOptions { target: Some(Target::Multiple(2.0)), ..ask(1) });
    let without = report.what_if.iter().find(|one| one.change == "without pacing").unwrap();
    assert!(without.lift > 1.1, "{:#?}", report.what_if);
    assert!(report.verdict.iter().any(|sentence| sentence.contains("in the way")), "{:#?}", report.verdict);
    let shown =
        |words: &String| report.what_if.iter().any(|one| one.change == *words && one.kind == Kind::Without);
    assert!(!report.buy.unwrap().changes.iter().any(shown));
    assert!(!report.pairs.iter().flat_map(|pair| &pair.changes).any(shown));
    assert!(
        report
            .verdict
            .iter()
            .filter(|sentence| sentence.contains("best of the changes"))
            .all(|best| !best.contains("without"))
    );
}

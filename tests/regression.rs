//! `quotalab test`: a broken policy is caught against the baseline of the good one, other seeds of the good
//! one are not, and every output says which rule, by how much, since which number, and how to see it again.

mod cli;

use crate::report::xml;
use quotalab::regression::{self, Baseline, Case, Checked, Outcome, Status, Verdict};
use quotalab::scenario::{self, Overrides, Scenario};

/// One account under more than its limit, with retries that obey the server.
const WALL: &str = "
name: wall
duration: 20m
providers: {p: {accounts: {acme: [k1]}, models: {m: {limits: {rpm: 30}, latency: {first_token: {p50: 200ms, p99: 900ms}, output: 500 tok/s}}}}}
routes: {r: [{of: [p/acme/m]}]}
client: {deadline: 20s, retry: {attempts: 5, backoff: {base: 1s, cap: 10s, jitter: full}}}
workload: [{name: w, route: r, arrivals: {poisson: 33/min}, prompt: 50, completion: {p50: 50, p95: 200}, max_tokens: 300}]
expect: [\"success >= 50%\", \"attempts per job <= 5\"]
";

/// Two keys of one account, paced by what the account may send, under more than that.
const KEYS: &str = "
name: keys
duration: 20m
providers: {p: {accounts: {acme: [k1, k2]}, models: {m: {limits: {rpm: 40}, latency: {total: {p50: 400ms, p99: 2s}}}}}}
routes: {r: [{of: [p/acme/m]}]}
client: {deadline: 30s, pace: requests, retry: {attempts: 3}}
workload: [{name: w, route: r, arrivals: {poisson: 50/min}, prompt: 50, completion: 50, max_tokens: 60}]
expect: [\"success >= 50%\"]
";

/// A first provider without room for all, and a fallback.
const CHAIN: &str = "
name: chain
duration: 20m
providers:
  p: {accounts: {acme: [k1]}, models: {m: {limits: {rpm: 30}, latency: {total: {p50: 300ms, p99: 1s}}, price: {input: 0.1, output: 0.5}}}}
  q: {models: {m: {limits: {rpm: 500}, latency: {total: {p50: 500ms, p99: 2s}}, price: {input: 0.4, output: 0.8}}}}
routes: {r: [{of: [p/acme/m]}, {of: [q/default/m]}]}
client: {deadline: 10s, retry: {attempts: 3}}
workload: [{name: w, route: r, arrivals: {poisson: 60/min}, prompt: 50, completion: 50, max_tokens: 60}]
";

const REPLICAS: usize = 8;

/// What a policy makes of a scenario: words to set, then a change of the plan.
struct Policy {
    set: fn(&str) -> Vec<(&'static str, &'static str)>,
    change: fn(&mut Scenario),
}

const GOOD: Policy = Policy { set: |_| Vec::new(), change: |_| () };

/// The client does not read the number that comes with a refusal, which is as if it were not sent.
const RETRY_AFTER_IGNORED: Policy = Policy {
    set: |_| vec![("providers.p.incidents", "[{at: 0s, for: 1h, fault: no_retry_after}]")],
    change: |_| (),
};

/// The client takes the two keys of the one account for two accounts.
const KEYS_COUNTED_TWICE: Policy = Policy {
    set: |name| match name {
        "keys" => vec![
            ("providers.p.accounts", "{acme: [k1], twin: [k2]}"),
            ("routes.r", "[{pick: most_room, of: [p/acme/m, p/twin/m]}]"),
        ],
        _ => Vec::new(),
    },
    change: |scenario| {
        if let [acme, twin] = scenario.targets.as_mut_slice()
            && twin.name == "p/twin/m"
        {
            twin.account = acme.account;
        }
    },
};

/// A target that refused is not left alone.
const COOL_DOWN_FORGOTTEN: Policy =
    Policy { set: |_| vec![("client.retry.obey_retry_after", "false")], change: |_| () };

fn scenario(text: &str, policy: &Policy, seed: u64) -> Scenario {
    let name = text.lines().find_map(|line| line.strip_prefix("name: ")).expect("a name");
    let set = (policy.set)(name).into_iter().map(|(path, value)| (path.to_owned(), value.to_owned()));
    let overrides = Overrides { set: set.collect(), seed: Some(seed), duration: None };
    let mut scenario = scenario::parse("text.yaml", text, &overrides, None).expect("a scenario");
    (policy.change)(&mut scenario);
    scenario
}

fn cases(texts: &[&str], policy: &Policy, seed: u64) -> Vec<Case> {
    let case = |text: &&str| Case {
        file: "text.yaml".to_owned(),
        text: (*text).to_owned(),
        command: "quotalab sim text.yaml".to_owned(),
        plans: regression::seeds(seed, REPLICAS).map(|seed| scenario(text, policy, seed)).collect(),
    };
    texts.iter().map(case).collect()
}

const ALL: [&str; 3] = [WALL, KEYS, CHAIN];

fn baseline(policy: &Policy) -> Baseline {
    let cases = cases(&ALL, policy, 7);
    let made = Baseline::of(&cases, &regression::run(&cases, &|| ()));
    let read = Baseline::from_json(&made.to_json()).expect("a baseline");
    assert_eq!(read.to_json(), made.to_json(), "a baseline survives its file");
    read
}

fn against(baseline: &Baseline, policy: &Policy, seed: u64) -> Outcome {
    let cases = cases(&ALL, policy, seed);
    assert!(baseline.misfits(&cases).is_empty());
    regression::judge(&cases, &regression::run(&cases, &|| ()), Some(baseline))
}

fn changed(checked: &Checked, verdict: Verdict) -> Vec<&'static str> {
    let changes = checked.compared.iter().filter(|change| change.verdict == verdict);
    changes.map(|change| change.measure).collect()
}

#[test]
fn a_broken_policy_is_caught_with_the_same_seeds_and_with_others() {
    let good = baseline(&GOOD);
    // Which scenario tells, and which of its measures at least.
    let broken = [
        (RETRY_AFTER_IGNORED, 2, "limited share"),
        (KEYS_COUNTED_TWICE, 1, "limited share"),
        (COOL_DOWN_FORGOTTEN, 2, "attempts per job"),
    ];
    for (policy, scenario, measure) in &broken {
        for seed in [7, 8, 9] {
            let outcome = against(&good, policy, seed);
            let checked = &outcome.scenarios[*scenario];
            assert!(changed(checked, Verdict::Worse).contains(measure), "{}", regression::text(&outcome));
            assert_eq!(checked.status, Status::Failed);
            assert!(!outcome.holds());
        }
    }
}

#[test]
fn twenty_other_seeds_of_the_good_policy_raise_no_alarm() {
    let good = baseline(&GOOD);
    for seed in 100..120 {
        let outcome = against(&good, &GOOD, seed);
        assert!(outcome.holds(), "seed {seed}\n{}", regression::text(&outcome));
        assert!(outcome.scenarios.iter().all(|checked| changed(checked, Verdict::Better).is_empty()));
    }
}

#[test]
fn the_good_policy_differs_by_nothing_from_itself() {
    let outcome = against(&baseline(&GOOD), &GOOD, 7);
    for change in outcome.scenarios.iter().flat_map(|checked| &checked.compared) {
        assert_eq!((change.new, change.verdict), (Some(change.old), Verdict::Same), "{}", change.measure);
    }
}

#[test]
fn an_improvement_is_reported_and_fails_nothing() {
    let outcome = against(&baseline(&COOL_DOWN_FORGOTTEN), &GOOD, 7);
    let chain = &outcome.scenarios[2];
    assert_eq!(chain.status, Status::Passed, "{}", regression::text(&outcome));
    assert!(changed(chain, Verdict::Better).contains(&"attempts per job"));
    assert!(regression::text(&outcome).contains("better  attempts per job was"));
}

#[test]
fn a_regression_names_its_numbers_and_the_seed_that_shows_it() {
    let outcome = against(&baseline(&GOOD), &COOL_DOWN_FORGOTTEN, 7);
    let changes = outcome.scenarios.iter().flat_map(|checked| &checked.compared);
    for change in changes.filter(|change| change.verdict == Verdict::Worse) {
        let shown = change.shown_by.as_ref().expect("a regression is shown");
        assert!(regression::seeds(7, REPLICAS).any(|seed| seed == shown.seed));
        assert_eq!(shown.reproduce, format!("quotalab sim text.yaml --seed {}", shown.seed));
        assert!(shown.old.is_some() && shown.new.is_some(), "the same seed is in the baseline");
        assert!((change.new.unwrap() - change.old).abs() > change.margin);
    }
}

#[test]
fn an_outcome_does_not_depend_on_the_cores() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| against(&baseline(&GOOD), &COOL_DOWN_FORGOTTEN, 3).to_json())
    };
    assert_eq!(on(1), on(5));
}

#[test]
fn what_no_job_reaches_any_more_is_worse_not_unknown() {
    let dead = Policy { set: |_| vec![("providers.p.incidents", "[{at: 0s, for: 1h, fault: 500}]")], ..GOOD };
    let outcome = against(&baseline(&GOOD), &dead, 7);
    let keys = &outcome.scenarios[1];
    let worse = changed(keys, Verdict::Worse);
    for measure in ["success", "goodput", "p50 latency", "p95 first_token"] {
        assert!(worse.contains(&measure), "{worse:?}");
    }
    assert!(regression::text(&outcome).contains("cannot be measured any more"));
}

#[test]
fn seeds_are_the_scenarios_own_and_then_new_ones() {
    let seeds: Vec<u64> = (0..200).flat_map(|own| regression::seeds(own, 50)).collect();
    assert_eq!((seeds[0], seeds[50], seeds.len()), (0, 1, 10_000));
    let mut unique = seeds.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), seeds.len(), "no two scenario seeds share a replica");
    assert_eq!(
        regression::seeds(7, 3).collect::<Vec<_>>(),
        regression::seeds(7, 9).take(3).collect::<Vec<_>>()
    );
}

#[test]
fn a_wrong_baseline_is_told_what_is_wrong_with_it() {
    let text = baseline(&GOOD).to_json();
    let wrong = [
        ("{}".to_owned(), "no baseline"),
        ("not json".to_owned(), "no baseline"),
        (text.replace("baseline/1", "baseline/2"), "its schema is `quotalab/baseline/2`"),
        (text.replace("\"success\"", "\"sucess\""), "nothing is measured under the name `sucess`"),
        (text.replacen("        7,\n", "", 1), "8 values for 7 seeds"),
        (text.replace("duration_s", "duration"), "missing field `duration_s`"),
    ];
    for (text, expected) in wrong {
        let fault = Baseline::from_json(&text).unwrap_err();
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn a_baseline_of_other_scenarios_or_another_length_does_not_fit() {
    let good = baseline(&GOOD);
    let misfits = good.misfits(&cases(&[WALL, CHAIN], &GOOD, 7));
    assert_eq!(misfits, ["it knows the scenario `keys`, which is not given"]);
    let short = Policy { set: |_| vec![("duration", "5m")], ..GOOD };
    assert_eq!(good.misfits(&cases(&ALL, &short, 7)).len(), 3);
    assert_eq!(regression::repeated_name(&cases(&[WALL, KEYS, WALL], &GOOD, 7)), Some("wall"));
}

#[test]
fn every_output_survives_names_that_are_code() {
    let name = "a <b> & \"c\" | `d` ::error::%0A";
    let quoted = format!("name: '{name}'");
    let text = CHAIN.replace("name: chain", &quoted) + "expect: [\"cost <= 0.0001 USD\"]\n";
    let cases = vec![Case {
        file: "dir,a:b/<x>&\n.yaml".to_owned(),
        plans: vec![scenario::parse("x", &text, &Overrides::default(), None).unwrap()],
        text,
        command: "quotalab sim x".to_owned(),
    }];
    let outcome = regression::judge(&cases, &regression::run(&cases, &|| ()), None);
    assert_eq!(outcome.failed, 1, "{}", regression::text(&outcome));
    assert_well_formed(&regression::junit(&outcome));
    let annotations = regression::annotations(&outcome);
    assert_eq!(annotations.lines().count(), 1, "{annotations}");
    assert!(annotations.starts_with("::error file=dir%2Ca%3Ab/<x>&%0A.yaml,line="), "{annotations}");
    let markdown = regression::markdown(&outcome);
    assert!(markdown.contains("a &lt;b&gt; &amp; \"c\" \\| \\`d\\` "), "{markdown}");
}

fn assert_well_formed(junit: &str) {
    let (prolog, document) = junit.split_once('\n').expect("a prolog and a document");
    assert_eq!(prolog, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    assert_eq!(xml::fault(document), None, "{document}");
}

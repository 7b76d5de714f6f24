//! `quotalab test`: a regressed policy is detected against the baseline of the good one, other seeds of the good one
//! are not, and every output names the rule, the difference, the old value and the command that reproduces it.

mod cli;

use crate::report::xml;
use quotalab::regression::{self, Baseline, Case, Outcome, ScenarioOutcome, Status, Verdict};
use quotalab::scenario::{self, Overrides, Scenario};
use quotalab::stats::replica_seeds;

/// One account under more load than its limit, with retries that obey `retry-after`.
const OVERLOADED: &str = "
name: wall
duration: 20m
providers: {p: {accounts: {acme: [k1]}, models: {m: {limits: {rpm: 30}, latency: {first_token: {p50: 200ms, p99: 900ms}, output: 500 tok/s}}}}}
routes: {r: [{of: [p/acme/m]}]}
client: {deadline: 20s, retry: {attempts: 5, backoff: {base: 1s, cap: 10s, jitter: full}}}
workload: [{name: w, route: r, arrivals: {poisson: 33/min}, prompt: 50, completion: {p50: 50, p95: 200}, max_tokens: 300}]
expect: [\"success >= 50%\", \"attempts per job <= 5\"]
";

/// Two keys of one account under more load than its limit, paced to the account's limit.
const TWO_KEYS: &str = "
name: keys
duration: 20m
providers: {p: {accounts: {acme: [k1, k2]}, models: {m: {limits: {rpm: 40}, latency: {total: {p50: 400ms, p99: 2s}}}}}}
routes: {r: [{of: [p/acme/m]}]}
client: {deadline: 30s, pace: requests, retry: {attempts: 3}}
workload: [{name: w, route: r, arrivals: {poisson: 50/min}, prompt: 50, completion: 50, max_tokens: 60}]
expect: [\"success >= 50%\"]
";

/// A first provider whose limit is below the load, and a fallback.
const FALLBACK: &str = "
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

/// How a client is configured, as changes of a scenario: overrides, then an edit of what they resolve to.
struct Policy {
    /// Returns the overrides of the scenario of this name.
    set: fn(&str) -> Vec<(&'static str, &'static str)>,
    /// Edits the resolved scenario.
    change: fn(&mut Scenario),
}

const GOOD: Policy = Policy { set: |_| Vec::new(), change: |_| () };

/// The client ignores `retry-after`: the same as if the provider did not send it.
const RETRY_AFTER_IGNORED: Policy = Policy {
    set: |_| vec![("providers.p.incidents", "[{at: 0s, for: 1h, fault: no_retry_after}]")],
    change: |_| (),
};

/// The client treats the two keys of one account as two accounts.
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

/// The client does not put a target in cool-down after a 429.
const NO_COOL_DOWN: Policy =
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
        replicas: replica_seeds(seed, REPLICAS).map(|seed| scenario(text, policy, seed)).collect(),
    };
    texts.iter().map(case).collect()
}

const ALL: [&str; 3] = [OVERLOADED, TWO_KEYS, FALLBACK];

fn baseline(policy: &Policy) -> Baseline {
    let cases = cases(&ALL, policy, 7);
    let written = Baseline::of(&cases, &regression::run(&cases, &()));
    let read = Baseline::from_json(&written.to_json()).expect("a baseline");
    assert_eq!(read.to_json(), written.to_json(), "a baseline reads back as it was written");
    read
}

/// Runs a policy on all scenarios and compares it with a baseline.
fn compared_with(baseline: &Baseline, policy: &Policy, seed: u64) -> Outcome {
    let cases = cases(&ALL, policy, seed);
    assert!(baseline.mismatches(&cases).is_empty());
    regression::judge(&cases, &regression::run(&cases, &()), Some(baseline))
}

/// Returns the measures of a scenario with this verdict.
fn measures_with(scenario: &ScenarioOutcome, verdict: Verdict) -> Vec<&'static str> {
    let changes = scenario.compared.iter().filter(|change| change.verdict == verdict);
    changes.map(|change| change.measure).collect()
}

#[test]
fn a_regressed_policy_fails_with_the_same_seeds_and_with_others() {
    let good = baseline(&GOOD);
    // The policy, the scenario that detects it, and a measure that must be worse.
    let regressed = [
        (RETRY_AFTER_IGNORED, 2, "limited share"),
        (KEYS_COUNTED_TWICE, 1, "limited share"),
        (NO_COOL_DOWN, 2, "attempts per job"),
    ];
    for (policy, scenario, measure) in &regressed {
        for seed in [7, 8, 9] {
            let outcome = compared_with(&good, policy, seed);
            let scenario = &outcome.scenarios[*scenario];
            assert!(
                measures_with(scenario, Verdict::Worse).contains(measure),
                "{}",
                regression::text(&outcome)
            );
            assert_eq!(scenario.status, Status::Failed);
            assert!(!outcome.none_failed());
        }
    }
}

#[test]
fn twenty_other_seeds_of_an_unchanged_policy_raise_no_false_alarm() {
    let good = baseline(&GOOD);
    for seed in 100..120 {
        let outcome = compared_with(&good, &GOOD, seed);
        assert!(outcome.none_failed(), "seed {seed}\n{}", regression::text(&outcome));
        assert!(outcome.scenarios.iter().all(|scenario| measures_with(scenario, Verdict::Better).is_empty()));
    }
}

#[test]
fn an_unchanged_policy_with_the_same_seeds_does_not_differ() {
    let outcome = compared_with(&baseline(&GOOD), &GOOD, 7);
    for change in outcome.scenarios.iter().flat_map(|scenario| &scenario.compared) {
        assert_eq!((change.new, change.verdict), (Some(change.old), Verdict::Same), "{}", change.measure);
    }
}

#[test]
fn an_improvement_is_reported_and_passes() {
    let outcome = compared_with(&baseline(&NO_COOL_DOWN), &GOOD, 7);
    let chain = &outcome.scenarios[2];
    assert_eq!(chain.status, Status::Passed, "{}", regression::text(&outcome));
    assert!(measures_with(chain, Verdict::Better).contains(&"attempts per job"));
    assert!(regression::text(&outcome).contains("better  attempts per job was"));
}

#[test]
fn a_regression_has_evidence_with_seed_values_and_command() {
    let outcome = compared_with(&baseline(&GOOD), &NO_COOL_DOWN, 7);
    let changes = outcome.scenarios.iter().flat_map(|scenario| &scenario.compared);
    let worse: Vec<_> = changes.filter(|change| change.verdict == Verdict::Worse).collect();
    assert!(!worse.is_empty(), "{}", regression::text(&outcome));
    for change in worse {
        let evidence = change.shown_by.as_ref().expect("a regression has evidence");
        assert!(replica_seeds(7, REPLICAS).any(|seed| seed == evidence.seed));
        assert_eq!(evidence.reproduce, format!("quotalab sim text.yaml --seed {}", evidence.seed));
        assert!(evidence.old.is_some() && evidence.new.is_some(), "the same seed is in the baseline");
        assert!((change.new.unwrap() - change.old).abs() > change.margin);
    }
}

#[test]
fn an_outcome_does_not_depend_on_the_number_of_threads() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| compared_with(&baseline(&GOOD), &NO_COOL_DOWN, 3).to_json())
    };
    assert_eq!(on(1), on(5));
}

#[test]
fn a_measure_that_can_no_longer_be_taken_is_worse() {
    let always_failing =
        Policy { set: |_| vec![("providers.p.incidents", "[{at: 0s, for: 1h, fault: 500}]")], ..GOOD };
    let outcome = compared_with(&baseline(&GOOD), &always_failing, 7);
    let keys = &outcome.scenarios[1];
    let worse = measures_with(keys, Verdict::Worse);
    for measure in ["success", "goodput", "p50 latency", "p95 first_token"] {
        assert!(worse.contains(&measure), "{worse:?}");
    }
    assert!(regression::text(&outcome).contains("can no longer be measured"));
}

#[test]
fn an_invalid_baseline_is_rejected_with_the_reason() {
    let text = baseline(&GOOD).to_json();
    let wrong = [
        ("{}".to_owned(), "not a quotalab baseline"),
        ("not json".to_owned(), "not a quotalab baseline"),
        (text.replace("baseline/1", "baseline/2"), "its schema is `quotalab/baseline/2`"),
        (text.replace("\"success\"", "\"sucess\""), "unknown measure `sucess`"),
        (text.replacen("        7,\n", "", 1), "8 values for 7 seeds"),
        (text.replace("duration_s", "duration"), "missing field `duration_s`"),
    ];
    for (text, expected) in wrong {
        let error = Baseline::from_json(&text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_baseline_of_other_scenarios_or_another_duration_is_a_mismatch() {
    let good = baseline(&GOOD);
    let mismatches = good.mismatches(&cases(&[OVERLOADED, FALLBACK], &GOOD, 7));
    assert_eq!(mismatches, ["it contains the scenario `keys`, which was not given"]);
    let short = Policy { set: |_| vec![("duration", "5m")], ..GOOD };
    assert_eq!(good.mismatches(&cases(&ALL, &short, 7)).len(), 3);
    assert_eq!(
        regression::first_repeated_scenario_name(&cases(&[OVERLOADED, TWO_KEYS, OVERLOADED], &GOOD, 7)),
        Some("wall")
    );
}

#[test]
fn junit_annotations_and_markdown_escape_names_that_contain_markup() {
    let name = "a <b> & \"c\" | `d` ::error::%0A";
    let quoted = format!("name: '{name}'");
    let text = FALLBACK.replace("name: chain", &quoted) + "expect: [\"cost <= 0.0001 USD\"]\n";
    let cases = vec![Case {
        file: "dir,a:b/<x>&\n.yaml".to_owned(),
        replicas: vec![scenario::parse("x", &text, &Overrides::default(), None).unwrap()],
        text,
        command: "quotalab sim x".to_owned(),
    }];
    let outcome = regression::judge(&cases, &regression::run(&cases, &()), None);
    assert_eq!(outcome.failed, 1, "{}", regression::text(&outcome));
    assert_well_formed(&regression::junit(&outcome));
    let annotations = regression::annotations(&outcome);
    assert_eq!(annotations.lines().count(), 1, "{annotations}");
    assert!(annotations.starts_with("::error file=dir%2Ca%3Ab/<x>&%0A.yaml,line="), "{annotations}");
    let markdown = regression::markdown(&outcome);
    assert!(markdown.contains("a &lt;b&gt; &amp; &quot;c&quot; \\| \\`d\\` "), "{markdown}");
}

fn assert_well_formed(junit: &str) {
    let (prolog, document) = junit.split_once('\n').expect("an XML declaration and a document");
    assert_eq!(prolog, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    assert_eq!(xml::first_error(document), None, "{document}");
}

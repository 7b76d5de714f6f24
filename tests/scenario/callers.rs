//! The callers of the gateway: their keys, their priorities and their budgets.

use quotalab::job::Priority;
use quotalab::scenario::{self, DailyBudget, KeySource, Overrides, Tree};
use std::path::Path;

fn text(callers: &str) -> String {
    format!(
        "providers: {{p: {{models: {{m: {{}}}}}}}}\nroutes: {{r: [{{of: [p/default/m]}}]}}\n\
         workload: [{{name: w, arrivals: {{poisson: 1/s}}, prompt: 5, priority: batch}}]\ncallers: {callers}\n"
    )
}

fn problem(callers: &str) -> String {
    let problems = scenario::parse("s.yaml", &text(callers), &Overrides::default(), None);
    problems.expect_err("there is a problem").to_string()
}

#[test]
fn callers_are_read_and_described() {
    let text = text(
        "{web: {key: {env: WEB_KEY}}, nightly: {key: {file: n.key}, priority: batch, budget: {usd: 20, tokens: 2M}}}",
    );
    let folder = Some(Path::new("folder"));
    let scenario = scenario::parse("s.yaml", &text, &Overrides::default(), folder).expect("a scenario");
    let [web, nightly] = &scenario.callers[..] else { panic!("{:?}", scenario.callers) };
    assert_eq!(
        (&web.key, web.priority, web.budget),
        (&KeySource::Env("WEB_KEY".into()), Priority::Interactive, None)
    );
    assert_eq!((&nightly.key, nightly.priority), (&KeySource::File("folder/n.key".into()), Priority::Batch));
    assert_eq!(nightly.budget, Some(DailyBudget { usd: Some(20.0), tokens: Some(2_000_000) }));
    assert_eq!(scenario.workloads[0].priority, Priority::Batch);
    let described = scenario.describe();
    for line in [
        "Callers (of `quotalab gateway` only)",
        "web: interactive; key in the environment: WEB_KEY",
        "nightly: batch, at most 20 USD and 2M tokens per day of UTC; key in the file n.key",
        "1/s at random, priority batch",
    ] {
        assert!(described.contains(line), "{line}: {described}");
    }
    let written = scenario::write(&Tree::read("s.yaml", &text).expect("YAML"));
    let again = scenario::parse("s.yaml", &written, &Overrides::default(), folder).expect("a scenario");
    assert_eq!(again.callers, scenario.callers, "{written}");
}

#[test]
fn mistakes_are_reported_with_their_remedy() {
    for (callers, words) in [
        ("{a: {key: {env: K}}, b: {key: {env: K}}}", ["the key of `a` as well", "a key of its own"]),
        ("{a: {key: {env: K}, budget: {}}}", ["limits nothing", "add `usd: 20` or `tokens: 2M`"]),
        ("{a: {key: {env: K}, budget: {tokens: 0}}}", ["out of range", "a whole number from 1"]),
        ("{a: {key: {env: K}, priority: low}}", ["unknown word `low`", "batch"]),
        ("{a: {key: sk-written}}", ["key", "env"]),
        ("{a: {priority: batch}}", ["key", "key"]),
    ] {
        let problem = problem(callers);
        assert!(words.iter().all(|word| problem.contains(word)), "{callers}: {problem}");
    }
}

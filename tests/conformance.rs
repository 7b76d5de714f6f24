//! `scenarios/conformance/`: one scenario for each published class of failure, with what a good client achieves in it.

use crate::scenarios::{load, scenarios, simulate, stem};
use provider::fault::NAMES;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Returns the scenarios of the classes, in the order of their numbers.
fn classes() -> Vec<PathBuf> {
    scenarios("scenarios/conformance")
}

#[test]
fn every_class_has_its_scenario_and_every_scenario_its_number_question_and_answer() {
    let mut names = BTreeSet::new();
    for (number, path) in (1..).zip(classes()) {
        let class =
            stem(&path).strip_prefix(&format!("{number:02}-")).expect("numbered without a gap").to_owned();
        let scenario = load(&path);
        assert_eq!(scenario.name, class.replace('-', " "));
        assert!(!scenario.about.is_empty() && names.insert(class));
        let text = fs::read_to_string(&path).expect("a readable scenario");
        for word in ["# QUESTION  ", "# ANSWER    "] {
            assert!(text.lines().any(|line| line.starts_with(word)), "{}: no {word}", path.display());
        }
    }
    for class in [
        "outage",
        "brown-out",
        "slow-brown-out",
        "hang",
        "slow-first-token",
        "slow-drip",
        "reset-before-head",
        "reset-after-head",
        "cut-before-token",
        "cut-after-token",
        "truncated-json",
        "garbage",
        "wrong-type",
        "throttle-with-wait",
        "throttle-without-wait",
        "absurd-wait",
        "fractional-wait",
        "dated-wait",
        "negative-wait",
        "auth-failure",
        "error-inside",
        "no-headers",
        "clock-skew",
    ] {
        assert!(names.contains(class), "{class} is a published class");
    }
}

/// A simulation of every scenario passes its `expect`. To show that the incidents matter, the same run without them
/// must have a different result, except for faults without effect in a simulation.
#[test]
fn a_good_client_meets_the_expectations_of_every_scenario() {
    /// The scenarios whose faults have no effect in a simulation: formats and clocks exist only on the wire, and Groq's body
    /// states what its headers omit.
    const WITHOUT_EFFECT: [&str; 5] =
        ["fractional wait", "dated wait", "clock skew", "clock behind", "no headers"];
    for path in classes() {
        let mut scenario = load(&path);
        let summary = simulate(&scenario);
        assert!(!summary.expect.is_empty(), "{}: a scenario says what it expects", path.display());
        let missed: Vec<_> = summary.expect.iter().filter(|expected| !expected.pass).collect();
        assert!(missed.is_empty(), "{}: {missed:#?}", path.display());
        scenario.providers.iter_mut().for_each(|provider| provider.incidents.clear());
        let without_incidents = simulate(&scenario);
        let result = |summary: &quotalab::record::Summary| {
            format!("{:?} {:?} {:?}", summary.jobs, summary.attempts, summary.latency_s)
        };
        let same = result(&summary) == result(&without_incidents);
        assert_eq!(same, WITHOUT_EFFECT.contains(&&*scenario.name), "{}", path.display());
    }
}

#[test]
fn every_named_fault_but_four_statuses_occurs_in_some_scenario() {
    let mut files = classes();
    files.extend(scenarios("tests/fixtures"));
    let texts: String = files.iter().map(|path| fs::read_to_string(path).expect("readable")).collect();
    let not_required = ["504", "400", "403", "404"];
    for (name, _) in NAMES.iter().filter(|(name, _)| !not_required.contains(name)) {
        let spellings =
            [format!("fault: {name}"), format!("fault: {{ {name}: "), format!("fault: {{{name}: ")];
        assert!(spellings.iter().any(|fault| texts.contains(fault)), "no scenario has the fault `{name}`");
    }
}

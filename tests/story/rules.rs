//! Rules are judged for each workload and in windows of time.

use super::summary;
use quotalab::record::{RuleResult, Summary};
use quotalab::scenario::{self, Overrides};

fn problem(yaml: &str) -> String {
    scenario::parse("rules", yaml, &Overrides::default(), None).expect_err("the rule is wrong").to_string()
}

fn rules(summary: &Summary) -> Vec<(&str, bool)> {
    summary.expect.iter().map(|expected| (&*expected.rule, expected.pass)).collect()
}

/// Users with short jobs and no think time starve a chat with long jobs.
const STARVED: &str = "
duration: 1h
providers: { groq: { preset: groq-developer } }
routes: { r: [ { of: [groq/default/openai/gpt-oss-120b] } ] }
client: { deadline: 30s, retry: { attempts: 3 } }
workload:
  - { name: b, route: r, arrivals: { users: 8, think: 0s }, prompt: 700, completion: 10, max_tokens: 20 }
  - { name: chat, route: r, arrivals: { poisson: 6/min }, prompt: 4500, completion: 350, max_tokens: 800 }
";

#[test]
fn a_rule_that_names_no_workload_is_judged_for_each() {
    let summary = summary(&format!("{STARVED}expect: ['success >= 90%']"));
    let total = summary.jobs.succeeded as f64 / summary.jobs.offered as f64;
    assert!(total > 0.9, "all jobs together would pass the rule: {total}");
    assert_eq!(rules(&summary), [("b: success >= 90%", true), ("chat: success >= 90%", false)]);
    let chat = &summary.workloads[1];
    let share = chat.succeeded as f64 / (chat.offered - chat.in_flight) as f64;
    assert!((summary.expect[1].actual.unwrap() - share).abs() < 1e-6, "{:?}", summary.expect[1]);
    assert_eq!(summary.expect[1].workload.as_deref(), Some("chat"));
}

#[test]
fn a_rule_that_names_a_workload_is_judged_for_it_alone() {
    let summary = summary(&format!(
        "{STARVED}expect: ['b: success >= 90%', 'chat: p95 latency <= 1ms', 'cost <= 100 USD']"
    ));
    assert_eq!(
        rules(&summary),
        [("b: success >= 90%", true), ("chat: p95 latency <= 1ms", false), ("cost <= 100 USD", true)]
    );
}

#[test]
fn success_is_judged_by_default() {
    let default_results = |summary: &Summary| -> Vec<bool> {
        summary.expect.iter().filter(|expected| expected.is_default).map(|expected| expected.pass).collect()
    };
    assert_eq!(default_results(&summary(&format!("{STARVED}expect: ['cost <= 100 USD']"))), [false, false]);
    assert_eq!(default_results(&summary(STARVED)), [false, false]);
    assert!(default_results(&summary(&format!("{STARVED}expect: ['b: success >= 1%']"))).is_empty());
}

/// Judges a rule under a limit that suffices for the mean rate of an hour, but not for the three minutes in which three in
/// ten of its jobs arrive.
fn peak(rule: &str) -> RuleResult {
    let summary = summary(&format!(
        "
duration: 1h
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: 300 }}, latency: {{ total: 500ms }} }} }} }} }}
routes: {{ r: [ {{ of: [p/default/m] }} ] }}
client: {{ deadline: 20s, retry: {{ attempts: 3 }} }}
workload:
  - name: w
    route: r
    arrivals: {{ steps: [{{at: 0s, rate: 100/min}}, {{at: 20m, rate: 840/min}}, {{at: 23m, rate: 100/min}}] }}
    prompt: 100
    completion: 20
expect: ['{rule}']"
    ));
    summary.expect.into_iter().next().expect("one rule")
}

#[test]
fn a_rule_in_windows_is_judged_by_the_worst_window() {
    let (run, window) = (peak("success >= 80%"), peak("success >= 80% in every 5m"));
    assert!(run.pass && !window.pass, "{run:?} {window:?}");
    assert_eq!((window.at_s, window.window_s), (Some(1_200.0), Some(300.0)));
    let latency = peak("p95 latency <= 5s in every 5m");
    assert!(!latency.pass && latency.at_s == Some(1_200.0), "{latency:?}");
    // A day is longer than the run, so it is judged as a whole.
    let day = peak("success >= 80% every day");
    assert!(day.pass && day.at_s.is_none() && day.actual == run.actual, "{day:?}");
}

#[test]
fn windows_in_which_one_job_decides_are_left_out() {
    let rare = peak("success >= 99.9% in every 1m");
    // 840 jobs a minute are too few for one in a thousand.
    assert!(rare.actual.is_none() && !rare.pass, "{rare:?}");
    // Without a window to judge it by, the rule is not broken either.
    let few = rare.not_judged.expect("the rule cannot be judged");
    assert!(few.needed == 1_000 && (700..1_000).contains(&few.jobs) && !rare.is_broken(), "{rare:?}");
}

/// A rule for which nothing was measured is broken only if jobs were lost.
#[test]
fn a_latency_that_no_job_has_is_missed_and_one_without_jobs_is_not_judged() {
    let of = |rate: &str, incidents: &str| {
        let yaml = format!(
            "duration: 10m
providers: {{ p: {{ models: {{ m: {{ latency: {{ total: 500ms }} }} }}, incidents: [{incidents}] }} }}
routes: {{ r: [ {{ of: [p/default/m] }} ] }}
workload: [{{ name: w, arrivals: {{ {rate} }}, prompt: 100, completion: 20 }}]
expect: ['p95 latency <= 5s']"
        );
        summary(&yaml).expect.remove(0)
    };
    let lost = of("constant: 6/min", "{ at: 0s, for: 1h, fault: 503 }");
    let one = of("burst: 1, every: 1h", "");
    assert!(one.pass, "one job is enough for its own latency: {one:?}");
    let none = of("steps: [{at: 0s, rate: 0/min}, {at: 9m, rate: 0.01/min}]", "");
    assert!(lost.actual.is_none() && lost.is_broken(), "{lost:?}");
    assert!(none.actual.is_none() && !none.pass && !none.is_broken(), "{none:?}");
}

/// Percentiles are of the jobs that succeeded. Failed jobs are judged by a rule on `success`, which is added if there is none.
#[test]
fn percentiles_are_of_the_jobs_that_succeeded_and_success_is_judged_as_well() {
    let of = |latency: &str, incidents: &str, arrivals: &str| {
        summary(&format!(
            "duration: 10m
providers: {{ p: {{ models: {{ m: {{ latency: {{ total: {latency}, network: 0ms }} }} }}, incidents: [{incidents}] }} }}
routes: {{ r: [ {{ of: [p/default/m] }} ] }}
client: {{ deadline: 30s, eject: off, retry: {{ attempts: 1 }} }}
workload: [{{ name: w, arrivals: {{ {arrivals} }}, prompt: 100, completion: 20 }}]
expect: ['p95 latency <= 1s']"
        ))
    };
    let tenth = of("500ms", "{ at: 0s, for: 1h, fault: timeout, share: 10% }", "constant: 10/s");
    assert_eq!(rules(&tenth), [("p95 latency <= 1s", true), ("success >= 99 %", false)]);
    // The mean, 680 ms, would pass.
    let tail = of("{ values: [200ms, 5s], weights: [9, 1] }", "", "constant: 10/s");
    assert_eq!(rules(&tail), [("p95 latency <= 1s", false), ("success >= 99 %", true)]);
    let one = of("682ms", "", "burst: 1, every: 1h").latency_s;
    assert_eq!((one.p50, one.p99), (one.max, one.max));
    assert!((one.max - 0.682).abs() < 1e-3, "{one:?}");
}

/// The last window of a run of 25 minutes is five minutes long instead of ten; its goodput is the rate over these five.
#[test]
fn goodput_in_a_shorter_last_window_is_a_rate_over_its_own_length() {
    let yaml = "duration: 25m
providers: { p: { models: { m: { latency: { total: 500ms } } } } }
routes: { r: [ { of: [p/default/m] } ] }
workload: [{ name: w, arrivals: { constant: 60/min }, prompt: 100, completion: 20 }]
expect: ['goodput >= 58/min in every 10m']";
    let rule = summary(yaml).expect.remove(0);
    assert!(rule.pass, "{rule:?}");
}

#[test]
fn an_invalid_rule_is_reported_with_the_reason() {
    let with = |rule: &str| problem(&format!("{STARVED}expect: ['{rule}']"));
    assert!(
        with("chta: success >= 9%").contains("no workload is named `chta`"),
        "{}",
        with("chta: success >= 9%")
    );
    assert!(with("chat: cost <= 9 USD").contains("measured for the run as a whole"));
    assert!(with("headroom >= 2 in every hour").contains("not in windows"));
    assert!(
        with("success >= 9% in every 1s").contains("a rule has at most 2016"),
        "{}",
        with("success >= 9% in every 1s")
    );
    assert!(with("success >= 9% in every blue").contains("blue"));
}

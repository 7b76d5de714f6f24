//! A rule that cannot be judged neither holds nor breaks, and a plan says so as a run does.

use super::*;
use quotalab::planner::{Finding, NotMet};
use quotalab::report::{self, Style};

/// Jobs that arrive at `rate` under a limit of 60 a minute; every call takes 1 s.
fn desk(rate: &str, rule: &str) -> String {
    format!(
        "name: desk
seed: 41
duration: 4h
providers: {{ vendor: {{ models: {{ m: {{ limits: {{ rpm: 60 }}, latency: {{ total: 1s }} }} }} }} }}
routes: {{ r: [{{ of: [vendor/default/m] }}] }}
client: {{ deadline: 60s }}
workload: [{{ name: w, arrivals: {{ poisson: {rate} }}, prompt: 300, completion: 100 }}]
expect: [\"{rule}\"]
"
    )
}

#[test]
fn a_run_a_curve_and_a_plan_agree_that_windows_with_few_jobs_give_no_verdict() {
    let yaml = desk("2/min", "success >= 95% in every 5m");
    let summary = simulate(&parse(&yaml));
    let judged = &summary.expect[0];
    // Windows of five minutes have ten jobs on average.
    let few = judged.not_judged.expect("no window has 20 jobs");
    assert!(!judged.pass && !judged.is_broken() && few.needed == 20 && few.jobs < 20, "{judged:?}");
    let text = report::text::render(&summary, Style::default()).replace("\n", " ");
    assert!(text.contains("The expectation cannot be judged: success >= 95% in every 5m"), "{text}");
    assert!(!text.contains("missed") && !text.contains("FAIL"), "{text}");

    let plan = plan_of(&yaml, &options(4));
    let point =
        plan.curve.iter().find(|point| point.multiple == 1.0).expect("the present load is on the curve");
    let (on_curve, of_load) = (point.undecided.as_ref().unwrap(), plan.load.undecided.as_ref().unwrap());
    assert_eq!((on_curve.jobs, on_curve.needed, on_curve.window_s), (few.jobs, few.needed, Some(300.0)));
    assert_eq!(on_curve, of_load);
    assert!(!plan.load.holds && plan.not_met == [NotMet::PresentLoad]);
    // Loads that fill the windows are judged, so that there is a ceiling.
    assert!(plan.ceiling.simulated.multiple.is_some_and(|multiple| multiple > 20.0), "{:?}", plan.ceiling);
    let text = text_of(&plan);
    assert!(
        text.starts_with(
            "It is not known whether the present load of 2 jobs/min holds, because no window of"
        )
    );
    assert!(text.contains("exit code 1: it is not known whether the present load holds"), "{text}");
}

/// Below the load that fills the windows nothing can be said; above it the rule on latency breaks, since every call takes 1 s.
#[test]
fn if_the_present_load_cannot_be_judged_the_plan_does_not_state_that_no_load_holds() {
    let rules = "success >= 50% in every 1m\", \"p95 latency <= 500ms in every 1m";
    let plan = plan_of(&desk("2/min", rules), &options(4));
    let text = text_of(&plan);
    assert!(matches!(plan.findings[0], Finding::CannotTell { .. }), "{text}");
    assert!(!text.contains("No load holds") && !text.contains("a provider that fails"), "{text}");
    assert!(
        text.contains("no window of 60 s has the 20 jobs that a verdict on `p95 latency <= 500ms"),
        "{text}"
    );
}

/// A load of which no rule is broken is said to hold only if every rule was measured.
#[test]
fn a_load_holds_only_if_every_rule_was_measured() {
    for (rate, window) in [("0.2/min", "1m"), ("2/min", "2m"), ("20/min", "10m")] {
        for rule in ["success >= 90%", "p90 latency <= 5s"] {
            let yaml = desk(rate, &format!("{rule} in every {window}"));
            let plan = plan_of(&yaml, &options(1));
            let is_measured = plan.load.expect.iter().all(|judged| judged.actual.is_some());
            assert_eq!(plan.load.undecided.is_none(), is_measured, "{yaml}\n{}", text_of(&plan));
            assert!(is_measured || !plan.load.holds, "{yaml}");
            let summary = simulate(&parse(&yaml));
            let broken = summary.expect.iter().filter(|judged| judged.is_broken()).count();
            let unmeasured = summary.expect.iter().filter(|judged| judged.actual.is_none()).count();
            assert_eq!((broken, unmeasured), (0, usize::from(!is_measured)), "{:?}", summary.expect);
        }
    }
}

/// Half an hour of 600 jobs, of which nearly none succeeds, shows that the present load does not hold, although the lowest loads
/// that break the rule have too few jobs for a verdict.
#[test]
fn a_present_load_with_enough_jobs_that_breaks_a_rule_does_not_hold() {
    let plan = plan_of(
        "duration: 30m
providers:
  p: { dialect: anthropic, models: { m: { limits: { rpm: 50 }, latency: { total: 2s } } }, incidents: [{ at: 0s, for: 30m, fault: 529 }] }
routes: { r: [{ of: [p/default/m] }] }
client: { retry: { attempts: 3, backoff: { base: 1s, cap: 4s, jitter: none } } }
workload: [{ name: w, arrivals: { constant: 20/min }, prompt: 400, completion: 100 }]
expect: ['success >= 99%']",
        &options(1),
    );
    assert!(!plan.load.holds && plan.load.undecided.is_none(), "{:#?}", plan.load);
    let text = text_of(&plan);
    assert!(text.contains("exit code 1: the present load does not hold"), "{text}");
    assert!(!text.contains("Neither whether the present load"), "{text}");
}

//! The sentences of plans against what is true of their scenarios: each was false of one of these.

use super::worlds::text_of;
use super::*;
use quotalab::planner::{Difference, GiveUpBound};

/// A provider with one `limit`, one workload, and rules. Every call takes 530 ms if the completion has 100 tokens.
fn world(limit: &str, workload: &str, rules: &str) -> String {
    format!(
        "name: statements
duration: 1h
providers: {{ p: {{ dialect: openai, models: {{ m: {{ limits: {{ {limit} }}, price: {{ input: 1, output: 2 }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
workload: [{{ name: w, {workload} }}]
expect: [{rules}]
"
    )
}

/// Forty jobs at once under 30 a minute: the full bucket admits 30, and the others are sent three times within a few seconds.
#[test]
fn attempts_that_end_jobs_are_a_cause_of_a_lower_ceiling() {
    let burst = "arrivals: { burst: 40, every: 10m }, prompt: 300, completion: 100";
    let plan = plan_of(&world("rpm: 30", burst, "success >= 99%"), &options(1));
    let text = text_of(&plan);
    assert!(!text.contains("No cause is known"), "{text}");
    let given_up = plan.ceiling.differences.iter().find_map(|difference| match difference {
        Difference::JobsGivenUp { bound, jobs, lost, multiple, refusals } => {
            Some((*bound, *jobs, *lost, *multiple, refusals.as_ref()?))
        }
        _ => None,
    });
    let (bound, jobs, lost, multiple, refusals) = given_up.expect("the client gives jobs up");
    assert_eq!(bound, GiveUpBound::Attempts { attempts: 3 });
    // The numbers are those of the run itself.
    let mut run = parse(&world("rpm: 30", burst, "success >= 99%")).scaled(multiple);
    run.duration = provider::Nanos::from_secs_f64(plan.duration_s);
    let summary = simulate(&run);
    assert_eq!((summary.jobs.failed_by["attempts"], summary.jobs.failed + summary.jobs.shed), (jobs, lost));
    assert!(jobs == lost && jobs > 1, "{jobs} {lost}");
    assert_eq!(summary.attempts.limited_by[&refusals.axis], refusals.attempts);
    let says = format!(
        "The client sends a job at most 3 times: at {} times the load that ends all {jobs} jobs that are lost",
        quotalab::formatting::number(multiple)
    );
    assert!(text.contains(&says) && text.contains(", while rpm of p/default/m refuses "), "{text}");
}

/// Headroom and cost follow from the load, whenever its jobs arrive and whatever is refused.
#[test]
fn headroom_and_cost_have_no_worst_time_and_no_cause_in_the_arrivals() {
    let poisson = "arrivals: { poisson: 60/min }, prompt: 300, completion: 100";
    let causes = |plan: &Plan| {
        let is_cause = |difference: &&Difference| !matches!(difference, Difference::Gap { .. });
        plan.ceiling.differences.iter().filter(is_cause).cloned().collect::<Vec<_>>()
    };
    for (rule, says) in [
        ("headroom >= 1.5x", "headroom is arithmetic on the limits, of which rpm of p/default/m binds."),
        ("cost <= 3 USD", "a budget, not a limit of a provider."),
    ] {
        let plan = plan_of(&world("rpm: 120", poisson, &format!("success >= 90%, \"{rule}\"")), &options(1));
        let violation = plan.ceiling.simulated.first_violation.as_ref().expect("it breaks above");
        assert_eq!((&*violation.rule, &violation.at, violation.at_s), (rule, &None, None));
        assert_eq!(causes(&plan), [Difference::RuleBreaksFirst { rule: rule.to_owned() }]);
        let text = text_of(&plan);
        assert!(text.contains(&format!("The first rule to break is `{rule}`: {says}")), "{text}");
        assert!(!text.contains("worst at") && !text.contains("uneven"), "{text}");
        assert!(!text.contains("the cause is the pace"), "{text}");
    }
    // The limits admit 120 a minute and a full bucket of 120 in an hour, of which 1 / 1.5 are 80.7.
    let plan = plan_of(&world("rpm: 120", poisson, "success >= 99%, headroom >= 1.5x"), &options(1));
    let found = plan.ceiling.simulated.jobs_per_min.expect("a ceiling");
    let bound = plan.ceiling.analytic.jobs_per_min.expect("a limit binds") / 1.5;
    assert!((found / bound - 1.0).abs() < 0.01, "{found} {bound}");
}

/// Even arrivals differ by one job between windows of equal length, which is no cause of anything.
#[test]
fn even_arrivals_are_not_called_uneven() {
    let even = "arrivals: { constant: 5/min }, prompt: 300, completion: 100";
    // A reservation of 300 + 4,000 tokens that is not returned for a while keeps the ceiling below the analytic one.
    let plan = plan_of(
        &world("tpm: { limit: 6k, burst: 900 }", even, "success >= 99%, p95 latency <= 600ms"),
        &options(1),
    );
    let text = text_of(&plan);
    assert!(!text.contains("uneven"), "{text}");
}

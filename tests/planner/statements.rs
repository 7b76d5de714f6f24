//! The sentences of plans are true for their scenarios.

use super::*;
use quotalab::planner::{Difference, GiveUpBound};

/// A provider with one `limit`, one workload, and rules. Every call takes 530 ms if the completion has 100 tokens.
fn one_limit(limit: &str, workload: &str, rules: &str) -> String {
    format!(
        "name: statements
duration: 1h
providers: {{ p: {{ dialect: openai, reserve: prompt+max_tokens, models: {{ m: {{ limits: {{ {limit} }}, price: {{ input: 1, output: 2 }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
workload: [{{ name: w, {workload} }}]
expect: [{rules}]
"
    )
}

/// Forty jobs at once under a limit of 30 per minute: the full bucket admits 30, and the others are sent three times within a
/// few seconds.
#[test]
fn attempts_that_end_jobs_are_a_cause_of_a_lower_ceiling() {
    let burst = "arrivals: { burst: 40, every: 10m }, prompt: 300, completion: 100";
    let plan = plan_of(&one_limit("rpm: 30", burst, "success >= 99%"), &options(1));
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
    let mut run = parse(&one_limit("rpm: 30", burst, "success >= 99%")).scaled(multiple);
    run.duration = provider::Nanos::from_secs_f64(plan.duration_s);
    let summary = simulate(&run);
    assert_eq!((summary.jobs.failed_by["attempts"], summary.jobs.failed + summary.jobs.shed), (jobs, lost));
    assert!(jobs == lost && jobs > 1, "{jobs} {lost}");
    assert_eq!(summary.attempts.limited_by[&refusals.axis], refusals.attempts);
    let says = format!(
        "The client sends a job at most 3 times: at {} times the load, all {jobs} lost jobs are lost for this reason",
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
        let plan =
            plan_of(&one_limit("rpm: 120", poisson, &format!("success >= 90%, \"{rule}\"")), &options(1));
        let violation = plan.ceiling.simulated.first_violation.as_ref().expect("it breaks above");
        assert_eq!((&*violation.rule, &violation.at, violation.at_s), (rule, &None, None));
        assert_eq!(causes(&plan), [Difference::RuleBreaksFirst { rule: rule.to_owned() }]);
        let text = text_of(&plan);
        assert!(text.contains(&format!("The first rule to break is `{rule}`: {says}")), "{text}");
        assert!(!text.contains("worst at") && !text.contains("uneven"), "{text}");
        assert!(!text.contains("the cause is the pace"), "{text}");
    }
    // In an hour the limit admits 120 jobs per minute and a full bucket of 120: 122 per minute, divided by 1.5 is 81.3.
    let plan = plan_of(&one_limit("rpm: 120", poisson, "success >= 99%, headroom >= 1.5x"), &options(1));
    let found = plan.ceiling.simulated.jobs_per_min.expect("a ceiling");
    let bound = plan.ceiling.analytic.jobs_per_min.expect("a limit binds") / 1.5;
    assert!((found / bound - 1.0).abs() < 0.01, "{found} {bound}");
}

/// The limit of the second step is far from used up when too many jobs fall back to it.
#[test]
fn a_rule_on_fallback_is_the_cause_of_its_ceiling() {
    let poisson = "arrivals: { poisson: 40/min }, prompt: 300, completion: 100";
    let only = "} } } }\nroutes: { r: [{ of: [p/default/m] }] }";
    let both = "} } }, q: { dialect: openai, models: { m: { limits: { rpm: 600 } } } } }
routes: { r: [{ of: [p/default/m] }, { of: [q/default/m] }] }";
    let yaml = one_limit("rpm: 60", poisson, "success >= 99%, fallback share <= 20%").replace(only, both);
    let plan = plan_of(&yaml, &options(1));
    // The first step serves 60 a minute and a full bucket of 60 in the hour, which are 80 % of the jobs.
    let found = plan.ceiling.simulated.jobs_per_min.expect("a ceiling");
    assert!((61.0 / 0.8 / found - 1.0).abs() < 0.03, "{found}");
    let text = text_of(&plan);
    assert!(text.contains("Known causes: `fallback share <= 20%` breaks first"), "{text}");
    assert!(text.contains("`fallback share <= 20%`. Over the run rpm of p/default/m refuses "), "{text}");
    assert!(!text.contains("worst at") && !text.contains("uneven"), "{text}");
}

/// The numbers of evenly spaced arrivals in windows of equal length differ by at most one job, which is not a cause.
#[test]
fn even_arrivals_are_not_called_uneven() {
    let even = "arrivals: { constant: 2/min }, prompt: 300, completion: 100, max_tokens: 100";
    let yaml = one_limit("tpm: { limit: 1600, burst: 900 }", even, "success >= 90%")
        .replace("workload:", "client: { retry: { attempts: 1, obey_retry_after: false } }\nworkload:");
    // The limit admits four jobs per minute and a tenth may fail, so the ceiling is about 4.5: a minute has four or five.
    let plan = plan_of(&yaml, &options(1));
    assert!(matches!(plan.ceiling.differences[0], Difference::Gap { .. }), "{:#?}", plan.ceiling);
    let text = text_of(&plan);
    assert!(!text.contains("uneven"), "{text}");
}

/// A quarter of the answers has 500 tokens, and `max_tokens` is 200: a lower load does not help, but a higher bound does.
#[test]
fn the_cause_of_cut_answers_is_their_bound_and_a_higher_one_is_tried() {
    let cut = |max_tokens: u32| {
        let completion = "{ values: [100, 500], weights: [3, 1] }";
        let workload = format!(
            "arrivals: {{ poisson: 10/min }}, prompt: 300, completion: {completion}, max_tokens: {max_tokens}"
        );
        one_limit("rpm: 60", &workload, "success >= 99%, \"cut share <= 10%\"")
    };
    let plan = plan_of(&cut(200), &options(1));
    assert!(matches!(plan.findings[0], Finding::NoLoadHolds { too_large: None, .. }), "{:#?}", plan.findings);
    let text = text_of(&plan);
    assert!(text.contains("The cause is the length at which answers are cut."), "{text}");
    assert!(!text.contains("fails or is slow"), "{text}");
    let longer = "longer answers: max_tokens 500";
    assert!(
        text.contains(&format!("The best change tried: `{longer}` makes the rules hold up to ")),
        "{text}"
    );
    // The plan of the scenario with that bound has the same ceiling, and does not try it again.
    let mended = plan_of(&cut(500), &options(1));
    let effect = plan.what_if.iter().find(|change| change.change == longer).expect("it is tried");
    let (planned, found) = effect.ceiling_jobs_per_min.zip(mended.ceiling.simulated.jobs_per_min).unwrap();
    assert!((planned / found - 1.0).abs() < 0.04, "{planned} {found}");
    assert!(mended.what_if.iter().all(|change| !change.change.starts_with("longer answers")));
}

/// Returns the sentence about the change that the plan calls the best, up to its price.
fn best_sentence(text: &str) -> &str {
    let from = text.find("The best change tried: ").expect("a change helps");
    &text[from..][..text[from..].find(", for ").expect("its price follows")]
}

/// The best change lowers `max_tokens`, which changes the traffic. The sentence about the best of the other changes states
/// among which changes it is the best.
#[test]
fn one_change_is_called_the_best_and_every_lift_follows_from_stated_numbers() {
    let reserved = "arrivals: { poisson: 20/min }, prompt: 500, completion: 100, max_tokens: 4000";
    let yaml = one_limit("tpm: 60k", reserved, "success >= 99%")
        .replace("openai,", "openai, law: adaptive,")
        .replace("1h", "2h");
    for replicas in [1, 4] {
        let plan = plan_of(&yaml, &options(replicas));
        let text = text_of(&plan);
        assert!(!text.contains("the present one") && !text.contains("present ceiling"), "{text}");
        assert_eq!(text.matches("The best change").count(), 1, "{text}");
        let other =
            "The best of those that leave the traffic unchanged and cost no more at the present load:";
        assert!(best_sentence(&text).contains("`max_tokens 100 (cuts no answer)`"), "{text}");
        assert!(text.contains(other), "{text}");
        let compared = plan.compared.expect("a load holds");
        let scope = if replicas == 1 { "" } else { " on seed 1" };
        assert_eq!(compared.seed, (replicas > 1).then_some(1));
        let from = quotalab::formatting::number(compared.jobs_per_min);
        let stated =
            format!("lift: the ceiling divided by {from} jobs/min, that of the scenario as it is{scope}");
        assert!(text.contains(&stated), "{text}");
        assert!(
            best_sentence(&text).contains(&format!("raises the ceiling{scope} from {from} jobs/min to "))
        );
        for change in &plan.what_if {
            if let Some(ceiling) = change.ceiling_jobs_per_min {
                let lift = ceiling / compared.jobs_per_min;
                assert!((lift / change.lift - 1.0).abs() < 1e-3, "{compared:#?} {change:#?}");
            }
        }
    }
}

#[test]
fn lifts_without_the_rules_on_cost_say_so() {
    let poisson = "arrivals: { poisson: 6/min }, prompt: 1000, completion: 500";
    let plan = plan_of(&one_limit("rpm: 60", poisson, "success >= 99%, cost <= 1 USD"), &options(1));
    let text = text_of(&plan);
    let compared = plan.compared.expect("a load holds");
    assert!(compared.without_cost_rules && compared.multiple > 9.0, "{compared:#?}");
    let from = quotalab::formatting::number(compared.jobs_per_min);
    let says = format!("raises the ceiling without the rules on cost from {from} jobs/min to ");
    assert!(best_sentence(&text).contains(&says), "{text}");
    // The ceiling with these rules is another one: 500 jobs of 0.002 USD cost 1 USD, and 360 are offered.
    let with = plan.ceiling.simulated.multiple.expect("a ceiling");
    assert!((1.3..1.5).contains(&with), "{with}");
}

/// A tenth of the prompts are larger than the limit. The rates of the plan include these jobs, as its simulated ceilings do;
/// the plan also states the rate without them, as `check` does.
#[test]
fn rates_that_count_jobs_too_large_to_serve_say_so() {
    let sizes = "arrivals: { poisson: 3/min }, prompt: { values: [500, 7000], weights: [9, 1] }, completion: 100, \
        max_tokens: 200";
    let yaml = one_limit("tpm: 6k", sizes, "success >= 99%");
    let (plan, ceiling) = (plan_of(&yaml, &options(1)), Ceiling::of(&parse(&yaml)));
    let text = text_of(&plan);
    let (all, servable) = (plan.ceiling.analytic.jobs_per_min.unwrap(), ceiling.jobs_per_min);
    let [all, servable] = [all, servable].map(quotalab::formatting::number);
    let says = format!(
        "The rates count the 10 % of the jobs that are too large for every target: of the analytic {all} jobs/min, {servable} \
         jobs/min can be served."
    );
    assert!(text.contains(&says), "{text}");
    assert!(
        text.contains("A job of w reserves 700 tokens and is charged 600 on average once it has ended."),
        "{text}"
    );
    let few = plan.curve.iter().find(|point| point.too_few_jobs).expect("an hour of 3 a minute has 180 jobs");
    assert!(text.contains(&format!("few: {}", few.offered)), "{text}");
    assert!(
        text.contains(
            "few: the jobs of the run, fewer than the 300 jobs from which `success >= 99%` is judged"
        ),
        "{text}"
    );
}

/// A run at the present load of 3,600 jobs of 500 + 200 tokens costs about 3,600 · (500 + 2 · 200) / 1e6 = 3.24 USD. Prompts a quarter
/// shorter save 3,600 · 125 / 1e6 = 0.45 USD, and no other change saves anything.
#[test]
fn a_cost_rule_that_no_change_meets_is_reported() {
    let poisson = "arrivals: { poisson: 60/min }, prompt: 500, completion: 200";
    let cost = |budget: &str| {
        let plan = plan_of(
            &one_limit("rpm: 120", poisson, &format!("success >= 99%, cost <= {budget} USD")),
            &options(1),
        );
        let finding = plan.findings.iter().find_map(|finding| match finding {
            Finding::Budget { rules, cost_usd, cheapest } => {
                Some((rules.clone(), *cost_usd, cheapest.clone()))
            }
            _ => None,
        });
        (finding, text_of(&plan))
    };
    let (finding, text) = cost("2.5");
    let (rules, now, cheapest) = finding.expect("a budget that is not met");
    let cheapest = cheapest.expect("shorter prompts save money");
    assert_eq!(rules, ["cost <= 2.5 USD"]);
    assert!((now / 3.24 - 1.0).abs() < 0.04 && !cheapest.meets_budget, "{now} {cheapest:?}");
    assert!((cheapest.cost_usd / now - 775.0 / 900.0).abs() < 0.001, "{now} {cheapest:?}");
    let says = format!(
        "No change that was tried meets `cost <= 2.5 USD` at the present load: a run costs {now:.2} USD there, and {:.2} USD with the \
         cheapest, `prompts a quarter shorter`.",
        cheapest.cost_usd
    );
    assert!(text.contains(&says), "{text}");
    // No load meets this budget, so no ceiling is stated, and changes are compared by the ceiling without the rule.
    let (_, text) = cost("0.0001");
    assert!(
        text.contains("No change that was tried meets `cost <= 0.0001 USD` at the present load"),
        "{text}"
    );
    let (_, text) = cost("3");
    assert!(
        text.contains("At the present load `prompts a quarter shorter` meets `cost <= 3 USD`: a run costs"),
        "{text}"
    );
    let (finding, text) = cost("3.5");
    assert!(finding.is_none() && !text.contains("meets `cost"), "{text}");
}

/// One job a minute under a limit of one a minute is admitted, however the seed: constant arrivals do not vary. The searches find it to
/// within their tolerance of 1.2 % only, so that the bound that follows from them lies below 1.
#[test]
fn a_present_load_within_the_tolerance_of_the_ceiling_is_judged_by_simulating_it() {
    let yaml = "name: one
duration: 6h
providers: { p: { models: { m: { limits: { rpm: 1, tpm: 110, concurrency: 1 }, latency: { total: 1s } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 2m, concurrency: 1, queue: 0, retry: { attempts: 1 } }
workload: [ { name: w, arrivals: { constant: 1/min }, prompt: 100, completion: 10, max_tokens: 10 } ]";
    let plan = plan_of(yaml, &PlanOptions::default());
    let planning = plan.ceiling.simulated.planning.expect("several seeds");
    assert!(plan.load.holds && planning.multiple >= 1.0 && plan.not_met.is_empty(), "{planning:#?}");
    let present =
        plan.curve.iter().find(|point| point.multiple == 1.0).expect("the curve has the present load");
    assert!(present.holds, "{present:#?}");
    let text = text_of(&plan);
    assert!(text.contains("The present load of 1 jobs/min holds"), "{text}");
}

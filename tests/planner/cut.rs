//! A change that cuts more answers is measured, reported and not proposed, unless a rule judges cut answers.

use super::*;

/// One account whose reservations of prompt and `max_tokens` are never refunded; answers have 200 to 500 tokens.
fn never_refunded(max_tokens: u32, more: &str) -> String {
    let settle = "limits: { tpm: 24k }, reserve: { settle: nothing },";
    one_account("tpm: 24k", "poisson: 20/min", "")
        .replace("limits: { tpm: 24k },", settle)
        .replace("completion: 100, max_tokens: 100", "completion: { min: 200, max: 500 }, max_tokens: MAX")
        .replace("MAX", &max_tokens.to_string())
        + more
}

/// A change that bounds answers to 100 tokens, so that all of 200 to 500 are cut.
const SHORT: &str = "what_if:\n  - { name: short answers, set: { workload.0.max_tokens: 100 } }\n";

/// Returns the names of the changes that the findings call the best.
fn proposed(plan: &Plan) -> Vec<&str> {
    let named = plan.findings.iter().filter_map(|finding| match finding {
        Finding::BestChange(best) | Finding::BestFreeChange(best) => Some(&*best.change),
        _ => None,
    });
    named.collect()
}

#[test]
fn a_change_that_cuts_more_answers_is_measured_and_reported_but_not_proposed() {
    let plan = plan_of(&never_refunded(800, &format!("{SHORT}expect: ['success >= 99%']\n")), &options(1));
    let short = change(&plan, "short answers");
    assert!(short.lift > 3.0 && !short.may_be_proposed(), "{short:#?}");
    let cut = &short.cuts[0];
    assert_eq!(
        (&*cut.workload, cut.share_after, cut.share_before, cut.is_judged),
        ("w", 1.0, Some(0.0), false)
    );
    assert!(!proposed(&plan).contains(&"short answers"), "{:?}", proposed(&plan));
    assert!(plan.pairs.iter().all(|pair| !pair.changes.iter().any(|change| change == "short answers")));
    let text = text_of(&plan);
    let note = "`short answers` cuts 100 % of the answers of w instead of 0 %: it is measured, but not proposed, since not \
        every workload of which it cuts answers has a rule on how many may be.";
    assert!(text.contains(note), "{text}");
}

#[test]
fn a_rule_on_cut_answers_judges_the_change() {
    let judged = |rule: &str| {
        plan_of(&never_refunded(800, &format!("{SHORT}expect: ['success >= 99%', '{rule}']\n")), &options(1))
    };
    let lax = judged("cut share <= 100%");
    assert!(change(&lax, "short answers").may_be_proposed());
    assert_eq!(proposed(&lax).first(), Some(&"short answers"));
    let strict = judged("cut share <= 1%");
    let short = change(&strict, "short answers");
    assert_eq!((short.lift, short.broken_rule.as_deref()), (0.0, Some("cut share <= 1%")));
    assert!(!proposed(&strict).contains(&"short answers"));
}

#[test]
fn the_plan_says_that_answers_are_cut_at_present() {
    let plan = plan_of(&never_refunded(100, "expect: ['success >= 99%']\n"), &options(1));
    let Finding::CutAnswers(cut) = &plan.findings[1] else { panic!("{:#?}", plan.findings) };
    assert!(cut.cut > 500 && cut.cut == cut.succeeded && !cut.is_judged);
    let text = text_of(&plan);
    assert!(
        text.contains("At the present load all ") && text.contains("answers were cut at max_tokens 100;"),
        "{text}"
    );
    assert!(plan.what_if.iter().all(|change| change.cuts.is_empty()), "no change cuts more");
}

//! The reasons for exit code 1 in the data and in the last line of the text.

use super::*;
use quotalab::planner::NotMet;

fn last_line(plan: &Plan) -> String {
    let text = quotalab::report::plan::render(plan, quotalab::report::Style::default());
    // A long last sentence is wrapped; continued lines are indented.
    let start = text.rfind("\nexit code").expect("the text says the exit code");
    text[start..].split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_reason_for_exit_code_1_is_named() {
    let with = |rate: &str, target: Option<f64>, incident: bool| {
        let yaml = one_account("rpm: { limit: 30, burst: 1 }", rate, "expect: [success >= 99.9%]");
        let target = target.map(Target::Multiple);
        let time_limit = Some(provider::Nanos::ZERO);
        plan_of(&yaml, &PlanOptions { target, incident, time_limit, ..options(1) })
    };
    let holds = with("constant: 20/min", None, false);
    assert_eq!((holds.not_met.len(), last_line(&holds).as_str()), (0, "exit code 0: the present load holds"));
    let over = with("constant: 60/min", None, false);
    assert_eq!(over.not_met, [NotMet::PresentLoad]);
    assert_eq!(last_line(&over), "exit code 1: the present load does not hold");
    let outage = NotMet::Outage { providers: vec!["p".to_owned()] };
    let lost = with("constant: 20/min", None, true);
    assert_eq!(lost.not_met, std::slice::from_ref(&outage));
    assert_eq!(last_line(&lost), "exit code 1: the loss of p is not survived");
    let all = with("constant: 60/min", Some(1e4), true);
    assert_eq!(all.not_met, [NotMet::PresentLoad, NotMet::TargetLoad, outage]);
    assert!(all.to_json().contains("\"reason\": \"target_load\""));
    assert_eq!(
        last_line(&all),
        "exit code 1: the present load does not hold; no changes are proved to hold the target load; the loss of p is not \
         survived"
    );
}

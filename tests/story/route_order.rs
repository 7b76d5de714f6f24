//! A chain of targets of which the first has a limit per day: what its order leaves of the analytic ceiling, and what a rule on headroom
//! says then.

use super::parse;
use proptest::prelude::*;
use quotalab::ceiling::Ceiling;
use quotalab::drive;
use quotalab::record::Summary;
use quotalab::report::{Style, html, text, verdict};
use quotalab::scenario::Scenario;

/// The hours of an office, with a mean of 1.
const OFFICE: &str = ", shape: [0.1,0.1,0.1,0.1,0.1,0.1,0.2,0.6,1.6,2.4,2.6,2.4,1.8,2.2,2.4,2.2,1.8,1.2,0.6,0.4,0.4,0.3,0.2,0.1]";
const CHAIN: &str = "[{ of: [a/default/m] }, { of: [b/default/m] }]";
const REVERSED: &str = "[{ of: [b/default/m] }, { of: [a/default/m] }]";

/// A day of jobs on a target with 60 a minute and `rpd` a day, and another with 10 a minute.
fn day(law: &str, rpd: u32, route: &str, per_hour: u32, shape: &str) -> Scenario {
    parse(&format!(
        "
duration: 24h
providers:
  a: {{ law: {law}, models: {{ m: {{ limits: {{ rpm: 60, rpd: {rpd} }}, latency: {{ total: 1s }} }} }} }}
  b: {{ models: {{ m: {{ limits: {{ rpm: 10 }}, latency: {{ total: 1s }} }} }} }}
routes: {{ r: {route} }}
client: {{ deadline: 30s, retry: {{ attempts: 4 }} }}
workload: [{{ name: w, route: r, arrivals: {{ poisson: {per_hour}/h{shape} }}, prompt: 300, completion: 100, max_tokens: 200 }}]
expect: [success >= 99%, headroom >= 1]"
    ))
}

fn success(summary: &Summary) -> f64 {
    summary.jobs.succeeded as f64 / summary.jobs.offered as f64
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// 20,000 a day are 13.9 a minute. Between 07:00 and 19:00 arrive 1.817 times the mean, so that 20 a minute are 26,160 jobs there; 1 %
/// of 28,800 may fail. The limits admit 20,000 and 10 in each of 720 minutes, 10 at the start and 5 until the deadline: 27,215, which is
/// 1.05 times 25,872. What the fallback admits in the night is of no use then. In the order of the chain the limit per day is used up
/// in the night as well.
#[test]
fn the_night_of_a_fallback_does_not_serve_the_day() {
    for law in ["bucket", "fixed"] {
        let in_order = Ceiling::of(&day(law, 20_000, CHAIN, 1_200, OFFICE));
        let reversed = Ceiling::of(&day(law, 20_000, REVERSED, 1_200, OFFICE));
        for ceiling in [&in_order, &reversed] {
            assert!((1.03..1.07).contains(&ceiling.multiple), "{law}: {ceiling:#?}");
        }
        assert_eq!(reversed.in_route_order, None, "{law}");
        let left = in_order.in_route_order.expect("the limit per day is used up early").multiple;
        assert!((0.68..0.82).contains(&left), "{law}: {left}");
        // The simulation agrees with both.
        let at = |route: &str, multiple: f64| {
            success(&drive::summarize(&day(law, 20_000, route, 1_200, OFFICE).scaled(multiple)))
        };
        assert!(at(CHAIN, left * 0.94) > 0.99 && at(CHAIN, left * 1.06) < 0.99, "{law}: {left}");
        assert!(at(REVERSED, reversed.multiple * 0.97) > 0.99, "{law}");
        assert!(at(REVERSED, reversed.multiple * 1.04) < 0.99, "{law}");
    }
}

/// Under a fixed window 20 a minute use up 20,000 before 17:00: 13.9 a minute last all day, and a little more may fail.
#[test]
fn a_rule_between_the_bound_and_the_order_of_the_route_is_not_judged() {
    let scenario = day("fixed", 20_000, CHAIN, 1_200, "");
    let summary = drive::summarize(&scenario);
    let order = summary.ceiling.in_route_order.as_ref().expect("the limit per day is used up");
    assert!((13.8..14.6).contains(&order.jobs_per_min) && order.limit.axis == "rpd", "{order:?}");
    assert!((summary.ceiling.multiple.expect("a limit") - 23.9 / 20.0).abs() < 0.01);
    let rule = &summary.expect[1];
    assert!(!rule.pass && !rule.is_broken() && rule.is_unproved(), "{rule:?}");
    assert!(rule.not_judged.is_some_and(|reason| reason.is_bound), "{rule:?}");
    let said = verdict::sentences(&summary).join(" ");
    assert!(
        said.contains("headroom >= 1 (about 0.72 in the order of the routes, and at most 1.19)"),
        "{said}"
    );
    let report = flat(&text::render(&summary, Style::Plain));
    assert!(report.contains("n/a headroom >= 1 0.72 to 1.19 ×"), "{report}");
    let page = html::render(&summary);
    assert!(page.contains("0.72 to 1.19 ×") && page.contains("is used up while other targets are idle"));
    let check = flat(&Ceiling::of(&scenario).describe(&scenario));
    assert!(check.contains("in the order of the routes about 14.4 jobs/min, 0.72 × the offered, since rpd of a/default/m is used up while other targets are idle"), "{check}");
    // Both numbers meet the rule, or neither does.
    let judged =
        |per_hour: u32| drive::summarize(&day("fixed", 20_000, CHAIN, per_hour, "")).expect[1].clone();
    assert!(judged(780).pass, "{:?}", judged(780));
    assert!(judged(1_500).is_broken(), "{:?}", judged(1_500));
}

/// Two workloads, of which one has only the fallback: the other leaves it less once its own target has run out.
#[test]
fn a_workload_without_the_first_target_suffers_from_its_order() {
    let of = |jobs_per_min: f64| {
        parse(&format!(
            "
duration: 24h
providers:
  a: {{ law: fixed, models: {{ m: {{ limits: {{ rpm: 100, rpd: 10000 }}, latency: {{ total: 2s }} }} }} }}
  b: {{ models: {{ m: {{ limits: {{ rpm: 10 }}, latency: {{ total: 2s }} }} }} }}
routes: {{ r: {CHAIN}, s: [{{ of: [b/default/m] }}] }}
client: {{ deadline: 30s, retry: {{ attempts: 4 }} }}
workload:
  - {{ name: chat, route: r, arrivals: {{ poisson: {:.0}/h }}, prompt: 300, completion: 100, max_tokens: 200 }}
  - {{ name: side, route: s, arrivals: {{ poisson: {:.0}/h }}, prompt: 300, completion: 100, max_tokens: 200 }}
expect: [success >= 99%]",
            jobs_per_min * 40.0,
            jobs_per_min * 20.0
        ))
    };
    // Ten a minute for both, and 6.94 for chat: 16.9 in all if chat leaves to side what it needs.
    let ceiling = Ceiling::of(&of(12.0));
    assert!((ceiling.jobs_per_min - 16.94).abs() < 0.1, "{ceiling:#?}");
    // Chat alone uses up 10,000 in a day at 6.94 a minute, which are 10.4 with those of side, and a little more may fail.
    let left = ceiling.in_route_order.expect("the limit per day is used up").jobs_per_min;
    assert!((10.3..11.4).contains(&left), "{left}");
    let holds = |jobs_per_min: f64| drive::summarize(&of(jobs_per_min)).expect.iter().all(|rule| rule.pass);
    assert!(holds(left * 0.95) && !holds(left * 1.1), "{left}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    /// No order of a chain serves a day beyond the analytic ceiling; a little below what is left of it in the order of the route it is
    /// served, and well above that it is not.
    #[test]
    fn a_chain_is_served_up_to_what_its_order_leaves(
        law in prop::sample::select(vec!["bucket", "fixed"]), rpd in 8_000..30_000u32,
        shape in prop::sample::select(vec!["", OFFICE]), is_reversed in any::<bool>(),
    ) {
        let route = if is_reversed { REVERSED } else { CHAIN };
        let scenario = day(law, rpd, route, 1_200, shape);
        let ceiling = Ceiling::of(&scenario);
        let at = |multiple: f64| success(&drive::summarize(&scenario.scaled(multiple)));
        prop_assert!(at(ceiling.multiple * 1.08) < 0.99, "{ceiling:#?}");
        let left = ceiling.in_route_order.map_or(ceiling.multiple, |order| order.multiple);
        // 0.88, since a fallback of 10 a minute refuses random peaks.
        let (below, above) = (at(left * 0.88), at(left * 1.12));
        prop_assert!(below > 0.985, "{below} at 0.88 × {left}: {ceiling:#?}");
        prop_assert!(above < 0.99, "{above} at 1.12 × {left}: {ceiling:#?}");
    }
}

//! Compares each what-if with the plan of a scenario in whose text the same change was made by hand.

use super::*;

/// The name of a change in a plan, and the replacements in the text that make it by hand: each replaced part occurs once.
type ByHand<'a> = (&'a str, &'a [(&'a str, &'a str)]);

const ONE_PROVIDER: &str = "name: one provider, no fallback
duration: 1h
providers: { groq: { preset: groq-developer } }
routes: { chat: [ { of: [groq/default/openai/gpt-oss-120b] } ] }
client: { deadline: 30s, retry: { attempts: 3 } }
workload: [ { name: chat, route: chat, arrivals: { poisson: 60/min }, prompt: 1000, completion: 200, max_tokens: 512 } ]
expect: [\"success >= 95%\"]";

fn edited(yaml: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(yaml.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "`{from}` occurs once");
        text.replace(from, to)
    })
}

/// Returns the sum of the relative tolerances with which the ceiling of a plan and the ceiling with a change are found.
fn tolerance(plan: &Plan, kind: ChangeKind) -> f64 {
    let stated = plan.notes.iter().find_map(|note| match note {
        PlanNote::Method { tolerance, change_tolerance, ablation_tolerance, .. } => {
            let of_change = if kind == ChangeKind::Ablation { ablation_tolerance } else { change_tolerance };
            Some(tolerance + of_change)
        }
        _ => None,
    });
    stated.expect("the plan says how precise it is")
}

/// Checks that the ceiling with each change is that of the scenario changed by hand.
#[track_caller]
fn assert_agree(yaml: &str, changes: &[ByHand<'_>]) {
    let plan = plan_of(yaml, &options(1));
    for (name, edits) in changes {
        let planned = plan.what_if.iter().find(|change| change.change == *name);
        let planned = planned.unwrap_or_else(|| panic!("{name} is tried: {:#?}", plan.what_if));
        let by_hand = plan_of(&edited(yaml, edits), &options(1));
        let (planned_ceiling, ceiling) = match &by_hand.users {
            Some(load) => (planned.users.map(|users| users as f64), load.ceiling.map(|at| at.users as f64)),
            None => (planned.ceiling_jobs_per_min, by_hand.ceiling.simulated.jobs_per_min),
        };
        let (planned_ceiling, ceiling) = planned_ceiling.zip(ceiling).expect("both have a ceiling");
        let tolerance = tolerance(&plan, planned.kind);
        assert!(
            (planned_ceiling / ceiling - 1.0).abs() <= tolerance,
            "{}: {name}: {planned_ceiling} planned, {ceiling} by hand, {tolerance}",
            plan.scenario
        );
    }
}

/// A second account of the provider `p`, by hand.
const SECOND_ACCOUNT: [(&str, &str); 2] = [
    ("providers: { p: {", "providers: { p: { accounts: { default: [k1], more: [k2] },"),
    ("[p/default/m]", "[p/default/m, p/more/m]"),
];

#[test]
fn what_ifs_of_one_provider_are_those_made_by_hand() {
    let account = [
        ("preset: groq-developer", "preset: groq-developer, accounts: { default: [k1], more: [k2] }"),
        (
            "groq/default/openai/gpt-oss-120b",
            "groq/default/openai/gpt-oss-120b, groq/more/openai/gpt-oss-120b",
        ),
    ];
    let route = "groq/default/openai/gpt-oss-120b] }";
    let other = format!("{route}, {{ of: [groq/default/openai/gpt-oss-20b] }}");
    let changes: [ByHand<'_>; 5] = [
        ("one more account at groq", &account),
        ("fall back to openai/gpt-oss-20b at groq", &[(route, &other)]),
        ("prompts a quarter shorter", &[("prompt: 1000", "prompt: 750")]),
        ("pace by tokens", &[("deadline: 30s", "deadline: 30s, pace: tokens")]),
        ("a retry budget of 20 %", &[("attempts: 3", "attempts: 3, budget: 20%")]),
    ];
    assert_agree(ONE_PROVIDER, &changes);
}

#[test]
fn what_ifs_of_bursts_are_those_made_by_hand() {
    let fallback = [
        ("providers: {", "providers: { fallback: { preset: groq-developer },"),
        ("{ of: [p/default/m] }", "{ of: [p/default/m] }, { of: [fallback/default/openai/gpt-oss-120b] }"),
    ];
    let changes: [ByHand<'_>; 4] = [
        ("one more account at p", &SECOND_ACCOUNT),
        ("fall back to groq-developer openai/gpt-oss-120b", &fallback),
        ("a retry budget of 20 %", &[("attempts: 12", "attempts: 12, budget: 20%")]),
        ("without jitter", &[("attempts: 12", "attempts: 12, backoff: { jitter: none }")]),
    ];
    assert_agree(&unusual::fixture("10-forty-at-once"), &changes);
}

#[test]
fn what_ifs_of_users_are_those_made_by_hand() {
    let changes: [ByHand<'_>; 2] = [
        ("one more account at p", &SECOND_ACCOUNT),
        ("prompts a quarter shorter", &[("prompt: 300", "prompt: 225")]),
    ];
    assert_agree(&unusual::fixture("05-closed-users"), &changes);
}

#[test]
#[ignore = "plans six whole days: cargo test --release --test it -- --ignored --nocapture what_ifs_of_the_launch_day"]
fn what_ifs_of_the_launch_day_are_those_made_by_hand() {
    let path = format!("{}/scenarios/11-launch-day.yaml", env!("CARGO_MANIFEST_DIR"));
    let yaml = std::fs::read_to_string(path).expect("the scenario is readable");
    let groq = [
        ("beta: {keys: [k3]}", "beta: {keys: [k3]}, more: {keys: [k4]}"),
        ("groq/beta/openai/gpt-oss-120b", "groq/beta/openai/gpt-oss-120b, groq/more/openai/gpt-oss-120b"),
    ];
    let cerebras = [
        ("dialect: cerebras", "dialect: cerebras\n    accounts: { default: [k1], more: [k2] }"),
        ("cerebras/default/gpt-oss-120b", "cerebras/default/gpt-oss-120b, cerebras/more/gpt-oss-120b"),
    ];
    let changes: [ByHand<'_>; 5] = [
        ("one more account at groq", &groq),
        ("one more account at cerebras", &cerebras),
        ("prompts a quarter shorter", &[("p50: 800, p95: 3000", "p50: 600, p95: 2250")]),
        ("cache for 2h instead of 1h", &[("ttl: 1h", "ttl: 2h")]),
        ("without pacing", &[("  pace: tokens\n", "")]),
    ];
    assert_agree(&yaml, &changes);
}

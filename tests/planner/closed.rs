//! The load of closed workloads is a number of users; the quota bounds their throughput.

use super::*;
use quotalab::planner::{PlanError, UserLoad};

/// Users whose jobs use 710 tokens each, under a limit of 250,000 tokens per minute.
const USERS_ONLY: &str = "name: users only
duration: 10m
start: full
providers: { groq: { preset: groq-developer } }
routes: { r: [ { of: [groq/default/openai/gpt-oss-120b] } ] }
client: { deadline: 30s, retry: { attempts: 3 } }
workload: [ { name: b, route: r, arrivals: { users: 16, think: 1s }, prompt: 700, completion: 10, max_tokens: 20 } ]
expect: [success >= 90%]";

fn users(plan: &Plan) -> &UserLoad {
    plan.users.as_ref().expect("a workload has users")
}

#[test]
fn the_ceiling_of_a_closed_workload_is_a_number_of_users() {
    let plan = plan_of(USERS_ONLY, &options(1));
    let load = users(&plan);
    // Ten minutes admit ten refills and the full bucket: 11 · 250,000 tokens of 710, or 387.3 jobs per minute.
    let quota = 11.0 * 250_000.0 / 710.0 / 10.0;
    assert!((load.quota_jobs_per_min.unwrap() / quota - 1.0).abs() < 1e-3, "{load:#?}");
    assert!((0.98..1.01).contains(&(load.jobs_per_min / quota)), "{load:#?}");
    assert_eq!((load.users, load.open_jobs_per_min), (16, 0.0));
    // A user that thinks for 1 s and never waits sends fewer than 60 jobs per minute: six are not enough for the quota.
    let saturation = load.saturation.expect("sixteen users reach the quota");
    assert!((7..=10).contains(&saturation.users) && saturation.jobs_per_min <= quota * 1.01, "{load:#?}");
    let ceiling = load.ceiling.expect("a rule breaks with many users");
    // Jobs in flight at the end are served after it.
    assert!(ceiling.jobs_per_min <= quota * 1.01, "{load:#?}");
    assert!((ceiling.multiple - ceiling.users as f64 / 16.0).abs() < 1e-3, "{load:#?}");
    let holds =
        |users: u64| simulate(&parse(&USERS_ONLY.replace("users: 16", &format!("users: {users}")))).holds();
    assert!(holds(ceiling.users) && !holds(ceiling.users + 1), "{load:#?}");
    assert_eq!(plan.ceiling.analytic.multiple, None, "the limits do not bound the number of users");
    let text = text_of(&plan);
    assert!(text.contains("The present load of 16 users holds; the ceiling is "), "{text}");
    let wait = format!(
        "admit 387 of them on average by arithmetic: from about {} users on, the limits set how many jobs are served, and \
         further users add waiting or failures.",
        saturation.users
    );
    assert!(text.contains(&wait), "{text}");
    let json = plan.to_json();
    assert_eq!(Plan::from_json(&json).expect("it reads back"), plan);
}

#[test]
fn users_and_open_workloads_are_scaled_alike_and_both_are_reported() {
    let chat = "{ name: chat, route: r, arrivals: { poisson: 6/min }, prompt: 4500, completion: 350, max_tokens: 800 }";
    let yaml = USERS_ONLY.replace("workload: [ {", &format!("workload: [ {chat}, {{"));
    let plan = plan_of(&yaml.replace("users: 16, think: 1s", "users: 4, think: 2s"), &options(1));
    let load = users(&plan);
    // 275,000 tokens per minute, less 6 jobs of 4,850, are 346.3 jobs of 710.
    let quota = (11.0 * 250_000.0 / 10.0 - 6.0 * 4_850.0) / 710.0;
    assert!((load.quota_jobs_per_min.unwrap() / quota - 1.0).abs() < 1e-3, "{load:#?}");
    assert_eq!((load.users, load.open_jobs_per_min), (4, 6.0));
    let ceiling = load.ceiling.expect("a rule breaks with many users");
    assert!((ceiling.open_jobs_per_min / 6.0 / ceiling.multiple - 1.0).abs() < 1e-3, "{load:#?}");
    assert!((ceiling.users as f64 - 4.0 * ceiling.multiple).abs() <= 0.51, "{load:#?}");
    let text = text_of(&plan);
    assert!(text.contains("The present load of 4 users and 6 jobs/min from open workloads holds"), "{text}");
}

#[test]
fn a_target_for_users_is_a_multiple() {
    let target = |target| PlanOptions { target: Some(target), ..options(1) };
    let rate = planner::plan(&parse(USERS_ONLY), &target(Target::JobsPerMin(500.0)), &());
    assert_eq!(rate.err(), Some(PlanError::RateOfUsers));
}

#[test]
fn users_that_no_limit_bounds_never_wait() {
    let yaml = one_account("", "users: 3, think: 5s", "expect: [success >= 99%]");
    let plan = plan_of(&yaml, &options(1));
    let load = users(&plan);
    assert_eq!((load.quota_jobs_per_min, load.saturation, load.ceiling), (None, None, None));
    assert!(text_of(&plan).contains("no ceiling was found up to"), "{}", text_of(&plan));
}

/// Jobs of 800 + 200 tokens that take 2 s, under 60,000 tokens a minute: 60 a minute, or 75 with prompts of 600. A user who thinks for 8 s
/// sends 6 a minute, so the limit admits about 10 users, and 12.5 with the shorter prompts.
#[test]
fn a_what_if_states_a_number_of_users_that_holds() {
    let yaml = "name: users
duration: 30m
providers:
  p: { models: { m: { limits: { tpm: 60k }, latency: { total: 2s, network: 1ms }, price: { input: 2, output: 10 } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 30s, retry: { attempts: 5 } }
workload: [ { name: u, arrivals: { users: 20, think: 8s }, prompt: 800, completion: 200, max_tokens: 200 } ]
expect: [success >= 99%, p95 latency <= 5s]";
    let plan = plan_of(yaml, &options(1));
    let shorter = change(&plan, "prompts a quarter shorter").users.expect("a workload has users");
    assert!((11..=14).contains(&shorter), "{shorter}");
    let with = |prompt: &str, users: u64| {
        let yaml = yaml.replace("prompt: 800", prompt).replace("users: 20", &format!("users: {users}"));
        simulate(&parse(&yaml)).holds()
    };
    assert!(with("prompt: 600", shorter), "{shorter} users hold");
    let compared = plan.compared.as_ref().and_then(|compared| compared.users).expect("a ceiling");
    assert!(with("prompt: 800", compared), "{compared} users hold");
    assert_eq!(
        plan.users.as_ref().and_then(|load| load.ceiling).map(|ceiling| ceiling.users),
        Some(compared)
    );
    let text = text_of(&plan);
    assert!(text.contains("users are stated as the whole number that held"), "{text}");
}

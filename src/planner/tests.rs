//! Every change does what it says and leaves the rest alone; every rule is as near as it says.

use super::catalogue::{changes, in_force};
use super::change::{Change, Edit};
use super::rules::Rules;
use super::search::Search;
use super::{lab, replicas};
use crate::ceiling::Ceiling;
use crate::scenario::{self, Arrivals, Jitter, Overrides, Pace, Pick, Plan};
use provider::config::Tier;
use provider::{Axis, Nanos};

fn parse(yaml: &str) -> Plan {
    scenario::parse("tests", yaml, &Overrides::default(), None).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A plan on which everything in the catalogue could be better.
const POOR: &str = "
name: poor
duration: 24h
providers:
  groq: { preset: groq-free, accounts: { acme: [k1], beta: [k2] } }
routes:
  r: [{ of: [groq/acme/openai/gpt-oss-20b, groq/beta/openai/gpt-oss-20b] }]
client: { retry: { attempts: 3, backoff: { jitter: none } } }
workload:
  - { name: chat, route: r, arrivals: { poisson: 5/min }, prompt: 400, completion: { p50: 50, p99: 90 }, max_tokens: 512, repeats: { share: 30%, of: 100 } }
  - { name: nightly batch, route: r, arrivals: { poisson: 1/min, shape: daily }, prompt: { p50: 100, p95: 300 }, completion: 20, max_tokens: 20 }
what_if: [{ name: patience, set: { client.deadline: 5m } }]
";

/// The plan with the change whose words contain these, and nothing else.
#[track_caller]
fn changed(plan: &Plan, words: &str) -> Plan {
    let changes = changes(plan);
    let found: Vec<&Change> = changes.iter().filter(|change| change.words.contains(words)).collect();
    let [change] = found[..] else {
        panic!("{words}: {:?}", changes.iter().map(|c| &c.words).collect::<Vec<_>>())
    };
    Change::all(plan, [change])
}

/// A plan in the words of debug, so that two can be compared whole.
fn whole(plan: &Plan) -> String {
    format!("{plan:?}")
}

#[test]
fn every_change_changes_the_plan_and_only_what_it_names() {
    let plan = parse(POOR);
    let all = changes(&plan);
    assert_eq!(all.len(), 12, "{all:#?}");
    for change in &all {
        assert_ne!(whole(&Change::all(&plan, [change])), whole(&plan), "{}", change.words);
    }
    let with = |words: &str, undo: &dyn Fn(&mut Plan)| {
        let mut changed = changed(&plan, words);
        undo(&mut changed);
        assert_eq!(whole(&changed), whole(&plan), "{words} changes more than it says");
    };
    assert_eq!(changed(&plan, "pace by tokens").client.pace, Pace::Tokens);
    with("pace by tokens", &|changed| changed.client.pace = Pace::Off);
    assert_eq!(changed(&plan, "full jitter").client.retry.backoff.jitter, Jitter::Full);
    with("full jitter", &|changed| changed.client.retry.backoff.jitter = Jitter::None);
    assert_eq!(changed(&plan, "retry budget").client.retry.budget_permille, Some(200));
    with("retry budget", &|changed| changed.client.retry.budget_permille = None);
    assert_eq!(changed(&plan, "most room").routes[0].steps[0].pick, Pick::MostRoom);
    with("most room", &|changed| changed.routes[0].steps[0].pick = Pick::InOrder);
    assert_eq!(changed(&plan, "cache 10k answers").client.cache.unwrap().ttl, Nanos::HOUR);
    with("cache 10k answers", &|changed| changed.client.cache = None);
    assert_eq!(changed(&plan, "max_tokens 90").workloads[0].max_tokens, Some(90));
    with("max_tokens 90", &|changed| changed.workloads[0].max_tokens = Some(512));
    assert_eq!(changed(&plan, "patience").client.deadline, Nanos::MINUTE * 5);
}

#[test]
fn quota_that_is_bought_is_there_and_in_every_route() {
    let plan = parse(POOR);
    let more = changed(&plan, "one more account at groq");
    assert_eq!(more.providers[0].accounts.len(), 3);
    assert_eq!(more.targets[2].name, "groq/more/openai/gpt-oss-20b");
    assert_eq!((more.targets[2].account, more.routes[0].steps[0].targets.len()), (2, 3));
    assert_eq!(more.targets[2].limits, more.targets[0].limits);
    let (base, lifted) = (Ceiling::of(&plan).multiple, Ceiling::of(&more).multiple);
    assert!((lifted / base - 1.5).abs() < 1e-9, "a third account on top of two");
    // Twice the same change is two accounts with two names.
    let account = changes(&plan).into_iter().find(Change::repeats).unwrap();
    let twice = Change::all(&plan, [&account, &account]);
    assert_eq!(
        (twice.targets[2].name.as_str(), twice.targets[3].name.as_str()),
        ("groq/more/openai/gpt-oss-20b", "groq/more-2/openai/gpt-oss-20b")
    );
    let tier = changed(&plan, "groq on groq-developer");
    let rpm = tier.targets[1].limits.iter().find(|limit| limit.axis == Axis::Rpm).unwrap();
    assert_eq!((tier.providers[0].tier, rpm.limit), (Tier::Developer, 1_000));
    assert!(tier.targets[0].price.input > 0.0 && plan.targets[0].price.input == 0.0);
    let fallback = changed(&plan, "fall back to");
    assert_eq!(fallback.routes[0].steps.len(), 2);
    assert_eq!(fallback.targets[2].name, "fallback/default/openai/gpt-oss-120b");
    assert_eq!(fallback.providers[1].models.len(), 1);
}

#[test]
fn the_night_takes_the_batch_and_as_many_jobs() {
    let plan = parse(POOR);
    let night = changed(&plan, "nightly batch at night");
    let shape = night.workloads[1].shape.unwrap();
    assert!(shape[6..].iter().all(|factor| *factor == 0.0) && shape[0] > 3.9);
    let jobs = |plan: &Plan| Ceiling::of(plan).offered_jobs_per_min;
    assert!((jobs(&night) / jobs(&plan) - 1.0).abs() < 1e-9);
    assert_eq!(night.workloads[0].shape, None);
    // In less than a day there is no night.
    let short = Plan { duration: Nanos::HOUR * 5, ..plan };
    assert!(changes(&short).iter().all(|change| !matches!(change.edit, Edit::Night(_))));
}

#[test]
fn shorter_prompts_are_a_quarter_shorter_whatever_their_law() {
    let plan = parse(POOR);
    let short = changed(&plan, "prompts a quarter shorter");
    for (before, after) in plan.workloads.iter().zip(&short.workloads) {
        assert!((after.prompt.mean() / before.prompt.mean() - 0.75).abs() < 1e-9);
        assert!((after.prompt.quantile(0.9) / before.prompt.quantile(0.9) - 0.75).abs() < 1e-9);
    }
}

#[test]
fn what_is_there_already_is_not_tried_again() {
    let plan = parse(POOR);
    let better = changes(&plan).iter().filter(|change| !change.repeats()).fold(plan, |plan, change| {
        if matches!(change.edit, Edit::Own(_)) { plan } else { Change::all(&plan, [change]) }
    });
    let left = changes(&better);
    let again = |change: &Change| {
        matches!(
            change.edit,
            Edit::Tier { .. }
                | Edit::Fallback { .. }
                | Edit::Pace(_)
                | Edit::Jitter(_)
                | Edit::Budget(_)
                | Edit::Pick(_)
                | Edit::MaxTokens(_)
        )
    };
    assert!(!left.iter().any(again), "{left:#?}");
    assert!(left.iter().any(|change| change.words == "cache for 2h instead of 1h"));
    assert!(in_force(&parse(POOR)).is_empty());
    let all = ["pace by tokens", "full jitter", "a retry budget of 20 %", "pick the account with most room"];
    assert_eq!(in_force(&better), all);
}

#[test]
fn a_rule_that_load_cannot_break_makes_no_ceiling() {
    let kept = |expect: &str| {
        let rules = Rules::of(&parse(&format!("{POOR}expect: [{expect}]")));
        let names: Vec<String> = rules.kept.iter().map(|rule| rule.rule.clone()).collect();
        (names.join("; "), rules.notes.len())
    };
    assert_eq!(kept("success >= 95%, p95 latency <= 2s"), ("success >= 95%; p95 latency <= 2s".into(), 0));
    assert_eq!(kept("goodput >= 1/min, success <= 50%"), ("success >= 99 %".into(), 2));
    assert_eq!(kept("cost <= 3 USD"), ("cost <= 3 USD; success >= 99 %".into(), 1));
}

#[test]
fn the_search_ends_on_both_sides_of_the_ceiling_as_near_as_asked() {
    let plan = parse(&POOR.replace("24h", "1h").replace("groq-free", "groq-developer"));
    let rules = Rules::of(&plan);
    let tally = lab::Tally::new(&());
    let lab = lab::Lab { rules: &rules, tally: &tally };
    let mut ceilings = Vec::new();
    for guess in [0.1, 30.0, 200.0] {
        let search = Search {
            guess,
            step: 1.3,
            steepness: 1.0,
            tolerance: replicas::TOLERANCE,
            most: 1_000.0,
            replica: 0,
        };
        let found = search.run(&lab, &plan);
        let high = found.high.as_ref().expect("a thousand times is too much");
        assert!(high.multiple <= found.low * (1.0 + replicas::TOLERANCE) && high.multiple > found.low);
        assert!(lab.run(&plan, found.low, 0).holds() && !high.holds());
        ceilings.push(found.ceiling().unwrap());
    }
    let (least, most) = ceilings.iter().fold((f64::MAX, 0.0f64), |(l, m), c| (l.min(*c), m.max(*c)));
    assert!(most / least < 1.02, "wherever it begins it ends in one place: {ceilings:?}");
}

#[test]
fn a_larger_multiple_meets_the_same_luck() {
    use crate::load::Load;
    let plan = parse(POOR);
    let sizes = |plan: &Plan| {
        let mut load = Load::new(plan);
        let jobs = std::iter::from_fn(|| load.next()).filter(|arrival| arrival.job.class.0 == 0);
        jobs.take(500).map(|arrival| (arrival.truth, arrival.job.scheduled)).collect::<Vec<_>>()
    };
    let (once, twice) = (sizes(&plan), sizes(&plan.scaled(2.0)));
    for ((one, at), (other, sooner)) in once.iter().zip(&twice) {
        assert_eq!(one, other, "the n-th job is the same job");
        assert!((at.as_secs_f64() / sooner.as_secs_f64() - 2.0).abs() < 1e-6, "twice as soon");
    }
    assert!(
        matches!(plan.scaled(2.0).workloads[0].arrivals, Arrivals::Poisson(rate) if (rate - 1.0 / 6.0).abs() < 1e-12)
    );
}

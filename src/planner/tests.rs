//! Every change does what it says and leaves the rest alone; every rule is as near as it says.

use super::catalogue::changes;
use super::change::{Change, Edit};
use super::rules::Rules;
use super::search::Search;
use super::summary::Kind;
use super::{replicas, runner};
use crate::ceiling::Ceiling;
use crate::scenario::{self, Arrivals, Jitter, Overrides, Pace, Pick, Scenario};
use provider::config::Tier;
use provider::{Axis, Nanos};

fn parse(yaml: &str) -> Scenario {
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
fn changed(scenario: &Scenario, words: &str) -> Scenario {
    let changes = changes(scenario);
    let found: Vec<&Change> = changes.iter().filter(|change| change.words.contains(words)).collect();
    let [change] = found[..] else {
        panic!("{words}: {:?}", changes.iter().map(|c| &c.words).collect::<Vec<_>>())
    };
    Change::all(scenario, [change])
}

/// A plan in the words of debug, so that two can be compared whole.
fn whole(scenario: &Scenario) -> String {
    format!("{scenario:?}")
}

#[test]
fn every_change_changes_the_plan_and_only_what_it_names() {
    let scenario = parse(POOR);
    let all = changes(&scenario);
    assert_eq!(all.len(), 14, "{all:#?}");
    for change in &all {
        assert_ne!(
            change.kind,
            Kind::Without,
            "nothing is in force that could be left out: {}",
            change.words
        );
        assert_ne!(whole(&Change::all(&scenario, [change])), whole(&scenario), "{}", change.words);
    }
    let with = |words: &str, undo: &dyn Fn(&mut Scenario)| {
        let mut changed = changed(&scenario, words);
        undo(&mut changed);
        assert_eq!(whole(&changed), whole(&scenario), "{words} changes more than it says");
    };
    assert_eq!(changed(&scenario, "pace by tokens").client.pace, Pace::Tokens);
    with("pace by tokens", &|changed| changed.client.pace = Pace::Off);
    assert_eq!(changed(&scenario, "full jitter").client.retry.backoff.jitter, Jitter::Full);
    with("full jitter", &|changed| changed.client.retry.backoff.jitter = Jitter::None);
    assert_eq!(changed(&scenario, "retry budget").client.retry.budget_permille, Some(200));
    with("retry budget", &|changed| changed.client.retry.budget_permille = None);
    assert_eq!(changed(&scenario, "most room").routes[0].steps[0].pick, Pick::MostRoom);
    with("most room", &|changed| changed.routes[0].steps[0].pick = Pick::InOrder);
    assert_eq!(changed(&scenario, "cache 10k answers").client.cache.unwrap().ttl, Nanos::HOUR);
    with("cache 10k answers", &|changed| changed.client.cache = None);
    assert!(changed(&scenario, "join identical jobs").client.join);
    with("join identical jobs", &|changed| changed.client.join = false);
    assert_eq!(changed(&scenario, "max_tokens 90 (99 % of answers)").workloads[0].max_tokens, Some(90));
    with("max_tokens 90", &|changed| changed.workloads[0].max_tokens = Some(512));
    assert_eq!(changed(&scenario, "patience").client.deadline, Nanos::MINUTE * 5);
}

#[test]
fn quota_that_is_bought_is_there_and_in_every_route() {
    let scenario = parse(POOR);
    let more = changed(&scenario, "one more account at groq");
    assert_eq!(more.providers[0].accounts.len(), 3);
    assert_eq!(more.targets[2].name, "groq/more/openai/gpt-oss-20b");
    assert_eq!((more.targets[2].account, more.routes[0].steps[0].targets.len()), (2, 3));
    assert_eq!(more.targets[2].limits, more.targets[0].limits);
    let (base, lifted) = (Ceiling::of(&scenario).multiple, Ceiling::of(&more).multiple);
    assert!((lifted / base - 1.5).abs() < 1e-9, "a third account on top of two");
    // Twice the same change is two accounts with two names.
    let account = changes(&scenario).into_iter().find(Change::repeats).unwrap();
    let twice = Change::all(&scenario, [&account, &account]);
    assert_eq!(
        (twice.targets[2].name.as_str(), twice.targets[3].name.as_str()),
        ("groq/more/openai/gpt-oss-20b", "groq/more-2/openai/gpt-oss-20b")
    );
    let tier = changed(&scenario, "groq on groq-developer");
    let rpm = tier.targets[1].limits.iter().find(|limit| limit.axis == Axis::Rpm).unwrap();
    assert_eq!((tier.providers[0].tier, rpm.limit), (Tier::Developer, 1_000));
    assert!(tier.targets[0].price.input > 0.0 && scenario.targets[0].price.input == 0.0);
    let fallback = changed(&scenario, "fall back to groq-developer");
    assert_eq!(fallback.routes[0].steps.len(), 2);
    assert_eq!(fallback.targets[2].name, "fallback/default/openai/gpt-oss-120b");
    assert_eq!(fallback.providers[1].models.len(), 1);
}

#[test]
fn the_night_takes_the_batch_and_as_many_jobs() {
    let scenario = parse(POOR);
    let night = changed(&scenario, "nightly batch at night");
    let shape = night.workloads[1].shape.unwrap();
    assert!(shape[6..].iter().all(|factor| *factor == 0.0) && shape[0] > 3.9);
    let jobs = |scenario: &Scenario| Ceiling::of(scenario).offered_jobs_per_min;
    assert!((jobs(&night) / jobs(&scenario) - 1.0).abs() < 1e-9);
    assert_eq!(night.workloads[0].shape, None);
    // In less than a day there is no night.
    let short = Scenario { duration: Nanos::HOUR * 5, ..scenario };
    assert!(changes(&short).iter().all(|change| !matches!(change.edit, Edit::Night(_))));
}

#[test]
fn shorter_prompts_are_a_quarter_shorter_whatever_their_law() {
    let scenario = parse(POOR);
    let short = changed(&scenario, "prompts a quarter shorter");
    for (before, after) in scenario.workloads.iter().zip(&short.workloads) {
        assert!((after.prompt.mean() / before.prompt.mean() - 0.75).abs() < 1e-9);
        assert!((after.prompt.quantile(0.9) / before.prompt.quantile(0.9) - 0.75).abs() < 1e-9);
    }
}

#[test]
fn another_model_of_the_same_accounts_is_quota_without_an_account() {
    let scenario = parse(POOR);
    let other = changed(&scenario, "fall back to openai/gpt-oss-120b at groq");
    assert_eq!(other.providers[0].accounts.len(), scenario.providers[0].accounts.len());
    let names: Vec<&str> = other.targets[2..].iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["groq/acme/openai/gpt-oss-120b", "groq/beta/openai/gpt-oss-120b"]);
    let steps = &other.routes[0].steps;
    assert_eq!((steps.len(), steps[1].targets.len(), steps[1].pick), (2, 2, steps[0].pick));
    let limits = &other.providers[0].models[usize::from(other.targets[2].model)].limits;
    let rpm = |axis| limits.iter().find(|limit| limit.axis == axis).map(|limit| limit.limit);
    let known = other.targets[2].limits.iter().find(|limit| limit.axis == Axis::Rpm).map(|limit| limit.limit);
    assert!(known.is_some() && known == rpm(Axis::Rpm));
    assert!(Ceiling::of(&other).multiple > Ceiling::of(&scenario).multiple * 1.5);
    // On top of it, one more account serves both models.
    let account = changes(&scenario).into_iter().find(Change::repeats).unwrap();
    let with_account = Change::all(&other, [&account]);
    assert_eq!(
        with_account.routes[0].steps.iter().map(|step| step.targets.len()).collect::<Vec<_>>(),
        [3, 3]
    );
    // Behind a fallback that is there, the other model is offered; once both are served, nothing is.
    let words = |scenario: &Scenario| {
        let fallbacks = changes(scenario).into_iter().filter(|change| change.words.starts_with("fall back"));
        fallbacks.map(|change| change.words).collect::<Vec<_>>()
    };
    let two = parse(
        &POOR
            .replace("groq-free", "groq-developer")
            .replace("providers:", "providers:\n  spare: { models: { m: {} } }")
            .replace("routes:\n  r: [{", "routes:\n  r: [{ of: [spare/default/m] }, {"),
    );
    assert_eq!(words(&two), ["fall back to openai/gpt-oss-120b at groq"], "no account on that plan lacks it");
    let both = Change::all(
        &two,
        &changes(&two).into_iter().filter(|c| c.words.starts_with("fall")).collect::<Vec<_>>(),
    );
    assert!(words(&both).is_empty(), "{:?}", words(&both));
}

#[test]
fn a_bound_that_cuts_answers_says_so_and_is_offered_only_where_none_else_helps() {
    let scenario = parse(&POOR.replace("max_tokens: 512", "max_tokens: 85"));
    let cut = changed(&scenario, "max_tokens");
    let most = cut.workloads[0].max_tokens.unwrap();
    assert!(most < 85 && f64::from(most) >= scenario.workloads[0].completion.quantile(0.95), "{most}");
    assert_eq!(cut.workloads[1].max_tokens, scenario.workloads[1].max_tokens);
    let words: Vec<String> = changes(&scenario).into_iter().map(|change| change.words).collect();
    assert!(words.contains(&format!("cut 5 % of answers: max_tokens {most}")), "{words:?}");
    let tight = parse(&POOR.replace("max_tokens: 512", "max_tokens: 60"));
    assert!(changes(&tight).iter().all(|change| !matches!(change.edit, Edit::MaxTokens(_))));
}

/// The plan with everything that the catalogue can add, but for more accounts and what the scenario brings.
fn better(scenario: Scenario) -> Scenario {
    let lasting = |change: &&Change| !change.repeats() && !matches!(change.edit, Edit::Own(_));
    changes(&scenario)
        .iter()
        .filter(lasting)
        .fold(scenario, |scenario, change| Change::all(&scenario, [change]))
}

#[test]
fn what_is_there_already_is_not_tried_again_but_left_out() {
    let better = better(parse(POOR));
    let all = changes(&better);
    let again = |change: &&Change| {
        change.kind != Kind::Without
            && matches!(
                change.edit,
                Edit::Tier { .. }
                    | Edit::Fallback { .. }
                    | Edit::OtherModel { .. }
                    | Edit::Pace(_)
                    | Edit::Jitter(_)
                    | Edit::Budget(_)
                    | Edit::Pick(_)
                    | Edit::Join(_)
            )
    };
    assert!(!all.iter().any(|change| again(&change)), "{all:#?}");
    assert!(all.iter().any(|change| change.words == "cache for 2h instead of 1h"));
    let left_out: Vec<&str> = all
        .iter()
        .filter(|change| change.kind == Kind::Without)
        .map(|change| change.words.as_str())
        .collect();
    let expected = [
        "without pacing",
        "without jitter",
        "without a retry budget",
        "without joining identical jobs",
        "round robin instead of most room",
    ];
    assert_eq!(left_out, expected);
    assert_eq!(changed(&better, "without pacing").client.pace, Pace::Off);
    assert_eq!(changed(&better, "without jitter").client.retry.backoff.jitter, Jitter::None);
    assert_eq!(changed(&better, "without a retry budget").client.retry.budget_permille, None);
    assert!(!changed(&better, "without joining").client.join);
    assert_eq!(changed(&better, "round robin").routes[0].steps[0].pick, Pick::RoundRobin);
}

#[test]
fn the_launch_day_has_ten_things_to_try_though_it_does_much_already() {
    let day = parse(include_str!("../../scenarios/11-launch-day.yaml"));
    let words: Vec<String> = changes(&day).into_iter().map(|change| change.words).collect();
    assert!(words.len() >= 10, "{words:#?}");
    assert!(words.iter().any(|words| words == "fall back to openai/gpt-oss-20b at groq"), "{words:#?}");
    assert!(words.iter().any(|words| words == "cut 5 % of answers: max_tokens 700"), "{words:#?}");
}

#[test]
fn where_nothing_repeats_neither_cache_nor_joining_is_tried() {
    let once = parse(&POOR.replace(", repeats: { share: 30%, of: 100 }", ""));
    let pointless = |change: &Change| matches!(change.edit, Edit::Cache(_) | Edit::Join(_));
    assert!(!changes(&once).iter().any(pointless));
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
    let scenario = parse(&POOR.replace("24h", "1h").replace("groq-free", "groq-developer"));
    let rules = Rules::of(&scenario);
    let tally = runner::RunCount::new(&());
    let lab = runner::Runner { rules: &rules, tally: &tally };
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
        let found = search.run(&lab, &scenario);
        let high = found.high.as_ref().expect("a thousand times is too much");
        assert!(high.multiple <= found.low * (1.0 + replicas::TOLERANCE) && high.multiple > found.low);
        assert!(lab.run(&scenario, found.low, 0).holds() && !high.holds());
        ceilings.push(found.ceiling().unwrap());
    }
    let (least, most) = ceilings.iter().fold((f64::MAX, 0.0f64), |(l, m), c| (l.min(*c), m.max(*c)));
    assert!(most / least < 1.02, "wherever it begins it ends in one place: {ceilings:?}");
}

#[test]
fn a_larger_multiple_meets_the_same_luck() {
    use crate::load::Load;
    let scenario = parse(POOR);
    let sizes = |scenario: &Scenario| {
        let mut load = Load::new(scenario);
        let jobs = std::iter::from_fn(|| load.next()).filter(|arrival| arrival.job.class.0 == 0);
        jobs.take(500).map(|arrival| (arrival.truth, arrival.job.scheduled)).collect::<Vec<_>>()
    };
    let (once, twice) = (sizes(&scenario), sizes(&scenario.scaled(2.0)));
    for ((one, at), (other, sooner)) in once.iter().zip(&twice) {
        assert_eq!(one, other, "the n-th job is the same job");
        assert!((at.as_secs_f64() / sooner.as_secs_f64() - 2.0).abs() < 1e-6, "twice as soon");
    }
    assert!(
        matches!(scenario.scaled(2.0).workloads[0].arrivals, Arrivals::Poisson(rate) if (rate - 1.0 / 6.0).abs() < 1e-12)
    );
}

//! Unit tests of the planner: changes edit only what they name, rules are kept or left out, the search brackets the
//! ceiling.

use super::catalogue::changes;
use super::change::{Change, ClientEdit, Edit};
use super::finding::PlanNote;
use super::not_tried::{NotTriedReason, UntriedChange};
use super::plan::ChangeKind;
use super::rules::Rules;
use super::search::Search;
use super::{catalogue, replicas, run_count, runner};
use crate::ceiling::Ceiling;
use crate::scenario::{self, Arrivals, Jitter, Overrides, Pace, Pick, Scenario};
use provider::config::Tier;
use provider::dist::Dist;
use provider::{Axis, Nanos};

fn parse(yaml: &str) -> Scenario {
    scenario::parse("tests", yaml, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// A scenario in which every change of the catalogue has an effect.
const BASIC: &str = "
name: basic
duration: 24h
providers:
  groq: { preset: groq-free, accounts: { acme: [k1], beta: [k2] } }
routes:
  r: [{ of: [groq/acme/openai/gpt-oss-20b, groq/beta/openai/gpt-oss-20b] }]
client: { retry: { attempts: 3, backoff: { jitter: none } } }
workload:
  - { name: chat, route: r, arrivals: { poisson: 5/min }, prompt: 400, completion: { p50: 50, p99: 90 }, max_tokens: 512, repeats: { share: 30%, of: 100 } }
  - { name: nightly summaries, deferrable: true, route: r, arrivals: { poisson: 1/min, shape: daily }, prompt: { p50: 100, p95: 300 }, completion: 20, max_tokens: 20 }
what_if: [{ name: patience, set: { client.deadline: 5m } }]
";

/// Returns the scenario with the one change whose name contains `name`.
#[track_caller]
fn changed(scenario: &Scenario, name: &str) -> Scenario {
    let changes = changes(scenario);
    let matching: Vec<&Change> = changes.iter().filter(|change| change.name.contains(name)).collect();
    let [change] = matching[..] else {
        panic!("{name}: {:?}", changes.iter().map(|c| &c.name).collect::<Vec<_>>())
    };
    Change::all(scenario, [change])
}

/// The debug form of a scenario, to compare two completely.
fn debug(scenario: &Scenario) -> String {
    format!("{scenario:?}")
}

#[test]
fn every_change_has_an_effect_and_a_setting_edits_only_what_it_names() {
    let scenario = parse(BASIC);
    let all = changes(&scenario);
    assert_eq!(all.len(), 14, "{all:#?}");
    for change in &all {
        assert_ne!(
            change.kind,
            ChangeKind::Ablation,
            "no policy is in force that could be left out: {}",
            change.name
        );
        assert_ne!(debug(&Change::all(&scenario, [change])), debug(&scenario), "{}", change.name);
    }
    let with = |name: &str, undo: &dyn Fn(&mut Scenario)| {
        let mut changed = changed(&scenario, name);
        undo(&mut changed);
        assert_eq!(debug(&changed), debug(&scenario), "{name} changes more than it names");
    };
    assert_eq!(changed(&scenario, "pace by tokens").clients[0].pace, Pace::Tokens);
    with("pace by tokens", &|changed| changed.clients[0].pace = Pace::Off);
    assert_eq!(changed(&scenario, "full jitter").clients[0].retry.backoff.jitter, Jitter::Full);
    with("full jitter", &|changed| changed.clients[0].retry.backoff.jitter = Jitter::None);
    assert_eq!(changed(&scenario, "retry budget").clients[0].retry.budget_permille, Some(200));
    with("retry budget", &|changed| changed.clients[0].retry.budget_permille = None);
    assert_eq!(changed(&scenario, "most room").routes[0].steps[0].pick, Pick::MostRoom);
    with("most room", &|changed| changed.routes[0].steps[0].pick = Pick::InOrder);
    assert_eq!(changed(&scenario, "cache 10k answers").clients[0].cache.unwrap().ttl, Nanos::HOUR);
    with("cache 10k answers", &|changed| changed.clients[0].cache = None);
    assert!(changed(&scenario, "coalesce identical jobs").clients[0].coalesce);
    with("coalesce identical jobs", &|changed| changed.clients[0].coalesce = false);
    assert_eq!(changed(&scenario, "cut 1 % of answers: max_tokens 90").workloads[0].max_tokens, Some(90));
    with("max_tokens 90", &|changed| changed.workloads[0].max_tokens = Some(512));
    assert_eq!(changed(&scenario, "patience").clients[0].deadline, Nanos::MINUTE * 5);
}

#[test]
fn more_quota_is_added_to_the_route() {
    let scenario = parse(BASIC);
    let more = changed(&scenario, "one more account at groq");
    assert_eq!(more.providers[0].accounts.len(), 3);
    assert_eq!(more.targets[2].name, "groq/more/openai/gpt-oss-20b");
    assert_eq!((more.targets[2].account, more.routes[0].steps[0].targets.len()), (2, 3));
    assert_eq!(more.targets[2].limits, more.targets[0].limits);
    let (base, lifted) = (Ceiling::of(&scenario).multiple, Ceiling::of(&more).multiple);
    assert!((lifted / base - 1.5).abs() < 1e-9, "a third account on top of two");
    // Twice the same change is two accounts with two names.
    let account = changes(&scenario).into_iter().find(Change::is_repeatable).unwrap();
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
fn a_deferrable_workload_moves_to_the_night_with_all_its_jobs() {
    let scenario = parse(BASIC);
    let night = changed(&scenario, "nightly summaries at night");
    let shape = night.workloads[1].shape.as_ref().unwrap().factors();
    assert!(shape[6..].iter().all(|factor| *factor == 0.0) && shape[0] > 3.9);
    let jobs = |scenario: &Scenario| Ceiling::of(scenario).offered_jobs_per_min;
    assert!((jobs(&night) / jobs(&scenario) - 1.0).abs() < 1e-9);
    assert_eq!(night.workloads[0].shape, None);
    let not_tried = |scenario: &Scenario| {
        assert!(changes(scenario).iter().all(|change| !matches!(change.edit, Edit::MoveToNight(_))));
        let reason = |note| match note {
            PlanNote::NotTried { change: UntriedChange::MoveToNight, reason } => Some(reason),
            _ => None,
        };
        catalogue::notes(scenario).into_iter().find_map(reason)
    };
    let short = Scenario { duration: Nanos::HOUR * 5, ..scenario };
    assert_eq!(not_tried(&short), Some(NotTriedReason::RunShorterThanADay));
    let undeferrable = parse(&BASIC.replace("deferrable: true, ", ""));
    assert_eq!(not_tried(&undeferrable), Some(NotTriedReason::NoDeferrableWorkload));
    let burst = parse(
        &BASIC.replace("arrivals: { poisson: 1/min, shape: daily }", "arrivals: { burst: 5, every: 1h }"),
    );
    assert_eq!(not_tried(&burst), Some(NotTriedReason::NoRateToMove));
}

#[test]
fn shorter_prompts_are_a_quarter_shorter_for_every_distribution() {
    let mut scenario = parse(BASIC);
    for prompt in [
        Dist::Constant(400.0),
        Dist::log_normal(100.0, 0.95, 300.0),
        Dist::Exponential(200.0),
        Dist::Uniform { min: 100.0, max: 500.0 },
        Dist::discrete(&[100.0, 600.0], &[1.0, 2.0]),
    ] {
        scenario.workloads[0].prompt = prompt;
        let short = changed(&scenario, "prompts a quarter shorter");
        for (before, after) in scenario.workloads.iter().zip(&short.workloads) {
            assert!((after.prompt.mean() / before.prompt.mean() - 0.75).abs() < 1e-9);
            assert!((after.prompt.quantile(0.9) / before.prompt.quantile(0.9) - 0.75).abs() < 1e-9);
        }
    }
}

#[test]
fn another_model_adds_quota_without_an_account() {
    let scenario = parse(BASIC);
    let other = changed(&scenario, "fall back to openai/gpt-oss-120b at groq");
    assert_eq!(other.providers[0].accounts.len(), scenario.providers[0].accounts.len());
    let names: Vec<&str> = other.targets[2..].iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["groq/acme/openai/gpt-oss-120b", "groq/beta/openai/gpt-oss-120b"]);
    let steps = &other.routes[0].steps;
    assert_eq!((steps.len(), steps[1].targets.len(), steps[1].pick), (2, 2, steps[0].pick));
    let limits = &other.providers[0].models[usize::from(other.targets[2].model)].limits;
    let rpm = |axis| limits.iter().find(|limit| limit.axis == axis).map(|limit| limit.amount);
    let known = other.targets[2].limits.iter().find(|limit| limit.axis == Axis::Rpm).map(|limit| limit.limit);
    assert!(known.is_some() && known == rpm(Axis::Rpm));
    assert!(Ceiling::of(&other).multiple > Ceiling::of(&scenario).multiple * 1.5);
    // One more account then serves both models.
    let account = changes(&scenario).into_iter().find(Change::is_repeatable).unwrap();
    let with_account = Change::all(&other, [&account]);
    assert_eq!(
        with_account.routes[0].steps.iter().map(|step| step.targets.len()).collect::<Vec<_>>(),
        [3, 3]
    );
    // If one of the two models is served, the other is tried; once both are, none is.
    let fallbacks = |scenario: &Scenario| {
        let fallbacks = changes(scenario).into_iter().filter(|change| change.name.starts_with("fall back"));
        fallbacks.map(|change| change.name).collect::<Vec<_>>()
    };
    let two = parse(
        &BASIC
            .replace("groq-free", "groq-developer")
            .replace("providers:", "providers:\n  spare: { models: { m: {} } }")
            .replace("routes:\n  r: [{", "routes:\n  r: [{ of: [spare/default/m] }, {"),
    );
    assert_eq!(
        fallbacks(&two),
        ["fall back to openai/gpt-oss-120b at groq"],
        "the developer tier has it already"
    );
    let both = Change::all(
        &two,
        &changes(&two).into_iter().filter(|c| c.name.starts_with("fall")).collect::<Vec<_>>(),
    );
    assert!(fallbacks(&both).is_empty(), "{:?}", fallbacks(&both));
}

#[test]
fn a_bound_that_cuts_5_percent_is_tried_if_one_that_cuts_1_percent_is_not_below_the_present_one() {
    let scenario = parse(&BASIC.replace("max_tokens: 512", "max_tokens: 85"));
    let cut = changed(&scenario, "max_tokens");
    let bound = cut.workloads[0].max_tokens.unwrap();
    assert!(bound < 85 && f64::from(bound) >= scenario.workloads[0].completion.quantile(0.95), "{bound}");
    assert_eq!(cut.workloads[1].max_tokens, scenario.workloads[1].max_tokens);
    let names: Vec<String> = changes(&scenario).into_iter().map(|change| change.name).collect();
    assert!(names.contains(&format!("cut 5 % of answers: max_tokens {bound}")), "{names:?}");
    let tight = parse(&BASIC.replace("max_tokens: 512", "max_tokens: 60"));
    assert!(changes(&tight).iter().all(|change| !matches!(change.edit, Edit::MaxTokens(_))));
}

/// Returns the scenario with every change of the catalogue except more accounts and its own what-ifs.
fn with_all_changes(scenario: Scenario) -> Scenario {
    let is_single = |change: &&Change| !change.is_repeatable() && !matches!(change.edit, Edit::Own(_));
    changes(&scenario)
        .iter()
        .filter(is_single)
        .fold(scenario, |scenario, change| Change::all(&scenario, [change]))
}

#[test]
fn a_policy_in_force_is_left_out_instead_of_tried_again() {
    let better = with_all_changes(parse(BASIC));
    let all = changes(&better);
    let again = |change: &&Change| {
        change.kind != ChangeKind::Ablation
            && matches!(
                change.edit,
                Edit::Tier { .. }
                    | Edit::Fallback { .. }
                    | Edit::OtherModel { .. }
                    | Edit::Client(
                        _,
                        ClientEdit::Pace(_)
                            | ClientEdit::Jitter(_)
                            | ClientEdit::Budget(_)
                            | ClientEdit::Coalesce(_)
                    )
                    | Edit::Pick(_)
            )
    };
    assert!(!all.iter().any(|change| again(&change)), "{all:#?}");
    assert!(all.iter().any(|change| change.name == "cache for 2h instead of 1h"));
    let left_out: Vec<&str> = all
        .iter()
        .filter(|change| change.kind == ChangeKind::Ablation)
        .map(|change| change.name.as_str())
        .collect();
    let expected = [
        "without pacing",
        "without jitter",
        "without a retry budget",
        "without coalescing (join)",
        "round robin instead of most room",
    ];
    assert_eq!(left_out, expected);
    assert_eq!(changed(&better, "without pacing").clients[0].pace, Pace::Off);
    assert_eq!(changed(&better, "without jitter").clients[0].retry.backoff.jitter, Jitter::None);
    assert_eq!(changed(&better, "without a retry budget").clients[0].retry.budget_permille, None);
    assert!(!changed(&better, "without coalescing").clients[0].coalesce);
    assert_eq!(changed(&better, "round robin").routes[0].steps[0].pick, Pick::RoundRobin);
}

#[test]
fn at_least_ten_changes_are_tried_on_the_launch_day() {
    let day = parse(include_str!("../../scenarios/11-launch-day.yaml"));
    let names: Vec<String> = changes(&day).into_iter().map(|change| change.name).collect();
    assert!(names.len() >= 10, "{names:#?}");
    assert!(names.iter().any(|name| name == "fall back to openai/gpt-oss-20b at groq"), "{names:#?}");
    assert!(names.iter().any(|name| name == "cut 5 % of answers: max_tokens 700"), "{names:#?}");
}

#[test]
fn cache_and_coalescing_are_not_tried_if_no_request_repeats() {
    let once = parse(&BASIC.replace(", repeats: { share: 30%, of: 100 }", ""));
    let pointless = |change: &Change| {
        matches!(change.edit, Edit::Client(_, ClientEdit::Cache(_) | ClientEdit::Coalesce(_)))
    };
    assert!(!changes(&once).iter().any(pointless));
    let (change, reason) = (UntriedChange::CacheAndCoalescing, NotTriedReason::NothingRepeats);
    assert!(catalogue::notes(&once).contains(&PlanNote::NotTried { change, reason }));
}

#[test]
fn rules_that_load_cannot_break_are_left_out() {
    let kept = |expect: &str| {
        let rules = Rules::of(&parse(&format!("{BASIC}expect: [{expect}]")));
        let names: Vec<String> = rules.kept.iter().map(|rule| rule.text.clone()).collect();
        (names.join("; "), rules.notes.len())
    };
    assert_eq!(kept("success >= 95%, p95 latency <= 2s"), (
            "chat: success >= 95%; nightly summaries: success >= 95%; chat: p95 latency <= 2s; nightly summaries: p95 latency <= 2s"
                .into(),
            0
        ));
    assert_eq!(kept("goodput >= 1/min, success <= 50%"), ("success >= 99 %".into(), 2));
    assert_eq!(
        kept("cost <= 3 USD"),
        ("cost <= 3 USD; chat: success >= 99 %; nightly summaries: success >= 99 %".into(), 2)
    );
}

#[test]
fn the_search_brackets_the_ceiling_within_its_tolerance() {
    // With even traffic, part of a day instead of a whole one is simulated before a run to find the start levels.
    let yaml =
        BASIC.replace("24h", "1h").replace("groq-free", "groq-developer").replace(", shape: daily", "");
    let scenario = parse(&yaml);
    let rules = Rules::of(&scenario);
    let count = run_count::RunCount::new(&());
    let runner = runner::Runner::new(&rules, &count);
    let mut ceilings = Vec::new();
    for guess in [0.1, 30.0, 200.0] {
        let search = Search {
            guess,
            width: 1.1,
            step: 1.3,
            steepness: 1.0,
            tolerance: replicas::TOLERANCE,
            min_multiple: 1e-3,
            max_multiple: 1_000.0,
            at_once: if guess == 30.0 { 4 } else { 2 },
            replica: 0,
        };
        let estimate = search.run(&runner, &scenario).expect("nothing ends the measurements");
        let high = estimate.high.as_ref().expect("a thousand times the load breaks a rule");
        assert!(high.multiple <= estimate.low * (1.0 + replicas::TOLERANCE) && high.multiple > estimate.low);
        assert!(runner.run(&scenario, estimate.low, 0).is_some_and(|run| run.holds()) && !high.holds());
        ceilings.push(estimate.ceiling().unwrap());
    }
    let (lowest, highest) = ceilings.iter().fold((f64::MAX, 0.0f64), |(l, m), c| (l.min(*c), m.max(*c)));
    assert!(highest / lowest < 1.02, "the ceiling does not depend on the guess: {ceilings:?}");
}

#[test]
fn a_larger_multiple_has_the_same_jobs_sooner() {
    use crate::load::Load;
    let scenario = parse(BASIC);
    let sizes = |scenario: &Scenario| {
        let mut load = Load::new(scenario);
        let jobs = std::iter::from_fn(|| load.next()).filter(|arrival| arrival.job.workload.0 == 0);
        jobs.take(500).map(|arrival| (arrival.truth, arrival.job.scheduled)).collect::<Vec<_>>()
    };
    let (once, twice) = (sizes(&scenario), sizes(&scenario.scaled(2.0)));
    for ((one, at), (other, sooner)) in once.iter().zip(&twice) {
        assert_eq!(one, other, "the n-th job is the same job");
        assert!((at.as_secs_f64() / sooner.as_secs_f64() - 2.0).abs() < 1e-6, "twice as early");
    }
    assert!(
        matches!(scenario.scaled(2.0).workloads[0].arrivals, Arrivals::Poisson(rate) if (rate - 1.0 / 6.0).abs() < 1e-12)
    );
}

/// A limit of 60 requests per minute admits 600 in 10 min, and a full bucket 60 more. 70 jobs/min are above that,
/// but keep a rule that lets some fail if those that wait are served after the run, so `check` does not call the ceiling a bound of theirs.
#[test]
fn a_load_above_the_ceiling_that_keeps_the_rules_is_announced() {
    let yaml = |deadline: &str, rule: &str| {
        format!(
            "{{name: t, seed: 7, duration: 10m, \
             providers: {{p: {{dialect: groq, accounts: {{a: [k]}}, models: {{m: {{limits: {{rpm: 60}}, \
             latency: {{first_token: 200ms, output: 300 tok/s}}}}}}}}}}, routes: {{r: [{{of: [p/a/m]}}]}}, \
             client: {{deadline: {deadline}, retry: {{attempts: 100}}}}, \
             workload: [{{name: w, route: r, arrivals: {{constant: 70/min}}, prompt: 100, completion: 10}}], \
             expect: ['{rule}']}}"
        )
    };
    let line = |deadline: &str, rule: &str| {
        let scenario = parse(&yaml(deadline, rule));
        let text = Ceiling::of(&scenario).describe(&scenario);
        text.lines().find(|line| line.contains("a higher load may still keep the rules")).map(str::to_owned)
    };
    let scenario = parse(&yaml("9m", "success >= 85%"));
    assert!(Ceiling::of(&scenario).multiple < 1.0);
    let rules = Rules::of(&scenario);
    let count = run_count::RunCount::new(&());
    let run = runner::Runner::new(&rules, &count).run(&scenario, 1.0, 0).unwrap();
    assert!(run.broken.is_empty(), "{:?}", run.broken);
    assert_eq!(
        line("9m", "success >= 85%").as_deref(),
        Some(
            "  a higher load may still keep the rules: they let up to 15% of the jobs of a workload fail, and jobs that arrive in the last \
             9m may be served after the end of the run"
        )
    );
    assert!(line("5s", "success >= 85%").is_some_and(|line| !line.contains("after the end")));
    assert!(line("9m", "success >= 99%").is_some_and(|line| !line.contains("fail")));
    assert_eq!(line("5s", "success >= 99%"), None);
}

//! A plan that several processes make in rounds is the plan that one process makes.

use super::*;
use quotalab::planner::{
    ListedRun, MissingShards, Parts, PartsError, PlanStep, YearOptions, plan_from, plan_id,
};
use quotalab::shard::Shard;

/// The files of the rounds of a plan.
#[derive(Clone, Default)]
struct Files {
    lists: Vec<String>,
    parts: Vec<(String, String)>,
}

impl Files {
    fn parts(&self, plan: &str) -> Result<Parts, PartsError> {
        let mut parts = Parts::default();
        for (round, list) in (1..).zip(&self.lists) {
            parts.add_list(round, &format!("round-{round}"), list, plan)?;
        }
        self.parts.iter().try_for_each(|(name, part)| parts.add(name, part, plan))?;
        Ok(parts)
    }
}

/// Makes a plan in rounds of `count` shards, which are made and merged in reverse order if `count` is odd. Returns it with the files.
fn by_shards(scenario: &Scenario, options: &PlanOptions, count: u32) -> (Plan, Files) {
    let (plan, mut files) = (plan_id(scenario, options), Files::default());
    let read = |files: &Files| files.parts(&plan).expect("parts of this plan");
    for rounds in 0..100 {
        let round = match plan_from(scenario, options, read(&files), rounds, &()).expect("jobs are offered") {
            PlanStep::Done(plan) => return (*plan, files),
            PlanStep::Round(round) => round,
        };
        files.lists.push(round.list());
        // Each process finds out by itself which runs the round has.
        let PlanStep::Round(again) =
            plan_from(scenario, options, read(&files), rounds, &()).expect("jobs are offered")
        else {
            panic!("the round of the other shards")
        };
        assert_eq!(again.list(), round.list());
        let mut shards: Vec<u32> = (0..count).collect();
        if count % 2 == 1 {
            shards.reverse();
        }
        for index in shards {
            let part = round.simulate(Shard { index, count }, &()).expect("nothing interrupts it");
            files.parts.push((format!("{rounds}-{index}"), part.to_json()));
        }
        read(&files).check().expect("every shard is there");
    }
    panic!("a plan has few rounds")
}

/// Scenarios whose plans have every kind of run, with their options.
fn plans() -> Vec<(&'static str, String, PlanOptions)> {
    let two_steps = one_account("rpm: 30", "poisson: 20/min", "expect: [success >= 95%, p95 latency <= 2s]")
        .replace(
            "providers: {",
            "providers: { q: { models: { m: { limits: { rpm: 60 }, latency: { total: 1s } } } },",
        )
        .replace("of: [p/default/m] }", "of: [p/default/m] }, { of: [q/default/m] }");
    let cost = one_account("rpm: 60", "poisson: 20/min", "expect: [success >= 90%, cost <= 1 USD]");
    let users = one_account("rpm: 60", "users: 4, think: 5s", "expect: [success >= 90%]");
    let few = one_account("rpm: 3", "poisson: 2/min", "expect: [success >= 99%]");
    let batch = one_account("rpm: 60", "poisson: 5/min", "expect: [success >= 90%, \"w2: finished by 20m\"]").replace(
        "max_tokens: 100 }]",
        "max_tokens: 100 }, { name: w2, route: r, batch: { jobs: 200, from: 1m, workers: 2 }, prompt: 10, completion: 10, max_tokens: 10 }]",
    );
    let growing = one_account("rpm: { limit: 1, burst: 1 }", "constant: 720/day", "expect: [success >= 99%]")
        .replace("30m", "24h");
    let growth = Some(GrowthRate::parse("20%/month").expect("a rate"));
    let year = PlanOptions { growth, year: Some(YearOptions { months: 3, from: None }), ..options(2) };
    let target = PlanOptions { target: Some(Target::Multiple(4.0)), ..options(2) };
    let incident = PlanOptions { incident: true, ..PlanOptions::default() };
    vec![
        ("two steps", two_steps.clone(), incident),
        ("a target", two_steps, target),
        ("cost first", cost, PlanOptions::default()),
        ("users", users, PlanOptions::default()),
        ("few jobs", few, PlanOptions::default()),
        ("a batch", batch, options(2)),
        ("a year", growing, year),
    ]
}

#[test]
fn the_plan_of_any_number_of_shards_is_the_plan_of_one_process() {
    for (name, yaml, options) in plans() {
        let scenario = parse(&yaml);
        let whole = planner::plan(&scenario, &options, &()).expect("jobs are offered").to_json();
        // Parts are read in every round, which takes most of the time.
        let counts: &[u32] = if name == "two steps" { &[1, 2, 3, 7] } else { &[3] };
        for count in counts.iter().copied() {
            let (plan, files) = by_shards(&scenario, &options, count);
            let json = plan.to_json();
            let difference = json.lines().zip(whole.lines()).find(|(one, other)| one != other);
            assert!(json == whole, "{name}: {count} shards: {difference:?}");
            let runs: Vec<ListedRun> = files
                .lists
                .iter()
                .flat_map(|list| list.lines())
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let mut ids: Vec<_> = runs.iter().map(|run| run.id.clone()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), runs.len(), "{name}: no run is made twice");
            println!("{name}: {} runs in {} rounds", runs.len(), files.lists.len());
        }
    }
}

#[test]
fn the_list_of_a_round_says_what_each_run_is() {
    let yaml = one_account("rpm: 30", "poisson: 20/min", "expect: [success >= 95%]");
    let scenario = parse(&yaml);
    let (_, files) = by_shards(&scenario, &options(1), 2);
    let line: ListedRun = serde_json::from_str(files.lists[0].lines().next().unwrap()).unwrap();
    assert_eq!((line.round, line.multiple, line.seed), (1, 1.0, scenario.seed));
    assert_eq!(line.plan, plan_id(&scenario, &options(1)));
    // 20 a minute for half an hour.
    assert!((590.0..=610.0).contains(&line.jobs), "{line:?}");
    let changes: Vec<Vec<String>> =
        files.lists[0].lines().map(|line| serde_json::from_str::<ListedRun>(line).unwrap().changes).collect();
    assert!(
        changes.contains(&Vec::new()) && changes.contains(&vec!["one more account at p".to_owned()]),
        "{changes:?}"
    );
}

#[test]
fn missing_doubled_and_foreign_parts_are_named() {
    let yaml = one_account("rpm: 30", "poisson: 20/min", "expect: [success >= 95%]");
    let (scenario, options) = (parse(&yaml), options(1));
    let plan = plan_id(&scenario, &options);
    let (_, files) = by_shards(&scenario, &options, 3);
    let check = |files: &Files| files.parts(&plan)?.check();
    assert_eq!(check(&files), Ok(()));

    // The parts of a round were made from the last shard to the first.
    let mut missing = files.clone();
    let (name, removed) = missing.parts.remove(4);
    let shard = Shard { index: 1, count: 3 };
    let gap = MissingShards { round: 2, shards: vec![shard] };
    assert_eq!(check(&missing), Err(PartsError::Missing(vec![gap])));

    let mut doubled = files.clone();
    doubled.parts.push(("copy".to_owned(), removed.clone()));
    let error = PartsError::Doubled { file: "copy".to_owned(), other: name, shard, round: 2 };
    assert_eq!(check(&doubled), Err(error));

    let mut other_number = missing.clone();
    other_number.parts.push(("wide".to_owned(), removed.replacen("\"of\":3", "\"of\":8", 1)));
    assert!(matches!(
        check(&other_number),
        Err(PartsError::OtherNumber { of: 8, other_of: 3, round: 2, .. })
    ));

    let mut other_runs = missing.clone();
    other_runs.parts.push(("moved".to_owned(), removed.replacen("\"round\":2", "\"round\":1", 1)));
    assert!(matches!(check(&other_runs), Err(PartsError::Doubled { round: 1, .. })));
    let mut moved = missing.clone();
    moved.parts.remove(1);
    moved.parts.push(("moved".to_owned(), removed.replacen("\"round\":2", "\"round\":1", 1)));
    assert!(matches!(check(&moved), Err(PartsError::OtherRuns { round: 1, .. })));

    let other = parse(&yaml.replace("20/min", "21/min"));
    assert!(matches!(files.parts(&plan_id(&other, &options)), Err(PartsError::Foreign { .. })));
    let more = PlanOptions { replicas: Some(2), ..options };
    assert!(matches!(files.parts(&plan_id(&scenario, &more)), Err(PartsError::Foreign { .. })));
    let broken = Files { parts: vec![("half".to_owned(), removed[..100].to_owned())], ..files };
    assert!(matches!(check(&broken), Err(PartsError::Unreadable { file, .. }) if file == "half"));
}

#[test]
fn a_plan_without_some_shards_says_which() {
    let yaml = one_account("rpm: 30", "poisson: 20/min", "expect: [success >= 95%]");
    let (scenario, options) = (parse(&yaml), options(1));
    let plan = plan_id(&scenario, &options);
    let (_, files) = by_shards(&scenario, &options, 2);
    let whole = planner::plan(&scenario, &options, &()).expect("jobs are offered");
    let rounds = files.lists.len() as u32;
    let mut fewest = whole.what_if.len();
    for part in (2..files.parts.len()).rev() {
        let mut partial = files.clone();
        partial.parts.remove(part);
        let parts = partial.parts(&plan).expect("parts of this plan");
        let Err(PartsError::Missing(missing)) = parts.check() else { panic!("a shard is missing") };
        let Ok(plan) = planner::plan_without(&scenario, &options, parts, (rounds, &missing), &()) else {
            // It had runs of the search for the ceiling.
            continue;
        };
        assert_eq!(plan.ceiling.simulated.multiple, whole.ceiling.simulated.multiple);
        let text = text_of(&plan);
        let expected = format!("Not all shards of the plan are there (missing: {})", missing[0]);
        assert!(text.contains(&expected) || plan.to_json() == whole.to_json(), "{text}");
        fewest = fewest.min(plan.what_if.len());
    }
    assert!(fewest < whole.what_if.len(), "a change is measured in some round");
}

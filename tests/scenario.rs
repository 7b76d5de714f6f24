//! The scenario language: what is accepted, the message of every mistake, and that no text is accepted in part. The
//! expected messages are the golden files in `tests/golden/scenario`; `UPDATE_GOLDEN=1` rewrites them.

mod callers;
mod language;
mod laws;
mod lookalikes;
mod presets;
mod upstreams;

use crate::golden;
use provider::Nanos;
use provider::config::Dialect;
use provider::dist::Dist;
use quotalab::problem::Problems;
use quotalab::scenario::{self, Arrivals, Metric, Op, Overrides, Pace, Pick, Scenario, Time};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_launch_day_is_read_as_written() {
    let scenario = load("launch-day.yaml", &[]).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.seed, scenario.duration), ("launch day", 7, Nanos::DAY));
    let targets: Vec<&str> = scenario.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(
        targets,
        ["groq/acme/openai/gpt-oss-120b", "groq/beta/openai/gpt-oss-120b", "cerebras/default/gpt-oss-120b"]
    );
    assert_eq!(scenario.targets[0].model, scenario.targets[1].model);
    assert_ne!(scenario.targets[0].account, scenario.targets[1].account);
    assert_eq!(scenario.providers[0].accounts[0].keys, ["k1", "k2"]);
    assert_eq!(scenario.routes[0].steps[0].pick, Pick::MostRoom);
    assert_eq!(scenario.routes[0].steps[1].pick, Pick::InOrder);
    assert_eq!(scenario.default_client().retry.budget_permille, Some(200));
    assert_eq!(scenario.default_client().pace, Pace::Tokens);
    assert_eq!(scenario.workloads[0].arrivals, Arrivals::Poisson(250.0 / 60.0));
    assert_eq!(scenario.workloads[0].prompt, Dist::log_normal(800.0, 0.95, 3000.0));
    let rules: Vec<(Metric, Op, f64)> =
        scenario.expect.iter().map(|rule| (rule.metric, rule.op, rule.value)).collect();
    assert_eq!(
        rules,
        [
            (Metric::Success, Op::AtLeast, 0.995),
            (Metric::Percentile(95, Time::Latency), Op::AtMost, 8.0),
            (Metric::FallbackShare, Op::AtMost, 0.25),
            (Metric::Cost, Op::AtMost, 150.0),
        ]
    );
    assert!(scenario.providers.iter().any(|provider| provider.dialect == Dialect::Cerebras));
    golden::check("scenario/launch-day", &scenario.describe());
}

#[test]
fn most_words_of_the_language_are_understood() {
    let scenario = load("every-word.yaml", &[]).unwrap();
    assert_eq!(scenario.providers[0].incidents.len(), 16);
    let once = [Metric::Goodput, Metric::FinishedBy];
    let of_jobs = |metric: Metric| metric.is_measured_per_job() && !once.contains(&metric);
    let once = scenario.expect.iter().filter(|rule| !of_jobs(rule.metric)).count();
    let per_workload = (11 - once) * scenario.workloads.len();
    assert_eq!(scenario.expect.len(), once + per_workload, "rules on jobs are judged for each workload");
    golden::check("scenario/every-word", &scenario.describe());
}

#[test]
fn a_route_to_a_retired_model_needs_permission() {
    let text = |allow: &str| {
        format!(
            "providers: {{ groq: {{ preset: groq-free{allow} }} }}\n\
             routes: {{ r: [ {{ of: [groq/default/llama-3.3-70b-versatile] }} ] }}\n\
             workload: [ {{ name: a, route: r, arrivals: {{ poisson: 1/min }}, prompt: 1, completion: 1 }} ]\n"
        )
    };
    let problems = parse(&text("")).unwrap_err().to_string();
    assert!(
        problems.contains("`llama-3.3-70b-versatile` is retired: `groq` has not offered it since 2026-10-01")
    );
    assert!(
        problems.contains("allow_retired: true") && problems.contains("`openai/gpt-oss-120b`"),
        "{problems}"
    );
    assert!(parse(&text(", allow_retired: true")).is_ok());
}

#[test]
fn an_option_with_an_empty_value_is_reported_at_the_value() {
    for value in ["~", "null", "# none"] {
        let problems = load("launch-day.yaml", &[("client.cache", value)]).unwrap_err().to_string();
        assert!(problems.contains("--set client.cache:1:14: the value is empty"), "{value}: {problems}");
    }
}

/// The launch day with another shape.
fn with_shape(shape: &str) -> Result<Scenario, Problems> {
    let arrivals = format!("{{poisson: 250/min, shape: {shape}}}");
    load("launch-day.yaml", &[("workload.0.arrivals", &arrivals)])
}

const PERCENTAGES: &str = "[1, 1, 1, 1, 1, 1, 2, 4, 6, 6, 6, 5, 4, 5, 6, 6, 5, 4, 4, 6, 8, 7, 6, 4]";

#[test]
fn named_shapes_and_weights_have_mean_one() {
    let shape_of = |shape: &str| with_shape(shape).unwrap().workloads[0].shape.clone().unwrap();
    for shape in ["daily", "evening", &format!("{{weights: {PERCENTAGES}}}")] {
        let mean = shape_of(shape).factors().iter().sum::<f64>() / 24.0;
        assert!((mean - 1.0).abs() < 1e-3, "{shape}: {mean}");
    }
    assert_eq!(shape_of("evening").factors().iter().position(|factor| *factor > 1.6), Some(19));
}

/// Without the check, percentages read as factors would multiply the traffic by four.
#[test]
fn factors_whose_mean_is_not_one_are_refused() {
    let problems = with_shape(PERCENTAGES).unwrap_err().to_string();
    assert!(problems.contains("the mean rate of a day would be 4.167 times the stated rate"), "{problems}");
    assert!(problems.contains("shape: {weights: [...]}"), "{problems}");
}

#[test]
fn every_mistake_is_reported_with_its_place_and_its_remedy() {
    for path in bad_fixtures() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // Relative paths, so that the golden files hold on every machine.
        let shown = format!("bad/{name}.yaml");
        let problems = scenario::read(&path, &Overrides::default()).expect_err(&name);
        let printed = problems.to_string().replace(&path.display().to_string(), &shown);
        golden::check(
            &format!("scenario/{name}"),
            &printed.replace(&path.parent().unwrap().display().to_string(), "bad"),
        );
    }
}

#[test]
fn every_problem_has_a_line_that_exists_and_a_help() {
    for path in bad_fixtures() {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let problems = scenario::read(&path, &Overrides::default()).unwrap_err();
        for problem in &problems {
            assert!((1..=lines.len().max(1)).contains(&problem.line), "{problem}");
            let line = lines.get(problem.line - 1).copied().unwrap_or_default();
            assert!((1..=line.chars().count() + 1).contains(&problem.column), "{problem}");
            assert!(problem.help.len() > 5 && problem.what.len() > 5, "{problem}");
        }
        let places: Vec<(usize, usize)> =
            problems.iter().map(|problem| (problem.line, problem.column)).collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}

#[test]
fn an_unreadable_or_oversized_file_is_one_problem() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let large = directory.join("large.yaml");
    fs::write(&large, "about: x\n".repeat(600_000)).unwrap();
    let missing = directory.join("missing/scenario.yaml");
    for (path, expected) in
        [(&large, "larger than 1 MiB"), (&missing, "cannot be read"), (&directory, "cannot be read")]
    {
        let problems = scenario::read(path, &Overrides::default()).unwrap_err();
        assert_eq!(problems.iter().count(), 1, "{problems}");
        assert!(problems.to_string().contains(expected), "{problems}");
    }
    let text = "about: x\n".repeat(600_000);
    assert!(scenario::parse("x", &text, &Overrides::default(), None).is_err());
}

#[test]
fn overrides_reach_every_part_of_the_tree() {
    let scenario = load(
        "launch-day.yaml",
        &[
            ("client.deadline", "5s"),
            ("client.pace", "{gap: 100ms}"),
            ("workload.0.arrivals.poisson", "500/min"),
            ("providers.groq.models.openai/gpt-oss-120b.limits.rpm", "60"),
            ("expect", "[]"),
            ("name", "another day"),
        ],
    )
    .unwrap();
    assert_eq!(scenario.default_client().deadline, Nanos::from_secs(5));
    assert_eq!(scenario.default_client().pace, Pace::Gap(Nanos::from_millis(100)));
    assert_eq!(scenario.workloads[0].arrivals, Arrivals::Poisson(500.0 / 60.0));
    assert_eq!(scenario.targets[0].limits[0].limit, 60);
    assert_eq!(scenario.targets[2].limits[0].limit, 1000, "the other provider is untouched");
    assert!(scenario.expect.iter().all(|rule| rule.is_default));
    assert_eq!(scenario.name, "another day");
}

#[test]
fn a_name_with_dots_is_found_by_an_override() {
    let set = ("providers.one.models.vendor/model-1.5.limits.rpm", "7");
    let scenario = load("every-word.yaml", &[set]).unwrap();
    assert_eq!(scenario.targets[0].limits[0].limit, 7);
}

/// A part of a model is set only if the provider has the model; a whole one is added.
#[test]
fn an_override_adds_a_whole_model_but_no_part_of_one() {
    let added = load("launch-day.yaml", &[("providers.groq.models.gpt-5", "{limits: {rpm: 7}}")]).unwrap();
    assert!(added.providers[0].models.iter().any(|model| model.name == "gpt-5"));
    let of_preset = |path: &str| {
        let set = vec![(path.to_owned(), "5".to_owned())];
        scenario::preset_providers("groq-free", &Overrides { set, ..Overrides::default() })
    };
    let count = of_preset("seed").unwrap().providers[0].models.len();
    assert_eq!(of_preset("models.openai/gpt-oss-20b.limits.rpm").unwrap().providers[0].models.len(), count);
    let problems = of_preset("models.openai/gpt-oss-2b.limits.rpm").unwrap_err().to_string();
    assert!(problems.contains("unknown model `openai/gpt-oss-2b`"), "{problems}");
    assert!(problems.contains("did you mean `openai/gpt-oss-20b`?"), "{problems}");
}

#[test]
fn seed_and_duration_options_take_precedence_over_the_file_and_set() {
    let overrides = Overrides {
        set: vec![("seed".into(), "3".into()), ("duration".into(), "2h".into())],
        seed: Some(u64::MAX),
        duration: Some(Nanos::from_millis(90_500)),
    };
    let scenario = scenario::read(&fixture("launch-day.yaml"), &overrides).unwrap();
    assert_eq!((scenario.seed, scenario.duration), (u64::MAX, Nanos::from_millis(90_500)));
}

#[test]
fn a_wrong_override_is_reported_at_its_option() {
    let sets = [
        ("client.deadline", "xx"),
        ("clinet.deadline", "5s"),
        ("workload.7.name", "x"),
        ("name.first", "x"),
        ("client.pace", ""),
        ("client..pace", "off"),
        ("client.cache", "{entries: 5"),
        ("client.join", "yes"),
        ("client.joins", "true"),
        ("providers.groq.preset", "groq-fee"),
        ("providers.groq.models.openai/gpt-oss-120b.limits.rmp", "5"),
        ("providers.groq.models.openai/gpt-oss-12b.limits.rpm", "5"),
        ("providers.groq.models.gpt-4.1.limits.rpm.limit", "5"),
        ("", "5"),
    ];
    let problems = load("launch-day.yaml", &sets).unwrap_err();
    golden::check("scenario/overrides", &problems.to_string());
    for (path, _) in sets {
        let name = format!("--set {path}");
        assert!(
            problems.iter().any(|problem| problem.file == name),
            "no problem is reported at {name}: {problems}"
        );
    }
}

#[test]
fn the_scenario_takes_precedence_over_its_preset() {
    let text = "\
providers:
  groq:
    preset: groq-developer
    models:
      openai/gpt-oss-120b: { limits: {tpm: none, rpm: 7} }
      mine: { limits: {rpm: 1} }
routes: { r: [{ of: [groq/default/openai/gpt-oss-120b, groq/default/mine] }] }
workload: [{ name: w, arrivals: {poisson: 1/s}, prompt: 5 }]
";
    let scenario = parse(text).unwrap();
    let axes: Vec<(&str, u64)> =
        scenario.targets[0].limits.iter().map(|known| (known.axis.name(), known.limit)).collect();
    assert_eq!(axes, [("rpm", 7), ("rpd", 500_000)], "rpm replaced, tpm taken away, rpd kept");
    assert!(scenario.targets[0].price.input > 0.0, "the price is the preset's");
}

#[test]
fn absent_words_have_the_documented_defaults() {
    let text = "\
providers: { p: { models: { m: {} } } }
routes: { r: [{ of: [p/default/m] }] }
workload: [{ name: w, arrivals: {poisson: 1/s}, prompt: 5 }]
";
    let scenario = parse(text).unwrap();
    assert_eq!(scenario.default_client().retry.attempts, 3);
    assert_eq!(scenario.default_client().deadline, Nanos::MINUTE);
    assert_eq!(scenario.default_client().queue, 10_000);
    assert!(scenario.default_client().concurrency.is_none() && scenario.default_client().cache.is_none());
    assert!(scenario.workloads[0].stream);
    assert_eq!(scenario.workloads[0].completion, Dist::log_normal(200.0, 0.95, 700.0));
    assert_eq!(scenario.name, "text", "the name of the file");
    assert_eq!(scenario.notes.len(), 1, "the latency is assumed: {:?}", scenario.notes);
}

#[test]
fn aliases_are_expanded() {
    let text = "\
providers: { p: { models: { m: &small {limits: {rpm: 5}}, n: *small } } }
routes: { r: [{ of: [p/default/m, p/default/n] }] }
workload: [{ name: w, arrivals: {poisson: 1/s}, prompt: 5 }]
";
    let scenario = parse(text).unwrap();
    assert_eq!(scenario.targets[0].limits, scenario.targets[1].limits);
}

#[test]
fn a_route_with_too_many_targets_is_refused() {
    let with = |models: usize| {
        let models: Vec<String> = (0..models).map(|number| format!("m{number}")).collect();
        let defined: String = models.iter().map(|model| format!("{model}: {{}}, ")).collect();
        let named: String = models.iter().map(|model| format!("p/default/{model}, ")).collect();
        format!(
            "providers: {{p: {{models: {{{defined}}}}}}}\nroutes: {{r: [{{of: [{named}]}}]}}\n\
             workload: [{{name: w, arrivals: {{poisson: 1/s}}, prompt: 5}}]"
        )
    };
    assert!(parse(&with(64)).is_ok());
    let problems = parse(&with(65)).unwrap_err().to_string();
    assert!(problems.contains("name 65 targets in all") && problems.contains("at: routes.r"), "{problems}");

    // The targets of all steps count: 13 accounts with 5 models, a step for each model.
    let accounts: String = (0..13).map(|number| format!("a{number}: [k{number}], ")).collect();
    let models: String = (0..5).map(|number| format!("m{number}: {{}}, ")).collect();
    let target =
        |model: u32| (0..13).map(move |number| format!("p/a{number}/m{model}, ")).collect::<String>();
    let steps: String = (0..5).map(|model| format!("{{of: [{}]}}, ", target(model))).collect();
    let text = format!(
        "providers: {{p: {{accounts: {{{accounts}}}, models: {{{models}}}}}}}\nroutes: {{r: [{steps}]}}\n\
         workload: [{{name: w, arrivals: {{poisson: 1/s}}, prompt: 5}}]"
    );
    let problems = parse(&text).unwrap_err().to_string();
    assert!(problems.contains("name 65 targets in all"), "{problems}");
}

#[test]
fn too_many_workloads_are_refused() {
    let with = |workloads: usize| {
        let workloads: String = (0..workloads)
            .map(|number| format!("  - {{name: w{number}, arrivals: {{poisson: 1/h}}, prompt: 5}}\n"))
            .collect();
        format!(
            "providers: {{p: {{models: {{m: {{}}}}}}}}\nroutes: {{r: [{{of: [p/default/m]}}]}}\nworkload:\n{workloads}"
        )
    };
    assert!(parse(&with(256)).is_ok());
    let problems = parse(&with(257)).unwrap_err().to_string();
    assert!(problems.contains("at: workload") && problems.contains("256"), "{problems}");
}

fn parse(text: &str) -> Result<Scenario, Problems> {
    scenario::parse("text.yaml", text, &Overrides::default(), None)
}

fn load(file: &str, set: &[(&str, &str)]) -> Result<Scenario, Problems> {
    let set = set.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    scenario::read(&fixture(file), &Overrides { set, ..Overrides::default() })
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Returns the files of `tests/fixtures/bad`, sorted.
pub(crate) fn bad_fixtures() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(fixture("bad"))
        .expect("the fixtures are there")
        .map(|entry| entry.expect("a fixture can be listed").path())
        .collect();
    paths.sort();
    assert!(paths.len() > 15);
    paths
}

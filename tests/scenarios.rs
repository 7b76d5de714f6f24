//! Checks every lesson in `scenarios/`: its head states the question, where to look, and the answer, and a simulation
//! passes its `expect`.

use quotalab::drive;
use quotalab::record::Summary;
use quotalab::scenario::{self, Overrides, Pick, Scenario};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the lessons, in the order of their numbers.
pub(crate) fn lessons() -> Vec<PathBuf> {
    scenarios("scenarios")
}

/// Returns the scenarios of a folder, in the order of their names.
pub(crate) fn scenarios(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files =
        fs::read_dir(folder).expect("a folder of scenarios").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    files
}

pub(crate) fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name")
}

pub(crate) fn load(path: &Path) -> Scenario {
    scenario::read(path, &Overrides::default()).unwrap_or_else(|wrong| panic!("{wrong}"))
}

pub(crate) fn simulate(scenario: &Scenario) -> Summary {
    drive::summarize(scenario)
}

#[test]
fn every_lesson_opens_with_its_question_where_to_look_and_the_answer() {
    for path in lessons() {
        let text = fs::read_to_string(&path).expect("a readable lesson");
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let mut from = 0;
        for word in ["# QUESTION  ", "# LOOK AT   ", "# ANSWER    "] {
            let found =
                head[from..].iter().position(|line| line.starts_with(word) && line.len() > word.len() + 20);
            let Some(at) = found else {
                panic!("{}: no `{}` followed by a sentence", path.display(), word.trim())
            };
            from += at + 1;
        }
        for other in
            head.iter().flat_map(|line| line.split_whitespace()).filter(|word| word.ends_with(".yaml"))
        {
            let named = path.with_file_name(other.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
            assert!(named.exists(), "{} names {other}", path.display());
        }
    }
}

#[test]
fn the_lessons_are_numbered_without_a_gap_and_have_names_of_their_own() {
    let lessons = lessons();
    assert!(lessons.len() > 10, "{lessons:?}");
    let mut names = BTreeSet::new();
    for (number, path) in lessons.iter().enumerate() {
        let words = stem(path).strip_prefix(&format!("{number:02}-"));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(
            words.is_some_and(|words| words.chars().all(plain)),
            "{}: expected a name of a-z, 0-9 and - after {number:02}-",
            path.display()
        );
        let scenario = load(path);
        assert!(!scenario.about.is_empty(), "{} says what it is about", path.display());
        assert!(names.insert(scenario.name.clone()), "two lessons are called `{}`", scenario.name);
    }
}

#[test]
fn a_simulation_of_every_lesson_passes_its_expect() {
    for path in lessons() {
        let scenario = load(&path);
        assert!(!scenario.expect.is_empty(), "{}: a lesson says what it expects", path.display());
        let summary = simulate(&scenario);
        let missed: Vec<_> = summary.expect.iter().filter(|expected| !expected.pass).collect();
        assert!(missed.is_empty(), "{}: {missed:#?}", path.display());
        assert!(summary.jobs.offered > 0, "{}", path.display());
    }
}

/// The comparison in the head of lesson 21.
#[test]
fn the_picks_of_lesson_21_differ_as_its_answer_says() {
    let path = lessons().into_iter().find(|path| stem(path) == "21-picks").expect("the lesson");
    let with = |pick: Pick| {
        let mut scenario = load(&path);
        scenario.routes[0].steps[0].pick = pick;
        let summary = simulate(&scenario);
        assert_eq!(summary.jobs.succeeded, summary.jobs.offered, "{pick:?} serves every job");
        (
            summary.latency_s.mean,
            summary.latency_s.p95,
            summary.cost_usd.expect("a simulation knows the cost"),
        )
    };
    let [in_order, fastest, least_busy, round_robin, random, cheapest] =
        [Pick::InOrder, Pick::Fastest, Pick::LeastBusy, Pick::RoundRobin, Pick::Random, Pick::Cheapest]
            .map(with);
    let is = |measured: f64, stated: f64| (measured - stated).abs() <= 0.05;
    assert!(is(in_order.0, 1.6) && is(in_order.1, 8.8) && is(in_order.2, 4.21), "{in_order:?}");
    assert!(is(fastest.0, 1.2) && is(fastest.1, 5.8), "{fastest:?}");
    assert!(is(least_busy.0, 1.5) && is(least_busy.1, 6.7), "{least_busy:?}");
    assert!(is(round_robin.0, 2.4) && is(round_robin.1, 8.5), "{round_robin:?}");
    assert!(is(random.0, 2.4) && is(random.1, 8.4), "{random:?}");
    assert!(is(cheapest.0, 3.0) && is(cheapest.2, 1.44), "{cheapest:?}");
}

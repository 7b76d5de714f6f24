//! The verb `quotalab test`: exit codes, files written, stdout and stderr.

use super::{FALLBACK, OVERLOADED, TWO_KEYS, assert_well_formed};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Creates a folder for one test, with `files` in its subfolder `s`.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("regression").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("s")).expect("a folder can be made");
    for (file, text) in files {
        fs::write(folder.join("s").join(file), text).expect("a scenario can be written");
    }
    folder
}

struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `quotalab test` in a folder, as in a GitHub workflow if `github`.
fn test(folder: &Path, github: bool, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotalab"));
    command.current_dir(folder).arg("test").args(arguments).env_remove("GITHUB_ACTIONS");
    if github {
        command.env("GITHUB_ACTIONS", "true");
    }
    let Output { status, stdout, stderr } = command.output().expect("the command can be run");
    let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
    Run { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).expect("the file was written")
}

#[test]
fn a_folder_is_tested_in_order_and_counted() {
    let files =
        [("b.yaml", TWO_KEYS), ("a.yaml", OVERLOADED), ("c.yaml", FALLBACK), ("notes.txt", "no scenario")];
    let folder = folder("counted", &files);
    let run = test(&folder, false, &["s", "s/a.yaml"]);
    assert_eq!(
        run.out,
        "pass  s/a.yaml: 2 of 2 expectations hold\n\
         pass  s/b.yaml: 1 of 1 expectations hold\n\
         pass  s/c.yaml: 1 of 1 expectations hold\n\
         3 passed, 0 failed, 0 skipped\n"
    );
    assert_eq!((run.code, &*run.err), (Some(0), ""));
}

/// An override that sets the rate of [`OVERLOADED`] to three times its limit.
const TRIPLE_RATE: &str = "workload.0.arrivals.poisson=90/min";

#[test]
fn a_broken_rule_is_reported_with_line_difference_and_command() {
    let folder = folder("missed", &[("a.yaml", OVERLOADED)]);
    let run = test(&folder, true, &["s", "--set", TRIPLE_RATE, "--set", "client.deadline=1s", "--seed", "5"]);
    assert_eq!(run.code, Some(1));
    let command = format!("quotalab sim s/a.yaml --set {TRIPLE_RATE} --set client.deadline=1s --seed 5");
    assert!(run.out.contains(&format!("reproduce: {command}\n")), "{}", run.out);
    let line = OVERLOADED.lines().position(|line| line.starts_with("expect:")).unwrap() + 1;
    assert!(run.out.starts_with(&format!("::error file=s/a.yaml,line={line},title=wall%3A")), "{}", run.out);
    assert!(run.out.contains("`success >= 50%` is not met: ") && run.out.contains(" pt too low (s/a.yaml:"));
    assert!(run.out.ends_with("0 passed, 1 failed, 0 skipped\n"));
    // The command reproduces the failure.
    let arguments: Vec<&str> = command.split(' ').skip(1).chain(["--json", "--quiet"]).collect();
    let sim =
        Command::new(env!("CARGO_BIN_EXE_quotalab")).current_dir(&folder).args(arguments).output().unwrap();
    assert_eq!(sim.status.code(), Some(1));
}

#[test]
fn all_invalid_scenarios_are_reported_together_and_nothing_is_written() {
    let broken = OVERLOADED.replace("duration: 20m", "duration: 20x");
    let folder = folder("wrong", &[("a.yaml", &broken), ("b.yaml", TWO_KEYS), ("c.yaml", "routes: 7\n")]);
    let run = test(&folder, false, &["s", "missing.yaml", "--junit", "j.xml", "--save-baseline", "b.json"]);
    assert_eq!((run.code, &*run.out), (Some(2), ""));
    for file in ["s/a.yaml:", "s/c.yaml:", "missing.yaml:"] {
        assert!(run.err.contains(file), "{}", run.err);
    }
    assert!(!folder.join("j.xml").exists() && !folder.join("b.json").exists());
    fs::create_dir_all(folder.join("empty")).unwrap();
    assert_eq!(test(&folder, false, &["empty"]).code, Some(2));
}

#[test]
fn an_unchanged_scenario_passes_against_a_saved_baseline_and_a_regressed_one_fails() {
    let folder = folder("baseline", &[("b.yaml", TWO_KEYS), ("c.yaml", FALLBACK)]);
    let saved = test(&folder, false, &["s", "--save-baseline", "b.json", "--replicas", "4"]);
    assert_eq!(saved.code, Some(0), "{}", saved.err);
    assert!(read(&folder, "b.json").starts_with("{\n  \"schema\": \"quotalab/baseline/1\""));
    let same = test(&folder, false, &["s", "--baseline", "b.json"]);
    assert!(
        same.out.contains("pass  s/c.yaml: 1 of 1 expectations hold; measures 12 unchanged\n"),
        "{}",
        same.out
    );
    assert_eq!(same.code, Some(0), "a scenario without rules is judged by the default rule and its baseline");

    let arguments = ["s", "--baseline", "b.json", "--set", "client.retry.obey_retry_after=false"];
    let outputs = ["--junit", "j.xml", "--markdown", "m.md", "--json", "--annotations"];
    let run = test(&folder, false, &[&arguments[..], &outputs[..]].concat());
    assert_eq!(run.code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&json["schema"], &json["failed"]), (&"quotalab/test/1".into(), &1.into()));
    assert!(
        run.err.contains("::error file=s/c.yaml,title=chain%3A worse than the baseline::"),
        "{}",
        run.err
    );
    let junit = read(&folder, "j.xml");
    assert_well_formed(&junit);
    assert!(junit.contains("name=\"attempts per job against the baseline\""));
    let markdown = read(&folder, "m.md");
    assert!(markdown.contains("| chain | attempts per job | ") && markdown.contains("| **worse** |"));
    assert!(markdown.contains("quotalab sim s/c.yaml --set client.retry.obey_retry_after=false --seed "));
}

#[test]
fn a_baseline_that_does_not_match_is_invalid_input() {
    let folder = folder("mismatch", &[("b.yaml", TWO_KEYS), ("c.yaml", FALLBACK)]);
    assert_eq!(test(&folder, false, &["s", "--save-baseline", "b.json", "--replicas", "2"]).code, Some(0));
    let wrong = [
        (vec!["s/b.yaml", "--baseline", "b.json"], "it contains the scenario `chain`, which was not given"),
        (vec!["s", "--baseline", "b.json", "--for", "1m"], "would run 60 s now"),
        (vec!["s", "--baseline", "s/b.yaml"], "not a quotalab baseline"),
        (vec!["s", "--baseline", "none.json"], "cannot be read"),
        (vec!["s", "--replicas", "9"], "required"),
        (vec!["s", "--save-baseline", "x.json", "--set", "name=same"], "two scenarios are named `same`"),
    ];
    for (arguments, expected) in wrong {
        let run = test(&folder, false, &arguments);
        assert_eq!((run.code, &*run.out), (Some(2), ""), "{arguments:?}");
        assert!(run.err.contains(expected), "{arguments:?}: {}", run.err);
    }
    // A scenario that the baseline does not contain is judged by its rules, with a note.
    fs::write(folder.join("s/a.yaml"), OVERLOADED).unwrap();
    let run = test(&folder, false, &["s", "--baseline", "b.json"]);
    assert_eq!(run.code, Some(0));
    let line = "pass  s/a.yaml: 2 of 2 expectations hold; it is not in the baseline\n";
    assert!(run.out.contains(line), "{}", run.out);
}

#[test]
fn an_output_file_that_cannot_be_written_is_refused_before_the_run() {
    let folder = folder("unwritable", &[("b.yaml", TWO_KEYS)]);
    let run = test(&folder, false, &["s", "--junit", "no/such/folder/j.xml"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("--junit no/such/folder/j.xml cannot be written"), "{}", run.err);
    let run = test(&folder, false, &["s", "--save-baseline", "no/b.json", "--replicas", "2"]);
    assert_eq!(run.code, Some(2));
    assert!(run.out.is_empty() && run.err.contains("--save-baseline no/b.json cannot"), "{}", run.err);
}

#[test]
fn a_baseline_with_values_out_of_range_is_refused() {
    let folder = folder("out-of-range", &[("a.yaml", OVERLOADED)]);
    assert_eq!(test(&folder, false, &["s", "--save-baseline", "b.json", "--replicas", "2"]).code, Some(0));
    let baseline: serde_json::Value = serde_json::from_str(&read(&folder, "b.json")).unwrap();
    for (measure, value) in [
        ("success", "1e308"),
        ("success", "1.5"),
        ("cost", "-1.0"),
        ("p95 latency", "1e200"),
        ("goodput", "-1e308"),
    ] {
        let mut changed = baseline.clone();
        let (_, scenario) = changed["scenarios"].as_object_mut().unwrap().iter_mut().next().unwrap();
        scenario["measures"][measure]["values"][0] = value.parse::<f64>().unwrap().into();
        fs::write(folder.join("changed.json"), changed.to_string()).unwrap();
        let run = test(&folder, false, &["s", "--baseline", "changed.json"]);
        assert_eq!((run.code, &*run.out), (Some(2), ""), "{measure} {value}: {}", run.err);
        assert!(run.err.contains(&format!("`{measure}` is ")), "{}", run.err);
    }
    for statistic in ["mean", "sd"] {
        let mut changed = baseline.clone();
        let (_, scenario) = changed["scenarios"].as_object_mut().unwrap().iter_mut().next().unwrap();
        scenario["measures"]["p95 latency"][statistic] = 0.125.into();
        fs::write(folder.join("absurd.json"), changed.to_string()).unwrap();
        let run = test(&folder, false, &["s", "--baseline", "absurd.json"]);
        assert_eq!(run.code, Some(2), "{statistic}");
        let expected = format!("`p95 latency`: its {statistic} is not that of its values");
        assert!(run.err.contains(&expected), "{}", run.err);
    }
}

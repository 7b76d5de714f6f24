//! The verb itself: exit codes, files, and what is said where.

use super::{CHAIN, KEYS, WALL, assert_well_formed};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for one test.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gate").join(name);
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

fn test(folder: &Path, github: bool, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotalab"));
    command.current_dir(folder).arg("test").args(arguments).env_remove("GITHUB_ACTIONS");
    if github {
        command.env("GITHUB_ACTIONS", "true");
    }
    let Output { status, stdout, stderr } = command.output().expect("the command can be run");
    let text = |bytes| String::from_utf8(bytes).expect("what is said is text");
    Run { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).expect("the file was written")
}

#[test]
fn a_folder_is_checked_in_order_and_counted() {
    let files = [("b.yaml", KEYS), ("a.yaml", WALL), ("c.yaml", CHAIN), ("notes.txt", "no scenario")];
    let folder = folder("counted", &files);
    let run = test(&folder, false, &["s", "s/a.yaml"]);
    assert_eq!(
        run.out,
        "pass  s/a.yaml: 2 of 2 expectations hold\n\
         pass  s/b.yaml: 1 of 1 expectations hold\n\
         skip  s/c.yaml: it has no `expect:`\n\
         2 passed, 0 failed, 1 skipped\n"
    );
    assert_eq!((run.code, &*run.err), (Some(0), ""));
}

/// Three times what the wall lets through.
const CROWD: &str = "workload.0.arrivals.poisson=90/min";

#[test]
fn a_missed_rule_says_by_how_much_where_and_how_to_see_it_again() {
    let folder = folder("missed", &[("a.yaml", WALL)]);
    let run = test(&folder, true, &["s", "--set", CROWD, "--set", "client.deadline=1s", "--seed", "5"]);
    assert_eq!(run.code, Some(1));
    let command = format!("quotalab sim s/a.yaml --set {CROWD} --set client.deadline=1s --seed 5");
    assert!(run.out.contains(&format!("again with: {command}\n")), "{}", run.out);
    let line = WALL.lines().position(|line| line.starts_with("expect:")).unwrap() + 1;
    assert!(run.out.starts_with(&format!("::error file=s/a.yaml,line={line},title=wall%3A")), "{}", run.out);
    assert!(run.out.contains("`success >= 50%` is missed: ") && run.out.contains(" pt too low (s/a.yaml:"));
    assert!(run.out.ends_with("0 passed, 1 failed, 0 skipped\n"));
    // The command does show it.
    let arguments: Vec<&str> = command.split(' ').skip(1).chain(["--json", "--quiet"]).collect();
    let sim =
        Command::new(env!("CARGO_BIN_EXE_quotalab")).current_dir(&folder).args(arguments).output().unwrap();
    assert_eq!(sim.status.code(), Some(1));
}

#[test]
fn every_wrong_scenario_is_told_at_once_and_nothing_is_written() {
    let broken = WALL.replace("duration: 20m", "duration: 20x");
    let folder = folder("wrong", &[("a.yaml", &broken), ("b.yaml", KEYS), ("c.yaml", "routes: 7\n")]);
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
fn a_baseline_made_once_holds_and_catches() {
    let folder = folder("baseline", &[("b.yaml", KEYS), ("c.yaml", CHAIN)]);
    let saved = test(&folder, false, &["s", "--save-baseline", "b.json", "--replicas", "4"]);
    assert_eq!(saved.code, Some(0), "{}", saved.err);
    assert!(read(&folder, "b.json").starts_with("{\n  \"schema\": \"quotalab/baseline/1\""));
    let same = test(&folder, false, &["s", "--baseline", "b.json"]);
    assert!(
        same.out.contains("pass  s/c.yaml: measures 11 as before; it has no `expect:`\n"),
        "{}",
        same.out
    );
    assert_eq!(same.code, Some(0), "what is compared is judged, with or without rules");

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
fn a_baseline_that_does_not_fit_is_wrong_input() {
    let folder = folder("misfit", &[("b.yaml", KEYS), ("c.yaml", CHAIN)]);
    assert_eq!(test(&folder, false, &["s", "--save-baseline", "b.json", "--replicas", "2"]).code, Some(0));
    let wrong = [
        (vec!["s/b.yaml", "--baseline", "b.json"], "it knows the scenario `chain`, which is not given"),
        (vec!["s", "--baseline", "b.json", "--for", "1m"], "would run 60 s now"),
        (vec!["s", "--baseline", "s/b.yaml"], "it is no baseline of quotalab"),
        (vec!["s", "--baseline", "none.json"], "cannot be read"),
        (vec!["s", "--replicas", "9"], "required"),
        (vec!["s", "--save-baseline", "x.json", "--set", "name=same"], "two scenarios are named `same`"),
    ];
    for (arguments, expected) in wrong {
        let run = test(&folder, false, &arguments);
        assert_eq!((run.code, &*run.out), (Some(2), ""), "{arguments:?}");
        assert!(run.err.contains(expected), "{arguments:?}: {}", run.err);
    }
    // A scenario that is new since the baseline is judged by its rules, and said to be new.
    fs::write(folder.join("s/a.yaml"), WALL).unwrap();
    let run = test(&folder, false, &["s", "--baseline", "b.json"]);
    assert_eq!(run.code, Some(0));
    let line = "pass  s/a.yaml: 2 of 2 expectations hold; it is not in the baseline\n";
    assert!(run.out.contains(line), "{}", run.out);
}

#[test]
fn a_file_that_cannot_be_written_is_a_failed_run() {
    let folder = folder("unwritable", &[("b.yaml", KEYS)]);
    let run = test(&folder, false, &["s", "--junit", "no/such/folder/j.xml"]);
    assert_eq!(run.code, Some(3));
    assert!(run.err.contains("no/such/folder/j.xml cannot be written"), "{}", run.err);
}

//! Output files are written completely or not at all, never replace an input, and are not lost if another output fails.

#![expect(clippy::disallowed_methods, reason = "processes are ended at instants of the wall clock")]

use super::{SHORT, arg, quotalab, scratch};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let name = |entry: Result<fs::DirEntry, _>| {
        entry.expect("a readable folder").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = fs::read_dir(folder).expect("a readable folder").map(name).collect();
    names.sort();
    names
}

#[test]
fn a_failing_event_log_loses_neither_the_text_nor_the_result() {
    let out = scratch("failing-log");
    let done = quotalab(&["sim", SHORT, "--events", "/dev/full", "--out", arg(&out)]);
    assert_eq!(done.code, 3, "{}", done.err);
    assert!(done.err.contains("event log cannot be written"), "{}", done.err);
    assert!(done.out.contains("reproduce"), "{}", done.out);
    assert_eq!(json(&out.join("result.json"))["schema"], "quotalab/result/1");
}

#[test]
fn a_full_stdout_loses_no_file() {
    let out = scratch("full-stdout");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let events = out.join("events");
    let status = Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["sim", SHORT, "--quiet", "--out", arg(&out), "--events", arg(&events)])
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .expect("the binary starts");
    assert_eq!(status.code(), Some(3));
    assert_eq!(json(&out.join("result.json"))["schema"], "quotalab/result/1");
    assert!(fs::read_to_string(events).unwrap().lines().count() > 10);
}

#[test]
fn a_folder_that_cannot_be_written_is_found_before_the_run() {
    for verb in ["sim", "run", "plan"] {
        let done = quotalab(&[verb, SHORT, "--out", "/proc/nope"]);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{verb}: {}", done.err);
        assert!(done.err.contains("cannot write to /proc/nope"), "{}", done.err);
    }
}

#[test]
fn a_file_that_may_not_be_replaced_is_found_before_the_run() {
    let out = scratch("protected");
    fs::create_dir_all(out.join("report.html")).unwrap();
    let done = quotalab(&["sim", SHORT, "--out", arg(&out)]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{}", done.err);
    assert!(done.err.contains("report.html cannot be written: Is a directory"), "{}", done.err);
    assert_eq!(names(&out), ["report.html"]);
}

/// Runs `sim` for half a day of virtual time. No file may become larger than `max_kib` KiB: a longer write fails, as on a
/// full disk. Returns the exit code, stdout and stderr.
fn simulate_with_small_files(max_kib: u32, args: &[&str]) -> (Option<i32>, String, String) {
    let script = format!("trap '' XFSZ; ulimit -f {max_kib}; exec \"$@\"");
    let done = Command::new("bash")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["-c", &script, "bash", env!("CARGO_BIN_EXE_quotalab")])
        .args(["sim", "scenarios/01-rpm-wall.yaml", "--for", "12h"])
        .args(args)
        .output()
        .expect("bash starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (done.status.code(), text(done.stdout), text(done.stderr))
}

/// The JSON contains the whole result. The page and charts of an earlier result are removed, because a reader would take them
/// for those of the new one.
#[test]
fn the_json_is_kept_without_an_earlier_page_if_the_page_does_not_fit_on_the_disk() {
    let out = scratch("json-only");
    let earlier = simulate_with_small_files(4_000, &["--out", arg(&out)]);
    assert_ne!(earlier.0, Some(3), "{}", earlier.2);
    assert!(
        names(&out).contains(&"report.html".to_owned()) && names(&out).contains(&"traffic.svg".to_owned())
    );
    let (code, _, err) = simulate_with_small_files(120, &["--seed", "77", "--out", arg(&out)]);
    assert_eq!(code, Some(3), "{err}");
    assert!(
        err.contains("report.html cannot be written") && err.contains("the JSON of the report only"),
        "{err}"
    );
    assert_eq!(json(&out.join("result.json"))["seed"], 77);
    assert_eq!(names(&out), ["result.json"]);
}

#[test]
fn an_event_log_that_does_not_fit_on_the_disk_loses_neither_the_text_nor_the_result() {
    let out = scratch("full-disk");
    let log = out.join("events");
    let (code, text, err) = simulate_with_small_files(600, &["--events", arg(&log), "--out", arg(&out)]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("the event log cannot be written completely: File too large"), "{err}");
    assert!(!err.contains(".tmp"), "{err}");
    assert!(text.contains("reproduce"), "{text}");
    assert_eq!(json(&out.join("result.json"))["schema"], "quotalab/result/1");
    assert!(!log.exists());
}

#[test]
fn outputs_that_would_overwrite_an_input_are_refused() {
    let folder = scratch("inputs");
    let (scenario, trace) = (folder.join("s.yaml"), folder.join("t.jsonl"));
    let rows = r#"{"timestamp": 0, "input_length": 10, "output_length": 10, "hash_ids": []}"#;
    fs::write(&trace, format!("{rows}\n")).unwrap();
    let yaml = "duration: 5s\nproviders: { p: { models: { m: {} } } }\nroutes: { r: [{ of: [p/default/m] }] }\n\
                workload: [{ name: w, route: r, arrivals: { trace: t.jsonl } }]\n";
    fs::write(&scenario, yaml).unwrap();
    let (file, other) = (arg(&scenario), folder.join("x"));
    let chart = folder.join("traffic.svg");
    fs::write(&chart, yaml).unwrap();
    let commands: [&[&str]; 7] = [
        &["sim", file, "--events", file],
        &["sim", file, "--events", arg(&trace)],
        &["test", file, "--junit", file],
        &["test", file, "--markdown", arg(&trace)],
        &["test", file, "--save-baseline", file],
        &["test", file, "--junit", arg(&other), "--markdown", arg(&other)],
        &["sim", arg(&chart), "--out", arg(&folder)],
    ];
    for command in commands {
        let done = quotalab(command);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{command:?}: {}", done.err);
        assert!(done.err.contains("choose another file"), "{}", done.err);
    }
    assert_eq!(fs::read_to_string(&scenario).unwrap(), yaml);
    assert_eq!(fs::read_to_string(&trace).unwrap(), format!("{rows}\n"));
    assert_eq!(quotalab(&["test", file, "--save-baseline", arg(&other)]).code, 0);
    let again = quotalab(&["test", file, "--baseline", arg(&other), "--save-baseline", arg(&other)]);
    assert_eq!(again.code, 0, "a baseline may replace itself: {}", again.err);
}

#[test]
fn charts_of_an_earlier_run_are_removed() {
    let out = scratch("earlier");
    let unlimited = out.join("s.yaml");
    fs::write(
        &unlimited,
        "duration: 60s\nproviders: { p: { models: { m: {} } } }\nroutes: { r: [{ of: [p/default/m] }] }\n\
         workload: [{ name: w, route: r, arrivals: { poisson: 30/min }, prompt: 1, completion: 1 }]\n",
    )
    .unwrap();
    fs::write(out.join("mine.svg"), "<svg/>").unwrap();
    assert_eq!(quotalab(&["sim", SHORT, "--quiet", "--out", arg(&out)]).code, 0);
    assert!(names(&out).contains(&"limits.svg".to_owned()));
    assert_eq!(quotalab(&["sim", arg(&unlimited), "--quiet", "--out", arg(&out)]).code, 0);
    let left = names(&out);
    assert!(!left.contains(&"limits.svg".to_owned()) && left.contains(&"mine.svg".to_owned()), "{left:?}");
}

/// Kills processes at instants spread over the duration of a run: as many as `QUOTALAB_KILLS` states, or 40 if it is not set.
#[test]
fn a_killed_process_leaves_whole_files_only() {
    let kills = std::env::var("QUOTALAB_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(40u32);
    let out = scratch("killed");
    let (events, log_folder) = (out.join("events.jsonl"), scratch("killed-events"));
    let command = |seed: u32| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotalab"));
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.args(["sim", SHORT, "--quiet", "--seed", &seed.to_string(), "--out", arg(&out)]);
        command.args(["--events", arg(&events)]).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let begun = std::time::Instant::now();
    assert_eq!(command(1).status().expect("the binary starts").code(), Some(0));
    let run_time = begun.elapsed();
    let expected: Vec<String> = names(&out).into_iter().filter(|name| !name.starts_with('.')).collect();
    for kill in 0..kills {
        let mut process = command(kill + 2).spawn().expect("the binary starts");
        std::thread::sleep(run_time.mul_f64(1.2 * f64::from(kill) / f64::from(kills)));
        process.kill().expect("the process can be ended");
        process.wait().expect("the process has ended");
        let visible: Vec<String> = names(&out).into_iter().filter(|name| !name.starts_with('.')).collect();
        assert!(visible.iter().all(|name| expected.contains(name)), "{visible:?}");
        let result = json(&out.join("result.json"));
        assert_eq!(result["schema"], "quotalab/result/1");
        if let Ok(page) = fs::read_to_string(out.join("report.html")) {
            let seed = format!("--seed {}", result["seed"]);
            assert!(page.contains(&seed), "the page is of another result than {seed}");
        }
        for name in &visible {
            let text = fs::read_to_string(out.join(name)).unwrap();
            let end = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
                Some("html") => "</html>",
                Some("svg") => "</svg>\n",
                _ => "}\n",
            };
            assert!(text.ends_with(end), "{name} ends with {:?}", &text[text.len().saturating_sub(40)..]);
        }
    }
    // The next process that writes to a folder removes the temporary files that a killed process has left there.
    for name in [".quotalab-abc.tmp", "of-the-user.tmp"] {
        fs::write(log_folder.join(name), "x").unwrap();
    }
    let log = log_folder.join("log");
    assert_eq!(quotalab(&["sim", SHORT, "--quiet", "--out", arg(&out), "--events", arg(&log)]).code, 0);
    assert_eq!(names(&log_folder), ["log", "of-the-user.tmp"]);
}

#[test]
fn processes_that_share_a_folder_do_not_mix_their_files() {
    let out = scratch("shared");
    let seeds = 1..=6;
    let spawn = |seed: u32| {
        Command::new(env!("CARGO_BIN_EXE_quotalab"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["sim", SHORT, "--quiet", "--seed", &seed.to_string(), "--out", arg(&out)])
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts")
    };
    for _ in 0..3 {
        let processes: Vec<_> = seeds.clone().map(spawn).collect();
        let codes: Vec<_> =
            processes.into_iter().map(|mut process| process.wait().expect("it ends").code()).collect();
        // The folder belongs to one run at a time; the others are refused before they begin.
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 2))), "{codes:?}");
        let seed = &json(&out.join("result.json"))["seed"];
        let page = fs::read_to_string(out.join("report.html")).unwrap();
        assert!(page.contains(&format!("--seed {seed}")), "result.json has seed {seed}, the page another");
        assert!(names(&out).iter().all(|name| !name.starts_with('.')), "{:?}", names(&out));
    }
}

#[test]
fn runs_at_the_same_time_keep_all_their_results() {
    let folder = scratch("at-once");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(SHORT), folder.join("x.yaml")).unwrap();
    let spawn = |seed: u64| {
        let child = Command::new(env!("CARGO_BIN_EXE_quotalab"))
            .current_dir(&folder)
            .args(["sim", "x.yaml", "--seed", &seed.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        child.expect("the binary starts")
    };
    // Returns the result that a run has written.
    let result_of = |process: std::process::Child| {
        let output = process.wait_with_output().expect("it ends");
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(0), "{text}");
        let page = text.lines().find_map(|line| line.strip_prefix("report: ")).expect("the path of the page");
        folder.join(page).with_file_name("result.json")
    };
    let seed_in = |result: &Path| json(result)["seed"].as_u64().expect("a seed");
    let processes = [1, 2, 3, 4, 5, 6].map(|seed| (seed, spawn(seed)));
    let results = processes.map(|(seed, process)| (seed, result_of(process)));
    for (_, result) in &results {
        // A run that begins after another one has ended writes to the same folder again.
        let kept = seed_in(result);
        assert!(results.iter().any(|(seed, other)| (*seed, other) == (kept, result)), "{results:?}: {kept}");
    }

    let (_, first) = &results[0];
    let (kept, in_use) = (seed_in(first), fs::File::open(first.parent().unwrap()).unwrap());
    in_use.lock().unwrap();
    let other = result_of(spawn(7));
    assert_eq!(
        (seed_in(&other), seed_in(first)),
        (7, kept),
        "{}: the folder of another run is left alone",
        other.display()
    );
}

#[test]
fn a_folder_in_use_is_refused_and_a_later_run_removes_what_a_killed_one_left() {
    let out = scratch("in-use");
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_quotalab"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["sim", SHORT, "--quiet", "--out", arg(&out)])
            .output()
            .expect("the binary starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let held = fs::File::open(&out).unwrap();
    held.lock().unwrap();
    fs::write(out.join(".quotalab-left.tmp"), "half").unwrap();
    let in_use = fs::File::create(out.join(".quotalab-used.tmp")).unwrap();
    in_use.lock().unwrap();
    let (code, text) = run();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("another run writes its result to") && text.contains("--out"), "{text}");
    held.unlock().unwrap();
    assert_eq!(run().0, Some(0));
    let hidden = || names(&out).into_iter().filter(|name| name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(hidden(), [".quotalab-used.tmp"], "another process is writing it");
    drop(in_use);
    assert_eq!(run().0, Some(0));
    assert_eq!(hidden(), [""; 0]);
}

#[test]
fn scenarios_of_the_same_file_name_do_not_share_a_folder() {
    let folder = scratch("same-name");
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_quotalab"))
            .current_dir(&folder)
            .args(args)
            .output()
            .expect("the binary starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    for path in ["a", "b", "c/b"] {
        fs::create_dir_all(folder.join(path)).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(SHORT), folder.join(path).join("x.yaml"))
            .unwrap();
    }
    let file = |path: &str| json(&folder.join(path))["file"].clone();
    assert_eq!(run(&["sim", "a/x.yaml"]), (Some(0), "report: out/x/report.html\n".to_owned()));
    assert_eq!(run(&["sim", "b/x.yaml"]), (Some(0), "report: out/b/x/report.html\n".to_owned()));
    assert_eq!(
        (file("out/x/result.json"), file("out/b/x/result.json")),
        ("a/x.yaml".into(), "b/x.yaml".into())
    );
    // A scenario keeps its folder, also if another path leads to its file.
    assert_eq!(run(&["sim", "./b/../a/x.yaml"]).1, "report: out/x/report.html\n");
    assert_eq!(run(&["sim", "b/x.yaml"]).1, "report: out/b/x/report.html\n");
    assert_eq!(run(&["sim", "c/b/x.yaml"]).1, "report: out/x-2/report.html\n");
    assert_eq!(run(&["sim", "c/b/x.yaml"]).1, "report: out/x-2/report.html\n");
    // The folder of a scenario that no longer exists is free.
    fs::remove_file(folder.join("a/x.yaml")).unwrap();
    assert_eq!(run(&["sim", "c/b/x.yaml"]).1, "report: out/x/report.html\n");
}

//! Ctrl-C and SIGTERM end a command early; its results until then are kept and marked as partial.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "a signal is sent at an instant of the wall clock")]

use super::{SHORT, arg, load, quotalab, scratch};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

fn begin(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

/// Sends a signal to a process after some time, and waits for its end.
fn signalled(process: Child, signal: &str, after: Duration) -> Output {
    thread::sleep(after);
    let sent = Command::new("kill").args([signal, &process.id().to_string()]).status();
    assert!(sent.expect("`kill` starts").success(), "the process still runs");
    process.wait_with_output().expect("the process ends")
}

fn result(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("result.json")).expect("a result")).expect("JSON")
}

#[test]
fn a_run_that_is_interrupted_keeps_its_result_and_says_so_first() {
    for (signal, option) in [("-INT", None), ("-TERM", None), ("-INT", Some("--mock-process"))] {
        let out = scratch(&format!("interrupted{signal}{}", option.unwrap_or_default()));
        let events = out.join("events.jsonl");
        let args = ["run", SHORT, "--for", "300s", "--out", arg(&out), "--events", arg(&events)];
        let args: Vec<_> = args.into_iter().chain(option).collect();
        let output = signalled(begin(&args), signal, Duration::from_secs(3));
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("The run was interrupted after "), "{text}");
        let result = result(&out);
        assert_eq!(result["planned_s"], 300.0);
        let duration = result["duration_s"].as_f64().unwrap();
        assert!((0.1..300.0).contains(&duration), "{duration}");
        let offered = result["jobs"]["offered"].as_u64().unwrap();
        let log = fs::read_to_string(events).unwrap();
        let arrived = log.lines().filter(|line| line.contains(r#""kind":"arrived""#)).count() as u64;
        assert!(offered > 0 && offered == arrived && log.ends_with("}\n"), "{offered} {arrived}");
    }
}

/// A run that sheds most of its load still ends at once.
#[test]
fn a_run_that_cannot_keep_up_can_be_interrupted() {
    for option in [None, Some("--mock-process")] {
        let out = scratch(&format!("interrupted-beyond{}", option.unwrap_or_default()));
        let file = load::beyond(&out);
        let args = ["run", arg(&file), "--for", "100s", "--out", arg(&out)];
        let args: Vec<_> = args.into_iter().chain(option).collect();
        let output = signalled(begin(&args), "-INT", Duration::from_secs(4));
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let text = load::unwrapped(&String::from_utf8(output.stdout).unwrap());
        assert!(text.starts_with("The load generator could not keep up: from "), "{text}");
        assert!(text.contains("The run was interrupted after "), "{text}");
        let result = result(&out);
        let jobs = &result["jobs"];
        let parts = ["succeeded", "failed", "shed", "in_flight"].map(|part| jobs[part].as_u64().unwrap());
        assert_eq!(Some(parts.iter().sum()), jobs["offered"].as_u64(), "{jobs}");
        assert!(result["duration_s"].as_f64().unwrap() < 60.0, "{}", result["duration_s"]);
    }
}

/// The days before a run are simulated first, because the run begins with their usage of long limits. Here, that takes longer
/// than the wait for the signal.
#[test]
fn a_simulation_can_be_interrupted_before_its_run_begins() {
    let folder = scratch("interrupted-before");
    let file = folder.join("s.yaml");
    let text = "duration: 30d\n\
                providers: {p: {models: {m: {limits: {rpd: {limit: 90M, law: sliding_log}}, latency: {total: 1s}}}}}\n\
                routes: {r: [{of: [p/default/m]}]}\n\
                workload: [{name: w, arrivals: {poisson: 1000/s}, prompt: 1}]\n";
    fs::write(&file, text).unwrap();
    let process = begin(&["sim", arg(&file), "--yes", "--quiet", "--out", arg(&folder)]);
    let output = signalled(process, "-TERM", Duration::from_secs(2));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("interrupted before the run began"), "{text}");
}

#[test]
fn a_simulation_that_is_interrupted_covers_the_time_until_then() {
    let out = scratch("interrupted-sim");
    let rate = "workload.0.arrivals={ constant: 2000/s }";
    let args = ["sim", SHORT, "--set", rate, "--for", "8000h", "--yes", "--quiet", "--out", arg(&out)];
    let output = signalled(begin(&args), "-INT", Duration::from_secs(3));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let result = result(&out);
    let (jobs, duration) =
        (result["jobs"]["offered"].as_f64().unwrap(), result["duration_s"].as_f64().unwrap());
    assert!((jobs / duration / 2000.0 - 1.0).abs() < 0.01, "{jobs} jobs in {duration} s");
    // A run of that duration, rounded down to a millisecond, has the same number of jobs, with a difference of at most three.
    let whole = scratch("uninterrupted-sim");
    let length = format!("{}ms", (duration * 1e3) as u64);
    let again = quotalab(&["sim", SHORT, "--set", rate, "--for", &length, "--quiet", "--out", arg(&whole)]);
    assert_eq!(again.err, "");
    let whole_jobs = self::result(&whole)["jobs"]["offered"].as_f64().unwrap();
    assert!((whole_jobs - jobs).abs() <= 3.0, "{whole_jobs} {jobs}");
}

#[test]
fn a_test_that_is_interrupted_reports_what_ran_and_writes_no_baseline() {
    let out = scratch("interrupted-test");
    let (long, baseline) = (out.join("long.yaml"), out.join("baseline.json"));
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SHORT)).unwrap();
    fs::write(&long, text.replace("name: short", "name: long").replace("2s\n", "8000h\n")).unwrap();
    let args = ["test", SHORT, arg(&long), "--yes", "--quiet", "--save-baseline", arg(&baseline)];
    let output = signalled(begin(&args), "-INT", Duration::from_secs(2));
    let (text, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(3), "{text}{errors}");
    assert!(errors.contains("interrupted; no baseline was written"), "{errors}");
    assert!(text.contains("1 skipped") && text.contains("not all of its runs were completed"), "{text}");
    assert!(!baseline.exists());
}

#[test]
fn a_mock_that_is_terminated_ends_as_with_ctrl_c() {
    for signal in ["-INT", "-TERM"] {
        let mock = begin(&["mock", "--preset", "groq-free", "--listen", "127.0.0.1:0"]);
        let output = signalled(mock, signal, Duration::from_secs(1));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

/// Starts a plan and sends SIGINT as soon as its progress on stderr names `stage`. Returns the exit code, stdout and stderr.
fn signalled_in_stage(args: &[&str], stage: &str) -> (Option<i32>, String, String) {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut plan = begin(args);
    let mut progress = BufReader::new(plan.stderr.take().expect("stderr"));
    let mut errors = String::new();
    while !errors.contains(stage) {
        assert!(progress.read_line(&mut errors).expect("text") > 0, "{stage} did not begin: {errors}");
    }
    let sent = Command::new("kill").args(["-INT", &plan.id().to_string()]).status();
    assert!(sent.expect("`kill` starts").success(), "the process still runs");
    let mut text = String::new();
    plan.stdout.take().expect("stdout").read_to_string(&mut text).expect("text");
    progress.read_to_string(&mut errors).expect("text");
    (plan.wait().expect("the process ends").code(), text, errors)
}

#[test]
fn a_plan_that_is_interrupted_states_what_was_found_until_then() {
    let out = scratch("interrupted-plan");
    let scenario = "tests/fixtures/unusual/04-one-provider-fails.yaml";
    let args =
        ["plan", scenario, "--replicas", "2", "--target", "3x", "--time-limit", "1h", "--out", arg(&out)];
    let (code, text, errors) = signalled_in_stage(&args, "what-ifs and the curve");
    assert_eq!(code, Some(3), "{text}{errors}");
    assert!(errors.ends_with("error: interrupted\n"), "{errors}");
    assert!(text.starts_with("The plan was interrupted: "), "{text}");
    assert!(text.contains("exit code 3: interrupted"), "{text}");
    let plan: Value = serde_json::from_str(&fs::read_to_string(out.join("plan.json")).unwrap()).unwrap();
    let partial = &plan["findings"][0];
    assert_eq!((&partial["kind"], &partial["by"]), (&"partial".into(), &"interrupted".into()));
    assert!(partial["changes"].as_u64() < partial["of"].as_u64(), "{partial}");
    assert_eq!(plan["buy"]["complete"], false);
}

#[test]
fn a_plan_that_is_interrupted_before_the_ceiling_has_no_answer() {
    let out = scratch("interrupted-early");
    let rate = "workload.0.arrivals={ constant: 2000/s }";
    let args = ["plan", SHORT, "--set", rate, "--for", "10h", "--out", arg(&out)];
    let (code, text, errors) = signalled_in_stage(&args, "the present load");
    assert_eq!((code, text.as_str()), (Some(3), ""), "{errors}");
    assert!(errors.ends_with("error: interrupted before the ceiling was found\n"), "{errors}");
}

/// One simulation of this plan takes longer than its time limit.
#[test]
fn the_time_limit_ends_a_simulation_too() {
    let out = scratch("time-limit");
    let rate = "workload.0.arrivals={ constant: 2000/s }";
    let args = ["plan", SHORT, "--set", rate, "--for", "10h", "--time-limit", "1s", "--out", arg(&out)];
    let output = begin(&args).wait_with_output().expect("the process ends");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("error: the time limit ended the plan before the ceiling was found"), "{errors}");
}

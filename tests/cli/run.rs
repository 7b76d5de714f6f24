//! `check`, `sim` and `run`: the findings first, the result on stdout, everything else on stderr.

use super::{Output, SHORT, arg, quotalab, scratch};
use crate::scenarios::lessons;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Fields that every `result.json` has, as paths.
const FIELDS: [&str; 42] = [
    "findings.0.kind",
    "latency_s.hdr",
    "scenario",
    "seed",
    "mode",
    "duration_s",
    "cost_usd",
    "targets",
    "series.step_s",
    "series.offered",
    "series.succeeded",
    "series.limited",
    "jobs.offered",
    "jobs.succeeded",
    "jobs.failed",
    "jobs.shed",
    "jobs.in_flight",
    "attempts.total",
    "attempts.ok",
    "attempts.limited",
    "attempts.failed",
    "attempts.limited_by",
    "attempts.failed_by",
    "tokens.prompt",
    "tokens.completion",
    "ceiling",
    "expect",
    "latency_s.mean",
    "latency_s.p50",
    "latency_s.p90",
    "latency_s.p95",
    "latency_s.p99",
    "latency_s.max",
    "first_token_s.p95",
    "queue_s.p95",
    "service_s.p95",
    "targets.0.name",
    "targets.0.attempts",
    "targets.0.ok",
    "targets.0.limited",
    "targets.0.utilisation",
    "expect.0.rule",
];

fn at<'a>(result: &'a Value, path: &str) -> Option<&'a Value> {
    result.pointer(&format!("/{}", path.replace('.', "/")))
}

fn assert_fields(result: &Value) {
    assert_eq!(result["schema"], "quotalab/result/1");
    for path in FIELDS {
        assert!(at(result, path).is_some(), "`{path}` is missing in {}", result["scenario"]);
    }
    for part in ["actual", "pass"] {
        assert!(result["expect"][0].get(part).is_some(), "{part}");
    }
}

/// Joins the lines of wrapped text.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_lesson_passes_check_and_sim() {
    let folder = scratch("lessons");
    for lesson in lessons() {
        let check = quotalab(&["check", arg(&lesson)]);
        assert_eq!((check.code, check.err.as_str()), (0, ""), "{}", lesson.display());
        assert!(check.out.contains(": ok\n") && check.out.contains("ceiling"), "{}", check.out);

        let out = folder.join(lesson.file_stem().unwrap());
        let sim = quotalab(&["sim", arg(&lesson), "--json", "--out", arg(&out)]);
        assert_eq!(sim.code, 0, "{}", sim.err);
        let page = out.join("report.html");
        assert_eq!(
            sim.err,
            format!("report: {}\n", page.display()),
            "stderr names the report, and nothing else"
        );
        assert_fields(&sim.json());
        let written = fs::read_to_string(out.join("result.json")).expect("result.json");
        assert_eq!(sim.out.trim_end(), written.trim_end(), "stdout is the result");
        assert!(fs::read_to_string(page).expect("the page").contains("</html>"));
        let charts = fs::read_dir(&out)
            .unwrap()
            .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "svg"));
        assert!(charts.count() >= 3, "{}", out.display());
    }
}

#[test]
fn the_most_important_finding_comes_first() {
    let folder = scratch("findings");
    let text = quotalab(&["sim", SHORT, "--quiet", "--out", arg(&folder)]);
    assert_eq!((text.code, text.err.as_str()), (0, ""), "quiet is quiet");
    let result: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("result.json")).unwrap()).unwrap();
    let first = &result["findings"][0];
    assert_eq!((&first["kind"], &first["axis"]), (&Value::from("first_refusal"), &Value::from("rpm")));
    let sentence = "rpm on p/default/m is the first limit to refuse";
    assert!(unwrapped(&text.out).starts_with(sentence), "{}", text.out);
    assert!(!text.out.contains('\u{1b}'), "no colours in a pipe");
    assert!(text.out.lines().all(|line| line.chars().count() <= 80), "{}", text.out);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let folder = scratch("same");
    let sim = |name: &str, seed: &str| {
        let (out, events) = (folder.join(name), folder.join(format!("{name}.jsonl")));
        let output = quotalab(&[
            "sim",
            SHORT,
            "--seed",
            seed,
            "--quiet",
            "--out",
            arg(&out),
            "--events",
            arg(&events),
        ]);
        let mut files: Vec<_> = fs::read_dir(&out).unwrap().map(|file| file.unwrap().path()).collect();
        files.push(events);
        files.sort();
        let bytes: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
        (output, bytes)
    };
    let (first, again, other) = (sim("a", "7"), sim("b", "7"), sim("c", "8"));
    assert!(first.1.len() > 4 && first.1.iter().all(|file| !file.is_empty()));
    assert_eq!(first, again);
    assert_ne!(first.0.out, other.0.out);
    assert!(first.1.iter().zip(&other.1).filter(|(one, other)| one != other).count() >= 3);
}

#[test]
fn the_default_output_folder_is_below_out() {
    let folder = scratch("default");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join(SHORT);
    let done = assert_cmd::Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .current_dir(&folder)
        .args(["sim", arg(&scenario)])
        .output()
        .unwrap();
    assert!(done.status.success());
    assert!(folder.join("out/short/result.json").exists());
}

#[test]
fn a_missed_expectation_is_exit_1_with_the_whole_report() {
    let folder = scratch("missed");
    let Output { code, out, .. } =
        quotalab(&["sim", SHORT, "--set", "expect=[success >= 99%]", "--out", arg(&folder)]);
    assert_eq!(code, 1);
    assert!(out.contains("The expectation is missed: success >= 99%."), "{out}");
    assert!(folder.join("report.html").exists());
}

#[test]
fn overrides_change_the_run() {
    let folder = scratch("changes");
    let sim = |changes: &[&str]| {
        let args = [&["sim", SHORT, "--json", "--quiet", "--out", arg(&folder)], changes].concat();
        quotalab(&args).json()
    };
    assert_eq!(sim(&["--for", "5s"])["duration_s"], 5.0);
    assert_eq!(sim(&["--seed", "9"])["seed"], 9);
    let unlimited = sim(&["--set", "providers.p.models.m.limits.rpm=none"]);
    assert_eq!(
        (&unlimited["attempts"]["limited"], &unlimited["jobs"]["failed"]),
        (&Value::from(0), &Value::from(0))
    );
    assert_eq!(
        unlimited["reproduce"],
        format!("quotalab sim {SHORT} --set providers.p.models.m.limits.rpm=none")
    );
}

#[test]
fn a_run_over_http_is_reported_like_a_simulation_with_its_lag() {
    let folder = scratch("live");
    let run = quotalab(&["run", SHORT, "--json", "--out", arg(&folder)]);
    assert_eq!(run.code, 0, "{}", run.err);
    let result = run.json();
    assert_fields(&result);
    assert_eq!(result["mode"], "live");
    for part in ["p50", "p99", "max"] {
        assert!(result["lag_s"][part].is_number(), "{part}");
        assert!(result["delays"]["wake_lag_s"][part].is_number(), "{part}");
    }
    let send_lag = &result["send_lag_s"];
    assert_eq!(
        send_lag["count"], result["attempts"]["total"],
        "every request has begun, at an instant that is known"
    );
    let simulated = quotalab(&["sim", SHORT, "--json", "--out", arg(&folder)]).json();
    assert_eq!(result["jobs"]["offered"], simulated["jobs"]["offered"], "the same schedule");
    assert_eq!((simulated.get("lag_s"), simulated.get("delays")), (None, None));
}

#[test]
fn an_unwritable_output_folder_is_wrong_input() {
    let folder = scratch("unwritable");
    let file = folder.join("file");
    fs::write(&file, "in the way").unwrap();
    let output = quotalab(&["sim", SHORT, "--out", arg(&file.join("below"))]);
    assert_eq!((output.code, output.out.as_str()), (2, ""), "{output:?}");
    assert!(output.err.contains("cannot write to") && output.err.contains("file/below"), "{}", output.err);
}

/// 200 calls in flight take 400 descriptors.
#[cfg(unix)]
#[test]
fn a_run_that_lacks_descriptors_says_so_first_and_fails() {
    let folder = scratch("descriptors");
    let run = |limits: &str| {
        let command = format!(
            "{limits}; exec {} run tests/fixtures/slow-calls.yaml --quiet --out {}",
            env!("CARGO_BIN_EXE_quotalab"),
            arg(&folder)
        );
        let run = assert_cmd::Command::new("bash")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["-c", &command])
            .output()
            .unwrap();
        let text = unwrapped(&String::from_utf8(run.stdout).unwrap());
        let result: Value =
            serde_json::from_str(&fs::read_to_string(folder.join("result.json")).unwrap()).unwrap();
        (run.status.code(), text, result, String::from_utf8(run.stderr).unwrap())
    };
    let (code, text, result, errors) = run("ulimit -n 256");
    assert_eq!(code, Some(3), "{text}{errors}");
    let first = text.split_once(": ").unwrap().0;
    assert!(first.contains("failed on this machine, not at the provider"), "{text}");
    assert!(errors.contains("the result is not that of the scenario"), "{errors}");
    assert_eq!(result["findings"][0]["kind"], "local_failures");
    let failed = &result["attempts"]["failed_by"];
    assert!(
        failed["local_descriptors"].as_u64() > Some(50) && failed.get("connection").is_none(),
        "{failed}"
    );
    assert!(
        result["jobs"]["succeeded"].as_u64() > Some(90),
        "calls within the limit of descriptors succeed: {text}"
    );

    let (code, text, result, errors) = run("ulimit -S -n 256");
    assert_eq!((code, errors.as_str()), (Some(0), ""), "the soft limit is raised: {text}");
    assert_eq!(result["jobs"]["succeeded"], 400, "{text}");
}

//! `run` as a load tool: a load beyond what this machine can send, and mocks in a process of their own.

use super::{Output, SHORT, arg, quotalab, scratch};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A scenario with short answers, at a rate that no machine can send.
pub(super) const BEYOND: &str = "
name: beyond
duration: 2s
providers: {p: {models: {m: {latency: {total: 1ms}}}}}
routes: {r: [{of: [p/default/m]}]}
client: {deadline: 5s, retry: {attempts: 1}}
workload: [{name: w, arrivals: {constant: 100k/s}, prompt: 10, completion: 5, max_tokens: 10, stream: false}]
";

/// Writes [`BEYOND`] to a folder and returns its path.
pub(super) fn beyond(folder: &Path) -> PathBuf {
    let file = folder.join("beyond.yaml");
    fs::write(&file, BEYOND).expect("a scenario");
    file
}

/// Joins the lines of wrapped text.
pub(super) fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn result(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("result.json")).expect("a result")).expect("JSON")
}

#[test]
fn a_load_beyond_this_machine_is_shed_with_a_reason_and_nothing_is_concluded_from_it() {
    for option in [None, Some("--mock-process")] {
        let folder = scratch(&format!("beyond{}", option.unwrap_or_default()));
        let file = beyond(&folder);
        let args: Vec<_> = ["run", arg(&file), "--out", arg(&folder)].into_iter().chain(option).collect();
        let Output { code, out, err } = quotalab(&args);
        assert_eq!(code, 3, "{out}{err}");
        assert!(err.contains("error: the load generator could not keep up on this machine"), "{err}");
        let text = unwrapped(&out);
        assert!(text.starts_with("The load generator could not keep up: from "), "{text}");
        assert!(!text.contains("No limit refused anything"), "{text}");
        assert!(text.contains("The expectation cannot be judged: success >= 99 %"), "{text}");

        let result = result(&folder);
        let (jobs, finding) = (&result["jobs"], &result["findings"][0]);
        assert_eq!(
            (&finding["kind"], &finding["jobs"]),
            (&"generator_shed".into(), &jobs["shed_by"]["generator_lag"])
        );
        assert_eq!(jobs["offered"], 200_000);
        // Jobs that lag too far behind their schedule are shed; all others are sent.
        let shed = finding["jobs"].as_u64().expect("a number");
        assert!(shed > 10_000 && shed < 200_000, "{jobs}");
        assert_eq!(
            result["attempts"]["total"].as_u64(),
            Some(200_000 - shed),
            "nothing that is shed is sent"
        );
        assert!(result["attempts"]["failed_by"].get("connection").is_none(), "{}", result["attempts"]);
        let rule = &result["expect"][0];
        assert_eq!((&rule["pass"], &rule["not_judged"]["is_distorted"]), (&false.into(), &true.into()));
        // The page states it as well.
        let page = fs::read_to_string(folder.join("report.html")).unwrap();
        assert!(page.contains("The load generator could not keep up"));
    }
}

/// Runs the same scenario with the mocks in the process of the run, and with the mocks in a process of their own.
#[test]
fn a_mock_process_takes_the_decisions_that_mocks_in_the_process_of_the_run_take() {
    let folder = scratch("mock-process");
    for scenario in ["scenarios/00-first-minute.yaml", SHORT] {
        let run = |option: Option<&str>| {
            let args = ["run", scenario, "--json", "--quiet", "--out", arg(&folder)];
            let run = quotalab(&args.into_iter().chain(option).collect::<Vec<_>>());
            assert!(run.code == 0 || run.code == 1, "{run:?}");
            run.json()
        };
        let (own, other) = (run(None), run(Some("--mock-process")));
        assert_eq!(own["jobs"]["offered"], other["jobs"]["offered"]);
        let assert_close = |path: &str, tolerance: f64| {
            let of = |run: &Value| run.pointer(path).map_or(0.0, |value| value.as_f64().expect("a number"));
            let (own, other) = (of(&own), of(&other));
            assert!((own - other).abs() <= own * tolerance + 3.0, "{scenario} {path}: {own} {other}");
        };
        for path in [
            "/jobs/succeeded",
            "/attempts/total",
            "/attempts/limited",
            "/attempts/failed",
            "/tokens/completion",
        ] {
            assert_close(path, 0.15);
        }
        for (axis, used) in other["targets"][0]["utilisation"].as_object().expect("limits") {
            let (used, peak) = (used.as_f64().unwrap(), other["targets"][0]["peak"][axis].as_f64().unwrap());
            let own = &own["targets"][0];
            let (own_used, own_peak) =
                (own["utilisation"][axis].as_f64().unwrap(), own["peak"][axis].as_f64().unwrap());
            assert!((used - own_used).abs() < 0.1, "{axis} {used} {own_used}");
            assert!(
                (peak - own_peak).abs() < 0.2,
                "{axis} {peak} {own_peak}: the levels in the mock process are known"
            );
        }
        assert_eq!(own["first_refusal"]["axis"], other["first_refusal"]["axis"]);
        assert_eq!(other["reproduce"], format!("quotalab run {scenario} --mock-process"));
    }
}

#[test]
fn a_mock_process_gets_the_options_of_the_scenario() {
    let folder = scratch("mock-process-options");
    let unlimited = "providers.p.models.m.limits.rpm=none";
    let run = quotalab(&[
        "run",
        SHORT,
        "--mock-process",
        "--seed",
        "5",
        "--for",
        "1s",
        "--set",
        unlimited,
        "--json",
        "--quiet",
        "--out",
        arg(&folder),
    ]);
    let result = run.json();
    assert_eq!((&result["attempts"]["limited"], &result["duration_s"]), (&0.into(), &1.0.into()), "{run:?}");
    let piped = quotalab(&["run", "/dev/stdin", "--mock-process", "--out", arg(&folder)]);
    assert_eq!(piped.code, 2, "{piped:?}");
}

#[cfg(unix)]
mod processes {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::thread;
    use std::time::Duration;

    /// Starts a long run with a mock process. Returns the run and the process id of the mock, which is empty if no mock was
    /// found.
    fn begin(folder: &Path) -> (Child, String) {
        let run = Command::new(env!("CARGO_BIN_EXE_quotalab"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["run", SHORT, "--for", "120s", "--mock-process", "--quiet", "--out", arg(folder)])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mock = (0..200).find_map(|_| {
            pause();
            let found =
                Command::new("pgrep").args(["-P", &run.id().to_string()]).output().expect("`pgrep` starts");
            let id = String::from_utf8(found.stdout).expect("numbers").trim().to_owned();
            (!id.is_empty()).then_some(id)
        });
        // Waits a second, in which the run begins as well.
        (0..20).for_each(|_| pause());
        (run, mock.unwrap_or_default())
    }

    #[expect(clippy::disallowed_methods, reason = "the test waits for other processes")]
    fn pause() {
        thread::sleep(Duration::from_millis(50));
    }

    fn kill(signal: &str, id: &str) -> bool {
        Command::new("kill")
            .args([signal, id])
            .stderr(Stdio::null())
            .status()
            .expect("`kill` starts")
            .success()
    }

    fn ends(id: &str) -> bool {
        (0..200).any(|_| {
            pause();
            !kill("-0", id)
        })
    }

    #[test]
    fn a_mock_process_ends_with_its_run_however_that_ends() {
        for signal in ["-KILL", "-INT"] {
            let folder = scratch(&format!("mock-process{signal}"));
            let (run, mock) = begin(&folder);
            assert!(!mock.is_empty() && kill("-0", &mock), "the mock process runs");
            assert!(kill(signal, &run.id().to_string()), "the run goes on");
            let output = run.wait_with_output().expect("the run ends");
            assert!(ends(&mock), "{signal}: the mock process {mock} goes on: {output:?}");
            assert_eq!(output.status.code(), if signal == "-INT" { Some(3) } else { None }, "{output:?}");
        }
    }

    #[test]
    fn a_run_whose_mock_process_ends_says_so_and_keeps_its_result() {
        let folder = scratch("mock-process-lost");
        let (run, mock) = begin(&folder);
        assert!(!mock.is_empty() && kill("-KILL", &mock), "the mock process runs");
        let output = run.wait_with_output().expect("the run ends");
        let (text, errors) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(3), "{text}{errors}");
        assert!(errors.contains("error: the mock process ended"), "{errors}");
        assert!(text.starts_with("The run was interrupted after "), "{text}");
        assert_eq!(result(&folder)["planned_s"], 120.0);
    }
}

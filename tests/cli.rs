//! The command line: exit codes, what goes to which stream, and which files are written.

mod budget;
mod clients;
mod explain;
mod files;
mod input;
mod input_files;
mod interrupt;
mod load;
mod mock;
mod plan_shards;
mod report;
mod run;
mod run_endpoint;

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The exit code and the output of a command.
#[derive(Debug, PartialEq)]
struct Output {
    code: i32,
    out: String,
    err: String,
}

impl Output {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `quotalab` in the repository with an empty stdin.
fn quotalab(args: &[&str]) -> Output {
    quotalab_reading(args, b"")
}

/// Runs `quotalab` in the repository with this stdin.
fn quotalab_reading(args: &[&str], stdin: &[u8]) -> Output {
    quotalab_in(Path::new(env!("CARGO_MANIFEST_DIR")), args, stdin)
}

/// Runs `quotalab` in the repository with these environment variables.
fn quotalab_with(variables: &[(&str, &str)], args: &[&str]) -> Output {
    output_of(Path::new(env!("CARGO_MANIFEST_DIR")), variables, args, b"")
}

/// Runs `quotalab` in a folder with this stdin.
fn quotalab_in(folder: &Path, args: &[&str], stdin: &[u8]) -> Output {
    output_of(folder, &[], args, stdin)
}

fn output_of(folder: &Path, variables: &[(&str, &str)], args: &[&str], stdin: &[u8]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .current_dir(folder)
        .envs(variables.iter().copied())
        .args(args)
        .write_stdin(stdin)
        .output()
        .expect("the binary starts");
    Output {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Creates an empty folder for one test.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a scratch folder");
    folder
}

/// Returns a path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A scenario that lasts a few seconds.
const SHORT: &str = "tests/fixtures/short.yaml";

#[test]
fn presets_are_listed_and_printed_with_their_evidence() {
    let all = quotalab(&["presets"]);
    assert_eq!(
        (all.code, all.out.lines().next().map(|line| line.contains("6 are retired"))),
        (0, Some(true))
    );
    let one = quotalab(&["presets", "groq-free"]);
    assert!(one.out.contains("tpd          200k"), "{}", one.out);
    let json = quotalab(&["presets", "groq-free", "--json"]).json();
    let model = &json["presets"][0]["models"][0];
    assert_eq!(
        (json["schema"].as_str(), model["model"].as_str()),
        (Some("quotalab/presets/1"), Some("openai/gpt-oss-120b"))
    );
    assert_eq!(model["numbers"][0]["evidence"][0]["date"], "2026-10-01");
    let unknown = quotalab(&["presets", "groq-fre"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("did you mean `groq-free`?"), "{}", unknown.err);
}

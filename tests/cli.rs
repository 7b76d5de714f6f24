//! The command line as a stranger meets it: exit codes, what goes to which stream, what is written where.

mod explain;
mod input;
mod mock;
mod report;
mod run;

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What a command said and how it ended.
#[derive(Debug, PartialEq)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|wrong| panic!("{wrong}: {self:?}"))
    }
}

/// Runs `quotalab` in the repository with nothing on its standard input.
fn quotalab(args: &[&str]) -> Said {
    quotalab_reading(args, b"")
}

fn quotalab_reading(args: &[&str], stdin: &[u8]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .write_stdin(stdin)
        .output()
        .expect("the binary starts");
    Said {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// An empty folder of the test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a scratch folder");
    folder
}

/// A path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A scenario of a few seconds.
const SHORT: &str = "tests/fixtures/short.yaml";

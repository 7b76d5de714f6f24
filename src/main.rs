//! The `quotalab` binary: parses the command line, runs the verb and returns its exit code.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    quotalab::cli::Cli::parse().run().into()
}

//! The `quotalab` binary: parses the command line, runs the verb and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    quotalab::cli::Cli::from_command_line().run().into()
}

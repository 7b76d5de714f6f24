//! The command line of quotalab.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    quotalab::cli::Cli::parse().run().into()
}

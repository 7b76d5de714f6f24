//! The command line of quotalab.

// use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}

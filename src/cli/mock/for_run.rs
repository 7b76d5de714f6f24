//! `mock SCENARIO --for-run`: the process that `run --mock-process` starts ([`crate::drive::mock_process`]).

use super::super::output::print;
use super::super::{Exit, VerbError, run_error};
use super::announcement;
use crate::drive::clock::Clock;
use crate::drive::local::{MockOptions, Mocks, ObservedRun, loopback_listeners};
use crate::drive::mock_process::protocol::Start;
use crate::drive::mock_process::reports;
use crate::scenario::MockedProviders;
use anyhow::{Context as _, anyhow};
use provider::server::ControlPlane;
use std::io::{self, BufRead as _, BufWriter};
use std::thread;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;

/// Serves the providers to the run at the other end of the standard streams until it closes stdin.
///
/// # Errors
/// If no port is free, if a stream cannot be read or written, or if the run sends something else than the start of a run.
pub(super) fn serve(mut mocked: MockedProviders, runtime: &Runtime) -> Result<Exit, VerbError> {
    let listeners = runtime
        .block_on(loopback_listeners(mocked.providers.len()))
        .context("the mocks cannot listen on loopback")
        .map_err(run_error)?;
    let addresses: Result<Vec<_>, _> = listeners.iter().map(TcpListener::local_addr).collect();
    let addresses = addresses.map_err(run_error)?;
    print(&announcement::json(&mocked.providers, &addresses, &ControlPlane::Disabled))?;

    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).map_err(run_error)? == 0 {
        return Ok(Exit::Success); // The run has ended before it began.
    }
    let start = Start::from_line(&line).filter(|start| start.apply_to(&mut mocked.providers));
    let start = start.ok_or_else(|| run_error(anyhow!("stdin does not begin with the start of a run")))?;
    let clock = Clock::start();
    let (sender, messages) = mpsc::unbounded_channel();
    let observed = ObservedRun { sender: &sender, tag: start.tag, in_replies: true };
    let options = MockOptions::default();
    let mocks = runtime
        .block_on(async {
            Mocks::serve(&mocked.providers, mocked.seed, clock, listeners, &options, Some(observed))
        })
        .map_err(run_error)?;
    let levels = mocks.level_reader(&mocked.providers);
    // A thread and a runtime of its own, because writing to a pipe blocks.
    let writer = runtime::Builder::new_current_thread().enable_time().build().map_err(run_error)?;
    // Buffered, because stdout itself writes every line at once, and each write would wake the run.
    let write = reports::write(messages, levels, clock, BufWriter::new(io::stdout()));
    // An error means that the run has ended, and stdin with it.
    let write = move || writer.block_on(write);
    thread::Builder::new().name("reports".to_owned()).spawn(write).map_err(run_error)?;
    let end_of_stdin = || io::copy(&mut io::stdin().lock(), &mut io::sink());
    // An error ends the process as the end of stdin does.
    let _ = runtime.block_on(async { tokio::task::spawn_blocking(end_of_stdin).await });
    Ok(Exit::Success)
}

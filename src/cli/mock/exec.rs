//! `--exec -- COMMAND`: runs a command against the mock.

use super::super::interrupt::Signals;
use super::super::{Exit, VerbError, run_error};
use super::environment;
use anyhow::Context as _;
use provider::config::Config;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Command;

/// The time that a command has to end after a signal.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the command with the environment variables of the providers until it ends. A signal that ends the mock ends the command
/// as well.
///
/// # Errors
/// If it cannot be started, or its end cannot be awaited.
pub(super) async fn run(
    command: &[String],
    providers: &[Config],
    addresses: &[SocketAddr],
    signals: &mut Signals,
) -> Result<Exit, VerbError> {
    let (program, arguments) = command.split_first().expect("invariant: clap requires a command");
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment::of_all(providers, addresses))
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {program}"))
        .map_err(run_error)?;
    let ended = tokio::select! {
        ended = child.wait() => ended,
        () = signals.next() => {
            // Ctrl-C reaches the command as well, which may end by itself.
            match tokio::time::timeout(GRACE, child.wait()).await {
                Ok(ended) => ended,
                Err(_) => child.kill().await.and(child.wait().await),
            }
        }
    };
    Ok(Exit::Command(exit_code(ended.map_err(run_error)?)))
}

/// Returns the exit code of a command, 255 if it does not fit into a byte; of one that a signal ended, 128 plus its number, as
/// shells do.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

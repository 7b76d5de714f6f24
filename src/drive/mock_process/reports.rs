//! The reports of a mock process: what its mocks decide and settle, and the levels of their limits.

use super::protocol::{Level, Report};
use crate::drive::clock::Clock;
use crate::drive::live::Message;
use crate::drive::local::LevelReader;
use provider::Nanos;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};

/// The time between two reports of the levels. A run samples them at most this often with less than 20 s of traffic.
const LEVEL_INTERVAL: Nanos = Nanos::from_millis(20);

/// Writes a line to `out` for each message, and the levels every 20 ms, until the senders are gone.
///
/// # Errors
/// If a line cannot be written: the run has ended.
pub fn write(
    reports: &Receiver<Message>,
    levels: &LevelReader,
    clock: Clock,
    mut out: impl Write,
) -> io::Result<()> {
    let mut next_levels = clock.now();
    loop {
        if clock.now() >= next_levels {
            out.write_all(Report::Levels(current(levels)).to_line().as_bytes())?;
            out.flush()?;
            next_levels = clock.now() + LEVEL_INTERVAL;
        }
        match reports.recv_timeout(clock.until(next_levels)) {
            Ok(message) => {
                // What has come meanwhile is written at once.
                for message in std::iter::once(message).chain(reports.try_iter().take(MAX_BATCH)) {
                    out.write_all(line(&message).as_bytes())?;
                }
                out.flush()?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The most messages that are written before the clock is read again.
const MAX_BATCH: usize = 1_000;

fn current(levels: &LevelReader) -> Vec<Level> {
    let mut all = Vec::new();
    levels.read(&mut |limited, level| all.push(Level::of(limited, level)));
    all
}

/// Returns the line of a message; empty for a reply, which no mock sends.
fn line(message: &Message) -> String {
    match *message {
        Message::Decided { attempt, decision } => {
            Report::Decided { attempt: attempt.0, decision: decision.into() }.to_line()
        }
        Message::Settled { attempt, usage } => {
            Report::Settled { attempt: attempt.0, usage: usage.into() }.to_line()
        }
        Message::Replied { .. } => String::new(),
    }
}

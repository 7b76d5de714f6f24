//! The reports of a mock process: what its mocks decide and settle, and the levels of their limits.

use super::protocol::{Level, Report};
use crate::drive::clock::Clock;
use crate::drive::live::Message;
use crate::drive::local::LevelReader;
use provider::Nanos;
use std::io::{self, Write};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

/// The time between two reports of the levels. Runs of more than 24 s sample the levels less often than this, shorter ones
/// every 12.5 ms.
const LEVEL_INTERVAL: Nanos = Nanos::from_millis(20);
/// The time for which a message waits for others, so that the run is not woken for each. The delay does not hold up
/// replies, which state the decision themselves.
const COLLECTION: Duration = Duration::from_millis(1);

/// Writes a line to `out` for each message, and the levels every 20 ms, until the senders are gone. Blocks while `out` does.
///
/// # Errors
/// If a line cannot be written: the run has ended.
pub async fn write(
    mut reports: UnboundedReceiver<Message>,
    levels: LevelReader,
    clock: Clock,
    mut out: impl Write,
) -> io::Result<()> {
    let mut next_levels = clock.now();
    let mut batch = Vec::new();
    loop {
        if clock.now() >= next_levels {
            out.write_all(Report::Levels(current(&levels)).to_line().as_bytes())?;
            out.flush()?;
            next_levels = clock.now() + LEVEL_INTERVAL;
        }
        let received = timeout(clock.until(next_levels), reports.recv_many(&mut batch, MAX_BATCH)).await;
        match received {
            Ok(0) => return Ok(()),
            Ok(_) => {
                sleep(COLLECTION).await;
                // Messages that have arrived meanwhile are written in the same batch.
                while batch.len() < MAX_BATCH
                    && let Ok(message) = reports.try_recv()
                {
                    batch.push(message);
                }
                for message in batch.drain(..) {
                    out.write_all(line(&message).as_bytes())?;
                }
                out.flush()?;
            }
            Err(_) => {}
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

/// Returns the line of a message; empty for a reply and its first token, which no mock sends.
fn line(message: &Message) -> String {
    match *message {
        Message::Decided { attempt, decision } => {
            Report::Decided { attempt: attempt.0, decision: decision.into() }.to_line()
        }
        Message::Settled { attempt, usage } => {
            Report::Settled { attempt: attempt.0, usage: usage.into() }.to_line()
        }
        Message::Replied { .. } | Message::FirstToken { .. } => String::new(),
    }
}

//! Writes the log on stderr from a thread of its own, so that a full disk or a pipe that is not read delays no request. Lines
//! that do not fit into the queue, or that cannot be written, are dropped.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// The lines that wait to be written, at most.
const QUEUE: usize = 4_096;

/// Where the lines of the log go.
#[derive(Clone, Debug)]
pub(super) struct LogWriter {
    lines: SyncSender<Message>,
}

enum Message {
    Line(Vec<u8>),
    /// A flag to set: every line before it has been written or dropped.
    Flushed(Arc<(Mutex<bool>, Condvar)>),
}

impl LogWriter {
    /// Starts the thread, which writes to `out`.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE);
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&queue, out))?;
        Ok(Self { lines })
    }

    /// Waits until the lines so far have been written, at most this long.
    pub(super) fn flush(&self, at_most: Duration) {
        let flushed = Arc::new((Mutex::new(false), Condvar::new()));
        if self.lines.try_send(Message::Flushed(Arc::clone(&flushed))).is_err() {
            return;
        }
        let (is_flushed, changed) = &*flushed;
        let is_flushed = is_flushed.lock().expect("invariant: no thread panics while it holds a flag");
        drop(changed.wait_timeout_while(is_flushed, at_most, |is_flushed| !*is_flushed));
    }
}

fn write_all(queue: &Receiver<Message>, mut out: impl Write) {
    for message in queue {
        match message {
            // A log that cannot be written is no reason to stop serving.
            Message::Line(line) => drop(out.write_all(&line)),
            Message::Flushed(flushed) => {
                let (is_flushed, changed) = &*flushed;
                *is_flushed.lock().expect("invariant: no thread panics while it holds a flag") = true;
                changed.notify_all();
            }
        }
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter { lines: self.lines.clone(), line: Vec::new() }
    }
}

/// Collects one line, and queues it when it is dropped.
#[derive(Debug)]
pub(super) struct LineWriter {
    lines: SyncSender<Message>,
    line: Vec<u8>,
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            drop(self.lines.try_send(Message::Line(std::mem::take(&mut self.line))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// A stream that blocks until it is let go, and then fails.
    struct Stuck(Mutex<Receiver<()>>);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.lock().expect("no panic").recv();
            Err(io::Error::other("no space left"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_is_stuck_and_then_fails_blocks_no_writer() {
        let (let_go, wait) = channel();
        let log = LogWriter::start(Stuck(Mutex::new(wait))).expect("a thread");
        for _ in 0..3 * QUEUE {
            log.make_writer().write_all(b"line\n").expect("it is queued or dropped");
        }
        log.flush(Duration::from_millis(1));
        drop(let_go);
        log.flush(Duration::from_secs(60));
    }
}

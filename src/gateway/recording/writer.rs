//! Writes a recording from a thread of its own, so that a slow disk delays no request.

use super::line::{CoolDownLine, End, EngineLine, Header, Kind, Line, ReplyLine, SCHEMA};
use super::names::Names;
use crate::drive::clock::Clock;
use crate::engine::{NewAnswer, Reply};
use crate::event::Event;
use crate::ids::{JobId, TargetId};
use crate::job::Job;
use crate::record::log::obstacle::AxisName;
use provider::Instant;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The most lines that wait to be written.
pub(super) const QUEUE: usize = 16_384;

/// The least bytes that are written at once while lines wait.
const BLOCK: usize = 64 << 10;

/// The bytes that are kept free for the last line.
const LAST_LINE: u64 = 128;

/// How long the thread waits for a line before it checks whether the recording is to end.
const IDLE: Duration = Duration::from_millis(50);

/// A recording that is being written. Its clones write to the same file.
#[derive(Clone, Debug)]
pub struct Recording {
    entries: SyncSender<Entry>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Nothing is recorded any more.
    has_ended: AtomicBool,
    /// The queue was full.
    has_overflowed: AtomicBool,
    /// Engines so far.
    engines: AtomicU32,
    /// `true` once the last line is written, which `written` signals.
    is_written: Mutex<bool>,
    written: Condvar,
}

/// What is to be written as one line.
#[derive(Debug)]
pub(super) enum Entry {
    Engine { number: u32, at: Instant, line: Box<EngineLine<'static>>, names: Arc<Names> },
    Input { engine: u32, at: Instant, due: Instant, input: Input },
    Decision { engine: u32, event: Event },
    EngineEnded { engine: u32, at: Instant },
}

/// An input of the engine. Attempts are numbered from one for each job.
#[derive(Debug)]
pub(super) enum Input {
    Arrival(Job),
    /// An answer that was found in Redis to the jobs with this fingerprint.
    SharedAnswer(u64, NewAnswer),
    Reply(JobId, u8, Box<Reply>),
    FirstByte(JobId, u8),
    Leave(JobId),
    Withdraw(JobId, u8),
    Timers,
    Adopt(TargetId, Option<CoolDownLine>, Vec<(AxisName, u64)>),
}

/// Where a recording is written.
pub trait Output: Write + Send + 'static {
    /// Removes what was written after `length` bytes.
    ///
    /// # Errors
    /// If that is not possible.
    fn cut_to(&mut self, length: u64) -> io::Result<()>;
}

impl Output for File {
    fn cut_to(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::End(0)).map(drop)
    }
}

impl Recording {
    /// Begins a recording of at most `max_bytes`, whose instants are those of `clock`.
    ///
    /// # Errors
    /// If its first line cannot be written, or the system refuses a thread.
    pub fn start(out: impl Output, max_bytes: u64, clock: Clock) -> io::Result<Self> {
        let mut writer = Writer {
            out,
            length: 0,
            earlier: VecDeque::new(),
            max_bytes,
            block: Vec::new(),
            names: FxHashMap::default(),
        };
        let started = clock.started_at().map(|started| started.rfc3339().to_string().into());
        let header = Header { schema: SCHEMA.into(), version: env!("CARGO_PKG_VERSION").into(), started };
        append_line(&mut writer.block, &header)?;
        writer.flush()?;
        let shared = Arc::new(Shared::default());
        let (entries, queue) = sync_channel(QUEUE);
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("recording".to_owned()).spawn(move || {
            writer.run(&queue, &of_thread);
            *of_thread.is_written.lock().expect("invariant: no thread panics while it holds the flag") = true;
            of_thread.written.notify_all();
        })?;
        Ok(Self { entries, shared })
    }

    /// Ends the recording. Waits until its last line has been written, at most this long. Returns `true` if it has.
    pub fn finish(&self, at_most: Duration) -> bool {
        self.shared.has_ended.store(true, Ordering::Release);
        let is_written = self.shared.is_written.lock();
        let is_written = is_written.expect("invariant: no thread panics while it holds the flag");
        let waited = self.shared.written.wait_timeout_while(is_written, at_most, |is_written| !*is_written);
        *waited.expect("invariant: no thread panics while it holds the flag").0
    }

    /// Returns the number of the next engine.
    pub(super) fn next_engine(&self) -> u32 {
        self.shared.engines.fetch_add(1, Ordering::Relaxed)
    }

    /// Queues a line. If the queue is full, the recording ends: a gap would make all that follows worthless.
    pub(super) fn add(&self, entry: impl FnOnce() -> Entry) {
        if self.shared.has_ended.load(Ordering::Acquire) {
            return;
        }
        if self.entries.try_send(entry()).is_err() && !self.shared.has_ended.swap(true, Ordering::AcqRel) {
            self.shared.has_overflowed.store(true, Ordering::Release);
            tracing::warn!("the recording ends: lines come faster than they can be written");
        }
    }
}

/// The end of the writing thread: the reason, or the error of the file.
enum Stop {
    Reason(End),
    Error(io::Error),
}

struct Writer<W> {
    out: W,
    /// The bytes of whole lines in the file.
    length: u64,
    /// Earlier lengths: the first is at least [`LAST_LINE`] below the present one, if any was.
    earlier: VecDeque<u64>,
    max_bytes: u64,
    /// Whole lines that are not written yet.
    block: Vec<u8>,
    /// By engine that has not ended.
    names: FxHashMap<u32, Arc<Names>>,
}

impl<W: Output> Writer<W> {
    /// Writes until the recording ends.
    fn run(&mut self, queue: &Receiver<Entry>, shared: &Shared) {
        let mut last = Instant::ZERO;
        let reason = match self.write_entries(queue, shared, &mut last) {
            Stop::Reason(reason) => reason,
            Stop::Error(error) => {
                tracing::warn!(%error, "the recording ends: it cannot be written");
                End::WriteError
            }
        };
        shared.has_ended.store(true, Ordering::Release);
        let end = Line { engine: 0, at_ns: last.0, due_ns: None, job: None, kind: Kind::End { reason } };
        // Without room for it, the recording is cut off, which its replay says.
        if append_line(&mut self.block, &end).is_ok() {
            let _ = self.flush();
        }
    }

    fn write_entries(&mut self, queue: &Receiver<Entry>, shared: &Shared, last: &mut Instant) -> Stop {
        loop {
            let entry = match queue.try_recv() {
                Ok(entry) => Ok(entry),
                Err(_) => {
                    if let Err(error) = self.flush() {
                        return self.stop_at(error);
                    }
                    queue.recv_timeout(IDLE)
                }
            };
            match entry {
                Ok(entry) => {
                    *last = entry.at();
                    if let Some(stop) = self.write(entry) {
                        return stop;
                    }
                }
                Err(RecvTimeoutError::Timeout) if !shared.has_ended.load(Ordering::Acquire) => {}
                Err(_) if shared.has_overflowed.load(Ordering::Acquire) => {
                    return Stop::Reason(End::Overflow);
                }
                Err(_) => return Stop::Reason(End::GatewayEnded),
            }
        }
    }

    /// Adds a line. Returns why the recording ends, if it does.
    fn write(&mut self, entry: Entry) -> Option<Stop> {
        let before = self.block.len();
        if let Err(error) = self.append_entry(entry) {
            self.block.truncate(before);
            return Some(Stop::Error(error));
        }
        if self.length + self.block.len() as u64 + LAST_LINE > self.max_bytes {
            self.block.truncate(before);
            tracing::warn!(
                "the recording ends: it has reached its size; a larger one is set by --record-max"
            );
            return Some(Stop::Reason(End::Size));
        }
        if self.block.len() >= BLOCK
            && let Err(error) = self.flush()
        {
            return Some(self.stop_at(error));
        }
        None
    }

    fn append_entry(&mut self, entry: Entry) -> io::Result<()> {
        let (engine, at) = (entry.engine(), entry.at());
        if let Entry::Engine { names, .. } = &entry {
            self.names.insert(engine, Arc::clone(names));
        }
        let names = self.names.get(&engine);
        let names = names.ok_or_else(|| io::Error::other("invariant: an engine begins first"))?;
        let mut line = Line { engine, at_ns: at.0, due_ns: None, job: None, kind: Kind::EngineEnded };
        match entry {
            Entry::Engine { line: begun, .. } => line.kind = Kind::Engine(begun),
            Entry::Input { due, input, .. } => {
                line.due_ns = (due < Instant::MAX).then_some(due.0);
                (line.job, line.kind) = input.into_kind(names);
            }
            Entry::Decision { event, .. } => {
                line.job = Some(event.job.0);
                line.kind = Kind::of_event(&event, names);
            }
            Entry::EngineEnded { .. } => {}
        }
        append_line(&mut self.block, &line)?;
        if line.kind == Kind::EngineEnded {
            self.names.remove(&engine);
        }
        Ok(())
    }

    /// Writes the lines that wait.
    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.block)?;
        self.out.flush()?;
        if !self.block.is_empty() {
            self.earlier.push_back(self.length);
            self.length += self.block.len() as u64;
            self.block.clear();
        }
        while self.earlier.get(1).is_some_and(|length| length + LAST_LINE <= self.length) {
            self.earlier.pop_front();
        }
        Ok(())
    }

    /// Removes the lines of a block that could not be written as a whole and, so that the last line takes their place on a full disk,
    /// a few more. The first line stays.
    fn stop_at(&mut self, error: io::Error) -> Stop {
        self.block.clear();
        let length = self.earlier.front().copied().filter(|length| *length > 0).unwrap_or(self.length);
        let _ = self.out.cut_to(length);
        Stop::Error(error)
    }
}

/// Appends a line of JSON.
fn append_line(block: &mut Vec<u8>, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *block, line)?;
    block.push(b'\n');
    Ok(())
}

impl Entry {
    fn engine(&self) -> u32 {
        match self {
            Self::Engine { number: engine, .. }
            | Self::Input { engine, .. }
            | Self::Decision { engine, .. }
            | Self::EngineEnded { engine, .. } => *engine,
        }
    }

    fn at(&self) -> Instant {
        match self {
            Self::Engine { at, .. } | Self::Input { at, .. } | Self::EngineEnded { at, .. } => *at,
            Self::Decision { event, .. } => event.at,
        }
    }
}

impl Input {
    /// Returns the job that the input concerns, if it concerns a single one, and the rest of its line.
    fn into_kind(self, names: &Names) -> (Option<u64>, Kind<'_>) {
        match self {
            Self::Arrival(job) => {
                let kind = Kind::Arrival {
                    route: names.route(job.route),
                    priority: job.priority,
                    flow: job.flow.0,
                    prompt_tokens: job.prompt_tokens,
                    max_tokens: job.max_tokens,
                    deadline_ns: job.deadline.map(|at| at.0),
                    identical_to: (job.fingerprint != job.id.0).then_some(job.fingerprint),
                };
                (Some(job.id.0), kind)
            }
            Self::SharedAnswer(identical_to, NewAnswer { age, cut, bytes }) => {
                (None, Kind::SharedAnswer { identical_to, age_ns: age.0, stored_bytes: bytes, cut })
            }
            Self::Reply(job, attempt, reply) => {
                (Some(job.0), Kind::Reply(Box::new(ReplyLine::new(attempt, &reply))))
            }
            Self::FirstByte(job, attempt) => (Some(job.0), Kind::FirstByte { attempt }),
            Self::Leave(job) => (Some(job.0), Kind::Leave),
            Self::Withdraw(job, attempt) => (Some(job.0), Kind::Withdraw { attempt }),
            Self::Timers => (None, Kind::Timers),
            Self::Adopt(target, cool_down, used) => {
                (None, Kind::Adopt { target: names.target(target), cool_down, used })
            }
        }
    }
}

//! The event log: one JSON object per line, schema `quotalab/events/1`; its writer and its reader.
//!
//! The first line names the schema, the scenario and the seed. Every other line is one event with `at_ns`, `job` and
//! `kind`, times in whole nanoseconds since the run began. In the log of a run in virtual time nothing depends on the machine
//! or the time of day, so equal text, or an equal [`LogHash`] of it, means equal runs.

mod decision;
pub(crate) mod end;
pub(crate) mod line;
pub(crate) mod obstacle;
mod task;
pub(crate) mod verdict;

use super::Fold;
use crate::event::{Event, EventKind};
use crate::ids::{JobId, WorkloadId};
use crate::scenario::Scenario;
use line::{Header, Kind, Line};
use provider::Instant;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, BufRead, Write};
use thiserror::Error;

/// The name and version of the schema: in the first line of every log.
const SCHEMA: &str = "quotalab/events/1";

/// Returns `true` for the value that a line without the field is read as, so that lines leave it out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes events as JSON lines.
#[derive(Debug)]
pub struct Log<W> {
    out: W,
    /// The current line; reused for every line.
    buffer: Vec<u8>,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
    /// The bytes that may still be written.
    left: u64,
    /// `true` once a line did not fit; nothing is written after it.
    is_cut: bool,
}

impl<W: Write> Log<W> {
    /// Begins the log of a run of `scenario` with its header, without a bound on its size. `out` should be buffered.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn new(out: W, scenario: &Scenario) -> io::Result<Self> {
        Self::bounded(out, scenario, u64::MAX)
    }

    /// Begins a log, as [`Self::new`] does, of at most `max_bytes`: it ends with the last line that fits.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn bounded(out: W, scenario: &Scenario, max_bytes: u64) -> io::Result<Self> {
        let mut log = Self { out, buffer: Vec::new(), error: None, left: max_bytes, is_cut: false };
        log.write(&Header {
            scenario: Cow::Borrowed(&scenario.name),
            schema: SCHEMA.into(),
            seed: scenario.seed,
        })?;
        Ok(log)
    }

    /// Flushes the log and returns its writer.
    ///
    /// # Errors
    /// The first error of a line, or that of the flush.
    pub fn finish(mut self) -> io::Result<W> {
        self.error.take().map_or_else(|| self.out.flush(), Err)?;
        Ok(self.out)
    }

    /// Returns `true` if events are missing because the log has reached its maximum size.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, line)?;
        self.buffer.push(b'\n');
        match self.left.checked_sub(self.buffer.len() as u64) {
            Some(left) => self.left = left,
            None => self.is_cut = true,
        }
        if self.is_cut { Ok(()) } else { self.out.write_all(&self.buffer) }
    }
}

impl<W: Write> Fold for Log<W> {
    fn event(&mut self, event: &Event) {
        if self.error.is_none() && !self.is_cut {
            self.error = self.write(&Line::from(event)).err();
        }
    }
}

/// A hash of everything that is written to it (FNV-1a, 64 bits; draft-eastlake-fnv); equal
/// event logs have equal hashes, and different logs have different ones except by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHash(pub u64);

impl Default for LogHash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for LogHash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reason why a log cannot be read.
#[derive(Debug, Error)]
#[error("line {line} of the event log: {reason}")]
pub struct LogError {
    /// The number of the line, from one.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// The events of a log, in order. Ends after the first error.
#[derive(Debug)]
pub struct Events<R> {
    input: R,
    header: Header<'static>,
    text: String,
    /// The number of the last line read.
    line_number: usize,
    failed: bool,
    /// The workload and the scheduled arrival of each job in flight: the line of a job's end does not repeat them.
    jobs: FxHashMap<JobId, (WorkloadId, Instant)>,
}

/// Reads the header of a log and returns an iterator over its events.
///
/// # Errors
/// If the first line cannot be read or is not the header of a log of schema `quotalab/events/1`.
pub fn read<R: BufRead>(mut input: R) -> Result<Events<R>, LogError> {
    let failure = |reason: String| LogError { line: 1, reason };
    let mut text = String::new();
    input.read_line(&mut text).map_err(|error| failure(error.to_string()))?;
    let header: Header<'static> =
        serde_json::from_str(&text).map_err(|error| failure(format!("not a header: {error}")))?;
    if header.schema != SCHEMA {
        return Err(failure(format!("schema is `{}`; this version reads `{SCHEMA}`", header.schema)));
    }
    Ok(Events { input, header, text, line_number: 1, failed: false, jobs: FxHashMap::default() })
}

impl<R> Events<R> {
    /// Returns the name of the scenario.
    #[must_use]
    pub fn scenario(&self) -> &str {
        &self.header.scenario
    }

    /// Returns the seed of the run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.header.seed
    }
}

impl<R: BufRead> Events<R> {
    /// Reads the next line; `None` at the end of the log.
    fn next_event(&mut self) -> Result<Option<Event>, String> {
        self.text.clear();
        self.line_number += 1;
        if self.input.read_line(&mut self.text).map_err(|error| error.to_string())? == 0 {
            return Ok(None);
        }
        let Line { at_ns, job, kind } =
            serde_json::from_str(&self.text).map_err(|error| error.to_string())?;
        let job = JobId(job);
        let kind = match kind {
            Kind::Done(end) => {
                let known = self.jobs.remove(&job);
                let (workload, scheduled) = known.ok_or_else(|| format!("{job} ends but never arrived"))?;
                EventKind::Done(end.into_job_end(workload, scheduled)?)
            }
            other => other.into_event_kind()?,
        };
        if let EventKind::Arrived { workload, scheduled, .. } = kind {
            self.jobs.insert(job, (workload, scheduled));
        }
        Ok(Some(Event { at: Instant(at_ns), job, kind }))
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = Result<Event, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let event = self.next_event().map_err(|reason| LogError { line: self.line_number, reason });
        self.failed = event.is_err();
        event.transpose()
    }
}

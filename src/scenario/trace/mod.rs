//! Reads recorded traffic from a file into the rows that a workload replays.
//!
//! The format follows from the content, plain or gzip:
//!
//! ```text
//!  TIMESTAMP,ContextTokens,GeneratedTokens                      Azure LLM inference traces (CSV; dates in UTC)
//!  Timestamp,Model,Request tokens,Response tokens,…             BurstGPT (CSV; seconds)
//!  {"timestamp": 0, "input_length": 6758, "output_length": 500} Mooncake (JSON lines; milliseconds), Bailian (seconds)
//!  {"session_id": "a", "turns": [{"llm_calls": […]}]}           GitHub Copilot's coding agents (JSON lines; dates or milliseconds)
//! ```
//!
//! A line of the last is a session, whose calls depend on each other; see `agents.rs`. A line of the others is one request.
//!
//! Any other CSV, or JSON lines with other members, is read if the scenario names its columns. Times are whole nanoseconds,
//! read without floats, and count from the earliest row of the file. Each row is kept or dropped by its own random draw, so
//! the rows of a smaller share are a subset of those of a larger one.

mod agents;
#[cfg(test)]
mod agents_tests;
mod csv;
mod json_lines;
mod lines;
#[cfg(test)]
mod tests;

use super::row_bytes::{RowBoundReader, RowBytesLeft};
use super::{SessionTrace, TraceRow};
use crate::formatting::path_name;
use crate::input_file;
use flate2::read::MultiGzDecoder;
use lines::Lines;
use provider::random;
use provider::{Instant, Nanos, RandomStream};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// The maximum size of a file after decompression, in bytes.
const MAX_BYTES: u64 = 512 << 20;
/// The maximum number of rows in a file.
const MAX_ROWS: u64 = 20_000_000;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The unit of the times of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TraceUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl TraceUnit {
    pub(super) const fn length(self) -> Nanos {
        match self {
            Self::Seconds => Nanos::SECOND,
            Self::Milliseconds => Nanos(1_000_000),
        }
    }
}

/// The names of the columns of a CSV file, or of the members of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceColumns {
    /// When a request was sent: a date with a time, or a number.
    pub time: String,
    /// The tokens of its prompt.
    pub prompt: String,
    /// The tokens of its completion.
    pub completion: String,
}

/// A recorded trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The rows that are replayed, sorted by time; of sessions, their calls at the recorded instants.
    pub rows: Arc<Vec<TraceRow>>,
    /// What was read, and what was left out; of sessions, [`SessionTrace::counts`] states it.
    pub recorded: Recorded,
    /// The sessions of which the rows are the calls; `None` if the rows do not depend on each other.
    pub sessions: Option<SessionTrace>,
}

/// What a file of sessions contains, and what of it is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// The sessions of the file.
    pub sessions: u64,
    /// The calls of the file.
    pub calls: u64,
    /// The time from the earliest call of the file to the latest.
    pub length: Nanos,
    /// The unit of its times; `None` if they are dates.
    pub unit: Option<TraceUnit>,
    /// The sessions that `rate` drops.
    pub dropped_by_rate: u64,
    /// The kept sessions that begin after the end of the run.
    pub after_end: u64,
    /// The calls of the file that failed or state no prompt tokens, and are not replayed.
    pub failed_calls: u64,
    /// The sessions of the file without any other call.
    pub empty: u64,
    /// The other calls of the file that were sent before a call before them had ended.
    pub overlapping: u64,
}

/// What a file contains, and what of it is replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The rows of the file.
    pub rows: u64,
    /// The time from its earliest row to its latest.
    pub length: Nanos,
    /// The unit of its times; `None` if they are dates.
    pub unit: Option<TraceUnit>,
    /// The rows that `rate` drops.
    pub dropped_by_rate: u64,
    /// The kept rows beyond the end of the run.
    pub after_end: u64,
    /// The replayed rows whose completion has no tokens.
    pub without_completion: u64,
}

/// How much of a trace is used, and how fast.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceOptions {
    /// The columns; `None` for those of the known formats.
    pub columns: Option<TraceColumns>,
    /// The unit of times that are numbers; `None` for the unit that the format implies.
    pub unit: Option<TraceUnit>,
    /// The share of the rows that is kept; 1 or more keeps all.
    pub kept_share: f64,
    /// The factor by which the trace is replayed faster than recorded; positive.
    pub speed: f64,
    /// The seed of the draws that keep or drop rows.
    pub seed: u64,
    /// The time from the start of the replay to the end of the run: rows at or after it are dropped. `None` keeps all.
    pub end: Option<Nanos>,
}

/// Reads a trace, sorted by time. It has no rows if `options` keep no row.
///
/// # Errors
/// A message with the file, and the line if one is at fault: the file cannot be read, has an unknown format, is too
/// large, contains no row, or has an invalid row; or the speed is not positive.
pub fn read(path: &Path, options: &TraceOptions) -> Result<Trace, String> {
    let in_file = |error: String| format!("{}: {error}", path_name(path));
    if !(options.speed.is_finite() && options.speed > 0.0) {
        return Err(in_file(format!("the speed of a trace must be positive, not {}", options.speed)));
    }
    let file =
        input_file::open_regular(path).map_err(|error| in_file(format!("cannot open the trace: {error}")))?;
    let rows = decompressed(BufReader::new(file)).and_then(|text| rows(text, options));
    rows.map_err(|error| format!("{}{error}", path_name(path)))
}

/// Returns the text of a plain or gzip file, up to one byte more than [`MAX_BYTES`].
fn decompressed(mut file: impl BufRead + 'static) -> Result<Box<dyn BufRead>, String> {
    let magic = file.fill_buf().map_err(|error| format!(": cannot read the trace: {error}"))?;
    let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip {
        Box::new(BufReader::new(MultiGzDecoder::new(file).take(MAX_BYTES + 1)))
    } else {
        Box::new(file.take(MAX_BYTES + 1))
    })
}

/// Returns the rows of a text. Errors start with `:line: `, or with `: ` if they concern no line.
fn rows(text: impl BufRead, options: &TraceOptions) -> Result<Trace, String> {
    let bytes_left = RowBytesLeft::default();
    let mut text = BufReader::new(RowBoundReader::new(text, &bytes_left));
    let start = text.fill_buf().map_err(|error| format!(":1: cannot be read: {error}"))?;
    let start = start.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(start);
    let is_json = start.trim_ascii_start().starts_with(b"{");
    let mut sample = Sample::new(options);
    if is_json {
        let mut lines = Lines::new(text, &bytes_left);
        let is_given = lines.advance(agents::MAX_LINE_BYTES)?;
        debug_assert!(is_given, "invariant: the text contains a brace");
        if options.columns.is_none() && agents::is_session(lines.content()) {
            return agents::read(&mut lines, options);
        }
        json_lines::read(&mut lines, options, &mut sample)?;
    } else {
        csv::read(text, &bytes_left, options, &mut sample)?;
    }
    sample.finish(options)
}

/// The kept rows of a trace.
struct Sample {
    rows: Vec<TraceRow>,
    rows_read: u64,
    earliest: Instant,
    latest: Instant,
    unit: Option<TraceUnit>,
    kept_share: f64,
    stream_key: u64,
}

impl Sample {
    fn new(options: &TraceOptions) -> Self {
        let (kept_share, stream_key) = (options.kept_share, random::label_key(options.seed, "trace"));
        let (earliest, latest) = (Instant::MAX, Instant::ZERO);
        Self { rows: Vec::new(), rows_read: 0, earliest, latest, unit: None, kept_share, stream_key }
    }

    /// Records whether the time of the next row is a number, in this unit, or a date (`None`). Returns an error if those before it are
    /// of the other kind: they would be far apart.
    fn record_unit(&mut self, unit: Option<TraceUnit>) -> Result<(), String> {
        if self.rows_read > 0 && self.unit.is_some() != unit.is_some() {
            return Err(mixed_times(unit));
        }
        self.unit = unit;
        Ok(())
    }

    /// Keeps or drops the next row of a text of which `bytes` were read. Returns an error if the text is too long or has
    /// too many rows.
    fn add(&mut self, row: TraceRow, bytes: u64) -> Result<(), String> {
        if bytes > MAX_BYTES || self.rows_read >= MAX_ROWS {
            return Err(format!(": more than {} MiB or {MAX_ROWS} rows: split the trace", MAX_BYTES >> 20));
        }
        self.earliest = self.earliest.min(row.at);
        self.latest = self.latest.max(row.at);
        if RandomStream::keyed(self.stream_key, self.rows_read).unit() < self.kept_share {
            self.rows.push(row);
        }
        self.rows_read += 1;
        Ok(())
    }

    /// Returns the rows sorted by time, relative to the earliest row and scaled by the speed.
    fn finish(mut self, options: &TraceOptions) -> Result<Trace, String> {
        if self.rows_read == 0 {
            return Err(": the trace contains no rows".to_owned());
        }
        self.rows.sort_by_key(|row| row.at); // stable: rows of one instant keep their order
        for row in &mut self.rows {
            row.at = scaled(row.at.since(self.earliest), options.speed);
        }
        let kept = self.rows.len();
        if let Some(end) = options.end {
            self.rows.truncate(self.rows.partition_point(|row| row.at < Instant::ZERO + end));
        }
        let recorded = Recorded {
            rows: self.rows_read,
            length: self.latest.since(self.earliest),
            unit: self.unit,
            dropped_by_rate: self.rows_read - kept as u64,
            after_end: (kept - self.rows.len()) as u64,
            without_completion: self.rows.iter().filter(|row| row.completion_tokens == 0).count() as u64,
        };
        Ok(Trace { rows: Arc::new(self.rows), recorded, sessions: None })
    }
}

/// Returns the error for a time, a number in `unit` or a date (`None`), that is not of the kind of those before.
fn mixed_times(unit: Option<TraceUnit>) -> String {
    let [before, now] = if unit.is_some() { ["dates", "a number"] } else { ["numbers", "a date"] };
    format!("the times before are {before}, and this one is {now}: write all of one kind")
}

/// Converts a time in the trace to an instant of the run; exact at speed 1.
fn scaled(since: Nanos, speed: f64) -> Instant {
    Instant::ZERO + scaled_length(since, speed)
}

/// Converts a length of time in the trace to one of the run; exact at speed 1.
#[expect(clippy::float_cmp, reason = "only exactly 1 needs no scaling")]
fn scaled_length(length: Nanos, speed: f64) -> Nanos {
    if speed == 1.0 { length } else { Nanos::from_secs_f64(length.as_secs_f64() / speed) }
}

//! Reads a recording line by line, in bounded memory. What is wrong with it is an error with the number of the line.

use super::line::{Header, Line, SCHEMA};
use std::io::{BufRead, Read as _};
use thiserror::Error;

/// The longest line, in bytes. A gateway writes shorter ones.
const MAX_LINE: usize = 64 << 10;

/// The reason why a recording cannot be replayed.
#[derive(Debug, Error)]
#[error("line {line} of the recording: {reason}")]
pub struct ReadError {
    /// The number of the line, from one.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// The lines of a recording.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    bytes: Vec<u8>,
    /// The number of the last line read.
    pub(super) number: usize,
    /// The last line has no end.
    pub(super) is_cut: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads the first line. Returns the version of quotalab that wrote it.
    ///
    /// # Errors
    /// If it is not that of a recording of this schema.
    pub(super) fn open(input: R) -> Result<(Self, String), ReadError> {
        let mut lines = Self { input, bytes: Vec::new(), number: 0, is_cut: false };
        if !lines.read()? {
            return Err(lines.error("there is no whole line: the file is no recording of a gateway"));
        }
        let header: Result<Header<'static>, _> = serde_json::from_slice(&lines.bytes);
        let header = header.map_err(|error| {
            lines.error(format!("not the first line of a recording of a gateway: {error}"))
        })?;
        if header.schema != SCHEMA {
            let reason = format!("its schema is `{}`; this version reads `{SCHEMA}`", header.schema);
            return Err(lines.error(reason));
        }
        Ok((lines, header.version.into_owned()))
    }

    /// Reads the next line; `None` if there is no further whole one.
    ///
    /// # Errors
    /// If it cannot be read, is too long, or is not a line of a recording.
    pub(super) fn next(&mut self) -> Result<Option<Line<'static>>, ReadError> {
        if !self.read()? {
            return Ok(None);
        }
        serde_json::from_slice(&self.bytes).map(Some).map_err(|error| self.error(error.to_string()))
    }

    /// Returns an error in the last line read.
    pub(super) fn error(&self, reason: impl Into<String>) -> ReadError {
        ReadError { line: self.number, reason: reason.into() }
    }

    /// Reads a line without its end. Returns `false` if there is no whole one.
    fn read(&mut self) -> Result<bool, ReadError> {
        self.bytes.clear();
        self.number += 1;
        let mut limited = self.input.by_ref().take(MAX_LINE as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.bytes);
        read.map_err(|error| self.error(error.to_string()))?;
        if self.bytes.pop_if(|last| *last == b'\n').is_some() {
            return Ok(true);
        }
        if self.bytes.len() > MAX_LINE {
            return Err(self.error(format!("it is longer than {} KiB", MAX_LINE >> 10)));
        }
        self.is_cut = !self.bytes.is_empty();
        Ok(false)
    }
}

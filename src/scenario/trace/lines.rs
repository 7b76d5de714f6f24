//! The lines of a text that are not empty.

use super::{BYTE_ORDER_MARK, MAX_BYTES};
use crate::scenario::row_bytes::RowBytesLeft;
use std::io::BufRead;

/// Reads a text line by line.
pub(super) struct Lines<'r, R> {
    text: R,
    bytes_left: &'r RowBytesLeft,
    line: String,
    /// The number of the current line, from 1.
    pub(super) number: u64,
    /// The bytes that have been read.
    pub(super) bytes: u64,
}

impl<'r, R: BufRead> Lines<'r, R> {
    pub(super) fn new(text: R, bytes_left: &'r RowBytesLeft) -> Self {
        Self { text, bytes_left, line: String::new(), number: 0, bytes: 0 }
    }

    /// Moves to the next line that is not empty. Returns `false` if there is none.
    ///
    /// # Errors
    /// A message that begins with the number of the line if it cannot be read or is too long, or if the text is too long.
    pub(super) fn advance(&mut self, max_bytes: usize) -> Result<bool, String> {
        loop {
            self.line.clear();
            self.number += 1;
            self.bytes_left.begin_row_of(max_bytes);
            let read = self.text.read_line(&mut self.line);
            let read = read.map_err(|error| format!(":{}: cannot be read: {error}", self.number))?;
            self.bytes += read as u64;
            if read == 0 {
                return Ok(false);
            }
            if self.bytes > MAX_BYTES {
                return Err(format!(": more than {} MiB: split the trace", MAX_BYTES >> 20));
            }
            if !self.content().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Returns the current line without surrounding whitespace.
    pub(super) fn content(&self) -> &str {
        self.line.trim_start_matches(BYTE_ORDER_MARK).trim()
    }
}

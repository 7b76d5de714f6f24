//! A bound on the bytes that are read for one row of a trace, so that a file without line breaks does not fill the memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The maximum number of bytes that are read for a row. A buffer reads ahead, so some of them may belong to the next row.
/// Rows of Mooncake traces list the hashes of their prefix blocks: a few kilobytes.
pub(super) const MAX_ROW_BYTES: usize = 1 << 20;

/// The bytes that may still be read for the current row, and its maximum. Clones share both.
#[derive(Clone, Debug)]
pub(super) struct RowBytesLeft(Rc<Cell<(usize, usize)>>);

impl Default for RowBytesLeft {
    fn default() -> Self {
        Self(Rc::new(Cell::new((MAX_ROW_BYTES, MAX_ROW_BYTES))))
    }
}

impl RowBytesLeft {
    /// Restores the full number, for the next row.
    pub(super) fn begin_row(&self) {
        self.begin_row_of(MAX_ROW_BYTES);
    }

    /// Sets the number to `max`, for the next row.
    pub(super) fn begin_row_of(&self, max: usize) {
        self.0.set((max, max));
    }
}

/// A reader that fails if more is read than [`RowBytesLeft`].
#[derive(Debug)]
pub(super) struct RowBoundReader<R> {
    text: R,
    bytes_left: RowBytesLeft,
}

impl<R: Read> RowBoundReader<R> {
    pub(super) fn new(text: R, bytes_left: &RowBytesLeft) -> Self {
        Self { text, bytes_left: bytes_left.clone() }
    }
}

impl<R: Read> Read for RowBoundReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(buffer)?;
        let (left, max) = self.bytes_left.0.get();
        let left = left.checked_sub(read).ok_or_else(|| {
            let text = format!("a row is longer than {} MiB", max >> 20);
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        self.bytes_left.0.set((left, max));
        Ok(read)
    }
}

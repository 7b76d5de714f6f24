//! A bound on the bytes that are read for one record of a trace, so that a file without line breaks does not fill the memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The maximum number of bytes that are read for a record. A buffer reads ahead, so some of them may belong to the next record.
/// Records of Mooncake traces list the hashes of their prefix blocks: a few kilobytes.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// The bytes that may still be read for the current record. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct RecordBudget(Rc<Cell<usize>>);

impl Default for RecordBudget {
    fn default() -> Self {
        Self(Rc::new(Cell::new(MAX_RECORD_BYTES)))
    }
}

impl RecordBudget {
    /// Restores the full budget, for the next record.
    pub(super) fn restore(&self) {
        self.0.set(MAX_RECORD_BYTES);
    }
}

/// A reader that fails if more is read than its budget has left.
#[derive(Debug)]
pub(super) struct RecordBound<R> {
    text: R,
    budget: RecordBudget,
}

impl<R: Read> RecordBound<R> {
    pub(super) fn new(text: R, budget: &RecordBudget) -> Self {
        Self { text, budget: budget.clone() }
    }
}

impl<R: Read> Read for RecordBound<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(buffer)?;
        let left = self.budget.0.get().checked_sub(read).ok_or_else(|| {
            let text = format!("a row is longer than {} MiB", MAX_RECORD_BYTES >> 20);
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        self.budget.0.set(left);
        Ok(read)
    }
}

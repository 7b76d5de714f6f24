//! The traces of one scenario, each read once: workloads and changes of `what_if` that replay the same rows share them.

use super::trace::{self, Trace, TraceColumns, TraceOptions, TraceUnit};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The result of each read, by file and options.
#[derive(Debug, Default)]
pub(super) struct TraceCache(RefCell<BTreeMap<Key, ReadResult>>);

type Key = (PathBuf, [u64; 4], Option<TraceColumns>, Option<TraceUnit>);
type ReadResult = Result<Trace, String>;

impl TraceCache {
    /// Reads a trace, unless it was read with the same options before.
    ///
    /// # Errors
    /// As [`trace::read`].
    pub(super) fn read(&self, path: &Path, options: &TraceOptions) -> ReadResult {
        let TraceOptions { columns, unit, kept_share, speed, seed, end } = options.clone();
        let end = end.map_or(u64::MAX, |end| end.0);
        let key = (path.to_path_buf(), [kept_share.to_bits(), speed.to_bits(), seed, end], columns, unit);
        self.0.borrow_mut().entry(key).or_insert_with(|| trace::read(path, options)).clone()
    }
}

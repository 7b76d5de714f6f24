//! The traces of one scenario, each read once: workloads and changes of `what_if` that replay the same rows share them.

use super::TraceRow;
use super::trace::{self, TraceOptions};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was read, by file and options.
#[derive(Debug, Default)]
pub(super) struct TraceCache(RefCell<BTreeMap<Key, Rows>>);

type Key = (PathBuf, [u64; 4]);
type Rows = Result<Arc<Vec<TraceRow>>, String>;

impl TraceCache {
    /// Reads a trace, unless it was read with the same options before.
    ///
    /// # Errors
    /// As [`trace::read`].
    pub(super) fn read(&self, path: &Path, options: &TraceOptions) -> Rows {
        let TraceOptions { rate, speed, seed, limit } = *options;
        let limit = limit.map_or(u64::MAX, |limit| limit.0);
        let key = (path.to_path_buf(), [rate.to_bits(), speed.to_bits(), seed, limit]);
        let read = || trace::read(path, options).map(Arc::new);
        self.0.borrow_mut().entry(key).or_insert_with(read).clone()
    }
}

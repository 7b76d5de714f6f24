//! The answers of one scenario: every change of `what_if` resolves the scenario again, but files with recorded exchanges are
//! read once, and answers that the mock accepts are checked once.

use super::recorded;
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What was read and checked before.
#[derive(Debug, Default)]
pub(super) struct AnswerCache {
    /// The result of each read.
    files: RefCell<BTreeMap<PathBuf, Result<Exchanges, String>>>,
    /// The answers that the mock of a provider accepts, see [`AnswerCache::check_once`].
    accepted: RefCell<BTreeSet<String>>,
}

/// The exchanges of a file.
pub(super) type Exchanges = Rc<[Json]>;

impl AnswerCache {
    /// Reads the exchanges of a file, unless it was read before.
    ///
    /// # Errors
    /// As [`recorded::read`].
    pub(super) fn exchanges(&self, path: &Path) -> Result<Exchanges, String> {
        let mut files = self.files.borrow_mut();
        files.entry(path.to_path_buf()).or_insert_with(|| recorded::read(path).map(Rc::from)).clone()
    }

    /// Calls `check`, unless it returned `true` before for the same key: the text of everything that the check depends on
    /// besides files.
    pub(super) fn check_once(&self, key: String, check: impl FnOnce() -> bool) {
        if !self.accepted.borrow().contains(&key) && check() {
            self.accepted.borrow_mut().insert(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: &str = r#"{"request": {"messages": [{"role": "user", "content": "hi"}]}, "response": {"choices": [{"message": {"content": "ho"}}]}}"#;

    #[test]
    fn a_file_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exchanges.jsonl");
        let cache = AnswerCache::default();
        assert!(cache.exchanges(&path).is_err(), "there is no file");
        std::fs::write(&path, EXCHANGE).unwrap();
        assert!(cache.exchanges(&path).is_err(), "its error is kept");
        let cache = AnswerCache::default();
        let first = cache.exchanges(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(Rc::ptr_eq(&first, &cache.exchanges(&path).unwrap()));
    }

    #[test]
    fn what_was_accepted_is_not_checked_again() {
        let cache = AnswerCache::default();
        let mut checks = Vec::new();
        for (key, accepted) in [("a", false), ("a", true), ("a", true), ("b", true)] {
            cache.check_once(key.to_owned(), || {
                checks.push(key);
                accepted
            });
        }
        assert_eq!(checks, ["a", "a", "b"]);
    }
}

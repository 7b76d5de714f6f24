//! The API keys of the accounts and, with `--any-key`, all other keys.

use crate::config::AccountConfig;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The account of an API key, and the number of the key within it. Reports name a key by both, since the key itself is a
/// secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ApiKey {
    pub(super) account: u16,
    /// From zero, in the order of the configuration; then other keys in the order in which they were first used.
    pub(super) number: u16,
}

/// The API keys that a mock accepts.
#[derive(Debug)]
pub(super) struct Keys {
    known: BTreeMap<String, ApiKey>,
    others: Option<OtherKeys>,
}

/// The keys that no account has, which are accepted for the first account.
#[derive(Debug)]
struct OtherKeys {
    /// The number of the first of them within the account.
    first_number: u16,
    /// Their positions among them, from zero, in the order in which they were first used.
    positions: Mutex<BTreeMap<String, u16>>,
}

/// Maximum number of other keys that have a number of their own; all further ones share the next.
const MAX_OTHER_KEYS: usize = 1_000;

impl Keys {
    /// Returns the keys of these accounts.
    ///
    /// # Panics
    /// If a key belongs to two accounts.
    pub(super) fn new(accounts: &[AccountConfig]) -> Self {
        let mut known = BTreeMap::new();
        for (config, account) in accounts.iter().zip(0..) {
            for (key, number) in config.keys.iter().zip(0..) {
                let previous = known.entry(key.clone()).or_insert(ApiKey { account, number });
                assert!(previous.account == account, "the key of account {} is listed twice", config.name);
            }
        }
        Self { known, others: None }
    }

    /// Accepts any key for the first account.
    pub(super) fn accept_any(&mut self) {
        let of_first = self.known.values().filter(|key| key.account == 0);
        let first_number = of_first.map(|key| key.number + 1).max().unwrap_or(0);
        self.others = Some(OtherKeys { first_number, positions: Mutex::default() });
    }

    /// Returns the account and the number of a key; `None` if it is not accepted. A missing key, which is empty, never is.
    pub(super) fn find(&self, key: &str) -> Option<ApiKey> {
        if let Some(key) = self.known.get(key) {
            return Some(*key);
        }
        let others = self.others.as_ref().filter(|_| !key.is_empty())?;
        let mut positions = others.positions.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, is_full) = (positions.len(), positions.len() >= MAX_OTHER_KEYS);
        let position = match positions.get(key) {
            Some(position) => *position,
            None => {
                let position = u16::try_from(next).unwrap_or(u16::MAX);
                if !is_full {
                    positions.insert(key.to_owned(), position);
                }
                position
            }
        };
        Some(ApiKey { account: 0, number: others.first_number.saturating_add(position) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_keys_are_accepted_on_request_and_numbered_after_the_known_ones() {
        let account = |name: &str, keys: &[&str]| AccountConfig {
            name: name.into(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let mut keys = Keys::new(&[account("x", &["k1", "k2"]), account("y", &["k3"])]);
        let number = |keys: &Keys, key: &str| keys.find(key).map(|key| (key.account, key.number));
        assert_eq!([number(&keys, "k2"), number(&keys, "k3")], [Some((0, 1)), Some((1, 0))]);
        assert_eq!(number(&keys, "other"), None);
        keys.accept_any();
        let expected = [Some((0, 2)), Some((0, 3)), Some((0, 2)), Some((1, 0)), None];
        assert_eq!(["other", "another", "other", "k3", ""].map(|key| number(&keys, key)), expected);
        for key in 0..2 * MAX_OTHER_KEYS {
            assert!(number(&keys, &format!("sk-{key}")).is_some());
        }
        assert_eq!(number(&keys, "yet another"), Some((0, 1_002)));
    }
}

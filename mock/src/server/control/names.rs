//! Looks up accounts, models and keys by the names in a request.

use super::error::{Error, shortened};
use crate::journal::Entry;
use crate::server::Mock;
use crate::server::injected_faults::Scope;
use serde_json::Value;

/// Returns the account with this name.
pub(super) fn account(mock: &Mock, name: &str) -> Result<u16, Error> {
    find("account", name, mock.account_names())
}

/// Returns the model with this name.
pub(super) fn model(mock: &Mock, name: &str) -> Result<u16, Error> {
    find("model", name, mock.model_names())
}

/// Returns the scope with this account, model and path. `None` matches all.
pub(super) fn scope(
    mock: &Mock,
    account_name: Option<&str>,
    model_name: Option<&str>,
    path: Option<String>,
) -> Result<Scope, Error> {
    Ok(Scope {
        account: account_name.map(|name| account(mock, name)).transpose()?,
        model: model_name.map(|name| model(mock, name)).transpose()?,
        path,
    })
}

fn find<'a>(kind: &str, name: &str, names: impl Iterator<Item = &'a str>) -> Result<u16, Error> {
    let all: Vec<_> = names.collect();
    let index = all.iter().position(|known| *known == name).and_then(|index| u16::try_from(index).ok());
    index.ok_or_else(|| {
        let message = format!("unknown {kind} {}", shortened(name));
        Error::new(message, format!("use one of {}", shortened(&all.join(", "))))
    })
}

/// Selects entries of the journal by account and key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Selection {
    account: Option<u16>,
    /// From zero.
    key: Option<u16>,
}

impl Selection {
    /// Returns the selection of an account by its name, and of a key by its number within the account, from one.
    pub(super) fn new(mock: &Mock, account_name: Option<&str>, key: Option<u16>) -> Result<Self, Error> {
        let account = account_name.map(|name| account(mock, name)).transpose()?;
        let zero = || Error::new("keys are numbered from 1", "write ?account=NAME&key=1");
        let key = key.map(|key| key.checked_sub(1).ok_or_else(zero)).transpose()?;
        Ok(Self { account, key })
    }

    pub(super) fn contains(self, entry: &Entry) -> bool {
        let is_selected = |selected: Option<u16>, found| selected.is_none() || selected == found;
        is_selected(self.account, entry.sender.account) && is_selected(self.key, entry.sender.key)
    }
}

/// Returns the name of an account in JSON; `null` for a key that no account has.
pub(super) fn account_json(mock: &Mock, account: Option<u16>) -> Value {
    account.map(|account| mock.account_name(account)).into()
}

/// Returns the number of a key within its account in JSON, from one.
pub(super) fn key_json(key: Option<u16>) -> Value {
    key.map(|key| u32::from(key) + 1).into()
}

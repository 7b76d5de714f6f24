//! Notes on how the real providers are reached. No simulation reaches them, so results do not have these notes.

use super::Note;
use super::diagnostics::shortened;
use super::resolved::{BaseUrl, KeySource, Scenario, Upstream};
use crate::api_keys::masked;
use provider::config::Config;

impl Scenario {
    /// Returns notes on each provider: that it is on another machine but has keys for mocks, that it is reached without
    /// encryption, and that keys in the scenario look like real ones.
    #[must_use]
    pub fn upstream_notes(&self) -> Vec<Note> {
        let providers = self.providers.iter().zip(&self.upstreams);
        providers.flat_map(|(config, upstream)| notes(config, upstream)).collect()
    }
}

fn notes(config: &Config, upstream: &Upstream) -> impl Iterator<Item = Note> {
    let keys = || {
        let accounts = config.accounts.iter().zip(&upstream.keys);
        accounts.flat_map(|(account, sources)| account.keys.iter().zip(sources))
    };
    let provider = || config.name.clone();
    let remote_url = || upstream.base_url.as_ref().filter(|url| !url.is_loopback());
    let written = count(keys().filter(|(_, source)| **source == KeySource::Written));
    let written_keys = remote_url().filter(|_| written > 0).map(|url| Note::WrittenKeys {
        provider: provider(),
        base_url: url.to_string(),
        written,
        keys: count(keys()),
        assumed: keys().all(|(key, _)| key == "default"),
    });
    let unencrypted = remote_url()
        .filter(|url| !BaseUrl::is_https(url))
        .map(|url| Note::Unencrypted { provider: provider(), base_url: url.to_string() });
    // The path of a key file may look like a key, but is not one.
    let is_real = |(key, source): &(&String, &KeySource)| {
        !matches!(source, KeySource::File(_)) && masked(key) != key.as_str()
    };
    let real_keys = keys().find(is_real).map(|(first, _)| Note::RealKeys {
        provider: provider(),
        first: shortened(&masked(first), MAX_SHOWN),
        keys: count(keys().filter(is_real)),
    });
    written_keys.into_iter().chain(unencrypted).chain(real_keys)
}

/// The maximum length of a masked key in a note, in characters.
const MAX_SHOWN: usize = 16;

fn count(items: impl Iterator) -> u64 {
    items.count() as u64
}

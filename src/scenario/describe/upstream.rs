//! Describes how a real provider is reached.

use crate::api_keys::masked;
use crate::scenario::resolved::{KeySource, Upstream};
use provider::config::{Config, Dialect};

/// Returns a line on the address and the keys of a real provider; `None` if the scenario states neither an address nor
/// where a key is. Keys that are written in the scenario itself are not printed; the line on the accounts counts them.
pub(super) fn line(config: &Config, upstream: &Upstream) -> Option<String> {
    let accounts = config.accounts.iter().zip(&upstream.keys);
    let keys = accounts.flat_map(|(account, sources)| account.keys.iter().zip(sources));
    let (mut variables, mut files) = (Vec::new(), Vec::new());
    for (name, source) in keys {
        match source {
            KeySource::Written => {}
            KeySource::Env(_) => variables.push(masked(name)),
            KeySource::File(_) => files.push(masked(name)),
        }
    }
    let address = upstream.base_url.as_ref().map(ToString::to_string);
    if address.is_none() && variables.is_empty() && files.is_empty() {
        return None;
    }
    let reached = match (address, config.dialect) {
        (Some(address), _) => format!("a gateway reaches it at {address}"),
        // Every Azure account has an address of its own, so the dialect has none.
        (None, Dialect::Azure) => "a gateway needs its `base_url`".to_owned(),
        (None, _) => "a gateway reaches it at the address of its dialect".to_owned(),
    };
    let named = |place: &str, names: &[_]| match names {
        [] => String::new(),
        names => format!("; keys {place} {}", names.join(", ")),
    };
    let (variables, files) = (named("in the environment:", &variables), named("in files:", &files));
    Some(format!("  {reached}{variables}{files}"))
}

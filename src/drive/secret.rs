//! The keys of providers, endpoints and callers: read once, sent in one header or compared with one, and shown nowhere.

use crate::api_keys::masked;
use crate::input_file;
use crate::scenario::KeySource;
use bytes::Bytes;
use hyper::header::HeaderValue;
use provider::server::request_checks::is_equal;
use std::fmt;
use std::path::Path;

/// The maximum size of a file with a key, in bytes.
pub const MAX_KEY_FILE_BYTES: u64 = 16 << 10;

/// Looks up the value of an environment variable; `None` if it is not set.
pub type KeyLookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The value of the header that carries a key. It cannot be printed: neither by `Debug` nor by hyper, which marks it as sensitive.
#[derive(Clone)]
pub(crate) struct Secret(HeaderValue);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads a key; the value of its header is `prefix` and the key. `name` is the name of the key, or the key itself if it
    /// is written in the scenario.
    ///
    /// # Errors
    /// Describes the problem without any part of the key. A key that is written in the scenario is not named; other names are
    /// masked, because the key may have been written in place of the name of its variable.
    pub(crate) fn read(
        source: &KeySource,
        name: &str,
        prefix: &str,
        lookup: &KeyLookup<'_>,
    ) -> Result<Self, String> {
        let text = match source {
            KeySource::Written => name.to_owned(),
            KeySource::Env(variable) => lookup(variable)
                .ok_or_else(|| format!("the environment variable {} is not set", masked(variable)))?,
            KeySource::File(path) => key_file(path)?,
        };
        let shown = || match source {
            KeySource::Written => "a key that is written in the scenario".to_owned(),
            KeySource::Env(_) | KeySource::File(_) => format!("the key `{}`", masked(name)),
        };
        let key = text.trim();
        if key.is_empty() {
            return Err(format!("{} is empty", shown()));
        }
        let mut value = HeaderValue::try_from(format!("{prefix}{key}"))
            .ok()
            .filter(|_| key.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| format!("{} has characters other than visible ASCII", shown()))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// Returns `text` with every occurrence of the key replaced: a provider may repeat the request in an error.
    pub(crate) fn masked_in(&self, text: Bytes) -> Bytes {
        let header = self.0.as_bytes();
        // The key follows the scheme, if there is one.
        let key = header.rsplit(|byte| *byte == b' ').next().unwrap_or(header);
        if memchr::memmem::find(&text, key).is_none() {
            return text;
        }
        let (mut masked, mut rest) = (Vec::with_capacity(text.len()), &text[..]);
        while let Some(at) = memchr::memmem::find(rest, key) {
            masked.extend_from_slice(&rest[..at]);
            masked.extend_from_slice(MASK);
            rest = &rest[at + key.len()..];
        }
        masked.extend_from_slice(rest);
        masked.into()
    }

    /// Returns `true` if `sent` is the value of the header, in a time that depends on their lengths only.
    pub(crate) fn is(&self, sent: &[u8]) -> bool {
        is_equal(sent, self.0.as_bytes())
    }

    /// Returns `true` if both are the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is(other.0.as_bytes())
    }

    /// Returns the value of the header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// What callers see in place of a key.
const MASK: &[u8] = b"***";

fn key_file(path: &Path) -> Result<String, String> {
    let name = crate::formatting::path_name(path);
    let bytes = input_file::read(path, MAX_KEY_FILE_BYTES)
        .map_err(|error| format!("the file {name} cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| format!("the file {name} is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Option<&str>) -> Result<Secret, String> {
        let lookup = |_: &str| value.map(str::to_owned);
        Secret::read(&KeySource::Env("GROQ_API_KEY".into()), "GROQ_API_KEY", "Bearer ", &lookup)
    }

    #[test]
    fn a_secret_cannot_be_printed() {
        let secret = read(Some("gsk_private\n")).expect("a key");
        assert_eq!(secret.header().as_bytes(), b"Bearer gsk_private");
        assert!(!format!("{secret:?} {:?}", secret.header()).contains("private"));
    }

    #[test]
    fn a_text_that_repeats_the_key_is_masked() {
        let secret = read(Some("gsk_private")).expect("a key");
        let masked = secret.masked_in(Bytes::from("a Bearer gsk_private, gsk_privategsk_private"));
        assert_eq!(masked, "a Bearer ***, ******");
        assert_eq!(secret.masked_in(Bytes::from("nothing")), "nothing");
    }

    #[test]
    fn a_malformed_key_of_the_scenario_is_reported_without_its_text() {
        for bad in ["", "gsk_private key", "my private key"] {
            let problem = Secret::read(&KeySource::Written, bad, "", &|_| None).unwrap_err();
            assert!(problem.contains("written in the scenario") && !problem.contains("priv"), "{problem}");
        }
    }

    #[test]
    fn a_missing_or_malformed_key_is_reported_without_its_text() {
        assert_eq!(read(None).unwrap_err(), "the environment variable GROQ_API_KEY is not set");
        for bad in ["", "  ", "gsk private", "gsk\u{7f}private", "gskprivaté", "gsk\nprivate"] {
            let problem = read(Some(bad)).unwrap_err();
            assert!(problem.contains("`GROQ_API_KEY`") && !problem.contains("priv"), "{problem}");
        }
    }
}

//! The keys of answers in Redis, and the values under them.
//!
//! A value is text up to the body of the answer: a format marker, the time at which the answer was stored in milliseconds since 1970 (16
//! digits), an authentication tag (64 digits), and a line of JSON, each followed by a space or a line feed. The tag authenticates
//! all else together with the key: a value that was damaged, that is no answer, or that belongs to another key is not read.

use provider::server::request_checks::is_equal;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// What the replicas of a Redis have in common: they compute the keys of answers and the tags of values with it.
#[derive(Clone)]
pub(super) struct Secret(hmac::Key);

/// The key of an answer in Redis: HMAC-SHA-256, so that prompts cannot be guessed from the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct AnswerKey([u8; 32]);

/// What a value states of an answer besides its body.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head<'a> {
    /// The name of the target that gave it.
    #[serde(borrow)]
    pub(super) target: Cow<'a, str>,
    /// As in [`crate::engine::Reply::cut`].
    pub(super) cut: bool,
    /// The headers that it keeps.
    #[serde(borrow)]
    pub(super) headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the secret of the shared answers")
    }
}

impl Secret {
    /// Returns the secret with these hexadecimal digits; `None` if they are not those of 32 bytes.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        from_hex(digits.as_bytes()).map(|bytes| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// Returns the key of the answer to a request with this digest, in gateways with this scope.
    pub(super) fn key_of(&self, scope: &[u8; 32], digest: &[u8]) -> AnswerKey {
        let mut hash = hmac::Context::with_key(&self.0);
        [&b"key"[..], scope, digest].iter().for_each(|part| hash.update(part));
        let mut key = [0; 32];
        key.copy_from_slice(hash.sign().as_ref());
        AnswerKey(key)
    }

    fn tagged(&self, key: &AnswerKey, stored: &[u8], rest: &[u8]) -> hmac::Context {
        let mut hash = hmac::Context::with_key(&self.0);
        // Of the same length as the prefix of `key_of`, and different.
        [&b"tag"[..], &key.0, stored, rest].iter().for_each(|part| hash.update(part));
        hash
    }

    /// Returns the value of an answer that was stored at `stored_ms`; `None` if its head is too long, or its time has more digits than
    /// any.
    pub(super) fn encode(
        &self,
        key: &AnswerKey,
        stored_ms: u64,
        (head, body): (&Head<'_>, &[u8]),
    ) -> Option<Vec<u8>> {
        let head = serde_json::to_vec(head).ok()?;
        let stored = format!("{stored_ms:016}");
        if head.len() > MAX_HEAD_BYTES || stored.len() != STORED_DIGITS {
            return None;
        }
        let rest = [&head[..], b"\n", body].concat();
        let tag = hex(self.tagged(key, stored.as_bytes(), &rest).sign().as_ref());
        Some([FORMAT_MARKER, stored.as_bytes(), b" ", tag.as_bytes(), b"\n", &rest].concat())
    }

    /// Returns when the answer in a value was stored, its head and its body; `None` if no replica has written the value under this key.
    pub(super) fn decode<'a>(&self, key: &AnswerKey, value: &'a [u8]) -> Option<(u64, Head<'a>, &'a [u8])> {
        let (stored, rest) = value.strip_prefix(FORMAT_MARKER)?.split_at_checked(STORED_DIGITS)?;
        let (tag, rest) = rest.strip_prefix(b" ")?.split_at_checked(TAG_DIGITS)?;
        let rest = rest.strip_prefix(b"\n")?;
        let stored_ms = std::str::from_utf8(stored).ok()?.parse().ok()?;
        let signed = self.tagged(key, stored, rest).sign();
        if !is_equal(signed.as_ref(), &from_hex(tag)?) {
            return None;
        }
        let end = memchr::memchr(b'\n', rest)?;
        Some((stored_ms, serde_json::from_slice(&rest[..end]).ok()?, &rest[end + 1..]))
    }
}

impl AnswerKey {
    /// Returns its name in Redis.
    pub(super) fn name(&self) -> String {
        format!("{PREFIX}answer:{}", hex(&self.0))
    }
}

/// Returns bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Reads the hexadecimal digits of 32 bytes.
fn from_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(bytes)
}

/// The beginning of the names of all keys.
pub(super) const PREFIX: &str = "quotalab-cache:";

/// The beginning of every value.
const FORMAT_MARKER: &[u8] = b"quotalab-answer-1 ";

const STORED_DIGITS: usize = 16;

const TAG_DIGITS: usize = 64;

/// The longest head, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// What a value has besides the body of the answer, in bytes, at most.
pub(super) const MAX_OVERHEAD_BYTES: usize = MAX_HEAD_BYTES + 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(digit: &str) -> Secret {
        Secret::parse(&digit.repeat(64)).expect("32 bytes")
    }

    fn head() -> Head<'static> {
        let headers = vec![("content-type".into(), "application/json".into())];
        Head { target: "p/\"a\"/m".into(), cut: true, headers }
    }

    #[test]
    fn only_digits_of_32_bytes_are_a_secret() {
        for digits in ["", "0", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            assert!(Secret::parse(digits).is_none(), "{digits}");
        }
    }

    #[test]
    fn keys_differ_by_secret_scope_and_digest() {
        let key = |digit, scope, digest: &[u8]| secret(digit).key_of(&[scope; 32], digest);
        let one = key("1", 1, b"a");
        assert_eq!(one, key("1", 1, b"a"));
        assert!([key("2", 1, b"a"), key("1", 2, b"a"), key("1", 1, b"b")].iter().all(|other| *other != one));
        assert!(one.name().starts_with("quotalab-cache:answer:") && one.name().len() == 22 + 64);
    }

    proptest! {
        /// A value is read as it was written, under its own key and with its own secret only.
        #[test]
        fn a_value_is_read_under_its_own_key_only(body in prop::collection::vec(any::<u8>(), 0..300), stored in 0..10u64.pow(16)) {
            let (secret, other_secret) = (secret("a"), secret("b"));
            let [key, other] = [b"one", b"two"].map(|digest| secret.key_of(&[0; 32], digest));
            let value = secret.encode(&key, stored, (&head(), &body)).expect("a value");
            prop_assert!(value.len() <= body.len() + MAX_OVERHEAD_BYTES);
            prop_assert_eq!(secret.decode(&key, &value), Some((stored, head(), &body[..])));
            prop_assert_eq!(secret.decode(&other, &value), None);
            prop_assert_eq!(other_secret.decode(&key, &value), None);
        }

        /// A value in which anything was changed is not read.
        #[test]
        fn a_value_that_was_changed_is_not_read(
            body in prop::collection::vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(), by in 1..=255u8, is_cut in any::<bool>(),
        ) {
            let secret = secret("a");
            let key = secret.key_of(&[0; 32], b"one");
            let mut value = secret.encode(&key, 7, (&head(), &body)).expect("a value");
            let at = at.index(value.len());
            let before = value[at];
            if is_cut { value.truncate(at) } else { value[at] ^= by }
            // The digits of the tag may be in either case.
            let is_same = !is_cut && value[at].eq_ignore_ascii_case(&before) && (35..99).contains(&at);
            prop_assert_eq!(secret.decode(&key, &value).is_some(), is_same);
        }

        /// Whatever is there, reading ends without a panic.
        #[test]
        fn any_bytes_are_not_read(bytes in prop::collection::vec(any::<u8>(), 0..200), has_marker in any::<bool>()) {
            let value = if has_marker { [FORMAT_MARKER, &bytes].concat() } else { bytes };
            let secret = secret("a");
            prop_assert_eq!(secret.decode(&secret.key_of(&[0; 32], b"one"), &value), None);
        }
    }
}

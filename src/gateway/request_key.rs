//! The key of a request: equal for requests that may share one answer.
//!
//! It is a keyed hash (HMAC-SHA-256, with a random key for each gateway) of the SHA-256 of the operation, the caller, the headers that
//! can change an answer, and every member of the body, in a canonical form: members of objects are sorted by name, blanks are left
//! out, strings are compared without their escapes. So no two callers share an answer, and no different request can be made that
//! has the same key. What could be read in two ways (a number that no `f64` holds exactly) has no key.
//!
//! Gateways that share answers through Redis have a key in common, with which they hash the same SHA-256 to the key of the answer there.

use super::endpoint::Endpoint;
use super::headers::PassedHeaders;
use super::sharing::{AnswerKey, SharedAnswers};
use super::upstream::ConfigError;
use hyper::header::{CACHE_CONTROL, HeaderMap};
use ring::{digest, hmac, rand};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RequestKey([u8; 32]);

#[cfg(test)]
impl RequestKey {
    /// Returns a key that differs from those with other numbers.
    pub(super) fn numbered(number: usize) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Self(key)
    }
}

/// What a request states about its reuse of answers in `cache-control` (RFC 9111, section 5.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// It may get the answer to an identical request.
    Allowed,
    /// It is sent, and its answer replaces a stored one (`no-cache`, `max-age=0`).
    Refresh,
    /// It is sent, and its answer is not stored (`no-store`).
    Never,
}

/// A request that may share its answer with identical ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) key: RequestKey,
    /// It does not accept an earlier answer.
    pub(super) is_refresh: bool,
    /// The key of its answer in Redis; `None` if answers are not shared with other gateways.
    pub(super) shared: Option<AnswerKey>,
}

/// Computes the keys of requests.
#[derive(Debug)]
pub(super) struct KeyHasher {
    key: hmac::Key,
    /// `None` if answers are not shared with other gateways.
    shared: Option<SharedAnswers>,
}

/// Returns `true` if the answers of an operation are shared: all but forms, which are not JSON.
const fn is_shared(endpoint: Endpoint) -> bool {
    !matches!(endpoint, Endpoint::Transcriptions)
}

/// The largest body of a request that has a key, in bytes: to compute that of a larger one would take too long.
const MAX_BODY_BYTES: usize = 8 << 20;

/// Integers up to this one are exact as `f64`.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl Reuse {
    /// Returns what the headers of a request state. Of several directives, the strictest holds. A directive counts with any argument,
    /// except `max-age`, whose argument has to be zero. A value that is not ASCII is not read, so it may be the strictest.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(CACHE_CONTROL).iter().map(|value| value.to_str().unwrap_or("no-store"));
        values.flat_map(|value| value.split([',', ';'])).fold(Self::Allowed, |found, directive| {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            let is = |expected: &str| name.trim().eq_ignore_ascii_case(expected);
            let seconds = argument.trim().trim_matches('"').parse::<u64>();
            if found == Self::Never || is("no-store") {
                Self::Never
            } else if is("no-cache") || (is("max-age") && seconds == Ok(0)) {
                Self::Refresh
            } else {
                found
            }
        })
    }
}

impl KeyHasher {
    /// Returns a hasher with a random key.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(super) fn new() -> Result<Self, ConfigError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new());
        key.map(|key| Self { key, shared: None }).map_err(|_| ConfigError {
            place: "client".to_owned(),
            what: "the system has no random numbers, which `cache` and `join` need".to_owned(),
            help: "leave out `cache` and `join`".to_owned(),
        })
    }

    /// Computes the keys of the answers that are shared with other gateways as well.
    pub(super) fn share(&mut self, answers: SharedAnswers) {
        self.shared = Some(answers);
    }

    /// Returns the identity of a request; `None` if its answer is not shared: its caller forbids it, the provider keeps state for
    /// it, or it has no canonical form.
    pub(super) fn identity(
        &self,
        (endpoint, body): (Endpoint, &[u8]),
        headers: &PassedHeaders,
        (caller, reuse): (Option<&str>, Reuse),
    ) -> Option<Identity> {
        if !is_shared(endpoint) || reuse == Reuse::Never || body.len() > MAX_BODY_BYTES {
            return None;
        }
        let members = top_level(body)?;
        if members.iter().any(|(name, value)| is_stateful(name, value)) {
            return None;
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut add = |part: &[u8]| {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(endpoint.path().as_bytes());
        // No caller has an empty name.
        add(caller.unwrap_or_default().as_bytes());
        for value in headers.of_the_answer() {
            add(&[u8::from(value.is_some())]);
            add(value.map_or(&[], |value| value.as_bytes()));
        }
        for (name, value) in &members {
            add(name.as_bytes());
            add(value);
        }
        let digest = hash.finish();
        let mut key = [0; 32];
        key.copy_from_slice(hmac::sign(&self.key, digest.as_ref()).as_ref());
        let shared = self.shared.as_ref().and_then(|answers| answers.key_of(digest.as_ref()));
        Some(Identity { key: RequestKey(key), is_refresh: reuse == Reuse::Refresh, shared })
    }
}

/// Returns `true` for a member with which the provider keeps the answer, or continues from one that it kept.
fn is_stateful(name: &str, value: &[u8]) -> bool {
    match name {
        "store" | "background" => value != [FALSE] && value != [NULL],
        "previous_response_id" | "conversation" => value != [NULL],
        _ => false,
    }
}

const NULL: u8 = b'n';
const FALSE: u8 = b'f';
const TRUE: u8 = b't';

/// The members of an object, sorted by name, each with the canonical form of its value.
type Members = Vec<(String, Vec<u8>)>;

/// Returns the members of the object that a body is; `None` if it has no canonical form.
fn top_level(body: &[u8]) -> Option<Members> {
    struct TopLevel;
    impl<'de> Visitor<'de> for TopLevel {
        type Value = Members;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Members, A::Error> {
            members(access)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let members = deserializer.deserialize_map(TopLevel).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

fn members<'de, A: MapAccess<'de>>(mut access: A) -> Result<Members, A::Error> {
    let mut members = Members::new();
    while let Some(name) = access.next_key::<Cow<'de, str>>()? {
        let mut value = Vec::new();
        access.next_value_seed(Canonical(&mut value))?;
        members.push((name.into_owned(), value));
    }
    // Members of one name stay in their order: providers may read the first or the last.
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(members)
}

/// Appends the canonical form of a JSON value: a letter for its type, and its content. Of an object it is the hash of its members, so
/// that every byte is read once, however deep it lies.
struct Canonical<'a>(&'a mut Vec<u8>);

impl Canonical<'_> {
    fn add(self, kind: u8, content: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(content);
    }
}

impl<'de> DeserializeSeed<'de> for Canonical<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Canonical<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.add(NULL, &[]);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.add(if value { TRUE } else { FALSE }, &[]);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.add(b'u', &value.to_le_bytes());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.add(b'i', &value.to_le_bytes());
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if value.abs() >= MAX_EXACT {
            return Err(E::custom("a number that is not exact"));
        }
        self.add(b'd', &value.to_bits().to_le_bytes());
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(b's');
        self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        while items.next_element_seed(Canonical(&mut *self.0))?.is_some() {}
        self.0.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut hash = digest::Context::new(&digest::SHA256);
        for (name, value) in members(access)? {
            for part in [name.as_bytes(), &value] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        self.add(b'o', hash.finish().as_ref());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn hasher() -> KeyHasher {
        KeyHasher::new().expect("random numbers")
    }

    fn identity(hasher: &KeyHasher, body: &str) -> Option<Identity> {
        let headers = PassedHeaders::of(&HeaderMap::new());
        hasher.identity((Endpoint::Chat, body.as_bytes()), &headers, (None, Reuse::Allowed))
    }

    #[test]
    fn equal_requests_have_one_key_however_they_are_written() {
        let hasher = hasher();
        let key = |body: &str| identity(&hasher, body).expect("a key");
        let one = key(r#"{"model":"m","messages":[{"role":"user","content":"a\u0062"}],"n":1}"#);
        assert_eq!(
            one,
            key(r#" { "n" : 1, "messages" : [ {"content":"ab", "role":"user"} ], "model":"m" } "#)
        );
        for other in [
            r#"{"model":"m","messages":[{"role":"user","content":"ab"}],"n":2}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"ab"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"ab"}],"n":1,"user":"u"}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"ab"}],"n":1,"stream":true}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"ab"},{}],"n":1}"#,
            r#"{"model":"m","messages":[[{"role":"user","content":"ab"}]],"n":1}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"ab"}],"n":"1"}"#,
        ] {
            assert_ne!(one, key(other), "{other}");
        }
        assert_ne!(key(r#"{"a":{"b":1,"b":2}}"#), key(r#"{"a":{"b":2,"b":1}}"#), "servers differ");
        assert_ne!(key(r#"{"a":["bc"]}"#), key(r#"{"a":["b","c"]}"#));
        assert_ne!(one, identity(&super::tests::hasher(), r#"{"model":"m"}"#).expect("a key"));
    }

    #[test]
    fn what_is_not_shared_has_no_key() {
        let hasher = hasher();
        for body in [
            r#"{"store":true}"#,
            r#"{"store":"yes"}"#,
            r#"{"previous_response_id":"r"}"#,
            r#"{"conversation":{"id":"c"}}"#,
            r#"{"background":true}"#,
            r#"{"seed":18446744073709551616}"#,
            r#"{"x":1e400}"#,
            "[]",
            "{} {}",
        ] {
            assert_eq!(identity(&hasher, body), None, "{body}");
        }
        assert!(
            identity(&hasher, r#"{"store":false,"previous_response_id":null,"temperature":0.7}"#).is_some()
        );
        let (body, headers) = (b"{}", PassedHeaders::of(&HeaderMap::new()));
        let with = |endpoint, caller, reuse| hasher.identity((endpoint, body), &headers, (caller, reuse));
        assert_eq!(with(Endpoint::Transcriptions, None, Reuse::Allowed), None);
        assert_eq!(with(Endpoint::Chat, None, Reuse::Never), None);
        let one = with(Endpoint::Chat, Some("a"), Reuse::Allowed).expect("a key");
        for other in [
            with(Endpoint::Chat, Some("b"), Reuse::Allowed),
            with(Endpoint::Chat, None, Reuse::Allowed),
            with(Endpoint::Responses, Some("a"), Reuse::Allowed),
        ] {
            assert_ne!(one, other.expect("a key"));
        }
        let refresh = with(Endpoint::Chat, Some("a"), Reuse::Refresh).expect("a key");
        assert_eq!((refresh.key, refresh.is_refresh), (one.key, true));
    }

    #[test]
    fn directives_are_read_as_http_writes_them() {
        for (values, expected) in [
            (&[][..], Reuse::Allowed),
            (&["max-age=60"], Reuse::Allowed),
            (&["No-Cache"], Reuse::Refresh),
            (&["max-age=0, private"], Reuse::Refresh),
            (&["no-cache", "no-store"], Reuse::Never),
            (&["no-store , no-cache"], Reuse::Never),
            (&["max-age = 00"], Reuse::Refresh),
            (&["max-age=\"0\""], Reuse::Refresh),
            (&["no-cache=\"authorization\""], Reuse::Refresh),
            (&["no-store;x"], Reuse::Never),
            (&["max-age, x-no-store=1"], Reuse::Allowed),
            (&["no-store, x=\"\u{e9}\""], Reuse::Never),
            (&["x=\"\u{e9}\""], Reuse::Never),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value.as_bytes());
                headers.append(CACHE_CONTROL, value.expect("a header value"));
            }
            assert_eq!(Reuse::of(&headers), expected, "{values:?}");
        }
    }

    proptest! {
        /// Any JSON has the key of the same value written in another order, and of no other value.
        #[test]
        fn keys_are_equal_if_and_only_if_the_values_are(one in json(), other in json()) {
            let hasher = hasher();
            let write = |value: &serde_json::Value| format!(r#"{{"x":{value}}}"#);
            let keys = [&one, &other].map(|value| identity(&hasher, &write(value)).expect("a key"));
            prop_assert_eq!(keys[0] == keys[1], one == other);
            let pretty = serde_json::to_string_pretty(&serde_json::json!({"x": one})).expect("JSON");
            prop_assert_eq!(keys[0], identity(&hasher, &pretty).expect("a key"));
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            (0..3i64).prop_map(Into::into),
            "[ab\"]{0,2}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }
}

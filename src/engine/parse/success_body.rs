//! Parses only the members of a completion that are read. Its text, which is most of the body, is skipped, so that a load
//! generator spends its time on requests.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The part of a value that is kept.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Whole,
    /// These members of an object; the same part of each element of a list; any other value as a whole.
    Members(&'static [(&'static str, Kept)]),
}

/// What [`AnswerReader`](super::answer::AnswerReader) reads, and what shows an error in a success
/// ([`ErrorBody::error_in_success`](super::error_body::ErrorBody::error_in_success)).
const BODY: Kept = Kept::Members(&[
    ("candidates", Kept::Members(&[("finishReason", Kept::Whole)])),
    ("choices", Kept::Members(&[("error", Kept::Whole), ("finish_reason", Kept::Whole)])),
    ("delta", Kept::Members(&[("stop_reason", Kept::Whole)])),
    ("error", Kept::Whole),
    ("incomplete_details", Kept::Whole),
    ("message", Kept::Members(&[("usage", USAGE)])),
    ("object", Kept::Whole),
    ("response", Kept::Members(&[("incomplete_details", Kept::Whole)])),
    ("stop_reason", Kept::Whole),
    ("type", Kept::Whole),
    ("usage", USAGE),
    ("usageMetadata", Kept::Whole),
    ("x_groq", Kept::Whole),
]);

const USAGE: Kept = Kept::Members(&[
    ("prompt_tokens", Kept::Whole),
    ("completion_tokens", Kept::Whole),
    ("total_tokens", Kept::Whole),
    ("prompt_tokens_details", Kept::Members(&[("cached_tokens", Kept::Whole)])),
    ("input_tokens", Kept::Whole),
    ("output_tokens", Kept::Whole),
    ("cache_read_input_tokens", Kept::Whole),
    ("cache_creation_input_tokens", Kept::Whole),
]);

/// Returns the members of a success that are read; `None` if it is not JSON.
pub(super) fn members(body: &[u8]) -> Option<Value> {
    // The deserializer does not check whether text that it skips is UTF-8.
    let mut deserializer = serde_json::Deserializer::from_str(std::str::from_utf8(body).ok()?);
    let value = BODY.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| value)
}

impl<'de> DeserializeSeed<'de> for Kept {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Self::Whole => serde::Deserialize::deserialize(deserializer),
            Self::Members(members) => deserializer.deserialize_any(Members(members)),
        }
    }
}

struct Members(&'static [(&'static str, Kept)]);

impl<'de> Visitor<'de> for Members {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(kept) = access.next_key_seed(Key(self.0))? {
            match kept {
                Some((name, kept)) => {
                    members.insert(name.to_owned(), access.next_value_seed(kept)?);
                }
                None => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(Kept::Members(self.0))? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// Looks the name of a member up: returns its entry, which states how much of the member is kept, or `None` if it is skipped.
struct Key(&'static [(&'static str, Kept)]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<(&'static str, Kept)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<(&'static str, Kept)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(kept, _)| *kept == name).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::AnswerReader;
    use super::super::error_body::ErrorBody;
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// The words that are read somewhere in a success, and some that are not.
    const WORDS: [&str; 29] = [
        "candidates",
        "choices",
        "delta",
        "error",
        "incomplete_details",
        "message",
        "object",
        "response",
        "stop_reason",
        "type",
        "usage",
        "usageMetadata",
        "x_groq",
        "finishReason",
        "finish_reason",
        "reason",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "promptTokenCount",
        "candidatesTokenCount",
        "prompt_tokens_details",
        "cached_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "content",
        "length",
    ];

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..100_u64).prop_map(Value::from),
            (-2.0..2.0).prop_map(Value::from),
            select(&WORDS[..]).prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            let member = (select(&WORDS[..]).prop_map(str::to_owned), inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..3).prop_map(Value::from),
                prop::collection::vec(member, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Law: the kept members give the same answer, and show an error if and only if the whole body does.
        #[test]
        fn skipped_members_do_not_change_what_is_read(body in any_value()) {
            let members = members(body.to_string().as_bytes()).expect("JSON");
            prop_assert_eq!(AnswerReader::of(&members), AnswerReader::of(&body));
            prop_assert_eq!(
                ErrorBody::error_in_success(&members).is_some(),
                ErrorBody::error_in_success(&body).is_some()
            );
        }
    }

    #[test]
    fn text_that_is_not_whole_json_has_no_members() {
        let body = br#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":1}}"#;
        assert!(members(body).is_some_and(|members| members["choices"][0]["finish_reason"] == "length"));
        for end in 0..body.len() {
            assert_eq!(members(&body[..end]), None, "{end}");
        }
        assert_eq!(members(&[body, &b"x"[..]].concat()), None);
        assert_eq!(members(b"{\"choices\":[{\"message\":\"\xff\"}]}"), None, "not UTF-8");
    }
}

//! `explain`: every published paste in `tests/fixtures/pastes` with the expected explanation, and systematic variations of
//! refusals.

mod clients;
mod confidence;
mod logged;
mod mock_replies;
mod pastes;
mod printed;
mod sentences;
mod spellings;
mod who_answered;

use quotalab::explain::{Explanation, explain};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Returns the bytes of a paste.
fn paste(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/pastes/{name}.txt"));
    fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Explains a paste.
fn explained(bytes: impl AsRef<[u8]>) -> Vec<Explanation> {
    let bytes = bytes.as_ref();
    explain(bytes, None).unwrap_or_else(|error| panic!("{error}:\n{}", String::from_utf8_lossy(bytes)))
}

/// Explains a paste that holds one reply.
fn one(bytes: impl AsRef<[u8]>) -> Value {
    let bytes = bytes.as_ref();
    let explained = explained(bytes);
    assert_eq!(explained.len(), 1, "one reply in:\n{}", String::from_utf8_lossy(bytes));
    serde_json::to_value(&explained[0]).expect("an explanation is serialisable")
}

/// Asserts that an explanation has these members.
fn assert_members(explanation: &Value, expected: &Value, context: &str) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&explanation[name], value, "`{name}` of {context}: {explanation:#}");
    }
}

/// Asserts that each text contains one reply, and that its explanation has these members.
fn check_all(rows: &[(&str, Value)]) {
    for (text, expected) in rows {
        assert_members(&one(text), expected, text);
    }
}

/// Returns the plain text of the explanation of a paste.
fn text_of(paste: &str) -> String {
    quotalab::explain::text(&explained(paste))
}

/// Asserts that a paste contains one reply for each of `expected`, with these members, and that the text of the explanation
/// contains all of `words` and none of `absent`.
fn check(name: &str, expected: &[Value], words: &[&str], absent: &[&str]) {
    let explained = explained(paste(name));
    assert_eq!(explained.len(), expected.len(), "replies in {name}");
    for (explanation, expected) in explained.iter().zip(expected) {
        assert_members(
            &serde_json::to_value(explanation).expect("an explanation is serialisable"),
            expected,
            name,
        );
    }
    let text = quotalab::explain::text(&explained);
    for words in words {
        assert!(text.contains(words), "no `{words}` in {name}:\n{text}");
    }
    for words in absent {
        assert!(!text.contains(words), "`{words}` in {name}:\n{text}");
    }
}

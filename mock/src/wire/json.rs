//! JSON text of the bodies that a wire format sends.

use super::filler;
use crate::time::Nanos;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Add;

/// Returns the compact JSON text of `value`, with members in the order in which its type declares them.
pub(super) fn text(value: &impl Serialize) -> String {
    text_with_capacity(value, 512)
}

/// Like [`text`], for a text of about `capacity` bytes.
pub(super) fn text_with_capacity(value: &impl Serialize, capacity: usize) -> String {
    let mut text = Vec::with_capacity(capacity);
    serde_json::to_writer(&mut text, value).expect("invariant: a wire body serialises without errors");
    String::from_utf8(text).expect("invariant: JSON is UTF-8")
}

/// Returns `text` escaped for a JSON string, without the quotes around it.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !needs_escapes(text) {
        return text.into();
    }
    let quoted = self::text_with_capacity(&text, text.len() + 16);
    quoted[1..quoted.len() - 1].to_owned().into()
}

/// Returns `true` if `text` differs from its form in a JSON string: if it has a quote, a backslash or a control character.
fn needs_escapes(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).any(|word| any_needs_escape(u64::from_le_bytes(*word)))
}

/// Returns `true` if one of eight bytes is a quote, a backslash or a control character. Checks all of them at once (Bit
/// Twiddling Hacks, "Determine if a word has a byte less than n"): a subtraction sets the highest bit of a byte that is
/// smaller, and its borrows reach no byte below the first such byte.
const fn any_needs_escape(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    let quotes = word ^ (ONES * b'"' as u64);
    let backslashes = word ^ (ONES * b'\\' as u64);
    let below_space = word.wrapping_sub(ONES * b' ' as u64) & !word;
    let zero_in_quotes = quotes.wrapping_sub(ONES) & !quotes;
    let zero_in_backslashes = backslashes.wrapping_sub(ONES) & !backslashes;
    (below_space | zero_in_quotes | zero_in_backslashes) & HIGHEST_BITS != 0
}

/// A JSON object that is written member by member.
///
/// Used for completions and chunks, which the mock renders for every chat request that it serves, and whose members differ by
/// provider. Structs for the usage and for the members of one provider, which serde serialised, took 3,300 instructions more
/// per request, a tenth of all (callgrind of `mock/benches` without limits, 2026-11-28). [`Object::member`] and
/// [`Object::plain_text`] are inlined, so that the length of a name is known where it is copied: 3 % fewer instructions.
#[derive(Clone, Debug)]
pub(super) struct Object(Vec<u8>);

impl Object {
    /// Creates an empty object with room for a text of `capacity` bytes.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let mut text = Vec::with_capacity(capacity);
        text.push(b'{');
        Self(text)
    }

    /// Adds a member. Its name needs no escapes.
    #[inline(always)]
    pub(super) fn member(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        self.write_name(name);
        serde_json::to_writer(&mut self.0, value).expect("invariant: a wire body serialises without errors");
        self
    }

    /// Adds a string. Most strings need no escapes and are copied whole, while serde_json looks up every byte.
    pub(super) fn text(self, name: &str, value: &str) -> Self {
        if needs_escapes(value) { self.member(name, value) } else { self.plain_text(name, value) }
    }

    /// Adds a string that needs no escapes.
    #[inline(always)]
    pub(super) fn plain_text(mut self, name: &str, value: &str) -> Self {
        debug_assert!(!needs_escapes(value), "invariant: a plain text needs no escapes, found {value}");
        self.write_name(name);
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
        self
    }

    /// Adds a string of `tokens` filler words, which `seed` chooses.
    pub(super) fn filler(mut self, name: &str, seed: u64, tokens: u32) -> Self {
        self.write_name(name);
        self.0.push(b'"');
        filler::append(&mut self.0, seed, tokens);
        self.0.push(b'"');
        self
    }

    /// Adds an object with the members that `write` adds to it.
    pub(super) fn object(mut self, name: &str, write: impl FnOnce(Self) -> Self) -> Self {
        self.write_name(name);
        self.0.push(b'{');
        let mut object = write(self);
        object.0.push(b'}');
        object
    }

    /// Adds an array of `length` objects, at least one, with the members that `write` adds to the object at an index.
    pub(super) fn array(mut self, name: &str, length: u32, write: impl Fn(Self, u32) -> Self) -> Self {
        self.write_name(name);
        self.0.extend_from_slice(b"[{");
        let mut array = write(self, 0);
        for index in 1..length {
            array.0.extend_from_slice(b"},{");
            array = write(array, index);
        }
        array.0.extend_from_slice(b"}]");
        array
    }

    /// Returns the text of the object.
    pub(super) fn into_text(mut self) -> String {
        self.0.push(b'}');
        String::from_utf8(self.0).expect("invariant: JSON is UTF-8")
    }

    #[inline(always)]
    fn write_name(&mut self, name: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

/// A duration in seconds. Its text is exact to the nanosecond (`0.041876985`, `2`). Its JSON number has the same value to
/// the nanosecond below 2^23 s (97 days), and is rounded to a double above, except that whole seconds are always exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) Nanos);

impl Add for Seconds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal { value: self.0.0, places: 9 }.fmt(f)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Nanos(nanos) = self.0;
        if nanos.is_multiple_of(Nanos::SECOND.0) {
            serializer.serialize_u64(nanos / Nanos::SECOND.0)
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

/// The decimal fraction `value` ÷ 10^`places`, printed exactly and without trailing zeros.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    /// The number in units of its last decimal place.
    pub(super) value: u64,
    /// The number of decimal places, at most 18.
    pub(super) places: u32,
}

impl Decimal {
    /// Appends the text. If `text` is a string, this avoids the cost of a formatter.
    pub(super) fn append_to(self, text: &mut impl fmt::Write) -> fmt::Result {
        let unit = 10_u64.pow(self.places);
        let (whole, fraction) = (self.value / unit, self.value % unit);
        let mut buffer = itoa::Buffer::new();
        text.write_str(buffer.format(whole))?;
        if fraction == 0 {
            return Ok(());
        }
        text.write_str(".")?;
        // The sum has one digit more than the fraction, which keeps the zeros after the point.
        let digits = &buffer.format(unit + fraction)[1..];
        text.write_str(digits.trim_end_matches('0'))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.append_to(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decimals_are_exact(value: u64, shift in 0u32..64, places in 0u32..10) {
            let value = value >> shift;
            let text = Decimal { value, places }.to_string();
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            prop_assert!(!fraction.ends_with('0') && fraction.len() <= places as usize);
            let width = places as usize;
            prop_assert_eq!(format!("{whole}{fraction:0<width$}").parse::<u64>().unwrap(), value);
        }

        /// Up to eleven days, JSON has the same digits as the text; it writes less than 10 µs with an exponent.
        #[test]
        fn json_seconds_are_the_text(nanos in 0..1_000_000_000_000_000u64) {
            let seconds = Seconds(Nanos(nanos));
            let json = text(&seconds);
            prop_assert!(json == seconds.to_string() || nanos < 10_000, "{}", json);
            prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), seconds.to_string().parse::<f64>().unwrap().to_bits());
        }

        #[test]
        fn an_object_parses_to_its_members(name in "[a-z_]{1,8}", text in any::<String>(), number: u32) {
            let inner = |object: Object| object.member("text", &text);
            let object = Object::with_capacity(0)
                .member(&name, &number)
                .plain_text("plain", "a b")
                .text("any", &text)
                .object("Object", inner)
                .array("Array", 2, |object, _| inner(object))
                .member("last", &())
                .into_text();
            let expected = serde_json::json!({
                (name): number, "plain": "a b", "any": text, "Object": { "text": text }, "Array": [{ "text": text }, { "text": text }], "last": null
            });
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&object).unwrap(), expected);
        }

        #[test]
        fn escaped_text_parses_to_the_text(text in r"[\x00-\x7fé漢]*") {
            let quoted = format!("\"{}\"", escaped(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text.as_str());
            prop_assert_eq!(needs_escapes(&text), self::text(&text) != format!("\"{text}\""));
        }
    }
}

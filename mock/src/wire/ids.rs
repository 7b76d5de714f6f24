//! The ids of a reply: shaped as each provider's, derived from the number of the call alone, so that no clock
//! and no hidden chance is in them.

use super::pieces::{Piece, put};
use crate::random::mix;
use std::fmt;

/// An id of `N` letters, digits and signs, ready to be printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id<const N: usize>([u8; N]);

impl<const N: usize> Piece for Id<N> {
    fn append(&self, out: &mut String) {
        out.push_str(self.as_str());
    }
}

impl<const N: usize> Id<N> {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("all of it is ASCII")
    }
}

impl<const N: usize> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `req_01` and 24 characters of Crockford's base 32: 30 in all, like the ULIDs of Groq's captures.
pub(super) fn groq_request(number: u64) -> Id<30> {
    let mut bits = wide(number);
    let mut id = *b"req_01________________________";
    for letter in &mut id[6..] {
        *letter = CROCKFORD[(bits & 31) as usize];
        bits >>= 5;
    }
    Id(id)
}

/// Appends `chatcmpl-` and a UUID of version 4.
pub(super) fn uuid_completion(out: &mut String, number: u64) {
    put(out, &[&"chatcmpl-", &uuid(number ^ COMPLETION)]);
}

/// A UUID of version 4.
pub(super) fn uuid(number: u64) -> Id<36> {
    let bits = wide(number);
    let mut id = *b"________-____-4___-____-____________";
    digits(&mut id[..8], bits);
    digits(&mut id[9..13], bits >> 32);
    digits(&mut id[15..18], bits >> 48);
    digits(&mut id[19..23], 0x8000 | (bits >> 60) & 0x3fff);
    digits(&mut id[24..], bits >> 80);
    Id(id)
}

/// The sampling seed that a reply reports.
pub(super) fn seed(number: u64) -> u32 {
    mix(number ^ SEED) as u32
}

/// `fp_` and ten hexadecimal digits, the same for every reply of a model.
pub(super) fn fingerprint(model: &str) -> Id<13> {
    let mut id = *b"fp___________";
    digits(&mut id[3..], crate::random::key(0, model).into());
    Id(id)
}

/// Letters and digits, at most 21: 128 bits hold no more.
pub(super) fn letters<const N: usize>(number: u64) -> Id<N> {
    let mut bits = wide(number);
    Id(std::array::from_fn(|_| {
        let letter = BASE_62[(bits % 62) as usize];
        bits /= 62;
        letter
    }))
}

/// Hexadecimal digits, at most 32: the first of 128 bits.
pub(super) fn hex<const N: usize>(number: u64) -> Id<N> {
    let mut id = [0; N];
    digits(&mut id, wide(number) >> (128 - 4 * N));
    Id(id)
}

/// Writes the last hexadecimal digits of a number, as many as there is room for.
fn digits(room: &mut [u8], mut bits: u128) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(bits & 15) as usize];
        bits >>= 4;
    }
}

/// 128 bits, different for every number.
fn wide(number: u64) -> u128 {
    u128::from(mix(number)) | u128::from(mix(!number)) << 64
}

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const COMPLETION: u64 = 0x0063_6861_7463_6d70;
const SEED: u64 = 0x7365_6564;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_have_the_captured_shape_and_never_repeat() {
        let ids: BTreeSet<_> = (0..10_000).map(|number| groq_request(number).to_string()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 30 && id.starts_with("req_01")));
        let completions: BTreeSet<_> = (0..10_000).map(|number| uuid(number).to_string()).collect();
        assert_eq!(completions.len(), 10_000);
        for id in completions {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
        }
        assert!(fingerprint("openai/gpt-oss-20b").to_string().starts_with("fp_"));
    }

    #[test]
    fn digits_are_those_of_the_number() {
        let bits = wide(7);
        let (low, high) = (bits as u32, bits >> 80);
        let (second, third, fourth) = ((bits >> 32) as u16, (bits >> 48) & 0xfff, (bits >> 60) & 0x3fff);
        let expected = format!("{low:08x}-{second:04x}-4{third:03x}-{:04x}-{high:012x}", 0x8000 | fourth);
        assert_eq!(uuid(7).to_string(), expected);
        assert_eq!(hex::<32>(7).to_string(), format!("{bits:032x}"));
        assert_eq!(hex::<5>(7).to_string(), format!("{bits:032x}")[..5]);
    }
}

//! The ids of a reply, in the shape of each provider's. They are derived from the number of the request, and the fingerprint
//! from the name of the model, so that a reply depends on neither a clock nor a random generator.

use crate::random::mix;
use uuid::Uuid;

/// An id of `LENGTH` ASCII characters. It is not allocated on the heap, because replies of Groq have it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> Id<LENGTH> {
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("invariant: an id is ASCII")
    }
}

/// Returns `req_01` and 24 characters of Crockford's base 32: 30 in all, like the ULIDs of Groq's captures.
pub(super) fn groq_request(number: u64) -> Id<30> {
    let mut id = *b"req_01------------------------";
    for (characters, mut bits) in id[6..].chunks_exact_mut(12).zip([mix(number), mix(!number)]) {
        for character in characters {
            *character = CROCKFORD[(bits & 31) as usize];
            bits >>= 5;
        }
    }
    Id(id)
}

/// Returns `chatcmpl-` and a UUID of version 4.
pub(super) fn uuid_completion(number: u64) -> String {
    let mut buffer = Uuid::encode_buffer();
    ["chatcmpl-", uuid_v4(number ^ COMPLETION).hyphenated().encode_lower(&mut buffer)].concat()
}

/// Returns a UUID of version 4.
pub(super) fn uuid(number: u64) -> String {
    uuid_v4(number).to_string()
}

fn uuid_v4(number: u64) -> Uuid {
    let bits = to_128_bits(number);
    let (first, second, third) = (bits as u32, (bits >> 32) as u16, (bits >> 48) as u16 & 0xfff);
    let (fourth, last) = ((bits >> 60) as u16 & 0x3fff, bits >> 80);
    let high = u128::from(first) << 96 | u128::from(second) << 80 | u128::from(0x4000 | third) << 64;
    Uuid::from_u128(high | u128::from(0x8000 | fourth) << 48 | last)
}

/// Returns the sampling seed that a reply reports.
pub(super) fn seed(number: u64) -> u32 {
    mix(number ^ SEED) as u32
}

/// Returns the `system_fingerprint` of a model: `fp_` and ten hexadecimal digits, the same in every reply.
#[must_use]
pub fn system_fingerprint(model: &str) -> String {
    let mut fingerprint = String::with_capacity(13);
    fingerprint.push_str("fp_");
    push_hex(&mut fingerprint, crate::random::label_key(0, model), 10);
    fingerprint
}

/// Returns `length` letters and digits. `length` must be at most 21, since 128 bits hold no more.
pub(super) fn base_62(number: u64, length: usize) -> String {
    debug_assert!(length <= 21, "invariant: at most 21 letters and digits, found {length}");
    let mut bits = to_128_bits(number);
    let next = || {
        let character = BASE_62[(bits % 62) as usize];
        bits /= 62;
        char::from(character)
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Returns `length` hexadecimal digits. `length` must be at most 32, since 128 bits hold no more.
pub(super) fn hex(number: u64, length: usize) -> String {
    debug_assert!(length <= 32, "invariant: at most 32 digits, found {length}");
    let mut digits = String::with_capacity(length);
    push_hex(&mut digits, mix(number), length.min(16));
    push_hex(&mut digits, mix(!number), length.saturating_sub(16));
    digits
}

/// Appends `length` hexadecimal digits of `bits`, at most 16, the lowest first. Without the formatting machinery, which took
/// 4 % of the instructions of a request.
fn push_hex(text: &mut String, bits: u64, length: usize) {
    text.extend((0..length).map(|place| char::from(HEX[(bits >> (4 * place) & 15) as usize])));
}

/// Expands a number to 128 bits that differ for every number.
fn to_128_bits(number: u64) -> u128 {
    u128::from(mix(number)) | u128::from(mix(!number)) << 64
}

/// The digits of Crockford's base 32.
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Keeps the id of a completion from being that of [`uuid`] for the same number.
const COMPLETION: u64 = 0x0063_6861_7463_6d70;
/// Keeps the reported seed from sharing bits with the ids.
const SEED: u64 = 0x7365_6564;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_have_the_captured_shape_and_never_repeat() {
        let ids: BTreeSet<_> = (0..10_000).map(groq_request).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.as_str().len() == 30 && id.as_str().starts_with("req_01")));
        let uuids: BTreeSet<_> = (0..10_000).map(uuid).collect();
        assert_eq!(uuids.len(), 10_000);
        for id in uuids {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
        }
        assert_eq!(system_fingerprint("openai/gpt-oss-20b").len(), 13);
        assert_eq!((base_62(7, 21).len(), hex(7, 32).len(), hex(7, 5).len()), (21, 32, 5));
    }
}

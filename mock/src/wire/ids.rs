//! The ids of a reply: shaped as each provider's, derived from the number of the call alone, so that no clock
//! and no hidden chance is in them.

use super::json;
use crate::rng::mix;

/// `req_01` and 24 characters of Crockford's base 32: 30 in all, like the ULIDs of Groq's captures.
pub(super) fn groq_request(number: u64) -> String {
    let mut bits = wide(number);
    let mut id = *b"req_01________________________";
    for letter in &mut id[6..] {
        *letter = CROCKFORD[(bits & 31) as usize];
        bits >>= 5;
    }
    String::from_utf8(id.to_vec()).expect("all of it is ASCII")
}

/// `chatcmpl-` and a UUID of version 4.
pub(super) fn uuid_completion(number: u64) -> String {
    let mut id = String::with_capacity(45);
    id.push_str("chatcmpl-");
    push_uuid(&mut id, number ^ COMPLETION);
    id
}

/// A UUID of version 4.
pub(super) fn uuid(number: u64) -> String {
    let mut id = String::with_capacity(36);
    push_uuid(&mut id, number);
    id
}

fn push_uuid(out: &mut String, number: u64) {
    let bits = wide(number);
    json::put(
        out,
        format_args!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            bits as u32,
            (bits >> 32) as u16,
            (bits >> 48) & 0xfff,
            0x8000 | (bits >> 60) & 0x3fff,
            bits >> 80,
        ),
    );
}

/// The sampling seed that a reply reports.
pub(super) fn seed(number: u64) -> u32 {
    mix(number ^ SEED) as u32
}

/// `fp_` and ten hexadecimal digits, the same for every reply of a model.
pub(super) fn fingerprint(model: &str) -> String {
    format!("fp_{:010x}", crate::rng::key(0, model) & 0xff_ffff_ffff)
}

/// `length` letters and digits, at most 21: 128 bits hold no more.
pub(super) fn letters(number: u64, length: usize) -> String {
    let mut bits = wide(number);
    let mut id = String::with_capacity(length);
    for _ in 0..length {
        id.push(char::from(BASE_62[(bits % 62) as usize]));
        bits /= 62;
    }
    id
}

/// `length` hexadecimal digits, at most 32.
pub(super) fn hex(number: u64, length: usize) -> String {
    let mut id = format!("{:032x}", wide(number));
    id.truncate(length);
    id
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
        let ids: BTreeSet<_> = (0..10_000).map(groq_request).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 30 && id.starts_with("req_01")));
        let completions: BTreeSet<_> = (0..10_000).map(uuid_completion).collect();
        assert_eq!(completions.len(), 10_000);
        for id in completions {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 8, 4, 4, 4, 12]);
        }
        assert_eq!(fingerprint("openai/gpt-oss-20b").len(), 13);
    }
}

//! Filler for completions: one common word per token, so that a body is about as long as a real one.
//!
//! English runs at about four characters per token (OpenAI's rule of thumb, and the mock's own when it
//! estimates prompts); these words average a little over four with the blank before them.

use crate::random::mix;

/// The text of token `index` in the completion named by `key`; every token but the first opens with a blank.
pub(super) fn token(key: u64, index: u32) -> &'static str {
    let word = WORDS[place(key, index)];
    if index == 0 { word.trim_start() } else { word }
}

/// Appends the text of so many tokens. Words are copied at one size and closed up afterwards, which is many times faster
/// than to copy each at its own.
pub(super) fn text(out: &mut String, key: u64, tokens: u32) {
    const AT_ONCE: u32 = 32;
    let mut block = [0; WIDTH * AT_ONCE as usize];
    for first in (0..tokens).step_by(AT_ONCE as usize) {
        let mut end = 0;
        for index in first..tokens.min(first.saturating_add(AT_ONCE)) {
            let word = place(key, index);
            block[end..end + WIDTH].copy_from_slice(&PADDED[word]);
            end += WORDS[word].len();
        }
        let begin = usize::from(first == 0); // The blank before the first word.
        out.push_str(std::str::from_utf8(&block[begin..end]).expect("all words are ASCII"));
    }
}

/// Where the word of a token stands in the list.
fn place(key: u64, index: u32) -> usize {
    (mix(key ^ u64::from(index)) % WORDS.len() as u64) as usize
}

/// No word is longer.
const WIDTH: usize = 8;

/// The words, filled up to one width.
static PADDED: [[u8; WIDTH]; WORDS.len()] = {
    let mut padded = [[0; WIDTH]; WORDS.len()];
    let mut word = 0;
    while word < WORDS.len() {
        let letters = WORDS[word].as_bytes();
        padded[word].split_at_mut(letters.len()).0.copy_from_slice(letters);
        word += 1;
    }
    padded
};

const WORDS: [&str; 64] = [
    " the", " of", " and", " to", " in", " a", " is", " that", " for", " it", " as", " was", " with", " be",
    " by", " on", " not", " he", " this", " are", " or", " his", " from", " at", " which", " but", " have",
    " an", " had", " they", " you", " were", " there", " one", " all", " we", " can", " her", " has",
    " more", " if", " when", " will", " would", " who", " so", " no", " out", " up", " into", " than",
    " them", " only", " some", " could", " time", " these", " two", " may", " then", " do", " first", " any",
    " water",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_its_tokens() {
        for tokens in [0, 1, 2, 31, 32, 33, 64, 65, 1_000] {
            let mut out = String::from("before");
            text(&mut out, 7, tokens);
            let each: String = (0..tokens).map(|index| token(7, index)).collect();
            assert_eq!(out, format!("before{each}"));
        }
    }

    #[test]
    fn tokens_are_about_four_characters_long_and_repeatable() {
        let length: usize = (0..10_000).map(|index| token(7, index).len()).sum();
        assert!((3.5..5.0).contains(&(length as f64 / 10_000.0)), "{length}");
        assert!((0..100).all(|index| token(7, index) == token(7, index)));
        assert!((0..100).any(|index| token(7, index) != token(8, index)));
        assert!(!token(7, 0).starts_with(' '));
    }
}

//! Filler text for completions: one common word per token, so that a body is about as long as a real one.
//!
//! English has about four characters per token (OpenAI's rule of thumb, which the mock also uses to estimate prompts). These
//! words average slightly more than four, including the space before them.

use crate::random::mix;

/// Returns the text of token `index` of the completion with this `key`. Every token except the first starts with a space.
pub(super) fn token(key: u64, index: u32) -> &'static str {
    let word = WORDS[word_index(key, index)];
    if index == 0 { word.trim_start() } else { word }
}

/// Appends the text of the first `tokens` tokens.
///
/// Every word is copied at the same width and the excess removed, because copies of a constant length are faster: 100 tokens
/// take 0.2 µs instead of 0.9 µs, out of about 9 µs for a whole request.
pub(super) fn append(out: &mut Vec<u8>, key: u64, tokens: u32) {
    out.reserve(tokens as usize * MEAN_WIDTH + WIDTH);
    if tokens > 0 {
        out.extend_from_slice(token(key, 0).as_bytes());
    }
    for index in 1..tokens {
        let word = word_index(key, index);
        out.extend_from_slice(&PADDED[word]);
        out.truncate(out.len() - (WIDTH - WORDS[word].len()));
    }
}

/// Returns the text of the first `tokens` tokens.
pub(super) fn text(key: u64, tokens: u32) -> String {
    let mut text = Vec::new();
    append(&mut text, key, tokens);
    String::from_utf8(text).expect("invariant: all words are ASCII")
}

fn word_index(key: u64, index: u32) -> usize {
    (mix(key ^ u64::from(index)) % WORDS.len() as u64) as usize
}

/// A little more than the mean length of a word in bytes.
const MEAN_WIDTH: usize = 5;

/// The length of the longest word in bytes.
const WIDTH: usize = 8;

/// The words, padded to the same width.
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
    fn text_is_the_concatenation_of_its_tokens() {
        for tokens in [0, 1, 2, 1_000] {
            let each: String = (0..tokens).map(|index| token(7, index)).collect();
            assert_eq!(text(7, tokens), each);
        }
    }

    #[test]
    fn tokens_average_four_characters_and_depend_on_the_key_alone() {
        let length: usize = (0..10_000).map(|index| token(7, index).len()).sum();
        assert!((3.5..5.0).contains(&(length as f64 / 10_000.0)), "{length}");
        assert!((0..100).all(|index| token(7, index) == token(7, index)));
        assert!((0..100).any(|index| token(7, index) != token(8, index)));
        assert!(!token(7, 0).starts_with(' '));
    }
}

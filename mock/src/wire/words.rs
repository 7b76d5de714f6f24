//! Filler for completions: one common word per token, so that a body is about as long as a real one.
//!
//! English runs at about four characters per token (OpenAI's rule of thumb, and the mock's own when it
//! estimates prompts); these words average a little over four with the blank before them.

use crate::rng::mix;

/// The text of token `index` in the completion named by `key`; every token but the first opens with a blank.
pub(super) fn token(key: u64, index: u32) -> &'static str {
    let word = WORDS[(mix(key ^ u64::from(index)) % WORDS.len() as u64) as usize];
    if index == 0 { word.trim_start() } else { word }
}

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
    fn tokens_are_about_four_characters_long_and_repeatable() {
        let length: usize = (0..10_000).map(|index| token(7, index).len()).sum();
        assert!((3.5..5.0).contains(&(length as f64 / 10_000.0)), "{length}");
        assert!((0..100).all(|index| token(7, index) == token(7, index)));
        assert!((0..100).any(|index| token(7, index) != token(8, index)));
        assert!(!token(7, 0).starts_with(' '));
    }
}

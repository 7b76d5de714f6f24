//! Filler text for completions: one common word per token, so that a body is about as long as a real one.
//!
//! English has about four characters per token (OpenAI's rule of thumb, which the mock also uses to estimate prompts). These
//! words average slightly more than four, including the space before them.

use crate::random::mix;

/// Returns the text of token `index` of the completion with this `seed`. Every token except the first starts with a space.
pub(super) fn token(seed: u64, index: u32) -> &'static str {
    let word = WORDS[word_index(seed, index)];
    if index == 0 { word.trim_start() } else { word }
}

/// Appends the text of the first `tokens` tokens.
///
/// Every word is copied at the same width, over the padding of the word before it, because copies of a constant length are
/// faster.
pub(super) fn append(out: &mut Vec<u8>, seed: u64, tokens: u32) {
    out.reserve(tokens as usize * MEAN_LENGTH_ROUNDED_UP);
    if tokens > 0 {
        out.extend_from_slice(token(seed, 0).as_bytes());
    }
    // The words that one random number chooses.
    let mut words = [0; PADDED_WIDTH * WORDS_PER_NUMBER as usize];
    let mut index = 1;
    while index < tokens {
        let end = tokens.min((index / WORDS_PER_NUMBER + 1) * WORDS_PER_NUMBER);
        let mut bits = word_bits(seed, index);
        let mut length = 0;
        for _ in index..end {
            let word_index = (bits % WORDS.len() as u64) as usize;
            words[length..length + PADDED_WIDTH].copy_from_slice(&PADDED[word_index]);
            length += WORDS[word_index].len();
            bits >>= BITS_PER_WORD;
        }
        out.extend_from_slice(&words[..length]);
        index = end;
    }
}

/// Returns the text of the first `tokens` tokens.
pub(super) fn text(seed: u64, tokens: u32) -> String {
    let mut text = Vec::new();
    append(&mut text, seed, tokens);
    String::from_utf8(text).expect("invariant: all words are ASCII")
}

/// Returns the number of tokens before the earliest occurrence of one of `stops` in the first `tokens` tokens, and the index of that
/// stop (the lowest, if several begin there); `None` if none occurs. A stop that begins within a token excludes the whole token.
#[must_use]
pub fn tokens_before_stop(seed: u64, tokens: u32, stops: &[String]) -> Option<(u32, usize)> {
    let text = text(seed, tokens);
    let found = stops.iter().enumerate().filter_map(|(index, stop)| Some((text.find(stop.as_str())?, index)));
    let (at, stop) = found.min()?;
    let mut end = 0;
    let before = (0..tokens).take_while(|index| {
        end += token(seed, *index).len();
        end <= at
    });
    Some((before.count() as u32, stop))
}

fn word_index(seed: u64, index: u32) -> usize {
    (word_bits(seed, index) % WORDS.len() as u64) as usize
}

/// Returns a random number whose lowest bits choose the word of token `index`, the next ones those of the tokens after it that
/// share the number.
fn word_bits(seed: u64, index: u32) -> u64 {
    let (number_index, place_in_number) = (index / WORDS_PER_NUMBER, index % WORDS_PER_NUMBER);
    mix(seed ^ u64::from(number_index)) >> (BITS_PER_WORD * place_in_number)
}

/// The bits of a random number that choose one word.
const BITS_PER_WORD: u32 = WORDS.len().ilog2();

/// The number of words that one random number chooses.
const WORDS_PER_NUMBER: u32 = u64::BITS / BITS_PER_WORD;

/// A little more than the mean length of a word in bytes.
const MEAN_LENGTH_ROUNDED_UP: usize = 5;

/// The width to which every word is padded, in bytes; no word is longer.
const PADDED_WIDTH: usize = 8;

/// The words, padded to the same width.
static PADDED: [[u8; PADDED_WIDTH]; WORDS.len()] = {
    let mut padded = [[0; PADDED_WIDTH]; WORDS.len()];
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
        for tokens in [0, 1, 2, 9, 10, 11, 20, 1_000] {
            let each: String = (0..tokens).map(|index| token(7, index)).collect();
            assert_eq!(text(7, tokens), each);
        }
    }

    #[test]
    fn a_text_ends_before_the_first_stop() {
        let stops = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let whole = text(7, 50);
        for index in 0..50 {
            let word = token(7, index).to_owned();
            let (tokens, _) = tokens_before_stop(7, 50, &stops(&["%", &word])).unwrap();
            assert!(!text(7, tokens).contains(&word), "{word:?} in {whole}");
            assert!(text(7, tokens + 1).contains(&word), "{word:?} in {whole}");
        }
        assert_eq!(tokens_before_stop(7, 50, &stops(&["%"])), None);
        assert_eq!(tokens_before_stop(7, 0, &stops(&["the"])), None);
    }

    #[test]
    fn tokens_average_four_characters_and_depend_on_the_seed_only() {
        let length: usize = (0..10_000).map(|index| token(7, index).len()).sum();
        assert!((3.5..5.0).contains(&(length as f64 / 10_000.0)), "{length}");
        assert_eq!(
            text(7, 12),
            "at time there with but he you these was on the the",
            "the same on every machine"
        );
        assert!((0..100).any(|index| token(7, index) != token(8, index)));
        assert!(!token(7, 0).starts_with(' '));
    }
}

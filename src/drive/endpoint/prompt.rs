//! The text of prompts: it has as many tokens as the scenario says, by every common way of counting.

use bytes::Bytes;
use std::fmt::Write as _;

/// Words of three letters. With its blank, each has four characters and is one token, both by OpenAI's rule of thumb and in
/// the vocabularies of current models.
const WORDS: [&str; 16] = [
    "the ", "and ", "for ", "are ", "but ", "not ", "you ", "all ", "can ", "had ", "her ", "was ", "one ",
    "our ", "out ", "day ",
];

/// The characters per token, by that rule of thumb.
const CHARACTERS_PER_TOKEN: usize = 4;

/// The longest prompt in tokens: [`crate::job::MAX_TOKENS`].
const MAX_TOKENS: usize = crate::job::MAX_TOKENS as usize;

/// The text that all prompts share.
#[derive(Clone, Debug)]
pub(super) struct PromptText(Bytes);

impl PromptText {
    /// Creates the text, which is long enough for every prompt: 40 MB.
    pub(super) fn new() -> Self {
        let text: String = WORDS.iter().cycle().take(MAX_TOKENS).copied().collect();
        Self(text.into())
    }

    /// Returns a prompt of `tokens` tokens in two parts: the beginning, which only prompts with the same fingerprint share,
    /// and the rest, which is a slice of the shared text.
    pub(super) fn of(&self, fingerprint: u64, tokens: u32) -> (String, Bytes) {
        let length = (tokens as usize * CHARACTERS_PER_TOKEN).min(self.0.len());
        let mut begin = String::with_capacity(BEGIN);
        write!(begin, "{fingerprint:016x}").expect("invariant: a string accepts all text");
        // The blank of this word ends the fingerprint, so whole words follow.
        begin.push_str(&WORDS[0][..CHARACTERS_PER_TOKEN]);
        begin.truncate(length);
        let rest = self.0.slice(..length - begin.len());
        (begin, rest)
    }
}

/// The length of the beginning in characters: 16 hexadecimal digits and a word.
const BEGIN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_has_four_characters_for_each_token_and_begins_with_its_fingerprint() {
        let text = PromptText::new();
        for tokens in [1, 2, 4, 5, 6, 77, 1_000] {
            let (begin, rest) = text.of(0xabc, tokens);
            assert_eq!(begin.len() + rest.len(), tokens as usize * 4, "{tokens}");
            assert!("0000000000000abcthe ".starts_with(&begin), "{begin}");
        }
        let (one, same, other) = (text.of(1, 50), text.of(1, 50), text.of(2, 50));
        assert!(one == same && one != other);
    }

    #[test]
    fn the_text_is_plain_json_text() {
        let (_, rest) = PromptText::new().of(1, 100);
        assert!(rest.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b' '));
    }
}

//! Masks API keys in texts that are shown, if they begin with the prefix of a known provider's keys.

use std::borrow::Cow;

/// The prefixes of providers' keys: OpenAI, Anthropic and OpenRouter (`sk-`), Groq, Cerebras, Google, xAI, Fireworks, Together,
/// Perplexity, Hugging Face.
const PREFIXES: [&str; 9] = ["sk-", "gsk_", "csk-", "AIza", "xai-", "fw_", "tgp_", "pplx-", "hf_"];
/// The minimum length of a key, including its prefix, in characters.
const MIN_LENGTH: usize = 8;

/// Replaces each character of an API key after its prefix with `*`, so the number of characters stays the same. A key is a word
/// of at least [`MIN_LENGTH`] letters, digits, `-` and `_` that begins with one of [`PREFIXES`]; a key without such a prefix is
/// not recognised.
#[must_use]
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    if !PREFIXES.iter().any(|prefix| text.contains(prefix)) {
        return text.into();
    }
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mask = |word: &str| {
        let key = word.trim_end_matches(|c| !is_of_key(c));
        let prefix =
            PREFIXES.iter().find(|prefix| key.starts_with(**prefix)).map_or(0, |prefix| prefix.len());
        if prefix == 0 || key.len() < MIN_LENGTH {
            return word.to_owned();
        }
        [&word[..prefix], &"*".repeat(key.len() - prefix), &word[key.len()..]].concat()
    };
    text.split_inclusive(|c| !is_of_key(c)).map(mask).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_a_known_prefix_are_masked_and_other_words_are_not() {
        for (text, expected) in [
            ("Incorrect API key provided: sk-proj-ab12_cd.", "Incorrect API key provided: sk-************."),
            ("keys: [gsk_12345, k2, \"csk-abcdef\"]", "keys: [gsk_*****, k2, \"csk-******\"]"),
            ("a task-force and `sk-1`", "a task-force and `sk-1`"),
            ("Bearer AIzaSyA-123", "Bearer AIza*******"),
            ("no key: größer", "no key: größer"),
        ] {
            assert_eq!(masked(text), expected);
            assert_eq!(masked(text).chars().count(), text.chars().count());
        }
    }
}

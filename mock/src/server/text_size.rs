//! Estimates the tokens of a text from the scripts of its characters. A tokenizer would need the vocabulary of the model, which
//! the mock does not have.
//!
//! | characters | per token |
//! |---|---|
//! | Latin letters, digits, punctuation, spaces | 4 |
//! | other alphabets and syllabaries (Greek, Cyrillic, Arabic, Devanagari, Thai, …) | 2 |
//! | Chinese, Japanese, Korean | 1 |
//! | emoji and other characters beyond the basic plane | 1/2 |
//!
//! Evidence: four is OpenAI's rule of thumb for English. The others lie between OpenAI's two published tokenizers, `cl100k_base`
//! and `o200k_base`, for the sentence in twenty languages with which OpenAI announced the second (2024-05): Chinese has 1.0 and 1.4
//! characters per token, Russian 2.0 and 3.3, Hindi 1.0 and 2.9, Arabic 1.3 and 2.6. For emoji: assumed.
//!
//! With the feature `tokenizer`, text is counted by `o200k_base` instead, whose vocabulary is part of the crate `tiktoken-rs`.
//! OpenAI's models since 2024 use it, and so does gpt-oss with other special tokens. For all other models the count is an
//! estimate.

use serde_json::Value;
use std::iter::Sum;
use std::ops::AddAssign;

/// The estimated size of texts. Parts are added before the sum is rounded up to tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TextSize {
    /// In quarters of a token.
    quarters: u64,
}

impl TextSize {
    /// Returns the size of a text.
    #[cfg(feature = "tokenizer")]
    pub(super) fn of(text: &str) -> Self {
        // Names of special tokens in a prompt are ordinary text.
        Self::of_tokens(tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len() as u64)
    }

    /// Returns the size of a text.
    #[cfg(not(feature = "tokenizer"))]
    pub(super) fn of(text: &str) -> Self {
        // Most prompts are ASCII, for which this is one pass over the bytes.
        let quarters = if text.is_ascii() { text.len() as u64 } else { text.chars().map(quarters).sum() };
        Self { quarters }
    }

    /// Returns the size of a value as compact JSON: the form in which a provider adds schemas and arguments to the prompt (assumed).
    pub(super) fn of_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::default(),
            value => Self::of(&value.to_string()),
        }
    }

    /// Returns the size of this many tokens.
    pub(super) const fn of_tokens(tokens: u64) -> Self {
        Self { quarters: tokens.saturating_mul(4) }
    }

    /// Returns the number of tokens, rounded up.
    pub(super) const fn tokens(self) -> u64 {
        self.quarters.div_ceil(4)
    }
}

impl AddAssign for TextSize {
    fn add_assign(&mut self, other: Self) {
        self.quarters = self.quarters.saturating_add(other.quarters);
    }
}

impl Sum for TextSize {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        let quarters = sizes.map(|size| size.quarters).fold(0, u64::saturating_add);
        Self { quarters }
    }
}

/// Returns the size of a character in quarters of a token.
#[cfg(not(feature = "tokenizer"))]
const fn quarters(character: char) -> u64 {
    match character {
        // Latin with its supplements, combining accents, punctuation and symbols.
        '\0'..='\u{36f}' | '\u{1e00}'..='\u{1eff}' | '\u{2000}'..='\u{2bff}' | '\u{fe00}'..='\u{fe0f}' => 1,
        // Radicals, punctuation, kana, ideographs, Hangul, full-width forms.
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}' => 4,
        '\0'..='\u{ffff}' => 2,
        // Ideographs beyond the basic plane, then emoji.
        '\u{20000}'..='\u{3ffff}' => 4,
        _ => 8,
    }
}

#[cfg(all(test, feature = "tokenizer"))]
mod tokenizer_tests {
    use super::*;

    /// The counts that OpenAI published for its sentence (2024-05).
    #[test]
    fn texts_are_counted_as_published() {
        for (text, tokens) in [
            ("Hello, my name is GPT-4o. I'm a new type of language model, it's nice to meet you!", 24),
            ("Привет, меня зовут GPT-4o. Я — новая языковая модель, приятно познакомиться!", 23),
            ("", 0),
            ("<|endoftext|>", 7),
        ] {
            assert_eq!(TextSize::of(text).tokens(), tokens, "{text}");
        }
    }
}

#[cfg(all(test, not(feature = "tokenizer")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_estimate_depends_on_the_script() {
        for (text, tokens) in [
            ("", 0),
            ("abcd", 1),
            ("abcde", 2),
            ("éèêë", 1),
            ("“quotes” – dash…", 4),
            ("приветик", 4),
            ("γειά", 2),
            ("مرحبا!", 3),
            ("नमस्ते!!", 4),
            ("สวัสดี", 3),
            ("漢字", 2),
            ("ひらがなカタカナ", 8),
            ("안녕하세요", 5),
            ("你好,world", 4),
            ("😀😀", 4),
            ("𠀀", 1),
        ] {
            assert_eq!(TextSize::of(text).tokens(), tokens, "{text}");
        }
        assert_eq!(TextSize::of(&"漢".repeat(400)).tokens(), 400);
    }

    /// OpenAI's sentence in some of its languages, with the tokens of both tokenizers (announcement of GPT-4o, 2024-05).
    #[test]
    fn the_estimate_is_near_the_published_counts() {
        for (text, o200k, cl100k) in [
            ("Hello, my name is GPT-4o. I'm a new type of language model, it's nice to meet you!", 24, 27),
            (
                "Bonjour, je m'appelle GPT-4o. Je suis un nouveau type de modèle de langage, c'est un plaisir de vous rencontrer!",
                28,
                31,
            ),
            ("Привет, меня зовут GPT-4o. Я — новая языковая модель, приятно познакомиться!", 23, 39),
            ("你好，我的名字是GPT-4o。我是一种新型的语言模型，很高兴见到你!", 24, 34),
            ("नमस्ते, मेरा नाम जीपीटी-4o है। मैं एक नए प्रकार का भाषा मॉडल हूं। आपसे मिलकर अच्छा लगा!", 31, 90),
        ] {
            let estimate = TextSize::of(text).tokens();
            assert!((o200k * 3 / 4..=cl100k * 5 / 4).contains(&estimate), "{text}: {estimate}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_as_large_as_its_parts(one in any::<String>(), other in any::<String>()) {
            let whole = TextSize::of(&format!("{one}{other}"));
            prop_assert_eq!(whole, [&one, &other].into_iter().map(|text| TextSize::of(text)).sum::<TextSize>());
            prop_assert!(whole.tokens() <= 2 * (one.chars().count() + other.chars().count()) as u64);
        }
    }
}

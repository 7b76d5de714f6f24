//! Estimates the tokens of a prompt from the JSON of a request: its characters ÷ 4, whatever the language, and a fixed number for
//! each image. Each provider's own count of a prompt differs; [`super::token_ratio`] learns by how much.
//!
//! Counted are the strings inside the members that hold prompt text: messages, tools, instructions and the like, names of members
//! left out. Data URLs and base64 are not text; an image counts as [`IMAGE_TOKENS`].

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The characters of one token: OpenAI's rule of thumb for English.
const CHARACTERS_PER_TOKEN: u64 = 4;

/// The tokens of an image: OpenAI's published count for 1024 × 1024 pixels in high detail (85 + 4 · 170).
const IMAGE_TOKENS: u64 = 765;

/// The size of a part of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PromptSize {
    characters: u64,
    images: u64,
}

impl PromptSize {
    /// Returns the estimated tokens, rounded up.
    pub(super) const fn tokens(self) -> u64 {
        self.characters.div_ceil(CHARACTERS_PER_TOKEN) + self.images * IMAGE_TOKENS
    }

    /// Returns the size of this and another part.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self { characters: self.characters + other.characters, images: self.images + other.images }
    }

    fn of_text(text: &str) -> Self {
        if text.starts_with("data:") {
            return Self { images: u64::from(text.starts_with("data:image")), ..Self::default() };
        }
        let characters = if text.is_ascii() { text.len() } else { text.chars().count() };
        Self { characters: characters as u64, ..Self::default() }
    }
}

impl<'de> Deserialize<'de> for PromptSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl<'de> Visitor<'de> for SizeVisitor {
    type Value = PromptSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<PromptSize, E> {
        Ok(PromptSize::of_text(text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<PromptSize, E> {
        Ok(PromptSize::default())
    }

    // A prompt may be a list of tokens (`/completions`, `/embeddings`).
    fn visit_i64<E>(self, _: i64) -> Result<PromptSize, E> {
        Ok(PromptSize { characters: CHARACTERS_PER_TOKEN, images: 0 })
    }

    fn visit_u64<E>(self, _: u64) -> Result<PromptSize, E> {
        Ok(PromptSize { characters: CHARACTERS_PER_TOKEN, images: 0 })
    }

    fn visit_f64<E>(self, _: f64) -> Result<PromptSize, E> {
        Ok(PromptSize { characters: CHARACTERS_PER_TOKEN, images: 0 })
    }

    fn visit_unit<E>(self) -> Result<PromptSize, E> {
        Ok(PromptSize::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<PromptSize, A::Error> {
        let mut sum = PromptSize::default();
        while let Some(item) = items.next_element()? {
            sum = sum.plus(item);
        }
        Ok(sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<PromptSize, A::Error> {
        let mut sum = PromptSize::default();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match &*name {
                "image_url" => {
                    members.next_value::<IgnoredAny>()?;
                    sum.images += 1;
                }
                // The data of audio and files is base64.
                "data" | "file_data" => drop(members.next_value::<IgnoredAny>()?),
                _ => sum = sum.plus(members.next_value()?),
            }
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(json: &str) -> u64 {
        serde_json::from_str::<PromptSize>(json).expect("JSON").tokens()
    }

    #[test]
    fn text_counts_by_its_characters_and_images_by_their_number() {
        assert_eq!(tokens(r#""12345678""#), 2);
        assert_eq!(tokens(r#"[{"role":"user","content":"12345"}]"#), 3, "4 + 5 characters");
        assert_eq!(tokens(r#""größer""#), 2, "6 characters, not 8 bytes");
        assert_eq!(tokens(r#""\n\n\n\n""#), 1, "an escape is one character");
        assert_eq!(tokens("[1, 2, 3]"), 3, "tokens");
        let image = r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]"#;
        assert_eq!(tokens(image), 765 + 3);
        let input = r#"[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]"#;
        assert_eq!(tokens(input), 765 + 3);
        let audio = r#"{"type":"input_audio","input_audio":{"data":"AAAAAAAAAAAA","format":"mp3"}}"#;
        assert_eq!(tokens(audio), 4, "11 + 3 characters");
    }
}

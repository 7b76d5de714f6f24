//! The size of the content of a message: its texts, and its parts that are not text. The parts of OpenAI's chat completions and
//! responses, of Anthropic's messages, of Mistral and of Gemini have different members; if two share a name, the type of the
//! value distinguishes them. Therefore one reader suffices for all.

use super::chat::Text;
use super::media::Media;
use super::text_size::TextSize;
use crate::config::Dialect;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::ops::AddAssign;

/// The size of a content, or of a whole prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentSize {
    pub(super) text: TextSize,
    pub(super) media: Vec<Media>,
    /// `true` if a part is the result of a tool.
    pub(super) has_tool_result: bool,
}

impl ContentSize {
    /// Returns the size of a text.
    pub(super) fn of_text(text: &str) -> Self {
        TextSize::of(text).into()
    }

    /// Estimates the tokens for a model of a dialect: at least one.
    pub(super) fn tokens(&self, dialect: Dialect, model: &str) -> u32 {
        let media = self.media.iter().map(|media| media.tokens(dialect, model));
        let tokens = media.fold(self.text.tokens(), u64::saturating_add);
        u32::try_from(tokens).unwrap_or(u32::MAX).max(1)
    }
}

impl From<TextSize> for ContentSize {
    fn from(text: TextSize) -> Self {
        Self { text, media: Vec::new(), has_tool_result: false }
    }
}

impl AddAssign for ContentSize {
    fn add_assign(&mut self, other: Self) {
        self.text += other.text;
        self.media.extend(other.media);
        self.has_tool_result |= other.has_tool_result;
    }
}

impl<'de> Deserialize<'de> for ContentSize {
    /// Reads a string, one part or an array of parts.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = ContentSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of parts")
            }

            fn visit_str<E>(self, text: &str) -> Result<ContentSize, E> {
                Ok(ContentSize::of_text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<ContentSize, A::Error> {
                let mut size = ContentSize::default();
                while let Some(part) = parts.next_element::<Part>()? {
                    size += part.0;
                }
                Ok(size)
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<ContentSize, A::Error> {
                read_part(members)
            }
        }
        deserializer.deserialize_any(Parts)
    }
}

/// One part: an object, or a text.
struct Part(ContentSize);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a content part")
            }

            fn visit_str<E>(self, text: &str) -> Result<Part, E> {
                Ok(Part(ContentSize::of_text(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Part, A::Error> {
                read_part(members).map(Part)
            }
        }
        deserializer.deserialize_any(Members)
    }
}

fn read_part<'de, A: MapAccess<'de>>(mut members: A) -> Result<ContentSize, A::Error> {
    let mut size = ContentSize::default();
    while let Some(Text(name)) = members.next_key::<Text<'_>>()? {
        match &*name {
            "type" => {
                let kind = members.next_value::<Value>()?;
                size.has_tool_result |= matches!(kind.as_str(), Some("tool_result" | "function_call_output"));
            }
            "text" | "content" | "parts" | "output" => {
                size += members.next_value::<Option<ContentSize>>()?.unwrap_or_default();
            }
            "refusal" | "thinking" | "title" | "context" | "arguments" => {
                size += TextSize::of(members.next_value::<Value>()?.as_str().unwrap_or_default()).into();
            }
            name if MEMBERS.contains(&name) => add_member(&mut size, name, &members.next_value()?),
            _ => {
                members.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(size)
}

/// The members of parts that are counted, besides texts.
const MEMBERS: [&str; 16] = [
    "image_url",
    "input_audio",
    "source",
    "file",
    "file_data",
    "file_url",
    "document_url",
    "inlineData",
    "inline_data",
    "fileData",
    "functionCall",
    "function_call",
    "functionResponse",
    "function_response",
    "name",
    "input",
];

fn add_member(size: &mut ContentSize, name: &str, value: &Value) {
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    match name {
        // Chat completions have an object, responses and Mistral a string.
        "image_url" => {
            let url = value.as_str().or_else(|| value["url"].as_str()).unwrap_or_default();
            size.media.push(Media::image_url(url, value["detail"] == "low"));
        }
        "input_audio" => {
            let data = value.as_str().or_else(|| value["data"].as_str()).unwrap_or_default();
            size.media.push(Media::base64("audio/", data));
        }
        "source" => add_source(size, value),
        "inlineData" | "inline_data" => {
            let kind =
                text(if value["mimeType"].is_null() { &value["mime_type"] } else { &value["mimeType"] });
            size.media.push(Media::base64(&kind, value["data"].as_str().unwrap_or_default()));
        }
        "fileData" => size.media.push(media_of_file(&text(&value["mimeType"]))),
        // OpenAI's file, by its bytes or its id.
        "file" => size.media.push(Media::document_url(value["file_data"].as_str().unwrap_or_default())),
        "file_data" if value.is_object() => {
            size.media.push(media_of_file(&text(&value["mime_type"])));
        }
        "file_data" | "file_url" | "document_url" => {
            size.media.push(Media::document_url(value.as_str().unwrap_or_default()));
        }
        "functionResponse" | "function_response" => {
            size.text += TextSize::of_json(value);
            size.has_tool_result = true;
        }
        "name" => size.text += TextSize::of(value.as_str().unwrap_or_default()),
        _ => size.text += TextSize::of_json(value),
    }
}

/// Adds the source of one of Anthropic's images or documents.
fn add_source(size: &mut ContentSize, source: &Value) {
    let member = |name: &str| source[name].as_str().unwrap_or_default();
    match (member("type"), member("media_type")) {
        ("text", _) => size.text += TextSize::of(member("data")),
        ("content", _) => {
            if let Ok(content) = serde_json::from_value::<ContentSize>(source["content"].clone()) {
                *size += content;
            }
        }
        ("base64", media_type) => size.media.push(Media::base64(media_type, member("data"))),
        // A URL or a file id. It counts as an image unless it ends with `.pdf`.
        _ if member("url").ends_with(".pdf") => size.media.push(Media::document_url("")),
        _ => size.media.push(Media::image_url(member("url"), false)),
    }
}

/// Returns a medium whose bytes are not in the request: an image, or else a document of one page. Audio and video also count as
/// one page, because the request does not state their length.
fn media_of_file(media_type: &str) -> Media {
    match media_type {
        kind if kind.starts_with("image/") => Media::image_url("", false),
        _ => Media::Document(1),
    }
}

/// The size of a sequence of messages or other items; the last one decides whether it ends with the result of a tool.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) size: ContentSize,
    pub(super) count: usize,
    pub(super) ends_with_tool_result: bool,
}

impl Items {
    /// Reads a text, an item or an array of items.
    ///
    /// # Errors
    /// If it is something else, or if one of its texts (`text`, `content`, `parts`, `output`) has a wrong type.
    pub(super) fn read(value: Value) -> serde_json::Result<Self> {
        let items = match value {
            Value::Array(items) => items,
            item => vec![item],
        };
        let mut all = Self::default();
        for item in items {
            let size: ContentSize = serde_json::from_value(item)?;
            all.count += 1;
            all.ends_with_tool_result = size.has_tool_result;
            all.size += size;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Nanos;
    use serde_json::json;

    fn size(content: Value) -> ContentSize {
        serde_json::from_str(&content.to_string()).unwrap()
    }

    /// ` the` is one token for the estimate and for the tokenizer; names and the punctuation of JSON differ.
    #[test]
    fn every_part_with_a_text_is_counted() {
        let long = " the".repeat(1_000);
        let in_this_build =
            |estimated, tokenized| if cfg!(feature = "tokenizer") { tokenized } else { estimated };
        for (content, tokens) in [
            (json!(" the the"), 2),
            (json!([{ "type": "text", "text": " the the" }, { "type": "refusal", "refusal": " the" }]), 3),
            (json!([{ "type": "input_text", "text": " the" }, { "type": "output_text", "text": " the" }]), 2),
            (
                json!([{ "type": "tool_use", "id": "i", "name": "name", "input": { "a": long } }]),
                in_this_build(1_003, 1_005),
            ),
            (json!([{ "type": "tool_result", "tool_use_id": "i", "content": long }]), 1_000),
            (json!([{ "type": "tool_result", "content": [{ "type": "text", "text": long }] }]), 1_000),
            (
                json!([{ "functionCall": { "name": "f", "args": { "a": long } } }]),
                in_this_build(1_007, 1_011),
            ),
            (
                json!([{ "functionResponse": { "name": "f", "response": { "a": long } } }]),
                in_this_build(1_008, 1_010),
            ),
            (json!([{ "type": "thinking", "thinking": " the the", "signature": long }]), 2),
            (
                json!([{ "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": long } }]),
                1_000,
            ),
            (json!({ "role": "user", "parts": [{ "text": long }] }), 1_000),
        ] {
            assert_eq!(size(content.clone()).tokens(Dialect::Anthropic, "m"), tokens, "{content:.80}");
        }
    }

    #[test]
    fn every_form_of_an_image_audio_or_document_is_recognised() {
        let image = Media::Image { size: None, low_detail: false };
        let low = Media::Image { size: None, low_detail: true };
        let second = Media::Audio(Nanos::from_secs(1));
        let audio = "A".repeat(8_000 / 3 * 4 + 4);
        for (part, expected) in [
            (json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }), image),
            (json!({ "type": "image_url", "image_url": { "url": "https://x", "detail": "low" } }), low),
            (json!({ "type": "image_url", "image_url": "https://x" }), image),
            (json!({ "type": "input_image", "image_url": "https://x" }), image),
            (
                json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } }),
                image,
            ),
            (json!({ "type": "image", "source": { "type": "url", "url": "https://x/a.png" } }), image),
            (json!({ "inlineData": { "mimeType": "image/png", "data": "AAAA" } }), image),
            (json!({ "inline_data": { "mime_type": "image/png", "data": "AAAA" } }), image),
            (
                json!({ "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "AAAA" } }),
                Media::Document(1),
            ),
            (
                json!({ "type": "document", "source": { "type": "url", "url": "https://x/a.pdf" } }),
                Media::Document(1),
            ),
            (
                json!({ "type": "file", "file": { "file_data": "data:application/pdf;base64,AAAA" } }),
                Media::Document(1),
            ),
            (
                json!({ "type": "input_file", "file_data": "data:application/pdf;base64,AAAA" }),
                Media::Document(1),
            ),
            (json!({ "type": "document_url", "document_url": "https://x" }), Media::Document(1)),
            (json!({ "type": "input_audio", "input_audio": { "data": audio, "format": "mp3" } }), second),
            (json!({ "type": "input_audio", "input_audio": audio }), second),
            (json!({ "inlineData": { "mimeType": "audio/mp3", "data": audio } }), second),
        ] {
            let found = size(json!([part])).media;
            let is_same = match (&found[..], expected) {
                ([Media::Audio(found)], Media::Audio(expected)) => found.0.abs_diff(expected.0) < 1_000_000,
                (found, expected) => found == [expected],
            };
            assert!(is_same, "{part:.120}: {found:?}");
        }
    }
}

//! Embeddings in OpenAI's shape (`/embeddings`, documented).
//!
//! The mock has no model. A vector is derived from its text, so that equal texts have equal vectors; it has unit length, and
//! otherwise no meaning: similar texts have no similar vectors.

use super::chat::CompletionFormat;
use super::format::Context;
use super::json::{self, Object};
use crate::decision::Service;
use crate::random::mix;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the reply to a request for embeddings depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingsRequest {
    /// The fingerprint of each text.
    pub texts: Vec<u64>,
    /// The numbers per vector, at least one; `None` for the model's own.
    pub dimensions: Option<u32>,
    /// `true` if vectors are base64 of little-endian 32-bit floats (`encoding_format`), as OpenAI's SDKs ask for.
    pub base64: bool,
}

impl EmbeddingsRequest {
    /// Returns the numbers per vector of this model.
    #[must_use]
    pub fn dimensions_of(&self, model: &str) -> u32 {
        self.dimensions.unwrap_or_else(|| model_dimensions(model))
    }

    /// Returns a size in bytes that no body of a reply by this model exceeds.
    #[must_use]
    pub fn max_body_bytes(&self, model: &str) -> usize {
        let numbers = self.dimensions_of(model) as usize;
        let vector = if self.base64 { (numbers * 4).div_ceil(3) * 4 } else { numbers * MAX_NUMBER_BYTES };
        MAX_FRAME_BYTES + json::text(&model).len() + self.texts.len() * (MAX_ENTRY_BYTES + vector)
    }
}

/// Returns the body of a reply.
pub(super) fn body(
    request: &EmbeddingsRequest,
    format: &CompletionFormat,
    service: &Service,
    context: &Context<'_>,
) -> String {
    let dimensions = request.dimensions_of(context.model);
    let count = u32::try_from(request.texts.len()).unwrap_or(u32::MAX);
    let tokens = service.usage.prompt_tokens;
    let entry = |entry: Object, index: u32| {
        let vector = vector(request.texts[index as usize], dimensions);
        let entry = entry.plain_text("object", "embedding").member("index", &index);
        if request.base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            entry.plain_text("embedding", &STANDARD.encode(bytes))
        } else {
            entry.member("embedding", &vector)
        }
    };
    let has_id = format.embeddings_have_id;
    let usage = |usage: Object| {
        let usage = usage.member("prompt_tokens", &tokens);
        let usage = if has_id { usage.member("completion_tokens", &0) } else { usage };
        usage.member("total_tokens", &tokens)
    };
    // Allocated at once: a text that grows by doubling would take up to twice its size, and three times while it is copied.
    let body = Object::with_capacity(request.max_body_bytes(context.model));
    let body = if has_id { body.plain_text("id", &(format.id)(context.number)) } else { body };
    let body = body.plain_text("object", "list").array("data", count, entry);
    let text = body.text("model", context.model).object("usage", usage).into_text();
    debug_assert!(
        text.len() <= request.max_body_bytes(context.model),
        "invariant: {} bytes are the most",
        text.len()
    );
    text
}

/// Returns the vector of a text: uniform numbers, scaled to unit length.
pub(super) fn vector(text: u64, dimensions: u32) -> Vec<f32> {
    let uniform = |index: u32| {
        let bits = mix(text ^ mix(u64::from(index))) >> 11; // the 53 bits of a double
        bits as f64 / (1_u64 << 52) as f64 - 1.0
    };
    let length = libm::sqrt((0..dimensions).map(|index| uniform(index) * uniform(index)).sum());
    let length = if length > 0.0 { length } else { 1.0 };
    (0..dimensions).map(|index| (uniform(index) / length) as f32).collect()
}

/// Returns the numbers per vector that providers document for their models; [`DEFAULT_DIMENSIONS`] for other models.
fn model_dimensions(model: &str) -> u32 {
    let known = DIMENSIONS.iter().find(|(name, _)| model.contains(name));
    known.map_or(DEFAULT_DIMENSIONS, |(_, dimensions)| *dimensions)
}

/// Parts of the names of models with their documented numbers per vector.
const DIMENSIONS: [(&str, u32); 6] = [
    ("text-embedding-3-large", 3_072),
    ("gemini-embedding", 3_072),
    ("mistral-embed", 1_024),
    ("bge-large", 1_024),
    ("bge-base", 768),
    ("nomic-embed", 768),
];

/// The most bytes of a number of a vector as text, with the comma after it: nine digits, a sign, a point, zeros or an exponent.
const MAX_NUMBER_BYTES: usize = 16;

/// The most bytes of an entry without its vector.
const MAX_ENTRY_BYTES: usize = 64;

/// The most bytes of a body without its entries and the name of the model: its id and its usage.
const MAX_FRAME_BYTES: usize = 320;

/// The numbers per vector of `text-embedding-3-small`.
const DEFAULT_DIMENSIONS: u32 = 1_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_unit_length_and_depend_on_the_text_only() {
        for dimensions in [1, 2, 256, 3_072] {
            let length: f32 = vector(7, dimensions).iter().map(|number| number * number).sum();
            assert!((length - 1.0).abs() < 1e-4, "{dimensions}: {length}");
        }
        assert_eq!(vector(7, 2), [-0.9504821_f32, -0.31077948], "the same on every machine");
        assert_ne!(vector(7, 16), vector(8, 16));
    }

    #[test]
    fn no_number_is_longer_than_its_bound() {
        for dimensions in [1, 2, 3, 64, 4_096] {
            for text in 0..200 {
                let vector = json::text(&vector(text, dimensions));
                assert!(vector.len() <= 1 + dimensions as usize * MAX_NUMBER_BYTES, "{vector}");
            }
        }
        for number in [-1.234_567_8e-5_f32, -1.234_567_8e-8, f32::MIN_POSITIVE] {
            assert!(json::text(&number).len() < MAX_NUMBER_BYTES, "{number}");
        }
    }

    #[test]
    fn the_model_sets_the_dimensions_unless_the_request_does() {
        let request = EmbeddingsRequest { texts: vec![1], dimensions: None, base64: false };
        assert_eq!(request.dimensions_of("text-embedding-3-small"), 1_536);
        assert_eq!(request.dimensions_of("text-embedding-3-large"), 3_072);
        let request = EmbeddingsRequest { dimensions: Some(8), ..request };
        assert_eq!(request.dimensions_of("text-embedding-3-large"), 8);
    }
}

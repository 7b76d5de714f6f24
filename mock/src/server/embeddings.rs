//! Embeddings in OpenAI's format: parses the body of a request.

use super::admission::ParsedRequest;
use super::content::ContentSize;
use super::request::{Members, RequestScope, invalid};
use super::shape::{RequestApi, Shape};
use super::text_completion::{InputText, texts};
use super::text_size::TextSize;
use crate::wire::{EmbeddingsRequest, Error};

/// Parses a request for embeddings.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn parse(body: &[u8], scope: &RequestScope<'_>) -> Result<ParsedRequest, Error<'static>> {
    let mut members = Members::parse(body)?;
    let model = scope.model(members.take_text("model")?)?;
    let input =
        members.take_value("input").ok_or_else(|| invalid("'input' : property 'input' is missing"))?;
    let texts = texts(input)?;
    if texts.len() > MAX_TEXTS {
        return Err(invalid(format!("'input' : maximum number of items is {MAX_TEXTS}")));
    }
    // Mistral has its own name for the dimensions.
    let dimensions = match members.take("dimensions")? {
        Some(dimensions) => Some(dimensions),
        None => members.take("output_dimension")?,
    };
    if dimensions.is_some_and(|dimensions: u32| !(1..=MAX_DIMENSIONS).contains(&dimensions)) {
        return Err(invalid(format!("'dimensions' : number must be between 1 and {MAX_DIMENSIONS}")));
    }
    let base64 = match members.take::<String>("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(invalid("'encoding_format' : must be one of `float`, `base64`")),
    };
    let size: TextSize = texts.iter().map(|text| text.size).sum();
    let texts = texts.iter().map(InputText::fingerprint).collect();
    Ok(ParsedRequest {
        prompt_tokens: ContentSize::from(size).tokens(scope.dialect, &model),
        max_tokens: Some(0),
        shape: Shape {
            api: RequestApi::Embeddings(Box::new(EmbeddingsRequest { texts, dimensions, base64 })),
            ..Shape::default()
        },
        ..ParsedRequest::new(model)
    })
}

/// Maximum number of texts of one request (documented by OpenAI).
const MAX_TEXTS: usize = 2_048;

/// Maximum number of dimensions of a vector: no provider documents more.
const MAX_DIMENSIONS: u32 = 4_096;

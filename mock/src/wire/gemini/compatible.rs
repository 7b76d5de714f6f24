//! Gemini's OpenAI-compatible endpoint: `POST /v1beta/openai/chat/completions`.

use crate::decision::Denial;
use crate::time::Instant;
use crate::wire::{
    Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, Model, ModelEntry, Operation, WireFormat, json,
};
use serde::Serialize;

/// The OpenAI-compatible endpoint.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Compatible;

impl WireFormat for Compatible {
    fn base(&self) -> &'static str {
        "/v1beta/openai"
    }

    /// Documented, 2026.
    fn operations(&self) -> &'static [Operation] {
        &[Operation::Embeddings]
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        Headers::with_media_type(head.media_type)
    }

    fn refusal(&self, denial: &Denial, snapshot: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
        in_array(super::refusal(denial, snapshot, context))
    }

    fn error(&self, error: &Error<'_>, _: u64, at: Instant) -> ErrorReply {
        in_array(super::error(error, "v1main", at))
    }

    /// Documented, 2026.
    fn model(&self, model: &Model<'_>) -> ModelEntry {
        let id = format!("models/{}", model.id);
        let entry = Entry { id: &id, object: "model", owned_by: "google", display_name: model.id };
        ModelEntry::new(model, json::text(&entry))
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    owned_by: &'static str,
    display_name: &'a str,
}

/// Puts the body of an error in an array (captured).
fn in_array(reply: ErrorReply) -> ErrorReply {
    ErrorReply { body: format!("[{}]", reply.body), ..reply }
}

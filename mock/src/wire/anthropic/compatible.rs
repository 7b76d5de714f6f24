//! Anthropic's OpenAI-compatible endpoint: `POST /v1/chat/completions`.

use crate::decision::Denial;
use crate::time::Instant;
use crate::wire::envelope::{self, INVALID_REQUEST};
use crate::wire::{Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, WireFormat};
use serde::Serialize;

/// The compatible endpoint.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct OpenAiCompatible;

impl WireFormat for OpenAiCompatible {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        super::headers(head)
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
        let message = super::message(denial, context.account, context.model);
        ErrorReply::new(429, body(super::kind(429), &message)).with_wait(denial.wait)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        let (status, kind, message) = super::describe(error);
        ErrorReply::new(status, body(kind, &message))
    }
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: (),
}

/// Returns the body of an error. Its code is the native type, and its type is always the same (captured for a 429, assumed for
/// the others).
fn body(code: &str, message: &str) -> String {
    envelope::wrap(ErrorObject { code, message, kind: INVALID_REQUEST, param: () })
}

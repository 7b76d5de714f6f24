//! Anthropic's endpoint that is compatible with OpenAI's: `POST /v1/chat/completions`.

use crate::decision::Denial;
use crate::time::Instant;
use crate::wire::{Answer, Context, Error, Head, Headers, LimitsSnapshot, WireFormat, json};

/// The compatible endpoint.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Compatible;

impl WireFormat for Compatible {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        super::headers(head)
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> Answer {
        let message = super::message(denial, context.account, context.model);
        Answer::new(429, body(super::kind(429), &message)).after(denial.wait)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        let (status, kind, message) = super::words(error);
        Answer::new(status, body(kind, &message))
    }
}

/// The code says what the native type says, and the type is always the same (captured for a 429, assumed of the others).
fn body(code: &str, message: &str) -> String {
    let mut out = String::with_capacity(message.len() + 96);
    json::put(&mut out, format_args!(r#"{{"error":{{"code":"{code}","message":"#));
    json::string(&mut out, message);
    out.push_str(r#","type":"invalid_request_error","param":null}}"#);
    out
}

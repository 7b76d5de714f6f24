//! `DeepInfra`: a limit on concurrency and nothing else, and no header that tells of it.
//!
//! Captured: the busy model, which is a 429, and the wrong key. The words of the concurrency limit are documented in
//! substance. Too long a context is a 500 with both lengths (captured; that the number is the sum where the prompt alone
//! would fit is assumed). The rest is assumed.

use super::envelope::{self, INVALID, Member, Members, reason};
use super::{Answer, Context, Error, Head, Headers, LimitsSnapshot, WireFormat};
use crate::decision::Denial;
use crate::length::Bound;
use crate::time::Instant;

/// `DeepInfra`'s endpoint that is compatible with OpenAI's.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeepInfra;

impl WireFormat for DeepInfra {
    fn base(&self) -> &'static str {
        "/v1/openai"
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        Headers::of(head.content)
    }

    /// The same of every axis, and without a wait.
    fn refusal(&self, _: &Denial, _: &LimitsSnapshot, _: &Context<'_>) -> Answer {
        Answer::new(429, envelope::error("Rate limited", INVALID, None, Some("rate_limited")))
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        let (status, message, code): (u16, &str, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => (401, "Not authenticated", None),
            Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => {
                (404, &format!("The model `{model}` does not exist"), Some("model_not_found"))
            }
            Error::UnknownPath(..) => (404, reason(404), None),
            Error::Invalid(message) => (422, message.as_ref(), None),
            Error::BodyTooLarge => (413, reason(413), None),
            Error::Overload(_) => (429, "Model busy, retry later", Some("engine_overloaded")),
            Error::Billing => (402, "Inference prohibited, please top up your balance", None),
            Error::TooLong(too_long, _) => {
                let (asked, limit) = (too_long.requested(), too_long.limit);
                let (status, what) = match too_long.bound {
                    Bound::Context => (500, "input"),
                    Bound::Output => (422, "output"),
                };
                let message =
                    format!("Requested {what} length {asked} exceeds maximum {what} length {limit}");
                return Answer::new(status, message_only(&message));
            }
            Error::Status(status, _) => (*status, reason(*status), None),
        };
        Answer::new(status, envelope::error(message, INVALID, None, code))
    }
}

/// `{"error":{"message":…}}`.
fn message_only(message: &str) -> String {
    let (kind, param, code) = (Member::Absent, Member::Absent, Member::Absent);
    Members { message, kind, param, code }.wrapped()
}

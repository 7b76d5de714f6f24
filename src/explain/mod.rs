//! Explains a refusal: which limit of which owner, how full it was, when to retry, what the headers omit, and how to
//! avoid it.
//!
//! The input is a body or the output of `curl -i`, in any dialect that the engine parses. The explanation contains only
//! what the reply states and what the documented rules of the provider imply.

mod advice;
mod facts;
mod pasted_response;
mod text;

use crate::api_keys::masked;
use crate::engine::parse::{self, Dialect, LimitHeader, ParsedFailure, Response};
use crate::event::LimitCause;
use facts::Facts;
use pasted_response::PastedResponse;
use provider::{Axis, Instant};
use serde::Serialize;

/// An explained refusal. The field names are the public format of `explain --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The dialect; `None` if the reply has no marker of one.
    pub provider: Option<&'static str>,
    /// The kind of refusal.
    pub cause: &'static str,
    /// The axis, by its name in scenarios.
    pub axis: Option<&'static str>,
    /// The model.
    pub model: Option<String>,
    /// The limit, in units of the axis per window.
    pub limit: Option<u64>,
    /// The usage before the request; may be negative after a burst.
    pub used: Option<i64>,
    /// The cost of the request.
    pub requested: Option<u64>,
    /// The stated wait, in seconds.
    pub wait_s: Option<f64>,
    /// The kind of wait: `until_enough`, …, or `meaningless` if to wait that long does not help.
    pub wait_meaning: Option<&'static str>,
    /// `true` if the same request can never succeed here.
    pub terminal: bool,
    /// Advice, the most useful first.
    pub advice: Vec<String>,
    #[serde(skip)]
    failure: ParsedFailure,
    #[serde(skip)]
    facts: Facts,
    /// The limits in the headers.
    #[serde(skip)]
    limits: Vec<LimitHeader>,
}

/// The reason why a text cannot be explained, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The text is empty.
    #[error("empty input: paste the body of a refusal, or the output of `curl -i`")]
    Empty,
    /// The reply is a success or a redirection.
    #[error("status {0} is not an error: paste the reply to a request that was refused")]
    Success(u16),
    /// No dialect has errors of this form.
    #[error(
        "unknown error format: expected {{\"error\": {{\"message\": …}}}} or the error of another supported provider, \
         alone or below the headers that `curl -i` prints"
    )]
    Unknown,
}

/// Explains the body of a refusal, or a whole response as `curl -i` prints it, with API keys masked. Detects the dialect if `dialect` is
/// `None`.
///
/// # Errors
/// If the text is empty, not an error, or in an unknown format.
pub fn explain(text: &str, dialect: Option<Dialect>) -> Result<Explanation, ExplainError> {
    let text = &*masked(text.trim());
    if text.is_empty() {
        return Err(ExplainError::Empty);
    }
    let response = PastedResponse::read(text);
    let body = response.body.as_bytes();
    let status = response.status.or_else(|| parse::status_of(body)).ok_or(ExplainError::Unknown)?;
    let parsed = parse::parsed(dialect, Instant::ZERO, &Response { status, headers: &response, body });
    // A response with status 200 may contain an error; a redirection does not.
    let failure =
        parsed.failure.filter(|failure| failure.status >= 400).ok_or(ExplainError::Success(status))?;
    Ok(Explanation::new(parsed.dialect, failure, parsed.limits))
}

impl Explanation {
    fn new(dialect: Option<Dialect>, failure: ParsedFailure, limits: Vec<LimitHeader>) -> Self {
        let ParsedFailure { status, cause, ref refusal, wait, .. } = failure;
        let facts = Facts::of(dialect);
        Self {
            provider: dialect.map(Dialect::name),
            cause: cause.name(),
            axis: refusal.axis.map(Axis::name),
            model: refusal.model.clone(),
            limit: refusal.limit,
            used: refusal.used,
            requested: refusal.requested,
            wait_s: wait.map(|wait| wait.length.as_secs_f64()),
            wait_meaning: wait.map(|wait| wait.kind.name()),
            terminal: matches!(
                cause,
                LimitCause::TooLarge | LimitCause::Billing | LimitCause::NotInTier | LimitCause::Auth
            ) || (cause == LimitCause::Other && status < 429),
            advice: advice::advice(&failure, &facts),
            failure,
            facts,
            limits,
        }
    }
}

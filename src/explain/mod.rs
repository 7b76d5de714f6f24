//! Explains refusals: which limit of which owner, how full it was, when to retry, what the headers omit, who answered, and how
//! to avoid further refusals.
//!
//! The input is whatever people paste: bodies, the output of `curl`, streams, printed exceptions, logs, several at once, in any
//! dialect that the engine parses (`paste` has the forms). The explanation contains only what the reply states and what the
//! documented rules of the provider imply. Where they leave something open, a note says so.

mod advice;
mod facts;
mod notes;
mod paste;
mod text;

use crate::api_keys::masked;
use crate::engine::WaitKind;
use crate::engine::parse::{self, Dialect, LimitHeader, Parsed, ParsedFailure, Response, Unit};
use crate::event::RefusalCause;
use facts::Facts;
use paste::PastedReply;
use provider::{Axis, Instant, Nanos};
use serde::Serialize;

/// An explained refusal. The field names are the public format of `explain --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The dialect: the one that was given, otherwise the one that the reply shows; `None` if the reply has no marker of one. For
    /// a gateway's list, the dialect of the refusal that ends first.
    pub provider: Option<&'static str>,
    /// Who answered: `provider`, `gateway` or `proxy`; `None` if nothing shows it.
    pub answered_by: Option<&'static str>,
    /// The name of the gateway or proxy that answered; `None` if a provider did, or if it is not known.
    pub server: Option<&'static str>,
    /// The status; `None` if the paste neither states nor implies one.
    pub status: Option<u16>,
    /// The kind of refusal.
    pub cause: &'static str,
    /// The axis, by its name in scenarios; `None` if no axis counts this unit over this window.
    pub axis: Option<&'static str>,
    /// What the limit counts: `requests`, `tokens`, `input_tokens`, `output_tokens`, `audio_seconds`, `neurons`,
    /// `requests_in_flight`.
    pub unit: Option<&'static str>,
    /// The window of the limit, in seconds. A week has 7 days and a month 30.
    pub window_s: Option<f64>,
    /// Whose limit it is, if the reply says so: `organisation`, `project`, `user`, ….
    pub scope: Option<&'static str>,
    /// The model.
    pub model: Option<String>,
    /// The limit, in units per window.
    pub limit: Option<u64>,
    /// The usage before the request; may be negative after a burst.
    pub used: Option<i64>,
    /// The cost of the request.
    pub requested: Option<u64>,
    /// The wait, in seconds, exactly as stated; `None` if the reply states none.
    pub wait_s: Option<f64>,
    /// The kind of wait: `until_enough`, `until_full`, `until_window_ends`, `suggested`, or `meaningless` if to wait that long
    /// does not help.
    pub wait_meaning: Option<&'static str>,
    /// The moment at which the limit resets (RFC 3339, UTC), if the reply states one whose zone is known.
    pub resets_at: Option<String>,
    /// `true` if the same request can never succeed here.
    pub terminal: bool,
    /// Doubts and contradictions, in sentences.
    pub notes: Vec<String>,
    /// Advice, the most useful first.
    pub advice: Vec<String>,
    /// The allowances of a subscription in the headers.
    pub allowances: Vec<AllowanceState>,
    /// The refusals that a gateway lists; empty for any other reply.
    pub refusals: Vec<Explanation>,
    #[serde(skip)]
    failure: ParsedFailure,
    #[serde(skip)]
    facts: Facts,
    /// The limits in the headers.
    #[serde(skip)]
    limits: Vec<LimitHeader>,
}

/// One window of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AllowanceState {
    /// The length of the window, in seconds.
    pub window_s: f64,
    /// The used share, in per cent; may exceed 100.
    pub used_percent: f64,
    /// The time until it resets, in seconds.
    pub reset_s: Option<f64>,
}

/// The reason why a text cannot be explained, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The text is empty.
    #[error("empty input: paste the body of a refusal, or the output of `curl -i`")]
    Empty,
    /// No error was found, and the status is that of a success or a redirection.
    #[error("status {0} is not an error: paste the reply to a request that was refused")]
    Success(u16),
    /// The body is compressed and cannot be read.
    #[error("the body is compressed ({0}): save it with `curl --compressed`, or decompress it first")]
    Compressed(&'static str),
    /// No dialect has errors of this form.
    #[error(
        "unknown error format: expected {{\"error\": {{\"message\": …}}}} or the error of another supported provider, \
         alone or below the headers that `curl -i` prints"
    )]
    Unknown,
}

/// Explains every refusal in a paste, with API keys masked: bodies, whole responses, streams, printed exceptions. Detects the
/// dialect of each if `dialect` is `None`.
///
/// # Errors
/// If the paste is empty, compressed in a form that cannot be read, or contains no error in a known form.
pub fn explain(bytes: &[u8], dialect: Option<Dialect>) -> Result<Vec<Explanation>, ExplainError> {
    let decoded = paste::decode(bytes);
    let text = masked(decoded.text.trim());
    if text.is_empty() && decoded.unreadable.is_none() {
        return Err(ExplainError::Empty);
    }
    let mut success = None;
    let mut explained = Vec::new();
    for reply in paste::replies(&text) {
        match explain_reply(&reply, dialect) {
            Ok(mut explanation) => {
                explanation.add_notes(&reply, decoded.was_compressed);
                explained.push(explanation);
            }
            Err(ExplainError::Success(status)) => success = Some(status),
            Err(_) => {}
        }
    }
    match (explained.is_empty(), decoded.unreadable, success) {
        (false, ..) => Ok(explained),
        (true, Some(name), _) => Err(ExplainError::Compressed(name)),
        (true, None, Some(status)) => Err(ExplainError::Success(status)),
        (true, None, None) => Err(ExplainError::Unknown),
    }
}

/// Formats explanations as plain text, with a number before each if there are several.
#[must_use]
pub fn text(explanations: &[Explanation]) -> String {
    let numbered = |(index, explanation): (usize, &Explanation)| {
        format!("Reply {} of {}\n{}", index + 1, explanations.len(), explanation.text())
    };
    match explanations {
        [only] => only.text(),
        several => several.iter().enumerate().map(numbered).collect::<Vec<_>>().join("\n"),
    }
}

fn explain_reply(reply: &PastedReply, dialect: Option<Dialect>) -> Result<Explanation, ExplainError> {
    let body = reply.body.as_bytes();
    let stated = reply.status.or_else(|| parse::status_of(body));
    let has_limits = || {
        reply.headers.iter().any(|(name, _)| {
            name == "retry-after" || name.contains("ratelimit") || name.starts_with("x-codex")
        })
    };
    if stated.is_none() && !parse::is_error(body) && !(body.is_empty() && has_limits()) {
        return Err(ExplainError::Unknown);
    }
    // A refusal of unknown status is read as a limit, the most common kind.
    let status = stated.unwrap_or(UNKNOWN_STATUS);
    let parsed = parse::parsed(dialect, Instant::ZERO, &Response { status, headers: reply, body });
    let Parsed { dialect, failure, limits, .. } = parsed;
    // A response with status 200 may contain an error; a redirection does not.
    let mut failure = failure.filter(|failure| failure.status >= 400).ok_or(ExplainError::Success(status))?;
    correct_window(&mut failure);
    assume_minute(&mut failure);
    Ok(Explanation::new(dialect, stated, failure, limits))
}

/// Replaces the named window by a longer usual one if the stated wait follows exactly from the numbers and the longer window. If
/// it follows from a shorter window, the named one may still be right: it stays, and a note says so.
fn correct_window(failure: &mut ParsedFailure) {
    let may_correct = failure.cause.is_window_limit() && failure.contradicted_window.is_none();
    let exact = failure.refusal.exact_window().filter(|_| may_correct);
    let Some((window, named)) = exact.zip(failure.refusal.window).filter(|(window, named)| window > named)
    else {
        return;
    };
    failure.contradicted_window = Some(named);
    failure.refusal.set_window(window);
    failure.cause = parse::cause_from_window(Some(window));
}

/// Treats Google's sentence that names no quota as a refusal by a limit per minute, the most common one there; a note says so.
/// The engine does not assume this when it routes jobs.
fn assume_minute(failure: &mut ParsedFailure) {
    if failure.cause == RefusalCause::Other && names_no_quota(failure) {
        failure.cause = RefusalCause::ShortLimit;
    }
}

/// Returns `true` for Google's sentence on a quota that it does not name. The message of a list of refusals does not count: it is
/// the gateway's.
fn names_no_quota(failure: &ParsedFailure) -> bool {
    let message = failure.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let is_single = failure.listed.is_empty() && failure.refusal.window.is_none();
    is_single && message.contains("resource has been exhausted (e.g. check quota)")
}

/// The status that is assumed for an error that states none.
const UNKNOWN_STATUS: u16 = 429;

impl Explanation {
    fn new(
        dialect: Option<Dialect>,
        status: Option<u16>,
        failure: ParsedFailure,
        limits: Vec<LimitHeader>,
    ) -> Self {
        let ParsedFailure { cause, ref refusal, wait, responder, ref allowances, ref listed, .. } = failure;
        let facts = Facts::of(dialect);
        let allowances = allowances.iter().map(|allowance| AllowanceState {
            window_s: allowance.window.as_secs_f64(),
            used_percent: allowance.used_permille as f64 / 10.0,
            reset_s: allowance.reset.map(Nanos::as_secs_f64),
        });
        let refusals = listed.iter().map(|listed| {
            Self::new(listed.dialect, Some(listed.failure.status), listed.failure.clone(), Vec::new())
        });
        let terminal = failure.is_terminal() && (status.is_some() || cause.name() != "other");
        let resets_at =
            failure.reset_at.as_ref().and_then(|reset| reset.time).map(|time| time.rfc3339().to_string());
        let mut explanation = Self {
            provider: dialect.map(Dialect::name),
            answered_by: responder.map(|responder| responder.kind()),
            server: responder.and_then(|responder| responder.name()),
            status: status.map(|status| if status < 400 { failure.status } else { status }),
            cause: cause.name(),
            axis: refusal.axis.map(Axis::name),
            unit: refusal.unit.map(Unit::name),
            window_s: refusal.window.map(Nanos::as_secs_f64),
            scope: refusal.scope,
            model: refusal.model.clone(),
            limit: refusal.limit,
            used: refusal.used,
            requested: refusal.requested,
            wait_s: wait.map(|wait| wait.length.as_secs_f64()),
            wait_meaning: None,
            resets_at,
            terminal,
            notes: Vec::new(),
            advice: Vec::new(),
            allowances: allowances.collect(),
            refusals: refusals.collect(),
            facts,
            limits,
            failure,
        };
        // A list has the provider of the refusal that ends first, from which the parser has copied cause and wait.
        let length = wait.map(|wait| wait.length);
        let ends_first = |refusal: &&Self| {
            refusal.cause == cause.name() && refusal.failure.wait.map(|wait| wait.length) == length
        };
        let first = explanation.refusals.iter().find(ends_first);
        if let Some(first) = first {
            explanation.provider = first.provider;
        }
        explanation.weaken_uncertain_wait(dialect);
        explanation.wait_meaning = explanation.failure.wait.map(|wait| wait.kind.name());
        explanation.advice = advice::advice(&explanation);
        explanation
    }

    /// Weakens a wait of the kind [`WaitKind::UntilAdmitted`] to [`WaitKind::Suggested`], or to [`WaitKind::UntilWindowEnds`] for
    /// an allowance. The kind stays if the wait follows from the numbers, or if the provider is known to state the time until
    /// the request fits (`retry-after` of Anthropic and Groq, verified on captures).
    fn weaken_uncertain_wait(&mut self, dialect: Option<Dialect>) {
        let is_provider = self.answered_by == Some("provider");
        let is_verified = is_provider && matches!(dialect, Some(Dialect::Anthropic | Dialect::Groq));
        let Some(wait) = &mut self.failure.wait else { return };
        if wait.kind == WaitKind::UntilAdmitted
            && !is_verified
            && !self.failure.refusal.wait_follows_from_numbers(wait.length)
        {
            let is_allowance = self.failure.cause == RefusalCause::Allowance;
            wait.kind = if is_allowance { WaitKind::UntilWindowEnds } else { WaitKind::Suggested };
        }
    }
}

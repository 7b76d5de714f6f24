//! A refusal in plain words: which limit of whose quota was hit, how full it was, when to come back, what
//! the headers do *not* say, and what would prevent it.
//!
//! It reads what people have at hand: the body alone, or the whole of `curl -i`, of any dialect that the engine
//! reads. It says only what the reply states or what the provider's documented law implies.

mod advice;
mod dump;
mod facts;
mod text;

use crate::engine::parse::{self, Dialect, LimitHeader, ParsedFailure, Response};
use crate::event::LimitCause;
use dump::Dump;
use facts::Facts;
use provider::{Axis, Instant};
use serde::Serialize;

/// What is known of a refusal. The field names are the contract of `explain --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Who refused: the dialect; nothing where the reply bears no mark of one.
    pub provider: Option<&'static str>,
    /// What kind of refusal it is.
    pub cause: &'static str,
    /// The axis named, in the words of scenarios.
    pub axis: Option<&'static str>,
    /// The model named.
    pub model: Option<String>,
    /// The limit named.
    pub limit: Option<u64>,
    /// How much of it was used, as stated.
    pub used: Option<i64>,
    /// How much the request asked for.
    pub requested: Option<u64>,
    /// The wait named, in seconds.
    pub wait_s: Option<f64>,
    /// Until what: `until_enough`, …, or `meaningless` where no wait helps.
    pub wait_meaning: Option<&'static str>,
    /// The same request can never succeed here.
    pub terminal: bool,
    /// What to do, the most useful first.
    pub advice: Vec<String>,
    #[serde(skip)]
    failure: ParsedFailure,
    #[serde(skip)]
    facts: Facts,
    /// What the headers state.
    #[serde(skip)]
    stated: Vec<LimitHeader>,
}

/// Why a text could not be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing in it.
    #[error("there is nothing to explain: paste the body of a refusal, or the whole output of `curl -i`")]
    Empty,
    /// It is a success.
    #[error("status {0} is a success: paste the reply that was refused")]
    Success(u16),
    /// It is no reply that any rule here knows.
    #[error(
        "this is no error reply in a shape that is known here: expected {{\"error\": {{\"message\": …}}}} or another \
         provider's error, alone or below the headers that `curl -i` prints"
    )]
    Unknown,
}

/// Explains the body of a refusal, or a whole response as `curl -i` prints it. `dialect` is whose it is; where it
/// is not told, the reply's own marks tell it, if it bears any.
///
/// # Errors
/// Where the text is empty, a success, or in no known shape.
pub fn explain(text: &str, dialect: Option<Dialect>) -> Result<Explanation, Unreadable> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    let dump = Dump::read(text);
    let body = dump.body.as_bytes();
    let status = dump.status.or_else(|| parse::status_of(body)).ok_or(Unreadable::Unknown)?;
    let reading = parse::read(dialect, Instant::ZERO, &Response { status, headers: &dump, body });
    // A success may have an error inside; a redirection refuses nothing.
    let failure =
        reading.failure.filter(|failure| failure.status >= 400).ok_or(Unreadable::Success(status))?;
    Ok(Explanation::new(reading.dialect, failure, reading.stated))
}

impl Explanation {
    fn new(dialect: Option<Dialect>, failure: ParsedFailure, stated: Vec<LimitHeader>) -> Self {
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
            wait_meaning: wait.map(|wait| wait.meaning.name()),
            terminal: matches!(
                cause,
                LimitCause::TooLarge | LimitCause::Billing | LimitCause::NotInTier | LimitCause::Auth
            ) || (cause == LimitCause::Other && status < 429),
            advice: advice::advice(&failure, &facts),
            failure,
            facts,
            stated,
        }
    }
}

//! Checks in a provider's journal whether its clients retry correctly.
//!
//! ```text
//!  entries ─▶ requests: same account, same bytes, until one is served ─▶ attempts ─▶ findings
//!                                                           retries of all requests ─▶ herds
//! ```
//!
//! A journal does not identify clients. Two entries of one account with the same bytes are two attempts of one request,
//! except if the first was served. If several clients of an account send the same bytes, the findings are therefore wrong.
//!
//! The default number of attempts and longest wait are those of OpenAI's SDK, which waits for a `retry-after` of up to a
//! minute and makes three attempts (openai-python 1.x and 2.x, `_base_client.py`); the minimum pause is below its first
//! backoff of half a second.

use crate::journal::{Entry, JournalOutcome};
use crate::time::{Instant, Nanos};
use std::collections::BTreeMap;
use std::fmt;

/// The bounds by which a client's retries are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Expected attempts of one request. Fewer may be [`Violation::GaveUp`]; more without a pause are
    /// [`Violation::Hammered`].
    pub attempts: usize,
    /// Minimum time between two attempts that counts as a pause.
    pub min_pause: Nanos,
    /// Maximum announced wait after which a client is expected to retry.
    pub max_wait: Nanos,
    /// The time after an announced wait within which a client is expected to retry.
    pub grace: Nanos,
    /// Retries within [`Bounds::herd_window`] that make a herd.
    pub herd_size: usize,
    /// Maximum time from the first to the last retry of a herd.
    pub herd_window: Nanos,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            attempts: 3,
            min_pause: Nanos::from_millis(100),
            max_wait: Nanos::MINUTE,
            grace: Nanos::from_secs(10),
            herd_size: 5,
            herd_window: Nanos::from_millis(10),
        }
    }
}

/// A rule that a client broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It retried before the announced wait was over.
    TooEarly {
        /// Time from the earlier attempt to the retry.
        after: Nanos,
        /// The announced wait.
        wait: Nanos,
    },
    /// It retried a request that can never succeed.
    RetriedPermanentError {
        /// The status of the earlier attempt.
        status: u16,
    },
    /// It retried repeatedly without a pause.
    Hammered {
        /// Number of consecutive attempts without a pause.
        attempts: usize,
    },
    /// It did not retry although the announced wait was short and is over.
    GaveUp {
        /// Number of attempts made.
        attempts: usize,
        /// The wait that the last attempt announced.
        wait: Nanos,
    },
    /// Many requests were retried at the same moment after the same wait.
    ThunderingHerd {
        /// Number of requests that were retried.
        retries: usize,
        /// The wait, rounded up to whole seconds as headers announce it.
        wait: Nanos,
    },
}

impl Violation {
    /// Every name, in the order of [`Violation`]. Scripts read them, so they stay: `hopeless` is
    /// [`Violation::RetriedPermanentError`], `herded` is [`Violation::ThunderingHerd`].
    pub const NAMES: [&str; 5] = ["too_early", "hopeless", "hammered", "gave_up", "herded"];

    /// Returns the name in the report's JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }

    const fn index(&self) -> usize {
        match self {
            Self::TooEarly { .. } => 0,
            Self::RetriedPermanentError { .. } => 1,
            Self::Hammered { .. } => 2,
            Self::GaveUp { .. } => 3,
            Self::ThunderingHerd { .. } => 4,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooEarly { after, wait } => {
                write!(f, "retried after {after}, before the announced wait of {wait} was over")
            }
            Self::RetriedPermanentError { status } => {
                write!(f, "retried a request whose status {status} is permanent")
            }
            Self::Hammered { attempts } => write!(f, "made {attempts} attempts in a row without a pause"),
            Self::GaveUp { attempts, wait } => {
                write!(f, "gave up after attempt {attempts}, although the announced wait was only {wait}")
            }
            Self::ThunderingHerd { retries, wait } => {
                write!(
                    f,
                    "{retries} requests were retried at the same moment after a wait of {wait}: add jitter"
                )
            }
        }
    }
}

/// One violation and the attempt that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The instant at which the attempt arrived.
    pub at: Instant,
    /// The number of the attempt in the journal, in which each attempt is an HTTP request; if a retry is missing, of the
    /// last attempt.
    pub request_number: u64,
    /// Its account; `None` if no account has its key.
    pub account: Option<u16>,
    /// The rule that was broken.
    pub violation: Violation,
}

/// The result of checking a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientReport {
    /// Entries checked.
    pub attempts: u64,
    /// Requests that they belong to: the attempts of one request count once.
    pub requests: u64,
    /// Number of violations, by their index in [`Violation::NAMES`].
    pub counts: [u64; Violation::NAMES.len()],
    /// The earliest violations, at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// Maximum number of findings in a report.
pub const MAX_FINDINGS: usize = 100;

/// Checks the entries of a journal at `now`. Their order does not matter.
#[must_use]
pub fn check<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    now: Instant,
    bounds: &Bounds,
) -> ClientReport {
    let mut by_fingerprint: BTreeMap<u64, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        by_fingerprint.entry(entry.fingerprint).or_default().push(entry);
    }
    let mut report = ClientReport::default();
    let mut retries: BTreeMap<(Option<u16>, Nanos), Vec<&Entry>> = BTreeMap::new();
    for entries in by_fingerprint.values_mut() {
        entries.sort_by_key(|entry| (entry.at, entry.request_number));
        for attempts in entries.split_inclusive(|entry| entry.outcome == JournalOutcome::Served) {
            report.check_retries(attempts, now, bounds);
            for pair in attempts.windows(2) {
                if let Some(wait) = pair[0].wait {
                    let announced = Nanos::from_secs(wait.as_secs_ceil());
                    retries.entry((pair[1].account, announced)).or_default().push(pair[1]);
                }
            }
        }
    }
    for ((_, wait), mut retries) in retries {
        retries.sort_by_key(|entry| (entry.at, entry.request_number));
        report.check_herds(wait, &retries, bounds);
    }
    report.findings.sort_by_key(|finding| (finding.at, finding.request_number, finding.violation.index()));
    report.findings.truncate(MAX_FINDINGS);
    debug_assert!(report.requests <= report.attempts, "invariant: every request has an attempt");
    report
}

impl ClientReport {
    /// Returns `true` if there is no violation.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    fn add(&mut self, entry: &Entry, violation: Violation) {
        self.counts[violation.index()] += 1;
        let Entry { at, request_number, account, .. } = *entry;
        self.findings.push(Finding { at, request_number, account, violation });
    }

    /// Checks the attempts of one request, in order of arrival.
    fn check_retries(&mut self, attempts: &[&Entry], now: Instant, bounds: &Bounds) {
        self.attempts += attempts.len() as u64;
        self.requests += 1;
        for pair in attempts.windows(2) {
            let (earlier, retry) = (pair[0], pair[1]);
            let after = retry.at.since(earlier.at);
            if let Some(status) = permanent_error(earlier) {
                self.add(retry, Violation::RetriedPermanentError { status });
            } else if let Some(wait) = earlier.wait.filter(|wait| after < *wait) {
                self.add(retry, Violation::TooEarly { after, wait });
            }
        }
        for run in attempts.chunk_by(|earlier, retry| retry.at.since(earlier.at) < bounds.min_pause) {
            if run.len() > bounds.attempts {
                self.add(run[bounds.attempts], Violation::Hammered { attempts: run.len() });
            }
        }
        let Some(last) = attempts.last() else { return };
        if attempts.len() >= bounds.attempts || permanent_error(last).is_some() {
            return;
        }
        let should_have_retried =
            |wait: &Nanos| *wait <= bounds.max_wait && now > last.at + *wait + bounds.grace;
        if let Some(wait) = last.wait.filter(should_have_retried) {
            self.add(last, Violation::GaveUp { attempts: attempts.len(), wait });
        }
    }

    /// Checks the retries of one account after the same announced wait, in order of arrival.
    fn check_herds(&mut self, wait: Nanos, mut retries: &[&Entry], bounds: &Bounds) {
        while let [first, ..] = retries {
            let is_close = |entry: &&&Entry| entry.at.since(first.at) <= bounds.herd_window;
            let close = retries.iter().take_while(is_close).count();
            if close >= bounds.herd_size {
                self.add(first, Violation::ThunderingHerd { retries: close, wait });
            }
            retries = &retries[close..];
        }
    }
}

/// Returns the status of an attempt if no retry of the request can succeed; `None` if one may.
fn permanent_error(entry: &Entry) -> Option<u16> {
    let is_permanent = matches!(
        entry.outcome,
        JournalOutcome::RateLimited { oversize: true, .. } | JournalOutcome::InvalidRequest
    );
    entry.status.filter(|status| is_permanent || matches!(status, 400 | 401 | 403 | 404 | 405 | 413 | 422))
}

impl fmt::Display for ClientReport {
    /// Writes a summary, and a line for each finding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, requests, .. } = self;
        let verdict = match (attempts, self.is_clean()) {
            (0, _) => return writeln!(f, "No requests were received."),
            (_, true) => "No violations",
            (_, false) => "Violations",
        };
        let s = if *requests == 1 { "" } else { "s" };
        writeln!(f, "{verdict}: {requests} request{s} in {attempts} attempts.")?;
        for finding in &self.findings {
            let Finding { at, request_number, violation, .. } = finding;
            writeln!(f, "  attempt {request_number} at {at}: {violation}")?;
        }
        let more = self.counts.iter().sum::<u64>() - self.findings.len() as u64;
        if more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Checks in a provider's journal whether its clients retry correctly, and counts the jobs that ended in a refusal.
//!
//! ```text
//!  entries ─▶ senders: account, key, user agent ─▶ jobs (jobs.rs) ─▶ findings of the jobs (rules.rs)
//!                                                │                └─▶ requests that may be retries: cannot tell
//!                                                └─▶ requests one after another (series.rs) ─▶ findings of the sender
//! ```
//!
//! A journal does not identify jobs. Attempts of one job are recognised, in this order, by an idempotency key; by equal
//! bodies with ascending `x-stainless-retry-count`; or by equal bodies alone, but only if the sender's bodies identify its
//! jobs: it sent several, none of them again after it had been served, and no two equal ones together. A request is no
//! retry of one whose reply had not ended when its own connection was opened, or when it was sent on an open connection.
//! Without such evidence equal requests may be retries or separate jobs. Those that come when an announced wait is over
//! are taken for retries, since both readings are correct behaviour. Those that come earlier, or after a permanent error,
//! are counted as [`ClientReport::unclear`], unless every failed request before them was retried as announced. Whether they
//! are retries or jobs, a series of requests that a sender with only one connection sends each right after the failure of
//! the one before is a violation ([`Bounds::series`]); after a permanent error only if they are equal, since another body
//! is another job.
//!
//! A request whose body was not read (wrong path, method or key, too large) may have any body: without an idempotency key or a
//! retry count it is a job of its own, and at most unclear; only a key that is refused again and again is a violation. Those to
//! paths that are not served are not even unclear: [`ClientReport::unserved`] counts them.
//!
//! The default number of attempts and longest wait are those of OpenAI's SDK, which waits for a `retry-after` of up to a
//! minute and makes three attempts (openai-python 1.x and 2.x, `_base_client.py`). Without a `retry-after` it first waits 0.375
//! to 0.5 seconds, and twice as long before each further attempt, which [`Bounds::hammering`] allows.

mod jobs;
mod report;
mod rules;
mod series;
mod unserved;

pub use report::{ClientReport, JobCounts, MAX_FINDINGS, Verdict};
pub use unserved::{MAX_PATHS, UnservedPaths};

use crate::journal::{Entry, Sender};
use crate::time::{Instant, Nanos};
use rules::never_retries;
use std::collections::BTreeMap;
use std::fmt;

/// The bounds by which a client's retries are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Expected attempts of one job. Fewer may be [`Violation::GaveUp`].
    pub attempts: usize,
    /// More attempts in a row than one of these allows are [`Violation::Hammered`]. From the shortest pause to the longest.
    pub hammering: [Hammering; 3],
    /// Maximum announced wait after which a client is expected to retry.
    pub max_wait: Nanos,
    /// The time after a failure and its announced wait within which a client is expected to retry. After a permanent error, only an
    /// equal request within it may be a violation.
    pub grace: Nanos,
    /// Retries within [`Bounds::herd_window`] that make a herd.
    pub herd_size: usize,
    /// Maximum time from the first to the last retry of a herd.
    pub herd_window: Nanos,
    /// A herd has at least half of the retries after the same wait within this time before and after its first. With jitter,
    /// some retries of many are close together by chance.
    pub herd_surroundings: Nanos,
    /// Minimum number of requests of one sender, each sent right after the failure of the one before it, that are a violation
    /// whether they are retries or jobs: if each came within the announced wait, or repeated a permanent error.
    pub series: usize,
}

/// A bound on the attempts in a row that follow each other with short pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hammering {
    /// The length below which a pause is short.
    pub pause: Nanos,
    /// The largest number of attempts in a row with such pauses.
    pub attempts: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        let hammering = |pause_ms, attempts| Hammering { pause: Nanos::from_millis(pause_ms), attempts };
        Self {
            attempts: 3,
            hammering: [hammering(100, 3), hammering(300, 5), hammering(1_000, 10)],
            max_wait: Nanos::MINUTE,
            grace: Nanos::from_secs(10),
            herd_size: 5,
            herd_window: Nanos::from_millis(10),
            herd_surroundings: Nanos::from_millis(500),
            series: 4,
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
    /// It made many attempts in a row with pauses that are too short.
    Hammered {
        /// Number of consecutive attempts with such pauses.
        attempts: usize,
        /// The pause that each of them stayed below.
        pause: Nanos,
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
            Self::Hammered { attempts, pause } => {
                write!(f, "made {attempts} attempts in a row with pauses below {pause}")
            }
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
    /// The instant of the provider's decision on the attempt, or of its rejection.
    pub at: Instant,
    /// The number of the attempt's request in the journal; if a retry is missing, that of the last attempt.
    pub request_number: u64,
    /// Its account; `None` if no account has its key.
    pub account: Option<u16>,
    /// The number of its key within the account; `None` if no account has it.
    pub key: Option<u16>,
    /// The rule that was broken.
    pub violation: Violation,
}

/// Checks the entries of a journal at `now`. Their order does not matter.
#[must_use]
pub fn check<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    now: Instant,
    bounds: &Bounds,
) -> ClientReport {
    let mut by_sender: BTreeMap<&Sender, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        by_sender.entry(&entry.sender).or_default().push(entry);
    }
    let mut report = ClientReport::default();
    for entries in by_sender.values_mut() {
        entries.sort_by_key(|entry| (entry.arrived_at, entry.request_number));
        report.check_sender(entries, now, bounds);
    }
    report.keep_earliest_findings();
    debug_assert!(report.jobs.total <= report.attempts, "invariant: every job has an attempt");
    report
}

/// An account and the number of a key within it; both are `None` for keys that no account has.
pub type AccountKey = (Option<u16>, Option<u16>);

/// Checks the entries of each account and key on their own, in ascending order; last those whose key no account has.
#[must_use]
pub fn check_by_key<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    now: Instant,
    bounds: &Bounds,
) -> Vec<(AccountKey, ClientReport)> {
    let mut by_key: BTreeMap<_, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        let Sender { account, key, .. } = entry.sender;
        by_key.entry((account.is_none(), account, key)).or_default().push(entry);
    }
    let report = |entries: Vec<&'a Entry>| check(entries, now, bounds);
    by_key.into_iter().map(|((_, account, key), entries)| ((account, key), report(entries))).collect()
}

impl ClientReport {
    /// Checks the requests of one sender, in order of arrival.
    fn check_sender(&mut self, entries: &[&Entry], now: Instant, bounds: &Bounds) {
        self.attempts += entries.len() as u64;
        entries.iter().for_each(|entry| self.unserved.add(entry));
        let never_retries = entries.first().is_some_and(|entry| never_retries(&entry.sender));
        let grouped = jobs::group_into_jobs(entries, bounds.grace);
        self.unclear += grouped.unclear;
        for job in &grouped.jobs {
            self.count(job, now, bounds, never_retries);
        }
        self.check_jobs(&grouped, entries, now, bounds, never_retries);
        if !never_retries {
            self.check_series(&grouped, entries, bounds);
        }
    }

    fn add(&mut self, entry: &Entry, violation: Violation) {
        self.counts[violation.index()] += 1;
        let Sender { account, key, .. } = entry.sender;
        let Entry { at, request_number, .. } = *entry;
        self.findings.push(Finding { at, request_number, account, key, violation });
    }
}

#[cfg(test)]
mod tests;

//! The report on the clients of a journal, and the verdict.

use super::{Finding, UnservedPaths, Violation};
use std::fmt;
use std::ops::AddAssign;

/// The answer to whether the clients behaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is a violation.
    Misbehaved,
    /// No violation, but requests that may be retries or separate jobs.
    CannotTell,
    /// No violation yet, but a refused or failed job may still be retried, correctly or not, or given up.
    NotYetKnown,
    /// No violation, but calls to paths that are not served: the client did not reach what it was meant to call.
    Misdirected,
    /// No violation.
    Behaved,
}

impl Verdict {
    /// Returns the name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Misbehaved => "misbehaved",
            Self::CannotTell => "cannot_tell",
            Self::NotYetKnown => "not_yet_known",
            Self::Misdirected => "misdirected",
            Self::Behaved => "behaved",
        }
    }

    /// Returns whether the clients behaved; `None` if that is not known.
    #[must_use]
    pub const fn behaved(self) -> Option<bool> {
        match self {
            Self::Misbehaved => Some(false),
            Self::CannotTell | Self::NotYetKnown | Self::Misdirected => None,
            Self::Behaved => Some(true),
        }
    }
}

/// The jobs of a journal, by their state. [`JobCounts::total`] is the sum of the refused, the served, the failed and those in
/// progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// All of them.
    pub total: u64,
    /// Those whose last attempt was refused by a limit, or answered with a 429 of a fault.
    pub refused: u64,
    /// Those whose last attempt was served.
    pub served: u64,
    /// Those whose last attempt ended in another way: with another error, a corrupt reply or a disconnected client.
    pub failed: u64,
    /// Those whose last attempt has not ended.
    pub in_progress: u64,
    /// Of the refused and failed ones, those that may still be retried.
    pub may_be_retried: u64,
}

impl AddAssign for JobCounts {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.refused += other.refused;
        self.served += other.served;
        self.failed += other.failed;
        self.in_progress += other.in_progress;
        self.may_be_retried += other.may_be_retried;
    }
}

/// The result of checking a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientReport {
    /// Entries checked.
    pub attempts: u64,
    /// The jobs that they belong to.
    pub jobs: JobCounts,
    /// Requests that may be retries or separate jobs: those before an announced wait was over, and those whose bodies were not
    /// read, which are counted as jobs; and equal ones after a permanent error or in a row with short pauses, which are counted as
    /// attempts of one job.
    pub unclear: u64,
    /// Jobs on which the verdict waits: those of [`JobCounts::may_be_retried`] with fewer than [`super::Bounds::attempts`]
    /// attempts.
    pub pending: u64,
    /// The requests to paths that are not served.
    pub unserved: UnservedPaths,
    /// Number of violations, by their index in [`Violation::NAMES`].
    pub counts: [u64; Violation::NAMES.len()],
    /// The earliest violations, at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// Maximum number of findings in a report.
pub const MAX_FINDINGS: usize = 100;

impl ClientReport {
    /// Returns the report that [`super::check`] makes of the entries of all these reports together. No two of them may have
    /// entries of the same sender.
    #[must_use]
    pub fn merged<'a>(reports: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut merged = Self::default();
        for Self { attempts, jobs, unclear, pending, unserved, counts, findings } in reports {
            merged.attempts += attempts;
            merged.jobs += *jobs;
            merged.unclear += unclear;
            merged.pending += pending;
            merged.unserved.merge(unserved);
            merged.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            merged.findings.extend_from_slice(findings);
        }
        merged.keep_earliest_findings();
        merged
    }

    pub(super) fn keep_earliest_findings(&mut self) {
        self.findings.sort_by_key(|finding| (finding.at, finding.request_number, finding.violation.index()));
        self.findings.truncate(MAX_FINDINGS);
    }

    /// Returns the verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.counts.iter().any(|count| *count > 0) {
            Verdict::Misbehaved
        } else if self.unclear > 0 {
            Verdict::CannotTell
        } else if self.pending > 0 {
            Verdict::NotYetKnown
        } else if self.unserved.calls > 0 {
            Verdict::Misdirected
        } else {
            Verdict::Behaved
        }
    }
}

impl fmt::Display for ClientReport {
    /// Writes how many jobs ended in a refusal, the verdict, a line for each finding, the number of further violations, and the
    /// requests to paths that are not served.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, jobs, unclear, pending, .. } = self;
        if *attempts == 0 {
            return writeln!(f, "No requests were received.");
        }
        write!(f, "{} of {} jobs ended in a refusal", jobs.refused, jobs.total)?;
        match (unclear, jobs.may_be_retried) {
            (0, 0) => writeln!(f, ".")?,
            (0, retried) => writeln!(f, " so far; {retried} may still be retried.")?,
            _ => writeln!(f, ", as far as the jobs can be told apart.")?,
        }
        match self.verdict() {
            Verdict::Misbehaved => write!(f, "Violations")?,
            Verdict::CannotTell => {
                let may_be = if *unclear == 1 {
                    "request may be a retry that came too early or cannot succeed, or a separate job"
                } else {
                    "requests may be retries that came too early or cannot succeed, or separate jobs"
                };
                write!(f, "Cannot tell: {unclear} {may_be}")?;
            }
            Verdict::NotYetKnown => {
                let have = if *pending == 1 {
                    "job was refused or failed and has not been retried yet"
                } else {
                    "jobs were refused or failed and have not been retried yet"
                };
                write!(f, "Not yet known: {pending} {have}")?;
            }
            Verdict::Misdirected => write!(f, "Misdirected: calls to paths that are not served")?,
            Verdict::Behaved => write!(f, "No violations")?,
        }
        let s = if *attempts == 1 { "" } else { "s" };
        writeln!(f, " (jobs: {}; {attempts} request{s}).", jobs.total)?;
        for finding in &self.findings {
            let Finding { at, request_number, violation, .. } = finding;
            writeln!(f, "  request {request_number} at {at}: {violation}")?;
        }
        let more = self.counts.iter().sum::<u64>() - self.findings.len() as u64;
        if more > 0 {
            writeln!(f, "  and {more} more violations")?;
        }
        write!(f, "{}", self.unserved)
    }
}

//! The rules for the attempts of one job, and for the retries of all jobs of a sender together.

use super::jobs::{GroupedRequests, Job, due_at, ended_at, has_failed, may_retry};
use super::{Bounds, ClientReport, Violation};
use crate::journal::{End, Entry, JournalOutcome, Sender};
use crate::time::{Instant, Nanos};
use std::collections::BTreeMap;

impl ClientReport {
    /// Counts a job by its state.
    pub(super) fn count(&mut self, job: &Job<'_>, now: Instant, bounds: &Bounds, never_retries: bool) {
        let (last, jobs) = (job.last(), &mut self.jobs);
        jobs.total += 1;
        match last.end {
            End::InProgress => jobs.in_progress += 1,
            End::Replied(_) if last.outcome == JournalOutcome::Served => jobs.served += 1,
            _ if is_refusal(last) => jobs.refused += 1,
            _ => jobs.failed += 1,
        }
        let is_open = has_failed(last) && permanent_error(last).is_none() && now <= deadline(last, bounds);
        if is_open && !never_retries {
            jobs.may_be_retried += 1;
            self.pending += u64::from(job.attempts.len() < bounds.attempts);
        }
    }

    /// Checks the jobs of one sender, whose requests are in order of arrival.
    pub(super) fn check_jobs(
        &mut self,
        grouped: &GroupedRequests<'_>,
        entries: &[&Entry],
        now: Instant,
        bounds: &Bounds,
        never_retries: bool,
    ) {
        let mut retries: BTreeMap<Nanos, Vec<&Entry>> = BTreeMap::new();
        let certain = || grouped.jobs.iter().filter(|job| job.is_certain);
        for job in grouped.jobs.iter().filter(|job| !job.is_certain) {
            // Several jobs may have been taken for one.
            let repeated = pairs(&job.attempts).filter(|pair| permanent_error(pair[0]).is_some()).count();
            let unclear = hammered(&job.attempts, bounds).map_or(repeated, |_| job.attempts.len());
            self.unclear += unclear as u64;
        }
        for job in certain() {
            self.check_attempts(&job.attempts, bounds);
            for pair in pairs(&job.attempts) {
                if let Some(wait) = pair[0].wait {
                    let announced = Nanos::from_secs(wait.as_secs_ceil());
                    retries.entry(announced).or_default().push(pair[1]);
                }
            }
        }
        for (wait, mut retries) in retries {
            retries.sort_by_key(|entry| (entry.at, entry.request_number));
            self.check_herds(wait, &retries, bounds);
        }
        if !never_retries {
            let has_certain_retries = certain().any(|job| job.attempts.len() > 1);
            let mut possible_retries = PossibleRetries::new(if has_certain_retries { &[] } else { entries });
            let mut given_up: Vec<_> = certain().filter(|job| is_given_up(job, now, bounds)).collect();
            given_up.sort_by_key(|job| due_at(job.last()));
            for job in given_up {
                let last = job.last();
                if !possible_retries.take(due_at(last), deadline(last, bounds)) {
                    let (attempts, wait) = (job.attempts.len(), last.wait.unwrap_or(Nanos::ZERO));
                    self.add(last, Violation::GaveUp { attempts, wait });
                }
            }
        }
    }

    /// Checks the attempts of one job, in order of arrival.
    fn check_attempts(&mut self, attempts: &[&Entry], bounds: &Bounds) {
        for pair in pairs(attempts) {
            let (earlier, retry) = (pair[0], pair[1]);
            if let Some(status) = permanent_error(earlier) {
                self.add(retry, Violation::RetriedPermanentError { status });
            } else if let Some(violation) = too_early(earlier, retry) {
                self.add(retry, violation);
            }
        }
        if let Some((entry, violation)) = hammered(attempts, bounds) {
            self.add(entry, violation);
        }
    }

    /// Checks the retries of one sender after the same announced wait, in the order of the provider's decisions.
    fn check_herds(&mut self, wait: Nanos, all: &[&Entry], bounds: &Bounds) {
        let mut retries = all;
        while let [first, ..] = retries {
            let count_within = |time: Nanos| {
                let (from, until) = (first.at.0.saturating_sub(time.0), first.at + time);
                all.partition_point(|entry| entry.at <= until)
                    - all.partition_point(|entry| entry.at.0 < from)
            };
            let is_close = |entry: &&&Entry| entry.at.since(first.at) <= bounds.herd_window;
            let close = retries.iter().take_while(is_close).count();
            if close >= bounds.herd_size && 2 * close >= count_within(bounds.herd_surroundings) {
                self.add(first, Violation::ThunderingHerd { retries: close, wait });
            }
            retries = &retries[close..];
        }
    }
}

/// Returns `true` for load generators, whose requests are jobs of their own by design. Their user agents as of 2026-11.
pub(super) fn never_retries(sender: &Sender) -> bool {
    const LOAD_GENERATORS: [&str; 12] = [
        "hey/",
        "oha/",
        "k6/",
        "Grafana k6/",
        "wrk",
        "vegeta",
        "ApacheBench/",
        "autocannon",
        "bombardier",
        "Siege/",
        "fasthttp",
        "drill",
    ];
    let user_agent = sender.user_agent.as_deref().unwrap_or_default();
    LOAD_GENERATORS.iter().any(|name| user_agent.starts_with(name))
}

/// Returns the status of an attempt if no retry of the request can succeed; `None` if one may, or if there was no reply.
pub(super) fn permanent_error(entry: &Entry) -> Option<u16> {
    let is_permanent = matches!(
        entry.outcome,
        JournalOutcome::RateLimited { oversize: true, .. }
            | JournalOutcome::InvalidRequest
            | JournalOutcome::UnservedPath
    );
    entry.status.filter(|status| is_permanent || matches!(status, 400 | 401 | 403 | 404 | 405 | 413 | 422))
}

/// Returns each failed attempt with the next one, if the client knew of the failure when it sent the next one.
fn pairs<'e, 'a>(attempts: &'e [&'a Entry]) -> impl Iterator<Item = &'e [&'a Entry]> {
    attempts.windows(2).filter(|pair| may_retry(pair[0], pair[1]))
}

/// Returns the violation of a retry before the announced wait was over.
pub(super) fn too_early(earlier: &Entry, retry: &Entry) -> Option<Violation> {
    let after = retry.at.since(earlier.at);
    earlier.wait.filter(|wait| after < *wait).map(|wait| Violation::TooEarly { after, wait })
}

/// Returns the first attempt in a row with short pauses that exceeds one of [`Bounds::hammering`]; `None` if none does.
pub(super) fn hammered<'a>(attempts: &[&'a Entry], bounds: &Bounds) -> Option<(&'a Entry, Violation)> {
    bounds.hammering.iter().find_map(|hammering| {
        let is_short = |earlier: &&Entry, retry: &&Entry| {
            may_retry(earlier, retry) && retry.arrived_at.since(ended_at(earlier)) < hammering.pause
        };
        let run = attempts.chunk_by(is_short).find(|run| run.len() > hammering.attempts)?;
        let violation = Violation::Hammered { attempts: run.len(), pause: hammering.pause };
        Some((run[hammering.attempts], violation))
    })
}

/// Returns `true` if a limit refused the request, or if a fault answered it with status 429.
fn is_refusal(entry: &Entry) -> bool {
    matches!(entry.outcome, JournalOutcome::RateLimited { .. }) || entry.status == Some(429)
}

/// Returns the instant until which a retry of a failed request is expected.
fn deadline(last: &Entry, bounds: &Bounds) -> Instant {
    ended_at(last).max(last.at + last.wait.unwrap_or(Nanos::ZERO).min(bounds.max_wait)) + bounds.grace
}

/// Returns `true` if a job was not retried after a wait that a client is expected to honour.
fn is_given_up(job: &Job<'_>, now: Instant, bounds: &Bounds) -> bool {
    let last = job.last();
    let is_short = last.wait.is_some_and(|wait| wait <= bounds.max_wait);
    job.attempts.len() < bounds.attempts
        && is_short
        && has_failed(last)
        && permanent_error(last).is_none()
        && now > deadline(last, bounds)
}

/// The requests of a sender none of whose retries is certain. Each may be the retry of a job with a changed body.
struct PossibleRetries<'e, 'a> {
    entries: &'e [&'a Entry],
}

impl<'e, 'a> PossibleRetries<'e, 'a> {
    const fn new(entries: &'e [&'a Entry]) -> Self {
        Self { entries }
    }

    /// Takes the first request that arrived between two instants, and drops those before it; returns `false` if there is none.
    fn take(&mut self, from: Instant, until: Instant) -> bool {
        let skipped = self.entries.partition_point(|entry| entry.arrived_at < from);
        self.entries = &self.entries[skipped..];
        match self.entries {
            [first, rest @ ..] if first.arrived_at <= until => {
                self.entries = rest;
                true
            }
            _ => false,
        }
    }
}

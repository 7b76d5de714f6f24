//! Assigns the requests of one sender to jobs.
//!
//! Equal requests without a retry count, whose bodies were read, may belong to several jobs. A request that arrives after
//! the end of an announced wait is assigned to the job whose wait ended first. Any other assignment would give the same
//! verdict, since a wait that is over stays over.

use crate::journal::{End, Entry, JournalOutcome};
use crate::time::{Instant, Nanos};
use std::collections::{BTreeMap, BTreeSet};

/// The requests of one sender, grouped into jobs.
#[derive(Debug, Default)]
pub(super) struct GroupedRequests<'a> {
    pub(super) jobs: Vec<Job<'a>>,
    /// Requests that may be retries that came too early, or separate jobs.
    pub(super) unclear: u64,
}

/// The attempts of one job, in order of arrival.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) attempts: Vec<&'a Entry>,
    /// `true` if its attempts are certainly those of one job, and no other request may be an attempt of it.
    pub(super) is_certain: bool,
}

impl<'a> Job<'a> {
    pub(super) fn last(&self) -> &'a Entry {
        self.attempts.last().expect("invariant: a job has an attempt")
    }
}

/// Returns `true` if the request has ended without a usable reply.
pub(super) fn has_failed(entry: &Entry) -> bool {
    match entry.end {
        End::InProgress => false,
        End::Disconnected(_) | End::TimedOut(_) => true,
        End::Replied(_) => entry.outcome != JournalOutcome::Served,
    }
}

/// Returns the instant at which the reply ended; [`Instant::MAX`] while it is in progress.
pub(super) fn ended_at(entry: &Entry) -> Instant {
    entry.end.at().unwrap_or(Instant::MAX)
}

/// Returns the instant by which the client had begun to send the request: when it opened the connection for it, or when the
/// request arrived on an older connection.
pub(super) fn begun_at(entry: &Entry) -> Instant {
    let opened = entry.connection.as_ref().filter(|connection| connection.earlier_requests == 0);
    opened.map_or(entry.arrived_at, |connection| connection.opened_at().min(entry.arrived_at))
}

/// Returns `true` if `later` may be a retry of `earlier`: the client knew that it had failed.
pub(super) fn may_retry(earlier: &Entry, later: &Entry) -> bool {
    has_failed(earlier) && ended_at(earlier) <= begun_at(later)
}

/// Returns the instant from which on a retry honours the announced wait.
pub(super) fn due_at(entry: &Entry) -> Instant {
    (entry.at + entry.wait.unwrap_or(Nanos::ZERO)).max(ended_at(entry))
}

/// Returns `true` if two requests have equal bodies for certain.
pub(super) fn have_equal_bodies(one: &Entry, other: &Entry) -> bool {
    one.is_body_read && other.is_body_read && one.fingerprint == other.fingerprint
}

/// Assigns the requests of one sender, in order of arrival, to jobs. A request whose body was not read may be a retry of an equal
/// one only within `grace` after its failure.
pub(super) fn group_into_jobs<'a>(entries: &[&'a Entry], grace: Nanos) -> GroupedRequests<'a> {
    let mut grouped = GroupedRequests::default();
    let mut by_key: BTreeMap<u64, Vec<&Entry>> = BTreeMap::new();
    let mut by_body: BTreeMap<u64, Vec<&Entry>> = BTreeMap::new();
    let mut by_head: BTreeMap<u64, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        match entry.retry.idempotency_key {
            Some(key) => by_key.entry(key).or_default().push(entry),
            None if entry.is_body_read => by_body.entry(entry.fingerprint).or_default().push(entry),
            None => by_head.entry(entry.fingerprint).or_default().push(entry),
        }
    }
    let with_key = by_key.into_values().map(|attempts| Job { attempts, is_certain: true });
    grouped.jobs.extend(with_key);
    let bodies_identify_jobs =
        by_body.len() > 1 && by_body.values().all(|equal| may_be_attempts_of_one_job(equal));
    for equal in by_body.values() {
        let mut assignment = Assignment { bodies_identify_jobs, ..Assignment::default() };
        equal.iter().for_each(|entry| assignment.add(entry));
        assignment.finish(&mut grouped);
    }
    for equal in by_head.values() {
        let mut assignment = Assignment::default();
        equal.iter().for_each(|entry| assignment.add_unread(entry, grace));
        assignment.finish(&mut grouped);
    }
    grouped
}

/// Returns `true` if equal requests may be the attempts of one job: none begins before the end of an earlier one, or after one
/// that was served.
fn may_be_attempts_of_one_job(equal: &[&Entry]) -> bool {
    equal.windows(2).all(|pair| may_retry(pair[0], pair[1]))
}

/// Assigns equal requests without idempotency keys to jobs.
#[derive(Debug, Default)]
struct Assignment<'a> {
    bodies_identify_jobs: bool,
    jobs: Vec<Job<'a>>,
    /// The jobs whose last attempt has failed, by the retry count of that attempt, and by the instant at which a retry is due.
    open: BTreeMap<Option<u32>, BTreeSet<(Instant, usize)>>,
    /// The requests without a retry count that may be retries: they came after a failed request but before the wait of any
    /// failed one was over, or, if their bodies were not read, soon after a failed one.
    suspects: Vec<&'a Entry>,
}

impl<'a> Assignment<'a> {
    fn add(&mut self, entry: &'a Entry) {
        let retried_job = match entry.retry.count {
            Some(count @ 1..) => self.take(Some(count - 1), Instant::MAX, entry),
            _ if self.bodies_identify_jobs => {
                let counts: Vec<_> = self.open.keys().copied().collect();
                counts.into_iter().find_map(|count| self.take(count, Instant::MAX, entry))
            }
            Some(0) => None,
            None => self.take(None, entry.at, entry),
        };
        let is_suspect = retried_job.is_none()
            && entry.retry.count.is_none()
            && !self.bodies_identify_jobs
            && self.has_failed_before(entry, Nanos::MAX);
        self.assign(entry, retried_job, is_suspect);
    }

    /// Adds a request whose body was not read.
    fn add_unread(&mut self, entry: &'a Entry, grace: Nanos) {
        let count = entry.retry.count.unwrap_or(0);
        let retried_job = count.checked_sub(1).and_then(|count| self.take(Some(count), Instant::MAX, entry));
        let is_suspect = entry.retry.count.is_none()
            && entry.outcome != JournalOutcome::UnservedPath
            && self.has_failed_before(entry, grace);
        self.assign(entry, retried_job, is_suspect);
    }

    /// Adds a request to the job that it retries, or else as a job of its own. If it `is_suspect`, it may be a retry all the same.
    fn assign(&mut self, entry: &'a Entry, retried_job: Option<usize>, is_suspect: bool) {
        let is_counted = matches!(entry.retry.count, Some(1..));
        if let Some(job) = retried_job {
            self.jobs[job].attempts.push(entry);
            self.jobs[job].is_certain |= is_counted;
            self.insert_open(job);
            return;
        }
        if is_suspect {
            self.suspects.push(entry);
        }
        self.jobs.push(Job { attempts: vec![entry], is_certain: is_counted });
        self.insert_open(self.jobs.len() - 1);
    }

    fn insert_open(&mut self, job: usize) {
        let last = self.jobs[job].last();
        if has_failed(last) {
            self.open.entry(last.retry.count).or_default().insert((due_at(last), job));
        }
    }

    /// Takes the job whose last attempt has failed with this retry count, may be retried by `entry`, and is due first, at the
    /// latest at `until`. Returns its index.
    fn take(&mut self, count: Option<u32>, until: Instant, entry: &Entry) -> Option<usize> {
        let (open, jobs) = (self.open.get_mut(&count)?, &self.jobs);
        let mut due = open.iter().take_while(|(due, _)| *due <= until);
        // Usually the first: a later one is looked at only if the client cannot have known the failure of those before it.
        let found = *due.find(|(_, job)| may_retry(jobs[*job].last(), entry))?;
        open.remove(&found);
        Some(found.1)
    }

    /// Returns `true` if the last attempt of an open job, which must have no retry count, had failed before the client began to
    /// send the request, at most `within` before.
    fn has_failed_before(&self, entry: &Entry, within: Nanos) -> bool {
        let earliest = (Instant(begun_at(entry).0.saturating_sub(within.0)), 0);
        // A retry is due when the attempt before it has failed, or later.
        let open = self.open.get(&None).into_iter().flat_map(|open| open.range(earliest..));
        let mut failed = open.map(|(_, job)| self.jobs[*job].last());
        failed.any(|last| may_retry(last, entry) && begun_at(entry).since(ended_at(last)) <= within)
    }

    /// Adds the jobs to `grouped`. A suspect stays one only if a failed attempt before it was never retried.
    fn finish(mut self, grouped: &mut GroupedRequests<'a>) {
        // The ends of the failed attempts to which no retry was assigned. Each may have been retried by one suspect.
        let open = self.open.get(&None).into_iter().flatten();
        let mut unretried: Vec<Instant> = open.map(|(_, job)| ended_at(self.jobs[*job].last())).collect();
        unretried.sort_unstable();
        let (mut passed, mut taken) = (0, 0);
        for suspect in &self.suspects {
            while unretried.get(passed).is_some_and(|ended| *ended <= begun_at(suspect)) {
                passed += 1;
            }
            taken += usize::from(taken < passed);
        }
        grouped.unclear += taken as u64;
        let is_single_request = matches!(&self.jobs[..], [job] if job.attempts.len() == 1);
        if self.bodies_identify_jobs || is_single_request {
            self.jobs.iter_mut().for_each(|job| job.is_certain = true);
        }
        grouped.jobs.append(&mut self.jobs);
    }
}

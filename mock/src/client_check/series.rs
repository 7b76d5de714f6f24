//! The rule for requests that one sender sends one after another, each after the failure of the one before it.
//!
//! They are retries with changed bodies, equal retries that nothing identifies, or jobs that go on as if nothing had been
//! refused. In each case the sender ignores the refusal. The rule therefore needs no jobs, but it needs a sender that does
//! one thing at a time: the requests of several concurrent jobs look alike if they are put in one sequence, even if each
//! job waits as announced.

use super::jobs::{GroupedRequests, begun_at, ended_at, has_failed, have_equal_bodies, may_retry};
use super::rules::{hammered, permanent_error, too_early};
use super::{Bounds, ClientReport, Violation};
use crate::journal::{Connection, Entry};
use crate::time::{Instant, Nanos};
use std::collections::BTreeSet;

/// The longest time after the opening of a connection at which the server may record the close of the one before, although
/// the client closed that first: two tasks of one thread record them.
const CLOSE_DELAY: Nanos = Nanos::from_millis(5);

impl ClientReport {
    /// Checks the requests of one sender, in order of arrival.
    pub(super) fn check_series(
        &mut self,
        grouped: &GroupedRequests<'_>,
        entries: &[&Entry],
        bounds: &Bounds,
    ) {
        let explained = explained(grouped);
        let longest_pause =
            bounds.hammering.iter().map(|hammering| hammering.pause).max().unwrap_or(Nanos::ZERO);
        let follows = |earlier: &&Entry, later: &&Entry| {
            // After a permanent error the same request is wrong after any pause, and a request with another body is another job. A key
            // that was refused is wrong whatever the body is.
            let (is_possible, longest_pause) = match permanent_error(earlier) {
                Some(401) if is_repeated_unread(earlier, later) => (true, bounds.grace),
                Some(_) => (have_equal_bodies(earlier, later), bounds.grace),
                None => (true, longest_pause),
            };
            may_retry(earlier, later)
                && is_possible
                && earlier.model == later.model
                && later.arrived_at.since(ended_at(earlier)) < longest_pause
                && !explained.contains(&earlier.request_number)
                && !explained.contains(&later.request_number)
        };
        for run in entries.chunk_by(follows).filter(|run| run.len() >= bounds.series) {
            if !is_alone(run, entries) {
                continue;
            }
            let early: Vec<_> =
                run.windows(2).filter_map(|pair| Some((pair[1], too_early(pair[0], pair[1])?))).collect();
            if early.len() + 1 >= bounds.series {
                early.into_iter().for_each(|(entry, violation)| self.add(entry, violation));
            }
            let permanent: Vec<_> =
                run.windows(2).filter_map(|pair| Some((pair[1], permanent_error(pair[0])?))).collect();
            if permanent.len() + 1 >= bounds.series {
                for (entry, status) in permanent {
                    self.add(entry, Violation::RetriedPermanentError { status });
                }
            } else if let Some((entry, violation)) = hammered(run, bounds) {
                self.add(entry, violation);
            }
        }
    }
}

/// Returns `true` if two requests have the same method, path, key and length, their bodies were not read, and the later one does not state
/// of which job it is.
fn is_repeated_unread(earlier: &Entry, later: &Entry) -> bool {
    let are_unread = !earlier.is_body_read && !later.is_body_read;
    let is_stated = later.retry.count.is_some() || later.retry.idempotency_key.is_some();
    are_unread && earlier.fingerprint == later.fingerprint && !is_stated
}

/// Returns the numbers of the requests whose place in a job is known: they are judged with their job, or are a request and its
/// retry after the announced wait.
fn explained(grouped: &GroupedRequests<'_>) -> BTreeSet<u64> {
    let mut explained = BTreeSet::new();
    for job in &grouped.jobs {
        for pair in job.attempts.windows(2) {
            if job.is_certain || pair[0].wait.is_some_and(|wait| wait > Nanos::ZERO) {
                explained.extend([pair[0].request_number, pair[1].request_number]);
            }
        }
    }
    explained
}

/// Returns `true` if the sender did nothing else during the run: no other request was in progress, and no two connections
/// were open together.
fn is_alone(run: &[&Entry], entries: &[&Entry]) -> bool {
    let ([first, ..], [.., last]) = (run, run) else { return false };
    let from = begun_at(first);
    let until = if has_failed(last) { ended_at(last) } else { begun_at(last) };
    let in_run: BTreeSet<u64> = run.iter().map(|entry| entry.request_number).collect();
    let overlaps = |entry: &&Entry| {
        begun_at(entry) < until && ended_at(entry) > from && !in_run.contains(&entry.request_number)
    };
    if entries.iter().any(overlaps) {
        return false;
    }
    let is_open = |connection: &&Connection| connection.opened_at() < until && connection.closed_at() > from;
    let connections = entries.iter().filter_map(|entry| entry.connection.as_ref()).filter(is_open);
    let mut open: Vec<&Connection> = connections.collect();
    open.sort_by_key(|connection| connection.opened_at());
    open.dedup_by(|one, other| one.is_same(other));
    open.windows(2).all(|pair| closed_before(pair[0], pair[1].opened_at()))
}

fn closed_before(connection: &Connection, at: Instant) -> bool {
    connection.closed_at() <= at + CLOSE_DELAY
}

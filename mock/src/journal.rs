//! The journal: the latest requests that a provider received, in a bounded ring, and counts of all of them.
//!
//! The server fills it; the control plane and [`crate::client_check`] read it. It holds neither keys nor texts; the attempts of
//! one request are recognised by a fingerprint of its content.

use crate::axis::Axis;
use crate::config::Fault;
use crate::random::mix;
use crate::time::{Instant, Nanos};
use std::collections::{BTreeMap, VecDeque};

/// One request and its outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Sequence number of the request at this provider, from zero.
    pub request_number: u64,
    /// The instant of the provider's decision on it.
    pub at: Instant,
    /// The account of its key; `None` if no account has the key.
    pub account: Option<u16>,
    /// The model; `None` if the request names no known model.
    pub model: Option<u16>,
    /// `true` if it asked for a stream; `false` as well if it was rejected before it was parsed.
    pub wants_stream: bool,
    /// The [`fingerprint`] by which its other attempts are recognised.
    pub fingerprint: u64,
    /// Its outcome at the provider.
    pub outcome: JournalOutcome,
    /// The status of the reply; `None` if there was no reply.
    pub status: Option<u16>,
    /// The wait that the reply announced; `None` if it announced none.
    pub wait: Option<Nanos>,
}

/// The outcome of a request at the provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum JournalOutcome {
    /// Admitted and served with a valid body.
    Served,
    /// Admitted and served, but a fault made the body unparsable.
    CorruptBody,
    /// Refused by a limit; `refused` in JSON.
    RateLimited {
        /// The axis of the limit.
        axis: Axis,
        /// `true` if the request exceeds what the limit ever admits: no wait helps.
        oversize: bool,
    },
    /// Replaced by a fault: answered with an error, or not answered at all.
    Faulted(Fault),
    /// Answered with an error before any limit was checked (`rejected` in JSON): unknown key, path or model, invalid body, or too long for the model.
    InvalidRequest,
}

impl JournalOutcome {
    /// Returns the name in the journal's JSON and in metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::CorruptBody => "spoiled",
            Self::RateLimited { .. } => "refused",
            Self::Faulted(_) => "faulted",
            Self::InvalidRequest => "rejected",
        }
    }
}

/// The latest requests in a ring buffer, and the number of all requests by [`CountKey`].
#[derive(Clone, Debug)]
pub struct Journal {
    entries: VecDeque<Entry>,
    evicted: u64,
    counts: BTreeMap<CountKey, u64>,
}

/// The key by which requests are counted: account, model and [`JournalOutcome::name`].
pub type CountKey = (Option<u16>, Option<u16>, &'static str);

/// Maximum number of entries that are kept: about a megabyte.
pub const MAX_ENTRIES: usize = 10_000;

impl Default for Journal {
    fn default() -> Self {
        // Allocated at once: a ring that doubled while it grows would end up with more than it uses.
        Self { entries: VecDeque::with_capacity(MAX_ENTRIES), evicted: 0, counts: BTreeMap::new() }
    }
}

impl Journal {
    /// Adds an entry. If there are [`MAX_ENTRIES`] already, the oldest is evicted.
    pub fn add(&mut self, entry: Entry) {
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
            self.evicted += 1;
        }
        *self.counts.entry((entry.account, entry.model, entry.outcome.name())).or_default() += 1;
        self.entries.push_back(entry);
        debug_assert!(self.entries.len() <= MAX_ENTRIES, "invariant: the journal is bounded");
    }

    /// Returns the entries that are kept, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// Returns the number of entries evicted so far.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns the number of requests by key, including evicted ones.
    pub fn counts(&self) -> impl Iterator<Item = (CountKey, u64)> {
        self.counts.iter().map(|(key, count)| (*key, *count))
    }
}

/// Hashes the content of an account's request: 64 bits, not cryptographic. Equal input has an equal fingerprint on every
/// machine.
#[must_use]
pub fn fingerprint(account: Option<u16>, content: &[u8]) -> u64 {
    let account = account.map_or(0, |account| 1 + u64::from(account));
    let (blocks, rest) = content.as_chunks::<32>();
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    // Four independent hashes, so that their multiplications overlap: every body that is received is hashed.
    let mut hashes = [0, 1, 2, 3];
    for block in blocks.iter().chain([&last]) {
        for (hash, word) in hashes.iter_mut().zip(block.as_chunks::<8>().0) {
            *hash = mix(*hash ^ u64::from_le_bytes(*word));
        }
    }
    // The length distinguishes a text from itself padded with zeros.
    hashes.into_iter().fold(mix(account) ^ content.len() as u64, |all, hash| mix(all ^ hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_latest_entries_are_kept_and_all_are_counted() {
        let mut journal = Journal::default();
        let kept = MAX_ENTRIES as u64;
        for request_number in 0..kept + 3 {
            journal.add(Entry {
                request_number,
                at: Instant(request_number),
                account: Some(0),
                model: None,
                wants_stream: false,
                fingerprint: 0,
                outcome: JournalOutcome::InvalidRequest,
                status: Some(404),
                wait: None,
            });
        }
        assert_eq!((journal.entries().len(), journal.evicted()), (MAX_ENTRIES, 3));
        assert_eq!(journal.entries().next().unwrap().request_number, 3);
        assert_eq!(journal.counts().collect::<Vec<_>>(), [((Some(0), None, "rejected"), kept + 3)]);
    }

    #[test]
    fn fingerprints_of_different_accounts_and_texts_differ() {
        assert_eq!(fingerprint(None, b"a"), fingerprint(None, b"a"));
        let all = [fingerprint(None, b"a"), fingerprint(Some(0), b"a"), fingerprint(Some(1), b"a")];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_ne!(fingerprint(Some(0), b"ab"), fingerprint(Some(0), b"ba"));
        let zeros = [0; 24];
        let lengths: BTreeSet<_> = (0..=24).map(|length| fingerprint(None, &zeros[..length])).collect();
        assert_eq!(lengths.len(), 25, "padding with zeros changes the fingerprint");
    }
}

//! The journal: the latest requests that a provider received, in a bounded ring, and counts of all of them.
//!
//! The server fills it; the control plane and [`crate::client_check`] read it. It holds no API keys, and bodies only if a test
//! asks for them; the attempts of one job are recognised by what the client sends with them, or by a fingerprint of the
//! content.

mod connection;
mod durations;
mod shared_texts;

pub use connection::{Connection, OpenConnection};
pub use durations::{BOUNDS_S, Durations};

use crate::axis::Axis;
use crate::config::Fault;
use crate::random::mix;
use crate::time::{Instant, Nanos};
use shared_texts::SharedTexts;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// One request and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Sequence number of the request at this provider, from zero.
    pub request_number: u64,
    /// The instant at which its head had been received.
    pub arrived_at: Instant,
    /// The instant of the provider's decision on it, or of its rejection.
    pub at: Instant,
    /// The end of its reply.
    pub end: End,
    /// The program and the key that sent it.
    pub sender: Sender,
    /// The connection on which it was sent; `None` if it is unknown.
    pub connection: Option<Connection>,
    /// The method and the path; `None` if they are unknown.
    pub method_and_path: Option<(Arc<str>, Arc<str>)>,
    /// The model; `None` if the request names no known model.
    pub model: Option<u16>,
    /// `true` if it asked for a stream; `false` as well if it was rejected before it was parsed.
    pub wants_stream: bool,
    /// The [`fingerprint`] of its content; of its head if its body was not read.
    pub fingerprint: u64,
    /// `true` if its body was read. If not, requests with the same fingerprint may have different bodies.
    pub is_body_read: bool,
    /// What the client states about its retries.
    pub retry: RetryHeaders,
    /// Size of its body in bytes.
    pub request_bytes: u64,
    /// Its outcome at the provider.
    pub outcome: JournalOutcome,
    /// The status of the reply; `None` if there was no reply.
    pub status: Option<u16>,
    /// The wait that the reply announced; `None` if it announced none.
    pub wait: Option<Nanos>,
    /// Tokens reserved on admission; zero if it was not admitted.
    pub reserved_tokens: u64,
    /// Tokens charged in the end; `None` until it has ended.
    pub charged_tokens: Option<u64>,
    /// The start of its body, if the journal keeps bodies and this is one of the latest [`MAX_BODIES`].
    pub body: Option<Arc<[u8]>>,
}

/// The program and the key that sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    /// The account of the key; `None` if no account has the key.
    pub account: Option<u16>,
    /// The number of the key within its account, from zero; `None` if no account has the key.
    pub key: Option<u16>,
    /// The header `user-agent`.
    pub user_agent: Option<Arc<str>>,
}

/// What a client states about its retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryHeaders {
    /// `x-stainless-retry-count`: the number of attempts before this one. The SDKs that Stainless generates send it: those of
    /// OpenAI, Groq and Anthropic.
    pub count: Option<u32>,
    /// A hash of `idempotency-key`, which is the same in all attempts of one job.
    pub idempotency_key: Option<u64>,
}

/// The end of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has not ended.
    InProgress,
    /// It was sent until this instant.
    Replied(Instant),
    /// The client disconnected at this instant, before the end of the reply.
    Disconnected(Instant),
    /// The fault `timeout` left it without a reply. At this instant the client disconnected, or the mock closed the connection.
    TimedOut(Instant),
}

impl End {
    /// Returns the instant; `None` if the reply has not ended.
    #[must_use]
    pub const fn at(self) -> Option<Instant> {
        match self {
            Self::InProgress => None,
            Self::Replied(at) | Self::Disconnected(at) | Self::TimedOut(at) => Some(at),
        }
    }
}

/// The outcome of a request at the provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum JournalOutcome {
    /// Admitted, to be served with a whole and valid body.
    Served,
    /// Admitted, but a fault cut the reply or made its body unusable.
    Unreadable,
    /// Refused by a limit; `refused` in JSON.
    RateLimited {
        /// The axis of the limit.
        axis: Axis,
        /// `true` if the request exceeds what the limit ever admits: no wait helps.
        oversize: bool,
    },
    /// Replaced by a fault: answered with an error, or not answered at all.
    Faulted(Fault),
    /// Answered with an error before any limit was checked (`rejected` in JSON): unknown key or model, a method that the path does
    /// not accept, an invalid body, or a call too long for the model.
    InvalidRequest,
    /// Answered with an error because no endpoint has its path; `rejected` in JSON as well, with the member
    /// `unserved_path`.
    UnservedPath,
}

impl JournalOutcome {
    /// Returns the name in the journal's JSON and in metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Unreadable => "corrupt",
            Self::RateLimited { .. } => "refused",
            Self::Faulted(_) => "faulted",
            Self::InvalidRequest | Self::UnservedPath => "rejected",
        }
    }
}

/// The latest requests in a ring buffer, and the number of all requests by [`CountKey`].
#[derive(Clone, Debug)]
pub struct Journal {
    entries: VecDeque<Entry>,
    /// The number of the first entry in the ring among all that were ever added.
    first: u64,
    /// The number of entries evicted since the start or the last [`Journal::clear`].
    evicted: u64,
    counts: BTreeMap<CountKey, u64>,
    statuses: BTreeMap<Option<u16>, u64>,
    durations: Durations,
    texts: SharedTexts,
    /// The latest entries with a body.
    with_body: VecDeque<EntryId>,
}

/// The key by which requests are counted: account, model and [`JournalOutcome::name`].
pub type CountKey = (Option<u16>, Option<u16>, &'static str);

/// Identifies an entry, also after others were evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId(u64);

/// Maximum number of entries that are kept: about three megabytes.
pub const MAX_ENTRIES: usize = 10_000;

/// Maximum number of bodies that are kept, of the latest requests.
pub const MAX_BODIES: usize = 256;

/// Maximum size of the part of a body that is kept, in bytes.
pub const MAX_BODY_BYTES: usize = 64 << 10;

impl Default for Journal {
    fn default() -> Self {
        // Allocated at once: a ring that grows by doubling would end up with more room than it uses.
        Self {
            entries: VecDeque::with_capacity(MAX_ENTRIES),
            first: 0,
            evicted: 0,
            counts: BTreeMap::new(),
            statuses: BTreeMap::new(),
            durations: Durations::default(),
            texts: SharedTexts::default(),
            with_body: VecDeque::new(),
        }
    }
}

impl Journal {
    /// Adds an entry. If there are [`MAX_ENTRIES`] already, the oldest is evicted.
    pub fn add(&mut self, entry: Entry) -> EntryId {
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
            self.first += 1;
            self.evicted += 1;
        }
        let id = EntryId(self.first + self.entries.len() as u64);
        if entry.body.is_some() {
            self.with_body.push_back(id);
            if self.with_body.len() > MAX_BODIES {
                let oldest = self.with_body.pop_front();
                oldest.and_then(|oldest| self.get_mut(oldest)).map(|entry| entry.body.take());
            }
        }
        *self.counts.entry((entry.sender.account, entry.model, entry.outcome.name())).or_default() += 1;
        *self.statuses.entry(entry.status).or_default() += 1;
        if let Some(ended_at) = entry.end.at() {
            self.durations.add(ended_at.since(entry.arrived_at));
        }
        self.entries.push_back(entry);
        debug_assert!(self.entries.len() <= MAX_ENTRIES, "invariant: the journal is bounded");
        id
    }

    /// Records the end of a request, and the tokens that it was charged. Returns its entry; `None` if that is gone.
    pub fn end(&mut self, id: EntryId, end: End, charged_tokens: u64) -> Option<&Entry> {
        let entry = self.get_mut(id)?;
        entry.end = end;
        entry.charged_tokens = Some(charged_tokens);
        let duration = end.at().map(|at| at.since(entry.arrived_at));
        duration.into_iter().for_each(|duration| self.durations.add(duration));
        self.get_mut(id).map(|entry| &*entry)
    }

    fn get_mut(&mut self, id: EntryId) -> Option<&mut Entry> {
        let index = id.0.checked_sub(self.first)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    /// Returns a copy of a text, shortened to 300 characters, which entries can share.
    pub fn share_text(&mut self, text: &str) -> Arc<str> {
        self.texts.get(text)
    }

    /// Removes every entry and count. The ids of the removed entries are not used again.
    pub fn clear(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
        self.evicted = 0;
        self.counts.clear();
        self.statuses.clear();
        self.durations = Durations::default();
        self.texts = SharedTexts::default();
        self.with_body.clear();
    }

    /// Returns the entries that are kept, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// Returns the number of entries evicted since the start or the last [`Journal::clear`].
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns the number of requests by the status of their reply, including evicted ones; `None`: no reply.
    pub fn statuses(&self) -> impl Iterator<Item = (Option<u16>, u64)> {
        self.statuses.iter().map(|(status, count)| (*status, *count))
    }

    /// Returns the times from arrival to the end of the reply, including those of requests evicted after their end.
    #[must_use]
    pub const fn durations(&self) -> &Durations {
        &self.durations
    }

    /// Returns the number of requests by [`CountKey`], including evicted ones.
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

    fn entry(request_number: u64) -> Entry {
        Entry {
            request_number,
            arrived_at: Instant(request_number),
            at: Instant(request_number),
            end: End::InProgress,
            sender: Sender { account: Some(0), key: Some(0), user_agent: None },
            connection: None,
            method_and_path: None,
            model: None,
            wants_stream: false,
            fingerprint: 0,
            is_body_read: true,
            retry: RetryHeaders::default(),
            request_bytes: 0,
            outcome: JournalOutcome::InvalidRequest,
            status: Some(404),
            wait: None,
            reserved_tokens: 0,
            charged_tokens: None,
            body: None,
        }
    }

    #[test]
    fn the_latest_entries_are_kept_and_all_are_counted() {
        let mut journal = Journal::default();
        let kept = MAX_ENTRIES as u64;
        let ids: Vec<_> = (0..kept + 3).map(|request_number| journal.add(entry(request_number))).collect();
        assert_eq!((journal.entries().len(), journal.evicted()), (MAX_ENTRIES, 3));
        assert_eq!(journal.entries().next().unwrap().request_number, 3);
        assert_eq!(journal.counts().collect::<Vec<_>>(), [((Some(0), None, "rejected"), kept + 3)]);
        let _evicted = journal.end(ids[2], End::Replied(Instant(9)), 1);
        journal.end(ids[3], End::Replied(Instant(9)), 1);
        let ended = journal.entries().filter(|entry| entry.end == End::Replied(Instant(9)));
        assert_eq!(ended.map(|entry| entry.request_number).collect::<Vec<_>>(), [3], "the other is evicted");
        journal.clear();
        assert_eq!((journal.entries().len(), journal.evicted()), (0, 0));
        let next = journal.add(entry(7));
        journal.end(ids[4], End::Replied(Instant(9)), 1);
        assert_eq!(journal.entries().next().unwrap().end, End::InProgress, "{next:?} is another entry");
    }

    #[test]
    fn the_latest_bodies_are_kept() {
        let mut journal = Journal::default();
        for request_number in 0..MAX_BODIES as u64 + 2 {
            let body = Some(Arc::from(&b"body"[..]));
            journal.add(Entry { body, ..entry(request_number) });
        }
        let with_body = journal.entries().filter(|entry| entry.body.is_some());
        assert_eq!(with_body.map(|entry| entry.request_number).min(), Some(2));
    }

    #[test]
    fn fingerprints_of_different_accounts_and_texts_differ() {
        assert_eq!(fingerprint(None, b"a"), 6_835_764_368_359_419_232, "the same on every machine");
        let all = [fingerprint(None, b"a"), fingerprint(Some(0), b"a"), fingerprint(Some(1), b"a")];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_ne!(fingerprint(Some(0), b"ab"), fingerprint(Some(0), b"ba"));
        let zeros = [0; 24];
        let lengths: BTreeSet<_> = (0..=24).map(|length| fingerprint(None, &zeros[..length])).collect();
        assert_eq!(lengths.len(), 25, "padding with zeros changes the fingerprint");
    }
}

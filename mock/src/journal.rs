//! What a provider received: a bounded ring of entries, of which the last are kept and all are counted.
//!
//! Neither keys nor texts are in it. A request is tied to its retries by a fingerprint of what was sent.

use crate::axis::Axis;
use crate::config::Fault;
use crate::random::mix;
use crate::time::{Instant, Nanos};
use std::collections::{BTreeMap, VecDeque};

/// One request and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The number of the request, from zero.
    pub number: u64,
    /// When it was decided on.
    pub at: Instant,
    /// Whose it was; `None` where nobody has its key.
    pub account: Option<u16>,
    /// Which model it asked for; `None` where it asked for none that there is.
    pub model: Option<u16>,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// The [`fingerprint`] by which its retries are known.
    pub fingerprint: u64,
    /// What was decided.
    pub decision: JournalOutcome,
    /// The status it was answered with; `None` where it was not answered.
    pub status: Option<u16>,
    /// The wait that the answer announced.
    pub wait: Option<Nanos>,
}

/// What was decided on a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum JournalOutcome {
    /// It is served.
    Served,
    /// It is served, but its client cannot read the reply.
    Spoiled,
    /// A limit refused it.
    Refused {
        /// The limit that spoke.
        axis: Axis,
        /// It asks for more than the limit itself.
        oversize: bool,
    },
    /// A fault answered, or kept silent.
    Faulted(Fault),
    /// It did not get as far as a limit: wrong key, path, model or body, or too long for the model.
    Rejected,
}

impl JournalOutcome {
    /// Every name, in the order of [`JournalOutcome`].
    pub const NAMES: [&str; 5] = ["served", "spoiled", "refused", "faulted", "rejected"];

    /// The word of the journal and of metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        Self::NAMES[match self {
            Self::Served => 0,
            Self::Spoiled => 1,
            Self::Refused { .. } => 2,
            Self::Faulted(_) => 3,
            Self::Rejected => 4,
        }]
    }
}

/// The last requests, and how many there were of each kind.
#[derive(Clone, Debug)]
pub struct Journal {
    entries: VecDeque<Entry>,
    forgotten: u64,
    counts: BTreeMap<Kind, u64>,
}

/// Account, model and what was decided: what requests are counted by.
pub type Kind = (Option<u16>, Option<u16>, &'static str);

/// The most entries that are kept: about a megabyte.
pub const MAX_ENTRIES: usize = 10_000;

impl Default for Journal {
    fn default() -> Self {
        // No more room than is used: the ring goes through all that there is.
        Self { entries: VecDeque::with_capacity(MAX_ENTRIES), forgotten: 0, counts: BTreeMap::new() }
    }
}

impl Journal {
    /// Adds an entry; the oldest is forgotten where there are too many.
    pub fn add(&mut self, entry: Entry) {
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        *self.counts.entry((entry.account, entry.model, entry.decision.name())).or_default() += 1;
        self.entries.push_back(entry);
    }

    /// The entries that are kept, in the order in which they were added.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many entries are kept no more.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many requests there were of each kind, forgotten ones too.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.counts.iter().map(|(kind, count)| (*kind, *count))
    }
}

/// A number that is the same for the same account and bytes, and hardly ever for others.
#[must_use]
pub fn fingerprint(account: Option<u16>, sent: &[u8]) -> u64 {
    let account = account.map_or(0, |account| 1 + u64::from(account));
    let (blocks, rest) = sent.as_chunks::<32>();
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    // Four sums beside each other: while one waits for its product, the others are reckoned.
    let mut sums = [0, 1, 2, 3];
    for block in blocks.iter().chain([&last]) {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum = mix(*sum ^ u64::from_le_bytes(*word));
        }
    }
    // The length tells a text from itself with zeros behind.
    sums.into_iter().fold(mix(account) ^ sent.len() as u64, |hash, sum| mix(hash ^ sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_last_are_kept_and_all_are_counted() {
        let mut journal = Journal::default();
        let kept = MAX_ENTRIES as u64;
        for number in 0..kept + 3 {
            journal.add(Entry {
                number,
                at: Instant(number),
                account: Some(0),
                model: None,
                stream: false,
                fingerprint: 0,
                decision: JournalOutcome::Rejected,
                status: Some(404),
                wait: None,
            });
        }
        assert_eq!((journal.entries().len(), journal.forgotten()), (MAX_ENTRIES, 3));
        assert_eq!(journal.entries().next().unwrap().number, 3);
        assert_eq!(journal.counts().collect::<Vec<_>>(), [((Some(0), None, "rejected"), kept + 3)]);
    }

    #[test]
    fn a_fingerprint_tells_accounts_and_texts_apart() {
        assert_eq!(fingerprint(None, b"a"), fingerprint(None, b"a"));
        let all = [fingerprint(None, b"a"), fingerprint(Some(0), b"a"), fingerprint(Some(1), b"a")];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_ne!(fingerprint(Some(0), b"ab"), fingerprint(Some(0), b"ba"));
        let zeros = [0; 24];
        let lengths: BTreeSet<_> = (0..=24).map(|length| fingerprint(None, &zeros[..length])).collect();
        assert_eq!(lengths.len(), 25, "a text is not itself with zeros behind");
    }
}

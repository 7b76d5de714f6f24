//! Whether clients behaved, judged by what a provider received from them: a pure function of the journal.
//!
//! ```text
//!  entries ─▶ conversations: same account, same bytes, until one is served ─▶ tries ─▶ findings
//!                                                             returns of all ─▶ herds
//! ```
//!
//! Clients are not asked who they are. Two requests of an account with the same bytes are one request tried twice,
//! unless the first was served in between; a test that sends one text from many clients is misread.
//!
//! The bounds are those that the SDKs of providers keep themselves: OpenAI's obeys a `retry-after` of up to a minute
//! and tries three times, half a second apart (openai-python 1.x and 2.x, `_base_client.py`).

use crate::journal::{Entry, JournalOutcome};
use crate::time::{Instant, Nanos};
use std::collections::BTreeMap;
use std::fmt;

/// Where good conduct ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// So many tries are a fair attempt: with fewer a client gave up early, with more at once it hammered.
    pub tries: usize,
    /// Two tries closer than this have no pause between them.
    pub pause: Nanos,
    /// A longer wait need not be sat out.
    pub longest_wait: Nanos,
    /// How long after a wait a client may still come back.
    pub grace: Nanos,
    /// So many clients that return at once are a herd.
    pub herd: usize,
    /// What counts as at once.
    pub at_once: Nanos,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            tries: 3,
            pause: Nanos::from_millis(100),
            longest_wait: Nanos::MINUTE,
            grace: Nanos::from_secs(10),
            herd: 5,
            at_once: Nanos::from_millis(10),
        }
    }
}

/// What a client did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It came back before the announced wait was over.
    TooEarly {
        /// So long after the refusal.
        after: Nanos,
        /// The announced wait.
        wait: Nanos,
    },
    /// It sent again what can never succeed.
    Hopeless {
        /// The status that said so.
        status: u16,
    },
    /// It tried again and again without a pause.
    Hammered {
        /// So often in a row.
        tries: usize,
    },
    /// It never came back, although the wait was short and is over.
    GaveUp {
        /// After so many tries.
        tries: usize,
        /// The wait it did not sit out.
        wait: Nanos,
    },
    /// Many came back at the same moment after the same wait.
    Herded {
        /// How many.
        clients: usize,
        /// The wait in whole seconds, as headers announce it.
        wait: Nanos,
    },
}

impl Violation {
    /// Every name, in the order of [`Violation`].
    pub const NAMES: [&str; 5] = ["too_early", "hopeless", "hammered", "gave_up", "herded"];

    /// The word of the verdict.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }

    const fn index(&self) -> usize {
        match self {
            Self::TooEarly { .. } => 0,
            Self::Hopeless { .. } => 1,
            Self::Hammered { .. } => 2,
            Self::GaveUp { .. } => 3,
            Self::Herded { .. } => 4,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooEarly { after, wait } => {
                write!(f, "came back after {after}, although told to wait {wait}")
            }
            Self::Hopeless { status } => write!(f, "sent again what a {status} had said can never succeed"),
            Self::Hammered { tries } => write!(f, "tried {tries} times in a row without a pause"),
            Self::GaveUp { tries, wait } => {
                write!(f, "did not come back after try {tries}, although waiting {wait} would have helped")
            }
            Self::Herded { clients, wait } => {
                write!(f, "{clients} came back at the same moment after a wait of {wait}: add jitter")
            }
        }
    }
}

/// One misdeed and the request that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// When.
    pub at: Instant,
    /// The number of the request; for what was not sent, of the last that was.
    pub number: u64,
    /// Whose it was, where that is known.
    pub account: Option<u16>,
    /// What was wrong.
    pub misdeed: Violation,
}

/// The judgement on all that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientReport {
    /// Requests judged.
    pub requests: u64,
    /// What they were about: tries of the same thing count once.
    pub conversations: u64,
    /// Every misdeed that was found, by the place of its name in [`Violation::NAMES`].
    pub counts: [u64; Violation::NAMES.len()],
    /// The earliest of them, at most [`MOST_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// The most findings that are told one by one.
pub const MOST_FINDINGS: usize = 100;

impl ClientReport {
    /// Whether there is nothing to complain of.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    fn find(&mut self, entry: &Entry, misdeed: Violation) {
        self.counts[misdeed.index()] += 1;
        let Entry { at, number, account, .. } = *entry;
        self.findings.push(Finding { at, number, account, misdeed });
    }

    /// Judges the tries of one conversation, in their order.
    fn hear(&mut self, tries: &[&Entry], now: Instant, bounds: &Bounds) {
        self.requests += tries.len() as u64;
        self.conversations += 1;
        for pair in tries.windows(2) {
            let (before, again) = (pair[0], pair[1]);
            let after = again.at.since(before.at);
            if let Some(status) = hopeless(before) {
                self.find(again, Violation::Hopeless { status });
            } else if let Some(wait) = before.wait.filter(|wait| after < *wait) {
                self.find(again, Violation::TooEarly { after, wait });
            }
        }
        for run in tries.chunk_by(|before, again| again.at.since(before.at) < bounds.pause) {
            if run.len() > bounds.tries {
                self.find(run[bounds.tries], Violation::Hammered { tries: run.len() });
            }
        }
        let Some(last) = tries.last().filter(|last| tries.len() < bounds.tries && hopeless(last).is_none())
        else {
            return;
        };
        let helps = |wait: &Nanos| *wait <= bounds.longest_wait && now > last.at + *wait + bounds.grace;
        if let Some(wait) = last.wait.filter(helps) {
            self.find(last, Violation::GaveUp { tries: tries.len(), wait });
        }
    }

    /// Judges those who came back to an account after the same wait, in the order in which they did.
    fn watch(&mut self, wait: Nanos, mut returns: &[&Entry], bounds: &Bounds) {
        while let [first, ..] = returns {
            let at_once =
                returns.iter().take_while(|entry| entry.at.since(first.at) <= bounds.at_once).count();
            if at_once >= bounds.herd {
                self.find(first, Violation::Herded { clients: at_once, wait });
            }
            returns = &returns[at_once..];
        }
    }
}

/// Judges what was received by `now`. The order of the entries does not matter.
#[must_use]
pub fn judge<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    now: Instant,
    bounds: &Bounds,
) -> ClientReport {
    let mut sent: BTreeMap<u64, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        sent.entry(entry.fingerprint).or_default().push(entry);
    }
    let mut conduct = ClientReport::default();
    let mut returns: BTreeMap<(Option<u16>, Nanos), Vec<&Entry>> = BTreeMap::new();
    for same in sent.values_mut() {
        same.sort_by_key(|entry| (entry.at, entry.number));
        for tries in same.split_inclusive(|entry| entry.decision == JournalOutcome::Served) {
            conduct.hear(tries, now, bounds);
            for pair in tries.windows(2) {
                if let Some(wait) = pair[0].wait {
                    let announced = Nanos::from_secs(wait.as_secs_ceil());
                    returns.entry((pair[1].account, announced)).or_default().push(pair[1]);
                }
            }
        }
    }
    for ((_, wait), mut returns) in returns {
        returns.sort_by_key(|entry| (entry.at, entry.number));
        conduct.watch(wait, &returns, bounds);
    }
    conduct.findings.sort_by_key(|finding| (finding.at, finding.number, finding.misdeed.index()));
    conduct.findings.truncate(MOST_FINDINGS);
    conduct
}

/// The status of an answer that says that the same request can never succeed.
fn hopeless(entry: &Entry) -> Option<u16> {
    let never =
        matches!(entry.decision, JournalOutcome::Refused { oversize: true, .. } | JournalOutcome::Rejected);
    entry.status.filter(|status| never || matches!(status, 400 | 401 | 403 | 404 | 405 | 413 | 422))
}

impl fmt::Display for ClientReport {
    /// The judgement in words, a line for each finding that is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, conversations, .. } = self;
        let verdict = match (requests, self.is_good()) {
            (0, _) => return writeln!(f, "Nothing was received, so there is nothing to judge."),
            (_, true) => "behaved",
            (_, false) => "misbehaved",
        };
        writeln!(f, "The client {verdict}: {requests} requests, {conversations} without their retries.")?;
        for finding in &self.findings {
            let Finding { at, number, misdeed, .. } = finding;
            writeln!(f, "  request {number} at {at}: {misdeed}")?;
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

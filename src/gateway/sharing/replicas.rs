//! How many replicas there are.

use provider::{Instant, Nanos};

/// The number of replicas with a recent heartbeat, as Redis has named it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplicaCount {
    /// At least one.
    count: u32,
    /// When Redis last named as many.
    at: Instant,
}

impl ReplicaCount {
    /// Creates the count of a new quota or budget from the number that Redis has named for others.
    pub(super) fn new(count: u32) -> Self {
        Self { count: count.max(1), at: Instant::ZERO }
    }

    /// Returns the number.
    pub(super) fn get(self) -> u32 {
        self.count
    }

    /// Takes the number that an answer names. A smaller one counts only after a time, because a server that has lost its data does
    /// not know yet which replicas there are.
    pub(super) fn learn(&mut self, now: Instant, named: u32) {
        if named >= self.count || now.since(self.at) > REPLICA_TIMEOUT {
            *self = Self { count: named.max(1), at: now };
        }
    }

    /// Takes the number of replicas that have returned since Redis is back. Returns `true` if they are all that were known before.
    pub(super) fn take_return(&mut self, now: Instant, back: u32) -> bool {
        let known = self.count;
        self.at = now;
        self.learn(now, back);
        back >= known
    }
}

/// How long a larger number of replicas is kept: as long as Redis keeps a replica without a heartbeat.
pub(super) const REPLICA_TIMEOUT: Nanos = Nanos(5_000_000_000);

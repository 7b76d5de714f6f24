//! Why the parts of a plan do not make it.

use crate::shard::Shard;
use std::fmt;

/// Why parts do not make a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// A file is not what its name says.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file belongs to another plan.
    #[error(
        "{file} is of another plan: another scenario, other options or another version of quotalab ({version})"
    )]
    Foreign {
        /// The file.
        file: String,
        /// The version that wrote it.
        version: String,
    },
    /// Two files are of rounds that were shared in different ways.
    #[error(
        "{file} is one of {of} shards of round {round}, {other} one of {other_of}: remove those of one of them"
    )]
    OtherNumber {
        /// The file.
        file: String,
        /// Its number of shards.
        of: u32,
        /// A file of the same round.
        other: String,
        /// The number of shards of that.
        other_of: u32,
        /// The round.
        round: u32,
    },
    /// Two files are of the same shard.
    #[error("{file} and {other} are both shard {shard} of round {round}: remove one of them")]
    Doubled {
        /// The file.
        file: String,
        /// Another file.
        other: String,
        /// The shard.
        shard: Shard,
        /// The round.
        round: u32,
    },
    /// A part does not have the runs of its share.
    #[error(
        "{file} does not have the runs of shard {shard} of round {round}: remove it and run that shard again"
    )]
    OtherRuns {
        /// The file.
        file: String,
        /// The shard.
        shard: Shard,
        /// The round.
        round: u32,
    },
    /// Shards are missing.
    #[error("missing: {}", .0.iter().map(MissingShards::to_string).collect::<Vec<_>>().join("; "))]
    Missing(Vec<MissingShards>),
}

/// The missing shards of one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingShards {
    /// The round, counted from 1.
    pub round: u32,
    /// The shards; empty if none of the round is there.
    pub shards: Vec<Shard>,
}

impl fmt::Display for MissingShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards: Vec<String> = self.shards.iter().map(Shard::to_string).collect();
        match shards.as_slice() {
            [] => write!(f, "all shards of round {}", self.round),
            [one] => write!(f, "shard {one} of round {}", self.round),
            several => write!(f, "shards {} of round {}", several.join(", "), self.round),
        }
    }
}

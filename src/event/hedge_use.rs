//! Whether a job had a hedge.

use serde::{Deserialize, Serialize};

/// Whether a job had a hedge: an attempt beside one that had not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HedgeUse {
    /// No hedge was sent for it.
    #[default]
    None,
    /// A hedge was sent and did not serve it.
    Sent,
    /// The hedge served it.
    Won,
}

//! A limit as the client knows it.

use provider::config::Limit;
use provider::{Axis, Nanos};

/// A limit as the provider's documentation states it to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLimit {
    /// What is counted.
    pub axis: Axis,
    /// How much is admitted per window.
    pub limit: u64,
    /// The length of the window; `None` for concurrency.
    pub window: Option<Nanos>,
    /// How much is admitted at once.
    pub burst: u64,
    /// How much of `burst` the client assumes used when the run begins: 0, except for a limit with a long window under
    /// `start: sustained`. That limit begins with what the client assumes used after days of the same traffic.
    pub used: u64,
}

impl From<&Limit> for KnownLimit {
    /// Returns the limit as a client knows that assumes nothing of it used.
    fn from(limit: &Limit) -> Self {
        let Limit { axis, amount, window, burst, .. } = *limit;
        Self { axis, limit: amount, window, burst, used: 0 }
    }
}

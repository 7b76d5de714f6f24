//! A violation of a law of a run, as the audit finds it.

use crate::event::Event;
use std::fmt;

/// A violation of a law.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The number of the law in ARCHITECTURE.md.
    pub law: u8,
    /// The event that violates it; `None` if an event is missing at the end of the run.
    pub event: Option<Event>,
    /// A description of the violation.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law {}: {}", self.law, self.what)?;
        self.event.map_or(Ok(()), |event| write!(f, " (at {}: {event:?})", event.at))
    }
}

//! The server over real sockets: what is on the wire, and that each admitted call is settled exactly once.
//!
//! The clock stands still unless a test moves it, so limits are exact; only services sleep, for milliseconds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audio;
mod client;
mod control;
mod dialects;
mod faults;
mod forms;
mod hostile;
mod limits;
mod requests;
mod settling;
mod streams;

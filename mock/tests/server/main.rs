//! The server over loopback sockets: what it sends, and that each admitted call is settled exactly once.
//!
//! The mock's clock does not advance unless a test sets it, so limits are exact; only services take real time, a few
//! milliseconds.

#![expect(clippy::unwrap_used, reason = "a test fails on an unexpected value")]

mod answers;
mod apis;
mod audio;
mod client;
mod control;
mod control_changes;
mod dialects;
mod embeddings;
mod faults;
mod hostile;
mod limits;
mod native_apis;
mod parameters;
mod paths;
mod reasoning;
mod reasoning_apis;
mod reasoning_refusals;
mod recorded;
mod reply_options;
mod requests;
mod settling;
mod streams;
mod tokens;
mod verdict;

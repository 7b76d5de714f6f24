//! quotalab: a load simulator and capacity planner for rate-limited LLM APIs.
//!
//! One routing engine runs against one model of a provider, in virtual time and over real HTTP. A day of traffic is
//! forecast in seconds, and a short live run checks the forecast.
//!
//! Modules are in layers; a module imports only from lower ones (`tests/tidy.rs` enforces it; ARCHITECTURE.md describes
//! the modules and the two exceptions):
//!
//! ```text
//!  7  main
//!  6  cli
//!  5  planner  regression  report  explain  gateway
//!  4  drive  record
//!  3  engine  load  ceiling
//!  2  scenario
//!  1  event  job
//!  0  ids  api_keys  formatting  input_file  problem  shard  stats  xml
//! ```
//!
//! Below them is the crate `provider` (`mock/`): the model of a provider, and the mock that serves it over HTTP.

mod api_keys;
pub mod ceiling;
pub mod cli;
pub mod drive;
pub mod engine;
pub mod event;
pub mod explain;
pub mod formatting;
pub mod gateway;
pub mod ids;
mod input_file;
pub mod job;
pub mod load;
pub mod planner;
pub mod problem;
pub mod record;
pub mod regression;
pub mod report;
pub mod scenario;
pub mod shard;
pub mod stats;
mod xml;

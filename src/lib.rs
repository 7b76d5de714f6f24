//! quotalab: a load simulator and capacity planner for rate-limited LLM APIs.
//!
//! One routing engine runs over real HTTP and in virtual time against one provider model, so that a
//! whole day of traffic is forecast in seconds and the forecast can be checked against the wire.
//!
//! The crate is a house of floors; a module imports only from lower ones (`tests/tidy.rs` holds the table):
//!
//! ```text
//!  7  main
//!  6  cli        a file per verb, exit codes
//!  5  planner    the ceiling, what binds, what to buy    gate     expectations and baselines, for CI
//!     report     text, charts, one offline page, comparison
//!  4  drive      virtual time and real HTTP: twins        record   folds over the event stream
//!  3  engine     the routing machine                      load     arrivals        ceiling  the most that limits allow
//!  2  scenario   YAML -> Spec -> Plan
//!  1  event  job
//!  0  ids  formatting  problem  stats  xml                   and below ground the crate `provider` (mock/)
//! ```

pub mod ceiling;
pub mod cli;
pub mod drive;
pub mod engine;
pub mod event;
pub mod explain;
pub mod formatting;
pub mod ids;
pub mod job;
pub mod load;
pub mod planner;
pub mod problem;
pub mod record;
pub mod regression;
pub mod report;
pub mod scenario;
pub mod stats;
mod xml;

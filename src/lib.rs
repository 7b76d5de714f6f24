//! quotalab: a load simulator and capacity planner for rate-limited LLM APIs.
//!
//! One routing engine runs over real HTTP and in virtual time against one provider model, so that a whole day of traffic
//! is forecast in seconds and the forecast can be checked over HTTP.
//!
//! Modules form layers. A module imports only from lower ones (`tests/tidy.rs` enforces it; ARCHITECTURE.md has the
//! exceptions):
//!
//! ```text
//!  7  main
//!  6  cli         one file per verb, exit codes
//!  5  planner     the ceiling, the binding limit, what to change     regression  rules and baselines, for CI
//!     report      text, charts, pages, comparisons                   explain     refusals that a user pastes
//!  4  drive       runs in virtual time and over HTTP                 record      folds over the event stream
//!  3  engine      routing, retries, pacing, caching                  load        arrivals
//!     ceiling     the highest load that the limits allow
//!  2  scenario    YAML to a resolved scenario
//!  1  event  job
//!  0  ids  formatting  problem  stats  xml                           below: the crate `provider` (mock/)
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

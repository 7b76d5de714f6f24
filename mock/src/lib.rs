//! Simulates rate-limited LLM providers: in virtual time inside a simulation, or over HTTP as a mock server.
//!
//! The model is a sans-IO state machine. Time is an argument, randomness comes from a seeded [`random::RandomStream`], and a
//! decision depends only on the configuration and on earlier calls. Nothing here reads a clock, opens a socket or
//! iterates over a randomly seeded map; only the module `server` does I/O.
//!
//! ```text
//!  Call + Truth ──▶ provider::Provider ─▶ fault, length, reserve ──▶ meter: all limits of one account × model
//!                        │                                             └─▶ window: one limit and how it refills
//!                        │◀── Admitted | Refused (with the earliest admission) | TooLong | Faulted
//!                        ├──▶ slots, latency: server slot and service time of an admitted call
//!                        ▼
//!                  DecisionReport ──▶ wire: status, headers and body of a dialect ──▶ server: HTTP   (feature `server`)
//!                        └──────────▶ read directly by the simulation in virtual time
//! ```
//!
//! A provider with 30 requests per minute takes a few lines:
//!
//! ```
//! use provider::config::{Config, Limit, ModelConfig};
//! use provider::decision::Decision;
//! use provider::{Axis, Call, Instant, Provider, Truth};
//!
//! let model = ModelConfig::new("llama").with_limit(Limit::rpm(30)).with_limit(Limit::tpm(6_000));
//! let mut provider = Provider::new(&Config::new("groq").with_account("acme").with_model(model));
//!
//! let call = Call { account: 0, model: 0, max_tokens: Some(100) };
//! let truth = Truth { prompt_tokens: 20, completion_tokens: 80, ..Truth::default() };
//! let report = provider.decide(Instant::ZERO, call, truth);
//! let Decision::Admitted(service) = report.decision else { panic!("the limits are unused") };
//! assert_eq!(report.limits.tokens.unwrap().remaining, 6_000 - 120, "prompt and max_tokens are reserved");
//! let done_at = service.done_at().expect("no server slot to wait for");
//! provider.complete(done_at, &service);
//! let tokens = provider.levels(done_at, 0, 0).find(|level| level.axis == Axis::Tpm).unwrap();
//! assert_eq!(tokens.remaining, 6_000 - 100, "settled to the actual usage");
//! ```
//!
//! `mock/README.md` lists the evidence for each rule.

pub mod axis;
pub mod calendar;
pub mod call;
pub mod client_check;
pub mod config;
pub mod decision;
pub mod dist;
pub mod fault;
pub mod journal;
pub mod largest_call;
pub mod latency;
pub mod length;
pub mod meter;
pub mod numeric;
pub mod presets;
pub mod provider;
pub mod random;
pub mod reserve;
#[cfg(feature = "server")]
pub mod server;
pub mod slots;
pub mod time;
pub mod units;
pub mod window;
pub mod wire;

pub use axis::Axis;
pub use calendar::Zone;
pub use call::{Call, Truth, Usage};
pub use provider::Provider;
pub use random::RandomStream;
pub use time::{Instant, Nanos};

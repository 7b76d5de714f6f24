//! Simulates rate-limited LLM providers: in-process for simulations, or as an HTTP mock server.
//!
//! The model is a sans-IO state machine. Time is an argument, randomness comes from a seeded [`random::Stream`], and a
//! decision depends only on the configuration and on earlier calls. Nothing here reads a clock, opens a socket or
//! iterates over a randomly seeded map; only the module `server` does I/O.
//!
//! ```text
//!  Call + Truth ──▶ machine::Provider ──▶ fault, length, reserve ──▶ meter: all limits of one account × model
//!                        │                                             └─▶ window: one limit under one law
//!                        │◀── Admitted | Refused (with the earliest admission) | TooLong | Faulted
//!                        ├──▶ latency: server slot and service time of an admitted call
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
//! use provider::{Call, Instant, Provider, Truth};
//!
//! let model = ModelConfig::new("llama").with_limit(Limit::rpm(30)).with_limit(Limit::tpm(6_000));
//! let mut provider = Provider::new(&Config::new("groq").with_account("acme").with_model(model));
//!
//! let call = Call { account: 0, model: 0, max_tokens: Some(100) };
//! let truth = Truth { prompt_tokens: 20, completion_tokens: 80, ..Truth::default() };
//! let report = provider.arrive(Instant::ZERO, call, truth);
//! let Decision::Admitted(service) = report.decision else { panic!("the limits are unused") };
//! assert_eq!(report.limits.tokens.unwrap().remaining, 6_000 - 120, "prompt and max_tokens are reserved");
//! provider.depart(service.done_at, service.ticket, service.usage);
//! assert_eq!(provider.levels(service.done_at, 0, 0).nth(1).unwrap().remaining, 6_000 - 100);
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
pub mod latency;
pub mod length;
pub mod machine;
pub mod meter;
pub mod presets;
pub mod random;
pub mod reserve;
#[cfg(feature = "server")]
pub mod server;
pub mod time;
pub mod units;
pub mod window;
pub mod wire;

pub use axis::Axis;
pub use calendar::Zone;
pub use call::{Call, Truth, Usage};
pub use machine::Provider;
pub use random::Stream;
pub use time::{Instant, Nanos};

//! From a YAML file to a scenario.
//!
//! ```text
//!  text ──yaml──▶ tree ──preset, imitation, overrides──▶ tree ──language, spec──▶ Spec ──resolve──▶ Scenario
//!                  (places)                                     (every word checked)     (names looked up)
//! ```
//!
//! * `yaml` reads the text into a tree in which every value has its place in the text.
//! * `preset` merges known providers into it, `imitation` known clients; `overrides` makes the changes of the command line and
//!   of `what_if`.
//! * `language` checks every word of the tree against the table of the language; `spec` builds typed values from it and
//!   checks what involves several words.
//! * `resolve` looks up targets, routes and traces; `offers` looks up what can be bought, and `read` repeats the steps above
//!   for every combination of it.
//!
//! Every step reports to `diagnostics` and goes on, except that a text that is not YAML ends the reading; if there is one
//! problem anywhere, there is no scenario. [`read`] and [`parse`] return a [`Scenario`] or all problems at once. In the
//! other direction, [`Tree`] and [`write()`] produce the text of a scenario.
//!
//! To add a word to the language, see `language/mod.rs`.

mod answer_cache;
pub mod bursts;
mod compared_client;
pub mod coupling;
mod cut_share;
mod describe;
mod diagnostics;
mod evidence;
mod expect;
pub(crate) mod family;
mod imitation;
mod known_limit;
pub mod language;
mod late_answers;
mod lookalike;
mod metric;
mod note;
mod offers;
mod overrides;
mod preset;
pub mod rate;
mod read;
pub(crate) mod recorded;
mod resolve;
mod resolved;
mod row_bytes;
mod scale;
mod servable;
mod spec;
mod spending;
mod token_prices;
pub mod trace;
mod trace_cache;
mod unknown_model;
mod unknown_target;
mod upstream_notes;
mod write;
mod yaml;

pub use compared_client::with_client;
pub use evidence::{Certainty, Evidence, ModelEvidence, Number, PresetEvidence, preset_evidence};
pub use family::Family;
pub use imitation::{IMITATIONS, Imitation};
pub use known_limit::KnownLimit;
pub(crate) use late_answers::shortest_service_s;
pub use note::{AnswerBound, ExceededBound, Note};
pub use overrides::Overrides;
use read::unknown_preset;
pub use read::{
    MAX_BYTES, MockedProviders, parse, preset, preset_providers, read, read_for_gateway, read_providers,
};
pub use resolved::*;
pub use servable::SizeClass;
pub(crate) use token_prices::{TokenPrices, budget_pico_usd};
pub use write::{Entry, Tree, write};

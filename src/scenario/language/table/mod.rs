//! The table: a file per chapter of the language, a row per word.
//!
//! If a default needs a reason, a comment at its row gives it, with the source.

mod caller;
mod client;
mod dist;
mod evidence;
mod hedge;
mod limits;
mod model;
mod offer;
mod provider;
mod scenario;
mod sessions;
mod spending;
mod workload;

pub(super) use caller::{BUDGET, CALLER};
pub(in crate::scenario) use client::CLIENT;
pub(super) use client::{ADAPTIVE, BACKOFF, CACHE, EJECT, ESTIMATE, JITTER, PACE, RETRY, STATED_WAIT};
pub(super) use dist::{TIME_DIST, TOKEN_DIST};
pub(super) use evidence::EVIDENCE;
pub(super) use hedge::HEDGE;
pub(super) use limits::{CONCURRENCY, LIMIT, LIMITS, WINDOW_LIMIT};
pub(in crate::scenario) use model::MODEL;
pub(super) use model::{LATENCY, PRICE, RESERVE};
pub(super) use offer::OFFER;
pub(super) use provider::{ACCOUNT, INCIDENT, KEY};
pub(in crate::scenario) use provider::{FAULT, PROVIDER};
pub(in crate::scenario) use scenario::SCENARIO;
pub(super) use scenario::{START, STEP, WHAT_IF};
pub(super) use sessions::{COUNT_DIST, SESSION_CONTEXT, SESSIONS};
pub(super) use spending::SPENDING;
pub(super) use workload::{ARRIVAL_STEP, ARRIVALS, BATCH, REPEATS, SHAPE_MAP, TRACE_COLUMNS, WORKLOAD};

use super::{Choice, Form, Kind, Map, NameKind, Refused, Word, choice, word};
use ::provider::Nanos;

/// The keyword for no bound, which also removes the bound of a preset.
const NONE: &[Choice] = &[choice("none", "none")];

/// The shortest [`LENGTH`].
const MIN_LENGTH: Nanos = Nanos::from_millis(1);

/// A time at which something happens, from the start of the run, or a length of time that may be zero.
const OFFSET: Kind = Kind::Duration { min: Nanos::ZERO, max: super::MAX_DURATION };

/// A time at which something happens: from the start of the run, or a date and time in the zone of a scenario's `start`.
const OFFSET_OR_DATE: Kind = Kind::OneOf(&[Kind::DateTime { zone: false }, OFFSET]);

/// A length of time of at least a millisecond: a timeout, a wait, an interval.
const LENGTH: Kind = Kind::Duration { min: MIN_LENGTH, max: super::MAX_DURATION };

/// The reason for which a word is refused if what it describes is not modelled; see [`Refused::why`].
const NOT_MODELLED: &str = "is not modelled yet";

/// The largest number of tokens that a word accepts for one call. Sampled sizes are clamped to it.
const MAX_STATED_TOKENS: u64 = crate::job::MAX_TOKENS as u64;

/// The longest context in tokens: longer than that of any model on offer.
const MAX_CONTEXT: u64 = 100_000_000;

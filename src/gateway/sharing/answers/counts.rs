//! The metrics of the answers that replicas share, as part of `/metrics`.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::fmt::{self, Write as _};

/// The counters of this replica.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// One while Redis answers.
    pub(super) up: Gauge,
    lookups: Family<LookupLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
}

/// What a request found in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lookup {
    Hit,
    Miss,
    /// There was a value that no replica has written under this key.
    Invalid,
    /// It was not looked up: Redis is unavailable or did not answer in time, or too many answers are looked up.
    Skipped,
}

/// What became of an answer that was to be written, or to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Write {
    Stored,
    /// An earlier answer was there, and was dropped for a request that did not accept it.
    Forgotten,
    /// It was not dropped in Redis, because too many others were being dropped.
    Skipped,
    /// Its time to live was over, or a later answer was there.
    Outdated,
    /// Too many answers were waiting.
    Dropped,
    /// Redis was unavailable, did not answer in time, or could not write it.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    result: Lookup,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    result: Write,
}

impl EncodeLabelValue for Lookup {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Invalid => "invalid",
            Self::Skipped => "skipped",
        })
    }
}

impl EncodeLabelValue for Write {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(match self {
            Self::Stored => "stored",
            Self::Forgotten => "forgotten",
            Self::Skipped => "skipped",
            Self::Outdated => "outdated",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        })
    }
}

impl Counts {
    /// Counts a request that looked for an answer in Redis.
    pub(super) fn looked_up(&self, result: Lookup) {
        self.lookups.get_or_create(&LookupLabels { result }).inc();
    }

    /// Counts an answer that was to be written or dropped in Redis.
    pub(super) fn written(&self, result: Write) {
        self.writes.get_or_create(&WriteLabels { result }).inc();
    }

    /// Returns how often something was found.
    pub(super) fn lookups(&self, result: Lookup) -> u64 {
        self.lookups.get(&LookupLabels { result }).map_or(0, |counter| counter.get())
    }

    /// Returns how often something became of an answer.
    pub(super) fn writes(&self, result: Write) -> u64 {
        self.writes.get(&WriteLabels { result }).map_or(0, |counter| counter.get())
    }

    /// Adds the families to a registry. `waiting`: the number of answers that wait to be written.
    pub(super) fn register(&self, registry: &mut Registry, waiting: usize) {
        registry.register(
            "quotalab_gateway_sharing_cache_up",
            "Whether Redis answers: without it each replica has only its own cache",
            self.up.clone(),
        );
        registry.register(
            "quotalab_gateway_sharing_cache_lookups",
            "Requests by what they found in Redis",
            self.lookups.clone(),
        );
        registry.register(
            "quotalab_gateway_sharing_cache_writes",
            "Answers by what became of them in Redis",
            self.writes.clone(),
        );
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        registry.register("quotalab_gateway_sharing_cache_waiting", "Answers that wait to be written", gauge);
    }
}

//! The part of a result that describes the run over time, in time buckets of one length (`step` in the JSON).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The run over time. Every list has one entry per time bucket, and the first bucket begins at zero. Attempts and jobs
/// count in the bucket of their event, latencies in the bucket in which the job ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The length of a time bucket, in seconds.
    pub step_s: f64,
    /// Jobs that arrived.
    pub offered: Vec<u64>,
    /// Jobs that arrived in the busiest minute of the bucket, where minutes are counted from zero. Empty if a bucket is
    /// no longer than a minute, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busiest_minute: Vec<u64>,
    /// Attempts sent.
    pub sent: Vec<u64>,
    /// Jobs that succeeded.
    pub succeeded: Vec<u64>,
    /// Of the succeeded, those that an attempt of their own served: neither from the cache nor coalesced. Empty if no
    /// route has a second step, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<u64>,
    /// Of the served, those that a later step of their route than the first served; empty if `served` is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_back: Vec<u64>,
    /// Attempts refused by a limit.
    pub limited: Vec<u64>,
    /// Jobs given up after at least one attempt.
    pub failed: Vec<u64>,
    /// Jobs given up before any attempt.
    pub shed: Vec<u64>,
    /// The median latency in seconds of the jobs that succeeded; `null` if there were none.
    pub p50_s: Vec<Option<f64>>,
    /// The 95th percentile of their latency, in seconds; `null` if there were none.
    pub p95_s: Vec<Option<f64>>,
    /// The distribution of their latency in microseconds, two digits, encoded as [`super::Quantiles::hdr`] is; `null` if
    /// there were none. Empty if the run was recorded without distributions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency_hdr: Vec<Option<String>>,
    /// Attempts refused, by axis, `unnamed` if the reply named none. Axes that never refused are left out.
    pub limited_by: BTreeMap<String, Vec<u64>>,
    /// What each provider charged, in USD rounded to nine decimal digits, when its calls were settled. Empty if nothing
    /// was charged, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cost_usd: BTreeMap<String, Vec<f64>>,
    /// The incidents of the scenario that begin before the run ends, in the order of their providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    /// The use of the limits, by target.
    pub fill: Vec<Fill>,
}

/// An incident of a provider, as the scenario states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The provider's name.
    pub provider: String,
    /// The name of the fault in scenarios, with its argument: `503`, `timeout`, `slow 4x`, `retry_after 30 s`.
    pub fault: String,
    /// The share of calls affected, in `0..=1`.
    pub share: f64,
    /// The start, in seconds.
    pub from_s: f64,
    /// The end, in seconds, exclusive.
    pub to_s: f64,
}

/// The use of the limits of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// `provider/account/model`.
    pub target: String,
    /// By axis, the highest used share sampled in each time bucket: 0 if untouched, above 1 if overdrawn.
    pub axes: BTreeMap<String, Vec<f64>>,
    /// What the target charged.
    #[serde(default, skip_serializing_if = "Charged::is_empty")]
    pub charged: Charged,
    /// Attempts refused, by axis. Axes that never refused are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, Vec<u64>>,
}

/// What one target charged in each time bucket: calls when they were admitted, tokens when they were settled. All
/// lists are empty if it charged nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Charged {
    /// Calls admitted.
    pub calls: Vec<u64>,
    /// Tokens of their prompts, as far as they count against the limits.
    pub prompt_tokens: Vec<u64>,
    /// Tokens of their completions.
    pub completion_tokens: Vec<u64>,
    /// Tokens that were reserved when calls were admitted, and stay charged whatever is used. Empty if the provider settles, and
    /// in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_tokens: Vec<u64>,
    /// The summed time that calls were in flight, in seconds; empty if concurrency is not limited, or if the provider does not
    /// report when calls begin and end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy_s: Vec<f64>,
}

impl Charged {
    /// Returns `true` if the target charged nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

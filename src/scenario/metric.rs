//! The names of metrics, as in rules (`p95 latency <= 8s`) and results.

use super::resolved::{Metric, Time};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The metrics other than percentiles.
const SIMPLE: [Metric; 10] = [
    Metric::Success,
    Metric::TaskSuccess,
    Metric::Goodput,
    Metric::FallbackShare,
    Metric::CutShare,
    Metric::LimitedShare,
    Metric::AttemptsPerJob,
    Metric::Cost,
    Metric::Headroom,
    Metric::FinishedBy,
];
const PERCENTILES: [u8; 4] = [50, 90, 95, 99];
const TIMES: [Time; 4] = [Time::Latency, Time::FirstToken, Time::Queue, Time::Task];

impl Metric {
    /// Iterates over every metric that a rule can name.
    pub fn all() -> impl Iterator<Item = Self> {
        let timed =
            PERCENTILES.into_iter().flat_map(|percent| TIMES.map(|time| Self::Percentile(percent, time)));
        SIMPLE.into_iter().chain(timed)
    }

    /// Returns `true` if the metric is a property of tasks, so that only workloads with sessions have it.
    #[must_use]
    pub fn is_of_tasks(self) -> bool {
        matches!(self, Self::TaskSuccess | Self::Percentile(_, Time::Task))
    }

    /// Returns `true` if the metric is a property of jobs or tasks, so that it can be measured for one workload and in windows of
    /// time. The end of a batch is that of one workload, and has no windows.
    #[must_use]
    pub fn is_measured_per_job(self) -> bool {
        !matches!(self, Self::LimitedShare | Self::Cost | Self::Headroom | Self::FinishedBy)
    }

    /// Returns the metric with this name, or `None` if there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|metric| metric.to_string() == name)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "success",
            Self::TaskSuccess => "task success",
            Self::Goodput => "goodput",
            Self::FallbackShare => "fallback share",
            Self::CutShare => "cut share",
            Self::LimitedShare => "limited share",
            Self::AttemptsPerJob => "attempts per job",
            Self::Cost => "cost",
            Self::Headroom => "headroom",
            Self::FinishedBy => "finished by",
            Self::Percentile(percent, Time::Latency) => return write!(f, "p{percent} latency"),
            Self::Percentile(percent, Time::FirstToken) => return write!(f, "p{percent} first_token"),
            Self::Percentile(percent, Time::Queue) => return write!(f, "p{percent} queue"),
            Self::Percentile(percent, Time::Task) => return write!(f, "p{percent} task latency"),
        })
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom(format!("unknown metric `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_found_by_its_name() {
        assert_eq!(Metric::all().count(), 26);
        for metric in Metric::all() {
            assert_eq!(Metric::from_name(&metric.to_string()), Some(metric));
        }
        assert_eq!(Metric::from_name("p51 latency"), None);
    }
}

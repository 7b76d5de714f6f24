//! The lines that a run and its mock process exchange.

use crate::event::ProviderDecision;
use provider::config::{Config, StartLevel};
use provider::meter::LimitLevel;
use provider::{Axis, Nanos, Usage};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What a run sends when it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The random number that marks the truth headers of the run. It goes through the pipe, because other users of the machine can
    /// read the arguments of a process.
    pub tag: u64,
    /// What earlier traffic used of the limits.
    levels: Vec<UsedAtStart>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct UsedAtStart {
    provider: u16,
    account: u16,
    model: u16,
    axis: String,
    used: u64,
}

impl Start {
    /// Returns the start of a run with the tag `tag` against these providers.
    pub(super) fn of(providers: &[Config], tag: u64) -> Self {
        let of_provider = |(provider, config): (u16, &Config)| {
            let used = config.start_levels.iter().map(move |level| UsedAtStart {
                provider,
                account: level.account,
                model: level.model,
                axis: level.axis.name().to_owned(),
                used: level.used,
            });
            used.collect::<Vec<_>>()
        };
        Self { tag, levels: (0..).zip(providers).flat_map(of_provider).collect() }
    }

    /// Returns it as a line.
    pub(super) fn to_line(&self) -> String {
        to_line(self)
    }

    /// Reads a line; `None` if it is not the start of a run.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// Sets the levels with which the providers of the run begin. Returns `false` if one of them has an unknown provider,
    /// account, model or axis.
    #[must_use]
    pub fn apply_to(&self, providers: &mut [Config]) -> bool {
        providers.iter_mut().for_each(|config| config.start_levels.clear());
        self.levels.iter().all(|level| {
            let UsedAtStart { provider, account, model, used, .. } = *level;
            let config = providers.get_mut(usize::from(provider));
            let config = config.filter(|config| {
                usize::from(account) < config.accounts.len() && usize::from(model) < config.models.len()
            });
            let (Some(config), Some(axis)) = (config, Axis::from_name(&level.axis)) else { return false };
            config.start_levels.push(StartLevel { account, model, axis, used });
            true
        })
    }
}

/// What a mock process reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It decided on an attempt.
    Decided {
        /// The number of the attempt.
        attempt: u64,
        /// The decision.
        decision: Decision,
    },
    /// It settled an admitted attempt.
    Settled {
        /// The number of the attempt.
        attempt: u64,
        /// The tokens that it used.
        usage: Tokens,
    },
    /// The levels of all limits.
    Levels(Vec<Level>),
}

impl Report {
    /// Returns it as a line.
    #[must_use]
    pub fn to_line(&self) -> String {
        to_line(self)
    }

    /// Reads a line; `None` if it is no report.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// A decision, as events record it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Admitted.
    Admitted {
        /// Tokens reserved at admission.
        reserved: u64,
    },
    /// Refused by a limit.
    Refused {
        /// The axis of the limit.
        axis: String,
        /// The amount requested of it.
        requested: u64,
    },
    /// Longer than the model's context or output.
    TooLong,
    /// Answered by an injected fault.
    Faulted,
}

impl From<ProviderDecision> for Decision {
    fn from(decision: ProviderDecision) -> Self {
        match decision {
            ProviderDecision::Admitted { reserved } => Self::Admitted { reserved },
            ProviderDecision::Refused { axis, requested } => {
                Self::Refused { axis: axis.name().to_owned(), requested }
            }
            ProviderDecision::TooLong => Self::TooLong,
            ProviderDecision::Faulted => Self::Faulted,
        }
    }
}

impl Decision {
    /// Returns it as the value of the header [`DECISION_HEADER`](provider::server::DECISION_HEADER).
    pub(in crate::drive) fn to_header(&self) -> String {
        to_json(self)
    }

    /// Reads the value of that header; `None` if it is malformed.
    pub(in crate::drive) fn from_header(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }

    /// Returns it as events record it; `None` if its axis is unknown.
    pub(in crate::drive) fn recorded(&self) -> Option<ProviderDecision> {
        Some(match self {
            Self::Admitted { reserved } => ProviderDecision::Admitted { reserved: *reserved },
            Self::Refused { axis, requested } => {
                ProviderDecision::Refused { axis: Axis::from_name(axis)?, requested: *requested }
            }
            Self::TooLong => ProviderDecision::TooLong,
            Self::Faulted => ProviderDecision::Faulted,
        })
    }
}

/// The tokens that a call used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    prompt: u32,
    cached: u32,
    completion: u32,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self { prompt: usage.prompt_tokens, cached: usage.cached_tokens, completion: usage.completion_tokens }
    }
}

impl From<Tokens> for Usage {
    fn from(Tokens { prompt, cached, completion }: Tokens) -> Self {
        Self { prompt_tokens: prompt, cached_tokens: cached, completion_tokens: completion }
    }
}

/// The level of one limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    provider: u16,
    account: u16,
    model: u16,
    axis: String,
    limit: u64,
    capacity: u64,
    remaining: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    least_remaining: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window_ns: Option<u64>,
}

impl Level {
    /// Returns the level of a limit of the account × model of a provider.
    #[must_use]
    pub fn of((provider, account, model): (u16, u16, u16), level: LimitLevel) -> Self {
        let LimitLevel { axis, window, limit, capacity, remaining, least_remaining } = level;
        let window_ns = window.filter(|_| axis.has_own_window()).map(|window| window.0);
        let axis = axis.name().to_owned();
        Self { provider, account, model, axis, limit, capacity, remaining, least_remaining, window_ns }
    }

    pub(super) fn is_of(&self, provider: u16, account: u16, model: u16) -> bool {
        (self.provider, self.account, self.model) == (provider, account, model)
    }

    /// Returns it as the mock states it; `None` if its axis is unknown.
    pub(super) fn limit_level(&self) -> Option<LimitLevel> {
        let Self { limit, capacity, remaining, least_remaining, .. } = *self;
        let axis = Axis::from_name(&self.axis)?;
        let window = self.window_ns.map(Nanos).or(axis.window_length());
        Some(LimitLevel { axis, window, limit, capacity, remaining, least_remaining })
    }
}

/// Reads the addresses of the providers, in their order, from the announcement of a mock; `None` if the line is no
/// announcement.
pub(super) fn addresses(line: &str) -> Option<Vec<SocketAddr>> {
    #[derive(Deserialize)]
    struct Announcement {
        providers: Vec<Provider>,
    }
    #[derive(Deserialize)]
    struct Provider {
        address: SocketAddr,
    }
    let announcement: Announcement = serde_json::from_str(line).ok()?;
    Some(announcement.providers.into_iter().map(|provider| provider.address).collect())
}

fn to_line(value: &impl Serialize) -> String {
    to_json(value) + "\n"
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("invariant: every member is serialisable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_as_they_were_written() {
        let usage = Usage { prompt_tokens: 7, cached_tokens: 3, completion_tokens: 9 };
        let level = LimitLevel {
            axis: Axis::Tpm,
            window: Some(Nanos::MINUTE),
            limit: 10,
            capacity: 20,
            remaining: -5,
            least_remaining: Some(-7),
        };
        let decisions = [
            ProviderDecision::Admitted { reserved: 12 },
            ProviderDecision::Refused { axis: Axis::Rpd, requested: 1 },
            ProviderDecision::TooLong,
            ProviderDecision::Faulted,
        ];
        let decided = decisions.map(|decision| Report::Decided { attempt: 4, decision: decision.into() });
        let others = [
            Report::Settled { attempt: 5, usage: usage.into() },
            Report::Levels(vec![Level::of((0, 1, 2), level)]),
        ];
        for report in decided.into_iter().chain(others) {
            let line = report.to_line();
            assert_eq!(Report::from_line(&line), Some(report), "{line}");
            assert_eq!(line.matches('\n').count(), 1, "{line}");
        }
        for decision in decisions {
            assert_eq!(Decision::from(decision).recorded(), Some(decision));
            let header = Decision::from(decision).to_header();
            assert!(header.bytes().all(|byte| byte.is_ascii_graphic()), "{header}");
            let read = Decision::from_header(header.as_bytes());
            assert_eq!(read.and_then(|read| read.recorded()), Some(decision), "{header}");
        }
        assert_eq!(
            (Usage::from(Tokens::from(usage)), Level::of((0, 1, 2), level).limit_level()),
            (usage, Some(level))
        );
        assert_eq!(Report::from_line("{\"decided\":{}}"), None);
    }
}

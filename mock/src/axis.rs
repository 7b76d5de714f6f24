//! Axes: what a provider limits, and over which window.

use crate::time::Nanos;
use std::fmt;

/// A quantity that a provider limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Axis {
    /// Requests per minute.
    Rpm,
    /// Requests per day.
    Rpd,
    /// Tokens (prompt and completion) per minute.
    Tpm,
    /// Tokens (prompt and completion) per day.
    Tpd,
    /// Input tokens per minute.
    Itpm,
    /// Output tokens per minute.
    Otpm,
    /// Seconds of audio per hour.
    Ash,
    /// Seconds of audio per day.
    Asd,
    /// Requests in flight.
    Concurrency,
}

impl Axis {
    /// Every axis, in the order in which reports list them.
    pub const ALL: [Self; 9] = [
        Self::Rpm,
        Self::Rpd,
        Self::Tpm,
        Self::Tpd,
        Self::Itpm,
        Self::Otpm,
        Self::Ash,
        Self::Asd,
        Self::Concurrency,
    ];

    /// Returns the name in scenarios and results: `rpm`, `tpd`, …
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Rpd => "rpd",
            Self::Tpm => "tpm",
            Self::Tpd => "tpd",
            Self::Itpm => "itpm",
            Self::Otpm => "otpm",
            Self::Ash => "ash",
            Self::Asd => "asd",
            Self::Concurrency => "concurrency",
        }
    }

    /// Looks up an axis by its [`Axis::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|axis| axis.name() == name)
    }

    /// Returns the length of the window of the limit; `None` for concurrency.
    #[must_use]
    pub const fn window_length(self) -> Option<Nanos> {
        match self {
            Self::Rpm | Self::Tpm | Self::Itpm | Self::Otpm => Some(Nanos::MINUTE),
            Self::Ash => Some(Nanos::HOUR),
            Self::Rpd | Self::Tpd | Self::Asd => Some(Nanos::DAY),
            Self::Concurrency => None,
        }
    }

    /// Returns `true` for requests per window; `false` for concurrency.
    #[must_use]
    pub const fn counts_requests(self) -> bool {
        matches!(self, Self::Rpm | Self::Rpd)
    }

    /// Returns `true` for prompt tokens, completion tokens or their sum.
    #[must_use]
    pub const fn counts_tokens(self) -> bool {
        matches!(self, Self::Tpm | Self::Tpd | Self::Itpm | Self::Otpm)
    }

    /// Returns `true` if the window is a day.
    #[must_use]
    pub const fn is_daily(self) -> bool {
        matches!(self, Self::Rpd | Self::Tpd | Self::Asd)
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

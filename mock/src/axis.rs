//! Axes: what a provider limits, and over which window. An axis is the name of a limit: a model has at most one limit on each.

use crate::time::Nanos;
use std::fmt;

/// A limit as providers name it: what is counted, and over which window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Axis {
    /// Requests per second.
    Rps,
    /// Requests per minute.
    Rpm,
    /// Requests per hour.
    Rph,
    /// Requests per day.
    Rpd,
    /// Requests per week.
    Rpw,
    /// Requests per month.
    RpMonth,
    /// Requests per window of a length that the limit states.
    Requests,
    /// Tokens (prompt and completion) per second.
    Tps,
    /// Tokens (prompt and completion) per minute.
    Tpm,
    /// Tokens (prompt and completion) per hour.
    Tph,
    /// Tokens (prompt and completion) per day.
    Tpd,
    /// Tokens (prompt and completion) per week.
    Tpw,
    /// Tokens (prompt and completion) per month.
    TpMonth,
    /// Tokens (prompt and completion) per window of a length that the limit states.
    Tokens,
    /// Input tokens per minute.
    Itpm,
    /// Input tokens per minute that are not found in the prefix cache.
    Uitpm,
    /// Output tokens per minute.
    Otpm,
    /// Seconds of audio per hour.
    Ash,
    /// Seconds of audio per day.
    Asd,
    /// Requests in flight.
    Concurrency,
}

/// What an axis counts, whatever its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Quantity {
    /// Requests.
    Requests,
    /// Tokens of prompts and completions.
    Tokens,
    /// Tokens of prompts.
    InputTokens,
    /// Tokens of prompts that are not found in the prefix cache.
    UncachedTokens,
    /// Tokens of completions.
    OutputTokens,
    /// Seconds of audio.
    AudioSeconds,
    /// Requests in flight.
    InFlight,
}

impl Quantity {
    /// The number of quantities.
    pub const COUNT: usize = 7;

    /// Returns the axes that count it, in the order of [`Axis::ALL`].
    pub fn axes(self) -> impl Iterator<Item = Axis> {
        Axis::ALL.into_iter().filter(move |axis| axis.quantity() == self)
    }
}

/// A period of the calendar, which begins at midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
}

impl Axis {
    /// Every axis, in the order in which reports list them.
    pub const ALL: [Self; 20] = [
        Self::Rps,
        Self::Rpm,
        Self::Rph,
        Self::Rpd,
        Self::Rpw,
        Self::RpMonth,
        Self::Requests,
        Self::Tps,
        Self::Tpm,
        Self::Tph,
        Self::Tpd,
        Self::Tpw,
        Self::TpMonth,
        Self::Tokens,
        Self::Itpm,
        Self::Uitpm,
        Self::Otpm,
        Self::Ash,
        Self::Asd,
        Self::Concurrency,
    ];

    /// Returns the name in scenarios and results: `rpm`, `tpd`, …
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rps => "rps",
            Self::Rpm => "rpm",
            Self::Rph => "rph",
            Self::Rpd => "rpd",
            Self::Rpw => "rpw",
            Self::RpMonth => "rpmonth",
            Self::Requests => "requests",
            Self::Tps => "tps",
            Self::Tpm => "tpm",
            Self::Tph => "tph",
            Self::Tpd => "tpd",
            Self::Tpw => "tpw",
            Self::TpMonth => "tpmonth",
            Self::Tokens => "tokens",
            Self::Itpm => "itpm",
            Self::Uitpm => "uitpm",
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

    /// Returns what the axis counts.
    #[must_use]
    #[inline]
    pub const fn quantity(self) -> Quantity {
        match self {
            Self::Rps | Self::Rpm | Self::Rph | Self::Rpd | Self::Rpw | Self::RpMonth | Self::Requests => {
                Quantity::Requests
            }
            Self::Tps | Self::Tpm | Self::Tph | Self::Tpd | Self::Tpw | Self::TpMonth | Self::Tokens => {
                Quantity::Tokens
            }
            Self::Itpm => Quantity::InputTokens,
            Self::Uitpm => Quantity::UncachedTokens,
            Self::Otpm => Quantity::OutputTokens,
            Self::Ash | Self::Asd => Quantity::AudioSeconds,
            Self::Concurrency => Quantity::InFlight,
        }
    }

    /// Returns the length of the window that the name states; a month counts as 30 days. `None` for concurrency, and for
    /// the axes whose limits state a window of their own ([`crate::config::Limit::window`]).
    #[must_use]
    pub const fn window_length(self) -> Option<Nanos> {
        match self {
            Self::Rps | Self::Tps => Some(Nanos::SECOND),
            Self::Rpm | Self::Tpm | Self::Itpm | Self::Uitpm | Self::Otpm => Some(Nanos::MINUTE),
            Self::Rph | Self::Tph | Self::Ash => Some(Nanos::HOUR),
            Self::Rpd | Self::Tpd | Self::Asd => Some(Nanos::DAY),
            Self::Rpw | Self::Tpw => Some(Nanos::WEEK),
            Self::RpMonth | Self::TpMonth => Some(Nanos::MONTH),
            Self::Requests | Self::Tokens | Self::Concurrency => None,
        }
    }

    /// Returns `true` if every limit on the axis states a window of its own.
    #[must_use]
    pub const fn has_own_window(self) -> bool {
        matches!(self, Self::Requests | Self::Tokens)
    }

    /// Returns `true` for requests per window; `false` for concurrency.
    #[must_use]
    pub const fn counts_requests(self) -> bool {
        matches!(self.quantity(), Quantity::Requests)
    }

    /// Returns `true` for prompt tokens, completion tokens or their sum.
    #[must_use]
    pub const fn counts_tokens(self) -> bool {
        matches!(
            self.quantity(),
            Quantity::Tokens | Quantity::InputTokens | Quantity::UncachedTokens | Quantity::OutputTokens
        )
    }

    /// Returns `true` if the window is a day.
    #[must_use]
    pub const fn is_daily(self) -> bool {
        matches!(self.period(), Some(Period::Day))
    }

    /// Returns the period of the calendar that the window is under `law: calendar`; `None` for windows of an hour or less, and
    /// for those of the limit's own length.
    #[must_use]
    pub const fn period(self) -> Option<Period> {
        match self {
            Self::Rpd | Self::Tpd | Self::Asd => Some(Period::Day),
            Self::Rpw | Self::Tpw => Some(Period::Week),
            Self::RpMonth | Self::TpMonth => Some(Period::Month),
            _ => None,
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! What callers have used on a day of UTC, and whether a further attempt fits their budgets.
//!
//! An attempt *reserves* the most that it may cost before it is sent, and is *settled* once with what it has cost. Reservations
//! count as used, so no attempt is sent that could exceed a budget, however many are under way:
//!
//! ```text
//!   used + reserved by attempts under way + the next attempt ≤ budget
//! ```
//!
//! [`Ledger`] is what the gateway needs of it; [`LocalLedger`] is the ledger of a single gateway. The one that several gateways share
//! (`sharing::budgets`) answers later, so [`Ledger::reserve`] returns a future.

mod local;
mod store;

pub use local::{LocalLedger, TimeSource};
pub use store::StoreError;

use futures_util::future::BoxFuture;
use provider::Nanos;
use provider::calendar::UnixTime;
use std::fmt;
use std::sync::Arc;

/// Counts what callers use.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Reserves the most that an attempt may cost, on the current day. A refusal changes nothing.
    ///
    /// # Errors
    /// If it exceeds what is left of the caller's budget.
    fn reserve<'l>(&'l self, caller: &'l ChargedCaller, most: Cost) -> BoxFuture<'l, Result<Hold, Refusal>>;

    /// Replaces what was reserved by what was used, on the day of the reservation.
    fn settle(&self, hold: Hold, used: Cost);

    /// Returns what a caller has used and reserved on the current day, as far as this gateway knows.
    fn balance(&self, caller: &ChargedCaller) -> Balance;

    /// Returns whose use is counted.
    fn scope(&self) -> Scope;
}

/// Whose use a ledger counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// That of one gateway, which has all of the budget.
    Own,
    /// That of all gateways, through Redis.
    Shared,
    /// That of one gateway, which has a share of the budget while Redis is gone.
    Share,
}

impl Scope {
    /// Returns its name in the gateway's state.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Shared => "shared",
            Self::Share => "share",
        }
    }
}

/// What something costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Millionths of a millionth of a US dollar: a token at 0.04 USD per million costs 40,000 of them.
    pub pico_usd: u64,
    /// Tokens of prompts and completions.
    pub tokens: u64,
}

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self { pico_usd: 0, tokens: 0 };

    /// Returns the sum; at most the largest number on each side.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            pico_usd: self.pico_usd.saturating_add(other.pico_usd),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    /// Returns the difference; at least zero on each side.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            pico_usd: self.pico_usd.saturating_sub(other.pico_usd),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }

    /// Returns `true` if neither side is larger.
    #[must_use]
    pub const fn fits(self, left: Self) -> bool {
        self.pico_usd <= left.pico_usd && self.tokens <= left.tokens
    }

    /// Returns the dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a sum that is shown")]
    pub const fn usd(self) -> f64 {
        self.pico_usd as f64 / PICO_PER_USD
    }
}

/// The [`Cost::pico_usd`] of a dollar.
const PICO_PER_USD: f64 = 1e12;

/// Who is charged, and the most per day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargedCaller {
    /// The name of the caller.
    pub name: Arc<str>,
    /// The most that it may use on one day of UTC; `u64::MAX` on a side without a budget.
    pub budget: Cost,
}

/// A day of UTC, as the number of days since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcDay(pub u32);

impl UtcDay {
    /// Returns the day of a time.
    #[must_use]
    pub fn of(time: UnixTime) -> Self {
        let days = time.since(UnixTime::EPOCH).0 / Nanos::DAY.0;
        Self(u32::try_from(days).unwrap_or(u32::MAX))
    }

    /// Returns the beginning of the next day.
    #[must_use]
    pub fn end(self) -> UnixTime {
        UnixTime::EPOCH + Nanos((u64::from(self.0) + 1) * Nanos::DAY.0)
    }
}

/// What a caller has used and reserved on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The day.
    pub day: UtcDay,
    /// What settled attempts have cost.
    pub used: Cost,
    /// What attempts under way may cost.
    pub held: Cost,
    /// What only other gateways may use while Redis is gone.
    pub elsewhere: Cost,
    /// The time until the next day.
    pub day_ends_in: Nanos,
}

impl Balance {
    /// Returns what may still be reserved within a budget.
    #[must_use]
    pub const fn left(&self, budget: Cost) -> Cost {
        let left = budget.minus(self.used.plus(self.held).plus(self.elsewhere));
        // A side without a budget has no end.
        Cost {
            pico_usd: if budget.pico_usd == u64::MAX { u64::MAX } else { left.pico_usd },
            tokens: if budget.tokens == u64::MAX { u64::MAX } else { left.tokens },
        }
    }

    /// Returns what could be reserved within a budget if the attempts under way cost nothing.
    #[must_use]
    pub const fn left_if_returned(&self, budget: Cost) -> Cost {
        Self { held: Cost::ZERO, ..*self }.left(budget)
    }
}

/// What is reserved for an attempt under way.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation that is not settled stays reserved"]
pub struct Hold {
    /// The name of the caller.
    pub caller: Arc<str>,
    /// The day of the reservation.
    pub day: UtcDay,
    /// What is reserved.
    pub most: Cost,
    /// The reservation in Redis; `None` if this gateway has decided alone.
    pub lease: Option<Lease>,
}

/// A reservation in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// No other lease has it.
    pub id: String,
    /// Names the data of the server that gave it.
    pub epoch: String,
}

/// An attempt does not fit the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The caller's balance when it was refused.
    pub balance: Balance,
}

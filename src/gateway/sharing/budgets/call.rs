//! Calls of the script of the budgets: their arguments and their answers. `budget.lua` describes both.

use super::super::call::{ScriptCall, foreign_answer, invoke, key_part};
use crate::gateway::ledger::{Cost, UtcDay};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script};
use std::sync::LazyLock;

/// The script. Redis keeps it by its hash, so it is sent once.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("budget.lua")));

/// An amount on both sides: 10^-9 USD, and tokens. Negative if it is taken away; a negative budget is none.
pub(super) type Amounts = [i64; 2];

/// No amount is larger.
const MAX_AMOUNT: u64 = 1 << 50;

/// The [`Cost::pico_usd`] of an amount of one.
const PICO_PER_AMOUNT: u64 = 1_000;

/// Returns a cost as amounts, rounded up.
pub(super) fn amounts_of(cost: Cost) -> Amounts {
    let amount = |units: u64| units.min(MAX_AMOUNT).cast_signed();
    [amount(cost.pico_usd.div_ceil(PICO_PER_AMOUNT)), amount(cost.tokens)]
}

/// Returns a budget as amounts, rounded down.
pub(super) fn budget_of(budget: Cost) -> Amounts {
    let amount = |units: u64| units.min(MAX_AMOUNT).cast_signed();
    let [usd, tokens] = [budget.pico_usd / PICO_PER_AMOUNT, budget.tokens].map(amount);
    [if budget.pico_usd == u64::MAX { -1 } else { usd }, if budget.tokens == u64::MAX { -1 } else { tokens }]
}

/// Returns amounts as a cost; what is negative is zero.
pub(super) fn cost_of(amounts: Amounts) -> Cost {
    let [usd, tokens] = amounts.map(|amount| u64::try_from(amount).unwrap_or(0));
    Cost { pico_usd: usd.saturating_mul(PICO_PER_AMOUNT), tokens }
}

/// Returns the sums.
pub(super) fn sum(a: Amounts, b: Amounts) -> Amounts {
    [a[0].saturating_add(b[0]), a[1].saturating_add(b[1])]
}

/// Returns the differences.
pub(super) fn difference(a: Amounts, b: Amounts) -> Amounts {
    [a[0].saturating_sub(b[0]), a[1].saturating_sub(b[1])]
}

/// The names of the keys of one caller, which a cluster keeps on one node because of their common part in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys(Vec<String>);

impl Keys {
    /// Returns the keys of the caller with this name.
    pub(super) fn new(caller: &str) -> Self {
        let prefix = format!("quotalab-budget:{{{}}}", key_part(caller));
        let names = ["books", "leases", "open", "lapsed", "counted", "replicas"];
        Self(names.iter().map(|name| format!("{prefix}:{name}")).collect())
    }
}

/// What a replica knows from the last answer that it has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Empty before the first one.
    pub(super) epoch: String,
    pub(super) number: i64,
    pub(super) day: UtcDay,
    /// Used and reserved.
    pub(super) used: Amounts,
}

/// What every call states of its replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated<'a> {
    pub(super) taken: &'a Taken,
    pub(super) budget: Amounts,
    /// What an attempt may cost.
    pub(super) attempt: Amounts,
    /// What it uses on that day without having reported it.
    pub(super) unknown: Amounts,
}

/// A call of the script.
#[derive(Clone, Debug)]
pub(in crate::gateway::sharing) struct BudgetCall {
    keys: Vec<String>,
    arguments: Vec<String>,
}

impl BudgetCall {
    fn new(verb: &str, keys: &Keys, (replica, id): (&str, &str), state: Stated<'_>) -> Self {
        let Stated { taken, budget, attempt, unknown } = state;
        let mut arguments = [verb, "", replica, id, &taken.epoch].map(str::to_owned).to_vec();
        arguments.push(taken.number.to_string());
        arguments.extend(taken.used.map(|amount| amount.to_string()));
        arguments.push(taken.day.0.to_string());
        arguments.extend([budget, attempt].concat().iter().map(i64::to_string));
        // Those that only some verbs have.
        arguments.extend(["0", "0", "0", "", "0", "0", "0", "0"].map(str::to_owned));
        arguments.extend(unknown.map(|amount| amount.to_string()));
        Self { keys: keys.0.clone(), arguments }
    }

    fn with(mut self, first: usize, values: impl IntoIterator<Item = String>) -> Self {
        // The script counts from one.
        self.arguments[first - 1..].iter_mut().zip(values).for_each(|(argument, value)| *argument = value);
        self
    }

    /// Creates a call that reserves `most` as the lease `id`.
    pub(super) fn reserve(keys: &Keys, names: (&str, &str), state: Stated<'_>, most: Amounts) -> Self {
        Self::new("reserve", keys, names, state).with(14, most.map(|amount| amount.to_string()))
    }

    /// Creates a call that settles a lease.
    pub(super) fn settle(keys: &Keys, replica: &str, state: Stated<'_>, settlement: &Settlement) -> Self {
        let Settlement { id, epoch, day, held, used, is_repeated } = settlement;
        let call = Self::new("settle", keys, (replica, id), state);
        let call = call.with(14, used.map(|amount| amount.to_string()));
        let call = call.with(16, [day.0.to_string(), epoch.clone()]);
        let call = call.with(18, held.map(|amount| amount.to_string()));
        call.with(20, [u8::from(*is_repeated).to_string()])
    }

    /// Creates a heartbeat, which counts the replicas that were heard of within `recent_ms`.
    pub(super) fn beat(
        keys: &Keys,
        replica: &str,
        state: Stated<'_>,
        report: Option<&Report>,
        recent_ms: u64,
    ) -> Self {
        let id = report.map_or("", |report| &report.id);
        let mut call = Self::new("beat", keys, (replica, id), state).with(21, [recent_ms.to_string()]);
        if let Some(Report { day, used, is_repeated, .. }) = report {
            call = call.with(14, used.map(|amount| amount.to_string())).with(16, [day.0.to_string()]);
            call = call.with(20, [u8::from(*is_repeated).to_string()]);
        }
        call
    }

    /// Lets the call happen at a given time instead of the server's.
    #[cfg(test)]
    pub(super) fn at_ms(self, millis: u64) -> Self {
        self.with(2, [millis.to_string()])
    }
}

impl ScriptCall for BudgetCall {
    type Answer = BudgetAnswer;

    async fn make(&self, connection: &mut MultiplexedConnection) -> RedisResult<BudgetAnswer> {
        let (epoch, numbers): (String, Vec<i64>) =
            invoke(&SCRIPT, &self.keys, &self.arguments, connection).await?;
        BudgetAnswer::read(epoch, &numbers).ok_or_else(foreign_answer)
    }
}

/// What replaces a reservation by what was used. It is sent until Redis has answered, and counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway::sharing) struct Settlement {
    pub(super) id: String,
    /// The epoch of the answer that gave the lease.
    pub(super) epoch: String,
    pub(super) day: UtcDay,
    pub(super) held: Amounts,
    pub(super) used: Amounts,
    /// It was sent before: if the server has lost the lease since, it does not know whether it had settled it.
    pub(super) is_repeated: bool,
}

impl Settlement {
    /// Returns the same, to be sent again.
    pub(in crate::gateway::sharing) fn repeated(self) -> Self {
        Self { is_repeated: true, ..self }
    }
}

/// What a replica used without Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) id: String,
    pub(super) day: UtcDay,
    /// Negative if attempts that were reported before have cost less.
    pub(super) used: Amounts,
    /// It was sent before.
    pub(super) is_repeated: bool,
}

/// What the script decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was done.
    Done,
    /// It does not fit, or there is no such lease to settle. Nothing has changed.
    Refused,
    /// Too many leases are not settled.
    TooManyLeases,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway::sharing) struct BudgetAnswer {
    pub(super) epoch: String,
    pub(super) outcome: Outcome,
    /// The replicas that were heard of lately, and all that Redis keeps.
    pub(super) replicas: u32,
    pub(super) all_replicas: u32,
    pub(super) number: i64,
    pub(super) day: UtcDay,
    pub(super) day_ends_in_ms: u64,
    pub(super) used: Amounts,
    pub(super) held: Amounts,
    /// What the other replicas may use alone.
    pub(super) others: Amounts,
    /// What this replica may use alone.
    pub(super) share: Amounts,
}

impl BudgetAnswer {
    fn read(epoch: String, numbers: &[i64]) -> Option<Self> {
        let [outcome, replicas, all_replicas, number, day, day_ends_in_ms, amounts @ ..] = numbers else {
            return None;
        };
        let &[u0, u1, h0, h1, o0, o1, s0, s1] = amounts else { return None };
        Some(Self {
            epoch,
            outcome: match outcome {
                0 => Outcome::Refused,
                1 => Outcome::Done,
                2 => Outcome::TooManyLeases,
                _ => return None,
            },
            replicas: u32::try_from(*replicas).ok()?,
            all_replicas: u32::try_from(*all_replicas).ok()?,
            number: *number,
            day: UtcDay(u32::try_from(*day).ok()?),
            day_ends_in_ms: u64::try_from(*day_ends_in_ms).ok()?,
            used: [u0, u1],
            held: [h0, h1],
            others: [o0, o1],
            share: [s0, s1],
        })
    }
}

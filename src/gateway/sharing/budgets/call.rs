//! Calls of the script of the budgets: their arguments and their answers. `budget.lua` describes both.

use super::super::call::{ScriptCall, foreign_answer, hash_tag, invoke};
use crate::gateway::ledger::{Cost, UtcDay};
use provider::Nanos;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script};
use std::sync::LazyLock;

/// The script. Redis keeps it by its hash, so it is sent once.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("budget.lua")));

/// An amount on each of the two sides of a budget: in 10^-9 USD, and in tokens. Negative if it is given back; a negative budget is none.
pub(super) type Amounts = [i64; 2];

/// The largest amount that the script accepts.
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

/// The names of the keys of one caller. They have one hash tag, so a cluster keeps them on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys(Vec<String>);

impl Keys {
    /// Returns the keys of the caller with this name.
    pub(super) fn new(caller: &str) -> Self {
        let prefix = format!("quotalab-budget:{{{}}}", hash_tag(caller));
        let names = ["books", "leases", "open", "lapsed", "counted", "replicas"];
        Self(names.iter().map(|name| format!("{prefix}:{name}")).collect())
    }
}

/// What every call states of its replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated<'a> {
    /// The last answer that it has taken.
    pub(super) known: &'a BudgetAnswer,
    pub(super) budget: Amounts,
    /// What its last attempt could cost.
    pub(super) attempt: Amounts,
    /// What it has used alone on the day of `known` and Redis has not acknowledged, without what this call reports.
    pub(super) unacknowledged: Amounts,
}

/// The arguments of a call. What a verb does not have is zero or empty.
struct Arguments<'a> {
    verb: &'static str,
    replica: &'a str,
    /// The id of the lease, or of the report.
    id: &'a str,
    stated: Stated<'a>,
    /// What is reserved, was used, or is reported.
    amounts: Amounts,
    /// The day of the lease or of the report.
    day: UtcDay,
    /// The epoch of the lease, and what it holds.
    epoch: &'a str,
    held: Amounts,
    is_repeated: bool,
    /// How long ago the last call of a replica may have been if it is to be counted, in milliseconds.
    recent_ms: u64,
}

/// A call of the script.
#[derive(Clone, Debug)]
pub(in crate::gateway::sharing) struct BudgetCall {
    keys: Vec<String>,
    arguments: Vec<String>,
}

impl<'a> Arguments<'a> {
    fn new(verb: &'static str, (replica, id): (&'a str, &'a str), stated: Stated<'a>) -> Self {
        Self {
            verb,
            replica,
            id,
            stated,
            amounts: [0; 2],
            day: UtcDay(0),
            epoch: "",
            held: [0; 2],
            is_repeated: false,
            recent_ms: 0,
        }
    }

    /// Returns the call, with the arguments in the order of the script.
    fn call(self, keys: &Keys) -> BudgetCall {
        let Self { verb, replica, id, stated, amounts, day, epoch, held, is_repeated, recent_ms } = self;
        let Stated { known, budget, attempt, unacknowledged } = stated;
        let texts = |amounts: Amounts| amounts.map(|amount| amount.to_string());
        let mut arguments = Vec::with_capacity(23);
        // Without a time, that of the server is taken.
        arguments.extend([verb, "", replica, id, &known.epoch].map(str::to_owned));
        arguments.push(known.number.to_string());
        arguments.extend(texts(sum(known.used, known.held)));
        arguments.push(known.day.0.to_string());
        arguments.extend([budget, attempt, amounts].into_iter().flat_map(texts));
        arguments.extend([day.0.to_string(), epoch.to_owned()]);
        arguments.extend(texts(held));
        arguments.extend([u8::from(is_repeated).to_string(), recent_ms.to_string()]);
        arguments.extend(texts(unacknowledged));
        BudgetCall { keys: keys.0.clone(), arguments }
    }
}

impl BudgetCall {
    /// Creates a call that reserves `most` as the lease `id`.
    pub(super) fn reserve(keys: &Keys, names: (&str, &str), stated: Stated<'_>, most: Amounts) -> Self {
        Arguments { amounts: most, ..Arguments::new("reserve", names, stated) }.call(keys)
    }

    /// Creates a call that settles a lease.
    pub(super) fn settle(keys: &Keys, replica: &str, stated: Stated<'_>, settlement: &Settlement) -> Self {
        let &Settlement { ref id, ref epoch, day, held, used, is_repeated } = settlement;
        let arguments = Arguments::new("settle", (replica, id), stated);
        Arguments { amounts: used, day, epoch, held, is_repeated, ..arguments }.call(keys)
    }

    /// Creates a heartbeat, which counts the replicas that have made a call within `recent_ms`.
    pub(super) fn beat(
        keys: &Keys,
        replica: &str,
        stated: Stated<'_>,
        report: Option<&Report>,
        recent_ms: u64,
    ) -> Self {
        let arguments = Arguments { recent_ms, ..Arguments::new("beat", (replica, ""), stated) };
        match report {
            Some(&Report { ref id, day, used, is_repeated }) => {
                Arguments { id, amounts: used, day, is_repeated, ..arguments }.call(keys)
            }
            None => arguments.call(keys),
        }
    }

    /// Sets the time of the call, which is otherwise that of the server.
    #[cfg(test)]
    pub(super) fn at_ms(mut self, millis: u64) -> Self {
        self.arguments[1] = millis.to_string();
        self
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

/// Replaces a reservation by what was used. It is sent until Redis has answered, and counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway::sharing) struct Settlement {
    pub(super) id: String,
    /// The epoch of the answer that gave the lease.
    pub(super) epoch: String,
    pub(super) day: UtcDay,
    pub(super) held: Amounts,
    pub(super) used: Amounts,
    /// It was sent before, without an answer: a server that does not have the lease cannot know whether it was settled.
    pub(super) is_repeated: bool,
}

impl Settlement {
    /// Returns the settlement as one that was sent before.
    pub(in crate::gateway::sharing) fn repeated(self) -> Self {
        Self { is_repeated: true, ..self }
    }
}

/// What a replica used without Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) id: String,
    pub(super) day: UtcDay,
    /// Negative if attempts have cost less than what was reported of them before.
    pub(super) used: Amounts,
    /// It was sent before, without an answer.
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
    /// Empty before the first answer.
    pub(super) epoch: String,
    pub(super) outcome: Outcome,
    /// The replicas with a recent call.
    pub(super) replicas: u32,
    /// The replicas that have a share.
    pub(super) all_replicas: u32,
    /// The number of the answer in its epoch.
    pub(super) number: i64,
    /// The day at the server.
    pub(super) day: UtcDay,
    pub(super) day_ends_in: Nanos,
    pub(super) used: Amounts,
    pub(super) held: Amounts,
    /// What the other replicas may use alone.
    pub(super) others: Amounts,
    /// What this replica may use alone.
    pub(super) share: Amounts,
}

impl BudgetAnswer {
    /// Returns what is known before the first answer: the day, and a number of replicas.
    pub(super) const fn before_first(day: UtcDay, day_ends_in: Nanos, replicas: u32) -> Self {
        Self {
            epoch: String::new(),
            outcome: Outcome::Done,
            replicas,
            all_replicas: replicas,
            number: 0,
            day,
            day_ends_in,
            used: [0; 2],
            held: [0; 2],
            others: [0; 2],
            share: [0; 2],
        }
    }

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
            day_ends_in: Nanos(u64::try_from(*day_ends_in_ms).ok()?.saturating_mul(1_000_000)),
            used: [u0, u1],
            held: [h0, h1],
            others: [o0, o1],
            share: [s0, s1],
        })
    }
}

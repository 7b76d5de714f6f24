//! The laws of budgets that replicas share, on a real server.

use super::super::laws::Bench;
use super::call::{Amounts, BudgetAnswer, BudgetCall, Keys, Outcome, Report, Settlement, Stated};
use crate::gateway::ledger::{ChargedCaller, Cost, Hold, Ledger as _, LocalLedger, UtcDay};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use provider::Nanos;
use provider::calendar::UnixTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Five seconds before the end of a day.
pub(super) const LATE_MS: u64 = 20_800 * DAY_MS - 5_000;

pub(super) const DAY_MS: u64 = 86_400_000;

/// A replica without a share, so that the whole budget can be reserved.
struct Replica<'a> {
    bench: &'a Bench,
    keys: Keys,
    budget: Amounts,
}

impl<'a> Replica<'a> {
    fn new(bench: &'a Bench, budget: Amounts) -> Self {
        Self { bench, keys: Keys::new(&bench.name()), budget }
    }

    fn make(&self, at_ms: u64, call: BudgetCall) -> BudgetAnswer {
        self.bench.make(&call.at_ms(at_ms))
    }

    /// Returns what it states after this answer. Its attempts are so large that no share pays for two.
    fn stated<'t>(&self, known: &'t BudgetAnswer) -> Stated<'t> {
        Stated { known, budget: self.budget, attempt: [1 << 50; 2], unacknowledged: [0; 2] }
    }

    fn reserve(&self, at_ms: u64, id: &str, most: Amounts) -> BudgetAnswer {
        self.make(at_ms, BudgetCall::reserve(&self.keys, ("r", id), self.stated(&unknown()), most))
    }

    fn settle(&self, at_ms: u64, settlement: &Settlement) -> BudgetAnswer {
        self.make(at_ms, BudgetCall::settle(&self.keys, "r", self.stated(&unknown()), settlement))
    }

    fn beat(&self, at_ms: u64, known: &BudgetAnswer, report: Option<&Report>) -> BudgetAnswer {
        self.make(at_ms, BudgetCall::beat(&self.keys, "r", self.stated(known), report, 5_000))
    }
}

/// Returns what is known before the first answer.
fn unknown() -> BudgetAnswer {
    BudgetAnswer::before_first(UtcDay(0), Nanos::ZERO, 1)
}

fn settlement(id: &str, answer: &BudgetAnswer, held: Amounts, used: Amounts) -> Settlement {
    let (id, epoch) = (id.to_owned(), answer.epoch.clone());
    Settlement { id, epoch, day: answer.day, held, used, is_repeated: false }
}

pub(super) fn cost(nano_usd: u64, tokens: u64) -> Cost {
    Cost { pico_usd: nano_usd * 1_000, tokens }
}

fn amounts(nano_usd: u64, tokens: u64) -> Amounts {
    [nano_usd.cast_signed(), tokens.cast_signed()]
}

/// Law: the script admits, refuses and counts as the ledger of one gateway does, on every day, also with the largest budgets.
#[test]
fn the_script_decides_as_the_ledger_of_one_gateway() {
    let Some(bench) = Bench::start() else { return };
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let step = (0u8..8, 0u64..60, 0u64..60, 0u64..3, any::<prop::sample::Index>());
    let unit = prop_oneof![Just(1), Just(16_666_666_666_666)];
    runner
        .run(&(unit, prop::collection::vec(step, 1..80)), |(unit, steps)| {
            let replica = Replica::new(&bench, amounts(60 * unit, 150));
            let at_ms = Arc::new(AtomicU64::new(LATE_MS));
            let shown = Arc::clone(&at_ms);
            let ledger =
                LocalLedger::new(move || UnixTime::EPOCH + Nanos(shown.load(Ordering::Relaxed) * 1_000_000));
            let charged = ChargedCaller { name: "a".into(), budget: cost(60 * unit, 150) };
            let mut open: Vec<(Hold, Settlement)> = Vec::new();
            for (number, (kind, usd, tokens, more, index)) in steps.into_iter().enumerate() {
                let now = at_ms.load(Ordering::Relaxed);
                match kind {
                    0..=3 => {
                        let id = number.to_string();
                        let most = cost(usd * unit, tokens);
                        let expected = ledger.reserve(&charged, most).now_or_never().expect("at once");
                        let answer = replica.reserve(now, &id, amounts(usd * unit, tokens));
                        prop_assert_eq!(answer.outcome == Outcome::Done, expected.is_ok(), "{:?}", answer);
                        if let Ok(hold) = expected {
                            open.push((hold, settlement(&id, &answer, amounts(usd * unit, tokens), [0; 2])));
                        }
                    }
                    4..=6 if !open.is_empty() => {
                        let (hold, mut settlement) = open.swap_remove(index.index(open.len()));
                        // Rarely more than was reserved: the estimate of the prompt was too small.
                        let usd = (usd * unit).min(settlement.held[0].cast_unsigned()) + more / 2;
                        let used = (usd, tokens.min(settlement.held[1].cast_unsigned()) + more / 2);
                        settlement.used = amounts(used.0, used.1);
                        ledger.settle(hold, cost(used.0, used.1));
                        prop_assert_eq!(replica.settle(now, &settlement).outcome, Outcome::Done);
                        // Once more changes nothing, as the comparison below shows.
                        prop_assert_eq!(replica.settle(now, &settlement).outcome, Outcome::Refused);
                    }
                    _ => drop(at_ms.fetch_add(more * 2_000, Ordering::Relaxed)),
                }
                let now = at_ms.load(Ordering::Relaxed);
                let answer = replica.settle(now, &settlement("none", &unknown(), [0; 2], [9; 2]));
                let balance = ledger.balance(&charged);
                prop_assert_eq!(answer.day, balance.day);
                let [used, held] =
                    [balance.used, balance.held].map(|cost| amounts(cost.pico_usd / 1_000, cost.tokens));
                prop_assert_eq!((answer.used, answer.held), (used, held));
                prop_assert_eq!(answer.day_ends_in, Nanos((DAY_MS - now % DAY_MS) * 1_000_000));
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_refused_reservation_changes_nothing() {
    let Some(bench) = Bench::start() else { return };
    let replica = Replica::new(&bench, [100, -1]);
    assert_eq!(replica.reserve(LATE_MS, "a", [70, 1 << 50]).outcome, Outcome::Done);
    let before = bench.contents();
    for _ in 0..5 {
        let refused = replica.reserve(LATE_MS + 1, "b", [31, 1]);
        assert_eq!((refused.outcome, refused.used[0], refused.held[0]), (Outcome::Refused, 0, 70));
    }
    assert_eq!(bench.contents(), before);
    assert_eq!(replica.reserve(LATE_MS, "c", [30, 1]).outcome, Outcome::Done, "what is left is still there");
}

#[test]
fn a_lease_that_is_not_settled_counts_as_used_and_is_settled_late_once() {
    let Some(bench) = Bench::start() else { return };
    let replica = Replica::new(&bench, [1_000, 1_000]);
    let begun = LATE_MS - 7_200_000;
    let given = replica.reserve(begun, "a", [600, 60]);
    let late = settlement("a", &given, [600, 60], [100, 10]);
    let after = |ms: u64| replica.beat(begun + ms, &unknown(), None);
    assert_eq!((after(599_999).used, after(599_999).held), ([0, 0], [600, 60]));
    assert_eq!((after(600_000).used, after(600_000).held), ([600, 60], [0, 0]));
    let settled = replica.settle(begun + 1_800_000, &late);
    assert_eq!((settled.outcome, settled.used, settled.held), (Outcome::Done, [100, 10], [0, 0]));
    assert_eq!(replica.settle(begun + 1_800_000, &late).outcome, Outcome::Refused, "a repeated settlement");
    // After an hour it is forgotten, and stays used.
    let given = replica.reserve(begun, "b", [600, 60]);
    after(3_600_000);
    after(3_600_000);
    let forgotten = replica.settle(begun + 3_600_000, &settlement("b", &given, [600, 60], [0, 0]));
    assert_eq!((forgotten.outcome, forgotten.used), (Outcome::Refused, [700, 70]));
}

#[test]
fn leases_are_bounded() {
    let Some(bench) = Bench::start() else { return };
    let replica = Replica::new(&bench, [-1, 100_000]);
    replica.reserve(LATE_MS, "first", [0, 1]);
    let open = format!("quotalab-budget:{{{}}}:open", bench.last_name());
    bench.run(&format!("for i = 2, 65536 do redis.call('ZADD', '{open}', {LATE_MS}, i) end return {{}}"));
    assert_eq!(replica.reserve(LATE_MS, "b", [0, 1]).outcome, Outcome::TooManyLeases);
    bench.run(&format!("redis.call('ZREM', '{open}', 2) return {{}}"));
    assert_eq!(replica.reserve(LATE_MS, "b", [0, 1]).outcome, Outcome::Done);
}

#[test]
fn a_server_without_its_data_learns_what_was_used_and_reserved_and_each_attempt_is_charged_once() {
    let Some(bench) = Bench::start() else { return };
    let replica = Replica::new(&bench, [1_000, 1_000]);
    let given = replica.reserve(LATE_MS, "a", [600, 60]);
    let known = |day, used| BudgetAnswer { day, used, held: [0; 2], ..given.clone() };
    bench.run("redis.call('FLUSHALL') return {}");
    let first = replica.beat(LATE_MS + 50, &known(given.day, [650, 61]), None);
    assert_ne!(first.epoch, given.epoch);
    assert_eq!((first.used, first.held), ([650, 61], [0, 0]));
    // The largest of what is known holds; of another day nothing does.
    assert_eq!(replica.beat(LATE_MS + 60, &known(given.day, [640, 70]), None).used, [650, 70]);
    assert_eq!(replica.beat(LATE_MS + 60, &known(UtcDay(given.day.0 - 1), [999, 999]), None).used, [650, 70]);
    let settlement = settlement("a", &given, [600, 60], [100, 10]);
    for _ in 0..2 {
        assert_eq!(replica.settle(LATE_MS + 70, &settlement).used, [150, 20], "it is charged once");
    }
    // Whether a settlement that was sent before was counted in the lost data is not known.
    let repeated = Settlement { id: "b".to_owned(), ..settlement }.repeated();
    assert_eq!(replica.settle(LATE_MS + 70, &repeated).used, [150, 20]);
}

/// A server that continues with older data, as after a crash with a snapshot.
#[test]
fn a_server_with_older_data_does_not_forget_what_gateways_know() {
    let Some(bench) = Bench::start() else { return };
    let replica = Replica::new(&bench, [1_000, 1_000]);
    let given = replica.reserve(LATE_MS, "a", [100, 10]);
    let known = BudgetAnswer { number: 9, used: [700, 70], held: [0; 2], ..given.clone() };
    let answer = replica.beat(LATE_MS, &known, None);
    assert_ne!(answer.epoch, given.epoch);
    assert_eq!((answer.used, answer.held), ([700, 70], [0, 0]));
    let settled = replica.settle(LATE_MS, &settlement("a", &given, [100, 10], [40, 4]));
    assert_eq!(settled.used, [640, 64]);
}

#[test]
fn a_report_counts_once() {
    let Some(bench) = Bench::start() else { return };
    let replica = Replica::new(&bench, [1_000, 1_000]);
    let day = UtcDay(u32::try_from(LATE_MS / DAY_MS).expect("a day"));
    let report = |used, is_repeated| Report { id: "r".to_owned(), day, used, is_repeated };
    assert_eq!(replica.beat(LATE_MS, &unknown(), Some(&report([300, 30], false))).used, [300, 30]);
    assert_eq!(replica.beat(LATE_MS, &unknown(), Some(&report([300, 30], true))).used, [300, 30]);
    bench.run("redis.call('FLUSHALL') return {}");
    let uncertain = replica.beat(LATE_MS, &unknown(), Some(&report([-300, 30], true)));
    assert_eq!(uncertain.used, [0, 30], "what it takes away may have been taken away");
}

//! The laws of budgets that replicas share, on a real server: what three of them may use together, whatever is lost.

use super::super::heartbeat::Heartbeats as _;
use super::super::laws::Bench;
use super::call::{BudgetAnswer, BudgetCall};
use super::laws::{DAY_MS, LATE_MS, cost};
use super::shared_budget::SharedBudget;
use crate::gateway::ledger::{Cost, Hold, UtcDay};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use provider::{Instant, Nanos};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Three replicas, and what becomes of their attempts.
struct Fleet<'a> {
    bench: &'a Bench,
    budgets: Vec<SharedBudget>,
    /// By replica: since when it decides alone, in milliseconds since 1970.
    down: Vec<Option<u64>>,
    open: Vec<(usize, Hold)>,
    used: BTreeMap<UtcDay, Cost>,
    at_ms: u64,
    next_id: AtomicU64,
    /// An answer was lost, or the server has lost its data: then more may be charged than was used.
    is_lossy: bool,
}

/// A budget of which each of three replicas has a share.
const LARGE: u64 = 3_000;

/// A budget that is soon used up.
const SMALL: u64 = 600;

/// What happens to a replica.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// `is_lost`: the answer of the server does not arrive, and the replica loses its connection.
    Reserve {
        most: u64,
        is_lost: bool,
    },
    Settle {
        used: u64,
        is_lost: bool,
    },
    /// Time passes. Then every replica with a connection sends a heartbeat.
    Pass {
        millis: u64,
    },
    /// A request overtakes a heartbeat.
    LateBeat {
        most: u64,
    },
    /// The server loses its data, and every replica its connection.
    LoseData,
    /// All replicas connect again.
    Return,
}

fn step() -> impl Strategy<Value = (usize, Step, prop::sample::Index)> {
    let is_lost = || prop::bool::weighted(0.03);
    let step = prop_oneof![
        12 => (1..120_u64, is_lost()).prop_map(|(most, is_lost)| Step::Reserve { most, is_lost }),
        10 => (0..120_u64, is_lost()).prop_map(|(used, is_lost)| Step::Settle { used, is_lost }),
        6 => (0..400_u64).prop_map(|millis| Step::Pass { millis }),
        3 => (1..120_u64).prop_map(|most| Step::LateBeat { most }),
        1 => Just(Step::LoseData),
        2 => Just(Step::Return),
    ];
    (0..3_usize, step, any::<prop::sample::Index>())
}

impl<'a> Fleet<'a> {
    fn new(bench: &'a Bench, at_ms: u64, budget: u64) -> Self {
        let name: Arc<str> = bench.name().into();
        let today = UtcDay(u32::try_from(at_ms / DAY_MS).expect("a day"));
        let begun = (instant(at_ms), today, Nanos((DAY_MS - at_ms % DAY_MS) * 1_000_000));
        let shared = |_| SharedBudget::new(&name, Cost { pico_usd: u64::MAX, tokens: budget }, 1, begun);
        let fleet = Self {
            bench,
            budgets: (0..3).map(shared).collect(),
            down: vec![None; 3],
            open: Vec::new(),
            used: BTreeMap::new(),
            at_ms,
            next_id: AtomicU64::new(0),
            is_lossy: false,
        };
        (0..2).for_each(|_| fleet.beat_all());
        fleet
    }

    fn now(&self) -> Instant {
        instant(self.at_ms)
    }

    fn new_id(&self) -> String {
        self.next_id.fetch_add(1, Ordering::Relaxed).to_string()
    }

    fn make(&self, call: BudgetCall) -> BudgetAnswer {
        self.bench.make(&call.at_ms(self.at_ms))
    }

    fn beat_all(&self) {
        for (number, shared) in
            self.budgets.iter().enumerate().filter(|(number, _)| self.down[*number].is_none())
        {
            let times = (Instant::ZERO, self.now());
            let answer = self.make(shared.heartbeat(times, &number.to_string(), &|| self.new_id()));
            shared.take_heartbeat(self.now(), &answer);
            self.send_again(number);
        }
    }

    fn send_again(&self, number: usize) {
        let shared = &self.budgets[number];
        for settlement in shared.take_kept_settlements() {
            let answer = self.make(shared.settlement(&number.to_string(), &settlement));
            shared.take_answer(self.now(), &answer);
        }
    }

    fn lose(&mut self, number: usize) {
        self.is_lossy = true;
        if self.down[number].is_none() {
            self.down[number] = Some(self.at_ms);
            self.budgets[number].end_outage();
        }
    }

    fn perform(&mut self, number: usize, step: Step, index: prop::sample::Index) {
        match step {
            Step::Reserve { most, is_lost } => {
                let hold = self.reserve(number, cost(0, most), is_lost);
                self.open.extend(hold.map(|hold| (number, hold)));
            }
            Step::Settle { used, is_lost } if !self.open.is_empty() => {
                let (number, hold) = self.open.swap_remove(index.index(self.open.len()));
                self.settle(number, hold, used, is_lost);
            }
            Step::Settle { .. } => {}
            Step::Pass { millis } => {
                self.at_ms += millis;
                self.beat_all();
            }
            Step::LateBeat { most } if self.down[number].is_none() => {
                let times = (Instant::ZERO, self.now());
                let beat = self.budgets[number].heartbeat(times, &number.to_string(), &|| self.new_id());
                self.perform(number, Step::Reserve { most, is_lost: false }, index);
                self.perform((number + 1) % 3, Step::Reserve { most, is_lost: false }, index);
                let answer = self.make(beat);
                self.budgets[number].take_heartbeat(self.now(), &answer);
            }
            Step::LateBeat { .. } => {}
            Step::LoseData => {
                (0..3).for_each(|number| self.lose(number));
                self.bench.run("redis.call('FLUSHALL') return {}");
                self.at_ms += 1;
            }
            Step::Return => self.return_all(),
        }
        // After five seconds without a call the server gives the share of a replica to others.
        let is_one_up = self.down.iter().any(Option::is_none);
        if is_one_up && self.down.iter().flatten().any(|since| self.at_ms - since > 4_000) {
            self.return_all();
        }
    }

    fn reserve(&mut self, number: usize, most: Cost, is_lost: bool) -> Option<Hold> {
        let id = self.new_id();
        if self.down[number].is_none() {
            let (call, given_back) = self.budgets[number].ask(most, (&number.to_string(), &id));
            let answer = self.make(call);
            if !is_lost {
                return self.budgets[number].take_reservation(self.now(), (most, &id), &answer).ok();
            }
            self.lose(number);
            assert!(self.budgets[number].put_back(given_back));
        }
        self.budgets[number].decide_alone(self.now(), most, || self.down[number]).ok()
    }

    fn settle(&mut self, number: usize, hold: Hold, used: u64, is_lost: bool) {
        let (day, used) = (hold.day, cost(0, used.min(hold.most.tokens)));
        let sum = self.used.entry(day).or_default();
        *sum = sum.plus(used);
        let is_up = self.down[number].is_none();
        let outage = || self.down[number];
        let Some(settlement) = self.budgets[number].settle(self.now(), hold, used, outage) else { return };
        if !is_up {
            assert!(self.budgets[number].put_back(settlement));
            return;
        }
        let answer = self.make(self.budgets[number].settlement(&number.to_string(), &settlement));
        if is_lost {
            self.lose(number);
            assert!(self.budgets[number].put_back(settlement.repeated()));
        } else {
            self.budgets[number].take_answer(self.now(), &answer);
        }
    }

    /// Reconnects all replicas, as [`super::super::link::Link`] does: each decides alone until all have reported.
    fn return_all(&mut self) {
        let begun = self.now();
        while self.down.iter().any(Option::is_some) {
            self.at_ms += 100;
            self.beat_all();
            for number in 0..3 {
                if self.down[number].is_some() {
                    let shared = &self.budgets[number];
                    let call = shared.heartbeat((begun, self.now()), &number.to_string(), &|| self.new_id());
                    let answer = self.make(call);
                    let is_back = shared.take_return(self.now(), &answer);
                    // A request may come between the last report and the connection.
                    let late = shared.decide_alone(self.now(), cost(0, 70), || self.down[number]);
                    self.open.extend(late.ok().map(|hold| (number, hold)));
                    if is_back {
                        self.budgets[number].end_outage();
                        self.down[number] = None;
                        self.send_again(number);
                    }
                }
            }
        }
    }

    /// Returns the most that can have been used on a day, in tokens: what was used, and what attempts under way may use.
    fn most(&self, day: UtcDay) -> u64 {
        let open = self.open.iter().filter(|(_, hold)| hold.day == day).map(|(_, hold)| hold.most.tokens);
        self.used.get(&day).map_or(0, |used| used.tokens) + open.sum::<u64>()
    }
}

fn instant(at_ms: u64) -> Instant {
    Instant::ZERO + Nanos((at_ms + DAY_MS - LATE_MS) * 1_000_000)
}

/// Law: replicas together never exceed a budget: while answers are lost, the server is gone, replicas go on with their shares, the
/// server has lost its data, and a day ends. Once all is settled the server has charged all that was used, and no more unless
/// something was lost.
#[test]
fn replicas_never_exceed_a_budget_whatever_is_lost() {
    let Some(bench) = Bench::start() else { return };
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner
        .run(
            &(prop::sample::select(vec![LARGE, SMALL]), prop::collection::vec(step(), 1..150)),
            |(budget, steps)| {
                let mut fleet = Fleet::new(&bench, LATE_MS, budget);
                let days = [0, 1].map(|day| UtcDay(u32::try_from(LATE_MS / DAY_MS).expect("a day") + day));
                for (number, step, index) in steps {
                    fleet.perform(number, step, index);
                    for day in days {
                        let most = fleet.most(day);
                        prop_assert!(most <= budget, "{} of {} after {:?}", most, budget, step);
                    }
                }
                fleet.return_all();
                while let Some((number, hold)) = fleet.open.pop() {
                    let used = hold.most.tokens;
                    fleet.settle(number, hold, used, false);
                }
                (0..3).for_each(|_| fleet.beat_all());
                let balance = fleet.budgets[0].balance(fleet.now(), None);
                let used = fleet.most(balance.day);
                let charged = balance.used.tokens;
                prop_assert!(charged >= used && balance.held == Cost::ZERO, "{balance:?} of {used}");
                prop_assert!(fleet.is_lossy || charged == used, "{balance:?} of {used}");
                Ok(())
            },
        )
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Without Redis, each replica uses its share, and what its own attempts give back.
#[test]
fn a_replica_goes_on_with_its_share_and_with_what_its_attempts_give_back() {
    let Some(bench) = Bench::start() else { return };
    let mut fleet = Fleet::new(&bench, LATE_MS - 3_600_000, LARGE);
    let hold = fleet.reserve(0, cost(0, 100), false).expect("all is left");
    (0..2).for_each(|_| fleet.beat_all());
    (0..3).for_each(|number| fleet.lose(number));
    let spend = |fleet: &mut Fleet<'_>| {
        let spent =
            |number| (0..LARGE).filter(|_| fleet.reserve(number, cost(0, 1), false).is_some()).count();
        [0, 1, 2].map(spent)
    };
    // Nine tenths of 2,900 tokens, by three.
    assert_eq!(spend(&mut fleet), [870, 870, 870]);
    let balance = fleet.budgets[0].balance(fleet.now(), fleet.down[0]);
    assert_eq!((balance.held.tokens, balance.elsewhere.tokens), (970, LARGE - 970));
    fleet.settle(0, hold, 30, false);
    assert_eq!(spend(&mut fleet), [70, 0, 0]);
    fleet.return_all();
    (0..2).for_each(|_| fleet.beat_all());
    // What this replica has open it knows as reserved.
    let balance = fleet.budgets[1].balance(fleet.now(), None);
    let charged = (balance.used.tokens, balance.held.tokens);
    let late = |own| {
        let late = fleet.open.iter().filter(|(number, _)| (*number == 1) == own);
        late.map(|(_, hold)| hold.most.tokens).sum::<u64>()
    };
    let expected = (2 * 870 + 70 + 30 + late(false), 870 + late(true));
    assert_eq!(charged, expected, "each has reported what it used, once");
}

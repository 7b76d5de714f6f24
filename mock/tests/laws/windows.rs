//! One window under each refill policy, compared with a reference that keeps the whole history and evaluates the definition of
//! the policy at every query. The comparison checks laws 5 (no window admits too much), 6 (no refusal if there was room) and 7
//! (the earliest admission is exact to the nanosecond).

use super::REFILL_POLICIES;
use proptest::prelude::*;
use provider::config::{Growth, Limit, RefillPolicy};
use provider::window::Window;
use provider::{Instant, Nanos};

const MINUTE: u64 = Nanos::MINUTE.0;

/// One step of a test sequence.
#[derive(Clone, Debug)]
enum Step {
    /// After a gap in nanoseconds a client requests an amount.
    Request(u64, u64),
    /// After a gap one of the charges, by its index modulo their number, is settled to an amount.
    Settle(u64, usize, u64),
}

/// Gaps from zero to longer than a window, with the instants around its boundaries.
fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0),
        4 => 0..MINUTE / 10,
        2 => 0..2 * MINUTE,
        1 => Just(MINUTE),
        1 => Just(MINUTE - 1),
        2 => (1_u64..40).prop_map(|parts| MINUTE / parts),
    ]
}

fn request() -> impl Strategy<Value = Step> {
    (gap(), 0_u64..25).prop_map(|(gap, amount)| Step::Request(gap, amount))
}

fn settle() -> impl Strategy<Value = Step> {
    (gap(), any::<prop::sample::Index>(), 0_u64..40)
        .prop_map(|(gap, which, actual)| Step::Settle(gap, which.index(1 << 20), actual))
}

fn limits() -> impl Strategy<Value = Limit> {
    let growth = (0_u32..4_000, 1_000_u32..9_000)
        .prop_map(|(factor_permille, max_permille)| Growth { factor_permille, max_permille });
    let refill = prop_oneof![5 => prop::sample::select(&REFILL_POLICIES), 2 => growth.prop_map(RefillPolicy::Adaptive)];
    (refill, 1_u64..40, 1_u64..40)
        .prop_map(|(refill, limit, burst)| Limit::rpm(limit).with_refill(refill).with_burst(burst))
}

/// The reference: the whole history of a window, evaluated anew at every query.
struct History {
    limit: Limit,
    /// Every charge with its instant and its amount after settlement.
    charges: Vec<(Instant, u64)>,
    /// Every change of the sum of charges: its instant, its amount, and the instant of the charge it changes.
    changes: Vec<(Instant, i128, Instant)>,
}

impl History {
    fn charge(&mut self, now: Instant, amount: u64) {
        self.charges.push((now, amount));
        self.changes.push((now, i128::from(amount), now));
    }

    fn settle(&mut self, now: Instant, which: usize, actual: u64) {
        let (at, amount) = &mut self.charges[which];
        let before = std::mem::replace(amount, actual);
        self.changes.push((now, i128::from(actual) - i128::from(before), *at));
    }

    /// Returns the remaining units × window at `now`.
    ///
    /// A bucket admits an amount if, over every interval that ends now, the charges do not exceed the burst plus the
    /// refill of that interval. The other policies add up the charges that count.
    fn remaining(&self, now: Instant) -> i128 {
        let (limit, window) = (i128::from(self.limit.amount), i128::from(MINUTE));
        let weighed = |weight: &dyn Fn(Instant) -> u64| -> i128 {
            let weigh = |(at, amount): &(Instant, u64)| i128::from(*amount) * i128::from(weight(*at));
            limit * window - self.charges.iter().map(weigh).sum::<i128>()
        };
        let counted = |counts: &dyn Fn(Instant) -> bool| weighed(&|at| MINUTE * u64::from(counts(at)));
        match self.limit.refill {
            RefillPolicy::Bucket => {
                let burst = i128::from(self.limit.burst) * window;
                let mut charged = 0;
                let intervals = self.changes.iter().rev().map(|(at, change, _)| {
                    charged += change * window;
                    burst + i128::from(now.since(*at).0) * limit - charged
                });
                intervals.fold(burst, i128::min)
            }
            RefillPolicy::Adaptive(growth) => {
                let minute = now.0 / MINUTE;
                (self.limit_in(growth, minute) - self.used(minute)) * window
            }
            RefillPolicy::Fixed | RefillPolicy::Calendar(_) => counted(&|at| at.0 / MINUTE == now.0 / MINUTE),
            RefillPolicy::FirstRequest => {
                let opened = self.opened_at(now);
                counted(&|at| opened.is_some_and(|opened| at >= opened && at <= now))
            }
            RefillPolicy::SlidingLog => counted(&|at| now.since(at) < Nanos::MINUTE),
            RefillPolicy::SlidingCounter => weighed(&|at| match now.0 / MINUTE - at.0 / MINUTE {
                0 => MINUTE,
                1 => MINUTE - now.0 % MINUTE,
                _ => 0,
            }),
        }
    }

    /// Returns the charge that opened the window of one minute that contains `now`; `None` if none is open.
    fn opened_at(&self, now: Instant) -> Option<Instant> {
        let mut opened: Option<Instant> = None;
        for (at, _) in &self.charges {
            if opened.is_none_or(|opened| at.since(opened) >= Nanos::MINUTE) {
                opened = Some(*at);
            }
        }
        opened.filter(|opened| now.since(*opened) < Nanos::MINUTE)
    }

    /// Returns the usage of an aligned minute, with the settlements before its end.
    fn used(&self, minute: u64) -> i128 {
        let in_minute = |(at, _, charged_at): &&(Instant, i128, Instant)| {
            [at, charged_at].iter().all(|at| at.0 / MINUTE == minute)
        };
        self.changes.iter().filter(in_minute).map(|(_, change, _)| change).sum()
    }

    /// Returns the limit of a minute from the usage of all minutes before it.
    fn limit_in(&self, growth: Growth, minute: u64) -> i128 {
        let min = i128::from(self.limit.amount);
        let max = min * i128::from(growth.max_permille) / 1000;
        (0..minute).fold(min, |limit, minute| {
            let grown = self.used(minute) * i128::from(growth.factor_permille) / 1000;
            grown.max(limit / 2).min(max).max(min)
        })
    }

    /// Returns the remaining units at `now` if nothing is used.
    fn capacity(&self, now: Instant) -> i128 {
        match self.limit.refill {
            RefillPolicy::Bucket => self.limit.burst.into(),
            RefillPolicy::Adaptive(growth) => self.limit_in(growth, now.0 / MINUTE),
            _ => self.limit.amount.into(),
        }
    }

    fn admits(&self, now: Instant, amount: u64) -> bool {
        self.remaining(now) >= i128::from(amount) * i128::from(MINUTE)
    }
}

/// Checks that the amount is admitted at the earliest admission and refused one nanosecond before.
fn check_earliest_admission(
    window: &Window,
    history: &History,
    now: Instant,
    amount: u64,
) -> Result<(), TestCaseError> {
    let Some(admission) = window.earliest_admission(now, amount) else {
        for minutes in 0..20 {
            let later = now + Nanos::MINUTE * minutes;
            prop_assert!(
                !history.admits(later, amount),
                "an amount without an earliest admission never fits"
            );
            let mut idle = window.clone();
            idle.advance_to(later);
            prop_assert!(!idle.admits(later, amount));
        }
        return Ok(());
    };
    prop_assert!(admission > now);
    let admits = |at| {
        let mut later = window.clone();
        later.advance_to(at);
        (later.admits(at, amount), history.admits(at, amount))
    };
    prop_assert_eq!(admits(Instant(admission.0 - 1)), (false, false));
    prop_assert_eq!(admits(Instant(now.0.midpoint(admission.0 - 1))), (false, false));
    prop_assert_eq!(admits(admission), (true, true));
    Ok(())
}

fn check_against_history(limit: Limit, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut window = Window::new(&limit);
    let mut history = History { limit, charges: vec![], changes: vec![] };
    let mut reserved = vec![];
    let mut now = Instant::ZERO;
    for step in steps {
        let (Step::Request(gap, _) | Step::Settle(gap, ..)) = step;
        now += Nanos(*gap);
        window.advance_to(now);
        match *step {
            Step::Request(_, amount) => {
                prop_assert_eq!(
                    window.admits(now, amount),
                    history.admits(now, amount),
                    "{} at {}",
                    amount,
                    now
                );
                if window.admits(now, amount) {
                    window.charge(now, amount);
                    history.charge(now, amount);
                    reserved.push(Some(amount));
                } else {
                    check_earliest_admission(&window, &history, now, amount)?;
                }
            }
            Step::Settle(_, which, actual) if !reserved.is_empty() => {
                let which = which % reserved.len();
                if let Some(amount) = reserved[which].take() {
                    window.settle(now, history.charges[which].0, amount, actual);
                    history.settle(now, which, actual);
                }
            }
            Step::Settle(..) => {}
        }
        prop_assert_eq!(i128::from(window.remaining(now)), history.remaining(now) / i128::from(MINUTE));
    }
    if let Some(refilled) = window.earliest_unused(now) {
        let unused = |at| history.remaining(at) == history.capacity(at) * i128::from(MINUTE);
        prop_assert!(refilled == now || !unused(Instant(refilled.0 - 1)));
        prop_assert!(unused(refilled));
    }
    Ok(())
}

proptest! {
    /// Laws 5, 6 and 7 without settlements.
    #[test]
    fn a_window_admits_exactly_what_its_policy_allows(
        limit in limits(),
        steps in prop::collection::vec(request(), 1..80),
    ) {
        check_against_history(limit, &steps)?;
    }

    /// Laws 5, 6 and 7 with settlements to larger and smaller amounts at any later time.
    #[test]
    fn a_settlement_counts_as_its_policy_defines(
        limit in limits(),
        steps in prop::collection::vec(prop_oneof![3 => request(), 1 => settle()], 1..80),
    ) {
        check_against_history(limit, &steps)?;
    }

    /// Law 9: after settlement, a window is in the state it would be in if the actual amount had been charged at once.
    #[test]
    fn a_settled_window_equals_one_that_was_charged_the_actual_amount(
        limit in limits(),
        before in 0_u64..20,
        (reserved, actual) in (0_u64..20, 0_u64..40),
        (gap, after) in (gap(), gap()),
    ) {
        // An unused window admits either amount; together with `before` it may be overdrawn.
        let raised = Limit { amount: limit.amount + 40, burst: limit.burst + 40, ..limit };
        let mut window = Window::new(&raised);
        let (charged_at, settled_at) = (Instant(MINUTE / 7), Instant(MINUTE / 7 + gap));
        let end = Instant(MINUTE / 7 + gap + after);
        window.charge(Instant::ZERO, before);
        window.advance_to(charged_at);
        let mut plain = window.clone();
        window.charge(charged_at, reserved);
        plain.charge(charged_at, actual);
        window.advance_to(settled_at);
        // A bucket that was full again in between has lost part of its refill.
        prop_assume!(window.earliest_unused(settled_at) != Some(settled_at) || limit.refill != RefillPolicy::Bucket);
        // An adaptive limit has grown with the reservation.
        prop_assume!(MINUTE / 7 + gap < MINUTE || !matches!(limit.refill, RefillPolicy::Adaptive(_)));
        window.settle(settled_at, charged_at, reserved, actual);
        for window in [&mut window, &mut plain] {
            window.advance_to(end);
        }
        prop_assert_eq!(window.remaining(end), plain.remaining(end));
        prop_assert_eq!(window.earliest_unused(end), plain.earliest_unused(end));
    }

    /// Law 5 from the definition of each policy and the list of admitted amounts alone.
    #[test]
    fn no_interval_contains_more_than_the_policy_allows(
        limit in limits(),
        steps in prop::collection::vec(request(), 1..80),
    ) {
        let mut window = Window::new(&limit);
        let mut now = Instant::ZERO;
        let mut admitted: Vec<(Instant, u64)> = vec![];
        for step in steps {
            let Step::Request(gap, amount) = step else { continue };
            now += Nanos(gap);
            window.advance_to(now);
            if window.admits(now, amount) {
                window.charge(now, amount);
                admitted.push((now, amount));
            }
        }
        for (first, (from, _)) in admitted.iter().enumerate() {
            let mut sum = 0;
            for (until, amount) in &admitted[first..] {
                sum += amount;
                let length = until.since(*from).0;
                let allowed = match limit.refill {
                    RefillPolicy::Bucket => limit.burst * MINUTE + length * limit.amount,
                    RefillPolicy::Adaptive(growth) => {
                        let minutes = until.0 / MINUTE - from.0 / MINUTE + 1;
                        limit.amount * u64::from(growth.max_permille) / 1000 * minutes * MINUTE
                    }
                    RefillPolicy::Fixed | RefillPolicy::Calendar(_) => limit.amount * MINUTE * (until.0 / MINUTE - from.0 / MINUTE + 1),
                    // One window may be open at the beginning; each of the others begins after the one before.
                    RefillPolicy::FirstRequest => limit.amount * MINUTE * (length / MINUTE + 2),
                    RefillPolicy::SlidingLog => limit.amount * MINUTE * (length / MINUTE + 1),
                    // One limit for each complete minute, and the elapsed fraction of it for the last one.
                    RefillPolicy::SlidingCounter => match until.0 / MINUTE - from.0 / MINUTE {
                        0 => limit.amount * MINUTE,
                        minutes => limit.amount * (minutes * MINUTE + until.0 % MINUTE),
                    },
                };
                prop_assert!(sum * MINUTE <= allowed, "{sum} from {from} until {until}");
            }
        }
    }
}

#[test]
fn the_reference_refuses_the_31st_call_of_a_minute() {
    for refill in REFILL_POLICIES.into_iter().chain([RefillPolicy::Adaptive(Growth::default())]) {
        let limit = Limit::rpm(30).with_refill(refill);
        let mut history = History { limit, charges: vec![], changes: vec![] };
        for _ in 0..30 {
            assert!(history.admits(Instant::ZERO, 1));
            history.charge(Instant::ZERO, 1);
        }
        assert!(!history.admits(Instant::ZERO, 1));
    }
}

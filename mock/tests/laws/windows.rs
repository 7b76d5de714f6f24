//! One window under each law, against a model that knows nothing of levels: it keeps the whole history and
//! judges every question from the definition of the law. Together: never too much (law 5), never too little
//! (law 6), and the next yes exact to the nanosecond (law 7).

use super::LAWS;
use proptest::prelude::*;
use provider::config::{Growth, Law, Limit};
use provider::window::Window;
use provider::{Axis, Instant, Nanos};

const MINUTE: u64 = Nanos::MINUTE.0;

/// What happens to a window, one step after another.
#[derive(Clone, Debug)]
enum Step {
    /// After a gap in nanoseconds a client asks for an amount.
    Ask(u64, u64),
    /// After a gap one of the charges, by its place modulo their number, turns out to be this much.
    Settle(u64, usize, u64),
}

/// Gaps from nothing to longer than a window, with the instants around its boundaries.
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

fn ask() -> impl Strategy<Value = Step> {
    (gap(), 0_u64..25).prop_map(|(gap, amount)| Step::Ask(gap, amount))
}

fn settle() -> impl Strategy<Value = Step> {
    (gap(), any::<prop::sample::Index>(), 0_u64..40)
        .prop_map(|(gap, which, actual)| Step::Settle(gap, which.index(1 << 20), actual))
}

fn limits() -> impl Strategy<Value = Limit> {
    let growth = (0_u32..4_000, 1_000_u32..9_000).prop_map(|(factor, most)| Growth { factor, most });
    let law = prop_oneof![5 => prop::sample::select(&LAWS), 2 => growth.prop_map(Law::Adaptive)];
    (law, 1_u64..40, 1_u64..40).prop_map(|(law, limit, burst)| Limit {
        law,
        burst,
        ..Limit::new(Axis::Rpm, limit)
    })
}

/// A window as its definition has it: the whole history, judged anew at every question.
struct History {
    limit: Limit,
    /// Every charge as it counts by now: when, and how much.
    charges: Vec<(Instant, u64)>,
    /// Every change of the sum of charges: when, by how much, and when what it changes was charged.
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

    /// Units × window that are left at `now`.
    ///
    /// A bucket admits what no stretch of the past forbids: over any stretch that ends now, at most the burst
    /// and what refilled in it is charged. The other laws add up the charges that count.
    fn left(&self, now: Instant) -> i128 {
        let (limit, window) = (i128::from(self.limit.limit), i128::from(MINUTE));
        let weighed = |weight: &dyn Fn(Instant) -> u64| -> i128 {
            let weigh = |(at, amount): &(Instant, u64)| i128::from(*amount) * i128::from(weight(*at));
            limit * window - self.charges.iter().map(weigh).sum::<i128>()
        };
        let counted = |counts: &dyn Fn(Instant) -> bool| weighed(&|at| MINUTE * u64::from(counts(at)));
        match self.limit.law {
            Law::Bucket => {
                let burst = i128::from(self.limit.burst) * window;
                let mut charged = 0;
                let stretches = self.changes.iter().rev().map(|(at, change, _)| {
                    charged += change * window;
                    burst + i128::from(now.since(*at).0) * limit - charged
                });
                stretches.fold(burst, i128::min)
            }
            Law::Adaptive(growth) => {
                let minute = now.0 / MINUTE;
                (self.adapted(growth, minute) - self.used(minute)) * window
            }
            Law::Fixed | Law::Calendar(_) => counted(&|at| at.0 / MINUTE == now.0 / MINUTE),
            Law::SlidingLog => counted(&|at| now.since(at) < Nanos::MINUTE),
            Law::SlidingCounter => weighed(&|at| match now.0 / MINUTE - at.0 / MINUTE {
                0 => MINUTE,
                1 => MINUTE - now.0 % MINUTE,
                _ => 0,
            }),
        }
    }

    /// What a minute of the clock has counted, with what was settled before its end.
    fn used(&self, minute: u64) -> i128 {
        let here = |(at, _, charged_at): &&(Instant, i128, Instant)| {
            [at, charged_at].iter().all(|at| at.0 / MINUTE == minute)
        };
        self.changes.iter().filter(here).map(|(_, change, _)| change).sum()
    }

    /// The limit of a minute, from the use of all before it.
    fn adapted(&self, growth: Growth, minute: u64) -> i128 {
        let floor = i128::from(self.limit.limit);
        let most = floor * i128::from(growth.most) / 1000;
        (0..minute).fold(floor, |limit, minute| {
            let grown = self.used(minute) * i128::from(growth.factor) / 1000;
            grown.max(limit / 2).min(most).max(floor)
        })
    }

    /// What is left at `now` where nothing is used.
    fn full(&self, now: Instant) -> i128 {
        match self.limit.law {
            Law::Bucket => self.limit.burst.into(),
            Law::Adaptive(growth) => self.adapted(growth, now.0 / MINUTE),
            _ => self.limit.limit.into(),
        }
    }

    fn admits(&self, now: Instant, amount: u64) -> bool {
        self.left(now) >= i128::from(amount) * i128::from(MINUTE)
    }
}

/// The first yes is a yes, and the nanosecond before it is a no.
fn check_next_yes(
    window: &Window,
    history: &History,
    now: Instant,
    amount: u64,
) -> Result<(), TestCaseError> {
    let Some(yes) = window.earliest_admission(now, amount) else {
        for minutes in 0..20 {
            let later = now + Nanos::MINUTE * minutes;
            prop_assert!(!history.admits(later, amount), "only what never fits has no next yes");
            let mut rested = window.clone();
            rested.roll(later);
            prop_assert!(!rested.admits(later, amount));
        }
        return Ok(());
    };
    prop_assert!(yes > now);
    let answer = |at| {
        let mut later = window.clone();
        later.roll(at);
        (later.admits(at, amount), history.admits(at, amount))
    };
    prop_assert_eq!(answer(Instant(yes.0 - 1)), (false, false));
    prop_assert_eq!(answer(Instant(now.0.midpoint(yes.0 - 1))), (false, false));
    prop_assert_eq!(answer(yes), (true, true));
    Ok(())
}

fn check(limit: Limit, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut window = Window::new(&limit);
    let mut history = History { limit, charges: vec![], changes: vec![] };
    let mut reserved = vec![];
    let mut now = Instant::ZERO;
    for step in steps {
        let (Step::Ask(gap, _) | Step::Settle(gap, ..)) = step;
        now += Nanos(*gap);
        window.roll(now);
        match *step {
            Step::Ask(_, amount) => {
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
                    check_next_yes(&window, &history, now, amount)?;
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
        prop_assert_eq!(i128::from(window.remaining(now)), history.left(now) / i128::from(MINUTE));
    }
    if let Some(full) = window.full_at(now) {
        let unused = |at| history.left(at) == history.full(at) * i128::from(MINUTE);
        prop_assert!(full == now || !unused(Instant(full.0 - 1)));
        prop_assert!(unused(full));
    }
    Ok(())
}

proptest! {
    /// Laws 5, 6 and 7 without settlements: amounts are charged as asked.
    #[test]
    fn a_window_admits_exactly_what_its_law_allows(
        limit in limits(),
        steps in prop::collection::vec(ask(), 1..80),
    ) {
        check(limit, &steps)?;
    }

    /// The same where charges turn out larger or smaller than reserved, at any time after.
    #[test]
    fn a_settlement_counts_as_its_law_has_it(
        limit in limits(),
        steps in prop::collection::vec(prop_oneof![3 => ask(), 1 => settle()], 1..80),
    ) {
        check(limit, &steps)?;
    }

    /// Law 9: once settled, a window stands where it would, had the actual amount been charged at once.
    #[test]
    fn a_settled_window_stands_as_if_nothing_had_been_reserved(
        limit in limits(),
        before in 0_u64..20,
        (reserved, actual) in (0_u64..20, 0_u64..40),
        (gap, after) in (gap(), gap()),
    ) {
        let roomy = Limit { limit: limit.limit + 40, burst: limit.burst + 40, ..limit };
        let mut window = Window::new(&roomy);
        let (charged_at, settled_at) = (Instant(MINUTE / 7), Instant(MINUTE / 7 + gap));
        let end = Instant(MINUTE / 7 + gap + after);
        window.charge(Instant::ZERO, before);
        window.roll(charged_at);
        let mut plain = window.clone();
        window.charge(charged_at, reserved);
        plain.charge(charged_at, actual);
        window.roll(settled_at);
        // A bucket that was full again meanwhile has forgotten: what it could not hold is lost.
        prop_assume!(window.full_at(settled_at) != Some(settled_at) || limit.law != Law::Bucket);
        // An adaptive limit has grown by what was reserved.
        prop_assume!(MINUTE / 7 + gap < MINUTE || !matches!(limit.law, Law::Adaptive(_)));
        window.settle(settled_at, charged_at, reserved, actual);
        for window in [&mut window, &mut plain] {
            window.roll(end);
        }
        prop_assert_eq!(window.remaining(end), plain.remaining(end));
        prop_assert_eq!(window.full_at(end), plain.full_at(end));
    }

    /// Law 5 by the plain words of each law, from nothing but the list of what was admitted.
    #[test]
    fn no_stretch_of_time_holds_more_than_the_law_allows(
        limit in limits(),
        steps in prop::collection::vec(ask(), 1..80),
    ) {
        let mut window = Window::new(&limit);
        let mut now = Instant::ZERO;
        let mut admitted: Vec<(Instant, u64)> = vec![];
        for step in steps {
            let Step::Ask(gap, amount) = step else { continue };
            now += Nanos(gap);
            window.roll(now);
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
                let allowed = match limit.law {
                    Law::Bucket => limit.burst * MINUTE + length * limit.limit,
                    Law::Adaptive(growth) => {
                        let minutes = until.0 / MINUTE - from.0 / MINUTE + 1;
                        limit.limit * u64::from(growth.most) / 1000 * minutes * MINUTE
                    }
                    Law::Fixed | Law::Calendar(_) => limit.limit * MINUTE * (until.0 / MINUTE - from.0 / MINUTE + 1),
                    Law::SlidingLog => limit.limit * MINUTE * (length / MINUTE + 1),
                    // A limit for each minute of the clock that is over, and of the last as much as has passed.
                    Law::SlidingCounter => match until.0 / MINUTE - from.0 / MINUTE {
                        0 => limit.limit * MINUTE,
                        minutes => limit.limit * (minutes * MINUTE + until.0 % MINUTE),
                    },
                };
                prop_assert!(sum * MINUTE <= allowed, "{sum} from {from} until {until}");
            }
        }
    }
}

#[test]
fn the_model_itself_refuses_the_thirty_first_call_of_a_minute() {
    for law in LAWS.into_iter().chain([Law::Adaptive(Growth::default())]) {
        let limit = Limit { law, ..Limit::new(Axis::Rpm, 30) };
        let mut history = History { limit, charges: vec![], changes: vec![] };
        for _ in 0..30 {
            assert!(history.admits(Instant::ZERO, 1));
            history.charge(Instant::ZERO, 1);
        }
        assert!(!history.admits(Instant::ZERO, 1));
    }
}

//! Laws 5 and 6 from outside: no window ever admits more than its law allows, and none refuses where there
//! was room. A fold that keeps books of its own, from the rulings and settlements alone; the laws are
//! written again from their definitions, not from the provider's code.
//!
//! Input and output tokens apart are not told by the events: those two axes are left to the provider's tests.

use provider::config::{Law, Limit, Reserve, Settle};
use provider::{Axis, Instant, Nanos, Zone};
use quotalab::event::{Event, EventKind, RecordedDecision};
use quotalab::ids::{AttemptId, TargetId};
use quotalab::record::Fold;
use quotalab::scenario::{Scenario, Target};
use std::collections::{BTreeMap, VecDeque};

/// The books of every limit of every target.
pub(super) struct Ledgers {
    /// By target; of those that share a meter, the books of the first are kept.
    targets: Vec<(Reserve, Vec<(Axis, Book)>)>,
    /// The target whose books a target is kept in.
    kept_in: Vec<usize>,
    /// Admitted and not yet settled: where, when, and for how many tokens.
    open: BTreeMap<AttemptId, (TargetId, Instant, u64)>,
    pub(super) broken: Vec<String>,
}

impl Ledgers {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let of_target = |target: &quotalab::scenario::Target| {
            let provider = &scenario.providers[usize::from(target.provider)];
            let model = &provider.models[usize::from(target.model)];
            let told = |axis| !matches!(axis, Axis::Itpm | Axis::Otpm | Axis::Ash | Axis::Asd);
            let limits = model.limits.iter().filter(|limit| told(limit.axis));
            (model.reserve, limits.map(|limit| (limit.axis, Book::new(limit))).collect())
        };
        Self {
            targets: scenario.targets.iter().map(of_target).collect(),
            kept_in: scenario.targets.iter().map(|target| first_of_family(scenario, target)).collect(),
            open: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    fn admitted(&mut self, event: &Event, attempt: AttemptId, target: TargetId, reserved: u64) {
        for (axis, book) in &mut self.targets[self.kept_in[target.index()]].1 {
            book.roll(event.at);
            if !book.holds(amount(*axis, reserved)) {
                self.broken
                    .push(format!("law 5: {axis} admits more than it has room for: {event:?}, {book:?}"));
            }
            book.charge(event.at, amount(*axis, reserved));
        }
        self.open.insert(attempt, (target, event.at, reserved));
    }

    fn refused(&mut self, event: &Event, target: TargetId, axis: Axis, requested: u64) {
        let (reserve, books) = &mut self.targets[self.kept_in[target.index()]];
        // Where refused calls count, the refusal tells of the limits with this one counted.
        for (axis, book) in books.iter_mut().filter(|_| reserve.charge_refused) {
            if matches!(axis, Axis::Rpm | Axis::Rpd) {
                book.roll(event.at);
                book.charge(event.at, 1);
            }
        }
        if let Some((_, book)) = books.iter_mut().find(|(known, _)| *known == axis) {
            book.roll(event.at);
            if book.holds(requested) {
                self.broken.push(format!("law 6: {axis} refuses where there is room: {event:?}, {book:?}"));
            }
        }
    }
}

impl Fold for Ledgers {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Decided { attempt, target, ruled: RecordedDecision::Admitted { reserved } } => {
                self.admitted(event, attempt, target, reserved);
            }
            EventKind::Decided { target, ruled: RecordedDecision::Refused { axis, requested }, .. } => {
                self.refused(event, target, axis, requested);
            }
            EventKind::Settled { attempt, usage, .. } => {
                let (target, at, reserved) = self.open.remove(&attempt).expect("the audit has checked law 9");
                let (policy, books) = &mut self.targets[self.kept_in[target.index()]];
                for (axis, book) in books {
                    let (reserved, used) =
                        (amount(*axis, reserved), amount(*axis, policy.cached.counted(usage).total()));
                    book.roll(event.at);
                    match policy.settle {
                        Settle::Refund => book.settle(at, reserved, used),
                        Settle::Nothing => book.settle(at, reserved, reserved),
                        Settle::After => {
                            book.settle(at, reserved, reserved);
                            book.charge_more(event.at, used.saturating_sub(reserved));
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// The first target of the plan that is the same account's and of the same family, or the target itself.
fn first_of_family(scenario: &Scenario, target: &Target) -> usize {
    let family = |target: &Target| {
        scenario.providers[usize::from(target.provider)].models[usize::from(target.model)].family.as_ref()
    };
    let same = |other: &Target| {
        let place = |target: &Target| (target.provider, target.account);
        other.name == target.name
            || place(other) == place(target) && family(target).is_some() && family(other) == family(target)
    };
    scenario.targets.iter().position(same).expect("at least the target itself")
}

fn amount(axis: Axis, tokens: u64) -> u64 {
    if axis.counts_tokens() { tokens } else { 1 }
}

/// What one limit has admitted, under its law.
#[derive(Debug)]
enum Book {
    /// Credit in units × window, so that what a nanosecond earns is a whole number.
    Bucket { credit: i128, most: i128, limit: i128, window: i128, at: Instant },
    /// What the window of the clock with this number has admitted.
    Fixed { used: i128, limit: i128, clock: Clock, number: u64 },
    /// What the window of the clock with this number has admitted, of a limit between two bounds.
    Adaptive { used: i128, limit: i128, bounds: [i128; 2], factor: i128, window: u64, number: u64 },
    /// What was admitted when, for one window back.
    Log { admitted: VecDeque<(Instant, i128)>, limit: i128, window: u64 },
    /// What the window of the clock with this number has admitted, and the one before it.
    Counter { used: [i128; 2], limit: i128, window: u64, at: u64 },
    /// How many are in flight.
    Places { taken: u64, limit: u64 },
}

/// How windows are numbered.
#[derive(Clone, Copy, Debug)]
enum Clock {
    /// From the start of the run, each this long.
    Every(u64),
    /// By the dates of California, until the clocks go forward again in March: the second lasts 25 hours.
    California,
}

impl Clock {
    fn number(self, at: Instant) -> u64 {
        match (self, at.0 / Nanos::HOUR.0) {
            (Self::Every(window), _) => at.0 / window,
            (Self::California, 0..7) => 0,
            (Self::California, 7..32) => 1,
            (Self::California, hours) => 2 + (hours - 32) / 24,
        }
    }
}

impl Book {
    fn new(limit: &Limit) -> Self {
        let most = i128::from(limit.limit);
        let Some(window) = limit.axis.window() else { return Self::Places { taken: 0, limit: limit.limit } };
        match limit.law {
            Law::Bucket => {
                let full = i128::from(limit.burst) * i128::from(window.0);
                Self::Bucket {
                    credit: full,
                    most: full,
                    limit: most,
                    window: i128::from(window.0),
                    at: Instant::ZERO,
                }
            }
            Law::Calendar(Zone::Pacific) if limit.axis.is_daily() => {
                Self::Fixed { used: 0, limit: most, clock: Clock::California, number: 0 }
            }
            Law::Fixed | Law::Calendar(_) => {
                Self::Fixed { used: 0, limit: most, clock: Clock::Every(window.0), number: 0 }
            }
            Law::Adaptive(growth) => Self::Adaptive {
                used: 0,
                limit: most,
                bounds: [most, most * i128::from(growth.max_permille) / 1000],
                factor: growth.factor_permille.into(),
                window: window.0,
                number: 0,
            },
            Law::SlidingLog => Self::Log { admitted: VecDeque::new(), limit: most, window: window.0 },
            Law::SlidingCounter => Self::Counter { used: [0; 2], limit: most, window: window.0, at: 0 },
        }
    }

    fn roll(&mut self, now: Instant) {
        match self {
            Self::Bucket { credit, most, limit, at, .. } => {
                *credit = (*credit + i128::from(now.0 - at.0) * *limit).min(*most);
                *at = now;
            }
            Self::Fixed { used, clock, number, .. } => {
                if clock.number(now) != *number {
                    (*used, *number) = (0, clock.number(now));
                }
            }
            Self::Adaptive { used, limit, bounds: [floor, most], factor, window, number } => {
                for _ in *number..now.0 / *window {
                    *limit = (*used * *factor / 1000).max(*limit / 2).clamp(*floor, *most);
                    *used = 0;
                }
                *number = now.0 / *window;
            }
            Self::Log { admitted, window, .. } => admitted.retain(|(at, _)| now.0 - at.0 < *window),
            Self::Counter { used, window, at, .. } => {
                for _ in 0..(now.0 / *window - *at / *window).min(2) {
                    *used = [0, used[0]];
                }
                *at = now.0;
            }
            Self::Places { .. } => {}
        }
    }

    fn holds(&self, amount: u64) -> bool {
        let amount = i128::from(amount);
        match self {
            Self::Bucket { credit, window, .. } => *credit >= amount * *window,
            Self::Fixed { used, limit, .. } | Self::Adaptive { used, limit, .. } => *used + amount <= *limit,
            Self::Log { admitted, limit, .. } => {
                admitted.iter().map(|(_, amount)| amount).sum::<i128>() + amount <= *limit
            }
            Self::Counter { used: [present, former], limit, window, at } => {
                let (whole, to_come) = (i128::from(*window), i128::from(*window - *at % *window));
                (present + amount) * whole + former * to_come <= limit * whole
            }
            Self::Places { taken, limit } => taken < limit,
        }
    }

    fn charge(&mut self, now: Instant, amount: u64) {
        let amount = i128::from(amount);
        match self {
            Self::Bucket { credit, window, .. } => *credit -= amount * *window,
            Self::Fixed { used, .. } | Self::Adaptive { used, .. } => *used += amount,
            Self::Log { admitted, .. } => admitted.push_back((now, amount)),
            Self::Counter { used, .. } => used[0] += amount,
            Self::Places { taken, .. } => *taken += 1,
        }
    }

    /// What was used beyond a reservation; nothing, of a place.
    fn charge_more(&mut self, now: Instant, amount: u64) {
        if amount > 0 {
            self.charge(now, amount);
        }
    }

    /// What was reserved `then` turns out to be what was used.
    fn settle(&mut self, then: Instant, reserved: u64, used: u64) {
        let (reserved, really) = (i128::from(reserved), i128::from(used));
        match self {
            Self::Bucket { credit, most, window, .. } => {
                *credit = (*credit + (reserved - really) * *window).min(*most);
            }
            Self::Fixed { used, clock, number, .. } => {
                if clock.number(then) == *number {
                    *used += really - reserved;
                }
            }
            Self::Adaptive { used, window, number, .. } => {
                if then.0 / *window == *number {
                    *used += really - reserved;
                }
            }
            Self::Log { admitted, .. } => {
                if let Some((_, amount)) = admitted.iter_mut().find(|(at, _)| *at == then) {
                    *amount += really - reserved;
                }
            }
            Self::Counter { used, window, at, .. } => {
                let age = usize::try_from(*at / *window - then.0 / *window).expect("a few windows");
                if let Some(used) = used.get_mut(age) {
                    *used += really - reserved;
                }
            }
            Self::Places { taken, .. } => *taken -= 1,
        }
    }
}

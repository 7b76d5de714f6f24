//! Laws 5 and 6 from outside: no window admits more than its refill policy allows, and none refuses a request that
//! fits. The fold keeps a reference implementation of each limit, which it updates from decisions and settlements alone; the refill
//! policies are written from their definitions, independently of the provider's code.
//!
//! Events record neither input and output tokens separately nor seconds of audio: those axes are left to the provider's tests.

use provider::config::{Limit, RefillPolicy, Reserve, Settlement};
use provider::{Axis, Instant, Nanos, Zone};
use quotalab::event::{Event, EventKind, ProviderDecision};
use quotalab::ids::{AttemptId, TargetId};
use quotalab::record::Fold;
use quotalab::scenario::{Scenario, Target};
use std::collections::{BTreeMap, VecDeque};

/// A reference implementation of every limit of every target.
pub(super) struct ReferenceLimits {
    /// By target: what it reserves, and the reference of each limit. Targets that share a meter use the references of the first of them.
    targets: Vec<(Reserve, Vec<(Axis, ReferenceLimit)>)>,
    /// By target, the index of the one whose references it uses.
    references_of: Vec<usize>,
    /// Attempts that are admitted and not settled: the target, the instant and the tokens reserved.
    open: BTreeMap<AttemptId, (TargetId, Instant, u64)>,
    pub(super) violations: Vec<String>,
}

impl ReferenceLimits {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let of_target = |target: &Target| {
            let provider = &scenario.providers[usize::from(target.provider)];
            let model = &provider.models[usize::from(target.model)];
            let is_recorded =
                |axis| !matches!(axis, Axis::Itpm | Axis::Uitpm | Axis::Otpm | Axis::Ash | Axis::Asd);
            let limits = model.limits.iter().filter(|limit| is_recorded(limit.axis));
            (model.reserve, limits.map(|limit| (limit.axis, ReferenceLimit::new(limit))).collect())
        };
        Self {
            targets: scenario.targets.iter().map(of_target).collect(),
            references_of: scenario.targets.iter().map(|target| first_of_family(scenario, target)).collect(),
            open: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    fn admitted(&mut self, event: &Event, attempt: AttemptId, target: TargetId, reserved: u64) {
        for (axis, reference) in &mut self.targets[self.references_of[target.index()]].1 {
            reference.advance_to(event.at);
            if !reference.fits(amount(*axis, reserved)) {
                self.violations
                    .push(format!("law 5: {axis} admits more than fits: {event:?}, {reference:?}"));
            }
            reference.charge(event.at, amount(*axis, reserved));
        }
        self.open.insert(attempt, (target, event.at, reserved));
    }

    fn refused(&mut self, event: &Event, target: TargetId, axis: Axis, requested: u64) {
        let (reserve, references) = &mut self.targets[self.references_of[target.index()]];
        // If refused requests count, the refusal states the limits with this one counted.
        for (axis, reference) in references.iter_mut().filter(|_| reserve.charge_refused) {
            if axis.counts_requests() {
                reference.advance_to(event.at);
                reference.charge(event.at, 1);
            }
        }
        if let Some((_, reference)) = references.iter_mut().find(|(known, _)| *known == axis) {
            reference.advance_to(event.at);
            if reference.fits(requested) {
                self.violations
                    .push(format!("law 6: {axis} refuses a request that fits: {event:?}, {reference:?}"));
            }
        }
    }
}

impl Fold for ReferenceLimits {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Decided { attempt, target, decision: ProviderDecision::Admitted { reserved } } => {
                self.admitted(event, attempt, target, reserved);
            }
            EventKind::Decided {
                target, decision: ProviderDecision::Refused { axis, requested }, ..
            } => {
                self.refused(event, target, axis, requested);
            }
            EventKind::Settled { attempt, usage, .. } => {
                let (target, at, reserved) = self.open.remove(&attempt).expect("law 9: settled once");
                let (reserve, references) = &mut self.targets[self.references_of[target.index()]];
                for (axis, reference) in references {
                    let (reserved, used) =
                        (amount(*axis, reserved), amount(*axis, reserve.counting().counted(usage).total()));
                    reference.advance_to(event.at);
                    match reserve.settlement {
                        Settlement::ToUsage => reference.settle(at, reserved, used),
                        Settlement::KeepReservation => reference.settle(at, reserved, reserved),
                        Settlement::ChargeExcess => {
                            reference.settle(at, reserved, reserved);
                            reference.charge_more(event.at, used.saturating_sub(reserved));
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// Returns the index of the first target with the same account and model family, or that of the target itself.
fn first_of_family(scenario: &Scenario, target: &Target) -> usize {
    let family = |target: &Target| {
        scenario.providers[usize::from(target.provider)].models[usize::from(target.model)].family.as_ref()
    };
    let same = |other: &Target| {
        let account = |target: &Target| (target.provider, target.account);
        other.name == target.name
            || account(other) == account(target)
                && family(target).is_some()
                && family(other) == family(target)
    };
    scenario.targets.iter().position(same).expect("the target itself is one")
}

/// Returns the units of an axis that a call of this many tokens counts.
fn amount(axis: Axis, tokens: u64) -> u64 {
    if axis.counts_tokens() { tokens } else { 1 }
}

/// What one limit has admitted, by the definition of its refill policy.
#[derive(Debug)]
enum ReferenceLimit {
    /// Credit in units × window, so that a nanosecond adds a whole number.
    Bucket { credit: i128, capacity: i128, limit: i128, window: i128, at: Instant },
    /// What the fixed window with this number has admitted.
    Fixed { used: i128, limit: i128, windows: WindowNumbering, number: u64 },
    /// What the window that the first call opened has admitted.
    FirstRequest { used: i128, limit: i128, window: u64, opened: Option<Instant> },
    /// What the fixed window with this number has admitted; the limit adapts between two bounds.
    Adaptive { used: i128, limit: i128, bounds: [i128; 2], factor_permille: i128, window: u64, number: u64 },
    /// Amounts with the instants of their admission, one window back.
    Log { admitted: VecDeque<(Instant, i128)>, limit: i128, window: u64 },
    /// What the current fixed window has admitted, and the one before it.
    Counter { used: [i128; 2], limit: i128, window: u64, at: u64 },
    /// Requests in flight.
    InFlight { count: u64, limit: u64 },
}

/// The numbering of fixed windows.
#[derive(Clone, Copy, Debug)]
enum WindowNumbering {
    /// From the start of the run, each of this many nanoseconds.
    Every(u64),
    /// By California dates, up to the change to summer time in March; the second day has 25 hours.
    California,
}

impl WindowNumbering {
    fn number(self, at: Instant) -> u64 {
        match (self, at.0 / Nanos::HOUR.0) {
            (Self::Every(window), _) => at.0 / window,
            (Self::California, 0..7) => 0,
            (Self::California, 7..32) => 1,
            (Self::California, hours) => 2 + (hours - 32) / 24,
        }
    }
}

impl ReferenceLimit {
    fn new(limit: &Limit) -> Self {
        let amount = i128::from(limit.amount);
        let Some(window) = limit.window else {
            return Self::InFlight { count: 0, limit: limit.amount };
        };
        match limit.refill {
            RefillPolicy::Bucket => {
                let full = i128::from(limit.burst) * i128::from(window.0);
                Self::Bucket {
                    credit: full,
                    capacity: full,
                    limit: amount,
                    window: i128::from(window.0),
                    at: Instant::ZERO,
                }
            }
            RefillPolicy::Calendar(Zone::Pacific) if limit.axis.is_daily() => {
                Self::Fixed { used: 0, limit: amount, windows: WindowNumbering::California, number: 0 }
            }
            RefillPolicy::Fixed | RefillPolicy::Calendar(_) => {
                Self::Fixed { used: 0, limit: amount, windows: WindowNumbering::Every(window.0), number: 0 }
            }
            RefillPolicy::FirstRequest => {
                Self::FirstRequest { used: 0, limit: amount, window: window.0, opened: None }
            }
            RefillPolicy::Adaptive(growth) => Self::Adaptive {
                used: 0,
                limit: amount,
                bounds: [amount, amount * i128::from(growth.max_permille) / 1000],
                factor_permille: growth.factor_permille.into(),
                window: window.0,
                number: 0,
            },
            RefillPolicy::SlidingLog => {
                Self::Log { admitted: VecDeque::new(), limit: amount, window: window.0 }
            }
            RefillPolicy::SlidingCounter => {
                Self::Counter { used: [0; 2], limit: amount, window: window.0, at: 0 }
            }
        }
    }

    fn advance_to(&mut self, now: Instant) {
        match self {
            Self::Bucket { credit, capacity, limit, at, .. } => {
                *credit = (*credit + i128::from(now.0 - at.0) * *limit).min(*capacity);
                *at = now;
            }
            Self::Fixed { used, windows, number, .. } => {
                if windows.number(now) != *number {
                    (*used, *number) = (0, windows.number(now));
                }
            }
            Self::FirstRequest { used, window, opened, .. } => {
                if opened.is_some_and(|opened| now.0 - opened.0 >= *window) {
                    (*used, *opened) = (0, None);
                }
            }
            Self::Adaptive { used, limit, bounds: [lower, upper], factor_permille, window, number } => {
                for _ in *number..now.0 / *window {
                    *limit = (*used * *factor_permille / 1000).max(*limit / 2).clamp(*lower, *upper);
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
            Self::InFlight { .. } => {}
        }
    }

    fn fits(&self, amount: u64) -> bool {
        let amount = i128::from(amount);
        match self {
            Self::Bucket { credit, window, .. } => *credit >= amount * *window,
            Self::Fixed { used, limit, .. }
            | Self::FirstRequest { used, limit, .. }
            | Self::Adaptive { used, limit, .. } => *used + amount <= *limit,
            Self::Log { admitted, limit, .. } => {
                admitted.iter().map(|(_, amount)| amount).sum::<i128>() + amount <= *limit
            }
            Self::Counter { used: [current, previous], limit, window, at } => {
                let (window, left) = (i128::from(*window), i128::from(*window - *at % *window));
                (current + amount) * window + previous * left <= limit * window
            }
            Self::InFlight { count, limit } => count < limit,
        }
    }

    fn charge(&mut self, now: Instant, amount: u64) {
        let amount = i128::from(amount);
        match self {
            Self::Bucket { credit, window, .. } => *credit -= amount * *window,
            Self::Fixed { used, .. } | Self::Adaptive { used, .. } => *used += amount,
            Self::FirstRequest { used, opened, .. } => {
                *opened = opened.or(Some(now));
                *used += amount;
            }
            Self::Log { admitted, .. } => admitted.push_back((now, amount)),
            Self::Counter { used, .. } => used[0] += amount,
            Self::InFlight { count, .. } => *count += 1,
        }
    }

    /// Charges what was used beyond a reservation.
    fn charge_more(&mut self, now: Instant, amount: u64) {
        if amount > 0 {
            self.charge(now, amount);
        }
    }

    /// Replaces what was reserved at `then` by what was used.
    fn settle(&mut self, then: Instant, reserved: u64, used: u64) {
        let (reserved, actual) = (i128::from(reserved), i128::from(used));
        match self {
            Self::Bucket { credit, capacity, window, .. } => {
                *credit = (*credit + (reserved - actual) * *window).min(*capacity);
            }
            Self::Fixed { used, windows, number, .. } => {
                if windows.number(then) == *number {
                    *used += actual - reserved;
                }
            }
            Self::FirstRequest { used, opened, .. } => {
                if opened.is_some_and(|opened| then >= opened) {
                    *used += actual - reserved;
                }
            }
            Self::Adaptive { used, window, number, .. } => {
                if then.0 / *window == *number {
                    *used += actual - reserved;
                }
            }
            Self::Log { admitted, .. } => {
                if let Some((_, amount)) = admitted.iter_mut().find(|(at, _)| *at == then) {
                    *amount += actual - reserved;
                }
            }
            Self::Counter { used, window, at, .. } => {
                let age = usize::try_from(*at / *window - then.0 / *window).expect("a few windows");
                if let Some(used) = used.get_mut(age) {
                    *used += actual - reserved;
                }
            }
            Self::InFlight { count, .. } => *count -= 1,
        }
    }
}

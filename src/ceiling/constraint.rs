//! The limits as constraints on what the targets serve: what a job uses of each, and what each admits.

use super::demand::model;
use super::{Class, held, whole_calls};
use crate::ids::TargetId;
use crate::scenario::{Scenario, Target};
use provider::config::{Limit, ModelConfig, RefillPolicy};
use provider::{Instant, Nanos};

/// A limit of a target, or of all targets of an account that share a meter.
#[derive(Clone)]
pub(super) struct LimitConstraint<'scenario> {
    /// At least one, in the order of the scenario.
    pub(super) targets: Vec<(TargetId, &'scenario ModelConfig)>,
    pub(super) limit: Limit,
    /// Units per second over the run; calls in flight for concurrency. `peak` puts the units of an interval in its place.
    pub(super) allowed: f64,
    /// The demands that count instead of the final charges, and what is admitted of them; `None` if the final charges count.
    pub(super) other_demand: Option<OtherDemand>,
}

/// The demands on a limit that bound the rate more than the final charges do: what calls hold until they end (`held.rs`), or what
/// whole calls need (`whole_calls.rs`).
#[derive(Clone, Debug)]
pub(super) struct OtherDemand {
    /// The demands by the number of the class and the position of the target in it.
    pub(super) demands: Vec<Vec<f64>>,
    pub(super) supply: Supply,
    /// `true` if this follows from the sizes of whole calls, not from what they reserve beyond their usage.
    pub(super) is_of_whole_calls: bool,
}

/// What a limit admits of the demands in [`OtherDemand`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Supply {
    /// The units that its refill policy admits.
    Units,
    /// One call at a time: the demand is a time of service.
    OneCall,
    /// Its capacity in any interval of this length.
    WithinAny(Nanos),
}

impl LimitConstraint<'_> {
    /// Returns `true` if requests to the target count against this limit.
    pub(super) fn covers(&self, target: TargetId) -> bool {
        self.targets.iter().any(|(covered, _)| *covered == target)
    }

    /// Returns the mean demand of one job of a class on this limit if it is sent to `target`.
    pub(super) fn demand(&self, class: &Class, target: TargetId) -> f64 {
        if let Some(other) = &self.other_demand {
            let position = class.targets.iter().position(|known| *known == target);
            return position.map_or(0.0, |position| other.demands[class.number][position]);
        }
        let covered = self.targets.iter().find(|(covered, _)| *covered == target);
        let sizes = class.targets.iter().zip(&class.sizes).find(|(known, _)| **known == target);
        covered.zip(sizes).map_or(0.0, |((_, model), (_, sizes))| sizes.demand(self.limit.axis, model))
    }

    /// Returns the share of this limit that the offered load of a class uses if all of it is sent to `target`.
    pub(super) fn share(&self, class: &Class, target: TargetId) -> f64 {
        let used = class.rate * self.demand(class, target);
        if used > 0.0 { used / self.allowed } else { 0.0 }
    }

    /// Returns the units per second that the limit admits over a run of length `duration` that begins with the limit full.
    pub(super) fn allowed_from_full(&self, duration: Nanos) -> f64 {
        match self.supply() {
            Supply::Units => from_full(&self.limit, duration),
            Supply::OneCall | Supply::WithinAny(_) => {
                self.units_in(Instant::ZERO, duration) / duration.max(Nanos(1)).as_secs_f64()
            }
        }
    }

    /// Returns the units that the limit admits at most in a span from `from`; for concurrency, calls times seconds.
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    pub(super) fn units_in(&self, from: Instant, span: Nanos) -> f64 {
        match self.supply() {
            Supply::Units => units_in(&self.limit, from, span),
            Supply::OneCall => span.as_secs_f64(),
            // The intervals of this length that overlap the span begin within a time of `span + length`.
            Supply::WithinAny(length) => {
                self.limit.capacity() as f64 * (1.0 + span.as_secs_f64() / length.as_secs_f64())
            }
        }
    }

    /// Returns [`Self::units_in`], rounded down because jobs use whole units. Not rounded are concurrency, whose units are times,
    /// and the demands in [`OtherDemand`].
    pub(super) fn whole_units_in(&self, from: Instant, span: Nanos) -> f64 {
        let units = self.units_in(from, span);
        let is_counted = self.other_demand.is_none() && self.limit.window.is_some();
        // Rounding may put the product of a rate and a time slightly below a whole number.
        if is_counted { libm::floor(units * (1.0 + 1e-12)) } else { units }
    }

    fn supply(&self) -> Supply {
        self.other_demand.as_ref().map_or(Supply::Units, |other| other.supply)
    }
}

/// Returns the limits of every meter, the constraints that follow from the reservations that calls hold while they run, and
/// those that follow from the sizes of whole calls.
pub(super) fn all_constraints<'a>(scenario: &'a Scenario, classes: &[Class]) -> Vec<LimitConstraint<'a>> {
    let mut all = constraints(scenario);
    let held = held::constraints(scenario, classes, &all);
    let whole: Vec<LimitConstraint<'a>> = all
        .iter()
        .flat_map(|settled| {
            let rows = whole_calls::constraints(scenario, classes, settled).into_iter();
            rows.filter(|row| held::adds(row, settled, classes, scenario.duration)).collect::<Vec<_>>()
        })
        .collect();
    all.extend(held);
    all.extend(whole);
    all
}

/// Returns the limits of every meter, in the order of the scenario.
pub(super) fn constraints(scenario: &Scenario) -> Vec<LimitConstraint<'_>> {
    let meter = |target: TargetId| {
        let Target { provider, account, model, .. } = scenario.targets[target.index()];
        (provider, account, scenario.providers[usize::from(provider)].meter_of(usize::from(model)))
    };
    let mut meters: Vec<(_, Vec<(TargetId, &ModelConfig)>)> = Vec::new();
    for target in scenario.target_ids() {
        let metered = (target, model(scenario, target));
        match meters.iter_mut().find(|(known, _)| *known == meter(target)) {
            Some((_, targets)) => targets.push(metered),
            None => meters.push((meter(target), vec![metered])),
        }
    }
    let mut constraints = Vec::new();
    for (_, targets) in meters {
        let model = targets[0].1;
        constraints.extend(model.limits.iter().map(|limit| LimitConstraint {
            targets: targets.clone(),
            limit: *limit,
            allowed: allowed(limit, scenario),
            other_demand: None,
        }));
    }
    constraints
}

/// Returns the units per second that a limit admits over the run: with what a full one holds at the start, unless earlier
/// traffic has used that; for concurrency, the calls in flight at once.
fn allowed(limit: &Limit, scenario: &Scenario) -> f64 {
    if scenario.start.has_history(limit) { sustained(limit) } else { from_full(limit, scenario.duration) }
}

/// Returns the units per second that a limit admits over a run of length `duration` that begins with the limit full.
fn from_full(limit: &Limit, duration: Nanos) -> f64 {
    let seconds = limit.window.map_or(1.0, |_| duration.max(Nanos(1)).as_secs_f64());
    limit.max_units_in(duration) / seconds
}

/// Returns the units per second that a limit admits in the long run; for concurrency, the calls in flight at once.
#[expect(clippy::cast_precision_loss, reason = "for reports and comparisons")]
pub(super) fn sustained(limit: &Limit) -> f64 {
    let amount = match limit.refill {
        RefillPolicy::Adaptive(growth) => growth.max_limit(limit.amount),
        _ => limit.amount,
    };
    amount as f64 / limit.window.map_or(1.0, Nanos::as_secs_f64)
}

/// Returns the units that a limit admits at most in a span from `from`, its end excluded; for concurrency, calls times seconds.
#[expect(clippy::cast_precision_loss, reason = "limits and numbers of windows are far below 2^53")]
fn units_in(limit: &Limit, from: Instant, span: Nanos) -> f64 {
    let Some(window) = limit.window else {
        return limit.max_units_in(span) * span.as_secs_f64();
    };
    let last = Instant((from + span).0.saturating_sub(1)).max(from);
    let aligned = last.0 / window.0 - from.0 / window.0 + 1;
    match limit.refill {
        RefillPolicy::Bucket | RefillPolicy::SlidingLog => limit.max_units_in(span),
        // A window that is open at `from`, if one can be, and those that open later, each after the end of the one before.
        RefillPolicy::FirstRequest => {
            let opened_before = u64::from(from > Instant::ZERO);
            limit.amount as f64 * (span.0.div_ceil(window.0).max(1) + opened_before) as f64
        }
        RefillPolicy::Calendar(zone) => {
            let until = |at: Instant, period| {
                zone.periods_touched_in_first(period, limit.epoch, Nanos(at.0.saturating_add(1)))
            };
            let periods = limit.axis.period().map(|period| until(last, period) - until(from, period) + 1);
            limit.amount as f64 * periods.unwrap_or(aligned) as f64
        }
        RefillPolicy::Adaptive(growth) => growth.max_limit(limit.amount) as f64 * aligned as f64,
        RefillPolicy::Fixed | RefillPolicy::SlidingCounter => limit.amount as f64 * aligned as f64,
    }
}

//! The levels of long limits when a run begins: those that days of the same traffic before the run have left.
//!
//! A limit of 1,000 requests per day that begins full admits 2,000 on the first day and 1,000 on every other day. The
//! result of a run must hold for every day, so the days before it are simulated, without incidents shorter than the run
//! and with seeds of their own, from full limits until the levels repeat:
//!
//! ```text
//!  full ─▶ a day ─▶ levels ─▶ a day ─▶ levels ─▶ … ─▶ the same levels as the day before ─▶ the run
//! ```
//!
//! * The day is the run, repeated to the length of the longest window. Traffic that is given by a rate continues;
//!   traces, ramps and steps, which end with the run, are repeated.
//! * A bucket of which more is used on every day than refills is empty after a number of days, which may be large. From the
//!   second day on (the first begins full) these days are skipped. If a day has few jobs, the mean of several seeds is
//!   used.
//! * If the traffic is even and every long limit is a bucket, a part of the day with enough jobs is simulated instead.
//! * If the calendar states when the open window of a limit began, the traffic since then is simulated (`calendar.rs`).
//! * If another window that counts from its start is longer than the run, the run is its last part, and begins with the usage of the
//!   part before. This holds for calendar days as well, if `start` has no date (`ceiling/window_end.rs`). A sliding log and a sliding
//!   counter begin with the usage of the window before.
//! * Adaptive limits begin at their minimum, as those of a new account do.
//! * The quota estimates of the client begin as they were at the end of the last of these days (`estimates.rs`).
//!
//! Limits of which the offered load uses less than [`MIN_SHARE_TO_BIND`] per window, of their amount or of their burst if that is
//! smaller, if all of it is sent to their targets, begin full: a bucket is then full at some time of every day, and no more than a
//! day's usage can be missing. Of calendar limits whose window is known, those begin full of which results state no level.

mod calendar;
mod day;
mod estimates;

use super::usage_sampler::SampledLimit;
use crate::ceiling::{self, MIN_REPORTED_SHARE};
use crate::ids::TargetId;
use crate::scenario::Scenario;
use calendar::CalendarTraffic;
use day::Day;
use estimates::StartEstimates;
use provider::Nanos;
use provider::config::{Limit, StartLevel};

/// A limit of which the offered load uses less than this share per window is never nearly used up.
const MIN_SHARE_TO_BIND: f64 = 0.8;
/// The most days that are simulated, besides those that are skipped.
const MAX_DAYS: u32 = 14;
/// A smaller used share of a limit counts as zero.
const MIN_USED: f64 = 0.005;

/// What is used of the long limits of a scenario when its run begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartLevels {
    limits: Vec<LongLimit>,
    /// What the client assumes used of them.
    estimates: StartEstimates,
}

/// A limit with a window longer than a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
struct LongLimit {
    /// The first target that it limits.
    target: TargetId,
    limit: Limit,
    /// Units used when the run begins.
    used: f64,
}

impl LongLimit {
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    fn capacity(&self) -> f64 {
        self.limit.capacity() as f64
    }

    fn window(&self) -> Nanos {
        self.limit.window.unwrap_or(Nanos::ZERO)
    }

    fn sampled(&self) -> SampledLimit {
        let (target, axis, capacity, used) = (self.target, self.limit.axis, self.capacity(), self.used);
        SampledLimit { target, axis, capacity, max: used, end: used }
    }
}

impl StartLevels {
    /// Returns the levels of a run that begins with full limits. There are none if no limit is long, if the offered
    /// load can use none of them up, or if the scenario says `start: full`: then every run begins with full limits.
    #[must_use]
    pub fn full(scenario: &Scenario) -> Self {
        let limits = long_limits(scenario);
        let estimates = StartEstimates::of(scenario, &limits);
        Self { limits, estimates }
    }

    /// Returns `true` if there is no limit that earlier traffic may have used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Returns `true` if every limit begins full, up to `MIN_USED` of its capacity, and the client assumes the same.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.used().next().is_none() && self.estimates.are_full()
    }

    /// Returns the levels after days of the traffic of `scenario`, as many as it takes until the levels repeat.
    #[must_use]
    pub fn after_days_of(self, scenario: &Scenario) -> Self {
        self.after_days_until(scenario, &|| false)
    }

    /// Returns the levels as [`Self::after_days_of`] does, unless the time is up before they repeat: then they must not be used.
    #[must_use]
    pub fn after_days_until(mut self, scenario: &Scenario, is_time_up: &dyn Fn() -> bool) -> Self {
        if self.is_empty() {
            return self;
        }
        let calendar = CalendarTraffic::new(scenario, &self, is_time_up);
        if calendar.as_ref().is_none_or(|calendar| !calendar.covers_all()) {
            self.repeat_days(scenario, is_time_up);
        }
        if let Some(calendar) = calendar.filter(|_| !is_time_up()) {
            calendar.apply_to(&mut self);
        }
        self
    }

    /// Simulates days until the levels repeat.
    fn repeat_days(&mut self, scenario: &Scenario, is_time_up: &dyn Fn() -> bool) {
        let day = Day::new(scenario, self, is_time_up);
        for number in 0..MAX_DAYS {
            let usage = day.mean_usage(self, number);
            if day.advance(self, number, &usage) || is_time_up() {
                break;
            }
        }
    }

    /// Returns the time that is simulated before a run, if `days` days are enough for the levels to repeat.
    #[must_use]
    pub fn time_before(&self, scenario: &Scenario, days: f64) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let calendar = CalendarTraffic::new(scenario, self, &|| false);
        let covers_all = calendar.as_ref().is_some_and(CalendarTraffic::covers_all);
        let of_days =
            if covers_all { 0.0 } else { days * Day::new(scenario, self, &|| false).length().as_secs_f64() };
        of_days + calendar.map_or(0.0, |calendar| calendar.length().as_secs_f64())
    }

    /// Returns the limits of which at least [`MIN_USED`] is used when the run begins.
    fn used(&self) -> impl Iterator<Item = &LongLimit> {
        self.limits.iter().filter(|limit| limit.used >= MIN_USED * limit.capacity())
    }

    /// Returns the scenario whose providers and whose client begin with these levels.
    #[must_use]
    pub fn applied_to(&self, scenario: Scenario) -> Scenario {
        self.apply(scenario, self.used())
    }

    /// Returns the scenario as [`Self::applied_to`] does, with the smallest levels as well: for traffic that is simulated in many parts.
    fn exactly_applied_to(&self, scenario: Scenario) -> Scenario {
        self.apply(scenario, self.limits.iter())
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the capacity")]
    fn apply<'l>(&self, mut scenario: Scenario, used: impl Iterator<Item = &'l LongLimit>) -> Scenario {
        for config in &mut scenario.providers {
            config.start_levels.clear();
        }
        for limit in used {
            let target = &scenario.targets[limit.target.index()];
            let (account, model, axis) = (target.account, target.model, limit.limit.axis);
            let level = StartLevel { account, model, axis, used: libm::round(limit.used) as u64 };
            scenario.providers[usize::from(target.provider)].start_levels.push(level);
        }
        self.estimates.apply_to(&mut scenario);
        scenario
    }
}

/// Returns the scenario with the start levels that days of its own traffic leave in its long limits; with full limits if it
/// says `start: full`.
#[must_use]
pub fn with_start_levels(scenario: Scenario) -> Scenario {
    with_start_levels_until(scenario, &|| false)
}

/// As [`with_start_levels`], unless the time is up before the levels are known: then the scenario must not be run.
#[must_use]
pub fn with_start_levels_until(scenario: Scenario, is_time_up: &dyn Fn() -> bool) -> Scenario {
    StartLevels::full(&scenario).after_days_until(&scenario, is_time_up).applied_to(scenario)
}

/// Returns the long limits that the offered load can nearly use up, each once, and the calendar limits whose level a result may state.
fn long_limits(scenario: &Scenario) -> Vec<LongLimit> {
    let shares =
        |scenario: &Scenario| ceiling::offered_shares(scenario, |limit| scenario.start.has_history(limit));
    let own = shares(scenario);
    let is_known = |limit: &Limit| calendar::passed(limit, scenario).is_some();
    let has_known = own.iter().any(|(_, limit, _)| is_known(limit));
    let of_week = if has_known { calendar::over_a_week(scenario).as_ref().map(shares) } else { None };
    let of_week = of_week.unwrap_or_else(|| own.clone());
    let long = own.into_iter().zip(of_week).filter_map(|((target, limit, own), (.., of_week))| {
        let long_limit = LongLimit { target, limit, used: 0.0 };
        if is_known(&limit) {
            return (own.max(of_week) >= MIN_REPORTED_SHARE).then_some(long_limit);
        }
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        let used = own * limit.amount as f64;
        let can_bind = used >= MIN_SHARE_TO_BIND * long_limit.capacity().min(limit.amount as f64);
        can_bind.then_some(long_limit)
    });
    long.collect()
}

//! The usage of calendar windows that are open when a run begins.
//!
//! The calendar states when such a window began ([`ceiling::open_window`]), so the traffic since then is simulated, at the times of the
//! calendar at which it came:
//!
//! ```text
//!             the 1st         Monday      the start
//!   lead ───────▶│───────────────▶│──────────▶│ the run
//!                └ used of the month ────────▶│
//!                                 └ … week ──▶│
//! ```
//!
//! * Traffic that is given by a rate, by users, or by bursts and steps that repeat is continued backwards: at each local time it is as the
//!   scenario states it, whether or not the run or the time before it is a whole number of its periods.
//! * Traces, ramps, batches, and steps that do not repeat end with the run. The run is repeated back to back, so that the last repetition
//!   ends when the run begins. If the time before is not a whole number of runs, only the end of the first repetition counts.
//! * The lead, whole windows of at most a week, shows what shorter windows and the client hold when the longest window begins.

use super::day::{keep_permanent, seeds_for};
use super::{LongLimit, StartLevels};
use crate::ceiling;
use crate::drive::usage_sampler::UsageSampler;
use crate::drive::virtual_time::simulate_and_sample;
use crate::scenario::{Arrivals, Scenario, Workload};
use crate::stats::replica_seed;
use provider::calendar::LocalClock;
use provider::config::{Config, Limit, RefillPolicy};
use provider::random::label_key;
use provider::{Instant, Nanos};

/// The longest lead.
const MAX_LEAD: Nanos = Nanos::WEEK;
/// The number of windows in a lead that is not longer.
const LEAD_WINDOWS: usize = 2;
/// The most times that a run is repeated before itself. If more are needed, the usage of these is extrapolated to the whole window.
const MAX_REPEATS: u64 = 1_000;

/// The traffic between the start of calendar windows and the start of a run.
pub(super) struct CalendarTraffic<'a> {
    /// The scenario of the run, without incidents that are shorter.
    scenario: Scenario,
    /// The time from the start of each limit's open window to that of the run; `None` for limits whose window is not known.
    passed: Vec<Option<Nanos>>,
    /// The time before the run that is simulated: in parts of this number and length, the last of which ends when the run begins.
    parts: u64,
    part: Nanos,
    /// Whether the traffic is continued in each part, or repeated.
    is_repeated: bool,
    is_time_up: &'a dyn Fn() -> bool,
}

/// What the traffic leaves.
struct Usage {
    jobs: u64,
    /// Units used, in the order of the limits.
    limits: Vec<f64>,
    /// What the client assumes used, in the order of the estimates.
    estimates: Vec<f64>,
}

impl<'a> CalendarTraffic<'a> {
    /// Returns the traffic before a run of `scenario`; `None` if the calendar states the window of none of `levels`.
    pub(super) fn new(
        scenario: &Scenario,
        levels: &StartLevels,
        is_time_up: &'a dyn Fn() -> bool,
    ) -> Option<Self> {
        let passed: Vec<_> = levels.limits.iter().map(|limit| passed(&limit.limit, scenario)).collect();
        let longest = passed.iter().flatten().max().copied()?;
        let before = longest + lead(levels, scenario, longest);
        let mut scenario = scenario.clone();
        let run = scenario.duration.max(Nanos(1));
        for provider in &mut scenario.providers {
            keep_permanent(&mut provider.incidents, run);
        }
        let is_repeated = scenario.has_traffic_that_ends();
        let (parts, part) =
            if is_repeated { (before.0.div_ceil(run.0).min(MAX_REPEATS), run) } else { (1, before) };
        Some(Self { scenario, passed, parts, part, is_repeated, is_time_up })
    }

    /// Returns `true` if the calendar states the windows of all limits.
    pub(super) fn covers_all(&self) -> bool {
        self.passed.iter().all(Option::is_some)
    }

    /// Returns the simulated time.
    pub(super) fn length(&self) -> Nanos {
        Nanos(self.part.0.saturating_mul(self.parts))
    }

    /// Sets the levels of the calendar limits, and what the client assumes used. The levels of other limits are those with which the
    /// traffic begins, and remain.
    pub(super) fn apply_to(&self, levels: &mut StartLevels) {
        let usage = self.mean_usage(levels);
        for ((limit, passed), used) in levels.limits.iter_mut().zip(&self.passed).zip(&usage.limits) {
            if let Some(passed) = passed {
                limit.used = (used * self.extrapolation(*passed)).clamp(0.0, limit.capacity());
            }
        }
        levels.estimates.set(&usage.estimates);
    }

    /// Returns by how much a window that began `passed` before the run is longer than the simulated part of it. A window that begins with
    /// the run holds nothing.
    fn extrapolation(&self, passed: Nanos) -> f64 {
        if passed == Nanos::ZERO {
            return 0.0;
        }
        (passed.as_secs_f64() / self.length().as_secs_f64()).max(1.0)
    }

    /// Simulates the traffic; if it has few jobs, several times with different seeds. Returns the mean.
    fn mean_usage(&self, levels: &StartLevels) -> Usage {
        let mut sum = self.simulate(levels, 0);
        let seeds = seeds_for(sum.jobs);
        let mut simulated = 1.0;
        for seed in (1..seeds).take_while(|_| !(self.is_time_up)()) {
            let one = self.simulate(levels, seed);
            sum.limits.iter_mut().zip(&one.limits).for_each(|(sum, one)| *sum += one);
            sum.estimates.iter_mut().zip(&one.estimates).for_each(|(sum, one)| *sum += one);
            simulated += 1.0;
        }
        sum.limits.iter_mut().chain(&mut sum.estimates).for_each(|used| *used /= simulated);
        sum
    }

    fn simulate(&self, levels: &StartLevels, seed: u32) -> Usage {
        let mut levels = levels.clone();
        for (limit, passed) in levels.limits.iter_mut().zip(&self.passed) {
            if passed.is_some() {
                limit.used = 0.0;
            }
        }
        let mut jobs = 0;
        for number in (1..=self.parts).rev().take_while(|_| !(self.is_time_up)()) {
            let mut scenario = levels.exactly_applied_to(self.part(number));
            let stream = label_key(scenario.seed, "calendar windows").wrapping_add(u64::from(seed));
            scenario.seed = replica_seed(stream, number);
            let limits = levels.limits.iter().map(LongLimit::sampled).collect();
            let mut sampled = UsageSampler::new(limits, scenario.duration, self.is_time_up);
            let (engines, at) = simulate_and_sample(&scenario, sampled.end, &mut sampled);
            levels.estimates.read(&engines, at);
            jobs += sampled.jobs;
            for (level, sampled) in levels.limits.iter_mut().zip(&sampled.limits) {
                level.used = sampled.end;
            }
        }
        let limits = levels.limits.iter().map(|limit| limit.used).collect();
        Usage { jobs, limits, estimates: levels.estimates.used() }
    }

    /// Returns the part with this number, counted backwards from the run: the last part before it is the first.
    fn part(&self, number: u64) -> Scenario {
        let before = Nanos(self.part.0.saturating_mul(number));
        let mut scenario = begun_earlier(&self.scenario, before);
        scenario.duration = self.part;
        if !self.is_repeated {
            for workload in &mut scenario.workloads {
                workload.arrivals = continued_backwards(workload, before);
            }
        }
        scenario
    }
}

/// Returns the time from the start of the open window of a limit to that of the run, if the calendar states it.
pub(super) fn passed(limit: &Limit, scenario: &Scenario) -> Option<Nanos> {
    ceiling::open_window(limit, &scenario.clock, scenario.duration)?.passed
}

/// Returns the scenario over a week, if its run is shorter and its traffic changes over a day or a week and does not end with the run:
/// the share of a limit that the run uses is then not that of the time before.
pub(super) fn over_a_week(scenario: &Scenario) -> Option<Scenario> {
    let changes = |workload: &Workload| workload.shape.is_some() || workload.arrivals.period().is_some();
    let is_shorter = scenario.duration < Nanos::WEEK;
    let is_asked = is_shorter && scenario.workloads.iter().any(changes) && !scenario.has_traffic_that_ends();
    is_asked.then(|| Scenario { duration: Nanos::WEEK, ..scenario.clone() })
}

/// Returns the time before the earliest window that is simulated as well.
fn lead(levels: &StartLevels, scenario: &Scenario, longest: Nanos) -> Nanos {
    let mut lead = Nanos::ZERO;
    for _ in 0..LEAD_WINDOWS {
        // The windows of the instant before belong to the lead.
        let epoch = scenario.clock.epoch().earlier_by(longest + lead + Nanos(1));
        let windows = levels.limits.iter().filter_map(|LongLimit { limit, .. }| match limit.refill {
            RefillPolicy::Calendar(zone) => Some(zone.since_period_began(limit.axis.period()?, epoch)),
            _ => None,
        });
        lead = (lead + windows.max().unwrap_or(Nanos::ZERO) + Nanos(1)).min(MAX_LEAD);
    }
    lead
}

/// Returns the scenario at an earlier time of the calendar.
fn begun_earlier(scenario: &Scenario, by: Nanos) -> Scenario {
    let mut scenario = scenario.clone();
    let epoch = scenario.clock.epoch().earlier_by(by);
    scenario.clock = scenario.clock.begun_earlier(by);
    scenario.providers.iter_mut().for_each(|provider: &mut Config| provider.begin_at(epoch));
    let clock = &scenario.clock;
    scenario.workloads.iter_mut().for_each(|workload| workload.clock = clock.clone());
    scenario
}

/// Returns the arrivals of a workload, whose clock is that of a run which begins `by` earlier, so that bursts and steps repeat at the
/// instants at which they do in the later run.
fn continued_backwards(workload: &Workload, by: Nanos) -> Arrivals {
    let clock = &workload.clock;
    match &workload.arrivals {
        Arrivals::Burst { jobs, at, every } => {
            let at = first_burst(clock, *at + by, (*every).max(Nanos(1)));
            Arrivals::Burst { jobs: *jobs, at, every: *every }
        }
        Arrivals::Steps { steps, every: Some(every) } if every.0 > 0 => {
            let is_daily = every.0.is_multiple_of(Nanos::DAY.0);
            let passed = if is_daily { local_time(clock, Instant::ZERO + by) } else { by };
            let phase = Nanos((every.0 - passed.0 % every.0) % every.0);
            Arrivals::Steps { steps: rotated(steps, phase, *every), every: Some(*every) }
        }
        other => other.clone(),
    }
}

/// Returns the local time from the start of a run to `at`.
fn local_time(clock: &LocalClock, at: Instant) -> Nanos {
    clock.since_monday(at).0.saturating_sub(clock.since_monday(Instant::ZERO).0)
}

/// Returns the first of the bursts one of which arrives at `at`.
fn first_burst(clock: &LocalClock, at: Instant, every: Nanos) -> Instant {
    if every.0.is_multiple_of(Nanos::DAY.0) && clock.has_date() {
        let earlier = local_time(clock, at).0 / every.0 * every.0;
        clock.instant_of(clock.since_monday(at).0.saturating_sub(Nanos(earlier)))
    } else {
        Instant(at.0 % every.0)
    }
}

/// Returns steps that repeat after `every`, from `phase` of the period on.
fn rotated(steps: &[(Instant, f64)], phase: Nanos, every: Nanos) -> Vec<(Instant, f64)> {
    let begins_late = steps.first().is_none_or(|(at, _)| *at > Instant::ZERO);
    let idle = begins_late.then_some((Instant::ZERO, 0.0));
    let steps: Vec<_> = idle.into_iter().chain(steps.iter().copied()).collect();
    let current = steps.partition_point(|(at, _)| at.0 <= phase.0).saturating_sub(1);
    let later = steps.iter().skip(current + 1).map(|(at, rate)| (Instant(at.0 - phase.0), *rate));
    let next_period = steps.iter().take_while(|(at, _)| at.0 < phase.0).map(|(at, rate)| {
        let at = Instant(at.0 + every.0 - phase.0);
        (at, *rate)
    });
    std::iter::once((Instant::ZERO, steps[current].1)).chain(later).chain(next_period).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: u64) -> Instant {
        Instant(Nanos::HOUR.0 * hours)
    }

    /// Steps from 1:00 and from 2:00 of a period of 6 h.
    #[test]
    fn rotated_steps_repeat_at_the_same_times() {
        let steps = [(hours(1), 10.0), (hours(2), 20.0)];
        let rotated = |phase| super::rotated(&steps, Nanos::HOUR * phase, Nanos::HOUR * 6);
        let expected =
            |steps: &[(u64, f64)]| steps.iter().map(|(at, rate)| (hours(*at), *rate)).collect::<Vec<_>>();
        assert_eq!(rotated(0), expected(&[(0, 0.0), (1, 10.0), (2, 20.0)]));
        assert_eq!(rotated(1), expected(&[(0, 10.0), (1, 20.0), (5, 0.0)]));
        assert_eq!(rotated(4), expected(&[(0, 20.0), (2, 0.0), (3, 10.0), (4, 20.0)]));
    }

    /// Summer time ends in Berlin on 2026-10-25: bursts at 9:00 of each local day come at 9:00 of the 24th.
    #[test]
    fn the_first_of_daily_bursts_keeps_its_time_of_day() {
        let clock = LocalClock::parse("2026-10-24T00:00 Europe/Berlin").expect("a valid start");
        // 9:00 on the 26th: 24 h, 25 h and 9 h after the start.
        assert_eq!(first_burst(&clock, hours(58), Nanos::DAY), hours(9));
        assert_eq!(first_burst(&clock, hours(58), Nanos::HOUR * 5), hours(3));
        assert_eq!(first_burst(&clock, hours(58), Nanos::DAY * 40), hours(58));
    }
}

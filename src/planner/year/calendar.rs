//! Months of the calendar as runs. A limit per month of the calendar admits its amount in 28 to 31 days, so a run of another length
//! shows nothing of a month. If such a limit can bind, each month is simulated as a whole, from its first instant in the zone of the
//! limit, which is unused then.

use super::YearOptions;
use crate::ceiling::{self, Ceiling};
use crate::planner::{GrowthRate, PlanError};
use crate::scenario::{Arrivals, Metric, Scenario, Start, Workload};
use provider::config::{Limit, RefillPolicy};
use provider::{Instant, Nanos, Zone};

/// A limit of which the load uses a smaller share per 30 days never binds: it leaves a margin for months of 31 days, and for jobs that
/// vary in number and size.
const MIN_SHARE_TO_BIND: f64 = 0.8;
/// The most jobs of a month. A proof takes at least 50 runs, which are about five minutes on two cores.
const MAX_JOBS: f64 = 1e7;
const LONGEST_MONTH: Nanos = Nanos(31 * Nanos::DAY.0);

/// The months of a plan, if each of them is simulated as a whole.
#[derive(Clone, Copy, Debug)]
pub(in crate::planner) struct CalendarMonths {
    /// The zone in which the limits count.
    zone: Zone,
    /// The year and the month of the first one.
    first: (i16, i8),
}

impl CalendarMonths {
    /// Returns the months; `None` if no limit per month of the calendar can bind in them, in any of the scenarios that can be bought.
    ///
    /// # Errors
    /// Fails if such a limit can bind, and the first month is not given or a month cannot be simulated as a whole.
    pub(super) fn of(
        scenarios: &[Scenario],
        options: &YearOptions,
        growth: &GrowthRate,
    ) -> Result<Option<Self>, PlanError> {
        let largest = growth.after_months(f64::from(options.months - 1));
        let mut zones: Vec<Zone> = scenarios.iter().flat_map(|one| binding_zones(one, largest)).collect();
        zones.dedup();
        let Some(zone) = zones.first().copied() else { return Ok(None) };
        let first = options.from.ok_or(PlanError::NoCalendarMonths)?;
        let months = Self { zone, first };
        if zones.iter().any(|other| *other != zone) {
            return Err(PlanError::MonthsNotSimulated(
                "such limits count in two time zones, so their months differ",
            ));
        }
        let reason = scenarios.iter().find_map(|scenario| months.obstacle(scenario, options.months, largest));
        reason.map_or(Ok(Some(months)), |reason| Err(PlanError::MonthsNotSimulated(reason)))
    }

    /// Returns the scenario of a month, counted from 1: it begins with the month and lasts until its end. `None` if runs cannot have
    /// its date.
    pub(super) fn scenario(self, scenario: &Scenario, month: u32) -> Option<Scenario> {
        let start = |month| {
            let (year, month) = calendar_month(self.first, month)?;
            self.zone.start_of_month(year, month)
        };
        let (from, until) = (start(month)?, start(month + 1)?);
        let clock = scenario.clock.beginning_at(from);
        let mut scenario = scenario.clone();
        scenario.duration = until.since(from);
        if scenario.start == Start::Sustained {
            scenario.start = Start::SustainedAtMonthStart;
        }
        scenario.providers.iter_mut().for_each(|config| config.begin_at(clock.epoch()));
        scenario.workloads.iter_mut().for_each(|workload| workload.clock = clock.clone());
        scenario.clock = clock;
        Some(scenario)
    }

    /// Returns why the months of a scenario cannot be simulated as a whole, with a remedy; `None` if they can.
    fn obstacle(self, scenario: &Scenario, months: u32, largest: f64) -> Option<&'static str> {
        if scenario.has_traffic_that_ends() {
            return Some(
                "a workload ends with the run (a ramp, steps, a batch or a trace): give it a rate and a `shape`",
            );
        }
        if scenario.providers.iter().any(|config| !config.incidents.is_empty()) {
            return Some(
                "the scenario has incidents, of which it is not known how often they come: leave them out",
            );
        }
        if scenario.expect.iter().any(|rule| rule.metric == Metric::Cost) {
            return Some("a rule bounds the cost of a run, which is not that of a month: leave it out");
        }
        if binding(scenario, largest, is_long_fixed).next().is_some() {
            return Some(
                "another limit has fixed windows of more than a day that do not end with the month: leave it out if it does not bind",
            );
        }
        let jobs = Ceiling::of(&lasting_a_month(scenario)).offered_jobs_per_min * largest;
        if jobs * LONGEST_MONTH.as_secs_f64() / 60.0 > MAX_JOBS {
            return Some(
                "a month has more than 10 million jobs, too many for the runs of a proof: plan fewer months, or scale the load and the limits down",
            );
        }
        let runs: Vec<Option<Scenario>> =
            (1..=months).map(|month| self.scenario(scenario, month).filter(has_calendar)).collect();
        if runs.iter().any(Option::is_none) {
            return Some("runs have dates from 1970 to 2100 only: give another `--from`");
        }
        let time_of_day = |scenario: &Scenario| scenario.clock.since_monday(Instant::ZERO).0.0 % Nanos::DAY.0;
        let starts_anew = |workload: &Workload| {
            matches!(workload.arrivals, Arrivals::Burst { .. } | Arrivals::Steps { .. })
        };
        if scenario.workloads.iter().any(starts_anew)
            && runs.iter().flatten().any(|run| time_of_day(run) != time_of_day(scenario))
        {
            return Some(
                "bursts or steps count from the start of the run, and a month begins at another time of day: use a `shape`, or begin the run at the midnight of the limit",
            );
        }
        None
    }
}

/// Returns the year and the month of the calendar of a month of the plan, counted from 1, whose first month is `first`; `None` if there is
/// no such year.
pub(super) fn calendar_month((year, first): (i16, i8), month: u32) -> Option<(i16, i8)> {
    let months = i16::try_from(month - 1).ok()?.checked_add(i16::from(first) - 1)?;
    Some((year.checked_add(months / 12)?, i8::try_from(months % 12 + 1).ok()?))
}

fn has_calendar(scenario: &Scenario) -> bool {
    let run = scenario.clock.to_string();
    run.get(..4).and_then(|year| year.parse::<u16>().ok()).is_some_and(|year| (1970..=2100).contains(&year))
}

fn is_long_fixed(limit: &Limit) -> bool {
    let is_fixed = matches!(limit.refill, RefillPolicy::Fixed | RefillPolicy::FirstRequest);
    is_fixed && limit.window.is_some_and(|window| window > Nanos::DAY)
}

/// Returns the zones of the limits per month of the calendar that can bind at up to `largest` times the load.
fn binding_zones(scenario: &Scenario, largest: f64) -> Vec<Zone> {
    let limits = binding(scenario, largest, Limit::is_per_calendar_month);
    let zones = limits.filter_map(|limit| match limit.refill {
        RefillPolicy::Calendar(zone) => Some(zone),
        _ => None,
    });
    zones.collect()
}

/// Returns the limits that `is_asked` selects and that can bind at up to `largest` times the load, in a run of the scenario's duration or
/// of a month.
fn binding(scenario: &Scenario, largest: f64, is_asked: fn(&Limit) -> bool) -> impl Iterator<Item = Limit> {
    let shares = [ceiling::offered_shares(scenario, is_asked), {
        let month = lasting_a_month(scenario);
        ceiling::offered_shares(&month, is_asked)
    }];
    let binds =
        move |(_, limit, share): (_, Limit, f64)| (share * largest >= MIN_SHARE_TO_BIND).then_some(limit);
    shares.into_iter().flatten().filter_map(binds)
}

fn lasting_a_month(scenario: &Scenario) -> Scenario {
    Scenario { duration: LONGEST_MONTH, ..scenario.clone() }
}

//! A growing load: the cheapest order in which to buy, each month of it proved by simulation.
//!
//! 1. The first month has the present load, and each month the growth more than the one before. It is represented by runs of the
//!    plan's duration, or, if a limit per month of the calendar can bind, by itself ([`calendar`]).
//! 2. Every set of offers is a scenario of its own. [`order`] finds the cheapest order of sets, given which of them hold the
//!    load of a month and what their use costs in it. As long as that is not known of a set in a month, the set is taken to hold
//!    and its use to cost nothing: no order can be cheaper than the one that is found.
//! 3. What the order relies on is then measured: the run of a set at the load of a month on the scenario's own seed, which gives
//!    the cost of use; and once all of it is measured, the proof, runs on fresh seeds that all have to hold. A set that breaks a
//!    rule in a month is taken to break one in every later month that is not shorter.
//! 4. This is repeated until everything is proved on which the order relies. It is then the cheapest of all orders whose months
//!    can be proved in this way, although most sets are simulated in a few months only.

mod calendar;
mod measurements;
mod offers;
mod order;
#[cfg(test)]
mod tests;

use super::plan::{FirstViolation, MonthLoad, NotHeld, TooFewJobs, Year, YearCost, YearMonth};
use super::runner::{Run, Runner};
use super::{DAYS_PER_MONTH, GrowthRate, PlanError, closed, longer, violation};
use crate::ceiling::Ceiling;
use crate::formatting::{rounded, significant};
use crate::scenario::{Offers, Scenario};
pub(super) use calendar::CalendarMonths;
use calendar::calendar_month;
use measurements::{Measurements, Stop};
use offers::Buyable;
use order::{Choices, Due, Micros, Order};
use provider::Nanos;
use provider::calendar::UnixTime;
use std::borrow::Cow;

/// The months for which purchases are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YearOptions {
    /// Their number, from 1 to [`MAX_MONTHS`].
    pub months: u32,
    /// The first of them in the calendar, as year and month; `None`: months of equal length without names.
    pub from: Option<(i16, i8)>,
}

/// The most months of a plan: three years.
pub const MAX_MONTHS: u32 = 36;

/// Checks what can be checked before the first run. Returns the months if each of them is simulated as a whole.
///
/// # Errors
/// Fails if the scenario does not last whole days, from which a month can be priced, if an offer or a limit is bound to the calendar and
/// the first month is not, or if a month must be simulated as a whole and cannot be.
pub(super) fn check(
    scenario: &Scenario,
    options: &YearOptions,
    growth: &GrowthRate,
) -> Result<Option<CalendarMonths>, PlanError> {
    if !scenario.duration.0.is_multiple_of(Nanos::DAY.0) {
        return Err(PlanError::NoWholeDays);
    }
    let buyable = Buyable::new(scenario, &scenario.offers, options)?;
    CalendarMonths::of(&buyable.scenarios, options, growth)
}

/// The question of a year.
struct Question<'a> {
    runner: Runner<'a>,
    buyable: Buyable,
    growth: &'a GrowthRate,
    options: &'a YearOptions,
    /// The months, if each of them is simulated as a whole.
    calendar: Option<CalendarMonths>,
    /// The present load; `None` if a workload has users.
    jobs_per_min: Option<f64>,
}

/// Plans the purchases of a growing load. `scenario` has runs of the duration of the plan, `present` is its run at the present
/// load. Returns `None` if the measurements were stopped.
pub(super) fn year(
    runner: Runner<'_>,
    (scenario, present): (&Scenario, &Run),
    offers: &Offers,
    ((growth, options), calendar): ((&GrowthRate, &YearOptions), Option<CalendarMonths>),
) -> Option<Year> {
    runner.count.stage("the year");
    // The runs of whole months have a length of their own.
    let few = runner.rules.undecidable(present.summary.jobs.offered).filter(|_| calendar.is_none());
    let offered = present.summary.jobs.offered as f64;
    let longer = few.as_ref().and_then(|few| longer::lengthened(scenario, runner.rules, few, offered));
    let buyable = Buyable::new(longer.as_ref().unwrap_or(scenario), offers, options)
        .expect("invariant: the offers were checked before the first run");
    let jobs_per_min = (!closed::has_users(scenario)).then(|| Ceiling::of(scenario).offered_jobs_per_min);
    let question = Question { runner, buyable, growth, options, calendar, jobs_per_min };
    if let (Some(few), None) = (few, longer) {
        return Some(question.undecided(few));
    }
    let mut measurements = Measurements::new(&question);
    let year = match question.solve(&mut measurements) {
        Ok(order) => question.answer(&order, &mut measurements),
        Err(Stop::Undecided(few)) => Some(question.undecided(few)),
        Err(Stop::Ended) => None,
    };
    if year.is_none() {
        runner.count.note_cut();
    }
    year
}

impl Question<'_> {
    /// Returns the cheapest order of which every month is proved.
    fn solve(&self, measurements: &mut Measurements<'_>) -> Result<Order, Stop> {
        loop {
            let usage = |set, month| measurements.usage(set, month);
            let choices = Choices {
                terms: &self.buyable.terms,
                sets: &self.buyable.sets,
                usage: &usage,
                follows: &self.buyable.follows,
            };
            let order = Order::cheapest(&choices, self.options.months);
            let cells: Vec<(usize, u32)> = order.sets.iter().copied().zip(1..).collect();
            if !measurements.measure(&cells)? && !measurements.prove(&cells)? {
                return Ok(order);
            }
        }
    }

    /// Returns the multiple of the present load in a month, counted from 1.
    fn multiple(&self, month: u32) -> f64 {
        self.growth.after_months(f64::from(month - 1))
    }

    /// Returns the days of a month, counted from 1.
    fn days(&self, month: u32) -> f64 {
        let midnight = |month: u32| {
            let (year, month) = self.calendar(month)?;
            UnixTime::parse_rfc3339(&format!("{year:04}-{month:02}-01T00:00:00Z"))
        };
        let both = midnight(month + 1).zip(midnight(month));
        both.map_or(DAYS_PER_MONTH, |(next, this)| next.since(this).as_secs_f64() / 86_400.0)
    }

    /// Returns the year and the month of the calendar of a month, counted from 1.
    fn calendar(&self, month: u32) -> Option<(i16, i8)> {
        calendar_month(self.options.from?, month)
    }

    /// Returns the scenario with a set of offers, by which a month is represented, at the present load.
    fn scenario(&self, set: usize, month: u32) -> Cow<'_, Scenario> {
        let scenario = &self.buyable.scenarios[set];
        let whole = self.calendar.map(|calendar| {
            calendar
                .scenario(scenario, month)
                .expect("invariant: the months were checked before the first run")
        });
        whole.map_or(Cow::Borrowed(scenario), Cow::Owned)
    }

    /// Returns `true` if a set that breaks a rule in the month `earlier` is taken to break one in `month`.
    fn is_as_demanding(&self, month: u32, earlier: u32) -> bool {
        month >= earlier && (self.calendar.is_none() || self.days(month) >= self.days(earlier))
    }

    fn load(&self, month: u32) -> MonthLoad {
        let multiple = self.multiple(month);
        MonthLoad {
            month,
            calendar: self.calendar(month).map(|(year, month)| format!("{year:04}-{month:02}")),
            multiple: rounded(multiple, 6),
            jobs_per_min: self.jobs_per_min.map(|jobs| significant(jobs * multiple)),
        }
    }

    /// Returns the answer without months.
    fn empty(&self) -> Year {
        Year {
            rate: self.growth.text.clone(),
            has_whole_months: self.calendar.is_some(),
            wanted: self.options.months,
            months: Vec::new(),
            cost: YearCost::default(),
            due_later_usd: 0.0,
            offers: self.buyable.names.clone(),
            has_own_offers: self.buyable.is_own,
            sets: self.buyable.sets.len(),
            not_held: None,
            undecided: None,
        }
    }

    fn undecided(&self, few: TooFewJobs) -> Year {
        Year { undecided: Some(few), ..self.empty() }
    }

    /// Returns the answer, with what breaks without each purchase, and in the first month that is not held. `None` if the
    /// measurements were stopped.
    fn answer(&self, order: &Order, measurements: &mut Measurements<'_>) -> Option<Year> {
        let (mut months, mut before) = (Vec::new(), 0);
        for ((month, set), due) in (1..).zip(&order.sets).zip(&order.due) {
            let (set, counts) = (*set, &self.buyable.sets[*set]);
            let (had, sum) = (&self.buyable.sets[before], |sets: &[u32]| sets.iter().sum::<u32>());
            let is_more = |one: &[u32], other: &[u32]| -> Vec<u32> {
                one.iter().zip(other).map(|(one, other)| one.saturating_sub(*other)).collect()
            };
            let buy = is_more(counts, had);
            let violation = if sum(&buy) > 0 { measurements.violation(before, month).ok()? } else { None };
            months.push(YearMonth {
                load: self.load(month),
                days: self.days(month),
                buy: self.buyable.names_of(&buy),
                end: self.buyable.names_of(&is_more(had, counts)),
                owned: self.buyable.names_of(counts),
                cost: cost(*due),
                proof: measurements.proof(set, month),
                breaks_without: violation,
            });
            before = set;
        }
        let held = order.sets.len() as u32;
        let not_held = (held < self.options.months).then(|| self.not_held(held + 1, measurements));
        Some(Year {
            months,
            cost: YearCost {
                total_usd: usd(order.total()),
                ..cost(order.due.iter().fold(Due::default(), |sum, due| Due {
                    fees: sum.fees + due.fees,
                    setup: sum.setup + due.setup,
                    usage: sum.usage + due.usage,
                }))
            },
            due_later_usd: usd(order.due_later),
            not_held: match not_held {
                Some(found) => Some(found?),
                None => None,
            },
            ..self.empty()
        })
    }

    /// Returns the first month that is not held, with the set that holds the largest load. `None` if the measurements were
    /// stopped.
    fn not_held(&self, month: u32, measurements: &mut Measurements<'_>) -> Option<NotHeld> {
        let (set, holds_up_to) = measurements.best(self.buyable.available(month), month)?;
        let is_later = |terms: &order::Terms| terms.from > month && terms.from <= self.options.months;
        let names = self.buyable.names.iter().zip(&self.buyable.terms);
        Some(NotHeld {
            load: self.load(month),
            owned: self.buyable.names_of(&self.buyable.sets[set]),
            holds_up_to: holds_up_to.map(significant),
            violation: measurements.violation(set, month).ok()?,
            proof: measurements.failed_proof(set, month),
            later: names.filter(|(_, terms)| is_later(terms)).map(|(name, _)| name.clone()).collect(),
        })
    }

    /// Returns the first violation of a run of a set in a month.
    fn first_violation(&self, run: &Run, (set, month): (usize, u32)) -> Option<FirstViolation> {
        violation::first(run, self.runner.rules, &self.scenario(set, month))
    }
}

fn usd(micros: Micros) -> f64 {
    rounded(micros as f64 / 1e6, 4)
}

fn cost(due: Due) -> YearCost {
    YearCost {
        fees_usd: usd(due.fees),
        setup_usd: usd(due.setup),
        usage_usd: usd(due.usage),
        total_usd: usd(due.total()),
    }
}

//! What a route makes of a long limit, one per day or per hour: a client that sends to the first target with room uses up the long
//! limit of that target while the next ones are idle, and has only the next ones for the rest of the window.
//!
//! The ceiling lets every job go where it leaves the most room to others, so it is an upper bound there. What the order of the route
//! leaves of it is estimated here: the traffic flows through the targets as a fluid, in cells of time, after days of the same traffic.
//! Chance and waits do not count. Bursts count only if all jobs arrive in bursts: then a limit per minute admits no more than it does
//! until the deadline of each. Of a step that picks `cheapest`, the targets come in the order of their prices. Of one with another pick
//! than the order itself, those whose long limits run out soonest at full rate are taken to come first.

use super::constraint::{LimitConstraint, sustained};
use super::peak::allowed_failures;
use super::{Class, demand, offered_jobs_per_second_of, window_end};
use crate::scenario::{Arrivals, Pick, Scenario, Start, rate};
use provider::config::{Limit, RefillPolicy};
use provider::{Instant, Nanos};
use std::collections::VecDeque;

/// The greatest length of a cell.
const CELL: Nanos = Nanos(15 * Nanos::MINUTE.0);
/// The least length of a cell; a shorter run counts as if its traffic lasted so long: otherwise the days before a run of a second would
/// have a million cells. No window of a long limit is shorter.
const MIN_CELL: Nanos = Nanos::MINUTE;
/// The days of the same traffic before a run, if some long limit is a bucket, which empties slowly.
const DAYS_BEFORE: u64 = 12;
/// The largest lost share of the jobs of a class that counts as no loss.
const IGNORED_LOSS: f64 = 1e-3;
/// The largest share of the ceiling that is reported as left. A smaller loss may come from the bursts of limits per minute, which the
/// ceiling counts and the flow does not.
const MAX_REPORTED_SHARE: f64 = 0.97;
/// The steps of the bisection for a multiple.
const STEPS: u32 = 12;

/// Returns the multiple of the load that is left of the ceiling `multiple` if the targets are used in the order of their routes, and the
/// index of the limit that runs out. `None` if that is over [`MAX_REPORTED_SHARE`] of it, or if no long limit runs out where jobs are lost.
pub(super) fn multiple_left(
    scenario: &Scenario,
    classes: &[Class],
    constraints: &[LimitConstraint<'_>],
    multiple: f64,
) -> Option<(f64, usize)> {
    let order_matters = classes.iter().any(|class| {
        let has_long = |target| constraints.iter().any(|limit| is_long(&limit.limit) && limit.covers(target));
        class.targets.len() > 1 && class.targets.iter().any(|target| has_long(*target))
    });
    if !order_matters || !multiple.is_finite() || multiple <= 0.0 || scenario.duration == Nanos::ZERO {
        return None;
    }
    let fluid = Fluid::of(scenario, classes, constraints)?;
    let orders = fluid.orders(scenario);
    let most = multiple * MAX_REPORTED_SHARE;
    if fluid.is_served(most, &orders) {
        return None;
    }
    let left = fluid.highest(most, &orders);
    Some((left, fluid.first_to_run_out(most, &orders)?))
}

/// Returns `true` for a long limit: one whose window is longer than a minute.
pub(super) fn is_long(limit: &Limit) -> bool {
    limit.window.is_some_and(|window| window > Start::SHORT_WINDOW)
}

/// The traffic of a run in cells, and what it flows through.
struct Fluid<'a> {
    classes: &'a [Class],
    /// The jobs of each class in each cell.
    jobs: Vec<Vec<f64>>,
    /// The number of cells of the same traffic before the run.
    cells_before: usize,
    /// `true` if every limit admits the same in each repetition of the traffic, so that repetitions without a change can be left out.
    is_periodic: bool,
    limits: Vec<FluidLimit>,
    /// For each class, the share of its jobs that may be lost.
    may_fail: Vec<f64>,
}

/// A limit, with what it admits in a cell.
struct FluidLimit {
    /// The index among the constraints.
    number: usize,
    /// The demands by class and position of the target.
    demands: Vec<Vec<f64>>,
    supply: FluidSupply,
    /// What it admits in a cell in the long run.
    per_cell: f64,
    is_long: bool,
}

enum FluidSupply {
    /// This much in each cell.
    Rate(f64),
    /// This much more in each cell, up to the burst.
    Bucket { per_cell: f64, burst: f64 },
    /// This much from the beginning of a window on. `begins` is, for each cell, also for those before the run, `true` if a window begins
    /// with it.
    Window { amount: f64, begins: Vec<bool> },
    /// This much in any `cells` consecutive cells.
    Log { amount: f64, cells: usize },
}

/// What is left of a limit.
struct Level<'f> {
    supply: &'f FluidSupply,
    left: f64,
    /// The use of the last cells, of a sliding log.
    used: VecDeque<f64>,
}

impl<'a> Fluid<'a> {
    fn of(scenario: &Scenario, classes: &'a [Class], constraints: &[LimitConstraint<'_>]) -> Option<Self> {
        let duration = scenario.duration;
        let count = duration.0.div_ceil(CELL.0).max(1);
        let cell = Nanos(duration.0 / count).max(MIN_CELL);
        let settled = || (0..).zip(constraints).filter(|(_, constraint)| constraint.other_demand.is_none());
        let has_long_bucket =
            settled().any(|(_, it)| is_long(&it.limit) && it.limit.refill == RefillPolicy::Bucket);
        let days = match scenario.start {
            Start::Full => 0,
            _ if has_long_bucket => DAYS_BEFORE,
            _ => 1,
        };
        let cells_before = (Nanos::DAY * days).0.div_ceil(cell.0);
        // What a limit per minute admits of bursts in a cell, until the deadline of each.
        let at_bursts = |limit: &Limit| {
            let of_each = |every: Nanos| {
                limit.max_units_in(scenario.longest_deadline()) * cell.0.div_ceil(every.0) as f64
            };
            let period = burst_period(scenario, classes).filter(|_| limit.window.is_some());
            period.map_or(f64::INFINITY, of_each)
        };
        let limit = |(number, constraint): (usize, &LimitConstraint<'_>)| {
            let demands = classes
                .iter()
                .map(|class| class.targets.iter().map(|target| constraint.demand(class, *target)).collect());
            FluidLimit {
                number,
                demands: demands.collect(),
                supply: match FluidSupply::of(&constraint.limit, scenario, cell, (cells_before, count)) {
                    FluidSupply::Rate(per_cell) => {
                        FluidSupply::Rate(per_cell.min(at_bursts(&constraint.limit)))
                    }
                    other => other,
                },
                per_cell: sustained(&constraint.limit) * cell.as_secs_f64(),
                is_long: is_long(&constraint.limit),
            }
        };
        Some(Self {
            classes,
            jobs: classes.iter().map(|class| jobs_of(scenario, class, cell, count)).collect(),
            cells_before: usize::try_from(cells_before).ok()?,
            is_periodic: settled()
                .all(|(_, it)| !is_long(&it.limit) || it.limit.refill == RefillPolicy::Bucket),
            limits: settled().map(limit).collect(),
            may_fail: classes.iter().map(|class| may_fail(scenario, classes, class.workload)).collect(),
        })
    }

    /// Returns the positions of the targets of each class in the order of its route.
    fn orders(&self, scenario: &Scenario) -> Vec<Vec<usize>> {
        let of_class = |class: &Class| {
            let route = &scenario.routes[scenario.workloads[class.workload].route.index()];
            let step = |position: &usize| {
                let target = class.targets[*position];
                route.steps.iter().position(|step| step.targets.contains(&target)).unwrap_or(0)
            };
            // Of the targets of a step, the one with the highest rank comes first.
            let rank = |position: &usize| match route.steps[step(position)].pick {
                Pick::InOrder => 0.0,
                Pick::Cheapest => {
                    let price = demand::model(scenario, class.targets[*position]).price;
                    -class.sizes[*position].expected_usd(price)
                }
                _ => self.depletion_speed(class, *position),
            };
            let mut order: Vec<usize> = (0..class.targets.len()).collect();
            order.sort_by(|one, other| {
                step(one).cmp(&step(other)).then_with(|| rank(other).total_cmp(&rank(one)))
            });
            order
        };
        self.classes.iter().map(of_class).collect()
    }

    /// Returns how much faster a target can use up its long limits than they refill: what its other limits admit of a class ÷ what the
    /// long ones admit, both in the long run; 0 without long limits.
    fn depletion_speed(&self, class: &Class, position: usize) -> f64 {
        let admitted = |is_long: bool| {
            let limits = self.limits.iter().filter(|limit| limit.is_long == is_long);
            let jobs = limits.map(|limit| limit.per_cell / limit.demands[class.number][position]);
            jobs.fold(f64::INFINITY, f64::min)
        };
        let (fast, long) = (admitted(false), admitted(true));
        if long.is_finite() { fast / long.max(1e-12) } else { 0.0 }
    }

    /// Returns the highest multiple below `most` that is served in this order, by bisection. Assumes that `most` is not served, and that
    /// every multiple below a served one is.
    fn highest(&self, most: f64, orders: &[Vec<usize>]) -> f64 {
        let (mut low, mut high) = (0.0, most);
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            if self.is_served(middle, orders) { low = middle } else { high = middle }
        }
        low
    }

    fn is_served(&self, multiple: f64, orders: &[Vec<usize>]) -> bool {
        let lost = self.flow(multiple, orders, &mut |_, _| {});
        (self.classes.iter().zip(lost))
            .all(|(class, lost)| lost <= self.may_fail[class.number].max(IGNORED_LOSS))
    }

    /// Returns the index of the first long limit that has nothing left while jobs are lost; `None` if there is none.
    fn first_to_run_out(&self, multiple: f64, orders: &[Vec<usize>]) -> Option<usize> {
        let mut first = None;
        self.flow(multiple, orders, &mut |levels: &[Level<'_>], is_lossy| {
            let runs_out = |(limit, level): &(&FluidLimit, &Level<'_>)| limit.is_long && level.left <= 1e-6;
            if is_lossy {
                first = first.or_else(|| Some(self.limits.iter().zip(levels).find(runs_out)?.0.number));
            }
        });
        first
    }

    /// Lets `multiple` times the traffic flow through the targets, and returns the share of each class that is lost in the run.
    /// Calls `observe` after each cell, with the levels and whether jobs were lost in the cell.
    fn flow(
        &self,
        multiple: f64,
        orders: &[Vec<usize>],
        observe: &mut dyn FnMut(&[Level<'_>], bool),
    ) -> Vec<f64> {
        let mut levels: Vec<Level<'_>> = self.limits.iter().map(|limit| Level::full(&limit.supply)).collect();
        let count = self.jobs.first().map_or(0, Vec::len);
        let ranks = orders.iter().map(Vec::len).max().unwrap_or(0);
        let mut lost = vec![0.0; self.classes.len()];
        let (mut unsent, mut fits) = (vec![0.0; self.classes.len()], vec![0.0; self.limits.len()]);
        let mut of_last_repetition = vec![f64::NAN; self.limits.len()];
        let mut index = 0;
        while index < self.cells_before + count {
            // The cells before the run are those of the same traffic, so that the last of them is its last.
            let cell = (index + count - self.cells_before % count) % count;
            if cell == 0 && index < self.cells_before && self.is_periodic {
                let is_same =
                    |(level, last): (&Level<'_>, &f64)| (level.left - last).abs() <= 1e-6 * last.abs();
                if levels.iter().zip(&of_last_repetition).all(is_same) {
                    index = self.cells_before;
                }
                of_last_repetition.iter_mut().zip(&levels).for_each(|(last, level)| *last = level.left);
            }
            levels.iter_mut().for_each(|level| level.begin(index));
            unsent.iter_mut().zip(&self.jobs).for_each(|(unsent, jobs)| *unsent = jobs[cell] * multiple);
            (0..ranks).for_each(|rank| self.send(rank, orders, &mut unsent, (&mut levels, &mut fits)));
            observe(&levels, unsent.iter().any(|unsent| *unsent > 1e-9));
            levels.iter_mut().for_each(Level::end);
            if index >= self.cells_before {
                lost.iter_mut().zip(&unsent).for_each(|(lost, unsent)| *lost += unsent);
            }
            index += 1;
        }
        let share = |(lost, jobs): (f64, &Vec<f64>)| lost / (jobs.iter().sum::<f64>() * multiple).max(1e-12);
        lost.into_iter().zip(&self.jobs).map(share).collect()
    }

    /// Sends the unsent jobs of each class to the target of this rank; classes that share a limit get equal shares of what they need.
    /// `fits` is memory for the share that each limit admits.
    fn send(
        &self,
        rank: usize,
        orders: &[Vec<usize>],
        unsent: &mut [f64],
        (levels, fits): (&mut [Level<'_>], &mut [f64]),
    ) {
        let demand = |limit: &FluidLimit, class: usize| {
            orders[class].get(rank).map_or(0.0, |position| limit.demands[class][*position])
        };
        for ((limit, level), fits) in self.limits.iter().zip(levels.iter()).zip(fits.iter_mut()) {
            let wanted: f64 = (0..).zip(unsent.iter()).map(|(class, jobs)| jobs * demand(limit, class)).sum();
            *fits = if wanted > level.left { level.left.max(0.0) / wanted } else { 1.0 };
        }
        for (class, jobs) in unsent.iter_mut().enumerate() {
            if orders[class].get(rank).is_none() {
                continue;
            }
            let share = self.limits.iter().zip(&*fits).filter(|(limit, _)| demand(limit, class) > 0.0);
            let sent = *jobs * share.map(|(_, fits)| *fits).fold(1.0, f64::min);
            for (limit, level) in self.limits.iter().zip(levels.iter_mut()) {
                level.use_up(sent * demand(limit, class));
            }
            *jobs -= sent;
        }
    }
}

/// Of the jobs of a workload that some target can admit, returns the share that may be lost. The other jobs are lost anyway.
fn may_fail(scenario: &Scenario, classes: &[Class], workload: usize) -> f64 {
    let offered = offered_jobs_per_second_of(scenario, &scenario.workloads[workload]);
    let of_workload = classes.iter().filter(|class| class.workload == workload);
    let servable: f64 = of_workload.map(|class| class.rate).sum();
    (1.0 - (1.0 - allowed_failures(scenario, workload)) * offered / servable.max(1e-12)).max(0.0)
}

/// Returns the shortest time between two bursts, if all jobs arrive in bursts.
fn burst_period(scenario: &Scenario, classes: &[Class]) -> Option<Nanos> {
    let period = |class: &Class| match scenario.workloads[class.workload].arrivals {
        Arrivals::Burst { every, .. } => Some(every.max(Nanos(1))),
        _ => None,
    };
    classes.iter().map(period).reduce(|one, other| Some(one?.min(other?)))?
}

/// Returns the jobs of a class in each cell.
fn jobs_of(scenario: &Scenario, class: &Class, cell: Nanos, count: u64) -> Vec<f64> {
    let workload = &scenario.workloads[class.workload];
    let part = scenario.duration.0 / count;
    let edges = || (0..=count).map(|index| Instant(part * index));
    let rate = offered_jobs_per_second_of(scenario, workload);
    let before = rate::jobs_before(workload, scenario.duration, edges())
        .unwrap_or_else(|| edges().map(|edge| rate * edge.as_secs_f64()).collect());
    let share = if rate > 0.0 { class.rate / rate } else { 0.0 };
    let longer = cell.as_secs_f64() / Nanos(part).as_secs_f64();
    before.windows(2).map(|pair| (pair[1] - pair[0]) * share * longer).collect()
}

impl FluidSupply {
    /// Returns what a limit admits in cells of this length, of which `before` come before the run and `count` are in it.
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    fn of(limit: &Limit, scenario: &Scenario, cell: Nanos, (before, count): (u64, u64)) -> Self {
        let per_cell = sustained(limit) * cell.as_secs_f64();
        let window = limit.window.filter(|_| is_long(limit));
        let Some(window) = window else { return Self::Rate(per_cell) };
        match limit.refill {
            RefillPolicy::Bucket => Self::Bucket { per_cell, burst: limit.burst as f64 },
            RefillPolicy::SlidingLog => Self::Log {
                amount: limit.amount as f64,
                cells: usize::try_from(window.0.div_ceil(cell.0)).unwrap_or(usize::MAX),
            },
            _ => {
                let window_end_at = match (scenario.start, limit.refill) {
                    (Start::Sustained, _) if scenario.duration < window => {
                        let open = window_end::open_window(limit, &scenario.clock, scenario.duration);
                        open.map_or(window, |open| open.left)
                    }
                    (_, RefillPolicy::Calendar(zone)) => limit.axis.period().map_or(Nanos::ZERO, |period| {
                        Nanos(zone.period_containing(period, limit.epoch, Instant::ZERO).end.0)
                    }),
                    _ => Nanos::ZERO,
                };
                // The number of a cell's window: its time since an end of a window, plus enough whole windows that it is not negative.
                let offset = window.0 * (before * cell.0).div_ceil(window.0) + 2 * window.0 - window_end_at.0;
                let number = |index: u64| (offset + index * cell.0 - before * cell.0) / window.0;
                let begins = (0..before + count).map(|index| index == 0 || number(index) > number(index - 1));
                Self::Window { amount: sustained(limit) * window.as_secs_f64(), begins: begins.collect() }
            }
        }
    }
}

impl<'f> Level<'f> {
    fn full(supply: &'f FluidSupply) -> Self {
        let left = match supply {
            FluidSupply::Bucket { burst, .. } => *burst,
            FluidSupply::Log { amount, .. } => *amount,
            FluidSupply::Rate(_) | FluidSupply::Window { .. } => 0.0,
        };
        Self { supply, left, used: VecDeque::new() }
    }

    fn begin(&mut self, index: usize) {
        match self.supply {
            FluidSupply::Rate(per_cell) => self.left = *per_cell,
            FluidSupply::Bucket { per_cell, .. } => self.left += per_cell,
            FluidSupply::Window { amount, begins } => {
                if begins[index] {
                    self.left = *amount;
                }
            }
            FluidSupply::Log { cells, .. } => {
                if self.used.len() >= *cells {
                    self.left += self.used.pop_front().unwrap_or(0.0);
                }
                self.used.push_back(0.0);
            }
        }
    }

    fn use_up(&mut self, units: f64) {
        self.left -= units;
        if let Some(cell) = self.used.back_mut() {
            *cell += units;
        }
    }

    fn end(&mut self) {
        if let FluidSupply::Bucket { burst, .. } = self.supply {
            self.left = self.left.min(*burst);
        }
    }
}

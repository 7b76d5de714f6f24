//! The levels of long limits when a run begins: what the same traffic, day after day, leaves of them.
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
//! * A bucket that loses some of its level on every day is empty after a number of days, which may be large. From the
//!   second day on (the first begins full) these days are skipped. If a day has few jobs, the mean of several seeds is
//!   used.
//! * If the traffic is even and every long limit is a bucket, a part of the day with enough jobs is simulated instead.
//! * If a fixed or calendar window is longer than the run, the run is the last part of it: the window begins with the
//!   usage of the part before. A sliding log and a sliding counter begin with the usage of the window before.
//! * Limits that adapt begin at their minimum, as the provider gives it to a new account.
//!
//! Limits of which the offered load uses less than [`MIN_SHARE_TO_BIND`] per window, if all of it is sent to their targets,
//! begin full: a bucket is then full at some time of every day, and no more than a day's usage can be missing.

use super::level_sampler::{LevelSampler, SampledLimit};
use super::virtual_time::simulate_and_sample;
use crate::ceiling;
use crate::ids::TargetId;
use crate::scenario::{Arrivals, Scenario, Workload};
use crate::stats::replica_seed;
use provider::config::{Incident, Limit, RefillPolicy, StartLevel};
use provider::random::label_key;
use provider::{Instant, Nanos};

/// A limit of which the offered load uses less than this share per window is never nearly used up.
const MIN_SHARE_TO_BIND: f64 = 0.8;
/// The most days that are simulated, besides those that are skipped.
const MAX_DAYS: u32 = 14;
/// Levels repeat if they differ by less than this share of the capacity, or of what the simulated time refills if that
/// is less.
const LEVEL_TOLERANCE: f64 = 0.02;
/// A smaller used share of a limit counts as zero.
const MIN_USED: f64 = 0.005;
/// A bucket loses some of its level on every day if a day's loss exceeds this share of its refill.
const MIN_LOSS: f64 = 0.01;
/// The number of jobs from which the mean loss of a bucket is known precisely enough.
const SUFFICIENT_JOBS: u64 = 10_000;
/// The most seeds whose mean is taken for a day.
const MAX_SEEDS: u32 = 16;
/// The maximum number of times that a short run is repeated to make a day.
const MAX_REPEATS: u32 = 48;
/// The shortest part of a day that is simulated instead of it: many times the wait of any client.
const MIN_PART: Nanos = Nanos::HOUR;
/// What is used of the long limits of a scenario when its run begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartLevels(Vec<LongLimit>);

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
        self.limit.axis.window_length().unwrap_or(Nanos::ZERO)
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
        Self(long_limits(scenario))
    }

    /// Returns `true` if there is no limit that earlier traffic may have used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if every limit begins full, up to `MIN_USED` of its capacity.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.used().next().is_none()
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
        let day = Day::new(scenario, &self, is_time_up);
        for number in 0..MAX_DAYS {
            let usage = day.mean_usage(&self, number);
            if day.advance(&mut self, number, &usage) || is_time_up() {
                break;
            }
        }
        self
    }

    /// Returns how long the traffic is that is simulated as one day before a run; `None` if no limit needs it.
    #[must_use]
    pub fn day_length(&self, scenario: &Scenario) -> Option<Nanos> {
        (!self.is_empty()).then(|| {
            let day = Day::new(scenario, self, &|| false);
            Nanos(day.scenario.duration.0.saturating_mul(day.repeats.into()))
        })
    }

    /// Returns the limits of which at least [`MIN_USED`] is used when the run begins.
    fn used(&self) -> impl Iterator<Item = &LongLimit> {
        self.0.iter().filter(|limit| limit.used >= MIN_USED * limit.capacity())
    }

    /// Returns the scenario whose providers begin with these levels.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the capacity")]
    pub fn applied_to(&self, mut scenario: Scenario) -> Scenario {
        for config in &mut scenario.providers {
            config.start_levels.clear();
        }
        for limit in self.used() {
            let target = &scenario.targets[limit.target.index()];
            let (account, model, axis) = (target.account, target.model, limit.limit.axis);
            let level = StartLevel { account, model, axis, used: libm::round(limit.used) as u64 };
            scenario.providers[usize::from(target.provider)].start_levels.push(level);
        }
        scenario
    }
}

/// Returns the scenario whose run begins with the levels that its own traffic, day after day, leaves of its long
/// limits; with full limits if it says `start: full`.
#[must_use]
pub fn with_start_levels(scenario: Scenario) -> Scenario {
    with_start_levels_until(scenario, &|| false)
}

/// As [`with_start_levels`], unless the time is up before the levels are known: then the scenario must not be run.
#[must_use]
pub fn with_start_levels_until(scenario: Scenario, is_time_up: &dyn Fn() -> bool) -> Scenario {
    StartLevels::full(&scenario).after_days_until(&scenario, is_time_up).applied_to(scenario)
}

/// Returns the long limits that the offered load can nearly use up, each once.
fn long_limits(scenario: &Scenario) -> Vec<LongLimit> {
    let limits = ceiling::offered_shares(scenario, |limit| scenario.start.has_history(limit)).into_iter();
    let long = limits.filter_map(|(target, limit, share)| {
        let long_limit = LongLimit { target, limit, used: 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        let used = share * limit.amount as f64;
        let can_bind = used >= MIN_SHARE_TO_BIND * long_limit.capacity().min(limit.amount as f64);
        can_bind.then_some(long_limit)
    });
    long.collect()
}

/// The traffic of one day: the run, repeated to the length of the longest window.
struct Day<'a> {
    /// What is simulated, without incidents that are shorter than the run.
    scenario: Scenario,
    /// How often it is simulated per day.
    repeats: u32,
    /// The duration of the run whose start levels are determined.
    run: Nanos,
    /// Whether the simulation is to end.
    is_time_up: &'a dyn Fn() -> bool,
}

/// Returns the length of the part of a day that is simulated instead of it: the time in which enough jobs arrive, if
/// the traffic is even and every limit is a bucket; otherwise no bound.
fn sufficient_length(scenario: &Scenario, levels: &StartLevels) -> Nanos {
    let even = |workload: &Workload| match workload.arrivals {
        Arrivals::Constant(_) | Arrivals::Poisson(_) => workload.shape.is_none(),
        Arrivals::Users { .. } => true,
        _ => false,
    };
    let buckets = levels.0.iter().all(|limit| limit.limit.refill == RefillPolicy::Bucket);
    if !buckets || !scenario.workloads.iter().all(even) {
        return Nanos(u64::MAX);
    }
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let seconds =
        2.0 * SUFFICIENT_JOBS as f64 / ceiling::offered_jobs_per_second(scenario).max(f64::MIN_POSITIVE);
    Nanos::from_secs_f64(seconds.min(Nanos::DAY.as_secs_f64() * 400.0)).max(MIN_PART)
}

/// Keeps the incidents that last for a whole run of length `run`: the provider has them on every day.
fn keep_permanent(incidents: &mut Vec<Incident>, run: Nanos) {
    incidents.retain(|incident| incident.at == Instant::ZERO && incident.until >= Instant::ZERO + run);
    incidents.iter_mut().for_each(|incident| incident.until = Instant::MAX);
}

/// The jobs and the usage of the limits in a simulated day.
struct DayUsage {
    jobs: u64,
    /// In the order of the limits.
    limits: Vec<LimitUsage>,
}

/// The used units of a limit over a simulated day.
#[derive(Clone, Copy, Debug, Default)]
struct LimitUsage {
    max: f64,
    end: f64,
}

impl<'a> Day<'a> {
    fn new(scenario: &Scenario, levels: &StartLevels, is_time_up: &'a dyn Fn() -> bool) -> Self {
        let longest = levels.0.iter().map(LongLimit::window).max().unwrap_or(Nanos::MINUTE);
        let run = scenario.duration.max(Nanos(1));
        let ends = |arrivals: &Arrivals| {
            matches!(arrivals, Arrivals::Ramp(..) | Arrivals::Steps(_) | Arrivals::Trace { .. })
        };
        let repeated = scenario.workloads.iter().any(|workload| ends(&workload.arrivals));
        let windows = run.0.div_ceil(longest.0.max(1)).max(1);
        let length = Nanos(longest.0.saturating_mul(windows)).min(sufficient_length(scenario, levels));
        let mut scenario = scenario.clone();
        scenario.providers.iter_mut().for_each(|provider| keep_permanent(&mut provider.incidents, run));
        let repeats = if repeated {
            u32::try_from(length.0.div_ceil(run.0)).unwrap_or(u32::MAX).min(MAX_REPEATS)
        } else {
            1
        };
        if !repeated {
            scenario.duration = length;
        }
        Self { scenario, repeats, run, is_time_up }
    }

    /// Simulates the day with this number, from zero, that begins with these levels; if it has few jobs, several times with
    /// different seeds. Returns the mean.
    fn mean_usage(&self, levels: &StartLevels, number: u32) -> DayUsage {
        let mut sum = self.simulate(levels, number * MAX_SEEDS);
        let seeds = u32::try_from(SUFFICIENT_JOBS / sum.jobs.max(1)).unwrap_or(u32::MAX).clamp(1, MAX_SEEDS);
        for seed in (1..seeds).take_while(|_| !(self.is_time_up)()) {
            let one = self.simulate(levels, number * MAX_SEEDS + seed);
            for (sum, one) in sum.limits.iter_mut().zip(&one.limits) {
                sum.max += one.max;
                sum.end += one.end;
            }
        }
        for limit in &mut sum.limits {
            limit.max /= f64::from(seeds);
            limit.end /= f64::from(seeds);
        }
        sum
    }

    /// Simulates a day that begins with these levels; windows that count from their start begin with the day.
    fn simulate(&self, levels: &StartLevels, seed: u32) -> DayUsage {
        let mut levels = levels.clone();
        for limit in &mut levels.0 {
            if self.is_in_counted_window(limit) {
                limit.used = 0.0;
            }
        }
        let mut usage = DayUsage { jobs: 0, limits: vec![LimitUsage::default(); levels.0.len()] };
        for repeat in 0..self.repeats {
            let mut scenario = levels.applied_to(self.scenario.clone());
            let stream = label_key(scenario.seed, "days before").wrapping_add(u64::from(seed));
            scenario.seed = replica_seed(stream, u64::from(repeat));
            if (self.is_time_up)() {
                break;
            }
            let limits = levels.0.iter().map(LongLimit::sampled).collect();
            let mut sampled = LevelSampler::new(limits, scenario.duration, self.is_time_up);
            simulate_and_sample(&scenario, sampled.end, &mut sampled);
            usage.jobs += sampled.jobs;
            for ((level, usage), sampled) in levels.0.iter_mut().zip(&mut usage.limits).zip(&sampled.limits) {
                usage.max = usage.max.max(sampled.max);
                usage.end = sampled.end;
                level.used = sampled.end;
            }
        }
        usage
    }

    /// Sets the levels after this day, and skips the days on which a bucket only loses. Returns `true` if the levels
    /// equal those at the start of the day, within [`LEVEL_TOLERANCE`], and no bucket loses more than [`MIN_LOSS`].
    fn advance(&self, levels: &mut StartLevels, number: u32, usage: &DayUsage) -> bool {
        let mut same = true;
        for (limit, usage) in levels.0.iter_mut().zip(&usage.limits) {
            let (before, refill) = (limit.used, self.refill(limit));
            limit.used = self.next_level(limit, number, *usage).clamp(0.0, limit.capacity());
            let is_losing =
                limit.limit.refill == RefillPolicy::Bucket && limit.used - before > MIN_LOSS * refill;
            let is_near = (limit.used - before).abs() <= LEVEL_TOLERANCE * limit.capacity().min(refill);
            // A small loss empties a bucket after many days.
            same &= is_near && !is_losing;
        }
        same
    }

    /// Returns `true` if the run is a part of one window of a limit that counts from the start of its windows.
    fn is_in_counted_window(&self, limit: &LongLimit) -> bool {
        let is_counted = matches!(limit.limit.refill, RefillPolicy::Fixed | RefillPolicy::Calendar(_));
        is_counted && self.run < limit.window()
    }

    /// Returns the units that a limit refills in the simulated time.
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    fn refill(&self, limit: &LongLimit) -> f64 {
        let length = self.scenario.duration.0 as f64 * f64::from(self.repeats);
        limit.limit.amount as f64 * length / limit.window().0.max(1) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of a window")]
    fn next_level(&self, limit: &LongLimit, number: u32, LimitUsage { max, end }: LimitUsage) -> f64 {
        let window = limit.window().0.max(1) as f64;
        match limit.limit.refill {
            RefillPolicy::Adaptive(_) => 0.0,
            RefillPolicy::Bucket => {
                let refill = self.refill(limit);
                let loss = end - limit.used;
                let days = if number > 0 && loss > MIN_LOSS * refill {
                    libm::floor((limit.capacity() - max) / loss)
                } else {
                    0.0
                };
                end + days.max(0.0) * loss
            }
            _ if self.is_in_counted_window(limit) => max * (1.0 - self.run.0 as f64 / window),
            RefillPolicy::Fixed => 0.0, // Its windows begin with the run.
            RefillPolicy::Calendar(_) | RefillPolicy::SlidingLog | RefillPolicy::SlidingCounter => end,
        }
    }
}

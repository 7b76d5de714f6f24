//! One day of the traffic of a run, simulated to learn what it leaves of the long limits.

use super::{LongLimit, StartLevels};
use crate::ceiling;
use crate::drive::usage_sampler::UsageSampler;
use crate::drive::virtual_time::simulate_and_sample;
use crate::scenario::{Arrivals, Scenario, Shape, Workload};
use crate::stats::replica_seed;
use provider::config::{Incident, Limit, RefillPolicy};
use provider::random::label_key;
use provider::{Instant, Nanos};

/// Levels repeat if they differ by less than this share of the capacity, or of what the simulated time refills if that
/// is less.
const LEVEL_TOLERANCE: f64 = 0.02;
/// A bucket loses some of its level on every day if a day's loss exceeds this share of its refill.
const MIN_LOSS: f64 = 0.01;
/// The number of jobs from which the mean loss of a bucket is known precisely enough.
const SUFFICIENT_JOBS: u64 = 10_000;
/// The most seeds whose mean is taken for a day.
const MAX_SEEDS: u32 = 16;
/// The maximum number of times that a short run is repeated to make a day.
const MAX_REPEATS: u32 = 48;
/// The longest interval between bursts that a day covers. After a longer one, limits hold what the other traffic leaves of them, which a
/// longer simulation would not change.
const MAX_BURST_INTERVAL: Nanos = Nanos::MONTH;
/// The shortest part of a day that is simulated instead of it: many times the wait of any client.
const MIN_PART: Nanos = Nanos::HOUR;

/// The traffic that is simulated as one day: as many of the longest window as cover the run, or a part that suffices. Traffic
/// that ends with the run is repeated; other traffic continues.
pub(super) struct Day<'a> {
    /// What is simulated, without incidents that are shorter than the run.
    scenario: Scenario,
    /// How often it is simulated per day.
    repeats: u32,
    /// The duration of the run whose start levels are determined.
    run: Nanos,
    /// Whether the simulation is to end.
    is_time_up: &'a dyn Fn() -> bool,
}

/// Returns the length of the part of a day that is simulated instead of it: the time in which twice [`SUFFICIENT_JOBS`] are offered
/// (twice as a margin), but at least [`MIN_PART`]; no bound if the traffic is not even or a limit is not a bucket.
fn sufficient_length(scenario: &Scenario, levels: &StartLevels) -> Nanos {
    let even = |workload: &Workload| match workload.arrivals {
        Arrivals::Constant(_) | Arrivals::Poisson(_) => workload.shape.is_none(),
        Arrivals::Users { .. } => true,
        _ => false,
    };
    let buckets = levels.limits.iter().all(|limit| limit.limit.refill == RefillPolicy::Bucket);
    if !buckets || !scenario.workloads.iter().all(even) {
        return Nanos(u64::MAX);
    }
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let seconds =
        2.0 * SUFFICIENT_JOBS as f64 / ceiling::offered_jobs_per_second(scenario).max(f64::MIN_POSITIVE);
    Nanos::from_secs_f64(seconds.min(Nanos::DAY.as_secs_f64() * 400.0)).max(MIN_PART)
}

/// Returns the longest time after which the traffic of a workload repeats, of bursts at most [`MAX_BURST_INTERVAL`]; zero if none does.
fn longest_period(scenario: &Scenario) -> Nanos {
    let period = |workload: &Workload| {
        let of_arrivals = match workload.arrivals {
            Arrivals::Burst { every, .. } => Some(every.min(MAX_BURST_INTERVAL)),
            _ => workload.arrivals.period(),
        };
        of_arrivals.max(workload.shape.as_ref().map(Shape::period)).unwrap_or(Nanos::ZERO)
    };
    scenario.workloads.iter().map(period).max().unwrap_or(Nanos::ZERO)
}

/// Returns the number of seeds whose mean is taken, if one has this many jobs.
pub(super) fn seeds_for(jobs: u64) -> u32 {
    u32::try_from(SUFFICIENT_JOBS / jobs.max(1)).unwrap_or(u32::MAX).clamp(1, MAX_SEEDS)
}

/// Keeps the incidents that last for a whole run of length `run`: the provider has them on every day.
pub(super) fn keep_permanent(incidents: &mut Vec<Incident>, run: Nanos) {
    incidents.retain(|incident| incident.at == Instant::ZERO && incident.until >= Instant::ZERO + run);
    incidents.iter_mut().for_each(|incident| incident.until = Instant::MAX);
}

/// Lets windows of calendar days that are longer than a run of length `run` begin with the simulated day, so that it holds a whole
/// window, and none is cut in two.
fn begin_with_day(limits: &mut [Limit], run: Nanos) {
    for limit in limits {
        let is_longer = limit.window.is_some_and(|window| run < window);
        if is_longer && matches!(limit.refill, RefillPolicy::Calendar(_)) {
            limit.refill = RefillPolicy::Fixed;
        }
    }
}

/// The jobs and the usage of the limits in a simulated day.
pub(super) struct DayUsage {
    jobs: u64,
    /// In the order of the limits.
    limits: Vec<LimitUsage>,
    /// What the client assumes used at the end, in the order of the estimates.
    estimates: Vec<f64>,
}

/// The used units of a limit over a simulated day.
#[derive(Clone, Copy, Debug, Default)]
struct LimitUsage {
    max: f64,
    end: f64,
}

impl<'a> Day<'a> {
    pub(super) fn new(scenario: &Scenario, levels: &StartLevels, is_time_up: &'a dyn Fn() -> bool) -> Self {
        let longest = levels.limits.iter().map(LongLimit::window).max().unwrap_or(Nanos::MINUTE);
        let run = scenario.duration.max(Nanos(1));
        let repeated = scenario.has_traffic_that_ends();
        let windows = run.max(longest_period(scenario)).0.div_ceil(longest.0.max(1)).max(1);
        let length = Nanos(longest.0.saturating_mul(windows)).min(sufficient_length(scenario, levels));
        let mut scenario = scenario.clone();
        for provider in &mut scenario.providers {
            keep_permanent(&mut provider.incidents, run);
            provider.models.iter_mut().for_each(|model| begin_with_day(&mut model.limits, run));
        }
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
    pub(super) fn mean_usage(&self, levels: &StartLevels, number: u32) -> DayUsage {
        let mut sum = self.simulate(levels, number * MAX_SEEDS);
        let seeds = seeds_for(sum.jobs);
        for seed in (1..seeds).take_while(|_| !(self.is_time_up)()) {
            let one = self.simulate(levels, number * MAX_SEEDS + seed);
            for (sum, one) in sum.limits.iter_mut().zip(&one.limits) {
                sum.max += one.max;
                sum.end += one.end;
            }
            sum.estimates.iter_mut().zip(&one.estimates).for_each(|(sum, one)| *sum += one);
        }
        for limit in &mut sum.limits {
            limit.max /= f64::from(seeds);
            limit.end /= f64::from(seeds);
        }
        sum.estimates.iter_mut().for_each(|used| *used /= f64::from(seeds));
        sum
    }

    /// Simulates a day that begins with these levels. Windows that count from their start and are longer than the run begin with
    /// the day.
    fn simulate(&self, levels: &StartLevels, seed: u32) -> DayUsage {
        let mut levels = levels.clone();
        for limit in &mut levels.limits {
            if self.last_part(limit).is_some() {
                limit.used = 0.0;
            }
        }
        let limits = vec![LimitUsage::default(); levels.limits.len()];
        let mut usage = DayUsage { jobs: 0, limits, estimates: Vec::new() };
        for repeat in 0..self.repeats {
            let mut scenario = levels.applied_to(self.scenario.clone());
            let stream = label_key(scenario.seed, "days before").wrapping_add(u64::from(seed));
            scenario.seed = replica_seed(stream, u64::from(repeat));
            if (self.is_time_up)() {
                break;
            }
            let limits = levels.limits.iter().map(LongLimit::sampled).collect();
            let mut sampled = UsageSampler::new(limits, scenario.duration, self.is_time_up);
            let (engines, at) = simulate_and_sample(&scenario, sampled.end, &mut sampled);
            levels.estimates.read(&engines, at);
            usage.jobs += sampled.jobs;
            for ((level, usage), sampled) in
                levels.limits.iter_mut().zip(&mut usage.limits).zip(&sampled.limits)
            {
                usage.max = usage.max.max(sampled.max);
                usage.end = sampled.end;
                level.used = sampled.end;
            }
        }
        usage.estimates = levels.estimates.used();
        usage
    }

    /// Sets the levels after this day, and skips the days on which a bucket only loses. Returns `true` if the levels
    /// equal those at the start of the day, within [`LEVEL_TOLERANCE`], and no bucket loses more than [`MIN_LOSS`].
    pub(super) fn advance(&self, levels: &mut StartLevels, number: u32, usage: &DayUsage) -> bool {
        let skipped = |(limit, usage)| self.skipped_days(limit, number, usage);
        let days: Vec<f64> = levels.limits.iter().zip(&usage.limits).map(skipped).collect();
        let mut same = levels.estimates.advance(&usage.estimates, &days, self.length(), LEVEL_TOLERANCE);
        for ((limit, usage), days) in levels.limits.iter_mut().zip(&usage.limits).zip(days) {
            let (before, refill) = (limit.used, self.refill(limit));
            limit.used = self.next_level(limit, days, *usage).clamp(0.0, limit.capacity());
            let is_losing =
                limit.limit.refill == RefillPolicy::Bucket && limit.used - before > MIN_LOSS * refill;
            let is_near = (limit.used - before).abs() <= LEVEL_TOLERANCE * limit.capacity().min(refill);
            // A small loss empties a bucket after many days.
            same &= is_near && !is_losing;
        }
        same
    }

    /// Returns the share of a window that is left when the run begins, if the limit counts from the start of its windows and they are
    /// longer than the run; `None` for other limits.
    #[expect(clippy::cast_precision_loss, reason = "a share of a window")]
    fn last_part(&self, limit: &LongLimit) -> Option<f64> {
        let open = ceiling::open_window(&limit.limit, &self.scenario.clock, self.run)?;
        let part = open.left.0 as f64 / limit.window().0.max(1) as f64;
        (self.run < limit.window()).then_some(part)
    }

    /// Returns the length of the simulated day.
    pub(super) fn length(&self) -> Nanos {
        Nanos(self.scenario.duration.0.saturating_mul(self.repeats.into()))
    }

    /// Returns the units that a limit refills in the simulated time.
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    fn refill(&self, limit: &LongLimit) -> f64 {
        limit.limit.amount as f64 * self.length().0 as f64 / limit.window().0.max(1) as f64
    }

    /// Returns the number of days after this one on which a bucket only loses, as much as on this one; 0 for other limits.
    fn skipped_days(&self, limit: &LongLimit, number: u32, LimitUsage { max, end }: &LimitUsage) -> f64 {
        let loss = end - limit.used;
        let is_losing = limit.limit.refill == RefillPolicy::Bucket && loss > MIN_LOSS * self.refill(limit);
        if number > 0 && is_losing { libm::floor((limit.capacity() - max) / loss).max(0.0) } else { 0.0 }
    }

    /// Returns the used units at the start of the next simulated day, if `days` days are skipped.
    fn next_level(&self, limit: &LongLimit, days: f64, LimitUsage { max, end }: LimitUsage) -> f64 {
        if let Some(last_part) = self.last_part(limit) {
            return max * (1.0 - last_part);
        }
        match limit.limit.refill {
            RefillPolicy::Adaptive(_) => 0.0,
            RefillPolicy::Bucket => end + days * (end - limit.used),
            RefillPolicy::Fixed | RefillPolicy::FirstRequest => 0.0, // Its windows begin with the run.
            RefillPolicy::Calendar(_) | RefillPolicy::SlidingLog | RefillPolicy::SlidingCounter => end,
        }
    }
}

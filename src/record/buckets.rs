//! Records a run over time, in time buckets of equal length: counts, latency percentiles, charges and the use of every
//! limit.
//!
//! The number of buckets is set when the run begins: up to 240, and half as many more (at least 20) for jobs that are in
//! flight when arrivals stop. If the run outlasts them, `coarsen` merges neighbours. Events come in order of time, so a
//! bucket is complete when the next one begins, and all buckets share one latency histogram.

mod coarsen;

use self::coarsen::highest;
use super::charge::keeps_reservations;
use super::histogram::{Encoder, Histogram};
use super::incident;
use super::series::{Charged, Fill, Series};
use crate::formatting::{rounded, seconds};
use crate::scenario::Scenario;
use provider::config::Price;
use provider::{Axis, Instant, Nanos, Usage};
use std::collections::BTreeMap;

/// Bucket lengths that are easy to read, in tenths of a second: from 100 ms to 90 days.
const ROUND_LENGTHS: [u64; 25] = [
    1, 2, 5, 10, 20, 50, 100, 150, 300, 600, 1_200, 3_000, 6_000, 9_000, 18_000, 36_000, 72_000, 216_000,
    432_000, 864_000, 1_728_000, 4_320_000, 8_640_000, 25_920_000, 77_760_000,
];
/// The largest number of buckets within a run's duration.
const MAX_BUCKETS: u64 = 240;
/// The smallest number of buckets after the duration; half as many as within it if that is more.
const MIN_DRAIN_BUCKETS: usize = 20;
/// The number of samples of the limits per bucket.
const SAMPLES: u64 = 8;
/// The refusal counters of a bucket: one per axis, and one for replies that name no axis.
const BUCKET_REFUSALS: usize = Axis::ALL.len() + 1;

/// Returns the shortest round length that divides `duration` into at most [`MAX_BUCKETS`].
fn bucket_length(duration: Nanos) -> Nanos {
    let fits = |length: &Nanos| duration.0.div_ceil(length.0) <= MAX_BUCKETS;
    let round = ROUND_LENGTHS.into_iter().map(|tenths| Nanos::from_millis(tenths * 100)).find(fits);
    round.unwrap_or(Nanos(duration.0.div_ceil(MAX_BUCKETS)))
}

/// The counts of one bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    offered: u64,
    /// The jobs that arrived in its busiest minute. The minute in progress is added when it or the bucket
    /// ends.
    busiest_minute: u64,
    pub(super) sent: u64,
    pub(super) succeeded: u64,
    /// Of the succeeded, those served by an attempt of their own.
    pub(super) served: u64,
    /// Of the served, those served by a later step of their route than the first.
    pub(super) fell_back: u64,
    pub(super) failed: u64,
    pub(super) shed: u64,
    pub(super) limited_by: [u64; BUCKET_REFUSALS],
    p50_s: Option<f64>,
    p95_s: Option<f64>,
}

/// What one target charged in one bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Charge {
    calls: u64,
    /// Tokens of prompts, as far as they count against the limits, and of completions.
    prompt: u64,
    completion: u64,
    /// Tokens of prompts that are billed at the full price, and at the price of cached tokens.
    uncached: u64,
    cached: u64,
    /// Tokens reserved at admission.
    reserved: u64,
    /// The summed time that its calls were in flight.
    busy: Nanos,
}

impl Charge {
    /// Returns the price in USD.
    const fn cost(&self, price: Price) -> f64 {
        price.usd_of(self.uncached, self.cached, self.completion)
    }
}

/// The buckets of a run.
#[derive(Clone, Debug)]
pub(super) struct TimeBuckets {
    length: Nanos,
    /// Buckets within the scenario's duration.
    planned: usize,
    /// The complete buckets; the entries from `index` on are empty.
    buckets: Vec<Bucket>,
    current: Bucket,
    /// The index of the current bucket.
    index: usize,
    /// The end of the current bucket.
    ends: Instant,
    /// The end of the current minute, and the jobs that arrived so far in the part of it that lies in the current bucket.
    minute_ends: Instant,
    minute_jobs: u64,
    /// Latencies in the current bucket.
    latency: Histogram,
    /// The encoded latencies of the complete buckets; `None` if distributions are not kept.
    encoded: Option<(Encoder, Vec<String>)>,
    next_sample: Instant,
    /// By target and axis, the index in `fill` at which the limit's row of buckets begins.
    rows: Vec<[Option<usize>; Axis::ALL.len()]>,
    /// By limit, then by bucket, the highest used share sampled.
    fill: Vec<f32>,
    /// Refusals, in the layout of `fill`.
    refused: Vec<u32>,
    /// By target, then by bucket.
    charges: Vec<Charge>,
    /// By target, its state in the current bucket.
    current_by_target: Vec<TargetBucket>,
}

/// The state of one target in the current bucket.
#[derive(Clone, Copy, Debug, Default)]
struct TargetBucket {
    /// Calls in flight.
    in_flight: u64,
    /// `true` if some calls are known only by their replies, because the provider reports no decisions on them.
    is_undecided: bool,
    charge: Charge,
}

impl TimeBuckets {
    /// Creates the buckets for a run of `scenario`, with the latency distribution of every bucket if `distributions` is set.
    pub(super) fn new(scenario: &Scenario, distributions: bool) -> Self {
        let length = bucket_length(scenario.duration);
        let planned = (scenario.duration.0.div_ceil(length.0) as usize).max(1);
        let count = planned + (planned / 2).max(MIN_DRAIN_BUCKETS);
        let mut size = 0;
        let rows = scenario.targets.iter().map(|target| {
            let mut row = [None; Axis::ALL.len()];
            for limit in
                &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)].limits
            {
                row[limit.axis as usize] = Some(size);
                size += count;
            }
            row
        });
        Self {
            length,
            planned,
            rows: rows.collect(),
            fill: vec![0.0; size],
            refused: vec![0; size],
            charges: vec![Charge::default(); count * scenario.targets.len()],
            current_by_target: vec![TargetBucket::default(); scenario.targets.len()],
            buckets: vec![Bucket::default(); count],
            current: Bucket::default(),
            index: 0,
            ends: Instant::ZERO + length,
            minute_ends: Instant::ZERO + Nanos::MINUTE,
            minute_jobs: 0,
            latency: Histogram::of_bucket(),
            encoded: distributions.then(|| (Encoder::new(), vec![String::new(); count])),
            next_sample: Instant(length.0 / SAMPLES / 2),
        }
    }

    /// Returns the bucket that contains `at`. Instants must not decrease from call to call.
    #[inline]
    pub(super) fn at(&mut self, at: Instant) -> &mut Bucket {
        if at >= self.ends {
            self.move_to(at);
        }
        &mut self.current
    }

    /// Completes the buckets that end by `at`. Runs for one event in thousands.
    #[cold]
    fn move_to(&mut self, at: Instant) {
        while at >= self.ends {
            self.complete();
            if self.index + 1 == self.buckets.len() {
                self.coarsen();
                continue;
            }
            self.index += 1;
            self.ends += self.length;
            for target in &mut self.current_by_target {
                target.charge = Charge { busy: self.length * target.in_flight, ..Charge::default() };
            }
        }
    }

    /// Counts a job that arrives.
    pub(super) fn arrived(&mut self, at: Instant) {
        self.at(at);
        if at >= self.minute_ends {
            self.complete_minute();
            self.minute_ends = Instant((at.0 / Nanos::MINUTE.0 + 1).saturating_mul(Nanos::MINUTE.0));
        }
        self.minute_jobs += 1;
        self.current.offered += 1;
    }

    fn complete_minute(&mut self) {
        self.current.busiest_minute = self.current.busiest_minute.max(std::mem::take(&mut self.minute_jobs));
    }

    /// Counts a call that a target admits, with the tokens that it reserves.
    pub(super) fn admitted(&mut self, at: Instant, target: usize, reserved: u64) {
        self.at(at);
        let (rest, target) = (self.ends.since(at), &mut self.current_by_target[target]);
        target.in_flight += 1;
        target.charge.calls += 1;
        target.charge.reserved += reserved;
        target.charge.busy += rest;
    }

    /// Counts a call that a target settles: the tokens that it used, and those that count against the limits.
    pub(super) fn settled(&mut self, at: Instant, target: usize, usage: Usage, counted: Usage) {
        self.at(at);
        let (rest, TargetBucket { in_flight, charge, .. }) =
            (self.ends.since(at), &mut self.current_by_target[target]);
        *in_flight = in_flight.saturating_sub(1);
        charge.busy = charge.busy.saturating_sub(rest);
        charge.prompt += u64::from(counted.prompt_tokens);
        charge.completion += u64::from(counted.completion_tokens);
        charge.uncached += u64::from(usage.prompt_tokens.saturating_sub(usage.cached_tokens));
        charge.cached += u64::from(usage.cached_tokens);
    }

    /// Counts a call served by a provider that reports neither admission nor settlement: the tokens that it used, and those
    /// that count against the limits.
    pub(super) fn charge_undecided(&mut self, at: Instant, target: usize, usage: Usage, counted: Usage) {
        self.admitted(at, target, counted.total());
        self.settled(at, target, usage, counted);
        self.current_by_target[target].is_undecided = true;
    }

    /// Counts a call that a target refuses.
    pub(super) fn refused(&mut self, at: Instant, target: usize, axis: Option<Axis>) {
        self.at(at).limited_by[axis.map_or(Axis::ALL.len(), |axis| axis as usize)] += 1;
        if let Some(row) = axis.and_then(|axis| self.rows[target][axis as usize]) {
            self.refused[row + self.index] += 1;
        }
    }

    /// Records the latency of a job that succeeded in the current bucket.
    pub(super) fn latency(&mut self, latency: Nanos) {
        self.latency.record(latency);
    }

    pub(super) fn next_sample(&self) -> Instant {
        self.next_sample
    }

    /// Takes a sample of the used share of a limit. A bucket keeps the highest.
    pub(super) fn sample(&mut self, at: Instant, target: usize, axis: Axis, share: f32) {
        self.at(at);
        if let Some(row) = self.rows[target][axis as usize] {
            let highest = &mut self.fill[row + self.index];
            *highest = highest.max(share);
        }
    }

    /// Schedules the next sample. Samples lie inside the buckets, never on their borders, even after buckets are merged.
    pub(super) fn sampled(&mut self) {
        self.next_sample += Nanos((self.length.0 / SAMPLES).max(1));
    }

    fn complete(&mut self) {
        self.complete_minute();
        let (p50_s, p95_s) = (self.latency.quantile_s(0.50), self.latency.quantile_s(0.95));
        if let Some((encoder, encoded)) = &mut self.encoded {
            encoded[self.index] = encoder.encode(&self.latency);
        }
        if !self.latency.is_empty() {
            self.latency.clear();
        }
        // The current bucket has percentiles already if it was merged without distributions.
        let bucket = std::mem::take(&mut self.current);
        let (p50_s, p95_s) = (highest(bucket.p50_s, p50_s), highest(bucket.p95_s, p95_s));
        self.buckets[self.index] = Bucket { p50_s, p95_s, ..bucket };
        for (charges, target) in self.charges.chunks_mut(self.buckets.len()).zip(&self.current_by_target) {
            charges[self.index] = target.charge;
        }
    }

    /// Returns the series of a run that ended at `end`.
    pub(super) fn finish(mut self, end: Instant, scenario: &Scenario) -> Series {
        self.at(end);
        for TargetBucket { in_flight, charge, .. } in &mut self.current_by_target {
            charge.busy = charge.busy.saturating_sub(self.ends.since(end) * *in_flight);
        }
        self.complete();
        let count = self.planned.max(self.index + 1);
        let encoded = self.encoded.take().map_or_else(Vec::new, |(_, encoded)| encoded);
        let kept = &self.buckets[..count];
        let counts = |of: fn(&Bucket) -> u64| kept.iter().map(of).collect::<Vec<_>>();
        let limited_by =
            (0..BUCKET_REFUSALS).filter(|&by| kept.iter().any(|bucket| bucket.limited_by[by] > 0));
        let fill = scenario.targets.iter().enumerate().map(|(id, target)| Fill {
            target: target.name.clone(),
            axes: self.by_axis(id, |row| {
                let shares = self.fill[row..row + count].iter();
                Some(shares.map(|&share| rounded(f64::from(share), 3)).collect())
            }),
            charged: self.charged(id, keeps_reservations(scenario, target), count),
            refused: self.by_axis(id, |row| {
                let counts: Vec<_> = self.refused[row..row + count].iter().map(|&c| u64::from(c)).collect();
                counts.iter().any(|count| *count > 0).then_some(counts)
            }),
        });
        let longer_than_a_minute = if self.length > Nanos::MINUTE { kept } else { &[] };
        let fall_back = scenario.routes.iter().any(|route| route.steps.len() > 1);
        Series {
            step_s: seconds(self.length),
            offered: counts(|bucket| bucket.offered),
            busiest_minute: longer_than_a_minute.iter().map(|bucket| bucket.busiest_minute).collect(),
            sent: counts(|bucket| bucket.sent),
            succeeded: counts(|bucket| bucket.succeeded),
            served: if fall_back { counts(|bucket| bucket.served) } else { Vec::new() },
            fell_back: if fall_back { counts(|bucket| bucket.fell_back) } else { Vec::new() },
            limited: counts(|bucket| bucket.limited_by.iter().sum()),
            failed: counts(|bucket| bucket.failed),
            shed: counts(|bucket| bucket.shed),
            p50_s: kept.iter().map(|bucket| bucket.p50_s).collect(),
            p95_s: kept.iter().map(|bucket| bucket.p95_s).collect(),
            latency_hdr: encoded
                .into_iter()
                .take(count)
                .map(|text| (!text.is_empty()).then_some(text))
                .collect(),
            limited_by: limited_by
                .map(|by| {
                    let name = Axis::ALL.get(by).map_or("unnamed", |axis| axis.name());
                    (name.to_owned(), kept.iter().map(|bucket| bucket.limited_by[by]).collect())
                })
                .collect::<BTreeMap<_, _>>(),
            cost_usd: self.cost_usd(scenario, count),
            incidents: incident::before(end, scenario),
            fill: fill.collect(),
        }
    }

    /// Returns what each provider charged in the first `count` buckets; empty if nothing was charged.
    fn cost_usd(&self, scenario: &Scenario, count: usize) -> BTreeMap<String, Vec<f64>> {
        let mut costs: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (target, charges) in scenario.targets.iter().zip(self.charges.chunks(self.buckets.len())) {
            let provider = scenario.providers[usize::from(target.provider)].name.clone();
            let sums = costs.entry(provider).or_insert_with(|| vec![0.0; count]);
            for (sum, charge) in sums.iter_mut().zip(charges) {
                *sum += charge.cost(target.price);
            }
        }
        costs.values_mut().flatten().for_each(|cost| *cost = rounded(*cost, 9));
        if costs.values().flatten().all(|cost| *cost == 0.0) { BTreeMap::new() } else { costs }
    }

    /// Maps the rows of a target, by the names of their axes. Axes for which `of` returns `None` are left out.
    fn by_axis<T>(&self, target: usize, of: impl Fn(usize) -> Option<Vec<T>>) -> BTreeMap<String, Vec<T>> {
        let rows = Axis::ALL.into_iter().filter_map(|axis| Some((axis, self.rows[target][axis as usize]?)));
        rows.filter_map(|(axis, row)| Some((axis.name().to_owned(), of(row)?))).collect()
    }

    /// Returns what a target charged in the first `count` buckets; empty lists if it charged nothing.
    /// `keeps_reservations` means that it charges what calls reserve, whatever they use.
    fn charged(&self, target: usize, keeps_reservations: bool, count: usize) -> Charged {
        let begin = target * self.buckets.len();
        let kept = &self.charges[begin..begin + count];
        if kept.iter().all(|charge| charge.calls == 0 && charge.prompt == 0 && charge.completion == 0) {
            return Charged::default();
        }
        let is_timed = self.rows[target][Axis::Concurrency as usize].is_some()
            && !self.current_by_target[target].is_undecided;
        let busy = kept.iter().filter(|_| is_timed).map(|charge| rounded(charge.busy.as_secs_f64(), 3));
        let reserved = kept.iter().filter(|_| keeps_reservations).map(|charge| charge.reserved);
        Charged {
            calls: kept.iter().map(|charge| charge.calls).collect(),
            prompt_tokens: kept.iter().map(|charge| charge.prompt).collect(),
            completion_tokens: kept.iter().map(|charge| charge.completion).collect(),
            kept_tokens: reserved.collect(),
            busy_s: busy.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: any duration has at most 240 buckets, and at least 79 unless they have the shortest length.
        #[test]
        fn buckets_are_neither_many_nor_few(millis in 1u64..100_000_000_000) {
            let duration = Nanos::from_millis(millis);
            let length = bucket_length(duration);
            let buckets = duration.0.div_ceil(length.0);
            prop_assert!(buckets <= MAX_BUCKETS);
            prop_assert!(buckets >= 79 || length == Nanos::from_millis(100), "{buckets}");
        }
    }

    #[test]
    fn the_longest_and_the_shortest_duration_have_a_bucket_length() {
        assert!(Nanos::MAX.0.div_ceil(bucket_length(Nanos::MAX).0) <= MAX_BUCKETS);
        assert_eq!(bucket_length(Nanos::DAY), Nanos::from_secs(600));
        assert_eq!(bucket_length(Nanos::ZERO), Nanos::from_millis(100));
    }
}

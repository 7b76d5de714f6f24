//! The run over time: counts, latency percentiles, what was charged and how full each limit was, per step of
//! fixed length.
//!
//! Memory is set when the run begins: about two hundred steps, and some more for the jobs that are still
//! under way when arrivals stop; whatever comes later than those counts into the last one. Events come in
//! order of time, so a step is finished for good when the next one begins: one small histogram serves all.

use super::histogram::Histogram;
use super::summary::{Charged, Fill, Series};
use crate::formatting::{rounded, seconds};
use crate::scenario::Scenario;
use provider::{Axis, Instant, Nanos, Usage};
use std::collections::BTreeMap;

/// Lengths a reader can add up in the head, in tenths of a second: from 100 ms to 90 days.
const ROUND: [u64; 25] = [
    1, 2, 5, 10, 20, 50, 100, 150, 300, 600, 1_200, 3_000, 6_000, 9_000, 18_000, 36_000, 72_000, 216_000,
    432_000, 864_000, 1_728_000, 4_320_000, 8_640_000, 25_920_000, 77_760_000,
];
/// The most steps a run's duration is cut into.
const MOST_STEPS: u64 = 240;
/// Of the time after the duration, so many steps are told apart: as many as half the duration, but no fewer.
const FEWEST_DRAIN_STEPS: usize = 20;
/// Samples of the limits per step.
const SAMPLES: u64 = 8;
/// Refusals by axis, and one place more for those whose axis nobody named.
const REFUSALS: usize = Axis::ALL.len() + 1;

/// The shortest round length that cuts `duration` into at most [`MOST_STEPS`].
fn step_of(duration: Nanos) -> Nanos {
    let fits = |step: &Nanos| duration.0.div_ceil(step.0) <= MOST_STEPS;
    let round = ROUND.into_iter().map(|tenths| Nanos::from_millis(tenths * 100)).find(fits);
    round.unwrap_or(Nanos(duration.0.div_ceil(MOST_STEPS)))
}

/// What is counted in one step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) offered: u64,
    pub(super) sent: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) shed: u64,
    pub(super) limited_by: [u64; REFUSALS],
    p50_s: Option<f64>,
    p95_s: Option<f64>,
}

/// What one target charged in one step.
#[derive(Clone, Copy, Debug, Default)]
struct Charge {
    calls: u64,
    prompt: u64,
    completion: u64,
    /// How long its calls were in flight, added up.
    busy: Nanos,
}

/// The series while it grows.
#[derive(Clone, Debug)]
pub(super) struct TimeBuckets {
    length: Nanos,
    /// TimeBuckets that the duration is cut into.
    planned: usize,
    /// The steps that are over.
    steps: Vec<Step>,
    /// The step of now, its place among them, and when it ends.
    present: Step,
    now: usize,
    ends: Instant,
    latency: Histogram,
    next_sample: Instant,
    /// Every limit of every target: where its row of steps begins in `fill`.
    rows: Vec<[Option<usize>; Axis::ALL.len()]>,
    fill: Vec<f32>,
    /// Refusals, in the same places.
    refused: Vec<u32>,
    /// By target, then by step.
    charges: Vec<Charge>,
    /// By target.
    sites: Vec<TargetBucket>,
}

/// What one target does at present.
#[derive(Clone, Copy, Debug, Default)]
struct TargetBucket {
    /// Its calls in flight.
    open: u64,
    /// What it charged in the step of now.
    charge: Charge,
}

impl TimeBuckets {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let length = step_of(scenario.duration);
        let planned = (scenario.duration.0.div_ceil(length.0) as usize).max(1);
        let steps = planned + (planned / 2).max(FEWEST_DRAIN_STEPS);
        let mut size = 0;
        let rows = scenario.targets.iter().map(|target| {
            let mut row = [None; Axis::ALL.len()];
            for limit in
                &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)].limits
            {
                row[limit.axis as usize] = Some(size);
                size += steps;
            }
            row
        });
        Self {
            length,
            planned,
            rows: rows.collect(),
            fill: vec![0.0; size],
            refused: vec![0; size],
            charges: vec![Charge::default(); steps * scenario.targets.len()],
            sites: vec![TargetBucket::default(); scenario.targets.len()],
            steps: vec![Step::default(); steps],
            present: Step::default(),
            now: 0,
            ends: Instant::ZERO + length,
            latency: Histogram::of_step(),
            next_sample: Instant(length.0 / SAMPLES / 2),
        }
    }

    /// The step of an instant no earlier than any before.
    #[inline]
    pub(super) fn at(&mut self, at: Instant) -> &mut Step {
        if at >= self.ends {
            self.move_to(at);
        }
        &mut self.present
    }

    /// Closes the steps that end by then. It happens once in thousands of events.
    #[cold]
    fn move_to(&mut self, at: Instant) {
        while at >= self.ends && self.now + 1 < self.steps.len() {
            self.close();
            self.now += 1;
            self.ends += self.length;
            for site in &mut self.sites {
                site.charge = Charge { busy: self.length * site.open, ..Charge::default() };
            }
        }
    }

    /// A target admits a call.
    pub(super) fn admitted(&mut self, at: Instant, target: usize) {
        self.at(at);
        let (rest, site) = (self.ends.since(at), &mut self.sites[target]);
        site.open += 1;
        site.charge.calls += 1;
        site.charge.busy += rest;
    }

    /// A target settles a call that it had admitted.
    pub(super) fn settled(&mut self, at: Instant, target: usize, usage: Usage) {
        self.at(at);
        let (rest, TargetBucket { open, charge }) = (self.ends.since(at), &mut self.sites[target]);
        *open = open.saturating_sub(1);
        charge.busy = charge.busy.saturating_sub(rest);
        charge.prompt += u64::from(usage.prompt_tokens);
        charge.completion += u64::from(usage.completion_tokens);
    }

    /// A target served a call of which no other event told.
    pub(super) fn served(&mut self, at: Instant, target: usize, usage: Usage) {
        self.admitted(at, target);
        self.settled(at, target, usage);
    }

    /// A target refused a call.
    pub(super) fn refused(&mut self, at: Instant, target: usize, axis: Option<Axis>) {
        self.at(at).limited_by[axis.map_or(Axis::ALL.len(), |axis| axis as usize)] += 1;
        if let Some(row) = axis.and_then(|axis| self.rows[target][axis as usize]) {
            self.refused[row + self.now] += 1;
        }
    }

    /// Counts the latency of a job that succeeded in the step of now.
    pub(super) fn latency(&mut self, latency: Nanos) {
        self.latency.record(latency);
    }

    pub(super) fn next_sample(&self) -> Instant {
        self.next_sample
    }

    /// Keeps the fullest a limit was seen in a step.
    pub(super) fn sample(&mut self, at: Instant, target: usize, axis: Axis, share: f32) {
        self.at(at);
        if let Some(row) = self.rows[target][axis as usize] {
            let fullest = &mut self.fill[row + self.now];
            *fullest = fullest.max(share);
        }
    }

    /// Samples fall inside the steps, never on their borders, and end with the last step.
    pub(super) fn sampled(&mut self) {
        let next = self.next_sample + Nanos((self.length.0 / SAMPLES).max(1));
        let end = self.length * self.steps.len() as u64;
        self.next_sample = if next.0 < end.0 { next } else { Instant::MAX };
    }

    fn close(&mut self) {
        let (p50_s, p95_s) = (self.latency.quantile_s(0.50), self.latency.quantile_s(0.95));
        self.latency.clear();
        self.steps[self.now] = Step { p50_s, p95_s, ..std::mem::take(&mut self.present) };
        for (charges, site) in self.charges.chunks_mut(self.steps.len()).zip(&self.sites) {
            charges[self.now] = site.charge;
        }
    }

    /// The series of a run that ended at `end`, and the step in which an instant lies.
    pub(super) fn finish(mut self, end: Instant, scenario: &Scenario) -> Series {
        self.at(end);
        for TargetBucket { open, charge } in &mut self.sites {
            charge.busy = charge.busy.saturating_sub(self.ends.since(end) * *open);
        }
        self.close();
        let steps = self.planned.max(self.now + 1);
        let kept = &self.steps[..steps];
        let counts = |of: fn(&Step) -> u64| kept.iter().map(of).collect::<Vec<_>>();
        let limited_by = (0..REFUSALS).filter(|&by| kept.iter().any(|step| step.limited_by[by] > 0));
        let fill = scenario.targets.iter().enumerate().map(|(id, target)| Fill {
            target: target.name.clone(),
            axes: self.by_axis(id, |row| {
                let shares = self.fill[row..row + steps].iter();
                Some(shares.map(|&share| rounded(f64::from(share), 3)).collect())
            }),
            charged: self.charged(id, steps),
            refused: self.by_axis(id, |row| {
                let counts: Vec<_> = self.refused[row..row + steps].iter().map(|&c| u64::from(c)).collect();
                counts.iter().any(|count| *count > 0).then_some(counts)
            }),
        });
        Series {
            step_s: seconds(self.length),
            offered: counts(|step| step.offered),
            sent: counts(|step| step.sent),
            succeeded: counts(|step| step.succeeded),
            limited: counts(|step| step.limited_by.iter().sum()),
            failed: counts(|step| step.failed),
            shed: counts(|step| step.shed),
            p50_s: kept.iter().map(|step| step.p50_s).collect(),
            p95_s: kept.iter().map(|step| step.p95_s).collect(),
            limited_by: limited_by
                .map(|by| {
                    let name = Axis::ALL.get(by).map_or("unnamed", |axis| axis.name());
                    (name.to_owned(), kept.iter().map(|step| step.limited_by[by]).collect())
                })
                .collect::<BTreeMap<_, _>>(),
            fill: fill.collect(),
        }
    }

    /// What `of` makes of the rows of a target, by the names of their axes.
    fn by_axis<T>(&self, target: usize, of: impl Fn(usize) -> Option<Vec<T>>) -> BTreeMap<String, Vec<T>> {
        let rows = Axis::ALL.into_iter().filter_map(|axis| Some((axis, self.rows[target][axis as usize]?)));
        rows.filter_map(|(axis, row)| Some((axis.name().to_owned(), of(row)?))).collect()
    }

    /// What a target charged in the first `steps`; nothing at all where it charged nothing.
    fn charged(&self, target: usize, steps: usize) -> Charged {
        let begin = target * self.steps.len();
        let kept = &self.charges[begin..begin + steps];
        if kept.iter().all(|charge| charge.calls == 0 && charge.prompt == 0 && charge.completion == 0) {
            return Charged::default();
        }
        let bounded = self.rows[target][Axis::Concurrency as usize].is_some();
        let busy = kept.iter().filter(|_| bounded).map(|charge| rounded(charge.busy.as_secs_f64(), 3));
        Charged {
            calls: kept.iter().map(|charge| charge.calls).collect(),
            prompt_tokens: kept.iter().map(|charge| charge.prompt).collect(),
            completion_tokens: kept.iter().map(|charge| charge.completion).collect(),
            busy_s: busy.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: any duration is cut into at most 240 steps, and into at least 80 wherever a round length allows it.
        #[test]
        fn steps_are_neither_many_nor_few(millis in 1u64..100_000_000_000) {
            let duration = Nanos::from_millis(millis);
            let steps = duration.0.div_ceil(step_of(duration).0);
            prop_assert!(steps <= MOST_STEPS);
            prop_assert!(steps >= 79 || step_of(duration) == Nanos::from_millis(100), "{steps}");
        }
    }

    #[test]
    fn the_longest_duration_still_has_a_step() {
        assert!(Nanos::MAX.0.div_ceil(step_of(Nanos::MAX).0) <= MOST_STEPS);
        assert_eq!(step_of(Nanos::DAY), Nanos::from_secs(600));
        assert_eq!(step_of(Nanos::ZERO), Nanos::from_millis(100));
    }
}

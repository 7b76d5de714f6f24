//! The numbers that a live run shows on a terminal while it goes on: rate, failures, latency, jobs in flight, and the fullest
//! limits, of the last half second.

use crate::event::{AttemptOutcome, Event, EventKind, JobOutcome};
use crate::formatting::{count, duration, number, percent};
use crate::ids::{JobId, TargetId};
use crate::record::{Fold, Histogram};
use crate::scenario::Scenario;
use provider::{Axis, Instant, Nanos};
use rustc_hash::FxHashSet;

/// The time between two updates.
const INTERVAL: Nanos = Nanos::from_millis(500);
/// The most limits that are shown.
const MAX_LIMITS: usize = 2;
/// The width of a line in characters: that of the narrowest usual terminal.
const WIDTH: usize = 79;

/// Counts the events since the last update.
#[derive(Debug)]
pub(super) struct LiveNumbers {
    /// The names of the targets.
    targets: Vec<String>,
    counts: Counts,
    /// Latencies of the jobs that succeeded.
    latency: Histogram,
    /// Jobs in flight now.
    in_flight: u64,
    /// Those with two attempts in flight.
    hedged: FxHashSet<JobId>,
    /// The fullest limits at the last sample, the fullest first.
    fullest: Vec<(f64, TargetId, Axis)>,
    /// The instant from which events are counted.
    begin: Instant,
    last_event: Instant,
    /// When the next update is due.
    next: Instant,
    /// The lines of the last update.
    lines: String,
}

/// What happened since the last update.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    succeeded: u64,
    /// Attempts that a limit refused.
    refused: u64,
    /// Attempts that failed in any other way.
    errors: u64,
    /// Jobs given up.
    given_up: u64,
}

impl LiveNumbers {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            targets: scenario.targets.iter().map(|target| target.name.clone()).collect(),
            counts: Counts::default(),
            latency: Histogram::of_run(),
            in_flight: 0,
            hedged: FxHashSet::default(),
            fullest: Vec::new(),
            begin: Instant::ZERO,
            last_event: Instant::ZERO,
            next: Instant::ZERO + INTERVAL,
            lines: String::new(),
        }
    }

    /// Returns the lines of the last update.
    pub(super) fn lines(&self) -> &str {
        &self.lines
    }

    /// Returns the lines of an update after `elapsed_s` seconds.
    #[expect(clippy::cast_precision_loss, reason = "counts of half a second")]
    fn render(&self, elapsed_s: f64) -> String {
        let per_s = |count: u64| format!("{}/s", number(count as f64 / elapsed_s));
        let Counts { succeeded, refused, errors, given_up } = self.counts;
        let mut parts = vec![format!("{} succeeded", per_s(succeeded))];
        let others = [(refused, "refused"), (errors, "errors"), (given_up, "given up")];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        parts.extend(others.map(|(count, what)| format!("{} {what}", per_s(count))));
        let quantile = |quantile: f64| self.latency.quantile_s(quantile).map(duration);
        if let (Some(p50), Some(p95)) = (quantile(0.50), quantile(0.95)) {
            parts.push(format!("p50 {p50}, p95 {p95}"));
        }
        parts.push(format!("{} in flight", count(self.in_flight)));
        let limits = self.fullest.iter().map(|(used, target, axis)| {
            format!("{} of {} on {}", percent(*used), axis.name(), self.targets[target.index()])
        });
        let lines = std::iter::once(parts.join(" · ")).chain(limits);
        lines.map(|line| line.chars().take(WIDTH).collect()).collect::<Vec<String>>().join("\n")
    }
}

impl Fold for LiveNumbers {
    fn event(&mut self, event: &Event) {
        self.last_event = event.at;
        match event.kind {
            EventKind::Arrived { .. } => self.in_flight += 1,
            EventKind::Replied { outcome: AttemptOutcome::Refused { .. }, .. } => self.counts.refused += 1,
            EventKind::Replied { outcome: AttemptOutcome::Failed(_), .. } => self.counts.errors += 1,
            EventKind::Hedged { .. } => {
                self.hedged.insert(event.job);
            }
            // Of two attempts of a job, the slower one is cancelled.
            EventKind::AttemptCancelled { .. } => {
                self.counts.errors += u64::from(!self.hedged.remove(&event.job));
            }
            EventKind::Done(ref end) => {
                self.hedged.remove(&event.job);
                self.in_flight = self.in_flight.saturating_sub(1);
                match end.outcome {
                    JobOutcome::Succeeded => {
                        self.counts.succeeded += 1;
                        self.latency.record(event.at.since(end.scheduled));
                    }
                    JobOutcome::Failed(_) | JobOutcome::Shed(_) => self.counts.given_up += 1,
                    JobOutcome::InFlight => {}
                }
            }
            _ => {}
        }
    }

    fn next_sample(&self) -> Instant {
        self.next
    }

    fn sample(&mut self, _: Instant, target: TargetId, axis: Axis, used_share: f64, _: u64) {
        let rank = self.fullest.partition_point(|(used, ..)| *used >= used_share);
        self.fullest.insert(rank, (used_share, target, axis));
        self.fullest.truncate(MAX_LIMITS);
    }

    fn sampled(&mut self, at: Instant) {
        self.next = at + INTERVAL;
        let elapsed = at.max(self.last_event).since(self.begin);
        // A driver that is late takes several samples at once, of which the first covers all events.
        if elapsed >= Nanos(INTERVAL.0 / 2) {
            self.lines = self.render(elapsed.as_secs_f64());
            self.begin += elapsed;
            self.counts = Counts::default();
            self.latency = Histogram::of_run();
        }
        self.fullest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AttemptFailure, JobEnd, RefusalCause};
    use crate::ids::{AttemptId, EngineId, WorkloadId};
    use crate::scenario::{self, Overrides};
    use provider::Usage;

    const SCENARIO: &str = "
duration: 10s
providers: {p: {models: {m: {limits: {rpm: 60, tpm: 1000}, latency: {total: 1s}}}}}
routes: {r: [{of: [p/default/m]}]}
workload: [{name: w, arrivals: {constant: 10/s}, prompt: 1}]
";

    #[test]
    fn an_update_states_what_happened_since_the_last_one() {
        let scenario = scenario::parse("live", SCENARIO, &Overrides::default(), None).unwrap();
        let mut numbers = LiveNumbers::new(&scenario);
        let at = |millis| Instant::ZERO + Nanos::from_millis(millis);
        let event = |numbers: &mut LiveNumbers, millis, job, kind| {
            numbers.event(&Event { at: at(millis), job: JobId(job), kind });
        };
        let (workload, engine, scheduled, target) = (WorkloadId(0), EngineId(0), at(0), TargetId(0));
        let arrived = EventKind::Arrived {
            workload,
            engine,
            scheduled,
            deadline: None,
            prompt_tokens: 1,
            max_tokens: None,
        };
        let replied =
            |outcome| EventKind::Replied { attempt: AttemptId(0), target, outcome, usage: Usage::default() };
        let done = |outcome| {
            let end = JobEnd::without_attempt(outcome, workload, scheduled);
            EventKind::Done(JobEnd { attempts: 1, ..end })
        };
        for job in 0..4 {
            event(&mut numbers, 10, job, arrived);
        }
        event(&mut numbers, 100, 0, done(JobOutcome::Succeeded));
        event(
            &mut numbers,
            200,
            1,
            replied(AttemptOutcome::Refused { axis: None, cause: RefusalCause::ShortLimit }),
        );
        event(&mut numbers, 200, 2, replied(AttemptOutcome::Failed(AttemptFailure::Connection)));
        // Of two attempts the slower one is cancelled, which is no error.
        event(&mut numbers, 200, 3, EventKind::Hedged { attempt: AttemptId(1), beside: AttemptId(0) });
        event(&mut numbers, 300, 3, EventKind::AttemptCancelled { attempt: AttemptId(0), target });
        assert_eq!(numbers.next_sample(), at(500));
        for (axis, used) in [(Axis::Rpm, 0.25), (Axis::Tpm, 0.5)] {
            numbers.sample(at(500), target, axis, used, 60);
        }
        numbers.sampled(at(500));
        assert_eq!(
            numbers.lines(),
            "2/s succeeded · 2/s refused · 2/s errors · p50 100 ms, p95 100 ms · 3 in flight\n\
             50 % of tpm on p/default/m\n\
             25 % of rpm on p/default/m"
        );
        // A driver that is late takes the samples of 1 s and of 1.5 s together: the first states all that happened.
        event(&mut numbers, 1_500, 1, done(JobOutcome::Succeeded));
        numbers.sampled(at(1_000));
        let lines = numbers.lines().to_owned();
        assert!(lines.starts_with("1/s succeeded") && lines.contains("2 in flight"), "{lines}");
        numbers.sampled(at(1_500));
        assert_eq!(numbers.lines(), lines);
    }
}

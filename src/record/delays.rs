//! The delays of a live run: how long messages took and how late the client acted. Memory grows only with the jobs in flight.

use super::Fold;
use super::histogram::Histogram;
use super::summary::Quantiles;
use crate::event::{AttemptOutcome, Event, EventKind};
use crate::ids::{AttemptId, JobId, TargetId};
use crate::scenario::Scenario;
use provider::Instant;
use provider::dist::Dist;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// The delays of a live run, and what they change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delays {
    /// From the send of an attempt whose reply reads as a refusal ([`AttemptOutcome::Refused`]) to that reply at the client:
    /// the network, and the work at both ends. Of attempts sent to a target at one instant, only the first refusal to arrive counts:
    /// the later ones also wait for each other.
    pub round_trip_s: Quantiles,
    /// From the end of a wait (back-off, cool-down, pace) to the instant at which the client acted on it. Waits that the client
    /// acted on at one instant count once, as the first of them. Waits that may have been extended do not count.
    pub wake_lag_s: Quantiles,
    /// What the measured delays change; `None` if fewer than [`MIN_DELAYS`] round trips were measured for each target, or if a
    /// simulation without the measured delays has no refusal or no success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<DelayEffect>,
}

/// Results of simulations with the measured delays, compared with simulations of the same seeds in which the client acts on
/// time and the round trips are those of the scenario or, if it states none, of an idle loopback interface.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DelayEffect {
    /// The number of seeds, at least 2.
    pub seeds: u32,
    /// Attempts whose replies read as refusals.
    pub refusals: Difference,
    /// Jobs that succeeded.
    pub succeeded: Difference,
    /// The 95th percentile of the latency.
    pub latency_p95: Difference,
}

/// A mean relative difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The mean over the seeds, as a share of the value without the change.
    pub mean: f64,
    /// Two standard errors of the mean.
    pub two_errors: f64,
}

/// Measures the delays of a live run: a fold beside the recorder.
#[derive(Clone, Debug)]
pub struct DelayMeter {
    /// When each attempt in flight was sent.
    sent: FxHashMap<AttemptId, Instant>,
    /// By instant and target: the attempts in flight that were sent then.
    sends: FxHashMap<(Instant, TargetId), Sends>,
    /// When the wait of each job that waits ends.
    waits: FxHashMap<JobId, Instant>,
    /// When a wait was last acted on.
    last_acted: Option<Instant>,
    /// Of the first refusals of each instant, by target.
    round_trips: Vec<Histogram>,
    wake_lag: Histogram,
}

/// Attempts that were sent to one target at one instant.
#[derive(Clone, Copy, Debug, Default)]
struct Sends {
    in_flight: u32,
    /// One of them was refused.
    is_refused: bool,
}

impl DelayMeter {
    /// Creates a meter for a run of `scenario`.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            sent: FxHashMap::default(),
            sends: FxHashMap::default(),
            waits: FxHashMap::default(),
            last_acted: None,
            round_trips: scenario.targets.iter().map(|_| Histogram::of_run()).collect(),
            wake_lag: Histogram::of_run(),
        }
    }

    /// Returns the round trips to a target, as a distribution in seconds; `None` if fewer than [`MIN_DELAYS`] were measured.
    #[must_use]
    pub fn round_trips(&self, target: TargetId) -> Option<Dist> {
        distribution(&self.round_trips[target.index()])
    }

    /// Returns the lag of the client's timers as a distribution in seconds; `None` if fewer than [`MIN_DELAYS`] were measured.
    #[must_use]
    pub fn wake_lag(&self) -> Option<Dist> {
        distribution(&self.wake_lag)
    }

    /// Returns the measured delays, with `effect` as what they change.
    #[must_use]
    pub fn delays(&self, effect: Option<DelayEffect>) -> Delays {
        let mut all = Histogram::of_run();
        self.round_trips.iter().for_each(|of_target| all.add(of_target));
        Delays { round_trip_s: all.quantiles(), wake_lag_s: self.wake_lag.quantiles(), effect }
    }

    /// Records that an attempt has ended. Returns when it was sent if it was refused, and is the first refused one of those that were
    /// sent to its target at that instant.
    fn ended(&mut self, attempt: AttemptId, target: TargetId, is_refused: bool) -> Option<Instant> {
        let sent = self.sent.remove(&attempt)?;
        let sends = self.sends.get_mut(&(sent, target))?;
        let is_first = is_refused && !sends.is_refused;
        sends.is_refused |= is_refused;
        sends.in_flight -= 1;
        if sends.in_flight == 0 {
            self.sends.remove(&(sent, target));
        }
        is_first.then_some(sent)
    }

    /// Records that the client acts on a job, if the job's wait has ended.
    fn acted(&mut self, event: &Event) {
        if let Some(until) = self.waits.remove(&event.job).filter(|until| *until <= event.at) {
            if self.last_acted != Some(event.at) {
                self.wake_lag.record(event.at.since(until));
            }
            self.last_acted = Some(event.at);
        }
    }
}

/// Returns equally likely values in seconds that represent a histogram; `None` if it has fewer than [`MIN_DELAYS`].
fn distribution(histogram: &Histogram) -> Option<Dist> {
    let middle = |step: u8| (f64::from(step) + 0.5) / f64::from(STEPS);
    let values = (0..STEPS).map(|step| histogram.quantile_s(middle(step)));
    let values: Vec<f64> = values.collect::<Option<_>>().filter(|_| histogram.len() >= MIN_DELAYS)?;
    Some(Dist::discrete(&values, &[]))
}

/// The smallest number of delays from which a distribution is made.
pub const MIN_DELAYS: u64 = 10;
/// The number of values that represent a histogram.
const STEPS: u8 = 100;

impl Fold for DelayMeter {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Sent { attempt, target, .. } => {
                self.acted(event);
                self.sent.insert(attempt, event.at);
                self.sends.entry((event.at, target)).or_default().in_flight += 1;
            }
            EventKind::Waiting { until, may_extend, .. } => {
                self.acted(event);
                if !may_extend {
                    self.waits.insert(event.job, until);
                }
            }
            EventKind::Queued { .. } | EventKind::Done(_) => self.acted(event),
            EventKind::Replied { attempt, target, outcome, .. } => {
                let is_refused = matches!(outcome, AttemptOutcome::Refused { .. });
                if let Some(sent) = self.ended(attempt, target, is_refused) {
                    self.round_trips[target.index()].record(event.at.since(sent));
                }
            }
            EventKind::AttemptCancelled { attempt, target } => {
                self.ended(attempt, target, false);
            }
            _ => {}
        }
    }
}

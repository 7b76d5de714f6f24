//! Estimates the size of a run before it begins, by arithmetic on its scenario.
//!
//! Jobs are those that the workloads offer. Jobs in flight are those in service, by Little's law, and those that wait: what
//! arrives within a deadline beyond what the limits admit. That is an upper estimate if jobs are given up before their
//! deadline.

use crate::ceiling::{self, Ceiling};
use crate::drive::StartLevels;
use crate::scenario::{Arrivals, Metric, Scenario, TraceRow, Workload};
use provider::Nanos;
use std::ops::Add;

/// The bytes of a job in flight: its records in the engine and in the driver, and its timers.
const BYTES_PER_JOB: f64 = 400.0;
/// The bytes of an attempt in flight beside its job.
const BYTES_PER_ATTEMPT: f64 = 300.0;
/// The bytes of the histograms of a workload.
const BYTES_PER_WORKLOAD: f64 = 290e3;
/// The bytes of the histogram of a percentile in a window.
const BYTES_PER_WINDOW: f64 = 15e3;
/// The bytes of the histogram of a percentile over a run.
const BYTES_PER_RULE: f64 = 115e3;
/// The bytes of a target: its time buckets.
const BYTES_PER_TARGET: f64 = 40e3;
/// The bytes of a row of a trace.
const BYTES_PER_ROW: f64 = 48.0;
/// The bytes of the process, and of results.
const BYTES_OF_PROCESS: f64 = 12e6;
/// The events of a job besides those of its attempts: it arrives and ends.
const EVENTS_PER_JOB: f64 = 2.0;
/// The events of an attempt: sent, decided, settled and replied, or followed by a wait.
const EVENTS_PER_ATTEMPT: f64 = 4.0;
/// The most retries that are assumed per job: a client that obeys announced waits makes few.
const MAX_RETRIES: f64 = 3.0;
/// The events that one core simulates per second.
const EVENTS_PER_SECOND: f64 = 1e7;
/// The days before a run that are simulated to find the levels at which its long limits begin.
const DAYS_BEFORE: f64 = 2.0;

/// The estimated size of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunSize {
    /// Jobs that arrive.
    pub jobs: f64,
    /// Jobs in flight at once, at most.
    pub in_flight: f64,
    /// Events, those of simulated days before the run included.
    pub events: f64,
    /// Memory, in bytes.
    pub bytes: f64,
    /// The time of the simulation on one core, in seconds.
    pub seconds: f64,
}

impl RunSize {
    /// Estimates a simulation of `scenario` at `multiple` times its load. `multiple` is positive; if the load is infinite,
    /// so is the estimate.
    #[must_use]
    pub fn of(scenario: &Scenario, multiple: f64) -> Self {
        let duration_s = scenario.duration.as_secs_f64();
        let offered = ceiling::offered_jobs_per_second(scenario) * multiple;
        let jobs = offered * duration_s;
        let admitted = admitted(scenario, offered, multiple);
        let deadline_s = scenario.longest_deadline().as_secs_f64();
        let in_service = (ceiling::jobs_in_service(scenario) * multiple).min(offered * deadline_s);
        let waiting = waiting(scenario, (offered, admitted), multiple);
        // The most at once is above the mean, by three standard deviations of a Poisson distribution.
        let most_in_service = in_service + 3.0 * libm::sqrt(in_service) + 1.0;
        let in_flight = (most_in_service + waiting).min(jobs.max(1.0)).min(max_in_flight(scenario, multiple));
        let refused_share = if offered > 0.0 { (1.0 - admitted / offered).max(0.0) } else { 0.0 };
        let attempts = scenario.clients_in_use().map(|(_, client)| client.retry.attempts).max().unwrap_or(1);
        let retries = f64::from(attempts.saturating_sub(1)).min(MAX_RETRIES);
        let per_job = EVENTS_PER_JOB + EVENTS_PER_ATTEMPT * (1.0 + refused_share * retries);
        let events = (jobs + jobs_before(scenario, offered)) * per_job;
        let bytes = in_flight * BYTES_PER_JOB + in_service.min(jobs) * BYTES_PER_ATTEMPT;
        Self {
            jobs,
            in_flight,
            events,
            bytes: bytes + bytes_of_records(scenario) + bytes_of_rows(scenario, multiple),
            seconds: events / EVENTS_PER_SECOND,
        }
    }

    /// Returns the size of one of `runs` runs like this one at the same time: its own jobs, events and time, but the jobs in flight
    /// and the memory of all of them.
    #[must_use]
    pub fn beside_others(self, runs: f64) -> Self {
        let bytes = BYTES_OF_PROCESS + (self.bytes - BYTES_OF_PROCESS) * runs;
        Self { in_flight: self.in_flight * runs, bytes, ..self }
    }
}

impl RunSize {
    /// Returns the size of `runs` runs like this one, one after another.
    #[must_use]
    pub fn repeated(self, runs: f64) -> Self {
        let (jobs, events, seconds) = (self.jobs * runs, self.events * runs, self.seconds * runs);
        Self { jobs, events, seconds, ..self }
    }
}

/// Two runs one after the other.
impl Add for RunSize {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            jobs: self.jobs + other.jobs,
            in_flight: self.in_flight.max(other.in_flight),
            events: self.events + other.events,
            bytes: self.bytes.max(other.bytes),
            seconds: self.seconds + other.seconds,
        }
    }
}

/// Returns the jobs per second that the limits admit, of `offered` at `multiple` times the load.
fn admitted(scenario: &Scenario, offered: f64, multiple: f64) -> f64 {
    let ceiling = Ceiling::of(scenario);
    if ceiling.multiple >= multiple { offered } else { offered * (ceiling.multiple / multiple) }
}

/// Returns the most jobs that wait at once: of those that arrive within a deadline, what the limits do not admit.
fn waiting(scenario: &Scenario, (offered, admitted): (f64, f64), multiple: f64) -> f64 {
    let max_wait_s = scenario.longest_deadline().min(scenario.duration).as_secs_f64();
    let at_once: f64 = scenario.workloads.iter().map(|workload| at_once(workload) * multiple).sum();
    // A burst is in flight before anything of it is admitted, whatever the mean load.
    at_once.max((offered - admitted) * max_wait_s)
}

/// Returns the most jobs that can be in flight at once: each user has one, and of the others, and of the calls of sessions, those that
/// arrive within a deadline.
fn max_in_flight(scenario: &Scenario, multiple: f64) -> f64 {
    let of_workload = |workload: &Workload| {
        let deadline = scenario.client_of(workload).deadline;
        let expected = || ceiling::offered_jobs_per_second_of(scenario, workload) * deadline.as_secs_f64();
        match workload.arrivals {
            _ if workload.sessions.is_some() => at_once(workload) + expected(),
            Arrivals::Users { users, .. } => f64::from(users),
            Arrivals::Batch { workers, .. } => f64::from(workers),
            Arrivals::Trace { ref rows, .. } => most_rows_within(rows, deadline),
            // A renewal process counts about n ± cv·√n jobs where n are expected (Cox, "Renewal Theory", 1962, section 3.3).
            Arrivals::Renewal { rate, cv, .. } => {
                let expected = rate * deadline.as_secs_f64();
                expected + 3.0 * cv * libm::sqrt(expected)
            }
            _ => at_once(workload) + expected(),
        }
    };
    let most: f64 = scenario.workloads.iter().map(of_workload).sum();
    (most * multiple).max(1.0)
}

/// Returns the jobs of a workload that arrive at one instant.
fn at_once(workload: &Workload) -> f64 {
    match workload.arrivals {
        Arrivals::Burst { jobs, .. } => f64::from(jobs),
        Arrivals::Users { users, .. } => f64::from(users),
        Arrivals::Batch { workers, .. } => f64::from(workers),
        Arrivals::Trace { ref rows, .. } => most_rows_within(rows, Nanos::ZERO),
        _ => 0.0,
    }
}

/// Returns the most rows of a trace of which the first and the last are at most `length` apart.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn most_rows_within(rows: &[TraceRow], length: Nanos) -> f64 {
    let mut first = 0;
    let mut most = 0;
    for (last, row) in rows.iter().enumerate() {
        while row.at.since(rows[first].at) > length {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most as f64
}

/// Returns the jobs of the simulated days before the run.
fn jobs_before(scenario: &Scenario, offered: f64) -> f64 {
    offered * StartLevels::full(scenario).time_before(scenario, DAYS_BEFORE)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn bytes_of_records(scenario: &Scenario) -> f64 {
    let rules = scenario.expect.iter().filter(|rule| {
        matches!(rule.metric, Metric::Percentile(..)) && (rule.window.is_some() || rule.workload.is_some())
    });
    let of_rule = |window: Option<Nanos>| {
        window.map_or(BYTES_PER_RULE, |window| {
            scenario.duration.0.div_ceil(window.0.max(1)) as f64 * BYTES_PER_WINDOW
        })
    };
    BYTES_OF_PROCESS
        + scenario.workloads.len() as f64 * BYTES_PER_WORKLOAD
        + scenario.targets.len() as f64 * BYTES_PER_TARGET
        + rules.map(|rule| of_rule(rule.window)).sum::<f64>()
}

/// Returns the bytes of the traces, whose rows are repeated at a multiple of the load.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn bytes_of_rows(scenario: &Scenario, multiple: f64) -> f64 {
    let rows = scenario.workloads.iter().map(|workload| match &workload.arrivals {
        Arrivals::Trace { rows, .. } => rows.len() as f64,
        _ => 0.0,
    });
    rows.sum::<f64>() * (1.0 + multiple) * BYTES_PER_ROW
}

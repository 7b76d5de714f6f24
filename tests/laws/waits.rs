//! The waits of a saturated run: their number grows with the jobs and the attempts, not with jobs × cool-downs.

use crate::story::parse;
use provider::Nanos;
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind};
use quotalab::record::{Audit, Fold};

/// Counts waits, times in the queue of the concurrency limit included, and attempts.
#[derive(Debug, Default)]
struct Counts {
    waits: u64,
    attempts: u64,
}

impl Fold for Counts {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Waiting { .. } | EventKind::Queued { .. } => self.waits += 1,
            EventKind::Sent { .. } => self.attempts += 1,
            _ => {}
        }
    }
}

/// Simulates `jobs` jobs that arrive at once and are served at about one per second, and returns the counts.
fn saturated(jobs: u32, limits: &str, client: &str) -> Counts {
    let yaml = format!(
        "
duration: 1m
providers:
  p: {{models: {{m: {{limits: {limits}, latency: {{total: 1s, network: 20ms}}}}}}}}
  q:
    models: {{m: {{limits: {{rpm: 2}}, latency: {{total: 1s, network: 20ms}}}}}}
    incidents: [{{at: 5m, for: 2h, fault: 503}}]
routes: {{one: [{{of: [p/default/m]}}], two: [{{of: [p/default/m]}}, {{of: [q/default/m]}}]}}
client: {{deadline: 20h, {client}}}
workload:
- {{name: one, route: one, arrivals: {{burst: {half}, every: 1h}}, prompt: 1000, max_tokens: 100}}
- {{name: two, route: two, arrivals: {{burst: {half}, every: 1h}}, prompt: 1000, max_tokens: 100}}
",
        half = jobs / 2
    );
    let scenario = parse(&yaml);
    let mut folds = (Counts::default(), Audit::new(&scenario, Nanos::ZERO));
    virtual_time::simulate(&scenario, &mut folds);
    let (violations, _) = folds.1.finish();
    assert!(violations.is_empty(), "{client}: {violations:#?}");
    folds.0
}

/// The maximum number of waits, times in the queue of the concurrency limit included, divided by the number of jobs and attempts
/// together. A job selects a route after each of the first four waits since its last attempt, and each selection may put it into
/// that queue; then it waits in the queue of a cool-down, which logs no further waits. If every job were woken after every
/// cool-down, this number would be 56 with 2,000 jobs.
const MAX_WAITS_PER_JOB_AND_ATTEMPT: u64 = 10;

#[test]
fn waits_grow_with_jobs_and_attempts_and_not_with_jobs_times_cool_downs() {
    let clients = [
        "retry: {attempts: 9}",
        "retry: {attempts: 9, backoff: {jitter: equal}}",
        "retry: {attempts: 9, backoff: {jitter: decorrelated}}",
        "retry: {attempts: 9, budget: 20%}",
        "retry: {attempts: 9}, eject: off",
        "retry: {attempts: 9}, concurrency: 2",
        "retry: {attempts: 9, backoff: {jitter: none}}, concurrency: 2",
        "retry: {attempts: 9}, concurrency: 50, queue: 100",
    ];
    for limits in ["{tpm: 60k}", "{rpm: {limit: 60, law: fixed}}"] {
        for client in clients {
            for jobs in [500, 2_000] {
                let Counts { waits, attempts } = saturated(jobs, limits, client);
                let most = MAX_WAITS_PER_JOB_AND_ATTEMPT * (u64::from(jobs) + attempts);
                assert!(
                    waits <= most,
                    "{limits}, {client}: {waits} waits of {jobs} jobs and {attempts} attempts"
                );
            }
        }
    }
}

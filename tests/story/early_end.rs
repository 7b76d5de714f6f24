//! A fold ends a run early: the jobs in flight end with the outcome `InFlight`, and the laws hold.

use super::{Recording, parse};
use provider::{Instant, Nanos};
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind, JobOutcome};
use quotalab::record::{Audit, Fold, Mode, Recorder, RunEnd};

/// Ends the run after a number of jobs.
struct StopAfter(u32);

impl Fold for StopAfter {
    fn event(&mut self, event: &Event) {
        self.0 -= u32::from(matches!(event.kind, EventKind::Done(_)) && self.0 > 0);
    }
    fn is_done(&self) -> bool {
        self.0 == 0
    }
}

const SCENARIO: &str = "
providers: {p: {models: {m: {latency: {total: 10s}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 1h
client: {concurrency: 2, join: true, deadline: 1m}
workload: [{name: w, route: r, arrivals: {constant: 1/s}, prompt: 10, completion: 10, max_tokens: 10,
            repeats: {share: 50%, of: 3}}]";

#[test]
fn jobs_in_flight_are_counted_when_a_fold_ends_the_run() {
    let scenario = parse(SCENARIO);
    let audit = Audit::new(&scenario, Nanos::ZERO);
    let mut folds = (Recorder::new(&scenario), (audit, (Recording::default(), StopAfter(3))));
    let at = virtual_time::simulate(&scenario, &mut folds);
    assert!(at < Instant::ZERO + Nanos::from_secs(40), "{at}");
    let (recorder, (audit, (Recording(events), _))) = folds;
    assert_eq!(audit.finish(), (Vec::new(), 0));
    let is_in_flight =
        |event: &&Event| matches!(event.kind, EventKind::Done(end) if end.outcome == JobOutcome::InFlight);
    let in_flight: Vec<_> = events.iter().filter(is_in_flight).map(|event| (event.at, event.job)).collect();
    assert!(in_flight.len() > 3 && in_flight.is_sorted(), "in the order of their ids: {in_flight:?}");
    assert!(in_flight.iter().all(|(instant, _)| *instant == at));
    let jobs = recorder.finish(RunEnd { at, mode: Mode::Virtual, scheduled: None, interrupted: false }).jobs;
    assert_eq!(jobs.in_flight, in_flight.len() as u64);
    assert_eq!(jobs.offered, jobs.succeeded + jobs.failed + jobs.shed + jobs.in_flight);
}

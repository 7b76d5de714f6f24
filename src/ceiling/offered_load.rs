//! The offered load of a workload: its mean rate over the run.

use super::demand::{Sizes, model};
use crate::job::MIN_THINK_TIME;
use crate::scenario::{Arrivals, Pick, Scenario, Step, Workload, rate};
use provider::{Instant, Nanos};

/// Returns the mean number of jobs per second.
///
/// The users of a closed workload slow down with the replies. Their offered load assumes that each reply takes as long as a
/// request to the first step without queueing: waits, refusals and fallbacks lower it, and replies from the cache raise it.
pub(super) fn jobs_per_second(scenario: &Scenario, workload: &Workload, sizes: Sizes) -> f64 {
    let duration = scenario.duration.max(Nanos(1));
    if let Arrivals::Users { users, think } = &workload.arrivals {
        let think = think.mean().max(MIN_THINK_TIME.as_secs_f64());
        return f64::from(*users) / (think + first_step_seconds(scenario, workload, sizes));
    }
    let jobs = rate::jobs_before(workload, scenario.duration, [Instant::ZERO + scenario.duration]);
    let jobs =
        jobs.and_then(|jobs| jobs.first().copied()).expect("invariant: only users have no expected jobs");
    jobs / duration.as_secs_f64()
}

/// Returns the mean time of a request to the first step without queueing, in seconds: to its first target if they are used in
/// order, otherwise the mean over its targets.
pub(super) fn first_step_seconds(scenario: &Scenario, workload: &Workload, sizes: Sizes) -> f64 {
    let Step { pick, targets } = &scenario.routes[usize::from(workload.route.0)].steps[0];
    let targets = if *pick == Pick::InOrder { &targets[..1] } else { &targets[..] };
    let seconds = targets.iter().map(|target| {
        let latency = &model(scenario, *target).latency;
        latency.mean_round_trip_seconds() + sizes.service_seconds(latency)
    });
    seconds.sum::<f64>() / targets.len() as f64
}

//! The offered load of a workload: its mean rate over the run.

use super::demand::{Sizes, model};
use crate::job::MIN_THINK_TIME;
use crate::scenario::rate::Rate;
use crate::scenario::{Arrivals, Pick, Scenario, Step, Workload};
use provider::{Instant, Nanos};

/// Returns the mean number of jobs per second.
///
/// The users of a closed workload slow down with the replies. Their offered load assumes that each reply takes as long as a
/// request to the first step without queueing, and that all calls of a step in a session take equally long: waits, refusals and fallbacks lower it, and replies from the cache raise it.
#[expect(clippy::cast_precision_loss, reason = "an average for reports")]
pub(super) fn jobs_per_second(scenario: &Scenario, workload: &Workload, sizes: Sizes) -> f64 {
    let duration = scenario.duration.max(Nanos(1));
    let jobs = match &workload.arrivals {
        Arrivals::Constant(_) | Arrivals::Poisson(_) | Arrivals::Ramp(..) | Arrivals::Steps(_) => {
            Rate::of(workload, scenario.duration).map_or(0.0, |rate| rate.jobs())
        }
        Arrivals::Burst { jobs, every } => {
            f64::from(*jobs) * scenario.duration.0.div_ceil(every.0.max(1)) as f64
        }
        Arrivals::Trace { rows, .. } => {
            rows.partition_point(|row| row.at < Instant::ZERO + scenario.duration) as f64
        }
        Arrivals::Users { users, think } => {
            let think = think.mean().max(MIN_THINK_TIME.as_secs_f64());
            let call = first_step_seconds(scenario, workload, sizes);
            let busy = workload.sessions.as_ref().map_or(call, |sessions| sessions.mean_seconds(call));
            return f64::from(*users) * workload.jobs_per_arrival() / (think + busy);
        }
    };
    jobs * workload.jobs_per_arrival() / duration.as_secs_f64()
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

//! The offered load of a workload: its mean rate over the run.

use super::demand::{Sizes, model};
use crate::ids::TargetId;
use crate::job::MIN_THINK_TIME;
use crate::scenario::{Arrivals, Pick, Scenario, Step, Workload, rate};
use provider::{Instant, Nanos};

/// Returns the mean number of jobs per second.
///
/// The users of a closed workload slow down with the replies. Their offered load assumes that each reply takes as long as a
/// request to the first step without queueing, and that all calls of a step in a session take equally long: waits, refusals and
/// fallbacks lower it, and replies from the cache raise it.
pub(super) fn jobs_per_second(scenario: &Scenario, workload: &Workload, sizes: Sizes) -> f64 {
    let duration = scenario.duration.max(Nanos(1));
    if let Arrivals::Users { users, think } = &workload.arrivals {
        let think = think.mean().max(MIN_THINK_TIME.as_secs_f64());
        let call = first_step_seconds(scenario, workload, sizes);
        let busy = workload.drawn_sessions().map_or(call, |sessions| sessions.mean_seconds(call));
        return f64::from(*users) * workload.jobs_per_arrival() / (think + busy);
    }
    let jobs = rate::jobs_before(workload, scenario.duration, [Instant::ZERO + scenario.duration]);
    let jobs =
        jobs.and_then(|jobs| jobs.first().copied()).expect("invariant: only users have no expected jobs");
    jobs / duration.as_secs_f64()
}

/// Returns the mean time of a request to the first step without queueing, in seconds: to the target that its pick prefers, if that is
/// one and the same (in order, cheapest, fastest), otherwise the mean over its targets, by their weights if they have some.
pub(super) fn first_step_seconds(scenario: &Scenario, workload: &Workload, sizes: Sizes) -> f64 {
    let Step { pick, targets, weights } = &scenario.routes[usize::from(workload.route.0)].steps[0];
    let seconds = |target: &TargetId| {
        let latency = &model(scenario, *target).latency;
        latency.mean_round_trip_seconds() + sizes.service_seconds(latency)
    };
    let mean = |weight: &dyn Fn(usize) -> f64| {
        let weighted = targets.iter().enumerate().map(|(index, target)| weight(index) * seconds(target));
        weighted.sum::<f64>() / (0..targets.len()).map(weight).sum::<f64>()
    };
    match pick {
        Pick::InOrder => seconds(&targets[0]),
        Pick::Cheapest => {
            let price = |target: &&TargetId| sizes.expected_usd(model(scenario, **target).price);
            targets.iter().min_by(|one, other| price(one).total_cmp(&price(other))).map_or(0.0, seconds)
        }
        Pick::Fastest => targets.iter().map(seconds).fold(f64::INFINITY, f64::min),
        Pick::Weighted => mean(&|index| weights.get(index).map_or(1.0, |weight| f64::from(*weight))),
        Pick::RoundRobin | Pick::MostRoom | Pick::Random | Pick::LeastBusy => mean(&|_| 1.0),
    }
}

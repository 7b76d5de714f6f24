//! Samples the used units of some limits while the traffic before a run is simulated ([`super::start_levels`]).

use crate::event::{Event, EventKind};
use crate::ids::TargetId;
use crate::record::Fold;
use provider::{Axis, Instant, Nanos};

/// The number of equal intervals of a simulated run after which the used units are sampled. Their length is rounded down; the remaining
/// time, if there is any, is one more interval.
const SAMPLES: u64 = 96;
/// The number of arrivals between two checks of whether the time is up: some milliseconds of simulation.
const JOBS_PER_CHECK: u64 = 1 << 14;

/// Samples the used units of some limits; ends the run with the last sample, or when the time is up.
pub(super) struct UsageSampler<'a> {
    /// The limits, with what was used of them so far.
    pub(super) limits: Vec<SampledLimit>,
    step: Nanos,
    next: Instant,
    /// The instant of the last sample.
    pub(super) end: Instant,
    /// The number of jobs that have arrived.
    pub(super) jobs: u64,
    is_time_up: &'a dyn Fn() -> bool,
}

/// A limit that is sampled.
pub(super) struct SampledLimit {
    /// The first target that it limits.
    pub(super) target: TargetId,
    pub(super) axis: Axis,
    /// The most units that it can hold.
    pub(super) capacity: f64,
    /// The most units used at a sample.
    pub(super) max: f64,
    /// The units used at the last sample.
    pub(super) end: f64,
}

impl<'a> UsageSampler<'a> {
    /// Samples `limits` in a run of length `duration`.
    pub(super) fn new(limits: Vec<SampledLimit>, duration: Nanos, is_time_up: &'a dyn Fn() -> bool) -> Self {
        let step = Nanos((duration.0 / SAMPLES).max(1));
        let end = Instant::ZERO + duration;
        Self { limits, step, next: Instant::ZERO + step, end, jobs: 0, is_time_up }
    }
}

impl Fold for UsageSampler<'_> {
    fn event(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::Arrived { .. }) {
            self.jobs += 1;
            if self.jobs.is_multiple_of(JOBS_PER_CHECK) && (self.is_time_up)() {
                self.next = Instant::MAX;
            }
        }
    }

    fn next_sample(&self) -> Instant {
        self.next
    }

    fn sample(&mut self, _: Instant, target: TargetId, axis: Axis, used_share: f64, _: u64) {
        let limit = self.limits.iter_mut().find(|limit| limit.target == target && limit.axis == axis);
        if let Some(limit) = limit {
            limit.end = used_share * limit.capacity;
            limit.max = limit.max.max(limit.end);
        }
    }

    fn sampled(&mut self, at: Instant) {
        let next = at + self.step;
        let is_last = at >= self.end || (self.is_time_up)();
        self.next = if is_last { Instant::MAX } else { next.min(self.end) };
    }

    fn is_done(&self) -> bool {
        self.next == Instant::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{EngineId, JobId, WorkloadId};

    #[test]
    fn a_long_time_between_two_samples_does_not_delay_the_end() {
        let mut sampler = UsageSampler::new(Vec::new(), Nanos::DAY, &|| true);
        let at = Instant::ZERO;
        let kind = EventKind::Arrived {
            workload: WorkloadId(0),
            engine: EngineId(0),
            scheduled: at,
            deadline: None,
            prompt_tokens: 1,
            max_tokens: None,
        };
        for job in 0..JOBS_PER_CHECK {
            assert!(!sampler.is_done(), "{job}");
            sampler.event(&Event { at, job: JobId(job), kind });
        }
        assert!(sampler.is_done());
    }
}

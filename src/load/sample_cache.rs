//! A bounded cache of sampled requests, shared by the runs of a planner. Most of those runs differ in rate and client policy
//! only, and with one seed the n-th job of a workload has the same request in all of them. Sampling its sizes is a fifth of the
//! cost of a job.
//!
//! A run samples the requests that the cache does not hold; the result is the same.

use super::requests::{RequestSampler, RequestSpec};
use crate::scenario::Workload;
use crate::scenario::rate::Rate;
use provider::Nanos;
use std::sync::{Arc, Mutex, PoisonError};

/// The maximum number of cached jobs of one sampler: 32 MiB.
const MAX_JOBS: usize = 1 << 20;
/// The maximum number of samplers, each of one workload with its sizes, and one seed.
const MAX_SAMPLERS: usize = 8;

/// The requests that were sampled so far, by sampler.
#[derive(Debug, Default)]
pub struct SampleCache {
    entries: Mutex<Vec<(RequestSampler, Arc<[RequestSpec]>)>>,
}

impl SampleCache {
    /// Returns the requests of the first jobs of a sampler: as many as arrive in `duration` on average, at most [`MAX_JOBS`],
    /// or more if an earlier call cached more. Returns an empty slice if the workload has no rate or fewer than one job, or if
    /// the cache is full and has no entry for the sampler.
    pub(super) fn samples(
        &self,
        sampler: &RequestSampler,
        workload: &Workload,
        duration: Nanos,
    ) -> Arc<[RequestSpec]> {
        let jobs = Rate::of(workload, duration).map_or(0.0, |rate| rate.jobs());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let jobs = (jobs as usize).min(MAX_JOBS);
        if jobs == 0 {
            return Arc::default();
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let index = entries.iter().position(|(known, _)| known == sampler);
        if index.is_none() && entries.len() == MAX_SAMPLERS {
            return Arc::default();
        }
        let index = index.unwrap_or_else(|| {
            entries.push((sampler.clone(), Arc::default()));
            entries.len() - 1
        });
        let (_, samples) = &mut entries[index];
        if samples.len() < jobs {
            let more = (samples.len()..jobs).map(|number| sampler.sample(number as u64));
            *samples = samples.iter().copied().chain(more).collect();
        }
        Arc::clone(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;
    use crate::scenario::{self, Overrides, Scenario};
    use proptest::prelude::*;

    const TWO_WORKLOADS: &str = "
duration: 10m
providers: { p: { models: { m: {} } } }
routes: { r: [{ of: [p/default/m] }] }
workload:
  - { name: a, route: r, arrivals: { poisson: 60/min }, prompt: { p50: 800, p95: 3000 }, completion: { p50: 200, p95: 700 },
      repeats: { share: 30%, of: 50 } }
  - { name: b, route: r, arrivals: { burst: 40, every: 1m }, prompt: { mean: 300 }, cached_prompt: 50%, completion: 10 }
";

    fn scenario(seed: u64, prompt: &str) -> Scenario {
        let text = TWO_WORKLOADS.replace("{ p50: 800, p95: 3000 }", prompt);
        let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
        scenario::parse("two.yaml", &text, &overrides, None).expect("it is valid")
    }

    fn arrivals(mut load: Load) -> Vec<crate::job::Arrival> {
        std::iter::from_fn(|| load.next()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Samples of earlier runs never change the jobs of a later run.
        #[test]
        fn a_cached_load_equals_a_sampled_one(
            runs in prop::collection::vec((0u64..12, 0.1f64..4.0, any::<bool>()), 1..14),
        ) {
            let cache = SampleCache::default();
            for (seed, multiple, short) in runs {
                let scenario = scenario(seed, if short { "100" } else { "{ mean: 900 }" }).scaled(multiple);
                prop_assert_eq!(arrivals(Load::with_cache(&scenario, &cache)), arrivals(Load::new(&scenario)));
            }
            let entries = cache.entries.lock().unwrap();
            prop_assert!(!entries.is_empty() && entries.len() <= MAX_SAMPLERS);
        }
    }

    #[test]
    fn runs_of_the_same_traffic_share_samples_and_extend_them() {
        let cache = SampleCache::default();
        let samples = |multiple| {
            let scenario = scenario(1, "300").scaled(multiple);
            let sampler =
                RequestSampler::new(scenario.seed, crate::ids::WorkloadId(0), &scenario.workloads[0]);
            cache.samples(&sampler, &scenario.workloads[0], scenario.duration)
        };
        let (once, again) = (samples(1.0), samples(0.5));
        assert!(Arc::ptr_eq(&once, &again));
        assert_eq!((once.len(), samples(3.0).len()), (600, 1800));
    }
}

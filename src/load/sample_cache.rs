//! What jobs ask, drawn once for many runs of the same traffic: a planner makes dozens that differ in their rate, or in
//! the client's tactics, and the n-th job asks the same in all of them. To draw its sizes is a fifth of what a job
//! costs, to read them is next to nothing.
//!
//! It is bounded, and an offer: whoever asks for more, or for what is not here, draws it, and it is the same.

use super::requests::{RequestSampler, RequestSpec};
use crate::scenario::Workload;
use crate::scenario::rate::Rate;
use provider::Nanos;
use std::sync::{Arc, Mutex, PoisonError};

/// Jobs of a workload that are written down: 32 MiB of them.
const MOST_JOBS: usize = 1 << 20;
/// Workloads, of one seed each, that are written down.
const MOST_PAGES: usize = 8;

/// What was drawn so far.
#[derive(Debug, Default)]
pub struct SampleCache {
    pages: Mutex<Vec<(RequestSampler, Arc<[RequestSpec]>)>>,
}

impl SampleCache {
    /// What the first jobs of this recipe ask, about as many as `workload` brings in `duration`; none where that is
    /// not known, or where nothing is drawn.
    pub(super) fn of(
        &self,
        asks: &RequestSampler,
        workload: &Workload,
        duration: Nanos,
    ) -> Arc<[RequestSpec]> {
        let jobs = Rate::of(workload, duration).map_or(0.0, |rate| rate.jobs());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let jobs = (jobs as usize).min(MOST_JOBS);
        if jobs == 0 {
            return Arc::default();
        }
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let page = pages.iter().position(|(known, _)| known == asks);
        if page.is_none() && pages.len() == MOST_PAGES {
            return Arc::default();
        }
        let page = page.unwrap_or_else(|| {
            pages.push((asks.clone(), Arc::default()));
            pages.len() - 1
        });
        let (_, drawn) = &mut pages[page];
        if drawn.len() < jobs {
            let more = (drawn.len()..jobs).map(|number| asks.of(number as u64));
            *drawn = drawn.iter().copied().chain(more).collect();
        }
        Arc::clone(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;
    use crate::scenario::{self, Overrides, Scenario};
    use proptest::prelude::*;

    const TWO: &str = "
duration: 10m
providers: { p: { models: { m: {} } } }
routes: { r: [{ of: [p/default/m] }] }
workload:
  - { name: a, route: r, arrivals: { poisson: 60/min }, prompt: { p50: 800, p95: 3000 }, completion: { p50: 200, p95: 700 },
      repeats: { share: 30%, of: 50 } }
  - { name: b, route: r, arrivals: { burst: 40, every: 1m }, prompt: { mean: 300 }, cached_prompt: 50%, completion: 10 }
";

    fn scenario(seed: u64, prompt: &str) -> Scenario {
        let text = TWO.replace("{ mean: 300 }", prompt);
        let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
        scenario::parse("two.yaml", &text, &overrides, None).expect("it is valid")
    }

    fn arrivals(mut load: Load) -> Vec<crate::job::Arrival> {
        std::iter::from_fn(|| load.next()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Law: whatever was drawn before for other runs, a run that reads it has the jobs that it would draw itself.
        #[test]
        fn what_was_drawn_is_what_would_be_drawn(
            runs in prop::collection::vec((0u64..12, 0.1f64..4.0, any::<bool>()), 1..14),
        ) {
            let drawn = SampleCache::default();
            for (seed, multiple, short) in runs {
                let scenario = scenario(seed, if short { "100" } else { "{ mean: 300 }" }).scaled(multiple);
                prop_assert_eq!(arrivals(Load::reading(&scenario, &drawn)), arrivals(Load::new(&scenario)));
            }
            let pages = drawn.pages.lock().unwrap();
            prop_assert!(!pages.is_empty() && pages.len() <= MOST_PAGES);
        }
    }

    #[test]
    fn runs_of_the_same_traffic_share_what_was_drawn_and_more_of_it_is_drawn_when_it_is_asked_for() {
        let drawn = SampleCache::default();
        let page = |multiple| {
            let scenario = scenario(1, "300").scaled(multiple);
            let asks = RequestSampler::new(scenario.seed, crate::ids::ClassId(0), &scenario.workloads[0]);
            drawn.of(&asks, &scenario.workloads[0], scenario.duration)
        };
        let (once, again) = (page(1.0), page(0.5));
        assert!(Arc::ptr_eq(&once, &again));
        assert_eq!((once.len(), page(3.0).len()), (600, 1800));
    }
}

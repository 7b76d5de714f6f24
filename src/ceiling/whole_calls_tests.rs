//! The whole calls that fit into a window, against division by hand.

use super::Ceiling;
use super::tests::{limit, scenario, workload};
use crate::scenario::{Scenario, Workload};
use provider::config::{Limit, RefillPolicy};
use provider::dist::Dist;
use provider::{Axis, Nanos};

/// Returns a scenario of calls with these prompts, whose completions use all of their `max_tokens` of 500.
fn with_limit(limit: Limit, prompt: Dist) -> Scenario {
    let workload =
        Workload { prompt, completion: Dist::Constant(500.0), max_tokens: Some(500), ..workload(0, 1.0) };
    Scenario { duration: Nanos::HOUR * 100, ..scenario(&[vec![limit]], &[&[&[0]]], vec![workload]) }
}

#[track_caller]
fn assert_jobs_per_min(scenario: &Scenario, expected: f64) {
    let ceiling = Ceiling::of(scenario);
    assert!(
        (ceiling.jobs_per_min / expected - 1.0).abs() < 2e-3,
        "{}, by hand {expected}",
        ceiling.jobs_per_min
    );
    assert!((ceiling.targets[0].axes[0].jobs_per_min / expected - 1.0).abs() < 2e-3, "{ceiling:?}");
    assert!(
        !ceiling.describe(scenario).contains("without reservations beyond usage"),
        "{}",
        ceiling.describe(scenario)
    );
}

#[test]
fn a_window_admits_as_many_calls_as_fit_whole() {
    let fixed = limit(Axis::Tpm, 20_000);
    for refill in [RefillPolicy::Fixed, RefillPolicy::SlidingLog, RefillPolicy::SlidingCounter] {
        for (size, expected) in
            [(11_000.0, 1.0), (10_000.0, 2.0), (9_999.0, 2.0), (6_700.0, 2.0), (6_600.0, 3.0)]
        {
            let scenario = with_limit(Limit { refill, ..fixed }, Dist::Constant(size - 500.0));
            assert_jobs_per_min(&scenario, expected);
        }
        // The smallest of random sizes counts: never more than two of at least 9,000 fit.
        let random = with_limit(Limit { refill, ..fixed }, Dist::Uniform { min: 8_500.0, max: 8_900.0 });
        assert_jobs_per_min(&random, 2.0);
    }
    // A bucket keeps what a call leaves.
    assert_jobs_per_min(&with_limit(Limit::tpm(20_000), Dist::Constant(10_500.0)), 20_000.0 / 11_000.0);
}

#[test]
fn small_calls_are_bounded_by_their_mean() {
    let scenario = with_limit(limit(Axis::Tpm, 20_000), Dist::Uniform { min: 1.0, max: 999.0 });
    assert_jobs_per_min(&scenario, 20.0);
}

/// Two workloads share a window: one call of the larger kind, or two of the smaller.
#[test]
fn a_window_holds_one_large_call_or_two_small_ones() {
    let of = |prompt: f64, rate: f64| Workload {
        prompt: Dist::Constant(prompt),
        completion: Dist::Constant(500.0),
        max_tokens: Some(500),
        ..workload(0, rate)
    };
    let both = Scenario {
        duration: Nanos::HOUR * 100,
        ..scenario(&[vec![limit(Axis::Tpm, 20_000)]], &[&[&[0]]], vec![of(18_500.0, 1.0), of(8_500.0, 2.0)])
    };
    // Of each three jobs one takes a whole window and two share one.
    let ceiling = Ceiling::of(&both);
    assert!((ceiling.jobs_per_min - 1.5).abs() < 1e-2, "{ceiling:?}");
}

/// Law: over all sizes, a fixed window admits no fraction of a call.
#[test]
fn no_size_gets_a_fraction_of_a_call() {
    for size in (600..=20_000u32).step_by(331) {
        let scenario = with_limit(limit(Axis::Tpm, 20_000), Dist::Constant(f64::from(size) - 500.0));
        assert_jobs_per_min(&scenario, f64::from(20_000 / size));
    }
}

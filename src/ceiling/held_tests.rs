//! The bounds of reservations that calls hold while they run, against values computed by hand.

use super::Ceiling;
use super::tests::{limit, scenario, workload};
use crate::scenario::{Scenario, Workload};
use provider::Axis;
use provider::config::{Limit, RefillPolicy, ServiceTimeDist};
use provider::dist::Dist;

/// Returns a scenario of one model under one limit, whose calls all take `service_s` seconds.
fn with_limit(limit: Limit, (prompt, completion, max_tokens): (f64, f64, u32), service_s: f64) -> Scenario {
    let workload = Workload {
        prompt: Dist::Constant(prompt),
        completion: Dist::Constant(completion),
        max_tokens: Some(max_tokens),
        ..workload(0, 30.0)
    };
    let mut scenario = scenario(&[vec![limit]], &[&[&[0]]], vec![workload]);
    scenario.providers[0].models[0].latency.service = ServiceTimeDist::Total(Dist::Constant(service_s));
    scenario
}

/// Asserts the jobs per minute that the limit admits in the long run.
#[track_caller]
fn assert_sustained(scenario: &Scenario, expected: f64) {
    let mut long = scenario.clone();
    long.duration = provider::Nanos(provider::Nanos::DAY.0 * 100);
    let found = Ceiling::of(&long).jobs_per_min;
    assert!((found / expected - 1.0).abs() < 1e-3, "{found}, by hand {expected}");
}

#[test]
fn a_bucket_of_one_reservation_admits_one_call_at_a_time() {
    let bucket = Limit::tpm(10_000);
    // 50 + 100 tokens, all of them used: 10,000 ÷ 150.
    assert_sustained(&with_limit(bucket, (50.0, 100.0, 100), 2.0), 66.667);
    // 50 + 7,500 reserved: the next call begins when the one before has ended, after 2 s.
    assert_sustained(&with_limit(bucket, (50.0, 100.0, 7_500), 2.0), 30.0);
    // Two of 5,000 fit; from then on only the usage bounds the rate, and the text says what it does not count.
    let two = with_limit(bucket, (50.0, 100.0, 4_900), 2.0);
    assert_sustained(&two, 66.667);
    let ceiling = Ceiling::of(&two);
    assert_eq!(ceiling.uncounted.map(|(_, axis)| axis), Some(Axis::Tpm));
    assert!(ceiling.describe(&two).contains("ignores what running calls reserve of tpm"));
    assert_eq!(Ceiling::of(&with_limit(bucket, (50.0, 100.0, 100), 2.0)).uncounted, None);
}

#[test]
fn a_fixed_window_loses_what_returns_after_its_end() {
    // 1,000 reserved and 100 used under 10,000, for 15 s: 10 calls at first, then nine tenths as many with every answer,
    // 10 + 9 + 8.1 + 7.29 in four quarters of a minute.
    let with_service = |service_s| with_limit(limit(Axis::Tpm, 10_000), (50.0, 50.0, 950), service_s);
    assert_sustained(&with_service(15.0), 34.39);
    // What calls of a minute or longer give back comes after the end of the window.
    assert_sustained(&with_service(60.0), 10.0);
    // However short the calls are, the last of a minute needs 1,000 of the 10,000 and leaves 900.
    assert_sustained(&with_service(0.01), 91.0);
}

#[test]
fn the_last_call_of_a_window_leaves_room_unused() {
    for refill in [RefillPolicy::Fixed, RefillPolicy::SlidingCounter, RefillPolicy::SlidingLog] {
        let limit = Limit::tpm(60_000).with_refill(refill);
        // 600 used and 4,500 reserved: (60,000 - 3,900) ÷ 600 = 93.5, of which 93 are whole calls.
        assert_sustained(&with_limit(limit, (500.0, 100.0, 4_000), 0.01), 93.0);
        assert_sustained(&with_limit(limit, (500.0, 100.0, 100), 0.01), 100.0);
        // Completions from 1 to 999 tokens: 1,000 used on average, and the mean square is 1,083 times that.
        let mut random = with_limit(limit, (500.0, 100.0, 4_000), 0.01);
        random.workloads[0].completion = Dist::Uniform { min: 1.0, max: 999.0 };
        let least = (60_000.0 - 4_500.0 + 1_083.0) / 1_000.0;
        let found = Ceiling::of(&random).jobs_per_min;
        assert!((least..least + 0.3).contains(&found), "{refill:?}: {found}, at least {least}");
    }
}

#[test]
fn a_sliding_log_counts_reservations_for_the_time_of_service() {
    let log = Limit::tpm(10_000).with_refill(RefillPolicy::SlidingLog);
    // Of each minute a call counts 1,000 for 15 s and 100 for 45 s: 10,000 · 60 ÷ 19,500.
    assert_sustained(&with_limit(log, (50.0, 50.0, 950), 15.0), 30.769);
}

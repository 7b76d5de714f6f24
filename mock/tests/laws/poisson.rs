//! The share of Poisson traffic that a bucket, a fixed window and a sliding log admit, each compared with its closed formula:
//! 30 per minute, six loads, no retries.

use super::erlang::{batch_means, bucket_admitted_share, erlang_b, fixed_window_admitted_share};
use provider::config::{Limit, RefillPolicy};
use provider::dist::Dist;
use provider::window::Window;
use provider::{Instant, Nanos, RandomStream};

const LOADS: [f64; 6] = [0.5, 0.8, 1.0, 1.2, 1.5, 2.0];
const LIMIT: u32 = 30;
/// The numerical error of the formulas.
const ROUNDING: f64 = 1e-12;
const BATCHES: usize = 50;
/// Calls per batch: at least a hundred windows, so that batches are independent.
const CALLS_PER_BATCH: usize = 6_000;

/// Asserts that the admitted share agrees with `formula` at every load, within three standard errors.
///
/// The standard error is that of the batch means, but at least that of independent calls: if almost nothing is refused,
/// all batches may be equal.
fn assert_admitted(refill: RefillPolicy, burst: u32, formula: impl Fn(f64) -> f64) {
    for (id, load) in (0..).zip(LOADS) {
        let limit = Limit::rpm(u64::from(LIMIT)).with_refill(refill).with_burst(u64::from(burst));
        let mut window = Window::new(&limit);
        let mut stream = RandomStream::new(2026, "arrivals", id);
        let gap = Dist::Exponential(60.0 / (load * f64::from(LIMIT)));
        let mut now = Instant::ZERO;
        let (share, batch_error) = batch_means(BATCHES, CALLS_PER_BATCH, || {
            now += Nanos::from_secs_f64(gap.sample(&mut stream));
            window.advance_to(now);
            let admitted = window.admits(now, 1);
            if admitted {
                window.charge(now, 1);
            }
            f64::from(u8::from(admitted))
        });
        let expected = formula(load);
        let independent =
            libm::sqrt(expected * (1.0 - expected).max(0.0) / (BATCHES * CALLS_PER_BATCH) as f64);
        let error = batch_error.max(independent);
        let difference = (share - expected).abs();
        assert!(
            difference <= 3.0 * error + ROUNDING,
            "{refill:?} of {burst} at load {load}: admitted {share}, expected {expected} ± {error}"
        );
    }
}

#[test]
fn a_bucket_with_a_whole_minute_of_burst_admits_what_the_formula_says() {
    assert_admitted(RefillPolicy::Bucket, 30, |load| bucket_admitted_share(30, load));
}

#[test]
fn a_bucket_with_a_burst_of_five_admits_what_the_formula_says() {
    assert_admitted(RefillPolicy::Bucket, 5, |load| bucket_admitted_share(5, load));
}

#[test]
fn a_bucket_with_a_burst_of_one_admits_what_the_formula_says() {
    assert_admitted(RefillPolicy::Bucket, 1, |load| bucket_admitted_share(1, load));
}

#[test]
fn a_fixed_window_admits_what_the_formula_says() {
    assert_admitted(RefillPolicy::Fixed, LIMIT, |load| {
        fixed_window_admitted_share(LIMIT, load * f64::from(LIMIT))
    });
}

#[test]
fn a_sliding_log_admits_what_erlang_b_says() {
    assert_admitted(RefillPolicy::SlidingLog, LIMIT, |load| 1.0 - erlang_b(LIMIT, load * f64::from(LIMIT)));
}

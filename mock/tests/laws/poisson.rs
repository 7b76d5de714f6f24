//! What each law accepts of Poisson traffic, against its closed formula: 30 per minute, six loads, no retries.

use super::erlang::{batch_means, bucket_accepts, erlang_b, fixed_accepts};
use provider::config::{Law, Limit};
use provider::dist::Dist;
use provider::window::Window;
use provider::{Axis, Instant, Nanos, Stream};

const LOADS: [f64; 6] = [0.5, 0.8, 1.0, 1.2, 1.5, 2.0];
const LIMIT: u32 = 30;
/// What the formulas themselves may be off by.
const ROUNDING: f64 = 1e-12;
const BATCHES: usize = 50;
/// Calls per batch: a hundred windows or more, far beyond the memory of any law.
const LENGTH: usize = 6_000;

/// Holds the accepted share at every load against `formula`, to three standard errors.
///
/// The standard error is that of the batch means, and never less than that of independent calls: where next to
/// nothing is refused, the batches may show no spread at all.
fn holds(law: Law, burst: u32, formula: impl Fn(f64) -> f64) {
    for (id, load) in (0..).zip(LOADS) {
        let limit = Limit { law, burst: u64::from(burst), ..Limit::new(Axis::Rpm, u64::from(LIMIT)) };
        let mut window = Window::new(&limit);
        let mut stream = Stream::new(2026, "arrivals", id);
        let gap = Dist::Exponential(60.0 / (load * f64::from(LIMIT)));
        let mut now = Instant::ZERO;
        let (share, spread) = batch_means(BATCHES, LENGTH, || {
            now += Nanos::from_secs_f64(gap.sample(&mut stream));
            window.roll(now);
            let admitted = window.admits(now, 1);
            if admitted {
                window.charge(now, 1);
            }
            f64::from(u8::from(admitted))
        });
        let expected = formula(load);
        let independent = libm::sqrt(expected * (1.0 - expected).max(0.0) / (BATCHES * LENGTH) as f64);
        let error = spread.max(independent);
        let off = (share - expected).abs();
        assert!(
            off <= 3.0 * error + ROUNDING,
            "{law:?} of {burst} at load {load}: {share}, not {expected} ± {error}"
        );
    }
}

#[test]
fn a_bucket_with_a_whole_minute_of_burst() {
    holds(Law::Bucket, 30, |load| bucket_accepts(30, load));
}

#[test]
fn a_bucket_with_a_burst_of_five() {
    holds(Law::Bucket, 5, |load| bucket_accepts(5, load));
}

#[test]
fn a_bucket_without_burst() {
    holds(Law::Bucket, 1, |load| bucket_accepts(1, load));
}

#[test]
fn a_fixed_window() {
    holds(Law::Fixed, LIMIT, |load| fixed_accepts(LIMIT, load * f64::from(LIMIT)));
}

#[test]
fn a_sliding_log() {
    holds(Law::SlidingLog, LIMIT, |load| 1.0 - erlang_b(LIMIT, load * f64::from(LIMIT)));
}

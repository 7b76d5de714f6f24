//! Gamma and Weibull arrivals: their mean rate, their dispersion, and what a multiple of the load keeps.

use super::*;

/// The counts of a renewal process over long slots have the index of dispersion cv² (Cox, "Renewal Theory", 1962, section 3.3). Of
/// gamma gaps, 200 per slot, it is (1 − cv⁴)/6 ÷ 200 off, below 1 %. Its standard error over 1,000 slots is √(2/1,000) = 4.5 %.
#[test]
fn counts_of_gamma_and_weibull_arrivals_are_dispersed_by_the_square_of_their_cv() {
    const SLOTS: usize = 1_000;
    for (gaps, cv) in
        [(GapDist::Gamma, 0.5), (GapDist::Gamma, 1.0), (GapDist::Gamma, 3.0), (GapDist::Weibull, 2.0)]
    {
        let arrivals = Arrivals::Renewal { rate: 2.0, gaps, cv };
        let scenario = scenario(7, Nanos::from_secs(100 * SLOTS as u64), vec![workload(arrivals)]);
        let mut counts = vec![0.0; SLOTS];
        for at in instants(&all(&scenario)) {
            counts[(at.0 / (100 * Nanos::SECOND.0)) as usize] += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / SLOTS as f64;
        let variance = counts.iter().map(|count: &f64| (count - mean).powi(2)).sum::<f64>() / SLOTS as f64;
        assert!((mean - 200.0).abs() < 4.0 * cv * (200.0 / SLOTS as f64).sqrt(), "{gaps:?} {cv}: {mean}");
        let dispersion = variance / mean / (cv * cv);
        assert!((dispersion - 1.0).abs() < 0.19, "{gaps:?} {cv}: {dispersion}");
    }
}

/// Bursty arrivals offer their mean rate from the first second on: with an ordinary first gap, a run of any length would have
/// (3² − 1)/2 = 4 jobs more.
#[test]
fn the_mean_number_of_jobs_of_a_bursty_hour_is_its_rate_in_any_shape() {
    const SEEDS: u64 = 2_000;
    let mut shape = [1.0; 24];
    (shape[0], shape[1]) = (0.5, 1.5);
    for gaps in [GapDist::Gamma, GapDist::Weibull] {
        let arrivals = Arrivals::Renewal { rate: 10.0 / 3600.0, gaps, cv: 3.0 };
        let bursty = Workload { shape: Some(Shape::new(&shape, Nanos::HOUR)), ..workload(arrivals) };
        let counts = (0..SEEDS).map(|seed| {
            let at = instants(&all(&scenario(seed, Nanos::HOUR * 2, vec![bursty.clone()])));
            let first = at.partition_point(|at| *at < Instant::ZERO + Nanos::HOUR);
            (first as f64, (at.len() - first) as f64)
        });
        let sum = counts.fold((0.0, 0.0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        // The standard deviation of n expected jobs is at most 3·√n.
        for (sum, expected) in [(sum.0, 5.0), (sum.1, 15.0)] {
            let mean = sum / SEEDS as f64;
            assert!(
                (mean - expected).abs() < 4.0 * 3.0 * (expected / SEEDS as f64).sqrt(),
                "{gaps:?}: {mean} of {expected}"
            );
        }
    }
}

/// Gamma gaps of cv 1 are memoryless: the share of gaps longer than twice the mean is e^−2.
#[test]
fn gamma_arrivals_with_a_cv_of_one_are_a_poisson_process() {
    let arrivals = Arrivals::Renewal { rate: 4.0, gaps: GapDist::Gamma, cv: 1.0 };
    let at = instants(&all(&scenario(2, Nanos::from_secs(20_000), vec![workload(arrivals)])));
    let gaps: Vec<f64> = at.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect();
    for (multiple, share) in [(0.1, (-0.1f64).exp()), (1.0, (-1.0f64).exp()), (2.0, (-2.0f64).exp())] {
        let found = gaps.iter().filter(|gap| **gap > 0.25 * multiple).count() as f64 / gaps.len() as f64;
        assert!(
            (found - share).abs() < 4.0 * (share * (1.0 - share) / gaps.len() as f64).sqrt(),
            "{multiple}: {found}"
        );
    }
}

/// At a multiple of the load, the same gaps are shorter: the n-th job arrives at its instant divided by the multiple.
#[test]
fn a_multiple_of_bursty_traffic_keeps_its_gaps() {
    let arrivals = Arrivals::Renewal { rate: 0.5, gaps: GapDist::Weibull, cv: 2.0 };
    let one = scenario(8, Nanos::HOUR, vec![workload(arrivals)]);
    let (at, faster) = (instants(&all(&one)), instants(&all(&one.scaled(4.0))));
    assert!(at.len() > 1_000);
    for (at, faster) in at.iter().zip(&faster) {
        assert!((at.as_secs_f64() / 4.0 - faster.as_secs_f64()).abs() < 1e-6, "{at:?} {faster:?}");
    }
}

//! Closed formulas for loss and delay, each as a sum of positive terms, and batch means to compare simulations with
//! them.

/// Returns Erlang B: the share of traffic `load` (in Erlang) lost by `servers` without a queue.
pub(crate) fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |blocked, server| load * blocked / (f64::from(server) + load * blocked))
}

/// Returns Erlang C: the share of traffic `load` (in Erlang, less than `servers`) that waits in the queue.
pub(crate) fn erlang_c(servers: u32, load: f64) -> f64 {
    let blocked = erlang_b(servers, load);
    blocked / (1.0 - load / f64::from(servers) * (1.0 - blocked))
}

/// Returns the probabilities of `0..terms` in the Poisson distribution with this mean.
fn poisson(mean: f64, terms: usize) -> Vec<f64> {
    let first = libm::exp(-mean);
    std::iter::successors(Some((1.0, first)), |(next, term)| Some((next + 1.0, term * mean / next)))
        .map(|(_, term)| term)
        .take(terms)
        .collect()
}

/// Returns the share of Poisson traffic that a token bucket of depth `burst` admits at `load` times its refill rate.
///
/// `P(admit) = G(B−1) / (1 + ρ·G(B−1))`, where `G(x) = Σ_{k≤x} (−1)^k e^{ρ(x−k)} (ρ(x−k))^k / k!`.
/// That sum loses all digits to cancellation beyond B ≈ 20. At whole x it equals, up to a constant, the queue-length
/// distribution of an M/D/1 queue: G(n) = Σ_{i≤n} p_i / p_0, since the unfinished work is at most n services exactly
/// when at most n calls are in the system. The p follow from positive terms, since each level is crossed upward as
/// often as downward: `p_{n+1}·P(A=0) = p_0·P(A>n) + Σ_{i=1..n} p_i·P(A>n−i+1)` with A ~ Poisson(ρ).
pub(crate) fn bucket_admitted_share(burst: usize, load: f64) -> f64 {
    let sum = crommelin(burst - 1, load);
    sum / (1.0 + load * sum)
}

/// Returns G(n) of [`bucket_admitted_share`].
fn crommelin(n: usize, load: f64) -> f64 {
    let arrivals = poisson(load, n + 200);
    let mut more_than: Vec<f64> = arrivals
        .iter()
        .rev()
        .scan(0.0, |tail, term| {
            let beyond = *tail;
            *tail += term;
            Some(beyond)
        })
        .collect();
    more_than.reverse();
    let mut states = vec![1.0];
    for level in 0..n {
        let crossed: f64 = (1..=level).map(|i| states[i] * more_than[level - i + 1]).sum();
        states.push((more_than[level] + crossed) / arrivals[0]);
    }
    states.iter().sum()
}

/// Returns the share of Poisson traffic that a fixed window admits: `E[min(A, limit)] / E[A]`, A ~ Poisson(`mean`).
pub(crate) fn fixed_window_admitted_share(limit: u32, mean: f64) -> f64 {
    let probabilities = poisson(mean, 400);
    let admitted = |(count, probability): (u32, &f64)| f64::from(limit.min(count)) * probability;
    (0..).zip(&probabilities).map(admitted).sum::<f64>() / mean
}

/// Returns the mean of a correlated sequence and its standard error.
///
/// The sequence is divided into batches much longer than its correlation time, so that their means are almost
/// independent: the standard error is their sample deviation ÷ √batches. The first batch is dropped, because it contains
/// the start of the run (a full bucket, an empty queue).
pub(crate) fn batch_means(batches: usize, length: usize, mut next: impl FnMut() -> f64) -> (f64, f64) {
    let mut batch = || (0..length).map(|_| next()).sum::<f64>() / length as f64;
    batch();
    let means: Vec<f64> = (0..batches).map(|_| batch()).collect();
    let count = batches as f64;
    let mean = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0);
    (mean, libm::sqrt(variance / count))
}

/// The published shares that a limit of 30 per minute admits: load, bucket with burst 30, 5 and 1, sliding log, fixed window.
const TABLE: [[f64; 6]; 8] = [
    [0.5, 1.0000, 0.9978, 0.6667, 0.9998, 1.0000],
    [0.8, 1.0000, 0.9647, 0.5556, 0.9599, 0.9877],
    [0.9, 0.9998, 0.9356, 0.5263, 0.9181, 0.9653],
    [1.0, 0.9832, 0.8966, 0.5000, 0.8675, 0.9274],
    [1.2, 0.8333, 0.8009, 0.4545, 0.7634, 0.8207],
    [1.5, 0.6667, 0.6616, 0.4000, 0.6326, 0.6663],
    [2.0, 0.5000, 0.4997, 0.3333, 0.4851, 0.5000],
    [3.0, 0.3333, 0.3333, 0.2500, 0.3280, 0.3333],
];

#[test]
fn the_formulas_agree_with_the_published_table() {
    for row in TABLE {
        let load = row[0];
        let formulas = [
            bucket_admitted_share(30, load),
            bucket_admitted_share(5, load),
            bucket_admitted_share(1, load),
            1.0 - erlang_b(30, 30.0 * load),
            fixed_window_admitted_share(30, 30.0 * load),
        ];
        for (formula, printed) in formulas.iter().zip(&row[1..]) {
            assert!(
                (formula - printed).abs() <= 0.000_051,
                "load {load}: found {formula}, published {printed}"
            );
        }
    }
}

#[test]
fn the_positive_recursion_equals_the_alternating_sum() {
    for load in [0.5, 1.0, 2.0] {
        for n in 0..8_i32 {
            let term = |k: i32| {
                let x = load * f64::from(n - k);
                let factorial: f64 = (1..=k).map(f64::from).product();
                let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
                sign * libm::exp(x) * libm::pow(x, f64::from(k)) / factorial
            };
            let alternating: f64 = (0..=n).map(term).sum();
            let positive = crommelin(n as usize, load);
            assert!(
                (positive / alternating - 1.0).abs() < 1e-9,
                "G({n}) at {load}: {positive}, {alternating}"
            );
        }
    }
}

#[test]
fn erlang_c_agrees_with_its_published_values() {
    for (servers, waits) in [(1, 0.8000), (2, 0.7111), (5, 0.5541), (10, 0.4092), (30, 0.1729)] {
        let formula = erlang_c(servers, 0.8 * f64::from(servers));
        assert!((formula - waits).abs() < 0.000_051, "{servers} servers: {formula}");
    }
}

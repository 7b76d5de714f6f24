//! Calls of several sizes under a token limit, with and without a request limit. Under the sliding log both are loss
//! networks with a known blocking probability; long prompts are refused many times more often than short ones.

use super::config;
use provider::config::{Estimate, Limit, RefillPolicy, Reserve};
use provider::decision::Decision;
use provider::dist::Dist;
use provider::{Axis, Call, Instant, Nanos, Provider, RandomStream, Truth};

/// A class of calls: tokens per call, and arrivals per minute.
#[derive(Clone, Copy)]
struct Kind {
    tokens: u32,
    per_minute: f64,
}

const fn kind(tokens: u32, per_minute: f64) -> Kind {
    Kind { tokens, per_minute }
}

const BATCHES: usize = 40;
const CALLS_PER_BATCH: usize = 10_000;

/// Returns the share of each kind that limits of `rpm` requests (`None`: no such limit) and `tpm` tokens refuse: the
/// blocking probability of a product-form loss network of two resources, summed over all its states. Without the
/// request limit it is the multi-rate loss system of Kaufman (1981) and Roberts (1981).
fn product_form<const K: usize>(kinds: [Kind; K], rpm: Option<u32>, tpm: u32) -> [f64; K] {
    let max_calls = rpm.unwrap_or(tpm);
    let (mut total, mut blocked) = (0.0, [0.0; K]);
    let mut counts = [0u32; K];
    loop {
        let tokens: u32 = counts.iter().zip(kinds).map(|(count, kind)| count * kind.tokens).sum();
        let calls: u32 = counts.iter().sum();
        if tokens <= tpm && calls <= max_calls {
            let weight: f64 =
                counts.iter().zip(kinds).map(|(count, kind)| weight(kind.per_minute, *count)).product();
            total += weight;
            for (blocked, kind) in blocked.iter_mut().zip(kinds) {
                if tokens + kind.tokens > tpm || calls + 1 > max_calls {
                    *blocked += weight;
                }
            }
        }
        if !advance_counts(&mut counts, |index, count| {
            count * kinds[index].tokens <= tpm && count <= max_calls
        }) {
            return blocked.map(|blocked| blocked / total);
        }
    }
}

/// Returns `load^count / count!`.
fn weight(load: f64, count: u32) -> f64 {
    (1..=count).map(|n| load / f64::from(n)).product()
}

/// Changes `counts` to the next tuple whose elements satisfy `fits`, given their index and value. Returns `false` after the
/// last tuple.
fn advance_counts<const K: usize>(counts: &mut [u32; K], fits: impl Fn(usize, u32) -> bool) -> bool {
    for (index, count) in counts.iter_mut().enumerate() {
        *count += 1;
        if fits(index, *count) {
            return true;
        }
        *count = 0;
    }
    false
}

/// Returns the blocking probability of each kind under `capacity` units of one resource (Kaufman 1981, Roberts 1981):
/// `n · q(n) = Σ aₖ bₖ q(n − bₖ)`, where aₖ is the offered load of a kind and bₖ its size in units of `unit` tokens. A kind is
/// blocked in the last `bₖ` states.
fn kaufman_roberts<const K: usize>(kinds: [Kind; K], capacity: usize, unit: u32) -> [f64; K] {
    let units = kinds.map(|kind| (kind.tokens / unit) as usize);
    let mut states = vec![1.0];
    for used in 1..=capacity {
        let term = |(kind, size): (&Kind, &usize)| {
            used.checked_sub(*size).map_or(0.0, |before| kind.per_minute * *size as f64 * states[before])
        };
        let sum: f64 = kinds.iter().zip(&units).map(term).sum();
        states.push(sum / used as f64);
    }
    let total: f64 = states.iter().sum();
    units.map(|size| states[capacity + 1 - size..].iter().sum::<f64>() / total)
}

/// Returns the share of each kind that a provider refuses, with its standard error over batches of Poisson traffic.
fn refused<const K: usize>(kinds: [Kind; K], limits: Vec<Limit>) -> [(f64, f64); K] {
    let mut provider = Provider::new(&config(1, limits, Reserve::default_for(Estimate::Prompt)));
    let mut stream = RandomStream::new(2026, "multirate", 0);
    let rate: f64 = kinds.iter().map(|kind| kind.per_minute).sum();
    let gap = Dist::Exponential(60.0 / rate);
    let index_dist = Dist::discrete(
        &std::array::from_fn::<_, K, _>(|index| index as f64),
        &kinds.map(|kind| kind.per_minute),
    );
    let mut now = Instant::ZERO;
    let mut shares: [Vec<f64>; K] = std::array::from_fn(|_| Vec::new());
    // The first batch starts with an empty log and is not counted.
    for batch in 0..=BATCHES {
        let mut counts = [(0.0, 0.0); K];
        for _ in 0..CALLS_PER_BATCH {
            now += Nanos::from_secs_f64(gap.sample(&mut stream));
            let index = index_dist.sample(&mut stream) as usize;
            let truth = Truth { prompt_tokens: kinds[index].tokens, ..Truth::default() };
            let report = provider.decide(now, Call { account: 0, model: 0, max_tokens: Some(0) }, truth);
            match report.decision {
                Decision::Admitted(service) => {
                    provider.complete(now, &service);
                }
                _ => counts[index].1 += 1.0,
            }
            counts[index].0 += 1.0;
        }
        if batch > 0 {
            shares
                .iter_mut()
                .zip(counts)
                .for_each(|(shares, (arrived, refused))| shares.push(refused / arrived));
        }
    }
    shares.map(|shares| {
        let mean = shares.iter().sum::<f64>() / BATCHES as f64;
        let squares: f64 = shares.iter().map(|share| (share - mean) * (share - mean)).sum();
        (mean, libm::sqrt(squares / ((BATCHES - 1) * BATCHES) as f64))
    })
}

fn assert_refused<const K: usize>(kinds: [Kind; K], rpm: Option<u32>, tpm: u32, expected: [f64; K]) {
    let sliding_log =
        |axis, limit: u32| Limit::new(axis, u64::from(limit)).with_refill(RefillPolicy::SlidingLog);
    let limits =
        rpm.map(|rpm| sliding_log(Axis::Rpm, rpm)).into_iter().chain([sliding_log(Axis::Tpm, tpm)]).collect();
    for ((kind, (share, error)), expected) in kinds.iter().zip(refused(kinds, limits)).zip(expected) {
        assert!(
            (share - expected).abs() <= 3.0 * error,
            "{} tokens under {rpm:?} rpm and {tpm} tpm: refused {share} ± {error}, expected {expected}",
            kind.tokens
        );
    }
}

const KINDS: [Kind; 3] = [kind(200, 6.0), kind(500, 3.0), kind(2_000, 1.2)];

#[test]
fn a_token_limit_blocks_sizes_as_kaufman_and_roberts_predict() {
    let expected = kaufman_roberts(KINDS, 60, 100);
    // Another program computed these by enumerating the states.
    for (blocking, enumerated) in expected.iter().zip([0.0395, 0.1013, 0.4595]) {
        assert!((blocking - enumerated).abs() < 5e-5, "{expected:?}");
    }
    assert_refused(KINDS, None, 6_000, expected);
}

#[test]
fn an_additional_request_limit_blocks_as_the_product_form_predicts() {
    for (rpm, tpm) in [(8, 6_000), (12, 9_000)] {
        assert_refused(KINDS, Some(rpm), tpm, product_form(KINDS, Some(rpm), tpm));
    }
}

#[test]
fn the_two_formulas_agree_without_a_request_limit() {
    let (one, other) = (product_form(KINDS, None, 6_000), kaufman_roberts(KINDS, 60, 100));
    for (one, other) in one.iter().zip(other) {
        assert!((one - other).abs() < 1e-12, "{one} {other}");
    }
}

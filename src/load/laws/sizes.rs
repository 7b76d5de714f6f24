//! Sizes that depend on each other.

use super::*;

/// Correlated sizes keep their distributions and the prompts; a full correlation gives the completion the rank of the prompt.
#[test]
fn correlated_completions_follow_their_prompts() {
    let base = workload(Arrivals::Constant(1.0));
    let run =
        |correlation| all(&scenario(3, Nanos::HOUR * 3, vec![Workload { correlation, ..base.clone() }]));
    let (plain, coupled, full) = (run(0.0), run(0.6), run(1.0));
    let completions = |of: &[Arrival]| {
        let mut sizes: Vec<u32> = of.iter().map(|arrival| arrival.truth.completion_tokens).collect();
        sizes.sort_unstable();
        sizes
    };
    for run in [&coupled, &full] {
        assert!(
            plain.iter().zip(run).all(|(one, other)| one.truth.prompt_tokens == other.truth.prompt_tokens)
        );
        // The median of 10,800 log-normal sizes around 200 has a standard error of 1.2 %.
        let (one, other) = (completions(&plain), completions(run));
        let middle = one.len() / 2;
        assert!((f64::from(one[middle]) / f64::from(other[middle]) - 1.0).abs() < 0.06);
    }
    let mut pairs: Vec<_> =
        full.iter().map(|one| (one.truth.prompt_tokens, one.truth.completion_tokens)).collect();
    pairs.sort_unstable();
    assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1 + 1), "ordered apart from rounding");
}

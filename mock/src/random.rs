//! Chance as an argument. Every consumer of randomness owns a [`Stream`] keyed by (seed, label, id), so
//! that one more draw in one place moves nothing elsewhere, and two policies meet the same traffic.

/// A seeded stream of random numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014), the same on every machine. Its state is one word, so that a stream for a single draw
/// costs little more than the draw: every job has several.
#[derive(Clone, Debug)]
pub struct Stream(u64);

impl Stream {
    /// The stream of `seed` for the consumer `label` and its `id`-th instance.
    #[must_use]
    pub fn new(seed: u64, label: &str, id: u64) -> Self {
        Self::keyed(key(seed, label), id)
    }

    /// The stream of a [`key`] computed once and an `id`: what a hot loop calls.
    #[must_use]
    pub fn keyed(key: u64, id: u64) -> Self {
        Self(mix(key ^ mix(id)))
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let bits = mix(self.0);
        self.0 = self.0.wrapping_add(GAMMA);
        bits
    }

    /// A float in `[0, 1)` with 53 random bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A float in `(0, 1)`, never an end: what logarithms and inverse distributions need.
    #[expect(clippy::cast_precision_loss, reason = "52 bits and a half fit a double exactly")]
    pub fn open_unit(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }

    /// An integer in `[0, below)`; zero where `below` is zero. The bias is under 2^-32 for `below` < 2^32.
    pub fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(below)) >> 64) as u64
    }
}

/// Folds a seed and a label into the key of a family of streams.
#[must_use]
pub fn key(seed: u64, label: &str) -> u64 {
    label.bytes().fold(mix(seed), |state, byte| mix(state ^ u64::from(byte)))
}

/// What a stream steps by: odd, so that it passes every word before it repeats one.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The step and the finaliser of SplitMix64: a bijection that spreads every bit.
#[must_use]
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(GAMMA);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_each_part_of_its_key() {
        let first = |seed, label, id| Stream::new(seed, label, id).bits();
        let base = first(1, "latency", 1);
        assert_eq!(base, first(1, "latency", 1));
        for other in [first(2, "latency", 1), first(1, "jitter", 1), first(1, "latency", 2)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn units_stay_inside_their_interval_and_average_a_half() {
        let mut stream = Stream::new(7, "unit", 0);
        let mut sum = 0.0;
        for _ in 0..100_000 {
            let (closed, open) = (stream.unit(), stream.open_unit());
            assert!((0.0..1.0).contains(&closed));
            assert!(open > 0.0 && open < 1.0);
            sum += closed;
        }
        // One standard error of the mean is 0.0009.
        assert!((sum / 1e5 - 0.5).abs() < 0.004, "{sum}");
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut stream = Stream::new(7, "below", 0);
        let mut seen = [0u32; 6];
        for _ in 0..6_000 {
            seen[stream.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 800), "{seen:?}");
        assert_eq!(stream.below(0), 0);
    }
}

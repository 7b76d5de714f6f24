//! Seeded random streams. Every consumer of random numbers has its own [`RandomStream`] for a key of (seed, label, id), so
//! that an additional draw in one place changes no value elsewhere, and two client configurations are compared on the same
//! traffic.
//!
//! A stream implements the `rand` traits, so it works with every sampler of `rand` and `rand_distr`. The samplers of
//! this crate ([`crate::dist`]) use [`RandomStream::unit`] and [`RandomStream::open_unit`]: one draw per sample.

use rand::TryRng;
use rand::rand_core::utils::fill_bytes_via_next_word;
use std::convert::Infallible;

/// A seeded stream of random numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014), the same on every machine. The state is one word of 64 bits, so that creating a
/// stream for a single draw costs little more than the draw; several are created per job.
#[derive(Clone, Debug)]
pub struct RandomStream(u64);

impl RandomStream {
    /// Creates the stream with the key (`seed`, `label`, `id`). The label names the consumer; the id tells its instances
    /// apart, for example jobs.
    #[must_use]
    pub fn new(seed: u64, label: &str, id: u64) -> Self {
        Self::keyed(label_key(seed, label), id)
    }

    /// Creates the stream with this `id` from a precomputed key, such as the [`label_key`] of a seed and a label; cheaper
    /// than [`RandomStream::new`] in hot loops.
    #[must_use]
    pub fn keyed(key: u64, id: u64) -> Self {
        Self(mix(key ^ mix(id)))
    }

    /// Returns the next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let bits = mix(self.0);
        self.0 = self.0.wrapping_add(GAMMA);
        bits
    }

    /// Returns a float in `[0, 1)` with 53 random bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Returns a float in `(0, 1)`, excluding both ends as logarithms and inverse distributions require.
    #[expect(clippy::cast_precision_loss, reason = "52 bits and a half fit a double exactly")]
    pub fn open_unit(&mut self) -> f64 {
        ((self.next_u64() >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }

    /// Returns an integer in `[0, below)`, or zero if `below` is zero. The bias is under 2^-32 for `below` < 2^32.
    pub fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(below)) >> 64) as u64
    }
}

impl TryRng for RandomStream {
    type Error = Infallible;

    /// Returns the high half of the next 64 bits.
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next_u64() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill_bytes_via_next_word(bytes, || Ok(self.next_u64()))
    }
}

/// Combines a seed and a label: the part of a stream's key that is the same for all ids.
#[must_use]
pub fn label_key(seed: u64, label: &str) -> u64 {
    label.bytes().fold(mix(seed), |state, byte| mix(state ^ u64::from(byte)))
}

/// The increment of the state: odd, so that the period is 2^64.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// One step of SplitMix64, its increment and its finaliser: a bijection in which every input bit affects every output bit.
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
    use rand::{Rng, RngExt};

    #[test]
    fn a_stream_depends_on_each_part_of_its_key() {
        let first = |seed, label, id| RandomStream::new(seed, label, id).next_u64();
        let base = first(1, "latency", 1);
        assert_eq!(base, first(1, "latency", 1));
        for other in [first(2, "latency", 1), first(1, "jitter", 1), first(1, "latency", 2)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_stream_gives_its_recorded_values() {
        // The recorded output of this stream; results of published runs depend on it.
        let mut stream = RandomStream::new(2026, "latency", 7);
        assert_eq!(
            [0; 3].map(|_| stream.next_u64()),
            [5_446_185_029_061_712_712, 4_593_780_401_942_426_782, 579_349_327_709_434_004]
        );
    }

    #[test]
    fn a_stream_is_split_mix_64() {
        // The first outputs of the reference implementation for the state 1234567.
        let mut stream = RandomStream(1_234_567);
        assert_eq!(
            [0; 3].map(|_| stream.next_u64()),
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn the_rand_traits_return_the_same_bits() {
        let mut stream = RandomStream::new(1, "rand", 0);
        let mut through_rand: Box<dyn Rng> = Box::new(stream.clone());
        assert_eq!(through_rand.next_u64(), stream.next_u64());
        assert_eq!(u64::from(through_rand.next_u32()), stream.next_u64() >> 32);
        let mut bytes = [0; 12];
        through_rand.fill_bytes(&mut bytes);
        assert_eq!(bytes[..8], stream.next_u64().to_le_bytes());
        assert_eq!(bytes[8..], stream.next_u64().to_le_bytes()[..4]);
        assert_eq!(through_rand.random::<f64>(), stream.unit(), "rand takes the same 53 bits");
    }

    #[test]
    fn units_stay_inside_their_interval_and_average_one_half() {
        let mut stream = RandomStream::new(7, "unit", 0);
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
    fn below_returns_every_value_under_its_bound_and_no_other() {
        let mut stream = RandomStream::new(7, "below", 0);
        let mut seen = [0u32; 6];
        for _ in 0..6_000 {
            seen[stream.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 800), "{seen:?}");
        assert_eq!(stream.below(0), 0);
    }
}
